"""The pictures of what 100% is worth, each of one part of results.json.

How the parts look is told by the functions of `lab.worth` that make them.
"""

import collections
import itertools
import math

import numpy as np

from lab.pictures.style import COLOURS, add_legend

BLUE, RED, GREEN, PINK, ORANGE = COLOURS[:5]
BAND = 0.75  # decades that the dots without a wrong sum take
COLUMN = 0.11  # decades from one of their columns to the next
COLUMNS = 6  # of theirs, at most
STACK = 5  # dots in a column of theirs, if these are not too few
ROW = 0.16  # rows from one dot to the next above or below it
DOT = {"marker": "o", "markersize": 4.5, "markeredgewidth": 0}


# --- How often.


def draw_errors(figure, errors):
    """Each adder a dot, by group, against its wrong sums in a million; a line is the interval.

    `errors` is what `lab.worth.summarise_errors` returns.
    """
    figure.set_layout_engine("constrained")
    groups = errors["groups"]
    adders = [adder for group in groups for adder in group["adders"]]
    pairs = adders[0]["pairs"]  # the same for all
    seen = [adder["per_million"] for adder in adders if adder["wrong"]]
    least = math.log10(min(seen, default=1e6 / pairs)) - 0.15
    most = math.log10(max(seen, default=1e6 / pairs)) + 0.3
    figure.set_size_inches(10, 1.7 + 0.5 * len(groups))
    axes = figure.subplots()  # its units are decades across, rows down
    axes.axvspan(least - BAND, least, color="whitesmoke", linewidth=0, zorder=1.6)  # hides the grid
    for y, group in enumerate(groups):
        draw_unseen(axes, least - BAND, y, group["adders"])
        draw_seen(axes, least, y, group["adders"])
        axes.text(most + 0.05, y, say_group(group["adders"]), va="center", fontsize=9)
    decades = range(math.ceil(least), math.floor(most) + 1)
    ticks = [f"{10**decade:,}" for decade in decades]
    axes.set_xticks([least - BAND / 2, *decades], [say_unseen(errors), *ticks])
    axes.set_yticks(range(len(groups)), [group["name"] for group in groups])
    axes.grid(axis="y", visible=False)
    axes.set(xlim=(least - BAND, most), ylim=(len(groups) - 0.5, -0.5))
    axes.set_xlabel(
        f"wrong sums in a million (a dot: of {pairs:,} fresh pairs; line: 95% interval)"
    )
    figure.suptitle(title_errors(errors), fontsize=12)


def draw_unseen(axes, left, y, adders):
    """The adders without a wrong sum: in columns, from the left."""
    unseen = [adder for adder in adders if not adder["wrong"]]
    stack = max(STACK, math.ceil(len(unseen) / COLUMNS))
    apart = min(ROW, 0.8 / stack)
    for number in range(len(unseen)):
        column, place = divmod(number, stack)
        in_column = min(stack, len(unseen) - stack * column)
        height = y + apart * (place - (in_column - 1) / 2)
        across = left + COLUMN * (column + 0.7)
        axes.plot(across, height, color=BLUE, **DOT)


def draw_seen(axes, least, y, adders):
    """The others: those that would lie on each other side by side, above and below the middle."""
    columns = collections.defaultdict(list)
    for adder in sorted(adders, key=lambda adder: adder["per_million"]):
        if adder["wrong"]:
            columns[round(math.log10(adder["per_million"]) / COLUMN)].append(adder)
    for stacked in columns.values():
        apart = min(ROW, 0.8 / len(stacked))
        for place, adder in enumerate(stacked):
            height = y + apart * (place - (len(stacked) - 1) / 2)
            low, high = (math.log10(end) for end in adder["interval"])
            line = {"color": RED, "alpha": 0.3, "linewidth": 1, "solid_capstyle": "butt"}
            axes.plot([max(least, low), high], [height, height], **line)
            across = math.log10(adder["per_million"])
            axes.plot(across, height, color=RED, **DOT)


def say_group(adders):
    """How many adders of a group have no wrong sum, and the most of the others."""
    unseen = sum(adder["wrong"] == 0 for adder in adders)
    words = f"none seen in {unseen} of {len(adders)}"
    most = max(adder["per_million"] for adder in adders)
    return f"{words}; worst {most:,.0f}" if most else words


