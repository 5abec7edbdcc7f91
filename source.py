"""Every experiment of the report "Assignment 2: an RNN that adds", run again over several seeds.

    python source.py

trains all that ROWS lists and decides the claims of the report, trains adders that are proven right for numbers of any
length, and leaves in figures/ the pictures, every number behind them (results.json), and a page (README.md). Change a
constant below and run it again: figures and page follow.
"""

import json
import os
import sys
import time
from concurrent.futures.process import BrokenProcessPool
from itertools import chain
from pathlib import Path

import numpy as np
import torch

import data
import pt
import recurrence
from exact import intervals, proof
from lab import page, pictures, pool, report, trials
from pt import evaluate, myPTRNNModel, train  # noqa: F401  (names in the report's lines)

# --- The constants to edit.

SEEDS = list(
    range(8)
)  # each run is repeated with each: of the weights, the pairs to train on and to test on
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"  # where to train: "cpu", "cuda" or "cuda:1"
WORKERS = os.cpu_count()  # processes that share the runs, one torch thread each
SCHEDULER = (
    None  # a cluster to share them instead: the address of a Dask scheduler, "tcp://host:8786"
)

# What is trained, row by row of the report's experiments. The first lines are the settings of the simple
# adder, each row says what differs, and whatever stands in a list is compared, one curve each.
SETTINGS = {
    "digitlen": 10,  # digits of the numbers to add
    "cell": "RNN",  # "RNN" (tanh), "GRU" or "LSTM"
    "layers": 2,  # layers of that cell
    "lr": 1e-3,  # learning rate of Adam
    "steps": 1000,  # training steps, at most
    "batch_size": 100,  # pairs of numbers a step
    "test_size": 200,  # fresh pairs for each measurement of the accuracy
    "measure_every": 10,  # steps from one measurement to the next
    "pairs": "uniform",  # to train on: "uniform", as in the report, or "carry_rich"
    "stop_after": None,  # end a run after this many measurements of 1.0 in a row; None: never
    "seeds": SEEDS,  # one run for each
}
FINAL_MODEL = SETTINGS | {"digitlen": 100, "layers": 3, "lr": 0.01, "steps": 200, "stop_after": 5}
# Long numbers. Pairs and steps chosen by trial on the seeds 0 to 4. With 5 pairs of 1000 digits a step all were at a
# steady 1.0 by step 800, with 10 too, at twice the cost; with one pair of 5000 digits by step 2150, with two by 1650.
LONG = SETTINGS | {"test_size": 100, "measure_every": 50, "stop_after": 3, "seeds": SEEDS[:5]}
ROWS = {
    1: SETTINGS,
    2: LONG | {"digitlen": 1000, "steps": 1000, "batch_size": 5},
    3: LONG | {"digitlen": 5000, "steps": 2500, "batch_size": 1},
    4: SETTINGS | {"layers": [1, 2, 3, 4], "steps": 500},
    5: SETTINGS | {"cell": "GRU", "layers": [1, 2, 3, 4], "steps": 500},
    6: SETTINGS
    | {"digitlen": 100, "cell": ["RNN", "GRU", "LSTM"], "layers": 3, "steps": 500, "batch_size": 25}
    | {"test_size": 100, "stop_after": 5, "seeds": SEEDS[:5]},
    7: SETTINGS | {"layers": 3, "lr": np.logspace(-5, -1, 10).tolist(), "steps": 500},
    8: SETTINGS | {"layers": 3, "lr": np.logspace(-2.2, -1.8, 5).tolist(), "steps": 400},
    9: FINAL_MODEL,
}

# The exact part. Seeds of the adders to train for the proof, for each cell and number of layers. In runs of
# their own, 100 of 100, 10 of 10 and 10 of 10 RNNs with 1, 2 and 3 layers were proven, 20 of 20, 10 of 10
# and 10 of 10 GRUs, and the same of LSTMs.
PROVEN_SEEDS = {
    "RNN": {1: range(10), 2: range(4), 3: range(1)},
    "GRU": {1: range(3), 2: range(1), 3: range(1)},
    "LSTM": {1: range(3), 2: range(1), 3: range(1)},
}

# Adders whose accuracy is measured against the longest carry chain, beside a proven one, on five seeds at most.
STRESSED = {
    "the report's simple adder": SETTINGS,
    "the report's final model": FINAL_MODEL,
    "the simple adder, trained on carry-rich pairs": SETTINGS
    | {"pairs": "carry_rich", "steps": 700, "seeds": SEEDS[:3]},
}
CHAINS = [
    0,
    1,
    2,
    3,
    5,
    10,
    20,
    50,
    100,
    200,
    500,
    1000,
]  # the longest carry chain of the pairs, all of 1000 digits
CHAIN_PAIRS = 20  # how many pairs of each

# The lengths at which the first proven adder is tested, {digits: how many carry-heavy pairs}; 999...9 + 1 is added.
LENGTHS = {100: 100, 1000: 10_000, 10_000: 20, 100_000: 2, 1_000_000: 1}

