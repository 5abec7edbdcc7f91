"""The proof must hold for real runs, fail for wrong adders, fail before a nudged one errs, and never on a NaN."""

import copy
import math
import random
from pathlib import Path

import numpy as np
import pytest
import torch
from adders import proven_adder, states

import data
import pt
from data import carry_rich_batch, with_sums
from exact import intervals, proof
from exact.proof import prove, train_proven
from lab import trials


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


@pytest.fixture(
    scope="module",
    params=[("RNN", 1), ("RNN", 2), ("GRU", 1), ("LSTM", 1)],
    ids="{0[0]}-{0[1]}".format,
)
def proven(request):
    """(model, proof) of each cell, and of two layers."""
    cell, layers = request.param
    model, found = proven_adder(layers, 0, cell)
    assert found.proven and found.margin > 0 and found.fails_at is None
    return model, found


def wrong_digits(model, digits_1, digits_2, sums):
    """How many digits of real sums come out wrong."""
    return int((pt.add_digits(model, digits_1, digits_2) != sums).sum())


def carries_after(digits_1, digits_2):
    """The carry out of each position, counted as on paper: (positions, pairs)."""
    carry, carries = np.zeros(len(digits_1), int), []
    for a, b in zip(digits_1.T.astype(int), digits_2.T.astype(int)):
        carry = (a + b + carry) // 10
        carries.append(carry)
    return np.array(carries)


def test_states_of_real_sums_of_10000_digits_lie_inside_the_bounds(proven):
    model, found = proven
    with torch.no_grad():
        _, _, bounds, _ = proof.invariant(intervals.exact_weights_of(model))
    data.random.seed(0)
    for *digits, _ in (carry_rich_batch(10, 1000), with_sums(np.full((1, 300), 9), np.eye(1, 300))):
        h, c = states(model, *pt.to_tensors(digits, "cpu"))
        after = torch.from_numpy(carries_after(*digits))
        for layer, box in enumerate(found.boxes):
            low, high = box[:, 0], -box[:, 1]
            _, weight_hh, _, bias_hh = (
                weight.detach().double() for weight in model.rnn.all_weights[layer]
            )
            recurrent = h[:, layer].double() @ weight_hh.T + bias_hh
            for carry in (0, 1):
                reached = recurrent[after == carry]
                assert (reached >= low[carry]).all() and (reached <= high[carry]).all()
            assert (low[0] <= bias_hh).all() and (high[0] >= bias_hh).all(), (
                "the zero state is in V_0"
            )
            if model.rnn.mode != "RNN_TANH":
                kept, (low, negative_high) = (
                    (h if c is None else c)[:, layer].double(),
                    bounds[layer],
                )
                assert (kept >= low).all() and (kept <= -negative_high).all()


def test_margins_of_real_runs_are_no_smaller_than_the_proofs(proven):
    model, found = proven
    data.random.seed(1)
    num1, num2, right = pt.to_tensors(carry_rich_batch(50, 200), "cpu")
    logits = model(num1, num2).detach()
    others = logits.scatter(2, right[..., None], -math.inf).amax(2)
    least = (logits.gather(2, right[..., None])[..., 0] - others).min()
    assert least >= found.margin > 0


@pytest.mark.parametrize("layers", [1, 2])
def test_one_round_of_an_rnn_against_a_count_triple_by_triple(layers):
    # (1)-(5) once more, with plain loops over triples and units, from boxes of some width.
    model, found = proven_adder(layers, 0, "RNN")
    weights = intervals.exact_weights_of(model)._replace(of_h=0.01)
    mid, rad, after, _ = intervals.propagate(weights, found.boxes)
    margins = (
        -proof.worst_case_logits(weights, mid, rad)
        .scatter(1, intervals.RIGHT, -math.inf)
        .amax(1)
        .detach()
    )
    embedding = model.embed_layer.weight.detach().double()
    expected = [torch.full_like(box, math.inf) for box in found.boxes]
    for row, (a, b, c) in enumerate(zip(intervals.DIGIT_1, intervals.DIGIT_2, intervals.CARRY)):
        low_u = high_u = torch.cat((embedding[a], embedding[b]))
        carry = int(a + b + c) // 10
        for layer, (weight_ih, weight_hh, bias_ih, bias_hh) in enumerate(weights.layers):
            low_v, high_v = found.boxes[layer][c] * torch.tensor([[1], [-1]])
            up, down = weight_ih.clamp(min=0), weight_ih.clamp(max=0)
            low = up @ low_u + down @ high_u + bias_ih + low_v - weights.of_z[layer]
            high = up @ high_u + down @ low_u + bias_ih + high_v + weights.of_z[layer]
            low_u, high_u = low.tanh() - 0.01, high.tanh() + 0.01
            up, down = weight_hh.clamp(min=0), weight_hh.clamp(max=0)
            ends = torch.stack(
                (up @ low_u + down @ high_u + bias_hh, -(up @ high_u + down @ low_u + bias_hh))
            )
            expected[layer][carry] = torch.minimum(expected[layer][carry], ends)
        right = int(a + b + c) % 10
        least = math.inf
        for other in set(range(10)) - {right}:
            difference = weights.dense[right] - weights.dense[other]
            worst = (difference.clamp(min=0) @ low_u + difference.clamp(max=0) @ high_u).detach()
            worst += weights.bias[right] - weights.bias[other] - weights.of_margin[right, other]
            least = min(least, float(worst.detach()))
        assert float(margins[row]) == pytest.approx(least, abs=1e-9)
    for ours, by_hand, (*_, bias_hh) in zip(after, expected, weights.layers):
        by_hand[0] = torch.minimum(by_hand[0], torch.stack((bias_hh, -bias_hh)))
        assert torch.allclose(ours, by_hand, rtol=0, atol=1e-9)


