"""The runs that look at adders, against counts by hand on tiny ones whose faults are known."""

import itertools
import math

import pytest
import torch
from adders import ForwardOnlyCell, adder_trained_on_uniform_pairs, as_training, load_proven

import data
import exact
import pt
from lab import measuring


class ExactAdder(pt.Adder):
    """Adds in integers, and after `nines` pairs in a row that sum to nine has the carry `invents`.

    With `nines` None it is always right. The right digit's logit is one above the others'.
    """

    def __init__(self, nines=None, invents=None):
        super().__init__(layers=1, hidden=2, embedding=1)
        self.nines = nines
        self.invents = invents

    def read(self, num1, num2, hidden=None):
        """As `Adder.read`; the hidden state has the carry and the nines in a row."""
        if hidden is None:
            hidden = torch.zeros(1, len(num1), 2, dtype=torch.long)
        carry, in_a_row = hidden[0].T
        answers = []
        for total in (num1 + num2).T:
            answers.append((total + carry) % 10)
            carry = (total + carry) // 10
            in_a_row = torch.where(total == 9, in_a_row + 1, 0)
            if self.nines is not None:
                carry = torch.where(in_a_row == self.nines, self.invents, carry)
        logits = torch.nn.functional.one_hot(torch.stack(answers, 1), 10).float()
        return logits, torch.stack((carry, in_a_row), -1)[None]


def add_by_hand(pair, nines=None, invents=None):
    """The answer of such an adder, from the digits of Python's texts."""
    number_1, number_2 = (str(number) for number in pair)
    answer = ""
    carry = 0
    in_a_row = 0
    width = max(len(number_1), len(number_2)) + 1
    for one, other in zip(
        reversed(number_1.zfill(width)), reversed(number_2.zfill(width)), strict=True
    ):
        total = int(one) + int(other)
        answer = str(total + carry)[-1] + answer
        carry = int(total + carry > 9)
        in_a_row = in_a_row + 1 if total == 9 else 0
        if in_a_row == nines:
            carry = invents
    return int(answer)


def trained_adder():
    """An adder trained for so short a time that it still gets some sums wrong."""
    model, _ = adder_trained_on_uniform_pairs("RNN", 1, 0.01, 50)
    return model


FORGETFUL = {"loses": {"nines": 3, "invents": 0}, "invents": {"nines": 3, "invents": 1}}


def ignore(share, line):
    pass


# --- How often.


def record(monkeypatch, name):
    """What `pt.<name>` is called with from now on, in a list."""
    calls = []
    function = getattr(pt, name)

    def recording(*arguments):
        calls.append(arguments)
        return function(*arguments)

    monkeypatch.setattr(pt, name, recording)
    return calls


@pytest.mark.parametrize("fault", [{}, *FORGETFUL.values()])
def test_wrong_sums_are_those_of_a_count_by_hand(fault, monkeypatch):
    calls = record(monkeypatch, "add_digits")
    told = []
    counted = measuring.count_wrong_sums(
        ExactAdder(**fault), 2500, lambda share, line: told.append((share, line))
    )
    pairs = []
    for _, *digits in calls:
        pairs += zip(*map(data.results_converter, digits), strict=True)
    assert len(set(pairs)) == 2500
    numbers = [*itertools.chain(*pairs)]
    assert 5 * 10**9 < min(numbers) < 5.1 * 10**9 and 9.9 * 10**9 < max(numbers) < 10**10
    wrong = sum(add_by_hand(pair, **fault) != sum(pair) for pair in pairs)
    assert (counted["pairs"], counted["wrong"]) == (2500, wrong)
    assert wrong > 2 if fault else wrong == 0
    assert counted["pairs_per_second"] > 0
    assert told == [(0.4, None), (0.8, None), (1.0, None)]


def test_the_pairs_are_the_same_for_every_adder_whatever_was_drawn_before():
    model = ExactAdder(3, 0)
    data.random.seed(1)
    first = measuring.count_wrong_sums(model, 2000, ignore)["wrong"]
    data.random.seed(2)
    assert measuring.count_wrong_sums(model, 2000, ignore)["wrong"] == first
    with pytest.raises(ValueError, match="pairs must be an integer of at least 1, got 0"):
        measuring.count_wrong_sums(model, 0, ignore)


def test_an_adder_comes_as_cell_and_weights():
    model = trained_adder()
    adder = as_training(model)
    wrong = measuring.count_wrong(adder, 300, ignore)["wrong"]
    assert 0 < wrong < 300
    assert wrong == measuring.count_wrong_sums(model, 300, ignore)["wrong"]
    assert measuring.measure_memory(adder, 3, ignore) == measuring.measure_margins(model, 3)
    expected = measuring.evaluate_at(model, [1, 2], 50, ignore)
    assert measuring.measure_accuracy(adder, [1, 2], 50, ignore) == expected


