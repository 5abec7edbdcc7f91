"""An experiment: adders that differ in some settings, seed by seed, beside the report's."""

import collections
import dataclasses
import io
import itertools
import math
import statistics
from collections.abc import Hashable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from matplotlib.ticker import MaxNLocator

import pt
from lab import adders, measuring
from lab.book import Part
from lab.console import say
from lab.report import rules, said
from lab.report.readings import ends_correct, first_step
from lab.report.rules import LEVELS
from lab.settings import Settings, SettingsError, expected_seconds
from lab.style import (
    BLUE,
    MEDIAN,
    RED,
    WIDTH,
    count_columns,
    count_lines,
    label_log_axis,
    spread_evenly,
    wrap,
)
from lab.words import count, escape, join, known, list_claims, spread, table

MOST_IN_HEADLINE = 5  # variants whose steps a headline gives
DOT = {"marker": "o", "color": BLUE, "markeredgecolor": "white", "markeredgewidth": 0.5}
CROSS = {"marker": "x", "color": RED, "markersize": 4, "linestyle": "none"}
DIAMOND = {"marker": "D", "color": "black", "markersize": 4.5, "linestyle": "none"}
NO_VERDICT = "no verdict: these settings are not the report's"
NO_CLAIMS = "no claims: the report has no such experiment"
NO_WORDS = "no claims: the report shows its curves and says nothing of them"
TESTED_PAIRS = 100  # at another length


class Variant(NamedTuple):
    """The runs of one choice of settings."""

    label: str  # the choice in words; "" where nothing is compared
    settings: tuple  # `Settings`, one a seed


@dataclass(frozen=True)
class Experiment(Part):
    """Adders that differ in some settings, seed by seed. `compare` makes one.

    Its name is its name in the report, or one of your own.
    """

    compared: tuple  # the fields that are compared
    variants: tuple  # `Variant`s
    question: str | None = None  # asked by an experiment that is not the report's, for the page
    also_tested_at: int | None = None  # digits of 100 more pairs, for each adder
    prints_lines: bool = False  # whether its first run prints the report's lines
    saves_adders: bool = False  # for later runs to look at, where training takes hours

    @property
    def devices(self):
        """The devices that it trains on."""
        return {variant.settings[0].device for variant in self.variants}

    def list_titles(self, name):
        """The titles of the trainings, {settings: (variant, title)}, the longest first."""
        titles = {}
        for variant in self.variants:
            for settings in variant.settings:
                words = [name, variant.label, f"seed {settings.seed}"]
                titles[settings] = (variant.label, ", ".join(filter(None, words)))
        in_order = sorted(titles, key=expected_seconds, reverse=True)
        return {settings: titles[settings] for settings in in_order}

    def submit_trainings(self, lab, name):
        """For other parts, {(variant, seed): training}: saved ones, if this part is not run now."""
        if self.saves_adders and name not in lab.parts:
            return adders.load_saved(lab.figures, name)
        return {
            (label, settings.seed): adders.submit_training(lab, settings, title)
            for settings, (label, title) in self.list_titles(name).items()
        }

    def submit(self, lab, name):
        """Submit trainings, decisions and tests: {settings: {"training", "decision", "test"}}."""
        submitted = {}
        first = self.variants[0].settings[0]
        for settings, (_, title) in self.list_titles(name).items():
            on_line = say if self.prints_lines and settings == first else None
            training = adders.submit_training(lab, settings, title, on_line)
            decision = adders.submit_decision(lab, training, say_training)
            submitted[settings] = {"training": training, "decision": decision}
        if self.also_tested_at:
            for of_adder in submitted.values():
                of_adder["test"] = self.submit_test(lab, of_adder["training"])
        return submitted

    def submit_test(self, lab, training):
        """Have an adder tested at another length."""
        return lab.submit(
            measuring.measure_accuracy,
            training,
            [self.also_tested_at],
            TESTED_PAIRS,
            title=f"{training.title}, on {self.also_tested_at} digits",
            seconds=2.0,
            say=adders.say_left_out,
        )

    def result(self, name, done):
        """The experiment, judged: see `describe`."""
        variants = []
        for variant in self.variants:
            settings = dataclasses.asdict(variant.settings[0])
            del settings["seed"]
            runs = [describe_run(each.seed, **done[each]) for each in variant.settings]
            variants.append({"label": variant.label, "settings": settings, "runs": runs})
        return describe(name, self.compared, variants, self.question)

    def files(self, name, done):
        """The adders, if they are to be saved."""
        if not self.saves_adders:
            return {}
        return {
            adders.name_file(name, variant.label, each.seed): pack_adder(done[each]["training"])
            for variant in self.variants
            for each in variant.settings
        }

    def draw(self, figure, result):
        """Curves and first steps: see `draw_experiment`."""
        draw_experiment(figure, result)

    def page(self, result):
        """The report, the verdict and the claims, the report's numbers, and ours."""
        return join(
            say_report(result),
            say_verdict(result),
            list_claims(result["claims"], "seeds"),
            list_numbers(result["numbers"]),
            list_printed(result["printed"]),
            say_shares(result["variants"]),
            "**Measured** (median over the seeds, and range):",
            list_measured(result["variants"], result["decisions"]),
            list_ends(result),
            say_settings(result),
        )


