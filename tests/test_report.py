"""The verdict rule against sampled coins and counts by hand; each claim can be judged either way."""

import math

import numpy as np
import pytest

from lab import report

SETTINGS = {
    "digitlen": 10,
    "cell": "RNN",
    "layers": [1, 2, 3, 4],
    "lr": 1e-3,
    "steps": 500,
    "batch_size": 100,
    "stop_after": None,
}


def record(accuracy, loss=None, error=None):
    """A made-up record, measured every 10 steps."""
    steps = [10 * (i + 1) for i in range(len(accuracy))]
    loss = loss or [1.0] * (10 * len(accuracy))
    return {
        "accuracy": accuracy,
        "measured_at": steps,
        "loss": loss,
        "error": error,
        "digits": None,
    }


def test_majority_against_sampled_coins():
    # P(share > 1/2 | yes of seeds), by drawing shares from the uniform prior and keeping those that fit
    draws = np.random.default_rng(0)
    shares = draws.random(400_000)
    heads = draws.binomial(5, shares)
    for yes in range(6):
        assert report.majority(yes, 5) == pytest.approx(
            (shares[heads == yes] > 0.5).mean(), abs=0.01
        )


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


def test_claims_by_hand():
    slow, fast, never = record([0, 0.5, 1.0]), record([0.9, 1.0, 0.2]), record([0, 0, 0.99])
    assert [report.reached(r, 1.0) for r in (slow, fast, never)] == [30, 20, math.inf]
    assert [report.last_measured({1: slow}, step) for step in (350, 60, 200)] == [370, 70, 210]
    assert report.last_measured({1: dict(slow, measured_at=[50, 100, 150])}, 450) == 500
    assert report.comes({1: slow, 2: fast, 3: never}, 2, "first")
    assert report.comes({1: slow, 2: fast, 3: never}, 3, "last") and not report.comes(
        {1: fast, 3: never}, 1, "last"
    )
    assert not report.comes({1: fast, 2: fast}, 2, "first"), "a tie is not first"
    assert report.all_reach({1: slow, 2: fast}, within=30)
    assert not report.all_reach({1: slow, 2: fast}, within=20)
    assert not report.all_reach({1: slow, 2: never})
    assert report.all_reach({1: slow, 2: never}, level=0.5)
    assert not report.all_reach({1: slow}, steady=True)
    assert report.reached(record([1.0, 0.9, 1.0, 1.0, 1.0]), 1.0, report.STEADY) == 30
    assert report.reached(record([1.0, 0.9, 1.0, 1.0]), 1.0, report.STEADY) == math.inf
    assert report.one_falls_and_recovers({1: never, 2: record([0.0, 1.0, 0.05, 1.0])}, 0.1)
    assert not report.one_falls_and_recovers(
        {1: record([0.0, 1.0, 0.05]), 2: record([0.0, 1.0, 0.5, 1.0])}, 0.1
    )
    assert report.highest_ends_wrong({1: slow, 2: fast}) and not report.highest_ends_wrong(
        {1: fast, 2: slow}
    )
    assert report.highest_ends_wrong({1: record([1.0], error="the loss is nan")})


def test_every_claim_can_be_judged_either_way():
    # Records that learn at once and records that never do: no claim may give the same answer to all.
    at_once, never = record([1.0] * 200), record([0.0] * 200, loss=[3.0] * 2000)
    at_once["loss"] = [0.0] * 2000
    for step, loss in report.REPORT[1]["loss"]:
        at_once["loss"][step - 1] = loss
    fell = record([0.0, 1.0, 0.0, 1.0] + [0.0] * 196)
    for row, said in report.REPORT.items():
        keys = next(
            (value for value in said["settings"].values() if isinstance(value, list)), [None]
        )
        for claim, question in said["claims"].items():
            answers = {
                report.is_true(dict.fromkeys(keys, same), **question)
                for same in (at_once, never, fell)
            }
            for key in keys:
                answers.add(report.is_true(dict.fromkeys(keys, never) | {key: at_once}, **question))
                answers.add(report.is_true(dict.fromkeys(keys, at_once) | {key: never}, **question))
            assert answers == {True, False}, (row, claim)


def test_a_row_is_only_judged_on_the_reports_settings():
    results = {layers: [record([1.0] * 50)] * 5 for layers in (1, 2, 3, 4, 5)}
    found = report.judge(4, SETTINGS | {"layers": [1, 2, 3, 4, 5]}, results)
    assert found[0] == {
        "claim": "all four reach 100%",
        "answers": [True] * 5,
        "verdict": "holds",
        "note": "",
    }
    fewer = report.judge(4, SETTINGS | {"batch_size": 7}, results)
    assert {claim["note"] for claim in fewer} == {"with 7 pairs a step"}
    for change in ({"layers": [1, 2]}, {"steps": 499}, {"cell": "GRU"}, {"digitlen": [10, 20]}):
        assert report.judge(4, SETTINGS | change, results) == []
        assert len(report.differences(4, SETTINGS | change)) == 1


def test_a_row_is_judged_into_plain_values():
    never, early = record([0.0] * 50), record([0.0, 0.95] + [1.0] * 48)
    early |= {"decided": "36 + 33 gives 79", "digits": 2}
    results = {
        1: [early, early],
        2: [early, early],
        3: [early, early],
        4: [early, never],
        9: [never, never],
    }
    arms = {layers: (f"{layers} layers", records) for layers, records in results.items()}
    row = report.of_row(4, SETTINGS | {"layers": list(results)}, arms)
    assert [arm["wrong"] for arm in row["arms"]] == ["36 + 33 gives 79"] * 4 + ["none"]
    assert (row["anchor"], row["picture"]) == (
        "row-4-rnn-with-1-to-4-layers",
        "row-4-rnn-with-1-to-4-layers.png",
    )
    assert row["headline"] == "RNN with 1 to 4 layers: first step at 90%, median of 2 seeds"
    assert [arm["legend"] for arm in row["arms"]] == [
        *(f"{n} layers: step 20" for n in (1, 2, 3)),
        "4 layers: never",
        "9 layers: never",
    ]
    assert row["arms"][3]["reached"] == {"90%": [20, None], "100%": [30, None]}
    assert ["3 layers", 190, 0.9] in row["diamonds"]["accuracy"] and row["diamonds"]["loss"] == []
    assert row["claims"][0]["answers"] == [True, False] and not row["fewer_pairs"]
    assert report.of_row(4, SETTINGS | {"batch_size": 7}, arms)["fewer_pairs"]


def test_row_10_is_judged_only_with_a_gpu():
    assert report.of_costs({("cpu", 10): [5.0] * 5}, {"cpu": "abacus"})["verdict"] == report.NO_GPU
    costs = {
        ("cpu", 10): [5.0] * 5,
        ("cpu", 100): [40.0] * 5,
        ("cuda", 10): [2.0] * 5,
        ("cuda", 100): [2.0] * 5,
    }
    assert [
        claim["verdict"]
        for claim in report.of_costs(costs, {"cpu": "abacus", "cuda": "a GPU"})["claims"]
    ] == ["does not hold", "holds"]


def test_verdicts_are_tallied_in_words():
    found = [
        {"verdict": verdict}
        for verdict in ("holds", "depends on the seed", "holds", "does not hold", "too few seeds")
    ]
    assert report.tally(found) == "2 hold, 1 depends on the seed, 1 does not hold, 1 too few seeds"
    assert report.tally([]) == ""
