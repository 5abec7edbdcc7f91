"""How often does an adder that scored 100% make a mistake?"""

import math
import statistics
from dataclasses import dataclass

import numpy as np

import data
from lab import adders, measuring
from lab.book import Part
from lab.settings import check_at_least
from lab.style import BLUE, RED, WIDTH, spread_evenly

CONFIDENCE = 0.95  # of the interval of a share
BAND = 0.75  # decades that the dots without a wrong sum take
IN_A_COLUMN = 5  # dots there: the band has no scale
DOT = {"marker": "o", "markersize": 3.5, "markeredgecolor": "white", "markeredgewidth": 0.3}
INTERVAL = {"color": RED, "alpha": 0.3, "linewidth": 1, "solid_capstyle": "butt"}


@dataclass(frozen=True)
class Errors(Part):
    """Wrong sums of adders at 100%, in many fresh pairs of 10 digits, the same for all."""

    of: dict  # the experiments whose adders are examined, by name
    pairs: int  # for each adder

    def __post_init__(self):
        check_at_least("pairs", self.pairs, 1)

    def submit(self, lab, name):
        """Have each adder add the pairs: {experiment: {(variant, seed): run}}."""
        seconds = 2e-5 * self.pairs
        return adders.submit_for_each(
            lab, name, self.of, measuring.count_wrong, self.pairs, seconds
        )

    def result(self, name, done):
        """The counts, summarised; an adder that is in two groups is counted in the first."""
        counted = {}
        seen = set()
        for group, counts in done.items():
            counted[group] = []
            for (variant, seed), count in counts.items():
                if count["pairs"] and id(count) not in seen:
                    counted[group].append({"variant": variant, "seed": seed} | count)
                seen.add(id(count))
        return summarise(counted)

    def draw(self, figure, result):
        """A dot an adder, by group, against its wrong sums in a million; a line is the interval."""
        groups = result["groups"]
        rates = [adder["per_million"] for group in groups for adder in group["adders"]]
        rates = [rate for rate in rates if rate] or [1e6 / result["pairs"]]
        least = math.log10(min(rates)) - 0.15
        most = math.log10(max(rates)) + 0.3
        none_seen = least - BAND / 2
        figure.set_size_inches(WIDTH, 1.2 + 0.45 * len(groups))
        axes = figure.subplots()  # its units are decades across, rows down
        # The band hides the grid.
        axes.axvspan(least - BAND, least, color="whitesmoke", linewidth=0, zorder=1.6)
        for y, group in enumerate(groups):
            seen = [adder for adder in group["adders"] if adder["wrong"]]
            draw_unseen(axes, none_seen, y, len(group["adders"]) - len(seen))
            draw_seen(axes, least, y, sorted(seen, key=lambda adder: adder["per_million"]))
            axes.text(most + 0.05, y, say_group(group["adders"]), va="center")
        decades = range(math.ceil(least), math.floor(most) + 1)
        ticks = [f"{10**decade:,}" for decade in decades]
        unseen = "none seen"
        if result["none_seen"]:
            unseen += f": fewer\nthan {math.ceil(result['none_seen_below']):,}"
        axes.set_xticks([none_seen, *decades], [unseen, *ticks])
        axes.set_yticks(range(len(groups)), [group["name"] for group in groups])
        axes.grid(axis="y", visible=False)
        axes.set(xlim=(least - BAND, most), ylim=(len(groups) - 0.5, -0.5))
        pairs = f"{result['pairs']:,} fresh pairs"
        axes.set_xlabel(f"wrong sums in a million (a dot: of {pairs}; line: 95% interval)")
        figure.suptitle(title_errors(result))

    def page(self, result):
        """The counts in words."""
        most = f", the worst has {result['most']:,.0f} wrong sums in a million"
        return (
            f"{result['adders']} adders, {result['pairs']:,} fresh pairs of 10 digits each, from "
            f"the report's test range, the same for all: {result['none_seen']} of the adders add "
            f"all of them correctly{most if result['most'] else ''}. A line through a dot is an "
            "exact 95% interval (Clopper and Pearson, 1934); of an adder without a wrong sum it "
            f"ends at {result['none_seen_below']:,.0f} in a million. One core added "
            f"{result['pairs_per_second']:,.0f} pairs a second (median over the adders). An adder "
            "is examined as it is at the end of training, up to nine steps after its last "
            "evaluation: at a high learning rate these may change it."
        )