COST_LENGTHS = [
    10,
    100,
    1000,
    5000,
]  # at which a training step of the simple adder is timed, on each device

FIGURES = Path(__file__).parent / "figures"  # where the pictures, the page and the numbers go
KEPT = Path(__file__).parent / ".runs"  # where finished runs are kept (outside git)

# --- The calls that the constants make, and their records.

MAIN_ROWS, ADV_ROWS = [1, 2, 3], [4, 5, 6, 7, 8, 9]
MADE_BY = (
    data,
    recurrence,
    pt,
    intervals,
    proof,
    trials,
)  # the code that makes a run, in the order of its imports
SOURCES = {module.__name__: Path(module.__file__).read_text(encoding="utf-8") for module in MADE_BY}
SOURCES = {"exact": "", "lab": ""} | SOURCES
finished = {}  # the record of each call that this process has made or taken over


def planned():
    """Every call that the constants make, {for what: {arm: one a seed}}. Raises ValueError, naming it, at a bad one."""
    data.check_at_least("WORKERS", WORKERS, 1)
    data.check_at_least("CHAIN_PAIRS", CHAIN_PAIRS, 1)
    for name, values, least in (
        ("CHAINS", CHAINS, 0),
        ("LENGTHS", [*LENGTHS, *LENGTHS.values()], 1),
    ):
        for value in values:
            data.check_at_least(name, value, least)
    if SCHEDULER is None:
        pt.check_device(DEVICE)
    if unknown := ROWS.keys() - report.REPORT.keys():
        known = ", ".join(map(str, report.REPORT))
        raise ValueError(f"ROWS has a row {next(iter(unknown))!r}, but the report's are {known}")
    plan = {}
    for row, settings in ROWS.items():
        plan[f"row {row}"] = arm_calls(f"ROWS[{row}]", f"row {row}", trials.train_adder, settings)
    for name, settings in STRESSED.items():
        plan[name] = arm_calls(f"STRESSED[{name!r}]", name, trials.train_adder, settings)
    for cell, by_layers in PROVEN_SEEDS.items():
        plan[f"for the proof, {cell}"] = of_cell = {}
        for layers, seeds in by_layers.items():
            row = {"cell": cell, "layers": [layers], "seeds": list(seeds)}
            of_cell |= arm_calls("PROVEN_SEEDS", f"proof, {cell}", trials.prove_adder, row)
    if COST_LENGTHS:
        row = {
            "digitlen": COST_LENGTHS,
            "device": list(dict.fromkeys(["cpu", DEVICE])),
            "seeds": [0],
        }
        plan["row 10"] = arm_calls("COST_LENGTHS", "a step", trials.time_step, row)
    return plan


def arm_calls(constant, name, function, row):
    """{arm: a call of `function` for each seed} of `row`, settings that stand in `constant`, which errors name."""
    calls, spoken = {}, name in map("row {}".format, MAIN_ROWS)
    try:
        for arm, (label, settings) in trials.arms({"device": DEVICE} | row).items():
            seconds, title = (
                trials.check(function, settings, row["seeds"]),
                f"{name}, {label}".removesuffix(", "),
            )
            for seed in dict.fromkeys(row["seeds"]):
                call = pool.Call(
                    function, settings | {"seed": seed}, f"{title}, seed {seed}", seconds, spoken
                )
                calls.setdefault(arm, []).append(call)
    except (ValueError, TypeError) as error:
        raise ValueError(f"{constant}: {error}") from None
    except KeyError as missing:
        raise ValueError(f"{constant} has no {missing}") from None
    return calls


def conduct(plan):
    """Have every call of a plan finished; returns how many were kept from before."""
    calls = [call for by_arm in plan.values() for calls in by_arm.values() for call in calls]
    return pool.conduct(calls, finished, KEPT, SOURCES, WORKERS, SCHEDULER)


def records(calls):
    """The records of finished calls, without their weights, each with its seed."""
    found = [{"seed": call.settings["seed"]} | finished[pool.key(call)] for call in calls]
    return [
        {name: value for name, value in record.items() if name != "weights"} for record in found
    ]


def adders(by_arm):
    """The adders that finished calls made; of those trained for the proof, the proven ones."""
    found = [finished[pool.key(call)] for call in chain(*by_arm.values())]
    return [pt.adder_of(record["weights"]) for record in found if record.get("proven", True)]


# --- What is run. Each part can be run by itself: it draws its pictures and returns its share of results.json.


def pt_main():
    """Task 1: the report's simple adder, at 10, 1000 and 5000 digits."""
    return drawn({"rows": measured(MAIN_ROWS)})


def pt_adv_main():
    """Task 2: layers, cells and learning rates, and the model that the report ends with."""
    return drawn({"rows": measured(ADV_ROWS)})


