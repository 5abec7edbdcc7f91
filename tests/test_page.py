"""The page, against counts by hand and Python's own HTML parser."""

import html.parser
import re

import pytest
import sample

from lab import page
from lab.parts.experiment import Experiment
from lab.report import rules

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


def written(results, waiting=(), running=None, parts=sample.PARTS):
    """(README.md, index.html) of `results`."""
    body = page.to_body(page.to_markdown(results, parts, waiting), results["pictures"])
    return page.to_markdown(results, parts), page.to_html(body, running)


def section(text, heading):
    """The part of a Markdown text under a heading."""
    return text.split(f"\n## {heading}\n")[1].split("\n## ")[0]


def with_overviews(entries):
    """Results of these entries and of the overviews that follow from them."""
    overviews = {name: part.result(entries) for name, part in sample.OVERVIEWS.items()}
    made = {name: entry for name, entry in overviews.items() if entry is not None}
    return {"parts": entries | made, "pictures": {}}


def every_part_alone():
    """Results with all, nothing, and each part by itself."""
    everything = sample.results()
    yield everything
    yield with_overviews({})
    for name, entry in everything["parts"].items():
        yield with_overviews({name: entry})


@pytest.mark.parametrize("results", list(every_part_alone()))
def test_a_page_of_what_is_there_is_always_possible(results):
    text, browser = written(results)
    for bad in ("None", "{", "\n\n\n", "&amp;lt;"):
        assert bad not in text
    body = browser.split("</style>")[1]
    assert "None" not in body and "{" not in body
    assert Reader(browser).open == []
    assert text.endswith("\n") and not text.endswith("\n\n")


def test_links_lead_to_the_same_headings_on_both_pages():
    text, browser = written(sample.results())
    reader = Reader(browser)
    assert len(reader.links) == 4  # three experiments, CUDA
    assert {link.removeprefix("#") for link in reader.links} <= set(reader.ids)
    assert len(set(reader.ids)) == len(reader.ids)
    assert re.findall(r"\]\((#[^)]*)\)", text) == reader.links
    assert "rnn-layers-rnn-with-1-and-3-layers" in reader.ids
    drawn = [f"{name}.png" for name in sample.PARTS if name != "long_numbers"]
    assert reader.pictures == drawn


def test_free_text_stands_as_it_is():
    name = "lr*2_x | <b> & [y](z) `q` & co"
    title = "A *title* <i>with</i> __everything__ | and \\ more"
    experiment = sample.experiment(
        name, title=title, says="*so* | <u>", differences=["a_b is |, not <s>"]
    )
    parts = sample.OVERVIEWS | {name: Experiment((), ())}
    _, browser = written(with_overviews({name: experiment}), parts=parts)
    reader = Reader(browser)
    assert reader.text.count(f"{name}: {title}") == 2  # in the table of verdicts, and its heading
    assert "*so* | <u>" in reader.text
    assert "a_b is |, not <s>" in reader.text
    address = "lr%2A2_x%20%7C%20%3Cb%3E%20%26%20%5By%5D%28z%29%20%60q%60%20%26%20co.png"
    assert reader.pictures == ["verdicts.png", "decided.png", address]
    assert [link.removeprefix("#") for link in reader.links] == reader.ids[-1:]


def test_each_kind_of_experiment_says_what_its_verdict_is():
    text, _ = written(sample.results())
    layers = section(text, "rnn-layers: RNN with 1 and 3 layers")
    assert "**The report shows, section 2.3.1:** three layers fastest (0.9 at step 190)." in layers
    assert "更快达到收敛 | depends on the seed: 1, 2 of 2, with 5 pairs a step | three" in layers
    assert "| three layers at 0.9 before one layer; a tie is a no | 1 of 2 |" in layers
    assert "\n|  |  |  | not after one layer | 2 of 2 |\n" in layers
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


def test_each_section_says_by_what_it_was_made():
    text, _ = written(sample.results())
    own = section(text, r"my\_own")
    assert "Made by 2 runs, 1 of them cached: 0.25 seconds of work on CPU x86" in own
    assert "AVX512, shared by 2 workers; python 3.11.7, torch 2.13.0+cpu, numpy 2.4.6." in own
    wide = section(text, "wide: The simple adder")
    assert "Made by 2 runs: 0.25 seconds of work on CPU arm64, shared by" in wide
    assert "torch 2.12.1" in wide
    assert "Made by 3 runs: 75.5 seconds of work" in section(text, "gpu: CUDA")
    made = sample.MACHINE | {"seconds": 125, "runs": 1, "cached": 0, "variables": "A_B=1"}
    assert page.say_made(made).startswith("Made by 1 run: 2.1 minutes of work on ")
    assert page.say_made(made).endswith(r"numpy 2.4.6, A\_B=1.")
    everything = text.split("\n## ")[0]
    assert "The last run of everything took 9.4 minutes on 2 cores. Made by 257" in everything
    assert "257 runs, 3 of them cached: 18.1 minutes of work on CPU x86" in everything


