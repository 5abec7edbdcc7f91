"""Intervals through a step: against numbers drawn inside them, and float32's rounding against float64 and fractions."""

import copy
import itertools
import math
from fractions import Fraction

import pytest
import torch
from adders import proven_adder, states

import data
import pt
from data import carry_rich_batch
from exact import intervals, proof
from recurrence import tanh_of_half_

CELLS = ["RNN", "GRU", "LSTM"]


def test_the_triples_are_all_of_them_those_without_carry_after_first():
    triples = list(
        zip(intervals.DIGIT_1.tolist(), intervals.DIGIT_2.tolist(), intervals.CARRY.tolist())
    )
    assert set(triples) == set(itertools.product(range(10), range(10), range(2)))
    assert [a + b + c >= 10 for a, b, c in triples] == [False] * 100 + [True] * 100
    assert [(a + b + c) % 10 for a, b, c in triples] == intervals.RIGHT[:, 0].tolist()


def test_a_product_has_its_ends_at_the_corners():
    draw = torch.Generator().manual_seed(0)
    low, high = torch.randn(2, 200, 1, 5, generator=draw, dtype=torch.float64).sort(0).values
    gate_low, gate_high = (
        torch.randn(2, 200, 1, 5, generator=draw, dtype=torch.float64).sort(0).values
    )
    ends = intervals.times_gate(
        torch.cat((low, -high), 1), torch.cat((gate_low, -gate_high), 1), 0.0
    )
    corners = torch.stack(
        [gate.sigmoid() * end for gate in (gate_low, gate_high) for end in (low, high)]
    )
    assert torch.allclose(ends[:, :1], corners.amin(0)) and torch.allclose(
        -ends[:, 1:], corners.amax(0)
    )


def by_hand(cell, u, v, kept):
    """(h, what is kept) after a step, from u = W_ih x + b_ih, v = W_hh h + b_hh and what was kept, in float64."""
    if cell == "RNN":
        return (u + v).tanh(), None
    if cell == "GRU":
        (u_r, u_z, u_n), (v_r, v_z, v_n) = u.chunk(3, -1), v.chunk(3, -1)
        z = (u_z + v_z).sigmoid()
        h = (1 - z) * (u_n + (u_r + v_r).sigmoid() * v_n).tanh() + z * kept
        return h, h
    i, f, g, o = (u + v).chunk(4, -1)
    c = f.sigmoid() * kept + i.sigmoid() * g.tanh()
    return o.sigmoid() * c.tanh(), c


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("error", [0.0, 0.01])
def test_a_step_from_anywhere_inside_the_bounds_ends_inside_them(cell, error):
    gates = {"RNN": 1, "GRU": 3, "LSTM": 4}[cell]
    draw = torch.Generator().manual_seed(1)

    def ends(size):
        low, high = (
            (size * torch.randn(2, 200, gates * 8, generator=draw, dtype=torch.float64))
            .sort(0)
            .values
        )
        return low, high, torch.stack((low, -high), 1).unflatten(2, (gates, 8))

    (u_low, u_high, u), (v_low, v_high, v) = ends(2.0), ends(1.0)
    ends, s = intervals.STEPS[cell](u, v, error, 0.0, 1.0)
    low, high = ends[:, 0] - error, -ends[:, 1] + error
    for extreme in itertools.product((False, True), repeat=2):  # from inside, and from corners
        for _ in range(100):
            share_u, share_v = (
                torch.rand(200, gates * 8, generator=draw, dtype=torch.float64) for _ in "uv"
            )
            share_u, share_v = (
                share.round() if corner else share
                for share, corner in zip((share_u, share_v), extreme)
            )
            share = torch.rand(200, 8, generator=draw, dtype=torch.float64)
            kept = (
                None
                if s is None
                else (-s[1] - s[0]) * (share.round() if extreme[0] else share) + s[0]
            )
            noise = error * (2 * torch.rand(2, 200, 8, generator=draw, dtype=torch.float64) - 1)
            at_u, at_v = u_low + (u_high - u_low) * share_u, v_low + (v_high - v_low) * share_v
            h, after = by_hand(cell, at_u, at_v, kept)
            if cell == "LSTM":
                after = after + noise[1]
                h = (at_u + at_v).chunk(4, -1)[3].sigmoid() * after.tanh()
            if cell == "GRU":
                after = after + noise[0]
            h = h + noise[0]
            assert ((h >= low - 1e-12) & (h <= high + 1e-12)).all()
            assert s is None or ((after >= s[0] - 1e-12) & (after <= -s[1] + 1e-12)).all()


def test_where_a_gate_may_keep_all_nothing_is_proven():
    model, found = proven_adder(1, 0, "GRU")
    assert found.proven
    model = copy.deepcopy(model)
    with torch.no_grad():
        model.rnn.bias_ih_l0[64:128] += 1000
    assert not proof.prove(model).proven


def test_the_rounding_bound_against_exact_fractions():
    # Higham's bound on dot products of 64 float32, computed exactly
    torch.manual_seed(0)
    for _ in range(20):
        a, b = torch.randn(2, 64)
        exact = sum(Fraction(float(x)) * Fraction(float(y)) for x, y in zip(a, b))
        sizes = sum(abs(Fraction(float(x)) * Fraction(float(y))) for x, y in zip(a, b))
        assert abs(Fraction(float(a @ b)) - exact) <= Fraction(intervals.rounding(64)) * sizes


