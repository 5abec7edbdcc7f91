"""One long call each, a dict of settings in, a record out: train an adder, prove one, check one, time a step."""

import multiprocessing
import random
import statistics
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import torch

import proof
import pt
from data import carry_rich_digits, check_at_least, gen_data_batch, sum_digits
from pt import (
    Adder,
    check_device,
    check_training,
    seed_everything,
    to_tensors,
    train,
    training_range,
    training_step,
)


def train_run(settings, log):
    """Train one new adder as `settings` say and return (record, weights).

    `settings`: cell, layers, lr (of Adam), digitlen, steps, batch_size, test_size, pairs,
    stop_after, seed, device. The same settings give the same curves again on the same machine, bit for
    bit. `record` has the curves of `train`, the step of the first measured accuracy of 1.0 or None,
    seconds in all, milliseconds a step, and error: None, or what ended the run early. `weights` is a
    state_dict.
    """
    device = check_settings(settings)
    seed_everything(settings["seed"])
    began = time.perf_counter()
    model = Adder(settings["cell"], settings["layers"]).to(device)
    optimizer = torch.optim.Adam(model.parameters(), lr=settings["lr"], fused=True)
    error = None
    try:
        names = ("digitlen", "batch_size", "test_size", "pairs", "stop_after")
        chosen = {name: settings[name] for name in names}
        train(settings["steps"], model, optimizer, device, log=log, **chosen)
    except FloatingPointError as stopped:
        error = str(stopped)
    curves = model.curves
    right = [step for step, accuracy in zip(curves["measured_at"], curves["accuracy"]) if accuracy == 1.0]
    record = dict(
        curves,
        first_100=right[0] if right else None,
        total_seconds=time.perf_counter() - began,
        ms_per_step=1e3 * curves["seconds"]["training"] / max(1, len(curves["loss"])),
        error=error,
    )
    return record, {name: tensor.cpu() for name, tensor in model.state_dict().items()}


def check_settings(settings):
    """Raise ValueError for a setting that `train_run` cannot work with; returns the device."""
    names = ("steps", "digitlen", "batch_size", "test_size", "pairs", "stop_after")
    check_training(**{name: settings[name] for name in names})
    Adder(settings["cell"], settings["layers"])
    if not isinstance(settings["lr"], (int, float)) or not settings["lr"] > 0:
        raise ValueError(f"lr must be a number above 0, got {settings['lr']!r}")
    check_at_least("seed", settings["seed"], 0)
    return check_device(settings["device"])


def time_steps(digitlen, device, batch_size=100):
    """(seconds of a training step of the simple adder, GFLOP/s of large matrix products) on `device`.

    Both are the median of three, after one that does not count; of one where it takes over a second.
    """
    seed_everything(0)
    model = Adder().to(device)
    optimizer = torch.optim.Adam(model.parameters(), fused=True)
    batch = to_tensors(gen_data_batch(batch_size, *training_range(digitlen)), digitlen, device)
    matrix = torch.ones(2048, 2048, device=device)

    def seconds(work):
        took = []
        while len(took) < 4 and not (len(took) == 2 and took[1] > 1):
            began = time.perf_counter()
            work()
            if torch.device(device).type == "cuda":
                torch.cuda.synchronize(device)
            took.append(time.perf_counter() - began)
        return statistics.median(took[1:])

    return seconds(lambda: training_step(model, optimizer, *batch)), 2 * 2048**3 / seconds(lambda: matrix @ matrix) / 1e9


def timed(function, *arguments):
    """(what `function(*arguments)` returns, the seconds that it took)."""
    began = time.perf_counter()
    result = function(*arguments)
    return result, time.perf_counter() - began


