"""An experiment: its variants, its entry of the results and its section, against counts by hand."""

import copy
import math
from dataclasses import replace

import numpy as np
import pytest
import sample
import torch
from adders import as_training
from made_up import experiment, rising, run
from sample import SIMPLE

import pt
from lab.parts.experiment import (
    NO_CLAIMS,
    NO_VERDICT,
    NO_WORDS,
    Experiment,
    choose,
    compare,
    compare_settings,
    describe,
    describe_run,
    label_values,
    listed_values,
    say_training,
    say_who_is_first,
)
from lab.report.said import REPORT
from lab.results import plain
from lab.settings import SettingsError

NEVER = math.inf

# --- What is compared.


def test_an_experiment_has_a_variant_for_each_value():
    layers = compare(SIMPLE, range(2), "Why?", also_tested_at=50, layers=np.array([1, 3, 1]))
    assert [variant.label for variant in layers.variants] == ["1 layer", "3 layers"]
    assert layers.variants[1].settings == (
        replace(SIMPLE, layers=3, seed=0),
        replace(SIMPLE, layers=3, seed=1),
    )
    assert layers.compared == ("layers",) and layers.devices == {"cpu"}
    assert (layers.question, layers.also_tested_at, layers.saves_adders) == ("Why?", 50, False)
    slow = compare(SIMPLE, [0], prints_lines=True, saves_adders=True)
    assert slow.prints_lines and slow.saves_adders and slow.compared == ()
    assert layers.list_titles("mine") == {
        replace(SIMPLE, layers=3, seed=0): ("3 layers", "mine, 3 layers, seed 0"),
        replace(SIMPLE, layers=3, seed=1): ("3 layers", "mine, 3 layers, seed 1"),
        replace(SIMPLE, layers=1, seed=0): ("1 layer", "mine, 1 layer, seed 0"),
        replace(SIMPLE, layers=1, seed=1): ("1 layer", "mine, 1 layer, seed 1"),
    }
    longest, *_ = layers.list_titles("mine").values()
    assert longest == ("3 layers", "mine, 3 layers, seed 0")


def test_settings_are_compared_by_labels_of_ones_own():
    fast = replace(SIMPLE, optimizer="SGD", lr=1.0)
    both = compare_settings({"slow": SIMPLE, "fast": fast}, [1, 2], "Which?")
    assert both.compared == ("lr", "optimizer") and both.question == "Which?"
    assert [variant.label for variant in both.variants] == ["slow", "fast"]
    assert both.variants[1].settings == (replace(fast, seed=1), replace(fast, seed=2))
    for bad in ({}, [SIMPLE], {1: SIMPLE}, {"one": 1}):
        with pytest.raises(SettingsError, match="settings must be {label: Settings}, got "):
            compare_settings(bad, [0])
    with pytest.raises(SettingsError, match="seeds must be a list"):
        compare_settings({"one": SIMPLE}, 0)


def test_experiments_are_chosen_by_name():
    assert choose({"a": 1, "b": 2, "c": 3}, "c", "a") == {"c": 3, "a": 1}
    with pytest.raises(SettingsError, match="no experiment has the name 'd'"):
        choose({"a": 1}, "a", "d")


def test_values_are_listed_once_and_as_pythons_own():
    assert listed_values("lr", np.array([0.5, 0.25, 0.5])) == [0.5, 0.25]
    assert type(listed_values("layers", np.arange(1, 3))[0]) is int
    assert listed_values("cell", ("GRU", "RNN")) == ["GRU", "RNN"]
    for bad in (3, "GRU", [], [[1]]):
        with pytest.raises(SettingsError, match="layers must be .*, got "):
            listed_values("layers", bad)
    with pytest.raises(SettingsError, match=r"seed=\[1\]: the seeds are compare's second argument"):
        compare(SIMPLE, [0], seed=[1])


def test_labels_are_words():
    assert label_values({}) == ""
    assert label_values({"cell": "GRU", "layers": 1}) == "GRU, 1 layer"
    chosen = {"layers": 2, "hidden": 8, "lr": 0.012345, "steps": 40}
    assert label_values(chosen) == "2 layers, 8 hidden units, lr 0.0123, steps 40"


# --- The entry of results.json.


