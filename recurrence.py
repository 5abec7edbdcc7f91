"""An RNN and a GRU over time on a CPU: PyTorch's own numbers to rounding, gradients too, sooner."""

import torch
from torch.nn.functional import embedding, linear

# How a long recurrence is cut up on the CPU; see `scan_in_chunks`.
CHUNK = 64  # positions a chunk
WARM_UP = 32  # positions that a chunk's first state is guessed from
WIDE = 32  # above this many numbers at once a single pass is as fast
CUT_TOLERANCE = 1e-6  # a few roundings of a float32 near 1

MINUS_ONE = torch.tensor(-1.0)  # `torch.add` multiplies its second argument only: a tensor, then


def run_layers(rnn, table, index, hidden):
    """`rnn(table[index], hidden)`, on the CPU by a recurrence of our own: the same numbers, sooner.

    PyTorch's own tanh RNN and GRU spend most of their time there between small operations. And the
    first layer's product W_ih x is made once for each row of `table`, (rows, width), not for each
    of `index`, int64 (digits, batch). `hidden` is what an earlier call returned, or None.

    Returns (the top layer's states (digits, batch, units), the hidden state after the last digit).
    """
    recurrence = RECURRENCES.get(getattr(rnn, "mode", None))
    if recurrence is None or table.device.type != "cpu":
        return rnn(embedding(index, table), hidden)
    if hidden is None:
        hidden = table.new_zeros(rnn.num_layers, index.shape[1], rnn.hidden_size)
    outputs = None
    last_states = []
    for start, (weight_ih, weight_hh, bias_ih, bias_hh) in zip(
        hidden, rnn.all_weights, strict=True
    ):
        if outputs is None:
            inputs = embedding(index, linear(table, weight_ih, bias_ih))
        else:
            inputs = linear(outputs, weight_ih, bias_ih)
        outputs = recurrence.apply(inputs, start, weight_hh, bias_hh)
        last_states.append(outputs[-1])
    return outputs, torch.stack(last_states)


def tanh_of_half_(z):
    """tanh(z / 2), written over `z`: 2 s - 1 with the sigmoid s takes a fifth of tanh's time."""
    return torch.add(MINUS_ONE, z.sigmoid_(), alpha=2, out=z)


class TanhRecurrence(torch.autograd.Function):
    """h[t] = tanh(x[t] + W h[t-1] + b) over all t, and its gradient by backpropagation in time.

    Takes x (digits, batch, units), h[-1] (batch, units), W (units, units) and b (units,); returns h
    like x. Backward, with g the gradient of the loss at h, that at the argument of tanh is
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
    def backward(ctx, grad_h):
        h, start, weight = ctx.saved_tensors

        def scan(grad_h, slope, d):
            for grad_h_t, slope_t in zip(grad_h, slope, strict=True):
                d = grad_h_t.addmm_(d, weight).mul_(slope_t)

        slopes = torch.addcmul(h.new_ones(()), h, h, value=-1)
        grad_h = grad_h.clone(memory_format=torch.contiguous_format)
        d = scan_in_chunks(scan, (grad_h, slopes), torch.zeros_like(start), backwards=True)
        grad_start = d[0] @ weight
        grad_weight = d[0].t() @ start + d[1:].flatten(0, 1).t() @ h[:-1].flatten(0, 1)
        grad_bias = d.sum((0, 1))
        return d, grad_start, grad_weight, grad_bias


class GRURecurrence(torch.autograd.Function):
    """h[t] = z h[t-1] + (1 - z) n over all t, as `nn.GRU` has it, and its gradient as above:

    r = sigmoid(x_r[t] + W_r h[t-1] + b_r), z likewise,
    n = tanh(x_n[t] + r m), m = W_n h[t-1] + b_n.

    Takes and returns what `TanhRecurrence` does, but for three times the units in x, W and b: of
    r, z and n.
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


def scan_in_chunks(scan, inputs, start, backwards=False):
    """What the recurrence `scan` makes of `inputs`: (time, batch, units), in one pass or in chunks.

    `scan(*inputs, state)` overwrites its first input, step by step, from the state before the
    first step on; each input comes to it as a sequence of steps, from the last to the first if
    `backwards`. A long sequence of few numbers is cut into chunks that are scanned side by side,
    as one wider batch: each begins in the state that the last WARM_UP positions before it lead to
    from zero. Where the chunk before ends in another state (by over CUT_TOLERANCE of the largest
    finite one, or in a NaN), the chunk is scanned again from there, until none is left: so the
    result is that of one pass, to rounding, whatever `scan` is, also for the numbers of a batch
    beside one that is NaN; and forgetful recurrences get it in far fewer steps. (A Jacobi
    iteration over the chunks, as in Song et al. 2021, "Accelerating feedforward computation via
    parallel nonlinear equation solving".)
    """
    time, batch, units = inputs[0].shape
    if time < 4 * CHUNK or batch > WIDE:
        direction = slice(None, None, -1 if backwards else 1)
        scan(*(each.unbind()[direction] for each in inputs), start)
        return inputs[0]
    chunks = -(-time // CHUNK)
    # The place of each step in the order of scanning; the last chunk is filled up with the last
    # step.
    order = torch.arange(chunks * CHUNK).clamp(max=time - 1)
    if backwards:
        order = time - 1 - order
    places = order.view(chunks, CHUNK).t()

    def scan_side_by_side(places, starts):
        """(steps, chunks) and the state before each chunk -> the states after all steps."""
        parts = [
            each.index_select(0, places.flatten()).view(*places.shape, batch, units)
            for each in inputs
        ]
        scan(*(part.flatten(1, 2).unbind() for part in parts), starts.flatten(0, 1))
        return parts[0]

    warm_up = scan_side_by_side(places[-WARM_UP:, :-1], start.new_zeros(chunks - 1, batch, units))
    starts = torch.cat((start[None], warm_up[-1]))
    states = scan_side_by_side(places, starts)
    while True:
        ends = states[-1, :-1]
        largest = ends.nan_to_num(0.0, 0.0, 0.0).abs().max()
        tolerance = float(CUT_TOLERANCE * largest)
        same = torch.isclose(ends, starts[1:], rtol=0.0, atol=tolerance, equal_nan=True)
        wrong = ~same.all(2).all(1)
        if not wrong.any():
            break
        again = 1 + wrong.nonzero()[:, 0]
        starts[again] = ends[again - 1]
        states[:, again] = scan_side_by_side(places[:, again], starts[again])
    step = order[:time]  # of each position: the order is its own inverse
    return states.flatten(0, 1).index_select(0, step % CHUNK * chunks + step // CHUNK)
