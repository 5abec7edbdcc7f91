"""Runs: long function calls, shared by processes of this machine or by the workers of a cluster.

    with open_pool(cache=Path(".runs"), workers=2) as pool:
        training = pool.submit(train, settings, title="an adder", seconds=3.1)
        deciding = pool.submit(decide, training, title="an adder", seconds=0.3)
        while not deciding.done():
            pool.wait()

A run's function takes its arguments and `progress`, and returns a dict of plain values and tensors.
Meanwhile it may call `progress(share, line)`: how much of it is done, 0 to 1, and a line of text or
None. What it returns must follow from its arguments, the code, the versions and the kind of
machine, for its result is cached in the name of these.
"""

import contextlib
import dataclasses
import functools
import heapq
import itertools
import logging
import multiprocessing
import os
import pickle
import platform
import queue
import re
import signal
import statistics
import sys
import tempfile
import threading
import time
import traceback
import zipfile
from collections.abc import Callable
from concurrent import futures
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import numpy as np
import torch
from torch.backends.cpu import get_cpu_capability

from lab import cache
from lab.console import Bar, say

# Environment variables that choose how PyTorch and NumPy compute, so that numbers may differ.
CHOOSES_NUMBERS = re.compile(
    "ATEN_CPU_CAPABILITY|MKL_CBWR|MKL_ENABLE_INSTRUCTIONS|MKL_DEBUG_CPU_TYPE|ONEDNN_.*|DNNL_.*|"
    "OPENBLAS_CORETYPE|NPY_DISABLE_CPU_FEATURES|NVIDIA_TF32_OVERRIDE|"
    "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE|CUBLAS_WORKSPACE_CONFIG"
)
MOST_ON_WINDOWS = 61  # worker processes: more cannot be waited for there
ARCHIVE = "project-"  # how the names of archives of the project begin


class PoolError(Exception):
    """An end that was foreseen; its message is one line for the reader."""


class Run(futures.Future):
    """A submitted run, whose result is the dict that its function returned and `seconds`.

    `title` is its name in printed lines, `seconds` about how long it takes, and `cached` whether
    its result was taken from the cache; all three are only to be read.
    """

    def __init__(self, title, seconds):
        super().__init__()
        self.title = title
        self.seconds = seconds
        self.cached = False


@dataclasses.dataclass(eq=False)
class Job:
    """What the pool knows of a run that is to be executed."""

    number: int  # of its submission
    run: Run
    function: Callable
    arguments: tuple
    device: str
    say: Callable | None
    on_line: Callable | None
    key: str = ""  # known once the arguments are
    share: float = 0.0  # of it that is done


@dataclasses.dataclass(eq=False)
class Derivation:
    """A value to be computed in this process once its arguments are done."""

    future: futures.Future
    function: Callable
    arguments: tuple


@contextlib.contextmanager
def open_pool(cache, workers, scheduler=None):
    """A `Pool` of `workers` processes, or of the Dask cluster at the address `scheduler`.

    With 0 workers the runs are executed in this process, one after the other. `cache` is the folder
    (a Path) of finished runs. Left by an exception, the pool kills its processes at once, and a
    note of the exception says whether finished runs are cached. Raises PoolError where the cluster
    is not there or its workers differ.
    """
    if scheduler:
        workplace = Cluster(scheduler)
    elif workers:
        workplace = Processes(workers if os.name != "nt" else min(workers, MOST_ON_WINDOWS))
    else:
        workplace = ThisProcess()
    pool = Pool(cache, workplace)
    try:
        yield pool
    except BaseException as error:
        workplace.kill()
        error.add_note(pool.say_cached())
        raise
    else:
        pool.count_unstored()
    finally:
        if pool.bar is not None:
            pool.bar.close()
        workplace.close()


