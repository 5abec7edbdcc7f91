"""Which adders are proven, and which are wrong on a pair that you can check?"""

import collections
import math
from dataclasses import dataclass

from lab.book import Part
from lab.style import GREEN, RED, WIDTH
from lab.words import escape, join, table

FROM_NOWHERE = "carry from nowhere"
LOST = "carry lost"
SOMETHING_ELSE = "something else"
KINDS = (FROM_NOWHERE, LOST, SOMETHING_ELSE)
MARKS = {  # "proven", or whether the last accuracy was 1.0; None for an adder without one
    "proven": {"color": GREEN, "marker": "D"},
    None: {"color": RED, "marker": "x"},
    True: {"color": RED, "marker": "o"},
    False: {"color": RED, "marker": "o", "fillstyle": "none"},
}
SHOWN = ("variant", "seed", "verdict", "words", "digits", "perfect")  # of each adder, on a picture


@dataclass(frozen=True)
class Decided(Part):
    """An overview: every adder that any part decided, each once.

    A part lists its adders under "decisions": dicts of "group", "variant", "seed", "adder" (equal
    for equal adders), "perfect" (whether its last accuracy was 1.0; None for an adder without one),
    and the fields of the decision. An adder of two parts is of the first.
    """

    def result(self, results):
        """The adders in groups, and counts; None where there are no adders."""
        first = {}
        for result in results.values():
            for adder in result.get("decisions", []):
                first.setdefault(adder["adder"], adder)
        adders = list(first.values())
        if not adders:
            return None
        groups = {}
        for adder in adders:
            groups.setdefault(adder["group"], []).append({key: adder[key] for key in SHOWN})
        verdicts = [adder["verdict"] for adder in adders]
        perfect = [adder for adder in adders if adder["perfect"]]
        digits = [adder["digits"] for adder in perfect if adder["digits"]]
        again = [adder for adder in adders if adder["wrong_in"]]
        disputed = [adder["words"] for adder in again if not all(adder["wrong_in"].values())]
        return {
            "title": "Proven, or wrong on a pair that you can check",
            "groups": [{"name": name, "adders": of_group} for name, of_group in groups.items()],
            "count": len(adders),
            "evaluated": sum(adder["perfect"] is not None for adder in adders),
            "perfect": len(perfect),
            "perfect_but_wrong": len(digits),
            "most_digits": max(digits, default=0),
            "wrong": verdicts.count("wrong"),
            "proven": verdicts.count("proven"),
            "undecided": verdicts.count("undecided"),
            "confirmed": len(again) - len(disputed),
            "disputed": disputed,
            "causes": count_causes(perfect),
        }

    def draw(self, figure, result):
        """How many adders, by group, have a shortest counterexample of so many digits, or none."""
        groups = result["groups"]
        most = max([1, *(adder["digits"] or 0 for group in groups for adder in group["adders"])])
        places = {"undecided": most + 1.5, "proven": most + 3.5}
        # The sum that is written out under a mark takes about a quarter of an inch a digit.
        figure.set_size_inches(max(WIDTH, 2.5 + 0.3 * (most + 4)), 1.3 + 0.45 * len(groups))
        axes = figure.subplots()
        counts = collections.Counter()
        for y, group in enumerate(groups):
            for adder in group["adders"]:
                mark = "proven" if adder["verdict"] == "proven" else adder["perfect"]
                counts[adder["digits"] or places[adder["verdict"]], y, mark] += 1
        small = {"va": "center", "fontsize": 7}
        for (x, y, mark), count in counts.items():
            place = (x, y if mark is False else y - 0.28)
            size = max(2.5, 11 * math.sqrt(count / max(counts.values())))
            axes.plot(*place, markersize=size, markeredgewidth=0.8, **MARKS[mark])
            beside = (size / 2 + 2, 0)
            axes.annotate(str(count), place, beside, textcoords="offset points", **small)
        for y, group in enumerate(groups):
            axes.axhline(y + 0.5, color="0.88", linewidth=0.8)  # above it is this group
            wrong = [adder for adder in group["adders"] if adder["digits"]]
            if wrong:
                last = max(wrong, key=lambda adder: (adder["perfect"] is True, adder["digits"]))
                side = "right" if last["digits"] > (most + 4.5) / 2 else "left"
                x = last["digits"] + (0.4 if side == "right" else 0)
                axes.text(x, y + 0.34, last["words"], ha=side, **small)
        names = [f"{group['name']} ({len(group['adders'])})" for group in groups]
        axes.set_yticks(range(len(groups)), [name.replace(", ", ",\n") for name in names])
        digits = range(1, most + 1)
        labels = [*digits, "not\ndecided", "none, of\nany length"]
        axes.set_xticks([*digits, *places.values()], labels)
        axes.set(xlim=(0.4, most + 4.5), ylim=(len(groups) - 0.5, -0.5))
        axes.grid(axis="y", visible=False)
        axes.set_xlabel(
            "digits of the shortest counterexample found, and how many adders;\n"
            "one of each group is written out\n"
            "full: all of the test pairs correct at the last evaluation; empty: fewer;\n"
            "cross: of no experiment; diamond: proven correct for every two numbers"
        )
        figure.suptitle(title_decided(result))

    def page(self, result):
        """The counts, the counterexamples in a second runtime, and their causes."""
        again = result["confirmed"] + len(result["disputed"])
        disputed = [
            f"- Wrong in PyTorch, but not in all three: {escape(words)}."
            for words in result["disputed"]
        ]
        causes = [
            [kind, counts["after_nines"], counts["without"]]
            for kind, counts in result["causes"].items()
        ]
        return join(
            f"{result['count']} adders were trained. {say_perfect(result)}Of all adders "
            f"{result['wrong']} are wrong, {result['proven']} proven correct for numbers of any "
            f"length, {result['undecided']} undecided.",
            "An adder reads from the right. So every pair of numbers that ends in the same "
            "digits as a counterexample, up to its first wrong digit, gets the same wrong digit: "
            "of p such pairs of digits one random pair in 100^p. (A wrong digit above both "
            "numbers stands beside zeros, which count, too.) A counterexample is searched for "
            "(`exact.refute`) and then added again, against Python's integers; there may be "
            "shorter ones than the one found, but none of one or two digits is passed over. And "
            "once more in a second runtime: a plain loop in NumPy, in float32 and in float64. "
            f"{result['confirmed']} of the {again} counterexamples are wrong in all three.",
            "\n".join(disputed),
            "The first wrong digit of the counterexamples of adders at 100%: the kind of error, "
            "and whether it stands right after digits that sum to nine, through which a carry "
            "must be remembered:",
            table(["", "after digits that sum to nine", "without"], causes),
        )


