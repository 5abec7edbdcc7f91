"""Which adders are proven right for numbers of any length?"""

from dataclasses import dataclass

import numpy as np
from matplotlib.colors import SymLogNorm
from matplotlib.patches import Rectangle

import exact
import pt
from exact.by_hand import build_by_hand
from exact.provable import provable_cell, why_nothing_can_be_proven
from lab import adders, deciding
from lab.adders import ForProof
from lab.book import Part
from lab.console import say
from lab.settings import SettingsError
from lab.style import BLUE, RED, WIDTH
from lab.training import plain_adder
from lab.words import escape, join, known, spread, table

BY_HAND = "set by hand"


@dataclass(frozen=True)
class Proof(Part):
    """Adders that are trained for the proof, proven, and checked by another program."""

    adders: tuple  # `ForProof`s
    beside: dict  # {title: `Settings` of an adder whose portrait stands beside theirs}

    def __post_init__(self):
        """Check the list."""
        for each in self.adders:
            if not isinstance(each, ForProof):
                raise SettingsError(f"adders must be made by ForProof, got {each!r}")

    def submit(self, lab, name):
        """Submit the adders, the deepest first, and the portraits of some.

        Returns {"adders": {size: {seed: {"training", "decision", "check"}}}, "by_hand":
        {"decision", "check"}, "portraits": {title: run}}; None where nothing can be proven.
        """
        reason = why_nothing_can_be_proven()
        if reason is not None:
            say(f"No adder can be proven here: {reason}.")
            return None
        submitted = {}
        for group in sorted(self.adders, key=lambda group: group.layers, reverse=True):
            submitted[group.label] = {}
            for (_, seed), training in group.submit_trainings(lab, name).items():
                submitted[group.label][seed] = {
                    "training": training,
                    "decision": adders.submit_decision(lab, training, say_training),
                    "check": submit_check(lab, training, training.title),
                }
        shown = {
            title: adders.submit_training(lab, settings, title)
            for title, settings in self.beside.items()
            if has_portrait(settings)
        }
        for group in self.adders:
            for of_adder in submitted[group.label].values() if group.hidden == pt.HIDDEN else []:
                shown.setdefault(name_group(group), of_adder["training"])
        shown[BY_HAND] = by_hand = {"adder": plain_adder(build_by_hand())}
        portraits = {}
        for title, training in shown.items():
            of_title = f"portrait of {title}"
            portraits[title] = lab.submit(deciding.portray, training, title=of_title, seconds=0.5)
        decision = lab.submit(deciding.decide_adder, by_hand, title=BY_HAND, seconds=0.3)
        check = submit_check(lab, by_hand, BY_HAND)
        return {
            "adders": submitted,
            "by_hand": {"decision": decision, "check": check},
            "portraits": portraits,
        }

    def result(self, name, done):
        """Each adder, proven and checked, the adder set by hand, and the portraits.

        {"title", "groups": [{"label", "runs"}], "by_hand", "portraits", "decisions"}.
        """
        groups = []
        decided = []
        for group in self.adders:
            runs = []
            for seed, of_adder in done["adders"][group.label].items():
                runs.append(describe_run(seed, **of_adder))
                told = {
                    "group": name_group(group),
                    "variant": group.label,
                    "seed": seed,
                    "adder": f"trained for the proof, {group.label}, seed {seed}",
                    "perfect": None,
                }
                decided.append(told | of_adder["decision"])
            groups.append({"label": group.label, "runs": runs})
        by_hand = done["by_hand"]["decision"] | say_check(done["by_hand"]["check"])
        size = sum(parameter.numel() for parameter in build_by_hand().parameters())
        return {
            "title": "Proven for every two numbers",
            "groups": groups,
            "by_hand": by_hand | {"parameters": size},
            "portraits": [{"name": title} | seen for title, seen in done["portraits"].items()],
            "decisions": decided,
        }

    def files(self, name, done):
        """The certificates of the adder set by hand and of the first proven one of each cell."""
        certificates = {"by_hand.npz": done["by_hand"]["check"]["certificate"]}
        for group in sorted(self.adders, key=lambda group: group.layers):
            place = f"proven_{group.cell.lower()}.npz"
            for adder in done["adders"][group.label].values():
                if group.hidden == pt.HIDDEN and certificates.get(place) is None:
                    certificates[place] = adder["check"]["certificate"]
        return {
            place: bytes(certificate.tolist())
            for place, certificate in certificates.items()
            if certificate is not None
        }

    def draw(self, figure, result):
        """For some adders the margin of each digit pair and carry, and states of real sums."""
        portraits = result["portraits"]
        figure.set_size_inches(WIDTH, 0.3 + 2.3 * len(portraits))
        figure.suptitle("Worst-case margin of each pair of digits, with and without a carry")
        rows = figure.subfigures(len(portraits), 1, squeeze=False)[:, 0]
        for portrait, row in zip(portraits, rows, strict=True):
            row.suptitle(f"{portrait['name']}: least margin {say_margin(portrait['margin'])}")
            no_carry, carry, plane = row.subplots(1, 3, width_ratios=(1, 1, 1.6))
            draw_margins(no_carry, portrait["margins"][0], "no carry before")
            image = draw_margins(carry, portrait["margins"][1], "carry before")
            no_carry.set_ylabel("first digit")
            style = {"extend": "both", "format": "{x:g}", "shrink": 0.8}
            row.colorbar(image, ax=carry, label="worst-case margin", **style)
            draw_states(plane, portrait)

    def page(self, result):
        """The check, a row for each size, the adder set by hand, and the links of the proof."""
        return join(
            "`exact/proof.py` says what is proven and how. The margin is the correct digit's "
            "logit less the best other's, at worst. Checked: by `exact/check.py`, from a file "
            "with the weights and the bounds alone, in other arithmetic (Arb) and without "
            "PyTorch. The slack is the least distance of a step's end from its bounds. Every "
            "adder that was trained for the proof:",
            list_groups(result["groups"]),
            say_by_hand(result["by_hand"]),
            list_failures(result),
            "### The links of the proof",
            'From "this sum is correct" down to the processor, each link and how it is known:',
            table(["link", "how it is known"], RESTS_ON.items()),
            "Cai, Shin and Song (2017) proved that a trained recursive program interpreter "
            "generalises, Omlin and Giles (1996) that recurrent automata which they constructed "
            "hold for strings of any length. Another program checked a verifier's proof for "
            "Marabou (in Imandra, 2025), and Jia and Rinard (2021) and Szász et al. (2025) broke "
            "verifiers by floating point. We know of no other proof in which the network is "
            "trained, the statement holds for every length, rounding is bounded in any order, "
            "and another program checks it.",
        )


