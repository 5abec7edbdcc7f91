"""How little training does an adder need?"""

import itertools
import statistics
from dataclasses import dataclass, replace

import numpy as np

from lab import adders, deciding, measuring
from lab.book import Part
from lab.report.said import GPU, REPORT
from lab.settings import Settings, check_numbers
from lab.style import BLUE, WIDTH, add_legend, label_log_axis
from lab.words import count, join

GOOD = 0.995  # accuracy from which a length counts as added
PAIRS = 100  # random pairs of each length


@dataclass(frozen=True)
class Little(Part):
    """Adders that are trained on short numbers and tested on longer ones, and decided."""

    settings: Settings  # but for cell, digitlen and seed
    cells: tuple
    digits: tuple  # the longest numbers to train on
    tested_at: tuple  # digits
    seeds: tuple
    beside: dict  # {name: an experiment of long numbers, to compare the seconds with}

    def __post_init__(self):
        """Check the lists, and make all settings once, which checks them."""
        check_numbers("digits", self.digits, 1)
        check_numbers("tested_at", self.tested_at, 1)
        check_numbers("seeds", self.seeds, 0)
        for cell, digits, seed in itertools.product(self.cells, self.digits, self.seeds):
            self.choose_settings(cell, digits, seed)

    @property
    def devices(self):
        """The device that it trains on."""
        return {self.settings.device}

    def choose_settings(self, cell, digits, seed):
        """How one adder is trained."""
        return replace(self.settings, cell=cell, digitlen=digits, seed=seed)

    def submit(self, lab, name):
        """Have each adder trained, tested and decided: {"beside", "cells"}."""
        beside = {
            label: list(experiment.submit_trainings(lab, label).values())
            for label, experiment in self.beside.items()
        }
        cells = {
            cell: {
                digits: [self.submit_adder(lab, name, cell, digits, seed) for seed in self.seeds]
                for digits in self.digits
            }
            for cell in self.cells
        }
        return {"beside": beside, "cells": cells}

    def submit_adder(self, lab, name, cell, digits, seed):
        """Submit one adder: {"training", "test", "decision"}."""
        title = f"{name}, {cell}, {digits} digits, seed {seed}"
        training = adders.submit_training(lab, self.choose_settings(cell, digits, seed), title)
        test = lab.submit(
            measuring.measure_accuracy,
            training,
            self.tested_at,
            PAIRS,
            title=title,
            seconds=1.0,
            say=adders.say_left_out,
        )
        decision = lab.submit(deciding.decide_adder, training, title=title, seconds=0.3)
        return {"training": training, "test": test, "decision": decision}

    def result(self, name, done):
        """Accuracies and seconds for each cell and length, and the adders, decided.

        "cells" has {"cell", "trained": [see `describe_trained`], "enough": see `enough_digits`} of
        each; "others" are trainings of long numbers, {"name", "digits", "seconds"} of each.
        """
        cells = []
        decided = []
        for cell, of_cell in done["cells"].items():
            trained = [describe_trained(digits, of_cell[digits]) for digits in sorted(of_cell)]
            cells.append({"cell": cell, "trained": trained, "enough": enough_digits(trained)})
            for digits, runs in of_cell.items():
                for seed, run in zip(self.seeds, runs, strict=True):
                    told = {
                        "group": f"{cell}, trained on short numbers",
                        "variant": f"{digits} digits",
                        "seed": seed,
                        "adder": f"trained on short numbers, {cell}, {digits} digits, seed {seed}",
                        "perfect": None,
                    }
                    decided.append(told | run["decision"])
        others = []
        for label, trainings in done["beside"].items():
            others += self.list_seconds(label, trainings)
        return {
            "title": "Training on short numbers",
            "tested_at": list(self.tested_at),
            "pairs": PAIRS,
            "good": GOOD,
            "cells": cells,
            "others": others,
            "decisions": decided,
        }

    def list_seconds(self, label, trainings):
        """The seconds of a training on long numbers: by the report's code, and ours."""
        settings = self.beside[label].variants[0].settings[0]
        ms_per_step = dict(GPU["original_ms"]).get(settings.digitlen)
        seconds = {}
        if label in REPORT and ms_per_step is not None:
            seconds["the report's code"] = 1e-3 * ms_per_step * REPORT[label]["settings"]["steps"]
        if trainings:
            seconds[f"ours, batch size {settings.batch_size}"] = statistics.median(
                1e-3 * training["ms_per_step"] * (training["steps"][-1] + 1)
                for training in trainings
            )
        digits = settings.digitlen
        return [{"name": name, "seconds": seconds[name], "digits": digits} for name in seconds]

    def draw(self, figure, result):
        """The accuracy for each cell, digits trained on against digits tested, and the seconds."""
        cells = result["cells"]
        rows = sum(len(cell["trained"]) for cell in cells)
        figure.set_size_inches(WIDTH, 1.8 + 0.4 * len(cells) + 0.26 * rows)
        grid = figure.subplots(len(cells), 2, squeeze=False, sharex="col", width_ratios=(3, 2))
        for (accuracies, seconds), cell in zip(grid, cells, strict=True):
            draw_accuracies(accuracies, cell, result["tested_at"])
            lines = draw_seconds(seconds, cell, result["others"])
        accuracies.set_xlabel("digits tested")
        seconds.set_xlabel("seconds of training (median)")
        figure.supylabel("digits trained on, at most")
        add_legend(figure, lines, ncols=len(lines))
        figure.suptitle(title_little(result))

    def page(self, result):
        """A sentence for each cell, and the decisions on its adders."""
        enough = [say_enough(cell, result) for cell in result["cells"]]
        wrong = [say_wrong(cell["cell"], result["decisions"]) for cell in result["cells"]]
        return join(
            " ".join(enough),
            "Each field of the picture is the mean over the seeds; beside it stand the seconds of "
            "training. These accuracies are of random pairs. The adders are decided, too: "
            f"{', '.join(wrong)}.",
        )


