"""The picture of an experiment, its curves and first steps, and that of one training."""

import itertools
import math
import statistics
from typing import NamedTuple

import matplotlib
import numpy as np
from matplotlib.ticker import NullLocator

from lab.pictures.backend import open_window, show_windows
from lab.pictures.style import (
    BLUE,
    MEDIAN,
    RED,
    SMALL,
    TEXT_SIZE,
    TITLE_SIZE,
    WIDTH,
    Scale,
    add_axes,
    choose_log_ticks,
    choose_ticks,
    measure_height,
    measure_width,
    new_figure,
    plain_style,
    wrap_text,
)

PANELS_LEFT = 0.6  # inches, as the next one
PANEL_GAP = 0.1


# --- An experiment: its curves and its first steps.


@matplotlib.rc_context(SMALL)
def draw_experiment(figure, experiment):
    """A panel of curves for each variant, loss above accuracy, and a strip of their first steps.

    A thin blue line or a dot is one of our seeds, a wide orange line or a bar their median; the
    report's own run is black, and a red cross a run that broke off.
    """
    by_rate = experiment["compared"] == ["lr"]
    variants = list(experiment["variants"])
    if by_rate:
        variants.sort(key=lambda variant: variant["settings"]["lr"])
    beside = len(variants) <= 4 and not by_rate
    names = [wrap_text(figure, variant["label"], 1.1 if beside else 2) for variant in variants]
    names_width = 0.15 + max(measure_width(figure, name) for name in names)
    panels_width = WIDTH - names_width - 2 if beside else WIDTH - 0.1
    grid = plan_panels(figure, variants, panels_width)
    headline = wrap_text(figure, experiment["headline"], WIDTH - 0.2, fontsize=TITLE_SIZE)
    panels_top = 0.1 + measure_height(headline, TITLE_SIZE)
    strip_top = panels_top + grid.blocks * grid.block_height + 0.2
    strip_left = PANELS_LEFT if by_rate else names_width + 0.05
    strip_width = WIDTH - 0.15 - strip_left
    if beside:
        height = strip_top
        strip_left = WIDTH - 1.9
        strip_width = 1.8
        strip_height = 2 * grid.height + PANEL_GAP
        strip_top = panels_top + grid.title_height
    else:
        seeds = max(len(variant["runs"]) for variant in variants)
        row_height = max(0.22, 0.015 * seeds, *(measure_height(name, TEXT_SIZE) for name in names))
        strip_height = 1.8 if by_rate else row_height * len(variants)
        height = strip_top + strip_height + 0.4
    figure.set_size_inches(WIDTH, height)
    figure.text(0.5, 1 - 0.06 / height, headline, ha="center", va="top", fontsize=TITLE_SIZE)
    draw_panels(figure, variants, grid, panels_top)
    strip = add_axes(figure, strip_left, strip_top, strip_width, strip_height)
    if by_rate:
        draw_rates(strip, variants, experiment["level"], (strip_width, strip_height))
    else:
        draw_rows(strip, variants, names, experiment["level"], (strip_width, strip_height))


class Grid(NamedTuple):
    """How the panels of an experiment are laid out: lengths in inches."""

    titles: list[str]  # one a variant
    columns: int
    blocks: int  # rows of variants
    width: float  # of a panel
    height: float
    title_height: float
    block_height: float


def plan_panels(figure, variants, width):
    """The `Grid` of the panels of `variants` in `width` inches."""
    blocks = math.ceil(len(variants) / 5)
    columns = math.ceil(len(variants) / blocks)
    panel_width = (width - PANELS_LEFT + PANEL_GAP) / columns - PANEL_GAP
    panel_height = {1: 1.1, 2: 0.85}.get(blocks, 0.6)
    titles = [wrap_text(figure, variant["label"], panel_width) for variant in variants]
    title_height = 0.04 + max(measure_height(title, TEXT_SIZE) for title in titles)
    block_height = title_height + 2 * panel_height + PANEL_GAP + 0.22
    return Grid(titles, columns, blocks, panel_width, panel_height, title_height, block_height)


