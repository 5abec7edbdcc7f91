"""The looks of the pictures, whatever the texts and the reader's settings; a picture, saved."""

import matplotlib
import numpy as np
import pytest
import sample
from matplotlib.figure import Figure

from lab import style


def test_drawing_leaves_the_readers_settings_as_they_are():
    with matplotlib.rc_context({"lines.linewidth": 9, "interactive": True}):
        before = dict(matplotlib.rcParams)
        with style.plain_style():
            assert matplotlib.rcParams["lines.linewidth"] == 1.5  # matplotlib's own
            assert matplotlib.is_interactive()
        assert dict(matplotlib.rcParams) == before


# Between two dollars matplotlib reads a formula, and it takes a backslash before one away.
ODD_TEXTS = ["costs $5 and $6", "a_$b$", r"\$", r"\\$5", r"$\frac$", "$$", "100%", "{x} _^ #&~"]


@pytest.mark.parametrize("text", ODD_TEXTS)
def test_a_text_is_drawn_as_it_stands(text):
    images = []
    with style.plain_style():
        for words, changes in ((text, {}), (text.replace("$", r"\$"), {"parse_math": True})):
            figure = style.new_figure(figsize=(3, 1))
            figure.text(0.1, 0.4, words, **changes)
            figure.canvas.draw()
            images.append(np.array(figure.canvas.buffer_rgba()))
    assert images[0].min() < 255
    assert np.array_equal(*images)


def test_long_words_are_broken_and_wide_letters_count_twice():
    assert style.wrap("$" * 12, 10) == "$" * 10 + "\n$$"
    assert style.wrap("one two\nthree", 5) == "one\ntwo\nthree"
    assert style.wrap(CHINESE * 6, 20) == f"{CHINESE * 5}\n{CHINESE}"
    assert style.wrap("word " * 50, 10).count("\n") == 3


CHINESE = "\u5b66\u4e60"


def test_the_first_known_font_of_this_machine_is_chosen(monkeypatch):
    monkeypatch.setattr(style, "CHINESE_FONTS", ["Absent", "cmr10", "STIXGeneral"])
    assert style.choose_fonts() == ["DejaVu Sans", "cmr10"]
    monkeypatch.setattr(style, "CHINESE_FONTS", ["Absent"])
    assert style.choose_fonts() == ["DejaVu Sans"]


def test_letters_that_no_font_has_are_boxes_and_no_warning(caplog, recwarn, tmp_path, monkeypatch):
    monkeypatch.setattr(style, "CHINESE_FONTS", ["cmr10"])
    own = sample.experiment("own", headline=CHINESE)
    style.save_picture(sample.PARTS["my_own"].draw, own, tmp_path / "own.png")
    assert not caplog.records and not recwarn.list


def test_chinese_is_drawn_with_a_font_of_this_machine(caplog, recwarn):
    families = style.choose_fonts()
    if families == ["DejaVu Sans"]:
        pytest.skip("no font with Chinese characters")
    images = {}
    for text in CHINESE:
        for name in (families, ["DejaVu Sans"]):
            with style.plain_style():
                figure = style.new_figure(figsize=(1, 1))
                figure.text(0.3, 0.3, text, size=30, family=name, weight="bold")
                figure.canvas.draw()
            images[text, len(name)] = figure.canvas.buffer_rgba().tobytes()
    assert not caplog.records
    assert not [warning for warning in recwarn if "Glyph" in str(warning.message)]
    ours = {images[text, len(families)] for text in CHINESE}
    boxes = {images[text, 1] for text in CHINESE}
    assert len(ours) == 2 and len(boxes) == 1  # all boxes of Chinese characters look alike


def test_many_variants_have_as_many_colours():
    for count in (1, 7, 8, 30):
        assert len({tuple(map(str, colour)) for colour in style.choose_colours(count)}) == count


@pytest.mark.parametrize(("limits", "ticks"), [((2, 8), [2, 4, 6, 8]), ((1, 150), [1, 10, 100])])
def test_a_log_axis_has_a_few_round_numbers(limits, ticks):
    with style.plain_style():
        figure = style.new_figure()
        axes = figure.subplots()
        axes.set(xscale="log", xlim=limits)
        style.label_log_axis(axes.xaxis)
        figure.draw_without_rendering()
    labels = [label.get_text() for label in axes.get_xticklabels(which="both")]
    shown = [label for label in labels if limits[0] <= float(label) <= limits[1]]
    assert shown == [f"{tick}" for tick in ticks]


# --- Saving.


def test_a_result_that_cannot_be_drawn_is_an_error_of_one_line(tmp_path):
    def draw(figure, result):
        raise ValueError("the first line,\nand the second")

    with pytest.raises(style.PictureError) as raised:
        style.save_picture(draw, {}, tmp_path / "mine.png")
    message = "mine.png cannot be drawn (ValueError: the first line, and the second)"
    assert str(raised.value) == message
    assert not list(tmp_path.iterdir())


def test_a_picture_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "mine.png"
    path.write_bytes(b"of before")

    def break_off(figure, aside, **style):
        aside.write_bytes(b"half")
        raise KeyboardInterrupt

    def draw(figure, result):
        figure.text(0, 0, result)

    with monkeypatch.context() as patch:
        patch.setattr(Figure, "savefig", break_off)
        with pytest.raises(KeyboardInterrupt):
            style.save_picture(draw, "7 + 5", path)
    assert path.read_bytes() == b"of before" and list(tmp_path.iterdir()) == [path]
    style.save_picture(draw, "7 + 5", path)
    assert path.read_bytes()[:4] == b"\x89PNG" and list(tmp_path.iterdir()) == [path]
