"""The report against tables typed from it; verdicts against coins, permutations, counts by hand."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

from lab import report

LAB = Path(report.__file__).parent
CURVES = json.loads((LAB / "report_curves.json").read_text(encoding="utf-8"))
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
    "gru-layers": 1,
    "cells": 2,
    "lr-coarse": 3,
    "lr-fine": 1,
    "final-model": 2,
    "pt-main": 0,
}
ALL_CLAIMS = [(name, claim) for name, said in report.REPORT.items() for claim in said["claims"]]


def run(accuracy, loss=None, error=None, seed=0, decided="proven", digits=None, **more):
    """A made-up run, evaluated at steps 0, 10, 20 ..."""
    return {
        "seed": seed,
        "accuracy": accuracy,
        "steps": [10 * place for place in range(len(accuracy))],
        "loss": loss or [1.0] * len(accuracy),
        "error": error,
        "decided": decided,
        "verdict": "wrong" if digits else decided,
        "digits": digits,
        "wrong_in": {"float32": True, "float64": True} if digits else None,
    } | more


def rising(step, length=50, **more):
    """A made-up run that is at 0.0 before `step` and at 1.0 from there on."""
    return run([1.0 if 10 * place >= step else 0.0 for place in range(length)], **more)


def as_run(curve):
    """A curve of the report's as a run: NaN, which is at no level, where it has no point."""
    loss = dict(curve["loss"])
    accuracy = dict(curve["accuracy"])
    steps = sorted(loss | accuracy)
    return {
        "steps": steps,
        "loss": [loss.get(step, math.nan) for step in steps],
        "accuracy": [accuracy.get(step, math.nan) for step in steps],
        "error": None,
    }


def experiment(name, by_value, **changes):
    """Variants at the report's settings, but for `changes`: [a run a seed] by value."""
    said = report.REPORT[name]
    field = said["compares"]
    variants = []
    for value, runs in by_value.items():
        settings = said["settings"] | changes
        if field:
            settings[field] = value
        label = "" if field is None else f"{field} {value}"
        variants.append({"label": label, "settings": settings, "runs": runs})
    return variants


def say(claim, **runs):
    """The answer of made-up runs to the claim of report.toml that begins so."""
    (arguments,) = [each for _, each in ALL_CLAIMS if each["claim"].startswith(claim)]
    return report.answer(arguments, runs)


# --- What the report says and shows.


@pytest.mark.parametrize("name", FIRST_STEPS)
def test_the_first_steps_come_out_of_the_curves(name):
    for level, expected in FIRST_STEPS[name].items():
        curves = report.REPORT[name]["curves"].values()
        assert [report.first_step_seen(curve, level) for curve in curves] == expected


def test_the_experiments_are_those_of_the_table_in_its_order():
    assert list(report.REPORT) == list(SETTINGS)
    assert {name: len(said["claims"]) for name, said in report.REPORT.items()} == CLAIMS
    sections = "1.2 2.2 2.2 2.3.1 2.3.2 2.3.2 2.3.3 2.3.3 2.4 and 3 3"
    assert " ".join(said["section"] for said in report.REPORT.values()) == sections


@pytest.mark.parametrize("name", SETTINGS)
def test_the_settings_are_those_of_the_table(name):
    settings = dict(report.REPORT[name]["settings"])
    if name.startswith("lr"):
        assert settings["lr"] == [float(key) for key in CURVES[name]["variants"]]
        settings["lr"] = [float(f"{lr:.3g}") for lr in settings["lr"]]
    assert settings == SHARED | SETTINGS[name]
    assert settings["steps"] == CURVES[name]["steps"]


def test_what_is_printed_is_what_the_text_has():
    says = report.REPORT["task-1"]["says"]
    assert "0.308, 0.118, 0.0565, 0.0304, 0.0201, 0.0134, 0.01, 0.00776, 0.0061 at step" in says
    assert "0, 0.88, 0.99, 0.995, 1, 1, 1, 1, 1, 1 at step 150, 200, 250, 300, 350" in says


def test_what_is_seen_is_said_with_its_numbers():
    assert report.REPORT["rnn-layers"]["says"] == (
        "accuracy of layers 1, 2, 3, 4 first at 0.9 at step 300, 210, 190, 240; "
        "at 1.0 at step 360, 240, 280, 310"
    )
    assert "120, never, 70, not seen, 80" in report.REPORT["lr-coarse"]["says"]
    fall = "that of 0.0125 falls to 0 at step 210 and is back at 0.98 at step 240"
    saying_so = [name for name, said in report.REPORT.items() if "falls" in said["says"]]
    assert saying_so == ["lr-fine"] and report.REPORT["lr-fine"]["says"].endswith(fall)
    falling = {"accuracy": [[0, 0.0], [10, 0.9], [20, 0.1], [30, 0.5], [40, 0.9]]}
    assert report.find_fall(falling) == ([20, 0.1], [40, 0.9])
    assert report.find_fall({"accuracy": [[0, 0.0], [10, 0.9], [20, 0.11], [30, 0.9]]}) is None
    assert report.find_fall({"accuracy": [[0, 0.0], [10, 0.9], [20, 0.0]]}) is None


