"""The rules: when a claim holds, where a number of the report lies among ours.

Pure functions of runs as `lab.report.readings` has them, and of variants: dicts of "label",
"settings" (without the seed) and "runs", one a seed.
"""

import math

from lab.report.readings import answer, first_step, value_at
from lab.report.said import BASE, CURVES, ORIGINAL, REPORT, first_step_seen

CONFIDENCE = 0.95
LEVELS = (0.5, 0.9, 1.0)  # the accuracies whose first steps are given
LEAST_LOSS = 0.03  # below it two pixels of the report's figures are the whole value

# --- Claims.


def majority(yes, seeds):
    """The probability that a claim is true of most seeds, after it was true of `yes` out of
    `seeds`.

    The posterior probability of a share above one half, from a uniform prior: that of at most `yes`
    heads in `seeds` + 1 throws of a fair coin.
    """
    return sum(math.comb(seeds + 1, heads) for heads in range(yes + 1)) / 2 ** (seeds + 1)


def verdict(readings):
    """The verdict on a claim, from its readings: for each a list of one yes or no a seed.

    All true of most seeds: it holds; all of few: it does not hold. True of most in some readings
    and not in others: it depends on the reading. Else it depends on the seed, or there are too few
    seeds, if they agree.
    """
    shares = [majority(sum(answers), len(answers)) for answers in readings]
    of_most = [share >= CONFIDENCE for share in shares]
    if all(of_most):
        return "holds"
    if any(of_most):
        return "depends on the reading"
    if all(share <= 1 - CONFIDENCE for share in shares):
        return "does not hold"
    agree = all(len(set(answers)) == 1 for answers in readings)
    return "too few seeds" if agree else "depends on the seed"


def judge_claim(claim, readings, note=""):
    """A claim of report.toml, judged; `readings` are dicts of "asked", "answers" and "note"."""
    return {
        "claim": claim["claim"],
        "words": claim["words"],
        "readings": readings,
        "verdict": verdict([reading["answers"] for reading in readings]),
        "note": note,
    }


def judge(name, variants):
    """The claims on an experiment, judged by its variants; none if its settings differ.

    A seed whose runs have no answer to a reading does not count there; a reading to which no seed
    has one is left out, and a claim without readings, too.
    """
    if name not in REPORT or differences(name, variants):
        return []
    said = REPORT[name]
    by_value = {value_compared(said, variant): variant for variant in variants}
    asked = {value: by_value[value] for value in said["curves"]}
    by_seed = [dict(zip(asked, runs, strict=True)) for runs in runs_by_seed(list(asked.values()))]
    claims = []
    for claim in said["claims"]:
        readings = []
        for reading in claim["readings"]:
            answers = [answer(reading, runs) for runs in by_seed]
            given = [each for each in answers if each is not None]
            if given:
                told = {"asked": reading["asked"], "note": reading.get("note", "")}
                readings.append(told | {"answers": given})
        if readings:
            claims.append(judge_claim(claim, readings, claim.get("note", "")))
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
        "depends on the reading": ("depends on the reading", "depend on the reading"),
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


def place_number(label, kind, ours, reports):
    """A number of the report's by its place among ours, one a seed.

    Its `kind` is "loss", or "first step at 0.9" and the like. "by_chance" is the probability that
    a number like ours lies outside: the share of our seeds that lie outside the range of the
    others. A seed without others counts as outside.
    """
    names = {"below": "lower", "above": "higher"}
    if kind != "loss":
        names = {"below": "earlier", "above": "later"}
    place = place_among(reports, ours)
    left_out = [(value, ours[:seed] + ours[seed + 1 :]) for seed, value in enumerate(ours)]
    outside = [not others or place_among(value, others) != "within" for value, others in left_out]
    return {
        "label": label,
        "kind": kind,
        "ours": ours,
        "reports": reports,
        "place": names.get(place, place),
        "by_chance": sum(outside) / len(outside),
    }


def place_numbers(name, variants):
    """The report's numbers of an experiment among numbers of its variants, at its settings.

    A list of dicts as `place_number` makes them: the losses that the report printed, where it did,
    else the first step of each of its curves at each of LEVELS.
    """
    said = REPORT[name]
    numbers = []
    for variant in variants:
        curve = said["curves"].get(value_compared(said, variant))
        if curve is None:
            continue  # a value that the report did not try
        printed = CURVES[name].get("printed")
        if printed:
            of_variant = place_losses(printed["loss"], variant["runs"])
        else:
            of_variant = place_first_steps(curve, variant["runs"])
        for number in of_variant:
            whose = f"{variant['label']}: " if variant["label"] else ""
            numbers.append(number | {"label": whose + number["label"]})
    return numbers


def place_losses(printed, runs):
    """The losses that the report printed, [[step, loss]], each among losses of `runs`."""
    numbers = []
    for step, loss in printed:
        losses = [value_at(run, "loss", step) for run in runs]
        # A run that broke off before counts as higher.
        ours = [math.inf if loss is None else loss for loss in losses]
        numbers.append(place_number(f"loss at step {step}", "loss", ours, loss))
    return numbers


def place_first_steps(curve, runs):
    """The first steps of a curve of the report's that are seen, each among those of `runs`."""
    numbers = []
    for level in LEVELS:
        step = first_step_seen(curve, level)
        if step is not None:
            kind = f"first step at {level}"
            ours = [first_step(run, level) for run in runs]
            numbers.append(place_number(kind, kind, ours, step))
    return numbers


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


# --- The rules in numbers.


def count_rule(seeds):
    """Both rules in numbers, for a number of seeds.

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


# --- Same seed, same curve.


def compare_with_original(results):
    """Our runs beside runs of the report's published code, with the same settings and seed.

    `results` are the entries of all parts, by name.

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
    for result in results.values():
        for variant in result.get("variants", []):
            ours = variant["settings"]
            if all(ours.get(field, value) == value for field, value in settings.items()):
                same_runs += [run for run in variant["runs"] if run["seed"] == original["seed"]]
    return max(same_runs, key=lambda run: len(run["steps"]), default=None)
