"""One step of an adder in intervals, for every cell: what `proof` proves by, and trains by.

A triple (a, b, c), two digits and the carry before them, is one step. For each layer and each
carry there are interval bounds: one interval for each unit of v = W_hh h + b_hh (of all gates).
From them follow those of h, and of v after the step; (1) to (4) are those of `proof`. This is
interval bound propagation, Gowal et al. 2018, arXiv:1810.12715.

**Gated cells.** A gate is sigmoid(z), z from (1), and lies between the sigmoids of the ends of z.
The product of an interval of positive numbers with any other has its ends at the corners. The
state, which the cell keeps from step to step, has no interval for each carry, but bounds s that
hold for every state that can occur. For a GRU the state is h: h' = (1 - z) n + z h, off by e at
most (noise, rounding). With the least over all triples,

    s_low = min(0, n_low - e / (1 - z_high)), s_high likewise                                 (6)
    h' in [n_low + z_high (s_low - n_low) - e, n_high + z_high (s_high - n_high) + e]         (7)

for if h >= s_low then h' >= (1 - z) n_low + z s_low - e >= s_low, and 0, where every sum begins, is
above s_low too. For an LSTM the state is c, likewise, with c' = f c + i g:

    s_low = min(0, ((i g)_low - e) / (1 - f_high)), s_high likewise                           (8)
    c' in [(i g)_low + f_high s_low - e, (i g)_high + f_high s_high + e], h' = o tanh(c')     (9)

1 - z_high and 1 - f_high are sigmoids of a negated argument, not differences. At 1 - z_high = 0
nothing is proven.

**Rounding.** The bounds are computed in float64, the adder runs in float32. With u = 2^-24, a sum
of n products in any order, fused or not, is off by at most g_n times the sum of their absolute
values, g_n = n u / (1 - n u) (Higham 2002, Accuracy and Stability of Numerical Algorithms, section
3.1). So

    z      is off by g_n (|W_ih| |u| + |W_hh| |h| + |b_ih| + |b_hh|), n = inputs + units + 4: a
           product for each input and unit, 2 biases, |h| <= 1 (n = 132 with 64 of each). This holds
           for the argument of a GRU's n, W_in u + b_in + r (W_hn h + b_hn), too: r <= 1, two
           operations more;
    h      of a tanh RNN by 8 u more, as a tanh (libraries promise 1 or 2 units in the last place,
           2 u) and as 2 s - 1 with s = 1 / (1 + e) and e an exponential right to 2 units: then s is
           off by 3 u at most; and a state taken over at a cut of `recurrence.scan_in_chunks` by
           CUT_TOLERANCE more;
    gates, and each tanh of a gated cell, by 32 u: 8 u in our own loop, and room for the polynomials
           of PyTorch's kernels and of oneDNN, which runs its LSTM (tests measure them, and that no
           gate and no |tanh| passes 1); f by no more than 32 u f + 1e-10 where that is less, as c
           may be large: near 0 oneDNN's error is absolute on an old processor;
    h      of a GRU by 8 u more, as n + z (h - n), as h - (1 - z) (h - n) and as (h - n) z + n: the
           difference is at most 2, and no more than four roundings follow. |h| may pass 1 by what
           (6) says: checked to stay under 1.001;
    c      of an LSTM by 4 u (1 + f |c|) more: three roundings. |c| <= 1.2 / (1 - f_high), by (8)
           where that is 32 u or more, and 2^25 in any case: there float32 takes c + i g for c;
    h      of an LSTM by 2 u more, one product.

Each n is one or two above the number of operations. That spare u is 2^29 times float64's own
rounding unit, so it covers the arithmetic of this proof too. The allowance is for float32 as
IEEE 754 has it, on a CPU; no TF32: `provable` sees to it.

**Overflow.** All of this holds only while no sum leaves float32's range. So where the absolute
values of a sum (of z, of W_hh h + b_hh, of a logit) add up to S with 2 S >= 2^126, its allowance is
NaN, which nothing is proven with. Twice, for our own loop computes 2 z; and no sum in any order, of
any part of the terms, rounded, is then above 2^127. An LSTM's c has the bound 2^25.

**Underflow.** u is relative: a result below 2^-126 may be off by 2^-126, if it is flushed to zero,
and this is the most (else it is off by 2^-150, and sums are exact). A sum of n products has less
than 2 n results: so 2^-125 n more is allowed for it (2^-119 with n = 66). Gates and states have
absolute allowances of 2 u or more, beside which it is nothing, also where h itself is flushed.
"""

