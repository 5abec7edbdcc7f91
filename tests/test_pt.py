"""The adder against counts by hand, PyTorch's own recurrence and Python's sums; training, for real."""

import math
import random

import pytest
import torch
from torch import nn

import pt
from data import gen_carry_rich_batch, gen_data_batch, prepare_batch, results_converter
from pt import Adder, evaluate, myPTRNNModel, train
from trials import train_run

SETTINGS = {
    "cell": "RNN", "layers": 2, "lr": 1e-3, "digitlen": 10, "steps": 30, "batch_size": 20,
    "test_size": 20, "pairs": "uniform", "stop_after": None, "seed": 0, "device": "cpu",
}  # fmt: skip


def quiet(step, loss, accuracy):
    pass


def test_shapes():
    num1, num2, _ = map(torch.LongTensor, prepare_batch(*gen_data_batch(7, 0, 999), maxlen=4))
    assert myPTRNNModel()(num1, num2).shape == (7, 4, 10)


@pytest.mark.parametrize(("cell", "gates"), [("RNN", 1), ("GRU", 3), ("LSTM", 4)])
@pytest.mark.parametrize("layers", [1, 2, 5])
def test_parameters_counted_by_hand(cell, gates, layers):
    embedding = 10 * 32
    recurrent = layers * gates * (64 * 64 + 64 * 64 + 64 + 64)  # two matrices and two biases a gate
    linear = 64 * 10 + 10
    assert sum(p.numel() for p in Adder(cell, layers).parameters()) == embedding + recurrent + linear


def test_the_reports_model_is_the_default():
    model = myPTRNNModel()
    assert (type(model.rnn), model.rnn.num_layers, model.rnn.nonlinearity) == (nn.RNN, 2, "tanh")


@pytest.mark.parametrize("cell", ["RNN", "GRU", "LSTM"])
def test_a_number_read_in_parts(cell):
    model = Adder(cell, 2)
    num1, num2, _ = map(torch.LongTensor, prepare_batch(*gen_data_batch(3, 0, 10**599), maxlen=600))
    whole = model(num1, num2)
    first, hidden = model.read(num1[:, :217], num2[:, :217])
    second, _ = model.read(num1[:, 217:], num2[:, 217:], hidden)
    assert torch.allclose(torch.cat((first, second), 1), whole, atol=1e-5)


def test_the_loss_by_hand():
    logits = torch.randn(3, 4, 10, dtype=torch.float64)
    digits = torch.randint(10, (3, 4))
    shares = [logits[i, j].exp()[digits[i, j]] / logits[i, j].exp().sum() for i in range(3) for j in range(4)]
    by_hand = -sum(math.log(share) for share in shares) / 12
    assert pt.cross_entropy(logits, digits).item() == pytest.approx(by_hand, abs=1e-12)


def test_training_reaches_100_percent_and_adds_larger_numbers():
    record, weights = train_run(SETTINGS | {"lr": 0.01, "layers": 1, "steps": 250, "batch_size": 100}, quiet)
    assert 1.0 in record["accuracy"]
    assert record["first_100"] == record["measured_at"][record["accuracy"].index(1.0)]
    assert record["loss"][0] > 2 and record["loss"][-1] < 0.05
    assert record["error"] is None
    model = Adder("RNN", 1)
    model.load_state_dict(weights)
    pairs = gen_data_batch(100, 5 * 10**9 + 1, 10**10 - 1)  # none of them was in the training range
    num1, num2, _ = map(torch.LongTensor, prepare_batch(*pairs, maxlen=11))
    answers = results_converter(model(num1, num2).argmax(-1))
    assert sum(map(int.__eq__, answers, (a + b for a, b in zip(*pairs[:2])))) >= 95


