"""The layout: which module may import which, how the code looks, and that every docstring says
enough."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
# Each may import those before it, and a package its own modules; source imports all.
ORDER = [
    ["data", "recurrence"],
    ["pt"],
    ["exact"],
    ["lab.trials", "lab.worth"],
    ["lab.parts"],
    ["source"],
]
# These import none of ours; `exact.check` is written from the definition of the adder alone.
ALONE = ["exact.check", "lab.cache", "lab.files", "lab.report"]
WRITE = ["lab.page", "lab.results"]  # these, and the pictures, write files
FREE = [*ALONE, *WRITE, "lab.pool"]
TOP_LEVEL = {
    *("source.py", "data.py", "pt.py", "requirements.txt", "README.md", "figures", "tests"),
    *("recurrence.py", "exact", "lab"),
}


def name_of(path):
    """The module that a file is."""
    return (
        path.relative_to(ROOT)
        .with_suffix("")
        .as_posix()
        .removesuffix("/__init__")
        .replace("/", ".")
    )


FILES = {
    name_of(path): path
    for path in [*ROOT.glob("*.py"), *ROOT.glob("exact/*.py"), *ROOT.glob("lab/**/*.py")]
}


def imported(module):
    """The modules of ours that a module imports, anywhere in it."""
    names = set()
    for node in ast.walk(ast.parse(FILES[module].read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom):
            names.add(node.module)
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names & set(FILES)


def level(module):
    """The place of a module, or of its package, in ORDER."""
    return next(
        place
        for place, modules in enumerate(ORDER)
        if module in modules or module.split(".")[0] in modules
    )


PICTURES = [module for module in FILES if module.startswith("lab.pictures")]


@pytest.mark.parametrize("module", [module for module in FILES if module not in [*FREE, *PICTURES]])
def test_imports_go_one_way(module):
    for other in imported(module):
        if module == "source" or module.split(".")[0] == other.split(".")[0] == "exact":
            continue
        assert level(other) < level(module), f"{module} imports {other}"


@pytest.mark.parametrize("module", ALONE)
def test_these_import_none_of_ours(module):
    assert not imported(module)


@pytest.mark.parametrize("module", WRITE)
def test_these_import_what_writes_files_alone(module):
    assert imported(module) == {"lab.files"}


@pytest.mark.parametrize("module", PICTURES)
def test_pictures_import_pictures_and_what_writes_files_alone(module):
    assert imported(module) <= {*PICTURES, "lab.files"}


def test_the_pool_imports_the_cache_alone():
    assert imported("lab.pool") == {"lab.cache"}


def test_the_top_level_is_the_list():
    tracked = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if tracked.returncode:
        pytest.skip("no git checkout")
    names = {line.split("/")[0] for line in tracked.stdout.splitlines()}
    assert {name for name in names if not name.startswith(".")} <= TOP_LEVEL


@pytest.mark.parametrize("command", [["format", "--check", "--quiet"], ["check", "--quiet"]])
def test_ruff_decides_the_looks(command):
    ended = subprocess.run(
        [sys.executable, "-m", "ruff", *command, "--no-cache", "."],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_no_comment_tells_the_formatter_to_stop():
    for path in [*FILES.values(), *ROOT.glob("tests/*.py")]:
        assert "# fmt" + ":" not in path.read_text(encoding="utf-8"), path


@pytest.mark.parametrize("module", FILES)
def test_every_public_function_has_a_docstring(module):
    tree = ast.parse(FILES[module].read_text(encoding="utf-8"))
    assert ast.get_docstring(tree)
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    for node in tree.body + [method for each in classes for method in each.body]:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and not node.name.startswith("_"):
            of_autograd = module == "recurrence" and node.name in ("forward", "backward")
            assert of_autograd or ast.get_docstring(node), f"{module}.{node.name}"
