"""Long carry chains: a tiny run, and its section."""

import pytest
import sample
from adders import as_training, load_proven
from executing import Group, execute

from lab import measuring
from lab.adders import ForProof
from lab.parts.stress import Stress
from lab.settings import SettingsError


def test_all_adders_add_the_same_pairs_in_the_order_of_the_chains(tmp_path):
    group = Group({("", 0): as_training(load_proven("RNN"))})
    part = Stress({"proven": group, "none": Group({})}, [7, 0, 2], 3)
    result = part.result("stress", execute(part, tmp_path))
    groups = {"proven": list(group.trainings.values())}
    expected = measuring.stress(groups, [0, 2, 7], 3, lambda share, line: None)
    assert expected["adders"] == [{"name": "proven", "accuracy": [[1.0] * 3]}]
    assert result.items() >= expected.items()
    assert result["title"] == "Long carry chains"


def test_devices_are_those_of_the_experiments():
    group = Group({})
    group.devices = {"cuda"}
    assert Stress({"a": group, "b": ForProof("RNN", [0])}, [0], 1).devices == {"cuda"}


@pytest.mark.parametrize(("chains", "pairs", "named"), [([-1], 1, "chains"), ([0], 0, "pairs")])
def test_a_bad_number_is_named(chains, pairs, named):
    with pytest.raises(SettingsError, match=named):
        Stress({}, chains, pairs)


def test_the_section_has_the_medians():
    text = sample.BEYOND["stress"].page(sample.parts()["stress"])
    assert "Each point is 20 pairs with one carry chain;" in text
    assert "At 1000 positions: the simple adder 50%; a proven RNN 100%." in text
