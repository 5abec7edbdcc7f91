"""The overview of all claims and numbers, against counts by hand."""

import pytest
from made_up import experiment, rising, run

from lab.parts import gpu
from lab.parts.experiment import NO_VERDICT, NO_WORDS, describe
from lab.parts.verdicts import HOW_TO_READ, Verdicts, list_rules
from lab.report import rules
from lab.report.said import BASE, ORIGINAL
from lab.results import plain


def entries():
    """Entries of each kind: judged, not with these settings, without words, one's own, a GPU's."""
    runs = [rising(250, seed=seed) for seed in range(50, 58)]
    layers = experiment("rnn-layers", dict.fromkeys((1, 2, 3, 4), runs))
    other = experiment("gru-layers", dict.fromkeys((1, 2, 3, 4), runs), steps=499)
    fewer = experiment("pt-main", {None: [rising(140, seed=seed) for seed in range(50, 55)]})
    own = [{"label": "", "settings": {"layers": 1}, "runs": [run([0.5])]}]
    return {
        "my_own": describe("my_own", (), own),
        "rnn-layers": describe("rnn-layers", ("layers",), layers),
        "gru-layers": describe("gru-layers", ("layers",), other),
        "pt-main": describe("pt-main", (), fewer),
        "gpu": gpu.describe({"cpu": {10: [5.0]}}, {"cpu": "abacus"}),
        "stress": {"title": "Long carry chains"},
    }


def test_the_overview_counts_the_numbers_that_lie_outside():
    overview = Verdicts().result(entries())
    assert [line["claim"] for line in overview["lines"]] == [
        "rnn-layers: RNN with 1 to 4 layers",
        "all four reach 100%",
        "three layers are best, fastest to converge",
        "gru-layers: GRU with 1 to 4 layers",
        "pt-main: What pt_main() draws",
        "gpu: CUDA",
    ]
    verdicts = ["", "holds", "does not hold", NO_VERDICT, NO_WORDS, gpu.NO_GPU]
    assert [line["verdict"] for line in overview["lines"]] == verdicts
    assert [part["name"] for part in overview["numbers"]] == ["rnn-layers", "pt-main"]
    assert (overview["count"], overview["outside"]) == (5, 4)
    assert overview["by_chance"] == pytest.approx(4 * 2 / 9 + 2 / 6)
    assert overview["rules"] == [rules.count_rule(8), rules.count_rule(5)]
    assert overview["same_seed"] is None


def test_where_nothing_is_the_reports_there_is_no_overview():
    results = entries()
    assert Verdicts().result({name: results[name] for name in ("my_own", "stress")}) is None
    assert Verdicts().result({}) is None


def test_the_rule_is_of_the_seeds_that_there_are():
    assert list_rules([]) == []
    results = [
        {"claims": [{"answers": [True] * 3}], "numbers": [{"ours": [10] * 4}]},
        {"claims": [], "numbers": []},
        {"claims": [{"answers": [True] * 7}]},  # a GPU is measured, and has no seeds
    ]
    assert list_rules(results) == [rules.count_rule(4), rules.count_rule(3)]


def write(results):
    """The section of the overview of these entries."""
    return Verdicts().page(plain(Verdicts().result(results)))


def test_the_section_begins_with_the_table_of_verdicts():
    page = write(entries())
    rows = page.split("\n\n")[0].splitlines()
    assert rows[0] == "| experiment | the report shows, or says | verdict |"
    assert rows[2:4] == [
        "| [my\\_own](#my_own) | nothing | not the report's, no claims |",
        "| [rnn-layers: RNN with 1 to 4 layers](#rnn-layers-rnn-with-1-to-4-layers) "
        "| accuracy of layers 1, 2, 3, 4 first at 0.9 at step 300, 210, 190, 240; "
        "at 1.0 at step 360, 240, 280, 310 | 1 holds, 1 does not hold |",
    ]
    verdicts = [row.split(" | ")[-1] for row in rows[4:]]
    assert verdicts == [
        "no verdict on the report: steps is 499, the report's is 500 |",
        f"{NO_WORDS} |",
        f"{gpu.NO_GPU} |",
    ]
    assert HOW_TO_READ in page


def test_the_section_says_what_the_rules_come_to():
    page = write(entries())
    assert " 4 of the report's 5 numbers fall outside the range of our seeds; " in page
    assert "were each one more run like ours, 1.2 at most would on average." in page
    assert "with a probability of 95% or more (by" in page and "at 5% or less" in page
    assert "Of 8 seeds, 7 or more yes: it holds; 1 or fewer yes: it does not hold." in page
    assert "Of 5 seeds, 5 yes: it holds; 0 yes: it does not hold." in page
    for seeds, within, outside in ((8, "99.2%", "22%"), (5, "93.8%", "33%")):
        assert (
            f"The range of {seeds} seeds holds the median of all possible runs with a probability "
            f"of {within}; one more run like ours falls outside of it with a probability of "
            f"{outside} at most."
        ) in page
    few = write({"pt-main": describe("pt-main", (), experiment("pt-main", {None: [rising(0)]}))})
    assert "1 of the report's 1 numbers falls outside" in few
    assert "1 seed are too few" not in few and "1 seed is too few for either." in few
    assert "The range of 1 seeds" not in few
    none = write({"gpu": entries()["gpu"]})
    assert "numbers fall" not in none and "Two kinds of statements" not in none


def test_the_section_says_how_our_runs_match_the_published_code():
    assert "Same seed" not in write(entries())
    original = ORIGINAL["runs"][0]
    loss = [original["loss"][0] + 0.25, *original["loss"][1:]]
    same = run([0.5, *original["accuracy"][1:]], loss=loss)
    variants = [{"label": "", "settings": BASE, "runs": [same]}]
    results = {"gpu": entries()["gpu"], "mine": describe("mine", (), variants)}
    page = write(results)
    assert "1 of our runs have the settings and the seed of one of its: at 49 of their 50 " in page
    assert "the accuracy is the same, and the losses differ by 0.25 at most." in page
    long = next(each for each in ORIGINAL["runs"] if "loss" not in each)
    fields = {field: long[field] for field in ("digitlen", "cell", "layers", "lr")}
    variants = [{"label": "", "settings": BASE | fields, "runs": [run(long["accuracy"])]}]
    page = write(results | {"mine": describe("mine", (), variants)})
    assert "evaluations the accuracy is the same." in page, "its losses are not known"
