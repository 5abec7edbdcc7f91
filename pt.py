"""The report's adder, embedding -> multi-layer RNN -> linear: trained, evaluated, and put to use.

The model reads two numbers digit by digit, least significant digit first, and says one digit of the sum at each
position.
"""

import itertools
import math
import os

import numpy as np
import torch
from torch import nn

import data
from recurrence import run_layers

DIGITS = 10  # the classes 0-9
EMBEDDING = 32  # numbers that stand for one digit
HIDDEN = 64  # hidden units a layer; also the width of the input, two digits embedded
CELLS = {"RNN": nn.RNN, "GRU": nn.GRU, "LSTM": nn.LSTM}
PRINT_EVERY = 50  # steps between two printed lines, as in the report
PART = 2**14  # positions, of all numbers together, that are read at a time: they stay in the cache


class Adder(nn.Module):
    """Embedding 10 -> 32 for each digit, both concatenated, `layers` of `cell`, linear 64 -> 10.

    `cell` is "RNN" (tanh), "GRU" or "LSTM". The defaults are the report's first model.
    Raises ValueError for an unknown cell or fewer than one layer.
    """

    def __init__(self, cell="RNN", layers=2):
        super().__init__()
        if cell not in CELLS:
            raise ValueError(f"cell must be one of {', '.join(CELLS)}, got {cell!r}")
        data.check_at_least("layers", layers, 1)
        self.embed_layer = nn.Embedding(DIGITS, EMBEDDING)
        self.rnn = CELLS[cell](2 * EMBEDDING, HIDDEN, layers)
        self.dense = nn.Linear(HIDDEN, DIGITS)

    def forward(self, num1, num2):
        """Logits (batch, digits, 10) for two int64 tensors of digits (batch, digits)."""
        return self.read(num1, num2)[0]

    def read(self, num1, num2, hidden=None):
        """As `forward`, from `hidden` on, what an earlier call returned, or None: (logits, the hidden state after)."""
        output, hidden = run_layers(self.rnn, self.pairs(), DIGITS * num1.t() + num2.t(), hidden)
        return self.dense(output).transpose(0, 1), hidden

    def pairs(self):
        """What the first layer reads of digits a and b, both embedded, in row 10 a + b: (100, 64)."""
        digits = self.embed_layer.weight
        return torch.cat((digits.repeat_interleave(DIGITS, 0), digits.repeat(DIGITS, 1)), 1)


myPTRNNModel = Adder  # the report's name


def to_tensors(arrays, device):
    """Arrays of digits as LongTensors on `device`."""
    return [
        torch.from_numpy(array.astype(np.int64, copy=False)).to(device, non_blocking=True)
        for array in arrays
    ]


def cross_entropy(logits, digits):
    """The mean cross-entropy of logits (..., 10) for the right digits (...)."""
    logits, digits = logits.reshape(-1, DIGITS), digits.flatten()
    if logits.device.type == "cpu":
        # Classes first: over a last dimension of ten PyTorch's softmax takes several times as long there. CUDA's
        # loss of this shape is not deterministic.
        logits, digits = logits.t()[None], digits[None]
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
    test_size=200,
    measure_every=10,
    pairs="uniform",
    stop_after=None,
    log=print,
):
    """Train `model` for `steps` steps on fresh random pairs of up to `digitlen` digits.

    `pairs` are "uniform" over [0, 5 * 10^(digitlen-1)], as in the report, or "carry_rich", with carry chains of every
    length; `batch_size` of them a step. The loss is the cross-entropy over all positions. Every `measure_every` steps
    the accuracy is measured on `test_size` fresh test pairs (see `evaluate`). With `stop_after`, training ends once it
    was 1.0 that many times in a row. `log` gets the report's line, step, loss and accuracy, every 50 steps at which it
    is measured.

    Returns the curves and keeps them as `model.curves` for `loss_draw`: {"loss": [one a step], "accuracy": [one a
    measurement], "measured_at": [the step of each]}. Raises ValueError for a bad argument before any work, and
    FloatingPointError at a loss that is not finite; `model.curves` then has what came before.
    """
    check_training(steps, digitlen, batch_size, test_size, measure_every, pairs, stop_after)
    device = check_device(device)
    curves = model.curves = {"loss": [], "accuracy": [], "measured_at": []}
    largest = 5 * 10 ** (digitlen - 1)
    pending = []  # losses still on the device: reading each one at once would make a GPU wait
    for step in range(1, steps + 1):
        if pairs == "uniform":
            numbers = data.gen_data_batch(batch_size, 0, largest)
            digits = data.prepare_batch(*numbers, maxlen=digitlen + 1)
        else:
            digits = data.carry_rich_batch(batch_size, digitlen)
        pending.append(training_step(model, optimizer, *to_tensors(digits, device)))
        if step % measure_every and step < steps:
            continue
        losses = torch.stack(pending).tolist()
        finite = list(itertools.takewhile(math.isfinite, losses))
        curves["loss"] += finite
        pending.clear()
        if len(finite) < len(losses):
            rates = ", ".join(f"{group['lr']:g}" for group in optimizer.param_groups)
            which = (
                f"{type(model.rnn).__name__}, {model.rnn.num_layers} layers, learning rate {rates}"
            )
            where = f"the loss is {losses[len(finite)]} at step {len(curves['loss']) + 1}"
            raise FloatingPointError(f"{where} ({which}): try a lower learning rate")
        curves["accuracy"].append(evaluate(model, device, digitlen, test_size))
        curves["measured_at"].append(step)
        if step % PRINT_EVERY == 0:
            log(
                f"step {step} : loss {curves['loss'][-1]:.6g}  accuracy is: {curves['accuracy'][-1]:g}"
            )
        if stop_after and curves["accuracy"][-stop_after:] == [1.0] * stop_after:
            break
    return curves