def draw_panels(figure, variants, grid, top):
    """Loss and accuracy of each variant against step, on the same scales; `top` in inches."""
    low, high = limit_losses(variants)
    loss_ticks = choose_log_ticks(low, high)
    last_step = find_last_step(variants)
    steps_ticks = choose_ticks(0, last_step, 2)
    label_at = (0.17 - PANELS_LEFT) / grid.width
    panels = []
    for place, (variant, title) in enumerate(zip(variants, grid.titles, strict=True)):
        block = place // grid.columns
        column = place % grid.columns
        left = PANELS_LEFT + column * (grid.width + PANEL_GAP)
        loss_top = top + block * grid.block_height + grid.title_height
        loss = add_axes(figure, left, loss_top, grid.width, grid.height)
        accuracy_top = loss_top + grid.height + PANEL_GAP
        accuracy = add_axes(figure, left, accuracy_top, grid.width, grid.height)
        loss.set(yscale="log", ylim=(low, high), title=title)
        loss.set_yticks(loss_ticks, [f"{tick:g}" for tick in loss_ticks])
        loss.yaxis.set_minor_locator(NullLocator())
        accuracy.set(ylim=(-0.04, 1.04))
        accuracy.set_yticks([0, 0.5, 1], ["0", "0.5", "1"])
        for axes, curve in ((loss, "loss"), (accuracy, "accuracy")):
            axes.set(xlim=(-0.01 * last_step, last_step))
            axes.set_xticks(steps_ticks, [f"{tick:g}" for tick in steps_ticks])
            axes.tick_params(labelleft=column == 0, labelbottom=curve == "accuracy")
            draw_curves(axes, variant, curve)
            if column == 0:
                axes.set_ylabel(curve)
                axes.yaxis.set_label_coords(label_at, 0.5)
        # A number at the panel's edge stays inside: beside it stands the next panel's.
        for tick, label in zip(steps_ticks, accuracy.get_xticklabels(), strict=True):
            if tick == 0:
                label.set_horizontalalignment("left")
            elif tick > 0.9 * last_step:
                label.set_horizontalalignment("right")
        if place + grid.columns >= len(variants):
            accuracy.set_xlabel("training step")
        panels += [loss, accuracy]
    label_lines(figure, panels, variants)


def draw_curves(axes, variant, curve):
    """One panel: `curve` of each run, their median, and the report's."""
    for run in variant["runs"]:
        values = np.array(run[curve], dtype=float)  # None becomes NaN
        alone = len(variant["runs"]) == 1
        axes.plot(run["steps"], values, color=BLUE, linewidth=1.5 if alone else 0.6, alpha=0.6)
        known = np.flatnonzero(np.isfinite(values))
        if run["error"] and len(known):
            axes.plot(
                run["steps"][known[-1]], values[known[-1]], "x", color=RED, markersize=4, zorder=3
            )
    if len(variant["runs"]) > 1:
        median = np.array(median_curve(variant["runs"], curve)).reshape(-1, 2)
        axes.plot(*median.T, color=MEDIAN, linewidth=1.6)
    if variant["report"] is None:
        return
    style = {
        "color": "black",
        "linewidth": 1,
        "marker": "o",
        "markersize": 1.2,
        "markeredgewidth": 0,
    }
    axes.plot(*break_line(variant["report"][curve]).T, **style)
    printed = np.array(variant["report"].get(f"printed_{curve}", [])).reshape(-1, 2)
    if len(printed):
        axes.plot(*printed.T, "D", color="black", markersize=3)


def break_line(points):
    """`points` as an array, with NaN where points are missing between two of them."""
    steps = [step for step, _ in points]
    apart = np.diff(steps)
    broken = np.array(points, dtype=float).reshape(-1, 2)
    gaps = np.flatnonzero(apart > min(apart, default=0)) + 1
    return np.insert(broken, gaps, np.nan, axis=0)


