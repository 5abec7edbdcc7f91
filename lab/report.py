"""The report's claims, numbers and curves, and whether runs bear them out.

What the report says stands in report.toml, the curves of its figures in report_curves.json, and
those of its published code, run again with known seeds, in original_code_curves.json.

A run here is what results.json has: "seed", "steps", those of its evaluations, counted from 0, the
"loss" and "accuracy" at each of them, "error", None or what ended it early, and what was decided of
its adder.
"""

import itertools
import json
import math
import statistics
import tomllib
from pathlib import Path

CONFIDENCE = 0.95
LEVELS = (0.5, 0.9, 1.0)  # the accuracies whose first steps are given
NUMBER_LEVEL = 0.9  # the one whose first step is placed among ours
LEAST_LOSS = 0.03  # below it two pixels of the report's figures are the whole value
NEAR = 0.05  # of a level: three standard errors of an accuracy of 0.97 on 100 test pairs
MOST_IN_HEADLINE = 5  # variants whose steps a headline gives
NO_VERDICT = "no verdict: these settings are not the report's"
NO_CLAIMS = "no claims: the report has no such experiment"
NO_WORDS = "no claims: the report shows its curves and says nothing of them"
NO_GPU = "not measured: there was no GPU"

FOLDER = Path(__file__).parent
CURVES = json.loads((FOLDER / "report_curves.json").read_text(encoding="utf-8"))
ORIGINAL = json.loads((FOLDER / "original_code_curves.json").read_text(encoding="utf-8"))
SAID = tomllib.loads((FOLDER / "report.toml").read_text(encoding="utf-8"))
PEERS = SAID.pop("peers")  # the longest numbers of published neural adders
GPU = SAID.pop("gpu")
BASE = SAID.pop("base") | {"stop_after_perfect": None}


# --- What the report says: `REPORT`. Of each of its experiments it has what report.toml has, all of
# its settings (a list for what is compared), its curves by the value of what is compared (None for
# nothing), and what they show in words.


def read_experiment(name):
    """What the report says and shows of an experiment."""
    said = {"compares": None, "claims": []} | SAID[name]
    field = said["compares"]
    settings = BASE | said["settings"]
    curves = {}
    for key in CURVES[name]["variants"]:
        # With all its digits: a learning rate is compared as it was run.
        value = type(BASE[field])(key) if field else None
        curves[value] = read_curve(name, key)
    if field:
        settings[field] = list(curves)
    return said | {"settings": settings, "curves": curves, "says": say_curves(name, curves)}


def read_curve(name, key):
    """One curve of the report's: {"loss", "accuracy": [[step, value], ...], "evaluated"}.

    "evaluated" are the steps at which it had an accuracy, seen or hidden. Where the report printed
    its accuracies and drew none, these are those of the printed lines.
    """
    points = CURVES[name]["variants"][key]
    accuracy = points.get("accuracy")
    evaluated = list(range(0, CURVES[name]["steps"], BASE["eval_every"]))
    if accuracy is None:
        accuracy = CURVES[name]["printed"]["accuracy"]
        evaluated = [step for step, _ in accuracy]
    return {
        "loss": points["loss"],
        "accuracy": accuracy,
        "evaluated": evaluated,
    }


def first_step_seen(curve, level):
    """The step from which a curve of the report's was at `level`; infinity for never.

    None where that is not seen: a legend and other curves hide parts of some. A first step counts
    only where the evaluation before it is seen too. A curve with hidden parts that is nowhere seen
    at `level` may have been there unseen; where the last that is seen of it is well below, it is
    taken for never.
    """
    seen = dict(curve["accuracy"])
    before_is_seen = True
    for step in curve["evaluated"]:
        if step in seen and seen[step] >= level:
            return step if before_is_seen else None
        before_is_seen = step in seen
    if len(seen) == len(curve["evaluated"]):
        return math.inf
    _, last = curve["accuracy"][-1]
    return math.inf if last < level - NEAR else None


