"""The loop from parts to results.json, pictures and page, with parts that square numbers."""

import json
from dataclasses import dataclass

import pytest

from lab import book, style
from lab.book import Book, Part
from lab.console import ForeseenError
from lab.results import VERSION, ResultsError
from lab.runs import Lab, open_lab


def square(number, progress):
    return {"square": number**2}


@dataclass(frozen=True)
class Squares(Part):
    """Squares of numbers; there is nothing to look at where all are 0."""

    numbers: list | None  # None: it cannot be run

    def submit(self, lab, name):
        if self.numbers is None:
            return None
        return {"all": [lab.submit(square, n, title=f"{n}", seconds=1.0) for n in self.numbers]}

    def result(self, name, done):
        squares = tuple(run["square"] for run in done["all"])
        verdict = f"{sum(squares)} in all"
        return {"title": name, "squares": squares, "verdict": verdict} if any(squares) else None

    @staticmethod
    def draw(figure, result):
        figure.text(0, 0, sum(result["squares"]))

    def page(self, result):
        return f"Squares: {sum(result['squares'])}."

    def files(self, name, done):
        return {f"more/{name}.txt": str(done["all"][0]["square"]).encode()}


@dataclass(frozen=True)
class Total(Part):
    """The sum of all squares."""

    def result(self, results):
        totals = [sum(result["squares"]) for result in results.values()]
        return {"title": "Total", "total": sum(totals)} if totals else None

    def page(self, result):
        return f"Total: {result['total']}."


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "figures"


@pytest.fixture
def run(folder):
    """run(a=[1, 2], b=...): run these parts; returns the parts of results.json."""

    def run_parts(only=None, cache="runs", is_everything=False, **numbers):
        parts = {name: Squares(of_part) for name, of_part in numbers.items()}
        with open_lab(folder.parent / cache, 0) as lab:
            names = list(parts) if only is None else only
            Book(folder, {"total": Total()}, parts).run(names, lab, "cpu", is_everything)
        return read(folder)["parts"]

    return run_parts


def read(folder):
    """What is in results.json."""
    return json.loads((folder / "results.json").read_text())


def test_parts_are_in_the_results_with_the_runs_that_made_them(run, folder, capsys):
    entries = run(a=[1, 2], b=[2, 3])
    assert list(entries) == ["total", "a", "b"]
    assert entries["total"] == {"title": "Total", "total": 1 + 4 + 4 + 9}
    made = entries["b"].pop("made")
    assert entries["b"] == {"title": "b", "squares": [4, 9], "verdict": "13 in all"}
    assert (made["runs"], made["cached"], made["workers"]) == (2, 0, "this process")
    assert made["seconds"] > 0 and {"python", "torch", "numpy", "device", "variables"} < made.keys()
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "To run: a, b."
    assert said[1].startswith("3 runs (") and "0 of them cached in runs/, on cpu." in said[1]
    assert said[-2:] == ["a: 5 in all", "b: 13 in all"]
    assert {path.name for path in folder.iterdir()} == {
        *("results.json", "README.md", "index.html", "a.png", "b.png", "more")
    }
    assert (folder / "more" / "b.txt").read_text() == "4"
    readme = (folder / "README.md").read_text()
    assert "Squares: 13." in readme and "](b.png)" in readme and "Total: 18." in readme


def test_a_part_whose_runs_were_cached_stays_as_it_was_made(run, folder, capsys):
    entries = run(a=[1, 2], b=[3])
    content = (folder / "results.json").read_bytes()
    assert run(a=[1, 2], b=[3]) == entries
    assert (folder / "results.json").read_bytes() == content
    assert "3 of them cached" in capsys.readouterr().out
    again = run(only=["a"], a=[1, 2, 3], b=[3])
    assert again["a"]["made"].items() >= {"runs": 3, "cached": 3}.items(), "its numbers are new"
    assert again["b"] == entries["b"] and again["total"]["total"] == 14 + 9
    results = read(folder)
    results["parts"]["b"]["made"]["device"] = "an older machine"
    (folder / "results.json").write_text(json.dumps(results))
    assert run(b=[3])["b"]["made"]["device"] == "an older machine"
    assert run(cache="other", b=[3])["b"]["made"]["device"] != "an older machine", "made again"


