"""Results -> PNG: what stands in `results.json` is drawn, and nothing else."""

import ast
import functools
import hashlib
import json
from pathlib import Path

from lab.files import written_whole
from lab.pictures.backend import matplotlib  # before all that imports it
from lab.pictures.exact import draw_decided, draw_gpu, draw_proof, draw_stress
from lab.pictures.experiments import draw_experiment, draw_run, show_run
from lab.pictures.style import choose_fonts, escape, new_figure, plain_style
from lab.pictures.verdicts import draw_verdicts
from lab.pictures.worth import draw_errors, draw_little, draw_memory

__all__ = ["PictureError", "draw", "draw_run", "remove_unshown", "show_run"]


class PictureError(Exception):
    """A part of the results that cannot be drawn; the message is one line for the reader."""


def draw(results, folder):
    """Draw every picture of `results`, plain values, that `folder` does not have as it would be.

    Returns {name of a PNG: digest of what it shows} for `results["pictures"]`: those that the
    script has drawn before stay in it; and {name: why} of those that could not be replaced now.
    Raises PictureError for a part that cannot be drawn.
    """
    folder.mkdir(parents=True, exist_ok=True)
    pictures = dict(results.get("pictures", {}))
    kept = {}
    for part, draw_part in shown(results):
        name = part["picture"]
        digest = digest_of(part)
        if pictures.get(name) != digest or not (folder / name).exists():
            try:
                save_picture(part, draw_part, folder / name)
            except PermissionError as error:  # on Windows somebody looks at it
                kept[name] = str(error)
                continue
            pictures[name] = digest
    return pictures, kept


def save_picture(part, draw_part, path):
    """Draw a part of the results into the file `path`; PictureError where it cannot be drawn."""
    with plain_style(text_of(part)):
        figure = new_figure()
        try:
            draw_part(figure, prepare(part))
        except Exception as error:
            reason = f"{type(error).__name__}: {error}"
            raise PictureError(f"{path.name} cannot be drawn ({reason})") from error
        save(figure, path)


def remove_unshown(results, folder):
    """Delete the PNGs that `results["pictures"]` lists and nothing shows, and unlist them."""
    pictures = results.get("pictures", {})
    names = {part["picture"] for part, _ in shown(results)}
    for name in set(pictures) - names:
        # What is no plain name of a PNG was never drawn here: somebody else's file.
        if Path(name).name == name and name.endswith(".png"):
            try:
                (folder / name).unlink(missing_ok=True)
            except PermissionError:  # on Windows somebody looks at it: it goes next time
                continue
        del pictures[name]


def shown(results):
    """[(part of the results that has a picture, function that draws it)]."""
    parts = [(part, draw_experiment) for part in results.get("experiments", {}).values()]
    parts += [(results[name], function) for name, function in PARTS.items() if results.get(name)]
    return [
        (part, function)
        for part, function in parts
        if function is not draw_proof or part["portraits"]
    ]


def digest_of(part):
    """What a picture of `part` follows from: its values, fonts, this code, matplotlib's version."""
    fonts = choose_fonts(text_of(part))
    text = json.dumps([prepare(part), fonts, code(), matplotlib.__version__])
    return hashlib.sha256(text.encode()).hexdigest()


def prepare(value):
    """Plain values as they are drawn: texts escaped, without what only the page has."""
    if isinstance(value, dict):
        return {name: prepare(inner) for name, inner in value.items() if name not in ON_THE_PAGE}
    if isinstance(value, (list, tuple)):
        return [prepare(inner) for inner in value]
    return escape(value) if isinstance(value, str) else value


def text_of(part):
    """All characters that a picture of `part` may have."""
    return json.dumps(prepare(part), ensure_ascii=False)


@functools.cache
def code():
    """The syntax trees of the files that draw, without docstrings."""
    trees = []
    for path in sorted(Path(__file__).parent.glob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            has_docstring = isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef))
            if has_docstring and ast.get_docstring(node):
                del node.body[0]
        trees.append(ast.dump(tree))
    return trees


def save(figure, path):
    """Save a figure as PNG, whole or not at all: a page may show it at any moment."""
    with written_whole(path) as aside:
        figure.savefig(aside, format="png")


ON_THE_PAGE = {"made", "words"}  # by which machine; a claim in the report's Chinese
PARTS = {
    "verdicts": draw_verdicts,
    "decided": draw_decided,
    "errors": draw_errors,
    "errors_in_a_million": draw_errors,
    "memory": draw_memory,
    "little": draw_little,
    "little_gated": draw_little,
    "stress": draw_stress,
    "proof": draw_proof,
    "gpu": draw_gpu,
}