def say_perfect(result):
    """The adders at 100%, and how many of them are wrong."""
    if not result["evaluated"]:
        return ""
    words = (
        f"{result['perfect']} of {result['evaluated']} in experiments end at 100% on random pairs"
    )
    wrong = result["perfect_but_wrong"]
    if wrong:
        words += f": {wrong} of these add a pair of at most {result['most_digits']} digits wrong"
    return f"{words}. "


# --- Why.


def explain_wrong(pair, answer):
    """The error at the first wrong digit of `answer`, given as the sum of a `pair`; integers.

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
    kind = {(1, 0): FROM_NOWHERE, (9, 1): LOST}.get((too_many, carry), SOMETHING_ELSE)
    nines = 0
    for before in reversed(range(place)):
        if digit_at(number_1, before) + digit_at(number_2, before) != 9:
            break
        nines += 1
    return {"place": place, "kind": kind, "nines": nines}


def digit_at(number, place):
    """The digit of a number at a place, 0 for the ones."""
    return number // 10**place % 10


def count_causes(adders):
    """How many counterexamples err in which way, {kind: {"after_nines": n, "without": n}}."""
    counts = {kind: {"after_nines": 0, "without": 0} for kind in KINDS}
    for adder in adders:
        if adder["pair"] is not None:
            cause = explain_wrong(adder["pair"], adder["answer"])
            counts[cause["kind"]]["after_nines" if cause["nines"] else "without"] += 1
    return counts


# --- The picture.


def title_decided(decided):
    """The title: the counts in two lines."""
    if not decided["evaluated"]:
        return f"{decided['proven']} of {decided['count']} adders are proven correct"
    first = (
        f"{decided['perfect']} of {decided['evaluated']} adders of the experiments "
        "end at 100% on random pairs"
    )
    if not decided["perfect_but_wrong"]:
        return f"{first}:\nof none of these a counterexample was found"
    return (
        f"{first}:\n{decided['perfect_but_wrong']} of these are wrong "
        f"on a pair of {decided['most_digits']} digits or fewer"
    )
