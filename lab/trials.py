"""How an adder is trained, as `Settings`, and the runs: one long call each, plain values out.

A run's function takes its arguments and `progress(share, line)`, which it calls now and then with
how much is done and a line to print, and returns a dict of plain values and tensors. The same
arguments give the same result again on the same kind of machine, but for its times.
"""

import dataclasses
import difflib
import io
import itertools
import math
import statistics
import sys
import time
import traceback
from collections.abc import Hashable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch

import data
import exact
import pt
from exact import check, second
from exact.provable import provable_cell
from recurrence import run_layers

# The settings that `pt.train` takes too.
TRAINING = (
    "digitlen",
    "batch_size",
    "test_size",
    "eval_every",
    "pairs",
    "stop_after_perfect",
)
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
        variants.append(Variant(describe(chosen), tuple(of_seeds)))
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


def describe(chosen):
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


def expected_steps(settings):
    """About how many steps a training takes before it may stop."""
    return settings.steps * (0.6 if settings.stop_after_perfect else 1)


def expected_seconds(settings):
    """About how many seconds a training takes on one core of 2026: for the order and the bar."""
    evaluated = 0.4 * settings.test_size / settings.eval_every
    ms = 0.4 + 1.1e-3 * (settings.batch_size + evaluated) * settings.digitlen
    of_cell = {"RNN": 1, "GRU": 2.9, "LSTM": 2.3}.get(settings.cell, 3)
    return 1e-3 * expected_steps(settings) * settings.layers * of_cell * ms


def expected_seconds_for_proof(cell, layers):
    """The same of a training for the proof."""
    return 0.7 * layers**2 if cell == "RNN" else 4.0 * layers**1.9


# --- What a finished run says of itself.


def describe_training(training):
    """What a trained adder reached, as "first 100% at step 290, 0.99 at the end; "."""
    if training["error"]:
        return f"ended early: {training['error']}; "
    accuracy = training["accuracy"]
    first = "never 100%"
    if 1.0 in accuracy:
        first = f"first 100% at step {training['steps'][accuracy.index(1.0)]}"
    return f"{first}, {accuracy[-1]:g} at the end; "


def describe_proof_training(training):
    """How long an adder was trained for the proof, as "trained in 3.1 s; "."""
    return f"trained in {training['seconds']:.1f} s; "


def describe_times(times):
    """The median of some times, as "12.3 ms a training step"."""
    return f"{statistics.median(times['ms']):.1f} ms a training step"


# --- Runs.


def train_adder(settings, progress):
    """Train one new adder as its `Settings` say.

    Returns {"loss": [one a step], "accuracy": [one an evaluation], "steps": [those of the
    evaluations], "error": None or what ended it early, "ms_per_step": evaluations included,
    "adder": as `plain_adder` has it}.
    """
    pt.seed_everything(settings.seed)
    began = time.perf_counter()
    model = pt.Adder(settings.cell, settings.layers, settings.hidden, settings.embedding)
    model.to(settings.device)
    if settings.optimizer == "SGD":
        optimizer = torch.optim.SGD(
            model.parameters(), lr=settings.lr, momentum=settings.momentum, fused=True
        )
    else:
        of_name = {"Adam": torch.optim.Adam, "AdamW": torch.optim.AdamW}[settings.optimizer]
        optimizer = of_name(model.parameters(), lr=settings.lr, fused=True)
    steps = expected_steps(settings)

    def log(line):
        progress(min(1.0, len(model.loss_history) / steps), line)

    error = None
    chosen = {name: getattr(settings, name) for name in TRAINING}
    try:
        pt.train(settings.steps, model, optimizer, settings.device, log=log, **chosen)
    except FloatingPointError as stopped:
        error = str(stopped)
    seconds = time.perf_counter() - began
    return {
        "loss": model.loss_history,
        "accuracy": model.accuracy,
        "steps": model.evaluated_at,
        "error": error,
        "ms_per_step": 1e3 * seconds / max(1, len(model.loss_history)),
        "adder": plain_adder(model),
    }


