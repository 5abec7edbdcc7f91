"""Parts -> results.json, pictures, page: the one loop.

A part is a frozen dataclass: each field is a constant, checked when the part is made. Its methods:

    submit(lab, name)   submit its runs; returns them in any nest of lists and dicts, or None where
                        it cannot be run here: its entry of results.json stays
    result(name, done)  the same nest with results in place of runs -> the entry of results.json, a
                        dict of plain values with a "title"; None: nothing to look at
    draw(figure, result)  the picture; None for a part without one
    page(result)        the text of its section, in Markdown
    files(name, done)   {place in the folder of the figures: bytes} of more files to save

All but `submit` are pure functions of plain data. An overview is a part without runs: its
`result(results)` follows from the entries of all other parts.
"""

import contextlib
import copy
import json
import time

from dask.system import CPU_COUNT

from lab import cache, page, results, style
from lab.console import say
from lab.files import written_whole
from lab.results import ResultsError
from lab.runs import list_runs, replace_runs
from lab.words import duration

START_UP = 5  # seconds until the workers work, about
OVERVIEW_EVERY = 20  # seconds, at least, between two makings of the overviews


class Part:
    """A question; see the module's docstring."""

    draw = None

    def submit(self, lab, name):
        """No runs."""
        return {}

    def files(self, name, done):
        """No files."""
        return {}


class Book:
    """The results in a folder: results.json, the pictures, the page, and more files of parts."""

    def __init__(self, folder, overviews, parts):
        """Read `folder`; `overviews` and `parts` are {name: part}, in the order of the page.

        Raises ResultsError where results.json cannot be judged and shown: the reader may have
        edited it by hand.
        """
        self.folder = folder
        self.overviews = overviews
        self.parts = parts
        self.listed = overviews | parts
        path = folder / "results.json"
        self.results = results.read(path)
        self.written = {key: copy.copy(value) for key, value in self.results.items()}
        try:
            self.look_over()
            page.to_markdown(self.results, self.listed)
        except Exception as error:  # an edit may lead to any
            raise ResultsError(
                f"{folder.name}/{path.name} is not as this script wrote it and cannot be shown "
                f"({style.say_error(error)}): mend, move or delete it"
            ) from error
        self.results["parts"] = dict(self.written["parts"])

    def run(self, names, lab, device, is_everything):
        """Run the parts of these names; each is drawn, said and on the page when its last run ends.

        The overviews follow at most OVERVIEW_EVERY seconds later. When all has ended, the results
        say what the run took, if it `is_everything`.
        """
        nests = {name: self.parts[name].submit(lab, name) for name in names}
        waiting = {name: nest for name, nest in nests.items() if nest is not None}
        say_header(waiting, lab, device, self.folder)
        began = overview_due = time.monotonic()
        is_current = True  # whether the overviews are of all that has ended
        self.write_page(waiting, lab)
        try:
            while True:
                ended = [
                    name
                    for name, nest in waiting.items()
                    if all(run.done() for run in list_runs(nest))
                ]
                for name in ended:
                    self.take(name, waiting.pop(name), lab, device)
                    is_current = False
                is_due = not is_current and time.monotonic() >= overview_due
                if is_due or not waiting:
                    self.look_over()
                    is_current = True
                    overview_due = time.monotonic() + OVERVIEW_EVERY
                if is_everything and not waiting:
                    self.note_whole_run(lab, device, time.monotonic() - began)
                if ended or is_due or not waiting:
                    self.draw()
                    self.write()
                if not waiting:
                    break
                if ended or is_due:
                    self.write_page(waiting, lab)
                with contextlib.suppress(OSError):  # the next time counts
                    self.write_html(waiting, lab)
                lab.wait()
        finally:
            if not is_current:  # a run that broke off
                self.look_over()
                with contextlib.suppress(OSError):
                    self.write()
            self.write_page()

    def take(self, name, nest, lab, device):
        """Put a finished part into the results, by what it was made, and say its verdict.

        Where all its runs were cached and nothing changed, it stays as it was made before.
        """
        part = self.parts[name]
        done = replace_runs(nest)
        made = results.plain(part.result(name, done))
        entries = self.results["parts"]
        if made is None:
            entries.pop(name, None)
            say(f"{name}: nothing to look at")
            return
        by = describe_work(list_runs(nest), lab, device)
        before = {key: value for key, value in entries.get(name, {}).items() if key != "made"}
        if made != before or by["cached"] < by["runs"]:
            entries[name] = made | {"made": by}
        for place, content in part.files(name, done).items():
            self.save(place, content)
        say(f"{name}: {made.get('verdict', 'done')}")

    def save(self, place, content):
        """Save the bytes of a file whole or not at all, unless they are there already."""
        path = self.folder / place
        if not path.exists() or path.read_bytes() != content:
            path.parent.mkdir(parents=True, exist_ok=True)
            with written_whole(path) as aside:
                aside.write_bytes(content)

    def look_over(self):
        """Make the overviews of all parts."""
        entries = self.results["parts"]
        others = {name: entries[name] for name in self.parts if name in entries}
        for name, overview in self.overviews.items():
            made = results.plain(overview.result(others))
            entries.pop(name, None)
            if made is not None:
                entries[name] = made

    def note_whole_run(self, lab, device, seconds):
        """Put into the results what a run of everything took, unless all of it was cached."""
        by = describe_work(lab.runs.values(), lab, device)
        if "made" not in self.results or by["cached"] < by["runs"]:
            self.results["made"] = by | {"cores": CPU_COUNT, "took": seconds}

    def draw(self, anew=False):
        """Draw the pictures of what is new, or all of them `anew`."""
        digests = self.results["pictures"]
        for name, part in self.listed.items():
            result = self.results["parts"].get(name)
            if result is None or part.draw is None:
                continue
            path = self.folder / f"{name}.png"
            digest = digest_picture(part, result)
            if not anew and digests.get(name) == digest and path.exists():
                continue
            try:
                style.save_picture(part.draw, result, path)
                digests[name] = digest
            except PermissionError as error:  # on Windows somebody looks at it
                say(f"{path.name} stays as it was: {error}")

    def write(self):
        """Write results.json, its parts in the order of the page, and of earlier runs last."""
        entries = self.results["parts"]
        ordered = {name: entries[name] for name in self.listed if name in entries}
        self.results["parts"] = ordered | entries
        if self.written is None or not is_same(self.results, self.written):
            results.write(self.results, self.folder / "results.json")
            self.written = None  # from now on each time

    def write_page(self, waiting=(), lab=None):
        """Write README.md, which mentions no run that goes on, and index.html.

        A failure is said, and ends nothing.
        """
        text = page.to_markdown(self.results, self.listed, waiting)
        self.body = page.to_body(text, self.results["pictures"])
        try:
            self.save("README.md", page.to_markdown(self.results, self.listed).encode())
            self.write_html(waiting, lab)
        except OSError as error:
            say(f"the page stays as it was: {error}")

    def write_html(self, waiting, lab):
        """Write index.html, with the state of the run of a `lab`; None where nothing runs."""
        running = None
        if lab is not None:
            at = time.strftime("%H:%M:%S")
            running = {"names": list(waiting), "share": lab.share, "at": at}
        self.save("index.html", page.to_html(self.body, running).encode())


