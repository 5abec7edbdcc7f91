"""How an adder is trained, as `Settings`; and checks of constants, which name a bad one."""

import dataclasses
import difflib
import math
import traceback
from dataclasses import dataclass

import torch

import data
import pt
from lab.console import ForeseenError
from lab.training import TRAINING, expected_steps

OPTIMIZERS = ("Adam", "AdamW", "SGD")
# Fields at these values are left out of the name of a cached run. A new field stands here, in
# `Settings`, in training.py (trainings are made anew) and in [base] of report/report.toml.
NOT_IN_CACHE_KEY = {
    "hidden": 64,
    "embedding": 32,
    "optimizer": "Adam",
    "momentum": 0.0,
    "pairs": "uniform",
    "stop_after_perfect": None,
    "device": "cpu",
}


class SettingsError(ForeseenError, ValueError):
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
        for name, value in fields.items():
            check_field(name, value)
        return super().__new__(cls)

    def __post_init__(self):
        for name, value in vars(self).items():
            if not isinstance(value, str) and hasattr(value, "__len__"):
                raise SettingsError(
                    f"{name} must be one value, got {value!r}: "
                    f"to compare several, compare(settings, SEEDS, {name}=[...])"
                )
        check_at_least("layers", self.layers, 1)
        check_at_least("hidden", self.hidden, 1)
        check_at_least("embedding", self.embedding, 1)
        check_at_least("seed", self.seed, 0)
        try:
            pt.check_training(self.steps, **{name: getattr(self, name) for name in TRAINING})
        except ValueError as error:
            raise SettingsError(str(error)) from None
        check_one_of("cell", self.cell, pt.CELLS)
        check_one_of("optimizer", self.optimizer, OPTIMIZERS)
        for name in ("lr", "momentum"):
            value = getattr(self, name)
            is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
            if not is_number or not math.isfinite(value):
                raise SettingsError(f"{name} must be a finite number, got {value!r}")
        if self.lr <= 0:
            raise SettingsError(f"lr must be above 0, got {self.lr!r}")
        if not 0 <= self.momentum < 1:
            raise SettingsError(f"momentum must be from 0 to below 1, got {self.momentum!r}")
        if self.momentum and self.optimizer != "SGD":
            got = f"momentum={self.momentum!r} with optimizer={self.optimizer!r}"
            raise SettingsError(f"momentum is SGD's alone, got {got}")
        try:
            torch.device(self.device)
        except (RuntimeError, TypeError):
            message = f"device must be one such as 'cpu' or 'cuda:1', got {self.device!r}"
            raise SettingsError(message) from None

    def cache_key(self):
        """The fields that name a cached run: all but those as in `NOT_IN_CACHE_KEY`."""
        return dict(vars(self).items() - NOT_IN_CACHE_KEY.items())


def check_field(name, value, others=()):
    """Raise SettingsError unless `name` is a field of `Settings`; `others` may be meant, too."""
    known = [field.name for field in dataclasses.fields(Settings)]
    if name not in known:
        close = hint(name, [*known, *others])
        raise SettingsError(f"Settings has no field {name!r} ({name}={value!r}){close}")


def hint(name, known):
    """A question, "did you mean ...?", where one of the `known` names is close to `name`."""
    close = difflib.get_close_matches(name, known, 1)
    return f", did you mean {close[0]!r}?" if close else ""


def check_one_of(name, value, known):
    """Raise SettingsError, naming the field, unless `value` is one of the texts `known`."""
    if not isinstance(value, str) or value not in known:
        raise SettingsError(f"{name} must be one of {', '.join(known)}, got {value!r}")


def check_numbers(name, numbers, least):
    """Raise SettingsError, naming the constant, unless it lists integers of at least `least`."""
    if not isinstance(numbers, (list, tuple, range)):
        raise SettingsError(f"{name} must be a list of integers, got {numbers!r}")
    for number in numbers:
        check_at_least(f"each of {name}", number, least)


def check_at_least(name, number, least):
    """Raise SettingsError, naming it, unless `number` is an integer of at least `least`."""
    try:
        data.check_at_least(name, number, least)
    except ValueError as error:
        raise SettingsError(str(error)) from None


def check_names(constant, names, known):
    """Raise SettingsError, naming the constant, unless it is a list of `known` names."""
    if not isinstance(names, (list, tuple)):
        raise SettingsError(f"{constant} must be a list of names, got {names!r}")
    for name in names:
        if name not in known:
            close = hint(str(name), known)
            raise SettingsError(f"{constant} may name {', '.join(known)}, got {name!r}{close}")


def end_at_the_readers_line(kind, error, trace):
    """A `sys.excepthook`: the traceback of a bad setting ends at the line where it stands."""
    shown = traceback.TracebackException(kind, error, trace)
    if issubclass(kind, SettingsError):
        # Code of this folder, or made by a dataclass, checks a constant and does not hold it.
        checks = (__file__.removesuffix("settings.py"), dataclasses.__file__, "<string>")
        while shown.stack[-1].filename.startswith(checks):
            shown.stack.pop()
    shown.print()


def expected_seconds(settings):
    """About how many seconds a training takes on one core of 2026: for the order and the bar."""
    evaluated = 0.4 * settings.test_size / settings.eval_every
    ms = 0.4 + 1.1e-3 * (settings.batch_size + evaluated) * settings.digitlen
    of_cell = {"RNN": 1, "GRU": 2.9, "LSTM": 2.3}.get(settings.cell, 3)
    return 1e-3 * expected_steps(settings) * settings.layers * of_cell * ms
