"""An experiment: adders that differ in some settings, seed by seed, beside the report's."""

import collections
import io
import itertools
import math
import statistics
from collections.abc import Hashable
from dataclasses import asdict, dataclass, fields, replace
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
from lab.settings import Settings, SettingsError, check_field, expected_seconds
from lab.style import BLUE, MEDIAN, RED, WIDTH, count_columns, label_log_axis, spread_evenly, wrap
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
        for label, of_seeds in self.variants:
            for settings in of_seeds:
                titles[settings] = (label, f"{name}, {say_whose(label, settings.seed)}")
        in_order = sorted(titles, key=expected_seconds, reverse=True)
        return {settings: titles[settings] for settings in in_order}

    def submit_trainings(self, lab, name):
        """For other parts, {(variant, seed): training}: saved ones, if this part is not run now."""
        if self.saves_adders and name not in lab.parts:
            return adders.load_saved(lab.book, name)
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
                submitted[settings]["test"] = lab.submit(
                    measuring.measure_accuracy,
                    training,
                    [self.also_tested_at],
                    TESTED_PAIRS,
                    title=f"{training.title}, on {self.also_tested_at} digits",
                    seconds=2.0,
                    say=adders.say_left_out,
                )
        return submitted

    def result(self, name, done):
        """The experiment, judged: see `describe`."""
        variants = []
        for label, of_seeds in self.variants:
            settings = asdict(of_seeds[0])
            del settings["seed"]
            runs = [describe_run(each.seed, **done[each]) for each in of_seeds]
            variants.append({"label": label, "settings": settings, "runs": runs})
        return describe(name, self.compared, variants, self.question)

    def files(self, name, done):
        """The adders, if they are to be saved."""
        if not self.saves_adders:
            return {}
        return {
            adders.name_file(name, label, each.seed): pack_adder(done[each]["training"])
            for label, of_seeds in self.variants
            for each in of_seeds
        }

    def draw(self, figure, result):
        """A panel of curves for each variant, loss above accuracy, and a strip of first steps.

        A thin blue line or a dot is one of our seeds, a wide orange line or a bar their median; the
        report's own run is black, and a red cross a run that broke off.
        """
        by_rate = result["compared"] == ["lr"]
        variants = result["variants"]
        if by_rate:
            variants = sorted(variants, key=lambda variant: variant["settings"]["lr"])
        beside = len(variants) <= 4 and not by_rate
        names = [wrap(variant["label"], 18 if beside else 45) for variant in variants]
        strip_width = 1.8 + 0.06 * max(map(count_columns, names)) if beside else 0
        blocks = math.ceil(len(variants) / 5)  # rows of variants
        columns = math.ceil(len(variants) / blocks)
        letters = int(16 * (WIDTH - strip_width - 0.5) / columns)
        titles = [wrap(variant["label"], letters) for variant in variants]
        headline = result["headline"]
        if count_columns(headline) > 100:
            headline = ";\n".join(headline.rsplit("; ", 1))
        headline = wrap(headline, 100)
        figure.suptitle(headline)
        block_height = {1: 3.03, 2: 2.53}.get(blocks, 1.93)
        block_height += 0.13 * max(title.count("\n") for title in titles)
        height = 0.18 * (headline.count("\n") + 1) + blocks * block_height
        if beside:
            figure.set_size_inches(WIDTH, height)
            widths = (WIDTH - strip_width, strip_width)
            panels, strip = figure.subfigures(1, 2, width_ratios=widths)
        else:
            seeds = max(len(variant["runs"]) for variant in variants)
            lines = 1 + max(name.count("\n") for name in names)
            row_height = max(0.26, 0.015 * seeds, 0.13 * lines)
            strip_height = 2.2 if by_rate else 0.4 + row_height * len(variants)
            figure.set_size_inches(WIDTH, height + strip_height)
            heights = (blocks * block_height, strip_height)
            panels, strip = figure.subfigures(2, 1, height_ratios=heights)
        draw_panels(panels, variants, titles, columns)
        if by_rate:
            draw_rates(strip.subplots(), variants, result["level"])
        else:
            draw_rows(strip.subplots(), variants, names, result["level"])

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
    for field, of_field in values.items():
        check_field(field, of_field, [each.name for each in fields(Experiment)])
    listed = {field: listed_values(field, of_field) for field, of_field in values.items()}
    if "seed" in listed:
        raise SettingsError(f"seed={values['seed']!r}: the seeds are compare's second argument")
    chosen = [dict(zip(listed, each, strict=True)) for each in itertools.product(*listed.values())]
    labels = [label_values(each) for each in chosen]
    if len(set(labels)) < len(labels):  # values that are equal in three digits
        labels = [label_values(each, digits=17) for each in chosen]
    labelled = zip(labels, chosen, strict=True)
    variants = list_variants({label: replace(settings, **each) for label, each in labelled}, seeds)
    return Experiment(tuple(listed), variants, question, also_tested_at, prints_lines, saves_adders)


