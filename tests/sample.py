"""Small results with every part, made by hand: what pictures and page read."""

import copy

from lab.adders import ForProof
from lab.parts.decided import Decided
from lab.parts.errors import Errors
from lab.parts.experiment import Experiment
from lab.parts.gpu import Gpu
from lab.parts.little import Little
from lab.parts.long_numbers import LongNumbers
from lab.parts.memory import Memory
from lab.parts.proof import Proof
from lab.parts.stress import Stress
from lab.parts.verdicts import Verdicts
from lab.results import VERSION, plain
from lab.settings import Settings

MACHINE = {
    "python": "3.11.7",
    "torch": "2.13.0+cpu",
    "numpy": "2.4.6",
    "device": "CPU x86_64 AVX512",
    "variables": "none",
    "workers": "2 workers",
}
SETTINGS = {
    "digitlen": 10,
    "cell": "RNN",
    "lr": 0.001,
    "steps": 40,
    "batch_size": 100,
    "pairs": "uniform",
    "stop_after_perfect": None,
}
SIMPLE = Settings(**SETTINGS, layers=2, test_size=100, eval_every=10)


def run(seed, accuracy, **changes):
    """One run, evaluated at steps 0, 10, 20 ..., its loss halved each time."""
    steps = [10 * place for place in range(len(accuracy))]
    return {
        "seed": seed,
        "steps": steps,
        "loss": [2.0**-place for place in range(len(accuracy))],
        "accuracy": accuracy,
        "error": None,
        "ms_per_step": 2.5 + seed,
    } | changes


def decide(words, digits, **changes):
    """The decision on an adder."""
    verdict = words if words in ("proven", "undecided") else "wrong"
    return {
        "verdict": verdict,
        "words": words,
        "margin": None,
        "reason": None,
        "pair": [7, 5] if verdict == "wrong" else None,
        "answer": 11 if verdict == "wrong" else None,
        "digits": digits,
        "seconds": 0.1,
        "wrong_in": None,
    } | changes


def decided(group, variant, seed, perfect, words, digits, **changes):
    """An adder of a part, decided, as each part lists it under "decisions"."""
    told = {
        "group": group,
        "variant": variant,
        "seed": seed,
        "adder": f"{group}, {variant}, seed {seed}",
        "perfect": perfect,
    }
    return told | decide(words, digits, **changes)


def variant(label, settings, first, runs, report=None):
    """One variant; `first` has the first steps at 50%, 90% and 100%, each one a seed."""
    return {
        "label": label,
        "settings": SETTINGS | settings,
        "first": dict(zip(("50%", "90%", "100%"), first, strict=True)),
        "report": report,
        "runs": runs,
    }


def report_curve(loss, accuracy, first):
    """The report's curve of a variant; `first` has its first steps at 50%, 90% and 100%."""
    return {
        "loss": loss,
        "accuracy": accuracy,
        "first": dict(zip(("50%", "90%", "100%"), first, strict=True)),
        "not_seen": [],
        "share": {"loss": 0.75 if loss else None, "accuracy": 0.5 if accuracy else None},
    }


def experiment(name, **changes):
    """An experiment of one variant and two seeds, without claims."""
    runs = [
        run(0, [0.5, 0.995, 1.0, 1.0]),
        run(1, [0.0, 0.5, 0.9, 0.99]),
    ]
    first = [[0, 10], [10, 20], [20, None]]
    return {
        "section": None,
        "title": name,
        "says": None,
        "headline": f"{name}: 0.9 at step 10 and 20",
        "level": 0.9,
        "settings": SETTINGS | {"layers": 2},
        "compared": [],
        "variants": [variant("", {"layers": 2}, first, runs)],
        "numbers": [],
        "decisions": [
            decided(name, "", 0, True, "7 + 5 gives 11, not 12", 1),
            decided(name, "", 1, False, "58 + 61 gives 129, not 119", 2),
        ],
        "claims": [],
        "verdict": "no verdict: an experiment of your own",
        "differences": [],
        "printed": [],
        "remark": None,
        "made": MACHINE | {"seconds": 0.25, "runs": 2, "cached": 1},
    } | changes


