"""What is counted of finished adders, against counts by hand on tiny ones whose faults are
known."""

import itertools
import math
from fractions import Fraction

import matplotlib
import pytest
import torch
from adders import ForwardOnlyCell, adder_trained_on_uniform_pairs, as_training, load_proven
from matplotlib.figure import Figure

import data
import exact
import pt
from lab import measuring, worth
from lab.parts import say_left_out
from lab.pictures import style
from lab.pictures import worth as worth_pictures


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
        low, high = (end / 1e6 for end in worth.binomial_interval(wrong, pairs))
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
    low, high = worth.binomial_interval(0, 30_000)
    assert (low, high) == (0, pytest.approx(1e6 * (1 - 0.025 ** (1 / 30_000)), 1e-9))
    assert high == pytest.approx(122.955, abs=1e-3)
    low, high = worth.binomial_interval(1545, 1_000_000)
    assert low < 1545 < high
    about = 1.96 * math.sqrt(1545)  # the normal distribution's
    assert (1545 - low, high - 1545) == (pytest.approx(about, 0.03), pytest.approx(about, 0.03))


@pytest.mark.parametrize(("wrong", "pairs", "named"), [(3, 2, "wrong"), (-1, 2, "wrong")])
def test_an_interval_of_nothing_is_refused(wrong, pairs, named):
    with pytest.raises(ValueError, match=f"{named} must be"):
        worth.binomial_interval(wrong, pairs)


# --- Why.


@pytest.mark.parametrize(
    ("pair", "answer", "place", "kind", "nines"),
    [
        ((711194, 988805), 1799999, 5, worth.FROM_NOWHERE, 5),
        ((58, 61), 129, 1, worth.FROM_NOWHERE, 1),
        ((58, 64), 112, 1, worth.LOST, 0),
        ((199, 1), 100, 2, worth.LOST, 1),
        ((7, 5), 11, 0, worth.SOMETHING_ELSE, 0),  # one too few, but no carry came in
        ((7, 5), 13, 0, worth.FROM_NOWHERE, 0),
        ((58, 64), 132, 1, worth.SOMETHING_ELSE, 0),  # one too many, but a carry came in
        ((4, 5), 0, 0, worth.FROM_NOWHERE, 0),  # 9 + 1 is 0
        ((49, 41), 80, 1, worth.LOST, 0),
        ((95, 5), 90, 1, worth.LOST, 0),  # 0 - 1 is 9
        ((9, 9), 8, 1, worth.LOST, 0),  # the last carry
        ((20, 50), 75, 0, worth.SOMETHING_ELSE, 0),
    ],
)
def test_a_wrong_digit_is_explained(pair, answer, place, kind, nines):
    assert worth.explain_wrong(pair, answer) == {"place": place, "kind": kind, "nines": nines}


def test_a_correct_answer_is_refused():
    with pytest.raises(ValueError, match="7 [+] 5 = 12 is correct"):
        worth.explain_wrong((7, 5), 12)


@pytest.mark.parametrize(("name", "kind"), [("loses", worth.LOST), ("invents", worth.FROM_NOWHERE)])
def test_every_fault_of_a_forgetful_adder_is_explained_by_its_three_nines(name, kind):
    runs = [{"pair": None, "answer": None}]
    # The ones and the three pairs that sum to nine decide; a digit in front may differ.
    digits = itertools.product(range(10), range(10), (108, 351, 990), (0, 10_000, 40_000))
    for one, other, nines, front in digits:
        pair = (10 * nines + one, 10 * (999 - nines) + other + front)
        answer = add_by_hand(pair, **FORGETFUL[name])
        if answer != sum(pair):
            runs.append({"pair": list(pair), "answer": answer})
            cause = worth.explain_wrong(pair, answer)
            # Two digits that sum to nine are the first of the three: the next digit is wrong.
            place = 3 if one + other == 9 else 4
            assert cause == {"place": place, "kind": kind, "nines": 3}
    makes_carry = sum(one + other > 9 for one in range(10) for other in range(10))
    pairs = makes_carry if name == "loses" else 100 - makes_carry
    causes = worth.count_causes(runs)
    assert causes.pop(kind) == {"after_nines": 9 * pairs, "without": 0}
    assert set(causes) == set(worth.KINDS) - {kind}
    assert all(counts == {"after_nines": 0, "without": 0} for counts in causes.values())


