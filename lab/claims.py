"""What the report claims, row by row, and whether records bear it out."""

import math
import statistics
import sys

import numpy as np

STEADY = 3  # measurements of 1.0 in a row
READING_ERROR = 1.05  # the report's values were read off its figures, to about 5%


def reached(record, level):
    """The step at which the accuracy was first measured at `level` or more; infinity if never."""
    pairs = zip(record["measured_at"], record["accuracy"])
    return next((step for step, accuracy in pairs if accuracy >= level), math.inf)


def steady(record):
    """The step from which the accuracy was 1.0 at STEADY measurements in a row; infinity if never."""
    for place in range(len(record["accuracy"]) - STEADY + 1):
        if record["accuracy"][place : place + STEADY] == [1.0] * STEADY:
            return record["measured_at"][place]
    return math.inf


def all_steady(arms, step=sys.maxsize):
    """Whether each arm was steady at 1.0, and by `step`."""
    return all(steady(record) <= step for record in arms.values())


def by(arms, step):
    """The last measurement that still counts as the report's `step`, which was read off a figure."""
    every = min((record["measured_at"][0] for record in arms.values() if record["measured_at"]), default=1)
    return math.ceil(step * READING_ERROR / every) * every


def loss_at(arms, step):
    """The loss at `step` in the one record of a row that compares nothing; infinity if it broke off."""
    (record,) = arms.values()
    return record["loss"][step - 1] if len(record["loss"]) >= step else math.inf


def first(arms, key, level):
    """Whether the arm `key` reached `level` before each other arm did."""
    others = [reached(record, level) for other, record in arms.items() if other != key]
    return reached(arms[key], level) < min(others)


def last(arms, key, level):
    """Whether the arm `key` reached `level` after each other arm, or never and the others did."""
    others = [reached(record, level) for other, record in arms.items() if other != key]
    return reached(arms[key], level) > max(others)


def all_reach(arms, level, step=sys.maxsize):
    """Whether each arm reached `level`, and by `step`."""
    return all(reached(record, level) <= step for record in arms.values())


def fell_and_recovered(record):
    """Whether the accuracy was 1.0, then 0.1 or less, then 1.0 again."""
    accuracy = record["accuracy"]
    top = [i for i, value in enumerate(accuracy) if value == 1.0]
    return bool(top) and min(accuracy[top[0] : top[-1] + 1]) <= 0.1


def ends_right(record):
    """Whether the run reached 1.0 and was there at its last measurement."""
    return record["error"] is None and record["accuracy"][-1] == 1.0


