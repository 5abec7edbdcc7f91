"""Is the report true? Every claim, and every number of its figures, in one picture."""

import itertools
import math
from dataclasses import dataclass

from lab.book import Part
from lab.report import rules
from lab.style import BLUE, COLOURS, GREEN, RED, TITLE_SIZE, WIDTH, count_lines, wrap
from lab.words import count, escape, join, link, say_verdict, spread, table

ORANGE = COLOURS[4]
VERDICTS = {  # others: black
    "holds": GREEN,
    "does not hold": RED,
    "depends on the seed": BLUE,
    "depends on the reading": ORANGE,
}
DRAWN = ("loss", "first step at 0.9")  # the kinds of numbers in the picture
PLACES = {"within": GREEN, "earlier": BLUE, "lower": BLUE, "later": RED, "higher": RED}
LINE_HEIGHT = 0.145  # inches
MIDDLE = 0.34  # of its small letters, in lines
# A table is 1 wide and its lines are 1 high. Here are the columns of the claims and the numbers.
VERDICT = 0.52
MARKS = 0.68
MARK = 0.0165
MARKS_IN_A_LINE = 18
LABELS = 0.12
SCALE = 0.4
LENGTH = 0.36
NEVER = 0.83
WORDS = 0.87
HOW_TO_READ = """\
In the picture of an experiment each panel is one variant, loss (logarithmic) above accuracy: thin
blue lines are our seeds, the wide orange line their median, **the black line the report's own
run**, where it drew one (its loss down to 0.03, where its figure can be read; a gap is hidden
there). Beside or below, each dot is the first step at which a seed has the accuracy named there,
the orange bar or line their median, black diamonds the report's; "never" has a place of its own, a
red cross is a run that broke off. The report's values were read off its figures, point by point, a
loss to about 0.01; "not seen" is a step that a legend or another curve hides. An accuracy is the
share of test pairs whose whole sum is correct: of 100 random pairs, fresh each time (200 in
task-1). So 100% is 100 correct sums, which bound the error rate by 3.6% (an exact 95% interval;
200 by 1.8%). A run that stopped after evaluations at 1.0 in a row counts as 1.0 from there on.
Steps count from 0, as in the report's code: "at step 60" is after 61 updates. A *counterexample* is
a pair of numbers that the adder adds wrong."""


@dataclass(frozen=True)
class Verdicts(Part):
    """An overview: the claims and numbers of the report, of all parts that have some."""

    def result(self, results):
        """The lines and numbers of the picture, and the rules; None where nothing is the report's.

        "lines" has one line for each experiment of the report and one for each claim.
        """
        of_report = {
            name: result
            for name, result in results.items()
            if "claims" in result and result["says"] is not None
        }
        if not of_report:
            return None
        lines = []
        numbers = []
        for name, result in of_report.items():
            verdict = "" if result["claims"] else result["verdict"]
            title = f"{name}: {result['title']}"
            lines.append({"claim": title, "verdict": verdict, "readings": []})
            lines += result["claims"]
            if result.get("numbers"):
                numbers.append({"name": name, "numbers": result["numbers"]})
        every = [number for part in numbers for number in part["numbers"]]
        return {
            "title": "Is the report true?",
            "lines": lines,
            "numbers": numbers,
            "counts": count_outside(every),
            "table": [tell(name, result) for name, result in results.items() if "claims" in result],
            "rules": list_rules(of_report.values()),
            "same_seed": rules.compare_with_original(results),
        }

    def draw(self, figure, result):
        """Claims and numbers: see `draw_verdicts`."""
        draw_verdicts(figure, result)

    def page(self, result):
        """The table of verdicts, the picture in words, and the rules."""
        rows = [
            [link(line["name"], line["title"]), escape(line["says"]), escape(line["verdict"])]
            for line in result["table"]
        ]
        return join(
            table(["section", "the report shows, or says", "verdict"], rows),
            say_picture(result),
            "### How to read this page",
            HOW_TO_READ,
            say_rules(result["rules"]),
            say_same_seed(result["same_seed"]),
            "The report's code takes about 92 minutes for one seed of everything on one core (by "
            "its times a step, in `lab/report/report.toml`).",
        )