def test_causes_are_counted_by_kind_and_nines():
    runs = [
        {"pair": [58, 61], "answer": 129},
        {"pair": [711194, 988805], "answer": 1799999},
        {"pair": [58, 64], "answer": 112},
        {"pair": [7, 5], "answer": 11},
        {"pair": None, "answer": None},
    ]
    assert worth.count_causes(runs) == {
        worth.FROM_NOWHERE: {"after_nines": 2, "without": 0},
        worth.LOST: {"after_nines": 0, "without": 1},
        worth.SOMETHING_ELSE: {"after_nines": 0, "without": 1},
    }


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


def test_a_margin_that_is_no_number_is_a_failure():
    model = ExactAdder()
    read = model.read
    model.read = lambda *digits: (read(*digits)[0] * math.nan, None)
    assert measuring.measure_margins(model, 2)["fails_at"] == 0


# --- An adder that does not run.


def test_an_adder_that_does_not_run_is_left_out_and_it_is_said(monkeypatch):
    monkeypatch.setitem(pt.CELLS, "Mine", ForwardOnlyCell)
    mine = as_training(pt.Adder("Mine", 2, hidden=9, embedding=5))
    why = "it does not run (TypeError: no hidden state, please)"
    monkeypatch.setattr(pt, "PART", 8000)  # eight positions at a time of 1000 pairs
    counted = measuring.count_wrong(mine, 2000, ignore)
    assert counted == {"pairs": 0, "wrong": 0, "pairs_per_second": 0.0, "left_out": why}
    assert say_left_out(counted) == f"left out: {why}"
    assert say_left_out(measuring.count_wrong(mine | {"accuracy": [0.5]}, 2000, ignore)) is None
    del mine["adder"]["weights"]["dense.bias"]
    tested = measuring.measure_accuracy(mine, [3, 400], 100, ignore)
    assert tested["accuracy"] == [None, None] and "dense.bias" in tested["left_out"]

    # In another base there are no such digits to be remembered.
    monkeypatch.setattr(pt, "DIGITS", 2)
    base_2 = as_training(pt.Adder("RNN", 1))
    left_out = measuring.measure_memory(base_2, 3, ignore)
    assert left_out == {"left_out": "it does not run (IndexError: index out of range in self)"}
    monkeypatch.undo()
    measured = measuring.measure_memory(as_training(trained_adder()), 3, ignore)
    groups = {"one": [left_out, measured], "none": [left_out]}
    assert worth.summarise_memory(groups) == worth.summarise_memory({"one": [measured]})
    assert worth.summarise_memory({"none": [left_out]}) is None
    assert worth.describe_trained(3, [trained(None, 0.5, 1.0)])["mean"] == [0.0, 0.5]


# --- How little.


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


def trained(at_10, at_100, seconds):
    """A training: its accuracies at two lengths, its seconds, and what was decided."""
    return {"accuracy": [at_10, at_100], "seconds": seconds, "decision": {"verdict": "wrong"}}


def of_lengths():
    """Accuracies at two lengths and seconds, by cell and digits trained on."""
    return {
        "RNN": {
            10: [trained(1.0, 1.0, 3.0), trained(1.0, 1.0, 9.0), trained(1.0, 1.0, 4.0)],
            1: [trained(0.25, 0.0, 1.0), trained(0.5, 0.0, 2.0), trained(0.75, 0.0, 4.0)],
            5: [trained(1.0, 0.99, 2.0), trained(1.0, 1.0, 2.0), trained(1.0, 1.0, 1.0)],
        },
        "GRU": {
            1: [trained(1.0, 1.0, 8.0)],
            5: [trained(1.0, 0.5, 8.0)],
            10: [trained(1.0, 0.9, 10.0)],
        },
    }


