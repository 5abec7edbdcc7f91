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

        Raises ResultsError where results.json cannot be counted, judged and shown: the reader may
        have edited it by hand.
        """
        self.folder = folder
        self.overviews = overviews
        self.parts = parts
        path = folder / "results.json"
        self.results = results.read(path)
        before = copy.deepcopy(self.results)
        try:
            self.look_over()
            page.to_body(page.to_markdown(self.results, self.listed), self.results["pictures"])
            results.to_json(self.results)
        except Exception as error:  # an edit may lead to any
            reason = " ".join(f"{type(error).__name__}: {error}".split())
            raise ResultsError(
                f"{folder.name}/{path.name} is not as this script wrote it and cannot be shown "
                f"({reason}): mend, move or delete it"
            ) from error
        self.results = before

    @property
    def listed(self):
        """All parts in the order of the page."""
        return self.overviews | self.parts

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
                ended = [name for name, nest in waiting.items() if is_done(nest)]
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
                    self.write_page(waiting, lab)
                if not waiting:
                    break
                with contextlib.suppress(OSError):  # the next time counts
                    page.write_html(self.folder, self.body, describe_progress(waiting, lab))
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
        work = describe_work(list_runs(nest))
        before = {key: value for key, value in entries.get(name, {}).items() if key != "made"}
        if made != before or work["cached"] < work["runs"]:
            by = lab.machine(device) | {"workers": lab.workers} | work
            entries[name] = made | {"made": results.plain(by)}
        for place, content in part.files(name, done).items():
            self.save(place, content)
        say(f"{name}: {made.get('verdict', 'done')}")

    def save(self, place, content):
        """Save a file of a part, which may be there already."""
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
        work = describe_work(lab.runs.values())
        if "made" in self.results and work["cached"] == work["runs"]:
            return
        by = lab.machine(device) | {"cores": CPU_COUNT, "workers": lab.workers} | work
        self.results["made"] = by | {"took": seconds}

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
            except PermissionError as error:  # on Windows somebody looks at it
                say(f"{path.name} stays as it was: {error}")
            else:
                digests[name] = digest

    def write(self):
        """Write results.json, its parts in the order of the page, and of earlier runs last."""
        entries = self.results["parts"]
        ordered = {name: entries[name] for name in self.listed if name in entries}
        self.results["parts"] = ordered | entries
        results.write(self.results, self.folder / "results.json")

    def write_page(self, waiting=(), lab=None):
        """Write the page; a failure is said, and ends nothing."""
        text = page.to_markdown(self.results, self.listed, waiting)
        self.body = page.to_body(text, self.results["pictures"])
        try:
            page.write_readme(self.folder, page.to_markdown(self.results, self.listed))
            page.write_html(self.folder, self.body, lab and describe_progress(waiting, lab))
        except OSError as error:
            say(f"the page stays as it was: {error}")


def is_done(nest):
    """Whether all runs in a nest are done."""
    return all(run.done() for run in list_runs(nest))


def digest_picture(part, result):
    """A digest of all that a picture follows from: the result and the code of the part."""
    shown = {key: value for key, value in result.items() if key != "made"}
    code = cache.digest_code(type(part).__module__)
    return cache.hash_bytes(json.dumps([shown, code], sort_keys=True).encode())


def describe_work(runs):
    """The number of runs, how many of them were cached, and their seconds of work."""
    runs = [run for run in set(runs) if run.done()]
    return {
        "runs": len(runs),
        "cached": sum(run.cached for run in runs),
        "seconds": sum(run.result()["seconds"] for run in runs),
    }


def describe_progress(waiting, lab):
    """The state of a run that goes on, for the page."""
    return {"names": list(waiting), "share": lab.share, "at": time.strftime("%H:%M:%S")}


def say_header(names, lab, device, folder):
    """Say what will be run, by whom, for about how long, and where to look."""
    cached = [run for run in lab.runs.values() if run.done()]
    say(f"To run: {', '.join(names) or 'nothing'}.")
    say(
        f"{len(lab.runs)} runs (an adder is trained in one, decided in another), "
        f"{len(cached)} of them cached in {lab.folder.name}/, on {device}."
    )
    takes = ""
    if lab.count:  # the workers of a cluster come and go
        seconds = START_UP + lab.total / lab.count
        takes = (
            f": about {seconds:.0f} s" if seconds < 100 else f": about {seconds / 60:.0f} minutes"
        )
    say(f"Shared by {lab.workers}{takes}.")
    say(f"Pictures, and a page that follows the run: {folder / 'index.html'}")