def test_hidden_points_give_no_first_step():
    evaluated = [0, 10, 20, 30]

    def curve(*points):
        return {"accuracy": [list(point) for point in points], "evaluated": evaluated}

    assert report.first_step_seen(curve((0, 0), (10, 0.9), (20, 1), (30, 0.8)), 0.9) == 10
    assert report.first_step_seen(curve((0, 0), (10, 0.9), (30, 0.8)), 0.9) == 10
    assert report.first_step_seen(curve((0, 0), (20, 1), (30, 1)), 0.9) is NOT_SEEN
    assert report.first_step_seen(curve((10, 1), (20, 1), (30, 1)), 0.9) is NOT_SEEN
    assert report.first_step_seen(curve((0, 0), (10, 0), (20, 0), (30, 0.89)), 0.9) == NEVER
    assert report.first_step_seen(curve((0, 0), (10, 0), (20, 0.88)), 0.9) is NOT_SEEN
    assert report.first_step_seen(curve((0, 0), (20, 0.88), (30, 0.5)), 0.9) == NEVER
    # A number that rests on them is no number: one of the ten rates has none at 0.5.
    of_rate = report.REPORT["lr-coarse"]["curves"][0.00037605057589532796]
    runs = [rising(100), rising(200)]
    assert report.place_first_step(of_rate, runs)[0]["reports"] == 440
    hidden = of_rate | {"accuracy": [[step, at] for step, at in of_rate["accuracy"] if step < 430]}
    assert report.first_step_seen(hidden, 0.9) == NEVER
    late = of_rate | {"accuracy": [[step, at] for step, at in of_rate["accuracy"] if step != 430]}
    assert report.place_first_step(late, runs) == []


# --- What is asked of a seed.


@pytest.mark.parametrize(("name", "claim"), ALL_CLAIMS)
def test_the_reports_own_curves_answer_yes(name, claim):
    runs = {value: as_run(curve) for value, curve in report.REPORT[name]["curves"].items()}
    expected = None if claim["question"] == "all_add_5000_digits" else True
    assert report.answer(claim, runs) is expected


@pytest.mark.parametrize(("name", "claim"), ALL_CLAIMS)
def test_every_claim_can_be_answered_either_way(name, claim):
    falling_loss = [10.0**-place for place in range(200)]
    at_once = rising(0, 200, loss=falling_loss, accuracy_at_5000=1.0)
    never = run([0.0] * 200, loss=[3.0] * 200, accuracy_at_5000=0.99)
    values = report.REPORT[name]["settings"].get(report.REPORT[name]["compares"], [None])
    of_seeds = [dict.fromkeys(values, at_once), dict.fromkeys(values, never)]
    for value in values:
        of_seeds.append(dict.fromkeys(values, never) | {value: at_once})
        of_seeds.append(dict.fromkeys(values, at_once) | {value: never})
    assert {report.answer(claim, runs) for runs in of_seeds} == {True, False}


def test_task_1_by_hand():
    reaches = {"question": "all_reach"}
    assert report.answer(reaches, {None: run([0.0, 0.995, 1.0, 0.5])})
    assert not report.answer(reaches, {None: run([0.0, 0.995, 0.995])})
    from_350 = "from step 350"
    late = [1.0] * 35 + [1.0] * 26 + [0.9] * 39  # the lines end at step 600
    assert say(from_350, only=run(late))
    assert say(from_350, only=run([0.0] * 35 + late[35:]))
    assert say(from_350, only=run(late[:36] + [0.99] + late[37:])), "step 360 was not printed"
    for step in (350, 400, 450, 500, 550, 600):
        place = step // 10
        assert not say(from_350, only=run(late[:place] + [0.995] + late[place + 1 :]))
    assert not say(from_350, only=run([1.0] * 40, error="the loss is nan"))
    tends = "the loss tends to 0"
    loss = [1.0] * 50 + [0.5] + [0.4] * 48
    assert say(tends, only=run([0.0] * 100, loss=[*loss, 0.25]))
    assert not say(tends, only=run([0.0] * 100, loss=[*loss, 0.26]))
    assert not say(tends, only=run([0.0] * 100, loss=[*loss, math.nan]))
    assert not say(tends, only=run([0.0] * 60, loss=[1.0] * 59 + [0.1], error="the loss is nan"))


def test_long_numbers_by_hand():
    for claim in ("the final accuracy is 100%", "100% can still be reached"):
        assert say(claim, only=run([0.0, 1.0]))
        assert say(claim, only=run([0.0, 1.0, 0.99, 1.0]))
        assert not say(claim, only=run([0.0, 1.0, 0.99]))
        assert not say(claim, only=run([0.0, 1.0], error="the loss is nan"))