class Pool:
    """Takes runs, has them executed in the order of submission, and caches each as it ends."""

    def __init__(self, folder, workplace):
        self.folder = folder
        self.workplace = workplace
        self.numbers = itertools.count()
        self.runs = {}  # by their keys
        # Runs and derived futures by their functions and arguments to come, and these arguments,
        # for what they are told by, `id`, is theirs only while they live.
        self.pending = {}
        self.submitted = []  # all runs
        self.jobs = {}  # by their numbers: not the cached ones, nor those equal to earlier ones
        self.waiting = []  # jobs and derivations whose arguments are not done, in their order
        self.ready = []  # a heap of (number, job)
        self.executing = {}  # the executor's future: job
        self.has_ended = False  # whether a run ended since the last wait
        self.unedited = set()  # functions whose code on disk is the code of this process
        self.unstored = 0
        self.bar = None  # shown from the first run that is executed

    def submit(self, function, *arguments, title, seconds, device="cpu", say=None, on_line=None):
        """Have `function(*arguments, progress=...)` executed on `device`; returns a `Run` at once.

        Arguments may be futures of this pool, or hold some in lists, tuples or dicts: the run
        starts when these are done, with their results in their place. `seconds` is about how long
        it takes. `on_line(line)` is called here with each line of its progress (on a cluster there
        are none). `say(result)` returns what is printed when the run was executed, or None; nothing
        is printed of a cached one, which is done when this returns. A run that equals an earlier
        one is the earlier one, or, where this is known only later, gets its result. Raises
        TypeError for arguments that cannot name a cached result, and PoolError for a function whose
        code was edited after its import.
        """
        self.check_unedited(function)
        to_come = (function, identify(arguments), device)
        if to_come in self.pending:
            return self.pending[to_come][0]
        run = Run(title, seconds)
        job = Job(next(self.numbers), run, function, arguments, device, say, on_line)
        self.jobs[job.number] = job
        if are_done(arguments):
            run = self.admit(job)
        else:
            self.waiting.append(job)
            self.pending[to_come] = (run, arguments)
        self.submitted.append(run)
        return run

    def derive(self, function, *arguments):
        """A future of `function(*arguments)`, computed here as soon as the arguments are done."""
        to_come = (function, identify(arguments))
        if to_come in self.pending:
            return self.pending[to_come][0]
        derivation = Derivation(futures.Future(), function, arguments)
        if are_done(arguments):
            compute(derivation)
        else:
            self.waiting.append(derivation)
            self.pending[to_come] = (derivation.future, arguments)
        return derivation.future

    def wait(self):
        """Go on until one more run ended, or for about a second; prints lines and moves the bar.

        Raises what a run raised, and PoolError for a worker that was killed or a cluster that is
        gone. What ended by then is cached.
        """
        self.feed()
        timeout = 0 if self.has_ended else 1
        ended, _ = futures.wait(self.executing, timeout, futures.FIRST_COMPLETED)
        self.take_news([self.executing[future].number for future in ended if is_result(future)])
        errors = []
        for future in ended:
            job = self.executing.pop(future)
            try:
                result = self.workplace.get_result(future)
            except Exception as error:
                job.run.set_exception(error)
                errors.append(error)
            else:
                self.end(job, result)
        self.show_share()
        if errors:
            raise errors[0]
        self.admit_waiting()
        self.feed()
        self.has_ended = False

    def print(self, text):
        """Print a line without disturbing the bar."""
        say(text)

    def machine(self, device):
        """What decides a run's numbers beside arguments and code, on the machine that executes it.

        A dict of the versions of python, torch and numpy and the kind of `device`.
        """
        return self.workplace.machine(device)

    @property
    def workers(self):
        """Who executes the runs, in words."""
        return self.workplace.name

    @property
    def unfinished(self):
        """How many runs are not done."""
        return sum(not run.done() for run in set(self.submitted))

    @property
    def total(self):
        """About how many seconds the runs take that are not cached."""
        return sum(job.run.seconds for job in self.jobs.values())

    @property
    def share(self):
        """The share of the estimated work that is done, 0 to 1."""
        done = sum(job.run.seconds * job.share for job in self.jobs.values())
        return done / self.total if self.total else 1.0

    def say_cached(self):
        """Whether a next start can go on from here, in words."""
        if self.unstored:
            return "Not all finished runs could be cached."
        return "Finished runs are cached: run it again to go on."

    # What follows is the pool's own.

    def check_unedited(self, function):
        """Raise PoolError if new processes would import other code of `function` than this one."""
        if function in self.unedited:
            return
        try:
            cache.check_unedited(function)
        except cache.EditedError as error:
            raise PoolError(str(error)) from None
        self.unedited.add(function)

    def admit(self, job):
        """Take in a job whose arguments are done; returns its run, or the earlier one it equals."""
        job.arguments = replace_futures(job.arguments)
        job.key = cache.name_run(job.function, job.arguments, self.machine(job.device))
        run = self.runs.setdefault(job.key, job.run)
        if run is not job.run:
            del self.jobs[job.number]
            return run
        result = self.recall(job.key)
        if result is None:
            heapq.heappush(self.ready, (job.number, job))
            return run
        del self.jobs[job.number]
        run.cached = True
        run.set_result(result)
        self.has_ended = True
        return run

    def admit_waiting(self):
        """Compute or take in what waited for arguments that are done by now."""
        for item in list(self.waiting):
            if not are_done(item.arguments):
                continue
            self.waiting.remove(item)
            if isinstance(item, Derivation):
                compute(item)
            elif (earlier := self.admit(item)) is not item.run:
                earlier.add_done_callback(functools.partial(copy_outcome, item.run))

    def feed(self):
        """Hand runs to the executor, so many that no worker idles: later ones may yet go first."""
        limit = self.workplace.get_limit() if self.ready else 0
        while self.ready and len(self.executing) < limit:
            _, job = heapq.heappop(self.ready)
            self.executing[self.workplace.submit(job)] = job
        self.show_share()

    def take_news(self, ended):
        """Take in what workers told of their progress: all that they did of the jobs `ended`."""
        for number, share, line in self.workplace.read_news(ended):
            job = self.jobs[number]
            job.share = max(share, job.share)
            if line is not None and job.on_line is not None:
                job.on_line(line)

    def end(self, job, result):
        """Cache and announce the result of a job."""
        self.keep(job, result)
        job.share = 1.0
        job.run.set_result(result)
        text = job.say(result) if job.say else None
        if text is not None:
            self.print(f"{job.run.title}: {text}")

    def recall(self, key):
        """The cached result; None where there is none or it is damaged, which is said."""
        try:
            return cache.load(self.folder / key)
        except cache.DamagedError as error:
            self.print(str(error))
            return None

    def keep(self, job, result):
        """Cache a result; that this cannot be done is said, once."""
        try:
            cache.store(self.folder / job.key, result)
        except OSError as error:
            self.unstored += 1
            if self.unstored == 1:
                self.print(f"{job.run.title}: its result cannot be cached ({error})")

    def count_unstored(self):
        """Say how many results could not be cached, where it was not one or none."""
        if self.unstored > 1:
            self.print(f"{self.unstored} results could not be cached")

    def show_share(self):
        """Move the bar; there is none before a run is executed."""
        if self.bar is None and self.executing:
            self.bar = Bar()
        if self.bar is not None:
            self.bar.show(self.share)