def test_training_lengths_are_summed_up_by_hand():
    little = worth.summarise_training_lengths(of_lengths(), [10, 100], {"the report": (5000, 5e3)})
    rnn, gru = little["cells"]
    assert (rnn["cell"], gru["cell"]) == ("RNN", "GRU")
    assert [of_digits["digits"] for of_digits in rnn["trained"]] == [1, 5, 10]
    assert rnn["trained"][0] == {
        "digits": 1,
        "seeds": 3,
        "mean": [0.5, 0.0],
        "least": [0.25, 0.0],
        "greatest": [0.75, 0.0],
        "seconds": 2.0,
        "decisions": [{"verdict": "wrong"}] * 3,
    }
    assert rnn["trained"][2]["seconds"] == 4.0
    assert rnn["enough"] == 5  # 0.9967 at 100 digits
    assert gru["enough"] is None  # one digit would do, but more do not
    assert little["others"] == [{"name": "the report", "digits": 5000, "seconds": 5e3}]


# --- The pictures.


def words_of(draw, part):
    """All texts of a picture."""
    with matplotlib.rc_context(style.STYLE):
        figure = Figure()
        draw(figure, part)
        figure.draw_without_rendering()
    texts = figure.findobj(lambda artist: hasattr(artist, "get_text"))
    return figure, [text.get_text() for text in texts if text.get_text()]


TOLD = {"variant": "2 layers", "seed": 3}  # which adder it is


def errors():
    """Wrong sums of two groups, counted by hand."""
    counts = {"task-1": [0, 2], "cells": [0, 100, 100]}
    groups = {}
    for name, of_group in counts.items():
        groups[name] = [
            TOLD | {"wrong": wrong, "pairs": 1_000_000, "pairs_per_second": 1e4 + wrong}
            for wrong in of_group
        ]
    return groups


def test_errors_are_summed_up_by_hand():
    part = worth.summarise_errors(errors() | {"none": []})
    assert [group["name"] for group in part["groups"]] == ["task-1", "cells"]
    assert part["groups"][0]["adders"][1]["per_million"] == 2
    assert part["groups"][1]["adders"][1] == {
        "variant": "2 layers",
        "seed": 3,
        "pairs": 1_000_000,
        "wrong": 100,
        "per_million": 100,
        "interval": worth.binomial_interval(100, 1_000_000),
    }
    assert (part["adders"], part["none_seen"], part["most"]) == (5, 2, 100)
    assert part["pairs_per_second"] == 10_002
    assert worth.summarise_errors({"none": []}) is None


def marks_of(figure):
    """[(across, down)] of the marks of a picture's one panel, those that are no lines."""
    lines = figure.axes[0].lines
    return [
        (float(line.get_xdata()[0]), float(line.get_ydata()[0]))
        for line in lines
        if line.get_marker() not in ("None", "")
    ]


def test_errors_has_a_mark_for_each_adder_at_its_place():
    part = worth.summarise_errors(errors())
    figure, words = words_of(worth_pictures.draw_errors, part)
    marks = marks_of(figure)
    assert len(set(marks)) == 5, "no mark hides another"
    (two_in_a_million,) = (mark for mark in marks if mark[0] == pytest.approx(math.log10(2)))
    assert two_in_a_million[1] == 0
    hundred = [mark for mark in marks if mark[0] == pytest.approx(2)]
    assert len(hundred) == 2 and {round(down) for _, down in hundred} == {1}
    unseen = [mark for mark in marks if mark[0] < math.log10(2) - 0.15]
    assert sorted(round(down) for _, down in unseen) == [0, 1]
    assert "none seen: fewer\nthan 4" in words  # 3.69
    assert "none seen in 1 of 2; worst 2" in words
    assert any("dot: of 1,000,000 fresh pairs" in text for text in words)
    assert any(text.startswith("3 of 5 adders at 100%") for text in words)
    assert any(text.endswith("the worst 100 in a million") for text in words)


