"""Lines for the reader where they cannot be written, and a bar where there is no terminal."""

import errno
import io
import sys

import pytest

from lab import console


class Failing(io.RawIOBase):
    """An output that fails at each write."""

    def __init__(self, error):
        super().__init__()
        self.error = error

    def writable(self):
        return True

    def write(self, content):
        raise self.error


def failing(error):
    """A text output that fails at each write."""
    return io.TextIOWrapper(Failing(error), write_through=True)


def closed():
    output = io.StringIO()
    output.close()
    return output


@pytest.mark.parametrize(
    "output",
    [
        lambda: None,
        closed,
        lambda: failing(OSError(errno.ENOSPC, "No space left on device")),
        lambda: failing(OSError(errno.EIO, "Input/output error")),
        lambda: failing(OSError(errno.EINVAL, "Invalid argument")),
    ],
)
def test_a_line_that_cannot_be_written_ends_nothing(output, monkeypatch):
    monkeypatch.setattr(sys, "stdout", output())
    console.say("a line")


def test_a_broken_pipe_is_told(monkeypatch):
    monkeypatch.setattr(sys, "stdout", failing(BrokenPipeError(errno.EPIPE, "Broken pipe")))
    with pytest.raises(console.NobodyReadsError):
        console.say("a line")


def test_letters_that_the_output_does_not_have_are_escaped(monkeypatch):
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding="cp1252"))
    console.say("caf\u00e9")
    console.say("\u52a0\u6cd5: 1")
    assert written.getvalue().decode("cp1252").split("\n")[:2] == ["caf\u00e9", "\\u52a0\\u6cd5: 1"]


class Terminal(io.StringIO):
    is_gone = False

    def isatty(self):
        return True

    def write(self, text):
        if self.is_gone:
            raise OSError(errno.EIO, "Input/output error")
        return super().write(text)


@pytest.mark.parametrize("output", [None, io.StringIO()])
def test_there_is_no_bar_where_there_is_no_terminal(output, monkeypatch):
    monkeypatch.setattr(sys, "stderr", output)
    bar = console.Bar()
    bar.show(0.5)
    bar.close()
    assert output is None or output.getvalue() == ""


def test_the_bar_says_the_time_left_from_a_twentieth_on(monkeypatch):
    monkeypatch.setattr(sys, "stderr", Terminal())
    bar = console.Bar()
    for share in (0.0, 0.01, 0.049):
        bar.show(share)
    assert "elapsed" in sys.stderr.getvalue() and "left" not in sys.stderr.getvalue()
    bar.start_t -= 20  # as if 20 seconds had gone by
    bar.show(0.25)
    assert " 25% |" in sys.stderr.getvalue() and "01:00 left" in sys.stderr.getvalue()
    bar.close()


def test_a_terminal_that_goes_ends_nothing(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    bar = console.Bar()
    terminal.is_gone = True
    bar.show(0.5)
    bar.show(0.6)
    bar.close()
