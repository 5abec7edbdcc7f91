"""Every experiment of the report "Assignment 2: an RNN that adds", run again over several seeds.

    python source.py

trains all that EXPERIMENTS lists and judges the claims of the report, trains adders that are proven
right for numbers of any length, and leaves in figures/ the pictures, every number behind them
(results.json) and a page (index.html; README.md for a forge). Change a constant below and run it
again: what the change touches is trained, drawn and written anew, nothing else changes.
"""

import dataclasses
import errno
import os
import re
import sys
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import matplotlib
import numpy as np
import torch

import data
import exact
import pt
from exact.provable import provable_cell
from lab import page, pictures, report, results, trials
from lab.pool import PoolError, open_pool
from lab.trials import Settings, compare
from pt import evaluate, myAdvPTRNNModel, myPTRNNModel, train  # noqa: F401  (the report's names)

if __name__ == "__main__":
    sys.excepthook = trials.end_at_the_readers_line  # a bad setting is shown where it stands below

# --- The constants to edit.

SEEDS = range(8)  # each experiment is run with each: of the weights, the pairs to train and test on
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"  # where to train: "cpu", "cuda", "cuda:1"
WORKERS = os.cpu_count()  # processes that share the runs, one torch thread each
SCHEDULER = None  # a cluster to share them instead: a Dask scheduler's address, "tcp://host:8786"
ONLY = []  # names of the experiments and parts to run alone, such as ["task-1", "proof"]; []: all
SLOW = []  # names that run only when ONLY names them
FIGURES = Path(__file__).parent / "figures"  # where pictures, page and numbers go
CACHE = Path(__file__).parent / ".runs"  # where finished runs are cached (outside git)

# The report's simple adder, its final model, and long numbers. `Settings` says what each field is.
SIMPLE = Settings(
    digitlen=10,
    cell="RNN",
    layers=2,
    lr=1e-3,
    steps=1000,
    batch_size=100,
    test_size=200,
    eval_every=10,
    device=DEVICE,
)
FINAL_MODEL = replace(SIMPLE, digitlen=100, layers=3, lr=0.01, steps=200, stop_after_perfect=5)
# Pairs and steps chosen by trial on the seeds 0 to 4. With 5 pairs of 1000 digits a step all were
# at a steady 1.0 by step 800, with 10 too, at twice the cost; with one pair of 5000 digits by step
# 2150, with two by 1650.
LONG = replace(SIMPLE, test_size=100, eval_every=50, stop_after_perfect=3)
LONG_CARRY = replace(SIMPLE, pairs="long-carry", steps=700)

# The experiments: settings, seeds, and the values of a field to compare, one variant each. Those of
# the report have its claims; an experiment of any other name and settings may join them.
EXPERIMENTS = {
    "task-1": compare(SIMPLE, SEEDS),
    "1000-digits": compare(replace(LONG, digitlen=1000, steps=1000, batch_size=5), SEEDS[:5]),
    "5000-digits": compare(replace(LONG, digitlen=5000, steps=2500, batch_size=1), SEEDS[:5]),
    "rnn-layers": compare(replace(SIMPLE, steps=500), SEEDS, layers=[1, 2, 3, 4]),
    "gru-layers": compare(replace(SIMPLE, cell="GRU", steps=500), SEEDS, layers=[1, 2, 3, 4]),
    "cells": compare(
        replace(FINAL_MODEL, lr=1e-3, steps=500, batch_size=25, test_size=100),
        SEEDS[:5],
        cell=["RNN", "GRU", "LSTM"],
    ),
    "lr-coarse": compare(replace(SIMPLE, layers=3, steps=500), SEEDS, lr=np.logspace(-5, -1, 10)),
    "lr-fine": compare(replace(SIMPLE, layers=3, steps=400), SEEDS, lr=np.logspace(-2.2, -1.8, 5)),
    "final-model": compare(FINAL_MODEL, SEEDS),
    "long-carry": compare(LONG_CARRY, SEEDS[:3]),
}
TASK_1 = ["task-1", "1000-digits", "5000-digits"]  # those of pt_main; the others are pt_adv_main's

