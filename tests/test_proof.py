"""A proof holds for real runs, fails for wrong adders, before a nudged one errs, and on a NaN."""

import copy
import math
from functools import partial

import numpy as np
import pytest
import torch
from adders import (
    PROVEN,
    adder_trained_on_uniform_pairs,
    load_proven,
    named_pairs,
    proven_adder,
    states,
    wrong_digits,
)
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

import data
import pt
from data import long_carry_batch, with_sums
from exact import CannotProve, intervals, proof, prove, train_proven


@pytest.fixture(scope="module", params=PROVEN, ids="{0[2]}-{0[0]}".format)
def proven(request):
    """(model, proof) of each cell, and of two layers."""
    model, proved = proven_adder(*request.param)
    assert proved.proven and proved.margin > 0 and proved.fails_at is None
    return model, proved


def carries_after(digits_1, digits_2):
    """The carry out of each position, counted as on paper: (positions, pairs)."""
    carry = np.zeros(len(digits_1), int)
    carries = []
    for a, b in zip(digits_1.T.astype(int), digits_2.T.astype(int), strict=True):
        carry = (a + b + carry) // 10
        carries.append(carry)
    return np.array(carries)


def test_states_of_real_sums_of_10000_digits_lie_inside_the_bounds(proven):
    model, proved = proven
    with torch.no_grad():
        invariant = proof.find_invariant(intervals.exact_weights_of(model))
    data.random.seed(0)
    nines = with_sums(np.full((1, 300), 9), np.eye(1, 300))
    for *digits, _ in (long_carry_batch(10, 1000), nines):
        h, c = states(model, *pt.to_tensors(digits, "cpu"))
        after = torch.from_numpy(carries_after(*digits))
        for layer, bounds in enumerate(proved.bounds):
            low = bounds[:, 0]
            high = -bounds[:, 1]
            _, weight_hh, _, bias_hh = (
                weight.detach().double() for weight in model.rnn.all_weights[layer]
            )
            recurrent = h[:, layer].double() @ weight_hh.T + bias_hh
            for carry in (0, 1):
                reached = recurrent[after == carry]
                assert (reached >= low[carry]).all() and (reached <= high[carry]).all()
            assert (low[0] <= bias_hh).all(), "the zero state is in V_0"
            assert (high[0] >= bias_hh).all(), "the zero state is in V_0"
            if model.rnn.mode != "RNN_TANH":
                state = (h if c is None else c)[:, layer].double()
                s_low, negative_s_high = invariant.state_bounds[layer]
                assert (state >= s_low).all() and (state <= -negative_s_high).all()


def test_margins_of_real_runs_are_no_smaller_than_the_proofs(proven):
    model, proved = proven
    data.random.seed(1)
    num1, num2, right = pt.to_tensors(long_carry_batch(50, 200), "cpu")
    logits = model(num1, num2).detach()
    others = logits.scatter(2, right[..., None], -math.inf).amax(2)
    least = (logits.gather(2, right[..., None])[..., 0] - others).min()
    assert least >= proved.margin > 0


@pytest.mark.parametrize("layers", [1, 2])
def test_one_round_of_an_rnn_against_a_count_triple_by_triple(layers):
    # (1)-(5) once more, with plain loops over triples and units, from bounds of some width.
    model, proved = proven_adder(layers, 0, "RNN")
    weights = intervals.exact_weights_of(model)._replace(eps_h=0.01)
    mid, rad, after, _ = intervals.propagate(weights, proved.bounds)
    margins = proof.worst_case_margins(weights, mid, rad).detach()
    embedding = model.embed_layer.weight.detach().double()
    expected = [torch.full_like(bounds, math.inf) for bounds in proved.bounds]
    triples = zip(intervals.DIGIT_1, intervals.DIGIT_2, intervals.CARRY, strict=True)
    for row, (a, b, c) in enumerate(triples):
        low_u = high_u = torch.cat((embedding[a], embedding[b]))
        carry = int(a + b + c) // 10
        for layer, (weight_ih, weight_hh, bias_ih, bias_hh) in enumerate(weights.layers):
            low_v, high_v = proved.bounds[layer][c] * torch.tensor([[1], [-1]])
            up = weight_ih.clamp(min=0)
            down = weight_ih.clamp(max=0)
            low = up @ low_u + down @ high_u + bias_ih + low_v - weights.eps_z[layer]
            high = up @ high_u + down @ low_u + bias_ih + high_v + weights.eps_z[layer]
            low_u = low.tanh() - 0.01
            high_u = high.tanh() + 0.01
            up = weight_hh.clamp(min=0)
            down = weight_hh.clamp(max=0)
            low_after = up @ low_u + down @ high_u + bias_hh
            high_after = up @ high_u + down @ low_u + bias_hh
            ends = torch.stack((low_after, -high_after))
            expected[layer][carry] = torch.minimum(expected[layer][carry], ends)
        right = int(a + b + c) % 10
        least = math.inf
        for other in set(range(10)) - {right}:
            difference = weights.dense[right] - weights.dense[other]
            worst = (difference.clamp(min=0) @ low_u + difference.clamp(max=0) @ high_u).detach()
            worst += weights.bias[right] - weights.bias[other] - weights.eps_margin[right, other]
            least = min(least, float(worst.detach()))
        assert float(margins[row]) == pytest.approx(least, abs=1e-9)
    for ours, by_hand, (*_, bias_hh) in zip(after, expected, weights.layers, strict=True):
        by_hand[0] = torch.minimum(by_hand[0], torch.stack((bias_hh, -bias_hh)))
        assert torch.allclose(ours, by_hand, rtol=0, atol=1e-9)


