"""Runs: long function calls, each executed once, by processes of this machine or by a cluster.

    with open_lab(cache=Path(".runs"), workers=2) as lab:
        training = lab.submit(train, settings, title="an adder", seconds=3.1)
        deciding = lab.submit(decide, training, title="an adder", seconds=0.3)
        while not deciding.done():
            lab.wait()

A run's function takes its arguments and `progress`, and returns a dict of plain values and tensors.
An argument that is a run is replaced by its result. Meanwhile the function may call
`progress(share, line)`: how much of it is done, 0 to 1, and a line of text or None. The result must
follow from the arguments, the code, the versions and the kind of machine: `lab.cache` names it so.
"""

import contextlib
import dataclasses
import functools
import pickle
from collections.abc import Callable
from concurrent import futures

from lab import cache, console
from lab.workers import LabError, Processes, ThisProcess


@dataclasses.dataclass(eq=False, repr=False)
class Run(futures.Future):
    """A submitted run, only to be read; its result is what its function returned and `seconds`."""

    name: str  # in the cache
    title: str  # in printed lines
    estimate: float  # about how many seconds it takes
    function: Callable
    arguments: tuple
    device: str
    say: Callable | None
    on_line: Callable | None
    cached: bool = False  # whether its result was taken from the cache
    share: float = 0.0  # of it that is done

    def __post_init__(self):
        super().__init__()

    def cache_key(self):
        """The part of this run in the name of another, whose argument it is."""
        return self.name

    def __reduce__(self):
        """Packed for a worker, a run is its result."""
        return dict, (self.result(),)


@contextlib.contextmanager
def open_lab(cache, workers, scheduler=None, book=None, parts=()):
    """A `Lab` of `workers` processes, or of the Dask cluster at the address `scheduler`.

    With 0 workers the runs are executed in this process, one after the other. `cache` is the folder
    (a Path) of finished runs; `book` and `parts` are for the users of the lab, see `Lab`. Runs
    that are executed when the lab is left end at once; a note of an exception says whether finished
    ones are cached. Raises LabError for a cluster that is not there or whose workers differ.
    """
    if scheduler:
        from lab.cluster import Cluster  # only where there is one

        workplace = Cluster(scheduler)
    else:
        workplace = Processes(workers) if workers else ThisProcess()
    lab = Lab(cache, workplace, book, parts)
    try:
        yield lab
        if lab.unstored > 1:
            console.say(f"{lab.unstored} results could not be cached")
    except BaseException as error:
        cached = "Finished runs are cached: run it again to go on."
        error.add_note("Not all finished runs could be cached." if lab.unstored else cached)
        raise
    finally:
        workplace.close()
        if lab.bar is not None:
            lab.bar.close()


class Lab:
    """Takes runs, has them executed in the order of submission, and caches each as it ends.

    `runs` has them by their names, `workers` says who executes them, and `machine(device)` what
    decides their numbers there (see `cache.describe_machine`).
    """

    def __init__(self, folder, workplace, book=None, parts=()):
        self.folder = folder
        self.book = book  # what earlier runs left: see `lab.book`
        self.parts = parts  # the names of the parts that are run
        self.workplace = workplace
        self.workers = workplace.name
        self.machine = functools.cache(workplace.machine)
        self.check_unedited = functools.cache(cache.check_unedited)
        self.runs = {}
        self.waiting = []  # runs to be handed over, in their order
        self.executing = {}  # the workplace's future: run
        self.unstored = 0  # results that could not be cached
        self.bar = None  # shown from the first run that is executed

    def submit(self, function, *arguments, title, seconds, device="cpu", say=None, on_line=None):
        """Have `function(*arguments, progress=...)` executed on `device`; returns a `Run` at once.

        Arguments may be runs of this lab, or hold some in lists, tuples or dicts: the run starts
        when these are done. `seconds` is about how long it takes. When it was executed,
        `on_line(line)` is called here with each line of its progress, and the text that
        `say(result)` returns is printed, if it is not None. A cached run is done when this returns,
        and says nothing. A run that equals an earlier one is the earlier one. Raises TypeError for
        arguments that cannot name a result, and LabError for code that was edited after its import.
        """
        self.check_unedited(cache.digest_code(function.__module__))
        name = cache.name_run(function, arguments, self.machine(device))
        if name in self.runs:
            return self.runs[name]
        run = self.runs[name] = Run(name, title, seconds, function, arguments, device, say, on_line)
        packed = None
        try:
            packed = cache.load(self.folder / name)
        except cache.DamagedError as error:
            console.say(str(error))
        if packed is None:
            self.waiting.append(run)
        else:
            run.cached = True
            run.set_result(cache.unpack(packed))
        return run

    def wait(self):
        """Go on until one more run ended, or for about a second; prints lines and moves the bar.

        Raises the error of a run, or LabError where the workers are gone; other results are cached.
        """
        self.hand_over()
        ended, _ = futures.wait(self.executing, 1, futures.FIRST_COMPLETED)
        for name, share in self.workplace.read_news():
            self.runs[name].share = max(share, self.runs[name].share)
        done = {future: self.executing.pop(future) for future in ended}
        for future, run in done.items():
            try:
                run.set_result(self.take_result(run, future))
            except Exception as error:
                run.set_exception(error)
        for run in done.values():
            run.result()  # raises its error
        self.hand_over()

    @property
    def count(self):
        """How many runs are executed at a time; None where that changes."""
        return self.workplace.count

    @property
    def total(self):
        """About how many seconds the runs take that are not cached."""
        return sum(run.estimate for run in self.runs.values() if not run.cached)

    @property
    def share(self):
        """The share of the estimated work that is done, 0 to 1."""
        done = sum(run.estimate * run.share for run in self.runs.values())
        return done / self.total if self.total else 1.0

    def hand_over(self):
        """Give runs to the workplace, so many that no worker idles: later ones may yet go first."""
        limit = self.workplace.limit if self.waiting else 0
        for run in list(self.waiting):
            if len(self.executing) >= limit:
                break
            if all(needed.done() for needed in list_runs(run.arguments)):
                self.waiting.remove(run)
                code = cache.digest_code(run.function.__module__)
                packed = pickle.dumps((run.function, run.arguments))
                with self.workplace.losses_said():
                    future = self.workplace.submit(run.device, run.name, code, packed)
                self.executing[future] = run
        if self.bar is None and self.executing:
            self.bar = console.Bar()
        if self.bar is not None:
            self.bar.show(self.share)

    def take_result(self, run, future):
        """Cache and announce the result of an executed run; returns it, or raises its error."""
        with self.workplace.losses_said():
            answer = future.result()
        if isinstance(answer, str):
            raise LabError(answer)
        packed, lines = answer
        try:
            cache.store(self.folder / run.name, packed)
        except OSError as error:
            self.unstored += 1
            if self.unstored == 1:
                console.say(f"{run.title}: its result cannot be cached ({error})")
        run.share = 1.0
        for line in lines if run.on_line else []:
            run.on_line(line)
        result = cache.unpack(packed)
        text = run.say(result) if run.say else None
        if text is not None:
            console.say(f"{run.title}: {text}")
        return result


def list_runs(value):
    """The runs that `value` is or holds, in lists, tuples and dicts at any depth."""
    if isinstance(value, Run):
        return [value]
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        return [run for item in value for run in list_runs(item)]
    return []


def replace_runs(value):
    """`value` with the results of its runs in their place."""
    if isinstance(value, Run):
        return value.result()
    if isinstance(value, dict):
        return {key: replace_runs(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [replace_runs(item) for item in value]
    return value
