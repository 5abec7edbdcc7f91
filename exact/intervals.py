"""Intervals through one step of an adder, for every cell: what `proof` proves by, and trains by.

A triple (a, b, c), two digits and the carry before them, is one step. For each layer there is a box for each carry,
one interval for each unit of v = W_hh h + b_hh (of all gates). From it follow h, and v after the step; (1) to (4) are
those of `proof`. Interval bound propagation, Gowal et al. 2018, arXiv:1810.12715.

**Gated cells.** A gate is sigmoid(z), z from (1), and lies in the sigmoid of its ends; a product of an interval of
positive numbers with any other has its ends at the corners. What the cell keeps from step to step has no box of its
own, but bounds s that hold for every state that can occur. For a GRU, h' = (1 - z) n + z h, off by e at most (noise,
rounding): with the least over all triples,

    s_low = min(0, n_low - e / (1 - z_high)), s_high likewise                                         (6)
    h' in [n_low + z_high (s_low - n_low) - e, n_high + z_high (s_high - n_high) + e]                 (7)

for if h >= s_low then h' >= (1 - z) n_low + z s_low - e >= s_low, and 0, where every sum begins, is above s_low too.
For an LSTM the same with c' = f c + i g:

    s_low = min(0, ((i g)_low - e) / (1 - f_high)), s_high likewise                                   (8)
    c' in [(i g)_low + f_high s_low - e, (i g)_high + f_high s_high + e], h' = o tanh(c')             (9)

1 - z_high and 1 - f_high are sigmoids of a negated argument, not differences. At 1 - z_high = 0 nothing is proven.

**Rounding.** The boxes are computed in float64, the adder runs in float32. With u = 2^-24, a sum of n products in any
order, fused or not, is off by at most g_n times the sum of their absolute values, g_n = n u / (1 - n u) (Higham
2002, Accuracy and Stability of Numerical Algorithms, section 3.1). So

    z      is off by g_132 (|W_ih| |u| + |W_hh| |h| + |b_ih| + |b_hh|): 128 products, 2 biases, |h| <= 1. This holds
           for the argument of a GRU's n, W_in u + b_in + r (W_hn h + b_hn), too: r <= 1, two operations more;
    h      of a tanh RNN by 8 u more, as a tanh (libraries promise 1 or 2 units in the last place, 2 u) and as
           2 s - 1 with s = 1 / (1 + e) and e an exponential right to 2 units: then s is off by 3 u at most; and a
           state taken over at a cut of `recurrence.scan_in_chunks` by CUT_TOLERANCE more;
    gates, and each tanh of a gated cell, by 32 u: 8 u in our own loop, and room for the polynomials of PyTorch's
           kernels and of oneDNN, which runs its LSTM (tests measure them); of f near 0 by 32 u f, as c may be large;
    h      of a GRU by 8 u more, as n + z (h - n), as h - (1 - z) (h - n) and as (h - n) z + n: the difference is at
           most 2, and no more than four roundings follow. |h| may pass 1 by what (6) says: checked to stay under 1.001;
    c      of an LSTM by 4 u (1 + f |c|) more: three roundings. |c| <= 1.2 / (1 - f_high), by (8) where that is 32 u or
           more, and 2^25 in any case: there float32 takes c + i g for c;
    h      of an LSTM by 2 u more, one product.

Each n is one or two above the number of operations. That spare u is 2^29 times float64's own rounding unit, so it
covers the arithmetic of this proof too. What is allowed for is float32 as IEEE 754 has it, on a CPU; no TF32.
"""

import copy
import math
from typing import NamedTuple

import torch
from torch import nn

from recurrence import CUT_TOLERANCE

# The 200 triples; those that lead to carry 0 are the first 100.
CARRY, DIGIT_1, DIGIT_2 = torch.cartesian_prod(
    torch.arange(2), torch.arange(10), torch.arange(10)
).T
ORDER = torch.argsort(CARRY + DIGIT_1 + DIGIT_2 >= 10, stable=True)
CARRY, DIGIT_1, DIGIT_2 = CARRY[ORDER], DIGIT_1[ORDER], DIGIT_2[ORDER]
RIGHT = ((CARRY + DIGIT_1 + DIGIT_2) % 10)[:, None]  # the right digit of each, (200, 1)