def is_result(future):
    """Whether a future that is done has a result."""
    return not future.cancelled() and future.exception() is None


def are_done(arguments):
    """Whether all futures in `arguments` are done."""
    return all(future.done() for future in list_futures(arguments))


def list_futures(value):
    """The futures that `value` is or holds, in lists, tuples and dicts at any depth."""
    if isinstance(value, futures.Future):
        return [value]
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        return list(itertools.chain.from_iterable(map(list_futures, value)))
    return []


def identify(value):
    """What tells equal arguments of this process, futures in them by which they are; hashable."""
    if isinstance(value, dict):
        value = list(value.items())
    if isinstance(value, (list, tuple)):
        return tuple(map(identify, value))
    return value if isinstance(value, (str, int, float, type(None))) else id(value)


def replace_futures(value):
    """`value` with the results of its futures in their place; raises what made one of them fail."""
    if not list_futures(value):
        return value
    if isinstance(value, futures.Future):
        return value.result()
    if isinstance(value, dict):
        return {key: replace_futures(item) for key, item in value.items()}
    return type(value)(map(replace_futures, value))


def compute(derivation):
    """Give a derivation's future its value."""
    arguments = replace_futures(derivation.arguments)
    derivation.future.set_result(derivation.function(*arguments))


def copy_outcome(run, earlier):
    """Give `run` the outcome of an earlier run that it equals."""
    run.cached = earlier.cached
    if earlier.exception() is not None:
        run.set_exception(earlier.exception())
    else:
        run.set_result(earlier.result())


