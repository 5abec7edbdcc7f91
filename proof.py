"""Which additions a trained tanh adder can get wrong: none, or not proven.

**The statement.** For every two numbers of any length, the digit with the largest logit is right at every
position. A computer can check it, because addition's only memory is the carry c in {0, 1}.

**The induction.** Let S_c be the set of all hidden states (of all layers) that any sequence of digit pairs
ending in carry c can reach. The zero state, where every sum begins, is in S_0; S_1 begins empty. A triple
(a, b, c), two digits and the carry before them, leads from a state in S_c to one in S_c', where c' = 1 if
a + b + c >= 10. If in each of the 200 triples, from every state in S_c, the digit (a + b + c) mod 10 has the
largest logit, then every sum is right, by induction over its digits.

**The boxes.** S_c is not known, but sets that contain it are enough: one interval for each unit of W_hh h,
for each layer and carry (not of h: this is where the recurrence is tight). With V_c the boxes, u the input of
a layer (for the first, one of 100 known vectors; above it, the layer below) and v = W_hh h its recurrence:

    z = W_ih u + b + v                    v in V_c                                           (1)
    h in [tanh(min z), tanh(max z)], widened by the noise                                    (2)
    v' = W_hh h in W_hh mid(h) +- |W_hh| rad(h)             likewise W_ih h for the layer above  (3)
    V'_c' = the smallest box that holds v' of all triples that lead to c', and 0 if c' = 0       (4)

(interval arithmetic, as in interval bound propagation, Gowal et al. 2018, arXiv:1810.12715). Begin with
V_0 = {0} and V_1 empty, and repeat, each time joining the boxes with the ones before and stretching them a
little further the way that they grow. Once (4) lies inside the boxes that it came from, these hold every
state that can ever occur: an inductive invariant (for recurrent networks: Jacoby, Barrett, Katz 2020,
arXiv:2004.02462). Then the least

    margin of d over k = (W_d - W_k) mid(h) - |W_d - W_k| rad(h) + b_d - b_k                 (5)

over all triples, d the right digit and k another, is positive: proven. Anything else, a NaN included, is not.

**Rounding.** The boxes are computed in float64, the adder runs in float32. With u = 2^-24, a sum of n
products in any order, fused or not, is off by at most g_n times the sum of their absolute values,
g_n = n u / (1 - n u) (Higham 2002, Accuracy and Stability of Numerical Algorithms, section 3.1). So

    z      is off by g_132 (|W_ih| |u| + |W_hh| 1 + |b_ih| + |b_hh|): 128 products, 2 biases, since |h| <= 1;
    h      by 8 u more, as a tanh (libraries promise 1 or 2 units in the last place, 2 u) and as 2 s - 1 with
           s = 1 / (1 + e) and e an exponential right to 2 units: then s is off by 3 u at most; and a state
           taken over at a cut of `recurrence.scan_in_chunks` by CUT_TOLERANCE more;
    (5)    by g_66 (|W_d| 1 + |b_d|) and the same for k: 64 products and a bias.

Each n is one or two above the number of operations. That spare u is 2^29 times float64's own rounding unit,
so it covers the arithmetic of this proof too. What is allowed for is float32 as IEEE 754 has it, no TF32.

**Training for it.** `train_proven` minimizes the cross-entropy of the worst-case logits (5) after a few rounds
of (1)-(4), by the very functions that prove. It bounds the loss of every sum from above.
"""

import copy
import itertools
import math
from typing import NamedTuple

import torch
from torch import nn

import pt
from data import check_at_least, gen_carry_rich_batch, prepare_batch
from recurrence import CUT_TOLERANCE, tanh_of_half_

# The 200 triples; those that lead to carry 0 are the first 100.
CARRY, DIGIT_1, DIGIT_2 = torch.cartesian_prod(torch.arange(2), torch.arange(10), torch.arange(10)).T
ORDER = torch.argsort(CARRY + DIGIT_1 + DIGIT_2 >= 10, stable=True)
CARRY, DIGIT_1, DIGIT_2 = CARRY[ORDER], DIGIT_1[ORDER], DIGIT_2[ORDER]
RIGHT = ((CARRY + DIGIT_1 + DIGIT_2) % 10)[:, None]  # the right digit of each, (200, 1)

