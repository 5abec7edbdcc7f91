"""Every experiment of the report "Assignment 2: an RNN that adds", run again over several seeds.

    python source.py

trains all that ROWS lists, in worker processes, and leaves in figures/ one picture an experiment, a
page that sets the report's claims against what was measured (README.md), and every number behind
them (results.json). Change a constant below and run it again: figures and page follow. `torchrun` shares
the runs among several processes or machines.
"""

import contextlib
import datetime
import hashlib
import inspect
import io
import itertools
import json
import math
import multiprocessing
import os
import platform
import random
import signal
import statistics
import sys
import threading
import time
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import NamedTuple

import matplotlib
import numpy as np
import torch
import torch.distributed as dist
from matplotlib import pyplot
from matplotlib.colors import SymLogNorm
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from tqdm import tqdm

import data
import proof
import pt
import recurrence
import trials
from data import (
    carry_rich_digits,
    chain_digits,
    check_at_least,
    named_pairs,
    sum_digits,
)
from pt import evaluate, myPTRNNModel, train  # noqa: F401  (names in the report's lines)

# ---------------------------------------------------------------------------------------------------
# The constants to edit.

# Each run is repeated with each of these seeds: of the weights, the pairs to train on and to test on.
SEEDS = [0, 1, 2]

# Where to train: "cpu", "cuda" or "cuda:1".
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"

# Worker processes that share the runs, one torch thread each.
WORKERS = os.cpu_count()

# A run of 100 digits or more stops once the accuracy was 1.0 at this many measurements in a row.
STOP_AFTER = 5

# What is trained, row by row of the report's experiments. The first lines are the settings of the simple
# adder, each row says what differs, and whatever stands in a list is compared, one curve each.
SETTINGS = {
    "digitlen": 10,  # digits of the numbers to add
    "cell": "RNN",  # "RNN" (tanh), "GRU" or "LSTM"
    "layers": 2,  # layers of that cell
    "lr": 1e-3,  # learning rate of Adam
    "steps": 1000,  # training steps, at most
    "batch_size": 100,  # pairs of numbers a step
    "test_size": 200,  # fresh pairs for each measurement of the accuracy, every 10 steps
    "pairs": "uniform",  # to train on: "uniform", as in the report, or "carry_rich"
    "stop_after": None,  # end a run after this many measurements of 1.0 in a row; None: never
    "seeds": SEEDS,  # one run for each
}
FINAL_MODEL = SETTINGS | {"digitlen": 100, "layers": 3, "lr": 0.01, "steps": 200, "stop_after": STOP_AFTER}
ROWS = {
    1: SETTINGS,
    2: SETTINGS | {"digitlen": 1000, "steps": 600, "batch_size": 10, "test_size": 50, "stop_after": STOP_AFTER},
    3: SETTINGS | {"digitlen": 5000, "steps": 2000, "batch_size": 1, "test_size": 10, "stop_after": STOP_AFTER},
    4: SETTINGS | {"layers": [1, 2, 3, 4], "steps": 500},
    5: SETTINGS | {"cell": "GRU", "layers": [1, 2, 3, 4], "steps": 500},
    6: SETTINGS | {"digitlen": 100, "cell": ["RNN", "GRU", "LSTM"], "layers": 3, "steps": 500, "batch_size": 25}
    | {"test_size": 100, "stop_after": STOP_AFTER},
    7: SETTINGS | {"layers": 3, "lr": np.logspace(-5, -1, 10).tolist(), "steps": 500},
    8: SETTINGS | {"layers": 3, "lr": np.logspace(-2.2, -1.8, 5).tolist(), "steps": 400},
    9: FINAL_MODEL,
}

# The exact part. Seeds of the adders to prove, for each number of layers; their training needs no more.
PROVEN_SEEDS = {1: list(range(100)), 2: list(range(10)), 3: list(range(10))}

# Adders whose accuracy is measured against the longest carry chain, beside the proven one.
STRESSED = {
    "the report's simple adder": SETTINGS,
    "the report's final model": FINAL_MODEL,
    "the simple adder, trained on carry-rich pairs": SETTINGS | {"pairs": "carry_rich", "steps": 700},
}

# The longest carry chain of the pairs to stress them with, all of 1000 digits, and how many pairs of each.
CHAINS = [0, 1, 2, 3, 5, 10, 20, 50, 100, 200, 500, 1000]
CHAIN_PAIRS = 20

# The digits of the pairs named on the page.
NAMED_DIGITS = 20

# The lengths at which a proven adder is tested, and how many pairs of each kind.
LENGTHS = {100: 100, 1000: 100, 10_000: 20, 100_000: 2, 1_000_000: 1}

# The lengths at which a training step of the simple adder is timed, on each device that is there.
COST_LENGTHS = [10, 100, 1000, 5000]

# Where the pictures, the page and the numbers go; the file whose table of results is kept up to date; and
# where finished runs are kept (outside git).
FIGURES = Path(__file__).parent / "figures"
README = Path(__file__).parent / "README.md"
KEPT = Path(__file__).parent / ".runs"

# ---------------------------------------------------------------------------------------------------
# What the report says, and how each of its claims is put to the runs of one seed.

STEADY = 5  # where a measurement takes few pairs, one of 1.0 may be luck
READING_ERROR = 1.05  # the report's values were read off its figures, to about 5%


def reached(record, level):
    """The step at which the accuracy was first measured at `level` or more; infinity if never."""
    pairs = zip(record["measured_at"], record["accuracy"])
    return next((step for step, accuracy in pairs if accuracy >= level), math.inf)


def steady(record):
    """The step from which the accuracy was 1.0 at STEADY measurements in a row; infinity if never."""
    for place in range(len(record["accuracy"]) - STEADY + 1):
        if record["accuracy"][place : place + STEADY] == [1.0] * STEADY:
            return record["measured_at"][place]
    return math.inf


def all_steady(arms, step=sys.maxsize):
    """Whether each arm was steady at 1.0, and by `step`."""
    return all(steady(record) <= step for record in arms.values())


def by(step):
    """The last step that still counts as the report's `step`, which it read off a figure."""
    return math.ceil(step * READING_ERROR / pt.EVALUATE_EVERY) * pt.EVALUATE_EVERY


def loss_at(arms, step):
    """The loss at `step` in the one record of a row that compares nothing; infinity if it broke off."""
    (record,) = arms.values()
    return record["loss"][step - 1] if len(record["loss"]) >= step else math.inf


def first(arms, key, level):
    """Whether the arm `key` reached `level` before each other arm did."""
    others = [reached(record, level) for other, record in arms.items() if other != key]
    return reached(arms[key], level) < min(others)


def last(arms, key, level):
    """Whether the arm `key` reached `level` after each other arm, or never and the others did."""
    others = [reached(record, level) for other, record in arms.items() if other != key]
    return reached(arms[key], level) > max(others)


def all_reach(arms, level, step=sys.maxsize):
    """Whether each arm reached `level`, and by `step`."""
    return all(reached(record, level) <= step for record in arms.values())


def fell_and_recovered(record):
    """Whether the accuracy was 1.0, then 0.1 or less, then 1.0 again."""
    accuracy = record["accuracy"]
    top = [i for i, value in enumerate(accuracy) if value == 1.0]
    return bool(top) and min(accuracy[top[0] : top[-1] + 1]) <= 0.1


def ends_right(record):
    """Whether the run reached 1.0 and was there at its last measurement."""
    return record["error"] is None and record["accuracy"][-1] == 1.0


