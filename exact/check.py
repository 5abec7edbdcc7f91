"""Check a certificate: that an adder adds every two numbers of any length correctly.

    python exact/check.py figures/proven_lstm.npz

This program trusts nothing that made the file. It imports numpy, to read it, and python-flint, for
Arb's ball arithmetic: a number is a ball, a middle and a radius, that is sure to hold the exact
result, and a comparison is true only if it is so for all that the balls hold. So what is checked
below is checked for real numbers.

**The adder** reads two numbers digit by digit, the last digits first. The embeddings of the two
digits, one after the other, are the input x of the first layer; the h' of a layer is that of the
next. From the zero state on each layer makes, by PyTorch's definitions, of its state h (and c)

    RNN    h' = tanh(z),              z = W_ih x + b_ih + v,  v = W_hh h + b_hh
    GRU    h' = (1 - z) n + z h,      r, z sigmoids of such sums, n = tanh(W_in x + b_in + r v_n)
    LSTM   h' = o tanh(c'),           c' = f c + i g; i, f, o sigmoids of such sums, g a tanh

and a linear layer makes ten logits of the top layer's h'. The largest is the digit of the sum.

**The file** (npz) has the weights, float32, by their names in PyTorch, `cell`, and `bounds_l0`,
`bounds_l1` ..., float64 (2 carries, low and high, gates x units): an interval for each number in v
of that layer, after digits that give no carry, and after digits that give one. Newer files have
`layers`, too, how many these are.

**What is proven.** A triple (a, b, c), two digits and the carry before them, leads to the carry
c' = 1 if a + b + c >= 10. If

    - in each layer, v of the zero state is within the bounds of carry 0;
    - in each of the 200 triples, from any v within the bounds of c, the new v of each layer is
      within those of c', the `slack` away from their ends;
    - in each, the logit of (a + b + c) mod 10 is above every other, by the `margin`;

then, by induction over the digits, every digit of every sum is correct. Between v and the new v
there are intervals: a tanh or a sigmoid takes them by their ends, a product by its corners, and
W h + b of h in mid +- rad is in W mid + b +- |W| rad. The state of a gated cell, the h of a GRU and
the c of an LSTM, has no bounds in the file. For each unit one interval is looked for that holds 0,
and is then seen to hold h' or c' in every triple, whatever h or c it holds.

**Rounding.** The adder runs in float32. With u = 2^-24, a sum of n products, in any order, is off
by at most g_n = n u / (1 - n u) times the sum of their absolute values (Higham 2002, section 3.1),
and 2^-125 n for underflow, if nothing overflows: twice that sum must be under 2^126. Allowed are

    z               that, of |W_ih| |x| + |W_hh| |h| + |b_ih| + |b_hh|, n = inputs + units + 4;
                    |h| <= 1, but 1.001 for a GRU, which is checked
    h of an RNN     8 u and 1e-6: a long number is read in chunks at once, and where two meet, the
                    states may differ by so much
    gates, and a tanh in GRU and LSTM: 32 u
    f in f c        no more than 32 u f + 1e-10, too, for c may be large
    h of a GRU      8 u
    c               4 u (1 + f |c|) + 2 u. In float32 c + 1 = c at 2^25, so |c| <= 2^25; and
                    |c| <= 1.2 / (1 - f) with the largest f, if 1 - f >= 32 u there: then
                    f |c| + 1 and the allowance come to no more than that, for |c'|
    h of an LSTM    2 u
    a logit         that, of |W| |h| + |b|, n = units + 2

**What is assumed**, and not checked here: that the machine's float32 keeps within these. IEEE 754
arithmetic does, if no gate passes 1 and no tanh +-1; TF32, bfloat16 and the like do not.
"""

import argparse
import functools
import sys
import time
from typing import NamedTuple

import numpy as np
from flint import arb, arb_mat, ctx

PRECISION = 128  # bits
UNIT = 2.0**-24  # u
EPS_GATE = 32 * UNIT
EPS_H = {"RNN": 8 * UNIT + 1e-6, "GRU": 8 * UNIT, "LSTM": 2 * UNIT}
LARGEST_H = {"RNN": 1.0, "GRU": 1.001, "LSTM": 1.0}
LARGEST_C = 2.0**25
LARGEST_SUM = 2.0**125
ZERO = arb(0)
ONE = arb(1)
GATES = {"RNN": 1, "GRU": 3, "LSTM": 4}
TRIPLES = [(a, b, c) for c in range(2) for a in range(10) for b in range(10)]


class Refused(ValueError):
    """The certificate does not prove what it should."""


class Checked(NamedTuple):
    """An adder that adds every two numbers correctly."""

    cell: str  # "RNN" (tanh), "GRU" or "LSTM"
    layers: int
    margin: float  # the least, of the right digit's logit over any other
    slack: float  # the least, of a new v within its bounds