# --- What is compared.


def compare(
    settings,
    seeds,
    question=None,
    also_tested_at=None,
    prints_lines=False,
    saves_adders=False,
    **values,
):
    """An `Experiment`: `settings` with each of the `values` of a field, for each of `seeds`.

    compare(SIMPLE, SEEDS, layers=[1, 2, 3]) has three variants. More than one field compared at
    once is one variant for each combination; none at all is one variant. The other arguments are
    fields of `Experiment`. Raises SettingsError, naming field and value, for a bad one.
    """
    listed = {field: listed_values(field, of_field) for field, of_field in values.items()}
    if "seed" in listed:
        raise SettingsError(f"seed={values['seed']!r}: the seeds are compare's second argument")
    seeds = listed_values("seeds", seeds)
    combinations = [
        dict(zip(listed, combination, strict=True))
        for combination in itertools.product(*listed.values())
    ]
    labels = [label_values(chosen) for chosen in combinations]
    if len(set(labels)) < len(labels):  # values that are equal in three digits
        labels = [label_values(chosen, digits=17) for chosen in combinations]
    variants = []
    for label, chosen in zip(labels, combinations, strict=True):
        of_seeds = [dataclasses.replace(settings, **chosen, seed=seed) for seed in seeds]
        variants.append(Variant(label, tuple(of_seeds)))
    return Experiment(
        tuple(listed), tuple(variants), question, also_tested_at, prints_lines, saves_adders
    )


def compare_settings(settings, seeds, question=None):
    """An `Experiment` of settings that differ in more than one field: {label: `Settings`}.

    Each is run for each of `seeds`. Raises SettingsError for a bad argument.
    """
    if not isinstance(settings, dict) or not settings:
        raise SettingsError(f"settings must be {{label: Settings}}, got {settings!r}")
    for label, one in settings.items():
        if not isinstance(label, str) or not isinstance(one, Settings):
            raise SettingsError(f"settings must be {{label: Settings}}, got {label!r}: {one!r}")
    seeds = listed_values("seeds", seeds)
    fields = [field.name for field in dataclasses.fields(Settings)]
    compared = [
        field for field in fields if len({getattr(one, field) for one in settings.values()}) > 1
    ]
    variants = []
    for label, one in settings.items():
        of_seeds = tuple(dataclasses.replace(one, seed=seed) for seed in seeds)
        variants.append(Variant(label, of_seeds))
    return Experiment(tuple(compared), tuple(variants), question)