# --- How long it remembers.


def test_a_forgetful_adder_fails_right_after_its_three_nines():
    loses = measuring.measure_margins(ExactAdder(**FORGETFUL["loses"]), 8)
    assert loses["margins"] == {"carry": [1] * 4 + [-1] * 5, "none": [1] * 9}
    assert loses["fails_at"] == 4
    assert sum(loses["worst"]["start"]) > 9
    assert (loses["worst"]["at"], loses["worst"]["margin"]) == (4, -1)
    assert sum(loses["worst"]["nines"]) == 9
    invents = measuring.measure_margins(ExactAdder(**FORGETFUL["invents"]), 8)
    assert invents["fails_at"] == 4
    assert invents["margins"] == {"carry": [1] * 9, "none": [1] * 4 + [-1] * 5}
    assert sum(invents["worst"]["start"]) < 9


def test_an_adder_that_is_right_never_fails():
    memory = measuring.measure_margins(ExactAdder(), 50)
    assert memory["margins"] == {"carry": [1] * 51, "none": [1] * 51}
    assert memory["fails_at"] is None


def margins_by_hand(most):
    """{(start, first of the nine-pair): [margins]} of a trained adder, one sequence at a time."""
    model = trained_adder()
    margins = {}
    for one, other, nine in itertools.product(range(10), repeat=3):
        if one + other == 9:
            continue
        digits_1 = [one] + [nine] * most
        digits_2 = [other] + [9 - nine] * most
        number_1 = int("".join(map(str, reversed(digits_1))))
        number_2 = int("".join(map(str, reversed(digits_2))))
        text = str(number_1 + number_2).zfill(most + 1)[::-1]
        with torch.no_grad():
            logits = model(torch.tensor([digits_1]), torch.tensor([digits_2]))[0].tolist()
        of_pair = []
        for at, right in zip(logits, map(int, text), strict=False):
            of_pair.append(at[right] - max(at[:right] + at[right + 1 :]))
        margins[one, other, nine] = of_pair
    return margins


def test_margins_are_those_of_one_sequence_at_a_time():
    most = 6
    model = trained_adder()
    memory = measuring.measure_margins(model, most)
    by_hand = margins_by_hand(most)
    for name, sums in {"carry": range(10, 19), "none": range(9)}.items():
        of_start = [of for (one, other, _), of in by_hand.items() if one + other in sums]
        worst = [min(at) for at in zip(*of_start, strict=True)]
        assert memory["margins"][name] == pytest.approx(worst, abs=1e-5)
    worst = [min(at) for at in zip(*by_hand.values(), strict=True)]
    fails_at = next(at for at, margin in enumerate(worst) if margin <= 0)
    assert memory["fails_at"] == fails_at
    assert memory["worst"]["margin"] == pytest.approx(worst[fails_at], abs=1e-5)
    key = (*memory["worst"]["start"], memory["worst"]["nines"][0])
    assert by_hand[key][fails_at] == pytest.approx(worst[fails_at], abs=1e-5)


@pytest.mark.parametrize("cell", ["RNN", "GRU", "LSTM"])
def test_a_proven_adder_remembers_by_more_than_its_proof_says(cell):
    """A margin of real states is never below the bound for every state, digits and carry."""
    model = load_proven(cell)
    proof = exact.prove(model)
    memory = measuring.measure_margins(model, 50)
    assert memory["fails_at"] is None
    assert memory["worst"]["margin"] >= proof.margin > 0
    for carry, name in enumerate(("none", "carry")):
        of_nines = min(proof.margins[carry][digit][9 - digit] for digit in range(10))
        assert min(memory["margins"][name][1:]) >= of_nines


@pytest.mark.parametrize("factor", [0.0, math.nan])
def test_a_margin_of_zero_and_one_that_is_no_number_are_failures(factor):
    model = ExactAdder()
    read = model.read
    model.read = lambda *digits: (read(*digits)[0] * factor, None)
    assert measuring.measure_margins(model, 2)["fails_at"] == 0


# --- An adder that does not run.