def compared_layers():
    """The report's experiment with two variants."""
    runs = {
        1: [
            run(0, [0.0, 0.0, 0.5]),
            run(1, [0.0, 0.1], error="the loss is not finite"),
        ],
        3: [
            run(0, [0.5, 1.0, 1.0, 1.0]),
            run(1, [0.4, 1.0, 1.0, 1.0]),
        ],
    }
    runs[1][1]["loss"][-1] = None
    one = variant(
        "1 layer",
        {"layers": 1},
        [[20, None], [None, None], [None, None]],
        runs[1],
        report_curve(
            [[0, 2.3], [10, 0.5], [30, 0.04]],
            [[0, 0.0], [10, 0.6], [30, 0.95]],
            [10, 30, None],
        ),
    )
    three = variant(
        "3 layers",
        {"layers": 3},
        [[0, 10], [10, 10], [10, 10]],
        runs[3],
        report_curve([[0, 2.2], [10, 0.25]], [[0, 0.0], [10, 1.0]], [10, 10, 10]),
    )
    return experiment(
        "rnn-layers",
        section="2.3.1",
        title="RNN with 1 and 3 layers",
        says="three layers fastest (0.9 at step 190)",
        headline="3 layers are first at 0.9 for 2 of 2 seeds;\nmedian steps never, 10",
        settings=SETTINGS,
        compared=["layers"],
        variants=[one, three],
        decisions=[
            decided(
                "rnn-layers",
                "1 layer",
                0,
                False,
                "undecided",
                None,
                reason="no interval step for Foo",
            ),
            decided("rnn-layers", "1 layer", 1, False, "7 + 5 gives 11, not 12", 1),
            decided("rnn-layers", "3 layers", 0, True, "58 + 61 gives 129, not 119", 2),
            decided("rnn-layers", "3 layers", 1, True, "58 + 61 gives 129, not 119", 2),
        ],
        numbers=[
            {
                "label": "1 layer: first step at 0.9",
                "kind": "first step at 0.9",
                "ours": [None, None],
                "reports": 30,
                "place": "earlier",
                "by_chance": 0.5,
            },
            {
                "label": "3 layers: first step at 0.9",
                "kind": "first step at 0.9",
                "ours": [10, 10],
                "reports": 10,
                "place": "within",
                "by_chance": 0.5,
            },
        ],
        claims=[
            {
                "claim": "both reach 100%",
                "words": "准确率均可到达100%",
                "readings": [
                    {
                        "asked": "each of the two at 1.0 at some evaluation",
                        "answers": [False, False],
                        "note": "",
                    }
                ],
                "verdict": "does not hold",
                "note": "",
            },
            {
                "claim": "three layers are first",
                "words": "RNN-3最佳,更快达到收敛",
                "readings": [
                    {
                        "asked": "three layers at 0.9 before one layer",
                        "answers": [True, False],
                        "note": "a tie is a no",
                    },
                    {"asked": "not after one layer", "answers": [True, True], "note": ""},
                ],
                "verdict": "depends on the seed",
                "note": "with 5 pairs a step",
            },
        ],
        verdict="1 does not hold, 1 depends on the seed",
    )


def portrait(name, margin):
    """A portrait for the picture of the proof."""
    margins = [[margin + a + b for b in range(10)] for a in range(10)]
    return {
        "name": name,
        "margin": margin,
        "margins": [margins, margins],
        "units": [3, 14],
        "bounds": [[[-2.0, -2.0], [-1.0, -1.0]], [[1.0, 1.0], [2.0, 2.0]]],
        "states": [[[-1.5, -1.4], [-1.2, -1.9]], [[1.5, 1.4], [1.2, 1.9]]],
    }


