"""What is drawn and what is taken away, against counts by hand."""

import copy
import json
import os
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import matplotlib
import numpy as np
import pytest
import sample
from matplotlib import font_manager
from matplotlib.figure import Figure

from lab import pictures
from lab.pictures import backend, exact, experiments, fonts, style
from lab.pictures.verdicts import draw_verdicts


def of_run(accuracy, error=None):
    """A run evaluated every 10 steps, at a loss of 1."""
    steps = [10 * place for place in range(len(accuracy))]
    loss = [1.0] * len(accuracy)
    return {"accuracy": accuracy, "steps": steps, "loss": loss, "error": error}


def drawing(function, part):
    """The figure that `function` draws of `part`, as `pictures.draw` would have it."""
    with style.plain_style():
        figure = style.new_figure()
        function(figure, part)
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


def png_size(path):
    content = path.read_bytes()
    assert content[:8] == b"\x89PNG\r\n\x1a\n"
    return struct.unpack(">II", content[16:24])


def words_of(figure):
    """All texts of a figure, those of axes and legends too, that show something."""
    texts = figure.findobj(lambda artist: hasattr(artist, "get_text"))
    return [text.get_text() for text in texts if text.get_text()]


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """(results with every part, the folder of their pictures): drawn once for all tests."""
    folder = tmp_path_factory.mktemp("figures")
    results = sample.results()
    results["pictures"], _ = pictures.draw(results, folder)
    return results, folder


# --- Which pictures are drawn, and which go.


def test_every_part_has_its_picture_and_the_list_names_them(drawn):
    results, folder = drawn
    parts = ["verdicts", "decided", "errors", "memory", "little", "stress", "proof", "gpu"]
    names = {f"{name}.png" for name in [*results["experiments"], *parts]}
    assert set(results["pictures"]) == names == {path.name for path in folder.iterdir()}
    assert all(png_size(folder / name) >= (1000, 250) for name in names)


def redrawn(results, drawn_before, tmp_path):
    """The names of the pictures that `draw` draws of `results` where those of `drawn` are there."""
    for name in drawn_before[0]["pictures"]:
        (tmp_path / name).write_text("as before")
    listed, _ = pictures.draw(results, tmp_path)
    changed = {path.name for path in tmp_path.iterdir() if path.read_bytes()[:4] == b"\x89PNG"}
    assert set(listed) >= changed
    return changed


def test_what_did_not_change_is_not_drawn_again(drawn, tmp_path):
    results, folder = drawn
    assert redrawn(results, drawn, tmp_path) == set()
    (tmp_path / "gpu.png").unlink()
    assert pictures.draw(results, tmp_path) == (results["pictures"], {})
    assert png_size(tmp_path / "gpu.png") == png_size(folder / "gpu.png")


def test_a_changed_value_draws_its_own_picture_and_no_other(drawn, tmp_path):
    results = sample.results() | {"pictures": drawn[0]["pictures"]}
    results["experiments"]["my_own"]["variants"][0]["runs"][0]["accuracy"][0] = 0.25
    results["stress"]["made"]["seconds"] = 1e6  # by what it was made is on the page only
    assert redrawn(results, drawn, tmp_path) == {"my_own.png"}


def test_changed_code_draws_all_and_changed_docstrings_none(drawn, tmp_path, monkeypatch):
    results, _ = drawn
    tree = pictures.code()
    folder = tmp_path / "pictures"
    shutil.copytree(Path(pictures.__file__).parent, folder)
    monkeypatch.setattr(pictures, "__file__", str(folder / "__init__.py"))
    assert pictures.code.__wrapped__() == tree
    docstrings = {
        "style.py": '"""The places of values',
        "experiments.py": '"""Loss and accuracy of',
    }
    for name, docstring in docstrings.items():
        changed = folder / name
        text = changed.read_text(encoding="utf-8")
        assert docstring in text
        changed.write_text(text.replace(docstring, '"""Other words'), encoding="utf-8")
        assert pictures.code.__wrapped__() == tree
    changed.write_text(text.replace("linewidth=2.5", "linewidth=2.6"), encoding="utf-8")
    assert pictures.code.__wrapped__() != tree
    monkeypatch.setattr(pictures, "code", lambda: "other code")
    part = results["gpu"]
    assert pictures.digest_of(part) != results["pictures"]["gpu.png"]


