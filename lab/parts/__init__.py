"""One question, one file: its runs, its result, its picture, its section of the page."""

from lab import screen  # noqa: F401  (matplotlib, before any part imports it)
