"""An adder that is trained: embedding -> multi-layer RNN -> linear, and one run of its training.

The model reads two numbers digit by digit, least significant digit first, and says one digit of the
sum at each position. This module knows one model and one run; which runs there are is `source.py`'s.
"""

import functools
import math
import operator
import os
import random
import statistics
import time

import numpy as np
import torch
from torch import nn

from data import (
    check_at_least,
    gen_carry_rich_batch,
    gen_data_batch,
    prepare_batch,
    results_converter,
    to_digits,
)

DIGITS = 10  # the classes 0-9
EMBEDDING = 32  # numbers that stand for one digit
HIDDEN = 64  # hidden units a layer; also the width of the input, two digits embedded
CELLS = {"RNN": nn.RNN, "GRU": nn.GRU, "LSTM": nn.LSTM}
EVALUATE_EVERY = 10  # steps between two measurements of the accuracy, as in the report
PRINT_EVERY = 50  # steps between two printed lines, as in the report
PART = 2**14  # positions, of all numbers together, that `add_digits` reads at a time

# How a long recurrence is cut up on the CPU; see `scan_in_chunks`.
CHUNK = 64  # positions a chunk
WARM_UP = 32  # positions that a chunk's first state is guessed from
WIDE = 32  # above this many numbers at once a single pass is as fast
CUT_TOLERANCE = 1e-6  # a few roundings of a float32 near 1

MINUS_ONE = torch.tensor(-1.0)  # `torch.add` multiplies its second argument only, so the first must be a tensor


class Adder(nn.Module):
    """Embedding 10 -> 32 for each digit, both concatenated, `layers` of `cell`, linear 64 -> 10.

    `cell` is "RNN" (tanh), "GRU" or "LSTM". The defaults are the report's first model.
    Raises ValueError for an unknown cell or fewer than one layer.
    """

    def __init__(self, cell="RNN", layers=2):
        super().__init__()
        if cell not in CELLS:
            raise ValueError(f"cell must be one of {', '.join(CELLS)}, got {cell!r}")
        check_at_least("layers", layers, 1)
        self.embed_layer = nn.Embedding(DIGITS, EMBEDDING)
        self.rnn = CELLS[cell](2 * EMBEDDING, HIDDEN, layers)
        self.dense = nn.Linear(HIDDEN, DIGITS)

    def forward(self, num1, num2):
        """Logits (batch, digits, 10) for two int64 tensors of digits (batch, digits)."""
        return self.read(num1, num2)[0]

    def read(self, num1, num2, hidden=None):
        """As `forward`, from a hidden state on: returns (logits, the hidden state at the end).

        `hidden` is what an earlier call returned, or None at the start of a number: so a long
        number can be read in parts.
        """
        output, hidden = run_layers(self.rnn, self.embed(num1, num2), hidden)
        return self.dense(output).transpose(0, 1), hidden

    def embed(self, num1, num2):
        """What the first layer reads: each pair of digits embedded, (digits, batch, 64)."""
        return self.embed_layer(torch.stack((num1.t(), num2.t()), -1)).flatten(-2)


myPTRNNModel = Adder  # the report's name


def run_layers(rnn, inputs, hidden):
    """`rnn(inputs, hidden)`, on the CPU by `TanhRecurrence` or `GRURecurrence`: the same numbers, sooner.

    PyTorch's own tanh RNN and GRU spend most of their time there between small operations.
    """
    recurrence = {nn.RNN: TanhRecurrence, nn.GRU: GRURecurrence}.get(type(rnn))
    if recurrence is None or inputs.device.type != "cpu":
        return rnn(inputs, hidden)
    if hidden is None:
        hidden = inputs.new_zeros(rnn.num_layers, inputs.shape[1], rnn.hidden_size)
    last = []
    for start, (weight_ih, weight_hh, bias_ih, bias_hh) in zip(hidden, rnn.all_weights):
        inputs = nn.functional.linear(inputs, weight_ih, bias_ih)
        inputs = recurrence.apply(inputs, start, weight_hh, bias_hh)
        last.append(inputs[-1])
    return inputs, torch.stack(last)


def tanh_of_half_(z):
    """tanh(z / 2), written over `z`: as 2 s - 1 with the sigmoid s, which takes a fifth of tanh's time."""
    return torch.add(MINUS_ONE, z.sigmoid_(), alpha=2, out=z)