def test_only_a_listed_picture_that_nothing_shows_is_deleted(tmp_path):
    results = {"experiments": {"kept": sample.experiment("kept")}}
    results["pictures"] = dict.fromkeys(["kept.png", "old.png", "gone.png", "../up.png"], "digest")
    folder = tmp_path / "figures"
    folder.mkdir()
    for name in ("kept.png", "old.png", "own.png", "README.md", "../up.png"):
        (folder / name).write_text("")
    pictures.remove_unshown(results, folder)
    assert {path.name for path in folder.iterdir()} == {"kept.png", "own.png", "README.md"}
    assert (tmp_path / "up.png").exists()
    assert results["pictures"] == {"kept.png": "digest"}


def test_pictures_drawn_before_stay_listed(tmp_path):
    results = {"experiments": {}, "pictures": {"old.png": "digest"}}
    assert pictures.draw(results, tmp_path) == ({"old.png": "digest"}, {})
    assert pictures.draw({}, tmp_path) == ({}, {})


def test_a_proof_without_portraits_has_no_picture(tmp_path):
    proof = sample.parts()["proof"] | {"portraits": []}
    assert pictures.draw({"proof": proof}, tmp_path) == ({}, {})


# --- What they show.


def test_the_median_goes_as_far_as_all_runs_go_that_did_not_break_off():
    runs = [of_run([0.0, 1.0, 0.5]), of_run([0.0, 0.2, 0.4, 0.6]), of_run([0.6, None], error="nan")]
    assert experiments.median_curve(runs, "accuracy") == [[0, 0.0], [10, 0.6], [20, 0.45]]
    assert experiments.median_curve([of_run([], error="nan")], "accuracy") == []


def test_an_experiment_has_two_panels_a_variant_with_ours_and_the_report():
    figure = drawing(experiments.draw_experiment, sample.compared_layers())
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
    loss, accuracy, *_ = drawing(experiments.draw_experiment, layers).axes
    drawn_points = [point for point in points_of(loss, color="black", marker="o") if point[1] > 0]
    assert drawn_points == [[0, 2.3], [10, 0.5], [30, 0.04]]
    assert points_of(loss, marker="D") == [[20, 0.02], [30, 0.004]]
    assert points_of(accuracy, marker="D") == [[30, 1.0]]
    low, high = loss.get_ylim()
    assert low < 0.004 and high > 2.3


def test_an_experiment_of_ones_own_has_nothing_in_black():
    figure = drawing(experiments.draw_experiment, sample.experiment("own"))
    loss, accuracy, strip = figure.axes
    assert not [line for axes in figure.axes for line in axes.lines if line.get_color() == "black"]
    assert {"2 seeds", "median", "own: 0.9 at step 10 and 20"} <= set(words_of(figure))
    assert "the report" not in words_of(figure)
    assert len(loss.lines) == len(accuracy.lines) == 3
    assert len(points_of(strip, marker="o")) == 2
    assert strip.get_xlabel() == "first step at accuracy 0.9"


def test_one_seed_is_its_own_median():
    own = sample.experiment("own")
    (variant,) = own["variants"]
    variant["runs"] = variant["runs"][:1]
    variant["first"] = {at: steps[:1] for at, steps in variant["first"].items()}
    figure = drawing(experiments.draw_experiment, own)
    assert {line.get_color() for axes in figure.axes for line in axes.lines} == {style.BLUE}
    assert "our seed" in words_of(figure)


def test_an_early_end_leaves_no_flat_tail():
    own = sample.experiment("own")
    runs = own["variants"][0]["runs"]
    for name in ("steps", "loss", "accuracy"):
        runs[0][name] = runs[0][name][:2]
    _, accuracy, _ = drawing(experiments.draw_experiment, own).axes
    assert [line.get_xdata()[-1] for line in accuracy.lines] == [10, 30, 10]


