"""Intervals against numbers drawn inside them, float32's rounding against float64 and fractions."""

import copy
import itertools
from fractions import Fraction
from types import SimpleNamespace
from typing import NamedTuple

import pytest
import torch
from adders import proven_adder, states
from torch import nn

import data
import pt
import recurrence
from data import long_carry_batch
from exact import intervals, prove
from recurrence import tanh_of_half_

CELLS = ["RNN", "GRU", "LSTM"]


def test_the_triples_are_all_of_them_those_without_carry_after_first():
    columns = (intervals.DIGIT_1, intervals.DIGIT_2, intervals.CARRY)
    triples = list(zip(*(column.tolist() for column in columns), strict=True))
    assert set(triples) == set(itertools.product(range(10), range(10), range(2)))
    assert [a + b + c >= 10 for a, b, c in triples] == [False] * 100 + [True] * 100
    assert [(a + b + c) % 10 for a, b, c in triples] == intervals.RIGHT_DIGIT[:, 0].tolist()


def test_a_product_has_its_ends_at_the_corners():
    draw = torch.Generator().manual_seed(0)

    def draw_interval():
        return torch.randn(2, 200, 1, 5, generator=draw, dtype=torch.float64).sort(0).values

    low, high = draw_interval()
    gate_low, gate_high = draw_interval()
    ends = intervals.times_gate(
        torch.cat((low, -high), 1), torch.cat((gate_low, -gate_high), 1), 0.0
    )
    corners = torch.stack(
        [gate.sigmoid() * end for gate in (gate_low, gate_high) for end in (low, high)]
    )
    assert torch.allclose(ends[:, :1], corners.amin(0))
    assert torch.allclose(-ends[:, 1:], corners.amax(0))


def step_by_hand(cell, u, v, state):
    """A step in float64: (h, the state after), from u = W_ih x + b_ih, v = W_hh h + b_hh.

    The state is what the cell keeps: h of a GRU, c of an LSTM, and a tanh RNN has None.
    """
    if cell == "RNN":
        return (u + v).tanh(), None
    if cell == "GRU":
        u_r, u_z, u_n = u.chunk(3, -1)
        v_r, v_z, v_n = v.chunk(3, -1)
        z = (u_z + v_z).sigmoid()
        h = (1 - z) * (u_n + (u_r + v_r).sigmoid() * v_n).tanh() + z * state
        return h, h
    i, f, g, o = (u + v).chunk(4, -1)
    c = f.sigmoid() * state + i.sigmoid() * g.tanh()
    return o.sigmoid() * c.tanh(), c


def allow(eps_h, eps_gate):
    """What a step reads of the `Weights`: what rounding, or noise, may add."""
    return SimpleNamespace(eps_h=eps_h, eps_gate=eps_gate, eps_f=0.0)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("eps_h", [0.0, 0.01])
def test_a_step_from_anywhere_inside_the_bounds_ends_inside_them(cell, eps_h):
    gates = {"RNN": 1, "GRU": 3, "LSTM": 4}[cell]
    draw = torch.Generator().manual_seed(1)

    def draw_ends(size):
        drawn = size * torch.randn(2, 200, gates * 8, generator=draw, dtype=torch.float64)
        low, high = drawn.sort(0).values
        return low, high, torch.stack((low, -high), 1).unflatten(2, (gates, 8))

    def draw_share(units, corner):
        share = torch.rand(200, units, generator=draw, dtype=torch.float64)
        return share.round() if corner else share

    u_low, u_high, u = draw_ends(2.0)
    v_low, v_high, v = draw_ends(1.0)
    ends, s = intervals.STEPS[cell](u, v, allow(eps_h, 0.0), 1.0)
    low = ends[:, 0] - eps_h
    high = -ends[:, 1] + eps_h
    for corner_u, corner_v in itertools.product((False, True), repeat=2):  # corners, and inside
        for _ in range(100):
            at_u = u_low + (u_high - u_low) * draw_share(gates * 8, corner_u)
            at_v = v_low + (v_high - v_low) * draw_share(gates * 8, corner_v)
            share = draw_share(8, corner_u)
            state = None if s is None else (-s[1] - s[0]) * share + s[0]
            noise = eps_h * (2 * torch.rand(2, 200, 8, generator=draw, dtype=torch.float64) - 1)
            h, after = step_by_hand(cell, at_u, at_v, state)
            if cell == "LSTM":
                after = after + noise[1]
                h = (at_u + at_v).chunk(4, -1)[3].sigmoid() * after.tanh()
            if cell == "GRU":
                after = after + noise[0]
            h = h + noise[0]
            assert ((h >= low - 1e-12) & (h <= high + 1e-12)).all()
            assert s is None or ((after >= s[0] - 1e-12) & (after <= -s[1] + 1e-12)).all()


