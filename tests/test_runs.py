"""Runs: their order, what they wait for, progress, errors; jobs that are interrupted; a cluster."""

import contextlib
import json
import multiprocessing
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import torch

from lab import cache
from lab.cluster import agree
from lab.runs import Lab, open_lab
from lab.workers import LabError, ThisProcess

try:
    import resource
except ImportError:  # Windows
    resource = None

# --- Without processes: a workplace that executes a run when it is handed over.


class Inline(ThisProcess):
    """This process as a workplace that is given up to `limit` runs, and notes their names."""

    def __init__(self, limit=1):
        self.limit = limit
        self.executed = []

    def submit(self, device, name, *call):
        self.executed.append(name)
        return super().submit(device, name, *call)


def list_executed(lab):
    """The titles of executed runs, in their order."""
    return [lab.runs[name].title for name in lab.workplace.executed]


@pytest.fixture
def inline(tmp_path):
    """inline() -> a lab of an `Inline` workplace, all with the same cache."""

    def make_lab(**options):
        return Lab(tmp_path / ".runs", Inline(**options))

    return make_lab


def add(a, b, progress):
    progress(0.5, f"half of {a} + {b}")
    return {"sum": a + b, "tensor": torch.tensor([a, b])}


def add_one(result, progress):
    return {"sum": result["sum"] + 1}


def add_all(results, progress):
    return {"sum": sum(result["sum"] for result in [*results["first"], *results["others"][0]])}


def report_process(seed, progress):
    for part in range(4):
        progress(part / 4, f"part {part}")
    return {"pid": os.getpid(), "threads": torch.get_num_threads(), "seed": seed}


def sleep(seconds, progress):
    time.sleep(seconds)
    return {}


def divide(a, b, progress):
    return {"quotient": a / b}


def finish(lab):
    while not all(run.done() for run in lab.runs.values()):
        lab.wait()


def test_runs_start_in_the_order_of_submission_and_keep_their_place(inline):
    lab = inline()
    first = lab.submit(add, 1, 1, title="first", seconds=1)
    after = lab.submit(add_one, first, title="after first", seconds=1)
    second = lab.submit(add, 2, 2, title="second", seconds=1)
    nested = {"first": [after, first], "others": [(second,)]}
    last = lab.submit(add_all, nested, title="after all", seconds=1)
    lab.submit(add, 3, 3, title="third", seconds=1)
    assert list_executed(lab) == [], "nothing starts before somebody waits"
    finish(lab)
    assert list_executed(lab) == ["first", "after first", "second", "after all", "third"]
    assert last.result()["sum"] == (1 + 1 + 1) + (1 + 1) + (2 + 2)


def test_a_run_that_must_wait_is_passed_by_later_ones(inline):
    lab = inline(limit=2)
    first = lab.submit(add, 1, 1, title="first", seconds=1)
    lab.submit(add_one, first, title="after first", seconds=1)
    lab.submit(add, 2, 2, title="second", seconds=1)
    finish(lab)
    assert list_executed(lab) == ["first", "second", "after first"]


def test_a_run_is_named_by_the_names_of_the_runs_that_it_needs(inline, tmp_path):
    names = []
    for folder in ("one", "two"):
        lab = Lab(tmp_path / folder, Inline())
        first = lab.submit(add, 1, 1, title="", seconds=1)
        names.append([first.name, lab.submit(add_one, first, title="", seconds=1).name])
    assert names[0] == names[1], "before anything is executed"
    other = lab.submit(add, 1, 2, title="", seconds=1)
    equal = lab.submit(add, 2, 1, title="", seconds=1)
    after = [lab.submit(add_one, run, title="", seconds=1).name for run in (other, equal)]
    assert len({*after, *names[0]}) == 4, "by the names, also where the results are equal"
    assert after[0] != lab.submit(add_one, {"sum": 3}, title="", seconds=1).name