class TanhRecurrence(torch.autograd.Function):
    """h[t] = tanh(x[t] + W h[t-1] + b) over all t, and its gradient by backpropagation through time.

    Takes x (digits, batch, units), h[-1] (batch, units), W (units, units) and b (units,); returns h like x.
    Backward, with g the gradient of the loss at h, that at the argument of tanh is
    d[t] = (g[t] + d[t+1] W) (1 - h[t]^2): the same kind of loop, run from the other end.
    """

    @staticmethod
    def forward(ctx, x, start, weight, bias):
        transposed = weight.t().contiguous()

        def scan(x, h):
            for x_t in x:
                h = tanh_of_half_(x_t.addmm_(h, transposed, beta=2, alpha=2))

        h = scan_in_chunks(scan, (x + bias,), start)
        ctx.save_for_backward(h, start, weight)
        return h

    @staticmethod
    def backward(ctx, g):
        h, start, weight = ctx.saved_tensors

        def scan(g, slope, d):
            for g_t, slope_t in zip(g, slope):
                d = g_t.addmm_(d, weight).mul_(slope_t)

        slopes = torch.addcmul(h.new_ones(()), h, h, value=-1)
        g = g.clone(memory_format=torch.contiguous_format)
        d = scan_in_chunks(scan, (g, slopes), torch.zeros_like(start), backwards=True)
        of_weight = d[0].t() @ start + d[1:].flatten(0, 1).t() @ h[:-1].flatten(0, 1)
        return d, d[0] @ weight, of_weight, d.sum((0, 1))


class GRURecurrence(torch.autograd.Function):
    """h[t] = z h[t-1] + (1 - z) n over all t, as `nn.GRU` has it, and its gradient as above:

    r = sigmoid(x_r[t] + W_r h[t-1] + b_r), z likewise, n = tanh(x_n[t] + r m), m = W_n h[t-1] + b_n.

    Takes and returns what `TanhRecurrence` does, but for three times the units in x, W and b: of r, z and n.
    """

    @staticmethod
    def forward(ctx, x, start, weight, bias):
        units = start.shape[1]
        to_gates, to_m = weight.t().split((2 * units, units), 1)
        gates, n = x[..., : 2 * units] + bias[: 2 * units], 2 * x[..., 2 * units :]
        m, h, bias_m = torch.empty_like(n), torch.empty_like(n), bias[2 * units :]
        before = start
        for gates_t, r_t, z_t, n_t, m_t, h_t in zip(gates, *gates.chunk(2, -1), n, m, h):
            gates_t.addmm_(before, to_gates).sigmoid_()  # r_t and z_t are its halves
            torch.addmm(bias_m, before, to_m, out=m_t)
            tanh_of_half_(n_t.addcmul_(r_t, m_t, value=2))
            before = torch.lerp(n_t, before, z_t, out=h_t)
        ctx.save_for_backward(gates, n, m, h, start, weight)
        return h

    @staticmethod
    def backward(ctx, g):
        gates, n, m, h, start, weight = ctx.saved_tensors
        r, z = gates.chunk(2, -1)
        before = torch.cat((start[None], h[:-1]))
        slope_n = (1 - z) * (1 - n * n)  # of h by the argument of n's tanh, and so on
        slope_m = slope_n * r
        d = torch.stack((slope_m * m * (1 - r), (before - n) * z * (1 - z), slope_m), 2)
        g = torch.cat((torch.zeros_like(start)[None], g))  # at the state before each step, and the last
        rows, repeated = d.flatten(2), g[1:].unsqueeze(2)  # views, for the products below
        for g_before, g_t, repeated_t, z_t, d_t, row_t in reversed(list(zip(g, g[1:], repeated, z, d, rows))):
            d_t.mul_(repeated_t)
            g_before.addcmul_(g_t, z_t).addmm_(row_t, weight)
        of_x = torch.cat((rows[..., : -len(start[0])], g[1:] * slope_n), -1)
        return of_x, g[0], rows.flatten(0, 1).t() @ before.flatten(0, 1), rows.sum((0, 1))


