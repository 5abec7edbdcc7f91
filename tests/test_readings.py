"""The questions to runs, against answers by hand, and to the report's own curves."""

import inspect
import math
import random

import pytest
from made_up import rising, run

from lab.report.readings import QUESTIONS, answer, value_at
from lab.report.said import REPORT

ALL_READINGS = [
    (name, reading)
    for name, said in REPORT.items()
    for claim in said["claims"]
    for reading in claim["readings"]
]


def as_run(curve, seen):
    """A curve of the report's as a run, with its points of "loss" or "accuracy" alone."""
    steps, values = map(list, zip(*curve[seen], strict=True))
    nothing = [math.nan] * len(steps)
    return {"loss": nothing, "accuracy": nothing, "error": None} | {"steps": steps, seen: values}


def also_tested(accuracy, digits=5000):
    """A run that was tested at another length, too."""
    return run([1.0], also_tested={"digits": digits, "accuracy": accuracy})


def ask(question, *runs, by_value=None, **arguments):
    """The answer of made-up runs to a question of readings.py; they are named 0, 1, 2 ..."""
    by_value = dict(enumerate(runs)) if by_value is None else by_value
    return answer({"question": question, "arguments": arguments}, by_value)


@pytest.mark.parametrize(("name", "reading"), ALL_READINGS)
def test_the_reports_own_curves_answer_yes(name, reading):
    seen = "loss" if reading["question"].startswith("loss") else "accuracy"
    runs = {value: as_run(curve, seen) for value, curve in REPORT[name]["curves"].items()}
    expected = None if reading["question"] == "all_add_numbers_of" else True
    assert answer(reading, runs) is expected


@pytest.mark.parametrize(("name", "reading"), ALL_READINGS)
def test_every_reading_can_be_answered_either_way(name, reading):
    falling_loss = [10.0**-place for place in range(200)]
    kinds = [
        also_tested(1.0) | rising(0, 200, loss=falling_loss),
        also_tested(0.99) | rising(1000, 200, loss=falling_loss),
        also_tested(0.99) | run([0.0] * 200, loss=[3.0] * 200),
    ]
    values = REPORT[name]["settings"].get(REPORT[name]["compares"], [None])
    draws = random.Random(0)
    answers = {
        answer(reading, {value: draws.choice(kinds) for value in values}) for _ in range(500)
    }
    assert answers == {True, False}


def test_every_question_is_asked_and_every_reading_once():
    assert {reading["question"] for _, reading in ALL_READINGS} == set(QUESTIONS)
    for _, reading in ALL_READINGS:
        assert reading.keys() <= {"asked", "question", "arguments", "note"}
        arguments = reading.get("arguments", {})
        inspect.signature(QUESTIONS[reading["question"]]).bind({}, **arguments)
    for said in REPORT.values():
        for claim in said["claims"]:
            asked = [
                (reading["question"], str(reading.get("arguments")))
                for reading in claim["readings"]
            ]
            assert len(set(asked)) == len(asked) > 0


# Which claims have several readings, by the table that the report was read with.
READINGS = {
    "task-1": [2, 2, 2],
    "1000-digits": [1],
    "5000-digits": [2],
    "rnn-layers": [1, 3],
    "gru-layers": [1, 3],
    "cells": [2, 3],
    "lr-coarse": [2, 2, 3],
    "lr-fine": [3],
    "final-model": [2, 1],
    "pt-main": [],
}


def test_every_claim_is_asked_in_each_way():
    counts = {
        name: [len(claim["readings"]) for claim in said["claims"]] for name, said in REPORT.items()
    }
    assert counts == READINGS


def test_all_reach():
    assert ask("all_reach", run([0.0, 0.995, 1.0, 0.5]), rising(490))
    assert not ask("all_reach", run([0.0, 0.995, 0.995]), rising(0))
    assert not ask("all_reach", rising(500), rising(0))
    assert ask("all_reach", rising(100), rising(0), by=100)
    assert not ask("all_reach", rising(110), rising(0), by=100)
    almost = run([0.0] * 10 + [0.9])
    assert ask("all_reach", almost, rising(0), level=0.9, by=100)
    assert not ask("all_reach", almost, level=0.91, by=100)


def test_all_end_correct():
    assert ask("all_end_correct", run([0.0, 1.0]), run([0.0, 1.0, 0.99, 1.0]))
    assert not ask("all_end_correct", run([0.0, 1.0, 0.99]), run([1.0]))
    assert not ask("all_end_correct", run([0.0, 1.0], error="the loss is nan"))
    assert not ask("all_end_correct", run([], error="the loss is nan"))


def test_all_correct_at_the_lines_that_were_printed():
    def at_its_lines(*runs):
        return ask("all_correct_at", *runs, start=350, end=600, every=50)

    late = [0.0] * 35 + [1.0] * 26 + [0.9] * 39  # the lines end at step 600
    assert at_its_lines(run(late))
    assert at_its_lines(run(late[:36] + [0.99] + late[37:])), "step 360 was not printed"
    assert at_its_lines(run(late[:61], error="the loss is nan")), "it broke off after the lines"
    assert at_its_lines(run(late[:41])), "it stopped at 1.0"
    assert not at_its_lines(run(late[:41], error="the loss is nan"))
    for step in (350, 400, 450, 500, 550, 600):
        place = step // 10
        wrong = run(late[:place] + [0.995] + late[place + 1 :])
        assert not at_its_lines(wrong) and not at_its_lines(run(late), wrong)