def compare_settings(settings, seeds, question=None):
    """An `Experiment` of {label: `Settings`}, each with each of `seeds`; SettingsError if not."""
    if not isinstance(settings, dict) or not settings:
        raise SettingsError(f"settings must be {{label: Settings}}, got {settings!r}")
    for label, one in settings.items():
        if not isinstance(label, str) or not isinstance(one, Settings):
            raise SettingsError(f"settings must be {{label: Settings}}, got {label!r}: {one!r}")
    values = [asdict(each) for each in settings.values()]
    compared = [name for name in values[0] if len({each[name] for each in values}) > 1]
    return Experiment(tuple(compared), list_variants(settings, seeds), question)


def list_variants(settings, seeds):
    """A `Variant` for each of {label: `Settings`}, with each of `seeds`."""
    seeds = listed_values("seeds", seeds)
    return tuple(
        Variant(label, tuple(replace(each, seed=seed) for seed in seeds))
        for label, each in settings.items()
    )


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
        shown = f"{value:.{digits}g}" if isinstance(value, float) else value
        short = {"layers": count(value, "layer"), "cell": value, "hidden": f"{value} hidden units"}
        words.append(short.get(field, f"{field} {shown}"))
    return ", ".join(words)


# --- The entry of results.json.


def say_training(training):
    """The end of a training, as "first 100% at step 290, 0.99 at the end; "."""
    if training["error"]:
        return f"ended early: {training['error']}; "
    first = first_step(training, 1.0)
    words = "never 100%" if first == math.inf else f"first 100% at step {first}"
    return f"{words}, {training['accuracy'][-1]:g} at the end; "


def pack_adder(training):
    """The bytes of a file of an adder."""
    file = io.BytesIO()
    pt.save(pt.adder_of(**training["adder"]), file)
    return file.getvalue()


def describe_run(seed, training, decision, test=None):
    """A trained adder, its loss at the steps of its evaluations, and the decision on it."""
    loss = [training["loss"][step] for step in training["steps"]]
    kept = {key: training[key] for key in ("steps", "accuracy", "error", "ms_per_step")}
    run = {"seed": seed, "loss": loss, "decision": decision} | kept
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
    described = []
    for variant in variants:
        runs = variant["runs"]
        kept = [{key: run[key] for key in run if key != "decision"} for run in runs]
        first = {f"{at:.0%}": [first_step(run, at) for run in runs] for at in LEVELS}
        of_report = find_curve(name, variant) if is_the_reports else None
        described.append(variant | {"runs": kept, "first": first, "report": of_report})
    claims = rules.judge(name, variants)
    no_claims = NO_CLAIMS
    if name in said.REPORT:
        no_claims = NO_VERDICT if different else NO_WORDS
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
        "verdict": rules.tally(claims) or no_claims,
        "differences": different,
        "decisions": list_decisions(name, variants),
    }


