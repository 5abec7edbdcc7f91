"""The report against tables that were typed from it."""

import math

import pytest

from lab.report import said
from lab.report.said import CURVES, REPORT, first_step_seen

NEVER = math.inf
NOT_SEEN = None

# The first steps that are seen in the report's figures, one for each curve.
FIRST_STEPS = {
    "task-1": {0.5: [200], 0.9: [250], 1.0: [350]},
    "1000-digits": {0.5: [190], 0.9: [340], 1.0: [450]},
    "5000-digits": {0.5: [620], 0.9: [890], 1.0: [960]},
    "rnn-layers": {
        0.5: [260, 200, 170, 190],
        0.9: [300, 210, 190, 240],
        1.0: [360, 240, 280, 310],
    },
    "gru-layers": {
        0.5: [240, 200, 170, 270],
        0.9: [290, 230, 210, 310],
        1.0: [340, 310, 300, 370],
    },
    "cells": {0.5: [130, 140, 170], 0.9: [150, 170, 210], 1.0: [210, 220, 260]},
    "lr-coarse": {
        0.9: [90, 160, 60, 380, 60, NEVER, 90, NEVER, 440, 310],
        1.0: [120, NEVER, 70, NOT_SEEN, 80, NEVER, 120, NEVER, NOT_SEEN, 420],
    },
    "lr-fine": {0.9: [50, 70, 50, 60, 70], 1.0: [100, 120, 270, 160, 180]},
    "final-model": {0.5: [30], 0.9: [40], 1.0: [60]},
    "pt-main": {0.5: [130], 0.9: [140], 1.0: [160]},
}
# The settings of its experiments: what all have, and what each changes.
SHARED = {
    "digitlen": 10,
    "cell": "RNN",
    "layers": 2,
    "hidden": 64,
    "embedding": 32,
    "lr": 0.001,
    "optimizer": "Adam",
    "momentum": 0.0,
    "steps": 500,
    "batch_size": 100,
    "test_size": 100,
    "eval_every": 10,
    "pairs": "uniform",
    "stop_after_perfect": None,
}
RATES = [0.00329, 0.0279, 0.0102, 0.000514, 0.00808, 0.000115, 0.00396, 1.36e-5, 0.000376, 0.000536]
FINE_RATES = [0.0149, 0.00631, 0.0125, 0.0130, 0.0147]
SETTINGS = {
    "task-1": {
        "digitlen": 9,
        "pairs": "course",
        "batch_size": 200,
        "test_size": 200,
        "steps": 1000,
    },
    "1000-digits": {"digitlen": 1000, "steps": 600},
    "5000-digits": {"digitlen": 5000, "steps": 2000},
    "rnn-layers": {"layers": [1, 2, 3, 4]},
    "gru-layers": {"cell": "GRU", "layers": [1, 2, 3, 4]},
    "cells": {"digitlen": 100, "cell": ["RNN", "GRU", "LSTM"], "layers": 3},
    "lr-coarse": {"layers": 3, "lr": RATES},
    "lr-fine": {"layers": 3, "lr": FINE_RATES, "steps": 400},
    "final-model": {"layers": 3, "lr": 0.01, "digitlen": 100},
    "pt-main": {"digitlen": 100},
}
CLAIMS = {
    "task-1": 3,
    "1000-digits": 1,
    "5000-digits": 1,
    "rnn-layers": 2,
    "gru-layers": 2,
    "cells": 2,
    "lr-coarse": 3,
    "lr-fine": 1,
    "final-model": 2,
    "pt-main": 0,
}


@pytest.mark.parametrize("name", FIRST_STEPS)
def test_the_first_steps_come_out_of_the_curves(name):
    for level, expected in FIRST_STEPS[name].items():
        curves = REPORT[name]["curves"].values()
        assert [first_step_seen(curve, level) for curve in curves] == expected


def test_the_experiments_are_those_of_the_table_in_its_order():
    assert list(REPORT) == list(SETTINGS)
    assert {name: len(of_report["claims"]) for name, of_report in REPORT.items()} == CLAIMS
    sections = "1.2 2.2 2.2 2.3.1 2.3.2 2.3.2 2.3.3 2.3.3 2.4 and 3 3"
    assert " ".join(of_report["section"] for of_report in REPORT.values()) == sections


@pytest.mark.parametrize("name", SETTINGS)
def test_the_settings_are_those_of_the_table(name):
    settings = dict(REPORT[name]["settings"])
    if name.startswith("lr"):
        assert settings["lr"] == [float(key) for key in CURVES[name]["variants"]]
        settings["lr"] = [float(f"{lr:.3g}") for lr in settings["lr"]]
    assert settings == SHARED | SETTINGS[name]
    assert settings["steps"] == CURVES[name]["steps"]


def test_what_is_printed_is_what_the_text_has():
    says = REPORT["task-1"]["says"]
    assert "0.308, 0.118, 0.0565, 0.0304, 0.0201, 0.0134, 0.01, 0.00776, 0.0061 at step" in says
    assert "0, 0.88, 0.99, 0.995, 1, 1, 1, 1, 1, 1 at step 150, 200, 250, 300, 350" in says


def test_what_is_seen_is_said_with_its_numbers():
    assert REPORT["rnn-layers"]["says"] == (
        "accuracy of layers 1, 2, 3, 4 first at 0.9 at step 300, 210, 190, 240; "
        "at 1.0 at step 360, 240, 280, 310"
    )
    assert "120, never, 70, not seen, 80" in REPORT["lr-coarse"]["says"]
    fall = "that of 0.0125 falls to 0 at step 210 and is back at 0.98 at step 240"
    saying_so = [name for name, of_report in REPORT.items() if "falls" in of_report["says"]]
    assert saying_so == ["lr-fine"] and REPORT["lr-fine"]["says"].endswith(fall)
    falling = {"accuracy": [[0, 0.0], [10, 0.9], [20, 0.1], [30, 0.5], [40, 0.9]]}
    assert said.find_fall(falling) == ([20, 0.1], [40, 0.9])
    assert said.find_fall({"accuracy": [[0, 0.0], [10, 0.9], [20, 0.11], [30, 0.9]]}) is None
    assert said.find_fall({"accuracy": [[0, 0.0], [10, 0.9], [20, 0.0]]}) is None


def test_hidden_points_give_no_first_step():
    def first_at_90(*points):
        accuracy = [list(point) for point in points]
        return first_step_seen({"accuracy": accuracy, "evaluated": [0, 10, 20, 30]}, 0.9)

    assert first_at_90((0, 0), (10, 0.9), (20, 1), (30, 0.8)) == 10
    assert first_at_90((0, 0), (10, 0.9), (30, 0.8)) == 10
    assert first_at_90((0, 0), (20, 1), (30, 1)) is NOT_SEEN
    assert first_at_90((10, 1), (20, 1), (30, 1)) is NOT_SEEN
    assert first_at_90((0, 0), (10, 0), (20, 0), (30, 0.89)) == NEVER
    assert first_at_90((0, 0), (10, 0), (20, 0.88)) is NOT_SEEN
    assert first_at_90((0, 0), (20, 0.88), (30, 0.5)) == NEVER
