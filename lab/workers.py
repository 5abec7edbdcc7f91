"""Who executes runs: worker processes of this machine, or this process.

A workplace executes one run at a time in each process: random draws and the number of torch
threads are of the whole process. It has

    name                              who executes the runs, in words
    count                             how many runs at a time; None where that changes
    machine(device)                   what decides numbers there: `lab.cache.describe_machine`
    limit                             how many runs to hand over at a time
    submit(device, name, code, packed)  a future of what `execute` returns, or of a line: why not
    losses_said()                     a context: LabError says that the workers are gone
    read_news()                       (name, share) of runs: how much of each is done by now
    close()                           ends what is executed
"""

import contextlib
import ctypes
import functools
import multiprocessing
import os
import pickle
import queue
import signal
import sys
import threading
import time
from concurrent import futures
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import resource_tracker
from pathlib import Path

import torch

from lab import cache
from lab.cache import LabError

# Of glibc's mallopt. By default large blocks go back to the system and are asked for anew at each
# step: that took up to a fifth of it at 1000 and 5000 digits.
THRESHOLDS = {"MALLOC_TRIM_THRESHOLD_": (-1, 2**30), "MALLOC_MMAP_THRESHOLD_": (-3, 2**25)}
check_once = functools.cache(cache.check_unedited)  # edits after the imports disturb nothing
send_news = None  # in a worker process: ((name, share)) -> None


# --- A run, where it is executed.


def execute(name, code, packed):
    """Execute a run, a function and its arguments; returns (its result, the lines of its progress).

    They are `packed` as bytes, and so is the result, by `cache.pack`: PyTorch would send each
    tensor to another process as a file in shared memory, which stays open as long as it is kept.
    Raises LabError where this process imported other code than `code`, which is as
    `cache.digest_code` has it, or None where the code came with the run.
    """
    lines = []

    def progress(share, line):
        if line is not None:
            lines.append(line)
        if send_news is not None:
            send_news((name, share))

    try:
        function, arguments = pickle.loads(packed)
    finally:  # right after the imports, also where an edit broke them
        if code is not None:
            check_once(code)
    began = time.perf_counter()
    result = function(*arguments, progress=progress)
    return cache.pack(result | {"seconds": time.perf_counter() - began}), lines


# --- This process alone.


class ThisProcess:
    """Executes each run as it is handed over, in this process: for `breakpoint()` and debuggers."""

    name = "this process"
    count = 1
    limit = 1
    machine = staticmethod(cache.describe_machine)
    losses_said = contextlib.nullcontext

    def submit(self, device, *call):
        """Execute a run on one torch thread; returns a future that is done."""
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        future = futures.Future()
        try:
            future.set_result(execute(*call))
        except Exception as error:
            future.set_exception(error)
        finally:
            torch.set_num_threads(threads)
        return future

    def read_news(self):
        """Nothing: a run has ended when it is heard of."""
        return []

    def close(self):
        """Nothing."""


# --- Processes of this machine.


class OwnContext(multiprocessing.context.SpawnContext):
    """Starts processes as "spawn" does (a forked one cannot use CUDA), and knows its own."""

    def __init__(self):
        super().__init__()
        self.processes = []

    def Process(self, *arguments, **options):
        """A new process."""
        self.processes.append(super().Process(*arguments, **options))
        return self.processes[-1]