# The report's rows: the title; what it says; its settings; the accuracy whose first step tells the curves
# apart; its values in the picture, {arm: [(step, accuracy)]}, arm None where they belong to no one arm, and
# [(step, loss)]; and each of its claims as a question to the records of one seed, {arm: record}.
SIMPLE_ADDER = {"digitlen": 10, "cell": "RNN", "layers": 2, "lr": 1e-3, "steps": 1000, "batch_size": 100}
REPORT = {
    1: {
        "title": "The simple adder",
        "says": "loss 0.308, 0.056, 0.020, 0.0061 at step 200, 300, 400, 600 and towards 0 beyond 500; "
        "accuracy 0.88, 0.99, 0.995 at step 200, 250, 300 and 1.0 from 350",
        "settings": SIMPLE_ADDER,
        "level": 1.0,
        "accuracy": {None: [(200, 0.88), (250, 0.99), (300, 0.995), (350, 1.0)]},
        "loss": [(200, 0.308), (250, 0.118), (300, 0.056), (400, 0.020), (500, 0.010), (600, 0.0061)],
        "claims": {
            "the adder reaches 100%": lambda arms: all_reach(arms, 1.0),
            "100% by step 350": lambda arms: all_reach(arms, 1.0, by(350)),
            "the loss is within a factor of 2 of the report's": lambda arms: all(
                0.5 <= loss_at(arms, step) / loss <= 2 for step, loss in REPORT[1]["loss"]
            ),
            "from step 500 to 1000 the loss at least halves again": lambda arms: (
                loss_at(arms, 1000) <= loss_at(arms, 500) / 2
            ),
        },
    },
    2: {
        "title": "Long numbers: 1000 digits",
        "says": "accuracy 0 until step 110, 0.6 at 200, 0.95 at 370, 1.0 from 450",
        "settings": SIMPLE_ADDER | {"digitlen": 1000, "steps": 600},
        "level": 1.0,
        "accuracy": {None: [(110, 0.0), (200, 0.6), (370, 0.95), (450, 1.0)]},
        "claims": {
            "the adder reaches a steady 100% at 1000 digits": all_steady,
            "a steady 100% by step 450": lambda arms: all_steady(arms, by(450)),
        },
    },
    3: {
        "title": "The longest numbers: 5000 digits",
        "says": "accuracy 0 until step 130, 0.5 at 550, 0.9 at 850, 1.0 from 1000",
        "settings": SIMPLE_ADDER | {"digitlen": 5000, "steps": 2000},
        "level": 1.0,
        "accuracy": {None: [(130, 0.0), (550, 0.5), (850, 0.9), (1000, 1.0)]},
        "claims": {
            "the adder reaches a steady 100% at 5000 digits": all_steady,
            "a steady 100% by step 1000": lambda arms: all_steady(arms, by(1000)),
        },
    },
    4: {
        "title": "RNN with 1 to 4 layers",
        "says": "all reach 1.0; three layers fastest (0.9 at step 190), then 2 and 4 (about 230), "
        "one layer last (about 290)",
        "settings": SIMPLE_ADDER | {"layers": [1, 2, 3, 4], "steps": 500},
        "level": 0.9,
        "accuracy": {1: [(290, 0.9)], 2: [(230, 0.9)], 3: [(190, 0.9)], 4: [(230, 0.9)]},
        "claims": {
            "all four reach 100%": lambda arms: all_reach(arms, 1.0),
            "three layers reach 0.9 first": lambda arms: first(arms, 3, 0.9),
            "one layer reaches 0.9 last": lambda arms: last(arms, 1, 0.9),
        },
    },
    5: {
        "title": "GRU with 1 to 4 layers",
        "says": "three layers best (0.98 at step 220), then 2, 1 and 4 (last: about 290)",
        "settings": SIMPLE_ADDER | {"cell": "GRU", "layers": [1, 2, 3, 4], "steps": 500},
        "level": 0.98,
        "accuracy": {3: [(220, 0.98)], 4: [(290, 0.98)]},
        "claims": {
            "all four reach 100%": lambda arms: all_reach(arms, 1.0),
            "three layers reach 0.98 first": lambda arms: first(arms, 3, 0.98),
            "four layers reach 0.98 last": lambda arms: last(arms, 4, 0.98),
        },
    },
    6: {
        "title": "RNN, GRU and LSTM at 100 digits",
        "says": "all reach 1.0 within 500 steps; RNN first (step 170), GRU 190, LSTM 240",
        "settings": SIMPLE_ADDER | {"digitlen": 100, "cell": ["RNN", "GRU", "LSTM"], "layers": 3, "steps": 500},
        "level": 1.0,
        "accuracy": {"RNN": [(170, 1.0)], "GRU": [(190, 1.0)], "LSTM": [(240, 1.0)]},
        "claims": {
            "all three reach 100% within 500 steps": lambda arms: all_reach(arms, 1.0, 500),
            "the RNN is first": lambda arms: first(arms, "RNN", 1.0),
            "the LSTM is last": lambda arms: last(arms, "LSTM", 1.0),
        },
    },
    7: {
        "title": "The learning rate, coarse",
        "says": "it matters greatly; best near 0.01, where it converges before step 100; "
        "too low never converges, too high is unstable",
        "settings": SIMPLE_ADDER | {"layers": 3, "lr": np.logspace(-5, -1, 10).tolist(), "steps": 500},
        "level": 1.0,
        "accuracy": {None: [(100, 1.0)]},
        "claims": {
            "the fastest rate is within half a decade of 0.01": lambda arms: (
                10**-2.5 <= min(arms, key=lambda lr: reached(arms[lr], 1.0)) <= 10**-1.5
            ),
            "the fastest rate reaches 100% by step 100": lambda arms: (
                min(reached(record, 1.0) for record in arms.values()) <= by(100)
            ),
            "the lowest rate (1e-5) never reaches 100%": lambda arms: not all_reach({0: arms[min(arms)]}, 1.0),
            "the highest rate (0.1) does not end at 100%": lambda arms: not ends_right(arms[max(arms)]),
        },
    },
    8: {
        "title": "The learning rate, fine",
        "says": "all alike (0.9 by step 60); one fell from 1.0 to 0 at step 200 and recovered",
        "settings": SIMPLE_ADDER | {"layers": 3, "lr": np.logspace(-2.2, -1.8, 5).tolist(), "steps": 400},
        "level": 0.9,
        "accuracy": {None: [(60, 0.9), (200, 0.0)]},
        "claims": {
            "all five reach 0.9 by step 60": lambda arms: all_reach(arms, 0.9, by(60)),
            "one of the five falls from 1.0 to 0.1 or less and recovers": lambda arms: (
                any(map(fell_and_recovered, arms.values()))
            ),
        },
    },
    9: {
        "title": "The final model",
        "says": "three layers and learning rate 0.01 reach 1.0 at 100 digits within 100 steps (at step 40)",
        "settings": SIMPLE_ADDER | {"digitlen": 100, "layers": 3, "lr": 0.01, "steps": 100},
        "level": 1.0,
        "accuracy": {None: [(40, 1.0)]},
        "claims": {
            "100% within 100 steps": lambda arms: all_reach(arms, 1.0, 100),
            "100% by step 40": lambda arms: all_reach(arms, 1.0, by(40)),
        },
    },
}
CONFIDENCE = 0.9


def majority(yes, seeds):
    """The probability that a claim is true of most seeds, after it was true of `yes` out of `seeds`.

    The posterior probability of a share above one half, from a uniform prior: that of at most `yes`
    heads in `seeds` + 1 throws of a fair coin.
    """
    return sum(math.comb(seeds + 1, heads) for heads in range(yes + 1)) / 2 ** (seeds + 1)


def verdict(answers):
    """What a list of one yes or no a seed says of a claim; the page states this rule."""
    probability = majority(sum(answers), len(answers))
    if probability >= CONFIDENCE:
        return "holds"
    return "does not hold" if probability <= 1 - CONFIDENCE else "cannot be told from this many seeds"


# ---------------------------------------------------------------------------------------------------
# Runs: which there are, where finished ones are kept, and how the others are shared by the workers.


def compared(settings):
    """The fields of a row that are lists: what it compares. Raises ValueError for an empty one."""
    fields = [field for field, value in settings.items() if isinstance(value, list) and field != "seeds"]
    for field in (*fields, "seeds"):
        if not settings[field]:
            raise ValueError(f"{field} must hold at least one value, got {settings[field]!r}")
    return fields


def arms(settings):
    """{arm: settings} of a row: an arm is the value of what is compared, a tuple if several fields are.

    A row without a list has the one arm None.
    """
    fields = compared(settings)
    found = {}
    for values in itertools.product(*(settings[field] for field in fields)):
        arm = values[0] if len(values) == 1 else values or None
        found[arm] = settings | dict(zip(fields, values))
    return found


class Run(NamedTuple):
    """One run: what it belongs to, its settings, its name in printed lines, and whether to print its steps."""

    row: int | str
    arm: object
    settings: dict
    title: str
    spoken: bool = False


def plan(rows):
    """The runs of `rows`. Raises ValueError at a bad constant."""
    check_at_least("WORKERS", WORKERS, 1)
    runs = []
    for row in rows:
        if row not in REPORT:
            raise ValueError(f"ROWS has a row {row!r}, but the report's are {', '.join(map(str, REPORT))}")
        for arm, settings in checked(f"ROWS[{row}]", ROWS[row]):
            parts = [f"row {row}", label(row, arm), f"seed {settings['seed']}"]
            runs.append(Run(row, arm, settings, ", ".join(filter(None, parts)), row in MAIN_ROWS))
    return runs