def test_layers_and_cells_by_hand():
    steps = {1: rising(50), 2: rising(40), 3: rising(30), 4: rising(40)}
    (all_four, three) = report.REPORT["rnn-layers"]["claims"]
    (gru,) = report.REPORT["gru-layers"]["claims"]
    assert report.answer(all_four, steps)
    assert not report.answer(all_four, steps | {4: run([0.99] * 50)})
    for claim in (three, gru):
        assert report.answer(claim, steps)
        assert not report.answer(claim, steps | {1: rising(30)}), "a tie is not first"
        assert not report.answer(claim, steps | {1: rising(20)})
        assert not report.answer(claim, dict.fromkeys(steps, run([0.89] * 50))), "never is not"
        assert report.answer(claim, steps | {1: run([0.89] * 50), 3: run([0.0, 0.9])})
    assert say("all three converge", RNN=rising(490), GRU=rising(0), LSTM=rising(0))
    assert not say("all three converge", RNN=rising(500), GRU=rising(0), LSTM=rising(0))
    assert say("the RNN stands out", RNN=rising(10), GRU=rising(20), LSTM=rising(20))
    assert not say("the RNN stands out", RNN=rising(20), GRU=rising(20), LSTM=rising(30))


def test_rates_by_hand():
    matters, best, both = report.REPORT["lr-coarse"]["claims"]
    half = run([0.0, 0.5, 0.0])
    assert report.answer(matters, {0.1: run([1.0]), 0.2: run([0.49]), 0.3: half})
    assert not report.answer(matters, {0.1: run([1.0]), 0.2: half})
    assert not report.answer(matters, {0.1: run([0.99]), 0.2: run([0.0])})
    rates = {0.001: rising(90), 0.005: rising(90), 0.03: rising(100)}
    assert report.answer(best, rates), "a tie counts, and so do the ends"
    assert report.answer(best, {0.02: rising(90)})
    assert not report.answer(best, rates | {0.03: rising(80)})
    assert not report.answer(best, {0.01: rising(100)})
    assert not report.answer(best, {0.01: run([0.0] * 50)})
    rates = {1e-5: run([0.49]), 0.01: run([1.0]), 0.03: run([0.99])}
    assert report.answer(both, rates)
    assert not report.answer(both, rates | {1e-5: half})
    assert not report.answer(both, rates | {0.03: run([0.0, 1.0, 0.0])})
    (alike,) = report.REPORT["lr-fine"]["claims"]
    assert report.answer(alike, {0.01: run([0.0] * 10 + [0.9]), 0.02: rising(0)})
    assert not report.answer(alike, {0.01: run([0.0] * 11 + [0.9]), 0.02: rising(0)})


def test_the_final_model_by_hand():
    fast, extends = report.REPORT["final-model"]["claims"]
    assert report.answer(fast, {None: rising(100)})
    assert not report.answer(fast, {None: rising(110)})
    assert report.answer(extends, {None: run([1.0], accuracy_at_5000=1.0)})
    assert not report.answer(extends, {None: run([1.0], accuracy_at_5000=0.99)})
    assert report.answer(extends, {None: run([1.0], accuracy_at_5000=None)}) is None
    # Who was not asked does not count.
    runs = [run([1.0] * 50, seed=seed) for seed in range(3)]
    (claim,) = report.judge("final-model", experiment("final-model", {None: runs}))
    assert claim["claim"] == fast["claim"] and claim["answers"] == [True] * 3
    runs[1]["accuracy_at_5000"] = 1.0
    claims = report.judge("final-model", experiment("final-model", {None: runs}))
    assert claims[1]["answers"] == [True] and claims[1]["note"] == "asked of our adders alone"


# --- Both rules.


def test_majority_against_sampled_coins():
    # P(share > 1/2 | yes of seeds): shares from the uniform prior, of which those are kept that fit
    draws = np.random.default_rng(0)
    shares = draws.random(400_000)
    heads = draws.binomial(5, shares)
    for yes in range(6):
        sampled = (shares[heads == yes] > 0.5).mean()
        assert report.majority(yes, 5) == pytest.approx(sampled, abs=0.01)


@pytest.mark.parametrize(
    ("yes", "seeds", "expected"),
    [
        (3, 3, "too few seeds"),  # 15/16
        (0, 3, "too few seeds"),
        (1, 1, "too few seeds"),
        (2, 3, "depends on the seed"),  # 11/16
        (4, 4, "holds"),  # 31/32
        (0, 4, "does not hold"),
        (5, 5, "holds"),
        (4, 5, "depends on the seed"),  # 57/64
        (7, 8, "holds"),  # 502/512
        (1, 8, "does not hold"),
        (6, 8, "depends on the seed"),  # 466/512
        (50, 100, "depends on the seed"),
        (30, 100, "does not hold"),
    ],
)
def test_verdicts_by_hand(yes, seeds, expected):
    assert report.verdict([True] * yes + [False] * (seeds - yes)) == expected


