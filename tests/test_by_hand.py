"""The adder set by hand is proven, adds as one does on paper, and needs each of its units."""

import itertools
import math
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from adders import states, wrong_digits

import data
import pt
from exact import check, prove, save_certificate
from exact.by_hand import build_by_hand

ROOT = Path(__file__).parent.parent
UNIT = 2.0**-24  # the rounding unit of float32


@pytest.fixture(scope="module")
def adder():
    """The adder; change only a new one."""
    return build_by_hand()


def pairs_below_100():
    """All pairs of two numbers from 0 to 99, three digits each: (10,000, digits), twice."""
    first = np.repeat(np.arange(100), 100)
    second = np.tile(np.arange(100), 100)
    return [
        np.stack([numbers // 10**place % 10 for place in range(3)], 1)
        for numbers in (first, second)
    ]


def test_it_is_proven_with_the_margin_that_one_finds_on_paper(adder):
    proof = prove(adder)
    assert proof.proven
    # The worst case is 9 + 9 with a carry, 9 against 8: the logits differ by 2 y - 17.
    y = math.tanh(0.002 * 19) / 0.002 - 10
    real = 2 * y - 17
    # A state may be off by 8 u and 1e-6, and y by 500 times as much; a logit by 5 u of its terms.
    of_states = 2 * (500 + 5 + 5) * (8 * UNIT + 1e-6)
    of_logits = 5 * UNIT * (2 * (9 + 8) * (500 + 5 + 5) + 9**2 + 8**2)
    assert proof.margin == pytest.approx(real - of_states - of_logits, abs=1e-4)
    assert proof.margin == pytest.approx(0.975, abs=5e-4)
    assert proof.margins[1, 9, 9] == proof.margin


def test_it_has_71_parameters(adder):
    sizes = {name: parameter.numel() for name, parameter in adder.named_parameters()}
    assert sizes == {
        "embed_layer.weight": 10,
        "rnn.weight_ih_l0": 6,
        "rnn.weight_hh_l0": 9,
        "rnn.bias_ih_l0": 3,
        "rnn.bias_hh_l0": 3,
        "dense.weight": 30,
        "dense.bias": 10,
    }
    assert sum(sizes.values()) == 71


def test_all_200_cases_are_right_after_every_pair_of_digits(adder):
    digits_1, digits_2 = pairs_below_100()
    answers = pt.add_digits(adder, digits_1, digits_2)
    cases = set()
    for below_1, below_2, a, b in itertools.product(range(10), repeat=4):
        carry = 1 if below_1 + below_2 >= 10 else 0
        total = a + b + carry
        answer = answers[100 * (10 * a + below_1) + 10 * b + below_2]
        expected = [(below_1 + below_2) % 10, total % 10, 1 if total >= 10 else 0]
        assert answer.tolist() == expected, (a, b, carry)
        cases.add((a, b, carry))
    assert len(cases) == 200


def count_on_paper(digits_1, digits_2):
    """(totals, new carries) of each position of some pairs, each (positions, pairs)."""
    carry = np.zeros(len(digits_1), int)
    totals = []
    carries = []
    for a, b in zip(digits_1.T.astype(int), digits_2.T.astype(int), strict=True):
        totals.append(a + b + carry)
        carry = totals[-1] // 10
        carries.append(carry)
    return np.array(totals), np.array(carries)


def test_its_units_hold_what_they_are_said_to_hold(adder):
    data.random.seed(0)
    *digits, _ = data.long_carry_batch(20, 500)
    totals, carries = count_on_paper(*digits)
    h = states(adder, *pt.to_tensors(digits, "cpu"))[0][:, 0].double()
    assert abs(h[..., 0].numpy() - (2 * carries - 1)).max() < 1e-6
    assert abs(h[..., 1].numpy() - 1).max() < 1e-6
    assert abs(h[..., 2].numpy() / 0.002 - totals).max() < 0.0095


def test_it_remembers_one_bit(adder):
    # All that the next step gets of the past, W_hh h, has two values, and never drifts.
    data.random.seed(1)
    *digits, _ = data.long_carry_batch(20, 500)
    _, carries = count_on_paper(*digits)
    h, _ = states(adder, *pt.to_tensors(digits, "cpu"))
    recurrent = (h[:, 0] @ adder.rnn.weight_hh_l0.T + adder.rnn.bias_hh_l0).detach().numpy()
    off = abs(recurrent - carries[..., None] * [20, 0, 0.002])
    # A state's rounding, 8 u and 1e-6, on both units of the carry, times their weights.
    assert (off <= 2 * (8 * UNIT + 1e-6) * np.array([10, 0, 0.001])).all()


def test_999_and_so_on_and_1(adder):
    assert pt.add(adder, 10**2000 - 1, 1) == 10**2000


def test_random_integers_of_5000_digits(adder):
    chosen = random.Random(0)
    for _ in range(5):
        number_1, number_2 = (chosen.randrange(10**4999, 10**5000) for _ in range(2))
        assert pt.add(adder, number_1, number_2) == number_1 + number_2


def test_long_carries(adder):
    data.random.seed(2)
    assert wrong_digits(adder, *data.long_carry_batch(50, 1000)) == 0


def test_its_certificate_is_accepted_by_other_arithmetic(adder, tmp_path):
    proof = prove(adder)
    path = tmp_path / "by_hand.npz"
    save_certificate(adder, proof, path)
    checked = check.check(path)
    assert (checked.cell, checked.layers) == ("RNN", 1)
    assert checked.margin == pytest.approx(proof.margin, abs=1e-6)
    command = [sys.executable, "exact/check.py", str(path)]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert "proven: this 1-layer RNN" in ended.stdout
    assert f"least margin {proof.margin:.6g}" in ended.stdout


# What the last digit of 1 + 1 is without a unit, counted by hand.
WITHOUT = {
    0: (0, "the carry is always half a carry: y = 2 - 5"),
    1: (7, "after the start h_0 = -1 alone is a carry of -1/2: y = 2 + 5"),
    2: (0, "there is no total: y = 0"),
}


@pytest.mark.parametrize("unit", WITHOUT)
def test_each_unit_is_needed(unit):
    broken = build_by_hand()
    with torch.no_grad():
        for weight in broken.rnn.parameters():
            weight[unit] = 0
    digit, reason = WITHOUT[unit]
    assert pt.add(broken, 1, 1) % 10 == digit, reason
    refused = prove(broken)
    assert not refused.proven and refused.margin < 0
