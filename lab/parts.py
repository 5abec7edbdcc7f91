"""What 100% is worth, as parts of the results: how often, how long, how little.

`submit_errors`, `submit_memory` and `submit_little` submit the runs of one part to a pool and
return the `Part` at once.
"""

from collections.abc import Callable
from typing import NamedTuple

from lab import trials, worth


class Part(NamedTuple):
    """An experiment or another part of the results, submitted."""

    name: str
    runs: list  # its own, of a pool: the part is finished when all are done
    describe: Callable  # () -> what results.json has of the part, from its finished runs, or None


def submit_training(pool, settings, title, on_line=None):
    """Have an adder trained as its `Settings` say; `on_line` is called with its lines."""
    return pool.submit(
        trials.train_adder,
        settings,
        title=title,
        seconds=trials.expected_seconds(settings),
        device=settings.device,
        on_line=on_line,
    )


def submit_errors(pool, name, groups, pairs):
    """Have each adder of `groups` add `pairs` fresh pairs: how many are wrong?

    `groups` are {name: adders}: futures of one, or adders as `trials.plain_adder` has them, or None
    for one to leave out.
    """
    counts = submit_for_each(pool, name, groups, worth.count_wrong, pairs, 2e-5 * pairs)

    def describe():
        counted = {}
        seen = set()  # an adder that is in two groups is counted in the first
        for group_name, runs in counts.items():
            new = [run for run in dict.fromkeys(runs) if run not in seen]
            seen |= set(new)
            results = [run.result() for run in new]
            counted[group_name] = [result for result in results if result["pairs"]]
        described = worth.summarise_errors(counted)
        if described is None:
            return None
        return described | {"picture": f"{name}.png"}

    return Part(name, sum(counts.values(), []), describe)


def submit_memory(pool, groups, most):
    """Have each adder of `groups` remember a carry for up to `most` positions.

    `groups` are as `submit_errors` takes them, but that none is left out.
    """
    memories = submit_for_each(pool, "memory", groups, worth.measure_memory, most, 0.3)

    def describe():
        return worth.summarise_memory(
            {group_name: [run.result() for run in runs] for group_name, runs in memories.items()}
        )

    return Part("memory", sum(memories.values(), []), describe)


def submit_for_each(pool, name, groups, function, argument, seconds):
    """Submit `function(adder, argument)`, of about so many seconds, for each adder of `groups`.

    Returns {name of the group: its runs}.
    """
    runs = {}
    for group_name, adders in groups.items():
        runs[group_name] = [
            pool.submit(
                function,
                adder,
                argument,
                title=f"{name}, {group_name}, {place + 1} of {len(adders)}",
                seconds=seconds,
                say=trials.describe_left_out,
            )
            for place, adder in enumerate(adders)
        ]
    return runs


def submit_little(pool, name, experiments, lengths, count, list_others):
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
                training = submit_training(pool, settings, title)
                adder = pool.derive(trials.get_adder, training)
                testing = pool.submit(
                    worth.test_lengths,
                    adder,
                    lengths,
                    count,
                    title=title,
                    seconds=1.0,
                    say=trials.describe_left_out,
                )
                deciding = pool.submit(trials.decide_adder, adder, title=title, seconds=0.3)
                submitted[cell][digits].append((training, testing, deciding))
                listed += [training, testing, deciding]

    def describe():
        of_cells = {}
        for cell, of_digits in submitted.items():
            of_cells[cell] = {}
            for digits, runs in of_digits.items():
                of_cells[cell][digits] = [
                    {
                        "accuracy": testing.result()["accuracy"],
                        "seconds": training.result()["seconds"],
                        "decision": deciding.result(),
                    }
                    for training, testing, deciding in runs
                ]
        described = worth.summarise_training_lengths(of_cells, lengths, list_others())
        return described | {"picture": f"{name}.png", "pairs": count}

    return Part(name, listed, describe)
