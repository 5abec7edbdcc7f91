"""The project's own files, as git knows them: what a reader adds and edits is not tested."""

import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).parent.parent
FIXTURES = Path(__file__).parent / "fixtures"  # adders that no run writes
EDITED = ["source.py", "pt.py"]  # by readers, as the README asks them to
# The other code, where no git tells which files are the project's.
LAYOUT = ["data.py", "recurrence.py", "exact/**/*.py", "lab/**/*.py", "tests/*.py"]


def git(*arguments):
    """The output of git in the project, or None: no git program, or no checkout."""
    if shutil.which("git") is None:
        return None
    ended = subprocess.run(
        ["git", *arguments], cwd=ROOT, capture_output=True, encoding="utf-8", check=False
    )
    return ended.stdout if ended.returncode == 0 else None


def tracked():
    """The names of all files of the project, or None without git."""
    names = git("ls-files")
    return names.splitlines() if names else None


def committed(name):
    """The text of a file as it is committed, or None without git."""
    return git("show", f"HEAD:./{name}")


def read_code():
    """{name: text} of the project's Python files.

    The files that readers edit are as they are committed, and left out without git.
    """
    names = tracked()
    if names is None:
        names = [path.relative_to(ROOT).as_posix() for at in LAYOUT for path in ROOT.glob(at)]
    texts = {}
    for name in names:
        if name in EDITED:
            texts[name] = committed(name)
        elif name.endswith(".py") and (ROOT / name).exists():
            texts[name] = (ROOT / name).read_text(encoding="utf-8")
    return {name: text for name, text in texts.items() if text is not None}