def test_the_strip_has_each_first_step_at_its_place():
    *_, strip = drawing(experiments.draw_experiment, sample.compared_layers()).axes
    steps = ticks_of(strip.xaxis)
    never = steps.pop("never")
    (one, three) = (ticks_of(strip.yaxis)[name] for name in ("1 layer", "3 layers"))

    def place(step):
        words = sorted(steps, key=float)
        first, last = float(words[0]), float(words[-1])
        from_first = (step - first) / (last - first)
        return steps[words[0]] + from_first * (steps[words[-1]] - steps[words[0]])

    assert never > place(30) + 0.2
    diamonds = points_of(strip, marker="D")
    assert np.allclose(diamonds, [[place(30), one], [place(10), three]])
    of_never, *of_ten = points_of(strip, marker="o")
    (cross,) = points_of(strip, marker="x")
    for x, y in (of_never, cross):
        assert abs(x - never) <= 0.2 and abs(y - one) < 0.3
    assert of_never != cross
    # Two dots at the step of the diamond: above and below it.
    assert np.allclose([x for x, _ in of_ten], place(10))
    assert min(y for _, y in of_ten) < three < max(y for _, y in of_ten)
    medians = points_of(strip, color=style.MEDIAN)
    assert np.allclose([x for x, _ in medians], [never, never, place(10), place(10)])


def test_what_is_not_seen_of_the_report_has_no_diamond():
    # It is None, as "never" is: a legend hides that part of its curve.
    layers = sample.compared_layers()
    report = layers["variants"][1]["report"]
    for not_seen, count in (([], 2), ([f"{layers['level']:.0%}"], 1)):
        report["not_seen"] = not_seen
        *_, strip = drawing(experiments.draw_experiment, layers).axes
        assert len(points_of(strip, marker="D")) == count


def with_seeds(experiment, first):
    """`experiment` with a seed for each of the `first` steps in every variant."""
    for variant in experiment["variants"]:
        variant["runs"] = [variant["runs"][0] | {"seed": seed} for seed in range(len(first))]
        variant["first"] = dict.fromkeys(variant["first"], first)
    return experiment


@pytest.mark.parametrize("compared", [["layers"], ["lr"]])
def test_no_dot_hides_another(compared):
    first = [20] * 9 + [10, None, 30, None, 20, 30] + [None] * 5
    layers = with_seeds(sample.compared_layers(), first) | {"compared": compared}
    for variant, rate in zip(layers["variants"], (0.01, 0.0101), strict=True):
        variant["settings"] = variant["settings"] | {"lr": rate}
    *_, strip = drawing(experiments.draw_experiment, layers).axes
    (dots,) = (line for line in strip.lines if line.get_marker() == "o")
    diameter = dots.get_markersize() / 72
    places = [*dots.get_xydata(), *points_of(strip, marker="D")]
    assert len(places) == 42 and diameter > 0.02
    for number, place in enumerate(places):
        for other in places[:number]:
            assert np.hypot(*np.subtract(place, other)) > 0.98 * diameter


def test_learning_rates_stand_on_a_log_axis():
    own = sample.experiment("own", compared=["lr"])
    (variant,) = own["variants"]
    own["variants"] = []
    for rate, step in ((0.1, None), (0.001, 20), (0.01, 10)):
        first = {"90%": [step, step]}
        settings = variant["settings"] | {"lr": rate}
        changes = {"label": f"lr {rate}", "first": first, "settings": settings}
        own["variants"].append(variant | changes)
    *panels, strip = drawing(experiments.draw_experiment, own).axes
    assert [axes.get_title() for axes in panels[::2]] == ["lr 0.001", "lr 0.01", "lr 0.1"]
    assert strip.get_xlabel() == "learning rate"
    assert strip.get_ylabel() == "first step at accuracy 0.9"
    rates = ticks_of(strip.xaxis)
    assert rates["0.01"] - rates["0.001"] == pytest.approx(rates["0.1"] - rates["0.01"])
    steps = ticks_of(strip.yaxis)
    joined = strip.lines[0].get_xydata()
    expected = [("0.001", "20"), ("0.01", "10"), ("0.1", "never")]
    assert np.allclose(joined, [[rates[rate], steps[step]] for rate, step in expected])
    assert steps["never"] > steps["20"] > steps["10"]


