"""Two units are enough to add numbers of any length; one is not enough to add two digits."""

import numpy as np
import pytest
import torch
from adders import named_pairs, states, wrong_digits
from checkout import FIXTURES
from torch import nn

import data
import pt
from exact import check, intervals, proof, prove, save_certificate, train_proven

SMALLEST = FIXTURES / "smallest.npz"  # trained with 2 units and an embedding of 1, by seed 1000
DIGIT_1 = torch.arange(10).repeat_interleave(10)  # of each pair of digits, and so is all below
DIGIT_2 = torch.arange(10).repeat(10)
LAST_DIGIT = (DIGIT_1 + DIGIT_2) % 10


def sums_right(model):
    """Whether an adder's answer to each pair of digits is right: (100,)."""
    answers = pt.add_digits(model, DIGIT_1[:, None].numpy(), DIGIT_2[:, None].numpy())
    return answers[:, 0] == LAST_DIGIT.numpy()


# --- One unit.


def draw_one_unit(adders, embedding, layers, generator):
    """Random weights of one-unit adders, of all sizes: (embeddings, [(w, bias)], w, bias)."""

    def draw(*shape):
        size = torch.randn(adders, *[1] * len(shape), generator=generator).exp()
        return size * torch.randn(adders, *shape, generator=generator)

    inputs = [2 * embedding] + [1] * (layers - 1)
    return draw(10, embedding), [(draw(n), draw(1)) for n in inputs], draw(10), draw(10)


def answer_one_unit(embeddings, layers, dense, bias):
    """The answers of one-unit adders to all pairs of digits: (adders, 100)."""
    state = torch.cat((embeddings[:, DIGIT_1], embeddings[:, DIGIT_2]), 2)
    for weight, layer_bias in layers:
        state = torch.tanh((state * weight[:, None]).sum(2) + layer_bias)[..., None]
    logits = state * dense[:, None] + bias[:, None]
    return logits.argmax(2)


@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize("embedding", [1, 8])
def test_none_of_10000_random_adders_of_one_unit_adds_two_digits(embedding, layers):
    generator = torch.Generator().manual_seed(0)
    weights = draw_one_unit(10_000, embedding, layers, generator)
    right = answer_one_unit(*weights) == LAST_DIGIT
    assert not right.all(1).any()
    # Nor do they get these four right, which is what the argument is about; but three of them.
    pairs = [0, 55, 5, 50]
    most = int(right[:, pairs].sum(1).max())
    assert most == 3


def test_the_answers_of_one_unit_are_those_of_an_adder():
    torch.manual_seed(0)
    embeddings, layers, dense, bias = draw_one_unit(1, 3, 2, torch.Generator().manual_seed(1))
    model = pt.Adder("RNN", 2, 1, 3)
    with torch.no_grad():
        model.embed_layer.weight.copy_(embeddings[0])
        model.dense.weight.copy_(dense[0][:, None])
        model.dense.bias.copy_(bias[0])
        for ours, (weight, layer_bias) in zip(model.rnn.all_weights, layers, strict=True):
            ours[0].copy_(weight)
            ours[2].copy_(layer_bias[0])
            ours[3].zero_()
    answers = answer_one_unit(embeddings, layers, dense, bias)[0]
    right = (answers == LAST_DIGIT).numpy()
    assert (right == sums_right(model)).all() and right.any()


@pytest.mark.parametrize("layers", [1, 2])
def test_a_trained_adder_of_one_unit_does_not_add_two_digits(layers):
    totals = DIGIT_1 + DIGIT_2
    shares = 1 / (19 * totals.bincount()[totals])  # each total counts alike
    for seed in range(3):
        torch.manual_seed(seed)
        model = pt.Adder("RNN", layers, hidden=1, embedding=1)
        optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
        for _ in range(400):
            logits = model(DIGIT_1[:, None], DIGIT_2[:, None])[:, 0]
            loss = nn.functional.cross_entropy(logits, LAST_DIGIT, reduction="none") @ shares
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        assert loss.detach() < 2.25  # it learned something: a guess has 2.303
        assert not sums_right(model).all()
        assert not prove(model).proven


# --- Two units.


@pytest.fixture(scope="module")
def smallest():
    """The adder of two units; change only a copy."""
    return pt.load(SMALLEST).requires_grad_(False)


def test_the_smallest_adder_has_52_parameters_and_is_proven(smallest):
    sizes = {name: parameter.numel() for name, parameter in smallest.named_parameters()}
    assert sizes == {
        "embed_layer.weight": 10,
        "rnn.weight_ih_l0": 4,
        "rnn.weight_hh_l0": 4,
        "rnn.bias_ih_l0": 2,
        "rnn.bias_hh_l0": 2,
        "dense.weight": 20,
        "dense.bias": 10,
    }
    assert sum(sizes.values()) == 52
    assert prove(smallest).proven


def test_its_certificate_is_accepted_by_other_arithmetic(smallest, tmp_path):
    proved = prove(smallest)
    save_certificate(smallest, proved, tmp_path / "smallest.npz")
    for path in (tmp_path / "smallest.npz", SMALLEST):
        checked = check.check(path)
        assert (checked.cell, checked.layers) == ("RNN", 1)
        assert checked.margin == pytest.approx(proved.margin, abs=1e-4)


