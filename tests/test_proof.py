"""The proof must hold for real runs, fail for wrong adders, fail before a nudged one errs, and never on a NaN."""

import copy
import itertools
import math
import random
from fractions import Fraction

import numpy as np
import pytest
import torch

import proof
import pt
import trials
from data import carry_rich_digits, sum_digits
from proof import prove, train_proven
from recurrence import tanh_of_half_


def named_pairs(digitlen):
    """Pairs of up to `digitlen` digits that test a rule, not luck: {name: (number_1, number_2)}."""
    ones = (10**digitlen - 1) // 9  # 111...1
    nines, tens = 9 * ones, 10 ** (digitlen - 1)
    alternating = int(("90" * digitlen)[:digitlen])
    mixed = int(("1234567890" * digitlen)[:digitlen])
    return {
        "0 + 0": (0, 0),
        "999...9 + 1": (nines, 1),
        "1 + 999...9": (1, nines),
        "999...9 + 0": (nines, 0),
        "999...9 + 999...9": (nines, nines),
        "555...5 + 444...4": (5 * ones, 4 * ones),
        "555...5 + 444...45": (5 * ones, 4 * ones + 1),
        "9090... + 0909...": (alternating, nines - alternating),
        "9090... + 0909... + 1": (alternating, nines - alternating + 1),
        "a + a, a = 123456789012...": (mixed, mixed),
        "10^k + 10^k": (tens, tens),
        "10^k + (10^k - 1)": (tens, tens - 1),
        "5 * 10^k + 5 * 10^k": (5 * tens, 5 * tens),
    }


@pytest.fixture(scope="module", params=[1, 2])
def proven(request):
    """(model, proof) of one layer and of two."""
    model, found = train_proven(layers=request.param, seed=0)
    assert found.proven and found.margin > 0 and found.noise > 0 and found.fails_at is None
    return model, found


def as_tensors(digits):
    return [torch.from_numpy(np.pad(d, ((0, 0), (0, 1))).astype(np.int64)) for d in digits]


def wrong_digits(model, digits, noise=0.0):
    """How many digits of real sums come out wrong, with noise."""
    _, answer = proof.noisy_states(model, *as_tensors(digits), noise)
    return int((answer.numpy() != sum_digits(*digits)).sum())


def carries_after(digits):
    """The carry out of each position, counted as on paper: (positions, pairs)."""
    carry, carries = np.zeros(len(digits[0]), int), []
    for a, b in zip(*(d.T.astype(int) for d in digits)):
        carry = (a + b + carry) // 10
        carries.append(carry)
    return np.array(carries)


def test_the_triples_are_all_of_them_those_without_carry_after_first():
    triples = list(zip(proof.DIGIT_1.tolist(), proof.DIGIT_2.tolist(), proof.CARRY.tolist()))
    assert set(triples) == set(itertools.product(range(10), range(10), range(2)))
    assert [a + b + c >= 10 for a, b, c in triples] == [False] * 100 + [True] * 100
    assert [(a + b + c) % 10 for a, b, c in triples] == proof.RIGHT[:, 0].tolist()


def test_states_of_real_runs_lie_inside_the_boxes(proven):
    model, found = proven
    random.seed(0)
    for digits in (carry_rich_digits(50, 300), (np.full((1, 300), 9, np.uint8), np.eye(1, 300, dtype=np.uint8))):
        states, _ = proof.noisy_states(model, *(torch.from_numpy(d.astype(np.int64)) for d in digits))
        after = torch.from_numpy(carries_after(digits))
        for layer, (low, high) in enumerate(found.boxes):
            weight = getattr(model.rnn, f"weight_hh_l{layer}").detach().double()
            recurrent = states[layer].double() @ weight.T
            for carry in (0, 1):
                reached = recurrent[after == carry]
                assert (reached >= low[carry]).all() and (reached <= high[carry]).all()
            assert (low[0] <= 0).all() and (high[0] >= 0).all(), "the zero state is in V_0"


def test_margins_of_real_runs_are_no_smaller_than_the_proofs(proven):
    model, found = proven
    random.seed(1)
    digits = carry_rich_digits(50, 200)
    tensors = as_tensors(digits)
    logits = model(*tensors).detach()
    right = torch.from_numpy(sum_digits(*digits).astype(np.int64))
    others = logits.scatter(2, right[..., None], -math.inf).amax(2)
    least = (logits.gather(2, right[..., None])[..., 0] - others).min()
    assert least >= found.margin > 0


