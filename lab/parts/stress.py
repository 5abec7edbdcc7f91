"""Does an adder get long carry chains right?"""

import itertools
import statistics
from dataclasses import dataclass

import numpy as np

from lab import adders, measuring
from lab.book import Part
from lab.settings import check_at_least, check_numbers
from lab.style import WIDTH, add_legend, choose_colours
from lab.words import count


@dataclass(frozen=True)
class Stress(Part):
    """The accuracy of adders on pairs with one long carry chain, against its length."""

    of: dict  # the adders: experiments, or `ForProof`, by name
    chains: tuple  # the longest carry chains, in positions
    pairs: int  # of each

    def __post_init__(self):
        check_numbers("chains", self.chains, 0)
        check_at_least("pairs", self.pairs, 1)

    @property
    def devices(self):
        """The devices that the experiments train on."""
        return set().union(*(getattr(each, "devices", ()) for each in self.of.values()))

    def submit(self, lab, name):
        """Submit all adders to the same pairs, in one run."""
        groups = {}
        for label, group in self.of.items():
            groups[label] = list(group.submit_trainings(lab, label).values())
        return lab.submit(
            measuring.stress,
            groups,
            sorted(self.chains),
            self.pairs,
            title=name,
            seconds=5.0,
            say=adders.say_left_out,
        )

    def result(self, name, done):
        """The accuracies, as `measuring.stress` has them."""
        return {"title": "Long carry chains"} | done

    def draw(self, figure, result):
        """The median accuracy against the longest carry chain, the range of the seeds as a band."""
        chains = result["chains"]
        figure.set_size_inches(WIDTH, 2.6 + 0.16 * len(result["adders"]))
        figure.suptitle(f"Correct sums against the longest carry chain, to {chains[-1]} positions")
        axes = figure.subplots()
        lines = []
        styles = itertools.cycle(["o-", "s-", "D-", "^--"])
        colours = choose_colours(len(result["adders"]))
        for adder, colour, style in zip(result["adders"], colours, styles, strict=False):
            curves = np.array(adder["accuracy"])
            median = np.median(curves, axis=0)
            seeds = count(len(curves), "seed")
            label = f"{adder['name']} ({seeds}): {median[-1]:.0%} at {chains[-1]}"
            ends = (curves.min(axis=0), curves.max(axis=0))
            axes.fill_between(chains, *ends, color=colour, alpha=0.2, linewidth=0)
            lines += axes.plot(chains, median, style, color=colour, clip_on=False, label=label)
        axes.set_xscale("symlog", linthresh=1)
        axes.set_xticks(chains, chains)
        axes.set_xlim(0, max(1, chains[-1]))
        axes.set_xlabel("longest carry chain in the pair (positions that a carry goes into)")
        axes.set_ylabel("accuracy (whole sums correct)")
        add_legend(figure, lines)

    def page(self, result):
        """The pairs, and the medians at the longest chain."""
        medians = [
            f"{group['name']} {statistics.median(curve[-1] for curve in group['accuracy']):.0%}"
            for group in result["adders"]
        ]
        return (
            "A random pair says little about carries: only one of its positions in ten propagates "
            "a carry. These pairs have one long carry chain, and they show that alone: an adder "
            "that gets them all correct may be wrong elsewhere, on a short pair. Each point is "
            f"{result['pairs']} pairs with one carry chain; the line is the median over the seeds, "
            f"the band their range. At {result['chains'][-1]} positions: {'; '.join(medians)}."
        )