def say_curves(name, curves):
    """What the report's curves of an experiment show, or its printed lines, in words."""
    if "printed" in CURVES[name]:
        printed = CURVES[name]["printed"]
        loss = say_points(printed["loss"])
        return f"printed loss {loss}; printed accuracy {say_points(printed['accuracy'])}"
    early = say_first_steps(curves, 0.9)
    late = say_first_steps(curves, 1.0)
    whose = ""
    if len(curves) > 1:
        whose = f" of {SAID[name]['compares']} {', '.join(map(say_value, curves))}"
    says = f"accuracy{whose} first at 0.9 at step {early}; at 1.0 at step {late}"
    for value, curve in curves.items():
        falls = find_fall(curve)
        if falls is not None:
            low, back = falls
            says += f"; that of {say_value(value)} falls to {low[1]:g} at step {low[0]}"
            says += f" and is back at {back[1]:g} at step {back[0]}"
    return says


def say_points(points):
    """Some points of a curve, as "0.308, 0.118 at step 200, 250"."""
    steps = ", ".join(str(step) for step, _ in points)
    values = ", ".join(say_value(value) for _, value in points)
    return f"{values} at step {steps}"


def say_first_steps(curves, level):
    """The first steps of the report's curves at `level`, as "300, never, not seen"."""
    return ", ".join(say_step(first_step_seen(curve, level)) for curve in curves.values())


def say_step(step):
    """A first step in words; None is one that is not seen."""
    if step is None:
        return "not seen"
    return "never" if step == math.inf else f"{step:g}"


def say_value(value):
    """A setting or a point of a curve: to three digits."""
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def find_fall(curve):
    """The points at which a curve of the report's that was at 0.9 is lowest, and is back there.

    None where it is never at 0.1 or less in between.
    """
    points = curve["accuracy"]
    high = [place for place, (_, accuracy) in enumerate(points) if accuracy >= 0.9]
    for before, after in itertools.pairwise(high):
        low = min(points[before : after + 1], key=lambda point: point[1])
        if low[1] <= 0.1:
            return low, points[after]
    return None


REPORT = {name: read_experiment(name) for name in SAID}


# --- What is seen of a run.


def first_step(run, level):
    """The first of a run's evaluations with an accuracy of `level` or more; infinity for never."""
    for step, accuracy in zip(run["steps"], run["accuracy"], strict=True):
        if accuracy >= level:
            return step
    return math.inf


def ends_correct(run):
    """Whether a run's last accuracy is 1.0; it may have stopped early because of that."""
    return run["error"] is None and run["accuracy"][-1:] == [1.0]


def value_at(run, curve, step):
    """The "loss" or "accuracy" of a run at `step`; None where it has none.

    A run that ended at 1.0 counts as 1.0 from there on.
    """
    if step in run["steps"]:
        value = run[curve][run["steps"].index(step)]
        return value if value is not None and math.isfinite(value) else None
    if curve == "accuracy" and ends_correct(run) and step > run["steps"][-1]:
        return 1.0
    return None


# --- The questions of report.toml to the runs of one seed, {value of what is compared: run}. The
# answer is True or False, or None where the runs have none.


def all_reach(runs, level=1.0, by=None):
    """Whether each run is at `level` at some evaluation: up to the step `by`, if there is one."""
    steps = [first_step(run, level) for run in runs.values()]
    return max(steps) < math.inf and (by is None or max(steps) <= by)


def all_end_correct(runs):
    """Whether each run is at 1.0 at its last evaluation."""
    return all(ends_correct(run) for run in runs.values())


def all_correct_from(runs, start, end, every):
    """Whether each run is at 1.0 at each of these steps, `start` and `end` included."""
    steps = range(start, end + 1, every)
    return all(value_at(run, "accuracy", step) == 1.0 for run in runs.values() for step in steps)


def loss_halves_after(runs, start):
    """Whether the loss of each run is at its last evaluation at most half of that at `start`."""
    for run in runs.values():
        if run["error"] is not None:
            return False
        before = value_at(run, "loss", start)
        after = value_at(run, "loss", run["steps"][-1])
        if before is None or after is None or after > before / 2:
            return False
    return True