def choose(experiments, *names):
    """The experiments of these names, {name: experiment}; SettingsError names one that is not."""
    for name in names:
        if name not in experiments:
            raise SettingsError(f"no experiment has the name {name!r}")
    return {name: experiments[name] for name in names}


def listed_values(field, values):
    """The values to compare, each once, as Python's own; SettingsError if they are none."""
    if hasattr(values, "tolist"):  # an array
        values = values.tolist()
    if not isinstance(values, (list, tuple, range)) or len(values) == 0:
        raise SettingsError(f"{field} must be a list of at least one value, got {values!r}")
    for value in values:
        if not isinstance(value, Hashable):
            raise SettingsError(f"{field} must be one value in each run, got {value!r}")
    return list(dict.fromkeys(values))


def label_values(chosen, digits=3):
    """Settings in words: "3 layers", "GRU, 1 layer", and others by their name, "lr 0.01"."""
    words = []
    for field, value in chosen.items():
        if field == "layers":
            words.append("1 layer" if value == 1 else f"{value} layers")
        elif field == "cell":
            words.append(value)
        elif field == "hidden":
            words.append(f"{value} hidden units")
        elif isinstance(value, float):
            words.append(f"{field} {value:.{digits}g}")
        else:
            words.append(f"{field} {value}")
    return ", ".join(words)


# --- The entry of results.json.


def say_training(training):
    """The end of a training, as "first 100% at step 290, 0.99 at the end; "."""
    if training["error"]:
        return f"ended early: {training['error']}; "
    accuracy = training["accuracy"]
    first = "never 100%"
    if 1.0 in accuracy:
        first = f"first 100% at step {training['steps'][accuracy.index(1.0)]}"
    return f"{first}, {accuracy[-1]:g} at the end; "


def pack_adder(training):
    """The bytes of a file of an adder."""
    file = io.BytesIO()
    pt.save(pt.adder_of(**training["adder"]), file)
    return file.getvalue()


def describe_run(seed, training, decision, test=None):
    """A trained adder, its loss at the steps of its evaluations, and the decision on it."""
    run = {
        "seed": seed,
        "steps": training["steps"],
        "loss": [training["loss"][step] for step in training["steps"]],
        "accuracy": training["accuracy"],
        "error": training["error"],
        "ms_per_step": training["ms_per_step"],
        "decision": decision,
    }
    if test is not None:
        run["also_tested"] = {"digits": test["lengths"][0], "accuracy": test["accuracy"][0]}
    return run


def describe(name, compared, variants, question=None):
    """An experiment, judged, as results.json has it.

    `compared` are the fields that its variants differ in; `variants` are dicts of "label",
    "settings" (without the seed) and "runs", one a seed, each with its "decision".
    """
    report = said.REPORT.get(name, {"title": name, "level": 1.0})
    different = rules.differences(name, variants) if name in said.REPORT else []
    is_the_reports = name in said.REPORT and not different
    described = [describe_variant(variant) for variant in variants]
    for variant in described:
        variant["report"] = None
        if is_the_reports:
            curve = report["curves"].get(rules.value_compared(report, variant))
            if curve:
                printed = said.CURVES[name].get("printed", {})
                points = {f"printed_{key}": printed[key] for key in printed}
                variant["report"] = rules.describe_curve(curve, variant["runs"]) | points
    claims = rules.judge(name, variants)
    settings = variants[0]["settings"]
    return {
        "title": report["title"],
        "section": report.get("section"),
        "says": report.get("says"),
        "remark": report.get("remark", question),
        "headline": write_headline(described, report["level"]),
        "level": report["level"],
        "settings": {field: settings[field] for field in settings if field not in compared},
        "compared": list(compared),
        "variants": described,
        "numbers": rules.place_numbers(name, variants) if is_the_reports else [],
        "printed": rules.describe_printed(name, variants[0]["runs"]) if is_the_reports else [],
        "claims": claims,
        "verdict": rules.tally(claims) or why_no_claims(name, different),
        "differences": different,
        "decisions": list_decisions(name, variants),
    }