def test_what_the_rule_comes_to():
    eight, five = report.count_rule(8), report.count_rule(5)
    assert (eight["seeds"], eight["holds_from"], eight["does_not_hold_to"]) == (8, 7, 1)
    assert (five["seeds"], five["holds_from"], five["does_not_hold_to"]) == (5, 5, 0)
    assert (round(eight["median_within"], 2), round(five["median_within"], 2)) == (0.99, 0.94)
    assert (eight["next_outside"], five["next_outside"]) == (2 / 9, 1 / 3)
    three = report.count_rule(3)
    assert three["holds_from"] is None and three["does_not_hold_to"] is None
    for rule in (eight, five, three):
        for yes in range(rule["seeds"] + 1):
            said = report.verdict([True] * yes + [False] * (rule["seeds"] - yes))
            holds_from = rule["holds_from"]
            assert (said == "holds") == (holds_from is not None and yes >= holds_from)
            no_more = rule["does_not_hold_to"]
            assert (said == "does not hold") == (no_more is not None and yes <= no_more)


def test_the_rule_is_of_the_seeds_that_there_are():
    assert report.describe_rule({"experiments": {}}) is None
    experiments = {
        "three": {"claims": [{"answers": [True] * 3}], "numbers": [{"ours": [10] * 4}]},
        "own": {"claims": [], "numbers": []},
    }
    rule = report.describe_rule({"experiments": experiments})
    assert rule == {"confidence": 0.95, "counts": [report.count_rule(4), report.count_rule(3)]}


@pytest.mark.parametrize("seeds", [8, 5])
def test_places_against_random_permutations(seeds):
    draws = np.random.default_rng(0)
    count = 5_000
    places = []
    tied = []
    for _ in range(count):
        *ours, reports = draws.permutation(seeds + 1).tolist()
        places.append(report.place_among(reports, ours))
        # The lowest two are equal now.
        tied.append(report.place_among(max(1, reports), [max(1, step) for step in ours]))
    by_chance = report.outside_by_chance(seeds)
    for side in ("below", "above"):
        assert places.count(side) / count == pytest.approx(by_chance / 2, abs=0.015)
    assert tied.count("below") == 0, "equal counts as within"
    assert tied.count("above") == places.count("above")


@pytest.mark.parametrize("seeds", [8, 5])
def test_the_range_holds_the_median_as_often_as_it_is_said(seeds):
    median = math.log(2)  # of the exponential distribution
    draws = np.random.default_rng(0).exponential(size=(100_000, seeds))
    holds = (draws.min(axis=1) <= median) & (median <= draws.max(axis=1))
    assert report.count_rule(seeds)["median_within"] == pytest.approx(holds.mean(), abs=0.003)


def test_places_by_hand():
    assert report.place_among(10, [10, 20]) == report.place_among(20, [10, 20]) == "within"
    assert report.place_among(9, [10, 20]) == "below"
    assert report.place_among(21, [10, 20]) == "above"
    assert report.place_among(NEVER, [10, 20]) == "above", "never comes after every step"
    assert report.place_among(NEVER, [10, NEVER]) == "within"
    assert report.place_among(10, [NEVER, NEVER]) == "below"
    assert report.place_number("a", "step", [10, 20], 0)["place"] == "earlier"
    assert report.place_number("a", "step", [10, 20], 30)["place"] == "later"
    assert report.place_number("a", "loss", [0.1, 0.2], 0.05)["place"] == "lower"
    assert report.place_number("a", "loss", [0.1, 0.2], 0.3)["place"] == "higher"
    assert report.place_number("a", "loss", [0.1, 0.2], 0.1)["place"] == "within"


def test_the_reports_numbers_among_ours():
    by_layers = {
        1: [rising(300), rising(310, seed=1)],
        2: [rising(220), rising(230, seed=1)],
        3: [rising(100), run([0.0] * 50, seed=1)],
        4: [run([0.0] * 50), run([0.0] * 50, seed=1)],
        7: [rising(0), rising(0, seed=1)],
    }
    numbers = report.place_numbers("rnn-layers", experiment("rnn-layers", by_layers))
    assert numbers[0] == {
        "label": "layers 1: first step at 0.9",
        "unit": "step",
        "ours": [300, 310],
        "reports": 300,
        "place": "within",
    }
    assert [number["place"] for number in numbers] == ["within", "earlier", "within", "earlier"]
    assert [number["reports"] for number in numbers] == [300, 210, 190, 240]


def test_the_printed_losses_among_ours():
    losses = [[0.5] * 21, [0.2] * 21 + [0.01] * 40]
    runs = [
        run([0.0] * 21, loss=losses[0], error="the loss is nan"),
        run([0.0] * 61, loss=losses[1], seed=1),
    ]
    variants = experiment("task-1", {None: runs})
    numbers = report.place_numbers("task-1", variants)
    assert [number["label"] for number in numbers] == [f"loss at step {n}" for n in (200, 400, 600)]
    assert [number["place"] for number in numbers] == ["within", "within", "lower"]
    assert numbers[0]["reports"] == pytest.approx(0.3084, abs=1e-4)
    assert numbers[1]["ours"] == [math.inf, 0.01] and numbers[0]["ours"] == [0.5, 0.2]
    printed = report.describe_experiment("task-1", (), variants)["printed"]
    assert [line["step"] for line in printed] == list(range(150, 601, 50))
    assert printed[0] == {
        "step": 150,
        "loss": None,
        "accuracy": 0,
        "our_loss": [0.5, 0.2],
        "our_accuracy": [0.0, 0.0],
    }
    assert printed[-1]["our_loss"] == [None, 0.01] and printed[-1]["accuracy"] == 1


