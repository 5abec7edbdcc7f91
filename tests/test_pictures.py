"""The pictures of the parts: what they show, against counts by hand."""

import math

import made_up
import numpy as np
import pytest
import sample
from matplotlib.text import Text

from lab import style
from lab.parts import errors, experiment
from lab.parts.decided import title_decided
from lab.report.said import REPORT
from lab.results import plain


def of_run(accuracy, error=None):
    """A run evaluated every 10 steps, at a loss of 1."""
    steps = [10 * place for place in range(len(accuracy))]
    loss = [1.0] * len(accuracy)
    return {"accuracy": accuracy, "steps": steps, "loss": loss, "error": error}


def drawing(name, result):
    """The figure that the part of this name in `sample` draws of `result`."""
    with style.plain_style():
        figure = style.new_figure()
        sample.PARTS[name].draw(figure, result)
        figure.draw_without_rendering()
    return figure


def points_of(axes, **properties):
    """[[x, y] of each point] of the lines of `axes` that have these properties."""
    points = []
    for line in axes.lines:
        if all(getattr(line, f"get_{name}")() == value for name, value in properties.items()):
            points += line.get_xydata().tolist()
    return points


def ticks_of(axis):
    """{what a tick says: its place}."""
    places = axis.get_ticklocs()
    return {
        label.get_text(): place for label, place in zip(axis.get_ticklabels(), places, strict=True)
    }


def words_of(figure):
    """All texts of a figure, those of axes and legends too, that show something."""
    return [text.get_text() for text in figure.findobj(Text) if text.get_text()]


def test_the_median_goes_as_far_as_all_runs_go_that_did_not_break_off():
    runs = [of_run([0.0, 1.0, 0.5]), of_run([0.0, 0.2, 0.4, 0.6]), of_run([0.6, None], error="nan")]
    assert experiment.median_curve(runs, "accuracy") == [[0, 0.0], [10, 0.6], [20, 0.45]]
    assert experiment.median_curve([of_run([], error="nan")], "accuracy") == []


def test_an_experiment_has_two_panels_a_variant_with_ours_and_the_report():
    figure = drawing("rnn-layers", sample.compared_layers())
    loss, accuracy, loss_of_three, accuracy_of_three, _ = figure.axes
    assert [axes.get_title() for axes in (loss, loss_of_three)] == ["1 layer", "3 layers"]
    assert loss.get_yscale() == "log"
    whole, broken, mark, median, report = (line.get_xydata().tolist() for line in accuracy.lines)
    assert whole == [[0, 0.0], [10, 0.0], [20, 0.5]]
    assert broken == [[0, 0.0], [10, 0.1]]
    assert mark == [[10, 0.1]]
    assert median == [[0, 0.0], [10, 0.05], [20, 0.5]]
    assert report[:2] == [[0, 0.0], [10, 0.6]]
    assert report[3] == [30, 0.95]
    assert np.isnan(report[2]).all()  # between them a point is missing
    assert {line.get_color() for line in accuracy_of_three.lines} == {
        style.BLUE,
        style.MEDIAN,
        "black",
    }
    assert {"2 seeds", "median", "the report"} <= set(words_of(figure))


def test_no_loss_of_a_figure_is_drawn_that_cannot_be_read_and_every_printed_one_is():
    layers = sample.compared_layers()
    layers["variants"][0]["report"] |= {
        "printed_loss": [[20, 0.02], [30, 0.004]],
        "printed_accuracy": [[30, 1.0]],
    }
    loss, accuracy, *_ = drawing("rnn-layers", layers).axes
    drawn_points = [point for point in points_of(loss, color="black", marker="o") if point[1] > 0]
    assert drawn_points == [[0, 2.3], [10, 0.5], [30, 0.04]]
    assert points_of(loss, marker="D") == [[20, 0.02], [30, 0.004]]
    assert points_of(accuracy, marker="D") == [[30, 1.0]]
    low, high = loss.get_ylim()
    assert low < 0.004 and high > 2.3


