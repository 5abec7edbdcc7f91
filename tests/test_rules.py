"""Verdicts and places against coins, permutations, and counts by hand."""

import itertools
import math

import numpy as np
import pytest
from made_up import experiment, rising, run

from lab.report import rules
from lab.report.said import BASE, ORIGINAL, REPORT, first_step_seen

NEVER = math.inf

# --- Claims.


def test_majority_against_sampled_coins():
    # P(share > 1/2 | yes of seeds): shares from the uniform prior, of which those are kept that fit
    draws = np.random.default_rng(0)
    shares = draws.random(400_000)
    heads = draws.binomial(5, shares)
    for yes in range(6):
        sampled = (shares[heads == yes] > 0.5).mean()
        assert rules.majority(yes, 5) == pytest.approx(sampled, abs=0.01)


@pytest.mark.parametrize(
    ("yes", "seeds", "expected"),
    [
        (3, 3, "too few seeds"),  # 15/16
        (0, 3, "too few seeds"),
        (1, 1, "too few seeds"),
        (2, 3, "depends on the seed"),  # 11/16
        (4, 4, "holds"),  # 31/32
        (0, 4, "does not hold"),
        (5, 5, "holds"),
        (4, 5, "depends on the seed"),  # 57/64
        (7, 8, "holds"),  # 502/512
        (1, 8, "does not hold"),
        (6, 8, "depends on the seed"),  # 466/512
        (9, 12, "holds"),  # 7814/8192: 95.4%
        (7, 9, "depends on the seed"),  # 968/1024: 94.5%
        (3, 12, "does not hold"),
        (50, 100, "depends on the seed"),
        (30, 100, "does not hold"),
    ],
)
def test_verdicts_by_hand(yes, seeds, expected):
    answers = [True] * yes + [False] * (seeds - yes)
    assert rules.verdict([answers]) == expected
    assert rules.verdict([answers, answers[::-1], answers]) == expected, "all readings are alike"


MOST, SOME, FEW = "most", "some", "few"
ANSWERS = {8: {MOST: (8, 7), SOME: (6, 5, 4, 3, 2), FEW: (1, 0)}, 5: {MOST: (5,), FEW: (0,)}}
ANSWERS[5][SOME] = (4, 3, 2, 1)


@pytest.mark.parametrize("seeds", ANSWERS)
@pytest.mark.parametrize(
    ("of", "expected"),
    [
        ([MOST, MOST], "holds"),
        ([MOST, MOST, MOST], "holds"),
        ([FEW, FEW], "does not hold"),
        ([FEW, FEW, FEW], "does not hold"),
        ([MOST, FEW], "depends on the reading"),
        ([MOST, SOME], "depends on the reading"),
        ([MOST, SOME, FEW], "depends on the reading"),
        ([MOST, MOST, FEW], "depends on the reading"),
        ([SOME, SOME], "depends on the seed"),
        ([SOME, FEW], "depends on the seed"),
        ([FEW, FEW, SOME], "depends on the seed"),
    ],
)
def test_verdicts_by_readings(seeds, of, expected):
    for counts in itertools.product(*(ANSWERS[seeds][share] for share in of)):
        readings = [[True] * yes + [False] * (seeds - yes) for yes in counts]
        for in_some_order in (readings, readings[::-1]):
            assert rules.verdict(in_some_order) == expected, counts


def test_a_few_seeds_are_too_few_for_any_reading():
    yes, no, mixed = [True] * 3, [False] * 3, [True, True, False]
    for agreeing in ([yes], [no], [yes, yes], [no, no], [yes, no]):
        assert rules.verdict(agreeing) == "too few seeds"
    for differing in ([mixed], [yes, mixed], [mixed, no]):
        assert rules.verdict(differing) == "depends on the seed"


