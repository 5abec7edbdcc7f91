"""Constants in, the calls that they make out: checked before any work, an error naming the constant."""

import contextlib
import itertools
from typing import NamedTuple

import trials
from lab import claims, runs


class Plan(NamedTuple):
    """All calls, each field {what it is of: calls, one a seed}."""

    rows: dict  # {row: {arm: calls}}
    stressed: dict  # {name: calls}
    proofs: dict  # {(cell, layers): calls}
    checks: dict  # {"check": [the call, if any]} of the first adder to prove
    costs: dict  # {(digits, device): [the call]}


def plan(rows, spoken, stressed, proven_seeds, lengths, checked, cost_lengths, device):
    """The `Plan` that the constants of `source` make; `spoken` are the rows whose steps are printed.

    Raises ValueError at a bad constant.
    """
    proofs = proof_calls(proven_seeds, device)
    first = [call for calls in proofs.values() for call in calls][:1]
    more = {"lengths": sorted(lengths.items()), "digits": checked}
    checks = [seeded(trials.check_adder, "the check", call.settings | more, [call.settings["seed"]]) for call in first]
    return Plan(
        row_calls(rows, spoken, device),
        stressed_calls(stressed, device),
        proofs,
        {"check": list(itertools.chain(*checks))},
        cost_calls(cost_lengths, device),
    )


@contextlib.contextmanager
def naming(constant):
    """Errors in here name the constant that they come from."""
    try:
        yield
    except (ValueError, TypeError) as error:
        raise ValueError(f"{constant}: {error}") from None
    except KeyError as missing:
        raise ValueError(f"{constant} has no {missing}") from None


def seeded(function, name, settings, seeds, spoken=False):
    """The call of `function` with each of `seeds`, its settings checked; `name` is its name in printed lines."""
    calls = []
    for seed in dict.fromkeys(seeds):
        of_one = settings | {"seed": seed}
        seconds = trials.check(function, of_one)
        calls.append(runs.Call(function, of_one, f"{name}, seed {seed}", seconds, spoken))
    return calls


def arm_calls(name, row, device, spoken=False):
    """{arm: calls} of a row of settings."""
    calls = {}
    for arm, settings in trials.arms(row).items():
        title = ", ".join(filter(None, [name, trials.label(row, arm)]))
        calls[arm] = seeded(trials.train_adder, title, settings | {"device": device}, row["seeds"], spoken)
    return calls


def row_calls(rows, spoken, device):
    """{row: {arm: calls}} of ROWS."""
    calls = {}
    for row, settings in rows.items():
        if row not in claims.REPORT:
            raise ValueError(f"ROWS has a row {row!r}, but the report's are {', '.join(map(str, claims.REPORT))}")
        with naming(f"ROWS[{row}]"):
            calls[row] = arm_calls(f"row {row}", settings, device, row in spoken)
    return calls


def stressed_calls(stressed, device):
    """{name: calls} of STRESSED."""
    calls = {}
    for name, row in stressed.items():
        with naming(f"STRESSED[{name!r}]"):
            calls[name] = list(itertools.chain(*arm_calls(name, row, device).values()))
    return calls


def proof_calls(proven_seeds, device):
    """{(cell, layers): calls} of PROVEN_SEEDS."""
    calls = {}
    for (cell, layers), seeds in proven_seeds.items():
        with naming("PROVEN_SEEDS"):
            settings = {"cell": cell, "layers": layers, "device": device}
            name = f"proof, {cell}, {trials.describe('layers', layers)}"
            calls[cell, layers] = seeded(trials.prove_adder, name, settings, seeds)
    return calls


def cost_calls(cost_lengths, device):
    """{(digits, device): [the call]} that times a training step: on the CPU, and on CUDA beside it."""
    calls = {}
    for digitlen, on in itertools.product(cost_lengths, dict.fromkeys(["cpu", device])):
        with naming("COST_LENGTHS"):
            settings = {"digitlen": digitlen, "device": on}
            calls[digitlen, on] = seeded(trials.time_step, f"a step at {digitlen} digits, {on}", settings, [0])
    return calls
