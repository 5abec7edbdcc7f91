"""How an adder is trained, as `Settings`, and experiments, which compare settings."""

import dataclasses
import difflib
import itertools
import math
import sys
import traceback
from collections.abc import Hashable
from dataclasses import dataclass
from typing import NamedTuple

import torch

import data
import pt
from lab.training import TRAINING, expected_steps

OPTIMIZERS = ("Adam", "AdamW", "SGD")
# What a cached run's name leaves out. A new field of `Settings` joins with the value that trains as
# before there was the field: so it trains nothing again.
NOT_IN_CACHE_KEY = {
    "hidden": 64,
    "embedding": 32,
    "optimizer": "Adam",
    "momentum": 0.0,
    "pairs": "uniform",
    "stop_after_perfect": None,
    "device": "cpu",
}


class SettingsError(ValueError):
    """A setting that cannot be; the message names the field and its value."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How one adder is trained and tested. Raises SettingsError, naming it, for a bad field."""

    digitlen: int  # digits of the numbers to add
    cell: str  # a name in pt.CELLS: "RNN" (tanh), "GRU" or "LSTM", or one of your own
    layers: int  # layers of that cell
    hidden: int = 64  # hidden units of each layer
    embedding: int = 32  # numbers that stand for one digit
    lr: float  # learning rate
    optimizer: str = "Adam"  # "Adam", "AdamW" or "SGD"
    momentum: float = 0.0  # of SGD alone
    steps: int  # training steps, at most
    batch_size: int  # pairs of numbers in one step
    test_size: int  # fresh pairs for each evaluation of the accuracy
    eval_every: int  # steps from one evaluation to the next
    pairs: str = "uniform"  # to train on: "uniform", "course" or "long-carry", see data.py
    stop_after_perfect: int | None = None  # end after this many evaluations at 1.0 in a row
    seed: int = 0  # of the weights, of the pairs to train on and of those to test on
    device: str = "cpu"  # where it is trained: "cpu", "cuda", "cuda:1"

    def __new__(cls, **fields):
        """Refuse a field that there is not, by its name and value."""
        known = [field.name for field in dataclasses.fields(cls)]
        for name, value in fields.items():
            if name not in known:
                raise SettingsError(
                    f"Settings has no field {name!r} ({name}={value!r}){hint(name, known)}"
                )
        return super().__new__(cls)

    def __post_init__(self):
        """Check every field."""
        for name, value in vars(self).items():
            if not isinstance(value, str) and hasattr(value, "__len__"):
                raise SettingsError(
                    f"{name} must be one value, got {value!r}: "
                    f"to compare several, compare(settings, SEEDS, {name}=[...])"
                )
        try:
            data.check_at_least("layers", self.layers, 1)
            data.check_at_least("hidden", self.hidden, 1)
            data.check_at_least("embedding", self.embedding, 1)
            data.check_at_least("seed", self.seed, 0)
            pt.check_training(self.steps, **{name: getattr(self, name) for name in TRAINING})
        except ValueError as error:
            raise SettingsError(str(error)) from None
        check_one_of("cell", self.cell, pt.CELLS)
        check_one_of("optimizer", self.optimizer, OPTIMIZERS)
        check_number("lr", self.lr)
        check_number("momentum", self.momentum)
        if self.lr <= 0:
            raise SettingsError(f"lr must be above 0, got {self.lr!r}")
        if not 0 <= self.momentum < 1:
            raise SettingsError(f"momentum must be from 0 to below 1, got {self.momentum!r}")
        if self.momentum and self.optimizer != "SGD":
            raise SettingsError(
                f"momentum is SGD's alone, got momentum={self.momentum!r} "
                f"with optimizer={self.optimizer!r}"
            )
        try:
            torch.device(self.device)
        except (RuntimeError, TypeError):
            raise SettingsError(
                f"device must be one such as 'cpu' or 'cuda:1', got {self.device!r}"
            ) from None

    def cache_key(self):
        """What tells a cached run: every field but those that are as in `NOT_IN_CACHE_KEY`."""
        return {
            name: value
            for name, value in dataclasses.asdict(self).items()
            if name not in NOT_IN_CACHE_KEY or value != NOT_IN_CACHE_KEY[name]
        }


def hint(name, known):
    """A question, "did you mean ...?", where one of the `known` names is close to `name`."""
    close = difflib.get_close_matches(name, known, 1)
    return f", did you mean {close[0]!r}?" if close else ""


def check_one_of(name, value, known):
    """Raise SettingsError, naming the field, unless `value` is one of the texts `known`."""
    if not isinstance(value, str) or value not in known:
        raise SettingsError(f"{name} must be one of {', '.join(known)}, got {value!r}")


