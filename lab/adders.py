"""Adders that several parts look at: submitted to a lab, trained and decided.

An experiment and `ForProof` have `submit_trainings(lab, name)`, which returns {(variant, seed):
training}: runs of the lab, or results that an earlier run left.
"""

import re
from dataclasses import dataclass

import pt
from exact.provable import provable_cell, why_nothing_can_be_proven
from lab import deciding, training
from lab.console import say
from lab.settings import (
    SettingsError,
    check_at_least,
    check_numbers,
    check_one_of,
    expected_seconds,
)
from lab.words import count


def submit_training(lab, settings, title, on_line=None):
    """Have an adder trained as its `Settings` say; `on_line` is called with its lines."""
    return lab.submit(
        training.train_adder,
        settings,
        title=title,
        seconds=expected_seconds(settings),
        device=settings.device,
        on_line=on_line,
    )


def submit_decision(lab, trained, say_trained):
    """Have the adder of a training decided; one line says both, by `say_trained(training)`."""
    return lab.submit(
        deciding.decide_adder,
        trained,
        title=trained.title,
        seconds=0.3,
        say=lambda decision: f"{say_trained(trained.result())}{decision['words']}",
    )


@dataclass(frozen=True)
class ForProof:
    """Adders to train for the proof, one a seed; SettingsError names a bad field."""

    cell: str  # "RNN", "GRU" or "LSTM"
    seeds: tuple  # of the weights and the pairs
    layers: int = 1
    hidden: int = pt.HIDDEN  # hidden units of each layer
    device: str = "cpu"

    def __post_init__(self):
        check_one_of("cell", self.cell, pt.CELLS)
        check_numbers("seeds", self.seeds, 0)
        check_at_least("layers", self.layers, 1)
        check_at_least("hidden", self.hidden, 1)
        try:
            provable_cell(pt.Adder(self.cell, self.layers, self.hidden))
        except ValueError as error:
            raise SettingsError(f"cell: {error}") from None

    @property
    def label(self):
        """The size in words; the report's number of hidden units goes without saying."""
        words = f"{self.cell}, {count(self.layers, 'layer')}"
        return words if self.hidden == pt.HIDDEN else f"{words}, {self.hidden} hidden units"

    def submit_trainings(self, lab, name):
        """Submit them: {(size, seed): run}; none where nothing can be proven."""
        if why_nothing_can_be_proven() is not None:
            return {}
        runs = {}
        for seed in self.seeds:
            runs[self.label, seed] = lab.submit(
                deciding.train_for_proof,
                self.cell,
                self.layers,
                self.hidden,
                seed,
                self.device,
                title=f"proof, {self.label}, seed {seed}",
                seconds=deciding.expected_seconds_for_proof(self.cell, self.layers),
                device=self.device,
            )
        return runs


def submit_for_each(lab, name, groups, function, argument, seconds):
    """Submit `function(training, argument)`, of about so many seconds, for each adder of `groups`.

    `groups` are {label: what has `submit_trainings`}. Returns {label: {(variant, seed): run}}.
    """
    runs = {}
    for label, group in groups.items():
        runs[label] = {}
        for (variant, seed), trained in group.submit_trainings(lab, label).items():
            words = filter(None, [name, label, variant, f"seed {seed}"])
            runs[label][variant, seed] = lab.submit(
                function,
                trained,
                argument,
                title=", ".join(words),
                seconds=seconds,
                say=say_left_out,
            )
    return runs


def say_left_out(result):
    """The line that is printed where adders are left out of a result; None where none is."""
    return f"left out: {result['left_out']}" if "left_out" in result else None


# --- Adders on disk, for later runs to look at.


def name_file(name, variant, seed):
    """The file of an adder of an experiment, below the folder of the figures."""
    words = [name, *re.findall(r"[\w.-]+", variant), f"seed{seed}"]
    return f"adders/{'-'.join(words)}.npz"


def load_saved(book, name):
    """The trainings that an earlier run of an experiment left in a `lab.book.Book`."""
    folder = book.folder
    entry = book.results["parts"].get(name)
    if entry is None:
        say(f"{name} is in SLOW and has no results in {folder}: left out")
        return {}
    trainings = {}
    for variant in entry["variants"]:
        for run in variant["runs"]:
            path = folder / name_file(name, variant["label"], run["seed"])
            if not path.exists():
                say(f"{path.name} is not in {path.parent}: left out")
                continue
            known = {key: run[key] for key in ("error", "accuracy", "steps", "ms_per_step")}
            adder = training.plain_adder(pt.load(path))
            trainings[variant["label"], run["seed"]] = known | {"adder": adder}
    return trainings