def describe_trained(digits, runs):
    """The adders that were trained on numbers of at most `digits` digits.

    Returns {"digits", "seeds": how many, "mean", "least", "greatest": one accuracy a length tested,
    "seconds": the median}. An accuracy of None, of an adder that does not run, counts as 0.
    """
    tested = [run["test"]["accuracy"] for run in runs]
    accuracy = np.nan_to_num(np.array(tested, dtype=float))
    return {
        "digits": digits,
        "seeds": len(runs),
        "mean": accuracy.mean(0).tolist(),
        "least": accuracy.min(0).tolist(),
        "greatest": accuracy.max(0).tolist(),
        "seconds": statistics.median(run["training"]["seconds"] for run in runs),
    }


def enough_digits(trained):
    """The fewest digits from which on all that follow are GOOD at every length; None for none."""
    enough = None
    for of_digits in reversed(trained):
        if min(of_digits["mean"]) < GOOD:
            break
        enough = of_digits["digits"]
    return enough


def say_enough(cell, result):
    """The lengths that are enough to train a cell on."""
    if cell["enough"] is None:
        return f"{cell['cell']}: no length trained on is enough for every length tested."
    enough = [str(of["digits"]) for of in cell["trained"] if of["digits"] >= cell["enough"]]
    return (
        f"{cell['cell']}: trained on numbers of at most {', '.join(enough)} digits, it gets "
        f"{result['good']:.1%} or more of {result['pairs']} random pairs right at each of "
        f"{', '.join(map(str, result['tested_at']))} digits, on average."
    )


def say_wrong(cell, decided):
    """The number of adders of a cell that are wrong on a short pair."""
    of_cell = [adder for adder in decided if adder["group"].startswith(f"{cell},")]
    digits = [adder["digits"] for adder in of_cell if adder["digits"]]
    words = f"{len(digits)} of the {len(of_cell)} {cell}s are wrong"
    return f"{words} on a pair of at most {max(digits)} digits" if digits else words


# --- The picture.


def draw_accuracies(axes, cell, lengths):
    """The heat map of one cell."""
    trained = cell["trained"]
    means = np.array([of_digits["mean"] for of_digits in trained])
    axes.imshow(means, cmap="Blues", vmin=0, vmax=1.2, aspect="auto")
    for y, x in np.ndindex(means.shape):
        mean, least, greatest = (trained[y][key][x] for key in ("mean", "least", "greatest"))
        style = {"ha": "center", "va": "center", "color": "white" if mean > 0.6 else "black"}
        lift = 0.0
        if f"{least:.2f}" != f"{greatest:.2f}":
            lift = 0.2
            axes.text(x, y + 0.24, f"{least:.2f}–{greatest:.2f}", fontsize=7, **style)
        axes.text(x, y - lift, f"{mean:.2f}", **style)
    seeds = max(of_digits["seeds"] for of_digits in trained)
    axes.set_title(f"{cell['cell']}, {count(seeds, 'seed')}")
    axes.set_xticks(range(len(lengths)), lengths)
    axes.set_yticks(range(len(trained)), [of_digits["digits"] for of_digits in trained])
    axes.tick_params(length=0)
    axes.grid(False)


def draw_seconds(axes, cell, others):
    """The seconds of training, row by row; returns the lines of the others, for the legend."""
    seconds = [of_digits["seconds"] for of_digits in cell["trained"]]
    axes.plot(seconds, range(len(seconds)), "o-", color=BLUE)
    lines = []
    for other, style in zip(others, ("--", ":", "-."), strict=False):
        label = f"{other['name']}, {other['digits']} digits: {say_seconds(other['seconds'])}"
        lines.append(axes.axvline(other["seconds"], color="black", linestyle=style, label=label))
    axes.set_yticks(range(len(seconds)), [of_digits["digits"] for of_digits in cell["trained"]])
    axes.set(xscale="log", ylim=(len(seconds) - 0.5, -0.5))
    label_log_axis(axes.xaxis)
    return lines


def say_seconds(seconds):
    """A time as "2.3 s" or, from 100 seconds on, as "86 minutes"."""
    return f"{seconds:.1f} s" if seconds < 100 else f"{seconds / 60:.0f} minutes"


def title_little(little):
    """The title: the least training with which each cell adds every length."""
    needed = [
        f"{cell['enough']} digits ({cell['cell']}, {say_seconds(of_digits['seconds'])})"
        for cell in little["cells"]
        for of_digits in cell["trained"]
        if of_digits["digits"] == cell["enough"]
    ]
    if not needed:
        return "Accuracy after training on short numbers"
    return (
        f"Trained on numbers of at most {' or '.join(needed)},\nadders get {little['good']:.1%} or "
        f"more of random pairs of up to {max(little['tested_at'])} digits right"
    )
