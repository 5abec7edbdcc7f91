"""The second runtime against PyTorch's own module, and what is said of counterexamples."""

import copy

import numpy as np
import pytest
import sample
import torch
from adders import as_training

import data
import pt
from exact.by_hand import build_by_hand
from exact.second import add_in_numpy
from lab import deciding
from lab.parts.decided import Decided
from lab.training import plain_adder


@pytest.mark.parametrize(("cell", "layers"), [("RNN", 1), ("RNN", 3), ("GRU", 2), ("LSTM", 2)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_it_adds_as_pytorch_does(cell, layers, dtype):
    # Untrained and blown up: answers of all kinds, nearly never a tie.
    torch.manual_seed(3)
    model = pt.Adder(cell, layers, hidden=9, embedding=5)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(3)
    draws = np.random.default_rng(0)
    answers = set()
    for _ in range(10):
        number_1, number_2 = (int(number) for number in draws.integers(0, 10**12, 2))
        maxlen = max(len(str(number_1)), len(str(number_2))) + 1
        digits = [data.to_digits("", [number], maxlen) for number in (number_1, number_2)]
        num1, num2 = (torch.from_numpy(digit) for digit in digits)
        # PyTorch's own module in float64, not our loops
        double = copy.deepcopy(model).double()
        embedded = torch.cat((double.embed_layer(num1), double.embed_layer(num2)), -1)
        output, _ = double.rnn(embedded.transpose(0, 1))
        expected = double.dense(output).transpose(0, 1).argmax(-1)
        answer = add_in_numpy(plain_adder(model), number_1, number_2, dtype)
        assert answer == data.results_converter(expected.numpy())[0]
        answers.add(answer)
    assert len(answers) == 10


def test_the_adder_by_hand_is_right_in_both():
    by_hand = plain_adder(build_by_hand())
    for dtype in (np.float32, np.float64):
        assert add_in_numpy(by_hand, 999_999, 1, dtype) == 1_000_000
        assert add_in_numpy(by_hand, 0, 0, dtype) == 0
        assert add_in_numpy(by_hand, 58, 64, dtype) == 122


def test_a_cell_that_is_not_defined_here_has_no_answer():
    assert add_in_numpy({"cell": "Mine", "weights": {}}, 1, 2, np.float32) is None


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("cell", ["RNN", "GRU", "LSTM"])
def test_an_overflow_is_no_warning(cell):
    torch.manual_seed(0)
    model = pt.Adder(cell, 2, hidden=9, embedding=5)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(1e38)
    assert add_in_numpy(plain_adder(model), 12, 99, np.float32) >= 0


def test_a_decision_says_where_its_counterexample_is_wrong():
    torch.manual_seed(0)
    decided = deciding.decide_adder(as_training(pt.Adder(layers=1)), lambda share, line: None)
    assert decided["verdict"] == "wrong"
    assert decided["wrong_in"] == {"float32": True, "float64": True}
    proven = deciding.decide_adder(as_training(build_by_hand()), lambda share, line: None)
    assert proven["verdict"] == "proven" and proven["wrong_in"] is None


def test_counterexamples_are_counted_by_where_they_are_wrong():
    wrong_in = {
        "a": {"float32": True, "float64": True},
        "b": {"float32": True, "float64": False},
        "c": {"float32": False, "float64": True},
        "of a cell of one's own": None,
    }
    decisions = [
        sample.decided("x", "", seed, True, words, 1, wrong_in=of_adder)
        for seed, (words, of_adder) in enumerate(wrong_in.items())
    ]
    decided = Decided().result({"x": {"decisions": decisions}})
    assert decided["confirmed"] == 1 and decided["disputed"] == ["b", "c"]