def test_a_result_is_what_was_returned_and_the_seconds_it_took(inline):
    lab = inline()
    run = lab.submit(add, 1, 2, title="a run", seconds=7)
    assert (run.title, run.estimate, run.cached) == ("a run", 7, False)
    finish(lab)
    assert run.result().keys() == {"sum", "tensor", "seconds"}
    assert 0 <= run.result()["seconds"] < 60


def test_equal_runs_are_executed_once_under_the_first_title(inline, capsys):
    lab = inline(limit=3)
    first = lab.submit(add, 1, 1, title="first", seconds=1, say=describe_sum)
    assert lab.submit(add, 1, 1, title="again", seconds=1, say=describe_sum) is first
    assert lab.submit(add, 1, 1.0, title="not equal", seconds=1) is not first
    after = lab.submit(add_one, first, title="after", seconds=1)
    assert lab.submit(add_one, first, title="after again", seconds=1) is after
    bad = lab.submit(add_all, {"first": [], "others": []}, title="x", seconds=1)
    with pytest.raises(IndexError):
        finish(lab)
    assert bad.exception() is not None
    finish(lab)
    assert after.result()["sum"] == 3 and len(lab.workplace.executed) == 4
    assert capsys.readouterr().out == "first: makes 2\n"


def describe_sum(result):
    return f"makes {result['sum']}"


def say_nothing(result):
    return None


def test_lines_and_what_a_run_says_are_printed_in_their_order(inline, capsys):
    lab = inline()
    lab.submit(add, 1, 1, title="a", seconds=1, say=describe_sum, on_line=print)
    lab.submit(add, 2, 2, title="b", seconds=1, say=describe_sum)
    lab.submit(add, 3, 3, title="c", seconds=1, say=say_nothing)
    lab.submit(add, 4, 4, title="d", seconds=1)
    finish(lab)
    assert capsys.readouterr().out == "half of 1 + 1\na: makes 2\nb: makes 4\n"


def test_share_is_that_of_the_estimated_seconds_and_the_cached_do_not_count(inline):
    lab = inline()
    assert lab.share == 1.0
    one = lab.submit(add, 1, 1, title="one", seconds=1)
    lab.submit(add_one, one, title="two", seconds=3)
    assert lab.share == 0.0
    lab.wait()
    assert lab.share == 1 / 4
    finish(lab)
    assert lab.share == 1.0
    again = inline()
    again.submit(add, 1, 1, title="one", seconds=1)
    again.submit(add, 7, 7, title="new", seconds=2)
    assert (again.total, again.share) == (2, 0.0)


def test_cached_runs_are_done_at_once(inline, capsys):
    for is_cached in (False, True):
        lab = inline(limit=2)
        first = lab.submit(add, 1, 1, title="a", seconds=1, say=describe_sum)
        second = lab.submit(add_one, first, title="b", seconds=1)
        assert first.done() == second.done() == is_cached
        finish(lab)
        assert len(lab.workplace.executed) == (0 if is_cached else 2)
        assert first.cached == second.cached == is_cached
        assert second.result()["sum"] == 3
        assert first.result()["tensor"].tolist() == [1, 1]
        assert (lab.bar is None) == is_cached
    assert capsys.readouterr().out == "a: makes 2\n", "a cached run says nothing"