def test_a_claim_has_each_reading_and_its_answers():
    # By step 100 each seed is there; at every evaluation from then on 5 of 8 are.
    runs = [rising(40, seed=seed) for seed in range(8)]
    for seed in (1, 4, 6):
        runs[seed]["accuracy"][20 + seed] = 0.99
    (claim,) = rules.judge("final-model", experiment("final-model", {None: runs}))
    assert [reading["asked"] for reading in claim["readings"]] == [
        "at 1.0 at some evaluation up to step 100",
        "at 1.0 at every evaluation from step 100 on",
    ]
    assert claim["readings"][0]["answers"] == [True] * 8
    answers = [seed not in (1, 4, 6) for seed in range(8)]
    assert claim["readings"][1] == claim["readings"][1] | {"answers": answers, "note": ""}
    assert claim["verdict"] == "depends on the reading"
    rates = REPORT["lr-coarse"]["settings"]["lr"]
    at_once = [rising(0, seed=seed) for seed in range(8)]
    matters, *_ = rules.judge("lr-coarse", experiment("lr-coarse", dict.fromkeys(rates, at_once)))
    assert matters["verdict"] == "does not hold" and matters["note"] == ""
    assert [reading["note"] for reading in matters["readings"]] == [
        "it cannot fail: a rate of 1.36e-5 learns nothing in 500 steps",
        "",
    ]


def test_what_the_rule_comes_to():
    eight, five = rules.count_rule(8), rules.count_rule(5)
    assert (eight["seeds"], eight["holds_from"], eight["does_not_hold_to"]) == (8, 7, 1)
    assert (five["seeds"], five["holds_from"], five["does_not_hold_to"]) == (5, 5, 0)
    assert (round(eight["median_within"], 2), round(five["median_within"], 2)) == (0.99, 0.94)
    assert (eight["next_outside"], five["next_outside"]) == (2 / 9, 1 / 3)
    three = rules.count_rule(3)
    assert three["holds_from"] is None and three["does_not_hold_to"] is None
    for rule in (eight, five, three):
        for yes in range(rule["seeds"] + 1):
            said = rules.verdict([[True] * yes + [False] * (rule["seeds"] - yes)])
            holds_from = rule["holds_from"]
            assert (said == "holds") == (holds_from is not None and yes >= holds_from)
            no_more = rule["does_not_hold_to"]
            assert (said == "does not hold") == (no_more is not None and yes <= no_more)


def test_seeds_that_were_not_asked_do_not_count():
    runs = [run([1.0] * 50, seed=seed) for seed in range(3)]
    variants = experiment("final-model", {None: runs})
    (claim,) = rules.judge("final-model", variants)
    assert claim["claim"] == REPORT["final-model"]["claims"][0]["claim"]
    assert [reading["answers"] for reading in claim["readings"]] == [[True] * 3] * 2
    runs[1]["also_tested"] = {"digits": 5000, "accuracy": 1.0}
    claims = rules.judge("final-model", variants)
    (reading,) = claims[1]["readings"]
    assert reading["answers"] == [True] and claims[1]["note"] == "asked of our adders alone"


def test_runs_are_asked_seed_by_seed():
    first = [rising(100, seed=8), rising(0, seed=1)]
    second = [rising(200, seed=seed) for seed in (0, 1, 8)]
    of_seeds = rules.runs_by_seed([{"runs": first}, {"runs": second}])
    assert of_seeds == [[first[1], second[1]], [first[0], second[2]]]


def test_verdicts_are_tallied_in_words():
    readings = "depends on the reading"
    verdicts = ["holds", "depends on the seed", "holds", "does not hold", "too few seeds", readings]
    claims = [{"verdict": verdict} for verdict in verdicts]
    tally = "2 hold, 1 depends on the seed, 1 does not hold, 1 with too few seeds"
    assert rules.tally(claims) == f"{tally}, 1 depends on the reading"
    assert rules.tally(claims[-1:] * 3) == "3 depend on the reading"
    assert rules.tally([]) == ""


