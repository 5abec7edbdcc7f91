"""Every experiment of the report "Assignment 2: an RNN that adds", run again over several seeds.

    python source.py

trains all that ROWS lists, in worker processes, and leaves in figures/ one picture an experiment, a
page that sets the report's claims against what was measured (README.md), and every number behind
them (results.json). Change a constant below and run it again: figures and page follow.
"""

import concurrent.futures
import hashlib
import io
import itertools
import json
import math
import multiprocessing
import os
import platform
import signal
import statistics
import sys
import threading
import time
from pathlib import Path

import matplotlib
import numpy as np
import torch
from matplotlib.figure import Figure
from tqdm import tqdm

import pt
from data import check_at_least
from pt import evaluate, myPTRNNModel, train  # noqa: F401  (the names that the report's lines use)

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

# The rows of the report's experiments. Whatever stands in a list is compared, one curve each.
#   digitlen    digits of the numbers to add
#   cell        "RNN" (tanh), "GRU" or "LSTM"
#   layers      layers of that cell
#   lr          learning rate of Adam
#   steps       training steps, at most
#   batch_size  pairs of numbers a step
#   test_size   fresh pairs that each measurement of the accuracy takes (every 10 steps)
#   stop_after  None: run all the steps
#   seeds       one run for each
ROWS = {
    1: {
        "digitlen": 10,
        "cell": "RNN",
        "layers": 2,
        "lr": 1e-3,
        "steps": 1000,
        "batch_size": 100,
        "test_size": 200,
        "stop_after": None,
        "seeds": SEEDS,
    },
    2: {
        "digitlen": 1000,
        "cell": "RNN",
        "layers": 2,
        "lr": 1e-3,
        "steps": 600,
        "batch_size": 4,
        "test_size": 50,
        "stop_after": STOP_AFTER,
        "seeds": SEEDS,
    },
    3: {
        "digitlen": 5000,
        "cell": "RNN",
        "layers": 2,
        "lr": 1e-3,
        "steps": 2000,
        "batch_size": 1,
        "test_size": 20,
        "stop_after": STOP_AFTER,
        "seeds": SEEDS,
    },
    4: {
        "digitlen": 10,
        "cell": "RNN",
        "layers": [1, 2, 3, 4],
        "lr": 1e-3,
        "steps": 500,
        "batch_size": 100,
        "test_size": 200,
        "stop_after": None,
        "seeds": SEEDS,
    },
    5: {
        "digitlen": 10,
        "cell": "GRU",
        "layers": [1, 2, 3, 4],
        "lr": 1e-3,
        "steps": 500,
        "batch_size": 100,
        "test_size": 200,
        "stop_after": None,
        "seeds": SEEDS,
    },
    6: {
        "digitlen": 100,
        "cell": ["RNN", "GRU", "LSTM"],
        "layers": 3,
        "lr": 1e-3,
        "steps": 500,
        "batch_size": 100,
        "test_size": 200,
        "stop_after": STOP_AFTER,
        "seeds": SEEDS,
    },
    7: {
        "digitlen": 10,
        "cell": "RNN",
        "layers": 3,
        "lr": np.logspace(-5, -1, 10).tolist(),
        "steps": 500,
        "batch_size": 100,
        "test_size": 200,
        "stop_after": None,
        "seeds": SEEDS,
    },
    8: {
        "digitlen": 10,
        "cell": "RNN",
        "layers": 3,
        "lr": np.logspace(-2.2, -1.8, 5).tolist(),
        "steps": 400,
        "batch_size": 100,
        "test_size": 200,
        "stop_after": None,
        "seeds": SEEDS,
    },
    9: {
        "digitlen": 100,
        "cell": "RNN",
        "layers": 3,
        "lr": 0.01,
        "steps": 200,
        "batch_size": 100,
        "test_size": 200,
        "stop_after": STOP_AFTER,
        "seeds": SEEDS,
    },
}

# Where the pictures, the page and the numbers go, and where finished runs are kept (outside git).
FIGURES = Path(__file__).parent / "figures"
KEPT = Path(__file__).parent / ".runs"

# ---------------------------------------------------------------------------------------------------
# What the report says, and how each of its claims is put to the runs of one seed.

READING_ERROR = 1.05  # the report's values were read off its figures, to about 5%


def reached(record, level):
    """The step at which the accuracy was first measured at `level` or more; infinity if never."""
    pairs = zip(record["measured_at"], record["accuracy"])
    return next((step for step, accuracy in pairs if accuracy >= level), math.inf)


