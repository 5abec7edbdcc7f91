"""Adders trained for the proof, each once for all tests, and one of them run with noise."""

import functools

import torch

import proof
from intervals import weights_of
from recurrence import tanh_of_half_

proven_adder = functools.cache(proof.train_proven)  # (model, its proof): copy the model before you change it


@torch.no_grad()
def noisy_states(model, num1, num2, noise=0.0):
    """Run a tanh adder with noise on each hidden unit at each step, uniform over [-noise, noise].

    Takes digits (batch, digits); returns the states of each layer, a list of (digits, batch, units), the
    noise in them, and the digits of the answer (batch, digits). Without noise the states are the adder's.
    """
    weights = weights_of(model)
    embedded = model.pairs()[10 * num1.T + num2.T]
    states = [torch.empty(*embedded.shape[:2], len(layer[2]), device=num1.device) for layer in weights.layers]
    before = [torch.zeros_like(layer[0]) for layer in states]
    for position, inputs in enumerate(embedded):
        for layer, (weight_ih, weight_hh, bias_ih, bias_hh) in enumerate(weights.layers):
            z = inputs @ weight_ih.T + (bias_ih + bias_hh) + before[layer] @ weight_hh.T
            h = tanh_of_half_(2 * z)
            inputs = before[layer] = states[layer][position] = h + torch.empty_like(h).uniform_(-noise, noise)
    return states, model.dense(states[-1]).argmax(-1).T
