"""Results -> the page beside the pictures, from what stands in `results.json`.

Twice the same content: README.md, for a forge, is `page.md.jinja` filled in; index.html, for a
browser, is made from that.
"""

import collections
import html
import os
import statistics
from pathlib import Path

import jinja2
import markdown

HERE = Path(__file__).parent
OPTIONAL = ["names", "made", "rule", "verdicts", "gpu", "decided", "stress", "lengths", "proof"]
RELOAD = 5  # seconds after which index.html reloads itself while a run goes on
HTML = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
{reload}<title>The report's experiments, measured</title>
<style>
{style}</style>
</head>
<body>
{status}{body}
</body>
</html>
"""


def write(results, folder, running=None):
    """Write the page of `results` into `folder`; any part of them may be absent.

    `running` is None or what only index.html says while a run goes on: {"names": what still runs,
    "share": of the work that is done, "at": the time of day}. Then it reloads itself.
    """
    text = render(results)
    folder.mkdir(parents=True, exist_ok=True)
    replace_file(folder / "README.md", text)
    replace_file(folder / "index.html", to_html(text, running))


def replace_file(path, text):
    """Write a text file whole, for a browser may be reading it."""
    aside = path.with_name(path.name + ".part")
    aside.write_text(text, encoding="utf-8")
    os.replace(aside, path)


def render(results):
    """The page in Markdown. Raises jinja2.UndefinedError where a part lacks what the page shows."""
    pages = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE),
        undefined=jinja2.StrictUndefined,
        autoescape=False,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    pages.filters |= {
        "spread": spread,
        "median": statistics.median,
        "percent": "{:.0%}".format,
        "minutes": minutes,
        "thousands": "{:,.0f}".format,
        "anchor": anchor,
        "common": common_machine,
        "unlike": unlike,
    }
    return pages.get_template("page.md.jinja").render(results=dict.fromkeys(OPTIONAL) | results)


def to_html(text, running):
    """The page in HTML, from its Markdown."""
    extensions = ["tables", "toc"]
    configuration = {"toc": {"slugify": slugify}}
    body = markdown.markdown(text, extensions=extensions, extension_configs=configuration)
    body = body.replace("<table>", '<div class="table"><table>').replace(
        "</table>", "</table></div>"
    )
    reload = ""
    status = ""
    if running:
        reload = f'<meta http-equiv="refresh" content="{RELOAD}">\n'
        status = (
            f'<p class="running">Running, {running["share"]:.0%} done: '
            f"{html.escape(', '.join(running['names']))}. Written at {running['at']}; "
            f"this page reloads itself.</p>\n"
        )
    style = (HERE / "page.css").read_text(encoding="utf-8")
    return HTML.format(reload=reload, style=style, status=status, body=body)


def anchor(heading):
    """The name that a heading has in links, as GitHub makes it."""
    kept = [c for c in heading.lower() if c.isalnum() or c in " -_"]
    return "".join(kept).replace(" ", "-")


def slugify(heading, separator):
    """`anchor`, as Python-Markdown calls it."""
    return anchor(heading)


def spread(values):
    """Median and range of `values` in words; None is a step that never came."""
    values = sorted(float("inf") if value is None else value for value in values)
    if not values:
        return "none"
    words = ["never" if value == float("inf") else f"{value:.4g}" for value in values]
    median = words[len(words) // 2]
    return median if words[0] == words[-1] else f"{median} ({words[0]} to {words[-1]})"


def minutes(seconds):
    """A time in words: seconds up to two minutes."""
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.1f} minutes"


def machine_of(made):
    """What an experiment was made by: versions, device and workers."""
    return tuple((what, made[what]) for what in ("python", "torch", "numpy", "device", "workers"))


def common_machine(results):
    """What most parts of the results were made by."""
    parts = [*results["experiments"].values(), *results.values()]
    made = [part["made"] for part in parts if isinstance(part, dict) and "made" in part]
    return collections.Counter(map(machine_of, made)).most_common(1)[0][0] if made else ()


def unlike(made, common):
    """What is different in what a part was made by, in words; "" where nothing is."""
    return ", ".join(
        f"{what} {value}" for what, value in machine_of(made) if (what, value) not in common
    )