def find_curve(name, variant):
    """The report's curve of a variant beside our runs; None for a value that it did not try."""
    report = said.REPORT[name]
    curve = report["curves"].get(rules.value_compared(report, variant))
    if curve is None:
        return None
    printed = said.CURVES[name].get("printed", {})
    points = {f"printed_{key}": printed[key] for key in printed}
    return rules.describe_curve(curve, variant["runs"]) | points


def list_decisions(name, variants):
    """The adders and the decisions on them, as `lab.parts.decided` asks each part for.

    "adder" tells it: equal settings and seeds are one adder, in whichever experiment.
    """
    listed = []
    for variant in variants:
        for run in variant["runs"]:
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


def write_headline(variants, level):
    """The finding on described `variants`, with its numbers: the title of their picture."""
    at = f"{level:.0%}"
    medians = [statistics.median(variant["first"][at]) for variant in variants]
    reports = [variant["report"]["first"][at] for variant in variants if variant["report"]]
    of_report = ", ".join(map(said.say_step, reports))
    if len(variants) == 1:
        steps = variants[0]["first"][at]
        reached = sum(step < math.inf for step in steps)
        headline = f"{level} is reached by {reached} of {count(len(steps), 'seed')}"
        if reached:
            headline += f", median step {said.say_step(medians[0])}"
            headline += f" ({said.say_step(min(steps))} to {said.say_step(max(steps))})"
        return f"{headline}; by the report's at step {of_report}" if reports else headline
    headline = say_who_is_first(variants, level)
    if len(variants) > MOST_IN_HEADLINE:
        headline += f"; the least median step is {said.say_step(min(medians))}"
        return f"{headline}, {medians.count(math.inf)} of {len(medians)} medians are never"
    headline += f"; median steps {', '.join(map(said.say_step, medians))}"
    return f"{headline}; the report's {of_report}" if len(reports) == len(variants) else headline


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


# --- The picture.


def draw_panels(figure, variants, titles, columns):
    """Loss and accuracy of each variant against step, on the same scales, in rows of variants."""
    grid = figure.add_gridspec(2 * math.ceil(len(variants) / columns), columns)
    losses = []
    accuracies = []
    for place, (variant, title) in enumerate(zip(variants, titles, strict=True)):
        block, column = divmod(place, columns)
        losses.append(figure.add_subplot(grid[2 * block, column], title=title, yscale="log"))
        accuracies.append(figure.add_subplot(grid[2 * block + 1, column]))
        for axes, curve in ((losses[-1], "loss"), (accuracies[-1], "accuracy")):
            draw_curves(axes, variant, curve)
            axes.tick_params(labelleft=column == 0, labelbottom=curve == "accuracy")
            if column == 0:
                axes.set_ylabel(curve)
        if place + columns >= len(variants):
            accuracies[-1].set_xlabel("training step")
    # Shared axes would have the same limits; with many of them matplotlib takes minutes.
    last_steps = [axes.dataLim.x1 for axes in losses + accuracies]
    last_step = max([1, *filter(np.isfinite, last_steps)])
    drawn = [axes.get_ylim() for axes in losses if np.isfinite(axes.dataLim.y1)] or [(1, 10)]
    for axes in losses:
        axes.set_ylim(min(low for low, _ in drawn), max(high for _, high in drawn))
        label_log_axis(axes.yaxis)
    for axes in accuracies:
        axes.set_ylim(-0.04, 1.04)
        axes.set_yticks([0, 0.5, 1], ["0", "0.5", "1"])
    # The last number of a narrow panel would meet the first one of the next.
    ticks = {"nbins": 2, "prune": "upper"} if columns > 1 else {"nbins": 5}
    key = {}
    for axes in losses + accuracies:
        axes.set_xlim(0, last_step)
        axes.locator_params(axis="x", integer=True, **ticks)
        key |= {line.get_label(): line for line in axes.get_legend_handles_labels()[0]}
    style = {"loc": "outside upper center", "ncols": len(key), "borderaxespad": 0}
    figure.legend(key.values(), key.keys(), **style)