# The report's rows: the title; what it says; its settings; the accuracy whose first step tells the curves
# apart; its values in the picture, (arm, step, accuracy), arm None where they belong to no one arm, and
# (step, loss); and each of its claims as a question to the records of one seed, {arm: record}.
SIMPLE_ADDER = {"digitlen": 10, "cell": "RNN", "layers": 2, "lr": 1e-3, "steps": 1000, "batch_size": 100}
LOSSES = [(200, 0.308), (250, 0.118), (300, 0.056), (400, 0.020), (500, 0.010), (600, 0.0061)]
REPORT = {
    1: {
        "title": "The simple adder",
        "says": "loss 0.308, 0.056, 0.020, 0.0061 at step 200, 300, 400, 600 and towards 0 beyond 500; "
        "accuracy 0.88, 0.99, 0.995 at step 200, 250, 300 and 1.0 from 350",
        "settings": SIMPLE_ADDER, "level": 1.0, "loss": LOSSES,
        "accuracy": [(None, 200, 0.88), (None, 250, 0.99), (None, 300, 0.995), (None, 350, 1.0)],
        "claims": {
            "the adder reaches 100%": lambda arms: all_reach(arms, 1.0),
            "100% by step 350": lambda arms: all_reach(arms, 1.0, by(arms, 350)),
            "the loss is within a factor of 2 of the report's": lambda arms: (
                all(0.5 <= loss_at(arms, step) / loss <= 2 for step, loss in LOSSES)
            ),
            "from step 500 to 1000 the loss at least halves again": lambda arms: (
                loss_at(arms, 1000) <= loss_at(arms, 500) / 2
            ),
        },
    },
    2: {
        "title": "Long numbers: 1000 digits",
        "says": "accuracy 0 until step 110, 0.6 at 200, 0.95 at 370, 1.0 from 450",
        "settings": SIMPLE_ADDER | {"digitlen": 1000, "steps": 600}, "level": 1.0,
        "accuracy": [(None, 110, 0.0), (None, 200, 0.6), (None, 370, 0.95), (None, 450, 1.0)],
        "claims": {
            "the adder reaches a steady 100% at 1000 digits": all_steady,
            "a steady 100% by step 450": lambda arms: all_steady(arms, by(arms, 450)),
        },
    },
    3: {
        "title": "The longest numbers: 5000 digits",
        "says": "accuracy 0 until step 130, 0.5 at 550, 0.9 at 850, 1.0 from 1000",
        "settings": SIMPLE_ADDER | {"digitlen": 5000, "steps": 2000}, "level": 1.0,
        "accuracy": [(None, 130, 0.0), (None, 550, 0.5), (None, 850, 0.9), (None, 1000, 1.0)],
        "claims": {
            "the adder reaches a steady 100% at 5000 digits": all_steady,
            "a steady 100% by step 1000": lambda arms: all_steady(arms, by(arms, 1000)),
        },
    },
    4: {
        "title": "RNN with 1 to 4 layers",
        "says": "all reach 1.0; three layers fastest (0.9 at step 190), then 2 and 4 (about 230), "
        "one layer last (about 290)",
        "settings": SIMPLE_ADDER | {"layers": [1, 2, 3, 4], "steps": 500}, "level": 0.9,
        "accuracy": [(1, 290, 0.9), (2, 230, 0.9), (3, 190, 0.9), (4, 230, 0.9)],
        "claims": {
            "all four reach 100%": lambda arms: all_reach(arms, 1.0),
            "three layers reach 0.9 first": lambda arms: first(arms, 3, 0.9),
            "one layer reaches 0.9 last": lambda arms: last(arms, 1, 0.9),
        },
    },
    5: {
        "title": "GRU with 1 to 4 layers",
        "says": "three layers best (0.98 at step 220), then 2, 1 and 4 (last: about 290)",
        "settings": SIMPLE_ADDER | {"cell": "GRU", "layers": [1, 2, 3, 4], "steps": 500}, "level": 0.98,
        "accuracy": [(3, 220, 0.98), (4, 290, 0.98)],
        "claims": {
            "all four reach 100%": lambda arms: all_reach(arms, 1.0),
            "three layers reach 0.98 first": lambda arms: first(arms, 3, 0.98),
            "four layers reach 0.98 last": lambda arms: last(arms, 4, 0.98),
        },
    },
    6: {
        "title": "RNN, GRU and LSTM at 100 digits",
        "says": "all reach 1.0 within 500 steps; RNN first (step 170), GRU 190, LSTM 240",
        "settings": SIMPLE_ADDER | {"digitlen": 100, "cell": ["RNN", "GRU", "LSTM"], "layers": 3, "steps": 500},
        "level": 1.0, "accuracy": [("RNN", 170, 1.0), ("GRU", 190, 1.0), ("LSTM", 240, 1.0)],
        "claims": {
            "all three reach 100% within 500 steps": lambda arms: all_reach(arms, 1.0, 500),
            "the RNN is first": lambda arms: first(arms, "RNN", 1.0),
            "the LSTM is last": lambda arms: last(arms, "LSTM", 1.0),
        },
    },
    7: {
        "title": "The learning rate, coarse",
        "says": "it matters greatly; best near 0.01, where it converges before step 100; "
        "too low never converges, too high is unstable",
        "settings": SIMPLE_ADDER | {"layers": 3, "lr": np.logspace(-5, -1, 10).tolist(), "steps": 500},
        "level": 1.0, "accuracy": [(None, 100, 1.0)],
        "claims": {
            "the fastest rate is within half a decade of 0.01": lambda arms: (
                10**-2.5 <= min(arms, key=lambda lr: reached(arms[lr], 1.0)) <= 10**-1.5
            ),
            "the fastest rate reaches 100% by step 100": lambda arms: (
                min(reached(record, 1.0) for record in arms.values()) <= by(arms, 100)
            ),
            "the lowest rate (1e-5) never reaches 100%": lambda arms: not all_reach({0: arms[min(arms)]}, 1.0),
            "the highest rate (0.1) does not end at 100%": lambda arms: not ends_right(arms[max(arms)]),
        },
    },
    8: {
        "title": "The learning rate, fine",
        "says": "all alike (0.9 by step 60); one fell from 1.0 to 0 at step 200 and recovered",
        "settings": SIMPLE_ADDER | {"layers": 3, "lr": np.logspace(-2.2, -1.8, 5).tolist(), "steps": 400},
        "level": 0.9, "accuracy": [(None, 60, 0.9), (None, 200, 0.0)],
        "claims": {
            "all five reach 0.9 by step 60": lambda arms: all_reach(arms, 0.9, by(arms, 60)),
            "one of the five falls from 1.0 to 0.1 or less and recovers": lambda arms: (
                any(map(fell_and_recovered, arms.values()))
            ),
        },
    },
    9: {
        "title": "The final model",
        "says": "three layers and learning rate 0.01 reach 1.0 at 100 digits within 100 steps (at step 40)",
        "settings": SIMPLE_ADDER | {"digitlen": 100, "layers": 3, "lr": 0.01, "steps": 100},
        "level": 1.0, "accuracy": [(None, 40, 1.0)],
        "claims": {
            "100% within 100 steps": lambda arms: all_reach(arms, 1.0, 100),
            "100% by step 40": lambda arms: all_reach(arms, 1.0, by(arms, 40)),
        },
    },
}  # fmt: skip
CUDA_SAYS = "CUDA is 3 to 4 times faster than the CPU"
ORIGINAL_MS = [(10, 4.9), (100, 37), (1000, 365), (5000, 3240)]  # a step of the report's code, measured on a 2-core CPU

