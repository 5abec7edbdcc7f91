"""The report: its text in report.toml, the curves of its figures, and those of its published code.

Nothing here knows a run of ours.
"""

import itertools
import json
import math
import tomllib
from pathlib import Path

NEAR = 0.05  # of a level: three standard errors of an accuracy of 0.97 on 100 test pairs

FOLDER = Path(__file__).parent
CURVES = json.loads((FOLDER / "curves.json").read_text(encoding="utf-8"))
ORIGINAL = json.loads((FOLDER / "original_code_curves.json").read_text(encoding="utf-8"))
SAID = tomllib.loads((FOLDER / "report.toml").read_text(encoding="utf-8"))
PEERS = SAID.pop("peers")  # the longest numbers of published neural adders
GPU = SAID.pop("cuda")
BASE = SAID.pop("base") | {"stop_after_perfect": None}


# `REPORT` has of each experiment the keys of report.toml, all its settings (a list for the setting
# that it compares), its curves by the value of that setting (None for no comparison), and in words.


def read_experiment(name):
    """An experiment in the words and the curves of the report."""
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
    """The report's curves of an experiment, or its printed lines, in words."""
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