class Oracle(nn.Module):
    """Adds by columns, as on paper; with `wrong`, its first `wrong` answers have one wrong digit."""

    def __init__(self, wrong=0):
        super().__init__()
        self.wrong = wrong
        self.weight = nn.Parameter(torch.zeros(1))

    def forward(self, num1, num2):
        return self.read(num1, num2)[0]

    def read(self, num1, num2, hidden=None):
        carry = torch.zeros_like(num1[:, 0]) if hidden is None else hidden
        digits = []
        for a, b in zip(num1.T, num2.T):
            digits.append((a + b + carry) % 10)
            carry = (a + b + carry) // 10
        digits = torch.stack(digits, 1)
        digits[: self.wrong, 0] = (digits[: self.wrong, 0] + 1) % 10
        return nn.functional.one_hot(digits, 10).float(), carry


def test_evaluate_counts_whole_sums():
    assert evaluate(Oracle(), "cpu", 30) == 1.0
    assert evaluate(Oracle(wrong=50), "cpu", 30, batch_size=200) == 0.75
    assert evaluate(Oracle(wrong=1), "cpu", 5000, batch_size=2) == 0.5


@pytest.mark.parametrize("pair", [(0, 0), (123, 456), (999, 1), (1, 10**5000), (10**9000 - 1, 1), (True, 9)])
def test_add_takes_and_gives_integers(pair, monkeypatch):
    assert pt.add(Oracle(), *pair) == sum(pair)
    monkeypatch.setattr(pt, "PART", 7)  # many parts
    assert pt.add(Oracle(), *pair) == sum(pair)


@pytest.mark.parametrize(
    ("pair", "error", "message"),
    [
        ((-1, 5), ValueError, "number_1 .* got -1"),
        ((5, -(10**50)), ValueError, "number_2 .* got -1"),
        ((1.5, 5), TypeError, "number_1 must be an integer, got 1.5"),
        ((5, "7"), TypeError, "number_2 must be an integer, got '7'"),
    ],
)
def test_add_refuses_what_it_cannot_add(pair, error, message):
    with pytest.raises(error, match=message):
        pt.add(Oracle(), *pair)


@pytest.mark.parametrize(("cell", "layers"), [("RNN", 1), ("GRU", 2), ("LSTM", 3)])
def test_saved_adders_load(cell, layers, tmp_path):
    model = Adder(cell, layers)
    torch.save(model.state_dict(), tmp_path / "adder.pt")
    loaded = pt.load(tmp_path / "adder.pt")
    digits = torch.randint(0, 10, (2, 3, 20))
    assert torch.equal(loaded(*digits), model(*digits))


def test_carry_rich_training_draws_carry_rich_pairs(monkeypatch):
    drawn = []
    monkeypatch.setattr(pt, "gen_carry_rich_batch", lambda *size: drawn.append(size) or gen_carry_rich_batch(*size))
    train_run(SETTINGS | {"pairs": "carry_rich", "steps": 2}, quiet)
    assert drawn == [(20, 10), (20, 10)]


def test_evaluate_draws_the_reports_test_pairs(monkeypatch):
    ranges = []
    monkeypatch.setattr(pt, "gen_data_batch", lambda *range: ranges.append(range) or gen_data_batch(*range))
    evaluate(Oracle(), "cpu", 10, batch_size=3)
    train(1, Adder(), torch.optim.Adam(Adder().parameters()), digitlen=10, batch_size=4, log=quiet)
    assert ranges == [(3, 5000000001, 9999999999), (4, 0, 5000000000), (200, 5000000001, 9999999999)]


def test_the_reports_lines_and_curves(capsys):
    model = myPTRNNModel()
    optimizer = torch.optim.Adam(params=model.parameters(), lr=0.001)
    curves = train(55, model, optimizer, torch.device("cpu"))
    assert len(curves["loss"]) == 55
    assert curves["measured_at"] == [10, 20, 30, 40, 50, 55]
    assert len(curves["accuracy"]) == 6
    lines = capsys.readouterr().out.splitlines()
    assert lines == [f"step 50 : loss {curves['loss'][49]:.6g}  accuracy is: {curves['accuracy'][4]:g}"]