# The longest numbers of published neural adders, in decimal digits: McLeish et al. 2024, Cho et al. 2024,
# Price et al. 2016 (who show it failing on long carries), Patriota 2024.
PEERS = {
    "Abacus, 2024": 100, "position coupling, 2024": 200, "Neural GPU, 2016 (2000 bits)": 602, "Patriota, 2024": 1000,
}  # fmt: skip

CONFIDENCE = 0.95
RULE = {"confidence": CONFIDENCE, "reading_error": READING_ERROR, "steady": STEADY}
NO_VERDICT = "no verdict: these settings are not the report's"
NO_GPU = "not measured: there was no GPU"


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
    by_seed = [dict(zip(claimed, records)) for records in zip(*(results[arm] for arm in claimed))]
    note = f"with {settings['batch_size']} pairs a step" if fewer_pairs(settings) else ""
    claims = REPORT[row]["claims"].items()
    return [judged(claim, [bool(is_true(arms)) for arms in by_seed], note) for claim, is_true in claims]


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
            same = isinstance(ours, list) and set(report) <= set(ours)
        else:
            same = ours in (report, [report])
        if not same:
            found.append(f"{field} is {ours}, the report's is {report}")
    return found


def fewer_pairs(settings):
    """Whether a row trains on fewer pairs a step than the report: then its claims are about that."""
    return settings["batch_size"] < SIMPLE_ADDER["batch_size"]


