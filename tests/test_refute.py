"""Every counterexample is one by Python's integers, and `decide` takes an adder of any cell."""

import copy
import math
import random
import sys
from functools import partial

import numpy as np
import pytest
import torch
from adders import (
    PROVEN,
    ForwardOnlyCell,
    ReadersCell,
    StatelessCell,
    TupleCell,
    adder_trained_on_uniform_pairs,
    as_pytorchs,
    proven_adder,
)
from torch import nn

import data
import exact
import pt
from exact import Decision, decide, refute

search_module = sys.modules["exact.refute"]  # by its name in `exact` it is a function


@pytest.fixture(scope="module", params=PROVEN, ids="{0[2]}-{0[0]}".format)
def proven(request):
    """(model, proof) of each cell, and of two layers."""
    return proven_adder(*request.param)


@pytest.mark.parametrize("cell", ["RNN", "GRU", "LSTM"])
@pytest.mark.parametrize("layers", [1, 4])
def test_an_untrained_adder_is_decided_wrong(cell, layers):
    torch.manual_seed(0)
    model = pt.Adder(cell, layers)
    decision = decide(model)
    assert decision.verdict == "wrong" and decision.share == 0.01 and max(decision.pair) < 100
    assert pt.add(model, *decision.pair) == decision.answer != sum(decision.pair)
    assert decision.margin is None and decision.reason is None


@pytest.mark.parametrize(
    ("cell", "layers", "rate", "steps"),
    [("RNN", 2, 0.01, 120), ("GRU", 1, 0.02, 150), ("LSTM", 1, 0.02, 150)],
)
def test_an_adder_trained_as_the_reports_is_wrong_on_a_short_pair(cell, layers, rate, steps):
    model, accuracy = adder_trained_on_uniform_pairs(cell, layers, rate, steps)
    assert accuracy >= 0.9
    number_1, number_2 = refute(model)
    assert pt.add(model, number_1, number_2) != number_1 + number_2
    decision = decide(model)
    assert decision.verdict == "wrong" and decision.pair == (number_1, number_2)
    assert decision.digits == max(len(str(number_1)), len(str(number_2)))
    assert least_digits_by_trial(model, min(2, decision.digits - 1)) is None


def test_nothing_is_found_against_a_proven_adder(proven):
    model, proved = proven
    assert refute(model, digits=8, widths=(200,)) is None
    decision = decide(model)  # which looks with 20 states, at 12 digits
    assert decision == Decision("proven", margin=proved.margin)
    assert decision.pair is None and decision.margin > 0


@pytest.mark.parametrize(("a", "b"), [(3, 8), (7, 7), (0, 0)])
def test_a_planted_fault_is_found_with_a_pair_no_longer(proven, a, b):
    # in the first layer, this pair of digits alone is read as another: so a + b itself is wrong
    model = copy.deepcopy(proven[0])
    table = model.pairs().detach()
    table[10 * a + b] = table[10 * a + (b + 4) % 10]
    model.pairs = lambda: table
    assert pt.add(model, a, b) != a + b
    number_1, number_2 = refute(model)
    assert max(number_1, number_2) <= 9
    assert pt.add(model, number_1, number_2) != number_1 + number_2


def test_a_wrong_digit_condemns_every_pair_that_ends_so():
    torch.manual_seed(0)
    model = pt.Adder("RNN", 1)
    decision = decide(model)
    assert decision == decide(model), "always the same answer"
    random.seed(0)
    end = 10 ** round(-math.log(decision.share, 100))
    for _ in range(20):
        number_1, number_2 = (
            random.randrange(10**9) * end + number % end for number in decision.pair
        )
        assert pt.add(model, number_1, number_2) % end != (number_1 + number_2) % end


# --- Adders with planted faults. Their states are what they have seen, and nothing looks suspicious
# before it is wrong: of equal margins the search takes the first steps, 0 + 0, 0 + 1 and so on.


