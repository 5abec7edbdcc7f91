"""Lines and a bar for the reader: on a terminal, in a log, or where nobody reads."""

import errno
import os
import sys
from pathlib import Path

from tqdm import tqdm

# The bar without the time left at first: it says little before a twentieth is done.
EARLY = "{percentage:3.0f}% |{bar}| {elapsed} elapsed"
BAR = EARLY + ", {remaining} left"
EARLY_SHARE = 0.05
BROKEN_PIPE = 141  # the exit status of a program that a broken pipe (SIGPIPE) ended


class ForeseenError(Exception):
    """An end that was foreseen; the message is one line for the reader."""


class NobodyReadsError(Exception):
    """The reader of the output has gone, as `head` goes after its lines."""


def run_script(main, folders):
    """Run `main` as a script does: an end that was foreseen is one line, and exit status 1.

    An error of a file in one of `folders`, and a full disk, is foreseen, too. The notes of an
    exception say whether a next start can go on from there.
    """
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # not the stream of a notebook, nor None
            stream.reconfigure(errors="backslashreplace", line_buffering=True)
    try:
        main()
    except NobodyReadsError:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())  # the interpreter flushes it once more
        sys.exit(BROKEN_PIPE)
    except KeyboardInterrupt as stop:
        sys.exit(" ".join(["Stopped.", *getattr(stop, "__notes__", [])]))
    except (ForeseenError, OSError) as error:
        if isinstance(error, OSError) and not is_of_files(error, folders):
            raise
        end = "" if str(error).endswith((".", "?")) else "."
        sys.exit(" ".join([f"Error: {error}{end}", *getattr(error, "__notes__", [])]))


def is_of_files(error, folders):
    """Whether an OSError is of a file in one of `folders`, or of a full disk."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return True
    if error.errno is None or not isinstance(error.filename, str):
        return False
    path = Path(error.filename).resolve()
    return any(path.is_relative_to(folder.resolve()) for folder in folders)


def say(text):
    """Print a line, above the bar if there is one.

    A line that cannot be written is left out: a run does not end for it. Letters that the output
    does not have are printed as escapes. Raises NobodyReadsError for a broken pipe.
    """
    if sys.stdout is None:  # closed before the start
        return
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    try:
        tqdm.write(text.encode(encoding, "backslashreplace").decode(encoding))
        sys.stdout.flush()
    except BrokenPipeError:
        raise NobodyReadsError from None
    except (OSError, ValueError):  # a full disk; closed
        pass


class Bar(tqdm):
    """On a terminal, how much is done, the time that went by and is left; elsewhere nothing."""

    def __init__(self):
        is_off = not (sys.stderr and sys.stderr.isatty())
        super().__init__(total=1, bar_format=EARLY, smoothing=0, dynamic_ncols=True, disable=is_off)

    def show(self, share):
        """Move the bar to a share, 0 to 1. tqdm goes on where the terminal has gone."""
        self.n = share
        if share >= EARLY_SHARE:
            self.bar_format = BAR
        self.refresh()
