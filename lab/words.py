"""Words that several sections of the page share, in Markdown."""

import html
import math
import re
import statistics
from urllib.parse import quote


def escape(text):
    """Free text for Markdown: mark-up in it stands as it is."""
    line = " ".join(str(text).split())
    return re.sub(r"([\\`*_\[\]|])", r"\\\1", html.escape(line, quote=False))


def table(header, rows):
    """A table; each cell is Markdown."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(map(str, cells))} |" for cells in lines)


def heading(name, title):
    """The heading of the section of a part."""
    return name if name == title else f"{name}: {title}"


def anchor(text):
    """The name that GitHub gives to a heading, for links to it."""
    return re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-")


def link(name, title):
    """A link to the section of a part."""
    shown = heading(name, title)
    return f"[{escape(shown)}](#{quote(anchor(shown))})"


def join(*paragraphs):
    """The paragraphs that are not empty, one below the other."""
    return "\n\n".join(filter(None, paragraphs))


def count(number, noun):
    """A number with its noun: "1 seed", "8 seeds"."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def duration(seconds):
    """A time as "2.31 seconds" or, from 100 seconds on, as "13.3 minutes"."""
    return f"{seconds:.3g} seconds" if seconds < 100 else f"{seconds / 60:.1f} minutes"


def spread(values):
    """Median and range of `values` in words; None is a step that never came."""
    values = [math.inf if value is None else value for value in values]
    if not values:
        return "none"
    three = (statistics.median(values), min(values), max(values))
    median, least, most = (f"{value:.4g}".replace("inf", "never") for value in three)
    return median if least == most else f"{median} ({least} to {most})"


def known(values):
    """The values that are not None."""
    return [value for value in values if value is not None]


def list_claims(claims, answering):
    """A table of claims, a row for each reading; `answering` names each answer, as "seeds"."""
    rows = []
    for claim in claims:
        told = [escape(claim["claim"]), escape(claim["words"]), escape(say_verdict(claim))]
        for reading in claim["readings"]:
            answers = reading["answers"]
            asked = escape("; ".join(filter(None, [reading["asked"], reading["note"]])))
            rows.append([*told, asked, f"{sum(answers)} of {len(answers)}"])
            told = ["", "", ""]
    header = ["claim", "in its words", "verdict", f"asked of each of our {answering}", "true for"]
    return table(header, rows) if rows else ""


def say_verdict(claim):
    """The verdict on a claim, with the counts of its readings, and its note."""
    counts = [sum(reading["answers"]) for reading in claim["readings"]]
    seeds = max(len(reading["answers"]) for reading in claim["readings"])
    words = f"{claim['verdict']}: {', '.join(map(str, counts))} of {seeds}"
    return f"{words}, {claim['note']}" if claim["note"] else words