TIMED_LENGTHS = [10, 100, 1000, 5000]  # the experiment "gpu": digits at which a step is timed

# Seeds of the adders to train for the proof, for each cell and number of layers. In runs of their
# own, 100 of 100, 10 of 10 and 10 of 10 RNNs with 1, 2 and 3 layers were proven, 20 of 20, 10 of 10
# and 10 of 10 GRUs, and the same of LSTMs.
PROVEN_SEEDS = {
    "RNN": {1: range(10), 2: range(4), 3: range(1)},
    "GRU": {1: range(3), 2: range(1), 3: range(1)},
    "LSTM": {1: range(3), 2: range(1), 3: range(1)},
}

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

PARTS = ["gpu", "proof", "stress", "lengths"]  # what ONLY and SLOW may name beside EXPERIMENTS


# --- What is run. Given a pool, each of these three submits its runs to it and returns its parts at
# once, for `finish` to wait for; given none, it opens one and is run to its end by itself.


class ConstantError(ValueError):
    """A constant above that cannot be; the message names it."""


def pt_main(pool=None):
    """Task 1: the report's simple adder, at 10, 1000 and 5000 digits."""
    if pool is None:
        return run_to_the_end(pt_main)
    names = [name for name in EXPERIMENTS if name in TASK_1 and is_wanted(name)]
    return [submit_experiment(pool, name) for name in names]


def pt_adv_main(pool=None):
    """Task 2: layers, cells, learning rates and the report's final model; CUDA; and your own."""
    if pool is None:
        return run_to_the_end(pt_adv_main)
    names = [name for name in EXPERIMENTS if name not in TASK_1 and is_wanted(name)]
    parts = [submit_experiment(pool, name) for name in names]
    if is_wanted("gpu") and TIMED_LENGTHS:
        parts.append(submit_gpu(pool))
    return parts


def exact_main(pool=None):
    """Beyond the report: the proof, accuracy against carry chains, numbers of a million digits."""
    if pool is None:
        return run_to_the_end(exact_main)
    parts = []
    if is_wanted("proof") and PROVEN_SEEDS:
        parts.append(submit_proof(pool))
    if is_wanted("stress") and STRESSED and CHAINS:
        parts.append(submit_stress(pool))
    if is_wanted("lengths") and PROVEN_SEEDS and LENGTHS:
        parts.append(submit_lengths(pool))
    return parts


def main():
    """Run all three."""
    run_to_the_end(pt_main, pt_adv_main, exact_main)


def run_to_the_end(*mains):
    """Have each of `mains` submit its runs to one pool, then wait for them; returns their parts."""
    try:
        check_constants()
    except ValueError as error:
        raise ConstantError(str(error)) from None
    merged = results.read(FIGURES / "results.json")
    with open_pool(cache=CACHE, workers=WORKERS, scheduler=SCHEDULER) as pool:
        parts = []
        for submit in mains:
            parts += submit(pool)
        print_header(parts, pool)
        finish(parts, pool, merged)
    return parts


def is_wanted(name):
    """Whether an experiment or a part of this name is to be run."""
    return name in ONLY if ONLY else name not in SLOW