def median_curve(runs, curve):
    """[[step, median over the runs]], as far as all of them go that did not break off."""
    points = []
    for place, step in enumerate(max((run["steps"] for run in runs), key=len)):
        if any(len(run["steps"]) <= place and not run["error"] for run in runs):
            break
        values = [run[curve][place] for run in runs if len(run["steps"]) > place]
        values = [value for value in values if value is not None]
        if values:
            points.append([step, statistics.median(values)])
    return points


def label_lines(figure, panels, variants):
    """Say which line is what in a corner of one of `panels`, the first that is empty."""
    seeds = len(variants[0]["runs"])
    words = {f"{seeds} seeds": BLUE, "median": MEDIAN} if seeds > 1 else {"our seed": BLUE}
    if any(variant["report"] is not None for variant in variants):
        words["the report"] = "black"
    line_height = measure_height("", TEXT_SIZE)
    width = 0.1 + max(measure_width(figure, text, weight="bold") for text in words)
    axes, x, y = choose_corner(panels, width, 0.05 + line_height * len(words))
    for text, colour in words.items():
        y -= line_height / 2
        style = {"color": colour, "weight": "bold", "ha": "center", "va": "center"}
        axes.text(x + width / 2, y, text, transform=axes.get_figure().dpi_scale_trans, **style)
        y -= line_height / 2


def choose_corner(panels, width, height):
    """(axes, left, top) of the corner with the fewest points in it; sizes and places in inches."""
    corners = []
    for axes in panels:
        to_inches = axes.transData - axes.get_figure().dpi_scale_trans
        box = axes.get_window_extent().transformed(axes.get_figure().dpi_scale_trans.inverted())
        points = np.concatenate([to_inches.transform(line.get_xydata()) for line in axes.lines])
        for left, top in itertools.product((box.x1 - width, box.x0), (box.y1, box.y0 + height)):
            across = (points[:, 0] > left) & (points[:, 0] < left + width)
            up = (points[:, 1] < top) & (points[:, 1] > top - height)
            corners.append((np.count_nonzero(across & up), axes, left, top))
    return min(corners, key=lambda corner: corner[0])[1:]


def find_last_step(variants):
    """The last step of all runs and of the report."""
    last_step = 1
    for variant in variants:
        for run in variant["runs"]:
            last_step = max([last_step, *run["steps"]])
        report = variant["report"] or {"loss": [], "accuracy": []}
        for step, _ in report["loss"] + report["accuracy"]:
            last_step = max(last_step, step)
    return last_step


def limit_losses(variants):
    """(low, high) of an axis for all losses: those of the runs and of the report."""
    losses = []
    for variant in variants:
        for run in variant["runs"]:
            losses += [loss for loss in run["loss"] if loss is not None and loss > 0]
        report = variant["report"] or {}
        losses += [loss for _, loss in report.get("loss", [])]
        losses += [loss for _, loss in report.get("printed_loss", [])]
    losses = losses or [1.0]
    return 0.7 * min(losses), 1.4 * max(losses)


# --- The strip of first steps: its axes are in inches.


def scale_steps(steps, length):
    """A `Scale` for `steps`. Those that are nearly equal are to look so."""
    known = [step for step in steps if step is not None] or [0]
    middle = (min(known) + max(known)) / 2
    half = max((max(known) - min(known)) / 2, 0.2 * middle, 1)
    return Scale(max(0, middle - half), middle + half, length, 0.5 if None in steps else 0)