def test_the_share_of_a_curve_within_our_range():
    runs = [run([0.0, 0.2, 0.4, 0.6]), run([0.1, 0.3, 0.8, 0.6], seed=1)]
    points = [[0, 0.05], [10, 0.1], [20, 0.8], [30, 0.7]]
    assert report.share_within(points, runs, "accuracy") == 2 / 4
    assert report.share_within([[10, 1.0]], runs, "loss") == 1.0
    # A loss that is not to be trusted counts in no share; nor does a step that a run lacks.
    curve = report.REPORT["final-model"]["curves"][None]
    described = report.describe_curve(curve, runs)
    assert described["loss"] == [[step, loss] for step, loss in curve["loss"] if loss >= 0.03]
    assert 0.029 in dict(report.REPORT["task-1"]["curves"][None]["loss"]).values()
    of_task_1 = report.describe_curve(report.REPORT["task-1"]["curves"][None], runs)
    assert of_task_1["loss"][-1] == [360, 0.033], "from there on it is below"
    # Its accuracies 0, 0, 0.05, 0.78 are within once; our losses, all 1.0, are never near.
    assert described["share"] == {"loss": 0.0, "accuracy": 1 / 4}
    assert report.share_within([[40, 0.6]], runs, "accuracy") is None
    assert report.share_within([[10, 0.25], [40, 0.6]], runs, "accuracy") == 1.0


def test_a_run_that_stopped_early_counts_as_correct_from_there_on():
    stopped = run([0.0, 1.0, 1.0], loss=[3.0, 0.2, 0.1])
    broken = run([0.0, 1.0], error="the loss is nan")
    ended = run([0.0, 1.0, 0.99])
    assert report.value_at(stopped, "accuracy", 1990) == 1.0
    assert report.value_at(stopped, "loss", 1990) is None
    assert report.value_at(stopped, "accuracy", 5) is None
    assert report.value_at(broken, "accuracy", 1990) is None
    assert report.value_at(ended, "accuracy", 1990) is None
    assert report.value_at(run([]), "accuracy", 0) is None
    points = [[20, 1.0], [1990, 1.0], [1980, 0.99]]
    assert report.share_within(points, [stopped], "accuracy") == 2 / 3
    assert report.share_within(points, [stopped, broken], "accuracy") is None
    assert report.share_within([[20, 0.1], [1990, 0.1]], [stopped], "loss") == 1.0
    runs = [rising(500, 71 + seed, seed=seed) for seed in range(5)]
    variants = experiment("5000-digits", {None: runs}, stop_after_perfect=20)
    described = report.describe_experiment("5000-digits", (), variants)
    assert described["claims"][0]["answers"] == [True] * 5
    assert described["numbers"][0]["place"] == "later"
    share = described["variants"][0]["report"]["share"]["accuracy"]
    steps = [
        step
        for step, accuracy in report.REPORT["5000-digits"]["curves"][None]["accuracy"]
        if (accuracy == 0 and step < 500) or (accuracy == 1 and step >= 500)
    ]
    assert share == len(steps) / 200


def test_only_the_reports_settings_get_a_verdict():
    runs = [run([1.0] * 50, seed=seed) for seed in range(5)]
    layers = dict.fromkeys((1, 2, 3, 4, 7), runs)
    claims = report.judge("rnn-layers", experiment("rnn-layers", layers))
    assert claims[0] == {
        "claim": "all four reach 100%",
        "words": "准确率均可到达100%",
        "asked": "each of the four at 1.0 at some evaluation",
        "answers": [True] * 5,
        "verdict": "holds",
        "note": "",
    }
    for field, value in {
        "digitlen": 20,
        "cell": "GRU",
        "hidden": 32,
        "embedding": 16,
        "lr": 2e-3,
        "optimizer": "SGD",
        "momentum": 0.9,
        "steps": 499,
        "batch_size": 1000,
        "test_size": 200,
        "eval_every": 20,
        "pairs": "long-carry",
        "stop_after_perfect": 20,
    }.items():
        variants = experiment("rnn-layers", layers, **{field: value})
        (line,) = report.differences("rnn-layers", variants)
        assert line.startswith(f"{field} is {value}, the report's is ")
        described = report.describe_experiment("rnn-layers", ("layers",), variants)
        assert described["claims"] == described["numbers"] == described["printed"] == []
        assert [variant["report"] for variant in described["variants"]] == [None] * 5
        assert described["verdict"] == report.NO_VERDICT and described["differences"] == [line]
    (line,) = report.differences("rnn-layers", experiment("rnn-layers", layers, weight_decay=0.1))
    assert line == "weight_decay is 0.1, and report.toml does not name it"
    both = experiment("rnn-layers", layers) + experiment("rnn-layers", layers, steps=600)
    (line,) = report.differences("rnn-layers", both)
    assert line == "steps is 500, 600, the report's is 500"
    fewer = experiment("rnn-layers", {1: runs, 2: runs})
    assert report.judge("rnn-layers", fewer) == []
    assert report.differences("rnn-layers", fewer) == ["layers is 1, 2, the report's is 1, 2, 3, 4"]