def checked(name, row):
    """(arm, settings of one run) of each run of a row, checked; `name` is what an error names."""
    runs = []
    try:
        for arm, settings in arms(row).items():
            for seed in dict.fromkeys(settings.pop("seeds")):
                runs.append((arm, settings | {"seed": seed, "device": DEVICE}))
                trials.check_settings(runs[-1][1])
    except (ValueError, TypeError) as error:
        raise ValueError(f"{name}: {error}") from None
    except KeyError as missing:
        raise ValueError(f"{name} has no {missing}") from None
    return runs


def cost(settings):
    """About how long a run takes, in arbitrary units: for the order of the runs and the bar."""
    if "kind" in settings:
        share = settings["layers"] ** 2 if settings["kind"] == "prove" else settings.get("digitlen", 1)
        return {"prove": 1e6, "check": 4e7, "cost": 4e3}[settings["kind"]] * share
    cell = {"RNN": 1, "GRU": 2.5, "LSTM": 2.5}[settings["cell"]]
    pairs = settings["batch_size"] + settings["test_size"] / 20
    expected = settings["steps"] * (0.5 if settings["stop_after"] else 1)
    return cell * settings["layers"] * (settings["digitlen"] + 1) * pairs * expected


def versions():
    """The versions of what decides the numbers of a run."""
    return {"python": platform.python_version(), "torch": torch.__version__, "numpy": np.__version__}


def device_kind(device):
    """What decides the numbers of a run on `device`: the GPU's name, or the CPU's instruction set."""
    if torch.device(device).type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"CPU {platform.machine()} {torch.backends.cpu.get_cpu_capability()}"


# The code that makes a run, as it was when this process loaded it.
CODE = {module: Path(module.__file__).read_text(encoding="utf-8") for module in (data, recurrence, pt, proof, trials)}


def kept_path(settings):
    """Where a run is kept: the name stands for its settings, device, versions and code."""
    code = [CODE[data], CODE[recurrence], CODE[pt], CODE[trials]]
    if "kind" in settings:
        code += [CODE[proof], *map(inspect.getsource, KINDS[settings["kind"]])]
    text = json.dumps([settings, device_kind(settings["device"]), versions(), code], sort_keys=True)
    return KEPT / hashlib.sha256(text.encode()).hexdigest()


def keep(path, run):
    """Write `run` whole or not at all: aside first, its own checksum before it, then renamed."""
    payload = io.BytesIO()
    torch.save(run, payload)
    content = payload.getvalue()
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_suffix(f".{os.getpid()}")
    try:
        with open(aside, "wb") as file:
            file.write(hashlib.sha256(content).digest() + content)
            file.flush()
            os.fsync(file.fileno())  # a power cut must not leave the new name on an empty file
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)


def kept(path):
    """The run kept at `path`; None if there is none, or it is damaged, which is said."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    if hashlib.sha256(content[32:]).digest() != content[:32]:
        print(f"A kept run is damaged and is trained again: {path.name}")
        return None
    return torch.load(io.BytesIO(content[32:]), weights_only=True)


def start_worker(queue):
    """Prepare a worker process: one thread, and never outlive its parent."""
    global messages
    messages = queue
    torch.set_num_threads(1)
    parent = multiprocessing.parent_process()

    def follow():
        parent.join()
        os._exit(1)

    threading.Thread(target=follow, daemon=True).start()


def work(settings, path):
    """Train one run in a worker and keep it. Returns the run and why it could not be kept, or ""."""
    if "kind" in settings:
        run = KINDS[settings["kind"]][0](settings)
    else:
        run = trials.train_run(settings, log=lambda *measurement: messages.put((path, *measurement)))
    try:
        keep(path, run)
    except OSError as error:
        return run, f" (not kept: {error})"
    return run, ""


finished = {}  # the runs (record, weights) that this process has trained or taken over, by path


def conduct(runs):
    """Have all of `runs` finished: taken over if they are kept, else trained now. Returns how many were.

    A run whose loss is not finite ends with its record's error set, and the others go on.
    """
    todo = {path: run for run in runs if (path := kept_path(run.settings)) not in finished}
    taken_over = {path: run for path in todo if (run := kept(path))}
    if taken_over:
        print(f"Taken over: {len(taken_over)} finished runs. To train all afresh, delete {KEPT.name}/.")
    finished.update(taken_over)
    todo = {path: run for path, run in todo.items() if path not in finished}
    if todo:
        finished.update(train_all(todo))
    return len(taken_over)


def records_of(runs):
    """{row: {arm: [record of each run]}} of finished `runs`, in their order."""
    records = {}
    for run in runs:
        record, _ = finished[kept_path(run.settings)]
        records.setdefault(run.row, {}).setdefault(run.arm, []).append(record)
    return records


def conduct_over_ranks(runs):
    """As `conduct`, the runs shared by the ranks that `torchrun` started; then rank 0 has them all.

    A run that is kept in any rank's folder is taken over. Raises ValueError where the ranks differ in
    constants, code, versions or device, and SystemExit where a rank is gone.
    """
    by_name = {path.name: run for run in runs for path in [kept_path(run.settings)]}
    try:
        if any(names != list(by_name) for names in all_ranks(list(by_name))):
            raise ValueError("the ranks differ in constants, code, versions or device: give them the same")
        here = [name for name in by_name if (KEPT / name).exists()]
        anywhere = set(itertools.chain(*all_ranks(here)))
        missing = sorted(by_name.keys() - anywhere, key=lambda name: (-cost(by_name[name].settings), name))
        share = missing[dist.get_rank() :: dist.get_world_size()]
        conduct([by_name[name] for name in here + share])
        for results in all_ranks({path.name: run for path, run in finished.items()}, to_rank_0=True):
            finished.update({KEPT / name: run for name, run in results.items()})
        dist.barrier()  # a rank that left while others still talk would take them along
        dist.destroy_process_group()
    except RuntimeError as error:
        reason = str(error).splitlines()[0]
        raise SystemExit(f"A rank is gone ({reason}). Finished runs are kept: start it again to go on.") from None
    return len(anywhere)


def all_ranks(value, to_rank_0=False):
    """The list of every rank's `value`; with `to_rank_0`, an empty list on the other ranks."""
    values = [None] * dist.get_world_size()
    if not to_rank_0:
        dist.all_gather_object(values, value)
        return values
    dist.gather_object(value, values if dist.get_rank() == 0 else None)
    return values if dist.get_rank() == 0 else []


def join_ranks():
    """Join the ranks that `torchrun` started, if it did; returns this process's rank."""
    if os.environ.get("WORLD_SIZE", "1") == "1":
        return 0
    ended = "Ended from outside: a rank is gone, or the job was stopped. Finished runs are kept."
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(ended))
    dist.init_process_group("gloo", timeout=datetime.timedelta(days=7))  # as long as the longest rank may take
    local_rank, gpus = int(os.environ["LOCAL_RANK"]), torch.cuda.device_count()
    if gpus > 1:  # each rank's workers on one GPU, in turns
        visible = os.environ.get("CUDA_VISIBLE_DEVICES", ",".join(map(str, range(gpus)))).split(",")
        os.environ["CUDA_VISIBLE_DEVICES"] = visible[local_rank % gpus]
    return dist.get_rank()