def test_an_experiment_of_ones_own_has_nothing_in_black():
    figure = drawing("my_own", sample.experiment("own"))
    loss, accuracy, strip = figure.axes
    assert not [point for axes in figure.axes for point in points_of(axes, color="black")]
    assert {"2 seeds", "median", "own: 0.9 at step 10 and 20"} <= set(words_of(figure))
    assert "the report" not in words_of(figure)
    assert len(loss.lines) == len(accuracy.lines) == 3
    assert len(points_of(strip, marker="o")) == 2
    assert strip.get_xlabel() == "first step at accuracy 0.9"


def test_a_long_headline_is_broken_at_its_last_semicolon():
    figure = drawing("my_own", sample.experiment("own", headline=f"{30 * 'a '}; b; {30 * 'c '}"))
    assert f"{30 * 'a '}; b;\n{30 * 'c '}".strip() in words_of(figure)


def test_one_seed_is_its_own_median():
    own = sample.experiment("own")
    (variant,) = own["variants"]
    variant["runs"] = variant["runs"][:1]
    variant["first"] = {at: steps[:1] for at, steps in variant["first"].items()}
    figure = drawing("my_own", own)
    lines = [line for axes in figure.axes for line in axes.lines if len(line.get_xdata())]
    assert {line.get_color() for line in lines} == {style.BLUE}
    assert "our seed" in words_of(figure)


def test_an_early_end_leaves_no_flat_tail():
    own = sample.experiment("own")
    runs = own["variants"][0]["runs"]
    for name in ("steps", "loss", "accuracy"):
        runs[0][name] = runs[0][name][:2]
    _, accuracy, _ = drawing("my_own", own).axes
    assert [line.get_xdata()[-1] for line in accuracy.lines] == [10, 30, 10]


def test_the_strip_has_each_first_step_at_its_place():
    *_, strip = drawing("rnn-layers", sample.compared_layers()).axes
    (one, three) = (ticks_of(strip.yaxis)[name] for name in ("1 layer", "3 layers"))
    never = ticks_of(strip.xaxis)["never"]
    assert never > 32
    assert points_of(strip, marker="D") == [[30, one], [10, three]]
    of_never, *of_ten = points_of(strip, marker="o")
    (cross,) = points_of(strip, marker="x")
    assert of_never[0] == cross[0] == never
    assert abs(of_never[1] - one) == abs(cross[1] - one) < 0.5
    assert [x for x, _ in of_ten] == [10, 10]
    assert of_ten[0][1] < three < of_ten[1][1] < three + 0.5
    medians = points_of(strip, color=style.MEDIAN)
    assert [x for x, _ in medians] == [never, never, 10, 10]


def test_what_is_not_seen_of_the_report_has_no_diamond():
    # It is None, as "never" is: a legend hides that part of its curve.
    layers = sample.compared_layers()
    report = layers["variants"][1]["report"]
    for not_seen, count in (([], 2), ([f"{layers['level']:.0%}"], 1)):
        report["not_seen"] = not_seen
        *_, strip = drawing("rnn-layers", layers).axes
        assert len(points_of(strip, marker="D")) == count


def with_seeds(experiment, first):
    """`experiment` with a seed for each of the `first` steps in every variant."""
    for variant in experiment["variants"]:
        variant["runs"] = [variant["runs"][0] | {"seed": seed} for seed in range(len(first))]
        variant["first"] = dict.fromkeys(variant["first"], first)
    return experiment


SEEDS = [20] * 9 + [10, None, 30, None, 20, 30] + [None] * 5


def test_each_seed_of_a_row_is_a_dot_at_its_step():
    layers = with_seeds(sample.compared_layers(), SEEDS)
    *_, strip = drawing("rnn-layers", layers).axes
    never = ticks_of(strip.xaxis)["never"]
    dots = points_of(strip, marker="o")
    for row in (0, 1):
        in_row = [dot for dot in dots if abs(dot[1] - row) < 0.5]
        assert [x for x, _ in in_row] == [step or never for step in SEEDS]
        assert len({y for _, y in in_row} | {row}) == 21, "none below the report's diamond"
    assert {x for x, _ in points_of(strip, color=style.MEDIAN)} == {20}