def test_only_the_reports_settings_are_judged():
    runs = [run([1.0] * 50, seed=seed) for seed in range(5)]
    layers = dict.fromkeys((1, 2, 3, 4, 7), runs)

    def differ(**changes):
        variants = experiment("rnn-layers", layers, **changes)
        assert rules.judge("rnn-layers", variants) == []
        return rules.differences("rnn-layers", variants)

    variants = experiment("rnn-layers", layers, seed=1, device="cuda")
    assert rules.differences("rnn-layers", variants) == []
    assert rules.judge("mine", variants) == []
    assert rules.judge("rnn-layers", variants)[0] == {
        "claim": "all four reach 100%",
        "words": "准确率均可到达100%",
        "readings": [
            {
                "asked": "each of the four at 1.0 at some evaluation",
                "answers": [True] * 5,
                "note": "",
            }
        ],
        "verdict": "holds",
        "note": "",
    }
    assert differ(weight_decay=0.1) == ["weight_decay is 0.1, and report.toml does not name it"]
    assert differ(momentum=None) == ["momentum is not set, the report's is 0.0"]
    both = experiment("rnn-layers", layers) + experiment("rnn-layers", layers, steps=600)
    (line,) = rules.differences("rnn-layers", both)
    assert line == "steps is 500, 600, the report's is 500"
    fewer = experiment("rnn-layers", {1: runs, 2: runs})
    assert rules.judge("rnn-layers", fewer) == []
    assert rules.differences("rnn-layers", fewer) == ["layers is 1, 2, the report's is 1, 2, 3, 4"]


def test_the_longest_numbers_alone_may_stop_early():
    runs = [run([1.0])]
    for name in ("1000-digits", "5000-digits"):
        for stop in (None, 20, 3):
            variants = experiment(name, {None: runs}, stop_after_perfect=stop)
            same = stop is None or (name == "5000-digits" and stop == 20)
            assert (rules.differences(name, variants) == []) == same
    variants = experiment("5000-digits", {None: runs}, batch_size=20)
    assert rules.differences("5000-digits", variants) == ["batch_size is 20, the report's is 100"]


def test_all_digits_of_a_learning_rate_count():
    rates = REPORT["lr-fine"]["settings"]["lr"]
    runs = [run([1.0] * 40)]
    assert not rules.differences("lr-fine", experiment("lr-fine", dict.fromkeys(rates, runs)))
    rounded = [float(f"{rate:.6g}") for rate in rates]
    variants = experiment("lr-fine", dict.fromkeys(rounded, runs))
    (line,) = rules.differences("lr-fine", variants)
    assert line.endswith("0.01302258625975442, 0.014683479311796208")


# --- Numbers and curves.


@pytest.mark.parametrize("seeds", [8, 5])
def test_places_against_random_permutations(seeds):
    draws = np.random.default_rng(0)
    count = 5_000
    places = []
    tied = []
    for _ in range(count):
        *ours, reports = draws.permutation(seeds + 1).tolist()
        places.append(rules.place_among(reports, ours))
        # The lowest two are equal now.
        tied.append(rules.place_among(max(1, reports), [max(1, step) for step in ours]))
    by_chance = rules.outside_by_chance(seeds)
    for side in ("below", "above"):
        assert places.count(side) / count == pytest.approx(by_chance / 2, abs=0.015)
    assert tied.count("below") == 0, "equal counts as within"
    assert tied.count("above") == places.count("above")


@pytest.mark.parametrize("seeds", [8, 5])
def test_the_range_holds_the_median_as_often_as_it_is_said(seeds):
    median = math.log(2)  # of the exponential distribution
    draws = np.random.default_rng(0).exponential(size=(100_000, seeds))
    holds = (draws.min(axis=1) <= median) & (median <= draws.max(axis=1))
    assert rules.count_rule(seeds)["median_within"] == pytest.approx(holds.mean(), abs=0.003)