def test_all_correct_from_a_step_on():
    def from_350(*runs):
        return ask("all_correct_from", *runs, start=350)

    late = [0.0] * 35 + [1.0] * 65
    assert from_350(run(late), run([1.0] * 100))
    for step in (350, 360, 650, 990):
        place = step // 10
        wrong = run(late[:place] + [0.995] + late[place + 1 :])
        assert not from_350(wrong) and not from_350(run(late), wrong)
    assert from_350(run([0.0] * 20 + [1.0] * 5)), "it stopped at 1.0 before"
    assert not from_350(run([0.0] * 20 + [1.0] * 5 + [0.99]))
    for length in (0, 20, 60):
        assert not from_350(run([1.0] * length, error="the loss is nan"))


def test_all_correct_in_a_row():
    twenty = [0.5] * 3 + [1.0] * 20
    assert ask("all_correct_in_a_row", run(twenty), run([*twenty, 0.0]), count=20)
    assert not ask("all_correct_in_a_row", run(twenty[:-1]), run(twenty), count=20)
    interrupted = [1.0] * 19 + [0.99] + [1.0] * 19
    assert not ask("all_correct_in_a_row", run(interrupted), count=20)
    assert ask("all_correct_in_a_row", run([*interrupted, 1.0, 0.5, 1.0]), count=20)
    assert not ask("all_correct_in_a_row", run([], error="the loss is nan"), count=20)


def test_the_loss_halves():
    def halves(losses, error=None):
        return ask("loss_halves_after", run([0.0] * len(losses), losses, error), start=500)

    losses = [1.0] * 50 + [0.5] + [0.4] * 48
    assert halves([*losses, 0.25])
    assert not halves([*losses, 0.26])
    assert not halves([*losses, math.nan])
    assert not halves([1.0] * 59 + [0.1], error="the loss is nan")


def test_the_loss_stays_below():
    def stays_below(losses, error=None):
        broken = run([0.0] * len(losses), losses, error)
        good = run([0.0] * 60, [0.0] * 60)
        return ask("loss_stays_below", good, broken, start=500, most=0.02)

    high, low = [1.0] * 50, [0.02] * 50
    assert stays_below(high + low), "the bound itself is no more than the bound"
    assert not stays_below([*high, 0.0201, *low])
    assert not stays_below([*high, *low, 0.0201])
    assert not stays_below([*high, *low, math.nan])
    assert not stays_below([*high, *low, None])
    assert not stays_below(high + low, error="the loss is nan")
    assert not stays_below([0.01] * 50), "it ends before step 500"
    assert stays_below([0.01] * 51)


def test_comes_first():
    def first(*steps, ties, level=0.9):
        runs = [rising(step) for step in steps]
        return ask("comes_first", *runs, variant=2, level=level, ties=ties)

    for ties in (False, True):
        assert first(50, 40, 30, 40, ties=ties)
        assert not first(20, 40, 30, 40, ties=ties)
        assert first(500, 500, 490, ties=ties), "the others never are"
        assert not first(490, 500, 500, ties=ties)
        assert not first(500, 500, 500, ties=ties), "never is not first, and ties with nobody"
        assert first(30, 40, 30, ties=ties) == ties
        assert first(30, 30, 30, ties=ties) == ties
        assert not first(20, 20, 30, ties=ties)
    runs = [run([0.0, 0.5, 0.89]), run([0.0, 0.0, 0.9])]
    assert ask("comes_first", *runs, variant=0, level=0.5)
    assert ask("comes_first", *runs, variant=1, level=0.9)
    same = [rising(10), rising(10)]
    assert not ask("comes_first", *same, variant=0, level=0.5), "a tie does not count unless asked"
    cells = {"RNN": rising(10), "GRU": rising(20), "LSTM": rising(20)}
    assert ask("comes_first", by_value=cells, variant="RNN", level=1.0)
    assert not ask("comes_first", by_value=cells, variant="GRU", level=1.0, ties=True)


def test_one_reaches_and_one_does_not():
    def differ(*accuracies):
        runs = [run([0.0, accuracy, 0.0]) for accuracy in accuracies]
        return ask("one_reaches_and_one_does_not", *runs, reached=1.0, missed=0.5)

    assert differ(1.0, 0.49, 0.5)
    assert not differ(1.0, 0.5)
    assert not differ(0.99, 0.0)


