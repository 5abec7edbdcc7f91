"""Every experiment of the report "Assignment 2: an RNN that adds", run again over several seeds.

    python source.py

trains all that EXPERIMENTS lists and judges the claims of the report, trains adders that are proven
right for numbers of any length, and leaves in figures/ the pictures, every number behind them
(results.json) and a page (index.html; README.md for a forge). Change a constant below and run it
again: what the change touches is trained, drawn and written anew, nothing else changes.
"""

import contextlib
import copy
import dataclasses
import errno
import multiprocessing
import re
import statistics
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parent))  # `python -P` leaves this folder out

import torch
from dask.system import CPU_COUNT

import data
import exact
import pt
from exact.by_hand import build_by_hand
from exact.provable import provable_cell, why_nothing_can_be_proven
from lab import deciding, measuring, page, pictures, report, results, worth
from lab.console import NobodyReadsError, leave_quietly, prepare_output, say
from lab.files import FolderInUseError, held, written_whole
from lab.parts import (
    Part,
    say_left_out,
    say_proof_training,
    say_times,
    say_training,
    submit_errors,
    submit_little,
    submit_memory,
    submit_training,
)
from lab.runs import Run, open_lab
from lab.settings import (
    Experiment,
    Settings,
    SettingsError,
    compare,
    compare_settings,
    end_at_the_readers_line,
    expected_seconds,
    hint,
    label_values,
)
from lab.training import plain_adder, time_step
from lab.workers import LabError
from pt import evaluate, myAdvPTRNNModel, myPTRNNModel, train  # noqa: F401  (the report's names)

if __name__ == "__main__":
    sys.excepthook = end_at_the_readers_line  # a bad setting is shown where it stands below

# --- The constants to edit.

SEEDS = range(8)  # each experiment is run with each: of the weights, the pairs to train and test on
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"  # where to train: "cpu", "cuda", "cuda:1"
WORKERS = CPU_COUNT  # processes that share the runs, one torch thread each; 0: all in this one
SCHEDULER = None  # a cluster to share them instead: a Dask scheduler's address, "tcp://host:8786"
ONLY = []  # names of the experiments and parts to run alone, such as ["task-1", "proof"]; []: all
# Names that run only when ONLY names them: hours on two cores. What they gave stays as it is.
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
# 5000 digits within minutes, for whoever does not wait for SLOW. By trial on the seeds 0 to 4 all
# were at a steady 1.0 by step 2150.
ONE_PAIR = replace(
    SIMPLE, digitlen=5000, batch_size=1, steps=2500, eval_every=50, stop_after_perfect=3
)

# The learning rates that the report drew at random.
COARSE_RATES = sorted(report.REPORT["lr-coarse"]["settings"]["lr"])
FINE_RATES = sorted(report.REPORT["lr-fine"]["settings"]["lr"])

# The experiments: settings, seeds, and the values of a field to compare, one variant each. Those of
# the report have its claims; an experiment of any other name and settings may join them.
EXPERIMENTS = {
    "task-1": compare(COURSE, SEEDS),
    "1000-digits": compare(replace(SIMPLE, digitlen=1000, steps=600), SEEDS[:5]),
    "5000-digits": compare(
        replace(SIMPLE, digitlen=5000, steps=2000, stop_after_perfect=20), SEEDS[:5]
    ),
    "5000-digits-one-pair": compare(ONE_PAIR, SEEDS[:2]),
    "rnn-layers": compare(SIMPLE, SEEDS, layers=[1, 2, 3, 4]),
    "gru-layers": compare(replace(SIMPLE, cell="GRU"), SEEDS, layers=[1, 2, 3, 4]),
    "cells": compare(
        replace(SIMPLE, digitlen=100, layers=3), SEEDS[:5], cell=["RNN", "GRU", "LSTM"]
    ),
    "lr-coarse": compare(replace(SIMPLE, layers=3), SEEDS, lr=COARSE_RATES),
    "lr-fine": compare(replace(SIMPLE, layers=3, steps=400), SEEDS, lr=FINE_RATES),
    "final-model": compare(FINAL_MODEL, SEEDS),
    "pt-main": compare(replace(SIMPLE, digitlen=100), SEEDS[:5]),
    "long-carry": compare(LONG_CARRY, SEEDS[:3]),
    # What others made of the same course's question.
    "hidden-units": compare(SIMPLE, SEEDS[:3], hidden=[8, 16, 32, 64]),
    "optimizers": compare_settings(
        {
            "SGD, lr 1": replace(SIMPLE, optimizer="SGD", lr=1.0),
            "SGD, momentum 0.9, lr 1": replace(SIMPLE, optimizer="SGD", momentum=0.9, lr=1.0),
            "Adam, lr 0.01": replace(SIMPLE, lr=0.01),
        },
        SEEDS[:3],
    ),
}
# What those ask that are not the report's, for the page; one of your own may have a line here, too.
QUESTIONS = {
    "5000-digits-one-pair": "Are 5000 digits learnt within minutes, with one pair a step?",
    "long-carry": (
        "Does the simple adder learn long carry chains when it is trained on them? In a long-carry "
        "pair any share of the positions, from none to all, has digits that sum to nine, through "
        "which a carry passes; in a random pair a tenth has."
    ),
    "hidden-units": "How many hidden units does the simple adder need?",
    "optimizers": (
        "Does plain gradient descent do as well as Adam? Each has the learning rate whose median "
        "is first at 0.9 on the seeds 100 to 102: of 0.1, 0.3, 1, 3 for SGD, of 0.03, 0.1, 0.3, 1 "
        "with momentum, of 0.001, 0.003, 0.01, 0.03 for Adam."
    ),
}
# Those of pt_main; the others are pt_adv_main's.
TASK_1 = ["task-1", "1000-digits", "5000-digits", "5000-digits-one-pair", "pt-main"]