class Planted(nn.Module):
    """Adds as on paper, but one too many where `is_wrong` says so.

    `remember(place, digit, digit, seen)` is what it has seen after two digits, an integer, 0 before
    the first; `is_wrong` takes the same. Both work on tensors (batch,).
    """

    def __init__(self, remember, is_wrong):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))
        self.remember = remember
        self.is_wrong = is_wrong

    def read(self, num1, num2, hidden=None):
        hidden = torch.zeros(1, len(num1), 3, dtype=torch.long) if hidden is None else hidden
        carry, seen, place = hidden[0].unbind(-1)
        digits = []
        for a, b in zip(num1.T, num2.T, strict=True):
            digits.append((a + b + carry + self.is_wrong(place, a, b, seen)) % 10)
            seen = self.remember(place, a, b, seen)
            carry = (a + b + carry) // 10
            place = place + 1
        logits = nn.functional.one_hot(torch.stack(digits, 1), 10).float()
        return logits, torch.stack((carry, seen, place), -1)[None]


def at(place, a, b, seen, *state):
    """Where `state`, (places, digits, digits, seen), is this one."""
    places, digits_1, digits_2, have_seen = state
    return (places == place) & (digits_1 == a) & (digits_2 == b) & (have_seen == seen)


def test_a_fault_that_hides_is_found_where_the_search_keeps_every_state():
    # 561 + 41 alone is wrong, in its third digit
    def remember(*state):
        return 1 * at(0, 1, 1, 0, *state) + 2 * at(1, 6, 4, 1, *state)

    def is_wrong(*state):
        return at(2, 5, 0, 2, *state)

    model = Planted(remember, is_wrong)
    assert refute(model) == (561, 41)
    assert refute(model, digits=2) is None
    assert refute(model, widths=(20, 200)) is None, "hidden from narrow beams"


@pytest.mark.parametrize(("a", "b"), [(2, 7), (7, 2)])
def test_a_state_from_which_a_sum_to_nine_goes_wrong_is_held_on_to(a, b):
    # 6 + 5 and 8 + 3 come late among the steps: 20 states alone have no room for them
    def remember(*state):
        return 1 * at(0, 6, 5, 0, *state) + 2 * at(1, 8, 3, 1, *state)

    def is_wrong(*state):
        return at(2, a, b, 2, *state)

    expected = 100 * a + 86, 100 * b + 35
    assert refute(Planted(remember, is_wrong), widths=(20,)) == expected


@pytest.mark.parametrize("digits", [1, 2, 12])
def test_a_fault_in_the_last_carry_is_found(digits):
    # 8 + 8 is wrong in its second digit, where both numbers have none
    def remember(*state):
        return 1 * at(0, 8, 8, 0, *state)

    def is_wrong(*state):
        return at(1, 0, 0, 1, *state)

    model = Planted(remember, is_wrong)
    assert refute(model, digits=digits) == (8, 8)
    assert pt.add(model, 8, 8) == 26


def test_no_pair_of_two_digits_is_passed_over():
    # 9 + 0 is the last of the 55 steps that carry nothing, and nothing tells it from the others
    def remember(*state):
        return 1 * at(0, 9, 0, 0, *state)

    def is_wrong(*state):
        return at(1, 5, 0, 1, *state)

    assert refute(Planted(remember, is_wrong), widths=(2,)) == (59, 0)


def test_a_fault_between_zeros_needs_another_digit_on_top():
    # after 0 + 1 the third digit is wrong where it and the second are zeros
    def remember(*state):
        return 1 * at(0, 0, 1, 0, *state) + 2 * at(1, 0, 0, 1, *state)

    def is_wrong(*state):
        return at(2, 0, 0, 2, *state)

    model = Planted(remember, is_wrong)
    assert pt.add(model, 0, 1) == 1 and pt.add(model, 100, 1) == 101
    assert refute(model) == refute(model, digits=4) == (1000, 1)
    assert refute(model, digits=3) is None