UNIT = 2.0**-24  # the rounding unit of float32
GATE = 32 * UNIT  # what rounding may add to a gate
LARGEST = 1.001  # what |h| of a GRU may reach
LARGEST_C = 2.0**25  # and |c| of an LSTM, in float32


class Weights(NamedTuple):
    """What the proof reads off an adder, all in one dtype."""

    cell: str  # "RNN" (tanh), "GRU" or "LSTM"
    first: torch.Tensor  # (200, gates x units): W_ih u + b_ih of the first layer in each triple
    layers: list  # (W_ih, W_hh, b_ih, b_hh) of each layer
    dense: torch.Tensor  # (10, units)
    bias: torch.Tensor  # (10,)
    of_z: list  # what rounding may add: to z, (gates x units,) for each layer,
    of_gate: float  # to a gate or a tanh of a gated cell,
    of_h: float  # to h, called e,
    of_margin: torch.Tensor | float  # and to the margin of each digit over each other, (10, 10)


def weights_of(model):
    """The `Weights` of an adder as they are, for training: nothing allowed for rounding.

    Raises ValueError unless it is a tanh RNN, a GRU or an LSTM.
    """
    cell = getattr(model.rnn, "mode", type(model.rnn).__name__).removesuffix("_TANH")
    if cell not in STEPS:
        raise ValueError(
            f"model must be a tanh RNN, GRU or LSTM to be proven: {cell} is not supported"
        )
    layers = model.rnn.all_weights
    weight_ih, _, bias_ih, _ = layers[0]
    first = nn.functional.linear(model.pairs(), weight_ih, bias_ih)[10 * DIGIT_1 + DIGIT_2]
    of_gate = (
        GATE if cell == "LSTM" else 0.0
    )  # where its f comes near 1, it must learn what that does to the bounds
    return Weights(
        cell,
        first,
        layers,
        model.dense.weight,
        model.dense.bias,
        [0.0] * len(layers),
        of_gate,
        0.0,
        0.0,
    )


def exact_weights_of(model):
    """The same in float64 on the CPU, with what float32's rounding may add."""
    weights = weights_of(copy.deepcopy(model).double().cpu())
    most = LARGEST if weights.cell == "GRU" else 1.0
    of_z, largest = [], model.embed_layer.weight.detach().double().cpu().abs().amax(0).repeat(2)
    for weight_ih, weight_hh, bias_ih, bias_hh in weights.layers:
        sizes = (
            weight_ih.abs() @ largest
            + most * weight_hh.abs().sum(1)
            + bias_ih.abs()
            + bias_hh.abs()
        )
        of_z.append(rounding(132) * sizes)
        largest = most * torch.ones_like(weight_hh[0])  # the input of the layer above
    of_logit = rounding(66) * (most * weights.dense.abs().sum(1) + weights.bias.abs())
    of_h = {"RNN": 8 * UNIT + CUT_TOLERANCE, "GRU": 8 * UNIT, "LSTM": 2 * UNIT}[weights.cell]
    of_margin = of_logit[:, None] + of_logit
    return weights._replace(of_z=of_z, of_gate=GATE, of_h=of_h, of_margin=of_margin)


def rounding(n):
    """Higham's g_n, the relative error of a float32 sum of n products."""
    return n * UNIT / (1 - n * UNIT)


def start(weights):
    """The boxes before any digit: in each layer V_0 has b_hh alone, of the zero state; V_1, empty, is left out.

    A layer's boxes are one tensor (carries, 2, gates x units): for each carry the low ends, then the high ends with the
    sign turned. So the smaller end is always the outer one.
    """
    return [torch.stack((bias_hh, -bias_hh))[None] for *_, bias_hh in weights.layers]