def test_a_part_of_an_earlier_run_stays_and_comes_last(run):
    run(old=[5], b=[1])
    entries = run(only=["a"], a=[2], b=[1])
    assert list(entries) == ["total", "a", "b", "old"]
    assert entries["total"]["total"] == 4 + 1, "of the parts that there are"


def test_where_there_is_nothing_to_look_at_the_entry_goes(run, capsys):
    assert "a" in run(a=[1], b=[1])
    assert run(a=[0], b=[1]).keys() == {"total", "b"}
    assert "a: nothing to look at\n" in capsys.readouterr().out
    assert run(b=[0]) == {}, "nor is there anything for the overview"


def test_a_part_that_cannot_be_run_stays_as_it_is(run, folder, capsys):
    before = run(a=[1], b=[1])
    capsys.readouterr()
    after = run(is_everything=True, a=None, b=[2])
    assert after["a"] == before["a"] and after["b"]["squares"] == [4]
    said = capsys.readouterr().out
    assert said.startswith("To run: b.\n") and "\na: " not in said
    assert run(a=None)["a"] == before["a"]
    assert "To run: nothing." in capsys.readouterr().out


def test_the_last_run_of_everything_is_noted_unless_it_was_cached(run, folder):
    run(a=[1, 2], b=[1])
    assert "made" not in read(folder)
    run(a=[1, 2], b=[1], is_everything=True)
    made = read(folder)["made"]
    assert (made["runs"], made["cached"]) == (2, 2)
    assert made["took"] > 0 and made["cores"] >= 1
    run(a=[1, 2], b=[1], is_everything=True)
    run(only=["a"], a=[9], b=[1])
    assert read(folder)["made"] == made
    run(a=[1, 3], b=[1], is_everything=True)
    assert read(folder)["made"]["cached"] == 1


# --- Pictures.


def spoil(folder):
    """Write something else into each picture; returns a function: the names of those drawn anew."""
    paths = list(folder.glob("*.png"))
    for path in paths:
        path.write_bytes(b"mine")
    return lambda: {path.stem for path in folder.glob("*.png") if path.read_bytes() != b"mine"}


def test_a_picture_is_drawn_if_it_is_new(run, folder, monkeypatch):
    run(a=[1], b=[1])
    drawn = spoil(folder)
    run(a=[1], b=[1])
    run(cache="other", a=[1], b=[1])
    assert drawn() == set(), "made again, but the same"
    run(a=[2], b=[1])
    assert drawn() == {"a"}
    (folder / "b.png").unlink()
    run(a=[2], b=[1])
    assert drawn() == {"a", "b"}
    drawn = spoil(folder)
    monkeypatch.setattr(book.cache, "digest_code", lambda module: "other code")
    parts = {"a": Squares([2]), "b": Squares([1]), "c": Squares([1])}
    Book(folder, {}, parts).draw()
    assert drawn() == {"a", "b"}


def test_all_pictures_can_be_drawn_anew(run, folder):
    run(a=[1], b=[1])
    before = {path: path.read_bytes() for path in folder.glob("*.png")}
    spoil(folder)
    Book(folder, {}, {"a": Squares([1]), "b": Squares([1])}).draw(anew=True)
    assert {path: path.read_bytes() for path in folder.glob("*.png")} == before


def test_a_picture_that_cannot_be_replaced_is_drawn_later(run, folder, monkeypatch, capsys):
    run(a=[1])

    def refuse(draw, result, path):
        raise PermissionError(13, "Permission denied", str(path))

    with monkeypatch.context() as patch:
        patch.setattr(style, "save_picture", refuse)
        entries = run(a=[2], b=[3])
    assert entries["a"]["squares"] == [4]
    said = capsys.readouterr().out
    assert "a.png stays as it was: [Errno 13] Permission denied" in said
    assert not (folder / "b.png").exists()
    drawn = spoil(folder)
    run(a=[2], b=[3])
    assert drawn() == {"a", "b"}


