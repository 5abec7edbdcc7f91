"""Every experiment of the report "Assignment 2: an RNN that adds", run again over several seeds.

    python source.py

trains all that EXPERIMENTS lists and judges the claims of the report, trains adders that are proven
right for numbers of any length, and leaves in figures/ the pictures, every number behind them
(results.json) and a page (index.html; README.md for a forge). Change a constant below and run it
again: the script trains, draws and writes again only what the change touches.
"""

import multiprocessing
import re
import sys
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))  # `python -P` leaves this folder out

import torch
from dask.system import CPU_COUNT

import pt
from lab import curves
from lab.adders import ForProof
from lab.book import Book
from lab.console import run_script
from lab.files import held
from lab.parts.decided import Decided
from lab.parts.errors import Errors
from lab.parts.experiment import Experiment, choose, compare, compare_settings
from lab.parts.gpu import Gpu
from lab.parts.little import Little
from lab.parts.long_numbers import LongNumbers
from lab.parts.memory import Memory
from lab.parts.proof import Proof
from lab.parts.stress import Stress
from lab.parts.verdicts import Verdicts
from lab.report.said import REPORT
from lab.runs import open_lab
from lab.settings import (
    Settings,
    SettingsError,
    check_at_least,
    check_names,
    end_at_the_readers_line,
)
from pt import evaluate, myAdvPTRNNModel, myPTRNNModel, train  # noqa: F401  (the report's names)

if __name__ == "__main__":
    sys.excepthook = end_at_the_readers_line  # a bad setting is shown where it stands below

# --- The constants to edit.

SEEDS = range(8)  # each experiment is run with each: of the weights, the pairs to train and test on
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"  # where to train: "cpu", "cuda", "cuda:1"
WORKERS = CPU_COUNT  # processes that share the runs, one torch thread each; 0: all in this one
SCHEDULER = None  # a cluster to share them instead: a Dask scheduler's address, "tcp://host:8786"
ONLY = []  # names of the experiments and parts to run alone, such as ["task-1", "proof"]; []: all
# Names that run only when ONLY names them: hours on two cores. Their results stay as they are.
SLOW = ["1000-digits", "5000-digits", "cells", "errors_in_a_million", "little_gated"]
FOLDER = Path(__file__).resolve().parent  # also of a link to this file
FIGURES = FOLDER / "figures"  # where pictures, page and numbers go
CACHE = FOLDER / ".runs"  # where finished runs are cached (outside git)

# The report's simple adder and its final model. `Settings` says what each field is.
SIMPLE = Settings(
    digitlen=10,
    cell="RNN",
    layers=2,
    lr=1e-3,
    steps=500,
    batch_size=100,
    test_size=100,
    eval_every=10,
    device=DEVICE,
)
FINAL_MODEL = replace(SIMPLE, digitlen=100, layers=3, lr=0.01)
# The simple adder as the report first ran it: on the example of its course, 200 pairs a step from
# [0, 555555554].
COURSE = replace(SIMPLE, digitlen=9, pairs="course", steps=1000, batch_size=200, test_size=200)
LONG_CARRY = replace(SIMPLE, pairs="long-carry", steps=700)
# 5000 digits within minutes, for whoever does not wait for SLOW. Chosen on the seeds 0 to 4: all
# were at a steady 1.0 by step 2150.
ONE_PAIR = replace(
    SIMPLE, digitlen=5000, batch_size=1, steps=2500, eval_every=50, stop_after_perfect=3
)

# The learning rates that the report drew at random.
COARSE_RATES = sorted(REPORT["lr-coarse"]["settings"]["lr"])
FINE_RATES = sorted(REPORT["lr-fine"]["settings"]["lr"])

