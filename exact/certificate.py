"""The file that `check` reads: an adder and the bounds that prove it."""

import torch

import pt

HAIR = 2.0**-44  # of the sum of absolute values behind a bound: 256 roundings of a float64


def save_certificate(model, proof, path):
    """Save an adder and its `Proof` as npz, the same bytes each time; `pt.load` reads it, too.

    Beside what `pt.save` writes there is for each layer `bounds_l0`, `bounds_l1` and so on, float64
    (2 carries, low and high, gates x units), on W_hh h + b_hh. Raises ValueError for a proof that
    is none.

    They are those of the proof, wider by a hair. For it finds them in float64, and where all states
    are saturated, the bounds after a step are the bounds before it but for roundings, of either
    sign. That is safe: the program that checks the file asks whether what it reads is inductive.
    """
    if not proof.proven:
        raise ValueError("an adder that is not proven has no certificate")
    bounds = []
    for (_, weight_hh, _, bias_hh), of_layer in zip(
        model.rnn.all_weights, proof.bounds, strict=True
    ):
        hair = HAIR * (weight_hh.abs().sum(1) + bias_hh.abs()).double().detach().cpu()
        low, high_negated = (of_layer - hair).unbind(1)
        bounds.append(torch.stack((low, -high_negated), 1).numpy())
    pt.save(model, path, bounds)
