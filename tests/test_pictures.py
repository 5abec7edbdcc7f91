"""What is drawn, against counts by hand; what is drawn again, and what goes."""

import json

import sample
from matplotlib.figure import Figure

from lab import pictures


def write_files(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_the_band_is_the_range_and_the_line_the_median():
    runs = [
        {"accuracy": [0.0, 1.0], "error": None},
        {"accuracy": [0.0, 0.2, 0.4, 0.6], "error": None},
        {"accuracy": [0.5, 0.5], "error": "nan"},
    ]
    low, median, high = pictures.summarize(runs, [10, 20, 30, 40], "accuracy")
    assert low.tolist() == [0.0, 0.2, 0.4, 0.6]
    assert high.tolist() == [0.5, 1.0, 1.0, 1.0]
    assert median.tolist() == [0.0, 0.5, 0.7, 0.8]


def test_an_experiment_has_a_line_a_variant_and_a_diamond_a_value():
    figure = Figure()
    pictures.draw_experiment(figure, sample.results()["experiments"]["rnn-layers"])
    loss, accuracy = figure.axes
    assert [len(loss.lines), len(loss.collections)] == [3, 2]
    points = [line.get_xydata().tolist() for line in accuracy.lines[2:4]]
    assert points == [[[15, 0.9]], [[5, 0.5]]]
    three_layers = accuracy.lines[1].get_color()
    assert accuracy.lines[2].get_color() == three_layers != accuracy.lines[3].get_color()
    assert [text.get_text() for text in figure.legends[0].get_texts()][2] == "the report"


def test_every_claim_is_a_line_with_a_mark_a_seed():
    figure = Figure()
    pictures.draw_verdicts(figure, sample.results()["verdicts"])
    (axes,) = figure.axes
    words = [text.get_text() for text in axes.texts]
    assert words[:4] == [
        "rnn-layers: RNN with 1 and 3 layers",
        "",
        "both reach 100%",
        "does not hold",
    ]
    assert words[5].startswith("depends on the seed (1 of 2), with ")
    assert [line.get_fillstyle() for line in axes.lines] == ["none", "none", "full", "none"]


def test_every_adder_is_a_mark():
    figure = Figure()
    decided = sample.results()["decided"]
    pictures.draw_decided(figure, decided)
    (axes,) = figure.axes
    assert len(axes.lines) == decided["adders"] == 6
    fills = [line.get_fillstyle() for line in axes.lines]
    assert fills == ["full", "full", "none", "none", "full", "none"]
    assert "2 of 4 adders that were evaluated end at 100%" in figure.get_suptitle()
    written = [text.get_text() for text in axes.texts]
    assert written == ["58 + 61 gives 129, not 119", "5 + 5 gives 0, not 10"]


def test_what_is_drawn_is_drawn_once_and_only_what_was_drawn_goes(tmp_path):
    results = sample.results()
    results["pictures"] = pictures.draw(results, tmp_path)
    names = {"old", "rnn-layers", "my_own", "wide", "gpu", "stress", "proof", "decided", "verdicts"}
    assert results["pictures"].keys() == {f"{name}.png" for name in names}
    assert {path.stem for path in tmp_path.iterdir()} == names
    drawn = write_files(tmp_path)

    # nothing changed but what made it: nothing is drawn; what is not there is
    for path in tmp_path.iterdir():
        path.write_bytes(b"seen")
    (tmp_path / "old.png").unlink()
    (tmp_path / "my own.png").write_bytes(b"mine")
    results["experiments"]["wide"]["made"]["seconds"] = 1e6
    assert pictures.draw(results, tmp_path) == results["pictures"]
    now = write_files(tmp_path)
    assert now.pop("old.png") == drawn["old.png"]
    assert {name: content for name, content in now.items() if content != b"seen"} == {
        "my own.png": b"mine"
    }

    # one part changed, one gone: the first is drawn, the second taken away, nothing else touched
    results = json.loads(json.dumps(results))
    results["experiments"]["wide"]["headline"] = "another"
    del results["experiments"]["old"], results["stress"]
    after = pictures.draw(results, tmp_path)
    assert after.keys() == results["pictures"].keys() - {"old.png", "stress.png"}
    again = write_files(tmp_path)
    assert again.keys() == after.keys() | {"my own.png"}
    assert {name for name, content in again.items() if content not in (b"seen", b"mine")} == {
        "wide.png"
    }