def list_decisions(name, variants):
    """The adders and the decisions on them, as `lab.parts.decided` asks each part for.

    "adder" tells it: equal settings and seeds are one adder, in whichever experiment.
    """
    listed = []
    for variant, run in each_run(variants):
        settings = variant["settings"] | {"seed": run["seed"]}
        words = [f"{key} {value}" for key, value in settings.items() if value is not None]
        told = {
            "group": name,
            "variant": variant["label"],
            "seed": run["seed"],
            "adder": ", ".join(words),
            "perfect": ends_correct(run),
        }
        listed.append(told | run["decision"])
    return listed


def each_run(variants):
    """(variant, run) for each run."""
    return [(variant, run) for variant in variants for run in variant["runs"]]


def why_no_claims(name, different):
    """Why an experiment has no claims."""
    if name not in said.REPORT:
        return NO_CLAIMS
    return NO_VERDICT if different else NO_WORDS


def describe_variant(variant):
    """A variant with the first steps of its runs at each of LEVELS, and without the decisions."""
    runs = variant["runs"]
    first = {f"{at:.0%}": [first_step(run, at) for run in runs] for at in LEVELS}
    kept = [{key: run[key] for key in run if key != "decision"} for run in runs]
    return variant | {"runs": kept, "first": first}


# --- The title of the picture: the finding, with its numbers.


def write_headline(variants, level):
    """The finding, with its numbers: the title of the picture of described `variants`."""
    if len(variants) == 1:
        return headline_of_one(variants[0], level)
    return headline_of_several(variants, level)


def median_first(variant, level):
    """The median over a variant's runs of the first step at `level`; infinity for never."""
    return statistics.median(first_step(run, level) for run in variant["runs"])


def headline_of_one(variant, level):
    """How many seeds reach `level`, and when."""
    steps = [first_step(run, level) for run in variant["runs"]]
    reached = sum(step < math.inf for step in steps)
    headline = f"{level} is reached by {reached} of {count(len(steps), 'seed')}"
    if reached:
        headline += f", median step {said.say_step(statistics.median(steps))}"
        headline += f" ({said.say_step(min(steps))} to {said.say_step(max(steps))})"
    if variant["report"]:
        headline += f"; by the report's at step {said.say_step(report_step(variant, level))}"
    return headline


def headline_of_several(variants, level):
    """Which variant is first at `level` for most seeds, and the median step of each."""
    headline = say_who_is_first(variants, level)
    medians = [median_first(variant, level) for variant in variants]
    if len(variants) > MOST_IN_HEADLINE:
        never = medians.count(math.inf)
        least = said.say_step(min(medians))
        return (
            f"{headline}; the least median step is {least}, "
            f"{never} of {len(variants)} medians are never"
        )
    headline += f"; median steps {', '.join(map(said.say_step, medians))}"
    if all(variant["report"] for variant in variants):
        steps = [said.say_step(report_step(variant, level)) for variant in variants]
        headline += f"; the report's {', '.join(steps)}"
    return headline


def say_who_is_first(variants, level):
    """Which of some variants comes first at `level` for most seeds; in a tie nobody does."""
    by_seed = rules.runs_by_seed(variants)
    wins = [0] * len(variants)
    for runs in by_seed:
        steps = [first_step(run, level) for run in runs]
        if steps.count(min(steps)) == 1:
            wins[steps.index(min(steps))] += 1
    most = max(wins)
    seeds = count(len(by_seed), "seed")
    if most == 0:
        return f"none is alone first at {level} for any of {seeds}"
    ranked = zip(variants, wins, strict=True)
    best = [variant["label"] for variant, won in ranked if won == most]
    are = "are" if len(best) > 1 or best[0].endswith(("layers", "units")) else "is"
    each = " each" if len(best) > 1 else ""
    return f"{' and '.join(best)} {are}{each} first at {level} for {most} of {seeds}"


