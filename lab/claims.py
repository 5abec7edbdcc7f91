"""The report's claims, row by row, and whether records bear them out. What the report says stands in report.toml."""

import math
import statistics
import tomllib
from pathlib import Path

STEADY = 3  # measurements of 1.0 in a row
READING_ERROR = 1.05  # the report's values were read off its figures, to about 5%
CONFIDENCE = 0.95
RULE = {"confidence": CONFIDENCE, "reading_error": READING_ERROR, "steady": STEADY}
NO_VERDICT = "no verdict: these settings are not the report's"
NO_GPU = "not measured: there was no GPU"

SAID = tomllib.loads(Path(__file__).with_name("report.toml").read_text(encoding="utf-8"))
PEERS, CUDA = SAID.pop("peers"), SAID.pop("10")
REPORT = {int(row): said | {"settings": SAID["1"]["settings"] | said["settings"]} for row, said in SAID.items()}


def reached(record, level, times=1):
    """The step from which the accuracy was `level` or more at `times` measurements in a row; infinity if never."""
    right = [accuracy >= level for accuracy in record["accuracy"]]
    runs = (step for place, step in enumerate(record["measured_at"]) if right[place:][:times] == [True] * times)
    return next(runs, math.inf)


def by(arms, step):
    """The last measurement that still counts as the report's `step`, which was read off a figure."""
    every = min((record["measured_at"][0] for record in arms.values() if record["measured_at"]), default=1)
    return math.ceil(step * READING_ERROR / every) * every


def all_reach(arms, level, step=10**9, times=1):
    """Whether each arm reached `level`, and by `step`."""
    return all(reached(record, level, times) <= step for record in arms.values())


def all_steady(arms, step=10**9):
    """Whether each arm was steady at 1.0, and by `step`."""
    return all_reach(arms, 1.0, step, STEADY)


def first(arms, key, level):
    """Whether the arm `key` reached `level` before each other arm did."""
    return reached(arms[key], level) < min(reached(record, level) for arm, record in arms.items() if arm != key)


def last(arms, key, level):
    """Whether the arm `key` reached `level` after each other arm, or never and the others did."""
    return reached(arms[key], level) > max(reached(record, level) for arm, record in arms.items() if arm != key)


def loss_at(arms, step):
    """The loss at `step` in the one record of a row that compares nothing; infinity if it broke off."""
    (record,) = arms.values()
    return record["loss"][step - 1] if len(record["loss"]) >= step else math.inf


def fell_and_recovered(record):
    """Whether the accuracy was 1.0, then 0.1 or less, then 1.0 again."""
    accuracy = record["accuracy"]
    top = [i for i, value in enumerate(accuracy) if value == 1.0]
    return bool(top) and min(accuracy[top[0] : top[-1] + 1]) <= 0.1


def ends_right(record):
    """Whether the run reached 1.0 and was there at its last measurement."""
    return record["error"] is None and record["accuracy"][-1] == 1.0


# Each claim of a row as a question to the records of one seed, {arm: record}.
CLAIMS = {
    1: {
        "the adder reaches 100%": lambda arms: all_reach(arms, 1.0),
        "100% by step 350": lambda arms: all_reach(arms, 1.0, by(arms, 350)),
        "the loss is within a factor of 2 of the report's": lambda arms: (
            all(0.5 <= loss_at(arms, step) / loss <= 2 for step, loss in REPORT[1]["loss"])
        ),
        "from step 500 to 1000 the loss at least halves again": lambda arms: (
            loss_at(arms, 1000) <= loss_at(arms, 500) / 2
        ),
    },
    2: {
        "the adder reaches a steady 100% at 1000 digits": all_steady,
        "a steady 100% by step 450": lambda arms: all_steady(arms, by(arms, 450)),
    },
    3: {
        "the adder reaches a steady 100% at 5000 digits": all_steady,
        "a steady 100% by step 1000": lambda arms: all_steady(arms, by(arms, 1000)),
    },
    4: {
        "all four reach 100%": lambda arms: all_reach(arms, 1.0),
        "three layers reach 0.9 first": lambda arms: first(arms, 3, 0.9),
        "one layer reaches 0.9 last": lambda arms: last(arms, 1, 0.9),
    },
    5: {
        "all four reach 100%": lambda arms: all_reach(arms, 1.0),
        "three layers reach 0.98 first": lambda arms: first(arms, 3, 0.98),
        "four layers reach 0.98 last": lambda arms: last(arms, 4, 0.98),
    },
    6: {
        "all three reach 100% within 500 steps": lambda arms: all_reach(arms, 1.0, 500),
        "the RNN is first": lambda arms: first(arms, "RNN", 1.0),
        "the LSTM is last": lambda arms: last(arms, "LSTM", 1.0),
    },
    7: {
        "the fastest rate is within half a decade of 0.01": lambda arms: (
            10**-2.5 <= min(arms, key=lambda lr: reached(arms[lr], 1.0)) <= 10**-1.5
        ),
        "the fastest rate reaches 100% by step 100": lambda arms: (
            min(reached(record, 1.0) for record in arms.values()) <= by(arms, 100)
        ),
        "the lowest rate (1e-5) never reaches 100%": lambda arms: reached(arms[min(arms)], 1.0) == math.inf,
        "the highest rate (0.1) does not end at 100%": lambda arms: not ends_right(arms[max(arms)]),
    },
    8: {
        "all five reach 0.9 by step 60": lambda arms: all_reach(arms, 0.9, by(arms, 60)),
        "one of the five falls from 1.0 to 0.1 or less and recovers": lambda arms: (
            any(map(fell_and_recovered, arms.values()))
        ),
    },
    9: {
        "100% within 100 steps": lambda arms: all_reach(arms, 1.0, 100),
        "100% by step 40": lambda arms: all_reach(arms, 1.0, by(arms, 40)),
    },
}


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
    claimed = next((value for value in REPORT[row]["settings"].values() if isinstance(value, list)), results)
    by_arm = {arm: records for arm, records in results.items() if as_read(arm) in claimed}
    by_seed = [dict(zip(by_arm, records)) for records in zip(*by_arm.values())]
    note = f"with {settings['batch_size']} pairs a step" if fewer_pairs(settings) else ""
    return [judged(claim, [bool(is_true(arms)) for arms in by_seed], note) for claim, is_true in CLAIMS[row].items()]


