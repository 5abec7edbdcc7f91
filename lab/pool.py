"""Long calls shared by the cores of a machine or the workers of a cluster, each result kept as it ends.

A call's function takes (settings, progress) and returns a dict with `said`, its result in a line; meanwhile it
may call `progress(share, line)`: how much of it is done, and a line to print, or None. What it returns must
follow from its settings, the code, the versions and the kind of machine, for it is kept in the name of these.
"""

import contextlib
import hashlib
import io
import json
import logging
import math
import multiprocessing
import os
import platform
import queue
import re
import signal
import statistics
import sys
import threading
import time
import types
from collections.abc import Callable
from concurrent import futures
from typing import NamedTuple

import numpy as np
import torch
from torch.backends.cpu import get_cpu_capability
from tqdm import tqdm


class Call(NamedTuple):
    """One long call."""

    function: Callable
    settings: dict  # plain values; "device" is where it runs
    title: str  # its name in printed lines
    seconds: float  # about how long it takes: for the order and the bar
    spoken: bool = False  # whether the lines of its progress are printed


def key(call):
    """What tells a call from others: its function's name and its settings."""
    return json.dumps([call.function.__name__, call.settings], sort_keys=True)


def machine(device):
    """What decides a call's numbers beside settings and code: versions, a GPU's name or a CPU's instruction set."""
    kind = f"CPU {platform.machine()} {get_cpu_capability()}"
    if torch.device(device).type == "cuda":
        kind = torch.cuda.get_device_name(device) if torch.cuda.is_available() else "no CUDA"
    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "device": kind,
    }


def conduct(calls, finished, folder, sources, workers, scheduler=None):
    """Bring the result of every call into `finished`, {key: result}; returns how many were kept in `folder`.

    `sources`, {module's name: text} in the order of their imports, is the code that makes the results. The calls
    go to `workers` processes of one torch thread each, the longest first, or to the workers of the Dask cluster
    at the address `scheduler`. Raises ValueError where the cluster's workers differ and ConnectionError where it
    is gone; what is finished by then is kept.
    """
    todo = {key(call): call for call in calls if key(call) not in finished}
    if not todo:
        return 0
    devices = sorted({call.settings["device"] for call in todo.values()})
    pool = (
        cluster(scheduler, devices, sources)
        if scheduler
        else local(min(workers, len(todo)), devices)
    )
    with pool as (submit, machines, news):
        paths = {
            name: folder / digest(name, machines[call.settings["device"]], sources)
            for name, call in todo.items()
        }
        taken_over = {name: result for name, path in paths.items() if (result := kept(path))}
        if taken_over:
            print(
                f"Taken over: {len(taken_over)} finished runs. To train all afresh, delete {folder.name}/."
            )
        finished.update(taken_over)
        todo = {name: call for name, call in todo.items() if name not in finished}
        if todo:
            finish(todo, submit, news, paths, finished)
    return len(taken_over)


def finish(todo, submit, news, paths, finished):
    """Submit the calls {key: call}, the longest first, and keep and announce each result as it comes."""
    form, shares = (
        "{percentage:3.0f}% |{bar}| {elapsed} gone, {remaining} left",
        dict.fromkeys(todo, 0.0),
    )
    total = sum(call.seconds for call in todo.values())
    with tqdm(total=total, bar_format=form, smoothing=0, dynamic_ncols=True) as bar:
        with ctrl_c_held():  # workers start here, and leave Ctrl-C to this process, which ends them
            longest_first = sorted(todo, key=lambda name: -todo[name].seconds)
            waiting = {submit(name, todo[name]): name for name in longest_first}
        while waiting:
            ended, _ = futures.wait(waiting, timeout=1, return_when=futures.FIRST_COMPLETED)
            while not news.empty():
                name, share, line = news.get()
                shares[name] = max(share, shares[name])
                if line and todo[name].spoken:
                    bar.write(f"{todo[name].title}: {line}")
            for future in ended:
                name = waiting.pop(future)
                finished[name], shares[name] = future.result(), 1.0
                unkept = keep(paths[name], finished[name])
                bar.write(f"{todo[name].title}: {finished[name]['said']}{unkept}")
            bar.n = min(
                bar.total, sum(todo[name].seconds * share for name, share in shares.items())
            )
            bar.refresh()


def digest(name, machine, sources):
    """The name of the file that keeps a result."""
    return hashlib.sha256(json.dumps([name, machine, sources], sort_keys=True).encode()).hexdigest()