def report_step(variant, level):
    """The first step at `level` of the report's curve of a described variant."""
    return variant["report"]["first"][f"{level:.0%}"]


# --- The picture.


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
    names = [wrap(variant["label"], 18 if beside else 45) for variant in variants]
    blocks = math.ceil(len(variants) / 5)  # rows of variants
    columns = math.ceil(len(variants) / blocks)
    strip_width = 1.8 + 0.06 * max(count_columns(name) for name in names) if beside else 0
    letters = int(16 * (WIDTH - strip_width - 0.5) / columns)
    titles = [wrap(variant["label"], letters) for variant in variants]
    headline = experiment["headline"]
    if count_columns(headline) > 100:
        headline = ";\n".join(headline.rsplit("; ", 1))
    headline = wrap(headline, 100)
    panels_height = {1: 2.9, 2: 2.4}.get(blocks, 1.8) + 0.13 * max(map(count_lines, titles))
    height = 0.18 * count_lines(headline) + blocks * panels_height
    figure.suptitle(headline)
    if beside:
        figure.set_size_inches(WIDTH, height)
        widths = (WIDTH - strip_width, strip_width)
        panels, strip = figure.subfigures(1, 2, width_ratios=widths)
    else:
        seeds = max(len(variant["runs"]) for variant in variants)
        row_height = max(0.26, 0.015 * seeds, 0.13 * max(map(count_lines, names)))
        strip_height = 2.2 if by_rate else 0.4 + row_height * len(variants)
        figure.set_size_inches(WIDTH, height + strip_height)
        heights = (blocks * panels_height, strip_height)
        panels, strip = figure.subfigures(2, 1, height_ratios=heights)
    draw_panels(panels, variants, titles, columns)
    if by_rate:
        draw_rates(strip.subplots(), variants, experiment["level"])
    else:
        draw_rows(strip.subplots(), variants, names, experiment["level"])


# --- Curves.


def draw_panels(figure, variants, titles, columns):
    """Loss and accuracy of each variant against step, on the same scales, in rows of variants."""
    grid = figure.add_gridspec(2 * math.ceil(len(variants) / columns), columns)
    losses = []
    accuracies = []
    for place, (variant, title) in enumerate(zip(variants, titles, strict=True)):
        block, column = divmod(place, columns)
        losses.append(figure.add_subplot(grid[2 * block, column], title=title, yscale="log"))
        accuracies.append(figure.add_subplot(grid[2 * block + 1, column]))
        draw_curves(losses[-1], variant, "loss")
        draw_curves(accuracies[-1], variant, "accuracy")
        if column == 0:
            losses[-1].set_ylabel("loss")
            accuracies[-1].set_ylabel("accuracy")
        if place + columns >= len(variants):
            accuracies[-1].set_xlabel("training step")
    # Shared axes would have the same limits; with many of them matplotlib takes minutes.
    last_steps = [axes.dataLim.x1 for axes in losses + accuracies]
    last_step = max([1, *filter(np.isfinite, last_steps)])
    drawn = [axes.get_ylim() for axes in losses if np.isfinite(axes.dataLim.y1)] or [(1, 10)]
    limits = (min(low for low, _ in drawn), max(high for _, high in drawn))
    key = {}
    for place, axes in enumerate(losses + accuracies):
        is_loss = place < len(losses)
        axes.set(xlim=(0, last_step), ylim=limits if is_loss else (-0.04, 1.04))
        axes.tick_params(labelleft=place % len(losses) % columns == 0, labelbottom=not is_loss)
        # The last number of a narrow panel would meet the first one of the next.
        bins, prune = (2, "upper") if columns > 1 else (5, None)
        locator = MaxNLocator(bins, integer=True, steps=[1, 2, 2.5, 5, 10], prune=prune)
        axes.xaxis.set_major_locator(locator)
        if is_loss:
            label_log_axis(axes.yaxis)
        else:
            axes.set_yticks([0, 0.5, 1], ["0", "0.5", "1"])
        handles, labels = axes.get_legend_handles_labels()
        key |= dict(zip(labels, handles, strict=True))
    style = {"loc": "outside upper center", "ncols": len(key), "borderaxespad": 0}
    figure.legend(key.values(), key.keys(), **style)


