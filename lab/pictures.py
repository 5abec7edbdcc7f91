"""Results -> PNG: what stands in `results.json` is drawn, and nothing else."""

import ast
import collections
import functools
import hashlib
import itertools
import json
import math
import os
import statistics
import textwrap
from pathlib import Path
from typing import NamedTuple

import matplotlib
import numpy as np
from matplotlib import pyplot
from matplotlib.colors import SymLogNorm
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator, NullLocator

# Okabe, Ito 2008: told apart by colour-blind readers too.
COLOURS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000"]
BLUE, RED, GREEN = COLOURS[:3]
VERDICTS = {"holds": GREEN, "does not hold": RED, "depends on the seed": BLUE}  # others: black
PLACES = {"within": GREEN, "earlier": BLUE, "lower": BLUE, "later": RED, "higher": RED}
STYLE = {
    "savefig.dpi": 150,
    "figure.dpi": 150,  # text is measured at this: its width differs by a tenth at another
    "axes.grid": True,
    "grid.alpha": 0.3,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
}
# Pictures of this many inches are as wide as a page, and their text is as large as the page's.
WIDTH = 6.7
TEXT_SIZE = 7.5
TITLE_SIZE = 9.5
SMALL = {
    "font.size": TEXT_SIZE,
    "axes.titlesize": TEXT_SIZE,
    "axes.titlepad": 3,
    "axes.labelpad": 2,
    "axes.linewidth": 0.6,
    "xtick.labelsize": 7,
    "xtick.major.size": 2,
    "xtick.major.pad": 2,
    "ytick.labelsize": 7,
    "ytick.major.size": 2,
    "ytick.major.pad": 2,
}
MEDIAN = COLOURS[4]
LINE_HEIGHT = 0.145  # these are in inches
MARK_WIDTH = 0.115
NEVER_WIDTH = 0.8
GROUP_GAP = 0.05
PANELS_LEFT = 0.6
PANEL_GAP = 0.1
LEAST_LOSS_READ = 0.03  # below it two pixels of the report's figures are the whole value


def draw(results, folder):
    """Draw every picture of `results`, plain values, that `folder` does not have as it would be.

    Returns {name of a PNG: digest of what it shows} for `results["pictures"]`: those that the
    script has drawn before stay in it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    pictures = dict(results.get("pictures", {}))
    for part, draw_part in shown(results):
        name = part["picture"]
        digest = digest_of(part)
        if pictures.get(name) != digest or not (folder / name).exists():
            with matplotlib.rc_context(STYLE):
                figure = Figure()
                draw_part(figure, part)
                save(figure, folder / name)
            pictures[name] = digest
    return pictures


def remove_unshown(results, folder):
    """Delete the PNGs that `results["pictures"]` lists and nothing shows, and unlist them."""
    pictures = results.get("pictures", {})
    names = {part["picture"] for part, _ in shown(results)}
    for name in set(pictures) - names:
        # What is no plain name of a PNG was never drawn here: somebody else's file.
        if Path(name).name == name and name.endswith(".png"):
            (folder / name).unlink(missing_ok=True)
        del pictures[name]


def shown(results):
    """[(part of the results that has a picture, function that draws it)]."""
    parts = [(part, draw_experiment) for part in results.get("experiments", {}).values()]
    parts += [(results[name], function) for name, function in PARTS.items() if results.get(name)]
    return [
        (part, function)
        for part, function in parts
        if function is not draw_proof or part["portraits"]
    ]


def digest_of(part):
    """What a picture of `part` follows from: its values, this code, matplotlib's version."""
    values = {name: value for name, value in part.items() if name != "made"}
    text = json.dumps([values, code(), matplotlib.__version__])
    return hashlib.sha256(text.encode()).hexdigest()