def test_equal_steps_at_a_learning_rate_are_one_dot_that_is_larger():
    layers = with_seeds(sample.compared_layers(), SEEDS) | {"compared": ["lr"]}
    for variant, rate in zip(layers["variants"], (0.01, 0.0101), strict=True):
        variant["settings"] = variant["settings"] | {"lr": rate}
    *_, strip = drawing("rnn-layers", layers).axes
    never = ticks_of(strip.yaxis)["never"]
    lines = [line for line in strip.lines if line.get_marker() == "o"]
    sizes = {tuple(line.get_xydata()[0]): line.get_markersize() ** 2 for line in lines}
    assert set(sizes) == {(x, y) for x in (0.01, 0.0101) for y in (10, 20, 30, never)}
    assert sizes[0.01, 20] / sizes[0.01, never] == pytest.approx(10 / 7)


def test_learning_rates_stand_on_a_log_axis():
    own = sample.experiment("own", compared=["lr"])
    (variant,) = own["variants"]
    own["variants"] = []
    for rate, steps in ((0.1, [20, None]), (0.001, [10, 30]), (0.01, [10, 10])):
        first = {"90%": steps}
        settings = variant["settings"] | {"lr": rate}
        changes = {"label": f"lr {rate}", "first": first, "settings": settings}
        own["variants"].append(variant | changes)
    *panels, strip = drawing("my_own", own).axes
    assert [axes.get_title() for axes in panels[::2]] == ["lr 0.001", "lr 0.01", "lr 0.1"]
    assert strip.get_xlabel() == "learning rate (a larger dot: more seeds)"
    assert strip.get_ylabel() == "first step at accuracy 0.9"
    assert strip.get_xscale() == "log"
    assert {"0.001", "0.01", "0.1"} <= set(ticks_of(strip.xaxis))
    never = ticks_of(strip.yaxis)["never"]
    assert never > 30
    (medians,) = (line for line in strip.lines if line.get_color() == style.MEDIAN)
    assert medians.get_xydata().tolist() == [[0.001, 20], [0.01, 10], [0.1, never]]


@pytest.mark.parametrize("count", [7, 12])
@pytest.mark.parametrize("compared", [["layers"], ["lr"]])
def test_many_variants_many_seeds_and_runs_that_were_never_evaluated(count, compared):
    own = with_seeds(sample.compared_layers(), SEEDS) | {"compared": compared}
    first = own["variants"][0]
    lost = [
        run | {"steps": [], "loss": [], "accuracy": [], "error": "nan"} for run in first["runs"]
    ]
    empty = first["report"] | {"loss": [], "accuracy": []}
    own["variants"] = [
        first | {"settings": first["settings"] | {"lr": 0.001 * 1.1**place}}
        for place in range(count - 1)
    ]
    own["variants"].append(first | {"runs": lost, "report": empty})
    *panels, strip = drawing("my_own", own).axes
    assert len(panels) == 2 * count
    low, high = panels[0].get_ylim()
    assert low < 0.04 and 2.3 < high < 10
    assert {axes.get_ylim() for axes in panels[::2]} == {(low, high)}
    assert len(points_of(strip, marker="x")) == 20


def test_every_reading_is_a_line_with_a_mark_a_seed_below_its_claim():
    figure = drawing("verdicts", sample.results()["parts"]["verdicts"] | {"numbers": []})
    (axes,) = figure.axes
    words = [text.get_text() for text in axes.texts]
    assert axes.get_title(loc="left").startswith("What the report says, and each fair way to ask")
    assert words == [
        "rnn-layers: RNN with 1 and 3 layers",
        "",
        "both reach 100%",
        "does not hold: 0 of 2",
        "each of the two at 1.0 at some evaluation",
        "three layers are first",
        "depends on the seed: 1, 2 of 2, with 5 pairs a\nstep",
        "three layers at 0.9 before one layer",
        "not after one layer",
        "wide: The simple adder",
        "no verdict: an experiment of your own",
        "gpu: CUDA",
        "not measured: there was no GPU",
    ]
    fills = [line.get_fillstyle() for line in axes.lines]
    assert fills == ["none", "none", "full", "none", "full", "full"]
    colours = [line.get_color() for line in axes.lines]
    assert colours == [style.RED] * 2 + [style.BLUE] * 4
    tops = [text.get_position()[1] for text in axes.texts]
    assert tops[2:9] == [1, 1, 2, 3, 3, 5, 6], "the verdict above takes two lines"
    places = [line.get_xydata()[0].tolist() for line in axes.lines]
    assert [math.floor(y) for _, y in places] == [2, 2, 5, 5, 6, 6]
    across = [x for x, _ in places]
    assert across == across[:2] * 3 and across[0] < across[1]