def test_where_a_gate_may_keep_all_nothing_is_proven():
    model, proved = proven_adder(1, 0, "GRU")
    assert proved.proven
    model = copy.deepcopy(model)
    with torch.no_grad():
        model.rnn.bias_ih_l0[64:128] += 1000
    assert not prove(model).proven


def test_where_h_of_a_gru_may_pass_what_rounding_allows_for_it_is_no_number():
    # n = -1 and z = 1/2: without noise s is about -1, with noise of 0.1 about -1 - 0.1 / (1 - z).
    u = torch.zeros(2, 2, 3, 1, dtype=torch.float64)
    u[:, :, 2] = torch.tensor([-9.0, 9.0])[:, None]  # a point
    v = torch.zeros_like(u)
    inside, s = intervals.gru_step(u, v, allow(0.0, intervals.EPS_GATE), 1.0)
    assert s.min() > -intervals.LARGEST_H and not inside.isnan().any()
    outside, s = intervals.gru_step(u, v, allow(0.1, intervals.EPS_GATE), 1.0)
    assert s.min() < -1.19 and outside.isnan().all()
    in_training, s = intervals.gru_step(u, v, allow(0.1, 0.0), 1.0)  # nothing is allowed for there
    assert s.min() < -1.19 and not in_training.isnan().any()


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize(("hidden", "embedding"), [(64, 32), (32, 32), (48, 8)])
def test_the_allowances_count_the_products_of_the_adders_own_size(cell, hidden, embedding):
    torch.manual_seed(0)
    model = pt.Adder(cell, layers=2, hidden=hidden, embedding=embedding).requires_grad_(False)
    weights = intervals.exact_weights_of(model)
    largest_h = 1.001 if cell == "GRU" else 1.0
    largest_inputs = [  # of each layer: two digits embedded, or h of the layer below
        [max(abs(float(x)) for x in column) for column in model.embed_layer.weight.T] * 2,
        [largest_h] * hidden,
    ]
    for layer, inputs in enumerate(largest_inputs):
        weight_ih, weight_hh, bias_ih, bias_hh = (
            weight.double().tolist() for weight in model.rnn.all_weights[layer]
        )
        count = 2 * embedding + hidden + 4 if layer == 0 else 2 * hidden + 4
        relative = count * 2.0**-24 / (1 - count * 2.0**-24)
        assert weights.eps_z[layer].shape == (len(weight_hh),)
        for row in (0, len(weight_hh) - 1):
            size = sum(abs(w) * x for w, x in zip(weight_ih[row], inputs, strict=True))
            size += sum(abs(w) * largest_h for w in weight_hh[row])
            size += abs(bias_ih[row]) + abs(bias_hh[row])
            assert float(weights.eps_z[layer][row]) == pytest.approx(relative * size, rel=1e-12)
    count = hidden + 2
    relative = count * 2.0**-24 / (1 - count * 2.0**-24)
    for one, other in ((0, 9), (4, 7)):
        size = largest_h * float(model.dense.weight[[one, other]].double().abs().sum())
        size += float(model.dense.bias[[one, other]].double().abs().sum())
        assert float(weights.eps_margin[one, other]) == pytest.approx(relative * size, rel=1e-12)


def test_the_rounding_bound_against_exact_fractions():
    # Higham's bound on dot products of 64 float32, computed exactly
    torch.manual_seed(0)
    for _ in range(20):
        a, b = torch.randn(2, 64)
        products = [Fraction(float(x)) * Fraction(float(y)) for x, y in zip(a, b, strict=True)]
        sizes = sum(abs(product) for product in products)
        error = abs(Fraction(float(a @ b)) - sum(products))
        assert error <= Fraction(intervals.rounding(64)) * sizes


EXTREMES = [0.0, 1e-45, 1e-38, 1e-20, 1e-7, 88.0, 89.0, 104.0, 1e3, 1e6, 1e30, 2.0**125]
FINE = torch.linspace(-20, 20, 400_001)
COARSE = torch.linspace(-110, 110, 100_001)


