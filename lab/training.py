"""The runs that train an adder as its settings say, or time a step.

A run's function takes its arguments and `progress(share, line)`, which it calls now and then with
how much is done and a line to print, and returns a dict of plain values and tensors. The same
arguments give the same result again on the same kind of machine, but for its times. All that this
file imports is part of the name of each training: nothing of the proof, nothing of the pictures.
"""

import time

import torch

import data
import pt

# The settings that `pt.train` takes too.
TRAINING = (
    "digitlen",
    "batch_size",
    "test_size",
    "eval_every",
    "pairs",
    "stop_after_perfect",
)


def expected_steps(settings):
    """About how many steps a training takes before it may stop."""
    return settings.steps * (0.6 if settings.stop_after_perfect else 1)


def train_adder(settings, progress):
    """Train one new adder as its `Settings` say.

    Returns {"loss": [one a step], "accuracy": [one an evaluation], "steps": [those of the
    evaluations], "error": None or what ended it early, "ms_per_step": evaluations included,
    "adder": as `plain_adder` has it}.
    """
    pt.seed_everything(settings.seed)
    began = time.perf_counter()
    model = pt.Adder(settings.cell, settings.layers, settings.hidden, settings.embedding)
    model.to(settings.device)
    if settings.optimizer == "SGD":
        optimizer = torch.optim.SGD(
            model.parameters(), lr=settings.lr, momentum=settings.momentum, fused=True
        )
    else:
        of_name = {"Adam": torch.optim.Adam, "AdamW": torch.optim.AdamW}[settings.optimizer]
        optimizer = of_name(model.parameters(), lr=settings.lr, fused=True)
    steps = expected_steps(settings)

    def log(line):
        progress(min(1.0, len(model.loss_history) / steps), line)

    error = None
    chosen = {name: getattr(settings, name) for name in TRAINING}
    try:
        pt.train(settings.steps, model, optimizer, settings.device, log=log, **chosen)
    except FloatingPointError as stopped:
        error = str(stopped)
    seconds = time.perf_counter() - began
    return {
        "loss": model.loss_history,
        "accuracy": model.accuracy,
        "steps": model.evaluated_at,
        "error": error,
        "ms_per_step": 1e3 * seconds / max(1, len(model.loss_history)),
        "adder": plain_adder(model),
    }


def plain_adder(model):
    """An adder as a result holds it: {"cell", "layers", "weights": its state_dict on the CPU}."""
    weights = {name: tensor.cpu() for name, tensor in model.state_dict().items()}
    return {"cell": model.cell, "layers": model.layers, "weights": weights}


def time_step(digitlen, device, progress):
    """Time a training step of the simple adder at `digitlen`, 100 pairs, on `device`.

    Returns {"ms": [four times]}, each the mean over as many steps as fill a quarter of a second, or
    of one step, after two for nothing.
    """
    pt.seed_everything(0)
    device = torch.device(device)
    model = pt.Adder().to(device)
    optimizer = torch.optim.Adam(model.parameters(), fused=True)
    batch = pt.to_tensors(data.draw_training_pairs(100, digitlen), device)

    def take_steps(count):
        began = time.perf_counter()
        for _ in range(count):
            pt.training_step(model, optimizer, *batch)
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        return time.perf_counter() - began

    take_steps(1)  # the first one takes longer
    count = max(1, round(0.25 / take_steps(1)))
    return {"ms": [1e3 * take_steps(count) / count for _ in range(4)]}
