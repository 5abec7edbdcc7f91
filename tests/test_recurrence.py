"""Our recurrences against PyTorch's own, their outputs and every gradient."""

import functools
import math

import pytest
import torch
from torch import nn

import recurrence


@pytest.mark.parametrize(
    ("time", "batch"),
    [(1, 1), (11, 100), (255, 2), (256, 3), (700, 1), (300, 40), (900, 25), (3000, 2)],
)
@pytest.mark.parametrize(
    ("cell", "scale"), [(nn.RNN, 1), (nn.RNN, 3), (nn.RNN, 8), (nn.GRU, 1), (nn.GRU, 3)]
)
def test_the_recurrence_is_pytorchs(cell, scale, time, batch):
    # float64 and CUT_TOLERANCE: what differs is what was cut. At scale 8 the network is chaotic and
    # forgets nothing, so every chunk has to be scanned again; only short sequences can be compared.
    torch.manual_seed(0)
    if scale == 8:
        time = min(time, 11)
    rnn = cell(64, 64, 2).double()
    with torch.no_grad():
        for parameter in rnn.parameters():
            parameter.mul_(scale)
    table = torch.randn(100, 64, dtype=torch.float64, requires_grad=True)
    index = torch.randint(100, (time, batch))
    hidden = torch.randn(2, batch, 64, dtype=torch.float64, requires_grad=True)
    weights = [table, hidden, *rnn.parameters()]
    seen = []
    for run in (recurrence.run_layers, lambda rnn, table, index, hidden: rnn(table[index], hidden)):
        output, last = run(rnn, table, index, hidden)
        loss = (output * output.detach().cos()).sum() + last.sum()
        seen.append([output, last, *torch.autograd.grad(loss, weights)])
    for ours, theirs in zip(*seen, strict=True):
        assert (ours - theirs).abs().max() <= 1e-5 * theirs.abs().max()


@pytest.mark.parametrize(
    ("cell", "gates"), [(recurrence.TanhRecurrence, 1), (recurrence.GRURecurrence, 3)]
)
def test_the_gradient_of_the_recurrence_against_differences(cell, gates):
    torch.manual_seed(0)
    shapes = [(4, 2, 3 * gates), (2, 3), (3 * gates, 3)]
    if cell is recurrence.GRURecurrence:
        shapes.append((3 * gates,))  # the bias
    arguments = [torch.randn(shape, dtype=torch.float64, requires_grad=True) for shape in shapes]
    assert torch.autograd.gradcheck(cell.apply, arguments)


def sum_up(x, state, states):
    """A recurrence that forgets nothing: a running sum, where every chunk depends on all before."""
    for x_t, state_t in zip(x, states, strict=True):
        state = torch.add(x_t, state, out=state_t)


def scan_laid_out(x, start, backwards=False):
    """`sum_up` of x (time, batch, units), in chunks of 64 steps, back in the order of time."""
    time = len(x)
    laid_out = x[recurrence.lay_out(time, 64)]  # (steps, chunks, batch, units)
    if backwards:
        laid_out[(time - 1) % 64 + 1 :, -1] = 0  # what fills up the last chunk comes first
    states = recurrence.scan_in_chunks(sum_up, (laid_out.flatten(1, 2),), start, backwards)
    chunks = states.view(laid_out.shape).transpose(0, 1)
    return chunks.flatten(0, 1)[:time]


def test_a_recurrence_that_forgets_nothing_is_scanned_again():
    x = torch.randn(1000, 2, 3, dtype=torch.float64)
    start = torch.ones(2, 3, dtype=torch.float64)
    assert torch.allclose(scan_laid_out(x, start), start + x.cumsum(0), rtol=0, atol=1e-3)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("backwards", [False, True])
def test_what_is_no_number_stays_where_one_pass_has_it(value, backwards):
    # Four numbers' running sums in 16 chunks: of the second the start is no number, of the third an
    # element in the middle; the others must be scanned again as if these were not there.
    torch.manual_seed(0)
    x = torch.randn(1000, 4, 3, dtype=torch.float64)
    start = torch.ones(4, 3, dtype=torch.float64)
    start[1, 0] = value
    x[500, 2, 1] = value
    ordered = x.flip(0) if backwards else x
    expected = start + ordered.cumsum(0)
    scanned = scan_laid_out(x, start, backwards)
    scanned = scanned.flip(0) if backwards else scanned
    assert not scanned[:, [0, 3]].isnan().any()
    assert torch.allclose(scanned, expected, rtol=0, atol=1e-3, equal_nan=True)


@pytest.mark.parametrize("time", [1, 63, 64, 65, 1000])
@pytest.mark.parametrize("steps", [64, 100])
def test_each_position_has_its_place(time, steps):
    places = recurrence.lay_out(time, steps)
    for chunk, column in enumerate(places.t().tolist()):
        for step, position in enumerate(column):
            assert position == min(steps * chunk + step, time - 1)
    assert places[-1, -1] == time - 1
    assert places[0, -1] < time


@torch.no_grad()
def test_a_row_of_nan_spoils_the_numbers_that_read_it_alone():
    torch.manual_seed(0)
    rnn = nn.RNN(64, 64)
    rnn.weight_hh_l0.mul_(3)  # chaotic: no chunk can be guessed
    table = torch.randn(100, 64)
    index = torch.randint(99, (400, 3))
    clean, _ = recurrence.run_layers(rnn, table[:, None].flatten(1), index[:, :2], None)
    table[99] = math.nan
    index[30, 2] = 99
    spoiled, last = recurrence.run_layers(rnn, table, index, None)
    assert not spoiled[:30].isnan().any()
    assert spoiled[30:, 2].isnan().all() and last[0, 2].isnan().all()
    assert not spoiled[:, :2].isnan().any()
    # from the same states, step by step: no state was taken over unchecked
    before = spoiled[:-1, :2]
    after = (rnn(table[index[1:, :2]].flatten(0, 1)[None], before.flatten(0, 1)[None])[0])[0]
    assert (after.view_as(before) - spoiled[1:, :2]).abs().max() <= 1e-5
    assert (clean[:64] - spoiled[:64, :2]).abs().max() <= 1e-3


class Doubled(nn.GRU):
    """A cell that a reader derived from PyTorch's: it keeps the name of its mode."""

    def forward(self, inputs, hidden=None):
        outputs, hidden = super().forward(inputs, hidden)
        return 2 * outputs, hidden


@pytest.mark.parametrize(
    "make",
    [
        Doubled,
        functools.partial(nn.RNN, bias=False),
        functools.partial(nn.GRU, bias=False),
        functools.partial(nn.RNN, dropout=0.5),
        functools.partial(nn.GRU, dropout=0.5),
        functools.partial(nn.GRU, bidirectional=True),
        functools.partial(nn.RNN, nonlinearity="relu"),
    ],
)
def test_a_cell_that_is_not_quite_pytorchs_is_what_it_is(make):
    torch.manual_seed(0)
    rnn = make(6, 5, 2)
    table = torch.randn(100, 6)
    index = torch.randint(100, (11, 3))
    seen = []
    for run in (recurrence.run_layers, lambda rnn, table, index, hidden: rnn(table[index], hidden)):
        torch.manual_seed(1)  # of dropout
        seen.append(run(rnn, table, index, None))
    (ours, our_last), (theirs, their_last) = seen
    assert torch.equal(ours, theirs) and torch.equal(our_last, their_last)