def keep(path, result):
    """Write `result` whole or not at all, its checksum before it; returns "", or what to say where it cannot be."""
    payload = io.BytesIO()
    torch.save(result, payload)
    content = payload.getvalue()
    aside = path.with_suffix(f".{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(aside, "wb") as file:
            file.write(hashlib.sha256(content).digest() + content)
            file.flush()
            os.fsync(file.fileno())  # a power cut must not leave the new name on an empty file
        aside.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            aside.unlink()
        return f" (not kept: {error})"
    return ""


def kept(path):
    """The result kept at `path`; None if there is none, or it is damaged, which is said."""
    try:
        content = path.read_bytes()
    except OSError:
        return None
    if hashlib.sha256(content[32:]).digest() != content[:32]:
        print(f"A kept run is damaged and is trained again: {path.name}")
        return None
    return torch.load(io.BytesIO(content[32:]), weights_only=True)


def plain(value):
    """`value` as a JSON file gives it back: lists for tuples, text for keys, floats at six digits, None for NaN."""
    if isinstance(value, float):
        return float(f"{value:.6g}") if math.isfinite(value) else None
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return (
        {str(key): plain(item) for key, item in value.items()} if isinstance(value, dict) else value
    )


def write(results, path):
    """Write `results` as JSON to `path`, a list of numbers on one line."""
    text = json.dumps(results, indent=1)
    path.write_text(
        re.sub(r"\[[^][{}]+\]", lambda found: " ".join(found[0].split()), text) + "\n",
        encoding="utf-8",
    )


# --- Workers: each pool gives (submit(key, call) -> future, {device: machine}, a queue of news).


@contextlib.contextmanager
def local(workers, devices):
    """A pool of processes on this machine; broken off, it ends them at once."""
    # By default glibc gives large blocks back to the system and asks for them anew at each step: that took up
    # to a fifth of it at 1000 and 5000 digits. Workers read this as they start.
    os.environ.setdefault("MALLOC_TRIM_THRESHOLD_", str(2**30))
    os.environ.setdefault("MALLOC_MMAP_THRESHOLD_", str(2**25))
    context = multiprocessing.get_context("spawn")  # a forked process cannot use CUDA
    news = context.Queue()
    pool = futures.ProcessPoolExecutor(workers, context, initializer=start_worker, initargs=(news,))
    try:
        submit = lambda name, call: pool.submit(perform, name, call.function, call.settings)
        yield submit, {device: machine(device) for device in devices}, news
    except BaseException:
        for process in multiprocessing.active_children():
            process.kill()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def start_worker(to_parent):
    """Prepare a worker process: one thread, and never outlive its parent."""
    global news
    news = to_parent
    torch.set_num_threads(1)
    parent = multiprocessing.parent_process()

    def follow():
        parent.join()
        os._exit(1)

    threading.Thread(target=follow, daemon=True).start()


def perform(name, function, settings):
    """Do a call in a worker process, its progress told under `name`."""
    return timed(function, settings, lambda *told: news.put((name, *told)))


def timed(function, settings, progress):
    """What a call returns, and `seconds`, how long it took."""
    began = time.perf_counter()
    return function(settings, progress) | {"seconds": time.perf_counter() - began}


@contextlib.contextmanager
def ctrl_c_held():
    """Hold Ctrl-C back for a moment; processes started meanwhile never get it (where signals can be held).

    A handler of its own, too: where this thread holds it, another, a library's, may take it for the whole process.
    """
    hold, pressed = getattr(signal, "pthread_sigmask", lambda *_: None), []
    block, unblock = getattr(signal, "SIG_BLOCK", None), getattr(signal, "SIG_UNBLOCK", None)
    before = signal.signal(signal.SIGINT, lambda *_: pressed.append(True))
    hold(block, [signal.SIGINT])
    try:
        yield
    finally:
        hold(unblock, [signal.SIGINT])
        signal.signal(signal.SIGINT, before)
    if pressed:
        raise KeyboardInterrupt


@contextlib.contextmanager
def cluster(scheduler, devices, sources):
    """The workers of a Dask cluster, once they are found to be alike; they get the code from here."""
    import cloudpickle  # these two only where there is a cluster
    import distributed

    logging.disable(logging.CRITICAL)  # what goes wrong is said below, in one line
    cloudpickle.register_pickle_by_value(
        sys.modules[__name__]
    )  # the workers have no copy of this file
    gone = f"the cluster at {scheduler} is gone or not there, or has no workers"
    try:
        with distributed.Client(scheduler, timeout=5, set_as_default=False) as client:
            client.wait_for_workers(1, timeout=5)
            told = lambda dask_worker: {
                on: machine(on) | {"threads": dask_worker.state.nthreads} for on in devices
            }
            machines = alike(client.run(told))
            pool = client.get_executor()

            def submit(name, call):
                settings, function = (
                    call.settings,
                    (call.function.__module__, call.function.__name__),
                )
                # A lambda, for Dask sends a named function by its name alone.
                return pool.submit(
                    lambda: perform_there(
                        sources, *function, settings, machines[settings["device"]]
                    )
                )

            yield submit, machines, queue.Queue()  # no news: a call there is silent to its end
    except (futures.CancelledError, OSError, distributed.KilledWorker) as error:
        raise ConnectionError(f"{gone} ({type(error).__name__})") from None


def alike(found):
    """{device: machine} of all workers, from {address: {device: machine, and how many calls it does at a time}}.

    Versions must be those of this process, the kind of device that of most workers, and calls come one at a time:
    ValueError names a worker that differs.
    """
    machines = {}
    for device in next(iter(found.values())):
        kind = statistics.mode(of_worker[device]["device"] for of_worker in found.values())
        machines[device] = machine("cpu") | {"device": kind}
        for address, of_worker in found.items():
            for what, needed in (machines[device] | {"threads": 1}).items():
                if (value := of_worker[device][what]) != needed:
                    raise ValueError(
                        f"the worker at {address} has {what} {value}, but {needed} is needed"
                    )
    return machines


def perform_there(sources, module, function, settings, expected):
    """Do a call in a worker of a cluster, on one thread, by the code in `sources`."""
    torch.set_num_threads(1)
    if machine(settings["device"]) != expected:  # a worker that came later
        raise ValueError(
            f"a worker on {platform.node()} is {machine(settings['device'])}, expected {expected}"
        )
    if any(
        getattr(sys.modules.get(name), "SOURCE", None) != text for name, text in sources.items()
    ):
        for name, text in sources.items():
            loaded = sys.modules[name] = types.ModuleType(name)
            loaded.SOURCE, loaded.__path__ = text, []  # a folder's modules come after it
            folder, _, inside = name.rpartition(".")
            if folder:
                setattr(sys.modules[folder], inside, loaded)
            exec(compile(text, f"{name}.py", "exec"), loaded.__dict__)  # noqa: S102 (this is what a worker is for)
    return timed(getattr(sys.modules[module], function), settings, lambda *_: None)
