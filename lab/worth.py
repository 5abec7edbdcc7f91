"""What 100% is worth: summaries of the runs of `lab.measuring`, and of counterexamples."""

import math
import statistics

import numpy as np

import data

CONFIDENCE = 0.95  # of the interval of a share
GOOD = 0.995  # accuracy from which a length counts as added
FROM_NOWHERE = "carry from nowhere"
LOST = "carry lost"
SOMETHING_ELSE = "something else"
KINDS = (FROM_NOWHERE, LOST, SOMETHING_ELSE)


# --- How often.


def binomial_interval(wrong, pairs):
    """The exact 95% interval (Clopper and Pearson, 1934) of a share, seen `wrong` times in `pairs`.

    Returns its two ends, each in a million. Raises ValueError unless 0 <= wrong <= pairs, with
    `pairs` of at least 1.
    """
    data.check_at_least("pairs", pairs, 1)
    data.check_at_least("wrong", wrong, 0)
    if wrong > pairs:
        raise ValueError(f"wrong must be at most pairs={pairs}, got {wrong}")
    tail = (1 - CONFIDENCE) / 2
    low = share_with_tail(wrong - 1, pairs, 1 - tail) if wrong else 0.0
    high = share_with_tail(wrong, pairs, tail) if wrong < pairs else 1.0
    return [1e6 * low, 1e6 * high]


def share_with_tail(most, pairs, probability):
    """The share p at which `most` or fewer of `pairs` are wrong with this `probability`.

    By bisection: the more are wrong, the less probable it is. `most` is below `pairs`.
    """
    counts = np.arange(most + 1)
    # log of the binomial coefficients, each from the one before.
    log_ways = np.cumsum(np.log((pairs + 1 - counts) / np.maximum(counts, 1)))
    log_ways -= log_ways[0]
    low = 0.0
    high = 1.0
    while low < (middle := (low + high) / 2) < high:
        logs = log_ways + counts * math.log(middle) + (pairs - counts) * math.log1p(-middle)
        if np.exp(logs).sum() > probability:
            low = middle
        else:
            high = middle
    return low


def summarise_errors(groups):
    """What the picture of wrong sums reads, of {name: [a result of `count_wrong` an adder]}.

    Each has its "variant" and "seed", too.

    Returns {"groups": [{"name", "adders": [{"variant", "seed", "pairs", "wrong",
    "per_million", "interval": its ends in a million}]}], "adders": how many, "none_seen": how many
    of them without a wrong sum, "none_seen_below": what these are below, in a million (the upper
    end of the interval), "most": the greatest wrong in a million, "pairs_per_second": the median}.
    None where there are no adders.
    """
    counts = [count for of_group in groups.values() for count in of_group]
    if not counts:
        return None
    listed = []
    for name, of_group in groups.items():
        if of_group:
            listed.append({"name": name, "adders": [describe_count(count) for count in of_group]})
    return {
        "groups": listed,
        "adders": len(counts),
        "none_seen": sum(count["wrong"] == 0 for count in counts),
        "none_seen_below": binomial_interval(0, counts[0]["pairs"])[1],
        "most": max(1e6 * count["wrong"] / count["pairs"] for count in counts),
        "pairs_per_second": statistics.median(count["pairs_per_second"] for count in counts),
    }


def describe_count(count):
    """What the picture of wrong sums has of one adder."""
    pairs = count["pairs"]
    wrong = count["wrong"]
    return {
        "variant": count["variant"],
        "seed": count["seed"],
        "pairs": pairs,
        "wrong": wrong,
        "per_million": 1e6 * wrong / pairs,
        "interval": binomial_interval(wrong, pairs),
    }


# --- Why.


def explain_wrong(pair, answer):
    """What went wrong at the first wrong digit of `answer`, given as the sum of a `pair`; integers.

    Returns {"place": of that digit, 0 for the ones; "kind": one of KINDS; "nines": how many pairs
    of digits right before it sum to nine}. A carry from nowhere is a digit that is one too many
    (9 + 1 is 0) where no carry came in, a lost carry one too few where one did. Raises ValueError
    where the answer is correct.
    """
    number_1, number_2 = pair
    total = number_1 + number_2
    if answer == total:
        raise ValueError(f"{number_1} + {number_2} = {answer} is correct")
    place = 0
    while digit_at(answer, place) == digit_at(total, place):
        place += 1
    below = 10**place
    carry = (number_1 % below + number_2 % below) // below
    too_many = (digit_at(answer, place) - digit_at(total, place)) % 10
    kind = SOMETHING_ELSE
    if too_many == 1 and carry == 0:
        kind = FROM_NOWHERE
    elif too_many == 9 and carry == 1:
        kind = LOST
    nines = 0
    while nines < place and sums_to_nine(pair, place - 1 - nines):
        nines += 1
    return {"place": place, "kind": kind, "nines": nines}


