"""The adder against counts by hand, PyTorch's own recurrence and Python's sums; training, for real."""

import math

import pytest
import torch
from torch import nn

import data
import pt
from data import gen_data_batch, prepare_batch
from lab import trials
from pt import Adder, evaluate, myPTRNNModel, train

SETTINGS = {
    "cell": "RNN",
    "layers": 2,
    "lr": 1e-3,
    "digitlen": 10,
    "steps": 30,
    "batch_size": 20,
    "test_size": 20,
    "measure_every": 10,
    "pairs": "uniform",
    "stop_after": None,
    "seed": 0,
    "device": "cpu",
}


def quiet(*_):
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
    assert (
        sum(p.numel() for p in Adder(cell, layers).parameters()) == embedding + recurrent + linear
    )


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
    shares = [
        logits[i, j].exp()[digits[i, j]] / logits[i, j].exp().sum()
        for i in range(3)
        for j in range(4)
    ]
    by_hand = -sum(math.log(share) for share in shares) / 12
    assert pt.cross_entropy(logits, digits).item() == pytest.approx(by_hand, abs=1e-12)


class Oracle(nn.Module):
    """Adds by columns, as on paper; with `wrong`, its first `wrong` answers have one wrong digit."""

    def __init__(self, wrong=0):
        super().__init__()
        self.wrong = wrong
        self.weight = nn.Parameter(torch.zeros(1))

    def forward(self, num1, num2):
        return self.read(num1, num2)[0]

    def read(self, num1, num2, hidden=None):
        carry = torch.zeros_like(num1[:, 0]) if hidden is None else hidden[0]
        digits = []
        for a, b in zip(num1.T, num2.T):
            digits.append((a + b + carry) % 10)
            carry = (a + b + carry) // 10
        digits = torch.stack(digits, 1)
        if hidden is None:
            digits[: self.wrong, 0] = (digits[: self.wrong, 0] + 1) % 10
        return nn.functional.one_hot(digits, 10).float(), carry[None]


def test_evaluate_counts_whole_sums():
    assert evaluate(Oracle(), "cpu", 30) == 1.0
    assert evaluate(Oracle(wrong=50), "cpu", 30, batch_size=200) == 0.75
    assert evaluate(Oracle(wrong=1), "cpu", 5000, batch_size=2) == 0.5


@pytest.mark.parametrize(
    "pair", [(0, 0), (123, 456), (999, 1), (1, 10**5000), (10**9000 - 1, 1), (True, 9)]
)
def test_add_takes_and_gives_integers(pair, monkeypatch):
    assert pt.add(Oracle(), *pair) == sum(pair)
    monkeypatch.setattr(pt, "PART", 7)  # many parts
    assert pt.add(Oracle(), *pair) == sum(pair)


@pytest.mark.parametrize(
    ("pair", "error", "message"),
    [
        ((-1, 5), ValueError, "number_1 must not be negative, got -1"),
        ((5, -(10**50)), ValueError, "number_2 .* got -1"),
        ((1.5, 5), TypeError, "number_1 must be integers, got 1.5"),
        ((5, "7"), TypeError, "number_2 must be integers, got '7'"),
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


def test_evaluate_draws_the_reports_test_pairs(monkeypatch):
    ranges = []
    monkeypatch.setattr(
        data, "gen_data_batch", lambda *range: ranges.append(range) or gen_data_batch(*range)
    )
    evaluate(Oracle(), "cpu", 10, batch_size=3)
    train(1, Adder(), torch.optim.Adam(Adder().parameters()), digitlen=10, batch_size=4, log=quiet)
    assert ranges == [
        (3, 5000000001, 9999999999),
        (4, 0, 5000000000),
        (200, 5000000001, 9999999999),
    ]


def test_the_reports_lines_and_curves(capsys):
    model = myPTRNNModel()
    optimizer = torch.optim.Adam(params=model.parameters(), lr=0.001)
    curves = train(55, model, optimizer, torch.device("cpu"))
    assert len(curves["loss"]) == 55
    assert curves["measured_at"] == [10, 20, 30, 40, 50, 55]
    assert len(curves["accuracy"]) == 6
    lines = capsys.readouterr().out.splitlines()
    assert lines == [
        f"step 50 : loss {curves['loss'][49]:.6g}  accuracy is: {curves['accuracy'][4]:g}"
    ]


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
    data.random.seed(0)
    cuda0 = torch.device("cuda:0" if torch.cuda.is_available() else "cpu")
    model = myPTRNNModel().to(cuda0)
    optimizer = torch.optim.Adam(params=model.parameters(), lr=0.01)
    curves = train(200, model, optimizer, cuda0, log=quiet)
    assert max(curves["accuracy"]) > 0.9
    first = trials.train_adder(SETTINGS | {"device": "cuda"}, quiet)
    again = trials.train_adder(SETTINGS | {"device": "cuda"}, quiet)
    on_cpu = trials.train_adder(SETTINGS, quiet)
    assert first["loss"] == again["loss"]
    assert first["loss"] == pytest.approx(on_cpu["loss"], rel=1e-3)
