"""Our recurrences against PyTorch's own, their outputs and every gradient."""

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
