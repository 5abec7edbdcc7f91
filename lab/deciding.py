"""The runs that decide adders, train them for the proof, and check a proof.

As in `lab.training`, whose results they take.
"""

import io
import math

import torch

import data
import exact
import pt
from exact import check, second
from exact.provable import provable_cell
from lab.training import plain_adder
from recurrence import run_layers


def expected_seconds_for_proof(cell, layers):
    """About how many seconds a training for the proof takes."""
    return 0.7 * layers**2 if cell == "RNN" else 4.0 * layers**1.9


def train_for_proof(cell, layers, hidden, seed, device, progress):
    """Train an adder for the proof: {"adder": as a result holds it}. No accuracy is evaluated."""
    model, _ = exact.train_proven(layers, seed, cell, device, hidden)
    return {"adder": plain_adder(model)}


def decide_adder(training, progress):
    """The decision on an adder: the fields of a `Decision`, its "words", and "wrong_in".

    "wrong_in" says whether a counterexample is wrong in NumPy's float32 and float64, too; None
    where there is none, or no second runtime for the cell.
    """
    adder = training["adder"]
    model, failure = exact.attempt(pt.adder_of, **adder)
    if failure is None:
        decision = exact.decide(model)
    else:
        decision = exact.Decision("undecided", reason=exact.does_not_run(failure))
    wrong_in = None
    if decision.pair is not None:
        wrong_in, _ = exact.attempt(add_again, adder, model, decision.pair)
    return decision._asdict() | {"words": str(decision), "wrong_in": wrong_in}


def add_again(adder, model, pair):
    """{dtype: whether the sum of `pair` is wrong in NumPy, too}; None for a cell of one's own."""
    if provable_cell(model) != adder["cell"]:
        return None
    return {
        dtype: second.add_in_numpy(adder, *pair, dtype) != sum(pair)
        for dtype in ("float32", "float64")
    }


def check_proof(training, progress):
    """Prove an adder again, and have the certificate of that checked by exact/check.py.

    Returns {"checked": whether it holds, "refused": None or why not, "slack": the least slack of
    its bounds, or None, "certificate": the bytes of the file as a uint8 tensor, or None}.
    """
    refused = {"checked": False, "slack": None, "certificate": None}
    model = pt.adder_of(**training["adder"])
    try:
        proof = exact.prove(model)
    except exact.CannotProve as refusal:
        return refused | {"refused": str(refusal)}
    if not proof.proven:
        return refused | {"refused": "it is not proven"}
    certificate = io.BytesIO()  # no file: a machine may have no folder for temporary ones
    exact.save_certificate(model, proof, certificate)
    certificate.seek(0)
    try:
        checked = check.check(certificate)
    except check.Refused as reason:
        return refused | {"refused": str(reason)}
    content = torch.frombuffer(certificate.getbuffer(), dtype=torch.uint8).clone()
    return {"checked": True, "refused": None, "slack": checked.slack, "certificate": content}


def portray(training, progress):
    """The portrait of an adder in the picture of a proof: worst-case margins, states in the bounds.

    The states are W_hh h + b_hh of the two units of the top layer that part the carries best, after
    each digit of 40 long-carry pairs. Returns {"margin": the least, "margins": (2, 10, 10),
    "units", "bounds": for each carry the low and the high ends, "states": (digits, 2) for each}.
    """
    model = pt.adder_of(**training["adder"])
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
