"""Files that are there whole or not at all, and a folder that one process works in."""

import contextlib
import os
import time
import uuid

from lab.console import ForeseenError

PATIENCE = 1.0  # seconds to wait for a file that a browser or a scanner has open (Windows)

try:
    import fcntl
except ImportError:  # Windows
    import msvcrt


class FolderInUseError(ForeseenError):
    """A folder that another process works in; the message is one line for the reader."""


@contextlib.contextmanager
def written_whole(path):
    """Give a path beside `path` to write to; at the end the file there takes the place of `path`.

    A reader of `path` has the file of before until then, and after a kill. Nothing is left beside
    it after an error. An OSError names `path`.
    """
    aside = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.part")
    try:
        yield aside
        replace_patiently(aside, path)
    except OSError as error:
        if error.errno is not None:
            error.filename = str(path)
            error.filename2 = None
        raise
    finally:
        with contextlib.suppress(OSError):  # it is there after an error only
            aside.unlink()


def replace_patiently(aside, path):
    """`os.replace`, tried again for PATIENCE seconds while `path` cannot be replaced."""
    end = time.monotonic() + PATIENCE
    while True:
        try:
            return os.replace(aside, path)
        except PermissionError:
            if time.monotonic() >= end:
                raise
            time.sleep(0.05)


@contextlib.contextmanager
def held(folder):
    """Hold `folder`, made where it is not there, for this process alone.

    The system lets it go when the process ends, however it ends. Raises FolderInUseError where
    another process, or another call of this one, holds it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / ".lock", "ab") as file:
        try:
            if os.name == "nt":
                msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
            else:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):
            raise FolderInUseError(
                f"another start is at work in {folder}: wait for its end, or set FIGURES to "
                "another folder"
            ) from None
        except OSError:
            pass  # a file system without locks: nothing can be said
        yield