def by(step):
    """The last step that still counts as the report's `step`, which it read off a figure."""
    return math.ceil(step * READING_ERROR / pt.EVALUATE_EVERY) * pt.EVALUATE_EVERY


def only(arms):
    """The one record of a row that compares nothing."""
    (record,) = arms.values()
    return record


def first(arms, key, level):
    """Whether the arm `key` reached `level` before each other arm did."""
    others = [reached(record, level) for other, record in arms.items() if other != key]
    return reached(arms[key], level) < min(others)


def last(arms, key, level):
    """Whether the arm `key` reached `level` after each other arm, or never and the others did."""
    others = [reached(record, level) for other, record in arms.items() if other != key]
    return reached(arms[key], level) > max(others)


def all_reach(arms, level, step=math.inf):
    """Whether each arm reached `level`, by `step`."""
    return all(reached(record, level) <= min(step, 1e9) for record in arms.values())


def fell_and_recovered(record):
    """Whether the accuracy was 1.0, then 0.1 or less, then 1.0 again."""
    wanted = iter([lambda a: a == 1.0, lambda a: a <= 0.1, lambda a: a == 1.0])
    test = next(wanted)
    for accuracy in record["accuracy"]:
        if test(accuracy):
            test = next(wanted, None)
            if test is None:
                return True
    return False


def stays_right(record):
    """Whether the run reached 1.0 and was there at its last measurement."""
    return record["error"] is None and record["accuracy"][-1] == 1.0