def train_for_proof(cell, layers, hidden, seed, device, progress):
    """Train an adder for the proof: {"adder": as a result holds it}. No accuracy is evaluated."""
    model, _ = exact.train_proven(layers, seed, cell, device, hidden)
    return {"adder": plain_adder(model)}


def decide_adder(adder, progress):
    """What `exact.decide` says of an adder: the fields of its `Decision`, in words as "decided".

    "wrong_in" says whether a counterexample is wrong in NumPy's float32 and float64, too; None
    where there is none, or no second runtime for the cell. An adder that cannot even be made of its
    weights is undecided.
    """
    model, failure = exact.attempt(pt.adder_of, **adder)
    if failure is None:
        decision = exact.decide(model)
    else:
        decision = exact.Decision("undecided", reason=exact.does_not_run(failure))
    wrong_in = None
    if decision.pair is not None:
        wrong_in, _ = exact.attempt(add_again, adder, model, decision.pair)
    return decision._asdict() | {"decided": str(decision), "wrong_in": wrong_in}


def add_again(adder, model, pair):
    """Whether the sum of `pair` is wrong in NumPy, too, {dtype: bool}.

    None, or an exception, for a cell that NumPy has not: one of a reader's own may have any name.
    """
    if provable_cell(model) != adder["cell"]:
        return None
    return {
        dtype: second.add_in_numpy(adder, *pair, dtype) != sum(pair)
        for dtype in ("float32", "float64")
    }


def check_proof(adder, progress):
    """Prove an adder again, and have the certificate of that checked by exact/check.py.

    Returns {"checked": whether it holds, "refused": None or why not, "slack": the least slack of
    its bounds, or None}. An adder that no proof here may speak of is refused, too.
    """
    model = pt.adder_of(**adder)
    try:
        proof = exact.prove(model)
    except exact.CannotProve as refusal:
        return {"checked": False, "refused": str(refusal), "slack": None}
    if not proof.proven:
        return {"checked": False, "refused": "it is not proven", "slack": None}
    certificate = io.BytesIO()  # no file: a machine may have no folder for temporary ones
    exact.save_certificate(model, proof, certificate)
    certificate.seek(0)
    try:
        checked = check.check(certificate)
    except check.Refused as reason:
        return {"checked": False, "refused": str(reason), "slack": None}
    return {"checked": True, "refused": None, "slack": checked.slack}


def get_adder(training):
    """The adder alone, out of the result of its training."""
    return training["adder"]


def plain_adder(model):
    """An adder as a result holds it: {"cell", "layers", "weights": its state_dict on the CPU}."""
    weights = {name: tensor.cpu() for name, tensor in model.state_dict().items()}
    return {"cell": model.cell, "layers": model.layers, "weights": weights}


def time_step(digitlen, device, progress):
    """Time a training step of the simple adder at `digitlen`, 100 pairs, on `device`.

    Returns {"ms": [four times]}, each the mean over as many steps as fill a quarter of a second, or
    of one step, after two for nothing.
    """
    pt.seed_everything(0)
    device = torch.device(device)
    model = pt.Adder().to(device)
    optimizer = torch.optim.Adam(model.parameters(), fused=True)
    batch = pt.to_tensors(data.draw_training_pairs(100, digitlen), device)

    def take_steps(count):
        began = time.perf_counter()
        for _ in range(count):
            pt.training_step(model, optimizer, *batch)
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        return time.perf_counter() - began

    take_steps(1)  # the first one takes longer
    count = max(1, round(0.25 / take_steps(1)))
    return {"ms": [1e3 * take_steps(count) / count for _ in range(4)]}


