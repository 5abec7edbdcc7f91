"""Results -> the page beside the pictures, for a forge and for a browser.

`page.md.jinja` is filled in with what stands in `results.json`: `README.md`. The same in HTML, with
`page.css` in it, is `index.html`, which during a run says what still runs.
"""

import collections
import contextlib
import html
import re
import statistics
from pathlib import Path
from urllib.parse import quote

import jinja2
import markdown
from markdown.extensions.toc import TocExtension

from lab.files import written_whole

PARTS = (
    "made",
    "rule",
    "same_seed",
    "verdicts",
    "decided",
    "causes",
    "errors",
    "errors_in_a_million",
    "memory",
    "little",
    "little_gated",
    "stress",
    "lengths",
    "proof",
    "gpu",
)
MACHINE = ("python", "torch", "numpy", "device", "variables", "workers")
RELOAD = 5  # seconds
STATUS = re.compile("<!-- running -->.*?<!-- end -->", re.DOTALL)
HTML = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>The report's experiments, measured</title>
<style>
{css}</style>
</head>
<body>
{status}
{body}
</body>
</html>
"""


def write(results, folder, running=None):
    """Write README.md and index.html of `results`, plain values, to `folder`.

    Every part of the results may be absent. `running` is as `write_status` has it; README.md
    never mentions it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    text = to_markdown(results)
    css = Path(__file__).with_name("page.css").read_text(encoding="utf-8")
    page = HTML.format(css=css, status=say_running(running), body=to_html(text, results))
    replace(folder / "README.md", text)
    replace(folder / "index.html", page)


def write_status(folder, running):
    """Write only what index.html says of the run: much cheaper than the whole page.

    `running` has the "names" of what still runs, the "share" done and the time, "at"; None where
    nothing runs. Where there is no index.html, or it cannot be replaced now, nothing happens.
    """
    path = folder / "index.html"
    with contextlib.suppress(OSError):
        page = path.read_text(encoding="utf-8")
        replace(path, STATUS.sub(lambda _: say_running(running), page, count=1))


def replace(path, text):
    """Write a file whole or not at all: a browser may read it at any moment."""
    with written_whole(path) as aside:
        aside.write_text(text, encoding="utf-8")


def say_running(running):
    """What index.html says at its top while a run goes on, and the order to load it again."""
    if running is None:
        return "<!-- running --><!-- end -->"
    names = html.escape(", ".join(running["names"])) or "nothing, the last pictures are drawn"
    return (
        f'<!-- running --><meta http-equiv="refresh" content="{RELOAD}">\n'
        f'<p class="running"><strong>{running["share"]:.0%} done.</strong> Still running: {names}. '
        f"Written at {html.escape(running['at'])}.</p><!-- end -->"
    )


# --- Markdown and HTML.


def to_markdown(results):
    """The page as Markdown."""
    pages = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        undefined=jinja2.StrictUndefined,
        autoescape=False,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    pages.filters |= {
        "text": escape,
        "url": quote,
        "anchor": anchor,
        "spread": spread,
        "duration": say_duration,
        "median": statistics.median,
        "percent": "{:.0%}".format,
        "thousands": "{:,.0f}".format,
    }
    experiments = results.get("experiments", {})
    names = results.get("names", list(experiments))
    values = dict.fromkeys(PARTS) | results
    values |= {
        "experiments": in_order(experiments, names),
        "not_run": [name for name in names if name not in experiments],
        "earlier": [name for name in experiments if name not in names],
        "not_in_last": list_not_in_last(results),
        "usual": usual_machine(results),
        "MACHINE": MACHINE,
    }
    text = pages.get_template("page.md.jinja").render(values)
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"


def to_html(text, results):
    """The page's Markdown as HTML, in which the same links lead to the same headings."""
    headings = TocExtension(slugify=lambda heading, _: anchor(heading))
    body = markdown.markdown(text, extensions=["tables", "sane_lists", headings])
    for picture, digest in results.get("pictures", {}).items():
        # A picture that was drawn again is another one to the browser.
        body = body.replace(f'src="{quote(picture)}"', f'src="{quote(picture)}?{digest[:12]}"')
    return body


def anchor(heading):
    """The name that GitHub gives to a heading, for links to it."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def escape(text):
    """Free text for Markdown: what would be mark-up stands as it is."""
    line = " ".join(str(text).split())
    return re.sub(r"([\\`*_\[\]|])", r"\\\1", html.escape(line, quote=False))


def in_order(experiments, names):
    """The experiments in the order of `names`, and those that it does not name after them."""
    first = {name: experiments[name] for name in names if name in experiments}
    return first | experiments


def list_not_in_last(results):
    """The experiments and parts of the results that the last run of everything left out."""
    ran = results.get("made", {}).get("ran", [])
    parts = [name for name in PARTS if "made" in (results.get(name) or {})]
    return [name for name in [*results.get("experiments", {}), *parts] if name not in ran]


def usual_machine(results):
    """By what most of the parts were made: {"torch": "2.13.0", ...}."""
    parts = [*results.get("experiments", {}).values(), *map(results.get, PARTS)]
    counts = collections.defaultdict(collections.Counter)
    for part in parts:
        made = (part or {}).get("made", {})
        for what in MACHINE:
            if what in made:
                counts[what][made[what]] += 1
    return {what: values.most_common(1)[0][0] for what, values in counts.items()}


def say_duration(seconds):
    """A time as "2.31 seconds" or, from 100 seconds on, as "13.3 minutes"."""
    return f"{seconds:.3g} seconds" if seconds < 100 else f"{seconds / 60:.1f} minutes"


def spread(values):
    """Median and range of `values` in words; None is a step that never came."""
    values = sorted(float("inf") if value is None else value for value in values)
    if not values:
        return "none"
    three = [statistics.median(values), values[0], values[-1]]
    words = ["never" if value == float("inf") else f"{value:.4g}" for value in three]
    return words[0] if words[1] == words[2] else "{} ({} to {})".format(*words)
