"""An RNN and a GRU over time on a CPU: PyTorch's own numbers to rounding, gradients too, sooner."""

import math

import torch
from torch import nn
from torch.nn.functional import embedding, linear

# How a long recurrence is cut up on the CPU; see `choose_chunk` and `scan_in_chunks`.
CHUNK = 64  # positions of a chunk, about, at least
ROWS = 200  # chunks get longer where a step has more rows, chunks x numbers, than that
WARM_UP = 32  # positions that a chunk's first state is guessed from
WIDE = 128  # above this many numbers at once a single pass is as fast
CUT_TOLERANCE = 1e-6  # a few roundings of a float32 near 1

tanh_backward = torch.ops.aten.tanh_backward.grad_input  # as PyTorch's own tanh calls it

MINUS_ONE = torch.tensor(-1.0)  # `torch.add` multiplies its second argument only: a tensor, then


def run_layers(rnn, table, index, hidden):
    """`rnn(table[index], hidden)`, on the CPU by a recurrence of our own: the same numbers, sooner.

    PyTorch's own tanh RNN and GRU spend most of their time there between small operations. And the
    first layer's product W_ih x is made once for each row of `table`, (rows, width), not for each
    of `index`, int64 (digits, batch). `hidden` is what an earlier call returned, or None.

    Returns (the top layer's states (digits, batch, units), the hidden state after the last digit).
    """
    recurrence = find_recurrence(rnn)
    if recurrence is None or table.device.type != "cpu":
        return rnn(embedding(index, table), hidden)
    if hidden is None:
        hidden = table.new_zeros(rnn.num_layers, index.shape[1], rnn.hidden_size)
    time, batch = index.shape
    steps = choose_chunk(time, batch) if recurrence is TanhRecurrence else time
    index = index[lay_out(time, steps)].flatten(1)
    outputs = None
    last_states = []
    for start, (weight_ih, weight_hh, bias_ih, bias_hh) in zip(
        hidden, rnn.all_weights, strict=True
    ):
        recurrent = (weight_hh, bias_hh)
        if recurrence is TanhRecurrence:
            # Both biases are in one sum: added to each row of the table, not at each step.
            bias_ih = bias_ih + bias_hh
            recurrent = (weight_hh,)
        if outputs is None:
            inputs = embedding(index, linear(table, weight_ih, bias_ih))
        else:
            inputs = linear(outputs, weight_ih, bias_ih)
        outputs = recurrence.apply(inputs, start, *recurrent)
        last_states.append(outputs[(time - 1) % steps, -batch:])
    in_order = outputs.unflatten(1, (-1, batch)).transpose(0, 1).flatten(0, 1)[:time]
    return in_order, torch.stack(last_states)


def find_recurrence(rnn):
    """The recurrence below that computes what `rnn` does; None for all but a plain RNN or GRU.

    A class derived from these may compute anything, whatever its `mode`.
    """
    if type(rnn) not in (nn.RNN, nn.GRU):
        return None
    if rnn.dropout or rnn.bidirectional or rnn.batch_first or not rnn.bias:
        return None
    return RECURRENCES.get(rnn.mode)


def tanh_of_half_(z):
    """tanh(z / 2), written over `z`: 2 s - 1 with the sigmoid s takes a fifth of tanh's time."""
    return torch.add(MINUS_ONE, z.sigmoid_(), alpha=2, out=z)