def less_work(settings):
    """Where a row works less than the report did, in words."""
    said = []
    if fewer_pairs(settings):
        said.append(f"{settings['batch_size']} pairs a step, the report had {SIMPLE_ADDER['batch_size']}")
    if settings["stop_after"]:
        said.append("runs stop at a steady 1.0 (and are drawn at their last value from there)")
    return "; ".join(said) or "nowhere: the report's batch, and all the steps"


def tally(claims):
    """The verdicts on a list of claims in one line: "2 hold, 1 does not hold"."""
    found = [claim["verdict"] for claim in claims]
    counts = {verdict: found.count(verdict) for verdict in dict.fromkeys(found)}
    many = {"holds": "hold", "does not hold": "do not hold", "depends on the seed": "depend on the seed"}
    return ", ".join(f"{n} {many.get(verdict, verdict) if n > 1 else verdict}" for verdict, n in counts.items())


def median_step(records, level):
    """The median over `records` of the step that reached `level`, in words."""
    step = statistics.median_high(reached(record, level) for record in records)
    return "never" if step == math.inf else f"step {step}"


def shortest(records):
    """The shortest sum that an adder of `records` gets wrong, in words; "none" where none was found."""
    wrong = [record for record in records if record["wrong"]]
    return min(wrong, key=lambda record: record["wrong"]["digits"])["decided"] if wrong else "none"


def slug(text):
    """`text` as GitHub names a heading in a link: small letters, digits and hyphens."""
    return "".join(c for c in text.lower() if c.isalnum() or c in " -").replace(" ", "-")


def of_row(row, settings, results, labels):
    """A row of the report, judged: plain values, ready to print and draw.

    `settings` are the row's, `results` {arm: [the record of each seed]}, `labels` {arm: its name}. A step
    that never came is None.
    """
    report, found = REPORT[row], judge(row, settings, results)
    anchor, level = slug(f"Row {row} {report['title']}"), report["level"]
    seeds = max(map(len, results.values()))
    arms = []
    for arm, records in results.items():
        steps = {f"{of:.0%}": [reached(record, of) for record in records] for of in sorted({level, 1.0})}
        finite = {of: [None if step == math.inf else step for step in found] for of, found in steps.items()}
        legend = f"{labels[arm] or 'measured'}: {median_step(records, level)}"
        wrong = shortest(records)
        arms.append({"label": labels[arm], "legend": legend, "reached": finite, "wrong": wrong, "runs": records})
    diamonds = [[arm and labels[arm], *at] for arm, *at in report["accuracy"] if not arm or arm in results]
    return {
        "row": row, "title": report["title"], "anchor": anchor, "picture": f"{anchor}.png",
        "headline": f"{report['title']}: first step at {level:.0%}, median of {seeds} seed{'s' * (seeds > 1)}",
        "says": report["says"], "claims": found, "verdict": tally(found) or NO_VERDICT,
        "differences": differences(row, settings), "less_work": less_work(settings), "arms": arms,
        "diamonds": {"loss": [[None, *at] for at in report.get("loss", ())], "accuracy": diamonds},
    }  # fmt: skip


def of_costs(costs, kinds):
    """Row 10, judged: `costs` is {(digits, device): [milliseconds a step]}, `kinds` {device: what it is}."""
    found, devices = [], {device: {"device": device, "kind": kind, "ms": []} for device, kind in kinds.items()}
    for (digits, device), ms in costs.items():
        devices[device]["ms"].append([digits, ms])
        if device != "cpu":
            answers = [on_cpu >= 3 * there for on_cpu, there in zip(costs[digits, "cpu"], ms)]
            found.append(judged(f"at {digits} digits CUDA is at least 3 times as fast", answers))
    return {
        "row": 10, "title": "CUDA", "says": CUDA_SAYS, "claims": found, "verdict": tally(found) or NO_GPU,
        "picture": "row-10-what-it-costs.png", "devices": list(devices.values()), "original_ms": ORIGINAL_MS,
    }  # fmt: skip