def test_a_run_has_the_losses_at_its_evaluations_alone():
    training = {
        "steps": [0, 2],
        "loss": [3.0, 2.0, 1.0],
        "accuracy": [0.5, 1.0],
        "error": None,
        "ms_per_step": 2.0,
        "adder": "weights",
    }
    decision = sample.decide("proven", None)
    described = describe_run(7, training, decision)
    assert described == {
        "seed": 7,
        "steps": [0, 2],
        "loss": [3.0, 1.0],
        "accuracy": [0.5, 1.0],
        "error": None,
        "ms_per_step": 2.0,
        "decision": decision,
    }
    tested = {"lengths": [5000], "accuracy": [0.99]}
    assert describe_run(7, training, decision, tested) == described | {
        "also_tested": {"digits": 5000, "accuracy": 0.99}
    }
    assert say_training(training) == "first 100% at step 2, 1 at the end; "
    assert say_training(training | {"accuracy": [0.5, 0.75]}) == "never 100%, 0.75 at the end; "
    assert say_training(training | {"error": "nan"}) == "ended early: nan; "


def test_finished_runs_make_the_entry_and_the_files_of_adders(tmp_path):
    part = compare(SIMPLE, [0, 1], layers=[1, 2], saves_adders=True)
    done = {}
    for settings in part.list_titles("mine"):
        model = pt.Adder("RNN", settings.layers, hidden=3, embedding=2)
        training = as_training(model) | {"loss": [0.5], "steps": [0], "ms_per_step": 2.0}
        done[settings] = {"training": training, "decision": sample.decide("undecided", None)}
    entry = part.result("mine", done)
    assert [variant["label"] for variant in entry["variants"]] == ["1 layer", "2 layers"]
    assert [variant["settings"]["layers"] for variant in entry["variants"]] == [1, 2]
    assert [run["seed"] for run in entry["variants"][1]["runs"]] == [0, 1]
    assert entry["compared"] == ["layers"] and len(entry["decisions"]) == 4
    assert "seed" not in entry["settings"] and "layers" not in entry["settings"]
    files = part.files("mine", done)
    assert list(files) == [
        f"adders/mine-{layers}-seed{seed}.npz"
        for layers in ("1-layer", "2-layers")
        for seed in (0, 1)
    ]
    path = tmp_path / "adder.npz"
    path.write_bytes(files["adders/mine-2-layers-seed0.npz"])
    pairs = torch.tensor([[9, 1]]), torch.tensor([[3, 0]])
    made = pt.adder_of(**done[replace(SIMPLE, layers=2, seed=0)]["training"]["adder"])
    assert torch.equal(pt.load(path)(*pairs), made(*pairs))
    assert replace(part, saves_adders=False).files("mine", done) == {}


def test_an_experiment_is_described_by_its_runs():
    never = run([0.0] * 50, seed=1)
    early = run([0.0, 0.0, 0.95] + [1.0] * 47, words="36 + 33 gives 79, not 69", digits=2)
    late = early | {"seed": 1}
    by_value = dict.fromkeys((1, 2, 3), [early, late]) | {4: [early, never]}
    by_value |= {3: [rising(10), late], 9: [never | {"seed": 0}, never]}
    variants = experiment("rnn-layers", by_value)
    before = copy.deepcopy(variants)
    described = describe("rnn-layers", ("layers",), variants, "Why?")
    assert variants == before, "what was given stays as it is"
    assert described["headline"] == (
        "layers 3 is first at 0.9 for 1 of 2 seeds; median steps 20, 20, 15, never, never"
    )
    assert described["variants"][3]["first"] == {
        "50%": [20, math.inf],
        "90%": [20, math.inf],
        "100%": [30, math.inf],
    }
    reports = described["variants"][2]["report"]
    assert reports["not_seen"] == []
    assert reports["first"] == {"50%": 170, "90%": 190, "100%": 280}
    assert len(reports["accuracy"]) == 50 and reports["accuracy"][19] == [190, 0.91]
    assert reports["loss"][0][0] == 0 and reports["share"]["loss"] == 0.0  # ours are all 1.0
    assert described["variants"][4]["report"] is None, "the report has no nine layers"
    assert described["claims"][0]["readings"][0]["answers"] == [True, False]
    assert "layers" not in described["settings"] and described["settings"]["steps"] == 500
    assert described["section"] == "2.3.1" and described["printed"] == []
    assert described["compared"] == ["layers"] and described["remark"] == "Why?"
    # The decisions stand in a list of their own, one for each run.
    assert not any("decision" in run for each in described["variants"] for run in each["runs"])
    told = [(each["variant"], each["seed"], each["words"]) for each in described["decisions"]]
    assert told[3:6] == [
        ("layers 2", 1, "36 + 33 gives 79, not 69"),
        ("layers 3", 0, "proven"),
        ("layers 3", 1, "36 + 33 gives 79, not 69"),
    ]
    assert {each["group"] for each in described["decisions"]} == {"rnn-layers"}
    assert [each["perfect"] for each in described["decisions"]][6:] == [True, False, False, False]
    assert len({each["adder"] for each in described["decisions"]}) == 10