def tell(name, result):
    """A row of the table: what the report says of an experiment, and the verdict in short."""
    verdict = result["verdict"]
    if result.get("differences") and not result["claims"]:
        verdict = f"no verdict on the report: {'; '.join(result['differences'])}"
    elif result["says"] is None:
        verdict = "not the report's, no claims"
    says = result["says"] or "nothing"
    return {"name": name, "title": result["title"], "says": says, "verdict": verdict}


def count_outside(numbers):
    """For each kind of number, how many there are, how many lie outside, and would by chance."""
    counts = []
    for kind in dict.fromkeys(number["kind"] for number in numbers):
        of_kind = [number for number in numbers if number["kind"] == kind]
        counts.append(
            {
                "kind": kind,
                "count": len(of_kind),
                "outside": sum(number["place"] != "within" for number in of_kind),
                "by_chance": sum(number["by_chance"] for number in of_kind),
            }
        )
    return sorted(counts, key=lambda of_kind: of_kind["kind"])


def list_rules(results):
    """The rules for each number of seeds that claims or numbers were judged by, the most first."""
    seeds = set()
    for result in results:
        if "numbers" in result:
            for claim in result["claims"]:
                seeds |= {len(reading["answers"]) for reading in claim["readings"]}
            seeds |= {len(number["ours"]) for number in result["numbers"]}
    return [rules.count_rule(of) for of in sorted(seeds, reverse=True)]


def say_picture(result):
    """The marks of the picture, and the numbers that lie outside."""
    words = (
        "Above in the picture, the claims, and below each its readings: a mark for each seed, full "
        "where the answer is yes. Below, numbers of the report: grey dots are our seeds, the "
        "diamond is the report's, green within their range, blue earlier or lower, orange later or "
        "higher; each experiment has a scale of its own."
    )
    outside = [
        f"{part['name']}, {number['label']}: {spread([number['reports']])}, {number['place']}"
        for part in result["numbers"]
        for number in part["numbers"]
        if number["place"] != "within"
    ]
    if not result["counts"]:
        return words
    return join(
        words,
        f"Outside the range of our seeds: {say_counts(result['counts'])}. By chance is the "
        "expected number for one more run like ours: each of our seeds is left out once, and "
        "counts where it lies outside the range of the others.",
        f"Outside: {escape('; '.join(outside))}." if outside else "",
    )


def say_counts(counts):
    """The numbers outside, by kind, and how many would be by chance."""
    return "; ".join(
        f"{of_kind['kind']} {of_kind['outside']} of {of_kind['count']} "
        f"(by chance {of_kind['by_chance']:.1f})"
        for of_kind in counts
    )


def say_rules(counted):
    """The two rules, and their numbers for each number of seeds."""
    if not counted:
        return ""
    confidence = rules.CONFIDENCE
    return join(
        "Two kinds of statements are judged, each in its own way.",
        "A **claim** of the report's text is asked in every fair reading: every meaning that its "
        "words can have, and to which the report's own curves say yes. A reading is put to each "
        "seed by itself, yes or no. It is true of *most* seeds with a probability of "
        f"{confidence:.0%} or more (by Bayes' rule, every share of seeds being equally likely "
        f"beforehand), of *few* at {1 - confidence:.0%} or less. All readings true of most: the "
        "claim **holds**; all true of few: it **does not hold**; some true of most and some not: "
        "it **depends on the reading**; else it **depends on the seed** (or, where all seeds "
        f"agree, there are **too few seeds**). {' '.join(map(say_claims_rule, counted))} Most "
        "seeds are more than half of all: 8 yes of 8 bound the share below by 0.72, 5 of 5 by 0.61 "
        f"({confidence:.0%}). The claims share their seeds: no sum over them has an error rate.",
        "A **number** of the report's figures comes from one run of its own. Does it look like one "
        "of ours? It is *within* the range of our seeds, or *earlier* or *later* than all of them; "
        f'"never" is later than every step. {" ".join(map(say_numbers_rule, counted))}',
    )


