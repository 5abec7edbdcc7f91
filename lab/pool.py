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
from tqdm import tqdm

from lab import cache

BAR = "{percentage:3.0f}% |{bar}| {elapsed} elapsed, {remaining} left"
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

    `cache` is the folder (a Path) of finished runs. Left by an exception, the pool kills its
    processes at once. Raises PoolError where the cluster is not there or its workers differ.
    """
    workplace = Cluster(scheduler) if scheduler else Processes(workers)
    pool = Pool(cache, workplace)
    try:
        yield pool
    except BaseException:
        workplace.kill()
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
        TypeError for arguments that cannot name a cached result.
        """
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
        tqdm.write(text)

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

    # What follows is the pool's own.

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
            self.bar = tqdm(total=self.total, bar_format=BAR, smoothing=0, dynamic_ncols=True)
        if self.bar is not None:
            self.bar.total = self.total
            self.bar.n = self.share * self.total
            self.bar.refresh()


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

    The kind of a GPU is its name, that of a CPU the instructions that it has.
    """
    kind = f"CPU {platform.machine()} {get_cpu_capability()}"
    if torch.device(device).type == "cuda":
        kind = torch.cuda.get_device_name(device) if torch.cuda.is_available() else "no CUDA"
    return {
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "numpy": np.__version__,
        "device": kind,
    }


def execute(function, arguments, progress):
    """What a run's function returns, and `seconds`, how long it took."""
    began = time.perf_counter()
    result = function(*arguments, progress=progress)
    return result | {"seconds": time.perf_counter() - began}


# --- Processes of this machine.


class Processes:
    """Worker processes, started as runs need them, of one torch thread each."""

    def __init__(self, count):
        self.count = count
        self.name = "1 worker process" if count == 1 else f"{count} worker processes"
        self.executor = None
        self.news = None  # a queue of (number, share, line); (number, None, None) is a job's last
        self.told = set()  # the numbers of jobs whose last news were read

    def machine(self, device):
        """What `machine` says here."""
        return machine(device)

    def get_limit(self):
        """How many runs to hand over at a time."""
        return self.count + 1

    def submit(self, job):
        """Have a job executed; returns the executor's future."""
        if self.executor is None:
            self.start()
        try:
            with ctrl_c_held():  # a worker that starts here leaves Ctrl-C to this process
                return self.executor.submit(
                    execute_in_worker, job.number, job.function, job.arguments
                )
        except BrokenProcessPool:
            raise killed_worker() from None

    def start(self):
        """Make the executor; the processes start with the first runs."""
        # By default glibc gives large blocks back to the system and asks for them anew at each
        # step: that took up to a fifth of it at 1000 and 5000 digits. Workers read this as they
        # start.
        os.environ.setdefault("MALLOC_TRIM_THRESHOLD_", str(2**30))
        os.environ.setdefault("MALLOC_MMAP_THRESHOLD_", str(2**25))
        context = multiprocessing.get_context("spawn")  # a forked process cannot use CUDA
        self.news = context.Queue()
        self.executor = futures.ProcessPoolExecutor(
            self.count, context, initializer=start_worker, initargs=(self.news,)
        )

    def read_news(self, ended):
        """What the workers told since it was last read: (number, share, line) of their jobs.

        A result may come before the news of its run. Those of the jobs with the numbers `ended` are
        waited for.
        """
        while self.news is not None:
            awaited = set(ended) - self.told
            try:
                number, share, line = self.news.get(timeout=5 if awaited else 0)
            except queue.Empty:
                return
            if share is None:
                self.told.add(number)
            else:
                yield number, share, line

    def get_result(self, future):
        """The result of a run that ended; raises what it raised, and PoolError if it was killed."""
        try:
            return future.result()
        except BrokenProcessPool:
            raise killed_worker() from None

    def kill(self):
        """End all worker processes at once."""
        for process in multiprocessing.active_children():
            process.kill()

    def close(self):
        """End the worker processes when they are done with what they execute."""
        if self.executor is not None:
            self.executor.shutdown(cancel_futures=True)


def killed_worker():
    """The error that says so."""
    return PoolError("a worker process was killed from outside (out of memory?)")


def start_worker(to_parent):
    """Prepare a worker process: one thread, and never outlive its parent."""
    global news
    news = to_parent
    torch.set_num_threads(1)
    threading.Thread(target=follow_parent, daemon=True).start()


def follow_parent():
    """End this worker process when its parent ends."""
    multiprocessing.parent_process().join()
    os._exit(1)


def execute_in_worker(number, function, arguments):
    """Execute a run in a worker process, its progress told under its number."""
    try:
        return execute(function, arguments, functools.partial(tell, number))
    finally:
        tell(number, None, None)


def tell(number, share, line):
    """Tell the parent how far a run is; None for `share` says that this was all."""
    news.put((number, share, line))


@contextlib.contextmanager
def ctrl_c_held():
    """Hold Ctrl-C back for a moment; processes started meanwhile never get it.

    That is where signals can be held. There is a handler of its own, too: where this thread holds
    the signal, another, a library's, may take it for the whole process.
    """
    can_hold = hasattr(signal, "pthread_sigmask")
    pressed = []

    def note_press(*_):
        pressed.append(True)

    handler = signal.signal(signal.SIGINT, note_press)
    if can_hold:
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        if can_hold:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])
        signal.signal(signal.SIGINT, handler)
    if pressed:
        raise KeyboardInterrupt


# --- A cluster.


class Cluster:
    """The workers of a Dask cluster, which must be alike; they get the project's code from here."""

    def __init__(self, scheduler):
        import cloudpickle  # these two only where there is a cluster
        import distributed

        logging.disable(logging.CRITICAL)  # what goes wrong is said in one line instead
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
        """Leave the cluster; it drops what is not executed yet."""
        self.client.close()


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
    """Write the project's modules into an archive in `folder`, its name told by their content."""
    sources = {}
    for path in cache.list_modules(cache.ROOT):
        sources[path.relative_to(cache.ROOT).as_posix()] = path.read_bytes()
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