def measured(rows):
    """Train those of `rows` that ROWS has, and judge them."""
    plan, found = planned(), []
    calls = {row: plan[f"row {row}"] for row in ROWS if row in rows}
    conduct(calls)
    for row, by_arm in calls.items():
        arms = {
            arm: (label, records(by_arm[arm])) for arm, (label, _) in trials.arms(ROWS[row]).items()
        }
        found.append(report.of_row(row, ROWS[row], arms) | {"settings": ROWS[row]})
        print(f"row {row}, {found[-1]['title']}: {found[-1]['verdict']}")
    return found


def exact_main():
    """Beyond the report: accuracy against carry chains, numbers of a million digits, and the proof."""
    plan, part = (
        {name: by_arm for name, by_arm in planned().items() if not name.startswith("row ")},
        {},
    )
    conduct(plan)
    stressed, proven, groups = {name: adders(plan[name]) for name in STRESSED}, {}, []
    for cell in PROVEN_SEEDS:
        by_layers = plan[f"for the proof, {cell}"]
        for layers, calls in by_layers.items():
            groups.append(
                {"label": f"{cell}, {trials.describe('layers', layers)}", "runs": records(calls)}
            )
        if found := adders(by_layers):
            proven[f"a proven {cell}"] = found
    if stressed and CHAINS:
        part["stress"] = trials.stress(
            stressed | dict(list(proven.items())[:1]), sorted(CHAINS), CHAIN_PAIRS
        )
    if proven and LENGTHS:
        part["lengths"] = trials.lengths(next(chain(*proven.values())), LENGTHS) | {
            "peers": report.PEERS
        }
    if groups:
        shown = dict(list(stressed.items())[:1]) | proven
        portraits = [{"name": name} | trials.portrait(found[0]) for name, found in shown.items()]
        part["proof"] = {"picture": "proof.png", "groups": groups, "portraits": portraits}
    part = drawn(part)
    for model, *_ in proven.values():
        torch.save(model.state_dict(), FIGURES / f"proven_{type(model.rnn).__name__.lower()}.pt")
    return part


def cost_main():
    """Row 10: the time of a training step, on each device."""
    calls = planned().get("row 10", {})
    conduct({"row 10": calls})
    ms = {on: records(of_one)[0]["ms"] for on, of_one in calls.items()}
    kinds = {device: pool.machine(device)["device"] for device, _ in calls}
    return drawn({"cost": report.of_costs(ms, kinds)} if calls else {})


def decided():
    """Every adder that was trained, each once, decided: in groups, a row or a recipe each."""
    groups, seen = [], set()
    for name, by_arm in planned().items():
        new = {
            pool.key(call): call for call in chain(*by_arm.values()) if pool.key(call) not in seen
        }
        seen |= new.keys()
        fewer = any(
            call.settings.get("batch_size", report.PAIRS) < report.PAIRS for call in new.values()
        )
        groups.append(
            (name, [record for record in records(new.values()) if "decided" in record], fewer)
        )
    return drawn({"decided": trials.count_decided(groups)})


def loss_draw(model, path=None):
    """Draw loss and accuracy of a model that `train` trained, ValueError if not: saved to `path`, or shown for None."""
    if not getattr(model, "curves", None):
        raise ValueError("model has no curves to draw: train it first")
    pictures.draw_run(model.curves, path)


def drawn(part):
    """Draw a part of the results; returns it as results.json will have it."""
    part = pool.plain(part)
    pictures.draw(part, FIGURES)
    return part


def draw():
    """Make every picture and the page again from results.json."""
    results = json.loads((FIGURES / "results.json").read_text(encoding="utf-8"))
    pictures.draw(results, FIGURES)
    page.write(results, FIGURES / "README.md")


def main():
    """Run all parts, all their calls at once so that no worker waits for a part's last run; write results and page."""
    began = time.monotonic()
    taken_over = conduct(planned())
    rows = pt_main()["rows"] + pt_adv_main()["rows"]
    results = dict.fromkeys([*pictures.PARTS, "lengths"]) | exact_main() | cost_main() | decided()
    results |= drawn(
        {"verdicts": report.overview(rows + [results["cost"]] * bool(results["cost"]))}
    )
    made = pool.machine(DEVICE) | {
        "cores": os.cpu_count(),
        "workers": SCHEDULER or f"{WORKERS} workers",
        "taken_over": taken_over,
        "calls": len(finished),
        "work_seconds": sum(record["seconds"] for record in finished.values()),
        "seconds": time.monotonic() - began,
    }
    results = pool.plain({"made": made, "rule": report.RULE}) | {"rows": rows} | results
    pool.write(results, FIGURES / "results.json")
    page.write(results, FIGURES / "README.md")
    print(f"Done in {made['seconds'] / 60:.1f} minutes: see {FIGURES.name}/README.md")


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("Stopped. Finished runs are kept: run it again to go on.")
    except BrokenProcessPool:
        sys.exit(
            "A worker process was ended from outside (out of memory?). Finished runs are kept."
        )
    except (ValueError, OSError) as error:
        sys.exit(f"Error: {error}" + ". Finished runs are kept." * isinstance(error, OSError))
