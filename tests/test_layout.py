"""The layout of the project's own files: which module may import which, how the code looks, and
that every docstring says enough."""

import ast
import graphlib
import shutil
import subprocess
import sys

import pytest
from checkout import EDITED, ROOT, read_code, tracked

# Each may import modules of a lower rank, and of its own package, but no part another part.
RANKS = {"data": 1, "recurrence": 1, "pt": 2, "exact": 3, "lab": 4, "lab.parts": 5, "source": 6}
# These import none of ours; `exact.check` is written from the definition of the adder alone.
ALONE = ["exact.check", "lab.console", "lab.report.said", "lab.words"]
# How runs are executed, and what writes files: each imports the listed modules alone.
LISTED = {
    "lab.files": {"lab.console"},
    "lab.cache": {"lab.console", "lab.files"},
    "lab.results": {"lab.console", "lab.files"},
    "lab.page": {"lab.words"},
    "lab.workers": {"lab.cache"},
    "lab.cluster": {"lab.cache", "lab.workers"},
    "lab.runs": {"lab.cache", "lab.cluster", "lab.console", "lab.workers"},
    "lab.report.readings": set(),
    "lab.report.rules": {"lab.report.readings", "lab.report.said"},
}
TOP_LEVEL = {
    *("source.py", "data.py", "pt.py", "requirements.txt", "README.md", "figures", "tests"),
    *("recurrence.py", "exact", "lab"),
}


CODE = read_code()  # {name of the file: text}
# {module: text}, without the tests.
MODULES = {
    name.removesuffix(".py").removesuffix("/__init__").replace("/", "."): text
    for name, text in CODE.items()
    if not name.startswith("tests/")
}


def imported(module):
    """The modules of ours that a module imports, anywhere in it."""
    names = set()
    for node in ast.walk(ast.parse(MODULES[module])):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom):
            names.add(node.module)
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names & set(MODULES) - {"lab"}


def rank(module):
    """The rank of the longest prefix of a module's name that has one."""
    names = module.split(".")
    while ".".join(names) not in RANKS:
        names.pop()
    return RANKS[".".join(names)]


@pytest.mark.parametrize("module", MODULES)
def test_imports_go_one_way(module):
    for other in imported(module):
        is_own_package = module.split(".")[0] == other.split(".")[0]
        assert rank(other) < rank(module) or is_own_package, f"{module} imports {other}"
        assert not rank(other) == rank(module) == RANKS["lab.parts"], f"{module} imports {other}"
        assert not rank(other) > rank(module), f"{module} imports {other}"


@pytest.mark.parametrize("module", ALONE)
def test_these_import_none_of_ours(module):
    assert not imported(module)


@pytest.mark.parametrize("module", LISTED)
def test_these_import_the_listed_modules_alone(module):
    assert imported(module) == LISTED[module]


def test_no_modules_import_each_other():
    # A package and its modules may: `exact` takes their names into its own.
    graph = {module: imported(module) - {module, module.split(".")[0]} for module in MODULES}
    list(graphlib.TopologicalSorter(graph).static_order())  # raises CycleError


def test_the_name_of_a_part_stands_in_the_script_alone():
    parts = [module.split(".")[-1] for module in MODULES if module.startswith("lab.parts.")]
    for module, text in MODULES.items():
        if module not in ("source", "lab.parts"):
            words = {
                node.value
                for node in ast.walk(ast.parse(text))
                if isinstance(node, ast.Constant) and isinstance(node.value, str)
            }
            named = words & {*parts} - {module.split(".")[-1]}
            assert not named, f"{module} knows {named}"


def test_a_training_is_named_without_the_proof_and_the_pictures():
    reached = ["lab.training"]
    for module in reached:
        reached += imported(module) - set(reached)
    assert [name for name in reached if name.startswith(("exact", "lab"))] == ["lab.training"]


def test_the_top_level_is_the_list():
    names = tracked()
    if names is None:
        pytest.skip("no git checkout")
    top = {name.split("/")[0] for name in names}
    assert {name for name in top if not name.startswith(".")} <= TOP_LEVEL


@pytest.fixture(scope="module")
def copied_code(tmp_path_factory):
    """A folder with the project's code alone, and what says how it looks."""
    folder = tmp_path_factory.mktemp("code")
    shutil.copy(ROOT / ".ruff.toml", folder)
    left_out = dict.fromkeys(EDITED, "")  # ruff must see that these names are the project's
    for name, text in (left_out | CODE).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8", newline="\n")
    return folder


@pytest.mark.parametrize("command", [["format", "--check", "--quiet"], ["check", "--quiet"]])
def test_ruff_decides_the_looks(command, copied_code):
    ended = subprocess.run(
        [sys.executable, "-m", "ruff", *command, "--no-cache", "."],
        cwd=copied_code,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_no_comment_tells_the_formatter_to_stop():
    for name, text in CODE.items():
        assert "# fmt" + ":" not in text, name


@pytest.mark.parametrize("module", MODULES)
def test_every_public_function_has_a_docstring(module):
    tree = ast.parse(MODULES[module])
    assert ast.get_docstring(tree)
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    for node in tree.body + [method for each in classes for method in each.body]:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and not node.name.startswith("_"):
            of_autograd = module == "recurrence" and node.name in ("forward", "backward")
            assert of_autograd or ast.get_docstring(node), f"{module}.{node.name}"
