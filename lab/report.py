"""The report's claims and whether runs bear them out. What the report says stands in report.toml.

A run here is what results.json has: "steps", those of its evaluations, and the "loss" and
"accuracy" at each of them, "error", None or what ended it early, and what was decided of its
adder.
"""

import itertools
import json
import math
import statistics
import tomllib
from pathlib import Path

STEADY = 3  # evaluations at 1.0 in a row
READING_ERROR = 1.05  # the report's values were read off its figures, to about 5%
CONFIDENCE = 0.95
RULE = {"confidence": CONFIDENCE, "reading_error": READING_ERROR, "steady": STEADY}
NO_VERDICT = "no verdict: these settings are not the report's"
NO_CLAIMS = "no claims: the report has no such experiment"
NO_GPU = "not measured: there was no GPU"

SAID = tomllib.loads(Path(__file__).with_name("report.toml").read_text(encoding="utf-8"))
PEERS = SAID.pop("peers")  # the longest numbers of published neural adders
GPU = SAID.pop("gpu")
SIMPLE = {"stop_after_perfect": None} | SAID["task-1"]["settings"]
REPORT = {name: said | {"settings": SIMPLE | said["settings"]} for name, said in SAID.items()}


def first_step(run, level=1.0, times=1):
    """The step from which the accuracy was `level` or more, `times` times in a row; or infinity."""
    in_a_row = 0
    for place, accuracy in enumerate(run["accuracy"]):
        in_a_row = in_a_row + 1 if accuracy >= level else 0
        if in_a_row == times:
            return run["steps"][place - times + 1]
    return math.inf


def last_step_counted(variants, step):
    """The last evaluation that still counts as the report's `step`, which was read off a figure."""
    first_steps = [run["steps"][0] for run in variants.values() if run["steps"]]
    every = min(first_steps, default=1)
    return math.ceil(step * READING_ERROR / every) * every


# --- The questions of report.toml to the runs of one seed, {value of what is compared: run}. A step
# `read` was read off a figure.


def all_reach(variants, level=1.0, read=10**9, within=10**9, steady=False):
    """Whether each variant reached `level` by then; `steady`: STEADY times in a row."""
    step = min(within, last_step_counted(variants, read))
    times = STEADY if steady else 1
    return all(first_step(run, level, times) <= step for run in variants.values())


def one_reaches(variants, read):
    """Whether any variant reached 1.0 by then."""
    return min(map(first_step, variants.values())) <= last_step_counted(variants, read)


def comes(variants, variant, place, level=1.0):
    """Whether `variant` reached `level` before each other ("first"), or after each or never
    ("last")."""
    step = first_step(variants[variant], level)
    others = [first_step(run, level) for value, run in variants.items() if value != variant]
    if place == "first":
        return step < min(others)
    return step > max(others)


def losses_are_near(variants, factor):
    """Whether the loss was within `factor` of each value that the report has of task-1."""
    ratios = [loss_at(variants, step) / loss for step, loss in REPORT["task-1"]["loss"]]
    return all(1 / factor <= ratio <= factor for ratio in ratios)


def loss_halves(variants, start, end):
    """Whether the loss at step `end` was at most half of that at `start`."""
    return loss_at(variants, end) <= loss_at(variants, start) / 2


def loss_at(variants, step):
    """The loss at `step` in the one run of an experiment that compares nothing; or infinity."""
    (run,) = variants.values()
    if step not in run["steps"]:
        return math.inf
    return run["loss"][run["steps"].index(step)]


def fastest_is_between(variants, low, high):
    """Whether the variant that reached 1.0 first lies between `low` and `high`."""
    fastest = min(variants, key=lambda value: first_step(variants[value]))
    return low <= fastest <= high


def lowest_never_reaches(variants):
    """Whether the smallest value was never at 1.0."""
    return first_step(variants[min(variants)]) == math.inf


def highest_ends_wrong(variants):
    """Whether the largest value was not at 1.0 at its last evaluation, or broke off."""
    run = variants[max(variants)]
    return run["error"] is not None or run["accuracy"][-1] < 1.0


def one_falls_and_recovers(variants, to):
    """Whether the accuracy of any variant was 1.0, then `to` or less, then 1.0 again."""
    for run in variants.values():
        accuracy = run["accuracy"]
        if 1.0 in accuracy:
            first = accuracy.index(1.0)
            last = len(accuracy) - 1 - accuracy[::-1].index(1.0)
            if min(accuracy[first : last + 1]) <= to:
                return True
    return False