@pytest.mark.parametrize(
    ("verdict", "colour"),
    [
        ("holds", style.GREEN),
        ("does not hold", style.RED),
        ("depends on the seed", style.BLUE),
        ("depends on the reading", style.COLOURS[4]),
        ("too few seeds", "black"),
    ],
)
def test_the_marks_have_the_colour_of_the_verdict_and_lie_beside_their_reading(verdict, colour):
    asked = [{"asked": f"asked {n}", "answers": [n == 1] * 20, "note": ""} for n in range(2)]
    claim = {"claim": "this", "verdict": verdict, "readings": asked, "note": ""}
    verdicts = sample.results()["parts"]["verdicts"] | {"numbers": [], "lines": [claim]}
    (axes,) = drawing("verdicts", verdicts).axes
    assert {line.get_color() for line in axes.lines} == {colour}
    (said,) = [text for text in axes.texts if text.get_text() == f"{verdict}: 0, 20 of 20"]
    assert said.get_color() == colour
    assert [line.get_fillstyle() for line in axes.lines] == ["none"] * 20 + ["full"] * 20
    places = {(line.get_xdata()[0], line.get_ydata()[0]) for line in axes.lines}
    assert len(places) == 40
    # 20 marks take two lines.
    tops = {text.get_text(): text.get_position()[1] for text in axes.texts}
    assert tops["asked 1"] - tops["asked 0"] == 2


def verdicts_of_the_report():
    """The overview of all experiments of the report, of eight seeds; some break off."""
    entries = {}
    for name, said in REPORT.items():
        runs = [made_up.rising(10 * seed, seed=seed) for seed in range(7)]
        runs.append(made_up.run([0.0], error="nan", seed=7))
        variants = made_up.experiment(name, dict.fromkeys(said["curves"], runs))
        entries[name] = experiment.describe(name, (), variants)
    return plain(sample.OVERVIEWS["verdicts"].result(entries))


def test_no_mark_lies_on_a_text():
    figure = drawing("verdicts", verdicts_of_the_report())
    for axes in figure.axes:
        marks = axes.transData.transform(points_of(axes, marker="o") + points_of(axes, marker="D"))
        for text in axes.texts:
            box = text.get_window_extent().padded(4)  # pixels, half of a mark
            assert not text.get_text() or not any(box.contains(*mark) for mark in marks), text
    readings = [
        reading
        for said in REPORT.values()
        for claim in said["claims"]
        for reading in claim["readings"]
        if reading["question"] != "all_add_numbers_of"  # not asked of these
    ]
    assert len(figure.axes[0].lines) == 8 * len(readings)


def number(kind, ours, reports, place):
    """One number of the verdicts."""
    number = {"label": f"{kind}, {place}", "kind": kind, "ours": ours, "reports": reports}
    return number | {"place": place, "by_chance": 0.25}