def test_ticks_are_round_and_few():
    assert style.choose_ticks(0, 500, 2) == [0, 250, 500]
    assert style.choose_log_ticks(0.0005, 3) == pytest.approx([0.001, 0.01, 0.1, 1])
    fine = style.choose_log_ticks(0.006, 0.0155)
    assert fine == pytest.approx([0.006, 0.007, 0.008, 0.009, 0.01, 0.0125, 0.015])
    for low, high in ((1e-12, 1e6), (0.9, 1.0), (1.02, 1.03), (2.1, 2.4)):
        assert len(style.choose_log_ticks(low, high)) < 8


def test_many_variants_have_as_many_colours():
    for count in (1, 7, 8, 30):
        assert len({tuple(map(str, colour)) for colour in style.choose_colours(count)}) == count


def test_every_claim_is_a_line_with_a_mark_a_seed():
    figure = drawing(draw_verdicts, sample.results()["verdicts"] | {"numbers": []})
    (axes,) = figure.axes
    title, *words = [text.get_text() for text in axes.texts]
    assert title.startswith("What the report says: a mark for each seed")
    assert words == [
        "rnn-layers: RNN with 1 and 3 layers",
        "",
        "both reach 100%",
        "does not hold",
        "three layers are first",
        "depends on the seed (1 of 2), with 5 pairs a step",
        "wide: The simple adder",
        "no verdict",
    ]
    assert [line.get_fillstyle() for line in axes.lines] == ["none", "none", "full", "none"]


def number(unit, ours, reports, place):
    """One number of the verdicts."""
    label = f"{unit}, {place}"
    return {"label": label, "unit": unit, "ours": ours, "reports": reports, "place": place}


def test_every_number_shows_where_the_report_lies():
    steps = [
        number("step", [20, 30, 30], 25, "within"),
        number("step", [20, 30, None], 10, "earlier"),
        number("step", [20, 30, 40], None, "later"),
        number("step", [None, None, None], None, "within"),
    ]
    losses = [
        number("loss", [0.01, 0.1, 1.0], 0.1, "within"),
        number("loss", [0.01, 0.1], 0.001, "lower"),
        number("loss", [0.01, 0.1], 1.0, "higher"),
    ]
    groups = [
        {"experiment": "mixed", "title": "", "numbers": steps + losses},
        {"experiment": "none", "title": "", "numbers": []},
    ]
    verdicts = sample.results()["verdicts"]
    lines = [{"claim": "gpu: CUDA", "verdict": "not measured", "answers": []}]
    figure = drawing(draw_verdicts, verdicts | {"lines": lines, "numbers": groups})
    (axes,) = figure.axes
    words = [text.get_text() for text in axes.texts]
    assert "none" not in words
    assert any("range: 1 of 2 (expected by chance: 1.3 at most)" in text for text in words)
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
    assert [line.get_color() for line in diamonds] == [
        *(style.GREEN, style.BLUE, style.RED, style.GREEN),
        *(style.GREEN, style.BLUE, style.RED),
    ]
    # A loss's scale is logarithmic: 0.1 lies in the middle of 0.01 and 1.
    assert np.mean(dots[4].get_xdata()[[0, 2]]) == pytest.approx(diamonds[4].get_xdata()[0])


def test_counts_are_over_the_adders_of_the_experiments():
    figure = Figure()
    exact.draw_decided(figure, sample.parts()["decided"])
    words = words_of(figure)
    assert (
        "2 of 4 adders of the experiments end at 100% on random pairs:\n"
        "2 of these are wrong on a pair of 2 digits or fewer"
    ) in words
    assert {"rnn-layers (4)", "proven,\nRNN (2)", "58 + 61 gives 129, not 119"} <= set(words)
    (axes,) = figure.axes
    marks = [(line.get_marker(), line.get_fillstyle()) for line in axes.lines]
    marks = [mark for mark in marks if mark[0] != "None"]  # lines between the groups
    assert sorted(marks) == sorted(
        [("o", "full")] * 2 + [("o", "none")] * 2 + [("D", "full"), ("x", "none")]
    )