import copy
import math
from typing import NamedTuple

import torch
from torch import nn

from exact.provable import check_provable, provable_cell
from recurrence import CUT_TOLERANCE

# The 200 triples; those that lead to carry 0 are the first 100.
TRIPLES = torch.cartesian_prod(torch.arange(2), torch.arange(10), torch.arange(10))
ORDER = torch.argsort(TRIPLES.sum(1) >= 10, stable=True)
CARRY, DIGIT_1, DIGIT_2 = TRIPLES[ORDER].T
RIGHT_DIGIT = ((CARRY + DIGIT_1 + DIGIT_2) % 10)[:, None]  # of each triple, (200, 1)

UNIT = 2.0**-24  # the rounding unit of float32
EPS_GATE = 32 * UNIT  # what rounding may add to a gate
EPS_F = 1e-10  # and to one near 0, beside EPS_GATE of itself
EPS_TINY = 2.0**-125  # what underflow may add to a sum, for each product
LARGEST_SUM = 2.0**125  # the absolute values of a sum add up to less, or it may overflow
LARGEST_H = 1.001  # what |h| of a GRU may reach
LARGEST_C = 2.0**25  # and |c| of an LSTM, in float32


class Weights(NamedTuple):
    """An adder's numbers as the proof reads them, in one dtype, and the allowances for rounding."""

    cell: str  # "RNN" (tanh), "GRU" or "LSTM"
    first: torch.Tensor  # (200, gates x units): W_ih u + b_ih of the first layer in each triple
    layers: list  # (W_ih, W_hh, b_ih, b_hh) of each layer
    dense: torch.Tensor  # (10, units)
    bias: torch.Tensor  # (10,)
    eps_z: list  # what rounding may add to z: of each layer (gates x units,),
    eps_gate: float  # to a gate or a tanh of a gated cell,
    eps_f: float  # to f of an LSTM, beside eps_gate of itself,
    eps_h: float  # to h, called e,
    eps_margin: torch.Tensor | float  # and to the margin of each digit over each other, (10, 10)


def weights_of(model):
    """The `Weights` of an adder as they are, for training: nothing allowed for rounding.

    Raises CannotProve unless its cell is a tanh RNN, a GRU or an LSTM.
    """
    cell = provable_cell(model)
    layers = model.rnn.all_weights
    weight_ih, _, bias_ih, _ = layers[0]
    of_pairs = nn.functional.linear(model.pairs(), weight_ih, bias_ih)
    pair = (10 * DIGIT_1 + DIGIT_2).to(of_pairs.device)
    return Weights(
        cell=cell,
        first=of_pairs[pair],
        layers=layers,
        dense=model.dense.weight,
        bias=model.dense.bias,
        eps_z=[0.0] * len(layers),
        # Where an LSTM's f comes near 1, it must learn what that does to the bounds.
        eps_gate=EPS_GATE if cell == "LSTM" else 0.0,
        eps_f=0.0,
        eps_h=0.0,
        eps_margin=0.0,
    )