# For each row: what the report says; its settings; the accuracy whose first step tells the curves
# apart; its values, {arm: [(step, accuracy)]}, arm None where they belong to no one arm; its claims.
REPORT = {
    1: {
        "name": "simple_adder",
        "title": "The simple adder",
        "level": 1.0,
        "says": "loss 0.308, 0.056, 0.020, 0.0061 at step 200, 300, 400, 600 and towards 0 beyond 500; "
        "accuracy 0.88, 0.99, 0.995 at step 200, 250, 300 and 1.0 from 350",
        "settings": {"digitlen": 10, "cell": "RNN", "layers": 2, "lr": 1e-3, "steps": 1000},
        "accuracy": {None: [(200, 0.88), (250, 0.99), (300, 0.995), (350, 1.0)]},
        "loss": [(200, 0.308), (250, 0.118), (300, 0.056), (400, 0.020), (500, 0.010), (600, 0.0061)],
        "claims": {
            "the adder reaches 100%": lambda arms: all_reach(arms, 1.0),
            "100% by step 350": lambda arms: all_reach(arms, 1.0, by(350)),
            "the loss is down to 0.0061 at step 600": lambda arms: (
                only(arms)["loss"][599] <= 0.0061 * READING_ERROR
            ),
        },
    },
    2: {
        "name": "1000_digits",
        "title": "Long numbers: 1000 digits",
        "level": 1.0,
        "says": "accuracy 0 until step 110, 0.6 at 200, 0.95 at 370, 1.0 from 450",
        "settings": {"digitlen": 1000, "cell": "RNN", "layers": 2, "lr": 1e-3, "steps": 600},
        "accuracy": {None: [(110, 0.0), (200, 0.6), (370, 0.95), (450, 1.0)]},
        "claims": {
            "the adder reaches 100% at 1000 digits": lambda arms: all_reach(arms, 1.0),
            "100% by step 450": lambda arms: all_reach(arms, 1.0, by(450)),
        },
    },
    3: {
        "name": "5000_digits",
        "title": "The longest numbers: 5000 digits",
        "level": 1.0,
        "says": "accuracy 0 until step 130, 0.5 at 550, 0.9 at 850, 1.0 from 1000",
        "settings": {"digitlen": 5000, "cell": "RNN", "layers": 2, "lr": 1e-3, "steps": 2000},
        "accuracy": {None: [(130, 0.0), (550, 0.5), (850, 0.9), (1000, 1.0)]},
        "claims": {
            "the adder reaches 100% at 5000 digits": lambda arms: all_reach(arms, 1.0),
            "100% by step 1000": lambda arms: all_reach(arms, 1.0, by(1000)),
        },
    },
    4: {
        "name": "rnn_layers",
        "title": "RNN with 1 to 4 layers",
        "level": 0.9,
        "says": "all reach 1.0; three layers fastest (0.9 at step 190), then 2 and 4 (about 230), "
        "one layer last (about 290)",
        "settings": {"digitlen": 10, "cell": "RNN", "layers": [1, 2, 3, 4], "lr": 1e-3, "steps": 500},
        "accuracy": {1: [(290, 0.9)], 2: [(230, 0.9)], 3: [(190, 0.9)], 4: [(230, 0.9)]},
        "claims": {
            "all four reach 100%": lambda arms: all_reach(arms, 1.0),
            "three layers reach 0.9 first": lambda arms: first(arms, 3, 0.9),
            "one layer reaches 0.9 last": lambda arms: last(arms, 1, 0.9),
        },
    },
    5: {
        "name": "gru_layers",
        "title": "GRU with 1 to 4 layers",
        "level": 0.98,
        "says": "three layers best (0.98 at step 220), then 2, 1 and 4 (last: about 290)",
        "settings": {"digitlen": 10, "cell": "GRU", "layers": [1, 2, 3, 4], "lr": 1e-3, "steps": 500},
        "accuracy": {3: [(220, 0.98)], 4: [(290, 0.98)]},
        "claims": {
            "all four reach 100%": lambda arms: all_reach(arms, 1.0),
            "three layers reach 0.98 first": lambda arms: first(arms, 3, 0.98),
            "four layers reach 0.98 last": lambda arms: last(arms, 4, 0.98),
        },
    },
    6: {
        "name": "cells",
        "title": "RNN, GRU and LSTM at 100 digits",
        "level": 1.0,
        "says": "all reach 1.0 within 500 steps; RNN first (step 170), GRU 190, LSTM 240",
        "settings": {"digitlen": 100, "cell": ["RNN", "GRU", "LSTM"], "layers": 3, "lr": 1e-3, "steps": 500},
        "accuracy": {"RNN": [(170, 1.0)], "GRU": [(190, 1.0)], "LSTM": [(240, 1.0)]},
        "claims": {
            "all three reach 100% within 500 steps": lambda arms: all_reach(arms, 1.0, 500),
            "the RNN is first": lambda arms: first(arms, "RNN", 1.0),
            "the LSTM is last": lambda arms: last(arms, "LSTM", 1.0),
        },
    },
    7: {
        "name": "learning_rate_coarse",
        "title": "The learning rate, coarse",
        "level": 1.0,
        "says": "it matters greatly; best near 0.01, where it converges before step 100; "
        "too low never converges, too high is unstable",
        "settings": {
            "digitlen": 10,
            "cell": "RNN",
            "layers": 3,
            "lr": np.logspace(-5, -1, 10).tolist(),
            "steps": 500,
        },
        "accuracy": {None: [(100, 1.0)]},
        "claims": {
            "the fastest rate is within half a decade of 0.01": lambda arms: (
                10**-2.5 <= min(arms, key=lambda lr: reached(arms[lr], 1.0)) <= 10**-1.5
            ),
            "the fastest rate reaches 100% by step 100": lambda arms: (
                min(reached(record, 1.0) for record in arms.values()) <= 100
            ),
            "the lowest rate (1e-5) never reaches 100%": lambda arms: (
                reached(arms[min(arms)], 1.0) == math.inf
            ),
            "the highest rate (0.1) does not end at 100%": lambda arms: not stays_right(arms[max(arms)]),
        },
    },
    8: {
        "name": "learning_rate_fine",
        "title": "The learning rate, fine",
        "level": 0.9,
        "says": "all alike (0.9 by step 60); one fell from 1.0 to 0 at step 200 and recovered",
        "settings": {
            "digitlen": 10,
            "cell": "RNN",
            "layers": 3,
            "lr": np.logspace(-2.2, -1.8, 5).tolist(),
            "steps": 400,
        },
        "accuracy": {None: [(60, 0.9), (200, 0.0)]},
        "claims": {
            "all five reach 0.9 by step 60": lambda arms: all_reach(arms, 0.9, by(60)),
            "one of the five falls from 1.0 to 0.1 or less and recovers": lambda arms: any(
                map(fell_and_recovered, arms.values())
            ),
        },
    },
    9: {
        "name": "final_model",
        "title": "The final model: RNN-3, learning rate 0.01, 100 digits",
        "level": 1.0,
        "says": "1.0 within 100 steps (reached at step 40)",
        "settings": {"digitlen": 100, "cell": "RNN", "layers": 3, "lr": 0.01, "steps": 100},
        "accuracy": {None: [(40, 1.0)]},
        "claims": {
            "100% within 100 steps": lambda arms: all_reach(arms, 1.0, 100),
            "100% by step 40": lambda arms: all_reach(arms, 1.0, by(40)),
        },
    },
}
REPORT_BATCH = 100  # pairs a step in every row of the report
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


