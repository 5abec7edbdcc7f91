"""The time of a training step on two devices, against speedups by hand."""

import pytest
import sample

from lab.parts.gpu import NO_GPU, Gpu, describe, say_times
from lab.report.said import GPU
from lab.results import plain
from lab.settings import SettingsError

ON_CPU = {"cpu": {10: [5.0] * 5, 100: [40.0] * 5}}
KINDS = {"cpu": "abacus", "cuda": "a GPU"}


def test_the_gpu_is_judged_only_where_there_is_one(monkeypatch):
    described = describe(ON_CPU, {"cpu": "abacus"})
    assert described["verdict"] == NO_GPU and described["claims"] == []
    assert [digits for digits, _ in described["original_ms"]] == [10, 100, 1000, 5000]
    on_both = ON_CPU | {"cuda": {10: [2.0] * 5, 100: [2.0] * 5}}
    described = describe(on_both, KINDS)
    (claim,) = described["claims"]
    assert claim["verdict"] == "does not hold", "at each length, 10 digits included"
    assert described["verdict"] == "1 does not hold"
    assert claim["note"] == "2.5, 20 times as fast at 10, 100 digits"
    on_both["cuda"][10] = [5.0 / 3, 1.0, 1.0, 1.0, 1.0]
    (claim,) = describe(on_both, KINDS)["claims"]
    assert claim["verdict"] == "holds" and claim["words"] == "速度快了三四倍左右"
    (reading,) = claim["readings"]
    assert reading["asked"] == "at each length at least 3 times as fast as the CPU"
    assert reading["answers"] == [True] * 5, "5 / (5 / 3) is 3"
    stricter = GPU["claims"][0] | {"at_least": 7}
    monkeypatch.setitem(GPU, "claims", [*GPU["claims"], stricter])
    claims = describe(on_both, KINDS)["claims"]
    assert [claim["verdict"] for claim in claims] == ["holds", "does not hold"]


def test_the_section_has_a_row_for_each_length():
    on_both = ON_CPU | {"cuda": {10: [2.0, 2.0, 4.0, 2.0, 2.0], 100: [2.0] * 5}}
    page = Gpu((10, 100), "cuda").page(plain(describe(on_both, KINDS)))
    assert page.startswith(
        "**The report says, section 2.1:** CUDA is 3 to 4 times faster than the CPU.\n\n"
        "**Verdict:** 1 does not hold."
    )
    assert "| does not hold: 0 of 5, 2.5, 20 times as fast at 10, 100 digits | at each le" in page
    assert "| at each length at least 3 times as fast as the CPU | 0 of 5 |" in page
    assert "| asked of each of our measurements |" in page
    assert "\n| digits | abacus | a GPU | the original code, " in page
    assert page.endswith("\n| 10 | 5 | 2 (2 to 4) | 3.7 |\n| 100 | 40 | 2 | 31 |")
    alone = Gpu((10, 100), "cpu").page(sample.parts()["gpu"])
    assert "**Verdict:** not measured: there was no GPU." in alone and "| claim |" not in alone
    assert alone.endswith("\n| 10 | 3 (2 to 9) | 4.9 |\n| 100 | 18 | 37 |")
    assert say_times({"ms": [9.0, 2.0, 3.25]}) == "3.2 ms a training step"


def test_times_come_in_the_order_of_the_lengths():
    times = {device: {100: {"ms": [2.0]}, 10: {"ms": [1.0]}} for device in KINDS}
    result = Gpu((10, 100), "cuda").result("gpu", {"kinds": KINDS, "times": times})
    assert result["devices"] == [
        {"device": "cpu", "kind": "abacus", "ms": [(10, [1.0]), (100, [2.0])]},
        {"device": "cuda", "kind": "a GPU", "ms": [(10, [1.0]), (100, [2.0])]},
    ]


@pytest.mark.parametrize("lengths", [5, [10, 0]])
def test_a_bad_length_is_named(lengths):
    with pytest.raises(SettingsError, match="lengths .* got [50]"):
        Gpu(lengths, "cpu")