def say_unseen(errors):
    """The place of the adders without a wrong sum: up to what it may yet be."""
    if not errors["none_seen"]:
        return "none seen"
    return f"none seen: fewer\nthan {math.ceil(errors['none_seen_below']):,}"


def title_errors(errors):
    """What the counts say."""
    wrong = errors["adders"] - errors["none_seen"]
    if not wrong:
        pairs = errors["groups"][0]["adders"][0]["pairs"]
        return f"Each of {errors['adders']} adders at 100% adds {pairs:,} fresh pairs correctly"
    return (
        f"{wrong} of {errors['adders']} adders at 100% get fresh random sums of 10 digits wrong,\n"
        f"the worst {errors['most']:,.0f} in a million"
    )


# --- How long it remembers.


def draw_memory(figure, memory):
    """The margin against the pairs that sum to nine read in a row: a line an adder, by group.

    `memory` is what `lab.worth.summarise_memory` returns. On the left a carry is to be remembered,
    on the right that there is none. Groups in which none fails are dashed.
    """
    figure.set_layout_engine("constrained")
    groups = memory["groups"]
    figure.set_size_inches(10, 4.6 + 0.2 * len(groups))
    panels = figure.subplots(1, 2, sharey=True)
    panels[0].set_title("a carry is to be remembered", fontsize=11)
    panels[1].set_title("that there is none is to be remembered", fontsize=11)
    failing = itertools.cycle((BLUE, RED, ORANGE, PINK))
    lines = []
    holding = itertools.cycle(("--", ":", "-."))
    for group in groups:
        style = {"color": GREEN, "linestyle": next(holding), "linewidth": 2}
        if group["failed"]:
            style = {"color": next(failing), "linewidth": 1.1}
        for adder in group["adders"]:
            panels[0].plot(adder["margins"]["carry"], **style)
            panels[1].plot(adder["margins"]["none"], **style)
        lines += panels[0].plot([], [], **style, label=say_memory(group))
    low, high = panels[0].get_ylim()
    for axes in panels:
        axes.axhline(0, color="black", linewidth=1.2)
        axes.axhspan(low, 0, color="black", alpha=0.06, linewidth=0)
        axes.set(xlim=(0, memory["most"]), ylim=(low, high))
        axes.set_xlabel("pairs that sum to nine, read in a row (0: the pair before)")
        axes.xaxis.label.set_fontsize(9)
    panels[0].set_ylabel("margin of the right digit, at worst")
    if any(group["failed"] for group in groups):
        place = (memory["most"] - 1, -0.3)
        panels[1].text(*place, "the memory has failed", ha="right", va="top", fontsize=9)
    add_legend(figure, lines, ncols=2, fontsize=9)
    figure.suptitle(title_memory(groups), fontsize=12)


def say_memory(group):
    """A group in the legend: when its adders fail, or that they do not."""
    count = len(group["adders"])
    if not group["failed"]:
        many = "" if count == 1 else "s"
        least = f"{group['least_margin']:.1f}"
        return f"{group['name']}, {count} adder{many}: margin {least} or more"
    at = f"{group['first']} to {group['last']}"
    if group["first"] == group["last"]:
        at = group["first"]
    return f"{group['name']}: {group['failed']} of {count} fail, at pair {at}"


def title_memory(groups):
    """When the first and the last adder fail, and which groups hold."""
    failing = [group for group in groups if group["failed"]]
    if not failing:
        return "None of these adders forgets a carry"
    count = sum(group["failed"] for group in failing)
    adders = sum(len(group["adders"]) for group in failing)
    last = max(group["last"] for group in failing)
    words = (
        f"{count} of {adders} adders lose a carry, or invent one, within {last} pairs of digits "
        "that sum to nine"
    )
    holding = [adder for group in groups if not group["failed"] for adder in group["adders"]]
    if holding:
        words += f";\nthe {len(holding)} adders of the other groups keep their margin"
    return words


# --- How little.


