"""`results.json`: read, written, and made of plain values."""

import json
import math

from lab.console import ForeseenError
from lab.files import written_whole

ALL_DIGITS = 17  # of a float: the same number comes back
VERSION = 3  # of what the file holds: one more where a key is new, gone or means something else


class ResultsError(ForeseenError):
    """A file that cannot be gone on from; its text is one line for the reader."""


def read(path):
    """The results in the file `path`; where there is none, results without a part in them.

    Raises ResultsError where the file is no JSON, or not of this version of the script.
    """
    name = f"{path.parent.name}/{path.name}"
    try:
        results = json.loads(path.read_text(encoding="utf-8"), parse_constant=refuse)
    except FileNotFoundError:
        return {"version": VERSION, "parts": {}, "pictures": {}}
    except ValueError as error:
        raise ResultsError(f"{name} is not JSON ({error}): move or delete it") from None
    match results:
        case {"version": version, "parts": dict(), "pictures": dict()} if version == VERSION:
            return results
    raise ResultsError(f"{name} is not of version {VERSION} of this script: move or delete it")


def refuse(constant):
    """Raise ValueError: NaN and infinities are no JSON."""
    raise ValueError(f"{constant} is no number")


def write(results, path):
    """Write `results`, plain values, to `path`, whole or, at a NaN or an infinity, not at all."""
    text = to_json(results) + "\n"
    with written_whole(path) as aside:
        aside.write_text(text, encoding="utf-8")


def to_json(value, line="\n"):
    """`value` as JSON: each entry on a line of its own, a list of numbers or texts on one."""
    inner = line + " "
    if isinstance(value, dict) and value:
        entries = [f"{json.dumps(key)}: {to_json(item, inner)}" for key, item in value.items()]
        return "{" + inner + ("," + inner).join(entries) + line + "}"
    if isinstance(value, list) and any(isinstance(item, (dict, list)) for item in value):
        entries = [to_json(item, inner) for item in value]
        return "[" + inner + ("," + inner).join(entries) + line + "]"
    return json.dumps(value, allow_nan=False)


def plain(value, digits=6):
    """`value` as a JSON file gives it back: floats at six digits, None for NaN and infinities.

    Settings keep all their digits, so that a run can be repeated from them.
    """
    if isinstance(value, float):
        return float(f"{value:.{digits}g}") if math.isfinite(value) else None
    if isinstance(value, (list, tuple)):
        return [plain(item, digits) for item in value]
    if isinstance(value, dict):
        return {
            str(key): plain(item, ALL_DIGITS if key == "settings" else digits)
            for key, item in value.items()
        }
    return value