# What 100% is worth. How many fresh pairs of 10 digits each adder that ends at 100% adds, the same
# for all; and those of task-1 and final-model once more, as the part "errors_in_a_million".
COUNTED_PAIRS = 30_000
MANY_PAIRS = 1_000_000
# Experiments whose adders must remember a carry, or none, for as many positions as MEMORY says.
REMEMBERING = ["task-1", "final-model", "5000-digits"]
MEMORY = 50
# The simple adder trained on numbers of at most so many digits, tested on pairs of other lengths.
LITTLE_DIGITS = [1, 2, 3, 4, 5, 7, 10, 20]
LITTLE_LENGTHS = [10, 100, 1000, 5000]
LITTLE = replace(SIMPLE, steps=1000, eval_every=100)
LITTLE_SEEDS = SEEDS[:3]

TIMED_LENGTHS = [10, 100, 1000, 5000]  # the experiment "gpu": digits at which a step is timed

# Seeds of the adders to train for the proof, for each cell and number of layers. In runs of their
# own, 100 of 100, 10 of 10 and 10 of 10 RNNs with 1, 2 and 3 layers were proven, 20 of 20, 10 of 10
# and 10 of 10 GRUs, and the same of LSTMs.
PROVEN_SEEDS = {
    "RNN": {1: range(10), 2: range(4), 3: range(1)},
    "GRU": {1: range(3), 2: range(1), 3: range(1)},
    "LSTM": {1: range(3), 2: range(1), 3: range(1)},
}
# The same of RNNs with one layer of fewer units: seeds for each number of hidden units.
PROVEN_SMALL = {8: range(3), 16: range(3), 32: range(3)}

# Adders whose accuracy is measured against the longest carry chain, beside those for the proof.
STRESSED = {
    "the report's simple adder": compare(SIMPLE, SEEDS[:5]),
    "the report's final model": compare(FINAL_MODEL, SEEDS[:5]),
    "the simple adder, trained on long-carry pairs": compare(LONG_CARRY, SEEDS[:3]),
}
CHAINS = [0, 1, 2, 3, 5, 10, 20, 50, 100, 200, 500, 1000]  # the longest carry chains, in positions
CHAIN_PAIRS = 20  # how many pairs of each

# The lengths at which an adder trained for the proof is tested, {digits: how many long-carry
# pairs}; 999...9 + 1 is added.
LENGTHS = {100: 100, 1000: 10_000, 10_000: 20, 100_000: 2, 1_000_000: 1}

# What ONLY and SLOW may name beside EXPERIMENTS.
PARTS = [
    "gpu",
    "errors",
    "errors_in_a_million",
    "memory",
    "little",
    "little_gated",
    "proof",
    "stress",
    "lengths",
]


# --- What is run. Given a lab, each of these three submits its runs to it and returns its parts at
# once, for `finish` to wait for; given none, it opens one and is run to its end by itself.


class ConstantError(ValueError):
    """A constant above that cannot be; the message names it."""


def pt_main(lab=None):
    """Task 1: the report's simple adder, on the course's example and at 100, 1000, 5000 digits."""
    if lab is None:
        return run_to_the_end(pt_main)
    names = [name for name in EXPERIMENTS if name in TASK_1 and is_wanted(name)]
    return [submit_experiment(lab, name) for name in names]


def pt_adv_main(lab=None):
    """Task 2: layers, cells, learning rates and the report's final model; CUDA; and your own."""
    if lab is None:
        return run_to_the_end(pt_adv_main)
    names = [name for name in EXPERIMENTS if name not in TASK_1 and is_wanted(name)]
    submitted = [submit_experiment(lab, name) for name in names]
    if is_wanted("gpu") and TIMED_LENGTHS:
        submitted.append(submit_gpu(lab))
    return submitted


def exact_main(lab=None):
    """Beyond the report: what 100% is worth, the proof, long carry chains, a million digits."""
    if lab is None:
        return run_to_the_end(exact_main)
    submitted = submit_worth(lab)
    # Its one run takes long: as the last it would keep one worker busy and the others idle.
    if is_wanted("lengths") and list_proven_cells() and LENGTHS:
        submitted.append(submit_lengths(lab))
    if is_wanted("proof") and list_proven_sizes() and why_nothing_can_be_proven() is None:
        submitted.append(submit_proof(lab))
    if is_wanted("stress") and STRESSED and CHAINS:
        submitted.append(submit_stress(lab))
    return submitted


def main():
    """Run all three."""
    run_to_the_end(pt_main, pt_adv_main, exact_main)


