"""Which additions a trained adder gets wrong: none, of any length (`prove`), or this one (`refute`).

**The statement.** For every two numbers of any length, the digit with the largest logit is right at every
position. A computer can check it, because addition's only memory is the carry c in {0, 1}.

**The induction.** Let S_c be the set of all hidden states (of all layers) that any sequence of digit pairs
ending in carry c can reach. The zero state, where every sum begins, is in S_0; S_1 begins empty. A triple
(a, b, c), two digits and the carry before them, leads from a state in S_c to one in S_c', where c' = 1 if
a + b + c >= 10. If in each of the 200 triples, from every state in S_c, the digit (a + b + c) mod 10 has the
largest logit, then every sum is right, by induction over its digits.

**The boxes.** S_c is not known, but sets that contain it are enough: one interval for each unit of v = W_hh h + b_hh,
of all gates, for each layer and carry (not of h: this is where the recurrence is tight). With V_c the boxes and u the
input of a layer (for the first, one of 100 known vectors; above it, the layer below), for the tanh RNN

    z = W_ih u + b_ih + v                 v in V_c                                               (1)
    h in [tanh(min z), tanh(max z)], widened by e: rounding, or in training noise                (2)
    v' = W_hh h + b_hh in W_hh mid(h) + b_hh +- |W_hh| rad(h)      likewise W_ih h + b_ih for the layer above  (3)
    V'_c' = the smallest box that holds v' of all triples that lead to c', and b_hh if c' = 0    (4)

and for GRU and LSTM with (6) to (9) of `intervals`, where all of these are, in place of (2). Begin with V_0 = {b_hh}
and V_1 empty, and repeat, each time joining the boxes with the ones before and stretching them a little further the
way that they grow. Once (4) lies inside the boxes that it came from, these hold every state that can ever occur: an
inductive invariant (for recurrent networks: Jacoby, Barrett, Katz 2020, arXiv:2004.02462). Then the least

    margin of d over k = (W_d - W_k) mid(h) - |W_d - W_k| rad(h) + b_d - b_k                 (5)

over all triples, d the right digit and k another, is positive: proven. Anything else, a NaN included, is not. The
adder runs in float32, the proof in float64: `intervals` says what is allowed for rounding, in (1) to (9); to a logit
of (5) it adds g_66 (|W_d| |h| + |b_d|), 64 products and a bias.

**Training for it.** `train_proven` minimizes the cross-entropy of the worst-case logits (5) after a few rounds
of (1)-(4), by the very functions that prove. It bounds the loss of every sum from above.
"""

import itertools
import math
from typing import NamedTuple

import torch
from torch import nn

import pt
from data import carry_rich_batch, check_at_least
from exact import intervals

WIDTHS = 100, 400, 2000, 10_000  # states that `refute` keeps, one after the other
PIECE = 2**16  # steps from states that it takes at a time
MOST_ROUNDS = 40  # boxes that still grow by then are taken not to end

# How `train_proven` trains. For the tanh RNN chosen by trial on seeds 0 to 99 (0 to 9 from two layers up); of others,
# 50 of 50 were proven with one layer, 10 of 10 with two, 9 of 10 with three.
DIGITLEN = 10  # digits of the pairs to train on, at most
BATCH_SIZE = 64
NOISE = 0.01  # on h (c too, of an LSTM) at each step, in the worst case, in place of rounding
DATA_UNTIL = 0.75  # the share of the steps that learn from pairs too
WORST_FROM = {
    "RNN": 0.25,
    "GRU": 0.15,
    "LSTM": 0.15,
}  # the share of the steps after which the worst case is faded in
SHRUNK_FOR = (
    0.4  # the share of the steps, from there on, in which the boxes' radii grow to their real size
)


class Proof(NamedTuple):
    """What `prove` found. `proven`: every sum of any length is right."""

    proven: bool
    margin: float  # the least of `margins`
    fails_at: tuple | None  # where not proven: the (digit, digit, carry) with the least margin
    margins: torch.Tensor  # (2, 10, 10): the worst-case margin of each carry and pair of digits
    boxes: list  # of each layer, around W_hh h + b_hh, as `intervals.start` has them


