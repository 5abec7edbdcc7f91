"""Each long call, small: its record, and that the same settings give it again; bad settings named before any work."""

import math
import random
import threading

import numpy as np
import pytest
import torch
from adders import proven_adder

import data
import pt
from data import carry_rich_batch, gen_data_batch, prepare_batch, results_converter
from exact import proof
from lab import trials
from lab.trials import train_adder

SETTINGS = {
    "cell": "RNN",
    "layers": 2,
    "lr": 1e-3,
    "digitlen": 10,
    "steps": 30,
    "batch_size": 20,
    "test_size": 20,
    "measure_every": 10,
    "pairs": "uniform",
    "stop_after": None,
    "seed": 0,
    "device": "cpu",
}


def quiet(share, line):
    pass


def test_training_reaches_100_percent_and_adds_larger_numbers():
    record = train_adder(
        SETTINGS | {"lr": 0.01, "layers": 1, "steps": 250, "batch_size": 100}, quiet
    )
    assert 1.0 in record["accuracy"]
    first = record["measured_at"][record["accuracy"].index(1.0)]
    assert record["said"].startswith(f"100% from step {first}, loss ")
    assert record["loss"][0] > 2 and record["loss"][-1] < 0.05
    assert record["error"] is None
    model = pt.adder_of(record["weights"])
    pairs = gen_data_batch(100, 5 * 10**9 + 1, 10**10 - 1)  # none of them was in the training range
    num1, num2, _ = map(torch.LongTensor, prepare_batch(*pairs, maxlen=11))
    answers = results_converter(model(num1, num2).argmax(-1))
    assert sum(map(int.__eq__, answers, (a + b for a, b in zip(*pairs[:2])))) >= 95


def test_carry_rich_training_draws_carry_rich_pairs(monkeypatch):
    drawn = []
    monkeypatch.setattr(
        data, "carry_rich_batch", lambda *size: drawn.append(size) or carry_rich_batch(*size)
    )
    train_adder(SETTINGS | {"pairs": "carry_rich", "steps": 2}, quiet)
    assert drawn == [(20, 10), (20, 10)]


def test_a_run_may_stop_at_a_steady_100_percent(monkeypatch):
    accuracies = iter([1.0, 0.5, 1.0, 1.0, 1.0, 0.5])
    monkeypatch.setattr(pt, "evaluate", lambda *_: next(accuracies))
    record = train_adder(SETTINGS | {"steps": 100, "stop_after": 3}, quiet)
    assert record["measured_at"] == [10, 20, 30, 40, 50]
    assert record["said"].startswith("100% from step 10, ")


def test_the_same_settings_give_the_same_curves_bit_for_bit():
    first = train_adder(SETTINGS | {"digitlen": 300, "batch_size": 2, "test_size": 2}, quiet)
    again = train_adder(SETTINGS | {"digitlen": 300, "batch_size": 2, "test_size": 2}, quiet)
    other = train_adder(
        SETTINGS | {"digitlen": 300, "batch_size": 2, "test_size": 2, "seed": 1}, quiet
    )
    assert first["loss"] == again["loss"] != other["loss"]
    assert all(
        torch.equal(tensor, again["weights"][name]) for name, tensor in first["weights"].items()
    )


def test_another_thread_that_draws_changes_nothing():
    # as those of a Dask worker do
    quietly, ended = train_adder(SETTINGS, quiet), threading.Event()

    def draw():
        while not ended.wait(0.001):
            random.random()

    other = threading.Thread(target=draw)
    other.start()
    disturbed = train_adder(SETTINGS, quiet)
    ended.set()
    other.join()
    assert disturbed["loss"] == quietly["loss"] and disturbed["accuracy"] == quietly["accuracy"]


def test_a_loss_that_is_not_finite_ends_the_run_and_says_why():
    record = train_adder(SETTINGS | {"lr": 1e38}, quiet)
    step = len(record["loss"]) + 1
    assert f"at step {step} (RNN, 2 layers, learning rate 1e+38)" in record["error"]
    assert "lower learning rate" in record["error"]
    assert all(map(math.isfinite, record["loss"]))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"digitlen": 0}, "digitlen .* got 0"),
        ({"batch_size": 0}, "batch_size .* got 0"),
        ({"test_size": -1}, "test_size .* got -1"),
        ({"steps": 0}, "steps .* got 0"),
        ({"measure_every": 0}, "measure_every .* got 0"),
        ({"pairs": "prime"}, "pairs .* got 'prime'"),
        ({"stop_after": 0}, "stop_after .* got 0"),
        ({"cell": "Transformer"}, "cell .* RNN, GRU, LSTM, got 'Transformer'"),
        ({"layers": 0}, "layers .* got 0"),
        ({"lr": 0}, "lr .* got 0"),
        ({"seed": -1}, "seed .* got -1"),
    ],
)
def test_bad_settings_are_named_before_any_work(change, message, monkeypatch):
    monkeypatch.setattr(pt, "seed_everything", lambda seed: pytest.fail("work has begun"))
    with pytest.raises(ValueError, match=message):
        train_adder(SETTINGS | change, quiet)


