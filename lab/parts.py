"""What 100% is worth, as parts of the results: how often, how long, how little.

Each function submits the runs of one part to a pool, and returns the `Part` at once.
"""

from collections.abc import Callable
from typing import NamedTuple

from lab import trials, worth


class Part(NamedTuple):
    """An experiment or another part of the results, submitted."""

    name: str
    runs: list  # of the pool: the part is finished when all are done
    describe: Callable  # () -> what results.json has of the part, from its finished runs, or None


class Group(NamedTuple):
    """Adders that are shown together, as they are to come."""

    adders: list  # futures of an adder, or adders as `trials.plain_adder` has them; None: left out
    runs: list  # their trainings


def submit_errors(pool, name, groups, pairs):
    """Have each adder of `groups`, {name: Group}, add `pairs` fresh pairs: how many are wrong?"""
    counts = {}
    for group_name, group in groups.items():
        counts[group_name] = [
            pool.submit(
                worth.count_wrong,
                adder,
                pairs,
                title=f"{name}, {group_name}, {place + 1} of {len(group.adders)}",
                seconds=2e-5 * pairs,
            )
            for place, adder in enumerate(group.adders)
        ]

    def describe():
        counted = {}
        seen = set()  # an adder that is in two groups is counted in the first
        for group_name, runs in counts.items():
            new = [run for run in dict.fromkeys(runs) if run not in seen]
            seen |= set(new)
            results = [run.result() for run in new]
            counted[group_name] = [result for result in results if result["pairs"]]
        described = worth.summarise_errors(counted)
        return described and described | {"picture": f"{name}.png"}

    return Part(name, list_runs(counts, groups), describe)


def submit_memory(pool, groups, most):
    """Have each adder of `groups` remember a carry for up to `most` positions."""
    memories = {}
    for group_name, group in groups.items():
        memories[group_name] = [
            pool.submit(
                worth.measure_memory,
                adder,
                most,
                title=f"memory, {group_name}, {place + 1} of {len(group.adders)}",
                seconds=0.3,
            )
            for place, adder in enumerate(group.adders)
        ]

    def describe():
        return worth.summarise_memory(
            {group_name: [run.result() for run in runs] for group_name, runs in memories.items()}
        )

    return Part("memory", list_runs(memories, groups), describe)


def list_runs(runs, groups):
    """All runs of a part that looks at adders: {name: its own runs}, and the adders' trainings."""
    listed = []
    for name, group in groups.items():
        listed += [*runs[name], *group.runs]
    return listed


def submit_little(pool, name, experiments, lengths, count, others):
    """Have adders that were trained on short numbers tested on `count` pairs of each of `lengths`.

    `experiments` are {cell: an `Experiment` that compares digitlen}; `others` as
    `worth.summarise_training_lengths` takes them.
    """
    submitted = {}  # {cell: {digits: [(training, testing)]}}
    listed = []
    for cell, experiment in experiments.items():
        submitted[cell] = {}
        for variant in experiment.variants:
            digits = variant.settings[0].digitlen
            submitted[cell][digits] = []
            for settings in variant.settings:
                title = f"{name}, {cell}, {digits} digits, seed {settings.seed}"
                training = pool.submit(
                    trials.train_adder,
                    settings,
                    title=title,
                    seconds=trials.expected_seconds(settings),
                    device=settings.device,
                )
                adder = pool.derive(trials.get_adder, training)
                testing = pool.submit(
                    worth.test_lengths, adder, lengths, count, title=title, seconds=1.0
                )
                submitted[cell][digits].append((training, testing))
                listed += [training, testing]

    def describe():
        of_cells = {}
        for cell, of_digits in submitted.items():
            of_cells[cell] = {}
            for digits, pairs in of_digits.items():
                of_cells[cell][digits] = [
                    (testing.result()["accuracy"], training.result()["seconds"])
                    for training, testing in pairs
                ]
        described = worth.summarise_training_lengths(of_cells, lengths, others)
        return described | {"picture": f"{name}.png"}

    return Part(name, listed, describe)