def machine(device):
    """What decides a run's numbers here beside its arguments and code, as `Pool.machine` says.

    The kind of a GPU is its name, the kind of a CPU the instructions that it has. `variables` are
    the environment variables that choose how numbers are computed.
    """
    kind = f"CPU {platform.machine()} {get_cpu_capability()}"
    if torch.device(device).type == "cuda":
        kind = torch.cuda.get_device_name(device) if torch.cuda.is_available() else "no CUDA"
    variables = [
        f"{name}={value}"
        for name, value in sorted(os.environ.items())
        if CHOOSES_NUMBERS.fullmatch(name)
    ]
    return {
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "numpy": np.__version__,
        "device": kind,
        "variables": ", ".join(variables) or "none",
    }


def execute(function, arguments, progress):
    """What a run's function returns, and `seconds`, how long it took."""
    began = time.perf_counter()
    result = function(*arguments, progress=progress)
    return result | {"seconds": time.perf_counter() - began}


# --- This process alone.


class ThisProcess:
    """Executes each run as it is handed over, in this process: for `breakpoint()` and debuggers."""

    name = "this process"

    def machine(self, device):
        """As `machine` says here."""
        return machine(device)

    def get_limit(self):
        """How many runs to hand over at a time."""
        return 1

    def submit(self, job):
        """Execute a job; returns a future that is done."""

        def progress(share, line):
            job.share = max(share, job.share)
            if line is not None and job.on_line is not None:
                job.on_line(line)

        future = futures.Future()
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            future.set_result(execute(job.function, job.arguments, progress))
        except Exception as error:
            future.set_exception(error)
        finally:
            torch.set_num_threads(threads)
        return future

    def read_news(self, ended):
        """Nothing: a run has told all when it is handed over."""
        return []

    def get_result(self, future):
        """The result of a run; raises its error."""
        return future.result()

    def kill(self):
        """Nothing: there are no other processes."""

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

    def __init__(self, count):
        self.count = count
        self.name = "1 worker process" if count == 1 else f"{count} worker processes"
        self.context = OwnContext()
        self.executor = None
        # A queue of (number, share, line): (number, None, None) is the last of a job, and
        # (None, process id, None) the first of a worker.
        self.news = None
        self.told = set()  # the numbers of jobs whose last news were read
        self.begun = set()  # the process ids of workers that have begun

    def machine(self, device):
        """As `machine` says here."""
        return machine(device)

    def get_limit(self):
        """How many runs to hand over at a time."""
        return self.count + 1

    def submit(self, job):
        """Have a job executed; returns the executor's future.

        Its arguments and its result travel as bytes. PyTorch would send each tensor as a file in
        shared memory, which stays open as long as the tensor is kept: a thousand are too many.
        """
        if self.executor is None:
            self.start()
        code = cache.digest_code(job.function.__module__, job.function.__qualname__)
        packed = pickle.dumps((job.function, job.arguments))
        try:
            # A worker that starts here leaves Ctrl-C to this process.
            with ctrl_c_held(), environment_set(OF_WORKERS):
                return self.executor.submit(execute_in_worker, job.number, code, packed)
        except BrokenProcessPool:
            raise PoolError(self.explain_end()) from None

    def start(self):
        """Make the executor; the processes start with the first runs."""
        main_file = getattr(sys.modules["__main__"], "__file__", None)
        if main_file is not None and not os.path.exists(main_file):
            raise PoolError(
                f"worker processes read the script again, but {main_file} is no file: save the "
                "script as one, or set WORKERS = 0"
            )
        try:
            self.news = self.context.Queue()
            self.executor = futures.ProcessPoolExecutor(
                self.count, self.context, initializer=start_worker, initargs=(self.news,)
            )
        except (OSError, ImportError) as error:
            raise PoolError(
                f"worker processes need semaphores in shared memory, such as /dev/shm, and there "
                f"are none ({error}): set WORKERS = 0"
            ) from None

    def read_news(self, ended):
        """The news of the workers since the last call: (number, share, line) of their jobs.

        A result may come before the news of its run. The news of the jobs with the numbers `ended`
        are waited for.
        """
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

    def get_result(self, future):
        """The result of a run that ended; raises its error, and PoolError where a worker ended."""
        try:
            edited, packed = future.result()
        except BrokenProcessPool:
            raise PoolError(self.explain_end()) from None
        if edited:
            raise PoolError(cache.say_edited(edited))
        return pickle.loads(packed)

    def explain_end(self):
        """What happened to the worker process that ended, in one line."""
        for _ in self.read_news(()):
            pass  # which workers have begun
        self.executor.shutdown()  # it ends the other workers, by SIGTERM
        ended = [process for process in self.context.processes if process.exitcode]
        ended.sort(key=lambda process: process.exitcode == -signal.SIGTERM)
        if not ended or (ended[0].pid not in self.begun and ended[0].exitcode > 0):
            return f"a worker process could not start{self.explain_start()}"
        code = ended[0].exitcode
        if code > 0:
            return f"a worker process ended itself with exit code {code} in the middle of a run"
        signal_name = signal.Signals(-code).name
        memory = " (out of memory?)" if signal_name == "SIGKILL" else ""
        return f"a worker process was killed by {signal_name}{memory}"

    def explain_start(self):
        """Why worker processes could not start, as far as it is known."""
        main_file = getattr(sys.modules["__main__"], "__file__", None)
        if main_file is not None:
            with contextlib.suppress(OSError), open(main_file, encoding="utf-8") as file:
                if "__name__" not in file.read():
                    name = os.path.basename(main_file)
                    return f': {name} has no `if __name__ == "__main__":` above its calls'
        return ": its error stands above"

    def kill(self):
        """End all worker processes at once."""
        for process in self.context.processes:
            if process.is_alive():
                process.kill()

    def close(self):
        """End the worker processes when they are done with the runs that they execute."""
        if self.executor is not None:
            self.executor.shutdown(cancel_futures=True)