def test_equal_settings_and_seeds_are_one_adder_in_whichever_experiment():
    def name_adder(name, seed=0, **changes):
        variants = experiment("rnn-layers", {1: [rising(0, seed=seed)]}, **changes)
        (decided,) = describe(name, (), variants)["decisions"]
        return decided["adder"]

    assert name_adder("one") == name_adder("other")
    others = [name_adder("one", 1), name_adder("one", lr=0.1), name_adder("one", steps=5)]
    assert len({name_adder("one"), *others}) == 4


def test_a_run_that_stopped_early_is_judged_as_correct_from_there_on():
    runs = [rising(500, 71 + seed, seed=seed) for seed in range(5)]
    variants = experiment("5000-digits", {None: runs}, stop_after_perfect=20)
    described = describe("5000-digits", (), variants)
    (claim,) = described["claims"]
    assert [reading["answers"] for reading in claim["readings"]] == [[True] * 5] * 2
    assert described["numbers"][0]["place"] == "later"
    share = described["variants"][0]["report"]["share"]["accuracy"]
    steps = [
        step
        for step, accuracy in REPORT["5000-digits"]["curves"][None]["accuracy"]
        if (accuracy == 0 and step < 500) or (accuracy == 1 and step >= 500)
    ]
    assert share == len(steps) / 200


@pytest.mark.parametrize(
    ("field", "value"),
    {
        "digitlen": 20,
        "cell": "GRU",
        "hidden": 32,
        "embedding": 16,
        "lr": 2e-3,
        "optimizer": "SGD",
        "momentum": 0.9,
        "steps": 499,
        "batch_size": 1000,
        "test_size": 200,
        "eval_every": 20,
        "pairs": "long-carry",
        "stop_after_perfect": 20,
    }.items(),
)
def test_only_the_reports_settings_get_a_verdict(field, value):
    runs = [run([1.0] * 50, seed=seed) for seed in range(5)]
    layers = dict.fromkeys((1, 2, 3, 4, 7), runs)
    variants = experiment("rnn-layers", layers, **{field: value})
    described = describe("rnn-layers", ("layers",), variants)
    (line,) = described["differences"]
    assert line.startswith(f"{field} is {value}, the report's is ")
    assert described["claims"] == described["numbers"] == described["printed"] == []
    assert [variant["report"] for variant in described["variants"]] == [None] * 5
    assert described["verdict"] == NO_VERDICT


def test_what_is_not_seen_is_told_from_never():
    rates = REPORT["lr-coarse"]["settings"]["lr"]
    variants = experiment("lr-coarse", dict.fromkeys(rates, [rising(50)]))
    described = describe("lr-coarse", ("lr",), variants)
    not_seen = [variant["report"]["not_seen"] for variant in described["variants"]]
    assert not_seen[3] == ["100%"] and not_seen[8] == ["50%", "100%"]
    assert sum(map(len, not_seen)) == 3
    assert described["variants"][1]["report"]["first"]["100%"] == NEVER
    assert len(described["numbers"]) == 3 * 10 - 3