def test_the_longest_numbers_alone_may_stop_early():
    runs = [run([1.0])]
    for name in ("1000-digits", "5000-digits"):
        for stop in (None, 20, 3):
            variants = experiment(name, {None: runs}, stop_after_perfect=stop)
            same = stop is None or (name == "5000-digits" and stop == 20)
            assert (report.differences(name, variants) == []) == same
    variants = experiment("5000-digits", {None: runs}, batch_size=20)
    assert report.differences("5000-digits", variants) == ["batch_size is 20, the report's is 100"]


def test_all_digits_of_a_learning_rate_count():
    rates = report.REPORT["lr-fine"]["settings"]["lr"]
    runs = [run([1.0] * 40)]
    assert not report.differences("lr-fine", experiment("lr-fine", dict.fromkeys(rates, runs)))
    rounded = [float(f"{rate:.6g}") for rate in rates]
    variants = experiment("lr-fine", dict.fromkeys(rounded, runs))
    (line,) = report.differences("lr-fine", variants)
    assert line.endswith("0.01302258625975442, 0.014683479311796208")


# --- What results.json has.


def test_an_experiment_is_described_by_its_runs():
    never = run([0.0] * 50, seed=1)
    early = run([0.0, 0.0, 0.95] + [1.0] * 47, decided="36 + 33 gives 79, not 69", digits=2)
    late = early | {"seed": 1}
    by_value = dict.fromkeys((1, 2, 3), [early, late]) | {4: [early, never]}
    by_value |= {3: [rising(10), late], 9: [never | {"seed": 0}, never]}
    variants = experiment("rnn-layers", by_value)
    described = report.describe_experiment("rnn-layers", ("layers",), variants)
    shortest = [variant["shortest"] for variant in described["variants"]]
    assert shortest == ["36 + 33 gives 79, not 69"] * 4 + [None]
    assert described["headline"] == (
        "layers 3 is first at 0.9 for 1 of 2 seeds; median steps 20, 20, 15, never, never"
    )
    assert described["variants"][3]["first"] == {
        "50%": [20, math.inf],
        "90%": [20, math.inf],
        "100%": [30, math.inf],
    }
    reports = described["variants"][2]["report"]
    assert reports["not_seen"] == []
    assert reports["first"] == {"50%": 170, "90%": 190, "100%": 280}
    assert len(reports["accuracy"]) == 50 and reports["accuracy"][19] == [190, 0.91]
    assert reports["loss"][0][0] == 0 and reports["share"]["loss"] == 0.0  # ours are all 1.0
    assert described["variants"][4]["report"] is None, "the report has no nine layers"
    assert described["claims"][0]["answers"] == [True, False]
    assert "layers" not in described["settings"] and described["settings"]["steps"] == 500
    assert described["section"] == "2.3.1" and described["printed"] == []


def test_what_is_not_seen_is_told_from_never():
    rates = report.REPORT["lr-coarse"]["settings"]["lr"]
    variants = experiment("lr-coarse", dict.fromkeys(rates, [rising(50)]))
    described = report.describe_experiment("lr-coarse", ("lr",), variants)
    not_seen = [variant["report"]["not_seen"] for variant in described["variants"]]
    assert not_seen[3] == ["100%"] and not_seen[8] == ["50%", "100%"]
    assert sum(map(len, not_seen)) == 3
    assert described["variants"][1]["report"]["first"]["100%"] == NEVER
    assert len(described["numbers"]) == 10