def propagate(weights, boxes, scale=1.0):
    """One round of (1) to (4): (mid, rad) of the top layer's h in each triple, the boxes after it, and each layer's s.

    The triples are all 200; in the first round, while V_1 is empty, the 100 without a carry. Training may shrink the
    radii by `scale`; a proof never does.
    """
    triples = (len(boxes[0]) > CARRY).nonzero()[:, 0]
    to_carry = [int((triples < 100).sum()), int((triples >= 100).sum())]  # how many lead to each
    triples, carry = triples.to(boxes[0].device), CARRY[triples].to(boxes[0].device)
    mid, rad, after, kept = None, None, [], []
    for (weight_ih, weight_hh, bias_ih, bias_hh), box, of_z in zip(
        weights.layers, boxes, weights.of_z
    ):
        if mid is None:
            u = both_ends(weights.first.index_select(0, triples), of_z)
        else:
            u = both_ends(mid @ weight_ih.T + bias_ih, rad @ weight_ih.abs().T + of_z)
        gates = (-1, weight_hh.shape[1])
        u, v = (
            u.unflatten(2, gates),
            box.index_select(0, carry).unflatten(2, gates),
        )  # whose sum is z (1)
        h, s = STEPS[weights.cell](u, v, weights.of_h, weights.of_gate, scale)  # (2), or (6) to (9)
        mid, rad = (h[:, 0] - h[:, 1]) / 2, (h[:, 0] + h[:, 1]) * (-scale / 2) + weights.of_h
        ends = both_ends(mid @ weight_hh.T + bias_hh, rad @ weight_hh.abs().T)  # (3)
        of_zero = torch.stack((bias_hh, -bias_hh))  # the zero state's v is in V_0
        to_0, to_1 = (led.min(0).values for led in ends.split(to_carry))  # (4)
        after.append(torch.stack((torch.minimum(to_0, of_zero), to_1)))
        kept.append(s)
    return mid, rad, after, kept


def both_ends(centre, radius):
    """The ends of centre +- radius, (triples, 2, ...)."""
    return torch.stack((centre - radius, -centre - radius), 1)


# --- A step of each cell: from W_ih u + b_ih, called u here, and v to h before noise and rounding, and s, what (6) and
# (8) say. Each is its ends, (triples, 2, gates, units): the low ones, then the high ones with the sign turned, so one
# line does both. `error` is e, `of_gate` what rounding adds to a gate; s is drawn towards 0 by `scale`, in training.


def rnn_step(u, v, error, of_gate, scale):
    """h = tanh(z); no s is needed."""
    return tanh(u + v)[:, :, 0], None  # (2)


def gru_step(u, v, error, of_gate, scale):
    """h = (1 - z) n + z h, with h in s."""
    r, z, _ = (u + v).unbind(2)
    n = tanh(u[:, :, 2] + times_gate(v[:, :, 2], r, of_gate)) - of_gate
    keep = (torch.sigmoid(z[:, 1:]) - of_gate).clamp(min=0.0)  # 1 - z_high
    s = (n - error / keep).min(0).values.clamp(max=0.0) * scale  # (6)
    if of_gate and not (s > -LARGEST).all():
        n = n * math.nan  # the allowance for rounding does not hold
    return n + (1 - keep) * (s - n), s  # (7)


def lstm_step(u, v, error, of_gate, scale):
    """h = o tanh(f c + i g), with c in s."""
    i, f, g, o = (u + v).unbind(2)
    added = times_gate(tanh(g) - of_gate, i, of_gate)
    keep = (torch.sigmoid(f[:, 1:]) - of_gate).clamp(
        min=2.0**-60
    )  # 1 - f_high; below, s is -LARGEST_C, or 0
    f_high = (torch.sigmoid(-f[:, 1:]) * (1 + of_gate)).clamp(max=1.0)
    most = torch.where(keep.min(0).values < GATE, LARGEST_C, 1.2 / keep.min(0).values)
    of_c = error + of_gate / 8 * (1 + f_high * most)
    s = (((added - of_c) / keep).min(0).values.clamp(max=0.0) * scale).clamp(min=-LARGEST_C)  # (8)
    return times_gate(tanh(added + f_high * s - of_c) - of_gate, o, of_gate), s  # (9)


STEPS = {"RNN": rnn_step, "GRU": gru_step, "LSTM": lstm_step}


def tanh(ends):
    """Of both ends at once, for it is odd; as 2 s - 1 with a sigmoid s, which takes less time."""
    return 2 * torch.sigmoid(2 * ends) - 1


def times_gate(ends, gate, of_gate):
    """An interval times the sigmoid of another: of a product with a positive interval the ends are at the corners."""
    low, beside_high = (
        (torch.sigmoid(gate) - of_gate).clamp(min=0.0).split(1, 1)
    )  # the sigmoid, and 1 less it
    return low * ends.clamp(min=0.0) + (1 - beside_high) * ends.clamp(max=0.0)