def test_slowest_takes():
    def takes_twice(*runs, level=0.9):
        return ask("slowest_takes", *runs, times=2, level=level)

    at_49, at_50 = [run([0.0, 0.9]) | {"steps": [0, step]} for step in (49, 50)]
    at_99 = run([0.0, 0.9]) | {"steps": [0, 99]}
    assert takes_twice(at_49, at_99), "exactly twice: 50 updates and 100"
    assert not takes_twice(at_50, at_99)
    assert takes_twice(rising(0), rising(10)) and not takes_twice(rising(10), rising(20))
    assert takes_twice(at_49, rising(60), at_99, rising(500)), "a run that is never there"
    assert not takes_twice(at_49, rising(60), rising(500))
    assert not takes_twice(at_49) and not takes_twice(rising(500), rising(500))
    assert not takes_twice(at_49, at_99, level=0.95)


def test_first_steps_within():
    def within_20(*steps, level=0.9):
        runs = [rising(step) for step in steps]
        return ask("first_steps_within", *runs, apart=20, level=level)

    assert within_20(70, 50, 60), "exactly 20"
    assert not within_20(70, 50, 80)
    assert within_20(40) and not within_20(500)
    assert not within_20(470, 490, 500), "one is never there"
    assert not within_20(500, 500)
    runs = [run([0.0, 0.5, 0.6, 0.9]), run([0.5, 0.5, 0.5, 0.9])]
    assert ask("first_steps_within", *runs, apart=0, level=0.9)
    assert not ask("first_steps_within", *runs, apart=9, level=0.5)


def test_best_lies_between():
    def lies_between(by_rate, level=0.9):
        between = {"low": 0.005, "high": 0.02, "before": 100}
        return ask("best_lies_between", by_value=by_rate, level=level, **between)

    rates = {0.001: rising(90), 0.005: rising(90), 0.03: rising(100)}
    assert lies_between(rates), "a tie counts, and so do the ends"
    assert lies_between({0.02: rising(90)})
    assert not lies_between({0.0201: rising(90)}) and not lies_between({0.0049: rising(90)})
    assert not lies_between(rates | {0.03: rising(80)})
    assert not lies_between({0.01: rising(100)})
    assert not lies_between({0.01: run([0.0] * 50)})
    # One rate is first at 0.9, and another at 1.0.
    rates = {0.004: run([0.0, 0.5, 1.0]), 0.01: run([0.0, 0.9, 0.9, 1.0])}
    assert lies_between(rates, 0.9) and not lies_between(rates, 1.0)


def test_the_lowest_and_the_highest_value():
    nothing, half = run([0.0, 0.49, 0.0]), run([0.0, 0.5, 0.0])
    levels = {"level_of_lowest": 0.5, "level_of_highest": 1.0}
    never = run([0.0, 0.99, 0.99])
    rates = {0.01: run([1.0]), 0.03: never, 1e-5: nothing}  # in no order
    assert ask("lowest_and_highest_miss", by_value=rates, **levels)
    assert not ask("lowest_and_highest_miss", by_value=rates | {1e-5: half}, **levels)
    once = run([0.0, 1.0, 0.0])
    assert not ask("lowest_and_highest_miss", by_value=rates | {0.03: once}, **levels)


def test_the_highest_is_late():
    def is_late(lowest, other, highest):
        by_rate = {0.0279: highest, 1.36e-5: lowest, 0.010245: other, 0.0101: rising(0)}
        levels = {"missed": 0.5, "level": 0.9, "after": 0.0102}
        return ask("lowest_misses_and_highest_is_late", by_value=by_rate, **levels)

    nothing = run([0.49] * 50)
    assert is_late(nothing, rising(60), rising(70))
    assert not is_late(nothing, rising(60), rising(60)), "a tie is not late"
    assert not is_late(nothing, rising(60), rising(50))
    assert is_late(nothing, rising(60), nothing), "never is"
    assert not is_late(nothing, nothing, nothing), "but not where the other is never there"
    assert not is_late(run([0.5]), rising(60), rising(70))
    assert not is_late(nothing, run([0.9]), run([0.9, 1.0]))


def test_the_highest_ends_below():
    def ends_below(lowest, highest):
        by_rate = {0.0279: highest, 1.36e-5: lowest, 0.01: run([0.0])}
        return ask("lowest_misses_and_highest_ends_below", by_value=by_rate, missed=0.5)

    nothing = run([0.49, 0.0])
    assert ends_below(nothing, run([1.0, 0.99]))
    assert not ends_below(nothing, run([0.99, 1.0]))
    assert ends_below(nothing, run([1.0, 1.0], error="the loss is nan")), "it broke off"
    assert ends_below(nothing, run([], error="the loss is nan"))
    assert not ends_below(run([0.0, 0.5, 0.0]), run([1.0, 0.99]))


def test_all_add_longer_numbers():
    def extends(*runs):
        return ask("all_add_numbers_of", *runs, digits=5000)

    assert extends(also_tested(1.0)) is True
    assert extends(also_tested(0.99)) is False
    assert extends(also_tested(1.0), also_tested(0.99)) is False, "each adder"
    for not_asked in (run([1.0]), also_tested(None), also_tested(1.0, 500)):
        assert extends(not_asked) is None
        assert extends(also_tested(1.0), not_asked) is None


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