def test_a_proven_adder_makes_no_error(proven):
    model, _ = proven
    data.random.seed(2)
    assert wrong_digits(model, *carry_rich_batch(200, 500)) == 0
    for digits in (2, 10, 100, 1000):
        for name, (a, b) in named_pairs(digits).items():
            assert pt.add(model, a, b) == a + b, (name, digits)


def test_an_adder_known_to_be_wrong_does_not_pass():
    # trained as in the report, on uniform pairs: it fails 999...9 + 1
    settings = {
        "cell": "RNN",
        "layers": 2,
        "lr": 0.01,
        "digitlen": 10,
        "steps": 120,
        "batch_size": 100,
        "test_size": 100,
        "measure_every": 10,
        "pairs": "uniform",
        "stop_after": None,
        "seed": 0,
        "device": "cpu",
    }
    record = trials.train_adder(settings, lambda *_: None)
    assert max(record["accuracy"]) >= 0.95
    model = pt.adder_of(record["weights"])
    assert any(
        pt.add(model, a, b) != a + b
        for digits in (20, 200)
        for a, b in named_pairs(digits).values()
    )
    number_1, number_2 = proof.refute(model)
    assert pt.add(model, number_1, number_2) != number_1 + number_2
    found = prove(model)
    assert not found.proven and found.margin < 0
    a, b, c = found.fails_at
    assert found.margins[c, a, b] == found.margins.min() == found.margin


@pytest.mark.parametrize("cell", ["RNN", "GRU", "LSTM"])
@pytest.mark.parametrize("layers", [1, 4])
def test_an_untrained_adder_is_decided_wrong(cell, layers):
    torch.manual_seed(0)
    model = pt.Adder(cell, layers)
    assert not prove(model).proven
    decided = proof.decide(model)
    assert decided.verdict == "wrong" and decided.share == 0.01 and max(decided.pair) < 100
    assert pt.add(model, *decided.pair) == decided.answer != sum(decided.pair)


@pytest.mark.parametrize("cell", ["GRU", "LSTM"])
def test_a_gated_adder_known_to_be_wrong_does_not_pass(cell):
    settings = {
        "cell": cell,
        "layers": 1,
        "lr": 0.02,
        "digitlen": 10,
        "steps": 150,
        "batch_size": 100,
        "test_size": 100,
        "measure_every": 10,
        "pairs": "uniform",
        "stop_after": None,
        "seed": 0,
        "device": "cpu",
    }
    record = trials.train_adder(settings, lambda *_: None)
    assert max(record["accuracy"]) >= 0.9 and record["digits"]
    assert not prove(pt.adder_of(record["weights"])).proven


def test_nothing_is_found_against_a_proven_adder(proven):
    model, _ = proven
    assert proof.refute(model, digits=12, widths=(100, 2000)) is None
    decided = proof.decide(model)
    assert decided.verdict == "proven" and decided.pair is None


@pytest.mark.parametrize(("a", "b"), [(3, 8), (7, 7), (0, 0)])
def test_a_planted_fault_is_found_with_a_pair_no_longer(proven, a, b):
    # in the first layer, this pair of digits alone is read as another: so a + b itself is wrong
    model = copy.deepcopy(proven[0])
    table = model.pairs().detach()
    table[10 * a + b] = table[10 * a + (b + 4) % 10]
    model.pairs = lambda: table
    assert pt.add(model, a, b) != a + b
    number_1, number_2 = proof.refute(model)
    assert max(number_1, number_2) <= 9
    assert pt.add(model, number_1, number_2) != number_1 + number_2


