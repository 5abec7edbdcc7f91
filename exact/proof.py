"""A proof that a trained adder adds every two numbers correctly, and training for it.

**The statement.** For every two numbers of any length, the digit with the largest logit is right at
every position. A computer can check it, because addition's only memory is the carry c in {0, 1}.

**The induction.** Let S_c be the set of all hidden states (of all layers) that any sequence of
digit pairs ending in carry c can reach. The zero state, where every sum begins, is in S_0; S_1
begins empty. A triple (a, b, c), two digits and the carry before them, leads from a state in S_c to
one in S_c', where c' = 1 if a + b + c >= 10. If in each of the 200 triples, from every state in
S_c, the digit (a + b + c) mod 10 has the largest logit, then every sum is correct, by induction
over its digits.

**The interval bounds.** S_c is not known, but sets that contain it are enough: one interval for
each unit of v = W_hh h + b_hh, of all gates, for each layer and carry (not of h: this is where the
recurrence is tight). With V_c these bounds and u the input of a layer (for the first, one of 100
known vectors; above it, the layer below), for the tanh RNN

    z = W_ih u + b_ih + v                 v in V_c                                            (1)
    h in [tanh(min z), tanh(max z)], widened by e: rounding, or in training noise             (2)
    v' = W_hh h + b_hh in W_hh mid(h) + b_hh +- |W_hh| rad(h),                                (3)
         likewise W_ih h + b_ih for the layer above
    V'_c' = the tightest bounds of v' of all triples that lead to c', and b_hh if c' = 0      (4)

and for GRU and LSTM with (6) to (9) of `intervals`, where all of these are, in place of (2). Begin
with V_0 = {b_hh} and V_1 empty, and repeat, each time joining the bounds with the ones before and
stretching them a little further the way that they grow. Once (4) lies inside the bounds that it
came from, these hold every state that can ever occur: an inductive invariant (for recurrent
networks: Jacoby, Barrett, Katz 2020, arXiv:2004.02462). Then the least

    margin of d over k = (W_d - W_k) mid(h) - |W_d - W_k| rad(h) + b_d - b_k                  (5)

over all triples, d the right digit and k another, is positive: proven. Anything else, a NaN
included, is not. The adder runs in float32, the proof in float64: `intervals` says what is allowed
for rounding, in (1) to (9); to a logit of (5) it adds g_n (|W_d| |h| + |b_d|) + 2^-125 n,
n = units + 2: a product for each unit and a bias (g_66 with 64 units).

**Training for it.** `train_proven` minimizes the cross-entropy of the worst-case logits (5) after a
few rounds of (1)-(4), by the very functions that prove. It bounds the loss of every sum from above.

**The smallest.** A tanh RNN of two units whose digits are embedded as one number each has 52
parameters, and can be trained and proven: one unit says whether there is a carry, the other how
large the total is. One unit is too few, in any number of layers, with any embeddings and weights:
in exact arithmetic it does not even add all one-digit numbers. For after the first digits a and b
the first layer's state is tanh(z) with

    z = p(a) + q(b) + r                                                                      (10)

p and q are what W_ih makes of their embeddings, r is the biases; the zero state adds nothing. In a
layer above, the state is tanh(w h + s) of the state h below. So the top state is monotone in z: it
never falls, or it never rises. The logits are straight lines in it. One is above another on a
half-line of states, everywhere or nowhere, so the states where a digit is ahead of the nine others
(of equal ones let the lower digit be ahead) are an interval. Then so are the z that lead there, as
the state is monotone in z: of two such z, all between them are such, too.

0 + 0 and 5 + 5 end in 0. So the middle of p(0) + q(0) + r and p(5) + q(5) + r leads to 0. 0 + 5 and
5 + 0 end in 5. So the middle of p(0) + q(5) + r and p(5) + q(0) + r leads to 5. It is the same z, a
contradiction. (A proof is of exact arithmetic, too: rounding is only added to it. So no adder of
one unit is proven either.) More units, layers or numbers in an embedding make more parameters: 52
is the least number of a tanh RNN that is a `pt.Adder`.
"""

import math
from typing import NamedTuple

import torch
from torch import nn

import pt
from data import check_at_least, long_carry_batch
from exact import intervals
from exact.provable import check_provable

MOST_ROUNDS = 40  # bounds that still grow by then are taken not to end

