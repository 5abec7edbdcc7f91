"""An RNN and a GRU over time on a CPU: PyTorch's own numbers to rounding, every gradient included, sooner."""

import torch
from torch.nn.functional import embedding, linear

# How a long recurrence is cut up on the CPU; see `scan_in_chunks`.
CHUNK = 64  # positions a chunk
WARM_UP = 32  # positions that a chunk's first state is guessed from
WIDE = 32  # above this many numbers at once a single pass is as fast
CUT_TOLERANCE = 1e-6  # a few roundings of a float32 near 1

MINUS_ONE = torch.tensor(
    -1.0
)  # `torch.add` multiplies its second argument only, so the first must be a tensor


def run_layers(rnn, table, index, hidden):
    """`rnn(table[index], hidden)`, on the CPU by `TanhRecurrence` or `GRURecurrence`: the same numbers, sooner.

    PyTorch's own tanh RNN and GRU spend most of their time there between small operations. And the first layer's
    product W_ih x is made once for each row of `table`, (rows, width), not for each of `index`, (digits, batch).
    """
    recurrence = {"RNN_TANH": TanhRecurrence, "GRU": GRURecurrence}.get(rnn.mode)
    if recurrence is None or table.device.type != "cpu":
        return rnn(embedding(index, table), hidden)
    if hidden is None:
        hidden = table.new_zeros(rnn.num_layers, index.shape[1], rnn.hidden_size)
    outputs, last = table, []
    for layer, (start, (weight_ih, weight_hh, bias_ih, bias_hh)) in enumerate(
        zip(hidden, rnn.all_weights)
    ):
        inputs = linear(outputs, weight_ih, bias_ih)
        outputs = recurrence.apply(
            inputs if layer else embedding(index, inputs), start, weight_hh, bias_hh
        )
        last.append(outputs[-1])
    return outputs, torch.stack(last)


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
        g = torch.cat(
            (torch.zeros_like(start)[None], g)
        )  # at the state before each step, and the last
        rows, repeated = d.flatten(2), g[1:].unsqueeze(2)  # views, for the products below
        for g_before, g_t, repeated_t, z_t, d_t, row_t in reversed(
            list(zip(g, g[1:], repeated, z, d, rows))
        ):
            d_t.mul_(repeated_t)
            g_before.addcmul_(g_t, z_t).addmm_(row_t, weight)
        of_x = torch.cat((rows[..., : -len(start[0])], g[1:] * slope_n), -1)
        return of_x, g[0], rows.flatten(0, 1).t() @ before.flatten(0, 1), rows.sum((0, 1))


def scan_in_chunks(scan, inputs, start, backwards=False):
    """What the recurrence `scan` makes of `inputs`: (time, batch, units), in one pass or in chunks.

    `scan(*inputs, state)` overwrites its first input, step by step, from the state before the first step on; each input
    comes to it as a sequence of steps, from the last to the first if `backwards`. A long sequence of few numbers is cut
    into chunks that are scanned side by side, as one wider batch: each begins in the state that the last WARM_UP
    positions before it lead to from zero. Where the chunk before ends in another state (by over CUT_TOLERANCE of the
    largest), the chunk is scanned again from there, until none is left: so the result is that of one pass, to rounding,
    whatever `scan` is, and forgetful recurrences get it in far fewer steps. (A Jacobi iteration over the chunks, as in
    Song et al. 2021, "Accelerating feedforward computation via parallel nonlinear equation solving".)
    """
    time, batch, units = inputs[0].shape
    if time < 4 * CHUNK or batch > WIDE:
        order = slice(None, None, -1 if backwards else 1)
        scan(*(i.unbind()[order] for i in inputs), start)
        return inputs[0]
    chunks = -(-time // CHUNK)
    order = torch.arange(chunks * CHUNK).clamp(
        max=time - 1
    )  # the last chunk is filled up with the last step
    if backwards:
        order = time - 1 - order
    places = order.view(chunks, CHUNK).t()

    def scan_side_by_side(
        places, starts
    ):  # (steps, chunks) and the state before each chunk -> all states
        parts = [
            i.index_select(0, places.flatten()).view(*places.shape, batch, units) for i in inputs
        ]
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
