"""Results -> PNG: what stands in `results.json` is drawn, and nothing else."""

import collections
import hashlib
import itertools
import json
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib import pyplot
from matplotlib.colors import SymLogNorm
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

# Colours that a colour-blind reader can tell apart (Okabe, Ito 2008).
COLOURS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000"]
BLUE, RED, GREEN = COLOURS[:3]
VERDICTS = {"holds": GREEN, "does not hold": RED, "depends on the seed": BLUE}  # others: black
MARKS_AT = 22.8  # where the seeds' marks begin, behind the words of the longest claim
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
    """Draw into `folder` what of `results` is not drawn there yet, and take away what nothing
    shows.

    `results["pictures"]` lists what was drawn before, {file: what it was drawn from}. Only a file
    that is listed there is ever taken away. Returns the new list.
    """
    folder.mkdir(parents=True, exist_ok=True)
    before = results["pictures"]
    pictures = {}
    for part, draw_part in list_parts(results):
        name = part["picture"]
        pictures[name] = digest(part)
        if before.get(name) != pictures[name] or not (folder / name).exists():
            with matplotlib.rc_context(STYLE):
                figure = Figure()
                draw_part(figure, part)
                figure.savefig(folder / name)
    for name in before:
        if name not in pictures:
            (folder / name).unlink(missing_ok=True)
    return pictures


def list_parts(results):
    """(part, the function that draws it) for each part of the results that has a picture."""
    parts = [(experiment, draw_experiment) for experiment in results["experiments"].values()]
    for name, draw_part in DRAWN.items():
        if results.get(name):
            parts.append((results[name], draw_part))
    return parts


def digest(part):
    """What a picture is drawn from: its part of the results, this file, and matplotlib."""
    shown = {name: value for name, value in part.items() if name != "made"}
    text = json.dumps(shown, sort_keys=True) + Path(__file__).read_text() + matplotlib.__version__
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def choose_colours(count):
    """`count` colours that a colour-blind reader can tell apart; a scale where they are many."""
    if count <= len(COLOURS):
        return COLOURS[:count]
    return matplotlib.colormaps["viridis"](np.linspace(0, 0.95, count))


def draw_verdicts(figure, verdicts):
    """Every claim in a line: its words, a mark for each seed, the verdict.

    An experiment has a line of its own above its claims, without marks.
    """
    lines = verdicts["lines"]
    figure.set_size_inches(9, 0.6 + 0.27 * max(1, len(lines)))
    axes = figure.subplots()
    seeds = max([1, *(len(line["answers"]) for line in lines)])
    behind_marks = MARKS_AT + 0.4 + 0.7 * seeds
    for y, line in enumerate(lines):
        answers = line["answers"]
        verdict = line["verdict"]
        colour = VERDICTS.get(verdict, "black")
        if verdict == "depends on the seed":
            verdict += f" ({sum(answers)} of {len(answers)})"
        said = ", ".join(filter(None, [verdict, line.get("note")]))
        if answers:
            axes.text(0.6, y, line["claim"], va="center")
            axes.text(behind_marks, y, said, va="center", color=colour)
        else:
            axes.text(0, y, line["claim"], va="center", weight="bold")
            axes.text(MARKS_AT, y, said, va="center", color=colour)
        for seed, yes in enumerate(answers):
            fill = "full" if yes else "none"
            axes.plot(MARKS_AT + 0.7 * seed, y, "o", color=colour, fillstyle=fill, markersize=8)
    axes.set(xlim=(0, 39), ylim=(max(1, len(lines)) - 0.5, -0.5))
    axes.axis("off")
    figure.suptitle(
        "The report's claims, a mark for each seed: full where true of it, empty where not"
    )


def draw_experiment(figure, experiment):
    """Loss and accuracy against step: for each variant the median over its runs, a band for the
    range.

    Diamonds are the report's own values.
    """
    figure.set_size_inches(10, 4)
    figure.suptitle(experiment["headline"], fontsize=12)
    of_loss, of_accuracy = figure.subplots(1, 2)
    points = experiment["report_points"]
    variants = [
        variant
        for variant in experiment["variants"]
        if any(run["steps"] for run in variant["runs"])
    ]
    colours = dict(
        zip([variant["label"] for variant in variants], choose_colours(len(variants)), strict=True)
    )
    last_step = max([step for _, step, _ in points["accuracy"]], default=1)
    for what, axes in {"loss": of_loss, "accuracy": of_accuracy}.items():
        for variant in variants:
            steps = max((run["steps"] for run in variant["runs"]), key=len)
            last_step = max(last_step, steps[-1])
            low, median, high = summarize(variant["runs"], steps, what)
            colour = colours[variant["label"]]
            axes.fill_between(steps, low, high, color=colour, alpha=0.2, linewidth=0)
            axes.plot(steps, median, color=colour, linewidth=1.8, label=variant["legend"])
        for label, step, value in points[what]:
            colour = colours.get(label, "white")
            axes.plot(
                step, value, "D", color=colour, markeredgecolor="black", zorder=3, clip_on=False
            )
    of_loss.set(yscale="log", ylabel="loss (cross-entropy)")
    of_accuracy.set(ylim=(-0.02, 1.02), ylabel="accuracy (whole sums correct)")
    for axes in (of_loss, of_accuracy):
        axes.set(xlabel="training step", xlim=(0, last_step))
    if points["accuracy"]:
        of_accuracy.plot([], [], "D", color="white", markeredgecolor="black", label="the report")
    handles, labels = of_accuracy.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside right center")