def comes_first(runs, variant, level):
    """Whether the run of `variant` is at `level` before each other; a tie is not first."""
    others = [first_step(run, level) for value, run in runs.items() if value != variant]
    return first_step(runs[variant], level) < min(others)


def one_reaches_and_one_does_not(runs, reached, missed):
    """Whether some run is ever at the accuracy `reached`, and another never at `missed`."""
    one_reaches = any(first_step(run, reached) < math.inf for run in runs.values())
    one_misses = any(first_step(run, missed) == math.inf for run in runs.values())
    return one_reaches and one_misses


def best_lies_between(runs, low, high, before):
    """Whether a value from `low` to `high` is first at 1.0, alone or not, and before a step."""
    steps = {value: first_step(run, 1.0) for value, run in runs.items()}
    best = min(steps.values())
    lies_between = any(low <= value <= high for value, step in steps.items() if step == best)
    return lies_between and best < before


def lowest_and_highest_miss(runs, level_of_lowest, level_of_highest):
    """Whether the runs of the lowest and of the highest value are never at a level of each."""
    lowest = first_step(runs[min(runs)], level_of_lowest)
    highest = first_step(runs[max(runs)], level_of_highest)
    return lowest == highest == math.inf


def all_add_5000_digits(runs):
    """Whether each run's adder adds all pairs of 5000 digits right; None where it was not asked."""
    accuracies = [run.get("accuracy_at_5000") for run in runs.values()]
    if None in accuracies:
        return None
    return all(accuracy == 1.0 for accuracy in accuracies)


QUESTIONS = {
    "all_reach": all_reach,
    "all_end_correct": all_end_correct,
    "all_correct_from": all_correct_from,
    "loss_halves_after": loss_halves_after,
    "comes_first": comes_first,
    "one_reaches_and_one_does_not": one_reaches_and_one_does_not,
    "best_lies_between": best_lies_between,
    "lowest_and_highest_miss": lowest_and_highest_miss,
    "all_add_5000_digits": all_add_5000_digits,
}


def answer(claim, runs):
    """The answer of one seed's `runs` to a claim of report.toml."""
    return QUESTIONS[claim["question"]](runs, **claim.get("arguments", {}))


# --- Verdicts on claims.


def majority(yes, seeds):
    """The probability that a claim is true of most seeds, after it was true of `yes` out of
    `seeds`.

    The posterior probability of a share above one half, from a uniform prior: that of at most `yes`
    heads in `seeds` + 1 throws of a fair coin.
    """
    return sum(math.comb(seeds + 1, heads) for heads in range(yes + 1)) / 2 ** (seeds + 1)


def verdict(answers):
    """What a list of one yes or no a seed says of a claim; the page states this rule."""
    probability = majority(sum(answers), len(answers))
    if probability >= CONFIDENCE:
        return "holds"
    if probability <= 1 - CONFIDENCE:
        return "does not hold"
    return "depends on the seed" if len(set(answers)) > 1 else "too few seeds"


def judge_claim(claim, answers, note=""):
    """A claim of report.toml, judged by one answer a seed."""
    return {
        "claim": claim["claim"],
        "words": claim["words"],
        "asked": claim["asked"],
        "answers": answers,
        "verdict": verdict(answers),
        "note": note,
    }


def judge(name, variants):
    """The claims on an experiment, judged by its variants; none if its settings differ.

    A seed whose runs have no answer to a claim does not count there; a claim to which no seed has
    one is left out.
    """
    if name not in REPORT or differences(name, variants):
        return []
    said = REPORT[name]
    by_value = {value_compared(said, variant): variant for variant in variants}
    asked = {value: by_value[value] for value in said["curves"]}
    by_seed = [dict(zip(asked, runs, strict=True)) for runs in runs_by_seed(list(asked.values()))]
    claims = []
    for claim in said["claims"]:
        answers = [answer(claim, runs) for runs in by_seed]
        given = [each for each in answers if each is not None]
        if given:
            claims.append(judge_claim(claim, given, claim.get("note", "")))
    return claims