def submit_check(lab, training, title):
    """Have the proof of an adder checked by exact/check.py."""
    return lab.submit(deciding.check_proof, training, title=f"check of {title}", seconds=1.0)


def say_training(training):
    """How long an adder was trained for the proof, as "trained in 3.1 s; "."""
    return f"trained in {training['seconds']:.1f} s; "


def has_portrait(settings):
    """Whether there are interval bounds of an adder, and two units to draw them for."""
    try:
        provable_cell(pt.Adder(settings.cell, settings.layers, settings.hidden))
    except exact.CannotProve:
        return False
    return settings.hidden > 1


def name_group(group):
    """The name in pictures of the adders of this cell."""
    size = "" if group.hidden == pt.HIDDEN else " with fewer units"
    return f"{group.cell}{size}, trained for the proof"


def describe_run(seed, training, decision, check):
    """An adder that was trained for the proof, in numbers."""
    seconds = training["seconds"] + decision["seconds"]
    kept = {key: decision[key] for key in ("verdict", "words", "margin")}
    return {"seed": seed, "seconds": seconds} | kept | say_check(check)


def say_check(check):
    """The check of a proof, without the certificate."""
    return {key: check[key] for key in ("checked", "refused", "slack")}


def list_groups(groups):
    """A table of the adders, a row for each size."""
    header = ["cell, layers", "proven", "checked", "least margin", "least slack"]
    rows = []
    for group in groups:
        runs = group["runs"]
        proven = sum(run["verdict"] == "proven" for run in runs)
        words = [escape(group["label"]), f"{proven} of {len(runs)} seeds"]
        words.append(sum(run["checked"] for run in runs))
        for key in ("margin", "slack", "seconds"):
            words.append(spread(known(run[key] for run in runs)))
        rows.append(words)
    return table([*header, "seconds to train and decide"], rows)