def is_same(results, others):
    """Whether two results have the same values, and their parts the same order."""
    return results == others and list(results["parts"]) == list(others["parts"])


def digest_picture(part, result):
    """A digest of all that a picture follows from: the result and the code of the part."""
    shown = {key: value for key, value in result.items() if key != "made"}
    code = cache.digest_code(type(part).__module__)
    return cache.hash_bytes(json.dumps([shown, code], sort_keys=True).encode())


def describe_work(runs, lab, device):
    """The machine, how many runs it did and how many were cached, and their seconds of work."""
    runs = [run for run in set(runs) if run.done()]
    work = {
        "runs": len(runs),
        "cached": sum(run.cached for run in runs),
        "seconds": sum(run.result()["seconds"] for run in runs),
    }
    return results.plain(lab.machine(device) | {"workers": lab.workers} | work)


def say_header(names, lab, device, folder):
    """Say what will be run, by whom, for about how long, and where to look."""
    cached = sum(run.done() for run in lab.runs.values())
    say(f"To run: {', '.join(names) or 'nothing'}.")
    say(
        f"{len(lab.runs)} runs (an adder is trained in one, decided in another), "
        f"{cached} of them cached in {lab.folder.name}/, on {device}."
    )
    takes = ""
    if lab.count:  # the workers of a cluster come and go
        takes = f": about {duration(round(START_UP + lab.total / lab.count))}"
    say(f"Shared by {lab.workers}{takes}.")
    say(f"Pictures, and a page that follows the run: {folder / 'index.html'}")
