"""Runs on the workers of a Dask cluster, which must be alike; they get the code from here."""

import contextlib
import functools
import logging
import os
import statistics
import sys
import tempfile
import traceback
import zipfile
from concurrent import futures
from pathlib import Path

from lab import cache
from lab.workers import LabError

ARCHIVE = "project-"  # how the names of archives of the project begin
LIBRARIES = ("distributed", "tornado", "asyncio")  # whose loggers are silenced


class Cluster:
    """A workplace (see `lab.workers`): the workers of the Dask scheduler at an address."""

    count = None

    def __init__(self, address):
        import cloudpickle  # these two only where there is a cluster
        import distributed

        self.name = f"the cluster at {address}"
        self.machine = functools.cache(self.inspect_workers)
        self.lost = (futures.CancelledError, distributed.KilledWorker)
        cloudpickle.register_pickle_by_value(sys.modules[__name__])  # workers have no copy of it
        with contextlib.ExitStack() as stack:
            for name in list(logging.root.manager.loggerDict):
                if name.split(".")[0] in LIBRARIES:
                    logger = logging.getLogger(name)
                    stack.callback(setattr, logger, "disabled", logger.disabled)
                    logger.disabled = True  # errors are said in one line instead
            with self.losses_said(OSError):
                self.client = distributed.Client(address, timeout=5, set_as_default=False)
                stack.callback(self.client.close)
                self.client.wait_for_workers(1, timeout=5)
                self.archive = self.send_project()
            self.machine("cpu")
            self.executor = self.client.get_executor()
            self.close = stack.pop_all().close  # the cluster drops runs that are not executed yet

    def send_project(self):
        """Send the modules of this process to all workers, later ones too; an archive's name."""
        from distributed.diagnostics.plugin import UploadFile

        sources = cache.CODE.sources
        # By its content, so that a worker that lives on takes in edited modules.
        name = f"{ARCHIVE}{cache.hash_bytes(repr(sources).encode())[:16]}.zip"
        packages = {parent.as_posix() for file in sources for parent in Path(file).parents[:-1]}
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, name)
            with zipfile.ZipFile(path, "w") as archive:
                for package in sorted(packages):
                    archive.mkdir(package)  # without __init__.py it is found by this entry only
                for file, source in sources.items():
                    archive.writestr(file, source)
            # Not `Client.upload_file`: it sends the file to the scheduler as well, in vain.
            self.client.register_plugin(UploadFile(path, load=False), name=name)
        return name

    @contextlib.contextmanager
    def losses_said(self, *errors):
        """Raise LabError where the cluster is gone, which `errors` say, too, where no run does."""
        try:
            yield
        except (*self.lost, *errors) as error:
            raise LabError(
                f"{self.name} is gone or not there, or has no workers ({type(error).__name__})"
            ) from None

    def inspect_workers(self, device):
        """The machine of all workers, see `agree`."""
        about = (self.archive, device)
        with self.losses_said(OSError):
            reports = self.client.run(lambda dask_worker: inspect_worker(dask_worker, *about))
        return agree(reports)

    @property
    def limit(self):
        """Two runs for each worker: workers that come later get some, too."""
        with self.losses_said(OSError):
            return 2 * max(1, len(self.client.nthreads()))

    def submit(self, device, name, code, packed):
        """Have a run executed by a worker; returns its future."""
        call = (self.archive, device, self.machine(device), name, packed)
        # A lambda is sent by its content: a named function would be sent by its name alone.
        return self.executor.submit(lambda: execute_there(*call))

    def read_news(self):
        """Nothing: a run on a cluster is silent to its end."""
        return []


def agree(reports):
    """The machine of all workers, from {address: what `inspect_worker` says}.

    Versions must be as in this process, the kind of device as in most workers, and runs come one
    at a time: LabError names a worker that differs.
    """
    kinds = [report["device"] for report in reports.values() if "device" in report]
    machine = cache.describe_machine("cpu") | {"device": statistics.mode(kinds or [None])}
    for address, report in reports.items():
        if refusal := refuse(address, report, machine):
            raise LabError(refusal)
    return machine


def refuse(address, report, machine):
    """Why a worker with this report cannot work, or None."""
    for name, needed in ({"threads": 1} | machine).items():
        if report[name] != needed:
            return f"the worker at {address} has {name} {report[name]}, but {needed} is needed"
    return None


# --- In a worker: these functions come by value, the project's other modules from the archive.


def inspect_worker(worker, archive, device):
    """How many runs a worker executes at a time, as `threads`, and its machine, if that is one.

    Two runs at a time would take modules from the archive at once, and disturb each other.
    """
    threads = worker.state.nthreads
    if threads != 1:
        return {"threads": threads}
    use_archive(os.path.join(worker.local_directory, archive))
    from lab import cache as cache_there

    return cache_there.describe_machine(device) | {"threads": threads}


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


def execute_there(archive, device, machine, name, packed):
    """Execute a run, or say why not: a worker that came later may have another machine."""
    import torch
    from distributed import get_worker

    worker = get_worker()
    report = inspect_worker(worker, archive, device)
    if refusal := refuse(worker.address, report, machine):
        return refusal
    from lab.workers import execute

    torch.set_num_threads(1)
    try:
        return execute(name, None, packed)
    except Exception as error:
        error.add_note(f"In the worker at {worker.address}:\n{traceback.format_exc()}")
        raise