UNIT = 2.0**-24  # the rounding unit of float32
WIDTHS = 100, 400, 2000  # states that `refute` keeps, one after the other
MOST_ROUNDS = 40  # boxes that still grow by then are taken not to end

# How `train_proven` trains, for any number of layers. Chosen by trial on seeds 0 to 99 (0 to 9 from two layers
# up); of others, 50 of 50 were proven with one layer, 10 of 10 with two, 9 of 10 with three.
DIGITLEN = 10  # digits of the pairs to train on, at most
BATCH_SIZE = 64
NOISE = 0.01  # on each hidden unit at each step, in the worst case
DATA_UNTIL = 0.75  # the share of the steps that learn from pairs too
WORST_FROM = 0.25  # the share of the steps after which the worst case is faded in, over all the rest
SHRUNK_FOR = 0.4  # the share of the steps, from there on, in which the boxes' radii grow to their real size


class Weights(NamedTuple):
    """What the proof reads off an adder, all in one dtype."""

    first: torch.Tensor  # (200, units): W_ih u + b of the first layer in each triple
    layers: list  # (W_ih, W_hh, b_ih, b_hh) of each layer
    dense: torch.Tensor  # (10, units)
    bias: torch.Tensor  # (10,)
    of_z: list  # what rounding may add: to z, (units,) for each layer,
    of_h: float  # to h,
    of_margin: torch.Tensor | float  # and to the margin of each digit over each other, (10, 10)


class Proof(NamedTuple):
    """What `prove` found. `proven`: every sum of any length is right."""

    proven: bool
    margin: float  # the least of `margins`
    noise: float  # the largest noise, on each hidden unit at each step, under which it is still proven
    fails_at: tuple | None  # where not proven: the (digit, digit, carry) with the least margin
    margins: torch.Tensor  # (2, 10, 10): the worst-case margin of each carry and pair of digits
    boxes: list  # for each layer (low, high), each (2, units): around W_hh h of each carry


def weights_of(model):
    """The `Weights` of an adder as they are, for training: nothing allowed for rounding.

    Raises ValueError unless it is a tanh RNN.
    """
    if not provable(model):
        raise ValueError(f"model must be a tanh RNN to be proven: {type(model.rnn).__name__} is not supported")
    layers = model.rnn.all_weights
    weight_ih, _, bias_ih, bias_hh = layers[0]
    from_1, from_2 = (model.embed_layer.weight @ half.T for half in weight_ih.chunk(2, 1))
    first = from_1[DIGIT_1] + from_2[DIGIT_2] + (bias_ih + bias_hh)
    return Weights(first, layers, model.dense.weight, model.dense.bias, [0.0] * len(layers), 0.0, 0.0)


def provable(model):
    """Whether `prove` knows the cell of `model`."""
    return getattr(model.rnn, "mode", None) == "RNN_TANH"


def exact_weights_of(model):
    """The same in float64 on the CPU, with what float32's rounding may add."""
    weights = weights_of(copy.deepcopy(model).double().cpu())
    of_z, largest = [], model.embed_layer.weight.detach().double().cpu().abs().amax(0).repeat(2)
    for weight_ih, weight_hh, bias_ih, bias_hh in weights.layers:
        sizes = weight_ih.abs() @ largest + weight_hh.abs().sum(1) + bias_ih.abs() + bias_hh.abs()
        of_z.append(rounding(132) * sizes)
        largest = torch.ones_like(bias_ih)  # the input of the layer above
    of_logit = rounding(66) * (weights.dense.abs().sum(1) + weights.bias.abs())
    of_h = 8 * UNIT + CUT_TOLERANCE
    return weights._replace(of_z=of_z, of_h=of_h, of_margin=of_logit[:, None] + of_logit)


def rounding(n):
    """Higham's g_n, the relative error of a float32 sum of n products."""
    return n * UNIT / (1 - n * UNIT)


