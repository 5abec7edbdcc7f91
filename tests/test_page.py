"""The page, against counts by hand and Python's own HTML parser."""

import html.parser
import re

import pytest
import sample

from lab import page, report

RUNNING = {"names": ["cells", "a <b>"], "share": 0.37, "at": "17:05:12"}


class Reader(html.parser.HTMLParser):
    """What a browser would find: ids, links, pictures, open elements, the text."""

    def __init__(self, text):
        super().__init__()
        self.ids = []
        self.links = []
        self.pictures = []
        self.open = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        if "id" in attributes:
            self.ids.append(attributes["id"])
        if tag == "a":
            self.links.append(attributes["href"])
        if tag == "img":
            self.pictures.append(attributes["src"])
        self.open.append(tag)

    def handle_endtag(self, tag):
        while self.open[-1] in ("meta", "img", "br"):  # never closed, or within their own tag
            if self.open.pop() == tag:
                return
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def written(results, folder, running=None):
    """(README.md, index.html) of `results`."""
    page.write(results, folder, running)
    assert {path.name for path in folder.iterdir()} == {"README.md", "index.html"}
    return [(folder / name).read_text(encoding="utf-8") for name in ("README.md", "index.html")]


def section(text, heading):
    """The part of a Markdown text under a heading."""
    return text.split(f"\n## {heading}\n")[1].split("\n## ")[0]


