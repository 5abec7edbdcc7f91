"""The memory of adders, summed up by hand."""

import pytest
import sample
from adders import as_training, load_proven
from executing import Group, execute

from lab import measuring
from lab.parts import memory
from lab.settings import SettingsError


def test_memory_is_summed_up_by_hand():
    forgets = sample.remember([3.0, 2.0, 1.0, -1.0, -1.0], 3)
    later = sample.remember([3.0, 2.0, 1.0, 0.5, -4.0], 4)
    later["margins"]["none"] = [0.25] * 5
    proven = sample.remember([5.0, 1.0, 1.0, 1.0, 1.0], None)
    left_out = {"left_out": "it does not run"}
    groups = {
        "task-1": [later, left_out, forgets],
        "proven": [proven],
        "none": [],
        "no": [left_out],
    }
    result = memory.summarise(groups)
    assert result["most"] == 4
    first = {"name": "task-1", "adders": [later, forgets]}
    second = {"name": "proven", "adders": [proven]}
    assert result["groups"] == [
        first | {"failed": 2, "first": 3, "last": 4, "least_margin": -4.0},
        second | {"failed": 0, "first": None, "last": None, "least_margin": 1.0},
    ]
    assert memory.summarise({"none": [], "no": [left_out]}) is None


def test_every_adder_is_measured_and_told_apart(tmp_path):
    models = {("", 0): load_proven("RNN"), ("1 layer", 3): load_proven("GRU")}
    group = Group({told: as_training(model) for told, model in models.items()})
    part = memory.Memory({"proven": group, "none": Group({})}, 4)
    result = part.result("memory", execute(part, tmp_path))
    (group,) = result["groups"]
    assert (group["name"], result["most"]) == ("proven", 4)
    for adder, ((variant, seed), model) in zip(group["adders"], models.items(), strict=True):
        assert (adder["variant"], adder["seed"]) == (variant, seed)
        assert adder["margins"] == measuring.measure_margins(model, 4)["margins"]
    with pytest.raises(SettingsError, match="positions"):
        memory.Memory({}, 0)


def test_the_section_has_a_row_for_each_group():
    result = sample.parts()["memory"]
    text = sample.BEYOND["memory"].page(result)
    assert "| rnn-layers | 1 of 1 | 2 | -3 |" in text
    assert "| RNN, trained for the proof | 0 of 1 | never | 5 |" in text
    assert "up to 3 times" in text
    result["groups"][0] |= {"last": 3, "least_margin": None}  # of a NaN
    assert "| rnn-layers | 1 of 1 | 2 to 3 |  |" in sample.BEYOND["memory"].page(result)