def test_an_adder_that_does_not_run_is_left_out(monkeypatch):
    monkeypatch.setitem(pt.CELLS, "Mine", ForwardOnlyCell)
    mine = as_training(pt.Adder("Mine", 2, hidden=9, embedding=5))
    why = "it does not run (TypeError: no hidden state, please)"
    monkeypatch.setattr(pt, "PART", 8000)  # eight positions at a time of 1000 pairs
    counted = measuring.count_wrong(mine, 2000, ignore)
    assert counted == {"pairs": 0, "wrong": 0, "pairs_per_second": 0.0, "left_out": why}
    assert "left_out" not in measuring.count_wrong(mine | {"accuracy": [0.5]}, 2000, ignore)
    result = measuring.stress({"mine": [mine] * 2}, [0, 3], 8, ignore)
    assert result["adders"] == [] and result["left_out"] == f"mine: {why}"
    del mine["adder"]["weights"]["dense.bias"]
    tested = measuring.measure_accuracy(mine, [3, 400], 100, ignore)
    assert tested["accuracy"] == [None, None] and "dense.bias" in tested["left_out"]

    # In another base there are no such digits to be remembered.
    monkeypatch.setattr(pt, "DIGITS", 2)
    base_2 = as_training(pt.Adder("RNN", 1))
    left_out = measuring.measure_memory(base_2, 3, ignore)
    assert left_out == {"left_out": "it does not run (IndexError: index out of range in self)"}


# --- Other lengths, and long carry chains.


def test_lengths_are_tested_on_pairs_of_that_length(monkeypatch):
    lengths = [1, 3, 1500]
    right = measuring.evaluate_at(ExactAdder(), lengths, 30, ignore)
    assert right == {"lengths": lengths, "accuracy": [1.0, 1.0, 1.0]}
    calls = record(monkeypatch, "to_tensors")
    tested = measuring.evaluate_at(ExactAdder(3, 0), lengths, 30, ignore)
    for length, accuracy, (digits, _) in zip(lengths, tested["accuracy"], calls, strict=True):
        numbers_1, numbers_2, _ = map(data.results_converter, digits)
        assert {len(str(number)) for number in numbers_1 + numbers_2} == {length}
        pairs = zip(numbers_1, numbers_2, strict=True)
        correct = sum(add_by_hand(pair, 3, 0) == sum(pair) for pair in pairs)
        assert accuracy == correct / 30
    assert tested["accuracy"][1] == 1.0  # the first digits sum to ten at least
    assert 0 < tested["accuracy"][2] < 1
    again = measuring.evaluate_at(ExactAdder(3, 0), [1500], 30, ignore)
    assert again["accuracy"] == tested["accuracy"][2:]


@pytest.fixture
def forgets_after(monkeypatch):
    """forgets_after(nines): the training of an `ExactAdder` that loses a carry there."""
    monkeypatch.setattr(pt, "adder_of", lambda nines: ExactAdder(nines, 0))
    return lambda nines: {"adder": {"nines": nines}}


def test_a_chain_longer_than_an_adder_remembers_is_added_wrong(forgets_after, monkeypatch):
    calls = record(monkeypatch, "add_digits")
    groups = {"two": [forgets_after(None), forgets_after(3)], "none": []}
    result = measuring.stress(groups, [0, 1, 3, 4, 50], 5, ignore)
    accuracy = [[1.0] * 5, [1.0, 1.0, 1.0, 0.0, 0.0]]  # a chain of 4 has three nines
    adders = [{"name": "two", "accuracy": accuracy}]
    assert result == {"chains": [0, 1, 3, 4, 50], "pairs": 5, "adders": adders}
    assert {len(number) for _, *digits in calls for number in digits[0]} == {1001}
    assert (calls[0][1] == calls[1][1]).all(), "the same pairs for all"


def test_long_numbers_are_added_as_by_hand(forgets_after, monkeypatch):
    calls = record(monkeypatch, "add_digits")
    result = measuring.add_long_numbers(forgets_after(3), {300: 7, 2: 5}, ignore)
    assert result["trained_at"] == 10
    expected = [(2, "long-carry", 5), (2, "999...9 + 1", 1)]
    expected += [(300, "long-carry", 7), (300, "999...9 + 1", 1)]
    tests = result["tests"]
    assert [(test["digits"], test["kind"], test["pairs"]) for test in tests] == expected
    for test, (_, *digits) in zip(tests, calls, strict=True):
        numbers = [data.results_converter(each) for each in digits]
        pairs = list(zip(*numbers, strict=True))
        correct = sum(add_by_hand(pair, 3, 0) == sum(pair) for pair in pairs)
        assert (test["correct"], test["pairs"]) == (correct, len(pairs))
        assert test["digits_per_second"] > 0
        if test["pairs"] == 1:
            assert pairs == [(10 ** test["digits"] - 1, 1)]
    assert [test["correct"] for test in tests[:2]] == [5, 1]
    assert tests[2]["correct"] < 7 and tests[3]["correct"] == 0
    right = measuring.add_long_numbers(forgets_after(None), {300: 7}, ignore)["tests"]
    assert [test["correct"] for test in right] == [7, 1]
