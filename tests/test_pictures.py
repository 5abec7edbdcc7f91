"""What is drawn and what is taken away, against counts by hand."""

import ast
import struct
from pathlib import Path

import numpy as np
import pytest
import sample
from matplotlib.figure import Figure

from lab import pictures


def of_run(accuracy, error=None):
    """A run evaluated every 10 steps, at a loss of 1."""
    steps = [10 * (place + 1) for place in range(len(accuracy))]
    loss = [1.0] * len(accuracy)
    return {"accuracy": accuracy, "steps": steps, "loss": loss, "error": error}


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
    results["pictures"] = pictures.draw(results, folder)
    return results, folder


# --- Which pictures are drawn, and which go.


def test_every_part_has_its_picture_and_the_list_names_them(drawn):
    results, folder = drawn
    parts = ["verdicts", "decided", "stress", "proof", "gpu"]
    names = {f"{name}.png" for name in [*results["experiments"], *parts]}
    assert set(results["pictures"]) == names == {path.name for path in folder.iterdir()}
    assert all(png_size(folder / name) > (1000, 300) for name in names)


def redrawn(results, drawn_before, tmp_path):
    """The names of the pictures that `draw` draws of `results` where those of `drawn` are there."""
    for name in drawn_before[0]["pictures"]:
        (tmp_path / name).write_text("as before")
    listed = pictures.draw(results, tmp_path)
    changed = {path.name for path in tmp_path.iterdir() if path.read_bytes()[:4] == b"\x89PNG"}
    assert set(listed) >= changed
    return changed


def test_what_did_not_change_is_not_drawn_again(drawn, tmp_path):
    results, folder = drawn
    assert redrawn(results, drawn, tmp_path) == set()
    (tmp_path / "gpu.png").unlink()
    assert pictures.draw(results, tmp_path) == results["pictures"]
    assert png_size(tmp_path / "gpu.png") == png_size(folder / "gpu.png")


def test_a_changed_value_draws_its_own_picture_and_no_other(drawn, tmp_path):
    results = sample.results() | {"pictures": drawn[0]["pictures"]}
    results["experiments"]["my_own"]["variants"][0]["runs"][0]["accuracy"][0] = 0.25
    results["stress"]["made"]["seconds"] = 1e6  # by what it was made is on the page only
    assert redrawn(results, drawn, tmp_path) == {"my_own.png"}


def test_changed_code_draws_all_and_changed_docstrings_none(drawn, tmp_path, monkeypatch):
    results, _ = drawn
    tree = pictures.code()
    text = Path(pictures.__file__).read_text(encoding="utf-8")
    assert '"""Loss and accuracy against step' in text
    other = tmp_path / "other.py"
    monkeypatch.setattr(pictures, "__file__", str(other))
    other.write_text(text.replace('"""Loss and accuracy against step', '# x\n    """Other words'))
    assert pictures.code.__wrapped__() == tree
    other.write_text(text.replace("linewidth=1.8", "linewidth=1.9"))
    assert pictures.code.__wrapped__() != tree
    assert ast.parse(other.read_text())
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
    assert pictures.draw(results, tmp_path) == {"old.png": "digest"}
    assert pictures.draw({}, tmp_path) == {}


def test_a_proof_without_portraits_has_no_picture(tmp_path):
    proof = sample.parts()["proof"] | {"portraits": []}
    assert pictures.draw({"proof": proof}, tmp_path) == {}


# --- What they show.


def test_the_band_is_the_range_and_the_line_the_median():
    runs = [of_run([0.0, 1.0]), of_run([0.0, 0.2, 0.4, 0.6]), of_run([0.5, None], error="nan")]
    low, median, high = pictures.median_and_range(runs, [10, 20, 30, 40], "accuracy")
    assert low.tolist() == [0.0, 0.2, 0.4, 0.6]
    assert high.tolist() == [0.5, 1.0, 1.0, 1.0]
    assert np.allclose(median, [0.0, 0.6, 0.7, 0.8])


def test_an_experiment_has_a_line_a_variant_and_a_diamond_a_value():
    figure = Figure()
    pictures.draw_experiment(figure, sample.compared_layers())
    loss, accuracy = figure.axes
    assert [len(loss.lines), len(loss.collections)] == [3, 2]
    one, three, of_three, of_none = accuracy.lines[:4]
    assert one.get_xydata().tolist() == [[10, 0.0], [20, 0.05], [30, 0.5]]
    assert three.get_xydata().tolist() == [[10, 0.45], [20, 1.0], [30, 1.0], [40, 1.0]]
    assert [line.get_xydata().tolist() for line in (of_three, of_none)] == [[[15, 0.9]], [[5, 0.5]]]
    assert of_three.get_color() == three.get_color() != one.get_color()
    assert of_none.get_color() == "white"
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert legend == ["1 layer: never", "3 layers: step 20", "the report"]


def test_many_variants_have_as_many_colours():
    for count in (1, 7, 8, 30):
        assert len({tuple(map(str, colour)) for colour in pictures.choose_colours(count)}) == count


def test_every_claim_is_a_line_with_a_mark_a_seed():
    figure = Figure()
    pictures.draw_verdicts(figure, sample.results()["verdicts"])
    (axes,) = figure.axes
    assert [text.get_text() for text in axes.texts] == [
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


def test_counts_are_over_the_adders_whose_accuracy_was_evaluated():
    figure = Figure()
    pictures.draw_decided(figure, sample.parts()["decided"])
    words = words_of(figure)
    assert (
        "2 of 4 adders whose accuracy was evaluated end at 100% on random pairs:\n"
        "2 of these are wrong on a pair of 2 digits or fewer"
    ) in words
    assert {"rnn-layers (4)", "proven,\nRNN (2)", "58 + 61 gives 129, not 119"} <= set(words)
    (axes,) = figure.axes
    marks = [(line.get_marker(), line.get_fillstyle()) for line in axes.lines]
    assert sorted(marks) == sorted(
        [("o", "full")] * 2 + [("o", "none")] * 2 + [("D", "full"), ("x", "none")]
    )


def test_nothing_evaluated_and_nothing_refuted_have_titles_of_their_own():
    decided = sample.parts()["decided"]
    assert pictures.title_decided(decided | {"evaluated": 0}) == "1 of 6 adders are proven correct"
    words = pictures.title_decided(decided | {"perfect_but_wrong": 0, "most_digits": 0})
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
    own = sample.experiment("own", headline=f"{long} {long}")
    own["variants"] = [
        own["variants"][0] | {"label": str(n), "legend": f"no. {n}: {long}"} for n in range(25)
    ]
    for function, part in (
        (pictures.draw_decided, decided),
        (pictures.draw_verdicts, {"lines": lines}),
        (pictures.draw_experiment, own),
        (pictures.draw_stress, sample.parts()["stress"]),
    ):
        with pictures.matplotlib.rc_context(pictures.STYLE):
            figure = Figure()
            function(figure, part)
            figure.draw_without_rendering()
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


def test_a_run_of_ones_own_is_saved(tmp_path):
    curves = {"loss": [2.0, 1.0, 0.5], "steps": [1, 3], "accuracy": [0.0, 1.0]}
    pictures.draw_run(curves, tmp_path / "run.png")
    assert png_size(tmp_path / "run.png") == (1500, 600)