def check_constants():
    """Raise ValueError, naming it, at a bad constant; `compare` has checked the settings."""
    data.check_at_least("WORKERS", WORKERS, 1)
    data.check_at_least("CHAIN_PAIRS", CHAIN_PAIRS, 1)
    for chain in CHAINS:
        data.check_at_least("CHAINS", chain, 0)
    for length in [*LENGTHS, *LENGTHS.values()]:
        data.check_at_least("LENGTHS", length, 1)
    for length in TIMED_LENGTHS:
        data.check_at_least("TIMED_LENGTHS", length, 1)
    known = [*EXPERIMENTS, *PARTS]
    for constant, names in {"ONLY": ONLY, "SLOW": SLOW}.items():
        if not isinstance(names, (list, tuple)):
            raise ValueError(f"{constant} must be a list of names, got {names!r}")
        for name in names:
            if name not in known:
                hint = trials.hint(str(name), known)
                raise ValueError(f"{constant} may name {', '.join(known)}, got {name!r}{hint}")
    taken = [*PARTS, "decided", "verdicts"]  # there are pictures of these names
    for name, experiment in EXPERIMENTS.items():
        if name in taken or not re.fullmatch(r"[\w-]+", name):
            raise ValueError(
                f"EXPERIMENTS: a name has letters, digits, - and _ and is not one of "
                f"{', '.join(taken)}, got {name!r}"
            )
        if not isinstance(experiment, trials.Experiment):
            raise ValueError(f"EXPERIMENTS: {name!r} must be made by compare, got {experiment!r}")
    for cell, by_layers in PROVEN_SEEDS.items():
        for layers, seeds in by_layers.items():
            # Settings are checked when they are made: these are made for that alone.
            compare(replace(SIMPLE, cell=cell, layers=layers), seeds)
            provable_cell(pt.Adder(cell, layers))
    if SCHEDULER is None:
        devices = {DEVICE}
        for experiment in EXPERIMENTS.values():
            devices |= {variant.settings[0].device for variant in experiment.variants}
        for device in devices:
            pt.check_device(device)


# --- The parts: their runs, submitted, and what results.json gets when the last of them has ended.


class Part(NamedTuple):
    """An experiment or another part of the results, submitted."""

    name: str
    runs: list  # of the pool: the part is finished when all are done
    describe: Callable  # () -> what results.json has of the part, from its finished runs


class SubmittedAdder(NamedTuple):
    """An adder, submitted: the futures of what becomes of it."""

    seed: int
    training: Future
    adder: Future  # the adder alone, out of the result of its training
    deciding: Future


def submit_experiment(pool, name):
    """Submit an experiment, the longest trainings first."""
    experiment = EXPERIMENTS[name]
    first = experiment.variants[0].settings[0] if name == "task-1" else None
    adders = submit_adders(pool, name, experiment, speaker=first)

    def describe():
        variants = []
        for variant in experiment.variants:
            settings = dataclasses.asdict(variant.settings[0])
            del settings["seed"]
            runs = [describe_run(adders[of_seed]) for of_seed in variant.settings]
            variants.append({"label": variant.label, "settings": settings, "runs": runs})
        return report.describe_experiment(name, experiment.compared, variants)

    return Part(name, runs_of(adders.values()), describe)


def submit_adders(pool, name, experiment, speaker=None):
    """Submit the adders of an experiment to be trained and decided: {settings: SubmittedAdder}.

    What was submitted before, by another experiment, is not trained again: the pool sees that. The
    training with the settings `speaker` prints the report's lines.
    """
    labelled = []
    for variant in experiment.variants:
        labelled += [(settings, variant.label) for settings in variant.settings]
    labelled.sort(key=lambda pair: trials.expected_seconds(pair[0]), reverse=True)
    adders = {}
    for settings, label in labelled:
        title = ", ".join(filter(None, [name, label, f"seed {settings.seed}"]))
        training = pool.submit(
            trials.train_adder,
            settings,
            title=title,
            seconds=trials.expected_seconds(settings),
            device=settings.device,
            on_line=pool.print if settings == speaker else None,
        )
        adders[settings] = submit_decision(
            pool, title, settings.seed, training, trials.describe_training
        )
    return adders


def submit_decision(pool, title, seed, training, describe_training):
    """Have the adder that a training makes decided once it is made.

    One line says what came of both, when it is decided.
    """
    adder = pool.derive(trials.get_adder, training)

    def say(decision):
        return f"{describe_training(training.result())}{decision['decided']}"

    deciding = pool.submit(trials.decide_adder, adder, title=title, seconds=0.3, say=say)
    return SubmittedAdder(seed, training, adder, deciding)


def runs_of(adders):
    """The runs of submitted adders."""
    return [run for adder in adders for run in (adder.training, adder.deciding)]


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
    } | adder.deciding.result()