def test_parts_without_results_and_results_without_a_part_are_named():
    text, _ = written(sample.results())
    assert text.endswith("no longer in `source.py`: old.\n") and "\n## old" not in text
    assert "Without results so far" not in text
    assert text.index("\n## verdicts") < text.index("\n## wide") < text.index("\n## gpu")
    parts = {"not_yet": None, "wide": sample.PARTS["wide"], "_": None}
    results = {"parts": {"gone_1": {}, "wide": sample.experiment("wide"), "b": {}}, "pictures": {}}
    text, _ = written(results, parts=parts)
    assert r"Without results so far: not\_yet, \_." in text
    assert r"no longer in `source.py`: gone\_1, b." in text


def test_the_decisions_and_the_times_have_their_counts():
    entries = sample.experiments() | sample.parts()
    decisions = [each for entry in entries.values() for each in entry.get("decisions", [])]
    wrong = [decision for decision in decisions if decision["pair"]]
    for place, adder in enumerate(wrong[:4]):
        adder["wrong_in"] = {"float32": True, "float64": place > 0}
    text = page.to_markdown(with_overviews(entries), sample.PARTS)
    assert "3 of the 4 counterexamples are wrong in all three." in text
    assert "- Wrong in PyTorch, but not in all three: 7 + 5 gives 11, not 12.\n" in text
    assert "| something else | 0 | 4 |" in text
    assert "4 of 8 in experiments end at 100% on random pairs: 4 of these add a pair of at" in text
    assert "Of all adders 8 are wrong, 1 proven correct for numbers of any length, 3 und" in text
    assert "| 10 | 3 (2 to 9) | 4.9 |\n| 100 | 18 | 37 |" in text


def test_a_run_that_goes_on_is_on_the_page_in_the_browser_only():
    still, done = written(sample.results())
    text, running = written(sample.results(), ["wide", "gpu"], RUNNING)
    assert text == still
    assert 'http-equiv="refresh" content="5"' in running
    words = "37% done. Still running: cells, a <b>. Written at 17:05:12."
    read = Reader(running)
    assert words in read.text
    assert "refresh" not in done and "Still running" not in done
    sections = re.split("<h2", running)
    waiting = [each for each in sections if "From an earlier run:" in each]
    assert [re.search('id="([a-z]*)', each)[1] for each in waiting] == ["wide", "gpu"]
    assert "From an earlier run:" not in text + done
    nothing = page.say_running(RUNNING | {"names": []})
    assert "Still running: nothing, the last pictures are drawn. Written" in nothing


def test_the_status_alone_can_be_written_again():
    body = page.to_body(page.to_markdown(sample.results(), sample.PARTS), {})
    states = (None, RUNNING, RUNNING | {"share": 0.5, "names": [r"\1"]}, None)
    done, first, later, last = (page.to_html(body, running) for running in states)
    assert later == first.replace("37%", "50%").replace("cells, a &lt;b&gt;", r"\1") != first
    assert last == done != first


def test_a_picture_drawn_again_is_another_one_to_the_browser():
    results = sample.results()
    sources = []
    for digest in ("a" * 64, "b" * 64):
        results["pictures"] = {"gpu": digest}
        text, browser = written(results)
        sources.append([name for name in Reader(browser).pictures if name.startswith("gpu.png")])
        assert "](gpu.png)" in text
    assert sources == [["gpu.png?aaaaaaaaaaaa"], ["gpu.png?bbbbbbbbbbbb"]]


def test_no_text_is_taken_for_a_row_of_a_table():
    text, _ = written(sample.results())
    lines = text.splitlines()
    for row, line in zip(lines, lines[1:], strict=False):
        if row.startswith("|"):
            assert not line or line.startswith("|"), line


@pytest.mark.parametrize("seeds", [1, 2, 3, 4, 12])
def test_the_rule_is_said_of_any_number_of_seeds(seeds):
    results = sample.results()
    results["parts"]["verdicts"]["rules"] = [rules.count_rule(seeds)]
    text, _ = written(results)
    said = {
        1: "1 seed is too few for either.",
        2: "2 seeds are too few for either.",
        3: "3 seeds are too few for either.",
        4: "Of 4 seeds, 4 yes are most, 0 are few.",
        12: "9 or more yes are most, 3 or fewer are few.",
    }
    assert said[seeds] in text
    assert ("The range of 1 seeds" in text) is False
    assert (f"The range of {seeds} seeds holds" in text) == (seeds > 1)
