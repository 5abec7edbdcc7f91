"""What is drawn, against counts by hand."""

import struct

import numpy as np
from matplotlib.figure import Figure

from lab import pictures
from lab.report import overview


def run(accuracy, error=None):
    """A made-up run, measured every 10 steps."""
    steps = [10 * (i + 1) for i in range(len(accuracy))]
    return {
        "accuracy": accuracy,
        "measured_at": steps,
        "loss": [1.0] * (10 * len(accuracy)),
        "error": error,
    }


def png_size(path):
    content = path.read_bytes()
    assert content[:8] == b"\x89PNG\r\n\x1a\n"
    return struct.unpack(">II", content[16:24])


def test_the_band_is_the_range_and_the_line_the_median():
    runs = [run([0.0, 1.0]), run([0.0, 0.2, 0.4, 0.6]), run([0.5, 0.5], error="nan")]
    low, median, high = pictures.on_one_grid(runs, np.array([10, 20, 30, 40]), "accuracy")
    assert low.tolist() == [0.0, 0.2, 0.4, 0.6]
    assert high.tolist() == [0.5, 1.0, 1.0, 1.0]
    assert median.tolist() == [0.0, 0.5, 0.7, 0.8]


def test_curves_have_a_line_an_arm_and_a_diamond_a_value():
    arms = [
        {"label": name, "legend": f"{name}: step 20", "runs": [run([0.0, 1.0]), run([0.0, 0.5])]}
        for name in "ab"
    ]
    figure = Figure()
    diamonds = {"loss": [], "accuracy": [["b", 30, 1.0], [None, 5, 0.5]]}
    pictures.draw_row(figure, {"headline": "Two arms", "arms": arms, "diamonds": diamonds})
    loss, accuracy = figure.axes
    assert [len(loss.lines), len(loss.collections)] == [2, 2]
    assert [line.get_xydata().tolist() for line in accuracy.lines[2:4]] == [[[30, 1.0]], [[5, 0.5]]]
    assert (
        accuracy.lines[2].get_color()
        == accuracy.lines[1].get_color()
        != accuracy.lines[3].get_color()
    )
    assert [text.get_text() for text in figure.legends[0].get_texts()] == [
        "a: step 20",
        "b: step 20",
        "the report",
    ]


def test_a_part_is_drawn_by_itself(tmp_path):
    cost = {
        "row": 10,
        "title": "CUDA",
        "claims": [],
        "verdict": "none",
        "picture": "cost.png",
        "original_ms": [[10, 5], [100, 40]],
        "devices": [
            {"device": "cpu", "kind": "abacus", "ms": [[10, [3.0, 4.0, 9.0]], [100, [30.0]]]}
        ],
    }
    pictures.draw({"rows": [], "cost": cost}, tmp_path)
    assert png_size(tmp_path / "cost.png") == (1500, 600)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cost.png"]


def test_every_claim_is_a_line_with_a_mark_a_seed():
    claims = [
        {
            "claim": "it adds",
            "answers": [True, False, True],
            "verdict": "depends on the seed",
            "note": "with 7 pairs a step",
        },
        {"claim": "it sings", "answers": [False] * 3, "verdict": "does not hold", "note": ""},
    ]
    rows = [
        {"row": 1, "title": "One", "claims": claims},
        {"row": 10, "title": "Ten", "claims": [], "verdict": "not measured"},
    ]
    figure = Figure()
    pictures.draw_verdicts(figure, overview(rows))
    (axes,) = figure.axes
    words = [text.get_text() for text in axes.texts]
    assert words == [
        "1. One",
        "",
        "it adds",
        "depends on the seed (2 of 3), with 7 pairs a step",
        "it sings",
        "does not hold",
        "10. Ten",
        "not measured",
    ]
    assert [line.get_fillstyle() for line in axes.lines] == [
        "full",
        "none",
        "full",
        "none",
        "none",
        "none",
    ]