def runs_by_seed(variants):
    """For each seed that all `variants` have, in ascending order, its run of each variant."""
    of_variants = [{run["seed"]: run for run in variant["runs"]} for variant in variants]
    seeds = set.intersection(*(set(runs) for runs in of_variants))
    return [[runs[seed] for runs in of_variants] for seed in sorted(seeds)]


def value_compared(said, variant):
    """The value of a variant of ours in what the report compares; None for nothing."""
    field = said["compares"]
    return variant["settings"][field] if field else None


def differences(name, variants):
    """How the settings of an experiment differ from the report's, a line for each field that does.

    All fields count but the seed and the device, also a field that report.toml does not name: what
    it is in the report, nobody knows. More values than the report compares are no difference: it is
    judged on those that it has.
    """
    said = REPORT[name]
    lines = []
    unnamed = variants[0]["settings"].keys() - said["settings"].keys() - {"seed", "device"}
    for field in [*said["settings"], *sorted(unnamed)]:
        ours = list(dict.fromkeys(variant["settings"][field] for variant in variants))
        if field in unnamed:
            lines.append(f"{field} is {in_words(ours)}, and report.toml does not name it")
            continue
        value = said["settings"][field]
        if field == said["compares"]:
            reports = value
            same = set(reports) <= set(ours)
        else:
            reports = [value]
            same = ours == reports
        if field == "stop_after_perfect" and ours == [said.get("may_stop_after_perfect")]:
            same = True
        if not same:
            lines.append(f"{field} is {in_words(ours)}, the report's is {in_words(reports)}")
    return lines


def in_words(values):
    """Values of a setting, as a sentence has them."""
    return ", ".join("not set" if value is None else str(value) for value in values)


def tally(claims):
    """The verdicts on a list of claims in one line: "2 hold, 1 does not hold"."""
    one_and_many = {
        "holds": ("holds", "hold"),
        "does not hold": ("does not hold", "do not hold"),
        "depends on the seed": ("depends on the seed", "depend on the seed"),
        "too few seeds": ("with too few seeds", "with too few seeds"),
    }
    verdicts = [claim["verdict"] for claim in claims]
    words = []
    for said in dict.fromkeys(verdicts):
        count = verdicts.count(said)
        one, many = one_and_many[said]
        words.append(f"{count} {one if count == 1 else many}")
    return ", ".join(words)


# --- The report's numbers and curves among ours. Each is of one run: does it look like one of ours?


def place_among(value, ours):
    """Where a value of the report's lies: "within" the range of ours, "below" or "above" all."""
    if value < min(ours):
        return "below"
    if value > max(ours):
        return "above"
    return "within"


def place_number(label, unit, ours, reports):
    """A number of the report's by its place among ours, one a seed."""
    names = {"below": "lower", "above": "higher"}
    if unit == "step":
        names = {"below": "earlier", "above": "later"}
    place = place_among(reports, ours)
    return {
        "label": label,
        "unit": unit,
        "ours": ours,
        "reports": reports,
        "place": names.get(place, place),
    }


def place_numbers(name, variants):
    """The report's numbers of an experiment among those of its variants, which have its settings.

    A list of what `place_number` makes: the losses that the report printed, where it did, else the
    first step at 0.9 of each of its curves.
    """
    said = REPORT[name]
    numbers = []
    for variant in variants:
        curve = said["curves"].get(value_compared(said, variant))
        if curve is None:
            continue  # a value that the report did not try
        if "losses_at" in said:
            of_variant = place_losses(name, variant["runs"])
        else:
            of_variant = place_first_step(curve, variant["runs"])
        if variant["label"]:
            for number in of_variant:
                number["label"] = f"{variant['label']}: {number['label']}"
        numbers += of_variant
    return numbers


def place_losses(name, runs):
    """Some of the losses that the report printed, each among those of `runs` at that step."""
    printed = dict(CURVES[name]["printed"]["loss"])
    numbers = []
    for step in REPORT[name]["losses_at"]:
        losses = [value_at(run, "loss", step) for run in runs]
        # A run that broke off before counts as higher.
        ours = [math.inf if loss is None else loss for loss in losses]
        numbers.append(place_number(f"loss at step {step}", "loss", ours, printed[step]))
    return numbers