def stress(groups, chains, count, progress):
    """The accuracy of adders on `count` pairs for each longest carry chain.

    They have 1000 digits, or as many more as the longest chain asks for.

    `groups` is {name: [adder, ...]}, as `plain_adder` has them; `chains` are in ascending order.
    Returns {"chains", "pairs": count, "adders": [{"name", "accuracy": one list an adder, one value
    a chain}]}; where adders do not run, "left_out": in a line, of which group they are, and why.
    """
    data.random.seed(0)
    digitlen = max([1000, *chains])
    batches = [data.chain_batch(count, digitlen, chain) for chain in chains]
    digits_1, digits_2, sums = map(np.concatenate, zip(*batches, strict=True))
    measured = []
    left_out = []
    for name, adders in groups.items():
        accuracy = []
        for adder in adders:
            answers, failure = exact.attempt(add_digits, adder, digits_1, digits_2)
            if failure is not None:
                left_out.append(f"{name}: {exact.does_not_run(failure)}")
                continue
            correct = (answers == sums).all(1).reshape(len(chains), count)
            accuracy.append(correct.mean(1).tolist())
        if accuracy:
            measured.append({"name": name, "accuracy": accuracy})
    result = {"chains": list(chains), "pairs": count, "adders": measured}
    if left_out:
        result["left_out"] = "; ".join(dict.fromkeys(left_out))
    return result


def add_digits(adder, digits_1, digits_2):
    """`pt.add_digits` of an adder as a result holds it."""
    return pt.add_digits(pt.adder_of(**adder), digits_1, digits_2)


def describe_left_out(result):
    """The line that is printed where adders are left out of a result; None where none is."""
    return f"left out: {result['left_out']}" if "left_out" in result else None


def add_long_numbers(adder, counts, progress):
    """How many sums of each length an adder gets correct, and how fast.

    `counts` is {digits: how many long-carry pairs}; 999...9 + 1 is added at each. Returns
    {"trained_at": digits, "lengths": [{"length", "kind", "pairs", "correct",
    "digits_per_second"}]}.
    """
    data.random.seed(0)
    model = pt.adder_of(**adder)
    tests = []
    for length, count in sorted(counts.items()):
        nines = data.with_sums(np.full((1, length), 9), np.eye(1, length))
        batches = {"long-carry": data.long_carry_batch(count, length), "999...9 + 1": nines}
        for kind, (digits_1, digits_2, sums) in batches.items():
            began = time.perf_counter()
            answer = pt.add_digits(model, digits_1, digits_2)
            speed = answer.size / (time.perf_counter() - began)
            correct = int((answer == sums).all(1).sum())
            tests.append(
                {
                    "length": length,
                    "kind": kind,
                    "pairs": len(sums),
                    "correct": correct,
                    "digits_per_second": speed,
                }
            )
    return {"trained_at": exact.proof.DIGITLEN, "lengths": tests}


def portray(adder, progress):
    """What the picture of a proof shows of an adder: worst-case margins, real states in the bounds.

    The states are W_hh h + b_hh of the top layer, of the two units that part the carries best,
    after each digit of 40 long-carry pairs of 100. Returns {"margin": the least, "margins": (2,
    10, 10), "units": two numbers, "bounds": for each carry the low and the high ends, "states":
    for each carry (digits, 2)}.
    """
    model = pt.adder_of(**adder)
    proof = exact.prove(model)
    data.random.seed(0)
    pairs = [digits[:, :-1] for digits in data.long_carry_batch(40, 100)]
    num1, num2, sums = pt.to_tensors(pairs, "cpu")
    h, _ = run_layers(model.rnn, model.pairs(), 10 * num1.T + num2.T, None)
    _, weight_hh, _, bias_hh = model.rnn.all_weights[-1]
    recurrent = (h @ weight_hh.T + bias_hh).detach()
    before = (sums - num1 - num2) % 10  # the carry into each position
    after = (num1 + num2 + before >= 10).T
    low = proof.bounds[-1][:, 0]
    high = -proof.bounds[-1][:, 1]
    gap = torch.maximum(low[1] - high[0], low[0] - high[1]) / (high - low).sum(0)
    gap = gap.nan_to_num(nan=-math.inf)  # of a unit that holds one value for both carries
    units = gap.topk(2).indices
    return {
        "margin": proof.margin,
        "margins": proof.margins.tolist(),
        "units": units.tolist(),
        "bounds": [[low[carry, units].tolist(), high[carry, units].tolist()] for carry in (0, 1)],
        "states": [recurrent[after == carry][:, units].tolist() for carry in (0, 1)],
    }