def test_a_proven_adder_makes_no_error(proven):
    model, _ = proven
    data.random.seed(2)
    assert wrong_digits(model, *long_carry_batch(200, 500)) == 0
    for digits in (2, 10, 100, 1000):
        for name, (a, b) in named_pairs(digits).items():
            assert pt.add(model, a, b) == a + b, (name, digits)


def test_an_adder_known_to_be_wrong_does_not_pass():
    # trained as in the report, on uniform pairs: it fails 999...9 + 1
    model, accuracy = adder_trained_on_uniform_pairs("RNN", 2, 0.01, 120)
    assert accuracy >= 0.95
    pairs = [*named_pairs(20).values(), *named_pairs(200).values()]
    assert any(pt.add(model, a, b) != a + b for a, b in pairs)
    refused = prove(model)
    assert not refused.proven and refused.margin < 0
    a, b, c = refused.fails_at
    assert refused.margins[c, a, b] == refused.margins.min() == refused.margin


@pytest.mark.parametrize("cell", ["GRU", "LSTM"])
def test_a_gated_adder_known_to_be_wrong_does_not_pass(cell):
    model, accuracy = adder_trained_on_uniform_pairs(cell, 1, 0.02, 150)
    assert accuracy >= 0.9  # that it is wrong is seen in test_refute.py
    assert not prove(model).proven


@pytest.mark.parametrize("cell", ["RNN", "GRU", "LSTM"])
@pytest.mark.parametrize("layers", [1, 4])
def test_an_untrained_adder_does_not_pass(cell, layers):
    torch.manual_seed(0)
    assert not prove(pt.Adder(cell, layers)).proven


def test_a_nudged_adder_stops_passing_before_it_errs(proven):
    model, _ = proven
    data.random.seed(3)
    batch = long_carry_batch(100, 200)
    torch.manual_seed(0)
    directions = [torch.randn_like(p) * p.abs().mean() for p in model.parameters()]
    passed = []
    erred = []
    for size in (0.01, 0.03, 0.1, 0.2, 0.4, 0.8, 1.6):
        nudged = copy.deepcopy(model)
        with torch.no_grad():
            for parameter, direction in zip(nudged.parameters(), directions, strict=True):
                parameter += size * direction
        passed.append(prove(nudged).proven)
        erred.append(wrong_digits(nudged, *batch) > 0)
    assert passed[0] and erred[-1], "the nudges reach from harmless to harmful"
    assert not any(proven and wrong for proven, wrong in zip(passed, erred, strict=True))


@pytest.mark.parametrize("triple", [(9, 0, 1), (0, 0, 0), (5, 5, 0)])
def test_one_triple_made_wrong_does_not_pass(proven, triple):
    # The bounds of a proven adder, but the right digit's row of the last layer and another swapped.
    model, _ = proven
    right = sum(triple) % 10
    other = (right + 1) % 10
    swapped = list(range(10))
    swapped[right] = other
    swapped[other] = right
    broken = copy.deepcopy(model)
    with torch.no_grad():
        broken.dense.weight.copy_(model.dense.weight[swapped])
        broken.dense.bias.copy_(model.dense.bias[swapped])
    refused = prove(broken)
    assert not refused.proven and refused.margins[triple[2], triple[0], triple[1]] < 0


@pytest.mark.parametrize(
    "name", ["embed_layer.weight", "rnn.weight_hh_l0", "rnn.bias_ih_l0", "dense.weight"]
)
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_nan_proves_nothing(proven, name, value):
    broken = copy.deepcopy(proven[0])
    with torch.no_grad():
        broken.get_parameter(name).view(-1)[3] = value
    assert not prove(broken).proven


def test_three_layers_can_be_proven():
    _, proved = proven_adder(3, 0, "RNN")
    assert proved.proven
    assert len(proved.bounds) == 3


def test_the_same_seed_gives_the_same_proof():
    model, first = proven_adder(1, 0, "RNN")
    model_again, again = train_proven(seed=0)
    assert (first.margins == again.margins).all()
    for weight, weight_again in zip(model.parameters(), model_again.parameters(), strict=True):
        assert torch.equal(weight, weight_again)


class MyRNN(nn.RNN):
    """A cell of a reader's own: it might compute anything."""