def one_unit(cell, gates, seen):
    """A cell of 64 like units that reads one number: `gates` says what each gate's bias is.

    The gate `seen` reads the number, of weight 1. The gates are in PyTorch's order.
    """
    rnn = cell(1, 64).requires_grad_(False)
    for parameter in rnn.parameters():
        parameter.zero_()
    rnn.bias_ih_l0.view(-1, 64).copy_(torch.tensor(gates, dtype=torch.float32)[:, None])
    rnn.weight_ih_l0.view(-1, 64)[seen] = 1
    return rnn


def read_cell(rnn, z, *start):
    """What a cell makes of the numbers z, one step each, from the states `start`, or zero: (h, c).

    c is None but of an LSTM.
    """
    states = [torch.full((1, len(z), 64), each) for each in start]
    if len(states) == 2:
        states = [tuple(states)]
    _, after = rnn(z[None, :, None], *states)
    if isinstance(after, tuple):
        return after[0][0].flatten(), after[1][0].flatten()
    return after[0].flatten(), None


@pytest.mark.parametrize("onednn", [True, False])
@torch.no_grad()
def test_gates_are_as_right_as_is_allowed_for_and_none_passes_1(onednn, monkeypatch):
    # 32 u for those that gated cells take: here the functions, and then those inside PyTorch's
    # LSTM, which may be oneDNN's own, and its GRU. What is seen of a gate is c, or h, where the
    # others are 0 or 1. `beyond` is how far a result passes 1, of which there must be nothing.
    monkeypatch.setattr(torch.backends.mkldnn, "enabled", onednn)
    extremes = torch.tensor([sign * x for x in EXTREMES for sign in (-1, 1)])
    z = torch.cat((FINE, COARSE, extremes)) if onednn else torch.cat((COARSE, extremes))
    few = torch.cat((z[::16], extremes))
    repeated = few.repeat_interleave(64)  # for each of the 64 units
    sigmoid = repeated.double().sigmoid()
    tanh = repeated.double().tanh()
    i, f, g, o = range(4)
    on, off = 200.0, -200.0
    lstm = nn.LSTM
    c_of = {
        "LSTM's i": (read_cell(one_unit(lstm, [0, off, on, 0], i), few)[1], sigmoid),
        "LSTM's f": (read_cell(one_unit(lstm, [off, 0, 0, 0], f), few, 0.0, 1.0)[1], sigmoid),
        "LSTM's tanh": (read_cell(one_unit(lstm, [on, off, 0, 0], g), few)[1], tanh),
    }
    # c = 20, of which the tanh is 1
    opened = one_unit(lstm, [off, on, 0, 0], o)
    c_of["LSTM's o"] = read_cell(opened, few, 0.0, 20.0)[0], sigmoid
    r, update, n = range(3)
    c_of["GRU's z"] = read_cell(one_unit(nn.GRU, [0, 0, 0], update), few, 1.0)[0], sigmoid
    c_of["GRU's tanh"] = read_cell(one_unit(nn.GRU, [0, off, 0], n), few)[0], tanh
    pairs = {
        "sigmoid": (z.sigmoid(), z.double().sigmoid()),
        "tanh": (z.tanh(), z.double().tanh()),
        "ours": (tanh_of_half_(2 * z), z.double().tanh()),
        **c_of,
    }
    errors = {}
    for name, (ours, exact) in pairs.items():
        assert not ours.isnan().any(), name
        lowest = -1 if "tanh" in name or name == "ours" else 0
        assert ours.max() <= 1 and ours.min() >= lowest, f"{name} passes 1, or {lowest}"
        assert ours.max() == 1, f"{name}: the sweep goes to the end"
        errors[name] = float((ours.double() - exact).abs().max())
    print({name: f"{error / intervals.UNIT:.1f} u" for name, error in errors.items()})
    assert max(errors["ours"], errors["tanh"]) <= 8 * intervals.UNIT
    assert max(errors.values()) <= intervals.EPS_GATE
    # f counts beside itself, for it may multiply a large c.
    kept, exact = c_of["LSTM's f"]
    assert (kept.double() <= exact * (1 + intervals.EPS_GATE) + intervals.EPS_F).all()


@pytest.mark.parametrize("onednn", [True, False])
@torch.no_grad()
def test_c_of_an_lstm_ends_at_2_to_25(onednn, monkeypatch):
    # All gates saturated: c + 1 is c there, and f, i and g no larger than 1 keep it so.
    monkeypatch.setattr(torch.backends.mkldnn, "enabled", onednn)
    for sign in (-1.0, 1.0):
        lstm = one_unit(nn.LSTM, [200, 200, sign * 200, 200], 3)
        near = torch.tensor([2.0**24 - 1, 2.0**25 - 4, 2.0**25 - 2, 2.0**25]) * sign
        h = torch.zeros(1, 4, 64)
        c = near[None, :, None].repeat(1, 1, 64)
        for _ in range(20):
            _, (h, c) = lstm(torch.zeros(1, 4, 1), (h, c))
        assert c.abs().max() <= intervals.LARGEST_C and h.abs().max() <= 1


