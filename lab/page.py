"""Results -> the page beside the pictures, for a forge (README.md) and for a browser (index.html).

Each part writes its section; index.html, with `page.css` in it, says during a run what still runs.
"""

import html
from pathlib import Path
from urllib.parse import quote

import markdown
from markdown.extensions.toc import TocExtension

from lab.words import anchor, count, duration, escape, heading, join

RELOAD = 5  # seconds
NOT_YET = "**From an earlier run:** the runs of this section go on."
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


# --- Markdown.


def to_markdown(results, parts, waiting=()):
    """The page as Markdown; `parts` are {name: part} in its order.

    Sections of the parts `waiting` say that they are of an earlier run.
    """
    entries = results["parts"]
    sections = [
        write_section(name, part, entries[name], name in waiting)
        for name, part in parts.items()
        if name in entries
    ]
    missing = ", ".join(escape(name) for name in parts if name not in entries)
    gone = ", ".join(escape(name) for name in entries if name not in parts)
    page = join(
        "# The report's experiments, measured",
        "Written by `source.py` from `results.json`, which has every number that was measured.",
        say_whole_run(results["made"]) if "made" in results else "",
        *sections,
        f"Without results so far: {missing}." if missing else "",
        f"In `results.json` from earlier runs, and no longer in `source.py`: {gone}."
        if gone
        else "",
    )
    return page + "\n"


def write_section(name, part, result, is_waiting):
    """The section of a part."""
    title = result["title"]
    return join(
        f"## {escape(heading(name, title))}",
        NOT_YET if is_waiting else "",
        f"![{escape(title)}]({quote(name)}.png)" if part.draw else "",
        part.page(result),
        say_made(result["made"]) if "made" in result else "",
    )


def say_whole_run(made):
    """How long the last run of everything took."""
    return (
        "A *run* is one training, or one look at a finished adder; a *cached* run was done by "
        "an earlier start of the script; *work* is the time of one core. The last run of "
        f"everything took {duration(made['took'])} on {made['cores']} cores. {say_made(made)}"
    )


def say_made(made):
    """By which machine and versions a result was made, and with how much work."""
    cached = f", {made['cached']} of them cached" if made["cached"] else ""
    variables = f", {made['variables']}" if made["variables"] != "none" else ""
    return escape(
        f"Made by {count(made['runs'], 'run')}{cached}: {duration(made['seconds'])} of work on "
        f"{made['device']}, shared by {made['workers']}; python {made['python']}, torch "
        f"{made['torch']}, numpy {made['numpy']}{variables}."
    )


# --- HTML.


def to_body(text, pictures):
    """The Markdown of a page as HTML, in which the same links lead to the same headings.

    `pictures` has a digest for each: a picture that was drawn again is another one to the browser.
    """
    headings = TocExtension(slugify=lambda text, _: anchor(text))
    body = markdown.markdown(text, extensions=["tables", "sane_lists", headings])
    for name, digest in pictures.items():
        file = f"{quote(name)}.png"
        body = body.replace(f'src="{file}"', f'src="{file}?{str(digest)[:12]}"')
    return body


def to_html(body, running=None):
    """The page for a browser; of a run that goes on, `running` has the state.

    The "names" of the parts that still run, the "share" of the work that is done, the time, "at".
    """
    css = Path(__file__).with_name("page.css").read_text(encoding="utf-8")
    return HTML.format(css=css, status=say_running(running) if running else "", body=body)


def say_running(running):
    """The state of a run at the top of the page, and the order to load it again."""
    names = html.escape(", ".join(running["names"])) or "nothing, the last pictures are drawn"
    return (
        f'<meta http-equiv="refresh" content="{RELOAD}">\n'
        f'<p class="running"><strong>{running["share"]:.0%} done.</strong> Still running: {names}. '
        f"Written at {html.escape(running['at'])}.</p>"
    )