def say_claims_rule(rule):
    """How many yeses make a verdict."""
    seeds = count(rule["seeds"], "seed")
    if rule["holds_from"] is None:
        return f"{seeds} {'is' if rule['seeds'] == 1 else 'are'} too few for either."
    holds = f"{rule['holds_from']}{' or more' if rule['holds_from'] < rule['seeds'] else ''}"
    fails = f"{rule['does_not_hold_to']}{' or fewer' if rule['does_not_hold_to'] else ''}"
    return f"Of {seeds}, {holds} yes are most, {fails} are few."


def say_numbers_rule(rule):
    """How often the range of the seeds holds the median, and one run more."""
    if rule["seeds"] < 2:
        return ""
    return (
        f"The range of {rule['seeds']} seeds holds the median of all possible runs with a "
        f"probability of {rule['median_within']:.1%}; one more run like ours falls outside of it "
        f"with a probability of {rule['next_outside']:.0%} at most."
    )


def say_same_seed(same):
    """Our runs beside runs of the published code."""
    if same is None:
        return ""
    losses = ""
    if same["largest_loss_difference"] is not None:
        losses = f", and the losses differ by {same['largest_loss_difference']:.2g} at most"
    return (
        "**Same seed, same curve.** We gave the report's published code known seeds and ran it "
        "(with two changes, so that it runs at all on today's PyTorch and Python: a `view` made a "
        f"`reshape`, the limit on printed digits lifted). {same['runs']} of our runs have the "
        f"settings and the seed of one of its: at {same['equal']} of their {same['evaluations']} "
        f"evaluations the accuracy is the same{losses}."
    )


# --- The picture.


def draw_verdicts(figure, verdicts):
    """Every claim in a row, and below them every number of the report among those of our seeds."""
    groups = []  # [(experiment, its numbers of one kind)]
    for part in verdicts["numbers"]:
        drawn = [number for number in part["numbers"] if number["kind"] in DRAWN]
        for _, numbers in itertools.groupby(drawn, lambda number: number["kind"]):
            groups.append((part["name"], list(numbers)))
    tables = figure.subplots(2 if groups else 1, 1, squeeze=False)[:, 0]
    lines = [draw_claims(tables[0], verdicts["lines"])]
    if groups:
        lines.append(draw_numbers(tables[1], verdicts, groups))
    tables[0].get_gridspec().set_height_ratios(lines)
    figure.set_size_inches(WIDTH, 0.4 * len(lines) + LINE_HEIGHT * sum(lines))


def draw_claims(axes, lines):
    """Experiments in bold, their claims with verdicts, and each reading with a mark for each seed.

    Returns how many lines they take.
    """
    axes.set_title(
        "What the report says, and each fair way to ask it: a mark for each seed, full for yes",
        loc="left",
        pad=6,
        fontsize=TITLE_SIZE,
    )
    y = 0
    for line in lines:
        readings = line["readings"]
        colour = VERDICTS.get(line["verdict"], "black")
        verdict = say_verdict(line) if readings else line["verdict"]
        texts = [wrap(line["claim"], 60 if readings else 50), wrap(verdict, 50)]
        style = {"weight": "normal" if readings else "bold"}
        axes.text(0.012 if readings else 0, y, texts[0], va="top", **style)
        axes.text(VERDICT, y, texts[1], va="top", color=colour)
        y += max(map(count_lines, texts))
        for reading in readings:
            asked = wrap(reading["asked"], 82)
            axes.text(0.035, y, asked, va="top", color="0.35", fontsize=7)
            for seed, answer in enumerate(reading["answers"]):
                down, across = divmod(seed, MARKS_IN_A_LINE)
                place = (MARKS + MARK * across, y + down + MIDDLE)
                style = {"fillstyle": "full" if answer else "none", "markeredgewidth": 0.8}
                axes.plot(*place, "o", color=colour, markersize=4.5, **style)
            rows_of_marks = math.ceil(len(reading["answers"]) / MARKS_IN_A_LINE)
            y += max(count_lines(asked), rows_of_marks)
    return finish_table(axes, y)