def draw_curves(axes, variant, curve):
    """One panel: `curve` of each run, their median, and the report's."""
    seeds = len(variant["runs"])
    style = {"linewidth": 0.6, "label": f"{seeds} seeds"} if seeds > 1 else {"label": "our seed"}
    for run in variant["runs"]:
        values = np.array(run[curve], dtype=float)  # None becomes NaN
        axes.plot(run["steps"], values, color=BLUE, alpha=0.6, **style)
        if run["error"] and np.isfinite(values).any():
            last = np.flatnonzero(np.isfinite(values))[-1]
            axes.plot(run["steps"][last], values[last], zorder=3, label="broke off", **CROSS)
    if seeds > 1:
        median = np.reshape(median_curve(variant["runs"], curve), (-1, 2))
        axes.plot(*median.T, color=MEDIAN, linewidth=1.6, label="median")
    if variant["report"] is None:
        return
    style = {"marker": "o", "markersize": 1.2, "markeredgewidth": 0, "label": "the report"}
    axes.plot(*break_line(variant["report"][curve]).T, color="black", linewidth=1, **style)
    printed = variant["report"].get(f"printed_{curve}")
    if printed:
        style = DIAMOND | {"markersize": 3}
        axes.plot(*np.transpose(printed), label="printed in the report", **style)


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
        values = known(run[curve][place] for run in runs if len(run["steps"]) > place)
        if values:
            points.append([step, statistics.median(values)])
    return points


