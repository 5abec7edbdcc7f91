"""Results -> PNG: what stands in `results.json` is drawn, and nothing else."""

import collections
import itertools

import matplotlib
import numpy as np
from matplotlib import pyplot
from matplotlib.colors import SymLogNorm
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

COLOURS = [
    "#0072B2",
    "#D55E00",
    "#009E73",
    "#CC79A7",
    "#E69F00",
    "#56B4E9",
    "#000000",
]  # Okabe, Ito 2008
VERDICTS = {
    "holds": COLOURS[2],
    "does not hold": COLOURS[1],
    "depends on the seed": COLOURS[0],
}  # others: black
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
    """Draw the pictures of `results`, of all of them or of some parts, into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    parts = [(row, draw_row) for row in results.get("rows", [])]
    parts += [(results[name], function) for name, function in PARTS.items() if results.get(name)]
    for part, function in parts:
        with matplotlib.rc_context(STYLE):
            figure = Figure()
            function(figure, part)
            figure.savefig(folder / part["picture"])


def colours(count):
    """`count` colours that a colour-blind reader can tell apart; a scale where they are many."""
    if count <= len(COLOURS):
        return COLOURS[:count]
    return matplotlib.colormaps["viridis"](np.linspace(0, 0.95, count))


def draw_verdicts(figure, verdicts):
    """Every claim of every row in a line: its words, a mark for each seed, the verdict. A row's name has no marks."""
    lines = verdicts["lines"]
    figure.set_size_inches(9, 0.6 + 0.27 * len(lines))
    axes = figure.subplots()
    marks = max([1, *(len(line["answers"]) for line in lines)])
    for y, line in enumerate(lines):
        answers, verdict = line["answers"], line["verdict"]
        axes.text(
            0.6 if answers else 0, y, line["claim"], va="center", weight=None if answers else "bold"
        )
        colour = VERDICTS.get(verdict, "black")
        for seed, yes in enumerate(answers):
            axes.plot(
                22 + 0.7 * seed,
                y,
                "o",
                color=colour,
                fillstyle="full" if yes else "none",
                markersize=8,
            )
        if verdict == "depends on the seed":
            verdict += f" ({sum(answers)} of {len(answers)})"
        said = ", ".join(filter(None, [verdict, line.get("note")]))
        axes.text(22.4 + 0.7 * marks if answers else 22, y, said, va="center", color=colour)
    axes.set(xlim=(0, 38), ylim=(len(lines) - 0.5, -0.5))
    axes.axis("off")
    figure.suptitle(
        "The report's claims, a mark for each seed: full where the claim is true of it, empty where not"
    )


def draw_row(figure, row):
    """Loss and accuracy against step: a line for the median over each arm's runs, a band for their range.

    `row` has a "headline", "arms", each with "label", "legend" and "runs", and "diamonds", the report's values,
    {"loss", "accuracy": [(label or None, step, value)]}.
    """
    figure.set_size_inches(10, 4)
    figure.suptitle(row["headline"], fontsize=12)
    panels, diamonds = dict(zip(("loss", "accuracy"), figure.subplots(1, 2))), row["diamonds"]
    arms = [arm for arm in row["arms"] if any(run["measured_at"] for run in arm["runs"])]
    colour_of = dict(zip((arm["label"] for arm in arms), colours(len(arms))))
    last_step = max([step for _, step, _ in diamonds["accuracy"]], default=1)
    for what, axes in panels.items():
        for arm in arms:
            steps = np.array(max((run["measured_at"] for run in arm["runs"]), key=len))
            last_step = max(last_step, steps[-1])
            low, median, high = on_one_grid(arm["runs"], steps, what)
            axes.fill_between(
                steps, low, high, color=colour_of[arm["label"]], alpha=0.2, linewidth=0
            )
            axes.plot(
                steps, median, color=colour_of[arm["label"]], linewidth=1.8, label=arm["legend"]
            )
        for label, step, value in diamonds[what]:
            face = colour_of.get(label, "white")
            axes.plot(
                step, value, "D", color=face, markeredgecolor="black", zorder=3, clip_on=False
            )
    shared = {"xlabel": "training step", "xlim": (0, last_step)}
    panels["loss"].set(yscale="log", ylabel="loss (cross-entropy)", **shared)
    panels["accuracy"].set(ylim=(-0.02, 1.02), ylabel="accuracy (whole sums right)", **shared)
    if diamonds["accuracy"]:
        panels["accuracy"].plot(
            [], [], "D", color="white", markeredgecolor="black", label="the report"
        )
    handles, labels = panels["accuracy"].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside right center")