def test_nothing_evaluated_and_nothing_refuted_have_titles_of_their_own():
    decided = sample.parts()["decided"]
    assert exact.title_decided(decided | {"evaluated": 0}) == "1 of 6 adders are proven correct"
    words = exact.title_decided(decided | {"perfect_but_wrong": 0, "most_digits": 0})
    assert words.endswith("100% on random pairs:\nof none of these a counterexample was found")


def test_no_text_leaves_the_frame_and_no_two_overlap():
    long = "a name of one's own that says at length what was done and what was left as it was"
    decided = sample.parts()["decided"]
    adders = []
    for digits in (1, 15, 16, 30):
        number = 10**digits - 1
        words = f"{number} + {number} gives {number}, not {2 * number}"
        adders += [sample.adder(True, words, digits)] * 150
    decided["groups"] = [
        {"name": f"the group, {number}", "adders": [adder]} for number, adder in enumerate(adders)
    ][::150]
    decided["groups"].append({"name": "all", "adders": adders})
    lines = [
        {"claim": long, "answers": [True, False] * 15, "verdict": "depends on the seed"},
        {"claim": long, "answers": [], "verdict": f"no verdict: {long} {long}"},
    ]
    verdicts = sample.results()["verdicts"] | {"lines": lines}
    own = sample.experiment("own", headline=f"{long} {long}")
    own["variants"] = [own["variants"][0] | {"label": f"no. {n}: {long}"} for n in range(11)]
    few = sample.compared_layers()
    few["variants"] = [few["variants"][0] | {"label": f"{long} {n}"} for n in range(4)]
    for function, part in (
        (exact.draw_decided, decided),
        (draw_verdicts, verdicts),
        (experiments.draw_experiment, own),
        (experiments.draw_experiment, few),
        (experiments.draw_experiment, sample.compared_layers()),
        (exact.draw_stress, sample.parts()["stress"]),
    ):
        figure = drawing(function, part)
        frame = figure.bbox
        shown = figure.findobj(lambda artist: hasattr(artist, "get_text") and artist.get_text())
        boxes = {
            text.get_text(): text.get_window_extent()
            for text in shown
            if text.get_visible() and text.axes in (None, *figure.axes)
        }
        # Numbers at the axes are left out: those outside the limits are kept, though not shown.
        boxes = {text: box for text, box in boxes.items() if text.strip("0123456789.−")}
        boxes = {text: box for text, box in boxes.items() if "mathdefault" not in text}
        assert boxes
        for text, box in boxes.items():
            assert box.x0 >= -1 and box.x1 <= frame.x1 + 1, (function.__name__, text)
            assert box.y0 >= -1 and box.y1 <= frame.y1 + 1, (function.__name__, text)
        for text, box in boxes.items():
            for other, other_box in boxes.items():
                assert text == other or not box.overlaps(other_box), (text, other)


CURVES = {"loss": [2.0, 1.0, 0.5], "steps": [0, 2], "accuracy": [0.0, 1.0]}


def test_a_run_of_ones_own_is_saved_and_its_steps_count_from_0(tmp_path):
    pictures.draw_run(CURVES, tmp_path / "run.png")
    assert png_size(tmp_path / "run.png") == (1500, 600)
    figure = Figure()
    experiments.plot_run(figure, CURVES)
    loss, accuracy = figure.axes
    assert points_of(loss) == [[0, 2.0], [1, 1.0], [2, 0.5]]
    assert points_of(accuracy) == [[0, 0.0], [2, 1.0]]


# --- The reader's environment, and text that is not plain.

HOSTILE = """
backend: nonsense
text.usetex: True
text.parse_math: False
text.antialiased: False
lines.linewidth: 9
font.family: serif
font.size: 30
axes.prop_cycle: cycler('color', ['ff0000'])
axes.formatter.use_mathtext: True
savefig.dpi: 30
savefig.format: pdf
savefig.bbox: tight
figure.constrained_layout.use: True
figure.facecolor: red
path.sketch: 3, 100, 2
no.such.key: 1
"""
DRAW = """
import json, sys
from pathlib import Path
from lab import pictures

results, curves = json.load(sys.stdin)
pictures.draw(results, Path(sys.argv[1]))
pictures.draw_run(curves, Path(sys.argv[1], "run.png"))
print(pictures.show_run(curves))
"""