@torch.no_grad()
def test_the_margins_by_hand():
    torch.manual_seed(0)
    model = pt.Adder("LSTM", 1)
    model.dense.bias -= 5  # all logits are below 0
    beam = search_module.Beam(None, torch.tensor([0]), [(0, 0)])
    margins, carries, hidden = search_module.read_digits(model, beam, torch.arange(100))
    for step in range(100):
        a, b = divmod(step, 10)
        logits, _ = model.read(torch.tensor([[a]]), torch.tensor([[b]]))
        others = logits[0, 0].tolist()
        right = others.pop((a + b) % 10)
        assert margins[step] == pytest.approx(right - max(others), abs=1e-5)
        assert carries[step] == (a + b > 9)
    assert hidden[0].shape == (1, 100, 64)


class Tied(Planted):
    """Where the digit of the sum is 5, 3 is as likely: `pt.add` takes the first."""

    def read(self, num1, num2, hidden=None):
        logits, hidden = super().read(num1, num2, hidden)
        logits[..., 3] = torch.maximum(logits[..., 3], logits[..., 5])
        return logits, hidden


def nowhere(place, a, b, seen):
    return 0 * seen


def test_a_tie_may_be_wrong():
    model = Tied(nowhere, nowhere)
    assert pt.add(model, 0, 5) == 3
    number_1, number_2 = refute(model)
    assert number_1 + number_2 in (5, 15)


def test_an_adder_with_a_weight_that_is_no_number_is_wrong():
    torch.manual_seed(0)
    model = pt.Adder("RNN", 1)
    with torch.no_grad():
        model.dense.bias[3] = math.nan
    number_1, number_2 = refute(model)
    assert max(number_1, number_2) <= 9 and pt.add(model, number_1, number_2) % 10 == 3


def test_an_adder_is_asked_without_gradients_and_as_one_that_is_trained_already():
    modes = set()

    def is_wrong(place, a, b, seen):
        modes.add((model.training, torch.is_grad_enabled()))
        return nowhere(place, a, b, seen)

    model = Planted(nowhere, is_wrong)
    assert model.training
    assert refute(model, digits=2) is None
    assert modes == {(False, False)}


def test_a_fault_after_zeros_needs_another_digit_on_top():
    # after 7 + 7 and two zeros all is wrong: as 14 has no such digit, 7 + 7 itself is not
    def remember(*state):
        return 1 * at(0, 7, 7, 0, *state) + 2 * at(1, 0, 0, 1, *state)

    def is_wrong(place, a, b, seen):
        return seen == 2

    model = Planted(remember, is_wrong)
    assert pt.add(model, 7, 7) == 14
    number_1, number_2 = refute(model)
    assert (number_1 % 100, number_2 % 100) == (7, 7) and 99 < max(number_1, number_2) < 1000
    assert pt.add(model, number_1, number_2) != number_1 + number_2
    assert refute(model, digits=2) is None, "as two digits are no three"


@pytest.mark.parametrize(
    ("states", "digits", "pair"),
    [(0, 5, None), (160, 5, None), (176, 4, (120, 1120)), (200, 3, (530, 20))],
)
def test_wider_beams_look_on_below_the_length_that_was_found(states, digits, pair, monkeypatch):
    # All pairs of five digits are wrong, which is seen at once. Of those of four digits it is those
    # that end in 120 + 120: 2 + 2 is the 22nd step after 0 + 0 that carries nothing, so the search
    # has to hold on to 44 states, 22 of each carry. Of those of three it is 530 + 20: 3 + 2 is the
    # 30th, so 60 states.
    def remember(*state):
        after_two = 2 * at(1, 2, 2, 1, *state) + 3 * at(1, 3, 2, 1, *state)
        return 1 * at(0, 0, 0, 0, *state) + after_two + 4 * at(2, 1, 1, 2, *state)

    def is_wrong(place, a, b, seen):
        of_four = (seen == 4) & (a + b > 0)
        of_three = at(2, 5, 0, 3, place, a, b, seen)
        return of_four | of_three | (place >= 5)

    monkeypatch.setattr(search_module, "STATES", states)
    model = Planted(remember, is_wrong)
    shortest = refute(model)
    assert len(str(max(shortest))) == digits and pair in (None, shortest)
    assert pt.add(model, *shortest) != sum(shortest)