# By default glibc gives large blocks back to the system and asks for them anew at each step: that
# took up to a fifth of it at 1000 and 5000 digits. Workers read this as they start.
OF_WORKERS = {
    "MALLOC_TRIM_THRESHOLD_": str(2**30),
    "MALLOC_MMAP_THRESHOLD_": str(2**25),
}


@contextlib.contextmanager
def environment_set(variables):
    """Set environment variables for a moment; those that are there stay as they are."""
    new = variables.keys() - os.environ.keys()
    os.environ.update({name: variables[name] for name in new})
    try:
        yield
    finally:
        for name in new:
            del os.environ[name]


def start_worker(to_parent):
    """Prepare a worker process: one thread, and never outlive its parent."""
    global news
    news = to_parent
    torch.set_num_threads(1)
    threading.Thread(target=follow_parent, daemon=True).start()
    tell(None, os.getpid(), None)


def follow_parent():
    """End this worker process when its parent ends."""
    multiprocessing.parent_process().join()
    os._exit(1)


def execute_in_worker(number, code, packed):
    """Execute a run in a worker process, its progress told under its number.

    `code` is as `cache.digest_code` has it in the parent, `packed` the function and its arguments
    as bytes. Returns (None, the result as bytes), or, where this process imported other code, (the
    files that differ, None).
    """
    try:
        function, arguments = pickle.loads(packed)
        note_edited_files()
        here = cache.digest_code(function.__module__, function.__qualname__)
        if here != code:
            return cache.name_differing(here, code), None
        return None, pickle.dumps(execute(function, arguments, functools.partial(tell, number)))
    except SyntaxError as error:  # an edit that is not finished
        return os.path.basename(error.filename), None
    finally:
        tell(number, None, None)


