"""The script where much is other than here: paths, names, outputs, disks, a file edited by hand."""

import copy
import errno
import json
import os
import random
import subprocess
import sys
from dataclasses import replace

import pytest
import test_source
from checkout import committed

import source
from lab import console
from lab.book import Book
from lab.files import FolderInUseError, held
from lab.parts.experiment import compare
from lab.workers import Processes

tiny = test_source.tiny
shared_cache = test_source.shared_cache
SMALL = test_source.SMALL
QUICK = [
    ("ONLY = []", 'ONLY = ["gpu"]'),
    ("lengths=[10, 100, 1000, 5000]", "lengths=[1]"),
]


def copy_quick(folder, workers=0):
    """A copied project whose run takes a second of work."""
    folder.mkdir(exist_ok=True)
    test_source.copy_project(folder)
    path = folder / "source.py"
    text = path.read_text(encoding="utf-8")
    if not all(old in text for old, _ in QUICK):  # a reader has edited it
        text = committed("source.py") or pytest.skip("edited, and there is no git")
    for old, new in [*QUICK, ("WORKERS = CPU_COUNT", f"WORKERS = {workers}")]:
        text = text.replace(old, new)
    path.write_text(text, encoding="utf-8")
    return path


def start(command, folder, **options):
    """Run a command to its end."""
    return subprocess.run(
        [sys.executable, *command], cwd=folder, capture_output=True, check=False, **options
    )


def test_hostile_names_paths_and_letters(tmp_path):
    # Chinese letters that the console does not have, a package `lab` that is installed, Python's
    # safe path, a link to the script in another folder, a notebook's backend.
    script = copy_quick(tmp_path / "\u52a0\u6cd5", workers=1)
    other = tmp_path / "installed"
    (other / "lab").mkdir(parents=True)
    (other / "lab" / "__init__.py").write_text("")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "source.py").symlink_to(script)
    variables = {
        "PYTHONSAFEPATH": "1",
        "PYTHONPATH": str(other),
        "PYTHONIOENCODING": "cp1252",
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
    }
    ended = start(["source.py"], elsewhere, env=os.environ | variables)
    output = ended.stdout.decode("cp1252")
    assert ended.returncode == 0, ended.stderr.decode()
    assert "gpu: " in output and "\\u52a0\\u6cd5" in output
    assert ended.stderr == b"", "no bar where there is no terminal"
    assert (script.parent / "figures" / "gpu.png").exists()
    assert [path.name for path in elsewhere.iterdir()] == ["source.py"]


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="CPUs cannot be taken away here")
def test_there_are_as_many_workers_as_this_process_may_use_cpus():
    script = "import os; os.sched_setaffinity(0, {0}); import source; print(source.WORKERS)"
    assert start(["-c", script], test_source.ROOT).stdout == b"1\n"


def test_windows_cannot_wait_for_more_than_61_workers(monkeypatch):
    assert Processes(100).count == 100
    with monkeypatch.context() as patched:
        patched.setattr(os, "name", "nt")
        workers = Processes(100)
    assert workers.count == 61 and workers.name == "61 worker processes"


