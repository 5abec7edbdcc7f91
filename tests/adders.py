"""Adders that several tests look at, saved or trained once; their states, and sums to try."""

import functools

import torch
from checkout import FIXTURES
from torch import nn

import data
import pt
from exact import train_proven
from lab.training import plain_adder

# (layers, seed, cell) of the adders that the tests of proofs look at.
PROVEN = [(1, 0, "RNN"), (2, 0, "RNN"), (1, 0, "GRU"), (1, 0, "LSTM")]

# (model, its proof) of (layers, seed, cell): copy the model before you change it.
proven_adder = functools.cache(train_proven)


def load_proven(cell):
    """A saved adder that is proven, to be changed: the same weights on every CPU."""
    return pt.load(FIXTURES / f"proven_{cell.lower()}.npz").requires_grad_(False)


@functools.cache
def adder_trained_on_uniform_pairs(cell, layers, rate, steps):
    """An adder trained as the report's, on uniform pairs of 10 digits: (model, best accuracy)."""
    pt.seed_everything(0)
    model = pt.Adder(cell, layers)
    optimizer = torch.optim.Adam(model.parameters(), lr=rate)
    accuracy = 0.0
    for step in range(1, steps + 1):
        digits = data.prepare_batch(*data.gen_data_batch(100, 0, 5 * 10**9), maxlen=11)
        num1, num2, results = pt.to_tensors(digits, "cpu")
        optimizer.zero_grad()
        pt.cross_entropy(model(num1, num2), results).backward()
        optimizer.step()
        if step % 10 == 0:
            accuracy = max(accuracy, pt.evaluate(model, "cpu", 10, 100))
    return model, accuracy


@torch.no_grad()
def states(model, num1, num2):
    """The states of an adder of any cell after each of `digits` digits, two (batch, digits).

    Returns (h, c): h (digits, layers, batch, units), c likewise of an LSTM, else None.
    """
    hidden = None
    after_each = []
    for place in range(num1.shape[1]):
        _, hidden = model.read(num1[:, place : place + 1], num2[:, place : place + 1], hidden)
        after_each.append(hidden if isinstance(hidden, tuple) else (hidden,))
    h, *c = (torch.stack(part) for part in zip(*after_each, strict=True))
    return h, c[0] if c else None


def as_training(model):
    """The result of a training that ends at 100% with this adder."""
    return {"adder": plain_adder(model), "error": None, "accuracy": [1.0]}


def wrong_digits(model, digits_1, digits_2, sums):
    """How many digits of real sums come out wrong."""
    return int((pt.add_digits(model, digits_1, digits_2) != sums).sum())


def named_pairs(digitlen):
    """Pairs of up to `digitlen` digits that test a rule, not luck: {name: (number_1, number_2)}."""
    ones = (10**digitlen - 1) // 9  # 111...1
    nines = 9 * ones
    tens = 10 ** (digitlen - 1)
    alternating = int(("90" * digitlen)[:digitlen])
    mixed = int(("1234567890" * digitlen)[:digitlen])
    return {
        "0 + 0": (0, 0),
        "999...9 + 1": (nines, 1),
        "1 + 999...9": (1, nines),
        "999...9 + 0": (nines, 0),
        "999...9 + 999...9": (nines, nines),
        "555...5 + 444...4": (5 * ones, 4 * ones),
        "555...5 + 444...45": (5 * ones, 4 * ones + 1),
        "9090... + 0909...": (alternating, nines - alternating),
        "9090... + 0909... + 1": (alternating, nines - alternating + 1),
        "a + a, a = 123456789012...": (mixed, mixed),
        "10^k + 10^k": (tens, tens),
        "10^k + (10^k - 1)": (tens, tens - 1),
        "5 * 10^k + 5 * 10^k": (5 * tens, 5 * tens),
    }


@torch.no_grad()
def padded(model, hidden):
    """An adder of one layer with units of no weight beside its own, `hidden` in all."""
    units = model.rnn.hidden_size
    wider = pt.Adder(model.cell, 1, hidden).requires_grad_(False)
    for parameter in wider.parameters():
        parameter.zero_()
    wider.embed_layer.weight.copy_(model.embed_layer.weight)
    wider.dense.weight[:, :units] = model.dense.weight
    wider.dense.bias.copy_(model.dense.bias)
    for ours, theirs in zip(wider.rnn.parameters(), model.rnn.parameters(), strict=True):
        gates = ours.unflatten(0, (-1, hidden))[:, :units]
        if ours.shape[-1] == hidden and ours.dim() == 2:
            gates = gates[..., :units]
        gates.copy_(theirs.unflatten(0, (-1, units)))
    return wider


class ReadersCell(nn.Module):
    """A cell as a reader writes one: a tanh RNN of several layers, with names of its own."""

    def __init__(self, inputs, hidden, layers):
        super().__init__()
        sizes = [inputs] + [hidden] * (layers - 1)
        self.of_input = nn.ModuleList(nn.Linear(size, hidden) for size in sizes)
        self.of_state = nn.ModuleList(nn.Linear(hidden, hidden) for _ in sizes)

    def forward(self, inputs, hidden=None):
        if hidden is None:
            hidden = inputs.new_zeros(
                len(self.of_state), inputs.shape[1], len(self.of_state[0].bias)
            )
        states = []
        for of_input, of_state, h in zip(self.of_input, self.of_state, hidden, strict=True):
            outputs = []
            for x in inputs:
                h = torch.tanh(of_input(x) + of_state(h))
                outputs.append(h)
            inputs = torch.stack(outputs)
            states.append(h)
        return inputs, self.keep(states)

    def keep(self, states):
        """The hidden state, as `forward` takes it."""
        return torch.stack(states)


class TupleCell(ReadersCell):
    """The same, its hidden state a tuple with a tensor for each layer."""

    def forward(self, inputs, hidden=None):
        if hidden is not None:
            hidden = [h[0] for h in hidden]
        return super().forward(inputs, hidden)

    def keep(self, states):
        return tuple(h[None] for h in states)


class StatelessCell(ReadersCell):
    """The same, but nothing is left of a number after its last digit."""

    def keep(self, states):
        return None


class ForwardOnlyCell(ReadersCell):
    """The same, but a number cannot be read in parts: it refuses a hidden state."""

    def forward(self, inputs, hidden=None):
        if hidden is not None:
            raise TypeError("no hidden state, please")
        return super().forward(inputs)


@torch.no_grad()
def as_pytorchs(model):
    """An adder of PyTorch's RNN with the weights of one of a `ReadersCell`."""
    cell = model.rnn
    layers = len(cell.of_input)
    same = pt.Adder("RNN", layers, model.dense.in_features, model.embed_layer.embedding_dim)
    same.embed_layer.load_state_dict(model.embed_layer.state_dict())
    same.dense.load_state_dict(model.dense.state_dict())
    for of_layer, *parts in zip(same.rnn.all_weights, cell.of_input, cell.of_state, strict=True):
        own = [part.weight for part in parts] + [part.bias for part in parts]
        for parameter, of_own in zip(of_layer, own, strict=True):
            parameter.copy_(of_own)
    return same
