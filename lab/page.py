"""Results -> the page beside the pictures: `page.md.jinja` filled in with what stands in `results.json`."""

import statistics
from pathlib import Path

import jinja2


def write(results, path):
    """Write the page of `results` to `path`; PNGs beside it that it does not show go.

    Raises jinja2.UndefinedError where the results lack what it shows; a part of them may be None.
    """
    pages = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        undefined=jinja2.StrictUndefined,
        autoescape=False,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    pages.filters |= {"spread": spread, "median": statistics.median, "percent": "{:.0%}".format}
    text = pages.get_template("page.md.jinja").render(results)
    path.write_text(text, encoding="utf-8")
    for picture in path.parent.glob("*.png"):
        if f"]({picture.name})" not in text:
            picture.unlink()


def spread(values):
    """Median and range of `values` in words; None is a step that never came."""
    values = sorted(float("inf") if value is None else value for value in values)
    if not values:
        return "none"
    words = ["never" if value == float("inf") else f"{value:.4g}" for value in values]
    median = words[len(words) // 2]
    return median if words[0] == words[-1] else f"{median} ({words[0]} to {words[-1]})"