def test_a_wrong_digit_condemns_every_pair_that_ends_so():
    model = pt.Adder("RNN", 1)
    torch.manual_seed(0)
    found = proof.decide(model)
    assert found == proof.decide(model), "always the same answer"
    random.seed(0)
    place = round(-math.log(found.share, 100))
    for _ in range(20):
        above_1, above_2 = (random.randrange(10**9) * 10**place for _ in range(2))
        number_1, number_2 = (
            above_1 + found.pair[0] % 10**place,
            above_2 + found.pair[1] % 10**place,
        )
        assert pt.add(model, number_1, number_2) % 10**place != (number_1 + number_2) % 10**place


def test_a_fault_that_hides_in_wide_beams_is_found_where_the_search_keeps_every_state():
    class Hidden(
        torch.nn.Module
    ):  # adds as on paper, but after 61 + 41 its third digit is one too many
        def __init__(self):
            super().__init__()
            self.weight = torch.nn.Parameter(torch.zeros(1))

        def read(self, num1, num2, hidden=None):
            hidden = torch.zeros(1, len(num1), 2, dtype=torch.long) if hidden is None else hidden
            carry, seen = hidden[0].unbind(-1)
            digits = []
            for a, b in zip(num1.T, num2.T):
                digits.append((a + b + carry + (seen == 2)) % 10)
                seen = torch.where(
                    (a == 1) & (b == 1), 1, torch.where((a == 6) & (b == 4) & (seen == 1), 2, 0)
                )
                carry = (a + b + carry) // 10
            logits = torch.nn.functional.one_hot(torch.stack(digits, 1), 10).float()
            return logits, torch.stack((carry, seen), -1)[None]

    number_1, number_2 = proof.refute(Hidden())
    assert (number_1 % 100, number_2 % 100) == (61, 41) and max(number_1, number_2) < 10**4
    assert proof.refute(Hidden(), digits=2) is None


@pytest.mark.parametrize("digits", [0, "3"])
def test_bad_arguments_of_refute_are_named(digits):
    with pytest.raises(ValueError, match="digits must be an integer"):
        proof.refute(pt.Adder(), digits)


def test_a_nudged_adder_stops_passing_before_it_errs(proven):
    model, _ = proven
    data.random.seed(3)
    batch = carry_rich_batch(100, 200)
    torch.manual_seed(0)
    directions = [torch.randn_like(p) * p.abs().mean() for p in model.parameters()]
    passed, erred = [], []
    for size in (0.01, 0.03, 0.1, 0.2, 0.4, 0.8, 1.6):
        nudged = copy.deepcopy(model)
        with torch.no_grad():
            for parameter, direction in zip(nudged.parameters(), directions):
                parameter += size * direction
        passed.append(prove(nudged).proven)
        erred.append(wrong_digits(nudged, *batch) > 0)
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
    _, found = train_proven(layers=3, seed=0)
    assert found.proven
    assert len(found.boxes) == 3


def test_the_same_seed_gives_the_same_proof():
    first, again = train_proven(seed=5)[1], train_proven(seed=5)[1]
    assert (first.margins == again.margins).all()


def test_other_cells_are_not_supported():
    model = pt.Adder()
    model.rnn = torch.nn.RNN(64, 64, nonlinearity="relu")
    with pytest.raises(ValueError, match="RNN_RELU is not supported"):
        prove(model)


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_the_saved_adders_are_proven_and_add_long_numbers(cell):
    model = pt.load(Path(proof.__file__).parent.parent / "figures" / f"proven_{cell}.pt")
    assert prove(model).proven
    data.random.seed(0)
    assert wrong_digits(model, *carry_rich_batch(1, 100_000)) == 0


def test_bad_arguments_of_train_proven_are_named():
    with pytest.raises(ValueError, match="layers .* got 0"):
        train_proven(layers=0)
    with pytest.raises(ValueError, match="seed .* got -1"):
        train_proven(seed=-1)
    with pytest.raises(ValueError, match="cell .* got 'Turing'"):
        train_proven(cell="Turing")
    with pytest.raises(ValueError, match="device 'cuda:77' is not there"):
        train_proven(device="cuda:77")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
def test_an_adder_trained_on_cuda_is_proven():
    model, found = train_proven(seed=0, device="cuda")
    assert found.proven
    assert next(model.parameters()).device.type == "cuda"
    assert pt.add(model, 10**3000 - 1, 1) == 10**3000