@pytest.mark.parametrize(
    ("values", "words"),
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
def test_a_spread_is_the_median_and_the_range(values, words):
    assert page.spread(values) == words


def every_part_alone():
    """Results with all, nothing, and each part by itself."""
    everything = sample.results()
    yield everything
    yield {}
    yield {"names": ["slow"], "experiments": {}}
    for name in everything:
        yield {name: everything[name]}
    for name, experiment in everything["experiments"].items():
        yield {"experiments": {name: experiment}}


@pytest.mark.parametrize("results", list(every_part_alone()))
def test_a_page_of_what_is_there_is_always_possible(results, tmp_path):
    text, browser = written(results, tmp_path)
    for bad in ("None", "{", "\n\n\n", "Undefined", "&amp;lt;"):
        assert bad not in text
    body = browser.split("</style>")[1]
    assert "None" not in body and "{" not in body
    reader = Reader(browser)
    assert reader.open == []
    assert text.endswith("\n") and not text.endswith("\n\n")


def test_links_lead_to_the_same_headings_on_both_pages(tmp_path):
    text, browser = written(sample.results(), tmp_path)
    reader = Reader(browser)
    assert len(reader.links) == 9  # four experiments, CUDA, four parts
    assert {link.removeprefix("#") for link in reader.links} <= set(reader.ids)
    assert len(set(reader.ids)) == len(reader.ids)
    assert re.findall(r"\]\((#[^)]*)\)", text) == reader.links
    assert "rnn-layers-rnn-with-1-and-3-layers" in reader.ids


@pytest.mark.parametrize(
    ("heading", "name"),  # as GitHub names them
    [
        ("1000-digits: Long numbers: 1000 digits", "1000-digits-long-numbers-1000-digits"),
        ("my_own", "my_own"),
        ("Size, 2 & 3", "size-2--3"),
    ],
)
def test_an_anchor_is_that_of_github(heading, name):
    assert page.anchor(heading) == name


def test_free_text_stands_as_it_is(tmp_path):
    name = "lr*2_x | <b> & [y](z) `q` & co"
    title = "A *title* <i>with</i> __everything__ | and \\ more"
    experiment = sample.experiment(
        name, title=title, says="*so* | <u>", picture="a b.png", differences=["a_b is |, not <s>"]
    )
    _, browser = written({"experiments": {name: experiment}}, tmp_path)
    reader = Reader(browser)
    assert reader.text.count(f"{name}: {title}") == 2
    assert "*so* | <u>" in reader.text
    assert "a_b is |, not <s>" in reader.text
    assert reader.pictures == ["a%20b.png"]
    assert [link.removeprefix("#") for link in reader.links] == [
        reader.ids[reader.ids.index("the-experiments") + 1]
    ]


def test_each_kind_of_experiment_says_what_its_verdict_is(tmp_path):
    text, _ = written(sample.results(), tmp_path)
    layers = section(text, "rnn-layers: RNN with 1 and 3 layers")
    assert "**The report shows, section 2.3.1:** three layers fastest (0.9 at step 190)." in layers
    assert "更快达到收敛 | three layers at 0.9 before one layer | 1 of 2 seeds |" in layers
    assert "| 1 of 2 seeds | depends on the seed, with 5 pairs a step |" in layers
    assert "| 1 layer | never (20 to never) | never | never | 0.25 | 0.3 (0.1 to 0.5) |" in layers
    assert "| 0.3 (0.1 to 0.5) | 15 (10 to 20) | 3 (2.5 to 3.5) |" in layers
    assert "| 3 (2.5 to 3.5) | 7 + 5 gives 11, not 12 |" in layers
    assert "- Ended early, 1 layer, seed 1: the loss is not finite." in layers
    assert "- Undecided, 1 layer, seed 0: no interval step for Foo." in layers
    assert "Settings: layers compared, digitlen 10, cell RNN, lr 0.001," in layers
    assert "seeds 0, 1." in layers
    own = section(text, r"my\_own")
    assert "This experiment is not the report" in own
    assert "The report" not in own
    wide = section(text, "wide: The simple adder")
    assert "no verdict on the report: " in wide
    assert "\n- batch\\_size is 1000, the report's is 100\n" in wide
    assert "| claim |" not in own + wide


def test_an_experiment_says_by_what_it_was_made_where_it_differs(tmp_path):
    text, _ = written(sample.results(), tmp_path)
    assert "Made by 2 runs, 0.25 seconds of work; 1 of them cached." in section(text, r"my\_own")
    wide = section(text, "wide: The simple adder")
    assert "**Unlike most others:** torch 2.12.1,\nCPU arm64." in wide
    assert text.count("Unlike most others") == 2  # and the lengths
    old = section(text, "old")
    assert "From an earlier run" in old and "9.5 seconds of work." in old
    assert text.count("From an earlier run") == 1
    assert text.index("\n## wide") < text.index("\n## old") < text.index("\n## Decided")
    assert "without results so far: slow." in text
    assert "Not in it: old, errors, memory" in text


def test_the_exact_part_has_its_counts(tmp_path):
    text, _ = written(sample.results(), tmp_path)
    words = " ".join(text.split())
    assert "3 of the 4 counterexamples are wrong in all three." in words
    assert "not in all three: 5 + 5 gives 0, not 10." in words
    assert "| carry lost | 0 | 1 |" in text
    assert (
        "1 of the adders add all of them correctly, the worst has 100 wrong sums in a mill" in words
    )
    assert "it ends at 123 in a million" in words
    assert "| rnn-layers | 1 of 1 | 2 | -3 |" in text
    assert "| RNN, trained for the proof | 0 of 1 | never | 5 |" in text
    assert (
        "RNN: trained on numbers of at most 5 digits, it gets 99.5% or more of 100 random pairs "
        "right at each of 10, 1000 digits, on average." in words
    )
    assert "3 of the 4 RNNs are wrong on a pair of at most 2 digits." in words
    assert "71 parameters in all" in words and "It is proven, with a least margin of 0.975" in words
    assert "2 of the 4 of the experiments end at 100% on random pairs: 2 of" in words
    assert "Of all that were trained 4 are wrong, 1 proven correct" in words
    assert "proven correct for numbers of any length, 1 undecided." in words
    assert "| RNN, 1 layer | 1 of 2 seeds | 1 | 3.36 | 1e-09 | 0.625 (0.5 to 0.75) |" in text
    assert "| 1,000,000 | 3 long-carry | 3 | 1,234,568 |" in text
    assert "| trained at" not in text and "4 of 4 sums correct" in text
    assert "| 10 | 3 (2 to 9) | 4.9 |\n| 100 | 18 | 37 |" in text


def test_a_run_that_goes_on_is_on_the_page_in_the_browser_only(tmp_path):
    still, done = written(sample.results(), tmp_path)
    text, running = written(sample.results(), tmp_path, RUNNING)
    assert text == still
    assert 'http-equiv="refresh" content="5"' in running
    words = "37% done. Still running: cells, a <b>. Written at 17:05:12."
    assert words in Reader(running).text
    assert "refresh" not in done and "Still running" not in done


def test_the_status_alone_can_be_written_again(tmp_path):
    _, done = written(sample.results(), tmp_path)
    _, running = written(sample.results(), tmp_path, RUNNING)
    page.write_status(tmp_path, RUNNING | {"share": 0.5, "names": [r"\1"]})
    later = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert later == running.replace("37%", "50%").replace("cells, a &lt;b&gt;", r"\1")
    page.write_status(tmp_path, None)
    assert (tmp_path / "index.html").read_text(encoding="utf-8") == done
    (tmp_path / "index.html").unlink()
    page.write_status(tmp_path, RUNNING)
    assert [path.name for path in tmp_path.iterdir()] == ["README.md"]


def test_a_picture_drawn_again_is_another_one_to_the_browser(tmp_path):
    results = sample.results()
    sources = []
    for digest in ("a" * 64, "b" * 64):
        results["pictures"] = {"gpu.png": digest}
        text, browser = written(results, tmp_path)
        sources.append([name for name in Reader(browser).pictures if name.startswith("gpu.png")])
        assert "](gpu.png)" in text
    assert sources == [["gpu.png?aaaaaaaaaaaa"], ["gpu.png?bbbbbbbbbbbb"]]


def test_no_text_is_taken_for_a_row_of_a_table(tmp_path):
    text, _ = written(sample.results(), tmp_path)
    lines = text.splitlines()
    for row, line in zip(lines, lines[1:], strict=False):
        if row.startswith("|"):
            assert not line or line.startswith("|"), line


@pytest.mark.parametrize("seeds", [1, 2, 3, 4, 12])
def test_the_rule_is_said_of_any_number_of_seeds(tmp_path, seeds):
    rule = {"confidence": 0.95, "counts": [report.count_rule(seeds)]}
    text, _ = written(sample.results() | {"rule": rule}, tmp_path)
    said = {
        1: "1 seed is too few for either.",
        2: "2 seeds are too few for either.",
        3: "3 seeds are too few for either.",
        4: "Of 4 seeds, 4 yes: it holds; 0 yes: it does not hold.",
        12: "Of 12 seeds, 9 or more yes: it holds; 3 or fewer yes: it does not hold.",
    }
    assert said[seeds] in text
    assert ("The range of 1 seeds" in text) is False
    assert (f"The range of {seeds} seeds holds" in text) == (seeds > 1)


def test_what_the_last_run_of_everything_left_out_is_named(tmp_path):
    text, _ = written(sample.results(), tmp_path)
    named = text.split("Not in it: ")[1].split(". The section")[0].split(", ")
    ran = sample.results()["made"]["ran"]
    assert "errors" in named and not set(ran) & set(named)
