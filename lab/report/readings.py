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


def all_correct_at(runs, start, end, every):
    """Whether each run is at 1.0 at each of these steps, `start` and `end` included."""
    steps = range(start, end + 1, every)
    return all(value_at(run, "accuracy", step) == 1.0 for run in runs.values() for step in steps)


def all_correct_from(runs, start):
    """Whether each run ends at 1.0 and is there at all its evaluations from `start` on."""
    for run in runs.values():
        late = [value_at(run, "accuracy", step) for step in run["steps"] if step >= start]
        if not ends_correct(run) or any(accuracy != 1.0 for accuracy in late):
            return False
    return True


def all_correct_in_a_row(runs, count):
    """Whether each run is at 1.0 at so many evaluations in a row."""
    for run in runs.values():
        longest = 0
        in_a_row = 0
        for accuracy in run["accuracy"]:
            in_a_row = in_a_row + 1 if accuracy == 1.0 else 0
            longest = max(longest, in_a_row)
        if longest < count:
            return False
    return True


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


def loss_stays_below(runs, start, most):
    """Whether the loss of each run is at most `most` at each evaluation from `start` on."""
    for run in runs.values():
        losses = [value_at(run, "loss", step) for step in run["steps"] if step >= start]
        if not losses or run["error"] is not None or None in losses or max(losses) > most:
            return False
    return True


def comes_first(runs, variant, level, ties=False):
    """Whether the run of `variant` is at `level` before each other, or with `ties` not after."""
    step = first_step(runs[variant], level)
    other = min(first_step(run, level) for value, run in runs.items() if value != variant)
    return step < other or (ties and step == other < math.inf)


def one_reaches_and_one_does_not(runs, reached, missed):
    """Whether some run is ever at the accuracy `reached`, and another never at `missed`."""
    one_reaches = any(first_step(run, reached) < math.inf for run in runs.values())
    one_misses = any(first_step(run, missed) == math.inf for run in runs.values())
    return one_reaches and one_misses


def slowest_takes(runs, times, level):
    """Whether the slowest run at `level` takes so many times the updates of the fastest one."""
    updates = [1 + first_step(run, level) for run in runs.values()]
    reached = [each for each in updates if each < math.inf]
    return bool(reached) and max(reached) >= times * min(reached)


def first_steps_within(runs, apart, level):
    """Whether all runs reach `level`, and their first steps there are at most so far apart."""
    steps = [first_step(run, level) for run in runs.values()]
    return max(steps) < math.inf and max(steps) - min(steps) <= apart


def best_lies_between(runs, low, high, before, level):
    """Whether a value from `low` to `high` is first at `level`, alone or not, before a step."""
    steps = {value: first_step(run, level) for value, run in runs.items()}
    best = min(steps.values())
    lies_between = any(low <= value <= high for value, step in steps.items() if step == best)
    return lies_between and best < before


def lowest_and_highest_miss(runs, level_of_lowest, level_of_highest):
    """Whether the runs of the lowest and of the highest value are never at a level of each."""
    lowest = first_step(runs[min(runs)], level_of_lowest)
    highest = first_step(runs[max(runs)], level_of_highest)
    return lowest == highest == math.inf


def lowest_misses_and_highest_is_late(runs, missed, level, after):
    """Whether the lowest value never reaches `missed`, the highest `level` later than another.

    `after` is the other one, to three digits.
    """
    (other,) = [run for value, run in runs.items() if f"{value:.3g}" == f"{after:.3g}"]
    is_late = first_step(runs[max(runs)], level) > first_step(other, level)
    return first_step(runs[min(runs)], missed) == math.inf and is_late


def lowest_misses_and_highest_ends_below(runs, missed):
    """Whether the lowest value never reaches `missed`, and the highest does not end at 1.0."""
    lowest = first_step(runs[min(runs)], missed)
    return lowest == math.inf and not ends_correct(runs[max(runs)])


def all_add_numbers_of(runs, digits):
    """Whether each adder adds all pairs of so many digits right; None where that was not tested."""
    tests = [run.get("also_tested", {"digits": None}) for run in runs.values()]
    if any(test["digits"] != digits or test["accuracy"] is None for test in tests):
        return None
    return all(test["accuracy"] == 1.0 for test in tests)


QUESTIONS = {
    question.__name__: question
    for question in (
        all_reach,
        all_end_correct,
        all_correct_at,
        all_correct_from,
        all_correct_in_a_row,
        loss_halves_after,
        loss_stays_below,
        comes_first,
        one_reaches_and_one_does_not,
        slowest_takes,
        first_steps_within,
        best_lies_between,
        lowest_and_highest_miss,
        lowest_misses_and_highest_is_late,
        lowest_misses_and_highest_ends_below,
        all_add_numbers_of,
    )
}


def answer(reading, runs):
    """The answer of one seed's `runs` to a reading of report.toml."""
    return QUESTIONS[reading["question"]](runs, **reading.get("arguments", {}))