def prove_run(settings):
    """Train an adder for the proof and prove it, beside the time of `import torch` in a fresh process."""
    record = {"error": None, "import_seconds": None}
    if settings["time_import"]:
        command = [sys.executable, "-c", "import torch"]
        _, record["import_seconds"] = timed(lambda: subprocess.run(command, check=True))
    arguments = settings["layers"], settings["seed"], settings["device"]
    (model, found), record["train_and_prove_seconds"] = timed(proof.train_proven, *arguments)
    _, record["prove_seconds"] = timed(proof.prove, model)
    record["total_seconds"] = record["train_and_prove_seconds"] + record["prove_seconds"]
    record |= {name: getattr(found, name) for name in ("proven", "margin", "noise", "fails_at")}
    verdict = "proven" if found.proven else f"not proven, at (digit, digit, carry) {found.fails_at}"
    record["said"] = f"{verdict}, least margin {found.margin:.2f}, noise to {found.noise:.4f}"
    return record, {name: tensor.cpu() for name, tensor in model.state_dict().items()}


def check_run(settings):
    """Let a proven adder add: numbers of all lengths, ten million carry-heavy digits, and with noise."""
    began = time.perf_counter()
    context = multiprocessing.get_context("spawn")  # a fresh process, to measure its memory
    with ProcessPoolExecutor(1, context, initializer=torch.set_num_threads, initargs=(1,)) as child:
        lengths = child.submit(length_test, settings).result()
    model, found = proof.train_proven(settings["layers"], settings["seed"], settings["device"])
    random.seed(settings["seed"])
    pairs = carry_rich_digits(1000, settings["digits"] // 1000)
    wrong = int((answers(model, *pairs) != sum_digits(*pairs)).sum())
    noisy_wrong = 0
    for _ in range(settings["digits"] // 100_000):
        pairs = carry_rich_digits(1000, 100)
        tensors = [torch.from_numpy(digits.astype(np.int64)).to(settings["device"]) for digits in pairs]
        _, answer = proof.noisy_states(model, *tensors, found.noise)
        noisy_wrong += int((answer.cpu().numpy() != sum_digits(*pairs)[:, :-1]).sum())
    record = {
        "error": None, "lengths": lengths, "proven": found.proven, "noise": found.noise,
        "digits": settings["digits"], "wrong_digits": wrong, "noisy_wrong_digits": noisy_wrong,
        "total_seconds": time.perf_counter() - began,
    }  # fmt: skip
    record["said"] = f"{wrong} digits wrong of {settings['digits']:,}, {noisy_wrong} with noise {found.noise:.4f}"
    return record, {}


def cost_run(settings):
    """The milliseconds of a training step of the simple adder, and the device's matrix rate in GFLOP/s."""
    (seconds, rate), total = timed(time_steps, settings["digitlen"], settings["device"])
    record = {"error": None, "ms_per_step": 1e3 * seconds, "gflops": rate, "total_seconds": total}
    record["said"] = f"{record['ms_per_step']:.1f} ms a training step, matrices at {rate:.0f} GFLOP/s"
    return record, {}


def answers(model, digits_1, digits_2):
    """The digits of a model's sums, with room for the last carry, (batch, digits + 1)."""
    return pt.add_digits(model, *(np.pad(digits, ((0, 0), (0, 1))) for digits in (digits_1, digits_2)))


def length_test(settings):
    """Accuracy, speed and memory of a proven adder at each of the settings' lengths, the shortest first."""
    model, _ = proof.train_proven(settings["layers"], settings["seed"], settings["device"])
    random.seed(settings["seed"])
    found = []
    for length, count in sorted(settings["lengths"]):
        nines, one = np.full((1, length), 9, np.uint8), np.eye(1, length, dtype=np.uint8)
        uniform = np.random.default_rng(random.getrandbits(64)).integers(0, 10, (2, count, length), np.uint8)
        kinds = {"random": uniform, "carry-heavy": carry_rich_digits(count, length), "999...9 + 1": (nines, one)}
        for kind, pairs in kinds.items():
            answer, seconds = timed(answers, model, *pairs)
            right = (answer == sum_digits(*pairs)).all(1)
            found.append({
                "length": length, "kind": kind, "pairs": len(right), "right": int(right.sum()),
                "digits_per_second": answer.size / seconds, "peak_memory_mb": peak_memory(),
            })  # fmt: skip
    return found


def peak_memory():
    """The most memory that this process has held so far, in MB; None where the system does not say."""
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        return None
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024