# How `train_proven` trains. For the tanh RNN chosen by trial on seeds 0 to 99 (0 to 9 from two
# layers up); of others, 50 of 50 were proven with one layer, 10 of 10 with two, 9 of 10 with three.
DIGITLEN = 10  # digits of the pairs to train on, at most
BATCH_SIZE = 64
NOISE = 0.01  # on h (c too, of an LSTM) at each step, in the worst case, in place of rounding
DATA_UNTIL = 0.75  # the share of the steps that learn from pairs too
SHRUNK_FOR = 0.4  # the share of the steps, from `worst_from` on, until the radii have their size

# How `train_small` trains, chosen by trial on seeds 0 to 223.
TRIES = 8  # of those with 2 units about two in five end with a proof, with more units more
SMALL_STEPS = 4000  # of a try, at most
SMALL_ROUNDS = 3  # with two, the bounds are those after the first digits, and none is proven
SMALL_RATE = 0.1  # the peak of the learning rate
SMALL_BETAS = (0.9, 0.99)
SMALL_NOISE = 0.001
FASTER = 100  # how many times as fast the last layer learns: its weights must become large,
FASTER_FROM = 0.2  # from this share of the steps on
RISES_FOR = 0.1  # the share of the steps until the learning rate is at its peak
PAIRS_UNTIL = 0.5  # the share of the steps that learn from pairs too
PAIRS_DIGITLEN = 3
PAIRS_BATCH_SIZE = 32
SMALL_EMBEDDING = 0.1  # of its usual size at first: then it becomes a straight line
PROVE_EVERY = 250  # steps


class Proof(NamedTuple):
    """The answer of `prove`. `proven`: every sum of any length is correct."""

    proven: bool
    margin: float  # the least of `margins`
    fails_at: tuple | None  # where not proven: the (digit, digit, carry) with the least margin
    margins: torch.Tensor  # (2, 10, 10): the worst-case margin of each carry and pair of digits
    bounds: list  # of each layer, on W_hh h + b_hh, as `intervals.start` has them


class Invariant(NamedTuple):
    """Bounds that hold every state, if `inductive`; and what they lead to."""

    bounds: list  # of each layer, as `intervals.start` has them
    state_bounds: list  # of each layer, as `intervals.propagate` has them
    margins: torch.Tensor  # (200,): the worst-case margin in each triple
    inductive: bool


class Recipe(NamedTuple):
    """How `train_proven` trains an adder of one cell and number of layers."""

    steps: int
    rounds: int  # of (1) to (4) in each step
    rate: float  # the peak of the learning rate
    worst_from: float  # the share of the steps after which the worst case is faded in


GATED_RECIPES = {  # by cell and number of layers, 3 standing for more
    ("GRU", 1): Recipe(steps=350, rounds=4, rate=0.02, worst_from=0.15),
    ("GRU", 2): Recipe(steps=350, rounds=4, rate=0.01, worst_from=0.15),
    ("GRU", 3): Recipe(steps=500, rounds=5, rate=0.01, worst_from=0.15),
    ("LSTM", 1): Recipe(steps=250, rounds=4, rate=0.02, worst_from=0.15),
    ("LSTM", 2): Recipe(steps=350, rounds=4, rate=0.01, worst_from=0.15),
    ("LSTM", 3): Recipe(steps=650, rounds=6, rate=0.01, worst_from=0.15),
}


@torch.no_grad()
def prove(model):
    """Whether `model`, an `Adder` of any depth, adds every two numbers correctly.

    Returns a `Proof`; see the module's docstring. It speaks of float32 on a CPU, with PyTorch in
    its default modes: of an adder on a GPU it says what its weights do on a CPU. Where float32 may
    overflow the margins are NaN, and nothing is proven.

    Raises CannotProve, a ValueError that names what is wrong, for all but a plain float32
    `pt.Adder` (one that was changed in any way but its weights, a cell that is no tanh RNN, GRU or
    LSTM), and while autocast, a reduced precision of float32 products, flushing of denormal numbers
    or a hook for all modules is on.
    """
    invariant = find_invariant(intervals.exact_weights_of(model))
    margins = invariant.margins
    proven = invariant.inductive and bool((margins > 0).all())
    least = int(margins.argmin())
    digit_1 = int(intervals.DIGIT_1[least])
    digit_2 = int(intervals.DIGIT_2[least])
    carry = int(intervals.CARRY[least])
    return Proof(
        proven=proven,
        margin=float(margins.min()),
        fails_at=None if proven else (digit_1, digit_2, carry),
        margins=torch.empty_like(margins).scatter(0, intervals.ORDER, margins).view(2, 10, 10),
        bounds=invariant.bounds,
    )


