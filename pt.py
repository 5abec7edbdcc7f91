"""The report's adder, embedding -> multi-layer RNN -> linear: trained, evaluated, and put to use.

The model reads two numbers digit by digit, least significant digit first, and says one digit of the
sum at each position.

PyTorch works on one thread here: on these small tensors more threads gain a tenth on an idle
machine and lose a factor of eight on a busy one. To say otherwise, set OMP_NUM_THREADS before the
start, or call `torch.set_num_threads` after this import.
"""

import itertools
import math
import os
import pickle
import re
import textwrap
import zipfile
from pathlib import Path

import numpy as np
import torch
from torch import nn

import data
from recurrence import run_layers

if "OMP_NUM_THREADS" not in os.environ:
    torch.set_num_threads(1)

DIGITS = 10  # the classes 0-9
EMBEDDING = 32  # numbers that stand for one digit
HIDDEN = 64  # hidden units a layer
PRINT_EVERY = 50  # steps between two printed lines, as in the report
PART = 2**14  # positions, of all numbers together, that are read at a time: they stay in the cache
PIECE = 2**17  # positions that a training step on a CPU takes at a time, see `training_step`

# The cells to choose from. Each is called with (inputs, hidden units, layers) and then works as
# `nn.RNN` does: (inputs (digits, batch, inputs), hidden or None) -> (outputs (digits, batch, hidden
# units), hidden), where hidden is one tensor (layers, batch, hidden units), a tuple of such, or
# None, of a cell that remembers nothing.
CELLS = {"RNN": nn.RNN, "GRU": nn.GRU, "LSTM": nn.LSTM}


class Adder(nn.Module):
    """Embedding 10 -> `embedding` for each digit, both concatenated, `layers` of `cell`, linear ->
    10.

    `cell` is a name in `CELLS`: "RNN" (tanh), "GRU" or "LSTM"; each layer has `hidden` units. The
    defaults are the report's first model. Raises ValueError for an unknown cell or a bad size.

    `train` fills `loss_history`, one loss a step, and `accuracy`, one an evaluation, at the steps
    in `evaluated_at`.
    """

    def __init__(self, cell="RNN", layers=2, hidden=HIDDEN, embedding=EMBEDDING):
        super().__init__()
        if cell not in CELLS:
            raise ValueError(f"cell must be one of {', '.join(CELLS)}, got {cell!r}")
        data.check_at_least("layers", layers, 1)
        data.check_at_least("hidden", hidden, 1)
        data.check_at_least("embedding", embedding, 1)
        self.cell = cell
        self.layers = layers
        self.embed_layer = nn.Embedding(DIGITS, embedding)
        self.rnn = CELLS[cell](2 * embedding, hidden, layers)
        self.dense = nn.Linear(hidden, DIGITS)
        self.loss_history = []
        self.accuracy = []
        self.evaluated_at = []

    def forward(self, num1, num2):
        """Logits (batch, digits, 10) for two int64 tensors of digits (batch, digits).

        Equal, to rounding, to the report's lines, in less time:

            input = torch.cat((self.embed_layer(num1), self.embed_layer(num2)), -1).transpose(0, 1)
            output, hidden = self.rnn(input)
            logits = self.dense(output)
            return logits.transpose(0, 1)
        """
        logits, _ = self.read(num1, num2)
        return logits

    def read(self, num1, num2, hidden=None):
        """As `forward`, from the hidden state that an earlier call returned, or None for the first.

        Returns (logits (batch, digits, 10), the hidden state after the last digit).
        """
        output, hidden = run_layers(self.rnn, self.pairs(), DIGITS * num1.t() + num2.t(), hidden)
        return self.dense(output).transpose(0, 1), hidden

    def pairs(self):
        """The inputs of the first layer for digits a and b, in row 10 a + b: (100, inputs)."""
        digits = self.embed_layer.weight
        return torch.cat((digits.repeat_interleave(DIGITS, 0), digits.repeat(DIGITS, 1)), 1)


def myPTRNNModel(layers=2):
    """The report's first model, by its name there: an `Adder` with a tanh RNN."""
    return Adder("RNN", layers)


def myAdvPTRNNModel(layers=2, model="GRU"):
    """The report's second model, by its name there: an `Adder` whose cell is `model`, in `CELLS`.

    Raises ValueError for a model that it does not know, by its name.
    """
    if model not in CELLS:
        raise ValueError(f"model must be one of {', '.join(CELLS)}, got {model!r}")
    return Adder(model, layers)


def to_tensors(arrays, device):
    """Arrays of digits as LongTensors on `device`."""
    return [
        torch.from_numpy(array.astype(np.int64, copy=False)).to(device, non_blocking=True)
        for array in arrays
    ]


