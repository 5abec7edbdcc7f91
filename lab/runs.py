"""Runs: long function calls, each executed once, by processes of this machine or by a cluster.

    with open_lab(cache=Path(".runs"), workers=2) as lab:
        training = lab.submit(train, settings, title="an adder", seconds=3.1)
        deciding = lab.submit(decide, training, title="an adder", seconds=0.3)
        while not deciding.done():
            lab.wait()

A run's function takes its arguments and `progress`, and returns a dict of plain values and tensors.
An argument that is a run is replaced by its result. Meanwhile the function may call
`progress(share, line)`: how much of it is done, 0 to 1, and a line of text or None. The result must
follow from the arguments, the code, the versions and the kind of machine, for it is cached in the
name of these (see `lab.cache`).
"""

import contextlib
import dataclasses
import itertools
import pickle
from collections.abc import Callable
from concurrent import futures

from lab import cache
from lab.console import Bar, say
from lab.workers import LabError, Processes, ThisProcess


class Run(futures.Future):
    """A submitted run, whose result is the dict that its function returned and `seconds`.

    `name` is its name in the cache, `title` its name in printed lines, `estimate` about how many
    seconds it takes, and `cached` whether its result was taken from the cache; all are only to be
    read.
    """

    def __init__(self, name, title, estimate):
        super().__init__()
        self.name = name
        self.title = title
        self.estimate = estimate
        self.cached = False

    def cache_key(self):
        """The part of this run in the name of another, whose argument it is."""
        return self.name


@dataclasses.dataclass(eq=False)
class Job:
    """What the lab knows of a run that is to be executed."""

    number: int  # of its submission
    run: Run
    function: Callable
    arguments: tuple
    needs: list  # the runs among its arguments
    device: str
    say: Callable | None
    on_line: Callable | None
    share: float = 0.0  # of it that is done


@contextlib.contextmanager
def open_lab(cache, workers, scheduler=None):
    """A `Lab` of `workers` processes, or of the Dask cluster at the address `scheduler`.

    With 0 workers the runs are executed in this process, one after the other. `cache` is the folder
    (a Path) of finished runs. Left by an exception, the lab kills its processes at once, and a note
    of the exception says whether finished runs are cached. Raises LabError where the cluster is not
    there or its workers differ.
    """
    if scheduler:
        from lab.cluster import Cluster  # only where there is one

        workplace = Cluster(scheduler)
    else:
        workplace = Processes(workers) if workers else ThisProcess()
    lab = Lab(cache, workplace)
    try:
        yield lab
    except BaseException as error:
        workplace.kill()
        error.add_note(lab.say_cached())
        raise
    else:
        lab.count_unstored()
    finally:
        if lab.bar is not None:
            lab.bar.close()
        workplace.close()