class TanhRecurrence(torch.autograd.Function):
    """h[t] = tanh(x[t] + W h[t-1]) over all t, and its gradient by backpropagation in time.

    Takes x (steps, rows, units), h[-1] (batch, units) and W (units, units); returns h like x. The
    rows are those of one batch, or of several chunks of a longer time, see `scan_in_chunks`.
    Backward, with g the gradient of the loss at h, that at the argument of tanh is
    d[t] = (g[t] + d[t+1] W) (1 - h[t]^2): the same kind of loop, run from the other end.
    """

    @staticmethod
    def forward(ctx, x, start, weight):
        transposed = weight.t().contiguous()

        def scan(x, h, states):
            for x_t, h_t in zip(x, states, strict=True):
                h = tanh_of_half_(torch.addmm(x_t, h, transposed, beta=2, alpha=2, out=h_t))

        h = scan_in_chunks(scan, (x,), start)
        ctx.save_for_backward(h, start, weight)
        return h

    @staticmethod
    def backward(ctx, grad_h):
        h, start, weight = ctx.saved_tensors

        def scan(grad_h, h, d, gradients):
            for grad_h_t, h_t, d_t in zip(grad_h, h, gradients, strict=True):
                torch.addmm(grad_h_t, d, weight, out=d_t)
                d = tanh_backward(d_t, h_t, grad_input=d_t)  # d_t (1 - h_t^2)

        d = scan_in_chunks(scan, (grad_h, h), torch.zeros_like(start), backwards=True)
        before = torch.cat((start, h[-1, : -len(start)]))  # the first step of each chunk
        grad_start = d[0, : len(start)] @ weight
        grad_weight = d[0].t() @ before + d[1:].flatten(0, 1).t() @ h[:-1].flatten(0, 1)
        return d, grad_start, grad_weight


class GRURecurrence(torch.autograd.Function):
    """h[t] = z h[t-1] + (1 - z) n over all t, as `nn.GRU` has it, and its gradient as above:

    r = sigmoid(x_r[t] + W_r h[t-1] + b_r), z likewise,
    n = tanh(x_n[t] + r m), m = W_n h[t-1] + b_n.

    Takes x (digits, batch, 3 units), for r, z and n, h[-1] (batch, units), W (3 units, units) and
    b (3 units,); returns h (digits, batch, units).
    """

    @staticmethod
    def forward(ctx, x, start, weight, bias):
        units = start.shape[1]
        weight_gates, weight_m = weight.t().split((2 * units, units), 1)
        bias_m = bias[2 * units :]
        gates = x[..., : 2 * units] + bias[: 2 * units]
        r, z = gates.chunk(2, -1)  # views: written through `gates`
        n = 2 * x[..., 2 * units :]
        m = torch.empty_like(n)
        h = torch.empty_like(n)
        before = start
        for gates_t, r_t, z_t, n_t, m_t, h_t in zip(gates, r, z, n, m, h, strict=True):
            gates_t.addmm_(before, weight_gates).sigmoid_()
            torch.addmm(bias_m, before, weight_m, out=m_t)
            tanh_of_half_(n_t.addcmul_(r_t, m_t, value=2))
            before = torch.lerp(n_t, before, z_t, out=h_t)
        ctx.save_for_backward(gates, n, m, h, start, weight)
        return h

    @staticmethod
    def backward(ctx, grad_h):
        gates, n, m, h, start, weight = ctx.saved_tensors
        r, z = gates.chunk(2, -1)
        before = torch.cat((start[None], h[:-1]))
        # How h changes with the argument of n's tanh, and with that of each gate's sigmoid and
        # with m.
        slope_n = (1 - z) * (1 - n * n)
        slope_m = slope_n * r
        slope_r = slope_m * m * (1 - r)
        slope_z = (before - n) * z * (1 - z)
        d = torch.stack((slope_r, slope_z, slope_m), 2)
        # The gradient at the state before each step, and at the last.
        grad = torch.cat((torch.zeros_like(start)[None], grad_h))
        rows = d.flatten(2)  # views, for the products below
        repeated = grad[1:].unsqueeze(2)
        steps = zip(grad[:-1], grad[1:], repeated, z, d, rows, strict=True)
        for grad_before, grad_t, repeated_t, z_t, d_t, row_t in reversed(list(steps)):
            d_t.mul_(repeated_t)
            grad_before.addcmul_(grad_t, z_t).addmm_(row_t, weight)
        grad_x = torch.cat((rows[..., : -len(start[0])], grad[1:] * slope_n), -1)
        grad_weight = rows.flatten(0, 1).t() @ before.flatten(0, 1)
        grad_bias = rows.sum((0, 1))
        return grad_x, grad[0], grad_weight, grad_bias