def start(weights):
    """The boxes before any digit: V_0 = {0} and V_1 empty, in each layer.

    A layer's boxes are one tensor (2, 2 units), a row for each carry: the low ends, then the high ends
    with the sign turned. So the smaller end is always the outer one, and an empty box ends at infinity.
    """
    zero = weights.layers[0][2].new_zeros(2 * len(weights.layers[0][2]))
    return [torch.stack((zero, zero + math.inf))] * len(weights.layers)


def propagate(weights, boxes, noise, scale=1.0):
    """One round of (1) to (4): (mid, rad) of the top layer's h in each triple, and the boxes after it.

    Training may shrink the radii by `scale`; a proof never does.
    """
    mid, rad, after = None, None, []
    for (weight_ih, weight_hh, bias_ih, bias_hh), box, error in zip(weights.layers, boxes, weights.of_z):
        if mid is None:
            centre, radius = weights.first, error
        else:
            centre, radius = mid @ weight_ih.T + (bias_ih + bias_hh), rad @ weight_ih.abs().T + error
        z = torch.cat((centre - radius, -centre - radius), 1) + box.index_select(0, CARRY.to(box.device))
        low, high_turned = torch.sigmoid(2 * z).chunk(2, 1)  # tanh(z) = 2 sigmoid(2 z) - 1, and sooner
        mid = low - high_turned
        rad = (low + high_turned) * -scale + (scale + noise + weights.of_h)
        centre, radius = mid @ weight_hh.T, rad @ weight_hh.abs().T
        ends = torch.cat((centre - radius, -centre - radius), 1)
        if box[1, 0] == math.inf:
            ends = ends.masked_fill(CARRY[:, None].to(ends.device) == 1, math.inf)
        joined = ends.unflatten(0, (2, 100)).min(1).values
        after.append(torch.cat((joined[:1].clamp(max=0.0), joined[1:])))  # the zero state is in V_0
    return mid, rad, after


def worst_case_logits(weights, mid, rad):
    """Minus (5) for each triple, with h in mid +- rad: (200, 10), 0 at the right digit."""
    right = RIGHT.to(mid.device)
    logits = mid @ weights.dense.T + weights.bias
    differences = (weights.dense[:, None] - weights.dense).abs()
    slack = (rad @ differences.flatten(0, 1).T).unflatten(1, (10, 10)) + weights.of_margin
    slack = slack.gather(1, right[..., None].expand(-1, 1, 10))[:, 0]
    return (logits - logits.gather(1, right) + slack).scatter(1, right, 0.0)


def margins_of(weights, mid, rad):
    """The least margin (5) of each triple, (200,)."""
    return -worst_case_logits(weights, mid, rad).scatter(1, RIGHT, -math.inf).amax(1)


def invariant(weights, boxes, noise):
    """Boxes that hold every state, from `boxes` on, and the margins (200,) in them.

    `boxes` must lie inside those sought: `start`'s do, and so do those of a smaller noise. Returns (boxes,
    margins, whether the boxes are inductive).
    """
    for rounds in range(MOST_ROUNDS):
        mid, rad, after = propagate(weights, boxes, noise)
        if all((new >= old).all() for old, new in zip(boxes, after)):
            return boxes, margins_of(weights, mid, rad), True
        if boxes[0][1, 0] < math.inf:
            # Growth that shrinks by a factor f a round ends within 1 / (1 - f) times itself. To go further
            # at once is safe, the check above is all that counts, but too far and the boxes never settle.
            stretch = 1 + rounds / 4
            after = [old + stretch * (new - old).clamp(max=0) for old, new in zip(boxes, after)]
        boxes = after
    return boxes, margins_of(weights, mid, rad), False


def is_proven(margins, inductive):
    """Whether boxes with these margins prove the adder right; a NaN never does."""
    return inductive and bool((margins > 0).all())