def find_invariant(weights):
    """Search for an `Invariant`, as the module's docstring says, with what rounding allows for."""
    bounds = intervals.start(weights)
    for rounds in range(MOST_ROUNDS):
        mid, rad, bounds_after, state_bounds = intervals.propagate(weights, bounds)
        inductive = is_inside(bounds_after, bounds)
        if inductive:
            break
        # Growth that shrinks by a factor f a round ends within 1 / (1 - f) times itself. To go
        # further at once is safe, the check above is all that counts, but too far and the bounds
        # never settle.
        bounds = stretch(bounds, bounds_after, 1 + rounds / 4)
    margins = worst_case_margins(weights, mid, rad)
    return Invariant(bounds, state_bounds, margins, inductive)


def is_inside(inner, outer):
    """Whether bounds lie inside others, in every layer; not where a NaN is, or V_1 is empty yet."""
    if len(outer[0]) == 1:
        return False
    return all(bool((new >= old).all()) for old, new in zip(outer, inner, strict=True))


def stretch(bounds, bounds_after, factor):
    """Bounds that hold both, grown by `factor` times the growth; while V_1 is empty, the later."""
    if len(bounds[0]) == 1:
        return bounds_after
    pairs = zip(bounds, bounds_after, strict=True)
    return [old + factor * (new - old).clamp(max=0) for old, new in pairs]


def worst_case_margins(weights, mid, rad):
    """The least of (5) over the other digits, with h in mid +- rad: (triples,), all 200."""
    logits = worst_case_logits(weights, mid, rad)
    return -logits.scatter(1, intervals.RIGHT_DIGIT, -math.inf).amax(1)


def worst_case_logits(weights, mid, rad):
    """Minus (5) in each triple, with h in mid +- rad: (200, 10), 0 at the right digit."""
    right = intervals.RIGHT_DIGIT.to(mid.device)
    logits = mid @ weights.dense.T + weights.bias
    differences = (weights.dense[:, None] - weights.dense).abs()
    slack = (rad @ differences.flatten(0, 1).T).unflatten(1, (10, 10)) + weights.eps_margin
    slack = slack.gather(1, right[..., None].expand(-1, 1, 10))[:, 0]
    return (logits - logits.gather(1, right) + slack).scatter(1, right, 0.0)


def worst_case_loss(weights, rounds, scale):
    """The cross-entropy of the worst-case logits after some rounds from the start.

    `scale` as in `intervals.propagate`. A tensor of no dimensions, on the device of the weights.
    """
    logits = find_worst_case(weights, rounds, scale)
    return pt.cross_entropy(logits, intervals.RIGHT_DIGIT.to(logits.device))


def worst_case_loss_by_total(weights, rounds):
    """The same, but each total of two digits and a carry, from 0 to 19, counts alike.

    The totals 0 and 19 have one triple each, 9 and 10 have 19.
    """
    logits = find_worst_case(weights, rounds, scale=1.0)
    right = intervals.RIGHT_DIGIT[:, 0].to(logits.device)
    losses = nn.functional.cross_entropy(logits, right, reduction="none")
    totals = intervals.CARRY + intervals.DIGIT_1 + intervals.DIGIT_2
    shares = 1 / (20 * totals.bincount()[totals])
    return losses @ shares.to(logits.device)


def find_worst_case(weights, rounds, scale):
    """The worst-case logits after some rounds from the start: (200, 10)."""
    bounds = intervals.start(weights)
    for _ in range(rounds):
        mid, rad, bounds, _ = intervals.propagate(weights, bounds, scale)
    return worst_case_logits(weights, mid, rad)


def train_proven(
    layers=1, seed=0, cell="RNN", device="cpu", hidden=pt.HIDDEN, embedding=pt.EMBEDDING
):
    """Train an adder of `layers` layers of `hidden` units of `cell` for the proof.

    Returns (model, `Proof`). `embedding` is how many numbers stand for a digit. A tanh RNN with one
    layer and an `embedding` of 1 is trained by `train_small`, with 2 units or more; any other adder
    by `train_large`, which finds a proof with the default sizes, but seldom with fewer units.

    Raises ValueError for a bad argument, and CannotProve, a ValueError, for a cell or mode as in
    `prove`.
    """
    check_at_least("seed", seed, 0)
    device = pt.check_device(device)
    pt.seed_everything(seed)
    model = pt.Adder(cell, layers, hidden, embedding).to(device)
    cell = check_provable(model)
    if (cell, layers, embedding) == ("RNN", 1, 1):
        return train_small(model)
    return train_large(model, choose_recipe(cell, layers))