# --- Adders that are tried on all pairs.


class Leaky(nn.Module):
    """Adds in real numbers: each pair of digits is read a little wrong, and the carry leaks.

    The one unit of its state is the carry, between 0 and 1.
    """

    def __init__(self, slope, noise, seed):
        super().__init__()
        draws = torch.Generator().manual_seed(seed)
        digits = torch.arange(10.0)
        of_pairs = digits[:, None] + digits + noise * torch.randn(10, 10, generator=draws)
        self.of_pairs = nn.Parameter(of_pairs)
        self.slope = slope

    def read(self, num1, num2, hidden=None):
        carry = torch.zeros(len(num1)) if hidden is None else hidden[0]
        totals = []
        for a, b in zip(num1.T, num2.T, strict=True):
            totals.append(self.of_pairs[a, b] + carry)
            carry = torch.sigmoid(self.slope * (totals[-1] - 9.5))
        off = torch.stack(totals, 1)[..., None] - torch.arange(20.0)
        return -off.square().unflatten(-1, (2, 10)).amin(-2), carry[None]


def least_digits_by_trial(model, most):
    """The fewest digits of a pair that `model` adds wrong, by trying all pairs; None above `most`.

    `pt.add` reads a zero on top of a pair's digits.
    """
    for digits in range(1, most + 1):
        numbers = np.arange(10**digits)
        digits_2 = data.to_digits("numbers", numbers, digits + 1)
        for number_1 in numbers:
            digits_1 = data.to_digits("numbers", [number_1], digits + 1).repeat(len(numbers), 0)
            sums = data.to_digits("sums", numbers + number_1, digits + 1)
            if (pt.add_digits(model, digits_1, digits_2) != sums).any():
                return digits
    return None


@pytest.mark.parametrize(
    ("slope", "noise", "seed", "least"),
    [
        (3.5, 0.12, 5, 1),
        (3.5, 0.12, 0, 2),
        (3.5, 0.08, 0, 2),
        (3.5, 0.08, 2, 3),
        (3.5, 0.05, 0, 3),
        (4.0, 0.08, 0, 3),
        (3.5, 0.05, 3, None),
    ],
)
def test_the_counterexample_is_the_shortest_of_all_pairs(slope, noise, seed, least):
    model = Leaky(slope, noise, seed)
    assert least_digits_by_trial(model, 3) == least
    digits = len(str(max(refute(model))))
    assert digits == (least or 4), "of four digits there is one, though not all pairs were tried"


@pytest.mark.parametrize("digits", [0, "3"])
def test_bad_arguments_of_refute_are_named(digits):
    with pytest.raises(ValueError, match="digits must be an integer"):
        refute(pt.Adder(), digits)


def test_a_decision_in_words():
    wrong = Decision("wrong", pair=(58, 61), digits=2, answer=129, share=1e-4)
    assert str(wrong) == "58 + 61 gives 129, not 119"
    longest = Decision("wrong", pair=(9_000_000_000_001, 7), digits=13, answer=8, share=1e-26)
    assert str(longest) == "9000000000001 + 7 gives 8, not 9000000000008"
    assert str(Decision("wrong", pair=(0, 0), digits=1, answer=3, share=0.01)) == (
        "0 + 0 gives 3, not 0"
    )
    assert str(Decision("proven", margin=2.5)) == "proven"
    assert str(Decision("undecided", reason="the margin is negative")) == "undecided"


# --- Cells that `prove` cannot take.


def relu_rnn(units=64):
    return nn.RNN(64, units, nonlinearity="relu")


class OwnCell(nn.Module):
    """A cell of a reader's own, called as `nn.RNN` is, with nothing else of it."""

    mode = "OWN"

    def __init__(self, rnn):
        super().__init__()
        self.inner = rnn

    def forward(self, inputs, hidden=None):
        return self.inner(inputs, hidden)