def run_to_the_end(*mains):
    """Have each of `mains` submit its runs to one lab, then wait for them; returns their parts."""
    leave_if_read_by_a_worker()
    try:
        check_constants()
    except ValueError as error:
        raise ConstantError(str(error)) from None
    with held(FIGURES):
        merged = read_results()
        with open_lab(cache=CACHE, workers=WORKERS, scheduler=SCHEDULER) as lab:
            submitted = []
            for submit in mains:
                submitted += submit(lab)
            print_header(submitted, lab)
            is_everything = len(mains) > 1 and not ONLY
            finish(submitted, lab, merged, is_everything)
    return submitted


def read_results():
    """The results so far, which can be counted, judged and shown, or ResultsError.

    The reader may have edited the file by hand.
    """
    path = FIGURES / "results.json"
    merged = results.read(path)
    try:
        look_over(copy.deepcopy(merged))
        page.to_markdown(merged)
    except Exception as error:  # whatever an edit leads to
        reason = f"{type(error).__name__}: {error}"
        raise results.ResultsError(
            f"{path.parent.name}/{path.name} is not as this script wrote it and cannot be shown "
            f"({' '.join(reason.split())}): mend, move or delete it"
        ) from error
    return merged


def leave_if_read_by_a_worker():
    """End a worker process that reads a script without a guard, which would start a run again."""
    if getattr(multiprocessing.current_process(), "_inheriting", False):
        sys.exit(
            "Error: a run was started while a worker process reads the script: put the call below "
            '`if __name__ == "__main__":`'
        )


def is_wanted(name):
    """Whether an experiment or a part of this name is to be run."""
    return name in ONLY if ONLY else name not in SLOW


def check_constants():
    """Raise ValueError, naming it, at a bad constant; `compare` has checked the settings."""
    for name, value in {"FIGURES": FIGURES, "CACHE": CACHE}.items():
        if not isinstance(value, Path):
            raise ValueError(f"{name} must be a Path, got {value!r}")
    data.check_at_least("WORKERS", WORKERS, 0)
    data.check_at_least("CHAIN_PAIRS", CHAIN_PAIRS, 1)
    data.check_at_least("COUNTED_PAIRS", COUNTED_PAIRS, 1)
    data.check_at_least("MANY_PAIRS", MANY_PAIRS, 1)
    data.check_at_least("MEMORY", MEMORY, 1)
    check_numbers("CHAINS", CHAINS, 0)
    check_numbers("TIMED_LENGTHS", TIMED_LENGTHS, 1)
    check_numbers("LITTLE_DIGITS", LITTLE_DIGITS, 1)
    check_numbers("LITTLE_LENGTHS", LITTLE_LENGTHS, 1)
    if not isinstance(LENGTHS, dict):
        raise ValueError(f"LENGTHS must be {{digits: pairs}}, got {LENGTHS!r}")
    check_numbers("LENGTHS", [*LENGTHS, *LENGTHS.values()], 1)
    check_experiments("EXPERIMENTS", EXPERIMENTS)
    check_experiments("STRESSED", STRESSED)
    known = [*EXPERIMENTS, *PARTS]
    check_names("ONLY", ONLY, known)
    check_names("SLOW", SLOW, known)
    check_names("REMEMBERING", REMEMBERING, list(EXPERIMENTS))
    check_names("QUESTIONS", list(QUESTIONS), list(EXPERIMENTS))
    taken = [*PARTS, "decided", "verdicts"]  # there are pictures of these names
    for name in EXPERIMENTS:
        if name in taken or not re.fullmatch(r"[\w-]+", name):
            raise ValueError(
                f"EXPERIMENTS: a name has letters, digits, - and _ and is not one of "
                f"{', '.join(taken)}, got {name!r}"
            )
    if LITTLE_DIGITS:
        try:
            list_little(["RNN", "GRU", "LSTM"])
        except SettingsError as error:
            raise ValueError(f"LITTLE, LITTLE_DIGITS or LITTLE_SEEDS: {error}") from None
    try:
        check_proven_sizes()
    except ValueError as error:
        raise ValueError(f"PROVEN_SEEDS or PROVEN_SMALL: {error}") from None
    if SCHEDULER is None:
        check_devices()
    elif not re.fullmatch(r"\w+://.+:\d+", str(SCHEDULER)):
        raise ValueError(f"SCHEDULER must be an address, 'tcp://host:8786', got {SCHEDULER!r}")


def check_numbers(name, numbers, least):
    """Raise ValueError, naming the constant, unless it lists integers of at least `least`."""
    if not isinstance(numbers, (list, tuple, range)):
        raise ValueError(f"{name} must be a list of integers, got {numbers!r}")
    for number in numbers:
        data.check_at_least(f"each of {name}", number, least)


def check_names(constant, names, known):
    """Raise ValueError, naming the constant, unless it is a list of `known` names."""
    if not isinstance(names, (list, tuple)):
        raise ValueError(f"{constant} must be a list of names, got {names!r}")
    for name in names:
        if name not in known:
            close = hint(str(name), known)
            raise ValueError(f"{constant} may name {', '.join(known)}, got {name!r}{close}")