def draw_little(figure, little):
    """The accuracy for each cell, digits trained on against digits tested, and the seconds.

    `little` is what `lab.worth.summarise_training_lengths` returns. A field has the mean over the
    seeds and, where they differ, the least and the greatest below it.
    """
    figure.set_layout_engine("constrained")
    cells = little["cells"]
    figure.set_size_inches(10, 5.2)
    ratios = [1] * len(cells) + [0.4 + 0.25 * len(cells)]
    *maps, beside = figure.subplots(1, len(cells) + 1, width_ratios=ratios)
    for axes, cell in zip(maps, cells, strict=True):
        draw_accuracies(axes, cell, little["lengths"], 8 if len(cells) < 3 else 6)
        axes.set_xlabel("digits tested")
    maps[0].set_ylabel("trained on numbers of at most ... digits")
    draw_seconds(beside, cells, little["others"])
    figure.suptitle(title_little(little), fontsize=12)


def draw_accuracies(axes, cell, lengths, small):
    """The heat map of one cell; `small` is the size of its smaller letters."""
    trained = cell["trained"]
    means = np.array([of_digits["mean"] for of_digits in trained])
    axes.imshow(means, cmap="Blues", vmin=0, vmax=1.2, aspect="auto")
    for y, of_digits in enumerate(trained):
        ranges = zip(of_digits["mean"], of_digits["least"], of_digits["greatest"], strict=True)
        for x, (mean, least, greatest) in enumerate(ranges):
            colour = "white" if mean > 0.6 else "black"
            lift = 0.0
            if f"{least:.2f}" != f"{greatest:.2f}":
                lift = 0.14
                words = f"{least:.2f}–{greatest:.2f}"
                style = {"ha": "center", "va": "center", "color": colour, "fontsize": small}
                axes.text(x, y + 0.24, words, **style)
            axes.text(x, y - lift, f"{mean:.2f}", ha="center", va="center", color=colour)
    seeds = max(of_digits["seeds"] for of_digits in trained)
    axes.set_title(f"{cell['cell']}, {seeds} seed{'' if seeds == 1 else 's'}", fontsize=11)
    axes.set_xticks(range(len(lengths)), lengths)
    axes.set_yticks(range(len(trained)), [of_digits["digits"] for of_digits in trained])
    axes.tick_params(length=0)
    axes.grid(False)


def draw_seconds(axes, cells, others):
    """The seconds of training, a line for each cell in the heat maps' rows, one down for others."""
    digits = [of_digits["digits"] for of_digits in cells[0]["trained"]]
    lines = []
    for cell, colour in zip(cells, COLOURS, strict=False):
        seconds = [of_digits["seconds"] for of_digits in cell["trained"]]
        rows = range(len(seconds))
        lines += axes.plot(seconds, rows, "o-", color=colour, label=cell["cell"])
    for other, style in zip(others, ("--", ":", "-."), strict=False):
        label = f"{other['name']}, {other['digits']} digits: {say_seconds(other['seconds'])}"
        lines.append(axes.axvline(other["seconds"], color="black", linestyle=style, label=label))
    axes.set_yticks(range(len(digits)), digits)
    axes.set(xscale="log", ylim=(len(digits) - 0.5, -0.5), xlabel="seconds of training")
    axes.xaxis.set_major_formatter("{x:g}")
    axes.set_title("time (median)", fontsize=11)
    add_legend(axes.figure, lines, ncols=len(lines), fontsize=9)


def say_seconds(seconds):
    """A time as "2.3 s" or, from 100 seconds on, as "86 minutes"."""
    return f"{seconds:.1f} s" if seconds < 100 else f"{seconds / 60:.0f} minutes"


def title_little(little):
    """What each cell needed to add every length."""
    needed = []
    for cell in little["cells"]:
        for of_digits in cell["trained"]:
            if of_digits["digits"] == cell["enough"]:
                seconds = say_seconds(of_digits["seconds"])
                needed.append(f"{cell['enough']} digits ({cell['cell']}, {seconds})")
    if not needed:
        return "Accuracy after training on short numbers"
    return (
        f"Trained on numbers of at most {' or '.join(needed)},\nadders get {little['good']:.1%} or "
        f"more of random pairs of up to {max(little['lengths'])} digits right"
    )