def training_step(model, optimizer, num1, num2, results):
    """One step of `optimizer` on a batch of digits (batch, digits): the loss before it, still on the device."""
    model.train()
    optimizer.zero_grad()
    loss = cross_entropy(model(num1, num2), results)
    loss.backward()
    optimizer.step()
    return loss.detach()


def check_training(steps, digitlen, batch_size, test_size, measure_every, pairs, stop_after):
    """Raise ValueError, naming the argument, for what `train` cannot work with."""
    counts = {
        "steps": steps,
        "digitlen": digitlen,
        "batch_size": batch_size,
        "test_size": test_size,
        "measure_every": measure_every,
        "stop_after": 1 if stop_after is None else stop_after,
    }
    for name, value in counts.items():
        data.check_at_least(name, value, 1)
    if pairs not in ("uniform", "carry_rich"):
        raise ValueError(f"pairs must be 'uniform' or 'carry_rich', got {pairs!r}")


@torch.no_grad()
def evaluate(model, device="cpu", digitlen=10, batch_size=200):
    """The share of `batch_size` fresh test pairs whose whole sum is right, from 0.0 to 1.0.

    Both numbers are drawn from [5 * 10^(digitlen-1) + 1, 10^digitlen - 1]; training has smaller ones. One wrong digit
    fails a pair, and it is read no further. Raises ValueError for a bad argument.
    """
    data.check_at_least("digitlen", digitlen, 1)
    data.check_at_least("batch_size", batch_size, 1)
    device = check_device(device)
    numbers = data.gen_data_batch(batch_size, 5 * 10 ** (digitlen - 1) + 1, 10**digitlen - 1)
    digits = to_tensors(data.prepare_batch(*numbers, maxlen=digitlen + 1), device)
    model.eval()
    right, hidden = (
        torch.arange(batch_size, device=device),
        None,
    )  # the pairs without a wrong digit so far
    for part in zip(*(array.split(max(1, PART // batch_size), 1) for array in digits)):
        num1, num2, results = (array[right] for array in part)
        logits, hidden = model.read(num1, num2, hidden)
        still = (logits.argmax(-1) == results).all(-1)
        right, hidden = right[still], of_batch(hidden, still)
        if not len(right):
            break
    return len(right) / batch_size


def of_batch(hidden, index):
    """The hidden state of those of a batch that `index` picks: one tensor, an LSTM's two, or None."""
    if isinstance(hidden, tuple):
        return tuple(part[:, index] for part in hidden)
    return None if hidden is None else hidden[:, index]


@torch.no_grad()
def add_digits(model, digits_1, digits_2):
    """Add digit arrays (batch, digits) of any length with `model`: the digits of its answers, uint8.

    The numbers are read in parts, the hidden state carried on from one to the next, so that memory does not grow with
    their length. The answer has as many digits: a carry out of the last one is dropped.
    """
    device = next(model.parameters()).device
    model.eval()
    answer, hidden = np.empty(digits_1.shape, dtype=np.uint8), None
    length = max(1, PART // len(digits_1))
    for begin in range(0, digits_1.shape[1], length):
        part = slice(begin, begin + length)
        num1, num2 = to_tensors((digits_1[:, part], digits_2[:, part]), device)
        logits, hidden = model.read(num1, num2, hidden)
        answer[:, part] = logits.argmax(-1).cpu().numpy()
    return answer


def add(model, number_1, number_2):
    """The sum of two integers of any length, as `model` adds them. TypeError for no integer, ValueError below 0."""
    maxlen = max(len(str(number_1)), len(str(number_2))) + 1
    digits_1 = data.to_digits("number_1", [number_1], maxlen)
    digits_2 = data.to_digits("number_2", [number_2], maxlen)
    return data.results_converter(add_digits(model, digits_1, digits_2))[0]


def load(path):
    """The adder whose weights were saved at `path` by `torch.save(model.state_dict(), path)`."""
    return adder_of(torch.load(path, weights_only=True))


def adder_of(weights):
    """The adder that has these weights, a state_dict."""
    cell = {1: "RNN", 3: "GRU", 4: "LSTM"}[
        len(weights["rnn.weight_ih_l0"]) // HIDDEN
    ]  # by its gates
    model = Adder(cell, sum(name.startswith("rnn.weight_ih") for name in weights))
    model.load_state_dict(weights)
    return model


def seed_everything(seed):
    """Seed all that a run draws from, and turn off what makes it differ from run to run."""
    data.random.seed(seed)
    torch.manual_seed(seed)
    torch.backends.cuda.matmul.allow_tf32 = False  # a GPU's float32 is then a float32
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.benchmark = False
    os.environ.setdefault(
        "CUBLAS_WORKSPACE_CONFIG", ":4096:8"
    )  # cuBLAS asks for it, see PyTorch's notes
    torch.use_deterministic_algorithms(True)
    torch.utils.deterministic.fill_uninitialized_memory = (
        False  # costs time; nothing here reads any
    )