def test_headlines_say_what_was_found():
    def headline(name, by_value):
        return describe(name, ("layers",), experiment(name, by_value))["headline"]

    seeds = range(3)
    once = [rising(100 + 10 * seed, seed=seed) for seed in seeds]
    assert headline("final-model", {None: once}) == (
        "1.0 is reached by 3 of 3 seeds, median step 110 (100 to 120); by the report's at step 60"
    )
    never = [run([0.0] * 50, seed=seed) for seed in seeds]
    assert headline("final-model", {None: [*once[:1], *never[1:]]}) == (
        "1.0 is reached by 1 of 3 seeds, median step never (100 to never); "
        "by the report's at step 60"
    )
    assert headline("final-model", {None: never[:1]}) == (
        "1.0 is reached by 0 of 1 seed; by the report's at step 60"
    )
    others = dict.fromkeys((2, 4), never)
    assert headline("rnn-layers", others | {1: once, 3: once}) == (
        "none is alone first at 0.9 for any of 3 seeds; median steps never, never, 110, 110; "
        "the report's 210, 240, 300, 190"
    )
    mixed = {1: [once[0], never[1], never[2]], 3: [never[0], once[1], never[2]]}
    assert headline("rnn-layers", others | mixed).startswith(
        "layers 1 and layers 3 are each first at 0.9 for 1 of 3 seeds; median steps never, never, "
    )
    three_layers = [{"label": "3 layers", "runs": once}, {"label": "1 layer", "runs": never}]
    assert say_who_is_first(three_layers, 0.9).startswith("3 layers are first at 0.9 for 3")
    many = dict.fromkeys((1, 2, 3, 4, 5), never) | {6: once}
    assert headline("rnn-layers", many) == (
        "layers 6 is first at 0.9 for 3 of 3 seeds; the least median step is 110, "
        "5 of 6 medians are never"
    )


def test_an_experiment_of_ones_own_has_no_claims():
    variants = [{"label": "", "settings": {"layers": 1, "lr": 0.1}, "runs": [run([0.5])]}]
    described = describe("mine", (), variants)
    assert described["verdict"] == NO_CLAIMS
    assert described["claims"] == described["numbers"] == described["differences"] == []
    assert described["title"] == "mine" and described["says"] is None
    assert described["variants"][0]["report"] is None


def test_a_run_that_broke_off_at_once_is_described():
    broken = run([], error="the loss is nan")
    described = describe("pt-main", (), experiment("pt-main", {None: [broken]}))
    assert described["verdict"] == NO_WORDS and described["claims"] == []
    assert described["variants"][0]["report"]["share"] == {"loss": None, "accuracy": None}
    assert described["numbers"][0]["place"] == "earlier"
    page = write(described)
    assert "**Verdict:** no claims: the report shows its curves and says nothing of them." in page
    assert "| all seeds | never | never | never | none | none | none | 2.5 | none |" in page
    assert "within our seeds' range" not in page, "there is no such step"
    assert "- Ended early, seed 0: the loss is nan." in page


@pytest.mark.parametrize("name", REPORT)
def test_runs_that_broke_off_at_once_have_no_part_in_what_a_claim_says(name):
    broken = [run([], error="the loss is nan", seed=seed) for seed in range(8)]
    variants = experiment(name, dict.fromkeys(REPORT[name]["curves"], broken))
    described = describe(name, (), variants)
    assert not any(claim["verdict"] == "holds" for claim in described["claims"])
    assert "Ended early" in write(described)


# --- The section of the page.


def write(result):
    """The section of an entry of results.json."""
    return Experiment((), ()).page(plain(result))


