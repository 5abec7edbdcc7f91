"""The layout of the project's own files: which module may import which, how the code looks, and
that every docstring says enough."""

import ast
import shutil
import subprocess
import sys

import pytest
from checkout import EDITED, ROOT, read_code, tracked

# Each may import those before it, and a package its own modules; source imports all.
ORDER = [
    ["data", "recurrence"],
    ["pt"],
    ["exact"],
    ["lab.training", "lab.worth"],
    ["lab.deciding", "lab.measuring", "lab.settings"],
    ["lab.parts"],
    ["source"],
]
# These import none of ours; `exact.check` is written from the definition of the adder alone.
ALONE = ["exact.check", "lab.console", "lab.files", "lab.report"]
WRITE = ["lab.cache", "lab.page", "lab.results"]  # these, and the pictures, write files
# How runs are executed, whatever they are: each imports those that are listed for it.
RUNS = {
    "lab.workers": {"lab.cache"},
    "lab.cluster": {"lab.cache", "lab.workers"},
    "lab.runs": {"lab.cache", "lab.cluster", "lab.console", "lab.workers"},
}
FREE = [*ALONE, *WRITE, *RUNS]
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


def level(module):
    """The place of a module, or of its package, in ORDER."""
    return next(
        place
        for place, modules in enumerate(ORDER)
        if module in modules or module.split(".")[0] in modules
    )


PICTURES = [module for module in MODULES if module.startswith("lab.pictures")]


@pytest.mark.parametrize(
    "module", [module for module in MODULES if module not in [*FREE, *PICTURES]]
)
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


@pytest.mark.parametrize("module", RUNS)
def test_the_runs_import_what_is_listed_alone(module):
    assert imported(module) == RUNS[module]


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
