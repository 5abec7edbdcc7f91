"""Adders trained for the proof, each once for all tests, and the states of any adder."""

import functools

import torch

from exact import proof

proven_adder = functools.cache(
    proof.train_proven
)  # (model, its proof): copy the model before you change it


@torch.no_grad()
def states(model, num1, num2):
    """The states of an adder of any cell on digits (batch, digits): h after each digit, (digits, layers, batch, units).

    Returns (h, c), c likewise for an LSTM, else None.
    """
    hidden, found = None, []
    for place in range(num1.shape[1]):
        _, hidden = model.read(num1[:, place : place + 1], num2[:, place : place + 1], hidden)
        found.append(hidden if isinstance(hidden, tuple) else (hidden,))
    h, *c = (torch.stack(part) for part in zip(*found))
    return h, c[0] if c else None