def submit_gpu(pool):
    """Submit the times of a training step at each length, on the CPU and on DEVICE."""
    devices = list(dict.fromkeys(["cpu", DEVICE]))
    runs = {}
    for device in devices:
        for digits in sorted(TIMED_LENGTHS, reverse=True):
            runs[device, digits] = pool.submit(
                trials.time_step,
                digits,
                device,
                title=f"gpu, {digits} digits on {device}",
                seconds=1.8e-3 * digits,
                device=device,
                say=trials.describe_times,
            )

    def describe():
        ms = {key: runs[key].result()["ms"] for key in sorted(runs)}
        kinds = {device: pool.machine(device)["device"] for device in devices}
        return report.describe_gpu(ms, kinds)

    return Part("gpu", list(runs.values()), describe)


def submit_for_proof(pool, cell, layers, seeds):
    """Submit adders of one cell and depth to be trained for the proof, and decided: a list."""
    adders = []
    for seed in seeds:
        title = f"proof, {trials.describe({'cell': cell, 'layers': layers})}, seed {seed}"
        training = pool.submit(
            trials.train_for_proof,
            cell,
            layers,
            seed,
            DEVICE,
            title=title,
            seconds=trials.expected_seconds_for_proof(cell, layers),
            device=DEVICE,
        )
        adders.append(submit_decision(pool, title, seed, training, trials.describe_proof_training))
    return adders


def submit_first_for_proof(pool, count):
    """Submit `count` adders at most of the first cell in PROVEN_SEEDS, those with fewest layers.

    Returns (the cell, the adders).
    """
    cell, by_layers = next(iter(PROVEN_SEEDS.items()))
    layers = min(by_layers)
    return cell, submit_for_proof(pool, cell, layers, by_layers[layers][:count])


def submit_proof(pool):
    """Submit the adders for the proof, the deepest first, and the picture's portraits of some."""
    adders = {}
    for cell, by_layers in PROVEN_SEEDS.items():
        adders[cell] = {}
        for layers in sorted(by_layers, reverse=True):
            adders[cell][layers] = submit_for_proof(pool, cell, layers, by_layers[layers])
    shown = {}
    for name, experiment in list(STRESSED.items())[:1]:
        settings = experiment.variants[0].settings[0]
        one = trials.Experiment((), (trials.Variant("", (settings,)),))
        shown[name] = submit_adders(pool, name, one)[settings]
    for cell, by_layers in adders.items():
        shown[for_the_proof(cell)] = first_adders(by_layers)[0]
    portraits = {
        name: pool.submit(trials.portray, one.adder, title=f"portrait of {name}", seconds=0.5)
        for name, one in shown.items()
    }
    runs = [*portraits.values(), *runs_of(shown.values())]
    checks = {}
    for by_layers in adders.values():
        for submitted in by_layers.values():
            runs += runs_of(submitted)
            checks |= {one: submit_check(pool, one) for one in submitted}
    runs += checks.values()

    def describe():
        groups = []
        for cell, by_layers in adders.items():
            save_first_proven(by_layers, FIGURES / f"proven_{cell.lower()}.npz")
            for layers, submitted in sorted(by_layers.items()):
                groups.append(
                    {
                        "label": trials.describe({"cell": cell, "layers": layers}),
                        "cell": cell,
                        "runs": [describe_proof_run(one, checks[one]) for one in submitted],
                    }
                )
        return {
            "picture": "proof.png",
            "groups": groups,
            "portraits": [{"name": name} | run.result() for name, run in portraits.items()],
        }

    return Part("proof", runs, describe)


def for_the_proof(cell):
    """What pictures call an adder of this cell that was trained for the proof."""
    return f"{cell}, trained for the proof"


def first_adders(by_layers):
    """The submitted adders with the fewest layers."""
    return by_layers[min(by_layers)]


def submit_check(pool, submitted):
    """Have the proof of an adder checked by exact/check.py."""
    title = f"check of {submitted.training.title}"
    return pool.submit(trials.check_proof, submitted.adder, title=title, seconds=1.0)


