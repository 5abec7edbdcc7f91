"""Files that are whole or not there, and folders that one process works in, tried."""

import errno
import os
import subprocess
import sys
import threading

import pytest

from lab import files
from lab.files import FolderInUseError, held, written_whole

HOLD = """
import sys, time
from pathlib import Path
from lab.files import FolderInUseError, held
try:
    with held(Path(sys.argv[1])):
        print("held", flush=True)
        time.sleep(1000)
except FolderInUseError as error:
    print(error)
"""


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_file_has_its_old_content_until_the_new_is_whole(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with written_whole(path) as aside:
        aside.write_text("ne")
        assert path.read_text() == "old"
        aside.write_text("new")
    assert path.read_text() == "new" and names(tmp_path) == ["a.txt"]
    with pytest.raises(KeyError), written_whole(path) as aside:
        aside.write_text("half")
        raise KeyError
    assert path.read_text() == "new" and names(tmp_path) == ["a.txt"]


def test_writers_at_the_same_time_disturb_each_other_not(tmp_path):
    path = tmp_path / "a.txt"
    with written_whole(path) as first, written_whole(path) as second:
        first.write_text("first" * 1000)
        second.write_text("second")
    assert path.read_text() == "first" * 1000 and names(tmp_path) == ["a.txt"]


def fail_to_replace(monkeypatch, times):
    """Have the first `times` replacements fail, as on Windows while a browser reads the file."""
    replace = os.replace
    failures = []

    def replace_later(source, target):
        if len(failures) < times:
            failures.append(target)
            raise PermissionError(errno.EACCES, "Access is denied", str(source), None, str(target))
        replace(source, target)

    monkeypatch.setattr(os, "replace", replace_later)
    return failures


def test_a_file_that_cannot_be_replaced_for_a_moment_is_replaced_later(tmp_path, monkeypatch):
    failures = fail_to_replace(monkeypatch, 3)
    with written_whole(tmp_path / "a.txt") as aside:
        aside.write_text("new")
    assert len(failures) == 3 and (tmp_path / "a.txt").read_text() == "new"


def test_a_file_that_can_never_be_replaced_is_named_and_stays(tmp_path, monkeypatch):
    path = tmp_path / "a.txt"
    path.write_text("old")
    fail_to_replace(monkeypatch, 10**6)
    monkeypatch.setattr(files, "PATIENCE", 0.1)
    with pytest.raises(PermissionError) as raised, written_whole(path) as aside:
        aside.write_text("new")
    assert raised.value.filename == str(path) and str(path) in str(raised.value)
    assert path.read_text() == "old" and names(tmp_path) == ["a.txt"]


def test_a_full_disk_names_the_file_and_leaves_nothing_beside_it(tmp_path):
    with pytest.raises(OSError) as raised, written_whole(tmp_path / "a.txt") as aside:
        aside.write_text("half")
        raise OSError(errno.ENOSPC, "No space left on device")
    assert str(tmp_path / "a.txt") in str(raised.value) and names(tmp_path) == []


def test_a_folder_is_held_once(tmp_path):
    folder = tmp_path / "figures"
    with held(folder):
        with pytest.raises(FolderInUseError, match="another start is at work in .*figures"):
            held(folder).__enter__()
        errors = []

        def hold():
            try:
                held(folder).__enter__()
            except FolderInUseError as error:
                errors.append(error)

        thread = threading.Thread(target=hold)
        thread.start()
        thread.join()
        assert len(errors) == 1
        with held(tmp_path / "another"):
            pass
    with held(folder):
        pass


def test_the_system_lets_a_folder_go_with_its_process(tmp_path):
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "held\n"
    with pytest.raises(FolderInUseError):
        held(tmp_path).__enter__()
    process.kill()
    process.communicate()
    with held(tmp_path):
        second = subprocess.run(command, capture_output=True, text=True, check=True)
    assert second.stdout.startswith("another start is at work")
