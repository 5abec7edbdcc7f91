"""Questions to runs: has a run, or all runs of a seed, what the report claims?

A run here is a dict of "seed", "steps", the steps of its evaluations, counted from 0, the "loss"
and "accuracy" at each of them, and "error", None or the reason why it ended early.
"""

import math


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


# --- The questions of report.toml to the runs of one seed, {value of the compared setting: run}.
# The answer is True or False, or None where the runs have none.


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


def all_add_numbers_of(runs, digits):
    """Whether each adder adds all pairs of so many digits right; None where that was not tested."""
    tests = [run.get("also_tested", {"digits": None}) for run in runs.values()]
    if any(test["digits"] != digits or test["accuracy"] is None for test in tests):
        return None
    return all(test["accuracy"] == 1.0 for test in tests)


QUESTIONS = {
    "all_reach": all_reach,
    "all_end_correct": all_end_correct,
    "all_correct_from": all_correct_from,
    "loss_halves_after": loss_halves_after,
    "comes_first": comes_first,
    "one_reaches_and_one_does_not": one_reaches_and_one_does_not,
    "best_lies_between": best_lies_between,
    "lowest_and_highest_miss": lowest_and_highest_miss,
    "all_add_numbers_of": all_add_numbers_of,
}


def answer(claim, runs):
    """The answer of one seed's `runs` to a claim of report.toml."""
    return QUESTIONS[claim["question"]](runs, **claim.get("arguments", {}))