@torch.no_grad()
def prove(model):
    """Whether `model`, a tanh `Adder` of any depth, adds every two numbers right; see the module's docstring.

    Returns a `Proof`. Raises ValueError for a GRU or LSTM.
    """
    weights = exact_weights_of(model)
    boxes, margins, inductive = invariant(weights, start(weights), 0.0)
    proven = is_proven(margins, inductive)
    least = int(margins.argmin())
    fails_at = None if proven else (int(DIGIT_1[least]), int(DIGIT_2[least]), int(CARRY[least]))
    noise = most_noise(weights, boxes) if proven else 0.0
    ends = [(box[:, : box.shape[1] // 2], -box[:, box.shape[1] // 2 :]) for box in boxes]
    in_order = torch.empty_like(margins).scatter(0, ORDER, margins).view(2, 10, 10)
    return Proof(proven, float(margins.min()), noise, fails_at, in_order, ends)


def most_noise(weights, boxes):
    """The largest noise that the proof tolerates, up to 0.04, found by halving to an eighth, rounded down.

    `boxes` are those without noise.
    """
    tolerated, refuted = 0.0, 0.04
    while refuted - tolerated > max(refuted / 7.9, 1e-6):
        noise = (tolerated + refuted) / 2
        found, margins, inductive = invariant(weights, boxes, noise)
        if is_proven(margins, inductive):
            tolerated, boxes = noise, found
        else:
            refuted = noise
    return tolerated


def train_proven(layers=1, seed=0, device="cpu"):
    """Train a tanh adder of `layers` layers so that it can be proven; returns (model, its `Proof`).

    Adam with a one-cycle learning rate, gradients clipped to norm 1. At first the loss is the usual one, on
    carry-rich pairs, at last that of the worst case; see the constants above. Raises ValueError for a bad
    argument.
    """
    check_at_least("layers", layers, 1)
    check_at_least("seed", seed, 0)
    device = pt.check_device(device)
    pt.seed_everything(seed)
    steps, rounds, rate = 50 + 120 * layers, 3 + (layers + 1) // 2, 0.03 / layers
    model = pt.Adder("RNN", layers).to(device)
    parameters = list(model.parameters())
    optimizer = torch.optim.Adam(parameters, lr=rate, fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=steps)
    with_data = math.ceil(DATA_UNTIL * steps)
    pairs = prepare_batch(*gen_carry_rich_batch(with_data * BATCH_SIZE, DIGITLEN), maxlen=DIGITLEN + 1)
    pairs = [torch.from_numpy(array).to(device).view(with_data, BATCH_SIZE, -1) for array in pairs]
    for step in range(steps):
        loss = 0.0
        if step < with_data:
            num1, num2, results = (array[step] for array in pairs)
            loss = pt.cross_entropy(model(num1, num2), results)
        faded_in = step / steps - WORST_FROM
        if faded_in > 0:
            share, scale = faded_in / (1 - WORST_FROM), min(1.0, faded_in / SHRUNK_FOR)
            loss = loss + share * worst_case_loss(weights_of(model), rounds, scale)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        schedule.step()
    return model, prove(model)


def worst_case_loss(weights, rounds, scale):
    """The cross-entropy of the worst-case logits after some rounds from the start; see `propagate`."""
    boxes = start(weights)
    for _ in range(rounds):
        mid, rad, boxes = propagate(weights, boxes, NOISE, scale)
    return pt.cross_entropy(worst_case_logits(weights, mid, rad), RIGHT.to(mid.device))


@torch.no_grad()
def noisy_states(model, num1, num2, noise=0.0):
    """Run a tanh adder with noise on each hidden unit at each step, uniform over [-noise, noise].

    Takes digits (batch, digits); returns the states of each layer, a list of (digits, batch, units), the
    noise in them, and the digits of the answer (batch, digits). Without noise the states are the adder's.
    """
    weights = weights_of(model)
    embedded = model.embed(num1, num2)
    states = [torch.empty(*embedded.shape[:2], len(layer[2]), device=num1.device) for layer in weights.layers]
    before = [torch.zeros_like(layer[0]) for layer in states]
    for position, inputs in enumerate(embedded):
        for layer, (weight_ih, weight_hh, bias_ih, bias_hh) in enumerate(weights.layers):
            z = inputs @ weight_ih.T + (bias_ih + bias_hh) + before[layer] @ weight_hh.T
            h = tanh_of_half_(2 * z)
            inputs = before[layer] = states[layer][position] = h + torch.empty_like(h).uniform_(-noise, noise)
    return states, model.dense(states[-1]).argmax(-1).T


# ---------------------------------------------------------------------------------------------------
# Refuted: wrong on a pair that anyone can check.


@torch.no_grad()
def refute(model, digits=12, widths=WIDTHS):
    """The shortest pair found that `model` adds wrong, (number_1, number_2), or None: which proves nothing.

    An adder reads from the right, and what it says at position t depends on the first t digits alone. So a wrong
    digit there condemns every pair of numbers that ends in those digits: at least one random pair in 100^t. The
    search (a beam search) goes by positions: from the zero state all 100 pairs of digits, from each state that it
    keeps all 100 again. It keeps those of least margin, right logit less the best other, half of them for each
    carry, and ends at the first wrong digit, or after `digits` positions; `widths` are the numbers of states to
    keep, each tried if the one before found nothing. Any cell, any depth, any device; always the same answer. What
    it returns is checked by `pt.add` against Python's integers.
    """
    check_at_least("digits", digits, 1)
    model.eval()
    return next(filter(None, (search(model, digits, width) for width in widths)), None)


def search(model, digits, width):
    """`refute` with `width` states kept."""
    device = next(model.parameters()).device
    one, other = torch.cartesian_prod(torch.arange(10, device=device), torch.arange(10, device=device)).T
    carry, numbers, hidden = torch.zeros(1, dtype=torch.long, device=device), [(0, 0)], None
    for place in range(digits):
        a, b, c = one.repeat(len(carry)), other.repeat(len(carry)), carry.repeat_interleave(100)
        logits, hidden = model.read(a[:, None], b[:, None], of_states(hidden, lambda h: h.repeat_interleave(100, 1)))
        right = ((a + b + c) % 10)[:, None]
        logits, carry = logits[:, 0], (a + b + c) // 10
        margin = logits.gather(1, right) - logits.scatter(1, right, -math.inf).amax(1, True)
        margin = margin[:, 0].nan_to_num(-math.inf)
        order = torch.argsort(margin, stable=True)
        for index in order[: min(100, int((margin <= 0).sum()))].tolist():
            number_1, number_2 = longer(numbers[index // 100], index % 100, place)
            for top in (0, 10 ** (place + 1)):  # zeros on top may go unread by `pt.add`; another digit there does not
                if pt.add(model, number_1 + top, number_2) != number_1 + top + number_2:
                    return number_1 + top, number_2
        kept = torch.cat([order[carry[order] == which][: width // 2] for which in (0, 1)])
        carry, hidden = carry[kept], of_states(hidden, lambda h, kept=kept: h[:, kept])
        numbers = [longer(numbers[index // 100], index % 100, place) for index in kept.tolist()]
    return None


def longer(pair, digits, place):
    """A pair of numbers with one more digit each, at `place`: the tens and the ones of `digits`."""
    return pair[0] + digits // 10 * 10**place, pair[1] + digits % 10 * 10**place


def of_states(hidden, change):
    """`change` done to the hidden state, that of a cell with one (RNN, GRU) or two (LSTM); None stays."""
    return tuple(map(change, hidden)) if isinstance(hidden, tuple) else hidden if hidden is None else change(hidden)


class Decision(NamedTuple):
    """What `decide` found out about an adder."""

    verdict: str  # "proven", "wrong" or "undecided"
    proof: Proof | None = None  # where proven
    pair: tuple | None = None  # where wrong: two numbers,
    answer: int | None = None  # what the adder says is their sum,
    share: float | None = None  # and the share of all random pairs that end as they do up to its wrong digit


def decide(model, digits=12):
    """A verdict on any adder, a `Decision`: proven right for every two numbers, wrong on a pair, or undecided.

    The pair has about `digits` digits at most. A quick search for one comes first, then the proof, then the rest of
    the search.
    """
    found = refute(model, digits, WIDTHS[:1])
    if not found:
        proof = prove(model) if provable(model) else None
        if proof and proof.proven:
            return Decision("proven", proof)
        found = refute(model, digits, WIDTHS[1:])
    if not found:
        return Decision("undecided")
    answer = pt.add(model, *found)
    place = next(t for t in itertools.count() if answer // 10**t % 10 != sum(found) // 10**t % 10)
    return Decision("wrong", pair=found, answer=answer, share=100.0 ** -(place + 1))
