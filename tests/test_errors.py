"""Wrong sums in a million: the interval against exact fractions, the rest counted by hand."""

import math
from fractions import Fraction

import pytest
import sample
from adders import as_training, load_proven
from executing import Group, execute

import pt
from lab.parts import errors
from lab.settings import SettingsError


def binomial_tail(most, pairs, share):
    """The probability of `most` or fewer, exact, summed up one by one."""
    share = Fraction(share)
    return sum(
        math.comb(pairs, count) * share**count * (1 - share) ** (pairs - count)
        for count in range(most + 1)
    )


@pytest.mark.parametrize("pairs", [1, 2, 7, 40])
def test_the_interval_is_that_of_exact_sums(pairs):
    """At its ends the tails of the binomial, summed in fractions, are 2.5%."""
    for wrong in range(pairs + 1):
        low, high = (end / 1e6 for end in errors.binomial_interval(wrong, pairs))
        assert low <= wrong / pairs <= high
        if wrong:
            assert float(1 - binomial_tail(wrong - 1, pairs, low)) == pytest.approx(0.025, 1e-9)
        else:
            assert low == 0
        if wrong < pairs:
            assert float(binomial_tail(wrong, pairs, high)) == pytest.approx(0.025, 1e-9)
        else:
            assert high == 1


def test_the_interval_of_many_pairs():
    low, high = errors.binomial_interval(0, 30_000)
    assert (low, high) == (0, pytest.approx(1e6 * (1 - 0.025 ** (1 / 30_000)), 1e-9))
    assert high == pytest.approx(122.955, abs=1e-3)
    low, high = errors.binomial_interval(1545, 1_000_000)
    assert low < 1545 < high
    about = 1.96 * math.sqrt(1545)  # the normal distribution's
    assert (1545 - low, high - 1545) == (pytest.approx(about, 0.03), pytest.approx(about, 0.03))


@pytest.mark.parametrize(
    ("wrong", "pairs", "named"), [(3, 2, "wrong"), (-1, 2, "wrong"), (0, 0, "pairs")]
)
def test_an_interval_of_nothing_is_refused(wrong, pairs, named):
    with pytest.raises(ValueError, match=f"{named} must be"):
        errors.binomial_interval(wrong, pairs)


TOLD = {"variant": "2 layers", "seed": 3}  # which adder it is


def test_errors_are_summed_up_by_hand():
    counts = {"task-1": [0, 2], "cells": [0, 100, 100], "none": []}
    groups = {
        name: [
            TOLD | {"wrong": wrong, "pairs": 1_000_000, "pairs_per_second": 1e4 + wrong}
            for wrong in of_group
        ]
        for name, of_group in counts.items()
    }
    result = errors.summarise(groups)
    assert [group["name"] for group in result["groups"]] == ["task-1", "cells"]
    assert result["groups"][0]["adders"][1]["per_million"] == 2
    assert result["groups"][1]["adders"][1] == TOLD | {
        "pairs": 1_000_000,
        "wrong": 100,
        "per_million": 100,
        "interval": errors.binomial_interval(100, 1_000_000),
    }
    assert (result["adders"], result["none_seen"], result["most"]) == (5, 2, 100)
    assert result["none_seen_below"] == errors.binomial_interval(0, 1_000_000)[1]
    assert (result["pairs"], result["pairs_per_second"]) == (1_000_000, 10_002)
    assert errors.summarise({"none": []}) is None


def test_adders_at_100_percent_are_counted_each_once(tmp_path):
    proven = as_training(load_proven("RNN"))
    untrained = as_training(pt.Adder("RNN", 1))
    first = Group({("a", 0): proven, ("b", 0): untrained | {"accuracy": [1.0, 0.9]}})
    second = Group({("c", 1): proven, ("c", 2): untrained})
    part = errors.Errors({"first": first, "second": second}, 40)
    result = part.result("errors", execute(part, tmp_path))
    listed = [
        (group["name"], adder["variant"], adder["seed"], adder["wrong"])
        for group in result["groups"]
        for adder in group["adders"]
    ]
    assert listed == [("first", "a", 0, 0), ("second", "c", 2, 40)]
    assert (result["pairs"], result["none_seen"], result["most"]) == (40, 1, 1e6)
    with pytest.raises(SettingsError, match="pairs"):
        errors.Errors({}, 0)


def test_the_section_has_the_counts():
    result = sample.parts()["errors"]
    text = sample.BEYOND["errors"].page(result)
    assert "2 adders, 30,000 fresh pairs of 10 digits each" in text
    assert (
        "1 of the adders add all of them correctly, the worst has 100 wrong sums in a mill" in text
    )
    assert "it ends at 123 in a million" in text
    assert "One core added 90,000 pairs a second" in text
    assert "the worst" not in sample.BEYOND["errors"].page(result | {"most": 0})
