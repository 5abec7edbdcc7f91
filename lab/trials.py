"""One long call each, a dict of settings in, a record out: train an adder, prove one, time a step.

A record is a dict of plain values with `said`, the result in a line, and, where an adder was made, its `weights`.
`progress(share, line)` is called now and then with how much is done. The same settings give the same record again on
the same kind of machine, but for its times. The last functions here take finished adders and look at them.
"""

import itertools
import time

import numpy as np
import torch

import data
import pt
from exact import proof
from recurrence import run_layers

# The settings that `pt.train` takes too.
TRAINING = ("digitlen", "batch_size", "test_size", "measure_every", "pairs", "stop_after")


def train_adder(settings, progress):
    """Train one new adder as `settings` say, and decide it.

    `settings`: cell, layers, lr (of Adam), digitlen, steps, batch_size, test_size, measure_every, pairs, stop_after,
    seed, device. The record has the curves of `pt.train`, ms_per_step (measurements included), `right`: whether it
    was at 1.0 at the end, `error`: None, or what ended it early, and its `proof.Decision`, in words as `decided`.
    Raises ValueError as `check`.
    """
    check(train_adder, settings, [settings["seed"]])
    pt.seed_everything(settings["seed"])
    began = time.perf_counter()
    model = pt.Adder(settings["cell"], settings["layers"]).to(settings["device"])
    optimizer = torch.optim.Adam(model.parameters(), lr=settings["lr"], fused=True)
    expected = expected_steps(settings)

    def log(line):
        progress(min(1.0, len(model.curves["loss"]) / expected), line)

    error, chosen = None, {name: settings[name] for name in TRAINING}
    try:
        pt.train(settings["steps"], model, optimizer, settings["device"], log=log, **chosen)
    except FloatingPointError as stopped:
        error = str(stopped)
    curves, seconds = model.curves, time.perf_counter() - began
    steps, found = len(curves["loss"]), proof.decide(model)
    said = f"ended early: {error}"
    if not error:
        first = (
            curves["measured_at"][curves["accuracy"].index(1.0)]
            if 1.0 in curves["accuracy"]
            else None
        )
        said = f"100% from step {first}" if first else "never 100%"
        said += f", loss {curves['loss'][-1]:.3g} and accuracy {curves['accuracy'][-1]:g} at step {steps}"
    return (
        curves
        | found._asdict()
        | {
            "decided": str(found),
            "error": error,
            "right": curves["accuracy"][-1:] == [1.0],
            "ms_per_step": 1e3 * seconds / max(1, steps),
            "said": f"{said}, {seconds:.1f} s, {found}",
            "weights": model.cpu().state_dict(),
        }
    )


def prove_adder(settings, progress):
    """Train an adder of `cell`, `layers`, `seed`, `device` for the proof and decide it. No accuracy is measured."""
    model, proved = proof.train_proven(
        settings["layers"], settings["seed"], settings["cell"], settings["device"]
    )
    found = proof.Decision("proven") if proved.proven else proof.decide(model)
    return found._asdict() | {
        "decided": str(found),
        "proven": proved.proven,
        "margin": proved.margin,
        "fails_at": proved.fails_at,
        "right": False,
        "said": f"{found}, least margin {proved.margin:.2f}",
        "weights": model.cpu().state_dict(),
    }


def time_step(settings, progress):
    """Time a step of the simple adder at `digitlen`, 100 pairs, on `device`: `ms` of three, after one for nothing."""
    pt.seed_everything(settings["seed"])
    device, digitlen, ms = torch.device(settings["device"]), settings["digitlen"], []
    model = pt.Adder().to(device)
    optimizer = torch.optim.Adam(model.parameters(), fused=True)
    numbers = data.gen_data_batch(100, 0, 10**digitlen - 1)
    batch = pt.to_tensors(data.prepare_batch(*numbers, maxlen=digitlen + 1), device)
    for _ in range(4):
        start = time.perf_counter()
        pt.training_step(model, optimizer, *batch)
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        ms.append(1e3 * (time.perf_counter() - start))
    return {"ms": ms[1:], "said": f"{np.median(ms[1:]):.1f} ms a training step"}


# --- Settings: of one call, and of a row of calls.


def check(function, settings, seeds):
    """About how many seconds a call takes on one core of 2026, for the order of the runs and the bar.

    Raises ValueError, naming it, for a setting or a seed that it cannot work with.
    """
    for seed in seeds:
        data.check_at_least("seed", seed, 0)
    if function is time_step:
        data.check_at_least("digitlen", settings["digitlen"], 1)
        return 1.8e-3 * settings["digitlen"]
    cell, layers = settings["cell"], settings["layers"]
    pt.Adder(cell, layers)
    if function is train_adder:
        pt.check_training(settings["steps"], **{name: settings[name] for name in TRAINING})
        if not isinstance(settings["lr"], (int, float)) or not settings["lr"] > 0:
            raise ValueError(f"lr must be a number above 0, got {settings['lr']!r}")
        pairs = settings["batch_size"] + 0.4 * settings["test_size"] / settings["measure_every"]
        ms = 0.4 + 1.1e-3 * pairs * settings["digitlen"]
        return (
            1e-3
            * expected_steps(settings)
            * layers
            * {"RNN": 1, "GRU": 2.9, "LSTM": 2.3}[cell]
            * ms
        )
    return 0.7 * layers**2 if cell == "RNN" else 4.0 * layers**1.9