def draw_rows(axes, variants, names, level):
    """The first steps at `level` in a row for each variant, the seeds from top to bottom."""
    marks = place_first_steps(axes.xaxis, variants, level)
    for row, (steps, broke, median, reports) in enumerate(marks):
        places = spread_evenly(len(steps) + len(reports))
        # The report's diamond has the place in the middle.
        seeds = row + np.delete(places, [len(places) // 2] * len(reports))
        if len(steps) > 1:
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
    """First steps at `level` against the learning rate; equal ones are one dot, larger for more."""
    rates = [variant["settings"]["lr"] for variant in variants]
    marks = place_first_steps(axes.yaxis, variants, level)
    if any(len(steps) > 1 for steps, *_ in marks):
        style = {"marker": "_", "markersize": 16, "markeredgewidth": 2.5, "linewidth": 0.8}
        axes.plot(rates, [median for _, _, median, _ in marks], color=MEDIAN, **style)
    seen = []
    for rate, (steps, broke, _, reports) in zip(rates, marks, strict=True):
        seen += [(rate, step) for step in reports]
        for step, seeds in collections.Counter(steps[~broke]).items():
            size = max(4, 14 * math.sqrt(seeds / len(steps)))
            axes.plot(rate, step, markersize=size, alpha=0.75, zorder=2.5, **DOT)
        axes.plot([rate] * sum(broke), steps[broke], zorder=3, **CROSS)
    style = DIAMOND | {"markersize": 3, "linestyle": "-", "linewidth": 0.8, "zorder": 3}
    axes.plot(*np.reshape(seen, (-1, 2)).T, **style)
    axes.set(xscale="log", xmargin=0.07, xlabel="learning rate (a larger dot: more seeds)")
    axes.set_ylabel(f"first step at accuracy {float(level)}")
    label_log_axis(axes.xaxis)


def place_first_steps(axis, variants, level):
    """The first steps at `level` on `axis`, which is scaled to them.

    Returns for each variant (our steps, which of these runs broke off, the median, the report's
    step or none).
    """
    at = f"{level:.0%}"
    ours = []
    reports = []
    for variant in variants:
        report = variant["report"]
        is_seen = report and at not in report["not_seen"]
        ours.append(to_array(variant["first"][at]))
        reports.append(to_array([report["first"][at]] if is_seen else []))
    never = scale_steps(axis, np.concatenate(ours + reports))
    marks = []
    for variant, steps, of_report in zip(variants, ours, reports, strict=True):
        broke = np.array([bool(run["error"]) for run in variant["runs"]])
        median = min(np.median(steps), never)
        marks.append((np.minimum(steps, never), broke, median, np.minimum(of_report, never)))
    return marks


def scale_steps(axis, steps):
    """Scale `axis` so that nearly equal steps look so; returns the place of "never", beyond all."""
    is_seen = np.isfinite(steps)
    seen = steps[is_seen] if is_seen.any() else np.zeros(1)
    middle = (seen.min() + seen.max()) / 2
    half = max(np.ptp(seen) / 2, 0.2 * middle, 1)
    low = max(0, middle - half)
    high = middle + half
    margin = 0.06 * (high - low)
    ticks = MaxNLocator(4, integer=True, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high)
    labels = {tick: f"{tick:g}" for tick in ticks if low <= tick <= high}
    never = high + 5 * margin
    end = high + margin
    if not is_seen.all():
        labels[never] = "never"
        end = never + 2.5 * margin
        shade = axis.axes.axvspan if axis.axis_name == "x" else axis.axes.axhspan
        shade(never - 2.5 * margin, end, color="0.93", linewidth=0, zorder=0)
    axis.set_ticks(list(labels), labels.values())
    axis.axes.set(**{f"{axis.axis_name}lim": (low - margin, end)})
    return never


def to_array(steps):
    """First steps as an array, infinity for those that are None: never."""
    return np.array([math.inf if step is None else step for step in steps], dtype=float)


# --- The section of the page.


def say_report(result):
    """The report's own curves in words, and a remark."""
    shows = ""
    if result["says"] is not None:
        section = f", section {result['section']}" if result["section"] else ""
        shows = f"**The report shows{escape(section)}:** {escape(result['says'])}."
    return join(shows, escape(result["remark"] or ""))


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
    rows = []
    for line in lines:
        loss = "" if line["loss"] is None else spread([line["loss"]])
        accuracy = "" if line["accuracy"] is None else line["accuracy"]
        ours = [spread(known(line[key])) for key in ("our_loss", "our_accuracy")]
        rows.append([line["step"], loss, ours[0], accuracy, ours[1]])
    header = ["step", "its loss", "our loss", "its accuracy", "our accuracy"]
    return join("The lines that it printed, and ours:", table(header, rows)) if rows else ""


def say_shares(variants):
    """The share of the points of the report's curves within our range."""
    words = []
    for variant in variants:
        shares = variant["report"]["share"].items() if variant["report"] else []
        listed = [f"{curve} {share:.0%}" for curve, share in shares if share is not None]
        if listed:
            words.append(f"{escape(variant['label'])} {', '.join(listed)}".strip())
    begin = "Of the points of its curves, within our seeds' range at that step:"
    return f"{begin} {'; '.join(words)}." if words else ""


def list_measured(variants, decided):
    """A table of our runs and of the decisions on their adders, a row for each variant."""
    header = ["", *(f"{level} correct first at step" for level in variants[0]["first"])]
    header += ["last loss", "last accuracy", "last evaluated at step", "ms a step"]
    rows = []
    for variant in variants:
        runs = variant["runs"]
        measured = list(variant["first"].values())
        for key in ("loss", "accuracy", "steps"):
            measured.append(known(run[key][-1] for run in runs if run[key]))
        measured.append([run["ms_per_step"] for run in runs])
        wrong = [each for each in decided if each["variant"] == variant["label"] and each["digits"]]
        shortest = min(wrong, key=lambda each: each["digits"], default={"words": "none"})
        label = escape(variant["label"]) or "all seeds"
        rows.append([label, *map(spread, measured), escape(shortest["words"])])
    return table([*header, "shortest counterexample"], rows)


def list_ends(result):
    """A line for each run that broke off, and for each adder that is undecided."""
    lines = []
    for variant in result["variants"]:
        for run in variant["runs"]:
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
    return f"{label}, seed {seed}" if label else f"seed {seed}"


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