def test_one_round_against_a_count_triple_by_triple(proven):
    # (1)-(5) once more, with plain loops over triples and units, from boxes of some width.
    model, found = proven
    weights = proof.exact_weights_of(model)
    boxes = [torch.cat((low, -high), 1) for low, high in found.boxes]
    mid, rad, after = proof.propagate(weights, boxes, 0.01)
    margins = proof.margins_of(weights, mid, rad).detach()
    embedding = model.embed_layer.weight.detach().double()
    expected = [torch.full_like(box, math.inf) for box in boxes]
    for row, (a, b, c) in enumerate(zip(proof.DIGIT_1, proof.DIGIT_2, proof.CARRY)):
        low_u = high_u = torch.cat((embedding[a], embedding[b]))
        carry = int(a + b + c) // 10
        for layer, (weight_ih, weight_hh, bias_ih, bias_hh) in enumerate(weights.layers):
            low_v, high_v = (end[c] for end in found.boxes[layer])
            up, down = weight_ih.clamp(min=0), weight_ih.clamp(max=0)
            low = up @ low_u + down @ high_u + bias_ih + bias_hh + low_v - weights.of_z[layer]
            high = up @ high_u + down @ low_u + bias_ih + bias_hh + high_v + weights.of_z[layer]
            low_u, high_u = low.tanh() - 0.01 - weights.of_h, high.tanh() + 0.01 + weights.of_h
            up, down = weight_hh.clamp(min=0), weight_hh.clamp(max=0)
            ends = torch.cat((up @ low_u + down @ high_u, -(up @ high_u + down @ low_u)))
            expected[layer][carry] = torch.minimum(expected[layer][carry], ends)
        right = int(a + b + c) % 10
        least = math.inf
        for other in set(range(10)) - {right}:
            difference = weights.dense[right] - weights.dense[other]
            worst = (difference.clamp(min=0) @ low_u + difference.clamp(max=0) @ high_u).detach()
            worst += weights.bias[right] - weights.bias[other] - weights.of_margin[right, other]
            least = min(least, float(worst.detach()))
        assert float(margins[row]) == pytest.approx(least, abs=1e-9)
    for ours, by_hand in zip(after, expected):
        by_hand[0] = by_hand[0].clamp(max=0)
        assert torch.allclose(ours, by_hand, rtol=0, atol=1e-9)


def test_a_proven_adder_makes_no_error(proven):
    model, found = proven
    random.seed(2)
    assert wrong_digits(model, carry_rich_digits(200, 500)) == 0
    assert wrong_digits(model, carry_rich_digits(200, 500), found.noise) == 0
    for digits in (2, 10, 100, 1000, 5000):
        for name, (a, b) in named_pairs(digits).items():
            assert pt.add(model, a, b) == a + b, (name, digits)


def test_an_adder_known_to_be_wrong_does_not_pass():
    # trained as in the report, on uniform pairs: it fails 999...9 + 1
    settings = {"cell": "RNN", "layers": 2, "lr": 0.01, "digitlen": 10, "steps": 120, "batch_size": 100, "test_size": 100,
                "measure_every": 10, "pairs": "uniform", "stop_after": None, "seed": 0, "device": "cpu"}  # fmt: skip
    record = trials.train_adder(settings, lambda *_: None)
    assert max(record["accuracy"]) >= 0.95
    model = pt.adder_of(record["weights"])
    assert any(pt.add(model, a, b) != a + b for digits in (20, 200) for a, b in named_pairs(digits).values())
    found = prove(model)
    assert not found.proven and found.margin < 0 and found.noise == 0
    a, b, c = found.fails_at
    assert found.margins[c, a, b] == found.margins.min() == found.margin


def test_an_untrained_adder_does_not_pass():
    torch.manual_seed(0)
    assert not prove(pt.Adder("RNN", 1)).proven


def test_a_nudged_adder_stops_passing_before_it_errs(proven):
    model, _ = proven
    random.seed(3)
    digits = carry_rich_digits(100, 200)
    torch.manual_seed(0)
    directions = [torch.randn_like(p) * p.abs().mean() for p in model.parameters()]
    passed, erred = [], []
    for size in (0.01, 0.03, 0.1, 0.2, 0.4, 0.8, 1.6):
        nudged = copy.deepcopy(model)
        with torch.no_grad():
            for parameter, direction in zip(nudged.parameters(), directions):
                parameter += size * direction
        passed.append(prove(nudged).proven)
        erred.append(wrong_digits(nudged, digits) > 0)
    assert passed[0] and erred[-1], "the nudges reach from harmless to harmful"
    assert not any(proven and wrong for proven, wrong in zip(passed, erred))


@pytest.mark.parametrize("triple", [(9, 0, 1), (0, 0, 0), (5, 5, 0)])
def test_one_triple_made_wrong_does_not_pass(proven, triple):
    # The boxes of a proven adder, but the right digit's row of the last layer swapped with another's.
    model, _ = proven
    right = sum(triple) % 10
    broken = copy.deepcopy(model)
    with torch.no_grad():
        swap = list(range(10))
        swap[right], swap[(right + 1) % 10] = swap[(right + 1) % 10], right
        broken.dense.weight.copy_(model.dense.weight[swap])
        broken.dense.bias.copy_(model.dense.bias[swap])
    found = prove(broken)
    assert not found.proven and found.margins[triple[2], triple[0], triple[1]] < 0


