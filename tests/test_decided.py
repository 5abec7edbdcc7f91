"""All adders together, and why a counterexample is wrong, against counts by hand."""

import itertools

import pytest
import sample
from made_up import run

from lab.parts.decided import (
    FROM_NOWHERE,
    KINDS,
    LOST,
    SOMETHING_ELSE,
    Decided,
    count_causes,
    explain_wrong,
)
from lab.parts.experiment import describe

# --- The count.


def entries():
    """Two experiments that share an adder, and parts that decided adders of their own."""
    wrong = run([0.9, 1.0], words="36 + 33 gives 79, not 69", digits=2)
    worse = run([1.0, 0.9], words="1 + 1 gives 3, not 2", digits=1, seed=1)
    unsure = run([1.0], words="undecided", seed=2)
    error = "the loss is nan"
    broken = run([1.0], error=error, words="0 + 0 gives 9, not 0", digits=1, seed=3)
    variant = {"label": "", "settings": {"layers": 1}, "runs": [wrong, worse, unsure, broken]}
    again = variant | {"label": "again", "runs": [wrong]}
    proof = sample.decided("RNN, trained for the proof", "RNN, 1 layer", 4, None, "proven", None)
    short = sample.decided("GRU, trained on short numbers", "5 digits", 0, None, "wrong", None)
    return {
        "one": describe("one", (), [variant]),
        "gpu": {"title": "CUDA"},
        "same": describe("same", (), [again]),
        "proof": {"decisions": [proof]},
        "little": {"decisions": [short | wrong["decision"]]},
    }


def test_adders_are_counted_once_and_over_what_was_evaluated():
    counted = Decided().result(entries())
    groups = counted.pop("groups")
    assert counted == {
        "title": "Proven, or wrong on a pair that you can check",
        "count": 6,
        "evaluated": 4,
        "perfect": 2,
        "perfect_but_wrong": 1,
        "most_digits": 2,
        "wrong": 4,
        "proven": 1,
        "undecided": 1,
        "confirmed": 4,
        "disputed": [],
        # 7 + 5 gives 11: the adder at 100% that is wrong
        "causes": count_causes([{"pair": [7, 5], "answer": 11}]),
    }
    assert [(group["name"], len(group["adders"])) for group in groups] == [
        ("one", 4),
        ("RNN, trained for the proof", 1),
        ("GRU, trained on short numbers", 1),
    ]
    assert [group["adders"][0]["perfect"] for group in groups] == [True, None, None]
    assert [adder["seed"] for adder in groups[0]["adders"]] == [0, 1, 2, 3]
    assert groups[1]["adders"][0]["variant"] == "RNN, 1 layer"
    assert Decided().result({"gpu": {"title": "CUDA"}}) is None


def test_an_adder_of_two_experiments_is_of_the_first():
    both = entries()
    backwards = {name: both[name] for name in ("same", "one")}
    groups = Decided().result(backwards)["groups"]
    assert [(group["name"], len(group["adders"])) for group in groups] == [("same", 1), ("one", 3)]
    assert groups[0]["adders"] == [
        {
            "variant": "again",
            "seed": 0,
            "verdict": "wrong",
            "words": "36 + 33 gives 79, not 69",
            "digits": 2,
            "perfect": True,
        }
    ]


def test_the_section_has_its_counts():
    results = entries()
    disputed = {"float32": True, "float64": False}
    results["same"]["decisions"] += [
        sample.decided("same", "", 5, True, "5 + 5 gives 0, not 10", 1, wrong_in=disputed),
        sample.decided("same", "", 6, True, "7 + 5 gives 11, not 12", 1),  # NumPy lacks its cell
    ]
    page = Decided().page(Decided().result(results))
    assert page.startswith(
        "8 adders were trained. 4 of 6 in experiments end at 100% on random pairs: 3 of these add "
        "a pair of at most 2 digits wrong. Of all adders 6 are wrong, 1 proven correct for numbers "
        "of any length, 1 undecided.\n\n"
    )
    assert " 4 of the 5 counterexamples are wrong in all three.\n\n" in page
    assert "\n- Wrong in PyTorch, but not in all three: 5 + 5 gives 0, not 10.\n" in page
    assert page.endswith(
        "|  | after digits that sum to nine | without |\n| --- | --- | --- |\n"
        "| carry from nowhere | 0 | 0 |\n| carry lost | 0 | 0 |\n| something else | 0 | 3 |"
    )
    page = Decided().page(Decided().result({"proof": results["proof"]}))
    assert page.startswith("1 adders were trained. Of all adders 0 are wrong, 1 proven")
    results["one"]["decisions"] = results["one"]["decisions"][2:3]
    page = Decided().page(Decided().result({"one": results["one"]}))
    assert "1 of 1 in experiments end at 100% on random pairs. Of all adders 0" in page