def test_every_number_shows_where_the_report_lies():
    at_90 = "first step at 0.9"
    steps = [
        number(at_90, [20, 30, 30], 25, "within"),
        number(at_90, [20, 30, None], 10, "earlier"),
        number(at_90, [20, 30, 40], None, "later"),
        number(at_90, [None, None, None], None, "within"),
    ]
    not_drawn = [number(f"first step at {at}", [20, 30], 77, "later") for at in (0.5, 1.0)]
    losses = [
        number("loss", [0.01, 0.1, 1.0], 0.1, "within"),
        number("loss", [0.01, 0.1], 0.001, "lower"),
        number("loss", [0.01, 0.1], 1.0, "higher"),
    ]
    groups = [
        {"name": "mixed", "title": "", "numbers": not_drawn[:1] + steps + not_drawn[1:] + losses},
        {"name": "none", "title": "", "numbers": []},
    ]
    verdicts = sample.results()["parts"]["verdicts"]
    lines = [{"claim": "gpu: CUDA", "verdict": "not measured", "readings": []}]
    figure = drawing("verdicts", verdicts | {"lines": lines, "numbers": groups})
    _, axes = figure.axes
    words = [text.get_text() for text in axes.texts]
    assert "none" not in words
    title = axes.get_title(loc="left").replace("\n", " ")
    assert title.endswith("our seeds' range: first step at 0.9 1 of 2 (by chance 1.0)")
    said = ["25: within", "10: earlier", "never: later", "never: within"]
    said += ["0.1: within", "0.001: lower", "1: higher"]
    assert [text for text in words if ": " in text][-7:] == said
    assert {"10", "40", "0.001", "1", "never"} <= set(words)
    dots = [line for line in axes.lines if line.get_marker() == "o"]
    diamonds = [line for line in axes.lines if line.get_marker() == "D"]
    sides = []
    for of_ours, of_report in zip(dots, diamonds, strict=True):
        x = of_report.get_xdata()[0]
        ours = of_ours.get_xdata()
        assert of_report.get_ydata()[0] == of_ours.get_ydata()[0]
        sides.append(int(min(ours) > x) - int(max(ours) < x))
    assert sides == [0, 1, -1, 0, 0, 1, -1]
    scale = next(line for line in axes.lines if line.get_color() == "0.85").get_xdata()
    assert (diamonds[1].get_xdata()[0], dots[2].get_xdata()[-1]) == (scale[0], scale[1])  # 10, 40
    assert diamonds[0].get_xdata()[0] == pytest.approx(np.mean(scale))  # 25
    assert [line.get_color() for line in diamonds] == [
        *(style.GREEN, style.BLUE, style.RED, style.GREEN),
        *(style.GREEN, style.BLUE, style.RED),
    ]
    # A loss's scale is logarithmic: 0.1 lies in the middle of 0.01 and 1.
    assert np.mean(dots[4].get_xdata()[[0, 2]]) == pytest.approx(diamonds[4].get_xdata()[0])


def test_each_count_of_adders_stands_at_its_digits():
    wrong = "58 + 61 gives 129, not 119"
    adders = [
        *[sample.decided("mine", "", seed, True, wrong, 2) for seed in range(3)],
        *[sample.decided("mine", "", seed, False, "7 + 5 gives 11, not 12", 1) for seed in (3, 4)],
        sample.decided("mine", "", 5, False, "undecided", None),
        sample.decided("for, the proof", "", 0, None, "proven", None),
        sample.decided("for, the proof", "", 1, None, wrong, 2),
    ]
    decided = sample.OVERVIEWS["decided"].result({"any": {"decisions": adders}})
    figure = drawing("decided", decided)
    (axes,) = figure.axes
    marks = [
        (line.get_marker(), line.get_fillstyle(), line.get_xdata()[0], round(line.get_ydata()[0]))
        for line in axes.lines
        if line.get_marker() != "None"  # lines between the groups
    ]
    places = ticks_of(axes.xaxis)
    undecided, proven = places["not\ndecided"], places["none, of\nany length"]
    assert marks == [
        ("o", "full", 2, 0),
        ("o", "none", 1, 0),
        ("o", "none", undecided, 0),
        ("D", "full", proven, 1),
        ("x", "full", 2, 1),
    ]
    assert [places[digits] for digits in "12"] == [1, 2] and 2 < undecided < proven
    counts = {tuple(text.xy): text.get_text() for text in axes.texts if text.get_text().isdigit()}
    assert list(counts.values()) == ["3", "2", "1", "1", "1"]
    assert [x for x, _ in counts] == [x for _, _, x, _ in marks]
    words = words_of(figure)
    assert words.count(wrong) == 2 and {"mine (6)", "for,\nthe proof (2)"} <= set(words)
    assert (
        "3 of 6 adders of the experiments end at 100% on random pairs:\n"
        "3 of these are wrong on a pair of 2 digits or fewer"
    ) in words