def check_experiments(constant, experiments):
    """Raise ValueError, naming the constant, unless it is {name: what `compare` makes}."""
    for name, experiment in experiments.items():
        if not isinstance(name, str):
            raise ValueError(f"{constant}: a name must be a text, got {name!r}")
        if not isinstance(experiment, Experiment):
            raise ValueError(f"{constant}: {name!r} must be made by compare, got {experiment!r}")


def check_proven_sizes():
    """Raise ValueError for a size of PROVEN_SEEDS or PROVEN_SMALL that cannot be trained."""
    for sizes in (PROVEN_SMALL, PROVEN_SEEDS):
        if not isinstance(sizes, dict):
            raise ValueError(f"each must be {{size: seeds}}, got {sizes!r}")
    for cell, by_layers in PROVEN_SEEDS.items():
        if not isinstance(by_layers, dict):
            raise ValueError(f"{cell} must have {{layers: seeds}}, got {by_layers!r}")
        if not by_layers:
            raise ValueError(f"{cell} must have seeds for at least one number of layers")
    for hidden in PROVEN_SMALL:
        if hidden == pt.HIDDEN:
            raise ValueError(f"{hidden} hidden units have their seeds in PROVEN_SEEDS")
    for (cell, layers, hidden), seeds in list_proven_sizes().items():
        # Settings are checked when they are made: these are made for that alone.
        compare(replace(SIMPLE, cell=cell, layers=layers, hidden=hidden), seeds)
        provable_cell(pt.Adder(cell, layers, hidden))


def check_devices():
    """Raise ValueError for a device that is not there."""
    devices = {DEVICE, LITTLE.device}
    for experiment in [*EXPERIMENTS.values(), *STRESSED.values()]:
        devices |= {variant.settings[0].device for variant in experiment.variants}
    for device in devices:
        pt.check_device(device)


# --- The parts: their runs, submitted, and what results.json gets when the last of them has ended.


class SubmittedAdder(NamedTuple):
    """An adder, submitted: its runs."""

    seed: int
    training: Run
    decision: Run


def submit_experiment(lab, name):
    """Submit an experiment, the longest trainings first."""
    experiment = EXPERIMENTS[name]
    first = experiment.variants[0].settings[0] if name == "task-1" else None
    adders = submit_adders(lab, name, experiment, speaker=first)
    testing = {}
    if name == "final-model":
        testing = {settings: submit_test(lab, name, one) for settings, one in adders.items()}

    def describe():
        variants = []
        for variant in experiment.variants:
            settings = dataclasses.asdict(variant.settings[0])
            del settings["seed"]
            runs = []
            for of_seed in variant.settings:
                run = describe_run(adders[of_seed])
                if of_seed in testing:
                    run["accuracy_at_5000"] = testing[of_seed].result()["accuracy"][0]
                runs.append(run)
                path = name_adder(name, variant.label, of_seed.seed)
                if name in SLOW or path.exists():  # no adder is left there that is of other runs
                    save_adder(adders[of_seed], path)
            variants.append({"label": variant.label, "settings": settings, "runs": runs})
        question = QUESTIONS.get(name)
        return report.describe_experiment(name, experiment.compared, variants, question)

    return Part(name, [*runs_of(adders.values()), *testing.values()], describe)


def submit_test(lab, name, submitted):
    """Have an adder tested on 100 pairs of 5000 digits, as the report claims of its final model."""
    title = f"{name}, seed {submitted.seed}, on 5000 digits"
    return lab.submit(
        measuring.measure_accuracy,
        submitted.training,
        [5000],
        100,
        title=title,
        seconds=2.0,
        say=say_left_out,
    )


def name_adder(name, label, seed):
    """The file of an adder of an experiment in SLOW, which takes too long to be trained again."""
    words = [name, *re.findall(r"[\w.-]+", label), f"seed{seed}"]
    return FIGURES / "adders" / f"{'-'.join(words)}.npz"