def place_first_step(curve, runs):
    """The first step at 0.9 of a curve of the report's among those of `runs`; [] if not seen."""
    step = first_step_seen(curve, NUMBER_LEVEL)
    if step is None:
        return []
    ours = [first_step(run, NUMBER_LEVEL) for run in runs]
    return [place_number(f"first step at {NUMBER_LEVEL}", "step", ours, step)]


def share_within(points, runs, curve):
    """The share of a report's curve's points that lie within the range of `runs` at that step.

    Points at steps where a run has no value are left out; None where none is left.
    """
    within = []
    for step, value in points:
        ours = [value_at(run, curve, step) for run in runs]
        if None not in ours:
            within.append(place_among(value, ours) == "within")
    return sum(within) / len(within) if within else None


def describe_curve(curve, runs):
    """A curve of the report's beside our `runs` of the same settings."""
    loss = [[step, value] for step, value in curve["loss"] if value >= LEAST_LOSS]
    accuracy = curve["accuracy"]
    first = {level: first_step_seen(curve, level) for level in LEVELS}
    return {
        "loss": loss,
        "accuracy": accuracy,
        "first": {f"{level:.0%}": step for level, step in first.items()},
        "not_seen": [f"{level:.0%}" for level, step in first.items() if step is None],
        "share": {
            "loss": share_within(loss, runs, "loss"),
            "accuracy": share_within(accuracy, runs, "accuracy"),
        },
    }


def describe_printed(name, runs):
    """The lines that the report printed, beside our `runs`: a table; empty where it printed none.

    [{"step", "loss" and "accuracy": the report's or None, "our_loss" and "our_accuracy": one a
    seed}].
    """
    printed = CURVES[name].get("printed", {})
    loss = dict(printed.get("loss", []))
    accuracy = dict(printed.get("accuracy", []))
    lines = []
    for step in sorted(loss | accuracy):
        lines.append(
            {
                "step": step,
                "loss": loss.get(step),
                "accuracy": accuracy.get(step),
                "our_loss": [value_at(run, "loss", step) for run in runs],
                "our_accuracy": [value_at(run, "accuracy", step) for run in runs],
            }
        )
    return lines


# --- The rules, as the page states them.


def count_rule(seeds):
    """What both rules come to for a number of seeds.

    A claim holds from `holds_from` yeses on, and does not hold up to `does_not_hold_to`: None where
    no count is enough. `median_within` is the probability that the range of so many runs holds the
    median of all such runs, `next_outside` that one run more falls outside of it (for values
    that are never equal; if some are, the first is higher and the second lower).
    """
    counts = range(seeds + 1)
    holding = [yes for yes in counts if majority(yes, seeds) >= CONFIDENCE]
    failing = [yes for yes in counts if majority(yes, seeds) <= 1 - CONFIDENCE]
    return {
        "seeds": seeds,
        "holds_from": min(holding, default=None),
        "does_not_hold_to": max(failing, default=None),
        "median_within": 1 - 2 ** (1 - seeds),
        "next_outside": outside_by_chance(seeds),
    }


def outside_by_chance(seeds):
    """The probability that one run more falls outside the range of `seeds` like runs, at most."""
    return 2 / (seeds + 1)


def describe_rule(results):
    """The rules for each number of seeds that claims or numbers were judged by, the most first."""
    seeds = set()
    for experiment in results["experiments"].values():
        seeds |= {len(claim["answers"]) for claim in experiment["claims"]}
        seeds |= {len(number["ours"]) for number in experiment["numbers"]}
    counts = [count_rule(count) for count in sorted(seeds, reverse=True)]
    return {"confidence": CONFIDENCE, "counts": counts} if counts else None


# --- What results.json has.