def as_read(value):
    """A setting as the report has it: a learning rate to three digits."""
    return float(f"{value:.3g}") if isinstance(value, float) else value


def differences(row, settings):
    """How a row's settings differ from the report's, so that the claims are not about them.

    More steps do not count, nor does the batch: the page says for each row where it works less.
    """
    found = []
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


def fewer_pairs(settings):
    """Whether a row trains on fewer pairs a step than the report: then its claims are about that."""
    return settings["batch_size"] < REPORT[1]["settings"]["batch_size"]


def less_work(settings):
    """Where a row works less than the report did, in words."""
    said = []
    if fewer_pairs(settings):
        said.append(f"{settings['batch_size']} pairs a step, the report had {REPORT[1]['settings']['batch_size']}")
    if settings["stop_after"]:
        said.append("runs stop at a steady 1.0 (and are drawn at their last value from there)")
    return "; ".join(said) or "nowhere: the report's batch, and all the steps"


def tally(claims):
    """The verdicts on a list of claims in one line: "2 hold, 1 does not hold"."""
    found = [claim["verdict"] for claim in claims]
    counts = {verdict: found.count(verdict) for verdict in dict.fromkeys(found)}
    many = {"holds": "hold", "does not hold": "do not hold", "depends on the seed": "depend on the seed"}
    return ", ".join(f"{n} {many.get(verdict, verdict) if n > 1 else verdict}" for verdict, n in counts.items())


def shortest(records):
    """The shortest sum that an adder of `records` gets wrong, in words; "none" where none was found."""
    wrong = [record for record in records if record["wrong"]]
    return min(wrong, key=lambda record: record["wrong"]["digits"])["decided"] if wrong else "none"


def of_row(row, settings, results, labels):
    """A row of the report, judged: plain values, ready to print and draw.

    `settings` are the row's, `results` {arm: [the record of each seed]}, `labels` {arm: its name}. A step
    that never came is None.
    """
    report, found = REPORT[row], judge(row, settings, results)
    heading, level = f"Row {row} {report['title']}".lower(), report["level"]
    anchor = "".join(c for c in heading if c.isalnum() or c in " -").replace(" ", "-")  # as GitHub names a heading
    seeds = max(map(len, results.values()))
    arms = []
    for arm, records in results.items():
        steps = {of: [reached(record, of) for record in records] for of in sorted({level, 1.0})}
        median = statistics.median_high(steps[level])
        legend = f"{labels[arm] or 'measured'}: {'never' if median == math.inf else f'step {median}'}"
        finite = {f"{of:.0%}": [None if step == math.inf else step for step in found] for of, found in steps.items()}
        arms.append({"label": labels[arm], "legend": legend, "reached": finite, "wrong": shortest(records), "runs": records})
    label_of = {as_read(arm): label for arm, label in labels.items()} | {None: None}
    values = [(*at, None)[:3] for at in report["accuracy"]]
    diamonds = [[label_of[arm], step, value] for step, value, arm in values if arm in label_of]
    return {
        "row": row, "title": report["title"], "anchor": anchor, "picture": f"{anchor}.png",
        "headline": f"{report['title']}: first step at {level:.0%}, median of {seeds} seed{'s' * (seeds > 1)}",
        "says": report["says"], "claims": found, "verdict": tally(found) or NO_VERDICT,
        "differences": differences(row, settings), "less_work": less_work(settings), "arms": arms,
        "diamonds": {"loss": [[None, *at] for at in report.get("loss", ())], "accuracy": diamonds},
    }  # fmt: skip


def of_costs(costs, kinds):
    """Row 10, judged: `costs` is {(device, digits): [milliseconds a step]}, `kinds` {device: what it is}."""
    found, devices = [], {device: {"device": device, "kind": kind, "ms": []} for device, kind in kinds.items()}
    for (device, digits), ms in costs.items():
        devices[device]["ms"].append([digits, ms])
        if device != "cpu":
            answers = [on_cpu >= 3 * there for on_cpu, there in zip(costs["cpu", digits], ms)]
            found.append(judged(f"at {digits} digits CUDA is at least 3 times as fast", answers))
    return {"row": 10, "picture": "row-10-what-it-costs.png", "claims": found, "verdict": tally(found) or NO_GPU,
            "devices": list(devices.values())} | CUDA  # fmt: skip


def overview(rows):
    """The picture of all verdicts: a line for each row, and one for each of its claims; none where there are no rows."""
    lines = []
    for row in rows:
        lines.append({"claim": f"{row['row']}. {row['title']}", "verdict": "" if row["claims"] else row["verdict"], "answers": []})
        lines += row["claims"]
    return lines and {"picture": "verdicts.png", "lines": lines}