def scan_in_chunks(scan, inputs, start, backwards=False):
    """What the recurrence `scan` makes of `inputs`: (time, batch, units), in one pass or in chunks.

    `scan(*inputs, state)` overwrites its first input, step by step, from the state before the first step
    on; each input comes to it as a sequence of steps, from the last to the first if `backwards`. A long
    sequence of few numbers is cut into chunks that are scanned side by side, as one wider batch: each
    begins in the state that the last WARM_UP positions before it lead to from zero. Where the chunk
    before ends in another state (by over CUT_TOLERANCE of the largest), the chunk is scanned again
    from there, until none is left: so the result is that of one pass, to rounding, whatever `scan`
    is, and forgetful recurrences get it in far fewer steps. (A Jacobi iteration over the chunks, as
    in Song et al. 2021, "Accelerating feedforward computation via parallel nonlinear equation solving".)
    The first of `inputs` may be overwritten.
    """
    time, batch, units = inputs[0].shape
    if time < 4 * CHUNK or batch > WIDE:
        order = slice(None, None, -1 if backwards else 1)
        scan(*(i.unbind()[order] for i in inputs), start)
        return inputs[0]
    chunks = -(-time // CHUNK)
    order = torch.arange(chunks * CHUNK).clamp(max=time - 1)  # the last chunk is filled up with the last step
    if backwards:
        order = time - 1 - order
    places = order.view(chunks, CHUNK).t()

    def scan_side_by_side(places, starts):  # (steps, chunks) and the state before each chunk -> all states
        parts = [i.index_select(0, places.flatten()).view(*places.shape, batch, units) for i in inputs]
        scan(*(part.flatten(1, 2).unbind() for part in parts), starts.flatten(0, 1))
        return parts[0]

    warm_up = scan_side_by_side(places[-WARM_UP:, :-1], start.new_zeros(chunks - 1, batch, units))
    starts = torch.cat((start[None], warm_up[-1]))
    out = scan_side_by_side(places, starts)
    while True:
        ends = out[-1, :-1]
        wrong = (ends - starts[1:]).abs().amax((1, 2)) > CUT_TOLERANCE * ends.abs().max()
        if not wrong.any():
            step = order[:time]  # of each position: the order is its own inverse
            return out.flatten(0, 1).index_select(0, step % CHUNK * chunks + step // CHUNK)
        again = 1 + wrong.nonzero()[:, 0]
        starts[again] = ends[again - 1]
        out[:, again] = scan_side_by_side(places[:, again], starts[again])


def training_range(digitlen):
    """The smallest and the largest number of the report's training pairs."""
    return 0, 5 * 10 ** (digitlen - 1)


def test_range(digitlen):
    """The smallest and the largest number of the report's test pairs; training has smaller ones."""
    return 5 * 10 ** (digitlen - 1) + 1, 10**digitlen - 1


def to_tensors(numbers, digitlen, device):
    """(numbers_1, numbers_2, results) as three LongTensors (batch, digitlen + 1) on `device`."""
    arrays = prepare_batch(*numbers, maxlen=digitlen + 1)
    return [torch.from_numpy(array).to(device, non_blocking=True) for array in arrays]


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
    pairs="uniform",
    stop_after=None,
    log=None,
):
    """Train `model` for `steps` steps on fresh random pairs of up to `digitlen` digits.

    `pairs` are "uniform" over [0, 5 * 10^(digitlen-1)], as in the report, or "carry_rich", with carry
    chains of every length; `batch_size` of them a step. The loss is the cross-entropy over all positions.
    Every 10 steps the accuracy is measured on `test_size` fresh test pairs (see `evaluate`). With
    `stop_after`, training ends once the accuracy was 1.0 that many times in a row.
    `log(step, loss, accuracy)` is called at each measurement; the default prints every fifth.

    Returns the curves and keeps them as `model.curves` for `loss_draw`: {"loss": [one a step],
    "accuracy": [one a measurement], "measured_at": [the step of each], "seconds": {"data",
    "training", "evaluation"}}. Raises ValueError for a bad argument before any work, and
    FloatingPointError at a loss that is not finite; `model.curves` then has what came before.
    """
    check_training(steps, digitlen, batch_size, test_size, pairs, stop_after)
    device = check_device(device)
    log = log or print_line
    seconds = {"data": 0.0, "training": 0.0, "evaluation": 0.0}
    curves = model.curves = {"loss": [], "accuracy": [], "measured_at": [], "seconds": seconds}
    if pairs == "uniform":
        draw = functools.partial(gen_data_batch, batch_size, *training_range(digitlen))
    else:
        draw = functools.partial(gen_carry_rich_batch, batch_size, digitlen)
    pending = []  # losses still on the device: reading each one at once would make a GPU wait
    clock = time.perf_counter()

    def charge(what):  # the time since the last call
        nonlocal clock
        clock, before = time.perf_counter(), clock
        seconds[what] += clock - before

    for step in range(1, steps + 1):
        batch = to_tensors(draw(), digitlen, device)
        charge("data")
        pending.append(training_step(model, optimizer, *batch))
        measured = step % EVALUATE_EVERY == 0 or step == steps
        if measured:
            curves["loss"] += torch.stack(pending).tolist()
            pending.clear()
        charge("training")
        if not measured:
            continue
        check_finite(curves["loss"], model, optimizer)
        curves["accuracy"].append(evaluate(model, device, digitlen, test_size))
        curves["measured_at"].append(step)
        charge("evaluation")
        log(step, curves["loss"][-1], curves["accuracy"][-1])
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


def check_training(steps, digitlen, batch_size, test_size, pairs, stop_after):
    """Raise ValueError, naming the argument, for what `train` cannot work with."""
    check_at_least("steps", steps, 1)
    check_at_least("digitlen", digitlen, 1)
    check_at_least("batch_size", batch_size, 1)
    check_at_least("test_size", test_size, 1)
    if pairs not in ("uniform", "carry_rich"):
        raise ValueError(f"pairs must be 'uniform' or 'carry_rich', got {pairs!r}")
    if stop_after is not None:
        check_at_least("stop_after", stop_after, 1)


def check_finite(losses, model, optimizer):
    """Raise FloatingPointError at the first of `losses` that is not finite; it and the rest go."""
    for step, loss in enumerate(losses, start=1):
        if not math.isfinite(loss):
            del losses[step - 1 :]
            rates = ", ".join(f"{group['lr']:g}" for group in optimizer.param_groups)
            raise FloatingPointError(
                f"the loss is {loss} at step {step} ({type(model.rnn).__name__}, "
                f"{model.rnn.num_layers} layers, learning rate {rates}): try a lower learning rate"
            )


def line(step, loss, accuracy):
    """A measurement in the words of the report."""
    return f"step {step} : loss {loss:.6g}  accuracy is: {accuracy:g}"


def print_line(step, loss, accuracy):
    """Print the report's line, every 50 steps."""
    if step % PRINT_EVERY == 0:
        print(line(step, loss, accuracy))


@torch.no_grad()
def evaluate(model, device="cpu", digitlen=10, batch_size=200):
    """The share of `batch_size` fresh test pairs whose whole sum is right, from 0.0 to 1.0.

    Both numbers are drawn from [5 * 10^(digitlen-1) + 1, 10^digitlen - 1]. One wrong digit fails a
    pair. Raises ValueError for a bad argument.
    """
    check_at_least("digitlen", digitlen, 1)
    check_at_least("batch_size", batch_size, 1)
    device = check_device(device)
    model.eval()
    num1, num2, results = to_tensors(gen_data_batch(batch_size, *test_range(digitlen)), digitlen, device)
    right = (model(num1, num2).argmax(-1) == results).all(-1)
    return right.sum().item() / batch_size


@torch.no_grad()
def add_digits(model, digits_1, digits_2):
    """Add digit arrays (batch, digits) of any length with `model`: the digits of its answers, uint8.

    The numbers are read in parts, the hidden state carried on from one to the next, so that memory does
    not grow with their length. The answer has as many digits: a carry out of the last one is dropped.
    """
    device = next(model.parameters()).device
    model.eval()
    answer, hidden = np.empty(digits_1.shape, dtype=np.uint8), None
    length = max(1, PART // len(digits_1))
    for begin in range(0, digits_1.shape[1], length):
        part = slice(begin, begin + length)
        num1, num2 = (torch.from_numpy(d[:, part].astype(np.int64)).to(device) for d in (digits_1, digits_2))
        logits, hidden = model.read(num1, num2, hidden)
        answer[:, part] = logits.argmax(-1).cpu().numpy()
    return answer


def add(model, number_1, number_2):
    """The sum of two integers of any length, as `model` adds them: an integer.

    Raises TypeError for what is no integer, ValueError for a negative number.
    """
    numbers = []
    for name, number in (("number_1", number_1), ("number_2", number_2)):
        if not hasattr(number, "__index__"):
            raise TypeError(f"{name} must be an integer, got {number!r}")
        check_at_least(name, operator.index(number), 0)
        numbers.append(operator.index(number))
    maxlen = len(str(max(numbers))) + 1
    digits_1, digits_2 = (to_digits("numbers", [number], maxlen) for number in numbers)
    return results_converter(add_digits(model, digits_1, digits_2))[0]


def load(path):
    """The adder whose weights were saved at `path` by `torch.save(model.state_dict(), path)`."""
    weights = torch.load(path, weights_only=True)
    gates = len(weights["rnn.weight_ih_l0"]) // HIDDEN
    cell = {1: "RNN", 3: "GRU", 4: "LSTM"}[gates]
    model = Adder(cell, sum(name.startswith("rnn.weight_ih") for name in weights))
    model.load_state_dict(weights)
    return model


def train_run(settings, log):
    """Train one new adder as `settings` say and return (record, weights).

    `settings`: cell, layers, lr (of Adam), digitlen, steps, batch_size, test_size, pairs,
    stop_after, seed, device. The same settings give the same curves again on the same machine, bit for
    bit. `record` has the curves of `train`, the step of the first measured accuracy of 1.0 or None,
    seconds in all, milliseconds a step, and error: None, or what ended the run early. `weights` is a
    state_dict.
    """
    device = check_settings(settings)
    seed_everything(settings["seed"])
    began = time.perf_counter()
    model = Adder(settings["cell"], settings["layers"]).to(device)
    optimizer = torch.optim.Adam(model.parameters(), lr=settings["lr"], fused=True)
    error = None
    try:
        names = ("digitlen", "batch_size", "test_size", "pairs", "stop_after")
        chosen = {name: settings[name] for name in names}
        train(settings["steps"], model, optimizer, device, log=log, **chosen)
    except FloatingPointError as stopped:
        error = str(stopped)
    curves = model.curves
    right = [step for step, accuracy in zip(curves["measured_at"], curves["accuracy"]) if accuracy == 1.0]
    record = dict(
        curves,
        first_100=right[0] if right else None,
        total_seconds=time.perf_counter() - began,
        ms_per_step=1e3 * curves["seconds"]["training"] / max(1, len(curves["loss"])),
        error=error,
    )
    return record, {name: tensor.cpu() for name, tensor in model.state_dict().items()}


def check_settings(settings):
    """Raise ValueError for a setting that `train_run` cannot work with; returns the device."""
    names = ("steps", "digitlen", "batch_size", "test_size", "pairs", "stop_after")
    check_training(**{name: settings[name] for name in names})
    Adder(settings["cell"], settings["layers"])
    if not isinstance(settings["lr"], (int, float)) or not settings["lr"] > 0:
        raise ValueError(f"lr must be a number above 0, got {settings['lr']!r}")
    check_at_least("seed", settings["seed"], 0)
    return check_device(settings["device"])


def seed_everything(seed):
    """Seed all that a run draws from, and turn off what makes it differ from run to run.

    TF32 is off too: a GPU's float32 is then a float32.
    """
    random.seed(seed)
    torch.manual_seed(seed)
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.benchmark = False
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS asks for it, see PyTorch's notes
    torch.use_deterministic_algorithms(True)
    torch.utils.deterministic.fill_uninitialized_memory = False  # costs time; nothing here reads any


def time_steps(digitlen, device, batch_size=100):
    """(seconds of a training step of the simple adder, GFLOP/s of large matrix products) on `device`.

    Both are the median of three, after one that does not count; of one where it takes over a second.
    """
    seed_everything(0)
    model = Adder().to(device)
    optimizer = torch.optim.Adam(model.parameters(), fused=True)
    batch = to_tensors(gen_data_batch(batch_size, *training_range(digitlen)), digitlen, device)
    matrix = torch.ones(2048, 2048, device=device)

    def seconds(work):
        took = []
        while len(took) < 4 and not (len(took) == 2 and took[1] > 1):
            began = time.perf_counter()
            work()
            if torch.device(device).type == "cuda":
                torch.cuda.synchronize(device)
            took.append(time.perf_counter() - began)
        return statistics.median(took[1:])

    return seconds(lambda: training_step(model, optimizer, *batch)), 2 * 2048**3 / seconds(lambda: matrix @ matrix) / 1e9