def test_nothing_evaluated_and_nothing_refuted_have_titles_of_their_own():
    decided = {"evaluated": 4, "perfect": 2, "perfect_but_wrong": 0, "proven": 1, "count": 6}
    assert title_decided(decided | {"evaluated": 0}) == "1 of 6 adders are proven correct"
    assert title_decided(decided).endswith(
        "100% on random pairs:\nof none of these a counterexample was found"
    )


def of_errors(counts):
    """The entry of adders with these numbers of wrong sums in a million pairs, by group."""
    told = {"variant": "2 layers", "seed": 3, "pairs": 1_000_000, "pairs_per_second": 1e4}
    return errors.summarise(
        {name: [told | {"wrong": wrong} for wrong in wrongs] for name, wrongs in counts.items()}
    )


def test_wrong_sums_have_a_mark_for_each_adder_at_its_place():
    figure = drawing("errors", of_errors({"task-1": [0, 2], "cells": [0, 100, 100]}))
    (axes,) = figure.axes
    marks = points_of(axes, marker="o")
    assert len(set(map(tuple, marks))) == 5, "no mark hides another"
    decades = ticks_of(axes.xaxis)
    assert decades["100"] - decades["10"] == 1
    seen = [[10**across, round(down)] for across, down in marks[1:2] + marks[3:]]
    assert seen == [[pytest.approx(2), 0], [pytest.approx(100), 1], [pytest.approx(100), 1]]
    unseen = [marks[0], marks[2]]
    assert [round(down) for _, down in unseen] == [0, 1]
    assert all(across < math.log10(2) - 0.15 for across, _ in unseen)
    low, high = errors.binomial_interval(100, 1_000_000)
    assert [math.log10(low / 1e6), math.log10(high / 1e6)] == pytest.approx(
        [end - 6 for end in axes.lines[-2].get_xdata()]
    )
    words = words_of(figure)
    assert "none seen: fewer\nthan 4" in words  # 3.69
    assert "none seen in 1 of 2; worst 2" in words
    assert any("dot: of 1,000,000 fresh pairs" in text for text in words)
    assert (
        "3 of 5 adders at 100% get fresh random sums of 10 digits wrong,\n"
        "the worst 100 in a million"
    ) in words


def test_adders_that_are_never_wrong_have_marks_of_their_own():
    figure = drawing("errors", of_errors({"a": [0] * 80, "b": [0] * 31, "c": [0]}))
    assert "Each of 112 adders at 100% adds 1,000,000 fresh pairs correctly" in words_of(figure)
    (axes,) = figure.axes
    marks = points_of(axes, marker="o")
    assert len(set(map(tuple, marks))) == 112
    left, right = axes.get_xlim()
    assert all(left < across < left + errors.BAND < right for across, _ in marks)
    rows = [round(down) for _, down in marks]
    assert [rows.count(row) for row in range(3)] == [80, 31, 1]
    assert marks[-1] == [ticks_of(axes.xaxis)["none seen: fewer\nthan 4"], 2]


def test_memory_has_a_line_for_each_adder():
    part = sample.parts()["memory"]
    failing, holding = part["groups"]
    failing |= {"last": 3, "failed": 2, "adders": [failing["adders"][0]] * 2}
    failing["adders"][1] = sample.remember([4.0, 3.0, 2.0, -2.0], 3)
    holding["adders"][0]["margins"]["none"] = [6.0] * 4
    figure = drawing("memory", part)
    for axes, start in zip(figure.axes, ("carry", "none"), strict=True):
        drawn = [list(line.get_ydata()) for line in axes.lines if len(line.get_ydata()) == 4]
        adders = failing["adders"] + holding["adders"]
        assert drawn == [adder["margins"][start] for adder in adders]
    assert [axes.get_title() for axes in figure.axes] == [
        "must remember: a carry",
        "must remember: no carry",
    ]
    words = words_of(figure)
    assert "rnn-layers: 2 of 2 fail, at pair 2 to 3" in words
    assert "RNN, trained for the proof, 1 adder: margin 5.0 or more" in words
    assert "the memory has failed" in words
    assert (
        "2 of 2 adders lose a carry, or invent one, within 3 pairs of digits that sum to nine;\n"
        "the 1 adders of the other groups keep their margin"
    ) in words
    words = words_of(drawing("memory", part | {"groups": [holding]}))
    assert "None of these adders forgets a carry" in words
    assert "the memory has failed" not in words