def arms(settings):
    """What a row compares: {value of the field that is a list: settings}, a tuple for several fields.

    A row without a list has the one arm None.
    """
    varied = [field for field, value in settings.items() if isinstance(value, list)]
    combinations = itertools.product(*(settings[field] for field in varied))
    return {
        values if len(values) > 1 else values[0] if values else None: settings | dict(zip(varied, values))
        for values in combinations
    }


def plan(rows):
    """The runs of `rows`: (row, arm, settings of one run) each. Raises ValueError at a bad constant."""
    check_at_least("WORKERS", WORKERS, 1)
    runs = []
    for row in rows:
        settings = dict(ROWS[row])
        try:
            seeds = settings.pop("seeds")
            if not seeds:
                raise ValueError("seeds must hold at least one seed, got none")
            for arm, chosen in arms(settings).items():
                for seed in dict.fromkeys(seeds):
                    runs.append((row, arm, chosen | {"seed": seed, "device": DEVICE}))
                    pt.check_settings(runs[-1][2])
        except (ValueError, TypeError) as error:
            raise ValueError(f"ROWS[{row}]: {error}") from None
        except KeyError as missing:
            raise ValueError(f"ROWS[{row}] has no {missing}") from None
    return runs


def cost(settings):
    """About how long a run takes, in arbitrary units: for the order of the runs and the bar."""
    cell = {"RNN": 1, "GRU": 2.5, "LSTM": 2.5}[settings["cell"]]
    pairs = settings["batch_size"] + settings["test_size"] / 20
    expected = settings["steps"] * (0.5 if settings["stop_after"] else 1)
    return cell * settings["layers"] * (settings["digitlen"] + 1) * pairs * expected


def versions():
    """The versions of what decides the numbers of a run."""
    return {"python": platform.python_version(), "torch": torch.__version__, "numpy": np.__version__}


def device_name():
    """What DEVICE is: the GPU's name, or the kind of CPU."""
    if torch.device(DEVICE).type == "cuda":
        return torch.cuda.get_device_name(DEVICE)
    return f"CPU, {os.cpu_count()} cores, {platform.machine()}, {torch.backends.cpu.get_cpu_capability()}"


def kept_path(settings):
    """Where a run is kept: the name has settings, device, versions and the code that makes the run."""
    code = [Path(module.__file__).read_text() for module in (pt, sys.modules["data"])]
    text = json.dumps([settings, device_name(), versions(), code], sort_keys=True)
    return KEPT / hashlib.sha256(text.encode()).hexdigest()


def keep(path, run):
    """Write `run` whole or not at all: aside first, its own checksum before it, then renamed."""
    payload = io.BytesIO()
    torch.save(run, payload)
    content = payload.getvalue()
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_suffix(f".{os.getpid()}")
    aside.write_bytes(hashlib.sha256(content).digest() + content)
    aside.replace(path)


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
    """Prepare a worker process: one thread, Ctrl-C left to the parent, and never outlive it."""
    global messages
    messages = queue
    torch.set_num_threads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()

    def follow():
        parent.join()
        os._exit(1)

    threading.Thread(target=follow, daemon=True).start()


def work(settings):
    """Train one run in a worker, keep it and return (record, weights); its progress goes to the bar."""
    path = kept_path(settings)

    def log(step, loss, accuracy):
        messages.put((path.name, step, loss, accuracy))

    run = pt.train_run(settings, log)
    try:
        keep(path, run)
    except OSError as error:
        messages.put((path.name, None, str(error), None))
    return run


finished = {}  # the runs that this process has trained or taken over, by path


def conduct(runs):
    """The (record, weights) of each of `runs`: finished in this process, kept, or trained now.

    A run whose loss is not finite ends with its record's error set, and the others go on.
    """
    paths = [kept_path(settings) for _, _, settings in runs]
    unknown = [path for path in dict.fromkeys(paths) if path not in finished]
    taken_over = {path: run for path in unknown if (run := kept(path))}
    if taken_over:
        print(f"Taken over: {len(taken_over)} finished runs. To train all afresh, delete {KEPT.name}/.")
    finished.update(taken_over)
    todo = {path.name: run for path, run in zip(paths, runs) if path not in finished}
    if todo:
        for name, run in train_all(todo):
            finished[KEPT / name] = run
    return [finished[path] for path in paths]