def test_the_section_of_an_experiment_of_the_report():
    page = write(sample.compared_layers())
    paragraphs = page.split("\n\n")
    assert paragraphs[:2] == [
        "**The report shows, section 2.3.1:** three layers fastest (0.9 at step 190).",
        "**Verdict:** 1 does not hold, 1 depends on the seed.",
    ]
    assert (
        "更快达到收敛 | depends on the seed: 1, 2 of 2, with 5 pairs a step "
        "| three layers at 0.9 before one layer; a tie is a no | 1 of 2 |\n"
        "|  |  |  | not after one layer | 2 of 2 |"
    ) in page
    assert "| 1 layer: first step at 0.9 | 30 | never | earlier |" in page
    assert "| 3 layers: first step at 0.9 | 10 | 10 | within |" in page
    shares = "1 layer loss 75%, accuracy 50%; 3 layers loss 75%, accuracy 50%."
    assert f"Of the points of its curves, within our seeds' range at that step: {shares}" in page
    assert "| 1 layer | never (20 to never) | never | never | 0.25 | 0.3 (0.1 to 0.5) |" in page
    assert "| 0.3 (0.1 to 0.5) | 15 (10 to 20) | 3 (2.5 to 3.5) |" in page
    assert "| 3 (2.5 to 3.5) | 7 + 5 gives 11, not 12 |" in page
    assert paragraphs[-2].splitlines() == [
        "- Ended early, 1 layer, seed 1: the loss is not finite.",
        "- Undecided, 1 layer, seed 0: no interval step for Foo.",
    ]
    assert paragraphs[-1] == (
        "Settings: layers compared, digitlen 10, cell RNN, lr 0.001, steps 40, batch\\_size 100, "
        "pairs uniform, seeds 0, 1."
    )


def test_the_section_has_the_shortest_counterexample_of_each_variant():
    result = sample.compared_layers()
    result["decisions"] += [
        sample.decided("rnn-layers", "3 layers", 2, True, "8 + 8 gives 6, not 16", 1),
        sample.decided("rnn-layers", "3 layers", 3, True, "9 + 8 gives 7, not 17", 1),
    ]
    rows = write(result).splitlines()
    (row,) = (row for row in rows if row.startswith("| 3 layers |"))
    assert row.endswith("| 8 + 8 gives 6, not 16 |")


def test_each_kind_of_experiment_says_what_its_verdict_is():
    own = write(sample.experiment("mine", remark="Why *so*?"))
    assert own.startswith(
        "Why \\*so\\*?\n\n"
        "**Verdict:** none. This experiment is not the report's: it has no claims.\n\n"
        "**Measured** (median over the seeds, and range):\n\n"
    )
    assert "The report" not in own
    wide = write(sample.experiments()["wide"])
    assert (
        "**The report shows, section 1.2:** loss 0.308 at step 200.\n\n"
        "**Verdict:** no verdict on the report: these settings are not its own.\n\n"
        "- batch\\_size is 1000, the report's is 100\n\n"
        "**Measured**"
    ) in wide
    assert "| claim |" not in own + wide


def test_the_section_has_the_lines_that_the_report_printed():
    runs = [run([0.5] * 21, loss=[0.5] * 21, error="nan"), run([0.0] * 61, loss=[0.2] * 61, seed=1)]
    described = describe("task-1", (), experiment("task-1", {None: runs}))
    of_report = described["variants"][0]["report"]
    assert of_report["printed_accuracy"][:2] == [[150, 0], [200, 0.88]]
    assert [step for step, _ in of_report["printed_loss"]] == list(range(200, 601, 50))
    page = write(described)
    begin = "The lines that it printed, and ours:\n\n| step | its loss | our loss | its accuracy |"
    assert begin in page
    assert "\n| 150 |  | 0.35 (0.2 to 0.5) | 0.0 | 0.25 (0 to 0.5) |\n" in page
    assert "\n| 600 | 0.006102 | 0.2 | 1.0 | 0 |\n" in page


def test_several_compared_fields_are_told_for_each_variant():
    settings = {"SGD": {"lr": 1.0, "optimizer": "SGD"}, "Adam": {"lr": 0.01, "optimizer": "Adam"}}
    variants = [
        {"label": label, "settings": {"cell": "RNN", "stop": None} | own, "runs": [run([0.5])]}
        for label, own in settings.items()
    ]
    paragraphs = write(describe("mine", ("lr", "optimizer"), variants)).split("\n\n")
    assert paragraphs[-2:] == [
        "Compared: SGD (lr 1.0, optimizer SGD), Adam (lr 0.01, optimizer Adam).",
        "Settings: lr compared, optimizer compared, cell RNN, seeds 0.",
    ]


def test_values_that_are_equal_in_three_digits_have_labels_of_their_own():
    rates = compare(sample.SIMPLE, [0], lr=[0.01001, 0.01002])
    labels = [variant.label for variant in rates.variants]
    assert len(set(labels)) == 2 and labels[0].startswith("lr 0.01001")
