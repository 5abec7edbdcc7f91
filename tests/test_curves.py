"""The curves of one training: saved, or shown where there is a screen."""

import matplotlib
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from lab import curves, screen

RUN = {"loss": [2.0, 1.0, 0.5], "steps": [0, 2], "accuracy": [0.0, 1.0]}


@pytest.fixture
def shown(monkeypatch):
    """The figures that are shown on a screen."""
    figures = []

    def open_window(**style):
        figures.append(Figure(**style))
        FigureCanvasAgg(figures[-1])
        return figures[-1]

    monkeypatch.setattr(curves, "open_window", open_window)
    monkeypatch.setattr(curves, "show_windows", lambda: figures[-1].draw_without_rendering())
    return figures


def test_steps_of_the_loss_count_from_0(shown):
    assert curves.show_run(RUN) is True
    loss, accuracy = (axes.lines[0].get_xydata().tolist() for axes in shown[0].axes)
    assert loss == [[0, 2.0], [1, 1.0], [2, 0.5]]
    assert accuracy == [[0, 0.0], [2, 1.0]]
    assert [axes.get_yscale() for axes in shown[0].axes] == ["log", "linear"]


@pytest.mark.parametrize("name", ["agg", "svg", "module://matplotlib_inline.backend_inline"])
def test_without_a_screen_there_is_no_window(name, monkeypatch):
    monkeypatch.setattr(matplotlib, "get_backend", lambda: name)
    assert screen.open_window() is None
    assert curves.show_run(RUN) is False
