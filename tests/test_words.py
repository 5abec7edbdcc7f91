"""Words of the page, by hand; Markdown, against a browser's view of it."""

import html

import markdown
import pytest
import sample

from lab import words


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ([], "none"),
        ([3.0], "3"),
        ([2, 2, 2], "2"),
        ([1, 9, 5], "5 (1 to 9)"),
        ([40, None, 30], "40 (30 to never)"),
        ([None, None], "never"),
        ([0.123456, 0.2], "0.1617 (0.1235 to 0.2)"),
    ],
)
def test_a_spread_is_the_median_and_the_range(values, said):
    assert words.spread(values) == said


@pytest.mark.parametrize(
    ("heading", "name"),  # as GitHub names them
    [
        ("1000-digits: Long numbers: 1000 digits", "1000-digits-long-numbers-1000-digits"),
        ("my_own", "my_own"),
        ("Size, 2 & 3", "size-2--3"),
    ],
)
def test_an_anchor_is_that_of_github(heading, name):
    assert words.anchor(heading) == name


def test_free_text_has_no_mark_up_and_stays_on_its_line():
    text = "a *b* _c_ `d` [e](f) \\g <i>h</i> | &amp; i\n# j"
    line = text.replace("\n", " ")
    assert (
        markdown.markdown(words.escape(text), extensions=["tables"])
        == f"<p>{html.escape(line, quote=False)}</p>"
    )
    assert words.table(["x", "y"], [[words.escape("a | b"), 2]]).splitlines() == [
        "| x | y |",
        "| --- | --- |",
        "| a \\| b | 2 |",
    ]


def test_a_link_names_the_section_of_a_part():
    assert words.heading("gpu", "CUDA") == "gpu: CUDA"
    assert words.heading("my_own", "my_own") == "my_own"
    assert words.link("my_own", "50% é") == "[my\\_own: 50% é](#my_own-50-%C3%A9)"


def test_paragraphs_and_counts():
    assert words.join("a", "", None, "b") == "a\n\nb"
    assert [words.count(number, "seed") for number in (0, 1, 8)] == ["0 seeds", "1 seed", "8 seeds"]
    times = [words.duration(seconds) for seconds in (2.3094, 99.4, 100, 798)]
    assert times == ["2.31 seconds", "99.4 seconds", "1.7 minutes", "13.3 minutes"]
    assert words.known([0, None, 1.5]) == [0, 1.5]


def test_readings_have_a_row_each():
    claims = sample.compared_layers()["claims"]
    lines = words.list_claims(claims, "seeds").splitlines()
    assert lines[0].endswith(" | verdict | asked of each of our seeds | true for |")
    assert lines[2:] == [
        "| both reach 100% | 准确率均可到达100% | does not hold: 0 of 2 "
        "| each of the two at 1.0 at some evaluation | 0 of 2 |",
        "| three layers are first | RNN-3最佳,更快达到收敛 "
        "| depends on the seed: 1, 2 of 2, with 5 pairs a step "
        "| three layers at 0.9 before one layer; a tie is a no | 1 of 2 |",
        "|  |  |  | not after one layer | 2 of 2 |",
    ]
    assert words.list_claims([], "seeds") == ""
    odd = {"asked": "a | b", "answers": [True], "note": "*c*"}
    claim = {"claim": "x | y", "words": "_z_", "readings": [odd], "verdict": "holds", "note": ""}
    (row,) = words.list_claims([claim], "times").splitlines()[2:]
    assert row == r"| x \| y | \_z\_ | holds: 1 of 1 | a \| b; \*c\* | 1 of 1 |"


def test_a_verdict_is_said_with_its_counts():
    def say(note, *counts):
        readings = [{"answers": [True] * yes + [False] * (8 - yes)} for yes in counts]
        verdict = {"verdict": "depends on the reading", "readings": readings, "note": note}
        return words.say_verdict(verdict)

    assert say("", 8, 7, 3) == "depends on the reading: 8, 7, 3 of 8"
    assert say("of ours alone", 0) == "depends on the reading: 0 of 8, of ours alone"