QUESTIONS = {
    "all_reach": all_reach,
    "one_reaches": one_reaches,
    "comes": comes,
    "losses_are_near": losses_are_near,
    "loss_halves": loss_halves,
    "fastest_is_between": fastest_is_between,
    "lowest_never_reaches": lowest_never_reaches,
    "highest_ends_wrong": highest_ends_wrong,
    "one_falls_and_recovers": one_falls_and_recovers,
}


def answer(variants, asks, **arguments):
    """The answer of one seed's runs to a claim of report.toml: `asks` is the name of a question."""
    return QUESTIONS[asks](variants, **arguments)


# --- Verdicts.


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
    """A claim, judged by one answer a seed; `note` says what it is about."""
    return {"claim": claim, "answers": answers, "verdict": verdict(answers), "note": note}


def judge(name, variants):
    """The claims on an experiment, judged by its variants; none if its settings differ."""
    if name not in REPORT or differences(name, variants):
        return []
    said = REPORT[name]
    by_value = {}
    for variant in variants:
        value = value_compared(said, variant)
        if value in values_of(said):
            by_value[value] = {run["seed"]: run for run in variant["runs"]}
    seeds = set.intersection(*(set(by_seed) for by_seed in by_value.values()))
    batch_size = said["settings"]["batch_size"]
    note = f"with a batch size of {batch_size}" if batch_size < SIMPLE["batch_size"] else ""
    claims = []
    for claim, question in said["claims"].items():
        answers = []
        for seed in sorted(seeds):
            runs = {value: by_seed[seed] for value, by_seed in by_value.items()}
            answers.append(answer(runs, **question))
        claims.append(judge_claim(claim, answers, note))
    return claims


def compared_field(said):
    """The field that an experiment of the report compares, or None."""
    fields = [field for field, value in said["settings"].items() if isinstance(value, list)]
    return fields[0] if fields else None


def values_of(said):
    """The values that an experiment of the report compares; [None] for nothing."""
    field = compared_field(said)
    return said["settings"][field] if field else [None]


def value_compared(said, variant):
    """The value of a variant of ours in what the report compares; None for nothing."""
    field = compared_field(said)
    return as_read(variant["settings"][field]) if field else None


def as_read(value):
    """A setting as the report has it: a learning rate to three digits."""
    return float(f"{value:.3g}") if isinstance(value, float) else value


def differences(name, variants):
    """How the settings of an experiment differ from the report's, a line for each field that does.

    All fields count but the seed and the device. More values than the report compares are no
    difference: it is judged on those that it has.
    """
    lines = []
    for field, value in REPORT[name]["settings"].items():
        reports = value if isinstance(value, list) else [value]
        ours = list(dict.fromkeys(as_read(variant["settings"][field]) for variant in variants))
        same = set(reports) <= set(ours) if isinstance(value, list) else reports == ours
        if not same:
            lines.append(f"{field} is {in_words(ours)}, the report's is {in_words(reports)}")
    return lines


def in_words(values):
    """Values of a setting, as a sentence has them."""
    return ", ".join("not set" if value is None else str(value) for value in values)


def tally(claims):
    """The verdicts on a list of claims in one line: "2 hold, 1 does not hold"."""
    many = {
        "holds": "hold",
        "does not hold": "do not hold",
        "depends on the seed": "depend on the seed",
    }
    verdicts = [claim["verdict"] for claim in claims]
    words = []
    for said in dict.fromkeys(verdicts):
        count = verdicts.count(said)
        words.append(f"{count} {said if count == 1 else many.get(said, said)}")
    return ", ".join(words)


# --- What results.json has.


def describe_experiment(name, compared, variants):
    """An experiment, judged, as results.json has it.

    `compared` are the fields that its variants differ in; `variants` are dicts of "label",
    "settings" (without the seed) and "runs", one a seed.
    """
    said = REPORT.get(name, {"title": name, "level": 1.0})
    level = said["level"]
    described = []
    for variant in variants:
        described.append(variant | describe_variant(variant, level))
    claims = judge(name, variants)
    verdict = tally(claims) or (NO_VERDICT if name in REPORT else NO_CLAIMS)
    seeds = max(len(variant["runs"]) for variant in variants)
    settings = variants[0]["settings"]
    return {
        "section": said.get("section"),
        "title": said["title"],
        "says": said.get("says"),
        "headline": f"{said['title']}: first step at {level:.0%}, "
        f"median of {seeds} seed{'' if seeds == 1 else 's'}",
        "level": level,
        "settings": {field: settings[field] for field in settings if field not in compared},
        "compared": list(compared),
        "variants": described,
        "claims": claims,
        "verdict": verdict,
        "differences": differences(name, variants) if name in REPORT else [],
        "report_points": report_points(said, variants),
        "picture": f"{name}.png",
    }