def cross_entropy(logits, digits):
    """The mean cross-entropy of logits (..., 10) for the correct digits (...)."""
    logits = logits.reshape(-1, DIGITS)
    digits = digits.flatten()
    if logits.device.type == "cpu":
        # Classes first: over a last dimension of ten PyTorch's softmax takes several times as long
        # there. CUDA's loss of this shape is not deterministic.
        logits = logits.t()[None]
        digits = digits[None]
    return nn.functional.cross_entropy(logits, digits)


def check_device(device):
    """Return `torch.device(device)`; ValueError where it names none that is there."""
    try:
        device = torch.device(device)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(f"device {str(device)!r} is not there: {reason}") from None
    return device


def train(
    steps,
    model,
    optimizer,
    device="cpu",
    digitlen=10,
    batch_size=100,
    test_size=100,
    eval_every=10,
    pairs="uniform",
    stop_after_perfect=None,
    log=print,
):
    """Train `model` for `steps` steps on fresh random pairs of up to `digitlen` digits.

    A step takes `batch_size` pairs of a kind in `data.PAIRS`, see `data.draw_training_pairs`; the
    loss is the cross-entropy over all positions. Steps count from 0. At step 0 and every
    `eval_every` steps after it the accuracy is evaluated on `test_size` fresh test pairs, once the
    step is made (see `evaluate`); all this, and the order of the draws, is as in the report's
    published code, so that the same seed gives the same curve. With `stop_after_perfect`, training
    ends once the accuracy was 1.0 that many times in a row. `log` gets the report's lines, every 50
    steps at which it is evaluated.

    Fills `model.loss_history`, `model.accuracy` and `model.evaluated_at`; a second call goes on
    where the first ended. Raises ValueError for a bad argument before any work, and
    FloatingPointError at a loss that is not finite; the histories then have what came before.
    """
    check_training(steps, digitlen, batch_size, test_size, eval_every, pairs, stop_after_perfect)
    device = check_device(device)
    first = len(model.loss_history)
    last = first + steps - 1
    pending = []  # losses still on the device: reading each one at once would make a GPU wait
    perfect = 0  # evaluations at 1.0 in a row
    for step in range(first, last + 1):
        digits = data.draw_training_pairs(batch_size, digitlen, pairs)
        pending.append(training_step(model, optimizer, *to_tensors(digits, device)))
        is_evaluated = step % eval_every == 0
        if is_evaluated or step == last:
            record_losses(model, optimizer, torch.stack(pending).tolist())
            pending.clear()
        if not is_evaluated:
            continue
        accuracy = evaluate(model, device, digitlen, test_size, pairs)
        model.accuracy.append(accuracy)
        model.evaluated_at.append(step)
        if step % PRINT_EVERY == 0:
            log(f"step {step} : loss {model.loss_history[-1]}")
            log(f"accuracy is: {accuracy:g}")
        perfect = perfect + 1 if accuracy == 1.0 else 0
        if perfect == stop_after_perfect:
            break


def training_step(model, optimizer, num1, num2, results):
    """One step of `optimizer` on digits (batch, digits): the loss before it, on the device.

    On a CPU a batch of many positions is taken in pieces of some PIECE positions, whose gradients
    are added up: less memory is written anew. The sums are those of one piece, to rounding.
    """
    model.train()
    optimizer.zero_grad()
    batch = (num1, num2, results)
    pieces = math.ceil(num1.numel() / PIECE) if num1.device.type == "cpu" else 1
    length = math.ceil(len(num1) / pieces)
    loss = torch.zeros((), device=num1.device)
    for num1, num2, results in zip(*(digits.split(length) for digits in batch), strict=True):
        share = len(num1) / len(batch[0])
        of_piece = share * cross_entropy(model(num1, num2), results)
        of_piece.backward()
        loss += of_piece.detach()
    optimizer.step()
    return loss


def record_losses(model, optimizer, losses):
    """Append `losses`, one a step, to `model.loss_history`.

    Raises FloatingPointError at the first that is not finite, naming the step and what it came
    from.
    """
    for loss in losses:
        if not math.isfinite(loss):
            rates = ", ".join(f"{group['lr']:g}" for group in optimizer.param_groups)
            raise FloatingPointError(
                f"the loss is {loss} at step {len(model.loss_history)} ({model.cell}, "
                f"learning rate {rates}): try a lower learning rate"
            )
        model.loss_history.append(loss)


def check_training(steps, digitlen, batch_size, test_size, eval_every, pairs, stop_after_perfect):
    """Raise ValueError, naming the argument, for what `train` cannot work with."""
    data.check_at_least("steps", steps, 1)
    data.check_at_least("digitlen", digitlen, 1)
    data.check_at_least("batch_size", batch_size, 1)
    data.check_at_least("test_size", test_size, 1)
    data.check_at_least("eval_every", eval_every, 1)
    if stop_after_perfect is not None:
        data.check_at_least("stop_after_perfect", stop_after_perfect, 1)
    data.check_kind_of_pairs(pairs)