def check(path):
    """Check a certificate, by its path or as an open file: returns `Checked`.

    Raises Refused with the reason.
    """
    cell, layers, arrays = read(path)
    with ctx.workprec(PRECISION):
        digits = arrays["embed_layer.weight"]
        mid = arb_mat([digits[a].tolist() + digits[b].tolist() for a, b, _ in TRIPLES])
        rad = 0 * mid
        largest_x = np.tile(abs(digits).max(0), 2).tolist()
        slacks = []
        for layer in range(layers):
            weights = [arrays[name].tolist() for name in names_of_weights(layer)]
            bounds = arrays[f"bounds_l{layer}"].tolist()
            try:
                eps_z = allow_for_z(cell, weights, largest_x)
                mid, rad = bound_h(cell, weights, bounds, eps_z, mid, rad)
                slacks.append(find_slack(weights, bounds, mid, rad))
            except Refused as reason:
                raise Refused(f"layer {layer}: {reason}") from None
            largest_x = [LARGEST_H[cell]] * mid.ncols()
        dense = arrays["dense.weight"].tolist()
        margin = find_margin(cell, dense, arrays["dense.bias"].tolist(), mid, rad)
        return Checked(cell, layers, float(margin.lower()), float(least(slacks).lower()))


def read(path):
    """(cell, number of layers, {name: array}) of a file that has exactly the arrays it should."""
    try:
        with np.load(path, allow_pickle=False) as file:
            members = file.zip.namelist()
            arrays = dict(file)
    except Exception as error:  # numpy and zipfile have many for a foreign file
        raise Refused(f"the file cannot be read: {error}") from error
    for name, array in arrays.items():
        if not isinstance(array, np.ndarray):
            raise Refused(f"{name} is no array")
    cell = str(arrays.pop("cell", "missing"))
    if cell not in GATES:
        raise Refused(f"cell is {cell}, not one of {', '.join(GATES)}")
    layers = max(1, sum(name.startswith("bounds_l") for name in arrays))
    told = {"cell": cell}
    if "layers" in arrays:
        told["layers"] = arrays.pop("layers").tolist()
    names = ["embed_layer.weight", "dense.weight", "dense.bias"]
    for layer in range(layers):
        names += [*names_of_weights(layer), f"bounds_l{layer}"]
    if sorted(members) != sorted(f"{name}.npy" for name in [*names, *told]):
        differing = ", ".join(sorted(set(names) ^ set(arrays)))
        raise Refused(f"not each array of {layers} layers once, and no other: {differing}")
    if told.get("layers", layers) != layers:
        raise Refused(f"layers is {told['layers']}, not {layers}")
    embedding = arrays["embed_layer.weight"].size // 10
    units = arrays["dense.weight"].size // 10
    rows = GATES[cell] * units
    shapes = [(10, embedding), (10, units), (10,)]
    for layer in range(layers):
        inputs = units if layer else 2 * embedding
        shapes += [(rows, inputs), (rows, units), (rows,), (rows,), (2, 2, rows)]
    for name, shape in zip(names, shapes, strict=True):
        array = arrays[name]
        dtype = "float64" if name.startswith("bounds_l") else "float32"
        if array.dtype != dtype or array.shape != shape or 0 in shape:
            raise Refused(f"{name} is {array.dtype} {array.shape}, not {dtype} {shape}")
        if not np.isfinite(array).all():
            raise Refused(f"{name} is not finite")
    return cell, layers, arrays