def digit_at(number, place):
    """The digit of a number at a place, 0 for the ones."""
    return number // 10**place % 10


def sums_to_nine(pair, place):
    """Whether the digits of a pair at a place sum to nine."""
    number_1, number_2 = pair
    return digit_at(number_1, place) + digit_at(number_2, place) == 9


def count_causes(runs):
    """How often adders went wrong in which way: {kind: {"after_nines": n, "without": n}}.

    `runs` are adders decided, as results.json has them, each with "pair" and "answer"; one without
    a counterexample, None, is left out. An adder that is in two experiments counts twice: pass each
    once.
    """
    counts = {kind: {"after_nines": 0, "without": 0} for kind in KINDS}
    for run in runs:
        if run["pair"] is not None:
            cause = explain_wrong(run["pair"], run["answer"])
            counts[cause["kind"]]["after_nines" if cause["nines"] else "without"] += 1
    return counts


# --- How long.


def summarise_memory(groups):
    """What the picture of margins reads, of {name: [a result of `measure_memory` an adder]}.

    Returns {"picture": "memory.png", "most": the greatest k, "groups": [{"name", "adders": those
    results, "failed": how many have a "fails_at", "first", "last": the least and the greatest of
    these or None, "least_margin": at any k}]}. None where there are no adders; those that do not
    run are left out.
    """
    listed = []
    for name, measured in groups.items():
        adders = [adder for adder in measured if "left_out" not in adder]
        if adders:
            listed.append({"name": name, "adders": adders} | describe_memory(adders))
    if not listed:
        return None
    most = len(listed[0]["adders"][0]["margins"]["carry"]) - 1
    return {"picture": "memory.png", "most": most, "groups": listed}


def describe_memory(adders):
    """When the adders of a group fail, and the least margin of them all."""
    fails_at = [adder["fails_at"] for adder in adders if adder["fails_at"] is not None]
    least = [min(of_start) for adder in adders for of_start in adder["margins"].values()]
    return {
        "failed": len(fails_at),
        "first": min(fails_at, default=None),
        "last": max(fails_at, default=None),
        "least_margin": min(least),
    }


# --- How little.


def summarise_training_lengths(of_cells, lengths, others):
    """What the picture of training lengths reads.

    `of_cells` is {cell: {digits trained on: [{"accuracy": one at each of `lengths`, "seconds": of
    training, "decision"} one a seed]}}. `others` are trainings to compare the seconds with: {name:
    (digits, seconds)}.

    Returns {"lengths", "cells": [{"cell", "trained": [{"digits", "seeds": how many, "mean",
    "least", "greatest": one accuracy a length, "seconds": the median, "decisions": one a seed}],
    "enough": the fewest digits from which on the mean is GOOD at every length, or None}], "good":
    GOOD, "others": [{"name", "digits", "seconds"}]}.
    """
    cells = []
    for cell, of_digits in of_cells.items():
        trained = [describe_trained(digits, runs) for digits, runs in sorted(of_digits.items())]
        cells.append({"cell": cell, "trained": trained, "enough": enough_digits(trained)})
    listed = [
        {"name": name, "digits": digits, "seconds": seconds}
        for name, (digits, seconds) in others.items()
    ]
    return {"lengths": list(lengths), "cells": cells, "good": GOOD, "others": listed}


def describe_trained(digits, runs):
    """What the picture has of the adders that were trained on at most `digits` digits.

    An accuracy of None, of an adder that does not run, counts as 0.
    """
    accuracy = np.nan_to_num(np.array([run["accuracy"] for run in runs], dtype=float))
    return {
        "digits": digits,
        "seeds": len(runs),
        "mean": accuracy.mean(0).tolist(),
        "least": accuracy.min(0).tolist(),
        "greatest": accuracy.max(0).tolist(),
        "seconds": statistics.median(run["seconds"] for run in runs),
        "decisions": [run["decision"] for run in runs],
    }


def enough_digits(trained):
    """The fewest digits from which on all that follow are GOOD at every length; None for none."""
    enough = None
    for of_digits in reversed(trained):
        if min(of_digits["mean"]) < GOOD:
            break
        enough = of_digits["digits"]
    return enough
