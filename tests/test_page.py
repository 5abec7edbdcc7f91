"""The page against counts by hand, and its two forms against each other."""

import re

import pytest
import sample

from lab import page


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ([], "none"),
        ([3.0], "3"),
        ([2, 2, 2], "2"),
        ([1, 9, 5], "5 (1 to 9)"),
        ([40, None, 30], "40 (30 to never)"),
        ([None, None], "never"),
        ([0.123456, 0.2], "0.2 (0.1235 to 0.2)"),
    ],
)
def test_a_spread_is_the_median_and_the_range(values, words):
    assert page.spread(values) == words


def test_the_page_shows_every_part_and_no_gaps():
    text = page.render(sample.results())
    assert "None" not in text and "{" not in text and "\n\n\n\n" not in text
    pictures = [
        "old",
        "rnn-layers",
        "my_own",
        "wide",
        "gpu",
        "stress",
        "proof",
        "decided",
        "verdicts",
    ]
    for name in pictures:
        assert text.count(f"]({name}.png)") == 1
    assert "2 of the 4 whose accuracy was evaluated" in text
    assert "| three layers are first | 1 of 2 seeds | depends on the seed, with " in text
    assert "- batch_size is 1000, the report's is 100" in text
    assert "Undecided, 1 layer, seed 0: no interval step for Foo." in text
    assert "| RNN, 1 layer | 1 of 2 seeds | 3.36 |" in text
    sections = re.split(r"\n## ", text)
    order = [section.split(":")[0].split("\n")[0] for section in sections[1:5]]
    assert order == ["rnn-layers", "my_own", "wide", "old"], "those of EXPERIMENTS come first"
    assert ["an earlier run" in section for section in sections[1:5]] == [False, False, False, True]


def test_what_made_a_part_is_said_where_it_differs_from_most():
    sections = re.split(r"\n## ", page.render(sample.results()))
    unlike = {
        section.split(":")[0].split("\n")[0] for section in sections if "unlike most" in section
    }
    assert unlike == {"wide", "Length"}
    wide = next(section for section in sections if section.startswith("wide"))
    assert "unlike most of the page by torch 2.12.1, device CPU arm64." in wide


def test_both_forms_have_the_same_links_and_words(tmp_path):
    page.write(sample.results(), tmp_path)
    text = (tmp_path / "README.md").read_text()
    shown = (tmp_path / "index.html").read_text()
    links = re.findall(r"\]\(#([^)]+)\)", text)
    headings = [page.anchor(heading) for heading in re.findall(r"^#+ (.*)$", text, re.MULTILINE)]
    assert len(links) == 6 and set(links) <= set(headings)
    for link in links:
        assert f'href="#{link}"' in shown and f'id="{link}"' in shown
    assert shown.count("<img ") == text.count("![")
    assert shown.count("<table>") == shown.count('<div class="table">') == text.count("| --- |\n")
    assert "Settings: digitlen 10" in shown and "max-width" in shown
    assert 'http-equiv="refresh"' not in shown and 'class="running"' not in shown


def test_while_a_run_goes_on_the_html_alone_says_so(tmp_path):
    page.write(sample.results(), tmp_path)
    before = (tmp_path / "README.md").read_text()
    running = {"names": ["cells", "a<b"], "share": 0.374, "at": "17:05:12"}
    page.write(sample.results(), tmp_path, running)
    assert (tmp_path / "README.md").read_text() == before
    shown = (tmp_path / "index.html").read_text()
    assert 'http-equiv="refresh" content="5"' in shown
    assert "Running, 37% done: cells, a&lt;b. Written at 17:05:12" in shown


@pytest.mark.parametrize(
    "part", ["names", "made", "rule", "gpu", "stress", "lengths", "proof", "decided", "verdicts"]
)
def test_a_page_of_what_is_finished_is_always_possible(part, tmp_path):
    results = sample.results()
    del results[part]
    assert "None" not in page.render(results)
    page.write({"experiments": {}}, tmp_path)
    assert "None" not in (tmp_path / "README.md").read_text()
