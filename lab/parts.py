"""What 100% is worth, as parts of the results: how often, how long, how little.

`submit_errors`, `submit_memory` and `submit_little` submit the runs of one part to a `Lab` and
return the `Part` at once.
"""

import statistics
from collections.abc import Callable
from typing import NamedTuple

from lab import deciding, measuring, training, worth
from lab.settings import expected_seconds


class Part(NamedTuple):
    """An experiment or another part of the results, submitted."""

    name: str
    runs: list  # its own: the part is finished when all are done
    describe: Callable  # () -> what results.json has of the part, from its finished runs, or None


def submit_training(lab, settings, title, on_line=None):
    """Have an adder trained as its `Settings` say; `on_line` is called with its lines."""
    return lab.submit(
        training.train_adder,
        settings,
        title=title,
        seconds=expected_seconds(settings),
        device=settings.device,
        on_line=on_line,
    )


def submit_errors(lab, name, groups, pairs):
    """Have each adder of `groups` add `pairs` fresh pairs: how many are wrong?

    `groups` are {name: {(variant, seed): training}}: runs, or results of some. An adder that does
    not end at 100% is left out.
    """
    counts = submit_for_each(lab, name, groups, measuring.count_wrong, pairs, 2e-5 * pairs)

    def describe():
        counted = {}
        seen = set()  # an adder that is in two groups is counted in the first
        for group_name, runs in counts.items():
            counted[group_name] = []
            for run, told in tell_apart(runs):
                if run not in seen and run.result()["pairs"]:
                    counted[group_name].append(told | run.result())
                seen.add(run)
        described = worth.summarise_errors(counted)
        if described is None:
            return None
        return described | {"picture": f"{name}.png"}

    return Part(name, list_runs(counts), describe)


def submit_memory(lab, groups, most):
    """Have each adder of `groups` remember a carry for up to `most` positions.

    `groups` are as `submit_errors` takes them.
    """
    memories = submit_for_each(lab, "memory", groups, measuring.measure_memory, most, 0.3)

    def describe():
        return worth.summarise_memory(
            {
                group_name: [told | run.result() for run, told in tell_apart(runs)]
                for group_name, runs in memories.items()
            }
        )

    return Part("memory", list_runs(memories), describe)


def submit_for_each(lab, name, groups, function, argument, seconds):
    """Submit `function(training, argument)`, of about so many seconds, for each adder of `groups`.

    Returns {name of the group: {(variant, seed): run}}.
    """
    runs = {}
    for group_name, trainings in groups.items():
        runs[group_name] = {}
        for (variant, seed), each in trainings.items():
            words = filter(None, [name, group_name, variant, f"seed {seed}"])
            runs[group_name][variant, seed] = lab.submit(
                function,
                each,
                argument,
                title=", ".join(words),
                seconds=seconds,
                say=say_left_out,
            )
    return runs


def tell_apart(runs):
    """[(run, {"variant", "seed"})] of {(variant, seed): run}."""
    return [(run, {"variant": variant, "seed": seed}) for (variant, seed), run in runs.items()]


def list_runs(groups):
    """All runs of {name of the group: {(variant, seed): run}}."""
    return [run for runs in groups.values() for run in runs.values()]


def submit_little(lab, name, experiments, lengths, count, list_others):
    """Have adders that were trained on short numbers tested on `count` pairs of each of `lengths`.

    They are decided, too. `experiments` are {cell: an `Experiment` that compares digitlen};
    `list_others` returns the others that `worth.summarise_training_lengths` takes.
    """
    submitted = {}  # {cell: {digits: [(training, testing, deciding)]}}
    listed = []
    for cell, experiment in experiments.items():
        submitted[cell] = {}
        for variant in experiment.variants:
            digits = variant.settings[0].digitlen
            submitted[cell][digits] = []
            for settings in variant.settings:
                title = f"{name}, {cell}, {digits} digits, seed {settings.seed}"
                trained = submit_training(lab, settings, title)
                testing = lab.submit(
                    measuring.measure_accuracy,
                    trained,
                    lengths,
                    count,
                    title=title,
                    seconds=1.0,
                    say=say_left_out,
                )
                decided = lab.submit(deciding.decide_adder, trained, title=title, seconds=0.3)
                submitted[cell][digits].append((trained, testing, decided))
                listed += [trained, testing, decided]

    def describe():
        of_cells = {}
        for cell, of_digits in submitted.items():
            of_cells[cell] = {}
            for digits, runs in of_digits.items():
                of_cells[cell][digits] = [
                    {
                        "accuracy": testing.result()["accuracy"],
                        "seconds": trained.result()["seconds"],
                        "decision": decided.result(),
                    }
                    for trained, testing, decided in runs
                ]
        described = worth.summarise_training_lengths(of_cells, lengths, list_others())
        return described | {"picture": f"{name}.png", "pairs": count}

    return Part(name, listed, describe)


# --- The line that is printed when a run was executed.


def say_training(training):
    """What a trained adder reached, as "first 100% at step 290, 0.99 at the end; "."""
    if training["error"]:
        return f"ended early: {training['error']}; "
    accuracy = training["accuracy"]
    first = "never 100%"
    if 1.0 in accuracy:
        first = f"first 100% at step {training['steps'][accuracy.index(1.0)]}"
    return f"{first}, {accuracy[-1]:g} at the end; "


def say_proof_training(training):
    """How long an adder was trained for the proof, as "trained in 3.1 s; "."""
    return f"trained in {training['seconds']:.1f} s; "


def say_times(times):
    """The median of some times, as "12.3 ms a training step"."""
    return f"{statistics.median(times['ms']):.1f} ms a training step"


def say_left_out(result):
    """The line that is printed where adders are left out of a result; None where none is."""
    return f"left out: {result['left_out']}" if "left_out" in result else None