def save_adder(submitted, path):
    """Save an adder, for later runs to look at."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with written_whole(path) as aside:
        pt.save(pt.adder_of(**submitted.training.result()["adder"]), aside)


def collect_trainings(lab, name):
    """The trainings of an experiment, for a part to look at their adders: see `submit_trainings`.

    Those of an experiment in SLOW that is not to be run now are the results that it left in
    FIGURES.
    """
    if name not in SLOW or is_wanted(name):
        return submit_trainings(lab, name, EXPERIMENTS[name])
    trainings = {}
    before = results.read(FIGURES / "results.json")["experiments"].get(name, {"variants": []})
    if not before["variants"]:
        say(f"{name} is in SLOW and has no results in {FIGURES}: left out")
    for variant in before["variants"]:
        for run in variant["runs"]:
            path = name_adder(name, variant["label"], run["seed"])
            if path.exists():
                known = {key: run[key] for key in ("error", "accuracy")}
                adder = plain_adder(pt.load(path))
                trainings[variant["label"], run["seed"]] = known | {"adder": adder}
            else:
                say(f"{path.name} is not in {path.parent}: left out")
    return trainings


def submit_trainings(lab, name, experiment):
    """Submit the adders of an experiment to be trained: {(variant, seed): run}."""
    titles = name_trainings(name, experiment)
    variants = {
        settings: variant.label for variant in experiment.variants for settings in variant.settings
    }
    return {
        (variants[settings], settings.seed): submit_training(lab, settings, title)
        for settings, title in titles.items()
    }


def name_trainings(name, experiment):
    """The titles of the trainings of an experiment, {settings: title}, the longest first."""
    titles = {}
    for variant in experiment.variants:
        for settings in variant.settings:
            words = [name, variant.label, f"seed {settings.seed}"]
            titles[settings] = ", ".join(filter(None, words))
    in_order = sorted(titles, key=expected_seconds, reverse=True)
    return {settings: titles[settings] for settings in in_order}


def submit_adders(lab, name, experiment, speaker=None):
    """Submit the adders of an experiment to be trained and decided: {settings: SubmittedAdder}.

    What was submitted before, by another experiment, is not trained again: the lab sees that. The
    training with the settings `speaker` prints the report's lines.
    """
    adders = {}
    for settings, title in name_trainings(name, experiment).items():
        on_line = say if settings == speaker else None
        training = submit_training(lab, settings, title, on_line)
        adders[settings] = submit_decision(lab, title, settings.seed, training, say_training)
    return adders


def submit_decision(lab, title, seed, training, say_trained):
    """Have the adder that a training makes decided once it is made.

    One line says what came of both, when it is decided.
    """

    def say_both(decision):
        return f"{say_trained(training.result())}{decision['decided']}"

    decided = lab.submit(deciding.decide_adder, training, title=title, seconds=0.3, say=say_both)
    return SubmittedAdder(seed, training, decided)


def runs_of(adders):
    """The runs of submitted adders."""
    return [run for adder in adders for run in (adder.training, adder.decision)]


def describe_run(adder):
    """What results.json has of a trained adder; its loss at the steps of its evaluations."""
    training = adder.training.result()
    return {
        "seed": adder.seed,
        "steps": training["steps"],
        "loss": [training["loss"][step] for step in training["steps"]],
        "accuracy": training["accuracy"],
        "error": training["error"],
        "ms_per_step": training["ms_per_step"],
    } | adder.decision.result()


def submit_gpu(lab):
    """Submit the times of a training step at each length, on the CPU and on DEVICE."""
    devices = list(dict.fromkeys(["cpu", DEVICE]))
    runs = {}
    for device in devices:
        for digits in sorted(TIMED_LENGTHS, reverse=True):
            runs[device, digits] = lab.submit(
                time_step,
                digits,
                device,
                title=f"gpu, {digits} digits on {device}",
                seconds=1.8e-3 * digits,
                device=device,
                say=say_times,
            )

    def describe():
        ms = {key: runs[key].result()["ms"] for key in sorted(runs)}
        kinds = {device: lab.machine(device)["device"] for device in devices}
        return report.describe_gpu(ms, kinds)

    return Part("gpu", list(runs.values()), describe)


def submit_worth(lab):
    """Submit what looks at adders that end at 100%, and those that are trained on short numbers."""
    submitted = []
    if is_wanted("errors"):
        groups = {}
        for name in EXPERIMENTS:
            groups[name] = collect_trainings(lab, name)
        submitted.append(submit_errors(lab, "errors", groups, COUNTED_PAIRS))
    if is_wanted("errors_in_a_million"):
        groups = {}
        for name in ("task-1", "final-model"):
            if name in EXPERIMENTS:
                groups[name] = collect_trainings(lab, name)
        submitted.append(submit_errors(lab, "errors_in_a_million", groups, MANY_PAIRS))
    if is_wanted("memory") and (REMEMBERING or list_proven_cells()):
        submitted.append(submit_memory(lab, group_remembering(lab), MEMORY))
    for name, cells in {"little": ["RNN"], "little_gated": ["GRU", "LSTM"]}.items():
        if is_wanted(name) and LITTLE_DIGITS and LITTLE_LENGTHS:
            experiments = list_little(cells)
            submitted.append(
                submit_little(lab, name, experiments, LITTLE_LENGTHS, 100, list_long_trainings)
            )
    return submitted


def list_little(cells):
    """What is trained on short numbers: {cell: an experiment that compares their digits}."""
    return {
        cell: compare(replace(LITTLE, cell=cell), LITTLE_SEEDS, digitlen=LITTLE_DIGITS)
        for cell in cells
    }


def group_remembering(lab):
    """The adders whose memory is looked at: those of REMEMBERING, and proven ones."""
    groups = {}
    for name in REMEMBERING:
        groups[name] = collect_trainings(lab, name)
    for cell in list_proven_cells():
        groups[for_the_proof(cell)] = submit_first_for_proof(lab, cell, 3)
    return groups


def list_long_trainings():
    """What training on 5000 digits took, {whose: (digits, seconds)}."""
    ms_per_step = dict(report.GPU["original_ms"])[5000]
    steps = report.REPORT["5000-digits"]["settings"]["steps"]
    trainings = {"the report's code": (5000, 1e-3 * ms_per_step * steps)}
    before = results.read(FIGURES / "results.json")["experiments"].get("5000-digits")
    if before:
        variant = before["variants"][0]
        runs = variant["runs"]
        seconds = [1e-3 * run["ms_per_step"] * (run["steps"][-1] + 1) for run in runs]
        name = f"ours, batch size {variant['settings']['batch_size']}"
        trainings[name] = (variant["settings"]["digitlen"], statistics.median(seconds))
    return trainings


def submit_training_for_proof(lab, cell, layers, hidden, seed):
    """Submit an adder to be trained for the proof."""
    return lab.submit(
        deciding.train_for_proof,
        cell,
        layers,
        hidden,
        seed,
        DEVICE,
        title=f"proof, {name_size(cell, layers, hidden)}, seed {seed}",
        seconds=deciding.expected_seconds_for_proof(cell, layers),
        device=DEVICE,
    )


def submit_for_proof(lab, cell, layers, seeds, hidden):
    """Submit adders of one cell and size to be trained for the proof, and decided: a list."""
    adders = []
    for seed in seeds:
        training = submit_training_for_proof(lab, cell, layers, hidden, seed)
        adders.append(submit_decision(lab, training.title, seed, training, say_proof_training))
    return adders


def name_size(cell, layers, hidden):
    """The size of an adder in words; the report's number of hidden units goes without saying."""
    size = {"cell": cell, "layers": layers}
    if hidden != pt.HIDDEN:
        size["hidden"] = hidden
    return label_values(size)