def test_headlines_say_what_was_found():
    def headline(name, by_value):
        described = report.describe_experiment(name, ("layers",), experiment(name, by_value))
        return described["headline"]

    seeds = range(3)
    once = [rising(100 + 10 * seed, seed=seed) for seed in seeds]
    assert headline("final-model", {None: once}) == (
        "1.0 is reached by 3 of 3 seeds, median step 110 (100 to 120); by the report's at step 60"
    )
    never = [run([0.0] * 50, seed=seed) for seed in seeds]
    assert headline("final-model", {None: [*once[:1], *never[1:]]}) == (
        "1.0 is reached by 1 of 3 seeds, median step never (100 to never); "
        "by the report's at step 60"
    )
    assert headline("final-model", {None: never[:1]}) == (
        "1.0 is reached by 0 of 1 seed; by the report's at step 60"
    )
    others = dict.fromkeys((2, 4), never)
    assert headline("rnn-layers", others | {1: once, 3: once}) == (
        "none is alone first at 0.9 for any of 3 seeds; median steps never, never, 110, 110; "
        "the report's 210, 240, 300, 190"
    )
    mixed = {1: [once[0], never[1], never[2]], 3: [never[0], once[1], never[2]]}
    assert headline("rnn-layers", others | mixed).startswith(
        "layers 1 and layers 3 are each first at 0.9 for 1 of 3 seeds; median steps never, never, "
    )
    three_layers = [{"label": "3 layers", "runs": once}, {"label": "1 layer", "runs": never}]
    assert report.say_who_is_first(three_layers, 0.9).startswith("3 layers are first at 0.9 for 3")
    many = dict.fromkeys((1, 2, 3, 4, 5), never) | {6: once}
    assert headline("rnn-layers", many) == (
        "layers 6 is first at 0.9 for 3 of 3 seeds; the least median step is 110, "
        "5 of 6 medians are never"
    )


def test_an_experiment_of_ones_own_has_no_claims():
    variants = [{"label": "", "settings": {"layers": 1, "lr": 0.1}, "runs": [run([0.5])]}]
    described = report.describe_experiment("mine", (), variants)
    assert described["verdict"] == report.NO_CLAIMS
    assert described["claims"] == described["numbers"] == described["differences"] == []
    assert described["title"] == "mine" and described["says"] is None
    assert described["variants"][0]["report"] is None
    assert described["picture"] == "mine.png"


def test_a_run_that_broke_off_at_once_is_described():
    broken = run([], error="the loss is nan")
    described = report.describe_experiment("pt-main", (), experiment("pt-main", {None: [broken]}))
    assert described["verdict"] == report.NO_WORDS and described["claims"] == []
    assert described["variants"][0]["report"]["share"] == {"loss": None, "accuracy": None}
    assert described["numbers"][0]["place"] == "earlier"


def test_the_gpu_is_judged_only_where_there_is_one(monkeypatch):
    on_cpu = {("cpu", 10): [5.0] * 5, ("cpu", 100): [40.0] * 5}
    described = report.describe_gpu(on_cpu, {"cpu": "abacus"})
    assert described["verdict"] == report.NO_GPU and described["claims"] == []
    assert [digits for digits, _ in described["original_ms"]] == [10, 100, 1000, 5000]
    kinds = {"cpu": "abacus", "cuda": "a GPU"}
    on_both = on_cpu | {("cuda", 10): [2.0] * 5, ("cuda", 100): [2.0] * 5}
    (claim,) = report.describe_gpu(on_both, kinds)["claims"]
    assert claim["verdict"] == "does not hold", "at each length, 10 digits included"
    assert claim["note"] == "2.5, 20 times as fast at 10, 100 digits"
    on_both["cuda", 10] = [5.0 / 3, 1.0, 1.0, 1.0, 1.0]
    (claim,) = report.describe_gpu(on_both, kinds)["claims"]
    assert claim["verdict"] == "holds" and claim["words"] == "速度快了三四倍左右"
    stricter = report.GPU["claims"][0] | {"at_least": 7}
    monkeypatch.setitem(report.GPU, "claims", [*report.GPU["claims"], stricter])
    claims = report.describe_gpu(on_both, kinds)["claims"]
    assert [claim["verdict"] for claim in claims] == ["holds", "does not hold"]


# --- What is said of all results together.


def test_the_overview_counts_the_numbers_that_lie_outside():
    runs = [rising(250, seed=seed) for seed in range(8)]
    layers = experiment("rnn-layers", dict.fromkeys((1, 2, 3, 4), runs))
    fewer = experiment("pt-main", {None: [rising(140, seed=seed) for seed in range(5)]})
    other = experiment("gru-layers", dict.fromkeys((1, 2, 3, 4), runs), steps=499)
    results = {
        "experiments": {
            "mine": {"claims": []},
            "pt-main": report.describe_experiment("pt-main", (), fewer),
            "gru-layers": report.describe_experiment("gru-layers", ("layers",), other),
            "rnn-layers": report.describe_experiment("rnn-layers", ("layers",), layers),
        },
        "gpu": report.describe_gpu({("cpu", 10): [5.0]}, {"cpu": "abacus"}),
    }
    overview = report.overview(results)
    assert [line["claim"] for line in overview["lines"]] == [
        "rnn-layers: RNN with 1 to 4 layers",
        "all four reach 100%",
        "three layers are best, fastest to converge",
        "gru-layers: GRU with 1 to 4 layers",
        "pt-main: What pt_main() draws",
        "gpu: CUDA",
    ]
    verdicts = ["", "holds", "does not hold", report.NO_VERDICT, report.NO_WORDS, report.NO_GPU]
    assert [line["verdict"] for line in overview["lines"]] == verdicts
    assert [part["experiment"] for part in overview["numbers"]] == ["rnn-layers", "pt-main"]
    assert (overview["count"], overview["outside"]) == (5, 4)
    assert overview["by_chance"] == pytest.approx(4 * 2 / 9 + 2 / 6)
    assert report.overview({"experiments": {"mine": {}}}) is None