def draw_rows(axes, variants, names, level, size):
    """The first steps at `level` in a row for each variant; `size` is that of `axes`, in inches."""
    length, breadth = size
    row_height = breadth / len(variants)
    homes = [(row + 0.5) * row_height for row in range(len(variants))]
    scale = scale_steps(all_first_steps(variants, level), length)
    medians, diamonds = place_middles(variants, level, scale, homes)
    dots, crosses, diameter = place_dots(variants, level, scale, homes, diamonds, 0.46 * row_height)
    half = min(0.22, 0.42 * row_height)
    for along, home in medians:
        axes.plot([along, along], [home - half, home + half], color=MEDIAN, linewidth=2.5)
    plot_marks(axes, dots, crosses, diamonds, diameter)
    axes.set(xlim=(0, length), ylim=(breadth, 0), xlabel=f"first step at accuracy {float(level)}")
    axes.set_yticks(homes, names)
    axes.tick_params(axis="y", length=0)
    axes.grid(False, axis="y")
    label_steps(axes.xaxis, scale)
    if scale.never:
        axes.axvspan(scale.end, length, color="0.93", zorder=0)


def draw_rates(axes, variants, level, size):
    """The first steps at `level`, upward, against the learning rate, on a log axis."""
    breadth, length = size
    rates = np.log10([variant["settings"]["lr"] for variant in variants])
    per_decade = (breadth - 1) / max(0.1, rates[-1] - rates[0])
    homes = [0.5 + per_decade * (rate - rates[0]) for rate in rates]
    scale = scale_steps(all_first_steps(variants, level), length)
    medians, diamonds = place_middles(variants, level, scale, homes)
    dots, crosses, diameter = place_dots(variants, level, scale, homes, diamonds, 0.4)
    medians, diamonds, dots, crosses = (
        [(home, along) for along, home in points] for points in (medians, diamonds, dots, crosses)
    )
    for points, colour in ((medians, MEDIAN), (diamonds, "black")):
        axes.plot(*np.reshape(points, (-1, 2)).T, color=colour, linewidth=0.8)
    for home, along in medians:
        axes.plot([home - 0.13, home + 0.13], [along, along], color=MEDIAN, linewidth=2.5)
    plot_marks(axes, dots, crosses, diamonds, diameter)
    axes.set(xlim=(0, breadth), ylim=(0, length), xlabel="learning rate")
    axes.set_ylabel(f"first step at accuracy {float(level)}")
    axes.yaxis.set_label_coords((0.17 - PANELS_LEFT) / breadth, 0.5)
    ticks = choose_log_ticks(
        10 ** (rates[0] - 0.4 / per_decade), 10 ** (rates[-1] + 0.4 / per_decade)
    )
    places = [0.5 + per_decade * (math.log10(tick) - rates[0]) for tick in ticks]
    axes.set_xticks(places, [f"{tick:g}" for tick in ticks])
    label_steps(axes.yaxis, scale)
    if scale.never:
        axes.axhspan(scale.end, length, color="0.93", zorder=0)


def first_steps(variant, level):
    """Those at `level` of a variant, one a run."""
    return variant["first"][f"{level:.0%}"]


def report_steps(variant, level):
    """The report's own first step at `level`, in a list; [] where it has none or it is not seen."""
    report = variant["report"]
    name = f"{level:.0%}"
    return [report["first"][name]] if report and name not in report["not_seen"] else []


def all_first_steps(variants, level):
    """Those at `level` of the runs and of the report."""
    steps = []
    for variant in variants:
        steps += first_steps(variant, level)
        steps += report_steps(variant, level)
    return steps


def place_middles(variants, level, scale, homes):
    """(medians, diamonds of the report): [(inches along the steps, across them)]."""
    medians = []
    diamonds = []
    for variant, home in zip(variants, homes, strict=True):
        steps = first_steps(variant, level)
        middle = statistics.median(or_never(step) for step in steps)
        if len(steps) > 1:
            medians.append((scale.place(None if middle == math.inf else middle), home))
        diamonds += [(scale.place(step), home) for step in report_steps(variant, level)]
    return medians, diamonds