@functools.cache
def code():
    """The syntax tree of this file without docstrings."""
    tree = ast.parse(Path(__file__).read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and ast.get_docstring(
            node
        ):
            del node.body[0]
    return ast.dump(tree)


def save(figure, path):
    """Save a figure as PNG, whole or not at all: a page may show it at any moment."""
    aside = path.with_name(path.name + ".part")
    figure.savefig(aside, format="png")
    os.replace(aside, path)


def choose_colours(count):
    """`count` colours that a colour-blind reader can tell apart; a scale where they are many."""
    if count <= len(COLOURS):
        return COLOURS[:count]
    return matplotlib.colormaps["viridis"](np.linspace(0, 0.95, count))


def measure_width(figure, text, **style):
    """The width of `text` in inches as `figure` would show it."""
    shown_text = figure.text(0, 0, text, **style)
    pixels = shown_text.get_window_extent().width
    shown_text.remove()
    return pixels / figure.dpi


# --- The verdicts.


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
        "What its figures show: the report's number (diamond) among our seeds' (dots); "
        f"{verdicts['outside']} of {verdicts['count']}\nlie outside of our seeds' range; "
        f"of so many, {verdicts['by_chance']:.1f} at most are to be expected there by chance"
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


# --- An experiment: its curves and its first steps.


@matplotlib.rc_context(SMALL)
def draw_experiment(figure, experiment):
    """A panel of curves for each variant, loss above accuracy, and a strip of their first steps.

    A thin blue line or a dot is one of our seeds, a wide orange line or a bar their median; the
    report's own run is black, and a red cross a run that broke off.
    """
    by_rate = experiment["compared"] == ["lr"]
    variants = list(experiment["variants"])
    if by_rate:
        variants.sort(key=lambda variant: variant["settings"]["lr"])
    beside = len(variants) <= 4 and not by_rate
    names = [wrap_text(figure, variant["label"], 1.1 if beside else 2) for variant in variants]
    names_width = 0.15 + max(measure_width(figure, name) for name in names)
    panels_width = WIDTH - names_width - 2 if beside else WIDTH - 0.1
    grid = plan_panels(figure, variants, panels_width)
    headline = wrap_text(figure, experiment["headline"], WIDTH - 0.2, fontsize=TITLE_SIZE)
    panels_top = 0.1 + measure_height(headline, TITLE_SIZE)
    strip_top = panels_top + grid.blocks * grid.block_height + 0.2
    strip_left = PANELS_LEFT if by_rate else names_width + 0.05
    strip_width = WIDTH - 0.15 - strip_left
    if beside:
        height = strip_top
        strip_left = WIDTH - 1.9
        strip_width = 1.8
        strip_height = 2 * grid.height + PANEL_GAP
        strip_top = panels_top + grid.title_height
    else:
        seeds = max(len(variant["runs"]) for variant in variants)
        row_height = max(0.22, 0.015 * seeds, *(measure_height(name, TEXT_SIZE) for name in names))
        strip_height = 1.8 if by_rate else row_height * len(variants)
        height = strip_top + strip_height + 0.4
    figure.set_size_inches(WIDTH, height)
    figure.text(0.5, 1 - 0.06 / height, headline, ha="center", va="top", fontsize=TITLE_SIZE)
    draw_panels(figure, variants, grid, panels_top)
    strip = add_axes(figure, strip_left, strip_top, strip_width, strip_height)
    if by_rate:
        draw_rates(strip, variants, experiment["level"], (strip_width, strip_height))
    else:
        draw_rows(strip, variants, names, experiment["level"], (strip_width, strip_height))


class Grid(NamedTuple):
    """How the panels of an experiment are laid out: lengths in inches."""

    titles: list[str]  # one a variant
    columns: int
    blocks: int  # rows of variants
    width: float  # of a panel
    height: float
    title_height: float
    block_height: float


def plan_panels(figure, variants, width):
    """The `Grid` of the panels of `variants` in `width` inches."""
    blocks = math.ceil(len(variants) / 5)
    columns = math.ceil(len(variants) / blocks)
    panel_width = (width - PANELS_LEFT + PANEL_GAP) / columns - PANEL_GAP
    panel_height = {1: 1.1, 2: 0.85}.get(blocks, 0.6)
    titles = [wrap_text(figure, variant["label"], panel_width) for variant in variants]
    title_height = 0.04 + max(measure_height(title, TEXT_SIZE) for title in titles)
    block_height = title_height + 2 * panel_height + PANEL_GAP + 0.22
    return Grid(titles, columns, blocks, panel_width, panel_height, title_height, block_height)


def draw_panels(figure, variants, grid, top):
    """Loss and accuracy of each variant against step, on the same scales; `top` in inches."""
    low, high = limit_losses(variants)
    loss_ticks = choose_log_ticks(low, high)
    last_step = find_last_step(variants)
    steps_ticks = choose_ticks(0, last_step, 2)
    label_at = (0.17 - PANELS_LEFT) / grid.width
    panels = []
    for place, (variant, title) in enumerate(zip(variants, grid.titles, strict=True)):
        block = place // grid.columns
        column = place % grid.columns
        left = PANELS_LEFT + column * (grid.width + PANEL_GAP)
        loss_top = top + block * grid.block_height + grid.title_height
        loss = add_axes(figure, left, loss_top, grid.width, grid.height)
        accuracy_top = loss_top + grid.height + PANEL_GAP
        accuracy = add_axes(figure, left, accuracy_top, grid.width, grid.height)
        loss.set(yscale="log", ylim=(low, high), title=title)
        loss.set_yticks(loss_ticks, [f"{tick:g}" for tick in loss_ticks])
        loss.yaxis.set_minor_locator(NullLocator())
        accuracy.set(ylim=(-0.04, 1.04))
        accuracy.set_yticks([0, 0.5, 1], ["0", "0.5", "1"])
        for axes, curve in ((loss, "loss"), (accuracy, "accuracy")):
            axes.set(xlim=(-0.01 * last_step, last_step))
            axes.set_xticks(steps_ticks, [f"{tick:g}" for tick in steps_ticks])
            axes.tick_params(labelleft=column == 0, labelbottom=curve == "accuracy")
            draw_curves(axes, variant, curve)
            if column == 0:
                axes.set_ylabel(curve)
                axes.yaxis.set_label_coords(label_at, 0.5)
        # A number at the panel's edge stays inside: beside it stands the next panel's.
        for tick, label in zip(steps_ticks, accuracy.get_xticklabels(), strict=True):
            if tick == 0:
                label.set_horizontalalignment("left")
            elif tick > 0.9 * last_step:
                label.set_horizontalalignment("right")
        if place + grid.columns >= len(variants):
            accuracy.set_xlabel("training step")
        panels += [loss, accuracy]
    label_lines(figure, panels, variants)


def draw_curves(axes, variant, curve):
    """One panel: `curve` of each run, their median, and the report's."""
    for run in variant["runs"]:
        values = np.array(run[curve], dtype=float)  # None becomes NaN
        alone = len(variant["runs"]) == 1
        axes.plot(run["steps"], values, color=BLUE, linewidth=1.5 if alone else 0.6, alpha=0.6)
        known = np.flatnonzero(np.isfinite(values))
        if run["error"] and len(known):
            axes.plot(
                run["steps"][known[-1]], values[known[-1]], "x", color=RED, markersize=4, zorder=3
            )
    if len(variant["runs"]) > 1:
        median = np.array(median_curve(variant["runs"], curve)).reshape(-1, 2)
        axes.plot(*median.T, color=MEDIAN, linewidth=2.5)
    if variant["report"] is None:
        return
    points = variant["report"][curve]
    if curve == "loss":
        points = [point for point in points if point[1] >= LEAST_LOSS_READ]
    style = {
        "color": "black",
        "linewidth": 1,
        "marker": "o",
        "markersize": 1.2,
        "markeredgewidth": 0,
    }
    axes.plot(*break_line(points).T, **style)
    printed = np.array(variant["report"].get(f"printed_{curve}", [])).reshape(-1, 2)
    if len(printed):
        axes.plot(*printed.T, "D", color="black", markersize=3)


def break_line(points):
    """`points` as an array, with NaN where points are missing between two of them."""
    steps = [step for step, _ in points]
    apart = np.diff(steps)
    broken = np.array(points, dtype=float).reshape(-1, 2)
    gaps = np.flatnonzero(apart > min(apart, default=0)) + 1
    return np.insert(broken, gaps, np.nan, axis=0)


def median_curve(runs, curve):
    """[[step, median over the runs]], as far as all of them go that did not break off."""
    points = []
    for place, step in enumerate(max((run["steps"] for run in runs), key=len)):
        if any(len(run["steps"]) <= place and not run["error"] for run in runs):
            break
        values = [run[curve][place] for run in runs if len(run["steps"]) > place]
        values = [value for value in values if value is not None]
        if values:
            points.append([step, statistics.median(values)])
    return points


def label_lines(figure, panels, variants):
    """Say which line is what in a corner of one of `panels`, the first that is empty."""
    seeds = len(variants[0]["runs"])
    words = {f"{seeds} seeds": BLUE, "median": MEDIAN} if seeds > 1 else {"our seed": BLUE}
    if any(variant["report"] is not None for variant in variants):
        words["the report"] = "black"
    line_height = measure_height("", TEXT_SIZE)
    width = 0.1 + max(measure_width(figure, text, weight="bold") for text in words)
    axes, x, y = choose_corner(panels, width, 0.05 + line_height * len(words))
    for text, colour in words.items():
        y -= line_height / 2
        style = {"color": colour, "weight": "bold", "ha": "center", "va": "center"}
        axes.text(x + width / 2, y, text, transform=axes.get_figure().dpi_scale_trans, **style)
        y -= line_height / 2


def choose_corner(panels, width, height):
    """(axes, left, top) of the corner with the fewest points in it; sizes and places in inches."""
    corners = []
    for axes in panels:
        to_inches = axes.transData - axes.get_figure().dpi_scale_trans
        box = axes.get_window_extent().transformed(axes.get_figure().dpi_scale_trans.inverted())
        points = np.concatenate([to_inches.transform(line.get_xydata()) for line in axes.lines])
        for left, top in itertools.product((box.x1 - width, box.x0), (box.y1, box.y0 + height)):
            across = (points[:, 0] > left) & (points[:, 0] < left + width)
            up = (points[:, 1] < top) & (points[:, 1] > top - height)
            corners.append((np.count_nonzero(across & up), axes, left, top))
    return min(corners, key=lambda corner: corner[0])[1:]


def find_last_step(variants):
    """The last step of all runs and of the report."""
    last_step = 1
    for variant in variants:
        for run in variant["runs"]:
            last_step = max([last_step, *run["steps"]])
        report = variant["report"] or {"loss": [], "accuracy": []}
        for step, _ in report["loss"] + report["accuracy"]:
            last_step = max(last_step, step)
    return last_step


def limit_losses(variants):
    """(low, high) of an axis for all losses: those of the runs and of the report."""
    losses = []
    for variant in variants:
        for run in variant["runs"]:
            losses += [loss for loss in run["loss"] if loss is not None and loss > 0]
        report = variant["report"] or {}
        losses += [loss for _, loss in report.get("loss", []) if loss >= LEAST_LOSS_READ]
        losses += [loss for _, loss in report.get("printed_loss", [])]
    losses = losses or [1.0]
    return 0.7 * min(losses), 1.4 * max(losses)


# --- The strip of first steps: its axes are in inches.


class Scale:
    """The places of values between `low` and `high` on a line; "never", None, is beyond them all.

    `length` is the line's, in inches, with what `never_width` leaves for "never".
    """

    def __init__(self, low, high, length, never_width):
        self.low = low
        self.high = high
        self.end = length - never_width
        self.never = length - never_width / 2 if never_width else None

    def place(self, value):
        """The place of `value` in inches from the beginning of the line."""
        if value is None:
            return self.never
        if self.low == self.high:
            return self.end / 2
        return 0.1 + (self.end - 0.2) * (value - self.low) / (self.high - self.low)


def scale_steps(steps, length):
    """A `Scale` for `steps`. Those that are nearly equal are to look so."""
    known = [step for step in steps if step is not None] or [0]
    middle = (min(known) + max(known)) / 2
    half = max((max(known) - min(known)) / 2, 0.2 * middle, 1)
    return Scale(max(0, middle - half), middle + half, length, 0.5 if None in steps else 0)


def draw_rows(axes, variants, names, level, size):
    """The first steps at `level` in a row for each variant; `size` is that of `axes`, in inches."""
    length, breadth = size
    row_height = breadth / len(variants)
    homes = [(row + 0.5) * row_height for row in range(len(variants))]
    scale = scale_steps(all_first_steps(variants, level), length)
    medians, diamonds = place_middles(variants, level, scale, homes)
    dots, crosses, diameter = place_dots(variants, level, scale, homes, diamonds, 0.46 * row_height)
    half = min(0.22, 0.42 * row_height)
    for along, home in medians:
        axes.plot([along, along], [home - half, home + half], color=MEDIAN, linewidth=2.5)
    plot_marks(axes, dots, crosses, diamonds, diameter)
    axes.set(xlim=(0, length), ylim=(breadth, 0), xlabel=f"first step at accuracy {float(level)}")
    axes.set_yticks(homes, names)
    axes.tick_params(axis="y", length=0)
    axes.grid(False, axis="y")
    label_steps(axes.xaxis, scale)
    if scale.never:
        axes.axvspan(scale.end, length, color="0.93", zorder=0)


def draw_rates(axes, variants, level, size):
    """The first steps at `level`, upward, against the learning rate, on a log axis."""
    breadth, length = size
    rates = np.log10([variant["settings"]["lr"] for variant in variants])
    per_decade = (breadth - 1) / max(0.1, rates[-1] - rates[0])
    homes = [0.5 + per_decade * (rate - rates[0]) for rate in rates]
    scale = scale_steps(all_first_steps(variants, level), length)
    medians, diamonds = place_middles(variants, level, scale, homes)
    dots, crosses, diameter = place_dots(variants, level, scale, homes, diamonds, 0.4)
    medians, diamonds, dots, crosses = (
        [(home, along) for along, home in points] for points in (medians, diamonds, dots, crosses)
    )
    for points, colour in ((medians, MEDIAN), (diamonds, "black")):
        axes.plot(*np.reshape(points, (-1, 2)).T, color=colour, linewidth=0.8)
    for home, along in medians:
        axes.plot([home - 0.13, home + 0.13], [along, along], color=MEDIAN, linewidth=2.5)
    plot_marks(axes, dots, crosses, diamonds, diameter)
    axes.set(xlim=(0, breadth), ylim=(0, length), xlabel="learning rate")
    axes.set_ylabel(f"first step at accuracy {float(level)}")
    axes.yaxis.set_label_coords((0.17 - PANELS_LEFT) / breadth, 0.5)
    ticks = choose_log_ticks(
        10 ** (rates[0] - 0.4 / per_decade), 10 ** (rates[-1] + 0.4 / per_decade)
    )
    places = [0.5 + per_decade * (math.log10(tick) - rates[0]) for tick in ticks]
    axes.set_xticks(places, [f"{tick:g}" for tick in ticks])
    label_steps(axes.yaxis, scale)
    if scale.never:
        axes.axhspan(scale.end, length, color="0.93", zorder=0)


def first_steps(holder, level):
    """Those at `level` of a variant, one a run, or the one of the report."""
    return holder["first"][f"{level:.0%}"]


def all_first_steps(variants, level):
    """Those at `level` of the runs and of the report."""
    steps = []
    for variant in variants:
        steps += first_steps(variant, level)
        if variant["report"] is not None:
            steps.append(first_steps(variant["report"], level))
    return steps


def place_middles(variants, level, scale, homes):
    """(medians, diamonds of the report): [(inches along the steps, across them)]."""
    medians = []
    diamonds = []
    for variant, home in zip(variants, homes, strict=True):
        steps = first_steps(variant, level)
        middle = statistics.median(or_never(step) for step in steps)
        if len(steps) > 1:
            medians.append((scale.place(None if middle == math.inf else middle), home))
        if variant["report"] is not None:
            diamonds.append((scale.place(first_steps(variant["report"], level)), home))
    return medians, diamonds


def place_dots(variants, level, scale, homes, diamonds, room):
    """(dots, crosses of the runs that broke off, diameter of both), as `place_middles` has them.

    No dot hides another or a diamond: it stands aside, by `room` inches at most. The dots are as
    large as that allows.
    """
    wanted = []
    broken = []
    for variant, home in zip(variants, homes, strict=True):
        runs = zip(first_steps(variant, level), variant["runs"], strict=True)
        for step, run in sorted(runs, key=lambda pair: or_never(pair[0])):
            # "never" is no number: there a dot may move along the steps as well.
            wanted.append((scale.place(step), home, 0.2 if step is None else 0))
            broken.append(bool(run["error"]))
    for diameter in (0.065, 0.055, 0.045, 0.038, 0.032, 0.026, 0.02):
        places = spread_dots(wanted, diamonds, room, diameter)
        if None not in places:
            break
    dots = []
    crosses = []
    for place, (along, across, _), error in zip(places, wanted, broken, strict=True):
        (crosses if error else dots).append(place or (along, across))
    return dots, crosses, diameter


def spread_dots(wanted, diamonds, room, diameter):
    """Free places for dots of `diameter`, each the nearest to where it is wanted, or None.

    `wanted` has (along, across, how far it may move along); `room` is how far across.
    """
    taken = [(*diamond, 0.045 + diameter / 2) for diamond in diamonds]
    places = []
    for along, across, depth in wanted:
        rows = int(depth / diameter)
        columns = int(room / diameter)
        offsets = itertools.product(range(-rows, rows + 1), range(-columns, columns + 1))
        place = None
        for down, aside in sorted(offsets, key=lambda offset: math.hypot(*offset)):
            x = along + diameter * down
            y = across + diameter * aside
            if all(math.hypot(x - a, y - b) > 0.99 * apart for a, b, apart in taken):
                place = (x, y)
                taken.append((x, y, diameter))
                break
        places.append(place)
    return places


def plot_marks(axes, dots, crosses, diamonds, diameter):
    """Dots, crosses and diamonds at their places."""
    for points, style in (
        (dots, {"marker": "o", "color": BLUE, "markeredgewidth": 0, "markersize": 72 * diameter}),
        (crosses, {"marker": "x", "color": RED, "markersize": 72 * diameter}),
        (diamonds, {"marker": "D", "color": "black", "markersize": 4.5}),
    ):
        if points:
            axes.plot(*zip(*points, strict=True), linestyle="none", **style)


def label_steps(axis, scale):
    """Ticks at round steps, and at "never"."""
    ticks = choose_ticks(scale.low, scale.high, 4)
    words = [f"{tick:g}" for tick in ticks]
    places = [scale.place(tick) for tick in ticks]
    if scale.never:
        words.append("never")
        places.append(scale.never)
    axis.set_ticks(places, words)


def or_never(step):
    """A step, infinite where it is None."""
    return math.inf if step is None else step


# --- What pictures in inches have in common.


def add_axes(figure, left, top, width, height):
    """Axes of `width` and `height`, `left` and `top` from the figure's upper left, in inches."""
    whole_width, whole_height = figure.get_size_inches()
    bottom = whole_height - top - height
    share = (left / whole_width, bottom / whole_height, width / whole_width, height / whole_height)
    return figure.add_axes(share)


def wrap_text(figure, text, width, **style):
    """`text` in lines of at most `width` inches; of each line of its own four at most."""
    lines = []
    for line in text.split("\n"):
        columns = len(line)
        broken = line
        while columns > 5 and measure_width(figure, broken, **style) > width:
            columns = int(0.95 * columns)
            broken = textwrap.fill(line, columns, max_lines=4, placeholder=" ...")
        lines.append(broken)
    return "\n".join(lines)


def measure_height(text, size):
    """The height in inches that lines of `size` points take."""
    return 1.25 * size / 72 * (text.count("\n") + 1)


def choose_ticks(low, high, most):
    """At most `most` + 1 round numbers between `low` and `high`."""
    ticks = MaxNLocator(most, integer=True, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high)
    return [tick for tick in ticks if low <= tick <= high]


def choose_log_ticks(low, high):
    """Round numbers between `low` and `high`, both above 0: powers of ten, or more where few."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for leading in ([1], [1, 2, 5], [1, 1.25, 1.5, 2, 2.5, 3, 4, 5, 6, 7, 8, 9]):
        ticks = [leads * 10.0**power for power in powers for leads in leading]
        ticks = [tick for tick in ticks if low <= tick <= high]
        if len(ticks) > 2:
            break
    return ticks[:: math.ceil(len(ticks) / 7)] if ticks else []


# --- One training of one's own.


def label_axes(loss_axes, accuracy_axes):
    """What the two panels of a learning curve have in common everywhere."""
    loss_axes.set(yscale="log", xlabel="training step", ylabel="loss (cross-entropy)")
    accuracy_axes.set(
        ylim=(-0.02, 1.02), xlabel="training step", ylabel="accuracy (whole sums correct)"
    )


def draw_run(curves, path=None):
    """The curves of one training, saved as PNG to `path`, or shown where it is None.

    `curves` has "loss", one a step from step 0 on, and "accuracy", one for each of "steps".
    """
    with matplotlib.rc_context(STYLE):
        figure = pyplot.figure(figsize=(10, 4), dpi=100, layout="constrained")
        loss_axes, accuracy_axes = figure.subplots(1, 2)
        label_axes(loss_axes, accuracy_axes)
        loss_axes.plot(range(len(curves["loss"])), curves["loss"])
        accuracy_axes.plot(curves["steps"], curves["accuracy"])
        if path:
            figure.savefig(path)
        else:
            pyplot.show()
    pyplot.close(figure)


# --- What was decided of each adder.


def draw_decided(figure, decided):
    """Each adder a mark, by group, against the digits of the shortest counterexample found."""
    figure.set_layout_engine("constrained")
    groups = decided["groups"]
    adders = [adder for group in groups for adder in group["adders"]]
    most = max([1, *(adder["digits"] or 0 for adder in adders)])
    places = {"undecided": most + 1.5, "proven": most + 3.5}
    # The sum that is written out under a mark takes about a quarter of an inch a digit.
    figure.set_size_inches(max(10, 2.5 + 0.3 * (most + 4)), 1.5 + 0.55 * len(groups))
    axes = figure.subplots()
    for y, group in enumerate(groups):
        draw_group(axes, y, group["adders"], places)
        wrong = [adder for adder in group["adders"] if adder["digits"]]
        if wrong:
            last = max(wrong, key=lambda adder: (adder["perfect"] is True, adder["digits"]))
            side = "right" if last["digits"] > (most + 4.5) / 2 else "left"
            axes.text(last["digits"], y + 0.3, last["decided"], ha=side, va="center", fontsize=7.5)
    names = [f"{group['name']} ({len(group['adders'])})".replace(", ", ",\n") for group in groups]
    axes.set_yticks(range(len(groups)), names)
    digits = range(1, most + 1)
    axes.set_xticks([*digits, *places.values()], [*digits, "not\ndecided", "none, of\nany length"])
    axes.set(xlim=(0.4, most + 4.5), ylim=(len(groups) - 0.4, -0.6))
    axes.set_xlabel(
        "digits of the shortest counterexample found; one of each group is written out\n"
        "full: all of the test pairs correct at the last evaluation; empty: fewer; "
        "cross: never evaluated\n"
        "diamond: proven correct for every two numbers"
    )
    figure.suptitle(title_decided(decided))


def draw_group(axes, y, adders, places):
    """The marks of one group of adders: those at one place go down in columns of five."""
    by_place = collections.defaultdict(list)
    for adder in sorted(adders, key=lambda adder: adder["perfect"] is not True):
        by_place[adder["digits"] or places[adder["verdict"]]].append(adder)
    for x, stacked in by_place.items():
        columns = -(-len(stacked) // 5)
        apart = min(0.09, 0.8 / columns)
        for number, adder in enumerate(stacked):
            column = number // 5
            place = number % 5
            mark = {"color": RED, "marker": "o", "fillstyle": "none"}
            if adder["verdict"] == "proven":
                mark = {"color": GREEN, "marker": "D", "fillstyle": "full"}
            elif adder["perfect"] is None:
                mark["marker"] = "x"
            elif adder["perfect"]:
                mark["fillstyle"] = "full"
            at = (x - 0.1 + apart * column, y - 0.4 + 0.13 * place)
            axes.plot(*at, markersize=3.5, markeredgewidth=0.8, **mark)


def title_decided(decided):
    """What the counts say, in two lines."""
    if not decided["evaluated"]:
        return f"{decided['proven']} of {decided['adders']} adders are proven correct"
    first = (
        f"{decided['perfect']} of {decided['evaluated']} adders whose accuracy was evaluated "
        "end at 100% on random pairs"
    )
    if not decided["perfect_but_wrong"]:
        return f"{first}:\nof none of these a counterexample was found"
    return (
        f"{first}:\n{decided['perfect_but_wrong']} of these are wrong "
        f"on a pair of {decided['most_digits']} digits or fewer"
    )


# --- Finished adders, looked at.


def draw_stress(figure, stress):
    """Accuracy against the longest carry chain: the median over seeds, their range as a band."""
    figure.set_layout_engine("constrained")
    chains = stress["chains"]
    figure.set_size_inches(10, 4 + 0.22 * len(stress["adders"]))
    figure.suptitle(f"Correct sums against the longest carry chain, to {chains[-1]} positions")
    axes = figure.subplots()
    styles = itertools.cycle(["o-", "s-", "D-", "^--"])
    colours = choose_colours(len(stress["adders"]))
    for adder, colour, style in zip(stress["adders"], colours, styles, strict=False):
        curves = np.array(adder["accuracy"])
        median = np.median(curves, axis=0)
        seeds = f"{len(curves)} seed{'s' if len(curves) > 1 else ''}"
        label = f"{adder['name']} ({seeds}): {median[-1]:.0%} at {chains[-1]}"
        low = curves.min(axis=0)
        high = curves.max(axis=0)
        axes.fill_between(chains, low, high, color=colour, alpha=0.2, linewidth=0)
        axes.plot(chains, median, style, color=colour, clip_on=False, label=label)
    axes.set_xscale("symlog", linthresh=1)
    axes.set_xticks(chains, chains)
    axes.set(
        xlim=(0, max(1, chains[-1])),
        xlabel="longest carry chain in the pair (positions that a carry goes into)",
        ylabel="accuracy (whole sums correct)",
    )
    figure.legend(loc="outside lower center")


def draw_proof(figure, proof):
    """For some adders the margin of each digit pair and carry, and states of real sums."""
    figure.set_layout_engine("constrained")
    portraits = proof["portraits"]
    figure.set_size_inches(10, 0.6 + 3.3 * len(portraits))
    least = [f"{say_margin(portrait['margin'])} for {portrait['name']}" for portrait in portraits]
    title = "\n".join(["Least worst-case margin over all digits and carries:", *least])
    figure.suptitle(title, fontsize=11)
    grid = figure.subplots(len(portraits), 3, width_ratios=(1, 1, 1.6), squeeze=False)
    for portrait, (no_carry, carry, plane) in zip(portraits, grid, strict=True):
        draw_margins(no_carry, portrait["margins"][0], f"{portrait['name']}\nno carry before")
        image = draw_margins(carry, portrait["margins"][1], f"{portrait['name']}\ncarry before")
        no_carry.set_ylabel("first digit")
        figure.colorbar(image, ax=carry, extend="both", label="worst-case margin", shrink=0.8)
        draw_states(plane, portrait)


def say_margin(margin):
    """A margin with its sign; None is one that could not be bounded."""
    return "no bound" if margin is None else f"{margin:+.1f}"


def draw_margins(axes, margins, title):
    """The margin of each pair of digits as a colour; returns the image."""
    scale = SymLogNorm(1, vmin=-100, vmax=100)  # linear between -1 and 1
    values = np.array(margins, dtype=float)
    image = axes.imshow(values, cmap="PuOr", norm=scale, origin="lower")
    axes.set_title(title, fontsize=10)
    axes.set(xlabel="second digit", xticks=range(10), yticks=range(10))
    axes.grid(False)
    return image


def draw_states(axes, portrait):
    """The states of real sums in the plane of two units, and the interval bounds for each carry."""
    for carry, colour in enumerate((BLUE, RED)):
        states = np.array(portrait["states"][carry])
        axes.plot(*states.T, ".", color=colour, markersize=3, label=f"carry {carry}")
        (left, low), (right, high) = portrait["bounds"][carry]
        style = {"fill": False, "edgecolor": colour, "linewidth": 2}
        axes.add_patch(Rectangle((left, low), right - left, high - low, **style))
    across, up = portrait["units"]
    axes.set(xlabel=f"(W_hh h + b) of unit {across}", ylabel=f"(W_hh h + b) of unit {up}")
    axes.set_title("states of real sums, and the proof's bounds", fontsize=10)
    axes.margins(y=0.2)  # the legend stands above the bounds
    axes.legend(fontsize=8, loc="upper center", ncols=2, markerscale=3)


def draw_gpu(figure, gpu):
    """The milliseconds of a training step against the length, on each device."""
    figure.set_layout_engine("constrained")
    figure.set_size_inches(10, 4)
    axes = figure.subplots()
    last = []
    for device, colour in zip(gpu["devices"], COLOURS, strict=False):
        digits = [length for length, _ in device["ms"]]
        medians = [np.median(ms) for _, ms in device["ms"]]
        axes.plot(digits, medians, "o-", color=colour, label=f"here, {device['kind']}")
        last.append(f"{medians[-1]:.0f} ms on {device['device']}")
    original = np.array(gpu["original_ms"])
    axes.plot(*original.T, "D--", color="grey", label="the original code, 2-core CPU")
    figure.suptitle(f"A training step at {digits[-1]} digits, batch size 100: {', '.join(last)}")
    axes.set(
        xscale="log", xlabel="digits of each number", yscale="log", ylabel="ms a training step"
    )
    axes.legend()


PARTS = {
    "verdicts": draw_verdicts,
    "decided": draw_decided,
    "stress": draw_stress,
    "proof": draw_proof,
    "gpu": draw_gpu,
}
