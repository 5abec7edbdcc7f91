"""Long calls: interrupted, damaged, changed, unkept, shared by any number of workers or by a cluster. Jobs of their own."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from lab import pool

CALLS = """
import os, time
import torch

def draw(settings, progress):
    torch.manual_seed(settings["seed"])
    for part in range(20):
        time.sleep(settings["seconds"] / 20)
        progress(part / 20, f"part {part}")
    return {"said": "drawn", "pid": os.getpid(), "threads": torch.get_num_threads(),
            "numbers": torch.randn(1000), "product": (torch.randn(300, 300) @ torch.randn(300, 300)).sum()}
"""
JOB = """
import json, sys
from pathlib import Path
import calls
from lab import pool

if __name__ == "__main__":
    seconds, workers, scheduler = float(sys.argv[1]), int(sys.argv[2]), sys.argv[3] if len(sys.argv) > 3 else None
    todo = [pool.Call(calls.draw, {"seed": seed, "seconds": seconds, "device": "cpu"}, f"call {seed}", seconds, seed == 0)
            for seed in [*range(8), 0]]
    finished, sources = {}, {"calls": Path("calls.py").read_text()}
    try:
        taken_over = pool.conduct(todo, finished, Path(".runs"), sources, workers, scheduler)
    except KeyboardInterrupt:
        raise SystemExit("Stopped.")
    except (ValueError, OSError) as error:
        raise SystemExit(f"Error: {error}")
    found = [finished[pool.key(call)] for call in todo[:8]]
    numbers = [record["numbers"].tolist() + [float(record["product"])] for record in found]
    about = {"taken_over": taken_over, "numbers": numbers, "pids": [record["pid"] for record in found],
             "threads": [record["threads"] for record in found], "dask": "distributed" in sys.modules}
    Path("results.json").write_text(json.dumps(about))
"""
HERE = Path(pool.__file__).parent
needs_proc = pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs Linux's /proc")


def job(folder, seconds=0.3, workers=2, scheduler=None):
    """The command that starts a job of eight calls in `folder`."""
    (folder / "lab").mkdir(parents=True, exist_ok=True)
    (folder / "lab" / "pool.py").write_text((HERE / "pool.py").read_text())
    (folder / "calls.py").write_text(CALLS)
    (folder / "job.py").write_text(JOB)
    return [
        sys.executable,
        "job.py",
        str(seconds),
        str(workers),
        *([scheduler] if scheduler else []),
    ]


def start(command, folder):
    return subprocess.Popen(
        command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def finish(command, folder):
    """Run to the end; returns (what it printed, its results)."""
    ended = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr[-2000:]
    return ended.stdout, json.loads((folder / "results.json").read_text())


def kept_files(folder):
    return [path for path in (folder / ".runs").glob("*") if len(path.name) == 64]


def wait_for(condition, seconds=60):
    """Wait until `condition()` is true."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.02)