def describe_variant(variant, level):
    """What is said of a variant: legend, first steps of its runs, shortest counterexample."""
    runs = variant["runs"]
    first = {at: [first_step(run, at) for run in runs] for at in sorted({level, 1.0})}
    median = statistics.median(first[level])
    median_in_words = f"step {median:g}" if median < math.inf else "never"
    wrong = [run for run in runs if run["digits"]]
    shortest = min(wrong, key=lambda run: run["digits"], default=None)
    return {
        "legend": f"{variant['label'] or 'measured'}: {median_in_words}",
        "first": {f"{at:.0%}": steps for at, steps in first.items()},
        "shortest": shortest["decided"] if shortest else None,
    }


def report_points(said, variants):
    """The report's own values of an experiment, [label of the variant or None, step, value]."""
    labels = {None: None}
    if "settings" in said:
        labels |= {value_compared(said, variant): variant["label"] for variant in variants}
    accuracy = []
    for step, value, *variant in said.get("accuracy", []):
        of_variant = variant[0] if variant else None
        if of_variant in labels:
            accuracy.append([labels[of_variant], step, value])
    return {
        "loss": [[None, step, value] for step, value in said.get("loss", [])],
        "accuracy": accuracy,
    }


def describe_gpu(ms, kinds):
    """The experiment gpu: `ms` is {(device, digits): [ms a step]}, `kinds` {device: its kind}."""
    claims = []
    devices = {device: {"device": device, "kind": kind, "ms": []} for device, kind in kinds.items()}
    for (device, digits), times in ms.items():
        devices[device]["ms"].append([digits, times])
        if device != "cpu":
            pairs = zip(ms["cpu", digits], times, strict=True)
            answers = [on_cpu >= 3 * there for on_cpu, there in pairs]
            claims.append(
                judge_claim(f"at {digits} digits CUDA is at least 3 times as fast", answers)
            )
    return GPU | {
        "claims": claims,
        "verdict": tally(claims) or NO_GPU,
        "devices": list(devices.values()),
        "picture": "gpu.png",
    }


def overview(results):
    """The picture of all verdicts: a line for each experiment of the report, one for each claim.

    None where there is no such experiment.
    """
    experiments = {name: results["experiments"].get(name) for name in REPORT}
    experiments["gpu"] = results.get("gpu")
    lines = []
    for name, experiment in experiments.items():
        if experiment is not None:
            verdict = "" if experiment["claims"] else experiment["verdict"]
            title = f"{name}: {experiment['title']}"
            lines.append({"claim": title, "verdict": verdict, "answers": []})
            lines += experiment["claims"]
    return {"picture": "verdicts.png", "lines": lines} if lines else None


def count_decided(results):
    """Every adder in `results`, each once, decided, in groups, and counted.

    "perfect": the accuracy was 1.0 at the last evaluation; None for an adder that was trained for
    the proof, whose accuracy was never evaluated. None where there are no adders.
    """
    groups = []
    seen = set()
    for name, experiment in results["experiments"].items():
        adders = []
        for variant, run in each_run(experiment):
            identity = json.dumps(variant["settings"] | {"seed": run["seed"]}, sort_keys=True)
            if identity not in seen:
                seen.add(identity)
                adders.append(decided_adder(run, run["accuracy"][-1:] == [1.0]))
        groups.append({"name": name, "adders": adders})
    of_cells = {}
    for group in results.get("proof", {}).get("groups", []):
        adders = [decided_adder(run, None) for run in group["runs"]]
        of_cells.setdefault(f"{group['cell']}, trained for the proof", []).extend(adders)
    groups += [{"name": name, "adders": adders} for name, adders in of_cells.items()]
    adders = list(itertools.chain(*(group["adders"] for group in groups)))
    if not adders:
        return None
    verdicts = [adder["verdict"] for adder in adders]
    perfect = [adder for adder in adders if adder["perfect"]]
    digits = [adder["digits"] for adder in perfect if adder["digits"]]
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
    }


def each_run(experiment):
    """(variant, run) for each run of an experiment."""
    for variant in experiment["variants"]:
        for run in variant["runs"]:
            yield variant, run


def decided_adder(run, perfect):
    """What the picture of all adders shows of one."""
    shown = {field: run[field] for field in ("verdict", "decided", "digits")}
    return shown | {"perfect": perfect}