def say_by_hand(by_hand):
    """The adder that was set by hand."""
    words = escape(by_hand["words"])
    if by_hand["margin"] is not None:
        words += f", with a least margin of {by_hand['margin']:.3g}"
    if by_hand["checked"]:
        words += ", and its certificate (`figures/by_hand.npz`) is checked"
    return (
        "**What are the learnt parameters for?** An adder must remember one bit. "
        f"`exact/by_hand.py` sets one by hand: a tanh RNN of three units, {by_hand['parameters']} "
        f"parameters in all, each explained. It is {words}. In the picture its states are two "
        "points."
    )


def list_failures(result):
    """A line for each adder that is not proven, and for each proof that the check refuses."""
    lines = []
    for group in result["groups"]:
        for run in group["runs"]:
            whose = escape(f"{group['label']}, seed {run['seed']}")
            if run["verdict"] != "proven":
                lines.append(f"- {whose}: {escape(run['words'])}")
            elif run["refused"]:
                lines.append(f"- {whose}: the check refuses its proof: {escape(run['refused'])}")
    return "\n".join(lines)


RESTS_ON = {
    "Every sum is correct if in each of the 200 triples (two digits and a carry) the right digit "
    "has the largest logit, from every state that can occur.": (
        "a theorem: induction over the digits (`exact/proof.py`)"
    ),
    "The interval bounds hold every state that can occur.": (
        "a theorem, once a step leads from them into them: an inductive invariant (Jacoby, "
        "Barrett, Katz 2020), by interval bound propagation (Gowal et al. 2018)"
    ),
    "A step leads into them, and every margin is positive in them.": (
        "checked by two programs: `exact.prove` in float64, `exact/check.py` in ball "
        "arithmetic, which finds bounds of its own for what a gated cell keeps"
    ),
    "A float32 sum of n products is off by at most g_n of the absolute values, in any order.": (
        "a theorem (Higham 2002, section 3.1); that nothing overflows is checked by both "
        "programs, underflow is allowed for"
    ),
    "A tanh, a sigmoid and the gates inside PyTorch's LSTM and GRU are off by little.": (
        "measured by a test (x86_64, AVX2; u = 2^-24): the tanh of our own loop by 3.0 u, 8 u "
        "are allowed; gates by 1.5 u, 32 u are allowed; none passes 1"
    ),
    "A whole step in float32 stays within its allowance.": (
        "measured by a test on real sums: at worst 1.8% of it (RNN), 0.4% (GRU), 0.3% (LSTM); "
        "adversarial adders end inside the bounds, too"
    ),
    "Chunks of a long number that are read at once meet within 1e-6.": (
        "by construction: `recurrence.py` reads a chunk again until they do"
    ),
    "The adder is a plain float32 `pt.Adder` in PyTorch's default modes.": (
        "checked by `exact/provable.py`, which refuses all else by name"
    ),
    "PyTorch and oneDNN compute each product and sum in IEEE 754 float32, on this and on your "
    "processor; Python, NumPy and Arb are right; nobody replaced PyTorch's functions.": "assumed",
}


# --- The picture.


def say_margin(margin):
    """A margin with its sign; None is one that could not be bounded."""
    return "no bound" if margin is None else f"{margin:+.2g}"


def draw_margins(axes, margins, title):
    """The margin of each pair of digits as a colour; returns the image."""
    scale = SymLogNorm(1, vmin=-100, vmax=100)  # linear between -1 and 1
    values = np.array(margins, dtype=float)
    image = axes.imshow(values, cmap="PuOr", norm=scale, origin="lower")
    axes.set_title(title)
    axes.set(xlabel="second digit", xticks=range(10), yticks=range(10))
    axes.grid(False)
    return image


def draw_states(axes, portrait):
    """The states of real sums in the plane of two units, and the interval bounds for each carry."""
    for carry, colour in enumerate((BLUE, RED)):
        states = np.array(portrait["states"][carry])
        axes.plot(*states.T, ".", color=colour, markersize=3, label=f"carry {carry}")
        (left, low), (right, high) = portrait["bounds"][carry]
        style = {"fill": False, "edgecolor": colour, "linewidth": 1.2}
        axes.add_patch(Rectangle((left, low), right - left, high - low, **style))
    across, up = portrait["units"]
    axes.set(xlabel=f"(W_hh h + b) of unit {across}", ylabel=f"(W_hh h + b) of unit {up}")
    axes.set_title("states of real sums,\nand the proof's bounds")
    axes.margins(y=0.3)  # the legend stands above the bounds
    axes.legend(loc="upper center", ncols=2, markerscale=3)