def test_places_by_hand():
    assert rules.place_among(10, [10, 20]) == rules.place_among(20, [10, 20]) == "within"
    assert rules.place_among(9, [10, 20]) == "below"
    assert rules.place_among(21, [10, 20]) == "above"
    assert rules.place_among(NEVER, [10, 20]) == "above", "never comes after every step"
    assert rules.place_among(NEVER, [10, NEVER]) == "within"
    assert rules.place_among(10, [NEVER, NEVER]) == "below"
    for level in rules.LEVELS:
        kind = f"first step at {level}"
        assert rules.place_number("a", kind, [10, 20], 0)["place"] == "earlier"
        assert rules.place_number("a", kind, [10, 20], 30)["place"] == "later"
    assert rules.place_number("a", "loss", [0.1, 0.2], 0.05)["place"] == "lower"
    assert rules.place_number("a", "loss", [0.1, 0.2], 0.3)["place"] == "higher"
    assert rules.place_number("a", "loss", [0.1, 0.2], 0.1)["place"] == "within"


@pytest.mark.parametrize(
    ("ours", "outside"),
    [
        ([10, 20, 30, 40], 2),
        ([10, 10, 30, 40], 1),  # one more like the least two lies within
        ([10, 10, 40, 40], 0),
        ([10, 40, 40, 40], 1),
        ([10, 10, 10, 10], 0),
        ([10, NEVER, 20, NEVER], 1),
        ([10, 20, NEVER, 30], 2),
        ([NEVER, NEVER], 0),
        ([10, 20], 2),
        ([10], 1),  # the range of no seeds holds nothing
    ],
)
def test_numbers_outside_by_chance_by_hand(ours, outside):
    for in_some_order in itertools.permutations(ours):
        number = rules.place_number("a", "first step at 0.9", list(in_some_order), 25)
        assert number["by_chance"] == outside / len(ours)


@pytest.mark.parametrize("seeds", [2, 5, 8])
@pytest.mark.parametrize("values", [3, 12])
def test_numbers_outside_by_chance_against_leaving_out_each_seed(seeds, values):
    draws = np.random.default_rng(0)
    shares = []
    fresh = []
    for _ in range(400):
        drawn = draws.integers(values, size=seeds).tolist()
        ours = [NEVER if value == values - 1 else value for value in drawn]
        outside = 0
        for left_out in range(seeds):
            lower = higher = 0
            for seed in range(seeds):
                lower += seed != left_out and ours[seed] < ours[left_out]
                higher += seed != left_out and ours[seed] > ours[left_out]
            outside += lower == seeds - 1 or higher == seeds - 1
        number = rules.place_number("a", "loss", list(ours), 0.5)
        assert number["by_chance"] == outside / seeds and number["ours"] == ours
        assert number["by_chance"] <= 2 / seeds
        shares.append(number["by_chance"])
        others = draws.integers(values, size=seeds - 1).tolist()
        fresh.append(rules.place_among(draws.integers(values), others) != "within")
    # On average it is the chance of one more number like the seeds that are left.
    assert np.mean(shares) == pytest.approx(np.mean(fresh), abs=0.08)


def test_the_reports_numbers_among_ours():
    by_layers = {
        1: [rising(300), rising(310, seed=1)],
        2: [rising(220), rising(230, seed=1)],
        3: [rising(100), run([0.0] * 50, seed=1)],
        4: [run([0.0] * 50), run([0.0] * 50, seed=1)],
        7: [rising(0), rising(0, seed=1)],
    }
    numbers = rules.place_numbers("rnn-layers", experiment("rnn-layers", by_layers))
    assert numbers[1] == {
        "label": "layers 1: first step at 0.9",
        "kind": "first step at 0.9",
        "ours": [300, 310],
        "reports": 300,
        "place": "within",
        "by_chance": 1.0,
    }
    of_levels = {
        0.5: ([260, 200, 170, 190], ["earlier", "earlier", "within", "earlier"]),
        0.9: ([300, 210, 190, 240], ["within", "earlier", "within", "earlier"]),
        1.0: ([360, 240, 280, 310], ["later", "later", "within", "earlier"]),
    }
    for level, (reports, places) in of_levels.items():
        of_level = [number for number in numbers if number["kind"] == f"first step at {level}"]
        assert [number["reports"] for number in of_level] == reports
        assert [number["place"] for number in of_level] == places
        assert [number["by_chance"] for number in of_level] == [1, 1, 1, 0]
        labels = [f"layers {layers}: first step at {level}" for layers in (1, 2, 3, 4)]
        assert [number["label"] for number in of_level] == labels
    assert len(numbers) == 12


