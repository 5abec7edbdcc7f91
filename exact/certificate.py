"""The file that `check` reads: an adder and the bounds that prove it."""

import torch

import pt


def save_certificate(model, proof, path):
    """Save an adder and its `Proof` as npz, the same bytes each time; `pt.load` reads it, too.

    Beside what `pt.save` writes there is for each layer `bounds_l0`, `bounds_l1` and so on, float64
    (2 carries, low and high, gates x units), on W_hh h + b_hh. Raises ValueError for a proof that
    is none.
    """
    if not proof.proven:
        raise ValueError("there is no certificate of an adder that is not proven")
    bounds = []
    for of_layer in proof.bounds:
        low, high_negated = of_layer.unbind(1)
        bounds.append(torch.stack((low, -high_negated), 1).numpy())
    pt.save(model, path, bounds)
