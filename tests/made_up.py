"""Made-up runs, and variants of them at the report's settings."""

import sample

from lab.report.said import REPORT


def run(accuracy, loss=None, error=None, seed=0, words="proven", digits=None, **more):
    """A run that is evaluated at steps 0, 10, 20 ..., and the decision on its adder."""
    wrong_in = {"float32": True, "float64": True} if digits else None
    return {
        "seed": seed,
        "steps": [10 * place for place in range(len(accuracy))],
        "loss": loss or [1.0] * len(accuracy),
        "accuracy": accuracy,
        "error": error,
        "ms_per_step": 2.5,
        "decision": sample.decide(words, digits, wrong_in=wrong_in),
    } | more


def rising(step, length=50, **more):
    """A run that is at 0.0 before `step` and at 1.0 from there on."""
    return run([1.0 if 10 * place >= step else 0.0 for place in range(length)], **more)


def experiment(name, by_value, **changes):
    """Variants at the report's settings, but for `changes`: [a run a seed] by value."""
    said = REPORT[name]
    field = said["compares"]
    variants = []
    for value, runs in by_value.items():
        settings = said["settings"] | changes
        if field:
            settings[field] = value
        label = "" if field is None else f"{field} {value}"
        variants.append({"label": label, "settings": settings, "runs": runs})
    return variants
