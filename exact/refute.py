"""The search for a pair of numbers that a trained adder adds wrong: a counterexample.

An adder reads from the right, and what it says at position t depends on the first t digits alone.
So a wrong digit there condemns every pair of numbers that ends in those digits: at least one random
pair in 100^t. A beam search goes by positions: from the zero state all 100 pairs of digits, from
each state that it holds on to all 100 again. It holds on to those that are nearest to forgetting
their carry, half of them for each carry: where the margin, the right digit's logit less the best
other's, is least after one more pair of digits that sum to nine. Few adders go wrong in another
way; so where this comes to nothing, the states of least margin themselves are tried.

The first counterexample is seldom the shortest. So the search goes on below its length, with as
wide a beam as `STATES` states allow, again and again until it comes to nothing.
"""

import math
from typing import NamedTuple

import torch

import pt
from data import check_at_least

WIDTHS = 20, 200, 2000  # states that a search holds on to, one after the other
STATES = 200  # in all that each search for a shorter counterexample holds on to, and 100 at first
NINES = 27, 72  # steps (see below) by digits that sum to nine: what comes out is the carry alone
ZEROS = 0  # the step by two zeros: `pt.add` reads it on top of a pair
PIECE = 2**15  # steps from states that are taken at a time
MOST_CHECKED = 100  # pairs that are added again, at each position, to see whether they go wrong


class Beam(NamedTuple):
    """The n states from which a search goes on, each with the pair of numbers that leads to it."""

    hidden: object  # as `Adder.read` returns it; None is the zero state
    carry: torch.Tensor  # (n,): 0 or 1
    pairs: list  # n times (number_1, number_2)


@torch.no_grad()
def refute(model, digits=12, widths=WIDTHS):
    """Search for a counterexample: (number_1, number_2), a pair that `model` adds wrong, or None.

    None proves nothing. Both numbers have at most `digits` digits; `widths` are the numbers of
    states to hold on to, each tried if the one before came to nothing. The pair is nearly the
    shortest: none of one or two digits is passed over, and no longer one that `STATES` states lead
    to. Always the same answer, checked by `pt.add` against Python's integers. Raises ValueError for
    a bad number of digits.
    """
    check_at_least("digits", digits, 1)
    model.eval()
    for width in widths:
        for looks_ahead in (True, False):
            counterexample = search(model, digits, width, looks_ahead)
            if counterexample:
                return shorten(model, counterexample)
    return None


def shorten(model, counterexample):
    """The counterexample given, or the shortest that searches of `STATES` states lead to.

    Every search tries all pairs of two digits: below three there is nothing to look for.
    """
    while count_digits(counterexample) > 3:
        digits = count_digits(counterexample) - 1
        shorter = search(model, digits, max(2, STATES // digits))
        if shorter is None:
            break
        counterexample = shorter
    return counterexample


def count_digits(pair):
    """The digits of the longer one of two numbers."""
    return len(str(max(pair)))


def search(model, digits, width, looks_ahead=True):
    """The first counterexample of at most `digits` digits that `width` states lead to, or None.

    The states are those of least margin, at the next digits that sum to nine if it `looks_ahead`.
    """
    device = next(model.parameters()).device
    beam = Beam(None, torch.zeros(1, dtype=torch.long, device=device), [(0, 0)])
    for place in range(digits):
        margin, ahead, carry = read_all_digits(model, beam)
        order = torch.argsort(margin, stable=True)
        wrong = min(MOST_CHECKED, int((margin <= 0).sum()))
        suspects = prepend_digits(beam, order[:wrong], place)
        counterexample = check_pairs(model, suspects, place, place + 1 < digits)
        if counterexample:
            return counterexample
        order = torch.argsort(ahead if looks_ahead else margin, stable=True)
        half = width // 2 if place else 100  # all after the first two digits: see `refute`
        best = [order[carry[order] == which][:half] for which in (0, 1)]
        beam = narrow(model, beam, torch.cat(best), place)
    return None


# A step is an index, 100 x state + 10 x digit + digit: from a state of the beam by two digits.


def read_all_digits(model, beam):
    """All 100 pairs of digits from each of n states: (margins, margins ahead, carries after).

    Each is (100 n,). A margin is the least of that at the two digits and that at zeros on top; one
    ahead the least of those that follow where the next two digits sum to nine.
    """
    margins = []
    margins_ahead = []
    carries = []
    for steps in torch.arange(100 * len(beam.carry), device=beam.carry.device).split(PIECE):
        margin, carry, hidden = read_digits(model, beam, steps)
        after = Beam(hidden, carry, [])
        states = 100 * torch.arange(len(steps), device=steps.device)
        on_top, *ahead = (read_digits(model, after, states + by)[0] for by in (ZEROS, *NINES))
        margins.append(torch.minimum(margin, on_top))
        margins_ahead.append(torch.stack(ahead).amin(0))
        carries.append(carry)
    return torch.cat(margins), torch.cat(margins_ahead), torch.cat(carries)


def read_digits(model, beam, steps):
    """Take `steps`, (n,): (margins (n,), carries after (n,), hidden states after).

    A margin that is no number counts as the least.
    """
    state = steps // 100
    digit_1 = steps % 100 // 10
    digit_2 = steps % 10
    before = pt.of_batch(beam.hidden, state)
    logits, after = model.read(digit_1[:, None], digit_2[:, None], before)
    logits = logits[:, 0]
    total = digit_1 + digit_2 + beam.carry[state]
    right = total[:, None] % 10
    best_other = logits.scatter(1, right, -math.inf).amax(1, True)
    margin = (logits.gather(1, right) - best_other)[:, 0]
    return margin.nan_to_num(-math.inf), total // 10, after


def prepend_digits(beam, steps, place):
    """The pairs of numbers that `steps` lead to: those of the beam, with a digit more in front."""
    pairs = []
    for step in steps.tolist():
        number_1, number_2 = beam.pairs[step // 100]
        digit_1 = step % 100 // 10
        digit_2 = step % 10
        pairs.append((number_1 + digit_1 * 10**place, number_2 + digit_2 * 10**place))
    return pairs


def narrow(model, beam, steps, place):
    """The beam that goes on from `steps` alone."""
    _, carry, hidden = read_digits(model, beam, steps)
    return Beam(hidden, carry, prepend_digits(beam, steps, place))


def check_pairs(model, pairs, place, may_grow):
    """The first of `pairs` whose sum is wrong, or None.

    Zeros on top may go unread by `pt.add`; another digit there does not. So where none is wrong as
    it is, and if they `may_grow`, each is tried with a one in front.
    """
    digits_on_top = (0, 10 ** (place + 1)) if may_grow else (0,)
    for on_top in digits_on_top:
        for number_1, number_2 in pairs:
            longer = number_1 + on_top
            if pt.add(model, longer, number_2) != longer + number_2:
                return longer, number_2
    return None