@pytest.mark.parametrize(("cell", "layers"), [("RNN", 2), ("GRU", 1), ("LSTM", 1)])
def test_the_allowance_covers_float32_against_float64(cell, layers):
    # One step of the adder in float32, as it runs, and in float64, from the same float32 states of
    # real sums. What is allowed is what the step's own intervals widen to, around the exact point.
    model = copy.deepcopy(proven_adder(layers, 0, cell)[0]).requires_grad_(False)
    weights = intervals.exact_weights_of(model)
    eps_gate = weights.eps_gate
    data.random.seed(4)
    num1, num2, _ = pt.to_tensors(long_carry_batch(100, 100), "cpu")
    h, c = states(model, num1, num2)
    inputs = model.pairs().detach()[10 * num1.T + num2.T].double()
    worst = 0.0
    for layer, (weight_ih, weight_hh, bias_ih, bias_hh) in enumerate(weights.layers):
        now = h[:, layer].double()
        before = torch.cat((torch.zeros_like(h[:1, layer]), h[:-1, layer])).double()
        u = inputs @ weight_ih.T + bias_ih
        v = before @ weight_hh.T + bias_hh
        eps_z = weights.eps_z[layer]
        if cell == "RNN":
            exact, _ = step_by_hand(cell, u, v, None)
            allowed = eps_z + weights.eps_h
        elif cell == "GRU":
            exact, _ = step_by_hand(cell, u, v, before)
            eps_r, eps_update, eps_n = eps_z.chunk(3)
            m = v.chunk(3, -1)[2].abs()
            eps_n = eps_n + (eps_r / 4 + eps_gate) * m + eps_gate
            allowed = eps_n + 2 * (eps_update / 4 + eps_gate) + weights.eps_h
        else:
            c_before = torch.cat((torch.zeros_like(c[:1, layer]), c[:-1, layer])).double()
            exact, exact_c = step_by_hand(cell, u, v, c_before)
            eps_i, eps_f, eps_g, eps_o = eps_z.chunk(4)
            eps_kept = (eps_f / 4 + eps_gate) * c_before.abs()
            eps_added = (eps_i / 4 + eps_gate) + (eps_g + eps_gate)
            eps_c = eps_kept + eps_added + 4 * intervals.UNIT * (1 + c_before.abs())
            assert ((c[:, layer].double() - exact_c).abs() <= eps_c).all()
            allowed = eps_o / 4 + eps_gate + eps_c + eps_gate + weights.eps_h
        error = (now - exact).abs()
        assert (error > 0).any() and (error <= allowed).all()
        worst = max(worst, float((error / allowed).max()))
        inputs = now
    print(f"{cell}: the worst error is {worst:.1%} of what is allowed")
    exact = inputs @ weights.dense.T + weights.bias
    rounded = model.dense(h[:, -1]).detach().double()
    for one, other in itertools.combinations(range(10), 2):
        error = (rounded[..., one] - rounded[..., other]) - (exact[..., one] - exact[..., other])
        assert error.abs().max() <= weights.eps_margin[one, other]


# --- Adversarial adders: gates near 0 and 1, weights of every size, large states.


def draw_sizes(draw, count, least, most):
    """Numbers of either sign, their sizes drawn log-uniformly between two."""
    share = torch.rand(count, generator=draw, dtype=torch.float64)
    signs = 2 * torch.randint(2, (count,), generator=draw) - 1
    return signs * least * (most / least) ** share


def draw_gates(draw, units, least):
    """Arguments of a sigmoid s: s or 1 - s lies between `least` and 1/2."""
    small = draw_sizes(draw, units, least, 0.5)
    return small.sign() * (1 / small.abs() - 1).log()