def worst_case_logits(weights, mid, rad):
    """Minus (5) for each triple, with h in mid +- rad: (200, 10), 0 at the right digit."""
    right = intervals.RIGHT.to(mid.device)
    logits = mid @ weights.dense.T + weights.bias
    differences = (weights.dense[:, None] - weights.dense).abs()
    slack = (rad @ differences.flatten(0, 1).T).unflatten(1, (10, 10)) + weights.of_margin
    slack = slack.gather(1, right[..., None].expand(-1, 1, 10))[:, 0]
    return (logits - logits.gather(1, right) + slack).scatter(1, right, 0.0)


def invariant(weights):
    """Boxes that hold every state, and the margins (200,) in them.

    Returns (boxes, margins, each layer's s, proven: whether the boxes are inductive and the margins positive; a NaN
    proves nothing).
    """
    boxes = intervals.start(weights)
    for rounds in range(MOST_ROUNDS):
        mid, rad, after, kept = intervals.propagate(weights, boxes)
        both = len(boxes[0]) == 2  # V_1 is not empty any more
        inductive = both and all((new >= old).all() for old, new in zip(boxes, after))
        if inductive:
            break
        if both:
            # Growth that shrinks by a factor f a round ends within 1 / (1 - f) times itself. To go further
            # at once is safe, the check above is all that counts, but too far and the boxes never settle.
            stretch = 1 + rounds / 4
            after = [old + stretch * (new - old).clamp(max=0) for old, new in zip(boxes, after)]
        boxes = after
    margins = -worst_case_logits(weights, mid, rad).scatter(1, intervals.RIGHT, -math.inf).amax(1)
    return boxes, margins, kept, inductive and bool((margins > 0).all())


@torch.no_grad()
def prove(model):
    """Whether `model`, an `Adder` of any cell and depth, adds every two numbers right; see the module's docstring.

    Returns a `Proof`. Raises ValueError for a cell that is none of the report's.
    """
    boxes, margins, _, proven = invariant(intervals.exact_weights_of(model))
    least = int(margins.argmin())
    triple = tuple(
        int(part[least]) for part in (intervals.DIGIT_1, intervals.DIGIT_2, intervals.CARRY)
    )
    in_order = torch.empty_like(margins).scatter(0, intervals.ORDER, margins).view(2, 10, 10)
    return Proof(proven, float(margins.min()), None if proven else triple, in_order, boxes)


def recipe(cell, layers):
    """(steps, rounds, peak learning rate) of `train_proven`."""
    if cell == "RNN":
        return 50 + 120 * layers, 3 + (layers + 1) // 2, 0.03 / layers
    steps = (
        250
        if (cell, layers) == ("LSTM", 1)
        else 350
        if layers < 3
        else 500
        if cell == "GRU"
        else 650
    )
    return steps, (4 if layers < 3 else 5 if cell == "GRU" else 6), 0.02 if layers == 1 else 0.01


def train_proven(layers=1, seed=0, cell="RNN", device="cpu"):
    """Train an adder of `layers` layers of `cell` so that it can be proven; returns (model, its `Proof`).

    Adam with a one-cycle learning rate, gradients clipped to norm 1. At first the loss is the usual one, on carry-rich
    pairs, at last that of the worst case; see the constants above. Raises ValueError for a bad argument.
    """
    check_at_least("seed", seed, 0)
    device = pt.check_device(device)
    pt.seed_everything(seed)
    model = pt.Adder(cell, layers).to(device)
    steps, rounds, rate = recipe(cell, layers)
    with torch.no_grad():  # the gate that keeps, z or f, begins lower: near 1, e / (1 - z) explodes
        for _, _, bias_ih, _ in model.rnn.all_weights:
            bias_ih[pt.HIDDEN : 2 * pt.HIDDEN] -= 2  # of a tanh RNN: none
    parameters = list(model.parameters())
    optimizer = torch.optim.Adam(parameters, lr=rate, fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=steps)
    with_data = math.ceil(DATA_UNTIL * steps)
    pairs = pt.to_tensors(carry_rich_batch(with_data * BATCH_SIZE, DIGITLEN), device)
    batches = zip(*(array.split(BATCH_SIZE) for array in pairs))
    for step in range(steps):
        loss = 0.0
        if step < with_data:
            num1, num2, results = next(batches)
            loss = pt.cross_entropy(model(num1, num2), results)
        faded_in = step / steps - WORST_FROM[cell]
        if faded_in > 0:
            share, scale = faded_in / (1 - WORST_FROM[cell]), min(1.0, faded_in / SHRUNK_FOR)
            weights = intervals.weights_of(model)._replace(of_h=NOISE)
            loss = loss + share * worst_case_loss(weights, rounds, scale)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        schedule.step()
    return model, prove(model)


