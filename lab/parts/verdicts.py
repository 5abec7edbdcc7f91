"""Is the report true? Every claim, and every number of its figures, in one picture."""

import itertools
import math
from dataclasses import dataclass

from lab.book import Part
from lab.report import rules
from lab.style import BLUE, GREEN, RED, TITLE_SIZE, WIDTH, count_lines, wrap
from lab.words import count, escape, join, link, table

VERDICTS = {"holds": GREEN, "does not hold": RED, "depends on the seed": BLUE}  # others: black
PLACES = {"within": GREEN, "earlier": BLUE, "lower": BLUE, "later": RED, "higher": RED}
LINE_HEIGHT = 0.145  # inches
MIDDLE = 0.34  # of its small letters, in lines
LETTERS = 122  # that a line has room for
# A table is 1 wide and its lines are 1 high. Here are the columns of the claims and the numbers.
MARKS = 0.48
MARK = 0.0165
MARKS_IN_A_LINE = 10
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
task-1). So 100% is 100 correct sums, and leaves room for an error rate of 3%. Steps count from 0,
as in the report's code: "at step 60" is after 61 updates. A *counterexample* is a pair of numbers
that the adder adds wrong."""


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
            lines.append({"claim": title, "verdict": verdict, "answers": []})
            lines += result["claims"]
            if result.get("numbers"):
                numbers.append({"name": name, "numbers": result["numbers"]})
        every = [number for part in numbers for number in part["numbers"]]
        return {
            "title": "Is the report true?",
            "lines": lines,
            "numbers": numbers,
            "outside": sum(number["place"] != "within" for number in every),
            "count": len(every),
            "by_chance": sum(rules.outside_by_chance(len(number["ours"])) for number in every),
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
            "The report's code takes about 95 minutes for one seed of everything on one core (by "
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


def list_rules(results):
    """The rules for each number of seeds that claims or numbers were judged by, the most first."""
    seeds = set()
    for result in results:
        if "numbers" in result:
            seeds |= {len(claim["answers"]) for claim in result["claims"]}
            seeds |= {len(number["ours"]) for number in result["numbers"]}
    return [rules.count_rule(of) for of in sorted(seeds, reverse=True)]


def say_picture(result):
    """The marks of the picture, and how many numbers lie outside."""
    words = (
        "Above in the picture, the claims: a mark for each seed, full where the claim is true of "
        "it. Below, the numbers: grey dots are our seeds, the diamond is the report's, green "
        "within their range, blue earlier or lower, orange later or higher; each experiment has a "
        "scale of its own."
    )
    if result["count"]:
        words += (
            f" {result['outside']} of the report's {result['count']} numbers "
            f"{'falls' if result['outside'] == 1 else 'fall'} outside the range of our seeds; were "
            f"each one more run like ours, {result['by_chance']:.1f} at most would on average."
        )
    return words


def say_rules(counted):
    """The two rules, and what each comes to for each number of seeds."""
    if not counted:
        return ""
    confidence = rules.CONFIDENCE
    return join(
        "Two kinds of statements are judged, each in its own way.",
        "A **claim** of the report's text is put to each seed by itself, yes or no. It **holds** "
        f"where it is true of most seeds with a probability of {confidence:.0%} or more (by "
        "Bayes' rule, every share of seeds being equally likely beforehand), **does not hold** "
        f"at {1 - confidence:.0%} or less, and **depends on the seed** in between (or, where all "
        f"agree, there are **too few seeds**). {' '.join(map(say_claims_rule, counted))} Of so "
        f"many claims judged at {confidence:.0%}, about one may be judged wrongly by chance.",
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
    return f"Of {seeds}, {holds} yes: it holds; {fails} yes: it does not hold."


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
    groups = []  # [(experiment, its numbers of one unit)]
    for part in verdicts["numbers"]:
        for _, numbers in itertools.groupby(part["numbers"], lambda number: number["unit"]):
            groups.append((part["name"], list(numbers)))
    tables = figure.subplots(2 if groups else 1, 1, squeeze=False)[:, 0]
    lines = [draw_claims(tables[0], verdicts["lines"])]
    if groups:
        lines.append(draw_numbers(tables[1], verdicts, groups))
    tables[0].get_gridspec().set_height_ratios(lines)
    figure.set_size_inches(WIDTH, 0.4 * len(lines) + LINE_HEIGHT * sum(lines))


def draw_claims(axes, claims):
    """Each claim's words, a mark for each seed, the verdict; experiments in bold.

    Returns how many lines they take.
    """
    axes.set_title(
        "What the report says: a mark for each seed, full where it is true of it, empty where not",
        loc="left",
        pad=6,
        fontsize=TITLE_SIZE,
    )
    most = max([0, *(len(line["answers"]) for line in claims)])
    words_left = MARKS + MARK * min(most, MARKS_IN_A_LINE) + 0.01
    y = 0
    for line in claims:
        answers = line["answers"]
        colour = VERDICTS.get(line["verdict"], "black")
        claim = wrap(line["claim"], 53 if answers else 46)
        left = words_left if answers else MARKS
        verdict = wrap(say_verdict(line), int(LETTERS * (1 - left)))
        if answers:
            axes.text(0.015, y, claim, va="top")
        else:
            axes.text(0, y, claim, va="top", weight="bold")
        axes.text(left, y, verdict, va="top", color=colour)
        for seed, answer in enumerate(answers):
            down, across = divmod(seed, MARKS_IN_A_LINE)
            place = (MARKS + MARK * (across + 0.3), y + down + MIDDLE)
            style = "full" if answer else "none"
            axes.plot(*place, "o", color=colour, fillstyle=style, markersize=5, markeredgewidth=0.8)
        rows_of_marks = math.ceil(len(answers) / MARKS_IN_A_LINE)
        y += max(count_lines(claim), count_lines(verdict), rows_of_marks)
    return finish_table(axes, y)


def draw_numbers(axes, verdicts, groups):
    """Each number in a line: dots for our seeds, a diamond for the report, in words where it lies.

    Those of a group share a scale, from the least value to the largest; that of losses is
    logarithmic. Returns how many lines they take.
    """
    axes.set_title(
        "What its figures show: the report's number (diamond) among our seeds' (dots).\n"
        f"Outside our seeds' range: {verdicts['outside']} of {verdicts['count']} "
        f"(expected by chance: {verdicts['by_chance']:.1f} at most)",
        loc="left",
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
    scale = (ends, number["unit"] == "loss")
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


def say_verdict(line):
    """A line's verdict, its note and, where they differ, how many seeds said yes."""
    words = line["verdict"]
    if words == "depends on the seed":
        words += f" ({sum(line['answers'])} of {len(line['answers'])})"
    return f"{words}, {line['note']}" if line.get("note") else words
