"""Our recurrences against PyTorch's own, their outputs and every gradient."""

import math

import pytest
import torch
from torch import nn

import recurrence


@pytest.mark.parametrize(
    ("time", "batch"), [(1, 1), (11, 100), (255, 2), (256, 3), (700, 1), (300, 40)]
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
    shapes = ((4, 2, 3 * gates), (2, 3), (3 * gates, 3), (3 * gates,))
    arguments = [torch.randn(shape, dtype=torch.float64, requires_grad=True) for shape in shapes]
    assert torch.autograd.gradcheck(cell.apply, arguments)


def test_a_recurrence_that_forgets_nothing_is_scanned_again():
    # A running sum: every chunk depends on all before it.
    def scan(x, state):
        for x_t in x:
            state = x_t.add_(state)

    x = torch.randn(1000, 2, 3, dtype=torch.float64)
    start = torch.ones(2, 3, dtype=torch.float64)
    assert torch.allclose(
        recurrence.scan_in_chunks(scan, (x.clone(),), start), start + x.cumsum(0), rtol=0, atol=1e-3
    )


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("backwards", [False, True])
def test_what_is_no_number_stays_where_one_pass_has_it(value, backwards):
    # Four numbers' running sums in 16 chunks: of the second the start is no number, of the third an
    # element in the middle; the others must be scanned again as if these were not there.
    def scan(x, state):
        for x_t in x:
            state = x_t.add_(state)

    torch.manual_seed(0)
    x = torch.randn(1000, 4, 3, dtype=torch.float64)
    start = torch.ones(4, 3, dtype=torch.float64)
    start[1, 0] = value
    x[500, 2, 1] = value
    ordered = x.flip(0) if backwards else x
    expected = start + ordered.cumsum(0)
    scanned = recurrence.scan_in_chunks(scan, (x.clone(),), start, backwards)
    scanned = scanned.flip(0) if backwards else scanned
    assert not scanned[:, [0, 3]].isnan().any()
    assert torch.allclose(scanned, expected, rtol=0, atol=1e-3, equal_nan=True)


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