def summarize(runs, steps, what):
    """(low, median, high) over `runs` of "loss" or "accuracy", at each of the longest run's
    `steps`.

    A run that stopped early keeps its last value; one that ended by an error does not.
    """
    curves = np.full((len(runs), len(steps)), np.nan)
    for curve, run in zip(curves, runs, strict=True):
        values = run[what]
        curve[: len(values)] = values
        if values and not run["error"]:
            curve[len(values) :] = values[-1]
    curves = np.ma.masked_invalid(curves)
    summaries = (np.ma.min(curves, axis=0), np.ma.median(curves, axis=0), np.ma.max(curves, axis=0))
    return [np.ma.filled(summary, np.nan) for summary in summaries]


def draw_run(losses, accuracies, evaluated_at, path):
    """Draw one run, its loss at each step and its accuracy at the steps `evaluated_at`.

    Saved to `path`, or shown where it is None.
    """
    with matplotlib.rc_context(STYLE):
        figure = pyplot.figure(figsize=(10, 4))
        of_loss, of_accuracy = figure.subplots(1, 2)
        of_loss.plot(range(1, len(losses) + 1), losses, color=BLUE)
        of_loss.set(yscale="log", xlabel="training step", ylabel="loss (cross-entropy)")
        of_accuracy.plot(evaluated_at, accuracies, color=BLUE)
        of_accuracy.set(
            ylim=(-0.02, 1.02), xlabel="training step", ylabel="accuracy (whole sums correct)"
        )
        if path is None:
            pyplot.show()
        else:
            figure.savefig(path)
    pyplot.close(figure)


def draw_decided(figure, decided):
    """Each adder a mark, by group, against the digits of the shortest counterexample found."""
    groups = decided["groups"]
    most = max([1, *(adder["digits"] or 0 for group in groups for adder in group["adders"])])
    places = {"undecided": most + 1.5, "proven": most + 3.5}
    figure.set_size_inches(10, 1.6 + 0.55 * max(1, len(groups)))
    axes = figure.subplots()
    for y, group in enumerate(groups):
        draw_marks(axes, y, group["adders"], places)
        wrong = [adder for adder in group["adders"] if adder["digits"]]
        if wrong:
            written = max(wrong, key=lambda adder: (bool(adder["perfect"]), adder["digits"]))
            side = "right" if written["digits"] > most / 2 else "left"
            axes.text(
                written["digits"], y + 0.38, written["decided"], ha=side, va="center", fontsize=7.5
            )
    names = [f"{group['name']} ({len(group['adders'])})" for group in groups]
    axes.set_yticks(range(len(groups)), [name.replace(", ", ",\n") for name in names])
    digits = range(1, most + 1)
    axes.set_xticks([*digits, *places.values()], [*digits, "not\ndecided", "none, of\nany length"])
    axes.set(xlim=(0.4, most + 4.5), ylim=(max(1, len(groups)) - 0.4, -0.6))
    axes.set_xlabel(
        "digits of the shortest counterexample found; one of each group is written out\n"
        "full: 100% on random pairs at the last evaluation, or proven; empty: less"
    )
    figure.suptitle(
        f"{decided['perfect']} of {decided['evaluated']} adders that were evaluated "
        "end at 100% on random pairs:\n"
        f"{decided['perfect_but_wrong']} of these are wrong on a pair of "
        f"{decided['most_digits']} digits or fewer"
    )


def draw_marks(axes, y, adders, places):
    """The marks of one group, those at one place in columns of five."""
    stacked = collections.Counter()
    for adder in sorted(adders, key=lambda adder: not adder["perfect"]):
        proven = adder["verdict"] == "proven"
        x = adder["digits"] or places[adder["verdict"]]
        column, row = divmod(stacked[x], 5)
        stacked[x] += 1
        axes.plot(
            x + 0.09 * column - 0.1,
            y - 0.4 + 0.13 * row,
            "D" if proven else "o",
            color=GREEN if proven else RED,
            fillstyle="full" if adder["perfect"] or proven else "none",
            markersize=3.5,
            markeredgewidth=0.8,
        )


