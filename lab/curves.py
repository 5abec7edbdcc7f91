"""The curves of one training, shown or saved."""

from lab.screen import open_window, show_windows
from lab.style import WIDTH, label_log_axis, new_figure, plain_style

SIZE = (WIDTH, 2.7)  # inches


def draw_run(curves, path):
    """Save the curves of a training: its "loss" at each step, its "accuracy" at each of "steps"."""
    with plain_style():
        figure = new_figure(figsize=SIZE)
        plot_run(figure, curves)
        figure.savefig(path, dpi=200)


def show_run(curves):
    """Show on the reader's screen what `draw_run` saves; False where there is no screen."""
    with plain_style():
        figure = open_window(figsize=SIZE)
        if figure is None:
            return False
        plot_run(figure, curves)
        show_windows()
    return True


def plot_run(figure, curves):
    """Loss and accuracy against step."""
    loss, accuracy = figure.subplots(1, 2)
    loss.plot(curves["loss"])
    loss.set(yscale="log", xlabel="training step", ylabel="loss (cross-entropy)")
    label_log_axis(loss.yaxis)
    accuracy.plot(curves["steps"], curves["accuracy"])
    accuracy.set(xlabel="training step", ylabel="accuracy (whole sums correct)")
    accuracy.set_ylim(-0.02, 1.02)