def train_all(todo):
    """Train the runs {name: (row, arm, settings)}, the longest first, over WORKERS processes.

    Yields (name, run) as they end.
    """
    context = multiprocessing.get_context("spawn")  # a forked process cannot use CUDA
    queue = context.Queue()
    costs = {name: cost(settings) for name, (_, _, settings) in todo.items()}
    shares = dict.fromkeys(todo, 0.0)  # the part of each run that is done
    bar = tqdm(
        total=sum(costs.values()), bar_format="{percentage:3.0f}% |{bar}| {elapsed} gone, {remaining} left"
    )

    def advance(name, share):
        bar.update(costs[name] * (share - shares[name]))
        shares[name] = share

    def read_messages():
        while not queue.empty():
            name, step, loss, accuracy = queue.get()
            row, arm, settings = todo[name]
            if step is None:
                bar.write(f"{title_of(row, arm, settings)}: could not be kept: {loss}")
                continue
            advance(name, step / settings["steps"])
            if row in MAIN_ROWS and step % pt.PRINT_EVERY == 0:
                bar.write(f"{title_of(row, arm, settings)}: {pt.line(step, loss, accuracy)}")

    workers = concurrent.futures.ProcessPoolExecutor(
        min(WORKERS, len(todo)), context, initializer=start_worker, initargs=(queue,)
    )
    try:
        longest_first = sorted(todo, key=costs.get, reverse=True)
        waiting = {workers.submit(work, todo[name][2]): name for name in longest_first}
        while waiting:
            ended, _ = concurrent.futures.wait(waiting, 0.2, concurrent.futures.FIRST_COMPLETED)
            read_messages()
            bar.refresh()
            for future in ended:
                name = waiting.pop(future)
                run = future.result()
                advance(name, 1.0)
                bar.write(f"{title_of(*todo[name])}: {summary(run[0])}")
                yield name, run
    except BaseException:
        for process in multiprocessing.active_children():
            process.kill()
        raise
    finally:
        bar.close()
        workers.shutdown(cancel_futures=True)


def title_of(row, arm, settings):
    """A run's name in printed lines: "row 4, 3 layers, seed 1"."""
    parts = [f"row {row}", label(row, arm) if arm is not None else "", f"seed {settings['seed']}"]
    return ", ".join(filter(None, parts))


def summary(record):
    """A run in one line."""
    if record["error"]:
        return f"ended early: {record['error']}"
    reached_100 = f"100% from step {record['first_100']}" if record["first_100"] else "never 100%"
    return (
        f"{reached_100}, loss {record['loss'][-1]:.3g} and accuracy {record['accuracy'][-1]:g} at step "
        f"{len(record['loss'])}, {record['total_seconds']:.1f} s ({record['ms_per_step']:.1f} ms a step)"
    )


def label(row, arm):
    """An arm's name in legends and tables: "3 layers", "GRU", "learning rate 0.01"."""
    varied = [field for field, value in ROWS[row].items() if isinstance(value, list) and field != "seeds"]
    values = arm if len(varied) > 1 else [arm]
    return ", ".join(describe(field, value) for field, value in zip(varied, values))


def describe(field, value):
    """A setting in words."""
    if isinstance(value, float):
        value = f"{value:.3g}"
    words = {
        "digitlen": f"{value} digits",
        "layers": f"{value} layer" + "s" * (value != 1),
        "cell": value,
        "lr": f"learning rate {value}",
        "steps": f"{value} steps",
        "batch_size": f"batch {value}",
        "test_size": f"{value} test pairs",
        "stop_after": f"stops after {value} measurements of 1.0" if value else "runs all its steps",
    }
    return words[field]


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
        values = record[what]
        at = record["measured_at"] if what == "accuracy" else np.arange(1, len(values) + 1)
        index = np.searchsorted(at, steps, side="right") - 1
        there = (index >= 0) & (not record.get("error") or steps <= len(values))
        curve[there] = np.array(values)[index[there]]
    curves = np.ma.masked_invalid(curves)
    return [f(curves, axis=0).filled(np.nan) for f in (np.ma.min, np.ma.median, np.ma.max)]