def test_a_result_that_cannot_be_drawn_is_named(run, folder, monkeypatch):
    monkeypatch.setattr(Squares, "draw", staticmethod(lambda figure, result: 1 / 0))
    with pytest.raises(ForeseenError, match="a.png cannot be drawn .ZeroDivisionError"):
        run(a=[1])


# --- A run that goes on, or breaks off.


@pytest.fixture
def at_each_wait(monkeypatch):
    """at_each_wait(function): it is called before the lab waits for a run."""

    def call_before(function):
        wait = Lab.wait

        def call_and_wait(lab):
            function()
            wait(lab)

        monkeypatch.setattr(Lab, "wait", call_and_wait)

    return call_before


def test_a_part_is_on_the_page_when_its_last_run_ends(run, folder, at_each_wait):
    run(b=[7])
    seen = []

    def look():
        browser = (folder / "index.html").read_text()
        running = browser.split("Still running: ")[1].split(".")[0]
        earlier = browser.count("From an earlier run:")
        readme = (folder / "README.md").read_text()
        assert "From an earlier run:" not in readme and "Still running" not in readme
        seen.append((list(read(folder)["parts"]), running, earlier, "Squares: 5." in readme))

    at_each_wait(look)
    run(a=[1, 2], b=[3])
    assert seen == [
        (["total", "b"], "a, b", 1, False),
        (["total", "b"], "a, b", 1, False),
        (["total", "a", "b"], "b", 1, True),
    ]
    browser = (folder / "index.html").read_text()
    assert "Still running" not in browser and "Squares: 9." in browser
    assert "From an earlier run" not in browser


def test_a_run_that_breaks_off_leaves_what_had_ended(run, folder, at_each_wait):
    waits = []

    def stop_at_the_third():
        waits.append(read(folder)["parts"]["total"]["total"] if waits else None)
        if len(waits) == 3:
            raise KeyboardInterrupt

    at_each_wait(stop_at_the_third)
    with pytest.raises(KeyboardInterrupt):
        run(a=[1], b=[2], c=[3])
    assert waits == [None, 1, 1], "the overviews are made every 20 seconds"
    entries = read(folder)["parts"]
    assert list(entries) == ["total", "a", "b"] and entries["total"]["total"] == 5
    for name in ("README.md", "index.html"):
        text = (folder / name).read_text()
        assert "Total: 5." in text and "Without results so far: c." in text
        assert "Still running" not in text


def test_a_page_that_cannot_be_written_is_said_and_ends_nothing(run, folder, capsys):
    (folder / "README.md").mkdir(parents=True)
    assert run(a=[1])["a"]["squares"] == [1]
    assert "the page stays as it was: " in capsys.readouterr().out


# --- What is there already.


@pytest.mark.parametrize(
    "edited",
    [
        {"parts": {"a": {"title": "a"}}},
        {"parts": {"a": {"squares": [1]}}},
        {"parts": {"a": {"title": "a", "squares": "1"}}},
        {"parts": {"a": 5}},
        {"parts": {"a": {"title": "a", "squares": [1], "made": {}}}},
        {"parts": {"gone": {"x": float("nan")}}},
        {"made": {"took": 1}},
    ],
)
def test_results_that_cannot_be_shown_are_named_and_never_overwritten(edited, run, folder):
    folder.mkdir()
    path = folder / "results.json"
    path.write_text(json.dumps({"version": VERSION, "parts": {}, "pictures": {}} | edited))
    before = path.read_bytes()
    with pytest.raises(ResultsError) as raised:
        run(a=[2])
    assert str(raised.value).startswith("figures/results.json is not ")
    assert str(raised.value).endswith("move or delete it")
    assert path.read_bytes() == before and list(folder.iterdir()) == [path]


def test_reading_changes_nothing(run, folder):
    run(a=[1])
    results = read(folder)
    assert Book(folder, {"total": Total()}, {}).results == results, "the overview is not made anew"


def test_files_are_saved_only_if_they_differ(run, folder):
    run(a=[1])
    path = folder / "more" / "a.txt"
    number = path.stat().st_ino
    run(a=[1])
    assert path.stat().st_ino == number, "the same file"
    path.write_text("edited")
    run(a=[1])
    assert path.read_text() == "1"