def exact_weights_of(model):
    """The same in float64 on the CPU, with what float32's rounding may add.

    Raises CannotProve for any but a plain float32 adder, as `check_provable` does.
    """
    check_provable(model)
    weights = weights_of(copy.deepcopy(model).double().cpu())
    largest_h = LARGEST_H if weights.cell == "GRU" else 1.0
    largest_input = model.embed_layer.weight.detach().double().cpu().abs().amax(0).repeat(2)
    eps_z = []
    for weight_ih, weight_hh, bias_ih, bias_hh in weights.layers:
        sizes = (
            weight_ih.abs() @ largest_input
            + largest_h * weight_hh.abs().sum(1)
            + bias_ih.abs()
            + bias_hh.abs()
        )
        products = weight_ih.shape[1] + weight_hh.shape[1]
        eps_z.append(allow_for_sum(products + 4, sizes))
        largest_input = largest_h * torch.ones_like(weight_hh[0])  # of the layer above
    logit_sizes = largest_h * weights.dense.abs().sum(1) + weights.bias.abs()
    eps_logit = allow_for_sum(weights.dense.shape[1] + 2, logit_sizes)
    eps_h = {"RNN": 8 * UNIT + CUT_TOLERANCE, "GRU": 8 * UNIT, "LSTM": 2 * UNIT}
    return weights._replace(
        eps_z=eps_z,
        eps_gate=EPS_GATE,
        eps_f=EPS_F,
        eps_h=eps_h[weights.cell],
        eps_margin=eps_logit[:, None] + eps_logit,
    )


def allow_for_sum(n, sizes):
    """The largest error of a float32 sum of n products whose absolute values add up to `sizes`.

    NaN where it may overflow.
    """
    return (rounding(n) * sizes + n * EPS_TINY).where(sizes < LARGEST_SUM, math.nan)


def rounding(n):
    """Higham's g_n, the relative error of a float32 sum of n products; NaN where it has none."""
    return n * UNIT / (1 - n * UNIT) if n * UNIT < 1 else math.nan


def start(weights):
    """The bounds before any digit: in each layer V_0 is b_hh alone, v of the zero state.

    A layer's bounds are one tensor (carries, 2, gates x units): for each carry the low ends, then
    the high ends with the sign turned, so that the smaller end is always the outer one. V_1, empty,
    is left out.
    """
    return [torch.stack((bias_hh, -bias_hh))[None] for *_, bias_hh in weights.layers]


def propagate(weights, bounds, scale=1.0):
    """One round of (1) to (4), from `bounds` (of each layer, as `start` has them).

    Returns (mid, rad, bounds after, state bounds): h of the top layer is in mid +- rad, each
    (triples, units), and of each layer, what (6) or (8) call s, (2, units), or None. The triples
    are all 200; in the first round, while V_1 is empty, the 100 without a carry. Training may
    shrink the radii by `scale`; a proof never does.
    """
    device = bounds[0].device
    triples = (len(bounds[0]) > CARRY).nonzero()[:, 0]
    lead_to_0 = int((triples < 100).sum())
    lead_to_1 = len(triples) - lead_to_0
    carry = CARRY[triples].to(device)
    first = weights.first.index_select(0, triples.to(device))
    mid = rad = None  # h of the layer below
    bounds_after = []
    state_bounds = []
    for layer, of_carry, eps_z in zip(weights.layers, bounds, weights.eps_z, strict=True):
        weight_ih, weight_hh, bias_ih, bias_hh = layer
        if mid is None:
            u = both_ends(first, eps_z)
        else:
            u = both_ends(mid @ weight_ih.T + bias_ih, rad @ weight_ih.abs().T + eps_z)
        v = of_carry.index_select(0, carry)
        gates = (-1, weight_hh.shape[1])
        h, s = STEPS[weights.cell](  # (1) and (2), or (6) to (9)
            u.unflatten(2, gates), v.unflatten(2, gates), weights, scale
        )
        mid = (h[:, 0] - h[:, 1]) / 2
        rad = (h[:, 0] + h[:, 1]) * (-scale / 2) + weights.eps_h
        v_after = both_ends(mid @ weight_hh.T + bias_hh, rad @ weight_hh.abs().T)  # (3)
        zero_state = torch.stack((bias_hh, -bias_hh))
        to_0, to_1 = v_after.split([lead_to_0, lead_to_1])
        v_0 = torch.minimum(to_0.min(0).values, zero_state)  # (4)
        v_1 = to_1.min(0).values
        bounds_after.append(torch.stack((v_0, v_1)))
        state_bounds.append(s)
    return mid, rad, bounds_after, state_bounds


