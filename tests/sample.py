"""Small results with every part, made by hand: what pictures and page read."""

import copy

MACHINE = {
    "python": "3.11.7",
    "torch": "2.13.0+cpu",
    "numpy": "2.4.6",
    "device": "CPU x86_64 AVX512",
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


def run(seed, accuracy, decided, digits, **changes):
    """One run, evaluated every 10 steps, its loss halved from one evaluation to the next."""
    steps = [10 * (place + 1) for place in range(len(accuracy))]
    verdict = decided if decided in ("proven", "undecided") else "wrong"
    return {
        "seed": seed,
        "steps": steps,
        "loss": [2.0**-place for place in range(len(accuracy))],
        "accuracy": accuracy,
        "error": None,
        "ms_per_step": 2.5 + seed,
        "seconds": 0.1,
        "verdict": verdict,
        "reason": None,
        "pair": [7, 5] if verdict == "wrong" else None,
        "answer": 11 if verdict == "wrong" else None,
        "digits": digits,
        "decided": decided,
    } | changes


def variant(label, settings, first, runs, shortest=None):
    """One variant; `first` has the first steps at 100%, one a seed."""
    return {
        "label": label,
        "settings": SETTINGS | settings,
        "legend": f"{label or 'measured'}: {f'step {first[0]}' if first[0] else 'never'}",
        "first": {"90%": [10] * len(runs), "100%": first},
        "shortest": shortest,
        "runs": runs,
    }


def experiment(name, **changes):
    """An experiment of one variant and two seeds, without claims."""
    runs = [
        run(0, [0.5, 0.995, 1.0, 1.0], "7 + 5 gives 11, not 12", 1),
        run(1, [0.0, 0.5, 0.9, 0.99], "58 + 61 gives 129, not 119", 2),
    ]
    return {
        "section": None,
        "title": name,
        "says": None,
        "headline": f"{name}: first step at 90%, median of 2 seeds",
        "level": 0.9,
        "settings": SETTINGS | {"layers": 2},
        "compared": [],
        "variants": [variant("", {"layers": 2}, [30, None], runs, "7 + 5 gives 11, not 12")],
        "claims": [],
        "verdict": "no verdict: an experiment of your own",
        "differences": [],
        "report_points": {"loss": [], "accuracy": []},
        "picture": f"{name}.png",
        "made": MACHINE | {"seconds": 0.25, "runs": 2, "cached": 1},
    } | changes


def compared_layers():
    """The report's experiment with two variants."""
    runs = {
        1: [
            run(0, [0.0, 0.0, 0.5], "undecided", None, reason="no interval step for Foo"),
            run(1, [0.0, 0.1], "7 + 5 gives 11, not 12", 1, error="the loss is not finite"),
        ],
        3: [
            run(0, [0.5, 1.0, 1.0, 1.0], "58 + 61 gives 129, not 119", 2),
            run(1, [0.4, 1.0, 1.0, 1.0], "58 + 61 gives 129, not 119", 2),
        ],
    }
    runs[1][1]["loss"][-1] = None
    return experiment(
        "rnn-layers",
        section="2.3.1",
        title="RNN with 1 and 3 layers",
        says="three layers fastest (0.9 at step 190)",
        settings=SETTINGS,
        compared=["layers"],
        variants=[
            variant("1 layer", {"layers": 1}, [None, None], runs[1], "7 + 5 gives 11, not 12"),
            variant("3 layers", {"layers": 3}, [20, 20], runs[3], "58 + 61 gives 129, not 119"),
        ],
        claims=[
            {
                "claim": "both reach 100%",
                "answers": [False, False],
                "verdict": "does not hold",
                "note": "",
            },
            {
                "claim": "three layers are first",
                "answers": [True, False],
                "verdict": "depends on the seed",
                "note": "with 5 pairs a step",
            },
        ],
        verdict="1 does not hold, 1 depends on the seed",
        report_points={
            "loss": [[None, 20, 0.3]],
            "accuracy": [["3 layers", 15, 0.9], [None, 5, 0.5]],
        },
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


def adder(perfect, decided, digits):
    """One adder of the counts."""
    verdict = decided if decided in ("proven", "undecided") else "wrong"
    return {"perfect": perfect, "verdict": verdict, "decided": decided, "digits": digits}


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
            "picture": "gpu.png",
            "made": made,
        },
        "stress": {
            "picture": "stress.png",
            "chains": [0, 1, 10, 1000],
            "pairs": 20,
            "adders": [
                {"name": "the simple adder", "accuracy": [[1.0, 1.0, 0.5, 0.0], [1.0] * 4]},
                {"name": "a proven RNN", "accuracy": [[1.0, 1.0, 1.0, 1.0]]},
            ],
            "made": made,
        },
        "lengths": {
            "trained_at": 10,
            "peers": {"Abacus, 2024": 100, "Patriota, 2024": 1000},
            "lengths": [
                {
                    "length": 1000000,
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
            "picture": "proof.png",
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
                            "decided": "proven",
                            "digits": None,
                            "seconds": 0.75,
                        },
                        {
                            "seed": 1,
                            "verdict": "undecided",
                            "margin": None,
                            "checked": False,
                            "refused": "it is not proven",
                            "slack": None,
                            "decided": "undecided",
                            "digits": None,
                            "seconds": 0.5,
                        },
                    ],
                }
            ],
            "portraits": [portrait("the simple adder", -28.8), portrait("a proven RNN", 3.36)],
            "made": made,
        },
        "decided": {
            "picture": "decided.png",
            "groups": [
                {
                    "name": "rnn-layers",
                    "adders": [
                        adder(True, "58 + 61 gives 129, not 119", 2),
                        adder(True, "58 + 61 gives 129, not 119", 2),
                        adder(False, "7 + 5 gives 11, not 12", 1),
                        adder(False, "undecided", None),
                    ],
                },
                {
                    "name": "proven, RNN",
                    "adders": [
                        adder(None, "proven", None),
                        adder(None, "5 + 5 gives 0, not 10", 1),
                    ],
                },
            ],
            "adders": 6,
            "evaluated": 4,
            "perfect": 2,
            "perfect_but_wrong": 2,
            "most_digits": 2,
            "wrong": 4,
            "proven": 1,
            "undecided": 1,
        },
    }


def results():
    """Every part of a results.json; "old" is named by EXPERIMENTS no longer."""
    layers = compared_layers()
    experiments = {
        "old": experiment("old", made=MACHINE | {"seconds": 9.5, "runs": 2, "cached": 0}),
        "rnn-layers": layers,
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
    lines = [
        {"claim": "rnn-layers: RNN with 1 and 3 layers", "verdict": "", "answers": []},
        *layers["claims"],
        {"claim": "wide: The simple adder", "verdict": "no verdict", "answers": []},
    ]
    made = {"cores": 2, "work_seconds": 1087.06, "cached": 3, "seconds": 565.087, "runs": 257}
    everything = {
        "names": ["rnn-layers", "my_own", "wide", "slow"],
        "made": MACHINE | made | {"ran": ["rnn-layers", "my_own", "wide"]},
        "rule": {"confidence": 0.95, "reading_error": 1.05, "steady": 3},
        "experiments": experiments,
        **parts(),
        "verdicts": {"picture": "verdicts.png", "lines": lines},
        "pictures": {},
    }
    return copy.deepcopy(everything)