def describe_experiment(name, compared, variants, question=None):
    """An experiment, judged, as results.json has it.

    `compared` are the fields that its variants differ in; `variants` are dicts of "label",
    "settings" (without the seed) and "runs", one a seed. `question` is what one asks that is not
    the report's.
    """
    said = REPORT.get(name, {"title": name, "level": 1.0})
    different = differences(name, variants) if name in REPORT else []
    is_the_reports = name in REPORT and not different
    described = [variant | describe_variant(variant) for variant in variants]
    for variant in described:
        curve = said["curves"].get(value_compared(said, variant)) if is_the_reports else None
        variant["report"] = describe_curve(curve, variant["runs"]) if curve else None
        if curve and "printed" in CURVES[name]:
            variant["report"]["printed_loss"] = CURVES[name]["printed"]["loss"]
            variant["report"]["printed_accuracy"] = CURVES[name]["printed"]["accuracy"]
    claims = judge(name, variants)
    settings = variants[0]["settings"]
    return {
        "section": said.get("section"),
        "title": said["title"],
        "says": said.get("says"),
        "remark": said.get("remark", question),
        "headline": write_headline(described, said["level"]),
        "level": said["level"],
        "settings": {field: settings[field] for field in settings if field not in compared},
        "compared": list(compared),
        "variants": described,
        "numbers": place_numbers(name, variants) if is_the_reports else [],
        "printed": describe_printed(name, variants[0]["runs"]) if is_the_reports else [],
        "claims": claims,
        "verdict": tally(claims) or why_no_claims(name, different),
        "differences": different,
        "picture": f"{name}.png",
    }


def why_no_claims(name, different):
    """Why an experiment has no claims."""
    if name not in REPORT:
        return NO_CLAIMS
    return NO_VERDICT if different else NO_WORDS


def describe_variant(variant):
    """What is said of a variant: first steps of its runs, shortest counterexample."""
    runs = variant["runs"]
    wrong = [run for run in runs if run["digits"]]
    shortest = min(wrong, key=lambda run: run["digits"], default=None)
    return {
        "first": {f"{at:.0%}": [first_step(run, at) for run in runs] for at in LEVELS},
        "shortest": shortest["decided"] if shortest else None,
    }


def write_headline(variants, level):
    """What was found, with its numbers: the title of the picture of described `variants`."""
    if len(variants) == 1:
        return headline_of_one(variants[0], level)
    return headline_of_several(variants, level)


def median_step(variant, level):
    """The median over a variant's runs of the first step at `level`; infinity for never."""
    return statistics.median(first_step(run, level) for run in variant["runs"])


def headline_of_one(variant, level):
    """How many seeds reach `level`, and when."""
    steps = [first_step(run, level) for run in variant["runs"]]
    reached = sum(step < math.inf for step in steps)
    headline = f"{level} is reached by {reached} of {say_seeds(len(steps))}"
    if reached:
        headline += f", median step {say_step(statistics.median(steps))}"
        headline += f" ({say_step(min(steps))} to {say_step(max(steps))})"
    if variant["report"]:
        headline += f"; by the report's at step {say_step(report_step(variant, level))}"
    return headline


def headline_of_several(variants, level):
    """Which variant is first at `level` for most seeds, and the median step of each."""
    headline = say_who_is_first(variants, level)
    medians = [median_step(variant, level) for variant in variants]
    if len(variants) > MOST_IN_HEADLINE:
        never = medians.count(math.inf)
        least = say_step(min(medians))
        return (
            f"{headline}; the least median step is {least}, "
            f"{never} of {len(variants)} medians are never"
        )
    headline += f"; median steps {', '.join(map(say_step, medians))}"
    if all(variant["report"] for variant in variants):
        steps = [say_step(report_step(variant, level)) for variant in variants]
        headline += f"; the report's {', '.join(steps)}"
    return headline


def say_who_is_first(variants, level):
    """Which of some variants comes first at `level` for most seeds; in a tie nobody does."""
    by_seed = runs_by_seed(variants)
    wins = [0] * len(variants)
    for runs in by_seed:
        steps = [first_step(run, level) for run in runs]
        if steps.count(min(steps)) == 1:
            wins[steps.index(min(steps))] += 1
    most = max(wins)
    if most == 0:
        return f"none is alone first at {level} for any of {say_seeds(len(by_seed))}"
    ranked = zip(variants, wins, strict=True)
    best = [variant["label"] for variant, count in ranked if count == most]
    are = "are" if len(best) > 1 or best[0].endswith(("layers", "units")) else "is"
    each = " each" if len(best) > 1 else ""
    return (
        f"{' and '.join(best)} {are}{each} first at {level} for {most} of {say_seeds(len(by_seed))}"
    )


