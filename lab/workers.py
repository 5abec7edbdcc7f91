"""Who executes runs: worker processes of this machine, or this process.

A workplace has

    name                                who executes the runs, in words
    machine(device)                     what decides numbers there: `lab.cache.describe_machine`
    get_limit()                         how many runs to hand over at a time
    submit(number, device, code, packed)  a future of `execute_packed`, from any executor
    read_news(ended)                    news of runs, (number, share, line): all of those `ended`
    explain(error)                      a line for an error of the executor, None for one of a run
    kill(), close()
"""

import contextlib
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

import torch

from lab import cache

MOST_ON_WINDOWS = 61  # worker processes: more cannot be waited for there
# By default glibc gives large blocks back to the system and asks for them anew at each step: that
# took up to a fifth of it at 1000 and 5000 digits. Workers read this as they start.
OF_WORKERS = {
    "MALLOC_TRIM_THRESHOLD_": str(2**30),
    "MALLOC_MMAP_THRESHOLD_": str(2**25),
}
send_news = None  # (number, share, line) -> None: where this process executes runs


class LabError(Exception):
    """An end that was foreseen; the message is one line for the reader."""


# --- A run, where it is executed.


def execute_packed(number, code, packed):
    """Execute a run: a function and its arguments, packed as bytes. Its news have its number.

    Arguments and result are bytes, for PyTorch would send each tensor to another process as a file
    in shared memory, which stays open as long as the tensor is kept. `code` is as
    `cache.digest_code` has it where the run was named, or None where the code came from there.
    Returns (None, the result as bytes), or, where this process imported other code, (a line that
    names the files, None).
    """
    try:
        function, arguments = pickle.loads(packed)
        if code is not None and (edited := name_edited(function, code)):
            return cache.say_edited(edited), None
        progress = functools.partial(tell, number)
        began = time.perf_counter()
        result = function(*arguments, progress=progress)
        return None, pickle.dumps(result | {"seconds": time.perf_counter() - began})
    except SyntaxError as error:  # an edit that is not finished
        return cache.say_edited(os.path.basename(error.filename)), None
    finally:
        tell(number, None, None)


def name_edited(function, code):
    """The files whose code is not as in `code` in this process, in words; "" for none."""
    note_edited_files()
    return cache.name_differing(cache.digest_code(function.__module__), code)


@functools.cache
def note_edited_files():
    """Once, right after the imports of the first run: see whether a file was edited meanwhile."""
    cache.CODE.note_edited()


def tell(number, share, line):
    """Tell how far a run is; None for `share` says that this was all."""
    if send_news is not None:
        send_news((number, share, line))


# --- This process alone.


class ThisProcess:
    """Executes each run as it is handed over, in this process: for `breakpoint()` and debuggers."""

    name = "this process"
    machine = staticmethod(cache.describe_machine)

    def __init__(self):
        self.news = []

    def submit(self, number, device, code, packed):
        """Execute a run on one torch thread; returns a future that is done."""
        global send_news
        send_news = self.news.append
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        future = futures.Future()
        try:
            future.set_result(execute_packed(number, code, packed))
        except Exception as error:
            future.set_exception(error)
        finally:
            torch.set_num_threads(threads)
            send_news = None
        return future

    def get_limit(self):
        """One run at a time."""
        return 1

    def read_news(self, ended):
        """The news since the last call."""
        news = [(number, share, line) for number, share, line in self.news if share is not None]
        self.news.clear()
        return news

    def explain(self, error):
        """Nothing: each error is a run's."""

    def kill(self):
        """Nothing: there is no other process."""

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
        process = super().Process(*arguments, **options)
        self.processes.append(process)
        return process