def test_all_numbers_of_the_report_are_placed():
    kinds = []
    for name, said in REPORT.items():
        variants = experiment(name, dict.fromkeys(said["curves"], [rising(0)]))
        kinds += [number["kind"] for number in rules.place_numbers(name, variants)]
    # Of 30 curves one has no first step at 0.5 that is seen, and two have none at 1.0.
    expected = {f"first step at {at}": n for at, n in {0.5: 29, 0.9: 30, 1.0: 28}.items()}
    assert {kind: kinds.count(kind) for kind in kinds} == expected | {"loss": 9}


def test_a_number_that_rests_on_hidden_points_is_none():
    # One of the ten rates has no first step at 0.5 that is seen.
    of_rate = REPORT["lr-coarse"]["curves"][0.00037605057589532796]
    runs = [rising(100), rising(200)]
    (number,) = rules.place_first_steps(of_rate, runs)
    assert (number["reports"], number["kind"]) == (440, "first step at 0.9")
    hidden = of_rate | {"accuracy": [[step, at] for step, at in of_rate["accuracy"] if step < 430]}
    assert first_step_seen(hidden, 0.9) == NEVER
    late = of_rate | {"accuracy": [[step, at] for step, at in of_rate["accuracy"] if step != 430]}
    assert rules.place_first_steps(late, runs) == []


def test_the_printed_losses_among_ours():
    losses = [[0.5] * 21, [0.2] * 21 + [0.01] * 40]
    runs = [
        run([0.0] * 21, loss=losses[0], error="the loss is nan"),
        run([0.0] * 61, loss=losses[1], seed=1),
    ]
    variants = experiment("task-1", {None: runs})
    numbers = rules.place_numbers("task-1", variants)
    steps = range(200, 601, 50)
    assert [number["label"] for number in numbers] == [f"loss at step {step}" for step in steps]
    assert {number["kind"] for number in numbers} == {"loss"}
    # It printed 0.308, 0.118, 0.0565 ..., 0.01005 at step 500, 0.0078, 0.0061.
    assert [number["place"] for number in numbers] == ["within"] * 7 + ["lower"] * 2
    assert numbers[0]["reports"] == pytest.approx(0.3084, abs=1e-4)
    assert numbers[1]["ours"] == [math.inf, 0.01] and numbers[0]["ours"] == [0.5, 0.2]
    printed = rules.describe_printed("task-1", runs)
    assert [line["step"] for line in printed] == list(range(150, 601, 50))
    assert printed[0] == {
        "step": 150,
        "loss": None,
        "accuracy": 0,
        "our_loss": [0.5, 0.2],
        "our_accuracy": [0.0, 0.0],
    }
    assert printed[-1]["our_loss"] == [None, 0.01] and printed[-1]["accuracy"] == 1