def children(pid):
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def is_running(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"
    except OSError:
        return False


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    """The results of the job when nothing goes wrong, and its folder."""
    folder = tmp_path_factory.mktemp("uninterrupted")
    output, results = finish(job(folder), folder)
    assert "Taken over" not in output and output.count(": drawn") == 8, (
        "a call named twice is made once"
    )
    assert results["taken_over"] == 0 and len(set(results["pids"])) == 2
    assert not results["dask"], "without a cluster Dask is not imported"
    return results, folder


def test_progress_is_printed_for_the_calls_that_speak(uninterrupted, tmp_path):
    output, _ = finish(job(tmp_path, seconds=1.2), tmp_path)
    assert "call 0: part 3\n" in output and "call 1: part" not in output


def test_the_number_of_workers_changes_nothing(tmp_path, uninterrupted):
    _, one = finish(job(tmp_path, seconds=0.3, workers=1), tmp_path)
    assert one["numbers"] == uninterrupted[0]["numbers"]
    assert set(one["threads"]) == set(uninterrupted[0]["threads"]) == {1}


@needs_proc
def test_killed_and_started_again(tmp_path, uninterrupted):
    command = job(tmp_path)
    process = start(command, tmp_path)
    wait_for(lambda: len(kept_files(tmp_path)) >= 2)
    workers = children(process.pid)
    process.kill()
    process.communicate()
    wait_for(lambda: not any(map(is_running, workers)), 20)
    kept = len(kept_files(tmp_path))
    assert 2 <= kept < 8
    output, results = finish(command, tmp_path)
    assert f"Taken over: {kept} finished runs. To train all afresh, delete .runs/." in output
    assert output.count(": drawn") == 8 - kept
    assert results["numbers"] == uninterrupted[0]["numbers"] and results["taken_over"] == kept


@needs_proc
@pytest.mark.parametrize("early", [True, False])
def test_ctrl_c_ends_at_once_with_one_line(tmp_path, early):
    process = start(job(tmp_path, seconds=1000), tmp_path)
    wait_for(lambda: len(children(process.pid)) >= 2)
    if not early:
        time.sleep(4)  # the workers work by now
    workers = children(process.pid)
    for pid in (process.pid, *workers):  # as a terminal does
        os.kill(pid, signal.SIGINT)
    began = time.monotonic()
    _, errors = process.communicate(timeout=30)
    assert time.monotonic() - began < 15
    assert process.returncode == 1
    assert re.sub("[^\\n]*\\r|[^\\n]*left", "", errors).split() == ["Stopped."], errors[-3000:]
    wait_for(lambda: not any(map(is_running, workers)), 10)


def test_damaged_and_truncated_records_are_made_again(tmp_path, uninterrupted):
    command = job(tmp_path)
    (tmp_path / ".runs").mkdir()
    files = sorted(kept_files(uninterrupted[1]))
    for number, path in enumerate(files):
        content = bytearray(path.read_bytes())
        if number == 0:
            content[len(content) // 2] ^= 1  # one bit
        if number == 1:
            content = content[: len(content) // 2]
        if number == 2:
            content = b""
        (tmp_path / ".runs" / path.name).write_bytes(content)
    output, results = finish(command, tmp_path)
    assert output.count("is damaged and is trained again") == 3
    for path in files[:3]:
        assert path.name in output
    assert "Taken over: 5 finished runs" in output
    assert results["numbers"] == uninterrupted[0]["numbers"]


def test_what_is_kept_is_for_the_same_code_settings_and_versions():
    def same(settings, progress):
        return {}

    call = pool.Call(same, {"seed": 0, "device": "cpu"}, "a title", 1.0)
    name, here = pool.key(call), pool.machine("cpu")
    path = pool.digest(name, here, {"pt": "code"})
    reordered = call._replace(
        settings=dict(reversed(call.settings.items())), title="other", seconds=2.0, spoken=True
    )
    assert pool.digest(pool.key(reordered), here, {"pt": "code"}) == path
    others = [
        pool.digest(
            pool.key(call._replace(settings=call.settings | {"seed": 1})), here, {"pt": "code"}
        ),
        pool.digest(name, here | {"torch": "0"}, {"pt": "code"}),
        pool.digest(name, here | {"device": "abacus"}, {"pt": "code"}),
        pool.digest(name, here, {"pt": "other code"}),
    ]
    assert path not in others and len(set(others)) == 4


def test_a_changed_line_of_code_makes_afresh(tmp_path, uninterrupted):
    command = job(tmp_path)
    (tmp_path / ".runs").mkdir()
    for path in kept_files(uninterrupted[1]):
        (tmp_path / ".runs" / path.name).write_bytes(path.read_bytes())
    (tmp_path / "lab" / "pool.py").write_text(
        (HERE / "pool.py").read_text() + "\n# changed, but makes no result\n"
    )
    assert "Taken over: 8" in finish(command, tmp_path)[0]
    (tmp_path / "calls.py").write_text(CALLS + "\n# changed\n")
    assert "Taken over" not in finish(command, tmp_path)[0]


def test_a_result_that_cannot_be_kept_is_announced(tmp_path):
    (tmp_path / "file").write_text("no folder can be made here")
    unkept = pool.keep(tmp_path / "file" / ".runs" / "name", {"numbers": torch.ones(3)})
    assert unkept.startswith(" (not kept: ")
    assert pool.keep(tmp_path / ".runs" / "name", {"numbers": torch.ones(3)}) == ""
    assert pool.kept(tmp_path / ".runs" / "name")["numbers"].tolist() == [1, 1, 1]


def test_a_full_disk_stops_nothing(tmp_path, uninterrupted):
    command = job(tmp_path)
    (tmp_path / ".runs").write_text("no folder can be made here")
    output, results = finish(command, tmp_path)
    assert output.count(" (not kept: ") == 8
    assert results["numbers"] == uninterrupted[0]["numbers"]


def test_results_are_written_plain_and_readable(tmp_path):
    value = pool.plain(
        {"a": (1.23456789, 2), 3: {"b": [None, True, float("nan")]}, "c": "text, [in] brackets"}
    )
    assert value == {"a": [1.23457, 2], "3": {"b": [None, True, None]}, "c": "text, [in] brackets"}
    pool.write(value, tmp_path / "results.json")
    text = (tmp_path / "results.json").read_text()
    assert json.loads(text) == value
    assert '"a": [ 1.23457, 2 ]' in text and text.count("\n") == 7


# ---------------------------------------------------------------------------------------------------
# A cluster: a scheduler and workers of Dask's own, on loopback.


def dask(*command):
    """Start a Dask program; what it says goes nowhere."""
    options = {
        "stdout": subprocess.DEVNULL,
        "stderr": subprocess.DEVNULL,
        "start_new_session": True,
    }
    return subprocess.Popen([sys.executable, "-m", "dask", *command], **options)


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@pytest.fixture
def cluster(tmp_path):
    """start(workers, *options) -> (address, scheduler's process, workers' processes); all end with the test."""
    started = []

    def start_cluster(workers, *options):
        port = str(free_port())
        address = f"tcp://127.0.0.1:{port}"
        started.append(dask("scheduler", "--host", "127.0.0.1", "--port", port, "--no-dashboard"))
        for number in range(workers):
            folder = tmp_path / f"worker{number}"
            folder.mkdir()
            more = options or ("--nthreads", "1")
            started.append(
                dask("worker", address, "--no-dashboard", "--local-directory", str(folder), *more)
            )
        return address, started[0], started[1:]

    yield start_cluster
    for process in started:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def test_a_cluster_gives_the_same_results_though_a_worker_is_killed(
    tmp_path, uninterrupted, cluster
):
    address, _, workers = cluster(2)
    folder = tmp_path / "client"
    command = job(folder, seconds=0.3, scheduler=address)
    process = start(command, folder)
    wait_for(lambda: len(kept_files(folder)) >= 2)
    os.killpg(workers[0].pid, signal.SIGKILL)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    results = json.loads((folder / "results.json").read_text())
    assert results["numbers"] == uninterrupted[0]["numbers"]
    assert set(results["threads"]) == {1} and results["dask"]
    assert "Taken over: 8" in finish(job(folder), folder)[0], (
        "kept for a run without the cluster, too"
    )


def test_a_scheduler_that_goes_ends_the_run_in_one_line(tmp_path, cluster):
    address, scheduler, _ = cluster(1)
    folder = tmp_path / "client"
    process = start(job(folder, seconds=0.3, scheduler=address), folder)
    wait_for(lambda: len(kept_files(folder)) >= 2)
    os.killpg(scheduler.pid, signal.SIGKILL)
    _, errors = process.communicate(timeout=120)
    last = errors.strip().splitlines()[-1]
    assert process.returncode == 1 and last.startswith(
        f"Error: the cluster at {address} is gone"
    ), errors
    assert "Traceback" not in errors
    assert len(kept_files(folder)) >= 2


def test_a_scheduler_that_is_not_there_is_named(tmp_path):
    address = f"tcp://127.0.0.1:{free_port()}"
    process = start(job(tmp_path, scheduler=address), tmp_path)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1 and errors.strip().startswith(
        f"Error: the cluster at {address} is gone or not there"
    )
    assert len(errors.strip().splitlines()) == 1


def test_a_worker_of_two_threads_is_refused_before_any_work(tmp_path, cluster):
    address, *_ = cluster(1, "--nthreads", "2")
    folder = tmp_path / "client"
    process = start(job(folder, scheduler=address), folder)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert re.fullmatch(
        r"Error: the worker at tcp://\S+ has threads 2, but 1 is needed", errors.strip()
    ), errors
    assert not kept_files(folder)


def test_workers_that_differ_are_named():
    here = pool.machine("cpu") | {"threads": 1}
    same = {"tcp://a": {"cpu": here}, "tcp://b": {"cpu": here}}
    assert pool.alike(same) == {"cpu": pool.machine("cpu")}
    for change in ({"torch": "0"}, {"numpy": "0"}, {"device": "abacus"}):
        ((what, value),) = change.items()
        with pytest.raises(
            ValueError, match=f"the worker at tcp://c has {what} {value}, but .* is needed"
        ):
            pool.alike(same | {"tcp://c": {"cpu": here | change}})


def test_a_worker_gets_the_clients_code_and_only_once(monkeypatch):
    first = {
        "shipped_1": "loads = 1\ndef f(settings, progress): return {'said': 'first'}",
        "shipped_2": "import shipped_1\ndef f(settings, progress): return shipped_1.f(settings, progress)",
    }
    settings, here = {"device": "cpu"}, pool.machine("cpu")
    assert pool.perform_there(first, "shipped_2", "f", settings, here)["said"] == "first"
    module = sys.modules["shipped_2"]
    assert pool.perform_there(first, "shipped_2", "f", settings, here)["said"] == "first"
    assert sys.modules["shipped_2"] is module
    second = first | {"shipped_1": first["shipped_1"].replace("first", "second")}
    assert pool.perform_there(second, "shipped_2", "f", settings, here)["said"] == "second"
    with pytest.raises(ValueError, match="expected"):
        pool.perform_there(first, "shipped_2", "f", settings, here | {"torch": "0"})
