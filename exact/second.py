"""A second runtime: an adder as it is defined, one position after the other, in NumPy.

A counterexample that is wrong in PyTorch and here, in float32 and in float64, is no accident of
rounding or of a kernel.
"""

import numpy as np


@np.errstate(over="ignore", invalid="ignore")
def add_in_numpy(adder, number_1, number_2, dtype):
    """The sum of two integers as an adder gives it, all numbers and products in `dtype`.

    `adder` is {"cell", "weights": its state_dict on the CPU}, of any size; its layers are counted
    by the names of the weights. None for a cell that is not defined here. Where it overflows, it
    says some digit, without a warning.
    """
    step = STEPS.get(adder["cell"])
    if step is None:
        return None
    weights = {name: array.numpy().astype(dtype) for name, array in adder["weights"].items()}
    layers = sum(name.startswith("rnn.weight_hh_l") for name in weights)
    units = weights["rnn.weight_hh_l0"].shape[1]
    states = np.zeros((layers, 2, units), dtype)  # h, and of an LSTM c
    digits = max(len(str(number_1)), len(str(number_2))) + 1
    answer = 0
    for place in range(digits):
        digit_1 = number_1 // 10**place % 10
        digit_2 = number_2 // 10**place % 10
        embedding = weights["embed_layer.weight"]
        x = np.concatenate((embedding[digit_1], embedding[digit_2]))
        for layer in range(layers):
            ours = [weights[f"rnn.{name}_l{layer}"] for name in PARAMETERS]
            states[layer] = step(x, states[layer], *ours)
            x = states[layer, 0]
        logits = weights["dense.weight"] @ x + weights["dense.bias"]
        answer += int(logits.argmax()) * 10**place
    return answer


PARAMETERS = ("weight_ih", "bias_ih", "weight_hh", "bias_hh")


def step_rnn(x, state, weight_ih, bias_ih, weight_hh, bias_hh):
    """One step of a tanh RNN: (h, unused)."""
    h, unused = state
    return np.tanh(weight_ih @ x + bias_ih + weight_hh @ h + bias_hh), unused


def step_gru(x, state, weight_ih, bias_ih, weight_hh, bias_hh):
    """One step of a GRU: (h, unused)."""
    h, unused = state
    from_x = np.split(weight_ih @ x + bias_ih, 3)
    from_h = np.split(weight_hh @ h + bias_hh, 3)
    r = sigmoid(from_x[0] + from_h[0])
    z = sigmoid(from_x[1] + from_h[1])
    n = np.tanh(from_x[2] + r * from_h[2])
    return (1 - z) * n + z * h, unused


def step_lstm(x, state, weight_ih, bias_ih, weight_hh, bias_hh):
    """One step of an LSTM: (h, c)."""
    h, c = state
    i, f, g, o = np.split(weight_ih @ x + bias_ih + weight_hh @ h + bias_hh, 4)
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    return sigmoid(o) * np.tanh(c), c


def sigmoid(z):
    """1 / (1 + exp(-z)), by tanh: it does not overflow."""
    return (1 + np.tanh(z / 2)) / 2


STEPS = {"RNN": step_rnn, "GRU": step_gru, "LSTM": step_lstm}