class Processes:
    """Worker processes, started as runs need them, of one torch thread each."""

    machine = staticmethod(cache.describe_machine)

    def __init__(self, count):
        self.count = count if os.name != "nt" else min(count, MOST_ON_WINDOWS)
        self.name = "1 worker process" if count == 1 else f"{self.count} worker processes"
        self.context = OwnContext()
        # A queue of (number, share, line): (number, None, None) is the last of a run, and
        # (None, process id, None) the first of a worker.
        self.news = None
        self.told = set()  # the numbers of runs whose last news were read
        self.begun = set()  # the process ids of workers that have begun

    @functools.cached_property
    def executor(self):
        """The executor, made for the first run that is executed."""
        main_file = getattr(sys.modules["__main__"], "__file__", None)
        if main_file is not None and not os.path.exists(main_file):
            raise LabError(
                f"worker processes read the script again, but {main_file} is no file: save the "
                "script as one, or set WORKERS = 0"
            )
        try:
            self.news = self.context.Queue()
            return futures.ProcessPoolExecutor(
                self.count, self.context, initializer=start_worker, initargs=(self.news,)
            )
        except (OSError, ImportError) as error:
            raise LabError(
                f"worker processes need semaphores in shared memory, such as /dev/shm, and there "
                f"are none ({error}): set WORKERS = 0"
            ) from None

    def submit(self, number, device, code, packed):
        """Have a run executed; returns its future. A worker may start: it never gets Ctrl-C."""
        with ctrl_c_held(), environment_set(OF_WORKERS):
            return self.executor.submit(execute_packed, number, code, packed)

    def get_limit(self):
        """One run more than there are workers, so that none waits for the next."""
        return self.count + 1

    def read_news(self, ended):
        """The news since the last call. A result may come before the news of its run."""
        while self.news is not None:
            awaited = set(ended) - self.told
            try:
                number, share, line = self.news.get(timeout=5 if awaited else 0)
            except queue.Empty:
                return
            if number is None:
                self.begun.add(share)
            elif share is None:
                self.told.add(number)
            else:
                yield number, share, line

    def explain(self, error):
        """What happened to the worker process that ended, in one line; None if none did."""
        if not isinstance(error, BrokenProcessPool):
            return None
        for _ in self.read_news(()):
            pass  # which workers have begun
        self.executor.shutdown()  # it ends the other workers, by SIGTERM
        ended = [process for process in self.context.processes if process.exitcode]
        ended.sort(key=lambda process: process.exitcode == -signal.SIGTERM)
        if not ended or (ended[0].pid not in self.begun and ended[0].exitcode > 0):
            return f"a worker process could not start: {explain_start()}"
        code = ended[0].exitcode
        if code > 0:
            return f"a worker process ended itself with exit code {code} in the middle of a run"
        known = {each.value: each.name for each in signal.Signals}
        signal_name = known.get(-code, f"signal {-code}")  # real-time signals have no name
        memory = " (out of memory?)" if signal_name == "SIGKILL" else ""
        return f"a worker process was killed by {signal_name}{memory}"

    def kill(self):
        """End all worker processes at once."""
        for process in self.context.processes:
            if process.is_alive():
                process.kill()

    def close(self):
        """End the worker processes when they are done with the runs that they execute."""
        if "executor" in vars(self):
            self.executor.shutdown(cancel_futures=True)


def explain_start():
    """Why worker processes could not start, as far as it is known."""
    main_file = getattr(sys.modules["__main__"], "__file__", None)
    if main_file is not None:
        with contextlib.suppress(OSError), open(main_file, encoding="utf-8") as file:
            if "__name__" not in file.read():
                name = os.path.basename(main_file)
                return f'{name} has no `if __name__ == "__main__":` above its calls'
    return "its error stands above"


@contextlib.contextmanager
def environment_set(variables):
    """Set environment variables for a moment; the reader's own stay as they are."""
    new = variables.keys() - os.environ.keys()
    os.environ.update({name: variables[name] for name in new})
    try:
        yield
    finally:
        for name in new:
            del os.environ[name]


def start_worker(news):
    """Prepare a worker process: one thread, and never outlive its parent."""
    global send_news
    send_news = news.put
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent
    torch.set_num_threads(1)
    threading.Thread(target=follow_parent, daemon=True).start()
    tell(None, os.getpid(), None)


def follow_parent():
    """End this worker process when its parent ends."""
    multiprocessing.parent_process().join()
    os._exit(1)


@contextlib.contextmanager
def ctrl_c_held():
    """Hold Ctrl-C back for a moment; processes started meanwhile never get it.

    Signals can be held where there is `pthread_sigmask`. There is a handler, too, in the main
    thread, where alone there can be one: while this thread holds the signal, a library's thread may
    take it for the whole process.
    """
    can_hold = hasattr(signal, "pthread_sigmask")
    is_main = threading.current_thread() is threading.main_thread()
    pressed = []

    def note_press(*_):
        pressed.append(True)

    if can_hold:
        resource_tracker.ensure_running()  # its start, if it came later, would let the signal go
    if is_main:
        handler = signal.signal(signal.SIGINT, note_press)
    if can_hold:
        before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        if can_hold:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        if is_main:
            signal.signal(signal.SIGINT, handler)
    if pressed:
        raise KeyboardInterrupt