def test_damaged_and_truncated_runs_are_named_and_made_again(inline, tmp_path, capsys):
    lab = inline()
    for number in range(5):
        lab.submit(add, number, number, title="", seconds=1)
    finish(lab)
    paths = sorted((tmp_path / ".runs").iterdir())
    content = bytearray(paths[0].read_bytes())
    content[len(content) // 2] ^= 1
    paths[0].write_bytes(content)
    paths[1].write_bytes(paths[1].read_bytes()[:-1])
    paths[2].write_bytes(b"")
    again = inline()
    runs = [again.submit(add, number, number, title="", seconds=1) for number in range(5)]
    finish(again)
    output = capsys.readouterr().out
    assert output.count("is damaged and is made again") == 3
    assert all(path.name in output for path in paths[:3])
    assert len(again.workplace.executed) == 3
    assert [run.result()["sum"] for run in runs] == [0, 2, 4, 6, 8]


def test_a_full_disk_stops_nothing_and_is_said_once(tmp_path, capsys):
    (tmp_path / ".runs").write_text("no folder can be made here")
    with open_lab(tmp_path / ".runs", workers=0) as lab:
        runs = [lab.submit(add, number, 1, title=f"run {number}", seconds=1) for number in range(3)]
        finish(lab)
    first, last = capsys.readouterr().out.splitlines()
    assert first.startswith("run 0: its result cannot be cached (")
    assert last == "3 results could not be cached"
    assert [run.result()["sum"] for run in runs] == [1, 2, 3]


def test_what_ended_beside_an_error_is_cached(inline):
    lab = inline(limit=3)
    bad = lab.submit(divide, 1, 0, title="bad", seconds=1)
    good = lab.submit(divide, 1, 2, title="good", seconds=1)
    with pytest.raises(ZeroDivisionError):
        lab.wait()
    assert isinstance(bad.exception(), ZeroDivisionError)
    assert good.result()["quotient"] == 0.5
    assert inline().submit(divide, 1, 2, title="good", seconds=1).cached


# --- With processes of this machine.


def test_worker_processes_start_when_needed_and_tell_their_progress(tmp_path, capsys):
    lines = []
    with open_lab(tmp_path, workers=2) as lab:
        assert lab.workers == "2 worker processes"
        assert lab.machine("cpu") == cache.describe_machine("cpu")
        run = lab.submit(report_process, 0, title="", seconds=1, on_line=lines.append)
        other = lab.submit(report_process, 1, title="", seconds=1)
        assert not multiprocessing.active_children()
        finish(lab)
        assert multiprocessing.active_children()
        assert run.result()["pid"] != os.getpid()
        assert run.result()["threads"] == other.result()["threads"] == 1
        assert lines == [f"part {part}" for part in range(4)]
        lab.submit(divide, 1, 0, title="", seconds=1)
        with pytest.raises(ZeroDivisionError) as raised:
            finish(lab)
        assert 'return {"quotient": a / b}' in str(raised.value.__cause__)
        lab.submit(sleep, 1000, title="", seconds=1000)
        lab.wait()
        multiprocessing.active_children()[-1].kill()
        with pytest.raises(LabError, match="a worker process was killed by SIGKILL"):
            finish(lab)
    assert not multiprocessing.active_children()
    with open_lab(tmp_path, workers=1) as lab:
        assert lab.workers == "1 worker process"
        assert lab.submit(report_process, 0, title="", seconds=1).cached
        finish(lab)
        assert not multiprocessing.active_children()


def make_tensors(number, tensors, progress):
    return {str(place): tensors[0] + number for place in range(8)}


@pytest.mark.skipif(resource is None, reason="no limit of open files here")
def test_tensors_keep_no_files_open(tmp_path):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
    try:
        with open_lab(tmp_path, workers=2) as lab:
            tensors = [torch.ones(3)] * 4
            runs = [
                lab.submit(make_tensors, number, tensors, title="", seconds=1)
                for number in range(260)
            ]
            finish(lab)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert [run.result()["7"].tolist() for run in runs] == [[1.0 + n] * 3 for n in range(260)]


def test_no_worker_is_this_process(tmp_path):
    lines = []
    threads = torch.get_num_threads()
    with open_lab(tmp_path, workers=0) as lab:
        assert lab.workers == "this process"
        run = lab.submit(report_process, 0, title="", seconds=1, on_line=lines.append)
        finish(lab)
        assert run.result()["pid"] == os.getpid() and run.result()["threads"] == 1
        assert lines == [f"part {part}" for part in range(4)]
        lab.submit(divide, 1, 0, title="", seconds=1)
        with pytest.raises(ZeroDivisionError):
            finish(lab)
    assert torch.get_num_threads() == threads


def leave(code, progress):
    os._exit(code)


def test_a_worker_that_ends_itself_is_told_from_one_that_is_killed(tmp_path):
    with open_lab(tmp_path, workers=1) as lab:
        lab.submit(leave, 3, title="", seconds=1)
        with pytest.raises(LabError, match="ended itself with exit code 3 in the middle of a run"):
            finish(lab)


def test_the_pool_touches_nothing_but_its_own(tmp_path):
    bystander = multiprocessing.get_context("spawn").Process(target=time.sleep, args=(1000,))
    bystander.start()
    before = dict(os.environ)
    ended = []

    def work():
        with contextlib.suppress(ZeroDivisionError), open_lab(tmp_path, workers=1) as lab:
            lab.submit(divide, 1, 2, title="", seconds=1)
            finish(lab)
            lab.submit(divide, 1, 0, title="", seconds=1)
            finish(lab)
        ended.append(lab)

    handler = signal.getsignal(signal.SIGINT)
    thread = threading.Thread(target=work)
    thread.start()
    thread.join(60)
    try:
        assert ended, "it works in a thread"
        assert bystander.is_alive() and multiprocessing.active_children() == [bystander]
        assert os.environ == before and signal.getsignal(signal.SIGINT) is handler
    finally:
        bystander.kill()
        bystander.join()


@pytest.mark.parametrize(
    "variable",
    ["ATEN_CPU_CAPABILITY", "MKL_CBWR", "ONEDNN_MAX_CPU_ISA", "DNNL_DEFAULT_FPMATH_MODE"],
)
def test_a_variable_that_decides_numbers_is_part_of_the_name(variable, monkeypatch):
    monkeypatch.delenv(variable, raising=False)
    before = cache.name_run(divide, (1, 2), cache.describe_machine("cpu"))
    monkeypatch.setenv("HOME", "elsewhere")
    assert cache.name_run(divide, (1, 2), cache.describe_machine("cpu")) == before
    monkeypatch.setenv(variable, "default")
    assert cache.name_run(divide, (1, 2), cache.describe_machine("cpu")) != before


# --- Jobs: scripts with a copy of the two modules, and a module and a package of their own.

CALLS = """
import time
from pathlib import Path
import torch
from parts import inner

def draw(seed, seconds, progress):
    for part in range(20):
        Path("started").touch()
        time.sleep(seconds / 20)
        progress(part / 20, f"part {part}")
    torch.manual_seed(seed)
    product = torch.randn(300, 300) @ torch.randn(300, 300)
    numbers = inner.scale(torch.randn(10))
    return {"numbers": numbers, "product": product.sum(), "threads": torch.get_num_threads()}

def add(results, progress):
    return {"sum": sum(result["numbers"] for result in results)}
"""
INNER = """
SCALE = 1

def scale(numbers):
    return SCALE * numbers
"""
JOB = """
import json, sys
from pathlib import Path
import calls
from lab.runs import open_lab
from lab.workers import LabError

def say(result):
    return "drawn"

if __name__ == "__main__":
    seconds = float(sys.argv[1])
    workers = int(sys.argv[2])
    scheduler = sys.argv[3] if len(sys.argv) > 3 else None
    try:
        with open_lab(Path(".runs"), workers, scheduler) as lab:
            runs = []
            for seed in range(8):
                about = {"title": f"draw {seed}", "seconds": seconds, "say": say}
                runs.append(lab.submit(calls.draw, seed, seconds, **about))
            # EDIT
            total = lab.submit(calls.add, runs, title="add", seconds=0.1)
            while not total.done():
                lab.wait()
    except KeyboardInterrupt:
        raise SystemExit("Stopped.")
    except LabError as error:
        raise SystemExit(f"Error: {error}")
    results = [run.result() for run in runs]
    told = {
        "cached": sum(run.cached for run in [*runs, total]),
        "numbers": [result["numbers"].tolist() + [float(result["product"])] for result in results],
        "sum": total.result()["sum"].tolist(),
        "threads": [result["threads"] for result in results],
        "dask": "distributed" in sys.modules,
    }
    Path("results.json").write_text(json.dumps(told))
"""
needs_proc = pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs Linux's /proc")


def write_job(folder, seconds=0.2, workers=2, scheduler=None):
    """Write a job of eight draws and their sum into `folder`; returns the command to start it."""
    for path in ("lab", "parts"):
        (folder / path).mkdir(parents=True, exist_ok=True)
    for module in ("__init__", "cache", "cluster", "console", "files", "runs", "workers"):
        path = f"lab/{module}.py"
        (folder / path).write_text((cache.ROOT / path).read_text())
    (folder / "calls.py").write_text(CALLS)
    (folder / "parts" / "inner.py").write_text(INNER)
    (folder / "job.py").write_text(JOB)
    command = [sys.executable, "job.py", str(seconds), str(workers)]
    return command + [scheduler] if scheduler else command


def start(command, folder):
    """Start a command that gets Ctrl-C, also where a shell started the tests with that ignored."""
    before = signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        return subprocess.Popen(
            command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
    finally:
        signal.signal(signal.SIGINT, before)


def run_to_end(command, folder):
    """Run to the end; returns (what it printed, its results)."""
    ended = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, check=False, timeout=120
    )
    assert ended.returncode == 0, ended.stderr[-2000:]
    return ended.stdout, json.loads((folder / "results.json").read_text())


def list_cached(folder):
    return [path for path in (folder / ".runs").glob("*") if len(path.name) == 64]


def wait_for(condition, seconds=60):
    """Wait until `condition()` is true."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.02)


def list_children(pid):
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def list_workers(pid):
    """The children that are workers; the resource tracker is none."""
    commands = {child: Path(f"/proc/{child}/cmdline").read_bytes() for child in list_children(pid)}
    return [child for child, command in commands.items() if b"spawn_main" in command]


def are_gone(pids):
    for pid in pids:
        try:
            if Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z":
                return False
        except OSError:
            continue
    return True


def strip_errors(errors):
    """What a job wrote to its stderr: there is no bar where that is no terminal."""
    assert "elapsed" not in errors
    return errors.strip()


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    """The results of the job when nothing goes wrong, and its folder."""
    folder = tmp_path_factory.mktemp("uninterrupted")
    output, results = run_to_end(write_job(folder), folder)
    assert sorted(output.splitlines()) == [f"draw {seed}: drawn" for seed in range(8)]
    assert results["cached"] == 0
    assert set(results["threads"]) == {1}
    assert not results["dask"], "without a cluster Dask is not imported"
    sums = [sum(column) for column in zip(*results["numbers"], strict=True)]
    assert sums[:10] == pytest.approx(results["sum"], abs=1e-5)
    return results, folder


@needs_proc
def test_killed_and_started_again_with_another_number_of_workers(tmp_path, uninterrupted):
    process = start(write_job(tmp_path), tmp_path)
    wait_for(lambda: len(list_cached(tmp_path)) >= 2)
    workers = list_children(process.pid)
    process.kill()
    process.communicate()
    wait_for(lambda: are_gone(workers), 20)
    cached = len(list_cached(tmp_path))
    assert 2 <= cached < 8
    output, results = run_to_end(write_job(tmp_path, workers=1), tmp_path)
    assert output.count(": drawn") == 8 - cached
    assert results["cached"] == cached
    assert results["numbers"] == uninterrupted[0]["numbers"]


def run_job(folder, job=JOB, **options):
    """Run a job that fails: its error lines, and how many runs it cached."""
    command = write_job(folder, **options)
    (folder / "job.py").write_text(job)
    ended = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, check=False, timeout=120
    )
    assert ended.returncode == 1
    return ended.stderr.strip().splitlines(), len(list_cached(folder))


@pytest.mark.parametrize("text", [INNER.replace("SCALE = 1", "SCALE = 3"), "SCALE = ("])
@pytest.mark.parametrize("place", ["            # EDIT", "            runs = []"])
def test_code_that_was_edited_meanwhile_is_named_and_nothing_cached(tmp_path, text, place):
    edit = f"            Path('parts/inner.py').write_text({text!r})\n"
    lines, cached = run_job(tmp_path, JOB.replace(place, edit + place))
    assert cached == 0
    if text == "SCALE = (" and "EDIT" in place:  # workers cannot even start
        assert lines[-1] == "Error: a worker process could not start: its error stands above"
        assert any("SyntaxError" in line for line in lines)
        return
    (line,) = lines
    assert line.startswith("Error: ") and "inner.py was edited after this process" in line


def test_a_script_without_a_guard_is_told_so(tmp_path):
    job = JOB.replace('if __name__ == "__main__":', "if True:")
    lines, cached = run_job(tmp_path, job)
    assert lines[-1] == (
        "Error: a worker process could not start: job.py has no "
        '`if __name__ == "__main__":` above its calls'
    )
    assert cached == 0


def test_a_script_that_is_no_file_is_told_so(tmp_path):
    command = write_job(tmp_path)
    with open(tmp_path / "job.py") as script:
        ended = subprocess.run(
            [sys.executable, "-", *command[2:]],
            stdin=script,
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": str(tmp_path)},
            capture_output=True,
            text=True,
            check=False,
        )
    (line,) = ended.stderr.strip().splitlines()
    assert line.startswith("Error: worker processes read the script again, but <stdin> is no file")


@needs_proc
def test_no_worker_ever_gets_ctrl_c(tmp_path):
    process = start(write_job(tmp_path, seconds=1000), tmp_path)
    wait_for((tmp_path / "started").exists)
    for pid in list_workers(process.pid):
        status = Path(f"/proc/{pid}/status").read_text()
        masks = re.findall(
            r"Sig(?:Ign|Blk):\s+([0-9a-f]+)", status
        )  # ignored, or held from the start
        assert any(int(mask, 16) >> (signal.SIGINT - 1) & 1 for mask in masks), status
    process.kill()
    process.communicate()


@needs_proc
@pytest.mark.parametrize("early", [True, False])
def test_ctrl_c_ends_at_once_with_one_line(tmp_path, early):
    process = start(write_job(tmp_path, seconds=1000), tmp_path)
    wait_for(lambda: len(list_children(process.pid)) >= 2)
    if not early:
        wait_for((tmp_path / "started").exists)
    workers = list_children(process.pid)
    for pid in (process.pid, *workers):  # as a terminal does
        os.kill(pid, signal.SIGINT)
    _, errors = process.communicate(timeout=15)  # far less than the runs take
    assert process.returncode == 1
    assert strip_errors(errors) == "Stopped.", errors[-3000:]
    wait_for(lambda: are_gone(workers), 10)


# --- A cluster: a scheduler and workers of Dask's own, on loopback.


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class DaskCluster:
    """A scheduler and its workers, each a process in a folder of its own."""

    def __init__(self, folder):
        self.folder = folder
        self.processes = []
        port = str(free_port())
        self.address = f"tcp://127.0.0.1:{port}"
        self.scheduler = self.start("scheduler", "--host", "127.0.0.1", "--port", port)

    def start(self, *command):
        """Start a Dask program; what it says goes nowhere."""
        folder = self.folder / str(len(self.processes))
        folder.mkdir()
        process = subprocess.Popen(
            [sys.executable, "-m", "dask", *command, "--no-dashboard"],
            cwd=folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self.processes.append(process)
        return process

    def start_worker(self, threads=1):
        folder = self.folder / f"work of {len(self.processes)}"
        options = ["--nthreads", str(threads), "--local-directory", str(folder)]
        return self.start("worker", self.address, "--no-nanny", *options)

    def kill(self, process):
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """A cluster of two workers for all tests; the last one kills its scheduler."""
    cluster = DaskCluster(tmp_path_factory.mktemp("cluster"))
    cluster.workers = [cluster.start_worker(), cluster.start_worker()]
    yield cluster
    for process in cluster.processes:
        if process.poll() is None:
            cluster.kill(process)


@pytest.fixture(scope="module")
def lost_job(tmp_path_factory):
    """A job whose scheduler is not there, and the address; it waits while others run."""
    folder = tmp_path_factory.mktemp("lost")
    address = f"tcp://127.0.0.1:{free_port()}"
    return start(write_job(folder, scheduler=address), folder), address


@pytest.fixture(scope="module")
def shared_folder(tmp_path_factory):
    return tmp_path_factory.mktemp("client")


def test_a_cluster_gives_the_same_results(shared_folder, uninterrupted, cluster):
    command = write_job(shared_folder, scheduler=cluster.address)
    _, results = run_to_end(command, shared_folder)
    assert results["numbers"] == uninterrupted[0]["numbers"]
    assert results["cached"] == 0
    assert results["dask"]
    assert set(results["threads"]) == {1}
    names = {path.name for path in list_cached(shared_folder)}
    assert names == {path.name for path in list_cached(uninterrupted[1])}, "cached for both"


def test_living_workers_use_the_new_text_of_an_edited_module(shared_folder, uninterrupted, cluster):
    command = write_job(shared_folder, scheduler=cluster.address)
    inner = shared_folder / "parts" / "inner.py"
    inner.write_text(INNER.replace("SCALE = 1", "SCALE = 2"))
    _, results = run_to_end(command, shared_folder)
    assert results["cached"] == 0
    for now, before in zip(results["numbers"], uninterrupted[0]["numbers"], strict=True):
        assert now[:10] == [2 * number for number in before[:10]]
    inner.write_text(INNER.replace("return", "raise ValueError('edited')\n    return"))
    process = start(command, shared_folder)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "raise ValueError('edited')" in errors, "the worker's own traceback"
    assert "Error: the cluster" not in errors


def test_a_worker_that_differs_is_named(tmp_path, cluster, lost_job):
    command = write_job(tmp_path, seconds=2, scheduler=cluster.address)
    process = start(command, tmp_path)
    wait_for(lambda: list_cached(tmp_path))
    two_threads = cluster.start_worker(threads=2)
    _, later_errors = process.communicate(timeout=60)
    _, errors = start(command, tmp_path).communicate(timeout=60)
    cluster.kill(two_threads)
    for each in (later_errors, errors):
        assert re.fullmatch(
            r"Error: the worker at tcp://\S+ has threads 2, but 1 is needed", strip_errors(each)
        ), each


def test_killed_workers_of_a_cluster_and_a_later_one_change_nothing(
    tmp_path, uninterrupted, cluster
):
    process = start(write_job(tmp_path, scheduler=cluster.address), tmp_path)
    wait_for(lambda: len(list_cached(tmp_path)) >= 2)
    cluster.start_worker()
    for worker in cluster.workers:
        cluster.kill(worker)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    results = json.loads((tmp_path / "results.json").read_text())
    assert results["numbers"] == uninterrupted[0]["numbers"]


def test_a_scheduler_that_goes_ends_the_job_in_one_line(tmp_path, cluster):
    process = start(write_job(tmp_path, seconds=1, scheduler=cluster.address), tmp_path)
    wait_for(lambda: list_cached(tmp_path))
    cluster.kill(cluster.scheduler)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert strip_errors(errors).startswith(f"Error: the cluster at {cluster.address} is gone"), (
        errors
    )
    assert len(strip_errors(errors).splitlines()) == 1, errors
    assert list_cached(tmp_path)


def test_a_scheduler_that_is_not_there_is_named(lost_job):
    process, address = lost_job
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert errors.startswith(f"Error: the cluster at {address} is gone or not there")
    assert len(errors.splitlines()) == 1


def test_workers_that_differ_are_named():
    here = cache.describe_machine("cpu")
    same = {address: here | {"threads": 1} for address in ("tcp://a", "tcp://b")}
    assert agree(same) == here
    for change in ({"torch": "0"}, {"numpy": "0"}, {"device": "abacus"}, {"threads": 2}):
        ((what, value),) = change.items()
        with pytest.raises(
            LabError, match=f"the worker at tcp://c has {what} {value}, but .* is needed"
        ):
            agree(same | {"tcp://c": here | {"threads": 1} | change})