@functools.cache
def note_edited_files():
    """Once, right after the imports of the first run: see whether a file was edited meanwhile."""
    cache.CODE.note_edited()


def tell(number, share, line):
    """Tell the parent how far a run is; None for `share` says that this was all."""
    news.put((number, share, line))


@contextlib.contextmanager
def ctrl_c_held():
    """Hold Ctrl-C back for a moment; processes started meanwhile never get it.

    That is where signals can be held. There is a handler of its own, too, in the main thread, where
    alone there can be one: while this thread holds the signal, another, a library's, may take it
    for the whole process.
    """
    can_hold = hasattr(signal, "pthread_sigmask")
    is_main = threading.current_thread() is threading.main_thread()
    pressed = []

    def note_press(*_):
        pressed.append(True)

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


# --- A cluster.


class Cluster:
    """The workers of a Dask cluster, which must be alike; they get the project's code from here."""

    def __init__(self, scheduler):
        import cloudpickle  # these two only where there is a cluster
        import distributed

        # Errors are said in one line instead.
        self.silenced = [logging.getLogger(name) for name in list_loggers(OF_DASK)]
        self.silenced = [logger for logger in self.silenced if not logger.disabled]
        for logger in self.silenced:
            logger.disabled = True
        self.name = f"the cluster at {scheduler}"
        self.machines = {}  # by devices
        self.lost = (futures.CancelledError, distributed.KilledWorker)
        # Workers have no copy of this file, and need it before they have the project's archive.
        cloudpickle.register_pickle_by_value(sys.modules[__name__])
        with self.translate_loss(OSError):
            self.client = distributed.Client(scheduler, timeout=5, set_as_default=False)
        try:
            with self.translate_loss(OSError):
                self.client.wait_for_workers(1, timeout=5)
            self.machine("cpu")
            self.archive = self.send_project()
        except BaseException:
            self.client.close()
            raise
        self.executor = self.client.get_executor()

    @contextlib.contextmanager
    def translate_loss(self, *more):
        """Raise PoolError where the cluster is gone, which errors of the kinds `more` say, too."""
        try:
            yield
        except (*self.lost, *more) as error:
            kind = type(error).__name__
            message = f"{self.name} is gone or not there, or has no workers ({kind})"
            raise PoolError(message) from None

    def machine(self, device):
        """What `machine` says of all its workers; PoolError names a worker that differs."""
        if device not in self.machines:

            def inspect(dask_worker):
                return machine(device) | {"threads": dask_worker.state.nthreads}

            with self.translate_loss(OSError):
                reports = self.client.run(inspect)
            self.machines[device] = agree(reports)
        return self.machines[device]

    def send_project(self):
        """Send the project's modules to all workers, later ones too; returns the archive's name."""
        from distributed.diagnostics.plugin import UploadFile

        with tempfile.TemporaryDirectory() as folder:
            path = write_archive(Path(folder))
            # Not `Client.upload_file`: that sends it to the scheduler as well, which needs none.
            with self.translate_loss(OSError):
                self.client.register_plugin(UploadFile(path, load=False), name=path.name)
        return path.name

    def get_limit(self):
        """How many runs to hand over at a time: workers that come later get some, too."""
        with self.translate_loss(OSError):
            return 2 * max(1, len(self.client.nthreads()))

    def submit(self, job):
        """Have a job executed; returns the executor's future."""
        archive = self.archive
        expected = self.machine(job.device)
        device = job.device
        packed = pickle.dumps((job.function, job.arguments))  # of modules in the archive

        def execute_packed():  # by its content: Dask would send a named function by its name alone
            return execute_there(archive, packed, device, expected)

        with self.translate_loss(OSError):
            return self.executor.submit(execute_packed)

    def read_news(self, ended):
        """Nothing: a run on a cluster is silent to its end."""
        return []

    def get_result(self, future):
        """The result of a run that ended; raises what it raised, and PoolError for a refusal."""
        with self.translate_loss():
            refusal, result = future.result()
        if refusal is not None:
            raise PoolError(refusal)
        return result

    def kill(self):
        """Nothing: its processes are not ours."""

    def close(self):
        """Leave the cluster; it drops the runs that are not executed yet."""
        self.client.close()
        for logger in self.silenced:
            logger.disabled = False