def both_ends(centre, radius):
    """The ends of centre +- radius, (triples, 2, ...)."""
    return torch.stack((centre - radius, -centre - radius), 1)


# A step of each cell: from W_ih u + b_ih, called u here, and v to h before noise and rounding, and
# s of (6) or (8), drawn towards 0 by `scale` in training. All are given by their ends: u and v
# (triples, 2, gates, units), h (triples, 2, units), s (2, units). The low ends come first, then the
# high ones with the sign turned, so one line does both. Of `weights` they read what rounding may
# add: `eps_h`, which is e, `eps_gate` and `eps_f`.


def rnn_step(u, v, weights, scale):
    """h = tanh(z); no s is needed."""
    return tanh(u + v)[:, :, 0], None  # (2)


def gru_step(u, v, weights, scale):
    """h = (1 - z) n + z h, with h in s."""
    eps_gate = weights.eps_gate
    r, z, _ = (u + v).unbind(2)
    n = tanh(u[:, :, 2] + times_gate(v[:, :, 2], r, eps_gate)) - eps_gate
    renewed = (torch.sigmoid(z[:, 1:]) - eps_gate).clamp(min=0.0)  # 1 - z_high
    s = (n - weights.eps_h / renewed).min(0).values.clamp(max=0.0) * scale  # (6)
    if eps_gate:  # a proof: where |h| may be larger, the allowance for rounding does not hold
        n = torch.where((s > -LARGEST_H).all(), n, math.nan)
    return n + (1 - renewed) * (s - n), s  # (7)


def lstm_step(u, v, weights, scale):
    """h = o tanh(f c + i g), with c in s."""
    eps_gate = weights.eps_gate
    i, f, g, o = (u + v).unbind(2)
    added = times_gate(tanh(g) - eps_gate, i, eps_gate)
    # 1 - f_high. Where it is below 2^-60, s is -LARGEST_C, or 0.
    forgotten = (torch.sigmoid(f[:, 1:]) - eps_gate).clamp(min=2.0**-60)
    least_forgotten = forgotten.min(0).values
    f_high = (torch.sigmoid(-f[:, 1:]) * (1 + eps_gate) + weights.eps_f).clamp(max=1.0)
    largest_c = torch.where(least_forgotten < EPS_GATE, LARGEST_C, 1.2 / least_forgotten)
    eps_c = weights.eps_h + eps_gate / 8 * (1 + f_high * largest_c)
    s = ((added - eps_c) / forgotten).min(0).values.clamp(max=0.0) * scale  # (8)
    s = s.clamp(min=-LARGEST_C)
    c = added + f_high * s - eps_c
    return times_gate(tanh(c) - eps_gate, o, eps_gate), s  # (9)


STEPS = {"RNN": rnn_step, "GRU": gru_step, "LSTM": lstm_step}


def tanh(ends):
    """Of both ends at once, for it is odd; as 2 s - 1 with a sigmoid s, which takes less time."""
    return 2 * torch.sigmoid(2 * ends) - 1


def times_gate(ends, gate, eps_gate):
    """An interval times the sigmoid of another.

    Of a product with an interval of positive numbers the ends are at the corners.
    """
    gate_ends = (torch.sigmoid(gate) - eps_gate).clamp(min=0.0)
    low, one_less_high = gate_ends.split(1, 1)
    return low * ends.clamp(min=0.0) + (1 - one_less_high) * ends.clamp(max=0.0)
