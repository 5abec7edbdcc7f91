"""Beside a reader's files and edits, without a git program, and on Windows: the tests pass."""

import os
import subprocess
import sys

import pytest
from checkout import ROOT, git, read_code, tracked

UGLY = "import os,sys\nNUMBERS=[" + "1, " * 60 + "]\n\n\ndef mine( x ):return x\n"
CELL = '{"cell_type": "code", "source": ["import os,sys"], "metadata": {}, "outputs": []}'
NOTEBOOK = f'{{"cells": [{CELL}], "metadata": {{}}, "nbformat": 4, "nbformat_minor": 5}}'


def copy_code(folder):
    """The project's code in a folder, with what its tests need."""
    texts = read_code() | {
        name: (ROOT / name).read_text(encoding="utf-8") for name in (".ruff.toml", ".pytest.ini")
    }
    for name, text in texts.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")


def commit(folder):
    """Make a folder a checkout."""
    who = ["-c", "user.name=a", "-c", "user.email=a", "-c", "commit.gpgsign=false"]
    for command in (["init", "-q"], ["add", "."], [*who, "commit", "-qm", "all"]):
        subprocess.run(["git", *command], cwd=folder, check=True, capture_output=True)


def append(path, text):
    """Write text at the end of a file."""
    with path.open("a", encoding="utf-8") as file:
        file.write(text)


def run_layout(folder, path, *options):
    """Run the tests of the layout there, without torch: (exit status, what pytest printed)."""
    options = ["--noconftest", "-n", "0", "-q", "-p", "no:cacheprovider", *options]
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", *options, "tests/test_layout.py"],
        cwd=folder,
        env=os.environ | {"PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    return ended.returncode, ended.stdout + ended.stderr


@pytest.mark.parametrize("has_git", [True, False])
def test_a_readers_files_and_edits_fail_no_test_of_the_looks(has_git, tmp_path):
    if has_git and tracked() is None:
        pytest.skip("no git checkout")
    copy_code(tmp_path)
    if has_git:
        commit(tmp_path)
    path = os.environ["PATH"] if has_git else str(tmp_path / "empty")
    (tmp_path / "mine.py").write_text(UGLY)
    (tmp_path / "mine.ipynb").write_text(NOTEBOOK)
    for name in ("source.py", "pt.py"):
        append(tmp_path / name, UGLY)
    status, output = run_layout(tmp_path, path)
    assert status == 0 and " passed" in output, output
    append(tmp_path / "data.py", UGLY)  # which nobody is asked to edit
    status, output = run_layout(tmp_path, path, "-k", "ruff")
    assert status == 1 and "2 failed" in output, output


def test_no_text_has_the_line_ends_of_windows(tmp_path):
    # bash cannot read .ci/run with them. As on Windows, where git may be told to write CRLF:
    if git("clone", "-q", "-c", "core.autocrlf=true", str(ROOT), str(tmp_path / "clone")) is None:
        pytest.skip("no git checkout")
    names = [path for path in (tmp_path / "clone").rglob("*") if path.is_file()]
    names = [path for path in names if ".git" not in path.parts]
    assert tmp_path / "clone" / ".ci" / "run" in names
    for path in names:
        if path.suffix not in (".npz", ".png"):
            assert b"\r" not in path.read_bytes(), path
