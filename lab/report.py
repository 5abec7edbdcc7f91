"""The report's claims, row by row, and whether records bear them out. What the report says stands in report.toml."""

import math
import statistics
import tomllib
from pathlib import Path

STEADY = 3  # measurements of 1.0 in a row
READING_ERROR = 1.05  # the report's values were read off its figures, to about 5%
CONFIDENCE = 0.95
NO_VERDICT = "no verdict: these settings are not the report's"
NO_GPU = "not measured: there was no GPU"

SAID = tomllib.loads(Path(__file__).with_name("report.toml").read_text(encoding="utf-8"))
PEERS, CUDA = SAID.pop("peers"), SAID.pop("10")
REPORT = {
    int(row): said | {"settings": SAID["1"]["settings"] | said["settings"]}
    for row, said in SAID.items()
}
PAIRS = REPORT[1]["settings"][
    "batch_size"
]  # a step; claims of a row that takes fewer are about that
RULE = {"confidence": CONFIDENCE, "reading_error": READING_ERROR, "steady": STEADY, "pairs": PAIRS}


def reached(record, level=1.0, times=1):
    """The step from which the accuracy was `level` or more at `times` measurements in a row; infinity if never."""
    right = [accuracy >= level for accuracy in record["accuracy"]]
    steps = (
        step
        for place, step in enumerate(record["measured_at"])
        if right[place:][:times] == [True] * times
    )
    return next(steps, math.inf)


def last_measured(arms, step):
    """The last measurement that still counts as the report's `step`, which was read off a figure."""
    every = min(
        (record["measured_at"][0] for record in arms.values() if record["measured_at"]), default=1
    )
    return math.ceil(step * READING_ERROR / every) * every


# --- The questions of report.toml to the records of one seed, {arm: record}. A step `read` was read off a figure.


def all_reach(arms, level=1.0, read=10**9, within=10**9, steady=False):
    """Whether each arm reached `level` by then; `steady`: STEADY times in a row."""
    step = min(within, last_measured(arms, read))
    return all(reached(record, level, STEADY if steady else 1) <= step for record in arms.values())


def one_reaches(arms, read):
    """Whether any arm reached 1.0 by then."""
    return min(map(reached, arms.values())) <= last_measured(arms, read)


def comes(arms, arm, place, level=1.0):
    """Whether `arm` reached `level` before each other arm ("first"), or after each, or never and they did ("last")."""
    step, others = (
        reached(arms[arm], level),
        [reached(record, level) for key, record in arms.items() if key != arm],
    )
    return step < min(others) if place == "first" else step > max(others)


def losses_are_near(arms, factor):
    """Whether the loss was within `factor` of each value that was read of row 1."""
    return all(
        1 / factor <= loss_at(arms, step) / loss <= factor for step, loss in REPORT[1]["loss"]
    )


def loss_halves(arms, start, end):
    """Whether the loss at step `end` was at most half of that at `start`."""
    return loss_at(arms, end) <= loss_at(arms, start) / 2


def loss_at(arms, step):
    """The loss at `step` in the one record of a row that compares nothing; infinity if it broke off."""
    (record,) = arms.values()
    return record["loss"][step - 1] if len(record["loss"]) >= step else math.inf


def fastest_is_between(arms, low, high):
    """Whether the arm that reached 1.0 first lies between `low` and `high`."""
    return low <= min(arms, key=lambda arm: reached(arms[arm])) <= high


def lowest_never_reaches(arms):
    """Whether the smallest arm was never at 1.0."""
    return reached(arms[min(arms)]) == math.inf


def highest_ends_wrong(arms):
    """Whether the largest arm was not at 1.0 at its last measurement, or broke off."""
    record = arms[max(arms)]
    return record["error"] is not None or record["accuracy"][-1] < 1.0


def one_falls_and_recovers(arms, to):
    """Whether the accuracy of any arm was 1.0, then `to` or less, then 1.0 again."""
    curves = [record["accuracy"] for record in arms.values() if 1.0 in record["accuracy"]]
    ends = [(curve.index(1.0), len(curve) - curve[::-1].index(1.0)) for curve in curves]
    return any(min(curve[start:end]) <= to for curve, (start, end) in zip(curves, ends))


def is_true(arms, asks, **arguments):
    """The answer of one seed's records to a claim of report.toml: `asks` is the name of a question above."""
    return globals()[asks](arms, **arguments)