@torch.no_grad()
def evaluate(model, device="cpu", digitlen=10, batch_size=100, pairs="uniform"):
    """The share of `batch_size` fresh test pairs whose whole sum is correct, from 0.0 to 1.0.

    The numbers are larger than those of a training with `pairs`, see `data.draw_test_pairs`. One
    wrong digit fails a pair, and it is read no further. Raises ValueError for a bad argument.
    """
    data.check_at_least("digitlen", digitlen, 1)
    data.check_at_least("batch_size", batch_size, 1)
    device = check_device(device)
    digits = to_tensors(data.draw_test_pairs(batch_size, digitlen, pairs), device)
    length = max(1, PART // batch_size)
    parts = zip(*(array.split(length, 1) for array in digits), strict=True)
    model.eval()
    correct = torch.arange(batch_size, device=device)  # the pairs without a wrong digit so far
    hidden = None
    for part in parts:
        num1, num2, results = (array[correct] for array in part)
        logits, hidden = model.read(num1, num2, hidden)
        still = (logits.argmax(-1) == results).all(-1)
        correct = correct[still]
        hidden = of_batch(hidden, still)
        if len(correct) == 0:
            break
    return len(correct) / batch_size


def of_batch(hidden, index):
    """The hidden state of those of a batch that `index` picks: as `Adder.read` returns it."""
    if hidden is None:
        return None
    if isinstance(hidden, tuple):
        return tuple(part[:, index] for part in hidden)
    return hidden[:, index]


@torch.no_grad()
def add_digits(model, digits_1, digits_2):
    """Add digit arrays (batch, digits) of any length with `model`: the digits of its answers,
    uint8.

    The numbers are read in parts, the hidden state carried on from one to the next, so that memory
    does not grow with their length. The answer has as many digits: a carry out of the last one is
    dropped.
    """
    device = next(model.parameters()).device
    model.eval()
    answer = np.empty(digits_1.shape, dtype=np.uint8)
    hidden = None
    length = max(1, PART // len(digits_1))
    for begin in range(0, digits_1.shape[1], length):
        part = slice(begin, begin + length)
        num1, num2 = to_tensors((digits_1[:, part], digits_2[:, part]), device)
        logits, hidden = model.read(num1, num2, hidden)
        answer[:, part] = logits.argmax(-1).cpu().numpy()
    return answer


def add(model, number_1, number_2):
    """The sum of two integers of any length, as `model` adds them.

    Raises TypeError for what is no integer, ValueError for a negative one.
    """
    maxlen = max(len(str(number_1)), len(str(number_2))) + 1
    digits_1 = data.to_digits("number_1", [number_1], maxlen)
    digits_2 = data.to_digits("number_2", [number_2], maxlen)
    return data.results_converter(add_digits(model, digits_1, digits_2))[0]


def save(model, path, bounds=()):
    """Save an adder as npz: its weights under their state_dict names, `cell` and `layers`.

    `cell` is its cell's name, `layers` the number of layers. `bounds` are arrays, one a layer, that
    are saved as `bounds_l0`, `bounds_l1` and so on: see `exact.certificate`. The same adder gives
    the same bytes. Read it with `load`, or its arrays with `numpy.load`.
    """
    arrays = {name: tensor.cpu().numpy() for name, tensor in model.state_dict().items()}
    arrays["cell"] = np.array(model.cell)
    arrays["layers"] = np.array(model.layers)
    for layer, of_layer in enumerate(bounds):
        arrays[f"bounds_l{layer}"] = of_layer
    with zipfile.ZipFile(path, "w") as archive:
        for name, array in arrays.items():
            member = zipfile.ZipInfo(f"{name}.npy")  # without the time of day
            with archive.open(member, "w") as file:
                np.lib.format.write_array(file, array, allow_pickle=False)


def load(path):
    """The adder saved at `path`: by `save`, or by `torch.save(model.state_dict(), path)` as a .pt.

    The bounds of a certificate are left aside. A .pt does not name its cell: there it is one of the
    report's three, told by its gates. Raises ValueError for any other file, and for a cell that is
    not in `CELLS`: one line that says what the file is.
    """
    path = Path(path)
    try:
        check_begin(path)
        adder = read_npz(path) if path.suffix == ".npz" else read_state_dict(path)
        return adder_of(**adder)
    except (FileNotFoundError, PermissionError, MemoryError):
        raise
    except Exception as error:  # NumPy, zipfile and PyTorch have many for a foreign file
        problem = textwrap.shorten(str(error), 300, placeholder=" ...")
        raise ValueError(
            f"{path} holds no adder: {problem or type(error).__name__}; expected an .npz of "
            f"pt.save, or a .pt of torch.save(model.state_dict(), path)"
        ) from None


GIT_LFS = b"version https://git-lfs"


def check_begin(path):
    """Raise ValueError, saying what it is, for a file that does not begin as a zip or a pickle."""
    if path.is_dir():
        raise ValueError("it is a folder")
    with path.open("rb") as file:
        begin = file.read(len(GIT_LFS))
    if not begin:
        raise ValueError("it is an empty file")
    if begin == GIT_LFS:
        raise ValueError("it is a Git LFS pointer, and `git lfs pull` gets the file itself")
    if not begin.startswith((b"PK", b"\x80")):
        raise ValueError(f"it is neither a zip nor a pickle, and begins with {begin!r}")


def read_npz(path):
    """The arguments of `adder_of`, out of a file of `save`; ValueError for another one."""
    if not zipfile.is_zipfile(path):
        raise ValueError("it is no npz, or damaged")
    with np.load(path) as file:
        arrays = {name: file[name] for name in file if not name.startswith("bounds_l")}
    for name, array in arrays.items():
        if not isinstance(array, np.ndarray):
            raise ValueError(f"it is a zip with {name!r}, which is no array")
    if "cell" not in arrays:
        raise ValueError(f"it is an npz without 'cell', with {list_names(arrays)}")
    cell = str(arrays.pop("cell"))
    layers = arrays.pop("layers", None)  # older files have none
    return {
        "cell": cell,
        "layers": None if layers is None else int(layers),
        "weights": {name: torch.from_numpy(array) for name, array in arrays.items()},
    }


# How the names of weights begin where the model was in another one as it was saved.
WRAPPERS = {
    "module.": "nn.DataParallel: save model.module.state_dict()",
    "_orig_mod.": "torch.compile: save model._orig_mod.state_dict()",
}


def read_state_dict(path):
    """The arguments of `adder_of`, out of a .pt of a cell of the report; ValueError for another."""
    try:
        weights = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        raise ValueError("it is a pickle of more than weights, such as a whole model") from None
    except (RuntimeError, OSError, EOFError):
        raise ValueError("it is damaged, or no .pt (the name of an npz ends so)") from None
    if not isinstance(weights, dict):
        raise ValueError(f"it is a {type(weights).__name__}, not a state_dict")
    if not weights:
        raise ValueError("it is an empty dict")
    for prefix, wrapper in WRAPPERS.items():
        if all(str(name).startswith(prefix) for name in weights):
            raise ValueError(f"its names begin with {prefix!r}, as those of {wrapper}")
    if not all(map(torch.is_tensor, weights.values())):
        raise ValueError(f"it is a whole checkpoint or the like, with {list_names(weights)}")
    units = count_columns(weights, "rnn.weight_hh_l0")
    gates = len(weights["rnn.weight_hh_l0"]) / units
    cells = {1: "RNN", 3: "GRU", 4: "LSTM"}
    if gates not in cells:
        raise ValueError(f"its cell has {gates:g} gates: an RNN has 1, a GRU 3, an LSTM 4")
    return {"cell": cells[gates], "weights": weights}


def list_names(names):
    """Some names of a file's parts, in words."""
    return ", ".join(itertools.islice(map(str, names), 5)) or "nothing"


def count_columns(weights, name):
    """The columns of one of `weights`; ValueError where it is not there, or no matrix."""
    if name not in weights:
        raise ValueError(f"there is no {name}, but {list_names(weights)}")
    shape = tuple(weights[name].shape)
    if len(shape) != 2 or 0 in shape:
        raise ValueError(f"{name} has the shape {shape}, which is no matrix")
    return shape[1]


def adder_of(cell, weights, layers=None):
    """The adder of this `cell`, a name in `CELLS`, with these `weights`, a state_dict.

    Where the number of `layers` was not kept, the names of PyTorch's own parameters tell it.
    """
    if layers is None:
        numbers = [int(number) for name in weights for number in re.findall(r"_l(\d+)$", name)]
        layers = 1 + max(numbers, default=0)
    embedding = count_columns(weights, "embed_layer.weight")
    hidden = count_columns(weights, "dense.weight")
    model = Adder(cell, layers, hidden, embedding)
    model.load_state_dict(weights)
    return model


def seed_everything(seed):
    """Seed all that a run draws from, and turn off what makes it differ from run to run."""
    data.random.seed(seed)
    torch.manual_seed(seed)
    torch.backends.cuda.matmul.allow_tf32 = False  # a GPU's float32 is then a float32
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.benchmark = False
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS asks for it
    torch.use_deterministic_algorithms(True)
    torch.utils.deterministic.fill_uninitialized_memory = False  # costs time; nothing reads any