def draw_curves(figure, groups, report_accuracy=(), report_loss=()):
    """Draw loss and accuracy against step into `figure`.

    `groups` is {label: records, one a seed}: a line for the median over seeds, a band for their range.
    The report's values are lists of (label or None, step, value), drawn as diamonds.
    """
    groups = {name: records for name, records in groups.items() if any(r["measured_at"] for r in records)}
    loss, accuracy = figure.subplots(1, 2)
    colour_of = dict(zip(groups, colours(len(groups))))
    longest = max(
        (r["measured_at"][-1] for records in groups.values() for r in records if r["measured_at"]), default=1
    )
    for axes, what in ((loss, "loss"), (accuracy, "accuracy")):
        for name, records in groups.items():
            steps = np.array(max((r["measured_at"] for r in records), key=len))
            low, median, high = on_one_grid(records, steps, what)
            axes.fill_between(steps, low, high, color=colour_of[name], alpha=0.2, linewidth=0)
            axes.plot(steps, median, color=colour_of[name], linewidth=1.8, label=name)
        for name, step, value in report_accuracy if what == "accuracy" else report_loss:
            axes.plot(
                step,
                value,
                "D",
                color=colour_of.get(name, "white"),
                markeredgecolor="black",
                markersize=7,
                label="_",
                zorder=3,
                clip_on=False,
            )
        axes.set_xlabel("training step")
        axes.set_xlim(0, max([longest, *(step for _, step, _ in report_accuracy)]))
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
    loss.set_yscale("log")
    loss.set_ylabel("loss (cross-entropy)")
    accuracy.set_ylim(-0.02, 1.02)
    accuracy.set_ylabel("accuracy (whole sums right)")
    if report_accuracy:
        accuracy.plot([], [], "D", color="white", markeredgecolor="black", label="the report")
    if len(groups) > 1 or report_accuracy:
        figure.legend(*accuracy.get_legend_handles_labels(), loc="outside right center", frameon=False)


def new_figure(title):
    """An empty figure with its title, of the size that the page shows."""
    figure = Figure(figsize=(10, 4), dpi=150, layout="constrained")
    figure.suptitle(title, fontsize=13)
    return figure


def loss_draw(model, path=None):
    """Draw the loss and the accuracy of a trained model: saved to `path`, or shown where it is None.

    Raises ValueError for a model that was not trained by `train`.
    """
    if not getattr(model, "curves", None):
        raise ValueError("model has no curves to draw: train it first")
    if path is None:
        from matplotlib import pyplot  # only here: it opens the display

        figure = pyplot.figure(figsize=(10, 4), layout="constrained")
    else:
        figure = new_figure("")
    draw_curves(figure, {"this model": [model.curves]})
    pyplot.show() if path is None else figure.savefig(path)


def draw_row(row, results):
    """Draw the picture of a row into figures/; `results` is {arm: records}."""
    report = REPORT[row]
    names = {arm: label(row, arm) if arm is not None else "measured" for arm in results}
    figure = new_figure(seen(row, results))
    values = [
        (names.get(arm), *value)
        for arm, values in report["accuracy"].items()
        for value in values
        if arm is None or arm in names
    ]
    groups = {names[arm]: records for arm, records in results.items()}
    draw_curves(figure, groups, values, [(None, *value) for value in report.get("loss", ())])
    figure.savefig(FIGURES / picture(row))


def picture(row):
    """The file name of a row's picture."""
    return f"row{row}_{REPORT[row]['name']}.png"


def seen(row, results):
    """What the picture of a row shows, for its title, computed from the runs."""
    report = REPORT[row]
    level = report["level"]
    seeds = max(map(len, results.values()))
    what = f"{report['title']}: accuracy {level:g}"
    over = f"median of {seeds} seeds" if seeds > 1 else "1 seed"
    medians = {arm: median_step(records, level) for arm, records in results.items()}
    if len(medians) == 1:
        (arm,) = medians
        steps = [reached(record, level) for record in results[arm]]
        return f"{what} {from_step(medians[arm])} ({over}, range {from_to(steps)})"
    earliest, latest = min(medians.values()), max(medians.values())
    if earliest == latest:
        return f"{what} {from_step(earliest)} for all ({over})"

    def which(step):
        return " and ".join(label(row, arm) for arm in medians if medians[arm] == step)

    def say(step):
        found = [arm for arm in medians if medians[arm] == step]
        return which(step) if len(found) <= 2 else f"{len(found)} of {len(medians)}"

    return f"{what}\nfirst with {say(earliest)} (step {earliest:g}), last with {say(latest)} ({from_step(latest)}; {over})"


def median_step(records, level):
    """The median over `records` of the step that reached `level`; infinity for never."""
    return statistics.median_high(reached(record, level) for record in records)


def from_step(step):
    """A step in words."""
    return "never" if step == math.inf else f"from step {step:g}"


def from_to(steps):
    """A range of steps in words."""
    low, high = ("never" if step == math.inf else f"{step:g}" for step in (min(steps), max(steps)))
    return low if low == high else f"{low} to {high}"