OF_DASK = ("distributed", "tornado", "asyncio")  # the loggers of Dask and below it


def list_loggers(libraries):
    """The names of the loggers of some libraries."""
    return [name for name in logging.root.manager.loggerDict if name.split(".")[0] in libraries]


def agree(reports):
    """The machine of all workers, from {address: their machine, and `threads`, runs at a time}.

    Versions must be those of this process, the kind of device that of most workers, and runs come
    one at a time: PoolError names a worker that differs.
    """
    kind = statistics.mode(report["device"] for report in reports.values())
    agreed = machine("cpu") | {"device": kind}
    for address, report in reports.items():
        if refusal := refuse(address, report, agreed):
            raise PoolError(refusal)
    return agreed


def refuse(address, report, agreed):
    """Why a worker with this report cannot work, or None."""
    for what, needed in (agreed | {"threads": 1}).items():
        if report[what] != needed:
            return f"the worker at {address} has {what} {report[what]}, but {needed} is needed"
    return None


def write_archive(folder):
    """Write the modules of this process into an archive in `folder`, named by their content."""
    sources = {}
    for path, source in cache.CODE.sources.items():
        sources[cache.CODE.place(path)] = source
    digest = cache.hash_bytes(repr(sources).encode())
    packages = {parent for name in sources for parent in Path(name).parents if parent.name}
    path = folder / f"{ARCHIVE}{digest[:16]}.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for package in sorted(packages):  # a folder without __init__.py is found by its entry only
            archive.mkdir(package.as_posix())
        for name, source in sources.items():
            archive.writestr(name, source)
    return path


def execute_there(archive, packed, device, expected):
    """Execute a run in a worker of a cluster, by the code in `archive`; (refusal, result).

    One of the two is None. A worker that is not as `expected`, for it came later, refuses.
    """
    from distributed import get_worker

    torch.set_num_threads(1)
    worker = get_worker()
    report = machine(device) | {"threads": worker.state.nthreads}
    if refusal := refuse(worker.address, report, expected):
        return refusal, None
    use_archive(os.path.join(worker.local_directory, archive))
    try:
        function, arguments = pickle.loads(packed)
        return None, execute(function, arguments, ignore_progress)
    except Exception as error:
        error.add_note(f"In the worker at {worker.address}:\n{traceback.format_exc()}")
        raise


def ignore_progress(share, line):
    """Tell nobody."""


def use_archive(path):
    """Have the project's modules come from the archive at `path`; forget those from another one."""
    if path in sys.path:
        return
    with zipfile.ZipFile(path) as archive:
        own = {name.partition("/")[0].removesuffix(".py") for name in archive.namelist()}
    for module in list(sys.modules):
        if module.partition(".")[0] in own:
            del sys.modules[module]
    others = [entry for entry in sys.path if not os.path.basename(entry).startswith(ARCHIVE)]
    sys.path[:] = [path, *others]