def submit_first_for_proof(lab, cell, count):
    """Submit the first adders of a cell for the proof: {(variant, seed): run}.

    They are `count` at most, of those with fewest layers.
    """
    by_layers = PROVEN_SEEDS[cell]
    layers = min(by_layers)
    variant = name_size(cell, layers, pt.HIDDEN)
    return {
        (variant, seed): submit_training_for_proof(lab, cell, layers, pt.HIDDEN, seed)
        for seed in by_layers[layers][:count]
    }


def submit_proof(lab):
    """Submit the adders for the proof, the deepest first, and the picture's portraits of some."""
    sizes = list_proven_sizes()
    adders = {}
    for cell, layers, hidden in sorted(sizes, key=lambda size: size[1], reverse=True):
        seeds = sizes[cell, layers, hidden]
        adders[cell, layers, hidden] = submit_for_proof(lab, cell, layers, seeds, hidden)
    shown = {}
    if STRESSED:
        name, experiment = next(iter(STRESSED.items()))
        settings, title = next(iter(name_trainings(name, experiment).items()))
        if has_portrait(settings):
            shown[name] = submit_training(lab, settings, title)
    for size in sizes:
        shown.setdefault(for_the_proof(size[0]), adders[size][0].training)  # one with fewest layers
    by_hand = {"adder": plain_adder(build_by_hand())}
    shown["set by hand"] = by_hand
    portraits = {
        name: lab.submit(deciding.portray, training, title=f"portrait of {name}", seconds=0.5)
        for name, training in shown.items()
    }
    decision = lab.submit(deciding.decide_adder, by_hand, title="set by hand", seconds=0.3)
    checking = submit_check(lab, by_hand, "set by hand")
    runs = [*portraits.values(), decision, checking]
    checks = {}
    for submitted in adders.values():
        runs += runs_of(submitted)
        checks |= {one: submit_check(lab, one.training, one.training.title) for one in submitted}
    runs += checks.values()

    def describe():
        groups = []
        for cell, layers, hidden in sizes:
            submitted = adders[cell, layers, hidden]
            groups.append(
                {
                    "label": name_size(cell, layers, hidden),
                    "cell": cell,
                    "hidden": hidden,
                    "runs": [describe_proof_run(one, checks[one]) for one in submitted],
                }
            )
            if hidden == pt.HIDDEN and layers == min(PROVEN_SEEDS[cell]):
                save_first_proven(submitted, FIGURES / f"proven_{cell.lower()}.npz")
        model = build_by_hand()
        save_if_proven(model, FIGURES / "by_hand.npz")
        return {
            "picture": "proof.png",
            "groups": groups,
            "by_hand": describe_decided(decision.result(), checking.result())
            | {"parameters": sum(parameter.numel() for parameter in model.parameters())},
            "portraits": [{"name": name} | run.result() for name, run in portraits.items()],
        }

    return Part("proof", runs, describe)


def has_portrait(settings):
    """Whether there are interval bounds of an adder, and two units to draw them for."""
    try:
        provable_cell(pt.Adder(settings.cell, settings.layers, settings.hidden))
    except exact.CannotProve:
        return False
    return settings.hidden > 1


def list_proven_cells():
    """The cells of the adders for the proof; none where nothing can be proven."""
    return list(PROVEN_SEEDS) if why_nothing_can_be_proven() is None else []


def list_proven_sizes():
    """The sizes of the adders for the proof, {(cell, layers, hidden units): seeds}."""
    sizes = {}
    for cell, by_layers in PROVEN_SEEDS.items():
        for layers in sorted(by_layers):
            sizes[cell, layers, pt.HIDDEN] = by_layers[layers]
    for hidden, seeds in PROVEN_SMALL.items():
        sizes["RNN", 1, hidden] = seeds
    return sizes


def for_the_proof(cell):
    """What pictures call an adder of this cell that was trained for the proof."""
    return f"{cell}, trained for the proof"