def train_large(model, recipe):
    """Train an adder for the proof by a `Recipe`. Returns (model, `Proof`).

    Adam with a one-cycle learning rate, gradients clipped to norm 1. At first the loss is the usual
    one, on long-carry pairs, at last that of the worst case; see the constants above.
    """
    device = model.dense.weight.device
    lower_keeping_gates(model)
    parameters = list(model.parameters())
    optimizer = torch.optim.Adam(parameters, lr=recipe.rate, fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, recipe.rate, total_steps=recipe.steps)
    with_data = math.ceil(DATA_UNTIL * recipe.steps)
    pairs = pt.to_tensors(long_carry_batch(with_data * BATCH_SIZE, DIGITLEN), device)
    batches = zip(*(digits.split(BATCH_SIZE) for digits in pairs), strict=True)
    for step in range(recipe.steps):
        loss = 0.0
        if step < with_data:
            num1, num2, results = next(batches)
            loss = pt.cross_entropy(model(num1, num2), results)
        faded_in = step / recipe.steps - recipe.worst_from
        if faded_in > 0:
            share = faded_in / (1 - recipe.worst_from)
            scale = min(1.0, faded_in / SHRUNK_FOR)
            weights = intervals.weights_of(model)._replace(eps_h=NOISE)
            loss = loss + share * worst_case_loss(weights, recipe.rounds, scale)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        schedule.step()
    return model, prove(model)


def train_small(model):
    """Train a one-layer tanh RNN whose digits are embedded as one number. Returns (model, `Proof`).

    It takes up to TRIES tries, each from new random weights but the first, and ends with the first
    proof, or without one. See the constants above.
    """
    proof = try_small(model)
    for _ in range(TRIES - 1):
        if proof.proven:
            break
        for module in (model.embed_layer, model.rnn, model.dense):
            module.reset_parameters()
        proof = try_small(model)
    return model, proof


def try_small(model):
    """Train a new adder until it is proven or its steps are over: returns the last `Proof`.

    Adam, gradients clipped to norm 1. The loss is that of the worst case from the first step on,
    and at first that on long-carry pairs is added, without the column of padding.
    """
    device = model.dense.weight.device
    with torch.no_grad():
        model.embed_layer.weight *= SMALL_EMBEDDING
    parameters = list(model.parameters())
    last_layer = list(model.dense.parameters())
    groups = [{"params": parameters[: -len(last_layer)]}, {"params": last_layer}]
    optimizer = torch.optim.Adam(groups, lr=SMALL_RATE, betas=SMALL_BETAS, fused=True)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, [rate_of_others, rate_of_last_layer])
    with_pairs = math.ceil(PAIRS_UNTIL * SMALL_STEPS)
    pairs = pt.to_tensors(long_carry_batch(with_pairs * PAIRS_BATCH_SIZE, PAIRS_DIGITLEN), device)
    batches = zip(*(digits.split(PAIRS_BATCH_SIZE) for digits in pairs), strict=True)
    for step in range(1, SMALL_STEPS + 1):
        weights = intervals.weights_of(model)._replace(eps_h=SMALL_NOISE)
        loss = worst_case_loss_by_total(weights, SMALL_ROUNDS)
        if step <= with_pairs:
            num1, num2, results = (digits[:, :PAIRS_DIGITLEN] for digits in next(batches))
            loss = loss + pt.cross_entropy(model(num1, num2), results)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        schedule.step()
        if step % PROVE_EVERY == 0:
            proof = prove(model)
            if proof.proven:
                break
    return proof


def rate_of_others(step):
    """The learning rate of all but the last layer, as a share of its peak: up, then down to 0."""
    share = step / SMALL_STEPS
    return min(share / RISES_FOR, (1 - share) / (1 - RISES_FOR))


def rate_of_last_layer(step):
    """The learning rate of the last layer, as a share of the same peak."""
    share = step / SMALL_STEPS
    return FASTER ** min(1.0, share / FASTER_FROM) * rate_of_others(step)


def choose_recipe(cell, layers):
    """The `Recipe` for `layers` layers of "RNN" (tanh), "GRU" or "LSTM"."""
    if cell == "RNN":
        rounds = 3 + (layers + 1) // 2
        return Recipe(50 + 120 * layers, rounds, rate=0.03 / layers, worst_from=0.25)
    return GATED_RECIPES[cell, min(layers, 3)]


@torch.no_grad()
def lower_keeping_gates(model):
    """Let the gate that keeps a state, z or f, begin lower: near 1, e / (1 - z) explodes.

    Of three or four gates it is the second; a tanh RNN has none, and its slice is empty.
    """
    for _, weight_hh, bias_ih, _ in model.rnn.all_weights:
        units = weight_hh.shape[1]
        bias_ih[units : 2 * units] -= 2
