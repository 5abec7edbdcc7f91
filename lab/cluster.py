"""Runs on the workers of a Dask cluster, which must be alike; they get the code from here."""

import contextlib
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

    def __init__(self, address):
        import cloudpickle  # these two only where there is a cluster
        import distributed

        loggers = map(logging.getLogger, list(logging.root.manager.loggerDict))
        self.silenced = [each for each in loggers if each.name.split(".")[0] in LIBRARIES]
        for logger in self.silenced:
            logger.disabled = True  # errors are said in one line instead
        self.name = f"the cluster at {address}"
        self.machines = {}  # by devices
        self.lost = (futures.CancelledError, distributed.KilledWorker)
        cloudpickle.register_pickle_by_value(sys.modules[__name__])  # workers have no copy of it
        self.client = None
        try:
            with self.losses_said():
                self.client = distributed.Client(address, timeout=5, set_as_default=False)
                self.client.wait_for_workers(1, timeout=5)
            self.archive = self.send_project()
            self.machine("cpu")
        except BaseException:
            self.close()
            raise
        self.executor = self.client.get_executor()

    def send_project(self):
        """Send the modules of this process to all workers, later ones too; an archive's name.

        The name follows from the content, so that a worker that lives on takes in edited modules.
        """
        from distributed.diagnostics.plugin import UploadFile

        with tempfile.TemporaryDirectory() as folder:
            path = write_archive(Path(folder))
            # Not `Client.upload_file`: it sends the file to the scheduler as well, in vain.
            with self.losses_said():
                self.client.register_plugin(UploadFile(path, load=False), name=path.name)
        return path.name

    @contextlib.contextmanager
    def losses_said(self):
        """Raise LabError where the cluster is gone."""
        try:
            yield
        except (OSError, *self.lost) as error:
            raise LabError(self.say_lost(error)) from None

    def explain(self, error):
        """One line for an error that says that the cluster is gone, None for an error of a run."""
        return self.say_lost(error) if isinstance(error, self.lost) else None

    def say_lost(self, error):
        """The cluster is gone, in one line."""
        kind = type(error).__name__
        return f"{self.name} is gone or not there, or has no workers ({kind})"

    def machine(self, device):
        """The machine of all workers, see `agree`."""
        if device not in self.machines:
            archive = self.archive

            def inspect(dask_worker):
                return inspect_worker(dask_worker, archive, device)

            with self.losses_said():
                self.machines[device] = agree(self.client.run(inspect))
        return self.machines[device]

    def get_limit(self):
        """Two runs for each worker: workers that come later get some, too."""
        with self.losses_said():
            return 2 * max(1, len(self.client.nthreads()))

    def submit(self, number, device, code, packed):
        """Have a run executed by a worker; returns its future."""
        archive = self.archive
        expected = self.machine(device)

        def call():  # by its content: Dask would send a named function by its name alone
            return execute_there(archive, device, expected, number, packed)

        with self.losses_said():
            return self.executor.submit(call)

    def read_news(self, ended):
        """Nothing: a run on a cluster is silent to its end."""
        return []

    def kill(self):
        """Nothing: the processes of a cluster are not ours."""

    def close(self):
        """Leave the cluster; it drops the runs that are not executed yet."""
        if self.client is not None:
            self.client.close()
        for logger in self.silenced:
            logger.disabled = False


def write_archive(folder):
    """Write the modules of this process into an archive in `folder`, named by their content."""
    sources = {cache.CODE.place(path): source for path, source in cache.CODE.sources.items()}
    packages = {parent for place in sources for parent in Path(place).parents if parent.name}
    path = folder / f"{ARCHIVE}{cache.hash_bytes(repr(sources).encode())[:16]}.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for package in sorted(packages):  # without __init__.py it is found by its entry only
            archive.mkdir(package.as_posix())
        for place, source in sources.items():
            archive.writestr(place, source)
    return path


def agree(reports):
    """The machine of all workers, from {address: what `inspect_worker` says}.

    Versions must be as in this process, the kind of device as in most workers, and runs come one
    at a time: LabError names a worker that differs.
    """
    kind = statistics.mode(report["device"] for report in reports.values())
    agreed = cache.describe_machine("cpu") | {"device": kind}
    for address, report in reports.items():
        if refusal := refuse(address, report, agreed):
            raise LabError(refusal)
    return agreed


def refuse(address, report, agreed):
    """Why a worker with this report cannot work, or None."""
    for name, needed in (agreed | {"threads": 1}).items():
        if report[name] != needed:
            return f"the worker at {address} has {name} {report[name]}, but {needed} is needed"
    return None


# --- In a worker, which has these functions by value and the project's other modules from the
# archive.


def inspect_worker(worker, archive, device):
    """The machine of a worker, and `threads`, how many runs it executes at a time."""
    use_archive(os.path.join(worker.local_directory, archive))
    from lab import cache as cache_there

    return cache_there.describe_machine(device) | {"threads": worker.state.nthreads}


def execute_there(archive, device, expected, number, packed):
    """Execute a run as `lab.workers.execute_packed`, with the code in `archive`.

    A worker that is not as `expected`, for it came later, refuses.
    """
    import torch
    from distributed import get_worker

    worker = get_worker()
    report = expected | {"threads": worker.state.nthreads}
    if report["threads"] == 1:  # else two runs at a time would take modules from the archive
        report = inspect_worker(worker, archive, device)
    if refusal := refuse(worker.address, report, expected):
        return refusal, None
    from lab.workers import execute_packed

    torch.set_num_threads(1)
    try:
        return execute_packed(number, None, packed)
    except Exception as error:
        error.add_note(f"In the worker at {worker.address}:\n{traceback.format_exc()}")
        raise


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