# The experiments: settings, seeds, and the values of a field to compare, one variant each.
# Experiments of the report are judged by its claims; one of any other name and settings may join.
EXPERIMENTS = {
    "task-1": compare(COURSE, SEEDS, prints_lines=True),
    "1000-digits": compare(replace(SIMPLE, digitlen=1000, steps=600), SEEDS[:5], saves_adders=True),
    "5000-digits": compare(
        replace(SIMPLE, digitlen=5000, steps=2000, stop_after_perfect=20),
        SEEDS[:5],
        saves_adders=True,
    ),
    "5000-digits-one-pair": compare(
        ONE_PAIR,
        [1000, 1001],
        question="Are 5000 digits learnt within minutes, with one pair a step?",
    ),
    "rnn-layers": compare(SIMPLE, SEEDS, layers=[1, 2, 3, 4]),
    "gru-layers": compare(replace(SIMPLE, cell="GRU"), SEEDS, layers=[1, 2, 3, 4]),
    "cells": compare(
        replace(SIMPLE, digitlen=100, layers=3),
        SEEDS[:5],
        cell=["RNN", "GRU", "LSTM"],
        saves_adders=True,
    ),
    "lr-coarse": compare(replace(SIMPLE, layers=3), SEEDS, lr=COARSE_RATES),
    "lr-fine": compare(replace(SIMPLE, layers=3, steps=400), SEEDS, lr=FINE_RATES),
    "final-model": compare(FINAL_MODEL, SEEDS, also_tested_at=5000),
    "pt-main": compare(replace(SIMPLE, digitlen=100), SEEDS[:5]),
    # Questions beside the report's.
    "long-carry": compare(
        LONG_CARRY,
        SEEDS[:3],
        question="Does the simple adder learn long carry chains when it is trained on them? In a "
        "long-carry pair any share of the positions, from none to all, has digits that sum to "
        "nine, through which a carry passes; in a random pair a tenth has.",
    ),
    "hidden-units": compare(
        SIMPLE,
        SEEDS[:3],
        question="How many hidden units does the simple adder need?",
        hidden=[8, 16, 32, 64],
    ),
    "optimizers": compare_settings(
        {
            "SGD, lr 1": replace(SIMPLE, optimizer="SGD", lr=1.0),
            "SGD, momentum 0.9, lr 1": replace(SIMPLE, optimizer="SGD", momentum=0.9, lr=1.0),
            "Adam, lr 0.01": replace(SIMPLE, lr=0.01),
        },
        SEEDS[:3],
        question="Does plain gradient descent do as well as Adam? Each has the learning rate whose "
        "median is first at 0.9 on the seeds 100 to 102: of 0.1, 0.3, 1, 3 for SGD, of 0.03, 0.1, "
        "0.3, 1 with momentum, of 0.001, 0.003, 0.01, 0.03 for Adam.",
    ),
}
TASK_1 = ["task-1", "1000-digits", "5000-digits", "5000-digits-one-pair", "pt-main"]  # of pt_main

# Adders to train for the proof. The recipe was chosen on seeds below 1000.
FOR_PROOF = [
    ForProof("RNN", range(1000, 1010), layers=1, device=DEVICE),
    ForProof("RNN", range(1000, 1004), layers=2, device=DEVICE),
    ForProof("RNN", range(1000, 1003), layers=3, device=DEVICE),
    ForProof("GRU", range(1000, 1003), layers=1, device=DEVICE),
    ForProof("GRU", range(1000, 1002), layers=2, device=DEVICE),
    ForProof("GRU", range(1000, 1001), layers=3, device=DEVICE),
    ForProof("LSTM", range(1000, 1003), layers=1, device=DEVICE),
    ForProof("LSTM", range(1000, 1002), layers=2, device=DEVICE),
    ForProof("LSTM", range(1000, 1001), layers=3, device=DEVICE),
    ForProof("RNN", range(1000, 1003), hidden=8, device=DEVICE),
    ForProof("RNN", range(1000, 1003), hidden=16, device=DEVICE),
    ForProof("RNN", range(1000, 1003), hidden=32, device=DEVICE),
]
PROVEN_RNN = ForProof("RNN", range(1000, 1005), device=DEVICE)

# An adder trained on numbers of few digits, and tested on more.
LITTLE = Little(
    settings=replace(SIMPLE, steps=1000, eval_every=100),
    cells=["RNN"],
    digits=[1, 2, 3, 4, 5, 7, 10, 20],
    tested_at=[10, 100, 1000, 5000],
    seeds=SEEDS[:3],
    beside=choose(EXPERIMENTS, "5000-digits"),
)

# Questions beyond the report, a part each: see lab/parts/.
BEYOND = {
    "gpu": Gpu(lengths=[10, 100, 1000, 5000], device=DEVICE),
    "errors": Errors(of=EXPERIMENTS, pairs=30_000),
    "errors_in_a_million": Errors(of=choose(EXPERIMENTS, "task-1", "final-model"), pairs=1_000_000),
    "memory": Memory(
        of=choose(EXPERIMENTS, "task-1", "final-model", "5000-digits")
        | {
            "RNN, trained for the proof": ForProof("RNN", range(1000, 1003), device=DEVICE),
            "GRU, trained for the proof": ForProof("GRU", range(1000, 1003), device=DEVICE),
            "LSTM, trained for the proof": ForProof("LSTM", range(1000, 1003), device=DEVICE),
        },
        positions=50,
    ),
    "little": LITTLE,
    "little_gated": replace(LITTLE, cells=["GRU", "LSTM"]),
    # Its one run takes long: as the last it would keep one worker busy and the others idle.
    "long_numbers": LongNumbers(
        PROVEN_RNN, {100: 100, 1000: 10_000, 10_000: 20, 100_000: 2, 1_000_000: 1}
    ),
    "proof": Proof(FOR_PROOF, beside={"the report's simple adder": SIMPLE}),
    "stress": Stress(
        of={
            "the report's simple adder": compare(SIMPLE, SEEDS[:5]),
            "the report's final model": compare(FINAL_MODEL, SEEDS[:5]),
            "the simple adder, trained on long-carry pairs": compare(LONG_CARRY, SEEDS[:3]),
            "RNN, trained for the proof": PROVEN_RNN,
        },
        chains=[0, 1, 2, 3, 5, 10, 20, 50, 100, 200, 500, 1000],
        pairs=20,
    ),
}
OVERVIEWS = {"verdicts": Verdicts(), "decided": Decided()}  # made from the results of all others