def adder_with(rnn, name):
    """An untrained adder of one layer with this cell, called `name`."""
    model = pt.Adder("RNN", 1)
    model.rnn = rnn
    model.cell = name
    return model


@torch.no_grad()
def correct_relu_adder():
    """A ReLU RNN that adds exactly, by hand.

    With t = digit + digit + carry, unit i is relu(t - i + 1). The carry is 1 for t of 10 and more:
    relu(t - 9) - relu(t - 10), by the units 10 and 11 of the step before. The logit of d is 1 where
    t is d or d + 10, else 0: relu(t - d + 1) - 2 relu(t - d) + relu(t - d - 1), and so for d + 10.
    """
    model = adder_with(relu_rnn(), "ReLU")
    for parameter in model.parameters():
        parameter.zero_()
    model.embed_layer.weight[:, 0] = torch.arange(10.0)
    model.rnn.weight_ih_l0[:22, [0, 32]] = 1
    model.rnn.bias_ih_l0[:22] = 1 - torch.arange(22.0)
    model.rnn.weight_hh_l0[:22, 10] = 1
    model.rnn.weight_hh_l0[:22, 11] = -1
    for digit in range(10):
        for total in (digit, digit + 10):
            model.dense.weight[digit, total] += 1
            model.dense.weight[digit, total + 1] -= 2
            if total < 19:
                model.dense.weight[digit, total + 2] += 1
    return model


@pytest.mark.parametrize("own", [False, True])
def test_a_correct_adder_of_another_cell_is_undecided_with_the_reason(own, monkeypatch):
    model = correct_relu_adder()
    if own:
        model.rnn = OwnCell(model.rnn)
        model.cell = "Mine"
    assert pt.add(model, 10**50 - 1, 1) == 10**50
    assert pt.add(model, 123456789, 987654321) == 1111111110
    monkeypatch.setattr(exact, "WIDTHS", (100, 200))
    decision = decide(model)
    assert decision.verdict == str(decision) == "undecided"
    name = "Mine" if own else "ReLU"
    assert decision.reason == f"cell {name} has no interval step: it cannot be proven"
    assert decision.pair is decision.margin is decision.share is None


@pytest.mark.parametrize(
    ("rnn", "name"),
    [
        (relu_rnn, "ReLU"),
        (lambda: OwnCell(relu_rnn()), "Mine"),
        (lambda: OwnCell(nn.RNN(64, 64)), "Mine"),
        (partial(nn.LSTM, 64, 64, bias=False), "without biases"),
    ],
)
def test_an_untrained_adder_of_another_cell_is_wrong(rnn, name):
    torch.manual_seed(0)
    model = adder_with(rnn(), name)
    decision = decide(model)
    assert decision.verdict == "wrong"
    assert pt.add(model, *decision.pair) == decision.answer != sum(decision.pair)


def test_a_broken_digit_of_another_cell_is_found_after_the_proof_was_refused(monkeypatch):
    # Only the wider search sees it: the first is made blind.
    model = correct_relu_adder()
    with torch.no_grad():
        model.dense.bias[7] = 2  # says 7 always
    searches = []

    def blind_at_first(model, widths):
        searches.append(widths)
        return None if len(searches) == 1 else refute(model, widths=widths)

    monkeypatch.setattr(exact, "refute", blind_at_first)
    decision = decide(model)
    assert decision.verdict == "wrong" and decision.answer % 10 == 7
    assert searches == [(20,), (200, 2000)]
    assert decision.margin is None and decision.reason is None


def test_an_adder_that_is_neither_has_its_margin_and_where_it_lies(monkeypatch):
    # A wrong adder, the searches made blind: what is left is the proof that failed.
    torch.manual_seed(0)
    model = pt.Adder("RNN", 1)
    monkeypatch.setattr(exact, "refute", lambda model, widths: None)
    decision = decide(model)
    refused = exact.prove(model)
    a, b, c = refused.fails_at
    assert decision.verdict == "undecided" and decision.margin == refused.margin < 0
    assert decision.reason == (
        f"the worst-case margin is {refused.margin:.2f} at digits {a} and {b} after carry {c}"
    )
    settled = refused._replace(margin=0.5)
    monkeypatch.setattr(exact, "prove", lambda model: settled)
    assert decide(model).reason == "the interval bounds still grow after all rounds"


