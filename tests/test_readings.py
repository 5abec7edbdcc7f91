"""The questions to runs, against answers by hand, and to the report's own curves."""

import math

import pytest
from made_up import rising, run

from lab.report.readings import answer, value_at
from lab.report.said import REPORT

ALL_CLAIMS = [(name, claim) for name, said in REPORT.items() for claim in said["claims"]]


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


def also_tested(accuracy, digits=5000):
    """A run that was tested at another length, too."""
    return run([1.0], also_tested={"digits": digits, "accuracy": accuracy})


def say(begin, **runs):
    """The answer of made-up runs to the claim of report.toml that begins so."""
    (claim,) = [claim for _, claim in ALL_CLAIMS if claim["claim"].startswith(begin)]
    return answer(claim, runs)


@pytest.mark.parametrize(("name", "claim"), ALL_CLAIMS)
def test_the_reports_own_curves_answer_yes(name, claim):
    runs = {value: as_run(curve) for value, curve in REPORT[name]["curves"].items()}
    expected = None if claim["question"] == "all_add_numbers_of" else True
    assert answer(claim, runs) is expected


@pytest.mark.parametrize(("name", "claim"), ALL_CLAIMS)
def test_every_claim_can_be_answered_either_way(name, claim):
    falling_loss = [10.0**-place for place in range(200)]
    at_once = also_tested(1.0) | rising(0, 200, loss=falling_loss)
    never = also_tested(0.99) | run([0.0] * 200, loss=[3.0] * 200)
    values = REPORT[name]["settings"].get(REPORT[name]["compares"], [None])
    of_seeds = [dict.fromkeys(values, at_once), dict.fromkeys(values, never)]
    for value in values:
        of_seeds.append(dict.fromkeys(values, never) | {value: at_once})
        of_seeds.append(dict.fromkeys(values, at_once) | {value: never})
    assert {answer(claim, runs) for runs in of_seeds} == {True, False}


def test_task_1_by_hand():
    reaches = {"question": "all_reach"}
    assert answer(reaches, {None: run([0.0, 0.995, 1.0, 0.5])})
    assert not answer(reaches, {None: run([0.0, 0.995, 0.995])})
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
    (all_four, three) = REPORT["rnn-layers"]["claims"]
    (gru,) = REPORT["gru-layers"]["claims"]
    assert answer(all_four, steps)
    assert not answer(all_four, steps | {4: run([0.99] * 50)})
    for claim in (three, gru):
        assert answer(claim, steps)
        assert not answer(claim, steps | {1: rising(30)}), "a tie is not first"
        assert not answer(claim, steps | {1: rising(20)})
        assert not answer(claim, dict.fromkeys(steps, run([0.89] * 50))), "never is not"
        assert answer(claim, steps | {1: run([0.89] * 50), 3: run([0.0, 0.9])})
    assert say("all three converge", RNN=rising(490), GRU=rising(0), LSTM=rising(0))
    assert not say("all three converge", RNN=rising(500), GRU=rising(0), LSTM=rising(0))
    assert say("the RNN stands out", RNN=rising(10), GRU=rising(20), LSTM=rising(20))
    assert not say("the RNN stands out", RNN=rising(20), GRU=rising(20), LSTM=rising(30))


def test_rates_by_hand():
    matters, best, both = REPORT["lr-coarse"]["claims"]
    half = run([0.0, 0.5, 0.0])
    assert answer(matters, {0.1: run([1.0]), 0.2: run([0.49]), 0.3: half})
    assert not answer(matters, {0.1: run([1.0]), 0.2: half})
    assert not answer(matters, {0.1: run([0.99]), 0.2: run([0.0])})
    rates = {0.001: rising(90), 0.005: rising(90), 0.03: rising(100)}
    assert answer(best, rates), "a tie counts, and so do the ends"
    assert answer(best, {0.02: rising(90)})
    assert not answer(best, rates | {0.03: rising(80)})
    assert not answer(best, {0.01: rising(100)})
    assert not answer(best, {0.01: run([0.0] * 50)})
    rates = {1e-5: run([0.49]), 0.01: run([1.0]), 0.03: run([0.99])}
    assert answer(both, rates)
    assert not answer(both, rates | {1e-5: half})
    assert not answer(both, rates | {0.03: run([0.0, 1.0, 0.0])})
    (alike,) = REPORT["lr-fine"]["claims"]
    assert answer(alike, {0.01: run([0.0] * 10 + [0.9]), 0.02: rising(0)})
    assert not answer(alike, {0.01: run([0.0] * 11 + [0.9]), 0.02: rising(0)})


def test_the_final_model_by_hand():
    fast, extends = REPORT["final-model"]["claims"]
    assert answer(fast, {None: rising(100)})
    assert not answer(fast, {None: rising(110)})
    assert answer(extends, {None: also_tested(1.0)})
    assert not answer(extends, {None: also_tested(0.99)})
    assert not answer(extends, {1: also_tested(1.0), 2: also_tested(0.99)}), "each adder"
    for not_asked in (run([1.0]), also_tested(None), also_tested(1.0, 500)):
        assert answer(extends, {None: not_asked}) is None
        assert answer(extends, {1: also_tested(1.0), 2: not_asked}) is None


def test_a_run_that_stopped_early_counts_as_correct_from_there_on():
    stopped = run([0.0, 1.0, 1.0], loss=[3.0, 0.2, 0.1])
    broken = run([0.0, 1.0], loss=[3.0, math.nan], error="the loss is nan")
    assert value_at(stopped, "accuracy", 1990) == 1.0
    assert value_at(stopped, "loss", 1990) is None
    assert value_at(stopped, "loss", 10) == 0.2
    assert value_at(stopped, "accuracy", 5) is None
    assert value_at(broken, "accuracy", 1990) is None
    assert value_at(broken, "loss", 10) is None
    assert value_at(run([0.0, 1.0, 0.99]), "accuracy", 1990) is None
    assert value_at(run([]), "accuracy", 0) is None