def report_step(variant, level):
    """The first step at `level` of the report's curve of a described variant."""
    return variant["report"]["first"][f"{level:.0%}"]


def say_seeds(count):
    """So many seeds, in words."""
    return "1 seed" if count == 1 else f"{count} seeds"


def describe_gpu(ms, kinds):
    """The experiment gpu: `ms` is {(device, digits): [ms a step]}, `kinds` {device: its kind}."""
    devices = {device: {"device": device, "kind": kind, "ms": []} for device, kind in kinds.items()}
    for (device, digits), times in ms.items():
        devices[device]["ms"].append([digits, times])
    claims = [
        judge_gpu(claim, ms, device)
        for device in devices
        if device != "cpu"
        for claim in GPU["claims"]
    ]
    return GPU | {
        "claims": claims,
        "verdict": tally(claims) or NO_GPU,
        "devices": list(devices.values()),
        "picture": "gpu.png",
    }


def judge_gpu(claim, ms, device):
    """A claim on a GPU, judged by an answer each time: was it so much faster at each length?"""
    speedups = {}
    for place, digits in ms:
        if place == device:
            pairs = zip(ms["cpu", digits], ms[device, digits], strict=True)
            speedups[digits] = [on_cpu / there for on_cpu, there in pairs]
    each_time = zip(*speedups.values(), strict=True)
    answers = [min(at_each_length) >= claim["at_least"] for at_each_length in each_time]
    medians = ", ".join(f"{statistics.median(times):.3g}" for times in speedups.values())
    note = f"{medians} times as fast at {in_words(speedups)} digits"
    return judge_claim(claim, answers, note)


# --- What is said of all results together.


def overview(results):
    """The picture of all verdicts: the claims, and the report's numbers among ours.

    "lines" has one for each experiment of the report, one for each claim. None where there is no
    such experiment.
    """
    experiments = {name: results["experiments"].get(name) for name in REPORT}
    experiments["gpu"] = results.get("gpu")
    lines = []
    numbers = []
    for name, experiment in experiments.items():
        if experiment is None:
            continue
        verdict = "" if experiment["claims"] else experiment["verdict"]
        title = f"{name}: {experiment['title']}"
        lines.append({"claim": title, "verdict": verdict, "answers": []})
        lines += experiment["claims"]
        if experiment.get("numbers"):
            numbers.append(
                {"experiment": name, "title": experiment["title"], "numbers": experiment["numbers"]}
            )
    if not lines:
        return None
    every = list(itertools.chain(*(of_experiment["numbers"] for of_experiment in numbers)))
    return {
        "picture": "verdicts.png",
        "lines": lines,
        "numbers": numbers,
        "outside": sum(number["place"] != "within" for number in every),
        "count": len(every),
        "by_chance": sum(outside_by_chance(len(number["ours"])) for number in every),
    }


def compare_with_original(results):
    """Our runs beside those of the report's published code, with the same settings and seed.

    Returns {"runs", "evaluations": of both, "equal": how many of these have the same accuracy,
    "largest_loss_difference": at these steps, or None}; None where there is no such run.
    """
    runs = 0
    same = []
    differences_of_loss = []
    for original in ORIGINAL["runs"]:
        ours = find_same_run(results, original)
        if ours is None:
            continue
        runs += 1
        for place, step in enumerate(range(0, original["steps"], BASE["eval_every"])):
            if step not in ours["steps"]:
                continue
            accuracy = value_at(ours, "accuracy", step)
            same.append(math.isclose(accuracy, original["accuracy"][place], abs_tol=1e-6))
            loss = value_at(ours, "loss", step)
            if "loss" in original and loss is not None:
                differences_of_loss.append(abs(loss - original["loss"][place]))
    if runs == 0:
        return None
    return {
        "runs": runs,
        "evaluations": len(same),
        "equal": sum(same),
        "largest_loss_difference": max(differences_of_loss, default=None),
    }