def test_it_makes_no_error(smallest):
    assert sums_right(smallest).all()
    data.random.seed(0)
    assert wrong_digits(smallest, *data.long_carry_batch(100, 1000)) == 0
    for name, (a, b) in named_pairs(1000).items():
        assert pt.add(smallest, a, b) == a + b, name


def test_one_unit_is_the_carry_and_the_other_rises_or_falls_with_the_total(smallest):
    data.random.seed(1)
    *digits, _ = data.long_carry_batch(50, 200)
    carry = np.zeros(50, int)
    totals = []
    for a, b in zip(*(array.T.astype(int) for array in digits), strict=True):
        totals.append(a + b + carry)
        carry = totals[-1] // 10
    totals = np.array(totals[1:])  # at the start there is half a carry
    h = states(smallest, *pt.to_tensors(digits, "cpu"))[0][1:, 0].double().numpy()
    carry_unit = int(abs(h).min((0, 1)).argmax())
    of_carry = h[..., carry_unit]
    assert abs(of_carry).min() > 0.99
    assert (of_carry[totals >= 10] > 0).all() or (of_carry[totals >= 10] < 0).all()
    assert ((of_carry > 0) == (of_carry[totals >= 10][0] > 0)).sum() == (totals >= 10).sum()
    of_total = h[..., 1 - carry_unit]
    lows = np.array([of_total[totals == total].min() for total in range(20)])
    highs = np.array([of_total[totals == total].max() for total in range(20)])
    assert (lows[1:] > highs[:-1]).all() or (highs[1:] < lows[:-1]).all()


# --- How small adders are trained.


def test_the_loss_by_total_counts_each_total_alike():
    torch.manual_seed(0)
    weights = intervals.weights_of(pt.Adder("RNN", 1, 3, 1))._replace(eps_h=0.01)
    logits = proof.find_worst_case(weights, 3, 1.0).detach().double()
    losses = {total: [] for total in range(20)}
    for row, (a, b, c) in enumerate(
        zip(intervals.DIGIT_1, intervals.DIGIT_2, intervals.CARRY, strict=True)
    ):
        total = int(a + b + c)
        likely = logits[row].exp()
        losses[total].append(-float((likely[total % 10] / likely.sum()).log()))
    expected = np.mean([np.mean(of_total) for of_total in losses.values()])
    loss = proof.worst_case_loss_by_total(weights, 3)
    assert float(loss.detach()) == pytest.approx(expected, rel=1e-5)


def test_a_small_adder_is_trained_and_proven(monkeypatch, tmp_path):
    # In a quarter of the steps, which is enough with more units and lower rates.
    monkeypatch.setattr(proof, "SMALL_STEPS", 1000)
    monkeypatch.setattr(proof, "SMALL_RATE", 0.05)
    monkeypatch.setattr(proof, "FASTER", 5)
    model, proved = train_proven(seed=0, hidden=16, embedding=1)
    assert (model.rnn.hidden_size, model.embed_layer.embedding_dim) == (16, 1)
    assert proved.proven and proved.margin == prove(model).margin
    save_certificate(model, proved, tmp_path / "small.npz")
    assert check.check(tmp_path / "small.npz").margin > 0
    data.random.seed(0)
    assert wrong_digits(model, *data.long_carry_batch(50, 500)) == 0


@pytest.mark.parametrize("proven_at", [1, 3, None])
def test_a_try_without_a_proof_is_followed_by_another_with_new_weights(monkeypatch, proven_at):
    seen = []
    unproven = prove(pt.Adder("RNN", 1, 2, 1))

    def try_small(model):
        seen.append(torch.cat([parameter.flatten() for parameter in model.parameters()]))
        return unproven._replace(proven=len(seen) == proven_at)

    monkeypatch.setattr(proof, "try_small", try_small)
    model, proved = train_proven(seed=3, hidden=2, embedding=1)
    assert len(seen) == (proven_at or proof.TRIES)
    assert proved.proven == (proven_at is not None)
    for first, second in zip(seen, seen[1:], strict=False):
        assert (first != second).all()
    torch.manual_seed(3)
    new = torch.cat([p.flatten() for p in pt.Adder("RNN", 1, 2, 1).parameters()])
    assert torch.equal(seen[0], new)


def test_only_rnns_of_one_layer_with_an_embedding_of_one_number_are_trained_as_small(monkeypatch):
    trained = []
    monkeypatch.setattr(proof, "train_small", lambda model: trained.append("small"))
    monkeypatch.setattr(proof, "train_large", lambda model, recipe: trained.append("large"))
    train_proven(hidden=64, embedding=1)
    train_proven(hidden=2, embedding=1)
    assert trained == ["small", "small"]
    trained.clear()
    train_proven()
    train_proven(hidden=8, embedding=2)
    train_proven(layers=2, embedding=1)
    train_proven(cell="GRU", embedding=1)
    assert trained == ["large"] * 4
    with pytest.raises(ValueError, match="embedding .* got 0"):
        train_proven(embedding=0)
