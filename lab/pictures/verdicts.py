"""The picture of all verdicts: the claims, and the report's numbers among ours."""

import itertools
import math
import textwrap

import matplotlib

from lab.pictures.style import (
    LINE_HEIGHT,
    NEVER_WIDTH,
    PLACES,
    SMALL,
    TITLE_SIZE,
    VERDICTS,
    WIDTH,
    Scale,
    measure_width,
)

MARK_WIDTH = 0.115  # inches
GROUP_GAP = 0.05  # inches


@matplotlib.rc_context(SMALL)
def draw_verdicts(figure, verdicts):
    """Every claim in a line, and below them every number of the report among those of our seeds."""
    lines = verdicts["lines"]
    groups = []  # [(experiment, its numbers of one unit)]
    for part in verdicts["numbers"]:
        for _, numbers in itertools.groupby(part["numbers"], lambda number: number["unit"]):
            groups.append((part["experiment"], list(numbers)))
    marks = max(1, *(len(line["answers"]) for line in lines))
    claims_width = 0.15 + max(measure_width(figure, line["claim"], weight="bold") for line in lines)
    words_left = claims_width + 0.2 + MARK_WIDTH * marks
    width = words_left + 0.1 + max(measure_width(figure, say_verdict(line)) for line in lines)
    width = max(WIDTH, width)
    numbers_top = 0.35 + LINE_HEIGHT * len(lines)
    height = numbers_top
    if groups:
        count = sum(len(numbers) for _, numbers in groups)
        height += 0.55 + LINE_HEIGHT * count + GROUP_GAP * len(groups)
    figure.set_size_inches(width, height)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, width), ylim=(height, 0))  # its units are inches
    axes.axis("off")
    draw_claims(axes, lines, claims_width + 0.2, words_left)
    if groups:
        draw_numbers(axes, verdicts, groups, numbers_top, width)


def draw_claims(axes, lines, marks_left, words_left):
    """Each claim's words, a mark for each seed, the verdict; the line of an experiment has a name.

    `marks_left` and `words_left` are where marks and verdicts begin, in inches.
    """
    title = (
        "What the report says: a mark for each seed, full where it is true of it, empty where not"
    )
    axes.text(0.08, 0.15, title, va="center", fontsize=TITLE_SIZE)
    for place, line in enumerate(lines):
        y = 0.38 + LINE_HEIGHT * place
        colour = VERDICTS.get(line["verdict"], "black")
        if line["answers"]:
            axes.text(0.2, y, line["claim"], va="center")
            axes.text(words_left, y, say_verdict(line), va="center", color=colour)
        else:
            axes.text(0.08, y, line["claim"], va="center", weight="bold")
            axes.text(marks_left - 0.05, y, say_verdict(line), va="center", color=colour)
        for seed, answer in enumerate(line["answers"]):
            style = "full" if answer else "none"
            x = marks_left + MARK_WIDTH * seed
            axes.plot(x, y, "o", color=colour, fillstyle=style, markersize=5, markeredgewidth=0.8)


def draw_numbers(axes, verdicts, groups, top, width):
    """Each number in a line: dots for our seeds, a diamond for the report, in words where it lies.

    Those of a group share a scale, from the least value to the largest; that of losses is
    logarithmic. `top` and `width` are in inches.
    """
    title = (
        "What its figures show: the report's number (diamond) among our seeds' (dots).\n"
        f"Outside our seeds' range: {verdicts['outside']} of {verdicts['count']} "
        f"(expected by chance: {verdicts['by_chance']:.1f} at most)"
    )
    axes.text(0.08, top + 0.2, title, va="center", fontsize=TITLE_SIZE)
    figure = axes.get_figure()
    names_width = max(measure_width(figure, name, weight="bold") for name, _ in groups)
    numbers = [number for _, numbers in groups for number in numbers]
    labels_width = max(measure_width(figure, number["label"]) for number in numbers)
    words_width = max(measure_width(figure, say_number(number)) for number in numbers)
    line_left = names_width + labels_width + 0.65
    words_left = width - words_width - 0.1
    y = top + 0.52
    if any(None in [*number["ours"], number["reports"]] for number in numbers):
        never = words_left - NEVER_WIDTH / 2 - 0.1
        axes.text(never, y - 0.08, "never", ha="center", va="center", color="0.45")
    for name, numbers in groups:
        y += GROUP_GAP
        axes.text(0.08, y, name, va="center", weight="bold")
        scale = scale_numbers(numbers, words_left - line_left)
        label_ends(axes, scale, numbers[0]["unit"], line_left, y)
        for number in numbers:
            axes.text(names_width + 0.2, y, number["label"], va="center")
            draw_number(axes, number, scale, line_left, y)
            style = {"color": PLACES[number["place"]], "va": "center"}
            axes.text(words_left, y, say_number(number), **style)
            y += LINE_HEIGHT


def scale_numbers(numbers, length):
    """A `Scale` of `length` inches for numbers of one unit."""
    unit = numbers[0]["unit"]
    values = []
    for number in numbers:
        values += [scaled(value, unit) for value in [*number["ours"], number["reports"]]]
    known = [value for value in values if value is not None] or [0]
    return Scale(min(known), max(known), length - 0.1, NEVER_WIDTH)


def scaled(value, unit):
    """A value as its `Scale` has it: of a loss the logarithm."""
    if value is None or unit != "loss":
        return value
    return math.log10(max(value, 1e-9))


def label_ends(axes, scale, unit, left, y):
    """Write the least and the largest value at the ends of their line."""
    for value, x, side in ((scale.low, left, "right"), (scale.high, left + scale.end, "left")):
        words = f"{10**value:.2g}" if unit == "loss" else f"{value:g}"
        axes.text(x, y, words, ha=side, va="center", color="0.45", fontsize=7)


def draw_number(axes, number, scale, left, y):
    """The seeds' values and the report's on a line that begins at `left`, at height `y`."""
    unit = number["unit"]
    axes.plot([left, left + scale.end], [y, y], color="0.85", linewidth=0.8, zorder=1)
    ours = [left + scale.place(scaled(value, unit)) for value in number["ours"]]
    axes.plot([min(ours), max(ours)], [y, y], color="0.5", linewidth=0.8, zorder=1)
    style = {"color": "0.2", "alpha": 0.45, "markersize": 4, "markeredgewidth": 0}
    axes.plot(ours, [y] * len(ours), "o", **style)
    reports = left + scale.place(scaled(number["reports"], unit))
    colour = PLACES[number["place"]]
    style = {"color": colour, "markersize": 5, "markeredgecolor": "white", "markeredgewidth": 0.5}
    axes.plot(reports, y, "D", **style)


def say_number(number):
    """The report's value, and where it lies."""
    value = "never" if number["reports"] is None else f"{number['reports']:.3g}"
    return f"{value}: {number['place']}"


def say_verdict(line):
    """A line's verdict, its note and, where they differ, how many seeds said yes."""
    words = line["verdict"]
    if words == "depends on the seed":
        words += f" ({sum(line['answers'])} of {len(line['answers'])})"
    if line.get("note"):
        words += f", {line['note']}"
    return textwrap.shorten(words, 90, placeholder=" ...")