def draw_curves(axes, variant, curve):
    """One panel: `curve` of each run, their median, and the report's."""
    count = len(variant["runs"])
    style = {"color": BLUE, "alpha": 0.6}
    style |= {"linewidth": 0.6, "label": f"{count} seeds"} if count > 1 else {"label": "our seed"}
    for run in variant["runs"]:
        values = np.array(run[curve], dtype=float)  # None becomes NaN
        axes.plot(run["steps"], values, **style)
        known = np.flatnonzero(np.isfinite(values))
        if run["error"] and len(known):
            last = known[-1]
            axes.plot(run["steps"][last], values[last], zorder=3, label="broke off", **CROSS)
    if count > 1:
        median = np.array(median_curve(variant["runs"], curve)).reshape(-1, 2)
        axes.plot(*median.T, color=MEDIAN, linewidth=1.6, label="median")
    if variant["report"] is None:
        return
    style = {"marker": "o", "markersize": 1.2, "markeredgewidth": 0, "label": "the report"}
    axes.plot(*break_line(variant["report"][curve]).T, color="black", linewidth=1, **style)
    printed = np.array(variant["report"].get(f"printed_{curve}", [])).reshape(-1, 2)
    if len(printed):
        axes.plot(*printed.T, label="printed in the report", **DIAMOND | {"markersize": 3})


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


# --- The strip of first steps.