OTHER_CELLS = {
    "ReLU": (partial(nn.RNN, nonlinearity="relu"), "cell ReLU has no interval step"),
    "derived": (MyRNN, "cell derived has no interval step"),
    "without biases": (partial(nn.GRU, bias=False), "rnn.bias is False, not True"),
    "backwards too": (partial(nn.RNN, bidirectional=True), "rnn.bidirectional is True, not False"),
    "batch first": (partial(nn.LSTM, batch_first=True), "rnn.batch_first is True, not False"),
    "projected": (partial(nn.LSTM, proj_size=8), "rnn.proj_size is 8, not 0"),
}


@pytest.mark.parametrize("name", OTHER_CELLS)
def test_other_cells_are_refused_by_their_name(name):
    cell, problem = OTHER_CELLS[name]
    model = pt.Adder()
    model.rnn = cell(64, 64)
    model.cell = name
    with pytest.raises(CannotProve, match=f"{problem}.*: it cannot be proven"):
        prove(model)
    assert issubclass(CannotProve, ValueError)


def test_a_name_does_not_make_a_cell_provable():
    model = copy.deepcopy(proven_adder(1, 0, "RNN")[0])
    model.cell = "mine"
    assert prove(model).proven  # it is PyTorch's tanh RNN all the same
    model.rnn.mode = "RNN_RELU"
    model.cell = "RNN"
    with pytest.raises(CannotProve, match="cell RNN"):
        prove(model)


def test_a_cell_without_a_proof_is_not_trained_for_one(monkeypatch):
    monkeypatch.setitem(pt.CELLS, "ReLU", OTHER_CELLS["ReLU"][0])
    monkeypatch.setattr(proof, "worst_case_loss", None)  # it would fail in another way
    with pytest.raises(CannotProve, match="has no interval step"):
        train_proven(cell="ReLU")


@pytest.mark.parametrize("cell", ["RNN", "GRU", "LSTM"])
def test_saved_adders_are_proven_and_add_long_numbers(cell):
    model = load_proven(cell)
    assert prove(model).proven
    data.random.seed(0)
    assert wrong_digits(model, *long_carry_batch(1, 30_000)) == 0


def test_bad_arguments_of_train_proven_are_named():
    with pytest.raises(ValueError, match="layers .* got 0"):
        train_proven(layers=0)
    with pytest.raises(ValueError, match="seed .* got -1"):
        train_proven(seed=-1)
    with pytest.raises(ValueError, match="cell .* got 'Turing'"):
        train_proven(cell="Turing")
    with pytest.raises(ValueError, match="device 'cuda:77' is not there"):
        train_proven(device="cuda:77")


class OneDevice(TorchDispatchMode):
    """Fails at any operation on tensors of two devices: on `meta` PyTorch itself lets many pass.

    A copy from one to another is none, and a single number of the CPU may go with anything.
    """

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        copies = func in (torch.ops.aten._to_copy.default, torch.ops.aten.copy_.default)
        leaves, _ = torch.utils._pytree.tree_flatten((args, kwargs or {}))
        tensors = [leaf for leaf in leaves if isinstance(leaf, torch.Tensor)]
        devices = {tensor.device.type for tensor in tensors if tensor.dim() > 0}
        if len(devices) > 1 and not copies:
            raise RuntimeError(f"{func} takes tensors of devices {sorted(devices)}")
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("cell", ["RNN", "GRU", "LSTM"])
def test_the_worst_case_loss_leaves_no_tensor_on_the_cpu(cell, layers):
    # As on a GPU, without one: on `meta` tensors have shapes and a device, and no numbers.
    model = pt.Adder(cell, layers).to("meta")
    with OneDevice():
        weights = intervals.weights_of(model)._replace(eps_h=proof.NOISE)
        loss = proof.worst_case_loss(weights, rounds=3, scale=0.5)
        loss.backward()
    assert loss.device.type == "meta" and loss.shape == ()
    assert all(parameter.grad.device.type == "meta" for parameter in model.parameters())


@pytest.mark.parametrize("cell", ["RNN", "GRU", "LSTM"])
def test_a_tensor_left_on_the_cpu_would_be_seen(cell):
    model = pt.Adder(cell, 1).to("meta")
    weights = intervals.weights_of(model)
    for name in ("first", "dense", "bias"):
        tensor = getattr(weights, name)
        stray = weights._replace(**{name: torch.zeros(tensor.shape)})
        with OneDevice(), pytest.raises(RuntimeError, match="device"):
            proof.worst_case_loss(stray, rounds=2, scale=1.0)
    with OneDevice(), pytest.raises(RuntimeError, match="devices .'cpu', 'meta'."):
        torch.zeros(3, device="meta").index_select(0, torch.tensor([0]))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
def test_an_adder_trained_on_cuda_is_proven():
    model, proved = train_proven(seed=0, device="cuda")
    assert proved.proven
    assert next(model.parameters()).device.type == "cuda"
    assert pt.add(model, 10**3000 - 1, 1) == 10**3000
