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
MARKS = {
    "proven": {"color": GREEN, "marker": "D"},
    "cross": {"color": RED, "marker": "x"},
    "full": {"color": RED, "marker": "o"},
    "empty": {"color": RED, "marker": "o", "fillstyle": "none"},
}


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
        verdicts = [adder["verdict"] for adder in adders]
        perfect = [adder for adder in adders if adder["perfect"]]
        digits = [adder["digits"] for adder in perfect if adder["digits"]]
        again = [(adder["words"], adder["wrong_in"]) for adder in adders if adder["wrong_in"]]
        return {
            "title": "Proven, or wrong on a pair that you can check",
            "groups": group(adders),
            "count": len(adders),
            "evaluated": sum(adder["perfect"] is not None for adder in adders),
            "perfect": len(perfect),
            "perfect_but_wrong": len(digits),
            "most_digits": max(digits, default=0),
            "wrong": verdicts.count("wrong"),
            "proven": verdicts.count("proven"),
            "undecided": verdicts.count("undecided"),
            "confirmed": sum(all(wrong_in.values()) for _, wrong_in in again),
            "disputed": [words for words, wrong_in in again if not all(wrong_in.values())],
            "causes": count_causes(perfect),
        }

    def draw(self, figure, result):
        """How many adders, by group, have a shortest counterexample of so many digits, or none."""
        groups = result["groups"]
        adders = [adder for group in groups for adder in group["adders"]]
        most = max([1, *(adder["digits"] or 0 for adder in adders)])
        places = {"undecided": most + 1.5, "proven": most + 3.5}
        # The sum that is written out under a mark takes about a quarter of an inch a digit.
        figure.set_size_inches(max(WIDTH, 2.5 + 0.3 * (most + 4)), 1.3 + 0.45 * len(groups))
        axes = figure.subplots()
        counts = [
            collections.Counter(
                (adder["digits"] or places[adder["verdict"]], choose_mark(adder))
                for adder in group["adders"]
            )
            for group in groups
        ]
        largest = max(max(of_group.values(), default=1) for of_group in counts)
        for y, (group, of_group) in enumerate(zip(groups, counts, strict=True)):
            axes.axhline(y + 0.5, color="0.88", linewidth=0.8)  # above it is this group
            for (x, mark), count in of_group.items():
                height = y if mark == "empty" else y - 0.28
                size = max(2.5, 11 * math.sqrt(count / largest))
                axes.plot(x, height, markersize=size, markeredgewidth=0.8, **MARKS[mark])
                style = {"textcoords": "offset points", "va": "center", "fontsize": 7}
                axes.annotate(str(count), (x, height), xytext=(size / 2 + 2, 0), **style)
            wrong = [adder for adder in group["adders"] if adder["digits"]]
            if wrong:
                last = max(wrong, key=lambda adder: (adder["perfect"] is True, adder["digits"]))
                side = "right" if last["digits"] > (most + 4.5) / 2 else "left"
                beside = last["digits"] + (0.4 if side == "right" else 0)
                style = {"ha": side, "va": "center", "fontsize": 7}
                axes.text(beside, y + 0.34, last["words"], **style)
        names = [
            f"{group['name']} ({len(group['adders'])})".replace(", ", ",\n") for group in groups
        ]
        axes.set_yticks(range(len(groups)), names)
        digits = range(1, most + 1)
        axes.set_xticks(
            [*digits, *places.values()], [*digits, "not\ndecided", "none, of\nany length"]
        )
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
            "An adder reads from the right. So every pair of numbers that ends in the digits of "
            "a counterexample, t of them, gets the same wrong digit: at least one random pair in "
            "100^t. A counterexample is searched for (`exact.refute`) and then added again, "
            "against Python's integers; there may be shorter ones than the one found, but none "
            "of one or two digits is passed over. And once more in a second runtime: a plain "
            f"loop in NumPy, in float32 and in float64. {result['confirmed']} of the {again} "
            "counterexamples are wrong in all three.",
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
    if result["perfect_but_wrong"]:
        words += (
            f": {result['perfect_but_wrong']} of these add a pair of at most "
            f"{result['most_digits']} digits wrong"
        )
    return f"{words}. "


def group(adders):
    """The adders by their groups, [{"name", "adders"}]; the picture shows these fields."""
    shown = ("variant", "seed", "verdict", "words", "digits", "perfect")
    groups = {}
    for adder in adders:
        groups.setdefault(adder["group"], []).append({key: adder[key] for key in shown})
    return [{"name": name, "adders": of_group} for name, of_group in groups.items()]


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


def count_causes(adders):
    """How often the decided adders err in which way: {kind: {"after_nines": n, "without": n}}.

    An adder without a counterexample is left out.
    """
    counts = {kind: {"after_nines": 0, "without": 0} for kind in KINDS}
    for adder in adders:
        if adder["pair"] is not None:
            cause = explain_wrong(adder["pair"], adder["answer"])
            counts[cause["kind"]]["after_nines" if cause["nines"] else "without"] += 1
    return counts


# --- The picture.


def choose_mark(adder):
    """The name in MARKS of an adder's mark."""
    if adder["verdict"] == "proven":
        return "proven"
    return {None: "cross", True: "full", False: "empty"}[adder["perfect"]]


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
