"""Intervals against numbers drawn inside them, float32's rounding against float64 and fractions."""

import copy
import itertools
import math
from fractions import Fraction

import pytest
import torch
from adders import proven_adder, states

import data
import pt
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
    ends, s = intervals.STEPS[cell](u, v, eps_h, 0.0, 1.0)
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
    inside, s = intervals.gru_step(u, v, 0.0, intervals.EPS_GATE, 1.0)
    assert s.min() > -intervals.LARGEST_H and not inside.isnan().any()
    outside, s = intervals.gru_step(u, v, 0.1, intervals.EPS_GATE, 1.0)
    assert s.min() < -1.19 and outside.isnan().all()
    in_training, s = intervals.gru_step(u, v, 0.1, 0.0, 1.0)  # nothing is allowed for there
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


@torch.no_grad()
def test_sigmoid_and_tanh_are_as_right_as_is_allowed_for():
    # 32 u for those that gated cells take: here the functions, and then those inside PyTorch's
    # LSTM, which may be oneDNN's own. With i and o saturated its c is tanh(g); with g and i
    # saturated and o open its h is sigmoid(o) tanh(1).
    z = torch.linspace(-20, 20, 400_001)
    errors = {
        "sigmoid": (z.sigmoid().double() - z.double().sigmoid()).abs().max(),
        "tanh": (z.tanh().double() - z.double().tanh()).abs().max(),
        "ours": (tanh_of_half_(2 * z).double() - z.double().tanh()).abs().max(),
    }
    lstm = torch.nn.LSTM(1, 64)
    for parameter in lstm.parameters():
        parameter.zero_()
    i, f, g, o = (slice(64 * gate, 64 * (gate + 1)) for gate in range(4))
    lstm.bias_ih_l0[i] = 50  # i = 1
    lstm.weight_ih_l0[g] = 1  # g reads the input
    c = lstm(z[None, :, None])[1][1][0, :, 0]
    errors["LSTM's tanh"] = (c.double() - z.double().tanh()).abs().max()
    lstm.weight_ih_l0[g] = 0
    lstm.bias_ih_l0[g] = 50  # g = 1, so c = 1
    lstm.weight_ih_l0[o] = 1  # o reads the input
    h = lstm(z[None, :, None])[0][0, :, 0]
    exact = z.double().sigmoid() * math.tanh(1)
    errors["LSTM's sigmoid and tanh of c"] = (h.double() - exact).abs().max()
    # i = 0, c before = 1: c = f, whose error counts beside f itself, for it may multiply a large c
    low = torch.linspace(-60, 0, 100_001)
    lstm.weight_ih_l0[:] = 0
    lstm.bias_ih_l0[:] = 0
    lstm.weight_ih_l0[f] = 1
    lstm.bias_ih_l0[i] = -200
    start = torch.zeros(1, len(low), 64), torch.ones(1, len(low), 64)
    c = lstm(low[None, :, None], start)[1][1][0, :, 0].double()
    errors["LSTM's f, relative"] = (c / low.double().sigmoid() - 1).max()
    print({name: f"{float(error) / intervals.UNIT:.1f} u" for name, error in errors.items()})
    assert max(errors["ours"], errors["tanh"]) <= 8 * intervals.UNIT
    assert all(error <= 32 * intervals.UNIT for error in errors.values())


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