# --- What is run.


def pt_main():
    """Task 1: the report's simple adder, on the course's example and at 100, 1000, 5000 digits."""
    run(name for name in EXPERIMENTS if name in TASK_1)


def pt_adv_main():
    """Task 2: layers, cells, learning rates, the report's final model, and experiments of yours."""
    run(name for name in EXPERIMENTS if name not in TASK_1)


def exact_main():
    """Beyond the report: CUDA, the worth of 100%, the proof, long chains, a million digits."""
    run(BEYOND)


def main():
    """Run all three."""
    first = [name for name in EXPERIMENTS if name in TASK_1]
    run([*dict.fromkeys([*first, *EXPERIMENTS]), *BEYOND], is_everything=not ONLY)


def run(names, is_everything=False):
    """Run the parts of these names that ONLY and SLOW let run, to their end."""
    leave_if_read_by_a_worker()
    check_constants()
    parts = EXPERIMENTS | BEYOND
    wanted = [name for name in names if (name in ONLY if ONLY else name not in SLOW)]
    with held(FIGURES):
        book = Book(FIGURES, OVERVIEWS, parts)
        with open_lab(CACHE, WORKERS, SCHEDULER, book, wanted) as lab:
            book.run(wanted, lab, DEVICE, is_everything)


def draw():
    """Make every picture and the page again from results.json."""
    with held(FIGURES):
        book = Book(FIGURES, OVERVIEWS, EXPERIMENTS | BEYOND)
        book.look_over()
        book.draw(anew=True)
        book.write()
        book.write_page()


def leave_if_read_by_a_worker():
    """End a worker process that reads a script without a guard, which would start a run again."""
    if getattr(multiprocessing.current_process(), "_inheriting", False):
        sys.exit(
            "Error: a run was started while a worker process reads the script: put the call below "
            '`if __name__ == "__main__":`'
        )


def check_constants():
    """Raise SettingsError, naming it, at a bad constant; each part checked its own fields."""
    for name, value in {"FIGURES": FIGURES, "CACHE": CACHE}.items():
        if not isinstance(value, Path):
            raise SettingsError(f"{name} must be a Path, got {value!r}")
    check_at_least("WORKERS", WORKERS, 0)
    for name, value in EXPERIMENTS.items():
        if not isinstance(value, Experiment):
            raise SettingsError(f"EXPERIMENTS: {name!r} must be made by compare, got {value!r}")
        taken = name in BEYOND or name in OVERVIEWS
        if taken or not re.fullmatch(r"[\w-]+", str(name)) or not isinstance(name, str):
            raise SettingsError(
                "EXPERIMENTS: a name has letters, digits, - and _ and is not one of "
                f"{', '.join([*BEYOND, *OVERVIEWS])}, got {name!r}"
            )
    known = [*EXPERIMENTS, *BEYOND]
    check_names("ONLY", ONLY, known)
    check_names("SLOW", SLOW, known)
    if SCHEDULER is not None:
        if not re.fullmatch(r"\w+://.+:\d+", str(SCHEDULER)):
            raise SettingsError(
                f"SCHEDULER must be an address, 'tcp://host:8786', got {SCHEDULER!r}"
            )
        return
    for part in [*EXPERIMENTS.values(), *BEYOND.values()]:
        for device in getattr(part, "devices", ()):
            pt.check_device(device)


def loss_draw(model, path=None):
    """Draw loss and accuracy of a model that `train` trained, ValueError if not.

    Saved to `path`; given none, it is shown, or, where there is no screen, saved into FIGURES, and
    where is said.
    """
    if not model.loss_history:
        raise ValueError("model has no history to draw: train it first")
    history = {
        "loss": model.loss_history,
        "accuracy": model.accuracy,
        "steps": model.evaluated_at,
    }
    if path is None:
        if curves.show_run(history):
            return
        FIGURES.mkdir(parents=True, exist_ok=True)
        path = FIGURES / "loss_draw.png"
        print(f"No screen: see {path}")
    curves.draw_run(history, path)


if __name__ == "__main__":
    run_script(main, folders=(FIGURES, CACHE))