def find_same_run(results, original):
    """Our longest run with the settings and the seed of one of the published code's, or None."""
    settings = {field: original.get(field, value) for field, value in BASE.items()}
    # Where it ends changes no step before.
    del settings["steps"]
    del settings["stop_after_perfect"]
    same_runs = []
    for experiment in results["experiments"].values():
        for variant, run in each_run(experiment):
            ours = variant["settings"]
            same_settings = all(ours.get(field) == value for field, value in settings.items())
            if same_settings and run["seed"] == original["seed"]:
                same_runs.append(run)
    return max(same_runs, key=lambda run: len(run["steps"]), default=None)


def count_decided(results):
    """Every adder in `results`, each once, decided, in groups, and counted.

    "perfect": the accuracy was 1.0 at the last evaluation; None for an adder that is of no
    experiment: trained for the proof, or on short numbers. None where there are no adders.
    """
    by_experiment = {name: [] for name in results["experiments"]}
    for name, variant, run in each_adder(results):
        told = {"variant": variant["label"], "seed": run["seed"]}
        by_experiment[name].append(told | decided_adder(run, ends_correct(run)))
    groups = [{"name": name, "adders": adders} for name, adders in by_experiment.items()]
    of_cells = {}
    for group in results.get("proof", {}).get("groups", []):
        told = {"variant": group["label"]}
        adders = [told | {"seed": run["seed"]} | decided_adder(run, None) for run in group["runs"]]
        size = "" if group["hidden"] == BASE["hidden"] else " with fewer units"
        name = f"{group['cell']}{size}, trained for the proof"
        of_cells.setdefault(name, []).extend(adders)
    for name in ("little", "little_gated"):
        for cell in results.get(name, {}).get("cells", []):
            of_cells[f"{cell['cell']}, trained on short numbers"] = [
                decided_adder(decision, None)
                for trained in cell["trained"]
                for decision in trained["decisions"]
            ]
    groups += [{"name": name, "adders": adders} for name, adders in of_cells.items()]
    adders = list(itertools.chain(*(group["adders"] for group in groups)))
    if not adders:
        return None
    verdicts = [adder["verdict"] for adder in adders]
    perfect = [adder for adder in adders if adder["perfect"]]
    digits = [adder["digits"] for adder in perfect if adder["digits"]]
    added_again = [(adder["decided"], adder["wrong_in"]) for adder in adders if adder["wrong_in"]]
    return {
        "picture": "decided.png",
        "groups": [group for group in groups if group["adders"]],
        "adders": len(adders),
        "evaluated": sum(adder["perfect"] is not None for adder in adders),
        "perfect": len(perfect),
        "perfect_but_wrong": len(digits),
        "most_digits": max(digits, default=0),
        "wrong": verdicts.count("wrong"),
        "proven": verdicts.count("proven"),
        "undecided": verdicts.count("undecided"),
        "confirmed": sum(all(wrong_in.values()) for _, wrong_in in added_again),
        "disputed": [decided for decided, wrong_in in added_again if not all(wrong_in.values())],
    }


def each_adder(results):
    """(name of an experiment, variant, run) for each adder of the experiments, each adder once."""
    seen = set()
    for name, experiment in results["experiments"].items():
        for variant, run in each_run(experiment):
            identity = json.dumps(variant["settings"] | {"seed": run["seed"]}, sort_keys=True)
            if identity not in seen:
                seen.add(identity)
                yield name, variant, run


def each_run(experiment):
    """(variant, run) for each run of an experiment."""
    for variant in experiment["variants"]:
        for run in variant["runs"]:
            yield variant, run


def list_perfect(results):
    """The runs whose adders end at 100%, each adder once."""
    return [run for _, _, run in each_adder(results) if ends_correct(run)]


def decided_adder(run, perfect):
    """What the picture of all adders shows of one."""
    shown = {field: run[field] for field in ("verdict", "decided", "digits", "wrong_in")}
    return shown | {"perfect": perfect}
