"""The pictures of what was decided and proven, and of finished adders, looked at."""

import collections
import itertools

import numpy as np
from matplotlib.colors import SymLogNorm
from matplotlib.patches import Rectangle

from lab.pictures.style import (
    BLUE,
    COLOURS,
    GREEN,
    RED,
    add_legend,
    choose_colours,
)

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
        axes.axhline(y + 0.5, color="0.88", linewidth=0.8)  # what is above it is of this group
        draw_group(axes, y, group["adders"], places)
        wrong = [adder for adder in group["adders"] if adder["digits"]]
        if wrong:
            last = max(wrong, key=lambda adder: (adder["perfect"] is True, adder["digits"]))
            side = "right" if last["digits"] > (most + 4.5) / 2 else "left"
            axes.text(last["digits"], y + 0.34, last["decided"], ha=side, va="center", fontsize=7.5)
    names = [f"{group['name']} ({len(group['adders'])})".replace(", ", ",\n") for group in groups]
    axes.set_yticks(range(len(groups)), names)
    digits = range(1, most + 1)
    axes.set_xticks([*digits, *places.values()], [*digits, "not\ndecided", "none, of\nany length"])
    axes.set(xlim=(0.4, most + 4.5), ylim=(len(groups) - 0.5, -0.5))
    axes.grid(axis="y", visible=False)
    axes.set_xlabel(
        "digits of the shortest counterexample found; one of each group is written out\n"
        "full: all of the test pairs correct at the last evaluation; empty: fewer; "
        "cross: of no experiment\n"
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
            at = (x + apart * (column - (columns - 1) / 2), y - 0.38 + 0.13 * place)
            axes.plot(*at, markersize=3.5, markeredgewidth=0.8, **mark)


def title_decided(decided):
    """What the counts say, in two lines."""
    if not decided["evaluated"]:
        return f"{decided['proven']} of {decided['adders']} adders are proven correct"
    first = (
        f"{decided['perfect']} of {decided['evaluated']} adders of the experiments "
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
    lines = []
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
        lines += axes.plot(chains, median, style, color=colour, clip_on=False, label=label)
    axes.set_xscale("symlog", linthresh=1)
    axes.set_xticks(chains, chains)
    axes.set(
        xlim=(0, max(1, chains[-1])),
        xlabel="longest carry chain in the pair (positions that a carry goes into)",
        ylabel="accuracy (whole sums correct)",
    )
    add_legend(figure, lines)


def draw_proof(figure, proof):
    """For some adders the margin of each digit pair and carry, and states of real sums."""
    figure.set_layout_engine("constrained")
    portraits = proof["portraits"]
    figure.set_size_inches(10, 0.6 + 3.3 * len(portraits))
    least = [f"{portrait['name']}: {say_margin(portrait['margin'])}" for portrait in portraits]
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
    return "no bound" if margin is None else f"{margin:+.2g}"


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
    axes.plot(*original.T, "D--", color="grey", label="the original code, another CPU")
    figure.suptitle(f"A training step at {digits[-1]} digits, batch size 100: {', '.join(last)}")
    axes.set(
        xscale="log", xlabel="digits of each number", yscale="log", ylabel="ms a training step"
    )
    axes.legend()
