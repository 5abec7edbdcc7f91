"""The verdict rule against sampled coins and counts by hand; each claim can be judged either
way."""

import math

import numpy as np
import pytest

from lab import report


def run(accuracy, loss=None, error=None, seed=0, decided="proven", digits=None):
    """A made-up run, evaluated every 10 steps."""
    return {
        "seed": seed,
        "accuracy": accuracy,
        "steps": [10 * (i + 1) for i in range(len(accuracy))],
        "loss": loss or [1.0] * len(accuracy),
        "error": error,
        "decided": decided,
        "verdict": "wrong" if digits else decided,
        "digits": digits,
    }


def experiment(name, by_value, **changes):
    """Variants at the report's settings, but for `changes`: [a run a seed] by value."""
    said = report.REPORT[name]
    field = report.compared_field(said)
    variants = []
    for value, runs in by_value.items():
        settings = said["settings"] | changes
        if field:
            settings[field] = value
        label = "" if field is None else f"{field} {value}"
        variants.append({"label": label, "settings": settings, "runs": runs})
    return variants


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


def test_questions_by_hand():
    slow = run([0, 0.5, 1.0])
    fast = run([0.9, 1.0, 0.2])
    never = run([0, 0, 0.99])
    assert [report.first_step(each) for each in (slow, fast, never)] == [30, 20, math.inf]
    assert [report.last_step_counted({1: slow}, step) for step in (350, 60, 200)] == [370, 70, 210]
    assert report.last_step_counted({1: slow | {"steps": [50, 100, 150]}}, 450) == 500
    assert report.comes({1: slow, 2: fast, 3: never}, 2, "first")
    assert report.comes({1: slow, 2: fast, 3: never}, 3, "last")
    assert not report.comes({1: fast, 3: never}, 1, "last")
    assert not report.comes({1: fast, 2: fast}, 2, "first"), "a tie is not first"
    assert report.all_reach({1: slow, 2: fast}, within=30)
    assert not report.all_reach({1: slow, 2: fast}, within=20)
    assert not report.all_reach({1: slow, 2: never})
    assert report.all_reach({1: slow, 2: never}, level=0.5)
    assert not report.all_reach({1: slow}, steady=True)
    steady = run([1.0, 0.9, 1.0, 1.0, 1.0])
    assert report.first_step(steady, 1.0, report.STEADY) == 30
    assert report.first_step(run([1.0, 0.9, 1.0, 1.0]), 1.0, report.STEADY) == math.inf
    fell = run([0.0, 1.0, 0.05])
    assert report.one_falls_and_recovers({1: never, 2: run([0.0, 1.0, 0.05, 1.0])}, 0.1)
    assert not report.one_falls_and_recovers({1: fell, 2: run([0.0, 1.0, 0.5, 1.0])}, 0.1)
    assert report.highest_ends_wrong({1: slow, 2: fast})
    assert not report.highest_ends_wrong({1: fast, 2: slow})
    assert report.highest_ends_wrong({1: run([1.0], error="the loss is nan")})