def place_dots(variants, level, scale, homes, diamonds, room):
    """(dots, crosses of the runs that broke off, diameter of both), as `place_middles` has them.

    No dot hides another or a diamond: it stands aside, by `room` inches at most. The dots are as
    large as that allows.
    """
    wanted = []
    broken = []
    for variant, home in zip(variants, homes, strict=True):
        runs = zip(first_steps(variant, level), variant["runs"], strict=True)
        for step, run in sorted(runs, key=lambda pair: or_never(pair[0])):
            # "never" is no number: there a dot may move along the steps as well.
            wanted.append((scale.place(step), home, 0.2 if step is None else 0))
            broken.append(bool(run["error"]))
    for diameter in (0.065, 0.055, 0.045, 0.038, 0.032, 0.026, 0.02):
        places = spread_dots(wanted, diamonds, room, diameter)
        if None not in places:
            break
    dots = []
    crosses = []
    for place, (along, across, _), error in zip(places, wanted, broken, strict=True):
        (crosses if error else dots).append(place or (along, across))
    return dots, crosses, diameter


def spread_dots(wanted, diamonds, room, diameter):
    """Free places for dots of `diameter`, each the nearest to where it is wanted, or None.

    `wanted` has (along, across, how far it may move along); `room` is how far across.
    """
    taken = [(*diamond, 0.045 + diameter / 2) for diamond in diamonds]
    places = []
    for along, across, depth in wanted:
        rows = int(depth / diameter)
        columns = int(room / diameter)
        offsets = itertools.product(range(-rows, rows + 1), range(-columns, columns + 1))
        place = None
        for down, aside in sorted(offsets, key=lambda offset: math.hypot(*offset)):
            x = along + diameter * down
            y = across + diameter * aside
            if all(math.hypot(x - a, y - b) > 0.99 * apart for a, b, apart in taken):
                place = (x, y)
                taken.append((x, y, diameter))
                break
        places.append(place)
    return places


def plot_marks(axes, dots, crosses, diamonds, diameter):
    """Dots, crosses and diamonds at their places."""
    for points, style in (
        (dots, {"marker": "o", "color": BLUE, "markeredgewidth": 0, "markersize": 72 * diameter}),
        (crosses, {"marker": "x", "color": RED, "markersize": 72 * diameter}),
        (diamonds, {"marker": "D", "color": "black", "markersize": 4.5}),
    ):
        if points:
            axes.plot(*zip(*points, strict=True), linestyle="none", **style)


def label_steps(axis, scale):
    """Ticks at round steps, and at "never"."""
    ticks = choose_ticks(scale.low, scale.high, 4)
    words = [f"{tick:g}" for tick in ticks]
    places = [scale.place(tick) for tick in ticks]
    if scale.never:
        words.append("never")
        places.append(scale.never)
    axis.set_ticks(places, words)


def or_never(step):
    """A step, infinite where it is None."""
    return math.inf if step is None else step


# --- One training of one's own.


RUN = {"figsize": (10, 4), "dpi": 100, "layout": "constrained"}


def draw_run(curves, path):
    """The curves of one training, saved to `path`.

    `curves` has "loss", one a step from step 0 on, and "accuracy", one for each of "steps".
    """
    with plain_style():
        figure = new_figure(**RUN)
        plot_run(figure, curves)
        figure.savefig(path)


def show_run(curves):
    """Show on the reader's screen what `draw_run` saves; False where there is no screen."""
    with plain_style():
        figure = open_window(**RUN)
        if figure is None:
            return False
        plot_run(figure, curves)
        show_windows()
    return True


def plot_run(figure, curves):
    """Loss and accuracy against step."""
    loss_axes, accuracy_axes = figure.subplots(1, 2)
    loss_axes.plot(range(len(curves["loss"])), curves["loss"])
    loss_axes.set(yscale="log", xlabel="training step", ylabel="loss (cross-entropy)")
    accuracy_axes.plot(curves["steps"], curves["accuracy"])
    accuracy_axes.set(
        ylim=(-0.02, 1.02), xlabel="training step", ylabel="accuracy (whole sums correct)"
    )