def test_the_readers_environment_changes_no_picture_and_is_silent(drawn, tmp_path):
    results, folder = drawn
    part = {name: results[name] for name in ("stress", "gpu", "errors")}
    part["experiments"] = {"rnn-layers": results["experiments"]["rnn-layers"]}
    (tmp_path / "matplotlibrc").write_text(HOSTILE)
    (tmp_path / "home").write_text("a file, so nothing can be written below it")
    environment = os.environ | {
        "MATPLOTLIBRC": str(tmp_path / "matplotlibrc"),
        "MPLBACKEND": "module://no_such_notebook.backend_inline",
        "MPLCONFIGDIR": str(tmp_path / "home" / "settings"),
        "PYTHONPATH": str(Path(pictures.__file__).parents[2]),
    }
    process = subprocess.run(
        [sys.executable, "-c", DRAW, str(tmp_path / "drawn")],
        input=json.dumps([part, CURVES]),
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (process.returncode, process.stdout, process.stderr) == (0, "False\n", "")
    pictures.draw_run(CURVES, tmp_path / "run.png")
    names = {path.name for path in (tmp_path / "drawn").iterdir()}
    assert len(names) == 5
    for name in names - {"run.png"}:
        assert (tmp_path / "drawn" / name).read_bytes() == (folder / name).read_bytes(), name
    content = (tmp_path / "drawn" / "run.png").read_bytes()
    assert content == (tmp_path / "run.png").read_bytes()


def test_drawing_leaves_the_readers_settings_as_they_are(tmp_path):
    with matplotlib.rc_context({"lines.linewidth": 9, "interactive": True}):
        before = dict(matplotlib.rcParams)
        with style.plain_style():
            assert matplotlib.rcParams["lines.linewidth"] == 1.5  # matplotlib's own
            assert matplotlib.is_interactive()
        assert dict(matplotlib.rcParams) == before


@pytest.mark.parametrize("name", ["agg", "svg", "module://matplotlib_inline.backend_inline"])
def test_without_a_screen_there_is_no_window(name, monkeypatch):
    monkeypatch.setattr(matplotlib, "get_backend", lambda: name)
    assert backend.open_window() is None
    assert pictures.show_run(CURVES) is False


# Between two dollars matplotlib reads a formula, and it takes a backslash before one away.
ODD_TEXTS = ["costs $5 and $6", "a_$b$", r"\$", r"\\$5", r"$\frac$", "$$", "100%", "{x} _^ #&~"]


@pytest.mark.parametrize("text", ODD_TEXTS)
def test_an_escaped_text_is_drawn_as_it_stands(text):
    images = []
    with style.plain_style():
        for shown_text, changes in ((style.escape(text), {}), (text, {"parse_math": False})):
            figure = style.new_figure(figsize=(3, 1))
            figure.text(0.1, 0.4, shown_text, **changes)
            figure.canvas.draw()
            images.append(np.array(figure.canvas.buffer_rgba()))
    assert images[0].min() < 255
    assert np.array_equal(*images)
    assert style.unescape(style.escape(text)) == text


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


@pytest.fixture
def shown_texts(monkeypatch):
    """A function: {picture: all its texts} of results, nothing saved."""
    texts = {}

    def keep(figure, path):
        texts[path.name] = words_of(figure)

    def draw(results, folder):
        texts.clear()
        pictures.draw(results, folder)
        return copy.copy(texts)

    monkeypatch.setattr(pictures, "save", keep)
    return draw


FREE = ["label", "headline", "claim", "name", "kind"]


def test_no_picture_takes_free_text_for_a_formula_or_leaves_it_out(shown_texts, tmp_path):
    odd = r"_$\nothing$ "
    results = replace_texts(sample.results(), FREE, odd)
    texts = shown_texts(results, tmp_path)
    for picture, count in {
        "rnn-layers.png": 5,  # headline, two titles, two rows
        "decided.png": 2,
        "errors.png": 1,
        "memory.png": 2,
        "stress.png": 2,
        "little.png": 1,
        "proof.png": 5,
        "gpu.png": 1,
    }.items():
        words = "\n".join(texts[picture])
        assert words.count(style.escape(r"$\nothing$")) >= count, picture
        assert r"$\nothing$" not in words


def test_long_words_are_broken_between_whole_dollars():
    with style.plain_style():
        figure = style.new_figure()
        for count in (50, 51, 52, 53):
            wrapped = style.wrap_text(figure, style.escape("$" * count), 1)
            assert "\n" in wrapped
            assert set(wrapped.replace(r"\$", "").replace("\n", "")) <= set(" .")


CHINESE = "\u5b66\u4e60"


def list_fonts(*paths):
    """A list of fonts as matplotlib has it, of these files alone."""
    manager = copy.copy(font_manager.fontManager)
    manager.ttflist = []
    for path in paths:
        manager.addfont(path)
    return manager


@pytest.fixture
def machine(monkeypatch):
    """A function that makes this machine one with the fonts of these files, most not yet listed."""

    def have(listed, installed):
        monkeypatch.setattr(font_manager, "fontManager", list_fonts(*listed))
        monkeypatch.setattr(font_manager, "findSystemFonts", lambda: [*listed, *installed])
        fonts.find_fonts.cache_clear()
        fonts.add_new_fonts.cache_clear()

    yield have
    fonts.find_fonts.cache_clear()
    fonts.add_new_fonts.cache_clear()


def own_font(name):
    """A file of one of the fonts that come with matplotlib."""
    return str(Path(matplotlib.get_data_path(), "fonts", "ttf", f"{name}.ttf"))


def test_fonts_are_chosen_for_the_characters_that_matplotlibs_own_lacks(
    machine, monkeypatch, tmp_path
):
    # A stand-in for a font with Chinese: STIXGeneral has a letter that DejaVu Sans lacks.
    others = set(map(chr, fonts.FT2Font(own_font("STIXGeneral")).get_charmap()))
    (letter, *_) = sorted(others - fonts.own_characters())
    monkeypatch.setattr(fonts, "FAMILIES", ["Absent", "cmr10", "STIXGeneral"])
    broken = tmp_path / "broken.ttf"
    broken.write_text("no font")
    machine([own_font("DejaVuSans"), own_font("cmr10")], [str(broken), own_font("STIXGeneral")])
    assert fonts.choose_fonts("plain text, 5 \u00d7 5\n") == ["DejaVu Sans"]
    assert fonts.choose_fonts(f"plain {letter}") == ["DejaVu Sans", "STIXGeneral"]  # a new one
    machine([own_font("DejaVuSans")], [])
    assert fonts.choose_fonts(f"plain {letter}") == ["DejaVu Sans"]


def test_a_picture_with_boxes_is_drawn_again_once_there_is_a_font(tmp_path, monkeypatch, recwarn):
    results = {"experiments": {"own": sample.experiment("own", headline=CHINESE)}}
    results["experiments"]["plain"] = sample.experiment("plain")
    families = {}
    monkeypatch.setattr(fonts, "find_fonts", lambda characters: families.get(characters, []))
    without, _ = pictures.draw(results, tmp_path)
    assert not [warning for warning in recwarn if "Glyph" in str(warning.message)]
    families[frozenset(CHINESE)] = ["DejaVu Serif"]
    with_one, _ = pictures.draw(results | {"pictures": without}, tmp_path)
    assert with_one["own.png"] != without["own.png"]
    assert with_one["plain.png"] == without["plain.png"]


def test_chinese_is_drawn_with_a_font_of_this_machine(caplog, recwarn):
    families = fonts.choose_fonts(CHINESE)
    if families == ["DejaVu Sans"]:
        pytest.skip("no font with Chinese characters")
    images = {}
    for text in CHINESE:
        for name in (families, ["DejaVu Sans"]):
            with style.plain_style(CHINESE):
                figure = style.new_figure(figsize=(1, 1))
                figure.text(0.3, 0.3, text, size=30, family=name, weight="bold")
                figure.canvas.draw()
            images[text, len(name)] = figure.canvas.buffer_rgba().tobytes()
    assert not caplog.records
    assert not [warning for warning in recwarn if "Glyph" in str(warning.message)]
    ours = {images[text, len(families)] for text in CHINESE}
    boxes = {images[text, 1] for text in CHINESE}
    assert len(ours) == 2 and len(boxes) == 1  # all boxes of Chinese characters look alike