def submit_check(lab, training, title):
    """Have the proof of an adder checked by exact/check.py."""
    return lab.submit(deciding.check_proof, training, title=f"check of {title}", seconds=1.0)


def describe_proof_run(submitted, check):
    """What results.json has of an adder that was trained for the proof."""
    decided = describe_decided(submitted.decision.result(), check.result())
    decided["seconds"] += submitted.training.result()["seconds"]
    return decided | {"seed": submitted.seed}


def describe_decided(decision, checked):
    """What results.json has of an adder decided, and of its proof, checked."""
    of_check = {name: checked[name] for name in ("checked", "refused", "slack")}
    return decision | of_check


def save_first_proven(adders, path):
    """Save the first proven one of submitted adders, with its certificate."""
    for submitted in adders:
        if submitted.decision.result()["verdict"] == "proven":
            save_if_proven(pt.adder_of(**submitted.training.result()["adder"]), path)
            return


def save_if_proven(model, path):
    """Save an adder with its certificate, if it is proven."""
    proof = exact.prove(model)
    if proof.proven:
        path.parent.mkdir(parents=True, exist_ok=True)
        with written_whole(path) as aside:
            exact.save_certificate(model, proof, aside)


def submit_stress(lab):
    """Submit adders of STRESSED, and some for the proof, to pairs with long carry chains."""
    groups = {}
    for name, experiment in STRESSED.items():
        groups[name] = list(submit_trainings(lab, name, experiment).values())
    for cell in list_proven_cells()[:1]:
        groups[for_the_proof(cell)] = list(submit_first_for_proof(lab, cell, 5).values())
    run = lab.submit(
        measuring.stress,
        groups,
        sorted(CHAINS),
        CHAIN_PAIRS,
        title="stress",
        seconds=5.0,
        say=say_left_out,
    )

    def describe():
        return {"picture": "stress.png"} | run.result()

    return Part("stress", [run], describe)


def submit_lengths(lab):
    """Submit the first adder for the proof to numbers of each of LENGTHS."""
    [training] = submit_first_for_proof(lab, list_proven_cells()[0], 1).values()
    run = lab.submit(measuring.add_long_numbers, training, LENGTHS, title="lengths", seconds=15.0)

    def describe():
        return {"peers": report.PEERS} | run.result()

    return Part("lengths", [run], describe)


# --- Waiting for the parts, and the results.

START_UP = 5  # seconds until the workers work, about
OVERVIEW_EVERY = 20  # seconds, at least, between two drawings of the pictures of all parts


def print_header(parts, lab):
    """Say what will be run, by whom, for about how long, and where to look."""
    runs = lab.runs.values()
    cached = [run for run in runs if run.done()]
    seconds = START_UP + lab.total / max(1, WORKERS)
    takes = f": about {seconds:.0f} s" if seconds < 100 else f": about {seconds / 60:.0f} minutes"
    if SCHEDULER:
        takes = ""  # its workers come and go
    say(f"To run: {', '.join(part.name for part in parts) or 'nothing'}.")
    say(
        f"{len(runs)} runs (an adder is trained in one, decided in another), "
        f"{len(cached)} of them cached in {CACHE.name}/, on {DEVICE}."
    )
    say(f"Shared by {lab.workers}{takes}.")
    reason = why_nothing_can_be_proven()
    if reason is not None:
        say(f"No adder can be proven here: {reason}.")
    say(f"Pictures, and a page that follows the run: {FIGURES / 'index.html'}")


def finish(parts, lab, merged, is_everything):
    """Wait for the parts; each is judged, drawn, said and on the page when its last run has ended.

    `merged` is what results.json had: a part that is run replaces its own there, the rest stays.
    The counts and the pictures of all parts together follow at most OVERVIEW_EVERY seconds later.
    When all has ended, the results say what the run took, if it `is_everything`.
    """
    began = time.monotonic()
    overview_due = began
    is_counted = True  # whether the counts are those of all that has ended
    waiting = list(parts)
    write_page(merged, describe_progress(waiting, lab))
    try:
        while True:
            ended = [part for part in waiting if all(run.done() for run in part.runs)]
            for part in ended:
                waiting.remove(part)
                merge(merged, part, lab)
                is_counted = False
            is_due = not is_counted and time.monotonic() >= overview_due
            if not waiting or is_due:
                look_over(merged)
                is_counted = True
                overview_due = time.monotonic() + OVERVIEW_EVERY
            if not waiting and is_everything:
                note_whole_run(merged, parts, lab, time.monotonic() - began)
            if not waiting or is_due or ended:
                write_results(merged)
                write_page(merged, describe_progress(waiting, lab))
            if not waiting:
                break
            page.write_status(FIGURES, describe_progress(waiting, lab))
            lab.wait()
    finally:
        if not is_counted:  # a run that broke off
            look_over(merged)
            with contextlib.suppress(OSError):
                results.write(merged, FIGURES / "results.json")
        write_page(merged)


def write_page(merged, running=None):
    """Write the page; that this cannot be done is said, and ends nothing."""
    try:
        page.write(merged, FIGURES, running)
    except OSError as error:
        say(f"the page stays as it was: {error}")


