"""The overview of all claims and numbers, against counts by hand."""

from made_up import experiment, rising, run

from lab.parts import gpu
from lab.parts.experiment import NO_VERDICT, NO_WORDS, describe
from lab.parts.verdicts import HOW_TO_READ, Verdicts, count_outside, list_rules, say_counts
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
    # All four are first together: the reading that counts ties says yes.
    verdicts = ["", "holds", "depends on the reading", NO_VERDICT, NO_WORDS, gpu.NO_GPU]
    assert [line["verdict"] for line in overview["lines"]] == verdicts
    assert [part["name"] for part in overview["numbers"]] == ["rnn-layers", "pt-main"]
    # Ours are at once at every level: at 250 with each number of layers, and at 140.
    assert overview["counts"] == [
        {"kind": "first step at 0.5", "count": 5, "outside": 5, "by_chance": 0},
        {"kind": "first step at 0.9", "count": 5, "outside": 4, "by_chance": 0},
        {"kind": "first step at 1.0", "count": 5, "outside": 5, "by_chance": 0},
    ]
    assert overview["rules"] == [rules.count_rule(8), rules.count_rule(5)]
    assert overview["same_seed"] is None


def test_numbers_are_counted_by_their_kind():
    assert count_outside([]) == []
    late = {"kind": "first step at 0.9", "place": "later", "by_chance": 0.25}
    early = late | {"place": "earlier", "by_chance": 0.5}
    within = late | {"place": "within", "by_chance": 0.125}
    low = {"kind": "loss", "place": "lower", "by_chance": 1.0}
    assert count_outside([low, late, within, early, low | {"place": "within"}]) == [
        {"kind": "first step at 0.9", "count": 3, "outside": 2, "by_chance": 0.875},
        {"kind": "loss", "count": 2, "outside": 1, "by_chance": 2.0},
    ]
    said = "first step at 0.9 2 of 3 (by chance 0.9); loss 1 of 1 (by chance 1.0)"
    assert say_counts(count_outside([low, late, within, early])) == said


def test_where_nothing_is_the_reports_there_is_no_overview():
    results = entries()
    assert Verdicts().result({name: results[name] for name in ("my_own", "stress")}) is None
    assert Verdicts().result({}) is None


def claim_of(*counts):
    """A claim with a reading for each of these numbers of seeds."""
    return {"readings": [{"answers": [True] * seeds} for seeds in counts]}


def test_the_rule_is_of_the_seeds_that_there_are():
    assert list_rules([]) == []
    results = [
        {"claims": [claim_of(2, 3)], "numbers": [{"ours": [10] * 4}]},
        {"claims": [], "numbers": []},
        {"claims": [claim_of(7)]},  # a GPU is measured, and has no seeds
    ]
    assert list_rules(results) == [rules.count_rule(seeds) for seeds in (4, 3, 2)]


def write(results):
    """The section of the overview of these entries."""
    return Verdicts().page(plain(Verdicts().result(results)))


def test_the_section_begins_with_the_table_of_verdicts():
    page = write(entries())
    rows = page.split("\n\n")[0].splitlines()
    assert rows[0] == "| section | the report shows, or says | verdict |"
    assert rows[2:4] == [
        "| [my\\_own](#my_own) | nothing | not the report's, no claims |",
        "| [rnn-layers: RNN with 1 to 4 layers](#rnn-layers-rnn-with-1-to-4-layers) "
        "| accuracy of layers 1, 2, 3, 4 first at 0.9 at step 300, 210, 190, 240; "
        "at 1.0 at step 360, 240, 280, 310 | 1 holds, 1 depends on the reading |",
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
    assert (
        "Outside the range of our seeds: first step at 0.5 5 of 5 (by chance 0.0); "
        "first step at 0.9 4 of 5 (by chance 0.0); first step at 1.0 5 of 5 (by chance 0.0). "
    ) in page
    assert (
        "Outside: rnn-layers, layers 1: first step at 0.5: 260, later; "
        "rnn-layers, layers 1: first step at 0.9: 300, later; "
        "rnn-layers, layers 1: first step at 1.0: 360, later; "
    ) in page
    assert "; pt-main, first step at 0.5: 130, earlier; pt-main, first step at 1.0: 160, l" in page
    assert "pt-main, first step at 0.9" not in page, "it lies within"
    assert "with a probability of 95% or more (by" in page and "at 5% or less" in page
    assert (
        "Of 8 seeds, 7 or more yes are most, 1 or fewer are few. "
        "Of 5 seeds, 5 yes are most, 0 are few."
    ) in page
    for seeds, within, outside in ((8, "99.2%", "22%"), (5, "93.8%", "33%")):
        assert (
            f"The range of {seeds} seeds holds the median of all possible runs with a probability "
            f"of {within}; one more run like ours falls outside of it with a probability of "
            f"{outside} at most."
        ) in page
    few = write({"pt-main": describe("pt-main", (), experiment("pt-main", {None: [rising(0)]}))})
    assert "first step at 0.9 1 of 1 (by chance 1.0)" in few
    assert "1 seed are too few" not in few and "1 seed is too few for either." in few
    assert "The range of 1 seeds" not in few
    none = write({"gpu": entries()["gpu"]})
    assert "Outside" not in none and "Two kinds of statements" not in none
    same = describe("pt-main", (), experiment("pt-main", {None: [rising(0), rising(200, seed=1)]}))
    page = write({"pt-main": same})
    assert "first step at 0.9 0 of 1 (by chance 1.0)" in page and "\nOutside: " not in page


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