# --- Why.


@pytest.mark.parametrize(
    ("pair", "answer", "place", "kind", "nines"),
    [
        ((711194, 988805), 1799999, 5, FROM_NOWHERE, 5),
        ((58, 61), 129, 1, FROM_NOWHERE, 1),
        ((58, 64), 112, 1, LOST, 0),
        ((199, 1), 100, 2, LOST, 1),
        ((7, 5), 11, 0, SOMETHING_ELSE, 0),  # one too few, but no carry came in
        ((7, 5), 13, 0, FROM_NOWHERE, 0),
        ((58, 64), 132, 1, SOMETHING_ELSE, 0),  # one too many, but a carry came in
        ((4, 5), 0, 0, FROM_NOWHERE, 0),  # 9 + 1 is 0
        ((49, 41), 80, 1, LOST, 0),
        ((95, 5), 90, 1, LOST, 0),  # 0 - 1 is 9
        ((0, 19), 29, 1, FROM_NOWHERE, 1),  # no digit comes before the ones
        ((9, 9), 8, 1, LOST, 0),  # the last carry
        ((20, 50), 75, 0, SOMETHING_ELSE, 0),
    ],
)
def test_a_wrong_digit_is_explained(pair, answer, place, kind, nines):
    assert explain_wrong(pair, answer) == {"place": place, "kind": kind, "nines": nines}


def test_a_correct_answer_is_refused():
    with pytest.raises(ValueError, match="7 [+] 5 = 12 is correct"):
        explain_wrong((7, 5), 12)


def add_forgetfully(pair, invents):
    """The answer, by hand, of an adder whose carry is `invents` after three sums of nine."""
    answer = ""
    carry = 0
    in_a_row = 0
    reversed_digits = (reversed(str(number)) for number in pair)
    for one, other in [*itertools.zip_longest(*reversed_digits, fillvalue="0"), ("0", "0")]:
        total = int(one) + int(other)
        answer = str(total + carry)[-1] + answer
        carry = int(total + carry > 9)
        in_a_row = in_a_row + 1 if total == 9 else 0
        if in_a_row == 3:
            carry = invents
    return int(answer)


@pytest.mark.parametrize(("invents", "kind"), [(0, LOST), (1, FROM_NOWHERE)])
def test_every_fault_of_a_forgetful_adder_is_explained_by_its_three_nines(invents, kind):
    runs = [{"pair": None, "answer": None}]
    # The ones and the three pairs that sum to nine decide; a digit in front may differ.
    digits = itertools.product(range(10), range(10), (108, 351, 990), (0, 10_000, 40_000))
    for one, other, nines, front in digits:
        pair = (10 * nines + one, 10 * (999 - nines) + other + front)
        answer = add_forgetfully(pair, invents)
        if answer != sum(pair):
            runs.append({"pair": list(pair), "answer": answer})
            cause = explain_wrong(pair, answer)
            # Two digits that sum to nine are the first of the three: the next digit is wrong.
            place = 3 if one + other == 9 else 4
            assert cause == {"place": place, "kind": kind, "nines": 3}
    makes_carry = sum(one + other > 9 for one in range(10) for other in range(10))
    pairs = 100 - makes_carry if invents else makes_carry
    causes = count_causes(runs)
    assert causes.pop(kind) == {"after_nines": 9 * pairs, "without": 0}
    assert set(causes) == set(KINDS) - {kind}
    assert all(counts == {"after_nines": 0, "without": 0} for counts in causes.values())


def test_causes_are_counted_by_kind_and_nines():
    runs = [
        {"pair": [58, 61], "answer": 129},
        {"pair": [711194, 988805], "answer": 1799999},
        {"pair": [58, 64], "answer": 112},
        {"pair": [7, 5], "answer": 11},
        {"pair": None, "answer": None},
    ]
    assert count_causes(runs) == {
        FROM_NOWHERE: {"after_nines": 2, "without": 0},
        LOST: {"after_nines": 0, "without": 1},
        SOMETHING_ELSE: {"after_nines": 0, "without": 1},
    }