# ---------------------------------------------------------------------------------------------------
# The page and the numbers.

RULE = f"""\
A claim is put to each seed by itself: is it true of this seed's runs? From the number of seeds that
say yes follows how probable it is that most seeds would (the posterior probability of a share above
one half, from a uniform prior). At {CONFIDENCE:.0%} or more the claim **holds**; at {1 - CONFIDENCE:.0%} or less it **does not
hold**; in between it **cannot be told from this many seeds**. With three seeds that takes all three to
agree. A row holds if all its claims do, and does not if one does not. "By step N" allows for the {READING_ERROR - 1:.0%} to
which the report's figures can be read, rounded up to the next measurement (every {pt.EVALUATE_EVERY} steps).
"""


def differences(row):
    """How the settings of a row differ from the report's, so that its claims are not about them."""
    found = []
    for field, value in REPORT[row]["settings"].items():
        ours = ROWS[row][field]
        if field == "steps":
            same = ours >= value
        elif isinstance(value, list):
            same = isinstance(ours, list) and set(value) <= set(ours)
        else:
            same = ours in (value, [value])
        if not same:
            found.append(f"{field} is {ours}, the report's is {value}")
    return found


def judge(row, results):
    """{claim: (one yes or no a seed, verdict)} of a row; empty if its settings are not the report's."""
    if differences(row):
        return {}
    compared = next((v for v in REPORT[row]["settings"].values() if isinstance(v, list)), results)
    judged = {}
    for claim, is_true in REPORT[row]["claims"].items():
        answers = [
            bool(is_true(dict(zip(compared, records))))
            for records in zip(*(results[arm] for arm in compared))
        ]
        judged[claim] = answers, verdict(answers)
    return judged


def row_verdict(judged):
    """The verdict of a row from those of its claims."""
    verdicts = [verdict for _, verdict in judged.values()]
    for worst in ("does not hold", "cannot be told from this many seeds", "holds"):
        if worst in verdicts:
            return worst
    return "no verdict: these settings are not the report's"


def less_work(settings):
    """Where a row works less than the report did, in words."""
    said = []
    if settings["batch_size"] != REPORT_BATCH:
        said.append(f"{settings['batch_size']} pairs a step, the report had {REPORT_BATCH}")
    if settings["stop_after"]:
        said.append(
            f"a run stops after {settings['stop_after']} measurements of 1.0 in a row "
            "(and is drawn at its last value from there)"
        )
    return "; ".join(said) or "nothing: the report's batch, and all the steps"


def section(row, results):
    """The part of the page about one row, in Markdown."""
    report, settings = REPORT[row], ROWS[row]
    judged = judge(row, results)
    level = report["level"]
    levels = [level] if level == 1.0 else [level, 1.0]
    lines = [
        f"## Row {row}. {report['title']}",
        "",
        f"![{report['title']}: loss and accuracy against training step]({picture(row)})",
        "",
        f"**The report:** {report['says']}.",
        "",
        f"**Verdict: {row_verdict(judged)}.**",
        "",
    ]
    if judged:
        lines += ["| claim | true for | verdict |", "| --- | --- | --- |"]
        for claim, (answers, found) in judged.items():
            lines.append(f"| {claim} | {sum(answers)} of {len(answers)} seeds | {found} |")
    else:
        lines += [f"- {difference}" for difference in differences(row)]
    lines += [
        "",
        "**Measured** (median over the seeds, and range):",
        "",
        "| | "
        + " | ".join(f"accuracy {value:g} from step" for value in levels)
        + " | last loss | last accuracy | steps run | ms a step |",
        "| --- |" + " --- |" * (len(levels) + 4),
    ]
    for arm, records in results.items():
        complete = [record for record in records if record["measured_at"]]
        cells = [label(row, arm) if arm is not None else "all seeds"]
        for value in levels:
            steps = [reached(record, value) for record in records]
            median = median_step(records, value)
            cells.append(f"{'never' if median == math.inf else median} ({from_to(steps)})")
        for values in (
            [record["loss"][-1] for record in complete],
            [record["accuracy"][-1] for record in complete],
            [len(record["loss"]) for record in records],
            [record["ms_per_step"] for record in records],
        ):
            cells.append(spread(values))
        lines.append("| " + " | ".join(cells) + " |")
    lines += [
        f"\n{title_of(row, arm, {'seed': seed})}: {record['error']}."
        for arm, records in results.items()
        for seed, record in zip(dict.fromkeys(settings["seeds"]), records)
        if record["error"]
    ]
    fixed = {field: value for field, value in settings.items() if not isinstance(value, list)}
    lines += [
        "",
        (
            f"Settings: {', '.join(describe(field, value) for field, value in fixed.items())}; "
            f"seeds {', '.join(map(str, dict.fromkeys(settings['seeds'])))}. Less work than the report: {less_work(settings)}."
        ),
        "",
    ]
    return "\n".join(lines)