def test_states_of_least_margin_are_tried_where_looking_ahead_comes_to_nothing(monkeypatch):
    # An adder at 100% on random pairs was found wrong by these alone: on 915425 + 484655.
    tried = []

    def search(model, digits, width, looks_ahead):
        tried.append((width, looks_ahead))
        return (5, 5) if len(tried) == 4 else None

    monkeypatch.setattr(sys.modules["exact.refute"], "search", search)
    monkeypatch.setattr(sys.modules["exact.refute"], "shorten", lambda model, pair: pair)
    assert refute(pt.Adder(), widths=(20, 200, 2000)) == (5, 5)
    assert tried == [(20, True), (20, False), (200, True), (200, False)]


# --- Adders that cannot be decided, for whatever reason.


def readers_adder(cell, monkeypatch, **size):
    """An untrained adder of a cell of a reader's own, called "Mine"."""
    monkeypatch.setitem(pt.CELLS, "Mine", cell)
    torch.manual_seed(0)
    return pt.Adder("Mine", 2, **size)


@pytest.mark.parametrize("cell", [ReadersCell, TupleCell, StatelessCell])
def test_a_readers_adder_of_two_layers_is_decided_as_pytorchs(cell, monkeypatch):
    model = readers_adder(cell, monkeypatch)
    decision = decide(model)
    assert decision.verdict == "wrong" and decision == decide(as_pytorchs(model))


class OneAtATime(ReadersCell):
    """A cell that has room for one number alone."""

    def forward(self, inputs, hidden=None):
        return super().forward(inputs, inputs.new_zeros(2, 1, 64).expand(2, 3, 64))


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        (OneAtATime, "it does not run (RuntimeError: The size of tensor a (100) must match"),
        (ForwardOnlyCell, "it does not run (TypeError: no hidden state, please)"),
    ],
)
def test_a_readers_adder_that_does_not_run_is_undecided_with_the_reason(cell, said, monkeypatch):
    decision = decide(readers_adder(cell, monkeypatch))
    assert decision.verdict == "undecided"
    no_step = "cell Mine has no interval step: it cannot be proven; "
    assert decision.reason.startswith(no_step + said)


def test_adders_in_another_base_are_undecided(monkeypatch):
    monkeypatch.setattr(pt, "DIGITS", 2)
    decision = decide(pt.Adder())
    assert decision.verdict == "undecided"
    assert decision.reason == (
        "pt.DIGITS is 2, not 10: it cannot be proven; "
        "it does not run (IndexError: index out of range in self)"
    )
    monkeypatch.setattr(pt, "DIGITS", 11)
    model = pt.Adder()
    with torch.no_grad():
        model.dense.bias[10] += 9
    said = "it does not run (ValueError: results must hold digits 0-9 only, got 10)"
    assert said in decide(model).reason


@pytest.mark.parametrize("searches_before", [0, 1])
def test_an_exception_of_a_plain_adder_is_its_reason(searches_before, monkeypatch):
    searches = []

    def fail(model, widths):
        searches.append(widths)
        if len(searches) > searches_before:
            raise IndexError("too far\nby one")

    monkeypatch.setattr(exact, "refute", fail)
    decision = decide(pt.Adder())
    assert decision == Decision("undecided", reason="it does not run (IndexError: too far by one)")


def test_an_adder_that_is_wrong_at_times_alone_is_undecided(monkeypatch):
    # As with a dropout that is never turned off. Without an end it would be searched for the place.
    answers = iter([8, 8])
    monkeypatch.setattr(exact, "refute", lambda model, widths: (3, 5))
    monkeypatch.setattr(pt, "add", lambda model, *pair: next(answers))
    decision = decide(pt.Adder())
    assert decision.verdict == "undecided" and decision.pair is None
    assert decision.reason == "it adds 3 + 5 at times right and at times wrong"