def remember(margins, fails_at):
    """What was measured of the memory of one adder."""
    return {
        "margins": {"carry": margins, "none": margins},
        "worst": {"start": [5, 5], "nines": [0, 9], "at": 3, "margin": margins[-1]},
        "fails_at": fails_at,
    }


def parts():
    """What is beside the experiments."""
    made = MACHINE | {"seconds": 75.5, "runs": 3, "cached": 0}
    return {
        "gpu": {
            "section": "2.1",
            "title": "CUDA",
            "says": "CUDA is 3 to 4 times faster than the CPU",
            "claims": [],
            "verdict": "not measured: there was no GPU",
            "devices": [
                {
                    "device": "cpu",
                    "kind": "CPU x86_64 AVX512",
                    "ms": [[10, [2.0, 3.0, 9.0]], [100, [18.0]]],
                }
            ],
            "original_ms": [[10, 4.9], [100, 37]],
            "made": made,
        },
        "stress": {
            "title": "Long carry chains",
            "chains": [0, 1, 10, 1000],
            "pairs": 20,
            "adders": [
                {"name": "the simple adder", "accuracy": [[1.0, 1.0, 0.5, 0.0], [1.0] * 4]},
                {"name": "a proven RNN", "accuracy": [[1.0, 1.0, 1.0, 1.0]]},
            ],
            "made": made,
        },
        "long_numbers": {
            "title": "Very long numbers",
            "trained_at": 10,
            "peers": {"Abacus, 2024": 100, "Patriota, 2024": 1000},
            "tests": [
                {
                    "digits": 1000000,
                    "kind": kind,
                    "pairs": pairs,
                    "correct": pairs,
                    "digits_per_second": 1234567.8,
                }
                for kind, pairs in {"long-carry": 3, "999...9 + 1": 1}.items()
            ],
            "made": made | {"torch": "2.12.1"},
        },
        "proof": {
            "title": "Proven for every two numbers",
            "groups": [
                {
                    "label": "RNN, 1 layer",
                    "runs": [
                        {
                            "seed": 0,
                            "verdict": "proven",
                            "margin": 3.36,
                            "checked": True,
                            "refused": None,
                            "slack": 1e-9,
                            "words": "proven",
                            "seconds": 0.75,
                        },
                        {
                            "seed": 1,
                            "verdict": "undecided",
                            "margin": None,
                            "checked": False,
                            "refused": "it is not proven",
                            "slack": None,
                            "words": "undecided",
                            "seconds": 0.5,
                        },
                    ],
                }
            ],
            "by_hand": {
                "verdict": "proven",
                "words": "proven",
                "margin": 0.975,
                "checked": True,
                "refused": None,
                "slack": 1e-9,
                "parameters": 71,
            },
            "portraits": [portrait("the simple adder", -28.8), portrait("a proven RNN", 3.36)],
            "decisions": [
                decided(
                    "RNN, trained for the proof",
                    "RNN, 1 layer",
                    0,
                    None,
                    "proven",
                    None,
                    margin=3.36,
                ),
                decided("RNN, trained for the proof", "RNN, 1 layer", 1, None, "undecided", None),
            ],
            "made": made,
        },
        "errors": {
            "title": "How often an adder at 100% is wrong",
            "pairs": 30000,
            "groups": [
                {
                    "name": "rnn-layers",
                    "adders": [
                        {
                            "variant": "3 layers",
                            "seed": 0,
                            "pairs": 30000,
                            "wrong": 0,
                            "per_million": 0.0,
                            "interval": [0.0, 123.0],
                        },
                        {
                            "variant": "3 layers",
                            "seed": 1,
                            "pairs": 30000,
                            "wrong": 3,
                            "per_million": 100.0,
                            "interval": [20.6, 292.0],
                        },
                    ],
                }
            ],
            "adders": 2,
            "none_seen": 1,
            "none_seen_below": 122.96,
            "most": 100.0,
            "pairs_per_second": 90000.0,
            "made": made,
        },
        "memory": {
            "title": "How long an adder remembers a carry",
            "most": 3,
            "groups": [
                {
                    "name": "rnn-layers",
                    "adders": [remember([5.0, 2.0, -1.0, -3.0], 2)],
                    "failed": 1,
                    "first": 2,
                    "last": 2,
                    "least_margin": -3.0,
                },
                {
                    "name": "RNN, trained for the proof",
                    "adders": [remember([5.0, 5.0, 5.0, 5.0], None)],
                    "failed": 0,
                    "first": None,
                    "last": None,
                    "least_margin": 5.0,
                },
            ],
            "made": made,
        },
        "little": {
            "title": "Training on short numbers",
            "tested_at": [10, 1000],
            "cells": [
                {
                    "cell": "RNN",
                    "enough": 5,
                    "trained": [
                        {
                            "digits": 1,
                            "seeds": 2,
                            "mean": [0.0, 0.0],
                            "least": [0.0, 0.0],
                            "greatest": [0.0, 0.0],
                            "seconds": 2.0,
                        },
                        {
                            "digits": 5,
                            "seeds": 2,
                            "mean": [1.0, 0.995],
                            "least": [1.0, 0.99],
                            "greatest": [1.0, 1.0],
                            "seconds": 2.5,
                        },
                    ],
                }
            ],
            "good": 0.995,
            "pairs": 100,
            "others": [{"name": "the report's code", "digits": 5000, "seconds": 5178.0}],
            "decisions": [
                decided(
                    "RNN, trained on short numbers",
                    "1 digits",
                    0,
                    None,
                    "7 + 5 gives 11, not 12",
                    1,
                ),
                decided("RNN, trained on short numbers", "5 digits", 0, None, "undecided", None),
            ],
            "made": made,
        },
    }