def expected_steps(settings):
    """About how many steps a run takes before it may stop."""
    return settings["steps"] * (0.6 if settings["stop_after"] else 1)


def arms(row):
    """{arm: (label, settings)} of a row: an arm is the value of what is compared, a tuple if several fields are.

    What is a list is compared; without one, the one arm is None, its label "". Raises ValueError for an empty list.
    """
    fields, found = (
        [field for field, value in row.items() if isinstance(value, list) and field != "seeds"],
        {},
    )
    for field in (*fields, "seeds"):
        if not row[field]:
            raise ValueError(f"{field} must hold at least one value, got {row[field]!r}")
    fixed = {field: value for field, value in row.items() if field != "seeds"}
    for values in itertools.product(*(row[field] for field in fields)):
        arm = values[0] if len(values) == 1 else values or None
        found[arm] = ", ".join(map(describe, fields, values)), fixed | dict(zip(fields, values))
    return found


def describe(field, value):
    """A setting in words: "3 layers", "GRU", and others by their name, "lr 0.01"."""
    if field == "layers":
        return f"{value} layer{'s' * (value != 1)}"
    if field == "cell":
        return value
    return f"{field} {value:.3g}" if isinstance(value, float) else f"{field} {value}"


# --- Finished adders, looked at.


def stress(adders, chains, count):
    """The accuracy of `adders`, {name: models}, at most five each, on `count` pairs for each longest carry chain."""
    data.random.seed(0)
    by_chain = [data.chain_batch(count, max([1000, *chains]), chain) for chain in chains]
    *pairs, sums = map(np.concatenate, zip(*by_chain))
    found = []
    for name, models in adders.items():
        right = [
            (pt.add_digits(model, *pairs) == sums).all(1).reshape(len(chains), count)
            for model in models[:5]
        ]
        found.append({"name": name, "accuracy": [of_model.mean(1).tolist() for of_model in right]})
    return {"picture": "stress.png", "chains": chains, "pairs": count, "adders": found}


def lengths(model, counts):
    """How many sums of each length `model` gets right, and how fast: `counts` is {digits: carry-heavy pairs}."""
    data.random.seed(0)
    tests = []
    for length, count in sorted(counts.items()):
        nines = data.with_sums(np.full((1, length), 9), np.eye(1, length))
        batches = {"carry-heavy": data.carry_rich_batch(count, length), "999...9 + 1": nines}
        for kind, (digits_1, digits_2, sums) in batches.items():
            start = time.perf_counter()
            answer = pt.add_digits(model, digits_1, digits_2)
            speed = answer.size / (time.perf_counter() - start)
            right = int((answer == sums).all(1).sum())
            about = {"length": length, "kind": kind, "pairs": len(sums)}
            tests.append(about | {"right": right, "digits_per_second": speed})
    return {"trained_at": proof.DIGITLEN, "lengths": tests}


def portrait(model):
    """What the picture of a proof shows of `model`: the worst-case margins, and real states in the proof's boxes.

    The states are W_hh h + b_hh of the top layer, of the two units that part the carries best, after each digit of 40
    carry-heavy pairs of 100.
    """
    found = proof.prove(model)
    data.random.seed(0)
    num1, num2, sums = pt.to_tensors(
        [digits[:, :-1] for digits in data.carry_rich_batch(40, 100)], "cpu"
    )
    h, _ = run_layers(model.rnn, model.pairs(), 10 * num1.T + num2.T, None)
    _, weight_hh, _, bias_hh = model.rnn.all_weights[-1]
    recurrent = (h @ weight_hh.T + bias_hh).detach()
    before = (sums - num1 - num2) % 10  # the carry into each position
    after = (num1 + num2 + before >= 10).T
    low, high = found.boxes[-1][:, 0], -found.boxes[-1][:, 1]
    gap = torch.maximum(low[1] - high[0], low[0] - high[1]) / (high - low).sum(0)
    units = gap.topk(2).indices
    return {
        "margin": found.margin,
        "margins": found.margins.tolist(),
        "units": units.tolist(),
        "boxes": [[low[carry, units].tolist(), high[carry, units].tolist()] for carry in (0, 1)],
        "states": [recurrent[after == carry][:, units].tolist() for carry in (0, 1)],
    }


def count_decided(groups):
    """Every adder, decided, and counted: `groups` is [(name, [record], whether it trained on fewer pairs a step)].

    "right": those whose accuracy was 1.0 at their last measurement. None where there are no adders.
    """
    found = []
    for name, records, fewer in groups:
        adders = [
            {what: record[what] for what in ("right", "verdict", "decided", "digits")}
            for record in records
        ]
        found += [{"name": name, "fewer_pairs": fewer, "adders": adders}] if adders else []
    every = [adder for group in found for adder in group["adders"]]
    verdicts = [adder["verdict"] for adder in every]
    wrong = [adder["digits"] for adder in every if adder["right"] and adder["digits"]]
    return found and {
        "picture": "decided.png",
        "groups": found,
        "adders": len(every),
        "right": sum(a["right"] for a in every),
        "right_but_wrong": len(wrong),
        "most_digits": max(wrong, default=0),
    } | {verdict: verdicts.count(verdict) for verdict in ("wrong", "proven", "undecided")}