def test_the_share_of_a_curve_within_our_range():
    runs = [run([0.0, 0.2, 0.4, 0.6]), run([0.1, 0.3, 0.8, 0.6], seed=1)]
    points = [[0, 0.05], [10, 0.1], [20, 0.8], [30, 0.7]]
    assert rules.share_within(points, runs, "accuracy") == 2 / 4
    assert rules.share_within([[10, 1.0]], runs, "loss") == 1.0
    # A loss that is not to be trusted counts in no share; nor does a step that a run lacks.
    curve = REPORT["final-model"]["curves"][None]
    described = rules.describe_curve(curve, runs)
    assert described["loss"] == [[step, loss] for step, loss in curve["loss"] if loss >= 0.03]
    assert 0.029 in dict(REPORT["task-1"]["curves"][None]["loss"]).values()
    of_task_1 = rules.describe_curve(REPORT["task-1"]["curves"][None], runs)
    assert of_task_1["loss"][-1] == [360, 0.033], "from there on it is below"
    # Its accuracies 0, 0, 0.05, 0.78 are within once; our losses, all 1.0, are never near.
    assert described["share"] == {"loss": 0.0, "accuracy": 1 / 4}
    assert rules.share_within([[40, 0.6]], runs, "accuracy") is None
    assert rules.share_within([[10, 0.25], [40, 0.6]], runs, "accuracy") == 1.0


def test_the_share_of_a_curve_beside_runs_that_ended_early():
    stopped = run([0.0, 1.0, 1.0], loss=[3.0, 0.2, 0.1])
    broken = run([0.0, 1.0], error="the loss is nan")
    points = [[20, 1.0], [1990, 1.0], [1980, 0.99]]
    assert rules.share_within(points, [stopped], "accuracy") == 2 / 3
    assert rules.share_within(points, [stopped, broken], "accuracy") is None
    assert rules.share_within([[20, 0.1], [1990, 0.1]], [stopped], "loss") == 1.0


# --- Same seed, same curve.


def test_runs_are_compared_with_those_of_the_published_code():
    originals = ORIGINAL["runs"]
    first, *_ = originals
    assert (first["cell"], first["layers"], first["seed"]) == ("RNN", 2, 0)
    same = run(first["accuracy"], loss=first["loss"])
    settings = BASE | {"device": "cpu", "steps": 1000}

    def compare(runs, **changes):
        variant = {"settings": settings | changes, "runs": runs}
        return rules.compare_with_original({"gpu": {}, "any": {"variants": [variant]}})

    equal = {"runs": 1, "evaluations": 50, "equal": 50, "largest_loss_difference": 0.0}
    assert compare([same]) == equal
    shorter = run(first["accuracy"][:30], loss=first["loss"][:30])
    assert compare([shorter, same]) == equal, "once, at the longest"
    assert compare([shorter], stop_after_perfect=20)["evaluations"] == 30
    off = run([0.5] + first["accuracy"][1:], loss=first["loss"][:-1] + [first["loss"][-1] + 0.25])
    compared = compare([off])
    assert compared["equal"] == 49 and compared["largest_loss_difference"] == pytest.approx(0.25)
    assert compare([same | {"seed": 1}])["equal"] < 50, "seed 1 has a curve of its own"
    assert compare([same | {"seed": 3}]) is None, "seed 3 has none"
    changes = {"batch_size": 5, "test_size": 200, "eval_every": 20, "pairs": "course", "lr": 0.002}
    for field, value in changes.items():
        assert compare([same], **{field: value}) is None
    long = [original for original in originals if original["digitlen"] == 1000][0]
    compared = compare([run(long["accuracy"])], digitlen=1000)
    assert compared == equal | {"largest_loss_difference": None}


def test_every_run_of_the_published_code_can_be_found():
    variants = []
    for original in ORIGINAL["runs"]:
        own = {field: original[field] for field in ("digitlen", "cell", "layers", "lr")}
        same = run(original["accuracy"], loss=original.get("loss"), seed=original["seed"])
        variants.append({"settings": BASE | own, "runs": [same]})
    compared = rules.compare_with_original({"all": {"variants": variants}})
    assert compared["runs"] == len(variants) == 15
    evaluations = sum(len(original["accuracy"]) for original in ORIGINAL["runs"])
    assert compared["evaluations"] == compared["equal"] == evaluations
    assert compared["largest_loss_difference"] == 0
