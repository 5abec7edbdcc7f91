"""Which sums a trained adder gets wrong: none, of any length (`prove`), or this one (`refute`)."""

import math
import textwrap
from typing import NamedTuple

import torch

import pt
from exact.certificate import save_certificate
from exact.proof import prove, train_proven
from exact.provable import CannotProve, check_provable
from exact.refute import WIDTHS, count_digits, refute

__all__ = [
    "CannotProve",
    "Decision",
    "decide",
    "prove",
    "refute",
    "save_certificate",
    "train_proven",
]


class Decision(NamedTuple):
    """The answer of `decide`; as a string: proven, undecided, or the sum that is wrong."""

    verdict: str  # "proven", "wrong" or "undecided"
    pair: tuple | None = None  # where wrong: two numbers,
    digits: int | None = None  # those of the longer one,
    answer: int | None = None  # what the adder says is their sum,
    share: float | None = None  # and the share of random pairs that end as they do
    margin: float | None = None  # the least worst-case margin, or NaN, where `prove` was asked
    reason: str | None = None  # where undecided: why it could not be proven

    def __str__(self):
        if self.pair is None:
            return self.verdict
        number_1, number_2 = self.pair
        return f"{number_1} + {number_2} gives {self.answer}, not {number_1 + number_2}"


def decide(model):
    """A verdict on an adder of any cell, a `Decision`.

    It is proven correct for every two numbers, or wrong on a pair, or undecided: no counterexample,
    and no proof either, as of a cell that `prove` cannot take, or of one that does not even run:
    whatever it raises is the reason. Lack of memory is no reason, and is raised.
    """
    decision, failure = attempt(decide_what_runs, model)
    if failure is None:
        return decision
    _, refusal = attempt(check_provable, model)
    reasons = [str(refusal)] if isinstance(refusal, CannotProve) else []
    return Decision("undecided", reason="; ".join([*reasons, does_not_run(failure)]))


def attempt(function, *arguments, **named):
    """(what `function` returns, None), or (None, the exception that it raised).

    Lack of memory is raised: it says nothing of an adder.
    """
    try:
        return function(*arguments, **named), None
    except (MemoryError, torch.OutOfMemoryError):
        raise
    except Exception as error:
        return None, error


def does_not_run(error):
    """An exception that an adder raised, in one line."""
    said = textwrap.shorten(str(error), 200, placeholder=" ...")
    return f"it does not run ({type(error).__name__}: {said})"


def decide_what_runs(model):
    """`decide`, for an adder that may be asked for sums."""
    counterexample = refute(model, widths=WIDTHS[:1])
    if counterexample:
        return describe_wrong(model, counterexample)
    margin = None
    try:
        proof = prove(model)
    except CannotProve as error:
        reason = str(error)
    else:
        margin = proof.margin
        if proof.proven:
            return Decision("proven", margin=margin)
        reason = explain(proof)
    counterexample = refute(model, widths=WIDTHS[1:])
    if counterexample:
        return describe_wrong(model, counterexample, margin)
    return Decision("undecided", margin=margin, reason=reason)


def describe_wrong(model, pair, margin=None):
    """The `Decision` on an adder that adds `pair` wrong; undecided where it does not always."""
    answer = pt.add(model, *pair)
    if answer == sum(pair):  # it was wrong when `refute` asked
        reason = f"it adds {pair[0]} + {pair[1]} at times right and at times wrong"
        return Decision("undecided", margin=margin, reason=reason)
    place = 0
    while answer // 10**place % 10 == sum(pair) // 10**place % 10:
        place += 1
    return Decision(
        verdict="wrong",
        pair=pair,
        digits=count_digits(pair),
        answer=answer,
        share=100.0 ** -(place + 1),
        margin=margin,
    )


def explain(proof):
    """Why a `Proof` that is none is none, in words."""
    if math.isnan(proof.margin):
        return (
            "the worst-case margin is no number: float32 may overflow, a weight is not finite, "
            "or a gate may keep all"
        )
    if proof.margin > 0:
        return "the interval bounds still grow after all rounds"
    digit_1, digit_2, carry = proof.fails_at
    where = f"digits {digit_1} and {digit_2} after carry {carry}"
    return f"the worst-case margin is {proof.margin:.2f} at {where}"