def test_progress_is_told_every_50_steps():
    told = []
    train_adder(SETTINGS | {"steps": 110}, lambda share, line: told.append((share, line)))
    assert [share for share, _ in told] == pytest.approx([50 / 110, 100 / 110])
    assert [line[:15] for _, line in told] == ["step 50 : loss ", "step 100 : loss"]


def test_arms_and_their_names_by_hand():
    row = {"digitlen": 10, "cell": ["RNN", "GRU"], "layers": [1, 2], "lr": 0.001, "seeds": [0, 1]}
    assert list(trials.arms(row)) == [("RNN", 1), ("RNN", 2), ("GRU", 1), ("GRU", 2)]
    assert trials.arms(row)["GRU", 1] == (
        "GRU, 1 layer",
        {"digitlen": 10, "cell": "GRU", "layers": 1, "lr": 0.001},
    )
    assert [label for label, _ in trials.arms(row).values()][:2] == [
        "RNN, 1 layer",
        "RNN, 2 layers",
    ]
    assert list(trials.arms(row | {"cell": "RNN"})) == [1, 2]
    alone = row | {"cell": "RNN", "layers": 2}
    assert trials.arms(alone) == {
        None: ("", {name: value for name, value in alone.items() if name != "seeds"})
    }
    with pytest.raises(ValueError, match="seeds must hold at least one"):
        trials.arms(alone | {"seeds": []})


def test_a_proven_adder_is_recorded_with_its_proof():
    record = trials.prove_adder({"cell": "RNN", "layers": 1, "seed": 3, "device": "cpu"}, quiet)
    found = proof.prove(pt.adder_of(record["weights"]))
    assert record["proven"] and record["margin"] == found.margin
    assert (
        record["said"].startswith("proven, least margin ")
        and record["digits"] is record["pair"] is None
    )


def test_a_proven_adder_is_right_at_every_length_and_a_forgetful_one_is_not():
    tests = trials.lengths(proven_adder(1, 0, "RNN")[0], {300: 2, 100: 3})["lengths"]
    assert [(test["length"], test["pairs"]) for test in tests] == [
        (100, 3),
        (100, 1),
        (300, 2),
        (300, 1),
    ]
    assert all(test["right"] == test["pairs"] for test in tests)
    tests = trials.lengths(Forgetful(), {2: 3, 100: 3})["lengths"]
    assert (
        [test["right"] for test in tests[:2]] == [3, 1]
        and tests[2]["right"] < 3
        and tests[3]["right"] == 0
    )


def test_a_step_is_timed():
    record = trials.time_step({"digitlen": 5, "device": "cpu", "seed": 0}, quiet)
    assert len(record["ms"]) == 3 and min(record["ms"]) > 0


class Forgetful(torch.nn.Module):
    """Adds by columns, but a carry is lost after it has gone into three positions; its state is the run of carries."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))

    def read(self, num1, num2, hidden=None):
        carries = torch.zeros_like(num1[:, 0]) if hidden is None else hidden
        digits = []
        for a, b in zip(num1.T, num2.T):
            total = a + b + (carries > 0)
            digits.append(total % 10)
            carries = torch.where(total >= 10, carries + 1, 0)
            carries = torch.where(carries > 3, 0, carries)
        return torch.nn.functional.one_hot(torch.stack(digits, 1), 10).float(), carries


def test_stress_finds_the_longest_chain_that_an_adder_can_carry():
    found = trials.stress({"forgetful": [Forgetful()] * 6}, [0, 1, 3, 4, 50], 5)
    assert found["adders"] == [{"name": "forgetful", "accuracy": [[1.0, 1.0, 1.0, 0.0, 0.0]] * 5}]


def test_a_portrait_shows_real_states_in_their_boxes():
    model, found = proven_adder(1, 0, "RNN")
    shown = trials.portrait(model)
    assert shown["margin"] == found.margin and np.array(shown["margins"]).min() == pytest.approx(
        found.margin
    )
    assert sum(map(len, shown["states"])) == 40 * 100
    for (low, high), states in zip(shown["boxes"], shown["states"]):
        assert (np.array(states) >= low).all() and (np.array(states) <= high).all()


def test_adders_are_counted_by_hand():
    def adder(right, verdict, decided=None, digits=None):
        return {
            "right": right,
            "verdict": verdict,
            "decided": decided or verdict,
            "digits": digits,
            "more": 0,
        }

    wrong = [adder(True, "wrong", "36 + 33 gives 79", 2), adder(False, "wrong", "1 + 1 gives 3", 1)]
    groups = [
        ("one", [*wrong, adder(True, "undecided")], True),
        ("none", [], False),
        ("proof", [adder(False, "proven")], False),
    ]
    found = trials.count_decided(groups)
    assert {name: value for name, value in found.items() if name not in ("groups", "picture")} == {
        "adders": 4,
        "right": 2,
        "right_but_wrong": 1,
        "most_digits": 2,
        "wrong": 2,
        "proven": 1,
        "undecided": 1,
    }
    assert found["groups"][0]["adders"][1] == {
        "right": False,
        "verdict": "wrong",
        "decided": "1 + 1 gives 3",
        "digits": 1,
    }