def draw_stress(figure, stress):
    """Accuracy against the longest carry chain: the median over seeds, their range as a band."""
    figure.set_size_inches(10, 4.5)
    axes = figure.subplots()
    chains = stress["chains"]
    adders = stress["adders"]
    styles = itertools.cycle(["o-", "s-", "D-", "^--"])
    for adder, colour, style in zip(adders, choose_colours(len(adders)), styles, strict=False):
        curves = np.array(adder["accuracy"])
        median = np.median(curves, 0)
        seeds = "1 seed" if len(curves) == 1 else f"{len(curves)} seeds"
        label = f"{adder['name']} ({seeds}): {median[-1]:.0%} at {chains[-1]}"
        axes.fill_between(
            chains, curves.min(0), curves.max(0), color=colour, alpha=0.2, linewidth=0
        )
        axes.plot(chains, median, style, color=colour, clip_on=False, label=label)
    figure.suptitle(f"Correct sums against the longest carry chain, to {chains[-1]} positions")
    axes.set_xscale("symlog", linthresh=1)
    axes.set_xticks(chains, chains)
    axes.set(
        xlim=(0, max(1, chains[-1])),
        xlabel="longest carry chain in the pair (positions that a carry goes into)",
        ylabel="accuracy (whole sums correct)",
    )
    axes.legend()


def draw_proof(figure, proof):
    """For some adders the worst-case margins of all triples, and real states in the proof's
    bounds."""
    adders = proof["portraits"]
    figure.set_size_inches(10, 3.4 * len(adders))
    least = [f"{adder['margin']:+.1f} for {adder['name']}" for adder in adders]
    title = "Least worst-case margin over all digits and carries:"
    figure.suptitle("\n".join([title, *least]), fontsize=11)
    grid = figure.subplots(len(adders), 3, width_ratios=(1, 1, 1.6), squeeze=False)
    for adder, (without, carried, plane) in zip(adders, grid, strict=True):
        for axes, margins, what in zip(
            (without, carried), adder["margins"], ("no carry", "carry"), strict=True
        ):
            scale = SymLogNorm(1, vmin=-100, vmax=100)  # linear between -1 and 1
            values = np.array(margins, dtype=float)
            image = axes.imshow(values, cmap="PuOr", norm=scale, origin="lower")
            axes.set_title(f"{adder['name']}\n{what} before", fontsize=9)
            axes.set(xlabel="second digit", xticks=range(10), yticks=range(10))
            axes.grid(False)
        without.set_ylabel("first digit")
        figure.colorbar(image, ax=carried, extend="both", label="worst-case margin", shrink=0.8)
        draw_states(plane, adder)


def draw_states(axes, adder):
    """Real states of one adder, by the carry after them, and the bounds that hold them."""
    for carry, colour in enumerate((BLUE, RED)):
        (left, low), (right, high) = adder["bounds"][carry]
        states = np.array(adder["states"][carry])
        axes.plot(*states.T, ".", color=colour, markersize=3, label=f"carry {carry}")
        axes.add_patch(
            Rectangle(
                (left, low), right - left, high - low, fill=False, edgecolor=colour, linewidth=2
            )
        )
    across, up = (f"(W_hh h + b) of unit {unit}" for unit in adder["units"])
    axes.set(xlabel=across, ylabel=up)
    axes.set_title("states of real sums, and the proof's interval bounds", fontsize=9)
    axes.legend(fontsize=8, loc="best", markerscale=3, frameon=True)


def draw_gpu(figure, gpu):
    """The milliseconds of a training step against the length, on each device."""
    figure.set_size_inches(10, 4)
    axes = figure.subplots()
    said = []
    for device, colour in zip(gpu["devices"], COLOURS, strict=False):
        digits = [at for at, _ in device["ms"]]
        medians = [np.median(ms) for _, ms in device["ms"]]
        axes.plot(digits, medians, "o-", color=colour, label=f"here, {device['kind']}")
        said.append(f"{medians[-1]:.0f} ms on {device['device']}")
    original = np.array(gpu["original_ms"])
    axes.plot(*original.T, "D--", color="grey", label="the original code, 2-core CPU")
    figure.suptitle(f"A training step at {digits[-1]} digits, batch size 100: {', '.join(said)}")
    axes.set(
        xscale="log", xlabel="digits of each number", yscale="log", ylabel="ms a training step"
    )
    axes.legend()


DRAWN = {
    "verdicts": draw_verdicts,
    "decided": draw_decided,
    "stress": draw_stress,
    "proof": draw_proof,
    "gpu": draw_gpu,
}