def test_runs_are_compared_with_those_of_the_published_code():
    originals = report.ORIGINAL["runs"]
    first, *_ = originals
    assert (first["cell"], first["layers"], first["seed"]) == ("RNN", 2, 0)
    same = run(first["accuracy"], loss=first["loss"])
    settings = SHARED | {"device": "cpu", "steps": 1000}

    def compare(runs, **changes):
        variant = {"settings": settings | changes, "runs": runs}
        return report.compare_with_original({"experiments": {"any": {"variants": [variant]}}})

    equal = {"runs": 1, "evaluations": 50, "equal": 50, "largest_loss_difference": 0.0}
    assert compare([same]) == equal
    shorter = run(first["accuracy"][:30], loss=first["loss"][:30])
    assert compare([shorter, same]) == equal, "once, at the longest"
    assert compare([shorter], stop_after_perfect=20)["evaluations"] == 30
    off = run([0.5] + first["accuracy"][1:], loss=first["loss"][:-1] + [first["loss"][-1] + 0.25])
    compared = compare([off])
    assert compared["equal"] == 49 and compared["largest_loss_difference"] == pytest.approx(0.25)
    assert compare([same | {"seed": 1}])["equal"] < 50, "seed 1 has a curve of its own"
    assert compare([same | {"seed": 3}]) is None, "seed 3 has none"
    changes = {"batch_size": 5, "test_size": 200, "eval_every": 20, "pairs": "course", "lr": 0.002}
    for field, value in changes.items():
        assert compare([same], **{field: value}) is None
    long = [original for original in originals if original["digitlen"] == 1000][0]
    compared = compare([run(long["accuracy"])], digitlen=1000)
    assert compared == equal | {"largest_loss_difference": None}


def test_every_run_of_the_published_code_can_be_found():
    variants = []
    for original in report.ORIGINAL["runs"]:
        own = {field: original[field] for field in ("digitlen", "cell", "layers", "lr")}
        same = run(original["accuracy"], loss=original.get("loss"), seed=original["seed"])
        variants.append({"settings": SHARED | own, "runs": [same]})
    compared = report.compare_with_original({"experiments": {"all": {"variants": variants}}})
    assert compared["runs"] == len(variants) == 15
    evaluations = sum(len(original["accuracy"]) for original in report.ORIGINAL["runs"])
    assert compared["evaluations"] == compared["equal"] == evaluations
    assert compared["largest_loss_difference"] == 0


def test_verdicts_are_tallied_in_words():
    verdicts = ("holds", "depends on the seed", "holds", "does not hold", "too few seeds")
    claims = [{"verdict": verdict} for verdict in verdicts]
    tally = "2 hold, 1 depends on the seed, 1 does not hold, 1 with too few seeds"
    assert report.tally(claims) == tally
    assert report.tally([]) == ""


def test_adders_are_counted_once_and_over_what_was_evaluated():
    settings = {"layers": 1}
    wrong = run([0.9, 1.0], decided="36 + 33 gives 79, not 69", digits=2)
    worse = run([1.0, 0.9], decided="1 + 1 gives 3, not 2", digits=1, seed=1)
    unsure = run([1.0], decided="undecided", seed=2)
    broken = run([1.0], error="the loss is nan", decided="0 + 0 gives 9, not 0", digits=1, seed=3)
    variant = {"label": "", "settings": settings, "runs": [wrong, worse, unsure, broken]}
    again = {"label": "", "settings": settings, "runs": [wrong]}
    proof = {"verdict": "proven", "decided": "proven", "digits": None, "wrong_in": None, "seed": 4}
    counted = report.count_decided(
        {
            "experiments": {"one": {"variants": [variant]}, "same": {"variants": [again]}},
            "proof": {
                "groups": [{"cell": "RNN", "hidden": 64, "label": "RNN, 1 layer", "runs": [proof]}]
            },
            "little": {
                "cells": [{"cell": "GRU", "trained": [{"decisions": [wrong]}, {"decisions": []}]}]
            },
        }
    )
    groups = counted.pop("groups")
    assert counted == {
        "picture": "decided.png",
        "adders": 6,
        "evaluated": 4,
        "perfect": 2,
        "perfect_but_wrong": 1,
        "most_digits": 2,
        "wrong": 4,
        "proven": 1,
        "undecided": 1,
        "confirmed": 4,
        "disputed": [],
    }
    assert [(group["name"], len(group["adders"])) for group in groups] == [
        ("one", 4),
        ("RNN, trained for the proof", 1),
        ("GRU, trained on short numbers", 1),
    ]
    assert [group["adders"][0]["perfect"] for group in groups] == [True, None, None]
    assert [adder["seed"] for adder in groups[0]["adders"]] == [0, 1, 2, 3]
    assert groups[1]["adders"][0]["variant"] == "RNN, 1 layer"