@pytest.mark.parametrize("name", ["embed_layer.weight", "rnn.weight_hh_l0", "rnn.bias_ih_l0", "dense.weight"])
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_nan_proves_nothing(proven, name, value):
    broken = copy.deepcopy(proven[0])
    with torch.no_grad():
        broken.get_parameter(name).view(-1)[3] = value
    assert not prove(broken).proven


def test_noise_is_proven_below_the_tolerance_and_not_far_above(proven):
    # found afresh from the zero state; the search for the tolerance goes from boxes to larger boxes
    model, found = proven
    weights = proof.exact_weights_of(model)
    with torch.no_grad():
        for factor, expected in ((0.5, True), (1.5, False)):
            _, margins, inductive = proof.invariant(weights, proof.start(weights), factor * found.noise)
            assert proof.is_proven(margins, inductive) == expected


def test_the_allowance_covers_float32_against_float64(proven):
    # One step of the adder in float32 and in float64, from the same float32 states of real runs.
    model, _ = proven
    weights = proof.exact_weights_of(model)
    random.seed(4)
    tensors = as_tensors(carry_rich_digits(100, 100))
    states, _ = proof.noisy_states(model, *tensors)
    inputs = torch.cat((model.embed_layer(tensors[0]), model.embed_layer(tensors[1])), -1).transpose(0, 1).detach()
    for layer, (weight_ih, weight_hh, bias_ih, bias_hh) in enumerate(weights.layers):
        before = torch.cat((torch.zeros_like(states[layer][:1]), states[layer][:-1]))
        exact_z = inputs.double() @ weight_ih.T + bias_ih + bias_hh + before.double() @ weight_hh.T
        rounded_z = inputs @ weight_ih.float().T + (bias_ih.float() + bias_hh.float()) + before @ weight_hh.float().T
        error = (rounded_z.double() - exact_z).abs().amax((0, 1))
        assert (error > 0).all() and (error <= weights.of_z[layer]).all()
        # what is allowed for h: the tanh alone, in both of its forms, and then all of the step
        tanhs = rounded_z.tanh(), tanh_of_half_(2 * rounded_z.detach())
        for tanh in tanhs:
            assert (tanh.double() - rounded_z.double().tanh()).abs().max() <= 8 * proof.UNIT
        for h in (*tanhs, states[layer]):
            assert ((h.double() - exact_z.tanh()).abs() <= weights.of_z[layer] + weights.of_h).all()
        inputs = states[layer]
    exact = inputs.double() @ weights.dense.T + weights.bias
    rounded = model.dense(inputs).detach().double()
    for one, other in itertools.combinations(range(10), 2):
        error = (rounded[..., one] - rounded[..., other]) - (exact[..., one] - exact[..., other])
        assert error.abs().max() <= weights.of_margin[one, other]


def test_the_rounding_bound_against_exact_fractions():
    # Higham's bound on dot products of 64 float32, computed exactly
    torch.manual_seed(0)
    for _ in range(20):
        a, b = torch.randn(2, 64)
        exact = sum(Fraction(float(x)) * Fraction(float(y)) for x, y in zip(a, b))
        sizes = sum(abs(Fraction(float(x)) * Fraction(float(y))) for x, y in zip(a, b))
        assert abs(Fraction(float(a @ b)) - exact) <= Fraction(proof.rounding(64)) * sizes


def test_three_layers_can_be_proven():
    _, found = train_proven(layers=3, seed=0)
    assert found.proven
    assert len(found.boxes) == 3


def test_the_same_seed_gives_the_same_proof():
    first, again = train_proven(seed=5)[1], train_proven(seed=5)[1]
    assert (first.margin, first.noise) == (again.margin, again.noise)


@pytest.mark.parametrize("cell", ["GRU", "LSTM"])
def test_other_cells_are_not_supported(cell):
    with pytest.raises(ValueError, match=f"{cell} is not supported"):
        prove(pt.Adder(cell, 1))


def test_bad_arguments_of_train_proven_are_named():
    with pytest.raises(ValueError, match="layers .* got 0"):
        train_proven(layers=0)
    with pytest.raises(ValueError, match="seed .* got -1"):
        train_proven(seed=-1)
    with pytest.raises(ValueError, match="device 'cuda:77' is not there"):
        train_proven(device="cuda:77")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
def test_an_adder_trained_on_cuda_is_proven():
    model, found = train_proven(seed=0, device="cuda")
    assert found.proven
    assert next(model.parameters()).device.type == "cuda"
    assert pt.add(model, 10**3000 - 1, 1) == 10**3000