def describe_proof_run(submitted, check):
    """What results.json has of an adder that was trained for the proof."""
    decision = submitted.deciding.result()
    checked = check.result()
    return decision | {
        "seed": submitted.seed,
        "checked": checked["checked"],
        "refused": checked["refused"],
        "slack": checked["slack"],
        "seconds": submitted.training.result()["seconds"] + decision["seconds"],
    }


def save_first_proven(by_layers, path):
    """Save the first proven adder of those with the fewest layers, with its certificate."""
    for submitted in first_adders(by_layers):
        if submitted.deciding.result()["verdict"] == "proven":
            path.parent.mkdir(parents=True, exist_ok=True)
            model = pt.adder_of(**submitted.adder.result())
            exact.save_certificate(model, exact.prove(model), path)
            return


def submit_stress(pool):
    """Submit adders of STRESSED, and some for the proof, to pairs with long carry chains."""
    adders = {}
    for name, experiment in STRESSED.items():
        adders[name] = list(submit_adders(pool, name, experiment).values())
    if PROVEN_SEEDS:
        cell, proven = submit_first_for_proof(pool, 5)
        adders[for_the_proof(cell)] = proven
    groups = {name: [one.adder for one in submitted] for name, submitted in adders.items()}
    run = pool.submit(
        trials.stress, groups, sorted(CHAINS), CHAIN_PAIRS, title="stress", seconds=5.0
    )
    runs = [run]
    for submitted in adders.values():
        runs += runs_of(submitted)

    def describe():
        return {"picture": "stress.png"} | run.result()

    return Part("stress", runs, describe)


def submit_lengths(pool):
    """Submit the first adder for the proof to numbers of each of LENGTHS."""
    _, adders = submit_first_for_proof(pool, 1)
    run = pool.submit(
        trials.add_long_numbers, adders[0].adder, LENGTHS, title="lengths", seconds=15.0
    )

    def describe():
        return {"peers": report.PEERS} | run.result()

    return Part("lengths", [run, *runs_of(adders)], describe)


# --- Waiting for the parts, and the results.

START_UP = 5  # seconds until the workers work, about
OVERVIEW_EVERY = 20  # seconds, at least, between two drawings of the pictures of all parts


def print_header(parts, pool):
    """Say what will be run, by whom, for about how long, and where to look."""
    runs = {run for part in parts for run in part.runs}
    cached = [run for run in runs if run.done()]
    seconds = START_UP + sum(run.seconds for run in runs if not run.done()) / WORKERS
    takes = f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} minutes"
    print(f"To run: {', '.join(part.name for part in parts) or 'nothing'}.")
    print(
        f"{len(runs)} runs (an adder is trained in one, decided in another), "
        f"{len(cached)} of them cached in {CACHE.name}/, on {DEVICE}."
    )
    print(f"Shared by {pool.workers}: about {takes}.")
    print(f"Pictures, and a page that follows the run: {FIGURES / 'index.html'}")


def finish(parts, pool, merged):
    """Wait for the parts; each is judged, drawn, said and on the page when its last run has ended.

    `merged` is what results.json had: a part that is run replaces its own there, the rest stays.
    The counts and the pictures of all parts together follow at most OVERVIEW_EVERY seconds later.
    """
    began = time.monotonic()
    overview_due = began
    waiting = list(parts)
    page.write(merged, FIGURES, describe_progress(waiting, pool))
    try:
        while True:
            ended = [part for part in waiting if all(run.done() for run in part.runs)]
            for part in ended:
                waiting.remove(part)
                merge(merged, part, pool)
            if not waiting or (ended and time.monotonic() >= overview_due):
                look_over(merged)
                overview_due = time.monotonic() + OVERVIEW_EVERY
            if ended or not waiting:
                seconds = time.monotonic() - began
                merged["made"] = describe_whole_run(merged, parts, pool, seconds)
                write_results(merged)
                page.write(merged, FIGURES, describe_progress(waiting, pool))
            if not waiting:
                break
            page.write_status(FIGURES, describe_progress(waiting, pool))
            pool.wait()
    finally:
        page.write(merged, FIGURES)