def draw_rows(axes, variants, names, level):
    """The first steps at `level` in a row for each variant, the seeds from top to bottom."""
    never = scale_steps(axes.xaxis, variants, level)
    for row, variant in enumerate(variants):
        steps = place_steps(first_steps(variant, level), never)
        broke = np.array([bool(run["error"]) for run in variant["runs"]])
        reports = place_steps(report_steps(variant, level), never)
        places = spread_evenly(len(steps) + len(reports))
        # The report's diamond has the place in the middle.
        seeds = row + np.delete(places, [len(places) // 2] * len(reports))
        if len(steps) > 1:
            median = median_step(variant, level, never)
            axes.plot([median, median], [row - 0.42, row + 0.42], color=MEDIAN, linewidth=2.5)
        axes.plot(steps[~broke], seeds[~broke], linestyle="none", markersize=4.5, **DOT)
        axes.plot(steps[broke], seeds[broke], **CROSS)
        axes.plot(reports, [row] * len(reports), **DIAMOND)
    beyond = 1 if len(variants) == 1 else 0.5  # a single row is half as high as the strip
    axes.set(ylim=(len(variants) - 1 + beyond, -beyond))
    axes.set_xlabel(f"first step at accuracy {float(level)}")
    axes.set_yticks(range(len(variants)), names)
    axes.tick_params(axis="y", length=0)
    axes.grid(False, axis="y")


def draw_rates(axes, variants, level):
    """The first steps at `level`, upward, against the learning rate, on a log axis.

    Equal steps of some seeds are one dot, as large as they are many.
    """
    never = scale_steps(axes.yaxis, variants, level)
    rates = [variant["settings"]["lr"] for variant in variants]
    if any(len(variant["runs"]) > 1 for variant in variants):
        medians = [median_step(variant, level, never) for variant in variants]
        style = {"marker": "_", "markersize": 16, "markeredgewidth": 2.5, "linewidth": 0.8}
        axes.plot(rates, medians, color=MEDIAN, **style)
    reports = []
    for variant in variants:
        steps = place_steps(report_steps(variant, level), never)
        reports += [(variant["settings"]["lr"], step) for step in steps]
    style = DIAMOND | {"markersize": 3, "linestyle": "-", "linewidth": 0.8, "zorder": 3}
    axes.plot(*np.reshape(reports, (-1, 2)).T, **style)
    for variant, rate in zip(variants, rates, strict=True):
        steps = place_steps(first_steps(variant, level), never)
        broke = np.array([bool(run["error"]) for run in variant["runs"]])
        for step, seeds in collections.Counter(steps[~broke]).items():
            size = max(4, 14 * math.sqrt(seeds / len(steps)))
            axes.plot(rate, step, markersize=size, alpha=0.75, zorder=2.5, **DOT)
        axes.plot([rate] * sum(broke), steps[broke], zorder=3, **CROSS)
    axes.set(xscale="log", xmargin=0.07, xlabel="learning rate (a larger dot: more seeds)")
    axes.set_ylabel(f"first step at accuracy {float(level)}")
    label_log_axis(axes.xaxis)


def scale_steps(axis, variants, level):
    """Limits and ticks of `axis`; returns the place of "never", shaded, beyond all steps.

    Steps that are nearly equal are to look so.
    """
    steps = []
    for variant in variants:
        steps += [*first_steps(variant, level), *report_steps(variant, level)]
    known = [step for step in steps if step is not None] or [0]
    middle = (min(known) + max(known)) / 2
    half = max((max(known) - min(known)) / 2, 0.2 * middle, 1)
    low = max(0, middle - half)
    high = middle + half
    margin = 0.06 * (high - low)
    ticks = MaxNLocator(4, integer=True, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high)
    labels = {tick: f"{tick:g}" for tick in ticks if low <= tick <= high}
    never = high + 5 * margin
    end = high + margin
    across = axis.axis_name == "x"
    if None in steps:
        labels[never] = "never"
        shade = axis.axes.axvspan if across else axis.axes.axhspan
        shade(never - 2.5 * margin, never + 2.5 * margin, color="0.93", linewidth=0, zorder=0)
        end = never + 2.5 * margin
    axis.set_ticks(list(labels), labels.values())
    limit = axis.axes.set_xlim if across else axis.axes.set_ylim
    limit(low - margin, end)
    return never


def first_steps(variant, level):
    """The first steps of a variant at `level`, one a run."""
    return variant["first"][f"{level:.0%}"]


def report_steps(variant, level):
    """The report's own first step at `level`, in a list; [] where it has none or it is not seen."""
    report = variant["report"]
    name = f"{level:.0%}"
    return [report["first"][name]] if report and name not in report["not_seen"] else []


def place_steps(steps, never):
    """An array of `steps`, those that are None at `never`."""
    return np.array([never if step is None else step for step in steps], dtype=float)


def median_step(variant, level, never):
    """The median first step of a variant, `never` where half of its seeds or more have none."""
    steps = [math.inf if step is None else step for step in first_steps(variant, level)]
    return min(statistics.median(steps), never)


# --- The section of the page.


def say_report(result):
    """The report's own curves in words, and a remark."""
    says = result["says"]
    section = f", section {result['section']}" if result["section"] else ""
    return join(
        f"**The report shows{escape(section)}:** {escape(says)}." if says is not None else "",
        escape(result["remark"]) if result["remark"] else "",
    )


def say_verdict(result):
    """The verdict, or why there is none."""
    if result["differences"] and not result["claims"]:
        differing = "\n".join(f"- {escape(line)}" for line in result["differences"])
        words = "**Verdict:** no verdict on the report: these settings are not its own."
        return join(words, differing)
    if result["says"] is None:
        return "**Verdict:** none. This experiment is not the report's: it has no claims."
    return f"**Verdict:** {escape(result['verdict'])}."


def list_numbers(numbers):
    """A table of the report's numbers among ours."""
    rows = [
        [escape(each["label"]), spread([each["reports"]]), spread(each["ours"]), each["place"]]
        for each in numbers
    ]
    return table(["the report's number", "its own", "ours", "place"], rows) if rows else ""


def list_printed(lines):
    """A table of the lines that the report printed, and ours."""
    rows = [
        [
            line["step"],
            "" if line["loss"] is None else spread([line["loss"]]),
            spread(known(line["our_loss"])),
            "" if line["accuracy"] is None else line["accuracy"],
            spread(known(line["our_accuracy"])),
        ]
        for line in lines
    ]
    header = ["step", "its loss", "our loss", "its accuracy", "our accuracy"]
    return join("The lines that it printed, and ours:", table(header, rows)) if rows else ""


def say_shares(variants):
    """The share of the points of the report's curves within our range."""
    words = []
    for variant in variants:
        if not variant["report"]:
            continue
        shares = variant["report"]["share"].items()
        listed = [f"{curve} {share:.0%}" for curve, share in shares if share is not None]
        if listed:
            words.append(" ".join(filter(None, [escape(variant["label"]), ", ".join(listed)])))
    begin = "Of the points of its curves, within our seeds' range at that step:"
    return f"{begin} {'; '.join(words)}." if words else ""


def list_measured(variants, decided):
    """A table of our runs and of the decisions on their adders, a row for each variant."""
    levels = [f"{level} correct first at step" for level in variants[0]["first"]]
    header = [
        "",
        *levels,
        "last loss",
        "last accuracy",
        "last evaluated at step",
        "ms a step",
        "shortest counterexample",
    ]
    rows = []
    for variant in variants:
        runs = variant["runs"]
        last = {
            key: known([run[key][-1] for run in runs if run[key]])
            for key in ("loss", "accuracy", "steps")
        }
        rows.append(
            [
                escape(variant["label"]) or "all seeds",
                *map(spread, variant["first"].values()),
                *map(spread, last.values()),
                spread([run["ms_per_step"] for run in runs]),
                escape(find_shortest(decided, variant["label"])),
            ]
        )
    return table(header, rows)


def find_shortest(decided, label):
    """The shortest counterexample of the adders of a variant, in words."""
    wrong = [adder for adder in decided if adder["variant"] == label and adder["digits"]]
    shortest = min(wrong, key=lambda adder: adder["digits"], default={"words": "none"})
    return shortest["words"]


def list_ends(result):
    """A line for each run that broke off, and for each adder that is undecided."""
    lines = []
    for variant, run in each_run(result["variants"]):
        if run["error"]:
            whose = say_whose(variant["label"], run["seed"])
            lines.append(f"- Ended early, {escape(whose)}: {escape(run['error'])}.")
    for adder in result["decisions"]:
        if adder["reason"]:
            whose = say_whose(adder["variant"], adder["seed"])
            lines.append(f"- Undecided, {escape(whose)}: {escape(adder['reason'])}.")
    return "\n".join(lines)


def say_whose(label, seed):
    """A run by its variant and seed."""
    return ", ".join(filter(None, [label, f"seed {seed}"]))


def say_settings(result):
    """The settings: of each variant, where several are compared, and of all."""
    words = ""
    if len(result["compared"]) > 1:
        of_variants = []
        for variant in result["variants"]:
            values = [f"{field} {variant['settings'][field]}" for field in result["compared"]]
            of_variants.append(escape(f"{variant['label']} ({', '.join(values)})"))
        words = f"Compared: {', '.join(of_variants)}."
    listed = [f"{field} compared" for field in result["compared"]]
    listed += [f"{key} {value}" for key, value in result["settings"].items() if value is not None]
    seeds = ", ".join(str(run["seed"]) for run in result["variants"][0]["runs"])
    return join(words, f"Settings: {escape(', '.join(listed))}, seeds {seeds}.")
