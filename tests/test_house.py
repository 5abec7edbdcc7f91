"""The house: which room may use which, by the imports that stand in the files."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ORDER = [
    "data",
    "recurrence",
    "pt",
    "exact.intervals",
    "exact.proof",
    "exact",
    "lab.trials",
    "source",
]  # each may use those before it
LAB = ["lab.page", "lab.pictures", "lab.pool", "lab.report"]  # none of ours; source uses them


def imported(module):
    """The modules that a file of ours names in its imports, anywhere in it."""
    found, path = set(), ROOT / (module.replace(".", "/") + ".py")
    for node in ast.walk(
        ast.parse((path if path.exists() else ROOT / module / "__init__.py").read_text())
    ):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        if isinstance(node, ast.ImportFrom):
            found |= {node.module, *(f"{node.module}.{name.name}" for name in node.names)}
    return found & {*ORDER, *LAB}


def test_these_are_all_modules():
    files = [
        path.relative_to(ROOT)
        for folder in ("", "exact/", "lab/")
        for path in ROOT.glob(f"{folder}*.py")
    ]
    names = {
        path.with_suffix("").as_posix().removesuffix("/__init__").replace("/", ".")
        for path in files
    }
    assert names == {*ORDER, *LAB}


@pytest.mark.parametrize("module", ORDER)
def test_arrows_go_one_way(module):
    allowed = set(ORDER[: ORDER.index(module)])
    if module.startswith("exact."):
        allowed.add("exact")  # its folder: `from exact import intervals`
    if module == "source":
        allowed |= set(LAB)
    assert imported(module) <= allowed


@pytest.mark.parametrize("module", LAB)
def test_the_lab_knows_none_of_ours(module):
    assert not imported(module)