def describe_progress(waiting, lab):
    """What the page says while a run goes on."""
    return {
        "names": [part.name for part in waiting],
        "share": lab.share,
        "at": time.strftime("%H:%M:%S"),
    }


def merge(merged, part, lab):
    """Put a finished part into the results, by what it was made, and say its verdict.

    Where all its runs were cached and nothing changed, it stays as it was made before.
    """
    described = results.plain(part.describe())
    place = merged["experiments"] if part.name in EXPERIMENTS else merged
    if described is None:
        place.pop(part.name, None)
        say(f"{part.name}: nothing to look at")
        return
    work = describe_work(part.runs)
    described["made"] = results.plain(lab.machine(DEVICE) | work | {"workers": lab.workers})
    is_new = without_made(described) != without_made(place.get(part.name, {}))
    if is_new or work["cached"] < work["runs"]:
        place[part.name] = described
    say(f"{part.name}: {described.get('verdict', 'done')}")


def without_made(described):
    """A part of the results but for what it was made by."""
    return {name: value for name, value in described.items() if name != "made"}


def look_over(merged):
    """Count and judge over all parts of the results."""
    merged["decided"] = results.plain(report.count_decided(merged))
    merged["causes"] = worth.count_causes(report.list_perfect(merged))
    merged["verdicts"] = results.plain(report.overview(merged))
    merged["rule"] = report.describe_rule(merged)
    merged["same_seed"] = results.plain(report.compare_with_original(merged))


def write_results(merged):
    """Draw what is new, take away the pictures that nothing shows any more, write results.json."""
    merged["names"] = list(EXPERIMENTS)
    experiments = merged["experiments"]
    listed = {name: experiments[name] for name in EXPERIMENTS if name in experiments}
    merged["experiments"] = listed | experiments  # in their order, those of earlier runs last
    draw_pictures(merged)
    pictures.remove_unshown(merged, FIGURES)
    results.write(merged, FIGURES / "results.json")


def draw_pictures(merged):
    """Draw what is new; ResultsError for a part that cannot be drawn, as after an edit by hand."""
    try:
        merged["pictures"], kept = pictures.draw(merged, FIGURES)
    except pictures.PictureError as error:
        raise results.ResultsError(str(error)) from error
    for name, reason in kept.items():
        say(f"{name} stays as it was: {reason}")


def describe_work(runs):
    """How many runs there were, how many of them cached, and their seconds of work."""
    runs = set(runs)
    return {
        "runs": len(runs),
        "cached": sum(run.cached for run in runs),
        "seconds": sum(run.result()["seconds"] for run in runs),
    }


def note_whole_run(merged, parts, lab, seconds):
    """Put into the results what a run of everything took, unless all of it was cached."""
    work = describe_work([run for run in lab.runs.values() if run.done()])
    if "made" in merged and work["cached"] == work["runs"]:
        return
    merged["made"] = lab.machine(DEVICE) | {
        "cores": CPU_COUNT,
        "workers": lab.workers,
        "seconds": seconds,
        "work_seconds": work["seconds"],
        "runs": work["runs"],
        "cached": work["cached"],
        "ran": [part.name for part in parts],
    }


def draw():
    """Make every picture and the page again from results.json."""
    with held(FIGURES):
        merged = read_results()
        merged["pictures"] = {}  # so that every picture counts as not drawn
        draw_pictures(merged)
        results.write(merged, FIGURES / "results.json")
        write_page(merged)


def loss_draw(model, path=None):
    """Draw loss and accuracy of a model that `train` trained, ValueError if not.

    Saved to `path`; given none, it is shown, or, where there is no screen, saved into FIGURES, and
    where is said.
    """
    if not model.loss_history:
        raise ValueError("model has no history to draw: train it first")
    curves = {
        "loss": model.loss_history,
        "accuracy": model.accuracy,
        "steps": model.evaluated_at,
    }
    if path is None:
        if pictures.show_run(curves):
            return
        FIGURES.mkdir(parents=True, exist_ok=True)
        path = FIGURES / "loss_draw.png"
        print(f"No screen: see {path}")
    pictures.draw_run(curves, path)


# Ends that were foreseen: one line says what happened.
FORESEEN = (LabError, results.ResultsError, ConstantError, FolderInUseError)


def is_of_our_files(error):
    """Whether an OSError is of a file of FIGURES or CACHE, or of a full disk."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return True
    if error.errno is None or not isinstance(error.filename, str):
        return False
    path = Path(error.filename).resolve()
    return any(path.is_relative_to(folder.resolve()) for folder in (FIGURES, CACHE))


def say_end(error):
    """An end in one line, and whether a next start can go on from there."""
    return " ".join([f"Error: {error}".rstrip(".") + ".", *getattr(error, "__notes__", [])])


if __name__ == "__main__":
    prepare_output()
    try:
        main()
    except NobodyReadsError:
        leave_quietly()
    except KeyboardInterrupt as stop:
        sys.exit(" ".join(["Stopped.", *getattr(stop, "__notes__", [])]))
    except FORESEEN as error:
        sys.exit(say_end(error))
    except OSError as error:
        if not is_of_our_files(error):
            raise
        sys.exit(say_end(error))