def check_number(name, value):
    """Raise SettingsError, naming the field, unless `value` is a finite number."""
    if not isinstance(value, (int, float)) or isinstance(value, bool) or not math.isfinite(value):
        raise SettingsError(f"{name} must be a finite number, got {value!r}")


class Variant(NamedTuple):
    """One of the things that an experiment compares."""

    label: str  # what it differs in, in words; "" where nothing is compared
    settings: tuple  # `Settings`, one a seed


class Experiment(NamedTuple):
    """What `compare` makes."""

    compared: tuple  # the fields that are compared
    variants: tuple  # `Variant`s


def compare(settings, seeds, **values):
    """An `Experiment`: `settings` with each of the `values` of a field, for each of `seeds`.

    compare(SIMPLE, SEEDS, layers=[1, 2, 3]) has three variants. More than one field compared at
    once is one variant for each combination; none at all is one variant. Raises SettingsError,
    naming field and value, for what cannot be.
    """
    listed = {field: listed_values(field, of_field) for field, of_field in values.items()}
    if "seed" in listed:
        raise SettingsError(f"seed={values['seed']!r}: the seeds are compare's second argument")
    seeds = listed_values("seeds", seeds)
    variants = []
    for combination in itertools.product(*listed.values()):
        chosen = dict(zip(listed, combination, strict=True))
        of_seeds = [dataclasses.replace(settings, **chosen, seed=seed) for seed in seeds]
        variants.append(Variant(label_values(chosen), tuple(of_seeds)))
    return Experiment(tuple(listed), tuple(variants))


def compare_settings(settings, seeds):
    """An `Experiment` of settings that differ in more than one field: {label: `Settings`}.

    Each is run for each of `seeds`. Raises SettingsError for what cannot be.
    """
    if not isinstance(settings, dict) or not settings:
        raise SettingsError(f"settings must be {{label: Settings}}, got {settings!r}")
    for label, one in settings.items():
        if not isinstance(label, str) or not isinstance(one, Settings):
            raise SettingsError(f"settings must be {{label: Settings}}, got {label!r}: {one!r}")
    seeds = listed_values("seeds", seeds)
    fields = [field.name for field in dataclasses.fields(Settings)]
    compared = [
        field for field in fields if len({getattr(one, field) for one in settings.values()}) > 1
    ]
    variants = []
    for label, one in settings.items():
        of_seeds = tuple(dataclasses.replace(one, seed=seed) for seed in seeds)
        variants.append(Variant(label, of_seeds))
    return Experiment(tuple(compared), tuple(variants))


def listed_values(field, values):
    """The values to compare, each once, as Python's own; SettingsError if they are none."""
    if hasattr(values, "tolist"):  # an array
        values = values.tolist()
    if not isinstance(values, (list, tuple, range)) or len(values) == 0:
        raise SettingsError(f"{field} must be a list of at least one value, got {values!r}")
    for value in values:
        if not isinstance(value, Hashable):
            raise SettingsError(f"{field} must be one value in each run, got {value!r}")
    return list(dict.fromkeys(values))


def label_values(chosen):
    """Settings in words: "3 layers", "GRU, 1 layer", and others by their name, "lr 0.01"."""
    words = []
    for field, value in chosen.items():
        if field == "layers":
            words.append("1 layer" if value == 1 else f"{value} layers")
        elif field == "cell":
            words.append(value)
        elif field == "hidden":
            words.append(f"{value} hidden units")
        elif isinstance(value, float):
            words.append(f"{field} {value:.3g}")
        else:
            words.append(f"{field} {value}")
    return ", ".join(words)


def end_at_the_readers_line(kind, error, trace):
    """A `sys.excepthook`: the traceback of a bad setting ends at the line where it stands."""
    shown = traceback.TracebackException(kind, error, trace)
    if issubclass(kind, SettingsError):
        while shown.stack[-1].filename in (__file__, dataclasses.__file__, "<string>"):
            shown.stack.pop()
    print("".join(shown.format()), end="", file=sys.stderr)


def expected_seconds(settings):
    """About how many seconds a training takes on one core of 2026: for the order and the bar."""
    evaluated = 0.4 * settings.test_size / settings.eval_every
    ms = 0.4 + 1.1e-3 * (settings.batch_size + evaluated) * settings.digitlen
    of_cell = {"RNN": 1, "GRU": 2.9, "LSTM": 2.3}.get(settings.cell, 3)
    return 1e-3 * expected_steps(settings) * settings.layers * of_cell * ms