class Lab:
    """Takes runs, has them executed in the order of submission, and caches each as it ends."""

    def __init__(self, folder, workplace):
        self.folder = folder
        self.workplace = workplace
        self.runs = {}  # by their names
        self.numbers = itertools.count()
        self.jobs = {}  # by their numbers: the runs that are not cached
        self.waiting = []  # jobs to be handed over, in their order
        self.executing = {}  # the executor's future: job
        self.unedited = set()  # modules whose code on disk is the code of this process
        self.unstored = 0
        self.bar = None  # shown from the first run that is executed

    def submit(self, function, *arguments, title, seconds, device="cpu", say=None, on_line=None):
        """Have `function(*arguments, progress=...)` executed on `device`; returns a `Run` at once.

        Arguments may be runs of this lab, or hold some in lists, tuples or dicts: the run starts
        when these are done. `seconds` is about how long it takes. `on_line(line)` is called here
        with each line of its progress (on a cluster there are none). `say(result)` returns the text
        that is printed when the run was executed, or None; nothing is printed of a cached run,
        which is done when this returns. A run that equals an earlier one is the earlier one. Raises
        TypeError for arguments that cannot name a cached result, and LabError for a function whose
        code was edited after its import.
        """
        self.check_unedited(function.__module__)
        name = cache.name_run(function, arguments, self.machine(device))
        if name in self.runs:
            return self.runs[name]
        run = self.runs[name] = Run(name, title, seconds)
        result = self.recall(name)
        if result is None:
            needs = list_runs(arguments)
            number = next(self.numbers)
            job = Job(number, run, function, arguments, needs, device, say, on_line)
            self.jobs[number] = job
            self.waiting.append(job)
        else:
            run.cached = True
            run.set_result(result)
        return run

    def wait(self):
        """Go on until one more run ended, or for about a second; prints lines and moves the bar.

        Raises the error of a run, and LabError for a worker that ended or a cluster that is gone.
        Runs that ended by then are cached.
        """
        self.hand_over()
        ended, _ = futures.wait(self.executing, 1, futures.FIRST_COMPLETED)
        self.take_news([self.executing[future].number for future in ended if is_result(future)])
        errors = []
        for future in ended:
            job = self.executing.pop(future)
            try:
                result = self.take_result(future)
            except Exception as error:
                job.run.set_exception(error)
                errors.append(error)
            else:
                self.end(job, result)
        if errors:
            raise errors[0]
        self.hand_over()

    def machine(self, device):
        """What decides a run's numbers where it is executed: see `cache.describe_machine`."""
        return self.workplace.machine(device)

    @property
    def workers(self):
        """Who executes the runs, in words."""
        return self.workplace.name

    @property
    def total(self):
        """About how many seconds the runs take that are not cached."""
        return sum(job.run.estimate for job in self.jobs.values())

    @property
    def share(self):
        """The share of the estimated work that is done, 0 to 1."""
        done = sum(job.run.estimate * job.share for job in self.jobs.values())
        return done / self.total if self.total else 1.0

    def say_cached(self):
        """Whether a next start can go on from here, in words."""
        if self.unstored:
            return "Not all finished runs could be cached."
        return "Finished runs are cached: run it again to go on."

    # The lab's own.

    def check_unedited(self, module):
        """Raise LabError if new processes would import other code of a module than this one."""
        if module in self.unedited:
            return
        try:
            cache.check_unedited(module)
        except cache.EditedError as error:
            raise LabError(str(error)) from None
        self.unedited.add(module)

    def hand_over(self):
        """Give runs to the workplace, so many that no worker idles: later ones may yet go first."""
        limit = self.workplace.get_limit() if self.waiting else 0
        for job in list(self.waiting):
            if len(self.executing) >= limit:
                break
            if all(run.done() for run in job.needs):
                self.waiting.remove(job)
                self.executing[self.start(job)] = job
        if self.bar is None and self.executing:
            self.bar = Bar()
        if self.bar is not None:
            self.bar.show(self.share)

    def start(self, job):
        """Have a job executed; returns its future."""
        code = cache.digest_code(job.function.__module__)
        packed = pickle.dumps((job.function, replace_runs(job.arguments)))
        try:
            return self.workplace.submit(job.number, job.device, code, packed)
        except Exception as error:
            raise self.explained(error) from None

    def take_result(self, future):
        """The result of an executed run; raises its error, or LabError where there is none."""
        try:
            refusal, packed = future.result()
        except Exception as error:
            raise self.explained(error)  # noqa: B904 (an error of a run has its own cause)
        if refusal is not None:
            raise LabError(refusal)
        return pickle.loads(packed)

    def explained(self, error):
        """A LabError with a line for an error of the workplace, or the error itself."""
        line = self.workplace.explain(error)
        return error if line is None else LabError(line)

    def take_news(self, ended):
        """Take in the news of workers: all of the jobs with the numbers `ended`."""
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
            say(f"{job.run.title}: {text}")

    def recall(self, name):
        """The cached result; None where there is none or it is damaged, which is said."""
        try:
            return cache.load(self.folder / name)
        except cache.DamagedError as error:
            say(str(error))
            return None

    def keep(self, job, result):
        """Cache a result; that this cannot be done is said, once."""
        try:
            cache.store(self.folder / job.run.name, result)
        except OSError as error:
            self.unstored += 1
            if self.unstored == 1:
                say(f"{job.run.title}: its result cannot be cached ({error})")

    def count_unstored(self):
        """Say how many results could not be cached, where it was not one or none."""
        if self.unstored > 1:
            say(f"{self.unstored} results could not be cached")


def is_result(future):
    """Whether a future that is done has a result."""
    return not future.cancelled() and future.exception() is None


def list_runs(value):
    """The runs that `value` is or holds, in lists, tuples and dicts at any depth."""
    if isinstance(value, Run):
        return [value]
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        return list(itertools.chain.from_iterable(map(list_runs, value)))
    return []


def replace_runs(value):
    """`value` with the results of its runs in their place."""
    if isinstance(value, Run):
        return value.result()
    if isinstance(value, dict):
        return {key: replace_runs(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(map(replace_runs, value))
    return value