def draw_numbers(axes, verdicts, groups):
    """Each number in a line: dots for our seeds, a diamond for the report, in words where it lies.

    Those of a group share a scale, from the least value to the largest; that of losses is
    logarithmic. Returns how many lines they take.
    """
    axes.set_title(
        wrap(
            "What its figures show: the report's number (diamond) among our seeds' (dots). Outside "
            f"our seeds' range: {say_counts(verdicts['counts'])}",
            100,
        ),
        loc="left",
        pad=6,
        fontsize=TITLE_SIZE,
    )
    y = 0
    if any(None in values_of(numbers) for _, numbers in groups):
        axes.text(NEVER, y, "never", ha="center", va="top", color="0.4", fontsize=7)
        y += 1
    for name, numbers in groups:
        name = wrap(name, 14)
        axes.text(0, y, name, va="top", weight="bold")
        known = [value for value in values_of(numbers) if value is not None] or [0]
        ends = (min(known), max(known))
        style = {"va": "top", "color": "0.4", "fontsize": 7}
        axes.text(SCALE - 0.01, y, say(ends[0]), ha="right", **style)
        axes.text(SCALE + LENGTH + 0.01, y, say(ends[1]), ha="left", **style)
        bottom = y + count_lines(name)
        for number in numbers:
            label = wrap(number["label"], 32)
            axes.text(LABELS, y, label, va="top")
            draw_number(axes, number, ends, y + MIDDLE)
            colour = PLACES[number["place"]]
            axes.text(WORDS, y, say_number(number), va="top", color=colour)
            y += count_lines(label)
        y = max(y, bottom) + 0.35
    return finish_table(axes, y)


def draw_number(axes, number, ends, y):
    """The seeds' values and the report's on a line at height `y`."""
    scale = (ends, number["kind"] == "loss")
    ours = [place(value, *scale) for value in number["ours"]]
    axes.plot([SCALE, SCALE + LENGTH], [y, y], color="0.85", linewidth=0.8, zorder=1)
    axes.plot([min(ours), max(ours)], [y, y], color="0.5", linewidth=0.8, zorder=1)
    style = {"color": "0.2", "alpha": 0.45, "markersize": 4, "markeredgewidth": 0}
    axes.plot(ours, [y] * len(ours), "o", **style)
    style = {"color": PLACES[number["place"]], "markersize": 5}
    style |= {"markeredgecolor": "white", "markeredgewidth": 0.5}
    axes.plot(place(number["reports"], *scale), y, "D", **style)


def place(value, ends, logarithmic):
    """Where `value` stands across the table, on a scale between the values `ends`."""
    if value is None:
        return NEVER
    low, high = ends
    if logarithmic:
        value, low, high = (math.log(max(number, 1e-9)) for number in (value, low, high))
    return SCALE + LENGTH * ((value - low) / (high - low) if low < high else 0.5)


def values_of(numbers):
    """All values of numbers of one unit: our seeds' and the report's; None is "never"."""
    return [value for number in numbers for value in (*number["ours"], number["reports"])]


def finish_table(axes, lines):
    """The limits of a table of `lines` lines, from above; returns how many it has then."""
    lines = max(lines, 1)
    axes.axis("off")
    axes.set(xlim=(0, 1), ylim=(lines, 0))
    return lines


def say_number(number):
    """The report's value, and where it lies."""
    value = "never" if number["reports"] is None else say(number["reports"])
    return f"{value}: {number['place']}"


def say(value):
    """A loss with three digits, a step with all of them."""
    return f"{value:.3g}" if value < 100 else f"{value:g}"