def train_all(todo):
    """Train the runs {path to keep it at: Run}, the longest first, over WORKERS processes.

    Yields (path, run) as they end.
    """
    costs = {path: cost(run.settings) for path, run in todo.items()}
    shares = dict.fromkeys(todo, 0.0)  # the part of each run that is done
    form = "{percentage:3.0f}% |{bar}| {elapsed} gone, {remaining} left"
    silent = dist.is_initialized() and dist.get_rank() > 0
    bar = tqdm(total=sum(costs.values()), bar_format=form, mininterval=1, dynamic_ncols=True, disable=silent)

    def advance(path, share):
        bar.update(costs[path] * (share - shares[path]))
        shares[path] = share

    def show(path, step, loss, accuracy):
        advance(path, step / todo[path].settings["steps"])
        if todo[path].spoken and step % pt.PRINT_EVERY == 0:
            bar.write(f"{todo[path].title}: {pt.line(step, loss, accuracy)}")

    # By default glibc gives large blocks back to the system and asks for them anew at each step: that took up to a
    # fifth of it at 1000 and 5000 digits. Workers read this as they start.
    os.environ.setdefault("MALLOC_TRIM_THRESHOLD_", str(2**30))
    os.environ.setdefault("MALLOC_MMAP_THRESHOLD_", str(2**25))
    context = multiprocessing.get_context("spawn")  # a forked process cannot use CUDA
    queue = context.Queue()
    count = min(max(1, WORKERS // int(os.environ.get("LOCAL_WORLD_SIZE", "1"))), len(todo))
    workers = ProcessPoolExecutor(count, context, initializer=start_worker, initargs=(queue,))
    try:
        longest_first = sorted(todo, key=costs.get, reverse=True)
        with ctrl_c_held():  # workers start here, and leave Ctrl-C to this process, which ends them
            waiting = {workers.submit(work, todo[path].settings, path): path for path in longest_first}
        while waiting:
            ended, _ = wait(waiting, timeout=1, return_when=FIRST_COMPLETED)
            while not queue.empty():
                show(*queue.get())
            bar.refresh()
            for future in ended:
                path = waiting.pop(future)
                run, unkept = future.result()
                advance(path, 1.0)
                bar.write(f"{todo[path].title}: {summary(run[0])}{unkept}")
                yield path, run
    except BaseException:
        for process in multiprocessing.active_children():
            process.kill()
        raise
    finally:
        bar.close()
        workers.shutdown(cancel_futures=True)


@contextlib.contextmanager
def ctrl_c_held():
    """Hold Ctrl-C back for a moment; processes started meanwhile never get it (where signals can be held)."""
    hold = getattr(signal, "pthread_sigmask", lambda *_: None)
    block, unblock = getattr(signal, "SIG_BLOCK", None), getattr(signal, "SIG_UNBLOCK", None)
    hold(block, [signal.SIGINT])
    try:
        yield
    finally:
        hold(unblock, [signal.SIGINT])


def summary(record):
    """A run in one line."""
    if "said" in record:
        return record["said"]
    if record["error"]:
        return f"ended early: {record['error']}"
    right = f"100% from step {record['first_100']}" if record["first_100"] else "never 100%"
    return (
        f"{right}, loss {record['loss'][-1]:.3g} and accuracy {record['accuracy'][-1]:g} at step "
        f"{len(record['loss'])}, {record['total_seconds']:.1f} s ({record['ms_per_step']:.1f} ms a step)"
    )


def label(row, arm):
    """An arm's name in legends and tables: "3 layers", "GRU", "lr 0.01"; "" for the arm None."""
    fields = compared(ROWS[row])
    return ", ".join(map(describe, fields, arm if len(fields) > 1 else [arm]))


def describe(field, value):
    """A setting in words."""
    if isinstance(value, float):
        value = f"{value:.3g}"
    return {
        "digitlen": f"{value} digits",
        "cell": value,
        "layers": f"{value} layers" if value != 1 else "1 layer",
        "lr": f"lr {value}",
        "steps": f"{value} steps",
        "batch_size": f"{value} pairs a step",
        "test_size": f"{value} test pairs",
        "pairs": f"{value} pairs",
        "stop_after": f"stops after {value} measurements of 1.0 in a row" if value else "runs all its steps",
        "seeds": f"seeds {', '.join(map(str, value))}" if field == "seeds" else "",
    }[field]


# ---------------------------------------------------------------------------------------------------
# The exact part: from "100% on random numbers" to a proof.

CHECKED = 10_000_000  # carry-heavy digits that a proven adder adds, without noise and with it


# The runs that are no plain training: the function of each kind, and those of this file that it calls. Their
# code is part of what a kept run is for.
KINDS = {
    "prove": [trials.prove_run, trials.timed],
    "check": [trials.check_run, trials.length_test, trials.answers, trials.peak_memory, trials.timed],
    "cost": [trials.cost_run, trials.timed],
}


def cost_plan():
    """The runs that time a training step: on the CPU, and on CUDA beside it, then with every seed."""
    devices = list(dict.fromkeys(["cpu", DEVICE]))
    seeds = SEEDS if len(devices) > 1 else SEEDS[:1]
    runs = []
    for digitlen, device, seed in itertools.product(COST_LENGTHS, devices, dict.fromkeys(seeds)):
        check_at_least("COST_LENGTHS", digitlen, 1)
        settings = {"kind": "cost", "digitlen": digitlen, "device": device, "seed": seed}
        runs.append(Run("cost", (digitlen, device), settings, f"a step at {digitlen} digits, {device}"))
    return runs


def exact_plan():
    """The runs of the exact part, and those whose adders it stresses."""
    runs = []
    for name, row in STRESSED.items():
        for _, settings in checked(f"STRESSED[{name!r}]", row):
            runs.append(Run("stress", name, settings, f"{name}, seed {settings['seed']}"))
    timed_seeds = 20
    for layers, seeds in PROVEN_SEEDS.items():
        check_at_least("PROVEN_SEEDS layers", layers, 1)
        for place, seed in enumerate(dict.fromkeys(seeds)):
            check_at_least("PROVEN_SEEDS seed", seed, 0)
            settings = {"kind": "prove", "layers": layers, "seed": seed, "device": DEVICE,
                        "time_import": layers == 1 and place < timed_seeds}  # fmt: skip
            runs.append(Run("proof", layers, settings, f"proof, {describe('layers', layers)}, seed {seed}"))
    first = next((run.settings for run in runs if run.row == "proof"), None)
    if first:
        settings = {"kind": "check", "layers": first["layers"], "seed": first["seed"], "device": DEVICE,
                    "lengths": sorted(LENGTHS.items()), "digits": CHECKED}  # fmt: skip
        runs.append(Run("check", None, settings, "the proven adder, checked"))
    return runs


def adder(settings):
    """The trained adder of a finished run."""
    _, weights = finished[kept_path(settings)]
    model = pt.Adder(settings.get("cell", "RNN"), settings["layers"])
    model.load_state_dict(weights)
    return model


def stress_test(model):
    """({chain: accuracy} over CHAIN_PAIRS pairs of 1000 digits or more, {named pair: its answer})."""
    random.seed(0)  # the same pairs for every model
    by_chain = [chain_digits(CHAIN_PAIRS, max([1000, *CHAINS]), chain) for chain in CHAINS]
    pairs = [np.concatenate(digits) for digits in zip(*by_chain)]
    right = (trials.answers(model, *pairs) == sum_digits(*pairs)).all(1).reshape(len(CHAINS), CHAIN_PAIRS)
    accuracy = dict(zip(CHAINS, right.mean(1).tolist()))
    return accuracy, {name: pt.add(model, *pair) for name, pair in named_pairs(NAMED_DIGITS).items()}


def exact_main():
    """Part 3: accuracy against carry chains, numbers of a million digits, and the proof. Returns its numbers.

    None where PROVEN_SEEDS and STRESSED are both empty.
    """
    runs = exact_plan()
    if not runs:
        return None
    conduct(runs)
    records = records_of(runs)
    checks = records.get("check", {}).get(None, [None])
    exact = {"stress": {}, "proof": records.get("proof", {}), "check": checks[0]}
    tried = [run for run in runs if run.row == "proof"]
    stressed = [run for run in runs if run.row == "stress"]
    stressed += [run._replace(arm="a proven adder") for run in tried[: len(SEEDS)]]
    for run in stressed:
        exact["stress"].setdefault(run.arm, []).append(stress_test(adder(run.settings)))

    FIGURES.mkdir(exist_ok=True)
    draw_stress(exact)
    if exact["check"]:
        draw_lengths(exact)
    proven = next((run for run in tried if finished[kept_path(run.settings)][0]["proven"]), None)
    if proven:
        model = adder(proven.settings)
        torch.save(model.state_dict(), FIGURES / "proven_adder.pt")
        draw_proof({"the proven adder": model} | {run.arm: adder(run.settings) for run in stressed[:1]})
    return exact


# ---------------------------------------------------------------------------------------------------
# Pictures.

COLOURS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000"]  # Okabe, Ito 2008


def colours(count):
    """`count` colours that a colour-blind reader can tell apart; a scale where they are many."""
    if count <= len(COLOURS):
        return COLOURS[:count]
    return matplotlib.colormaps["viridis"](np.linspace(0, 0.95, count))


def on_one_grid(records, steps, what):
    """(low, median, high) over `records` of the curve `what`, at each of `steps`.

    A run that stopped early at 1.0 keeps its last value; one that broke off has none from there on.
    """
    curves = np.full((len(records), len(steps)), np.nan)
    for curve, record in zip(curves, records):
        values = np.array(record[what])
        at = record["measured_at"] if what == "accuracy" else np.arange(1, len(values) + 1)
        index = np.searchsorted(at, steps, side="right") - 1
        there = (index >= 0) & (steps <= len(record["loss"]) if record.get("error") else True)
        curve[there] = values[index[there]]
    curves = np.ma.masked_invalid(curves)
    return [np.ma.filled(f(curves, axis=0), np.nan) for f in (np.ma.min, np.ma.median, np.ma.max)]


def draw_curves(figure, groups, report_accuracy=(), report_loss=()):
    """Draw loss and accuracy against step into `figure`.

    `groups` is {label: records, one a seed}: a line for the median over seeds, a band for their range.
    The report's values are lists of (label or None, step, value), drawn as diamonds.
    """
    panels = figure.subplots(1, 2)
    groups = {name: records for name, records in groups.items() if any(r["measured_at"] for r in records)}
    colour_of = dict(zip(groups, colours(len(groups))))
    last_step = max([step for _, step, _ in report_accuracy], default=1)
    for axes, what, values in zip(panels, ("loss", "accuracy"), (report_loss, report_accuracy)):
        for name, records in groups.items():
            steps = np.array(max((r["measured_at"] for r in records), key=len))
            last_step = max(last_step, steps[-1])
            low, median, high = on_one_grid(records, steps, what)
            axes.fill_between(steps, low, high, color=colour_of[name], alpha=0.2, linewidth=0)
            axes.plot(steps, median, color=colour_of[name], linewidth=1.8, label=name)
        for name, step, value in values:
            face = colour_of.get(name, "white")
            axes.plot(step, value, "D", color=face, markeredgecolor="black", zorder=3, clip_on=False)
        axes.set_xlabel("training step")
        finish(axes)
    for axes in panels:
        axes.set_xlim(0, last_step)
    loss, accuracy = panels
    loss.set_yscale("log")
    loss.set_ylabel("loss (cross-entropy)")
    accuracy.set_ylim(-0.02, 1.02)
    accuracy.set_ylabel("accuracy (whole sums right)")
    if report_accuracy:
        accuracy.plot([], [], "D", color="white", markeredgecolor="black", label="the report")
    if len(groups) > 1 or report_accuracy:
        figure.legend(*accuracy.get_legend_handles_labels(), loc="outside right center", frameon=False)


def loss_draw(model, path=None):
    """Draw the loss and the accuracy of a trained model: saved to `path`, or shown where it is None.

    Raises ValueError for a model that was not trained by `train`.
    """
    if not getattr(model, "curves", None):
        raise ValueError("model has no curves to draw: train it first")
    figure = pyplot.figure(figsize=(10, 4), dpi=150 if path else None, layout="constrained")
    draw_curves(figure, {"this model": [model.curves]})
    if path is None:
        pyplot.show()
    else:
        figure.savefig(path)
    pyplot.close(figure)


def draw_row(row, results):
    """Draw the picture of a row into figures/; `results` is {arm: records}."""
    report = REPORT[row]
    names = {arm: label(row, arm) or "measured" for arm in results}
    values = [(names[arm] if arm else None, *value)
              for arm in report["accuracy"] if arm is None or arm in names
              for value in report["accuracy"][arm]]
    figure = Figure(figsize=(10, 4), dpi=150, layout="constrained")
    figure.suptitle(seen(row, results), fontsize=12)
    groups = {names[arm]: records for arm, records in results.items()}
    draw_curves(figure, groups, values, [(None, *value) for value in report.get("loss", ())])
    figure.savefig(FIGURES / picture(row))


def draw_stress(exact):
    """Draw accuracy against the longest carry chain: the median over seeds, their range as a band."""
    figure = Figure(figsize=(10, 4.5), dpi=150, layout="constrained")
    axes = figure.subplots()
    last, ends, styles = max(CHAINS), [], itertools.cycle(["o-", "s-", "D-", "^--"])
    for (name, tests), colour in zip(exact["stress"].items(), colours(len(exact["stress"]))):
        curves = np.array([[accuracy[chain] for chain in CHAINS] for accuracy, _ in tests])
        median = np.median(curves, 0)
        axes.fill_between(CHAINS, curves.min(0), curves.max(0), color=colour, alpha=0.2, linewidth=0)
        axes.plot(CHAINS, median, next(styles), color=colour, clip_on=False, label=f"{name} ({len(tests)} seeds)")
        ends.append(f"{median[CHAINS.index(last)]:.0%}")
    figure.suptitle(f"Right sums at a carry chain of {last} positions, in the legend's order: {', '.join(ends)}")
    axes.set_xscale("symlog", linthresh=1)
    axes.set_xlim(0, last)
    axes.set_xticks(CHAINS, CHAINS)
    axes.set_xlabel("longest carry chain in the pair (positions that a carry goes into)")
    axes.set_ylabel("accuracy (whole sums right)")
    finish(axes)
    axes.legend(frameon=False)
    figure.savefig(FIGURES / "exact1_stress.png")


# The longest numbers of published neural adders, in decimal digits: McLeish et al. 2024, Cho et al. 2024,
# Price et al. 2016 (who show it failing on long carries), Patriota 2024.
PEERS = {
    "Abacus, 2024": 100,
    "position coupling, 2024": 200,
    "Neural GPU, 2016 (2000 bits)": 602,
    "Patriota, 2024": 1000,
}


def draw_lengths(exact):
    """Draw the proven adder's accuracy and speed against the length of the numbers."""
    found = exact["check"]["lengths"]
    right, pairs = sum(row["right"] for row in found), sum(row["pairs"] for row in found)
    longest = max(row["length"] for row in found)
    figure = Figure(figsize=(10, 4), dpi=150, layout="constrained")
    figure.suptitle(f"Trained at {proof.DIGITLEN} digits, tested to {longest:,}: {right} of {pairs} sums right")
    accuracy, speed = figure.subplots(1, 2)
    kinds = dict.fromkeys(row["kind"] for row in found)
    for kind, colour, marker in zip(kinds, COLOURS, "osD"):
        rows = [row for row in found if row["kind"] == kind]
        lengths = [row["length"] for row in rows]
        accuracy.plot(lengths, [row["right"] / row["pairs"] for row in rows], marker + "-", color=colour, label=kind)
        speed.plot(lengths, [row["digits_per_second"] for row in rows], marker + "-", color=colour, label=kind)
    for name, reach in PEERS.items():
        accuracy.axvline(reach, color="grey", linestyle=":")
        accuracy.text(reach, 0.03, name, rotation=90, ha="right", va="bottom", fontsize=8, color="dimgrey")
    accuracy.set_ylim(-0.02, 1.05)
    accuracy.set_ylabel("accuracy (whole sums right)")
    speed.set_ylabel("digits of the sum per second")
    speed.set_yscale("log")
    for axes in (accuracy, speed):
        axes.set_xscale("log")
        axes.set_xlabel("digits of each number (dotted: the peers' reach)" if axes is accuracy else "digits of each number")
        finish(axes)
    speed.legend(frameon=False)
    figure.savefig(FIGURES / "exact2_length.png")


def draw_proof(models):
    """Draw the worst-case margins of all triples of each of `models`, and real states in their boxes."""
    figure = Figure(figsize=(10, 4.4 * len(models)), dpi=150, layout="constrained")
    grid = figure.subplots(len(models), 3, width_ratios=(1, 1, 1.6), squeeze=False)
    said = []
    for (name, model), (without, carried, plane) in zip(models.items(), grid):
        found = proof.prove(model)
        said.append(f"{found.margin:+.1f} for {name}")
        for axes, margins, what in ((without, found.margins[0], "no carry"), (carried, found.margins[1], "carry")):
            scale = SymLogNorm(1, vmin=-100, vmax=100)  # linear between -1 and 1
            image = axes.imshow(margins.numpy(), cmap="PuOr", norm=scale, origin="lower")
            axes.set_title(f"{name}\n{what} before", fontsize=10)
            axes.set_xlabel("second digit")
            axes.set_xticks(range(10))
            axes.set_yticks(range(10))
        without.set_ylabel("first digit")
        figure.colorbar(image, ax=carried, extend="both", label="worst-case margin", shrink=0.8)
        draw_states(plane, model, found)
    figure.suptitle("Least worst-case margin over all digits and carries: " + ", ".join(said))
    figure.savefig(FIGURES / "exact3_proof.png")


def draw_states(axes, model, found):
    """Draw the states of real sums and the proof's box of each carry, for the two units that part them best."""
    random.seed(0)
    digits = carry_rich_digits(40, 100)
    states, _ = proof.noisy_states(model, *(torch.from_numpy(d.astype(np.int64)) for d in digits))
    recurrent = (states[-1] @ proof.weights_of(model).layers[-1][1].T).detach()
    columns, sums = digits[0] + digits[1], sum_digits(*digits)
    before = (sums[:, :-1] - columns) % 10  # the carry into each position
    after = (columns + before >= 10).T
    low, high = found.boxes[-1]
    gap = torch.maximum(low[1] - high[0], low[0] - high[1]) / (high - low).sum(0)
    x, y = gap.topk(2).indices.tolist()
    for carry, colour in enumerate(COLOURS[:2]):
        points = recurrent[torch.from_numpy(after == carry)]
        axes.plot(points[:, x], points[:, y], ".", color=colour, markersize=3, label=f"carry {carry}")
        size = high[carry] - low[carry]
        axes.add_patch(Rectangle((low[carry, x], low[carry, y]), size[x], size[y], fill=False, edgecolor=colour, linewidth=2))
    axes.set_xlabel(f"(W_hh h) of unit {x}")
    axes.set_ylabel(f"(W_hh h) of unit {y}")
    axes.set_title("states of real sums, and the proof's boxes", fontsize=10)
    axes.legend(fontsize=8, loc="best", markerscale=3)
    finish(axes)


ORIGINAL_MS = {10: 4.9, 100: 37, 1000: 365, 5000: 3240}  # of the report's code, on a 2-core CPU


def draw_costs(costs):
    """Draw the milliseconds of a training step against the length, on each device."""
    figure = Figure(figsize=(10, 4), dpi=150, layout="constrained")
    axes = figure.subplots()
    devices = list(dict.fromkeys(device for _, device in costs))
    said = []
    for device, colour in zip(devices, COLOURS):
        found = {digits: statistics.median(record["ms_per_step"] for record in records)
                 for (digits, on), records in costs.items() if on == device}  # fmt: skip
        axes.plot(found.keys(), found.values(), "o-", color=colour, label=f"here, {device_kind(device)}")
        said.append(f"{max(found.values()):.0f} ms on {device}")
    axes.plot(ORIGINAL_MS.keys(), ORIGINAL_MS.values(), "D--", color="grey", label="the original code, 2-core CPU")
    figure.suptitle(f"A training step at {max(COST_LENGTHS)} digits, 100 pairs: {', '.join(said)}")
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("digits of each number")
    axes.set_ylabel("ms a training step")
    finish(axes)
    axes.legend(frameon=False)
    figure.savefig(FIGURES / "row10_cost.png")


def finish(axes):
    """The look that all axes share."""
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)


def picture(row):
    """The file name of a row's picture."""
    return f"row{row}_{slug(REPORT[row]['title'])}.png"


def slug(text):
    """`text` as GitHub names a heading in a link: small letters, digits and hyphens."""
    return "".join(c for c in text.lower() if c.isalnum() or c in " -").replace(" ", "-")


def seen(row, results):
    """What the picture of a row shows, for its title, computed from the runs."""
    level = REPORT[row]["level"]
    medians = {arm: median_step(records, level) for arm, records in results.items()}
    seeds = len(next(iter(results.values())))
    over = f"median of {seeds} seeds" if seeds > 1 else "1 seed"
    what = f"{REPORT[row]['title']}: {level:.0%} right"
    earliest, latest = min(medians.values()), max(medians.values())
    if earliest == latest:
        everywhere = " by all" if len(medians) > 1 else ""
        return f"{what} {in_words(earliest)}{everywhere} ({over})"

    def who(step):
        found = [label(row, arm) for arm in medians if medians[arm] == step]
        return " and ".join(found) if len(found) <= 2 else f"{len(found)} of {len(medians)}"

    return (
        f"{what}\n{in_words(earliest)} by {who(earliest)}, {in_words(latest)} by {who(latest)} ({over})"
    )


def median_step(records, level):
    """The median over `records` of the step that reached `level`; infinity for never."""
    return statistics.median_high(reached(record, level) for record in records)


def in_words(step):
    """A step that may be infinity."""
    return "never" if step == math.inf else f"first at step {step}"


# ---------------------------------------------------------------------------------------------------
# The page and the numbers.

RULE = f"""\
A claim is put to each seed by itself: is it true of this seed's runs? From the number of seeds that say yes
follows how probable it is that most seeds would (the posterior probability of a share above one half, from a
uniform prior). At {CONFIDENCE:.0%} or more the claim **holds**; at {1 - CONFIDENCE:.0%} or less it **does not hold**; in between it **cannot be
told from this many seeds**. With three seeds, all three must agree. A row holds if all its claims do, and does
not hold if one of them does not. "By step N" allows for the {READING_ERROR - 1:.0%} to which the report's figures can be read,
rounded up to the next measurement (every {pt.EVALUATE_EVERY} steps). Rows 2 and 3 measure on few pairs, where a single 1.0 may be
luck: "a steady 100%" is {STEADY} measurements of 1.0 in a row.
"""
RESULTS_BEGIN, RESULTS_END = "<!-- results, written by source.py -->", "<!-- end of results -->"
CUDA_CLAIM = "CUDA is 3 to 4 times faster than the CPU"
NO_VERDICT = "no verdict: these settings are not the report's"


def differences(row):
    """How a row's settings differ from the report's, so that the claims are not about them.

    More steps do not count, nor does the batch: the page says for each row where it works less.
    """
    found = []
    for field in ("digitlen", "cell", "layers", "lr", "steps"):
        ours, report = ROWS[row][field], REPORT[row]["settings"][field]
        if field == "steps":
            same = ours >= report
        elif isinstance(report, list):
            same = isinstance(ours, list) and set(report) <= set(ours)
        else:
            same = ours in (report, [report])
        if not same:
            found.append(f"{field} is {ours}, the report's is {report}")
    return found


def judge(row, results):
    """{claim: (a yes or no for each seed, verdict)}; empty if the row's settings are not the report's."""
    if differences(row):
        return {}
    claimed = next((value for value in REPORT[row]["settings"].values() if isinstance(value, list)), results)
    by_seed = [dict(zip(claimed, records)) for records in zip(*(results[arm] for arm in claimed))]
    answers = {claim: list(map(true, by_seed)) for claim, true in REPORT[row]["claims"].items()}
    return {claim: (answer, verdict(answer)) for claim, answer in answers.items()}


def row_verdict(judged):
    """The verdict of a row from those of its claims."""
    found = {verdict for _, verdict in judged.values()}
    for worst in ("does not hold", "cannot be told from this many seeds", "holds"):
        if worst in found:
            return worst
    return NO_VERDICT


def less_work(settings):
    """Where a row works less than the report did, in words."""
    said = []
    if settings["batch_size"] != SIMPLE_ADDER["batch_size"]:
        said.append(f"{settings['batch_size']} pairs a step, the report had {SIMPLE_ADDER['batch_size']}")
    if settings["stop_after"]:
        said.append("runs stop at a steady 1.0 (and are drawn at their last value from there)")
    return "; ".join(said) or "nowhere: the report's batch, and all the steps"


def table(head, rows):
    """A Markdown table as a list of lines."""
    return ["| " + " | ".join(map(str, row)) + " |" for row in (head, ["---"] * len(head), *rows)]


def claims_table(judged, of_what):
    """The lines of a table of claims as `judge` gives them, each put to a number of seeds or measurements."""
    return table(["claim", "true for", "verdict"], [
        [claim, f"{sum(answers)} of {len(answers)} {of_what}", found] for claim, (answers, found) in judged.items()
    ])  # fmt: skip


def section(row, results):
    """The lines of the page about one row."""
    report, settings, judged = REPORT[row], ROWS[row], judge(row, results)
    lines = [
        f"## Row {row}. {report['title']}", "",
        f"![{report['title']}: loss and accuracy against training step]({picture(row)})", "",
        f"**The report:** {report['says']}.", "", f"**Verdict: {row_verdict(judged)}.**", "",
    ]
    if judged:
        lines += claims_table(judged, "seeds")
    lines += [f"- {difference}" for difference in differences(row)]
    levels = sorted({report["level"], 1.0})
    head = [f"{level:.0%} right first at step" for level in levels]
    lines += ["", "**Measured** (median over the seeds, and range):", ""]
    lines += table(["", *head, "last loss", "last accuracy", "steps run", "ms a step"], [
        [label(row, arm) or "all seeds"]
        + [spread([reached(record, level) for record in records]) for level in levels]
        + [spread([record[what][-1] for record in records if record[what]]) for what in ("loss", "accuracy")]
        + [spread([len(record["loss"]) for record in records])]
        + [spread([record["ms_per_step"] for record in records])]
        for arm, records in results.items()
    ])
    for arm, records in results.items():
        for seed, record in zip(dict.fromkeys(settings["seeds"]), records):
            if record["error"]:
                name = ", ".join(filter(None, [label(row, arm), f"seed {seed}"]))
                lines += ["", f"Ended early, {name}: {record['error']}."]
    fixed = [field for field in settings if field not in compared(settings)]
    lines += [
        "", f"Settings: {', '.join(describe(field, settings[field]) for field in fixed)}.",
        f"Less work than the report: {less_work(settings)}.", "",
    ]
    return lines


def exact_section(exact):
    """The lines of the page about the exact part."""
    check, proofs = exact["check"], exact["proof"]
    lines = [
        "# The exact adder", "",
        "A 100% on random pairs says little about carries: in a random pair only one position in ten passes a carry",
        "on. This part asks for more, in three steps.", "",
        "## Stress: long carry chains", "", "![accuracy against the longest carry chain](exact1_stress.png)", "",
        f"Each point is {CHAIN_PAIRS} pairs of 1000 digits with one carry chain; the line is the median over the seeds,",
        "the band their range. The same models on named pairs of", f"{NAMED_DIGITS} digits, seeds that are right:", "",
    ]  # fmt: skip
    pairs = named_pairs(NAMED_DIGITS)
    lines += table(["pair", *exact["stress"]], [
        [name, *(f"{sum(answers[name] == sum(pair) for _, answers in tests)} of {len(tests)}"
                 for tests in exact["stress"].values())]
        for name, pair in pairs.items()
    ])  # fmt: skip
    errors = {model: error for model, tests in exact["stress"].items() if (error := first_error(tests))}
    for model, error in errors.items():
        lines += ["", f"One error of {model}: {error}."]
    if check:
        longest = max(row["length"] for row in check["lengths"])
        lines += ["", f"## Length: to {longest:,} digits", "", "![accuracy and speed against length](exact2_length.png)", "",
                  f"The adder is trained on pairs of {proof.DIGITLEN} digits at most and reads numbers in parts.", ""]  # fmt: skip
        lines += table(["digits", "pairs", "right", "digits per second", "peak memory, MB"], [
            [f"{row['length']:,}", f"{row['pairs']} {row['kind']}", row["right"], f"{row['digits_per_second']:,.0f}",
             "not known" if row["peak_memory_mb"] is None else f"{row['peak_memory_mb']:.0f}"]
            for row in check["lengths"]
        ])  # fmt: skip
    lines += ["", "## Proof: every sum of any length", ""]
    if (FIGURES / "exact3_proof.png").exists():
        lines += ["![worst-case margins and hidden states](exact3_proof.png)", ""]
    lines += ["`proof.py` says what is proven and how. Every adder that was trained for it:", ""]
    lines += table(["layers", "proven", "least margin", "noise tolerated", "seconds to train and prove", "proof alone, ms"], [
        [layers, f"{sum(r['proven'] for r in records)} of {len(records)} seeds", spread([r["margin"] for r in records]),
         spread([r["noise"] for r in records]), spread([r["train_and_prove_seconds"] for r in records]),
         spread([1e3 * r["prove_seconds"] for r in records])]
        for layers, records in proofs.items()
    ])  # fmt: skip
    imports = import_times(proofs)
    if imports:
        lines += ["", f"To train and prove an adder of one layer takes {imports['train_and_prove']:.2f} s, to `import torch`",
                  (f"in a fresh process {imports['import_torch']:.2f} s: a ratio of {imports['ratio']:.2f} (medians of "
                  f"{imports['count']}, measured in turns).")]  # fmt: skip
    if check:
        lines += ["", f"The first of them got {check['wrong_digits']} of {check['digits']:,} carry-heavy digits wrong, and",
                  f"{check['noisy_wrong_digits']} of as many with noise up to {check['noise']:.4f} on each",
                  "hidden unit at each step, the most that its proof tolerates."]  # fmt: skip
    return [*lines, ""]


def first_error(tests):
    """The first named pair that one of a model's `tests` got wrong, in words; None where all are right."""
    for name, (a, b) in named_pairs(NAMED_DIGITS).items():
        for _, answers in tests:
            if answers[name] != a + b:
                digits = itertools.zip_longest(str(answers[name])[::-1], str(a + b)[::-1], fillvalue="0")
                place = next(place for place, (said, right) in enumerate(digits, 1) if said != right)
                return f"{a} + {b} is {a + b}; its answer is {answers[name]}, wrong from digit {place} on, from the right"
    return None


def cost_section(costs, rate, spent):
    """The lines of the page about row 10, the cost of a step, and where the time goes, as `time_spent` has it."""
    lines = ["# Row 10. What it costs", "", "![ms a training step against digits](row10_cost.png)", "",
             f"**The report:** {CUDA_CLAIM}.", ""]  # fmt: skip
    judged = judge_cuda(costs)
    if judged:
        lines += [f"**Verdict: {row_verdict(judged)}.**", ""]
        lines += claims_table(judged, "measurements")
    else:
        lines += ["**Verdict: not measured, there was no GPU.**"]
    lines += ["", "A training step of the simple adder, 100 pairs, one torch thread:", ""]
    devices = list(dict.fromkeys(device for _, device in costs))
    lines += table(["digits", *(f"ms, {device}" for device in devices), "ms, the original code on 2 cores"], [
        [digits, *(spread([record["ms_per_step"] for record in costs[digits, device]]) for device in devices),
         ORIGINAL_MS.get(digits, "")]
        for digits in dict.fromkeys(digits for digits, _ in costs)
    ])  # fmt: skip
    lines += ["", f"Where the time of rows 1 to 9 goes, against what the arithmetic alone would take at the {rate:.0f} GFLOP/s",
              "that one worker reaches on large matrices:", ""]  # fmt: skip
    lines += table(["row", "data, s", "training, s", "evaluation, s", "arithmetic alone, s"],
                   [[row, *(f"{seconds:.1f}" for seconds in of_row)] for row, of_row in spent.items()])  # fmt: skip
    return [*lines, ""]


def time_spent(costs, measured):
    """DEVICE's matrix rate in GFLOP/s, and {row or "all": seconds of data, training, evaluation, arithmetic}."""
    rate = statistics.median(record["gflops"] for (_, device), records in costs.items() for record in records
                             if device == DEVICE)  # fmt: skip
    rows = {}
    for row, results in measured.items():
        found = [[*record["seconds"].values(), operations(settings, record) / rate / 1e9]
                 for arm, settings in arms(ROWS[row]).items() for record in results[arm]]  # fmt: skip
        rows[row] = [sum(column) for column in zip(*found)]
    return rate, rows | {"all": [sum(column) for column in zip(*rows.values())]}


def operations(settings, record):
    """The floating-point operations of a run: of its matrix products, forward, and twice that backward."""
    gates = {"RNN": 1, "GRU": 3, "LSTM": 4}[settings["cell"]]
    products = settings["layers"] * gates * (2 * pt.EMBEDDING + pt.HIDDEN) * pt.HIDDEN + pt.HIDDEN * pt.DIGITS
    forward = 2 * products * (settings["digitlen"] + 1)
    pairs = 3 * settings["batch_size"] * len(record["loss"]) + settings["test_size"] * len(record["accuracy"])
    return forward * pairs


def judge_cuda(costs):
    """Row 10's claim at each length, as `judge` gives it; empty where no GPU was timed."""
    judged = {}
    for (digits, device), records in costs.items():
        if device != "cpu":
            on_cpu = [record["ms_per_step"] for record in costs[digits, "cpu"]]
            answers = [cpu >= 3 * record["ms_per_step"] for cpu, record in zip(on_cpu, records)]
            judged[f"at {digits} digits CUDA is at least 3 times as fast"] = answers, verdict(answers)
    return judged


def import_times(proofs):
    """Medians of the time to train and prove and of `import torch`, where both were measured; else None."""
    both = [record for record in proofs.get(1, []) if record["import_seconds"]]
    if not both:
        return None
    ours = statistics.median(record["train_and_prove_seconds"] for record in both)
    imported = statistics.median(record["import_seconds"] for record in both)
    return {"train_and_prove": ours, "import_torch": imported, "ratio": ours / imported, "count": len(both)}


def spread(values):
    """Median and range of `values` in words; an infinite step is one that never came."""
    if not values:
        return "none"
    median, low, high = (
        "never" if value == math.inf else f"{value:.4g}"
        for value in (statistics.median_high(values), min(values), max(values))
    )
    return median if low == high else f"{median} ({low} to {high})"


def overview(measured, costs):
    """The lines of a table of all rows and their verdicts."""
    rows = []

    def add(link, says, judged, result):
        held = sum(found == "holds" for _, found in judged.values())
        rows.append([link, says, f"{held} of {len(judged)}", result])

    for row, results in measured.items():
        judged, title = judge(row, results), REPORT[row]["title"]
        link = f"[{row}. {title}](#{slug(f'Row {row} {title}')})"
        add(link, REPORT[row]["says"], judged, row_verdict(judged))
    judged = judge_cuda(costs)
    result = row_verdict(judged) if judged else "not measured: no GPU"
    add("[10. CUDA](#row-10-what-it-costs)", CUDA_CLAIM, judged, result)
    return table(["experiment", "the report says", "claims that hold", "verdict"], rows)


def beyond(exact):
    """The lines of a table of what the exact part found."""
    chain = max(CHAINS)
    rows = [[f"right sums at a carry chain of {chain} positions", "; ".join(
        f"{name}: {statistics.median(accuracy[chain] for accuracy, _ in tests):.0%}"
        for name, tests in exact["stress"].items())]]  # fmt: skip
    for layers, records in exact["proof"].items():
        proven = sum(record["proven"] for record in records)
        rows.append([f"proven right for every length, {describe('layers', layers)}", f"{proven} of {len(records)} seeds"])
    imports = import_times(exact["proof"])
    if imports:
        rows.append(["time to train and prove one, over that of `import torch`", f"{imports['ratio']:.2f}"])
    if exact["check"]:
        longest = max(exact["check"]["lengths"], key=lambda row: row["length"])["length"]
        found = [row for row in exact["check"]["lengths"] if row["length"] == longest]
        right, pairs = (sum(row[what] for row in found) for what in ("right", "pairs"))
        rows.append([f"trained at {proof.DIGITLEN} digits, tested at {longest:,}", f"{right} of {pairs} sums right"])
    return table(["[beyond the report](#the-exact-adder)", "measured"], rows)


def write_page(measured, exact, costs, seconds, taken_over):
    """Write figures/README.md from `measured`, {row: {arm: records}}, and its table into README.md."""
    records = [record for results in measured.values() for arm in results.values() for record in arm]
    drawing, training = (sum(r["seconds"][what] for r in records) for what in ("data", "training"))
    work = sum(record["total_seconds"] for record, _ in finished.values())
    conditions = [
        f"{len(finished)} runs, {work / 60:.1f} minutes of work: {taken_over} kept from before, the others shared by",
        f"{WORKERS} workers. {seconds / 60:.1f} minutes in all. {device_kind(DEVICE)}, {os.cpu_count()} cores;",
        f"{', '.join(map(' '.join, versions().items()))}.",
    ]
    rows = overview(measured, costs)
    if exact:
        rows += ["", *beyond(exact)]
    lines = [
        "# The report's experiments, measured", "",
        "Written by `source.py`.", *conditions,
        "The report's own code takes about 115 minutes for one seed on a 2-core CPU.",
        f"Making the data took {drawing / max(training, 1e-9):.1%} of the time that training on it did.", "",
        RULE, *rows, "",
        "In the pictures a line is the median over the seeds, a band their range, a diamond the report's value.",
        "",
    ]
    for row, results in measured.items():
        lines += section(row, results)
    if exact:
        lines += exact_section(exact)
    in_short = []
    if costs and measured:
        rate, spent = time_spent(costs, measured)
        lines += cost_section(costs, rate, spent)
        making, learning, testing, arithmetic = spent["all"]
        in_short = ["", f"Rows 1 to 9 spent {learning:.0f} s of one worker on training, {testing:.0f} on evaluation and {making:.0f} on",
                    f"data; their arithmetic alone would take {arithmetic:.0f} at the {rate:.0f} GFLOP/s that it reaches on large matrices."]
    (FIGURES / "README.md").write_text("\n".join(lines), encoding="utf-8")

    before, _, rest = README.read_text(encoding="utf-8").partition(RESULTS_BEGIN)
    after = rest.partition(RESULTS_END)[2]
    linked = [line.replace("](#", f"]({FIGURES.name}/README.md#") for line in rows]
    middle = "\n".join(["", *conditions, *in_short, "", *linked, ""])
    README.write_text(before + RESULTS_BEGIN + middle + RESULTS_END + after, encoding="utf-8")


def short(value):
    """`value` with its floats at six significant digits, for the file of numbers."""
    if isinstance(value, float):
        return float(f"{value:.6g}")
    if isinstance(value, (list, tuple)):
        return [short(item) for item in value]
    return {key: short(item) for key, item in value.items()} if isinstance(value, dict) else value


def write_results(measured, exact, costs, seconds, taken_over):
    """Write figures/results.json: device, versions and verdicts, then a line with all of each run."""
    judged = {row: judge(row, results) for row, results in measured.items()}
    head = {
        "device": device_kind(DEVICE), "cores": os.cpu_count(), "versions": versions(), "workers": WORKERS, "seconds": short(seconds),
        "taken_over": taken_over,
        "verdicts": {row: row_verdict(claims) for row, claims in judged.items()},
        "claims": judged, "exact": short(exact),
        "costs": [{"digitlen": d, "device": on, "runs": short(records)} for (d, on), records in costs.items()],
        "proof_against_import": exact and short(import_times(exact["proof"])),
    }
    lines = [
        json.dumps({"row": run.row, "arm": run.arm, "settings": run.settings,
                    **short(finished[kept_path(run.settings)][0])})
        for run in plan(measured)
    ]
    text = json.dumps(head, indent=1)[:-2] + ',\n "runs": [\n' + ",\n".join(lines) + "\n]}\n"
    (FIGURES / "results.json").write_text(text, encoding="utf-8")


# ---------------------------------------------------------------------------------------------------
# What is run.

MAIN_ROWS = [1, 2, 3]
ADV_ROWS = [4, 5, 6, 7, 8, 9]


def run_rows(rows):
    """Train and draw `rows`, those of them that ROWS has; returns {row: {arm: records}}."""
    runs = plan(row for row in rows if row in ROWS)
    conduct(runs)
    measured = records_of(runs)
    FIGURES.mkdir(exist_ok=True)
    for row, results in measured.items():
        draw_row(row, results)
        print(f"{FIGURES.name}/{picture(row)}: {row_verdict(judge(row, results))}")
    return measured


def pt_main():
    """Task 1: the report's simple adder, at 10, 1000 and 5000 digits."""
    return run_rows(MAIN_ROWS)


def pt_adv_main():
    """Task 2: layers, cells and learning rates, and the model that the report ends with."""
    return run_rows(ADV_ROWS)


def cost_main():
    """Time a training step on each device, and draw it; returns {(digits, device): records}."""
    runs = cost_plan()
    conduct(runs)
    costs = records_of(runs).get("cost", {})
    if costs:
        draw_costs(costs)
    return costs


def main():
    """Run all three parts, and write the page and the numbers; under `torchrun`, with all its ranks."""
    began = time.monotonic()
    runs = plan(ROWS) + cost_plan() + exact_plan()  # all at once, so that no worker waits for a part's last run
    rank = join_ranks()
    taken_over = conduct_over_ranks(runs) if dist.is_initialized() else conduct(runs)
    if rank > 0:
        return
    measured = pt_main() | pt_adv_main()
    exact = exact_main()
    costs = cost_main()
    seconds = time.monotonic() - began
    write_results(measured, exact, costs, seconds, taken_over)
    write_page(measured, exact, costs, seconds, taken_over)
    print(f"Done in {seconds / 60:.1f} minutes: see {FIGURES.name}/README.md")


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("Stopped. Finished runs are kept: run it again to go on.")
    except ValueError as error:
        sys.exit(f"Error: {error}")
    except BrokenProcessPool:
        sys.exit("A worker process was ended from outside (out of memory?). Finished runs are kept.")
    except OSError as error:
        sys.exit(f"Error: {error}. Finished runs are kept.")