def worst_case_loss(weights, rounds, scale):
    """The cross-entropy of the worst-case logits after some rounds from the start; see `propagate`."""
    boxes = intervals.start(weights)
    for _ in range(rounds):
        mid, rad, boxes, _ = intervals.propagate(weights, boxes, scale)
    return pt.cross_entropy(worst_case_logits(weights, mid, rad), intervals.RIGHT.to(mid.device))


@torch.no_grad()
def refute(model, digits=12, widths=WIDTHS):
    """The shortest pair found that `model` adds wrong, (number_1, number_2), or None: which proves nothing.

    An adder reads from the right, and what it says at position t depends on the first t digits alone. So a wrong digit
    there condemns every pair of numbers that ends in those digits: at least one random pair in 100^t. A beam search
    goes by positions: from the zero state all 100 pairs of digits, from each state that it keeps all 100 again. It
    keeps those of least margin, right logit less the best other, half of them for each carry, and ends at the first
    wrong digit, or after `digits` positions; `widths` are the numbers of states to keep, each tried if the one before
    found nothing. Always the same answer, checked by `pt.add` against Python's integers.
    """
    check_at_least("digits", digits, 1)
    model.eval()
    return next(filter(None, (search(model, digits, width) for width in widths)), None)


def search(model, digits, width):
    """`refute` with `width` states kept."""
    device = next(model.parameters()).device
    carry, numbers, hidden = torch.zeros(1, dtype=torch.long, device=device), [(0, 0)], None

    def step(
        index,
    ):  # a state and a pair of digits, 100 x state + 10 x digit + digit -> (margin, carry, hidden)
        state, a, b = index // 100, index % 100 // 10, index % 10
        logits, after = model.read(a[:, None], b[:, None], pt.of_batch(hidden, state))
        total, logits = a + b + carry[state], logits[:, 0]
        right = total[:, None] % 10
        margin = logits.gather(1, right) - logits.scatter(1, right, -math.inf).amax(1, True)
        return margin[:, 0].nan_to_num(-math.inf), total // 10, after

    def longer(index):  # the numbers that it stands for
        (number_1, number_2), digit = numbers[index // 100], 10**place
        return number_1 + index % 100 // 10 * digit, number_2 + index % 10 * digit

    for place in range(digits):
        pieces = [
            step(index)[:2] for index in torch.arange(100 * len(carry), device=device).split(PIECE)
        ]
        margin, carry_after = (torch.cat(part) for part in zip(*pieces))
        order = torch.argsort(margin, stable=True)
        for number_1, number_2 in map(longer, order[: min(100, int((margin <= 0).sum()))].tolist()):
            for top in (
                0,
                10 ** (place + 1),
            ):  # zeros on top may go unread by `pt.add`; another digit there does not
                if pt.add(model, number_1 + top, number_2) != number_1 + top + number_2:
                    return number_1 + top, number_2
        kept = torch.cat([order[carry_after[order] == which][: width // 2] for which in (0, 1)])
        _, carry, hidden = step(kept)
        numbers = list(map(longer, kept.tolist()))
    return None


class Decision(NamedTuple):
    """What `decide` found out about an adder; in words: proven, undecided, or the sum that goes wrong."""

    verdict: str  # "proven", "wrong" or "undecided"
    pair: tuple | None = None  # where wrong: two numbers,
    digits: int | None = None  # those of the longer one,
    answer: int | None = None  # what the adder says is their sum,
    share: float | None = (
        None  # and the share of all random pairs that end as they do up to its wrong digit
    )

    def __str__(self):
        return "{} + {} gives {}".format(*self.pair, self.answer) if self.pair else self.verdict


def decide(model):
    """A verdict on any adder, a `Decision`: proven right for every two numbers, wrong on a pair, or undecided."""
    found = refute(model, widths=WIDTHS[:1])
    if not found and prove(model).proven:
        return Decision("proven")
    found = found or refute(model, widths=WIDTHS[1:])
    if not found:
        return Decision("undecided")
    answer = pt.add(model, *found)
    place = next(t for t in itertools.count() if answer // 10**t % 10 != sum(found) // 10**t % 10)
    return Decision("wrong", found, len(str(max(found))), answer, share=100.0 ** -(place + 1))
