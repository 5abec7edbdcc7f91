"""Very long numbers: a tiny run, and its section."""

import pytest
import sample
from adders import as_training, load_proven
from executing import Group, execute

import pt
from lab.adders import ForProof
from lab.parts.long_numbers import LongNumbers
from lab.settings import SettingsError


def test_the_first_adder_adds_every_length(tmp_path):
    models = [load_proven("RNN"), pt.Adder("RNN", 1)]
    group = Group({("", seed): as_training(model) for seed, model in enumerate(models)})
    part = LongNumbers(group, {30: 2, 5: 3})
    result = part.result("long_numbers", execute(part, tmp_path))
    tests = [(test["digits"], test["pairs"], test["correct"]) for test in result["tests"]]
    assert tests == [(5, 3, 3), (5, 1, 1), (30, 2, 2), (30, 1, 1)]
    assert result["peers"] and result["title"] == "Very long numbers"


def test_where_nothing_can_be_proven_it_is_not_run(monkeypatch):
    monkeypatch.setenv("DNNL_DEFAULT_FPMATH_MODE", "BF16")
    assert LongNumbers(ForProof("RNN", [0]), {5: 3}).submit(None, "long_numbers") is None


@pytest.mark.parametrize("counts", [[100], {0: 1}, {1: 0}])
def test_bad_counts_are_named(counts):
    with pytest.raises(SettingsError, match="counts"):
        LongNumbers(ForProof("RNN", [0]), counts)


def test_the_section_has_a_row_for_each_length():
    text = sample.BEYOND["long_numbers"].page(sample.parts()["long_numbers"])
    assert "| 1,000,000 | 3 long-carry | 3 | 1,234,568 |" in text
    assert "| 1,000,000 | 1 999...9 + 1 | 1 | 1,234,568 |" in text
    assert "100 digits (Abacus, 2024), 1000 digits (Patriota, 2024)." in text
    assert "pairs of 10 digits at most" in text