def describe_progress(waiting, pool):
    """What the page says while a run goes on."""
    return {
        "names": [part.name for part in waiting],
        "share": pool.share,
        "at": time.strftime("%H:%M:%S"),
    }


def merge(merged, part, pool):
    """Put a finished part into the results, by what it was made, and say its verdict.

    Where all its runs were cached and nothing changed, it stays as it was made before.
    """
    described = results.plain(part.describe())
    work = describe_work(part.runs)
    described["made"] = results.plain(pool.machine(DEVICE) | work | {"workers": pool.workers})
    place = merged["experiments"] if part.name in EXPERIMENTS else merged
    is_new = without_made(described) != without_made(place.get(part.name, {}))
    if is_new or work["cached"] < work["runs"]:
        place[part.name] = described
    pool.print(f"{part.name}: {described.get('verdict', 'done')}")


def without_made(described):
    """A part of the results but for what it was made by."""
    return {name: value for name, value in described.items() if name != "made"}


def look_over(merged):
    """Count and judge over all parts of the results."""
    merged["decided"] = results.plain(report.count_decided(merged))
    merged["verdicts"] = results.plain(report.overview(merged))


def write_results(merged):
    """Draw what is new, take away the pictures that nothing shows any more, write results.json."""
    merged["names"] = list(EXPERIMENTS)
    experiments = merged["experiments"]
    listed = {name: experiments[name] for name in EXPERIMENTS if name in experiments}
    merged["experiments"] = listed | experiments  # in their order, those of earlier runs last
    merged["rule"] = report.RULE
    merged["pictures"] = pictures.draw(merged, FIGURES)
    pictures.remove_unshown(merged, FIGURES)
    results.write(merged, FIGURES / "results.json")


def describe_work(runs):
    """How many runs there were, how many of them cached, and their seconds of work."""
    runs = set(runs)
    return {
        "runs": len(runs),
        "cached": sum(run.cached for run in runs),
        "seconds": sum(run.result()["seconds"] for run in runs),
    }


def describe_whole_run(merged, parts, pool, seconds):
    """What results.json says of the last start of the script in which a run was not cached."""
    runs = {run for part in parts for run in part.runs if run.done()}
    work = describe_work(runs)
    if work["cached"] == work["runs"] and "made" in merged:
        return merged["made"]
    return pool.machine(DEVICE) | {
        "cores": os.cpu_count(),
        "workers": pool.workers,
        "seconds": seconds,
        "work_seconds": work["seconds"],
        "runs": work["runs"],
        "cached": work["cached"],
        "ran": [part.name for part in parts],
    }


def draw():
    """Make every picture and the page again from results.json."""
    merged = results.read(FIGURES / "results.json")
    merged["pictures"] = {}  # so that every one counts as not drawn
    merged["pictures"] = pictures.draw(merged, FIGURES)
    results.write(merged, FIGURES / "results.json")
    page.write(merged, FIGURES)


def loss_draw(model, path=None):
    """Draw loss and accuracy of a model that `train` trained, ValueError if not.

    Saved to `path`; given none, it is shown, or, where there is no screen, saved into FIGURES, and
    where is said.
    """
    if not model.loss_history:
        raise ValueError("model has no history to draw: train it first")
    if path is None and matplotlib.get_backend().lower() == "agg":
        FIGURES.mkdir(parents=True, exist_ok=True)
        path = FIGURES / "loss_draw.png"
        print(f"No screen: see {path}")
    curves = {
        "loss": model.loss_history,
        "accuracy": model.accuracy,
        "steps": model.evaluated_at,
    }
    pictures.draw_run(curves, path)


NO_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)

if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("Stopped. Finished runs are cached: run it again to go on.")
    except (PoolError, results.ResultsError, ConstantError) as error:
        sys.exit(f"Error: {error}")
    except OSError as error:
        if error.errno not in NO_DISK:
            raise
        sys.exit(f"Error: {error}. Finished runs are cached: run it again to go on.")