def names_of_weights(layer):
    """The names of W_ih, W_hh, b_ih and b_hh."""
    return [f"rnn.{kind}_l{layer}" for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")]


def allow_for_z(cell, weights, largest_x):
    """The most that rounding adds to z, in each row of W_ih; no |x| is above `largest_x`."""
    sizes = []
    for row_ih, row_hh, b_ih, b_hh in zip(*weights, strict=True):
        x = sum(arb(abs(w)) * most for w, most in zip(row_ih, largest_x, strict=True))
        h = sum(arb(abs(w)) for w in row_hh) * LARGEST_H[cell]
        sizes.append(x + h + abs(b_ih) + abs(b_hh))
    return allow_for_sums(len(largest_x) + len(weights[1][0]) + 4, sizes)


def allow_for_sums(n, sizes):
    """The most that rounding adds to sums of n products whose absolute values sum to `sizes`."""
    if not all(size < LARGEST_SUM for size in sizes):
        raise Refused("a sum may overflow in float32")
    g_n = arb(n) * UNIT / (1 - arb(n) * UNIT)
    return [g_n * size + n * 2.0**-125 for size in sizes]


def affine(weight, bias, mid, rad):
    """The ends of W x + b for x in mid +- rad: two lists, with a row for each triple."""
    sizes = [[abs(entry) for entry in row] for row in weight]
    centre = mid * arb_mat(weight).transpose() + arb_mat([bias] * len(TRIPLES))
    radius = rad * arb_mat(sizes).transpose()
    return (centre - radius).tolist(), (centre + radius).tolist()


def bound_h(cell, weights, bounds, eps_z, mid, rad):
    """(mid, rad) of h', each (triples, units), from those of x and the bounds of v."""
    weight_ih, weight_hh, bias_ih, _ = weights
    lows, highs = affine(weight_ih, bias_ih, mid, rad)
    units = len(weight_hh[0])
    mids = []
    rads = []
    for unit in range(units):
        u = []
        v = []
        rows = range(unit, len(weight_ih), units)  # the unit's in each gate
        for (_, _, carry), low, high in zip(TRIPLES, lows, highs, strict=True):
            u.append([(low[row] - eps_z[row], high[row] + eps_z[row]) for row in rows])
            v.append([(arb(bounds[carry][0][row]), arb(bounds[carry][1][row])) for row in rows])
        h = STEPS[cell](u, v)
        mids.append([(low + high) / 2 for low, high in h])
        rads.append([(high - low) / 2 for low, high in h])
    return arb_mat(mids).transpose(), arb_mat(rads).transpose()


# The interval of a unit's h' in each triple, from u = W_ih x + b_ih and v: lists, over the triples,
# of a (low, high) for each gate, in PyTorch's order. The allowance for rounding z is in u.


def rnn_step(u, v):
    """h' = tanh(z)."""
    return [tanh(add(u_t[0], v_t[0]), EPS_H["RNN"]) for u_t, v_t in zip(u, v, strict=True)]


def gru_step(u, v):
    """h' = (1 - z) n + z h."""
    z = []
    n = []
    added = []
    e = EPS_H["GRU"]
    for (u_r, u_z, u_n), (v_r, v_z, v_n) in zip(u, v, strict=True):
        r = sigmoid(add(u_r, v_r))
        z.append(sigmoid(add(u_z, v_z)))
        n.append(tanh(add(u_n, times(r, v_n)), EPS_GATE))
        new = 1 - z[-1][1]
        added.append((new * n[-1][0] - e, new * n[-1][1] + e))
    h_low, h_high = find_kept(added, z, LARGEST_H["GRU"])
    h = []
    for (n_low, n_high), (z_low, z_high) in zip(n, z, strict=True):
        # Linear in z: the least and the most are at its ends.
        low = (n_low + z_low * (h_low - n_low)).min(n_low + z_high * (h_low - n_low)) - e
        high = (n_high + z_low * (h_high - n_high)).max(n_high + z_high * (h_high - n_high)) + e
        if not (h_low <= low and high <= h_high):
            raise Refused("no interval within +-1.001 is found that holds all h of a unit")
        h.append((low, high))
    return h


def lstm_step(u, v):
    """h' = o tanh(c'), c' = f c + i g."""
    f = [sigmoid(add(u_t[1], v_t[1])) for u_t, v_t in zip(u, v, strict=True)]
    least_new = least([1 - high for _, high in f])
    largest_c = 1.2 / least_new if least_new >= EPS_GATE else LARGEST_C
    f_of_c = []
    added = []
    for (u_i, u_f, u_g, _), (v_i, v_f, v_g, _), (f_low, f_high) in zip(u, v, f, strict=True):
        near_0 = (1 + EPS_GATE) * plain_sigmoid(u_f[1] + v_f[1]) + 1e-10
        f_of_c.append((f_low, f_high.min(near_0)))
        i_g = times(sigmoid(add(u_i, v_i)), tanh(add(u_g, v_g), EPS_GATE))
        added.append(widen(i_g, 4 * UNIT * (1 + f_of_c[-1][1] * largest_c) + 2 * UNIT))
    c = find_kept(added, f, LARGEST_C)
    h = []
    for u_t, v_t, f_t, added_t in zip(u, v, f_of_c, added, strict=True):
        low, high = add(times(f_t, c), added_t)
        low_holds = c[0] <= low or c[0] == -LARGEST_C
        high_holds = high <= c[1] or c[1] == LARGEST_C
        if not (low_holds and high_holds):
            raise Refused("no interval is found that holds all c of a unit")
        o = sigmoid(add(u_t[3], v_t[3]))
        h.append(widen(times(o, tanh((low, high), EPS_GATE)), EPS_H["LSTM"]))
    return h


STEPS = {"RNN": rnn_step, "GRU": gru_step, "LSTM": lstm_step}


def find_kept(added, gates, largest):
    """An interval in +-`largest` for what a cell keeps: it holds 0, and added + gate s for its s.

    This is where to look, and proves nothing: who asks must check it.
    """
    highs = [high for _, high in gates]
    low = find_least_kept([low for low, _ in added], highs, largest)
    high = find_least_kept([-high for _, high in added], highs, largest)
    return arb(low), arb(-high)


def find_least_kept(added, gates, largest):
    """The largest s <= 0 with added + gate s >= s in each triple, less a hair for rounding."""
    s = 0.0
    for a, gate in zip(added, gates, strict=True):
        if a < 0:
            needed = float(a / (1 - gate)) if gate < 1 else -largest
            s = min(s, needed)
    return max(s * (1 + 2.0**-40) - 2.0**-40, -largest)


def find_slack(weights, bounds, mid, rad):
    """The least slack of a layer whose h' is in mid +- rad; Refused if a v is out of bounds."""
    _, weight_hh, _, bias_hh = weights
    for row, value in enumerate(bias_hh):
        if not bounds[0][0][row] <= value <= bounds[0][1][row]:
            raise Refused(f"the zero state is out of bounds in row {row}")
    slacks = []
    for triple, lows, highs in zip(TRIPLES, *affine(weight_hh, bias_hh, mid, rad), strict=True):
        carry = int(sum(triple) >= 10)
        low_bounds, high_bounds = bounds[carry]
        for row, (low, high) in enumerate(zip(lows, highs, strict=True)):
            slack = (low - low_bounds[row]).min(high_bounds[row] - high)
            if not slack >= 0:
                raise Refused(
                    f"digits and carry {triple} lead out of the bounds of carry {carry}, in row "
                    f"{row} by {-float(slack):.3g}"
                )
            slacks.append(slack)
    return least(slacks)


def find_margin(cell, weight, bias, mid, rad):
    """The least margin; Refused if it is not positive. Of two logits, the difference is bounded."""
    sizes = []
    for row, b in zip(weight, bias, strict=True):
        sizes.append(sum(arb(abs(w)) for w in row) * LARGEST_H[cell] + abs(b))
    eps = allow_for_sums(len(weight[0]) + 2, sizes)
    pairs = [(right, other) for right in range(10) for other in range(10) if right != other]
    rows = []
    biases = []
    for right, other in pairs:
        rows.append([arb(w) - x for w, x in zip(weight[right], weight[other], strict=True)])
        biases.append(arb(bias[right]) - bias[other] - eps[right] - eps[other])
    margins = []
    for triple, of_pairs in zip(TRIPLES, affine(rows, biases, mid, rad)[0], strict=True):
        for (right, other), margin in zip(pairs, of_pairs, strict=True):
            if right != sum(triple) % 10:
                continue
            if not margin > 0:
                raise Refused(
                    f"digits and carry {triple}: the logit of {right} may be below that of {other} "
                    f"by {-float(margin):.3g}"
                )
            margins.append(margin)
    return least(margins)


def add(x, y):
    """The sum of two intervals."""
    return x[0] + y[0], x[1] + y[1]


def widen(x, eps):
    """An interval, wider by `eps` at both ends."""
    return x[0] - eps, x[1] + eps


def times(gate, x):
    """The product of two intervals, the first of numbers >= 0."""
    return (gate[0] * x[0]).min(gate[1] * x[0]), (gate[0] * x[1]).max(gate[1] * x[1])


def tanh(x, eps):
    """The tanh of an interval, wider by `eps`."""
    return x[0].tanh() - eps, x[1].tanh() + eps


def sigmoid(x):
    """The sigmoid of an interval, with what rounding may add, within [0, 1]."""
    low = plain_sigmoid(x[0]) - EPS_GATE
    high = plain_sigmoid(x[1]) + EPS_GATE
    return low if low > 0 else ZERO, high if high < 1 else ONE


def plain_sigmoid(x):
    """1 / (1 + exp(-x)) of one number."""
    return 1 / (1 + (-x).exp())


def least(numbers):
    """The least of some numbers, a ball that holds it."""
    return functools.reduce(arb.min, numbers)


def main():
    """Check the file that is named on the command line."""
    parser = argparse.ArgumentParser(description="Check that an adder adds every sum correctly.")
    parser.add_argument("path", help="a certificate, as figures/proven_lstm.npz")
    path = parser.parse_args().path
    begin = time.perf_counter()
    try:
        cell, layers, margin, slack = check(path)
    except Refused as reason:
        sys.exit(f"{path}: refused: {' '.join(str(reason).split())}")
    print(
        f"{path}: proven: this {layers}-layer {cell} adds every two numbers of any length "
        f"correctly; least margin {margin:.6g}, least slack {slack:.3g}; "
        f"{time.perf_counter() - begin:.1f} s"
    )


if __name__ == "__main__":
    main()