def test_sigmoid_and_tanh_are_as_right_as_is_allowed_for():
    # 32 u for those that gated cells take: here the functions, and then those inside PyTorch's LSTM, which may be
    # oneDNN's own: with i and o saturated its c is tanh(g); with g and i saturated and o open its h is sigmoid(o) tanh(1).
    z = torch.linspace(-20, 20, 400_001)
    errors = {
        "sigmoid": (z.sigmoid().double() - z.double().sigmoid()).abs().max(),
        "tanh": (z.tanh().double() - z.double().tanh()).abs().max(),
        "ours": (tanh_of_half_(2 * z).double() - z.double().tanh()).abs().max(),
    }
    lstm = torch.nn.LSTM(1, 64)
    with torch.no_grad():
        for parameter in lstm.parameters():
            parameter.zero_()
        lstm.bias_ih_l0[:64] = 50  # i = 1
        lstm.weight_ih_l0[128:192] = 1  # g reads the input
        c = lstm(z[None, :, None])[1][1][0, :, 0]
        errors["LSTM's tanh"] = (c.double() - z.double().tanh()).abs().max()
        lstm.weight_ih_l0[128:192], lstm.bias_ih_l0[128:192] = 0, 50  # g = 1, so c = 1
        lstm.weight_ih_l0[192:] = 1  # o reads the input
        h = lstm(z[None, :, None])[0][0, :, 0]
        exact = z.double().sigmoid() * math.tanh(1)
        errors["LSTM's sigmoid and tanh of c"] = (h.double() - exact).abs().max()
        # i = 0, c before = 1: c = f, whose error counts beside f itself, for it may multiply a large c
        low = torch.linspace(-60, 0, 100_001)
        lstm.weight_ih_l0[:], lstm.bias_ih_l0[:] = 0, 0
        lstm.weight_ih_l0[64:128], lstm.bias_ih_l0[:64] = 1, -200
        start = torch.zeros(1, len(low), 64), torch.ones(1, len(low), 64)
        f = lstm(low[None, :, None], start)[1][1][0, :, 0].double()
        errors["LSTM's f, relative"] = (f / low.double().sigmoid() - 1).max()
    print({name: f"{float(error) / intervals.UNIT:.1f} u" for name, error in errors.items()})
    assert max(errors["ours"], errors["tanh"]) <= 8 * intervals.UNIT
    assert all(error <= 32 * intervals.UNIT for error in errors.values())


@pytest.mark.parametrize(("cell", "layers"), [("RNN", 2), ("GRU", 1), ("LSTM", 1)])
def test_the_allowance_covers_float32_against_float64(cell, layers):
    # One step of the adder in float32, as it runs, and in float64, from the same float32 states of real sums. What is
    # allowed is what the step's own intervals widen to, around the exact point.
    model = copy.deepcopy(proven_adder(layers, 0, cell)[0]).requires_grad_(False)
    weights = intervals.exact_weights_of(model)
    data.random.seed(4)
    num1, num2, _ = pt.to_tensors(carry_rich_batch(100, 100), "cpu")
    h, c = states(model, num1, num2)
    inputs = model.pairs().detach()[10 * num1.T + num2.T].double()
    worst = 0.0
    for layer, (weight_ih, weight_hh, bias_ih, bias_hh) in enumerate(weights.layers):
        now, before = (
            h[:, layer].double(),
            torch.cat((torch.zeros_like(h[:1, layer]), h[:-1, layer])).double(),
        )
        u = inputs @ weight_ih.T + bias_ih
        v, of_z, of_gate = before @ weight_hh.T + bias_hh, weights.of_z[layer], weights.of_gate
        if cell == "RNN":
            exact, allowed = (u + v).tanh(), of_z + weights.of_h
        elif cell == "GRU":
            exact, _ = by_hand(cell, u, v, before)
            of_r, of_zz, of_n = of_z.chunk(3)
            m = v.chunk(3, -1)[2].abs()
            of_n = of_n + (of_r / 4 + of_gate) * m + of_gate
            allowed = of_n + 2 * (of_zz / 4 + of_gate) + weights.of_h
        else:
            c_before = torch.cat((torch.zeros_like(c[:1, layer]), c[:-1, layer])).double()
            exact, exact_c = by_hand(cell, u, v, c_before)
            of_i, of_f, of_g, of_o = of_z.chunk(4)
            of_c = (of_i / 4 + of_gate) + (of_f / 4 + of_gate) * c_before.abs() + (of_g + of_gate)
            of_c = of_c + 4 * intervals.UNIT * (1 + c_before.abs())
            assert ((c[:, layer].double() - exact_c).abs() <= of_c).all()
            allowed = of_o / 4 + of_gate + of_c + of_gate + weights.of_h
        error = (now - exact).abs()
        assert (error > 0).any() and (error <= allowed).all()
        worst = max(worst, float((error / allowed).max()))
        inputs = now
    print(f"{cell}: the worst error is {worst:.1%} of what is allowed")
    exact = inputs @ weights.dense.T + weights.bias
    rounded = model.dense(h[:, -1]).detach().double()
    for one, other in itertools.combinations(range(10), 2):
        error = (rounded[..., one] - rounded[..., other]) - (exact[..., one] - exact[..., other])
        assert error.abs().max() <= weights.of_margin[one, other]