def draw_run(curves, path):
    """The curves of one run, saved to `path`, or shown where it is None."""
    arm = {"label": "", "legend": "this model", "runs": [curves | {"error": None}]}
    with matplotlib.rc_context(STYLE):
        figure = pyplot.figure()
        draw_row(
            figure,
            {"headline": "Training", "arms": [arm], "diamonds": {"loss": [], "accuracy": []}},
        )
        figure.savefig(path) if path else pyplot.show()
    pyplot.close(figure)


def on_one_grid(runs, steps, what):
    """(low, median, high) over `runs` of the curve `what`, at each of `steps`, at which the longest was measured."""
    curves = np.full((len(runs), len(steps)), np.nan)
    for curve, run in zip(curves, runs):
        values = (
            run[what]
            if what == "accuracy"
            else [run[what][step - 1] for step in run["measured_at"]]
        )
        curve[: len(values)] = values
        curve[len(values) :] = (
            np.nan if run["error"] else values[-1]
        )  # a run that stopped early keeps its last value
    curves = np.ma.masked_invalid(curves)
    return [np.ma.filled(f(curves, axis=0), np.nan) for f in (np.ma.min, np.ma.median, np.ma.max)]


def draw_decided(figure, decided):
    """Each adder a mark, by group, against the digits of the shortest pair found that it adds wrong."""
    groups, most = (
        decided["groups"],
        max([1, *(a["digits"] or 0 for g in decided["groups"] for a in g["adders"])]),
    )
    places = {"undecided": most + 1.5, "proven": most + 3.5}
    figure.set_size_inches(10, 1.3 + 0.55 * len(groups))
    axes = figure.subplots()
    for y, group in enumerate(groups):
        stacked = collections.Counter()  # the marks at one place go down in columns of five
        for adder in sorted(group["adders"], key=lambda adder: not adder["right"]):
            x, proven = adder["digits"] or places[adder["verdict"]], adder["verdict"] == "proven"
            at = x + 0.09 * (stacked[x] // 5) - 0.1, y - 0.4 + 0.13 * (stacked[x] % 5)
            stacked[x] += 1
            full = "full" if adder["right"] or proven else "none"
            colour, look = (COLOURS[2], "D") if proven else (COLOURS[1], "o")
            axes.plot(*at, look, color=colour, fillstyle=full, markersize=3.5, markeredgewidth=0.8)
        wrong = [adder for adder in group["adders"] if adder["digits"]]
        if wrong:
            last = max(wrong, key=lambda adder: (adder["right"], adder["digits"]))
            side = "right" if last["digits"] > most / 2 else "left"
            axes.text(last["digits"], y + 0.38, last["decided"], ha=side, va="center", fontsize=7.5)
    names = [
        f"{group['name']} ({len(group['adders'])}){' *' * group['fewer_pairs']}" for group in groups
    ]
    axes.set_yticks(range(len(groups)), [name.replace(", ", ",\n") for name in names])
    digits = range(1, most + 1)
    axes.set_xticks([*digits, *places.values()], [*digits, "not\ndecided", "none, of\nany length"])
    axes.set(xlim=(0.4, most + 4.5), ylim=(len(groups) - 0.4, -0.6))
    axes.set_xlabel(
        "digits of the shortest pair found that the adder gets wrong; one of each group is written out\n"
        "full: 100% right on random pairs at the last measurement; empty: less\n"
        "* fewer pairs a step than the report"
    )
    short = f"a pair of {decided['most_digits']} digits or fewer"
    figure.suptitle(
        f"{decided['right']} of {decided['adders']} adders end at 100% on random pairs:\n"
        f"{decided['right_but_wrong']} of these are wrong on {short}"
    )


def draw_stress(figure, stress):
    """Accuracy against the longest carry chain: the median over seeds, their range as a band."""
    figure.set_size_inches(10, 4.5)
    axes, chains, styles = (
        figure.subplots(),
        stress["chains"],
        itertools.cycle(["o-", "s-", "D-", "^--"]),
    )
    for adder, colour in zip(stress["adders"], colours(len(stress["adders"]))):
        curves = np.array(adder["accuracy"])
        label = (
            f"{adder['name']} ({len(curves)} seeds): {np.median(curves[:, -1]):.0%} at {chains[-1]}"
        )
        axes.fill_between(
            chains, curves.min(0), curves.max(0), color=colour, alpha=0.2, linewidth=0
        )
        axes.plot(
            chains, np.median(curves, 0), next(styles), color=colour, clip_on=False, label=label
        )
    figure.suptitle(f"Right sums against the longest carry chain, to {chains[-1]} positions")
    axes.set_xscale("symlog", linthresh=1)
    axes.set_xticks(chains, chains)
    axes.set(
        xlim=(0, chains[-1]),
        xlabel="longest carry chain in the pair (positions that a carry goes into)",
        ylabel="accuracy (whole sums right)",
    )
    axes.legend()


def draw_proof(figure, proof):
    """For some adders the worst-case margins of all triples, and real states in the proof's boxes."""
    adders = proof["portraits"]
    figure.set_size_inches(10, 3.4 * len(adders))
    least = "\n".join(f"{adder['margin']:+.1f} for {adder['name']}" for adder in adders)
    figure.suptitle(f"Least worst-case margin over all digits and carries:\n{least}", fontsize=11)
    grid = figure.subplots(len(adders), 3, width_ratios=(1, 1, 1.6), squeeze=False)
    for adder, (without, carried, plane) in zip(adders, grid):
        for axes, margins, what in zip((without, carried), adder["margins"], ("no carry", "carry")):
            scale = SymLogNorm(1, vmin=-100, vmax=100)  # linear between -1 and 1
            image = axes.imshow(margins, cmap="PuOr", norm=scale, origin="lower")
            axes.set_title(f"{adder['name']}\n{what} before", fontsize=10)
            axes.set(xlabel="second digit", xticks=range(10), yticks=range(10))
            axes.grid(False)
        without.set_ylabel("first digit")
        figure.colorbar(image, ax=carried, extend="both", label="worst-case margin", shrink=0.8)
        for carry, colour in enumerate(COLOURS[:2]):
            (left, low), (right, high) = adder["boxes"][carry]
            states = np.array(adder["states"][carry])
            plane.plot(*states.T, ".", color=colour, markersize=3, label=f"carry {carry}")
            box = Rectangle(
                (left, low), right - left, high - low, fill=False, edgecolor=colour, linewidth=2
            )
            plane.add_patch(box)
        across, up = (f"(W_hh h + b) of unit {unit}" for unit in adder["units"])
        plane.set(xlabel=across, ylabel=up)
        plane.set_title("states of real sums, and the proof's boxes", fontsize=10)
        plane.legend(fontsize=8, loc="best", markerscale=3, frameon=True)


def draw_cost(figure, cost):
    """The milliseconds of a training step against the length, on each device."""
    figure.set_size_inches(10, 4)
    axes, said = figure.subplots(), []
    for device, colour in zip(cost["devices"], COLOURS):
        found = [(digits, np.median(ms)) for digits, ms in device["ms"]]
        axes.plot(*zip(*found), "o-", color=colour, label=f"here, {device['kind']}")
        said.append(f"{found[-1][1]:.0f} ms on {device['device']}")
    axes.plot(
        *zip(*cost["original_ms"]), "D--", color="grey", label="the original code, 2-core CPU"
    )
    figure.suptitle(f"A training step at {found[-1][0]} digits, 100 pairs: {', '.join(said)}")
    axes.set(
        xscale="log", xlabel="digits of each number", yscale="log", ylabel="ms a training step"
    )
    axes.legend()


PARTS = {
    "verdicts": draw_verdicts,
    "decided": draw_decided,
    "stress": draw_stress,
    "proof": draw_proof,
    "cost": draw_cost,
}