def test_every_claim_can_be_judged_either_way():
    # Runs that learn at once and runs that never do: no claim may give the same answer to all.
    at_once = run([1.0] * 200, loss=[0.0] * 200)
    never = run([0.0] * 200, loss=[3.0] * 200)
    for step, loss in report.REPORT["task-1"]["loss"]:
        at_once["loss"][step // 10 - 1] = loss
    fell = run([0.0, 1.0, 0.0, 1.0] + [0.0] * 196)
    for name, said in report.REPORT.items():
        values = report.values_of(said)
        for claim, question in said["claims"].items():
            variants = [dict.fromkeys(values, same) for same in (at_once, never, fell)]
            for value in values:
                variants.append(dict.fromkeys(values, never) | {value: at_once})
                variants.append(dict.fromkeys(values, at_once) | {value: never})
            answers = {report.answer(of_seed, **question) for of_seed in variants}
            assert answers == {True, False}, (name, claim)


def test_only_the_reports_settings_get_a_verdict():
    runs = [run([1.0] * 50, seed=seed) for seed in range(5)]
    layers = dict.fromkeys((1, 2, 3, 4, 7), runs)
    claims = report.judge("rnn-layers", experiment("rnn-layers", layers))
    assert claims[0] == {
        "claim": "all four reach 100%",
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
        "test_size": 100,
        "eval_every": 20,
        "pairs": "long-carry",
        "stop_after_perfect": 5,
    }.items():
        variants = experiment("rnn-layers", layers, **{field: value})
        assert report.judge("rnn-layers", variants) == []
        (line,) = report.differences("rnn-layers", variants)
        assert line.startswith(f"{field} is {value}, the report's is ")
    fewer = experiment("rnn-layers", {1: runs, 2: runs})
    assert report.judge("rnn-layers", fewer) == []
    assert report.differences("rnn-layers", fewer) == ["layers is 1, 2, the report's is 1, 2, 3, 4"]
    notes = {
        claim["note"]
        for claim in report.judge("1000-digits", experiment("1000-digits", {None: runs}))
    }
    assert notes == {"with a batch size of 5"}


def test_an_experiment_is_described_by_its_runs():
    never = run([0.0] * 50, seed=1)
    early = run([0.0, 0.95] + [1.0] * 48, decided="36 + 33 gives 79, not 69", digits=2)
    late = early | {"seed": 1}
    by_value = dict.fromkeys((1, 2, 3), [early, late]) | {4: [early, never], 9: [never, never]}
    variants = experiment("rnn-layers", by_value)
    described = report.describe_experiment("rnn-layers", ("layers",), variants)
    shortest = [variant["shortest"] for variant in described["variants"]]
    assert shortest == ["36 + 33 gives 79, not 69"] * 4 + [None]
    headline = "RNN with 1 to 4 layers: first step at 90%, median of 2 seeds"
    assert described["headline"] == headline
    legends = [variant["legend"] for variant in described["variants"]]
    assert legends == [
        *(f"layers {n}: step 20" for n in (1, 2, 3)),
        "layers 4: never",
        "layers 9: never",
    ]
    assert described["variants"][3]["first"] == {"90%": [20, math.inf], "100%": [30, math.inf]}
    assert ["layers 3", 190, 0.9] in described["report_points"]["accuracy"]
    assert described["claims"][0]["answers"] == [True, False]
    assert "layers" not in described["settings"] and described["settings"]["steps"] == 500


def test_an_experiment_of_ones_own_has_no_claims():
    variants = [{"label": "", "settings": {"layers": 1, "lr": 0.1}, "runs": [run([0.5])]}]
    described = report.describe_experiment("mine", (), variants)
    assert described["verdict"] == report.NO_CLAIMS and described["claims"] == []
    assert described["title"] == "mine" and described["says"] is None
    assert described["picture"] == "mine.png"


def test_the_gpu_is_judged_only_where_there_is_one():
    on_cpu = {("cpu", 10): [5.0] * 5, ("cpu", 100): [40.0] * 5}
    assert report.describe_gpu(on_cpu, {"cpu": "abacus"})["verdict"] == report.NO_GPU
    on_both = on_cpu | {("cuda", 10): [2.0] * 5, ("cuda", 100): [2.0] * 5}
    described = report.describe_gpu(on_both, {"cpu": "abacus", "cuda": "a GPU"})
    assert [claim["verdict"] for claim in described["claims"]] == ["does not hold", "holds"]


def test_verdicts_are_tallied_in_words():
    verdicts = ("holds", "depends on the seed", "holds", "does not hold", "too few seeds")
    claims = [{"verdict": verdict} for verdict in verdicts]
    tally = "2 hold, 1 depends on the seed, 1 does not hold, 1 too few seeds"
    assert report.tally(claims) == tally
    assert report.tally([]) == ""


def test_adders_are_counted_once_and_over_what_was_evaluated():
    settings = {"layers": 1}
    wrong = run([0.9, 1.0], decided="36 + 33 gives 79, not 69", digits=2)
    worse = run([1.0, 0.9], decided="1 + 1 gives 3, not 2", digits=1, seed=1)
    unsure = run([1.0], decided="undecided", seed=2)
    variant = {"label": "", "settings": settings, "runs": [wrong, worse, unsure]}
    again = {"label": "", "settings": settings, "runs": [wrong]}
    proof = {"verdict": "proven", "decided": "proven", "digits": None}
    counted = report.count_decided(
        {
            "experiments": {"one": {"variants": [variant]}, "same": {"variants": [again]}},
            "proof": {"groups": [{"cell": "RNN", "label": "RNN, 1 layer", "runs": [proof]}]},
        }
    )
    groups = counted.pop("groups")
    assert counted == {
        "picture": "decided.png",
        "adders": 4,
        "evaluated": 3,
        "perfect": 2,
        "perfect_but_wrong": 1,
        "most_digits": 2,
        "wrong": 2,
        "proven": 1,
        "undecided": 1,
    }
    assert [(group["name"], len(group["adders"])) for group in groups] == [
        ("one", 3),
        ("RNN, trained for the proof", 1),
    ]
    assert groups[1]["adders"][0]["perfect"] is None