def test_little_has_every_accuracy_in_its_field():
    little = sample.parts()["little"]
    (rnn,) = little["cells"]
    one = {"digits": 1, "least": [0.25, 0.0], "mean": [0.5, 0.0], "greatest": [0.75, 0.0]}
    trained = [one | {"seeds": 1, "seconds": 2.0}, rnn["trained"][1]]
    little["cells"].append({"cell": "GRU", "enough": None, "trained": trained})
    figure = drawing("little", little)
    of_rnn, seconds_of_rnn, of_gru, seconds_of_gru = figure.axes
    fields = [(*text.get_position(), text.get_text()) for text in of_gru.texts]
    assert [(x, round(y), text) for x, y, text in fields] == [
        *[(0, 0, "0.25–0.75"), (0, 0, "0.50"), (1, 0, "0.00")],
        *[(0, 1, "1.00"), (1, 1, "0.99–1.00"), (1, 1, "0.99")],
    ]
    assert list(ticks_of(of_gru.xaxis)) == ["10", "1000"]
    assert list(ticks_of(of_gru.yaxis)) == ["1", "5"] == list(ticks_of(seconds_of_gru.yaxis))
    assert [text.get_text() for text in of_rnn.texts][:2] == ["0.00", "0.00"]
    assert points_of(seconds_of_rnn, marker="o") == [[2, 0], [2.5, 1]]
    assert [axes.get_title() for axes in (of_rnn, of_gru)] == ["RNN, 2 seeds", "GRU, 2 seeds"]
    words = words_of(figure)
    assert "the report's code, 5000 digits: 86 minutes" in words
    assert (
        "Trained on numbers of at most 5 digits (RNN, 2.5 s),\n"
        "adders get 99.5% or more of random pairs of up to 1000 digits right"
    ) in words
    del little["cells"][0]  # the GRU has no length that is enough
    assert "Accuracy after training on short numbers" in words_of(drawing("little", little))


def test_stress_has_the_median_in_the_range_of_the_seeds():
    figure = drawing("stress", sample.parts()["stress"])
    (axes,) = figure.axes
    simple, proven = axes.lines
    assert simple.get_xydata().tolist() == [[0, 1], [1, 1], [10, 0.75], [1000, 0.5]]
    assert set(proven.get_ydata()) == {1.0}
    band = axes.collections[0].get_paths()[0].vertices.tolist()
    assert [
        point for point in ([10, 0.5], [10, 1], [1000, 0], [1000, 1]) if point not in band
    ] == []
    words = words_of(figure)
    assert "the simple adder (2 seeds): 50% at 1000" in words
    assert "a proven RNN (1 seed): 100% at 1000" in words


def test_gpu_has_the_medians_and_the_original_times():
    figure = drawing("gpu", sample.parts()["gpu"])
    (axes,) = figure.axes
    assert points_of(axes, marker="o") == [[10, 3], [100, 18]]
    assert points_of(axes, marker="D") == [[10, 4.9], [100, 37]]
    assert "A training step at 100 digits, batch size 100: 18 ms on cpu" in words_of(figure)


def test_a_portrait_has_the_margins_the_states_and_their_bounds():
    proof = sample.parts()["proof"]
    figure = drawing("proof", proof | {"portraits": proof["portraits"][1:]})
    no_carry, carry, plane, _ = figure.axes
    for axes in (no_carry, carry):
        (image,) = axes.images
        values = image.get_array()
        assert values[9, 0] == values[0, 9] == 3.36 + 9 and values[0, 0] == 3.36
        low, high = axes.get_ylim()
        assert low < high, "0 is below"
    assert points_of(plane) == [[-1.5, -1.4], [-1.2, -1.9], [1.5, 1.4], [1.2, 1.9]]
    corners = [box.get_bbox().get_points().tolist() for box in plane.patches]
    assert corners == [[[-2, -2], [-1, -1]], [[1, 1], [2, 2]]]
    words = words_of(figure)
    assert {"a proven RNN: least margin +3.4", "carry 0", "carry 1"} <= set(words)
    assert "(W_hh h + b) of unit 14" in words
    words = words_of(drawing("proof", {"portraits": [proof["portraits"][0] | {"margin": None}]}))
    assert "the simple adder: least margin no bound" in words