def test_errors_of_adders_that_are_never_wrong():
    counts = [TOLD | {"wrong": 0, "pairs": 30_000, "pairs_per_second": 1.0}] * 80
    part = worth.summarise_errors({"a": counts, "b": counts[:31], "c": counts[:1]})
    figure, words = words_of(worth_pictures.draw_errors, part)
    assert "Each of 112 adders at 100% adds 30,000 fresh pairs correctly" in words
    marks = marks_of(figure)
    assert len(set(marks)) == 112
    left, right = figure.axes[0].get_xlim()
    assert all(left < across < left + worth_pictures.BAND < right for across, _ in marks)
    rows = [round(down) for _, down in marks]
    assert [rows.count(row) for row in range(3)] == [80, 31, 1]


def memories():
    """Groups of adders, in integers and not, and what was measured of them."""
    models = {
        "task-1": [ExactAdder(3, 0), ExactAdder(5, 1)],
        "proven": [ExactAdder()],
        "none": [],
    }
    return {
        name: [measuring.measure_margins(model, 9) for model in of_group]
        for name, of_group in models.items()
    }


def test_memory_is_summed_up_by_hand_and_has_a_line_for_each_adder():
    part = worth.summarise_memory(memories())
    assert part["most"] == 9
    first, proven = part["groups"]
    assert {name: value for name, value in first.items() if name != "adders"} == {
        "name": "task-1",
        "failed": 2,
        "first": 4,
        "last": 6,
        "least_margin": -1,
    }
    assert (proven["failed"], proven["first"], proven["least_margin"]) == (0, None, 1)
    assert worth.summarise_memory({"none": []}) is None
    figure, words = words_of(worth_pictures.draw_memory, part)
    for axes, start in zip(figure.axes, ("carry", "none"), strict=True):
        drawn = [list(line.get_ydata()) for line in axes.lines if len(line.get_ydata()) == 10]
        assert drawn == [
            adder["margins"][start] for group in part["groups"] for adder in group["adders"]
        ]
    assert "task-1: 2 of 2 fail, at pair 4 to 6" in words
    assert "proven, 1 adder: margin 1.0 or more" in words
    assert any(
        "2 of 2 adders lose a carry, or invent one, within 6 pairs" in text for text in words
    )
    _, words = words_of(worth_pictures.draw_memory, part | {"groups": [proven]})
    assert "the memory has failed" not in words


def test_little_has_every_accuracy_in_its_field():
    others = {"the report": (5000, 5160)}
    part = worth.summarise_training_lengths(of_lengths(), [10, 100], others)
    figure, words = words_of(worth_pictures.draw_little, part)
    rnn, gru, beside = figure.axes
    fields = {text.get_position()[0]: text.get_text() for text in rnn.texts}
    assert set(fields) == {0, 1}
    assert [text.get_text() for text in rnn.texts] == [
        *("0.25–0.75", "0.50", "0.00"),
        *("1.00", "0.99–1.00", "1.00"),
        *("1.00", "1.00"),
    ]
    in_fields = [text.get_text() for text in gru.texts]
    assert in_fields == ["1.00", "1.00", "1.00", "0.50", "1.00", "0.90"]
    assert [list(line.get_xdata()) for line in beside.lines[:2]] == [[2, 2, 4], [8, 8, 10]]
    assert "the report, 5000 digits: 86 minutes" in words
    assert (
        "Trained on numbers of at most 5 digits (RNN, 2.0 s),\n"
        "adders get 99.5% or more of random pairs of up to 100 digits right" in words
    )
    part["cells"] = part["cells"][1:]  # the GRU has no length that is enough
    _, words = words_of(worth_pictures.draw_little, part)
    assert "Accuracy after training on short numbers" in words