RECURRENCES = {"RNN_TANH": TanhRecurrence, "GRU": GRURecurrence}  # by what PyTorch calls the cell


def choose_chunk(time, batch):
    """The positions of a chunk for `batch` numbers of `time` digits; `time` for a single pass.

    Short chunks make few steps, long ones less to guess: so they are as long as there are rows
    enough to keep each step's product busy.
    """
    if time < 4 * CHUNK or batch > WIDE:
        return time
    steps = max(CHUNK, min(4 * CHUNK, time * batch // ROWS))
    chunks = math.ceil(time / steps)
    return math.ceil(time / chunks)


def lay_out(time, steps):
    """The position of each step of each chunk: int64 (steps, chunks).

    The last chunk is filled up with the last position.
    """
    chunks = math.ceil(time / steps)
    return torch.arange(chunks * steps).clamp(max=time - 1).view(chunks, steps).t()


def scan_in_chunks(scan, inputs, start, backwards=False):
    """The outputs of the recurrence `scan` for `inputs`, each (steps, rows, units), from `start`.

    `scan(*inputs, state, states)` fills `states`, step by step, from the state before the first
    step on; each input comes to it as a sequence of steps, from the last to the first if
    `backwards`. `start` is (batch, units), and the rows are one chunk of the time or several side
    by side, as `lay_out` has them: `batch` rows each. A chunk begins in the state that the last
    WARM_UP steps of the one before it lead to from zero. Where that one ends in another state (by
    over CUT_TOLERANCE of the largest finite one, or in a NaN), the chunk is scanned again from
    there, until none is left: so the result is that of one pass, to rounding, whatever `scan` is,
    also for the numbers of a batch beside one that is NaN; and forgetful recurrences get it in far
    fewer steps. (A Jacobi iteration over the chunks, as in Song et al. 2021, "Accelerating
    feedforward computation via parallel nonlinear equation solving".)
    """
    batch = len(start)
    direction = slice(None, None, -1 if backwards else 1)
    states = torch.empty_like(inputs[0], memory_format=torch.contiguous_format)
    steps = [each.unbind()[direction] for each in inputs]
    filled = states.unbind()[direction]
    if states.shape[1] == batch:
        scan(*steps, start, filled)
        return states
    # The rows of the chunks that another one follows in this direction, and of those that follow.
    leading = slice(None, -batch)
    following = slice(batch, None)
    if backwards:
        leading, following = following, leading
    guessed_from = [[step[leading] for step in each[-WARM_UP:]] for each in steps]
    warm_up = torch.empty_like(states[:WARM_UP, leading]).unbind()
    scan(*guessed_from, torch.zeros_like(warm_up[0]), warm_up)
    guesses = warm_up[-1]
    starts = torch.cat((guesses, start) if backwards else (start, guesses))
    scan(*steps, starts, filled)
    while True:
        ends = filled[-1][leading]
        guesses = starts[following]  # a view
        largest = ends.nan_to_num(0.0, 0.0, 0.0).abs().max()
        tolerance = float(CUT_TOLERANCE * largest)
        same = torch.isclose(ends, guesses, rtol=0.0, atol=tolerance, equal_nan=True)
        wrong = ~same.view(-1, batch * same.shape[1]).all(1)
        if not wrong.any():
            return states
        again = wrong.repeat_interleave(batch).nonzero()[:, 0]
        guesses[again] = ends[again]
        chosen = [each[:, following].index_select(1, again) for each in inputs]
        scanned = torch.empty_like(chosen[0])
        scan(
            *(each.unbind()[direction] for each in chosen),
            guesses[again],
            scanned.unbind()[direction],
        )
        states[:, following].index_copy_(1, again, scanned)