def experiments():
    """Experiments of each kind: the report's, one's own, and one with other settings."""
    return {
        "rnn-layers": compared_layers(),
        "my_own": experiment("my_own"),
        "wide": experiment(
            "wide",
            section="1.2",
            title="The simple adder",
            says="loss 0.308 at step 200",
            differences=["batch_size is 1000, the report's is 100"],
            made=MACHINE
            | {"seconds": 0.25, "runs": 2, "cached": 0, "device": "CPU arm64", "torch": "2.12.1"},
        ),
    }


# The parts that write these results, in the order of a page.
OVERVIEWS = {"verdicts": Verdicts(), "decided": Decided()}
BEYOND = {
    "gpu": Gpu([10, 100], "cpu"),
    "stress": Stress({}, [0, 1, 10, 1000], 20),
    "long_numbers": LongNumbers(ForProof("RNN", [0]), {1_000_000: 3}),
    "proof": Proof([ForProof("RNN", [0, 1])], {}),
    "errors": Errors({}, 30_000),
    "memory": Memory({}, 3),
    "little": Little(SIMPLE, ["RNN"], [1, 5], [10, 1000], [0, 1], {}),
}
EXPERIMENTS = {name: Experiment((), ()) for name in experiments()}
PARTS = OVERVIEWS | EXPERIMENTS | BEYOND


def results():
    """The whole of a results.json; no part writes "old" any more."""
    entries = experiments() | parts()
    overviews = {name: plain(part.result(entries)) for name, part in OVERVIEWS.items()}
    old = experiment("old", made=MACHINE | {"seconds": 9.5, "runs": 2, "cached": 0})
    made = {"cores": 2, "seconds": 1087.06, "cached": 3, "took": 565.087, "runs": 257}
    everything = {
        "version": VERSION,
        "made": MACHINE | made,
        "parts": overviews | entries | {"old": old},
        "pictures": {},
    }
    return copy.deepcopy(everything)
