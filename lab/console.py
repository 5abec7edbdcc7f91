"""Lines and a bar for the reader: on a terminal, in a log, or where nobody reads."""

import os
import sys

from tqdm import tqdm

# The bar without the time left at first: it says little before a twentieth is done.
EARLY = "{percentage:3.0f}% |{bar}| {elapsed} elapsed"
BAR = EARLY + ", {remaining} left"
EARLY_SHARE = 0.05


class NobodyReadsError(Exception):
    """The reader of the output has gone, as `head` goes after its lines."""


BROKEN_PIPE = 141  # the exit status of a program that a broken pipe (SIGPIPE) ended


def prepare_output():
    """For a script: each line is given out at once, and letters that cannot be are escaped."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # not that of a notebook, nor None
            stream.reconfigure(errors="backslashreplace", line_buffering=True)


def leave_quietly():
    """End the process after NobodyReadsError, as programs do; nothing is written any more."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())  # the interpreter flushes it once more
    sys.exit(BROKEN_PIPE)


def say(text):
    """Print a line, above the bar if there is one.

    A line that cannot be written is left out: a run does not end for it. Letters that the output
    does not have are printed as escapes. Raises NobodyReadsError for a broken pipe.
    """
    if sys.stdout is None:  # closed before the start
        return
    try:
        try:
            write_line(text)
        except UnicodeEncodeError:
            write_line(text.encode("ascii", "backslashreplace").decode("ascii"))
    except BrokenPipeError:
        raise NobodyReadsError from None
    except (OSError, ValueError):  # a full disk; closed
        pass


def write_line(text):
    """Write a line to stdout, at once, above the bar if there is one."""
    tqdm.write(text)
    sys.stdout.flush()


class Bar:
    """How much is done, with the time that went by and is left, on a terminal; elsewhere nothing.

    A bar that cannot be written any more is left out.
    """

    def __init__(self):
        self.bar = None
        if sys.stderr is not None and sys.stderr.isatty():
            self.bar = tqdm(total=1.0, bar_format=EARLY, smoothing=0, dynamic_ncols=True)

    def show(self, share):
        """Move the bar to a share, 0 to 1."""
        if self.bar is None:
            return
        self.bar.n = share
        if share >= EARLY_SHARE:
            self.bar.bar_format = BAR
        try:
            self.bar.refresh()
        except OSError:
            self.bar = None

    def close(self):
        """Leave the bar as it is and go on below it."""
        if self.bar is None:
            return
        try:
            self.bar.close()
        except OSError:
            self.bar = None
