"""Training on short numbers, summed up by hand, and a tiny run of it."""

from dataclasses import replace

import pytest
import sample
from executing import Group, execute

import pt
from lab import deciding, measuring
from lab.parts import little
from lab.parts.experiment import compare
from lab.settings import Settings, SettingsError


def trained(at_10, at_100, seconds):
    """An adder: its accuracies at two lengths, and its seconds of training."""
    return {
        "training": {"seconds": seconds},
        "test": {"accuracy": [at_10, at_100]},
        "decision": sample.decide("7 + 5 gives 11, not 12", 1),
    }


# Accuracies at two lengths and seconds, by cell and digits trained on.
CELLS = {
    "RNN": {
        10: [trained(1.0, 1.0, 3.0), trained(1.0, 1.0, 9.0), trained(1.0, 1.0, 4.0)],
        1: [trained(0.25, 0.0, 1.0), trained(0.5, 0.0, 2.0), trained(0.75, 0.0, 4.0)],
        5: [trained(1.0, 0.99, 2.0), trained(1.0, 1.0, 2.0), trained(1.0, 1.0, 1.0)],
    },
    "GRU": {
        1: [trained(1.0, 1.0, 8.0)] * 3,
        5: [trained(1.0, 0.5, 8.0)] * 3,
        10: [trained(1.0, 0.9, 10.0)] * 3,
    },
}


def test_training_lengths_are_summed_up_by_hand():
    part = little.Little(sample.SIMPLE, ["RNN", "GRU"], [10, 1, 5], [10, 100], [0, 1, 4], {})
    result = part.result("little", {"beside": {}, "cells": CELLS})
    rnn, gru = result["cells"]
    assert (rnn["cell"], gru["cell"]) == ("RNN", "GRU")
    assert [of_digits["digits"] for of_digits in rnn["trained"]] == [1, 5, 10]
    assert rnn["trained"][0] == {
        "digits": 1,
        "seeds": 3,
        "mean": [0.5, 0.0],
        "least": [0.25, 0.0],
        "greatest": [0.75, 0.0],
        "seconds": 2.0,
    }
    assert rnn["trained"][2]["seconds"] == 4.0
    assert rnn["enough"] == 5  # 0.9967 at 100 digits
    assert gru["enough"] is None  # one digit would do, but more do not
    assert little.describe_trained(3, [trained(None, 0.5, 1.0)])["mean"] == [0.0, 0.5]
    adders = {
        (adder["group"], adder["variant"], adder["seed"], adder["verdict"], adder["perfect"])
        for adder in result["decisions"]
    }
    assert adders == {
        (f"{cell}, trained on short numbers", f"{digits} digits", seed, "wrong", None)
        for cell in ("RNN", "GRU")
        for digits in (1, 5, 10)
        for seed in (0, 1, 4)
    }
    assert len({adder["adder"] for adder in result["decisions"]}) == 18


def test_the_seconds_beside_are_those_of_the_reports_code_and_ours():
    settings = replace(sample.SIMPLE, digitlen=5000, batch_size=7)
    beside = {"5000-digits": compare(settings, [0]), "mine": compare(settings, [0])}
    part = little.Little(sample.SIMPLE, ["RNN"], [1], [10], [0], beside)
    trainings = [{"ms_per_step": ms, "steps": [0, 99]} for ms in (10.0, 30.0, 20.0)]
    done = {"beside": {"5000-digits": trainings, "mine": []}, "cells": {}}
    # 2589 ms a step of the report's code at 5000 digits, 2000 steps; ours: 100 of 20 ms.
    assert part.result("little", done)["others"] == [
        {"name": "the report's code", "digits": 5000, "seconds": pytest.approx(5178)},
        {"name": "ours, batch size 7", "digits": 5000, "seconds": pytest.approx(2)},
    ]


def test_a_tiny_adder_is_trained_tested_and_decided(tmp_path):
    settings = Settings(
        digitlen=3,
        cell="RNN",
        layers=1,
        lr=0.01,
        steps=31,
        batch_size=5,
        test_size=5,
        eval_every=10,
    )
    part = little.Little(settings, ["GRU"], [2], [1, 4], [8], {"none": Group({})})
    assert part.devices == {"cpu"}
    done = execute(part, tmp_path)
    assert done["beside"] == {"none": []}
    (adder,) = done["cells"]["GRU"][2]
    model = pt.adder_of(**adder["training"]["adder"])
    assert model.cell == "GRU" and adder["training"]["steps"][-1] == 30
    tested = measuring.evaluate_at(model, [1, 4], 100, lambda share, line: None)
    assert adder["test"]["accuracy"] == tested["accuracy"]
    decision = deciding.decide_adder(adder["training"], None)
    assert adder["decision"]["pair"] == decision["pair"] is not None


@pytest.mark.parametrize("field", ["digits", "tested_at", "seeds", "cells"])
def test_a_bad_list_is_named(field):
    lists = {"digits": [1], "tested_at": [1], "seeds": [0], "cells": ["RNN"]}
    with pytest.raises(SettingsError, match=field.removesuffix("s")):
        little.Little(sample.SIMPLE, beside={}, **lists | {field: ["?"]})


def test_the_section_says_which_lengths_are_enough():
    result = sample.parts()["little"]
    text = sample.BEYOND["little"].page(result)
    assert (
        "RNN: trained on numbers of at most 5 digits, it gets 99.5% or more of 100 random pairs "
        "right at each of 10, 1000 digits, on average." in text
    )
    assert "1 of the 2 RNNs are wrong on a pair of at most 1 digits." in text
    result["cells"][0]["enough"] = None
    result["decisions"] = result["decisions"][1:]
    text = sample.BEYOND["little"].page(result)
    assert "RNN: no length trained on is enough for every length tested." in text
    assert "decided, too: 0 of the 1 RNNs are wrong." in text