def spread(values):
    """Median and range of `values` in words."""
    if not values:
        return "none"
    median, low, high = (f"{f(values):.3g}" for f in (statistics.median, min, max))
    return median if low == high else f"{median} ({low} to {high})"


def write_page(measured, seconds):
    """Write figures/README.md from `measured`, {row: {arm: records}}."""
    records = [record for results in measured.values() for arm in results.values() for record in arm]
    table = ["| row | experiment | claims that hold | verdict |", "| --- | --- | --- | --- |"]
    for row, results in measured.items():
        judged = judge(row, results)
        held = sum(found == "holds" for _, found in judged.values())
        table.append(
            f"| [{row}](#{anchor(row)}) | {REPORT[row]['title']} | {held} of {len(judged)} | {row_verdict(judged)} |"
        )
    found = ", ".join(f"{name} {version}" for name, version in versions().items())
    data = sum(record["seconds"]["data"] for record in records)
    training = sum(record["seconds"]["training"] for record in records)
    head = [
        "# The report's experiments, measured",
        "",
        (
            f"Written by `source.py`: {len(records)} runs in {seconds / 60:.1f} minutes, {WORKERS} workers. "
            f"{device_name()}; {found}. The report's own code takes about 115 minutes for one seed on a 2-core CPU. "
            f"Making the data took {data / training:.1%} of the time that training on it did."
        ),
        "",
        RULE,
        *table,
        "",
        "In the pictures a line is the median over the seeds, a band their range, a diamond the report's own value.",
        "",
    ]
    sections = [section(row, results) for row, results in measured.items()]
    (FIGURES / "README.md").write_text("\n".join(head + sections), encoding="utf-8")


def anchor(row):
    """GitHub's name for the heading of a row."""
    heading = f"row {row}. {REPORT[row]['title']}".lower()
    return "".join(c for c in heading if c.isalnum() or c in " -_").replace(" ", "-")


def short(value):
    """`value` with its floats at six significant digits, for the file of numbers."""
    if isinstance(value, float):
        return float(f"{value:.6g}")
    if isinstance(value, list):
        return [short(item) for item in value]
    return {key: short(item) for key, item in value.items()} if isinstance(value, dict) else value


def write_results(measured, seconds):
    """Write figures/results.json: device, versions and verdicts, then a line with all of each run."""
    head = {"device": device_name(), "versions": versions(), "workers": WORKERS, "seconds": short(seconds)}
    head["verdicts"] = {
        row: {
            "verdict": row_verdict(judged := judge(row, results)),
            "claims": {
                claim: {"seeds": answers, "verdict": found} for claim, (answers, found) in judged.items()
            },
        }
        for row, results in measured.items()
    }
    lines = [
        json.dumps({"row": row, "arm": arm, **settings, **short(finished[kept_path(settings)][0])})
        for row, arm, settings in plan(measured)
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
    measured = {}
    for (row, arm, _), (record, _) in zip(runs, conduct(runs)):
        measured.setdefault(row, {}).setdefault(arm, []).append(record)
    FIGURES.mkdir(exist_ok=True)
    for row, results in measured.items():
        draw_row(row, results)
        print(f"row {row}: {picture(row)}: {row_verdict(judge(row, results))}")
    return measured


def pt_main():
    """Task 1: the report's simple adder, at 10, 1000 and 5000 digits."""
    return run_rows(MAIN_ROWS)


def pt_adv_main():
    """Task 2: layers, cells and learning rates, and the model that the report ends with."""
    return run_rows(ADV_ROWS)


def main():
    """Run all rows, draw them, and write the page and the numbers."""
    began = time.monotonic()
    rows = MAIN_ROWS + ADV_ROWS
    conduct(plan(row for row in rows if row in ROWS))  # all at once, so that no worker waits
    measured = pt_main() | pt_adv_main()
    seconds = time.monotonic() - began
    write_results(measured, seconds)
    write_page(measured, seconds)
    print(f"Done in {seconds / 60:.1f} minutes: see {FIGURES.name}/README.md")


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("Stopped. Finished runs are kept: run it again to go on.")
    except ValueError as error:
        sys.exit(f"Error: {error}")
