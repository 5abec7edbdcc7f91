"""The adder against counts by hand, PyTorch's own modules and Python's sums; training, for real."""

import functools
import io
import math
import zipfile

import numpy as np
import pytest
import torch
from adders import ReadersCell, StatelessCell, TupleCell, as_pytorchs
from torch import nn

import data
import pt
from data import gen_data_batch, prepare_batch
from lab.training import plain_adder
from pt import Adder, evaluate, myAdvPTRNNModel, myPTRNNModel, train


def quiet(*_):
    pass


def random_digits(batch, digits):
    """Two LongTensors of digits."""
    num1, num2, _ = prepare_batch(*gen_data_batch(batch, 0, 10**digits // 2), maxlen=digits)
    return torch.LongTensor(num1), torch.LongTensor(num2)


@pytest.mark.parametrize("model", ["RNN", "GRU", "LSTM"])
def test_forward_is_the_reports_four_lines(model):
    adder = myAdvPTRNNModel(layers=3, model=model)
    num1, num2 = random_digits(7, 11)
    embedded = torch.cat((adder.embed_layer(num1), adder.embed_layer(num2)), -1).transpose(0, 1)
    output, _ = adder.rnn(embedded)
    logits = adder.dense(output).transpose(0, 1)
    assert logits.shape == (7, 11, 10)
    assert torch.allclose(adder(num1, num2), logits, atol=1e-5)


@pytest.mark.parametrize(("cell", "gates"), [("RNN", 1), ("GRU", 3), ("LSTM", 4)])
@pytest.mark.parametrize("layers", [1, 2, 5])
@pytest.mark.parametrize(("hidden", "embedding"), [(64, 32), (16, 3)])
def test_parameters_counted_by_hand(cell, gates, layers, hidden, embedding):
    first = gates * (hidden * 2 * embedding + hidden * hidden + 2 * hidden)
    above = gates * (hidden * hidden + hidden * hidden + 2 * hidden)
    by_hand = 10 * embedding + first + (layers - 1) * above + hidden * 10 + 10
    adder = Adder(cell, layers, hidden, embedding)
    assert sum(parameter.numel() for parameter in adder.parameters()) == by_hand


def test_the_reports_models_by_their_names():
    assert [myPTRNNModel().rnn.num_layers, myPTRNNModel(layers=5).rnn.num_layers] == [2, 5]
    assert myPTRNNModel().rnn.nonlinearity == "tanh"
    assert isinstance(myAdvPTRNNModel().rnn, nn.GRU)
    assert isinstance(myAdvPTRNNModel(3, "LSTM").rnn, nn.LSTM)
    with pytest.raises(ValueError, match="model must be one of RNN, GRU, LSTM, got 'Turing'"):
        myAdvPTRNNModel(model="Turing")


def test_an_adder_is_the_reports_first_model_unless_told_otherwise():
    adder = Adder()
    assert adder.cell == "RNN" and adder.rnn.num_layers == 2
    assert adder.embed_layer.weight.shape == (10, 32) and adder.dense.weight.shape == (10, 64)


@pytest.mark.parametrize("size", ["layers", "hidden", "embedding"])
def test_a_bad_size_is_named(size):
    with pytest.raises(ValueError, match=f"{size} must be an integer of at least 1, got 0"):
        Adder(**{size: 0})


@pytest.mark.parametrize("cell", ["RNN", "GRU", "LSTM"])
def test_a_number_read_in_parts(cell):
    model = Adder(cell, 2)
    num1, num2 = random_digits(3, 600)
    first, hidden = model.read(num1[:, :217], num2[:, :217])
    second, _ = model.read(num1[:, 217:], num2[:, 217:], hidden)
    assert torch.allclose(torch.cat((first, second), 1), model(num1, num2), atol=1e-5)


def test_the_loss_by_hand():
    logits = torch.randn(3, 4, 10, dtype=torch.float64)
    digits = torch.randint(10, (3, 4))
    total = 0.0
    for i in range(3):
        for j in range(4):
            exponentials = logits[i, j].exp()
            total += math.log(exponentials[digits[i, j]] / exponentials.sum())
    assert pt.cross_entropy(logits, digits).item() == pytest.approx(-total / 12, abs=1e-12)


class Oracle(nn.Module):
    """Adds by columns; with `wrong`, its first `wrong` answers have one wrong digit."""

    def __init__(self, wrong=0):
        super().__init__()
        self.wrong = wrong
        self.weight = nn.Parameter(torch.zeros(1))

    def forward(self, num1, num2):
        return self.read(num1, num2)[0]

    def read(self, num1, num2, hidden=None):
        carry = torch.zeros_like(num1[:, 0]) if hidden is None else hidden[0]
        digits = []
        for a, b in zip(num1.T, num2.T, strict=True):
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


@pytest.mark.parametrize(("wrong", "right"), [(0, 5), (1, 4), (4, 1), (5, 0)])
def test_evaluate_reads_on_with_the_pairs_that_are_correct_so_far(wrong, right, monkeypatch):
    monkeypatch.setattr(pt, "PART", 12)  # two digits at a time

    class OnceMore(Oracle):
        """The last of its pairs that are still correct has a wrong digit in the second part."""

        reads = 0

        def read(self, num1, num2, hidden=None):
            self.reads += 1
            logits, after = super().read(num1, num2, hidden)
            if self.reads == 2:
                logits[-1] = logits[-1].roll(1, -1)
            return logits, after

    assert evaluate(Oracle(wrong), "cpu", 30, batch_size=5) == right / 5
    model = OnceMore(wrong)
    assert evaluate(model, "cpu", 30, batch_size=5) == max(right - 1, 0) / 5
    assert model.reads == {0: 1, 1: 2}.get(right, 16), (
        "two of 31 digits at a time, while any is left"
    )


def test_more_pairs_than_are_read_at_a_time(monkeypatch):
    monkeypatch.setattr(pt, "PART", 7)
    assert evaluate(Oracle(wrong=3), "cpu", 4, batch_size=10) == 0.7
    digits_1, digits_2, sums = data.long_carry_batch(10, 4)
    assert np.array_equal(pt.add_digits(Oracle(), digits_1, digits_2), sums)


def test_a_hidden_state_of_some_pairs():
    hidden = torch.arange(12.0).reshape(2, 3, 2)
    picked = torch.tensor([2, 0])
    first = [[4.0, 5.0], [0.0, 1.0]]  # of the first layer
    assert pt.of_batch(hidden, picked)[0].tolist() == first
    h, c = pt.of_batch((hidden, hidden + 1), picked)
    assert h[0].tolist() == first and c[0].tolist() == [[5.0, 6.0], [1.0, 2.0]]
    assert pt.of_batch(None, picked) is None


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


@pytest.mark.parametrize(
    ("cell", "layers", "hidden", "embedding"),
    [("RNN", 1, 64, 32), ("GRU", 2, 16, 3), ("LSTM", 3, 64, 32)],
)
def test_saved_adders_load(cell, layers, hidden, embedding, tmp_path):
    model = Adder(cell, layers, hidden, embedding)
    pt.save(model, tmp_path / "adder.npz")
    pt.save(model, tmp_path / "again.npz")
    assert (tmp_path / "adder.npz").read_bytes() == (tmp_path / "again.npz").read_bytes()
    torch.save(model.state_dict(), tmp_path / "adder.pt")
    digits = torch.randint(0, 10, (2, 3, 20))
    for name in ("adder.npz", "adder.pt"):
        loaded = pt.load(tmp_path / name)
        assert loaded.cell == cell and torch.equal(loaded(*digits), model(*digits))
    with np.load(tmp_path / "adder.npz") as arrays:
        assert set(arrays) == {"cell", "layers", *model.state_dict()}
        assert arrays["cell"] == cell and arrays["layers"] == layers
        assert arrays["dense.weight"].dtype == np.float32
    pt.save(model, tmp_path / "bounds.npz", [np.zeros(3), np.ones(3)])
    with np.load(tmp_path / "bounds.npz") as arrays:
        assert arrays["bounds_l0"].tolist() == [0, 0, 0]
        assert arrays["bounds_l1"].tolist() == [1, 1, 1]
    assert torch.equal(pt.load(tmp_path / "bounds.npz")(*digits), model(*digits))
    with zipfile.ZipFile(tmp_path / "adder.npz") as archive:
        dates = {member.date_time for member in archive.infolist()}
    assert dates == {(1980, 1, 1, 0, 0, 0)}, "not that of the day"


class Own(nn.Module):
    """A cell of one's own, with names of its own: remembers the sum of all inputs."""

    def __init__(self, inputs, hidden, layers):
        super().__init__()
        self.to_hidden = nn.Linear(inputs, hidden)

    def forward(self, inputs, hidden=None):
        sums = self.to_hidden(inputs).cumsum(0)
        if hidden is not None:
            sums = sums + hidden
        return sums, sums[-1:]


def test_weights_that_were_saved_on_a_gpu_load_without_one(tmp_path, monkeypatch):
    model = Adder("GRU", 1)
    with monkeypatch.context() as patched:
        # As `torch.save` writes the weights of an adder on a GPU.
        patched.setattr(torch.serialization, "location_tag", lambda storage: "cuda:0")
        torch.save(model.state_dict(), tmp_path / "adder.pt")
    loaded = pt.load(tmp_path / "adder.pt")
    assert {weight.device.type for weight in loaded.state_dict().values()} == {"cpu"}
    assert torch.equal(loaded.dense.weight, model.dense.weight)


@pytest.mark.parametrize("cell", [functools.partial(nn.RNN, nonlinearity="relu"), Own])
def test_a_cell_of_ones_own_trains_and_loads_as_what_it_is(cell, tmp_path, monkeypatch):
    monkeypatch.setitem(pt.CELLS, "Mine", cell)
    model = Adder("Mine", 1)
    optimizer = torch.optim.Adam(model.parameters())
    train(20, model, optimizer, batch_size=5, test_size=3, log=quiet)
    assert len(model.loss_history) == 20 and model.evaluated_at == [0, 10]
    pt.save(model, tmp_path / "mine.npz")
    digits = torch.randint(0, 10, (2, 3, 20))
    assert torch.equal(pt.load(tmp_path / "mine.npz")(*digits), model(*digits))
    monkeypatch.delitem(pt.CELLS, "Mine")
    with pytest.raises(ValueError, match="cell must be one of RNN, GRU, LSTM, got 'Mine'"):
        pt.load(tmp_path / "mine.npz")


@pytest.mark.parametrize("cell", [ReadersCell, TupleCell, StatelessCell])
def test_a_readers_cell_of_two_layers_trains_is_kept_and_loads(cell, tmp_path, monkeypatch):
    monkeypatch.setitem(pt.CELLS, "Mine", cell)
    pt.seed_everything(0)
    model = Adder("Mine", 2, hidden=9, embedding=5)
    train(12, model, torch.optim.Adam(model.parameters()), batch_size=5, test_size=3, log=quiet)
    digits = torch.randint(0, 10, (2, 3, 20))
    logits = as_pytorchs(model)(*digits)
    assert torch.allclose(model(*digits), logits, atol=1e-5)
    kept = plain_adder(model)
    assert kept["layers"] == 2
    pt.save(model, tmp_path / "mine.npz")
    for again in (pt.adder_of(**kept), pt.load(tmp_path / "mine.npz")):
        assert again.layers == 2 and torch.equal(again(*digits), model(*digits))


def test_files_and_weights_without_layers_have_them_told_by_name(tmp_path):
    model = Adder("GRU", 3, hidden=9, embedding=5)
    digits = torch.randint(0, 10, (2, 3, 20))
    arrays = {name: tensor.numpy() for name, tensor in model.state_dict().items()}
    np.savez(tmp_path / "older.npz", cell=np.array("GRU"), **arrays)
    torch.save(model.state_dict(), tmp_path / "adder.pt")
    for again in (
        pt.load(tmp_path / "older.npz"),
        pt.load(tmp_path / "adder.pt"),
        pt.adder_of("GRU", model.state_dict()),
    ):
        assert again.layers == 3 and torch.equal(again(*digits), model(*digits))


# --- Files that hold no adder.


def saved(thing):
    """The bytes that `torch.save` makes of something."""
    file = io.BytesIO()
    torch.save(thing, file)
    return file.getvalue()


def zipped(**arrays):
    """The bytes of an npz."""
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def raw_zip(name, content):
    """The bytes of a zip with one member."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(name, content)
    return file.getvalue()


LFS_POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"


def foreign_files():
    """{name: (bytes, what is said of the file)}."""
    model = Adder("GRU", 1, hidden=9, embedding=5)
    weights = model.state_dict()
    optimizer = torch.optim.Adam(model.parameters()).state_dict()
    arrays = {name: tensor.numpy() for name, tensor in weights.items()} | {"cell": "GRU"}
    bias_of_11 = {"dense.bias": np.zeros(11, np.float32)}
    two_gates = {"rnn.weight_hh_l0": torch.zeros(18, 9)}
    flat = {"rnn.weight_hh_l0": torch.zeros(9)}
    without_bias = {name: array for name, array in arrays.items() if name != "dense.bias"}
    without_cell = {name: array for name, array in arrays.items() if name != "cell"}
    fits_not = "Error.s. in loading state_dict for Adder: "
    return {
        "lfs.pt": (LFS_POINTER, "it is a Git LFS pointer"),
        "lfs.npz": (LFS_POINTER, "it is a Git LFS pointer"),
        "empty.pt": (b"", "it is an empty file"),
        "empty.npz": (b"", "it is an empty file"),
        "text.pt": (
            b"hello\nthere",
            r"neither a zip nor a pickle, and begins with b'hello\\nthere'",
        ),
        "text.npz": (b"hello", "neither a zip nor a pickle, and begins with b'hello'"),
        "parallel.pt": (
            saved({f"module.{name}": tensor for name, tensor in weights.items()}),
            "begin with 'module.', as those of nn.DataParallel",
        ),
        "compiled.pt": (
            saved({f"_orig_mod.{name}": tensor for name, tensor in weights.items()}),
            "begin with '_orig_mod.', as those of torch.compile",
        ),
        "checkpoint.pt": (
            saved({"model": weights, "optimizer": optimizer, "step": 3}),
            "a whole checkpoint or the like, with model, optimizer, step;",
        ),
        "lightning.pt": (saved({"state_dict": weights}), "checkpoint .* with state_dict;"),
        "nothing.pt": (saved({}), "it is an empty dict"),
        "list.pt": (saved([1, 2]), "it is a list, not a state_dict"),
        "tensor.pt": (saved(torch.zeros(3)), "it is a Tensor, not a state_dict"),
        "model.pt": (saved(model), "a pickle of more than weights, such as a whole model"),
        "cut.pt": (saved(weights)[:-100], "it is damaged, or no .pt"),
        "npz.pt": (zipped(**arrays), "it is damaged, or no .pt .the name of an npz"),
        "other.pt": (
            saved(nn.Linear(3, 4).state_dict()),
            "there is no rnn.weight_hh_l0, but weight, bias;",
        ),
        "gates.pt": (saved(weights | two_gates), "its cell has 2 gates: an RNN has 1"),
        "flat.pt": (saved(weights | flat), r"rnn.weight_hh_l0 has the shape \(9,\)"),
        "cut.npz": (zipped(**arrays)[:-100], "it is no npz, or damaged"),
        "other.npz": (zipped(a=np.zeros(3)), "it is an npz without 'cell', with a;"),
        "no-cell.npz": (zipped(**without_cell), "it is an npz without 'cell', with embed_layer"),
        "zip.npz": (raw_zip("a.txt", "x"), "it is a zip with 'a.txt', which is no array"),
        "raw.npz": (raw_zip("cell.npy", "x"), "it is a zip with 'cell', which is no array"),
        "pt.npz": (saved(weights), "it is a zip with '.*/data.pkl', which is no array"),
        "array.npz": (b"\x93NUMPY", r"begins with b'\\x93NUMPY'"),
        "shape.npz": (
            zipped(**arrays | bias_of_11),
            rf"{fits_not}size mismatch for dense.bias: .*\[11\].*\[10\]",
        ),
        "scalar.npz": (
            zipped(**arrays | {"dense.weight": 1.0}),
            r"dense.weight has the shape \(\), which is no matrix",
        ),
        "cell.npz": (zipped(**arrays | {"cell": "LSTM"}), f"{fits_not}size mismatch"),
        "layers.npz": (zipped(**arrays, layers=3), f"{fits_not}Missing key.*rnn.weight_ih_l2"),
        "one-less.npz": (zipped(**without_bias), f'{fits_not}Missing key.*"dense.bias"'),
        "objects.npz": (
            zipped(cell=np.array([{}], dtype=object)),
            "Object arrays cannot be loaded",
        ),
    }


@pytest.mark.parametrize("name", foreign_files())
def test_a_file_that_holds_no_adder_is_said_to_be_what_it_is(name, tmp_path):
    content, said = foreign_files()[name]
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(ValueError, match=said) as refused:
        pt.load(path)
    message = str(refused.value)
    assert message.startswith(f"{path} holds no adder: ") and len(message.splitlines()) == 1
    assert (
        "expected an .npz of pt.save, or a .pt of torch.save(model.state_dict(), path)" in message
    )


@pytest.mark.parametrize("name", ["a.npz", "a.pt"])
def test_a_folder_and_a_file_that_is_not_there(name, tmp_path):
    with pytest.raises(FileNotFoundError, match=name):
        pt.load(tmp_path / name)
    (tmp_path / name).mkdir()
    with pytest.raises(ValueError, match=f"{name} holds no adder: it is a folder; expected"):
        pt.load(tmp_path / name)


def test_evaluate_draws_the_reports_test_pairs(monkeypatch):
    ranges = []
    monkeypatch.setattr(
        data, "gen_data_batch", lambda *limits: ranges.append(limits) or gen_data_batch(*limits)
    )
    evaluate(Oracle(), "cpu", 10, batch_size=3)
    model = Adder()
    train(1, model, torch.optim.Adam(model.parameters()), digitlen=10, batch_size=4, log=quiet)
    assert ranges == [
        (3, 5000000001, 9999999999),
        (4, 0, 5000000000),
        (100, 5000000001, 9999999999),
    ]
    ranges.clear()
    model = Adder()
    train(1, model, torch.optim.Adam(model.parameters()), log=quiet)
    evaluate(model)
    assert ranges == [(100, 0, 5000000000)] + 2 * [(100, 5000000001, 9999999999)]
    ranges.clear()
    model = Adder()
    train(1, model, torch.optim.Adam(model.parameters()), digitlen=9, pairs="course", log=quiet)
    assert ranges == [(100, 0, 555555554), (100, 555555555, 999999998)]  # the course's own


def test_the_reports_lines_and_histories(capsys):
    model = myPTRNNModel()
    optimizer = torch.optim.Adam(params=model.parameters(), lr=0.001)
    train(55, model, optimizer, torch.device("cpu"))
    assert len(model.loss_history) == 55 and len(model.accuracy) == 6
    assert model.evaluated_at == [0, 10, 20, 30, 40, 50]
    lines = capsys.readouterr().out.splitlines()
    assert lines == [
        f"step 0 : loss {model.loss_history[0]}",
        f"accuracy is: {model.accuracy[0]:g}",
        f"step 50 : loss {model.loss_history[50]}",
        f"accuracy is: {model.accuracy[5]:g}",
    ]
    train(16, model, optimizer, log=quiet)
    assert len(model.loss_history) == 71 and model.evaluated_at[6:] == [60, 70]


def test_training_may_stop_after_perfect_evaluations(monkeypatch):
    accuracies = iter([1.0, 0.5, 1.0, 1.0, 1.0, 0.5])
    monkeypatch.setattr(pt, "evaluate", lambda *_: next(accuracies))
    model = Adder()
    optimizer = torch.optim.Adam(model.parameters())
    train(100, model, optimizer, batch_size=2, stop_after_perfect=3, log=quiet)
    assert model.evaluated_at == [0, 10, 20, 30, 40]
    assert len(model.loss_history) == 41


class Modes(Oracle):
    """Notes how it is read."""

    def read(self, num1, num2, hidden=None):
        self.modes = self.training, torch.is_grad_enabled()
        logits, hidden = super().read(num1, num2, hidden)
        return logits + self.weight, hidden


def test_what_a_model_is_told_of_training():
    model = Modes()
    evaluate(model, batch_size=2)
    assert model.modes == (False, False)
    digits = pt.to_tensors(data.draw_training_pairs(2, 3), "cpu")
    pt.training_step(model, torch.optim.SGD(model.parameters()), *digits)
    assert model.modes == (True, True)
    assert pt.add(model, 2, 2) == 4
    assert model.modes == (False, False)


@pytest.mark.parametrize("loss", [math.inf, -math.inf, math.nan])
def test_a_loss_that_is_not_finite_is_named_with_its_step(loss):
    model = Adder("GRU", 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.25)
    with pytest.raises(FloatingPointError, match=f"{loss} at step 2 .GRU, learning rate 0.25"):
        pt.record_losses(model, optimizer, [3.0, 2.0, loss, 1.0])
    assert model.loss_history == [3.0, 2.0]


def test_a_seed_decides_all():
    drawn = []
    for seed in (5, 5, 6):
        torch.use_deterministic_algorithms(False)
        torch.backends.cudnn.allow_tf32 = True
        torch.backends.cuda.matmul.allow_tf32 = True
        pt.seed_everything(seed)
        drawn.append((gen_data_batch(3, 0, 10**9), torch.rand(3).tolist()))
        assert torch.are_deterministic_algorithms_enabled()
        assert not torch.backends.cudnn.allow_tf32
        assert not torch.backends.cuda.matmul.allow_tf32
    assert drawn[0] == drawn[1]
    assert drawn[0][0] != drawn[2][0] and drawn[0][1] != drawn[2][1]


@pytest.mark.parametrize(
    "argument", ["digitlen", "batch_size", "test_size", "eval_every", "stop_after_perfect"]
)
def test_a_bad_argument_is_named_before_any_work(argument):
    model = Adder()
    before = data.random.getstate()
    with pytest.raises(ValueError, match=f"{argument} must be an integer of at least 1, got 0"):
        train(1, model, torch.optim.Adam(model.parameters()), **{argument: 0})
    with pytest.raises(ValueError, match="pairs must be one of .* got 'odd'"):
        train(1, model, torch.optim.Adam(model.parameters()), pairs="odd")
    assert data.random.getstate() == before and model.loss_history == []


def test_bad_arguments_of_train_and_evaluate_are_named():
    model = Adder()
    with pytest.raises(ValueError, match="batch_size .* got 0"):
        evaluate(model, batch_size=0)
    optimizer = torch.optim.Adam(model.parameters())
    with pytest.raises(ValueError, match="steps .* got 0"):
        train(0, model, optimizer)
    with pytest.raises(ValueError, match="steps .* got True"):
        train(True, model, optimizer)
    with pytest.raises(ValueError, match="device 'cuda:77' is not there"):
        train(1, model, optimizer, "cuda:77")
    with pytest.raises(ValueError, match="digitlen .* got 0"):
        evaluate(model, "cpu", 0)
    with pytest.raises(ValueError, match="device 'cuda:77' is not there"):
        evaluate(model, "cuda:77", 10)


@pytest.mark.parametrize(("piece", "pieces"), [(60, 2), (59, 3), (1, 10)])
def test_a_step_in_pieces_is_a_step(piece, pieces, monkeypatch):
    # Ten pairs of twelve digits; float64, so that what differs is no rounding.
    digits = pt.to_tensors(data.draw_training_pairs(10, 11), "cpu")
    sizes = []
    entropy = nn.functional.cross_entropy
    monkeypatch.setattr(
        pt,
        "cross_entropy",
        lambda logits, sums: (
            sizes.append(len(sums)) or entropy(logits.flatten(0, 1), sums.flatten())
        ),
    )
    torch.manual_seed(0)
    model = Adder().double()
    whole = entropy(model(*digits[:2]).flatten(0, 1), digits[2].flatten())
    gradients = torch.autograd.grad(whole, list(model.parameters()))
    monkeypatch.setattr(pt, "PIECE", piece)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
    for _ in range(2):  # the second step begins without the gradients of the first
        sizes.clear()
        loss = pt.training_step(model, optimizer, *digits)
    assert len(sizes) == pieces and sum(sizes) == 10
    assert loss == pytest.approx(whole.item(), rel=1e-12)
    for parameter, gradient in zip(model.parameters(), gradients, strict=True):
        assert torch.allclose(parameter.grad, gradient, rtol=1e-9, atol=1e-15)


@pytest.mark.parametrize("cell", ["RNN", "GRU", "LSTM"])
def test_the_cuda_branch_has_every_tensor_on_the_device(cell):
    # Torch's meta device has shapes and no numbers: a stray tensor of the CPU fails there too.
    model = Adder(cell, 2).to("meta")
    optimizer = torch.optim.Adam(model.parameters())
    digits = [torch.zeros(3, 5, dtype=torch.long, device="meta") for _ in range(3)]
    loss = pt.training_step(model, optimizer, *digits)
    assert loss.device.type == "meta" and loss.shape == ()
    assert all(parameter.grad.device.type == "meta" for parameter in model.parameters())


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
def test_training_on_cuda():
    data.random.seed(0)
    model = myPTRNNModel().to("cuda:0")
    optimizer = torch.optim.Adam(params=model.parameters(), lr=0.01)
    train(200, model, optimizer, "cuda:0", log=quiet)
    assert max(model.accuracy) > 0.9