def binomial_interval(wrong, pairs):
    """The ends, in a million, of the exact 95% interval of a share seen `wrong` times in `pairs`.

    By Clopper and Pearson (1934). Raises ValueError unless 0 <= wrong <= pairs and 1 <= pairs.
    """
    data.check_at_least("pairs", pairs, 1)
    if not 0 <= wrong <= pairs:
        raise ValueError(f"wrong must be from 0 to {pairs}, got {wrong}")
    tail = (1 - CONFIDENCE) / 2
    low = share_with_tail(wrong - 1, pairs, 1 - tail) if wrong else 0.0
    high = share_with_tail(wrong, pairs, tail) if wrong < pairs else 1.0
    return [1e6 * low, 1e6 * high]


def share_with_tail(most, pairs, probability):
    """The share at which `most` or fewer of more `pairs` are wrong with this `probability`.

    By bisection: the larger the share, the less probable so few are.
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


def summarise(groups):
    """The entry of results.json, of {name: [a result of `count_wrong` an adder]}.

    Each result has its "variant" and "seed", too. An "interval" is two ends in a million,
    "none_seen_below" the upper end where no sum was wrong, "most" the greatest wrong in a million,
    "pairs_per_second" the median. None where there are no adders.
    """
    counts = [count for of_group in groups.values() for count in of_group]
    if not counts:
        return None
    pairs = counts[0]["pairs"]  # the same for all
    return {
        "title": "How often an adder at 100% is wrong",
        "groups": [
            {"name": name, "adders": [describe_count(count) for count in of_group]}
            for name, of_group in groups.items()
            if of_group
        ],
        "pairs": pairs,
        "adders": len(counts),
        "none_seen": sum(count["wrong"] == 0 for count in counts),
        "none_seen_below": binomial_interval(0, pairs)[1],
        "most": max(1e6 * count["wrong"] / pairs for count in counts),
        "pairs_per_second": statistics.median(count["pairs_per_second"] for count in counts),
    }


def describe_count(count):
    """The count of one adder, with its interval."""
    kept = {key: count[key] for key in ("variant", "seed", "pairs", "wrong")}
    return kept | {
        "per_million": 1e6 * count["wrong"] / count["pairs"],
        "interval": binomial_interval(count["wrong"], count["pairs"]),
    }


# --- The picture.


def draw_unseen(axes, none_seen, y, count):
    """A dot for each of `count` adders without a wrong sum, in columns around `none_seen`."""
    columns, rows = np.divmod(np.arange(count), IN_A_COLUMN)
    last = max(columns, default=0)
    across = none_seen + min(0.1, 0.9 * BAND / (last + 1)) * (columns - last / 2)
    down = y + spread_evenly(min(count, IN_A_COLUMN))[rows]
    axes.plot(across, down, color=BLUE, linestyle="none", **DOT)


def draw_seen(axes, least, y, adders):
    """Adders with wrong sums, from top to bottom of row `y`, each with its interval."""
    for adder, place in zip(adders, y + spread_evenly(len(adders)), strict=True):
        low, high = np.log10(adder["interval"])
        axes.plot([max(least, low), high], [place, place], **INTERVAL)
        axes.plot(math.log10(adder["per_million"]), place, color=RED, **DOT)


def say_group(adders):
    """How many adders of a group have no wrong sum, and the most of the others."""
    unseen = sum(adder["wrong"] == 0 for adder in adders)
    words = f"none seen in {unseen} of {len(adders)}"
    most = max(adder["per_million"] for adder in adders)
    return f"{words}; worst {most:,.0f}" if most else words


def title_errors(errors):
    """The title: the counts in words."""
    count = errors["adders"]
    wrong = count - errors["none_seen"]
    if not wrong:
        return f"Each of {count} adders at 100% adds {errors['pairs']:,} fresh pairs correctly"
    return (
        f"{wrong} of {count} adders at 100% get fresh random sums of 10 digits wrong,\n"
        f"the worst {errors['most']:,.0f} in a million"
    )