class Processes:
    """Worker processes, started as runs need them, of one torch thread each."""

    machine = staticmethod(cache.describe_machine)

    def __init__(self, count):
        self.count = min(count, 61) if os.name == "nt" else count  # Windows waits for no more
        self.name = "1 worker process" if count == 1 else f"{self.count} worker processes"
        self.limit = self.count + 1  # so that no worker waits for its next run
        self.context = OwnContext()
        self.news = None  # a queue of (name, share)

    @functools.cached_property
    def executor(self):
        """The executor, made for the first run that is executed."""
        main_file = getattr(sys.modules["__main__"], "__file__", None)
        if main_file is not None and not os.path.exists(main_file):
            raise LabError(
                f"worker processes read the script again, but {main_file} is no file: "
                "save the script as one, or set WORKERS = 0"
            )
        try:
            self.news = self.context.Queue()
            self.begun = self.context.SimpleQueue()  # process ids of workers
            return futures.ProcessPoolExecutor(
                self.count, self.context, start_worker, (self.news.put, self.begun)
            )
        except (OSError, ImportError) as error:
            raise LabError(
                f"worker processes need semaphores in shared memory ({error}): set WORKERS = 0"
            ) from None

    def submit(self, device, *call):
        """Have a run executed; returns its future. A worker may start: it never gets Ctrl-C."""
        with ctrl_c_held():
            return self.executor.submit(execute, *call)

    def read_news(self):
        """The news since the last call."""
        with contextlib.suppress(queue.Empty):
            while self.news is not None:
                yield self.news.get_nowait()

    @contextlib.contextmanager
    def losses_said(self):
        """Raise LabError where a worker process ended."""
        try:
            yield
        except BrokenProcessPool:
            raise LabError(self.loss) from None

    @functools.cached_property
    def loss(self):
        """The end of a worker process in one line."""
        self.executor.shutdown()  # it ends the other workers, by SIGTERM
        ended = {each.pid: each.exitcode for each in self.context.processes if each.exitcode}
        first = min(ended, key=lambda pid: ended[pid] == -signal.SIGTERM, default=None)
        begun = []
        while not self.begun.empty():
            begun.append(self.begun.get())
        code = ended.get(first, 1)
        if code > 0 and first not in begun:
            return f"a worker process could not start: {explain_start()}"
        if code > 0:
            return f"a worker process ended itself with exit code {code} in the middle of a run"
        known = {each.value: each.name for each in signal.Signals}
        signal_name = known.get(-code, f"signal {-code}")  # real-time signals have no name
        memory = " (out of memory?)" if signal_name == "SIGKILL" else ""
        return f"a worker process was killed by {signal_name}{memory}"

    def close(self):
        """End all worker processes at once."""
        for process in self.context.processes:
            if process.is_alive():
                process.kill()
        if "executor" in vars(self):
            self.executor.shutdown(cancel_futures=True)


def explain_start():
    """Why worker processes could not start, as far as it is known."""
    with contextlib.suppress(AttributeError, OSError):
        script = Path(sys.modules["__main__"].__file__)
        if "__name__" not in script.read_text(encoding="utf-8"):
            return f'{script.name} has no `if __name__ == "__main__":` above its calls'
    return "its error stands above"


def start_worker(put_news, begun):
    """Prepare a worker process: one thread, and never outlive its parent."""
    global send_news
    send_news = put_news
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent
    torch.set_num_threads(1)
    with contextlib.suppress(TypeError, AttributeError):  # no glibc
        for name in THRESHOLDS.keys() - os.environ.keys():
            ctypes.CDLL(None).mallopt(*THRESHOLDS[name])
    threading.Thread(target=follow_parent, daemon=True).start()
    begun.put(os.getpid())


def follow_parent():
    """End this worker process when its parent ends."""
    multiprocessing.parent_process().join()
    os._exit(1)


@contextlib.contextmanager
def ctrl_c_held():
    """Hold Ctrl-C back for a moment; processes started meanwhile never get it.

    Signals are held where there is `pthread_sigmask`. The handler, which only the main thread can
    set, is for the whole process: a library's thread may take the signal that this one holds.
    """
    pressed = []
    with contextlib.ExitStack() as stack:
        if threading.current_thread() is threading.main_thread():
            handler = signal.signal(signal.SIGINT, lambda *press: pressed.append(press))
            stack.callback(signal.signal, signal.SIGINT, handler)
        if hasattr(signal, "pthread_sigmask"):
            resource_tracker.ensure_running()  # its start, if later, would let the signal go
            before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
            stack.callback(signal.pthread_sigmask, signal.SIG_SETMASK, before)
        yield
    if pressed:
        raise KeyboardInterrupt