def draw_adder(cell, draw, hidden=16, embedding=4):
    """An adder of one layer that is meant to break the bounds."""
    model = pt.Adder(cell, 1, hidden, embedding).requires_grad_(False)
    model.embed_layer.weight.copy_(torch.randn(10, embedding, generator=draw))
    weight_ih, weight_hh, bias_ih, bias_hh = (
        weight.view(-1, hidden, *weight.shape[1:]) for weight in model.rnn.all_weights[0]
    )
    for weight in (weight_ih, weight_hh, bias_ih, bias_hh):
        rows = weight.flatten(0, 1)
        sizes = draw_sizes(draw, len(rows), 1e-3, 1e3)
        drawn = torch.randn(rows.shape, generator=draw, dtype=torch.float64)
        rows.copy_(sizes.view(-1, *[1] * (rows.dim() - 1)) * drawn)
    if cell == "GRU":
        # Where z is near 1, n must be small for |h| to stay below LARGEST_H: see (6).
        bias_ih[1] = draw_gates(draw, hidden, 60 * intervals.UNIT)
        for weight in (weight_ih, weight_hh, bias_hh):
            weight[1:] *= 1e-2 / weight[1:].flatten(1).abs().amax(1).view(
                2, *[1] * (weight.dim() - 1)
            )
        bias_ih[2] *= 0.3 / bias_ih[2].abs().max()
    if cell == "LSTM":
        for gate in (0, 1, 3):
            bias_ih[gate] = draw_gates(draw, hidden, 40 * intervals.UNIT)
        bias_ih[1, :2] = 60.0  # f = 1: c up to 2^25
        bias_ih[1, 2:8] = 8.0  # f from near 1 to near 0, by what is read
        bias_ih[1, 0] = 5.0  # and from 1 to 1e-10, so that a large c meets it
        for weight in (weight_ih, weight_hh):
            weight[1] /= weight[1].abs().amax(1, True)
        weight_ih[1, 0] *= 12
        weight_ih[1, 2:8] *= 3
        weight_ih[1, 8:] *= 1e-2
        weight_hh[1] *= 1e-2
    return model


def draw_inside(draw, low, high):
    """float32 in [low, high], float64; half of them as near to an end as can be."""
    share = torch.rand(low.shape, generator=draw, dtype=torch.float64)
    at_end = torch.rand(low.shape, generator=draw) < 0.5
    share = torch.where(at_end, share.round(), share)
    drawn = (low + (high - low) * share).float()
    outside = (drawn < low) | (drawn > high)
    inwards = torch.nextafter(drawn, ((low + high) / 2).float())
    return torch.where(outside, inwards, drawn)


class Case(NamedTuple):
    """A step of an adversarial adder in intervals, from all h in mid +- rad; see `make_case`."""

    model: pt.Adder
    weights: intervals.Weights
    mid: torch.Tensor  # (200, units)
    rad: float
    u: torch.Tensor  # (200, 2, gates, units), as of a step
    v: torch.Tensor
    low: torch.Tensor  # (200, units): the bounds of h after it, rounding included
    high: torch.Tensor
    s: torch.Tensor | None


def make_case(cell, seed, rad):
    """An adversarial adder, and its step from around some h, by `rad` in each unit."""
    draw = torch.Generator().manual_seed(seed)
    model = draw_adder(cell, draw)
    weights = intervals.exact_weights_of(model)
    [(_, weight_hh, _, bias_hh)] = weights.layers
    mid = torch.zeros(200, 16, dtype=torch.float64)
    if rad < 1:
        mid += (1.8 * torch.rand(200, 16, generator=draw) - 0.9).double()
    u = intervals.both_ends(weights.first, weights.eps_z[0]).unflatten(2, (-1, 16))
    v = intervals.both_ends(mid @ weight_hh.T + bias_hh, rad * weight_hh.abs().sum(1))
    v = v.unflatten(2, (-1, 16))
    ends, s = intervals.STEPS[cell](u, v, weights, 1.0)
    assert not ends.isnan().any(), "bounds that hold anything show nothing"
    low = ends[:, 0] - weights.eps_h
    high = -ends[:, 1] + weights.eps_h
    return Case(model, weights, mid, rad, u, v, low, high, s), draw


def check_inside(case, h, after, before=None):
    """See that h and the state after a step are inside the bounds, where the state before was.

    `before` and `after` are (200, units), h of a GRU and c of an LSTM.
    """
    slack = 1e-12  # float64's own rounding
    allowed = torch.ones_like(h, dtype=torch.bool)
    if before is not None:
        s_low, s_high = state_ends(case)
        allowed = (before >= s_low) & (before <= s_high)
        more = slack * after.abs().clamp(min=1)
        assert ((after >= s_low - more) & (after <= s_high + more))[allowed].all()
    assert ((h >= case.low - slack) & (h <= case.high + slack))[allowed].all()
    return int(allowed.sum())