def majority(yes, seeds):
    """The probability that a claim is true of most seeds, after it was true of `yes` out of `seeds`.

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


def judged(question, answers, note=""):
    """A claim, put to each seed: {"claim", "answers": a yes or no for each, "verdict", "note": what it is about}."""
    return {"claim": question, "answers": answers, "verdict": verdict(answers), "note": note}


def judge(row, settings, results):
    """The claims of a row, `judged` by `results`, {arm: [the record of each seed]}; none if its settings differ."""
    if differences(row, settings):
        return []
    claimed = next(
        (value for value in REPORT[row]["settings"].values() if isinstance(value, list)), results
    )
    by_arm = {arm: records for arm, records in results.items() if as_read(arm) in claimed}
    by_seed = [dict(zip(by_arm, records)) for records in zip(*by_arm.values())]
    pairs = settings["batch_size"]
    note = f"with {pairs} pair{'s' * (pairs > 1)} a step" if pairs < PAIRS else ""
    asked = REPORT[row]["claims"].items()
    return [
        judged(claim, [is_true(arms, **question) for arms in by_seed], note)
        for claim, question in asked
    ]


def as_read(value):
    """A setting as the report has it: a learning rate to three digits."""
    return float(f"{value:.3g}") if isinstance(value, float) else value


def differences(row, settings):
    """How a row's settings differ from the report's, so that the claims are not about them; more steps are no harm."""
    found = []  # nor does the batch count: the page says for each row where it works less
    for field in ("digitlen", "cell", "layers", "lr", "steps"):
        ours, report = settings[field], REPORT[row]["settings"][field]
        if field == "steps":
            same = ours >= report
        elif isinstance(report, list):
            same = isinstance(ours, list) and set(report) <= set(map(as_read, ours))
        else:
            same = ours in (report, [report])
        if not same:
            found.append(f"{field} is {ours}, the report's is {report}")
    return found


def tally(claims):
    """The verdicts on a list of claims in one line: "2 hold, 1 does not hold"."""
    found = [claim["verdict"] for claim in claims]
    counts = {verdict: found.count(verdict) for verdict in dict.fromkeys(found)}
    many = {
        "holds": "hold",
        "does not hold": "do not hold",
        "depends on the seed": "depend on the seed",
    }
    return ", ".join(
        f"{n} {many.get(verdict, verdict) if n > 1 else verdict}" for verdict, n in counts.items()
    )


def of_row(row, settings, arms):
    """A row of the report, judged, ready to print and draw; `arms` is {arm: (its name, [the record of each seed])}."""
    report, level, found = REPORT[row], REPORT[row]["level"], []
    for label, records in arms.values():
        steps = {of: [reached(record, of) for record in records] for of in sorted({level, 1.0})}
        median = statistics.median_high(steps[level])
        finite = {
            f"{of:.0%}": [step if step < math.inf else None for step in at]
            for of, at in steps.items()
        }
        wrong = [record for record in records if record["digits"]]
        found.append(
            {
                "label": label,
                "legend": f"{label or 'measured'}: {f'step {median}' if median < math.inf else 'never'}",
                "reached": finite,
                "runs": records,
                "wrong": min(wrong, key=lambda record: record["digits"])["decided"]
                if wrong
                else "none",
            }
        )
    answered = judge(row, settings, {arm: records for arm, (_, records) in arms.items()})
    label_of = {as_read(arm): label for arm, (label, _) in arms.items()} | {None: None}
    values = [(*at, None)[:3] for at in report["accuracy"]]
    diamonds = [[label_of[arm], step, value] for step, value, arm in values if arm in label_of]
    heading = f"Row {row} {report['title']}".lower()
    anchor = "".join(c for c in heading if c.isalnum() or c in " -").replace(
        " ", "-"
    )  # as GitHub names a heading
    seeds = max(len(records) for _, records in arms.values())
    return {
        "row": row,
        "title": report["title"],
        "anchor": anchor,
        "picture": f"{anchor}.png",
        "headline": f"{report['title']}: first step at {level:.0%}, median of {seeds} seed{'s' * (seeds > 1)}",
        "says": report["says"],
        "claims": answered,
        "verdict": tally(answered) or NO_VERDICT,
        "differences": differences(row, settings),
        "fewer_pairs": settings["batch_size"] < PAIRS,
        "arms": found,
        "diamonds": {"loss": [[None, *at] for at in report.get("loss", ())], "accuracy": diamonds},
    }


def of_costs(costs, kinds):
    """Row 10, judged: `costs` is {(device, digits): [milliseconds a step]}, `kinds` {device: what it is}."""
    found, devices = (
        [],
        {device: {"device": device, "kind": kind, "ms": []} for device, kind in kinds.items()},
    )
    for (device, digits), ms in costs.items():
        devices[device]["ms"].append([digits, ms])
        if device != "cpu":
            answers = [on_cpu >= 3 * there for on_cpu, there in zip(costs["cpu", digits], ms)]
            found.append(judged(f"at {digits} digits CUDA is at least 3 times as fast", answers))
    return {
        "row": 10,
        "picture": "row-10-what-it-costs.png",
        "claims": found,
        "verdict": tally(found) or NO_GPU,
        "devices": list(devices.values()),
    } | CUDA


def overview(rows):
    """The picture of all verdicts: a line for each of `rows`, and one for each of its claims."""
    lines = []
    for row in rows:
        verdict = "" if row["claims"] else row["verdict"]
        lines.append({"claim": f"{row['row']}. {row['title']}", "verdict": verdict, "answers": []})
        lines += row["claims"]
    return lines and {"picture": "verdicts.png", "lines": lines}