def test_a_run_may_stop_at_a_steady_100_percent(monkeypatch):
    accuracies = iter([1.0, 0.5, 1.0, 1.0, 1.0, 0.5])
    monkeypatch.setattr(pt, "evaluate", lambda *_: next(accuracies))
    record, _ = train_run(SETTINGS | {"steps": 100, "stop_after": 3}, quiet)
    assert record["measured_at"] == [10, 20, 30, 40, 50]
    assert record["first_100"] == 10


def test_the_same_settings_give_the_same_curves_bit_for_bit():
    first, weights = train_run(SETTINGS | {"digitlen": 300, "batch_size": 2, "test_size": 2}, quiet)
    again, weights_again = train_run(SETTINGS | {"digitlen": 300, "batch_size": 2, "test_size": 2}, quiet)
    other, _ = train_run(SETTINGS | {"digitlen": 300, "batch_size": 2, "test_size": 2, "seed": 1}, quiet)
    assert first["loss"] == again["loss"] != other["loss"]
    assert all(torch.equal(weights[name], weights_again[name]) for name in weights)


def test_a_loss_that_is_not_finite_ends_the_run_and_says_why():
    record, _ = train_run(SETTINGS | {"lr": 1e38}, quiet)
    step = len(record["loss"]) + 1
    assert f"at step {step} (RNN, 2 layers, learning rate 1e+38)" in record["error"]
    assert "lower learning rate" in record["error"]
    assert all(map(math.isfinite, record["loss"]))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"digitlen": 0}, "digitlen .* got 0"),
        ({"batch_size": 0}, "batch_size .* got 0"),
        ({"test_size": -1}, "test_size .* got -1"),
        ({"steps": 0}, "steps .* got 0"),
        ({"pairs": "prime"}, "pairs .* got 'prime'"),
        ({"stop_after": 0}, "stop_after .* got 0"),
        ({"cell": "Transformer"}, "cell .* RNN, GRU, LSTM, got 'Transformer'"),
        ({"layers": 0}, "layers .* got 0"),
        ({"lr": 0}, "lr .* got 0"),
        ({"seed": -1}, "seed .* got -1"),
        ({"device": "cuda:77"}, "device 'cuda:77' is not there"),
        ({"device": "abacus"}, "device 'abacus' is not there"),
    ],
)
def test_bad_settings_are_named_before_any_work(change, message, monkeypatch):
    monkeypatch.setattr(pt, "seed_everything", lambda seed: pytest.fail("work has begun"))
    with pytest.raises(ValueError, match=message):
        train_run(SETTINGS | change, quiet)


def test_bad_arguments_of_train_and_evaluate_are_named():
    model = Adder()
    optimizer = torch.optim.Adam(model.parameters())
    with pytest.raises(ValueError, match="steps .* got 0"):
        train(0, model, optimizer)
    with pytest.raises(ValueError, match="device 'cuda:77' is not there"):
        train(1, model, optimizer, "cuda:77")
    with pytest.raises(ValueError, match="digitlen .* got 0"):
        evaluate(model, "cpu", 0)
    with pytest.raises(ValueError, match="device 'cuda:77' is not there"):
        evaluate(model, "cuda:77", 10)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
def test_the_same_training_on_cuda():
    random.seed(0)
    cuda0 = torch.device("cuda:0" if torch.cuda.is_available() else "cpu")
    model = myPTRNNModel().to(cuda0)
    optimizer = torch.optim.Adam(params=model.parameters(), lr=0.01)
    curves = train(200, model, optimizer, cuda0, log=quiet)
    assert max(curves["accuracy"]) > 0.9
    first, _ = train_run(SETTINGS | {"device": "cuda"}, quiet)
    again, _ = train_run(SETTINGS | {"device": "cuda"}, quiet)
    on_cpu, _ = train_run(SETTINGS, quiet)
    assert first["loss"] == again["loss"]
    assert first["loss"] == pytest.approx(on_cpu["loss"], rel=1e-3)