LONG = "a name of one's own that says at length what was done and what was left as it was"


def with_long_words():
    """(part, its entry) of the parts with free text, and of long sums."""
    adders = []
    for digits in (1, 15, 16, 30):
        number = 10**digits - 1
        words = f"{number} + {number} gives {number}, not {2 * number}"
        groups = [f"the group, {digits}", *["all"] * 149]
        for seed, group in enumerate(groups):
            adders.append(sample.decided(group, f"{digits}", seed, True, words, digits))
    yield "decided", sample.OVERVIEWS["decided"].result({"any": {"decisions": adders}})
    readings = [{"asked": f"{LONG} {LONG}", "answers": [True, False] * 15, "note": ""}] * 2
    lines = [
        {"claim": LONG, "readings": readings, "verdict": "depends on the seed", "note": LONG},
        {"claim": LONG, "readings": [], "verdict": f"no verdict: {LONG} {LONG}"},
    ]
    yield "verdicts", sample.results()["parts"]["verdicts"] | {"lines": lines}
    yield "verdicts", verdicts_of_the_report()
    own = sample.experiment("own", headline=f"{LONG} {LONG}")
    own["variants"] = [own["variants"][0] | {"label": f"no. {n}: {LONG}"} for n in range(11)]
    yield "my_own", own
    few = sample.compared_layers()
    few["variants"] = [few["variants"][0] | {"label": f"{LONG} {n}"} for n in range(4)]
    yield "my_own", few
    for name, entry in sample.results()["parts"].items():
        if name in sample.PARTS and sample.PARTS[name].draw:
            yield name, entry


@pytest.mark.parametrize(("name", "result"), list(with_long_words()))
def test_no_text_leaves_the_frame_is_too_small_or_overlaps(name, result):
    figure = drawing(name, result)
    assert figure.get_figwidth() == style.WIDTH or name == "decided"
    shown = [text for text in figure.findobj(Text) if text.get_text() and text.get_visible()]
    assert all(7 <= text.get_fontsize() <= 9.5 for text in shown)
    # Numbers at the axes are left out: those outside the limits are kept, though not shown.
    shown = [text for text in shown if text.get_text().strip("0123456789.,−–-e+")]
    boxes = [(text.get_text(), text.get_window_extent()) for text in shown]
    assert boxes
    for place, (text, box) in enumerate(boxes):
        assert box.x0 >= -1 and box.x1 <= figure.bbox.x1 + 1, text
        assert box.y0 >= -1 and box.y1 <= figure.bbox.y1 + 1, text
        for other, other_box in boxes[:place]:
            assert not box.overlaps(other_box), (text, other)


def replace_texts(value, names, text):
    """Plain values with `text` before the value of each of the keys `names`."""
    if isinstance(value, dict):
        return {
            key: text + inner if key in names and inner else replace_texts(inner, names, text)
            for key, inner in value.items()
        }
    if isinstance(value, list):
        return [replace_texts(inner, names, text) for inner in value]
    return value


FREE = ["label", "headline", "claim", "asked", "name", "group"]
COUNTS = {  # how often free text is drawn, at least
    "rnn-layers": 5,  # headline, two titles, two rows
    "verdicts": 11,  # three experiments, two claims, three readings; one experiment, two numbers
    "decided": 2,
    "errors": 1,
    "memory": 2,
    "stress": 2,
    "little": 1,
    "proof": 2,
    "gpu": 1,
}


@pytest.mark.parametrize(("name", "count"), COUNTS.items())
def test_no_picture_takes_free_text_for_a_formula_or_leaves_it_out(name, count):
    odd = r"_$\nothing$ "
    free = [*FREE, "kind"] if name == "gpu" else FREE  # a kind of device
    result = replace_texts(sample.results()["parts"][name], free, odd)
    words = "\n".join(words_of(drawing(name, result)))
    assert words.count(r"$\nothing$") >= count
    assert "mathdefault" not in words