@pytest.mark.skipif(os.name == "nt", reason="shells of Unix")
def test_closed_outputs_and_broken_pipes(tmp_path):
    copy_quick(tmp_path)
    command = f'exec "{sys.executable}" source.py'
    closed = subprocess.run(["sh", "-c", f"{command} >&- 2>&-"], cwd=tmp_path, check=False)
    assert closed.returncode == 0 and (tmp_path / "figures" / "gpu.png").exists()
    process = subprocess.Popen(
        ["sh", "-c", command], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    process.stdout.readline()
    process.stdout.close()
    errors = process.stderr.read()
    process.stderr.close()
    assert process.wait() == console.BROKEN_PIPE and errors == b""


def test_a_machine_without_shared_memory_or_temporary_folders(tmp_path):
    copy_quick(tmp_path, workers=1)
    lines = [
        "import multiprocessing.synchronize, runpy, tempfile",
        "def refuse(*_, **__): raise FileNotFoundError(2, 'No usable temporary directory found')",
        "tempfile.mkdtemp = tempfile.gettempdir = refuse",
        "if __name__ == '__main__': runpy.run_path('source.py', run_name='__main__')",
    ]
    (tmp_path / "without_tmp.py").write_text("\n".join(lines))
    ended = start(["without_tmp.py"], tmp_path)
    assert ended.returncode == 0, ended.stderr.decode()
    lines[2] = "multiprocessing.synchronize.SemLock.__init__ = refuse"
    (tmp_path / "without_shm.py").write_text("\n".join(lines))
    (tmp_path / ".runs").rename(tmp_path / "old runs")
    ended = start(["without_shm.py"], tmp_path)
    (line,) = ended.stderr.decode().splitlines()
    assert ended.returncode == 1
    assert line.startswith("Error: worker processes need semaphores in shared memory")
    assert "set WORKERS = 0" in line


@pytest.mark.skipif(os.name == "nt", reason="no limit of a file's size there")
def test_a_disk_that_takes_no_more_is_named_in_one_line(tmp_path):
    copy_quick(tmp_path)
    limited = (
        "import resource, runpy; resource.setrlimit(resource.RLIMIT_FSIZE, (9000, 9000)); "
        "runpy.run_path('source.py', run_name='__main__')"
    )
    (tmp_path / "limited.py").write_text(f'if __name__ == "__main__":\n    {limited}\n')
    ended = start(["limited.py"], tmp_path)
    (line,) = ended.stderr.decode().splitlines()
    assert ended.returncode == 1 and line.startswith("Error: [Errno 27] File too large")
    assert "figures" in line and line.endswith("Finished runs are cached: run it again to go on.")
    assert not list(tmp_path.glob("**/*.part"))


def test_a_script_without_a_guard_ends_with_lines(tmp_path):
    copy_quick(tmp_path, workers=1)
    (tmp_path / "mine.py").write_text("import source\n\nsource.main()\n")
    ended = start(["mine.py"], tmp_path)
    lines = ended.stderr.decode().splitlines()
    assert ended.returncode == 1
    assert any(line.startswith("Error: a run was started while a worker") for line in lines)
    assert 'mine.py has no `if __name__ == "__main__":`' in ended.stderr.decode()


def test_a_second_start_in_the_folder_says_so_and_changes_nothing(tiny):
    figures = tiny(EXPERIMENTS={"one": compare(SMALL, [0])})
    source.main()
    before = (figures / "results.json").read_bytes()
    tiny(EXPERIMENTS={"two": compare(SMALL, [1])})
    for run in (source.main, source.pt_adv_main, source.draw):
        with (
            held(figures),
            pytest.raises(FolderInUseError, match="another start is at work in .*figures"),
        ):
            run()
        assert (figures / "results.json").read_bytes() == before
    source.main()
    parts = json.loads((figures / "results.json").read_text())["parts"]
    assert [name for name in parts if name in ("one", "two")] == ["two", "one"]


def test_a_page_and_a_picture_that_cannot_be_replaced_end_nothing(tiny, monkeypatch, capsys):
    replace_file = os.replace

    def refuse(old, new):
        if os.fspath(new).endswith((".html", "one.png")):
            raise PermissionError(errno.EACCES, "Access is denied", os.fspath(new))
        replace_file(old, new)

    monkeypatch.setattr("lab.files.PATIENCE", 0)
    monkeypatch.setattr(os, "replace", refuse)
    figures = tiny(EXPERIMENTS={"one": compare(SMALL, [0])})
    source.main()
    printed = capsys.readouterr().out
    assert "the page stays as it was: [Errno 13] Access is denied" in printed
    assert "one.png stays as it was: [Errno 13] Access is denied" in printed
    assert not (figures / "one.png").exists() and (figures / "results.json").exists()
    monkeypatch.undo()
    tiny(EXPERIMENTS={"one": compare(SMALL, [0])}, FIGURES=figures)
    source.main()
    assert (figures / "one.png").exists() and (figures / "index.html").exists()


@pytest.mark.parametrize(
    ("error", "is_ours"),
    [
        (OSError("mine"), False),
        (FileNotFoundError(errno.ENOENT, "No such file", "mine.csv"), False),
        (PermissionError(errno.EACCES, "Permission denied", str(source.FIGURES / "x.png")), True),
        (NotADirectoryError(errno.ENOTDIR, "Not a directory", str(source.CACHE)), True),
        (OSError(errno.ENOSPC, "No space left on device"), True),
    ],
)
def test_errors_of_our_files_are_told_from_those_of_the_readers_code(error, is_ours):
    assert console.is_of_files(error, (source.FIGURES, source.CACHE)) == is_ours


def test_a_file_where_a_folder_should_be_is_named(tmp_path):
    copy_quick(tmp_path)
    (tmp_path / "figures").write_text("mine")
    ended = start(["source.py"], tmp_path)
    (line,) = ended.stderr.decode().splitlines()
    assert ended.returncode == 1 and line.startswith("Error: [Errno 17] File exists: ")
    assert "figures" in line and (tmp_path / "figures").read_text() == "mine"


def places_of(value, path=()):
    """The paths to everything in a nest of dicts and lists."""
    items = []
    if isinstance(value, dict):
        items = list(value.items())
    elif isinstance(value, list):
        items = list(enumerate(value))
    found = []
    for key, item in items:
        found += [(*path, key), *places_of(item, (*path, key))]
    return found


def test_results_edited_in_any_way_that_json_allows(tiny):
    small = {"task-1": compare(SMALL, [0]), "mine": compare(SMALL, [0], layers=[1, 2])}
    looks = {
        "memory": replace(source.BEYOND["memory"], of={"mine": small["mine"]}, positions=2),
        "stress": replace(test_source.STRESS, of={"mine": small["mine"]}),
    }
    figures = tiny(EXPERIMENTS=small, BEYOND=looks)
    source.main()
    path = figures / "results.json"
    unedited = json.loads(path.read_text())
    draws = random.Random(0)
    refused = 0
    for number in range(30):
        edited = copy.deepcopy(unedited)
        place = draws.choice(places_of(edited))
        parent = edited
        for key in place[:-1]:
            parent = parent[key]
        if isinstance(parent, dict) and number % 3 == 0:
            del parent[place[-1]]
        else:
            parent[place[-1]] = draws.choice([None, 7, -1.5, "text", [], {}, [None], True])
        path.write_text(json.dumps(edited))
        try:
            book = Book(figures, source.OVERVIEWS, small | looks)
            if number % 10 == 0:
                book.look_over()
                book.draw(anew=True)
        except console.ForeseenError as error:
            refused += 1
            assert "\n" not in str(error) and ("results.json" in str(error) or ".png" in str(error))
        assert json.loads(path.read_text()) == edited
    assert 3 < refused < 28
    path.write_text(json.dumps(unedited))
    assert Book(figures, source.OVERVIEWS, small | looks).results == unedited
