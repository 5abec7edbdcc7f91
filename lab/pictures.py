"""Results -> PNG: what stands in `results.json` is drawn, and nothing else."""

import ast
import collections
import functools
import hashlib
import itertools
import json
import os
import textwrap
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib import pyplot
from matplotlib.colors import SymLogNorm
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

# Okabe, Ito 2008: told apart by colour-blind readers too.
COLOURS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000"]
BLUE, RED, GREEN = COLOURS[:3]
VERDICTS = {"holds": GREEN, "does not hold": RED, "depends on the seed": BLUE}  # others: black
STYLE = {
    "figure.constrained_layout.use": True,
    "savefig.dpi": 150,
    "axes.grid": True,
    "grid.alpha": 0.3,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
}


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
        if isinstance(node, (ast.Module, ast.FunctionDef)) and ast.get_docstring(node):
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


def draw_verdicts(figure, verdicts):
    """Every claim in a line: its words, a mark for each seed, the verdict.

    The line of an experiment's name has no marks.
    """
    lines = verdicts["lines"]
    marks = max(1, *(len(line["answers"]) for line in lines))
    words = [say_verdict(line) for line in lines]
    claims_width = 0.15 + max(measure_width(figure, line["claim"], weight="bold") for line in lines)
    marks_width = 0.17 * marks
    width = claims_width + marks_width + max(measure_width(figure, text) for text in words)
    title = (
        "The report's claims, a mark for each seed: full where the claim is true of it, "
        "empty where not"
    )
    width = max(width, measure_width(figure, title, size="large")) + 0.6
    figure.set_size_inches(width, 0.6 + 0.27 * len(lines))
    figure.suptitle(title)
    axes = figure.subplots()  # its units are inches across, lines down
    marks_left = claims_width + 0.3
    for y, (line, text) in enumerate(zip(lines, words, strict=True)):
        colour = VERDICTS.get(line["verdict"], "black")
        if line["answers"]:
            axes.text(0.15, y, line["claim"], va="center")
            axes.text(marks_left + marks_width, y, text, va="center", color=colour)
        else:
            axes.text(0, y, line["claim"], va="center", weight="bold")
            axes.text(marks_left - 0.08, y, text, va="center", color=colour)
        for seed, answer in enumerate(line["answers"]):
            style = "full" if answer else "none"
            x = marks_left + 0.17 * seed
            axes.plot(x, y, "o", color=colour, fillstyle=style, markersize=8)
    axes.set(xlim=(0, width - 0.1), ylim=(len(lines) - 0.5, -0.5))
    axes.axis("off")


def say_verdict(line):
    """A line's verdict, its note and, where they differ, how many seeds said yes."""
    words = line["verdict"]
    if words == "depends on the seed":
        words += f" ({sum(line['answers'])} of {len(line['answers'])})"
    if line.get("note"):
        words += f", {line['note']}"
    return textwrap.shorten(words, 90, placeholder=" ...")


# --- Curves.


def draw_experiment(figure, experiment):
    """Loss and accuracy against step: for each variant the median over its runs, and their range.

    A line is the median, a band the range, a diamond a value of the report.
    """
    variants = [
        variant
        for variant in experiment["variants"]
        if any(run["steps"] for run in variant["runs"])
    ]
    points = experiment["report_points"]
    figure.suptitle(textwrap.fill(experiment["headline"], 90), fontsize=12)
    loss_axes, accuracy_axes = figure.subplots(1, 2)
    label_axes(loss_axes, accuracy_axes)
    draw_curves(loss_axes, variants, "loss", points["loss"])
    draw_curves(accuracy_axes, variants, "accuracy", points["accuracy"])
    last_step = max([step for _, step, _ in points["accuracy"]], default=1)
    for variant in variants:
        last_step = max(last_step, *(step for run in variant["runs"] for step in run["steps"]))
    loss_axes.set_xlim(0, last_step)
    accuracy_axes.set_xlim(0, last_step)
    if points["accuracy"]:
        diamond = {"color": "white", "markeredgecolor": "black", "label": "the report"}
        accuracy_axes.plot([], [], "D", **diamond)
    handles, labels = accuracy_axes.get_legend_handles_labels()
    labels = [textwrap.fill(label, 36) for label in labels]
    lines = "\n".join(labels).count("\n")
    figure.set_size_inches(10, max(4, 1 + 0.25 * lines))
    figure.legend(handles, labels, loc="outside right center")


def label_axes(loss_axes, accuracy_axes):
    """What the two panels of a learning curve have in common everywhere."""
    loss_axes.set(yscale="log", xlabel="training step", ylabel="loss (cross-entropy)")
    accuracy_axes.set(
        ylim=(-0.02, 1.02), xlabel="training step", ylabel="accuracy (whole sums correct)"
    )


def draw_curves(axes, variants, curve, points):
    """One panel: the `curve` of each variant, and the report's `points` of it."""
    colours = choose_colours(len(variants))
    colour_of = {}
    for variant, colour in zip(variants, colours, strict=True):
        steps = max((run["steps"] for run in variant["runs"]), key=len)
        low, median, high = median_and_range(variant["runs"], steps, curve)
        axes.fill_between(steps, low, high, color=colour, alpha=0.2, linewidth=0)
        axes.plot(steps, median, color=colour, linewidth=1.8, label=variant["legend"])
        colour_of[variant["label"]] = colour
    for label, step, value in points:
        colour = colour_of.get(label, "white")
        axes.plot(step, value, "D", color=colour, markeredgecolor="black", zorder=3, clip_on=False)


def median_and_range(runs, steps, curve):
    """(low, median, high) over `runs` of a curve at each of `steps`, those of the longest run.

    A run that stopped early keeps its last value; one that broke off has none from there on.
    """
    values = np.full((len(runs), len(steps)), np.nan)
    for of_run, run in zip(values, runs, strict=True):
        count = len(run[curve])
        of_run[:count] = np.array(run[curve], dtype=float)  # None becomes NaN
        if count and not run["error"]:
            of_run[count:] = of_run[count - 1]
    values = np.ma.masked_invalid(values)
    three = [np.ma.min(values, axis=0), np.ma.median(values, axis=0), np.ma.max(values, axis=0)]
    return [np.ma.filled(line, np.nan) for line in three]


def draw_run(curves, path=None):
    """The curves of one training, saved as PNG to `path`, or shown where it is None.

    `curves` has "loss", one a step, and "accuracy", one for each of "steps".
    """
    with matplotlib.rc_context(STYLE):
        figure = pyplot.figure(figsize=(10, 4))
        loss_axes, accuracy_axes = figure.subplots(1, 2)
        label_axes(loss_axes, accuracy_axes)
        loss_axes.plot(range(1, len(curves["loss"]) + 1), curves["loss"])
        accuracy_axes.plot(curves["steps"], curves["accuracy"])
        if path:
            figure.savefig(path)
        else:
            pyplot.show()
    pyplot.close(figure)


# --- What was decided of each adder.


def draw_decided(figure, decided):
    """Each adder a mark, by group, against the digits of the shortest counterexample found."""
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