CASES = [(seed, rad) for seed in range(5) for rad in (0.0, 1e-5, 1.001)]


@pytest.mark.parametrize("cell", CELLS)
@torch.no_grad()
def test_real_steps_of_adversarial_adders_end_inside_the_bounds(cell):
    # In float32: PyTorch's own cells, and our recurrences.
    checked = 0
    pair = 10 * intervals.DIGIT_1 + intervals.DIGIT_2
    for seed, rad in CASES:
        case, draw = make_case(cell, seed, rad)
        rnn = case.model.rnn
        table = case.model.pairs()
        for _ in range(10):
            h = draw_inside(draw, case.mid - rad, case.mid + rad)
            before = None
            if cell != "RNN":
                before = draw_inside(draw, *state_ends(case))
            if cell == "GRU":
                if rad < 1:
                    before = h
                h = before
            hidden = h[None]
            if cell == "LSTM":
                before = draw_smaller(draw, before)
                hidden = hidden, before[None]
            runs = (
                rnn(table[pair][None], hidden),
                recurrence.run_layers(rnn, table, pair[None], hidden),
            )
            for outputs, last in runs:
                after = last[1] if cell == "LSTM" else last
                checked += check_inside(case, outputs[0], after[0], before)
    assert checked > 0.3 * len(CASES) * 20 * 200 * 16


@pytest.mark.parametrize("cell", CELLS)
@torch.no_grad()
def test_steps_that_are_off_by_all_that_is_allowed_end_inside_the_bounds(cell):
    # As the docstring of `intervals` has it, each function off by its allowance, in float64: what
    # the kernels of this machine leave of it is for those of others.
    for seed, rad in CASES:
        case, draw = make_case(cell, seed, rad)
        for _ in range(20):
            u = draw_between(draw, case.u[:, 0], -case.u[:, 1])
            v = draw_between(draw, case.v[:, 0], -case.v[:, 1])
            before = None
            if cell != "RNN":
                before = draw_between(draw, *state_ends(case))
            if cell == "LSTM":
                before = draw_smaller(draw, before)
            h, after = step_that_is_off(cell, draw, u, v, before)
            assert check_inside(case, h, after, before) == h.numel()


def state_ends(case):
    """The ends of s, for each triple: (200, units) each."""
    return case.s[0].expand(200, -1), -case.s[1].expand(200, -1)


def draw_between(draw, low, high):
    """Numbers in [low, high], most of them at one of the ends."""
    share = torch.rand(low.shape, generator=draw, dtype=torch.float64)
    at_end = torch.rand(low.shape, generator=draw) < 0.7
    drawn = low + (high - low) * torch.where(at_end, share.round(), share)
    return drawn.clamp(low, high)


def draw_smaller(draw, c):
    """Half of c as it is, and half of it smaller, by up to 10^5."""
    share = torch.rand(c.shape, generator=draw, dtype=c.dtype)
    smaller = c * 10 ** (-5 * share)
    return torch.where(torch.rand(c.shape, generator=draw) < 0.5, smaller, c)


def step_that_is_off(cell, draw, u, v, before):
    """`step_by_hand` with the errors that are allowed: u and v (200, gates, units), float64."""

    def add_error(exact, size):
        share = draw_between(draw, -torch.ones_like(exact), torch.ones_like(exact))
        return exact + size * share

    def sigmoid(z):
        return add_error(z.sigmoid(), 32 * 2.0**-24).clamp(0, 1)

    def tanh(z):
        return add_error(z.tanh(), 32 * 2.0**-24).clamp(-1, 1)

    if cell == "RNN":
        return add_error((u + v)[:, 0].tanh(), 8 * 2.0**-24 + 1e-6), None
    if cell == "GRU":
        n = tanh(u[:, 2] + sigmoid(u[:, 0] + v[:, 0]) * v[:, 2])
        z = sigmoid(u[:, 1] + v[:, 1])
        h = add_error(n + z * (before - n), 8 * 2.0**-24)
        return h, h
    i, f, g, o = (u + v).unbind(1)
    kept = torch.minimum(sigmoid(f), f.sigmoid() * (1 + 32 * 2.0**-24) + 1e-10)
    c = kept * before + sigmoid(i) * tanh(g)
    c = add_error(c, 4 * 2.0**-24 * (1 + kept * before.abs()))
    c = c.clamp(-(2.0**25), 2.0**25)  # see the test of 2^25 above
    return add_error(sigmoid(o) * tanh(c), 2 * 2.0**-24), c
