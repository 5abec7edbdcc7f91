"""How long does an adder remember a carry?"""

import itertools
from dataclasses import dataclass

from lab import adders, measuring
from lab.book import Part
from lab.settings import check_at_least
from lab.style import BLUE, COLOURS, GREEN, RED, WIDTH, add_legend
from lab.words import count, escape, join, known, table

PINK, ORANGE = COLOURS[3:5]


@dataclass(frozen=True)
class Memory(Part):
    """The margin of adders that must remember a carry, or none, for ever more positions."""

    of: dict  # the adders that are examined: experiments, or `ForProof`, by name
    positions: int  # for which a carry must be remembered, at most

    def __post_init__(self):
        check_at_least("positions", self.positions, 1)

    def submit(self, lab, name):
        """Have the memory of each adder measured: {group: {(variant, seed): run}}."""
        return adders.submit_for_each(
            lab, name, self.of, measuring.measure_memory, self.positions, 0.3
        )

    def result(self, name, done):
        """The margins: see `summarise`."""
        groups = {}
        for group, of_group in done.items():
            groups[group] = [
                {"variant": variant, "seed": seed} | measured
                for (variant, seed), measured in of_group.items()
            ]
        return summarise(groups)

    def draw(self, figure, result):
        """The margin against the pairs that sum to nine, read in a row; a line an adder."""
        groups = result["groups"]
        figure.set_size_inches(WIDTH, 3.4 + 0.08 * len(groups))
        panels = figure.subplots(1, 2, sharey=True)
        panels[0].set(title="must remember: a carry", ylabel="margin of the right digit, at worst")
        panels[1].set_title("must remember: no carry")
        failing = itertools.cycle((BLUE, RED, ORANGE, PINK))
        holding = itertools.cycle(("--", ":", "-."))
        lines = []
        for group in groups:
            if group["failed"]:
                style = {"color": next(failing), "linewidth": 0.9}
            else:
                style = {"color": GREEN, "linestyle": next(holding), "linewidth": 1.5}
            for adder in group["adders"]:
                panels[0].plot(adder["margins"]["carry"], **style)
                panels[1].plot(adder["margins"]["none"], **style)
            lines += panels[0].plot([], [], **style, label=say_memory(group))
        low, high = panels[0].get_ylim()
        low -= 0.06 * (high - low)  # a line of text has room below the curves
        for axes in panels:
            axes.axhline(0, color="black", linewidth=1.2)
            axes.axhspan(low, 0, color="black", alpha=0.06, linewidth=0)
            axes.set(xlim=(0, result["most"]), ylim=(low, high))
            axes.set_xlabel("pairs that sum to nine, read in a row\n(0: the pair before)")
        if any(group["failed"] for group in groups):
            place = (0.98 * result["most"], low)
            panels[1].text(*place, "the memory has failed", ha="right", va="bottom")
        add_legend(figure, lines, ncols=2)
        figure.suptitle(title_memory(groups))

    def page(self, result):
        """The measurement in words, and a row for each group."""
        rows = []
        for group in result["groups"]:
            failed = f"{group['failed']} of {len(group['adders'])}"
            least = group["least_margin"]
            margin = "" if least is None else f"{least:.2g}"
            rows.append([escape(group["name"]), failed, say_range(group), margin])
        return join(
            "Each adder reads a pair of digits that makes a carry, or none, and then the same "
            f"pair of digits that sum to nine, again and again, up to {result['most']} times: it "
            "must remember. The margin is the correct digit's logit (its score in the last "
            "layer) less the best other's, for the worst start and the worst of the ten repeated "
            "pairs: all are tried. Where it is not above zero, the memory has failed. It is a "
            "margin that was seen; in a proof it is a bound for all states that can occur.",
            table(["adders", "failed", "at pair", "least margin"], rows),
        )


def summarise(groups):
    """The entry of results.json, of {name: [a result of `measure_memory` an adder]}.

    "most" is the number of pairs that sum to nine; of a group, "failed" is how many adders fail,
    "first" and "last" are the least and the greatest "fails_at" or None. Adders that do not run
    are left out; None where there are no others.
    """
    listed = []
    for name, measured in groups.items():
        adders = [adder for adder in measured if "left_out" not in adder]
        if not adders:
            continue
        fails_at = known(adder["fails_at"] for adder in adders)
        least = [min(of_start) for adder in adders for of_start in adder["margins"].values()]
        listed.append(
            {
                "name": name,
                "adders": adders,
                "failed": len(fails_at),
                "first": min(fails_at, default=None),
                "last": max(fails_at, default=None),
                "least_margin": min(least),
            }
        )
    if not listed:
        return None
    most = len(listed[0]["adders"][0]["margins"]["carry"]) - 1
    return {"title": "How long an adder remembers a carry", "most": most, "groups": listed}


def say_range(group):
    """After how many pairs the adders of a group fail, as "2 to 3"."""
    if not group["failed"]:
        return "never"
    return " to ".join(str(end) for end in dict.fromkeys([group["first"], group["last"]]))


def say_memory(group):
    """A group in the legend: when its adders fail, or that they do not."""
    adders = len(group["adders"])
    if group["failed"]:
        return f"{group['name']}: {group['failed']} of {adders} fail, at pair {say_range(group)}"
    return f"{group['name']}, {count(adders, 'adder')}: margin {group['least_margin']:.1f} or more"


def title_memory(groups):
    """When the first and the last adder fail, and which groups hold."""
    failing = [group for group in groups if group["failed"]]
    if not failing:
        return "None of these adders forgets a carry"
    failed = sum(group["failed"] for group in failing)
    adders = sum(len(group["adders"]) for group in failing)
    others = sum(len(group["adders"]) for group in groups) - adders
    last = max(group["last"] for group in failing)
    words = (
        f"{failed} of {adders} adders lose a carry, or invent one, within {last} pairs of digits "
        "that sum to nine"
    )
    if others:
        words += f";\nthe {others} adders of the other groups keep their margin"
    return words
