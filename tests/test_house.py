"""The house: which room may use which, by the imports that stand in the files."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ORDER = ["data", "recurrence", "pt", "intervals", "proof", "trials", "source"]  # each may use those before it
LAB = ["lab.claims", "lab.page", "lab.pictures", "lab.runs"]  # none of ours; source uses them


def imported(module):
    """The modules that a file of ours names in its imports, anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse((ROOT / (module.replace(".", "/") + ".py")).read_text())):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        if isinstance(node, ast.ImportFrom):
            found |= {node.module, *(f"{node.module}.{name.name}" for name in node.names)}
    return found & {*ORDER, *LAB, "lab"}


def test_these_are_all_modules():
    files = [*ROOT.glob("*.py"), *ROOT.glob("lab/*.py")]
    assert {path.relative_to(ROOT).with_suffix("").as_posix().replace("/", ".") for path in files} == {*ORDER, *LAB}


@pytest.mark.parametrize("module", ORDER)
def test_arrows_go_one_way(module):
    allowed = set(ORDER[: ORDER.index(module)])
    if module == "source":
        allowed |= {*LAB, "lab"}
    assert imported(module) <= allowed


@pytest.mark.parametrize("module", LAB)
def test_the_lab_knows_none_of_ours(module):
    assert not imported(module)
