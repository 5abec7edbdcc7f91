"""What names a cached run, and that its result comes back whole or not at all."""

import dataclasses

import numpy as np
import pytest
import torch

from lab import cache

RUN = """
'''A module.'''
import os
import shallow
from package import inner, aside
import unused
from package.named import used_name

RATE = 0.5
OTHER = 1
TABLE = {}
TABLE["rate"] = RATE


def helper(x):
    return x * RATE


def train(settings, progress):
    '''Docstring.'''
    # A comment.
    return {"x": helper(1), "y": shallow.go(), "z": inner.go(), "u": used_name}


def other(settings, progress):
    return {"x": OTHER, "aside": aside.go(), "unused": unused.go()}
"""
FILES = {
    "run.py": RUN,
    "shallow.py": "import deep\n\ndef go():\n    return deep.go()\n",
    "deep.py": "VALUE = 1\n\ndef go():\n    import deepest\n    return deepest.go() + VALUE\n",
    "deepest.py": "def go():\n    '''Go.'''\n    return 3\n",
    "unused.py": "def go():\n    return 4\n",
    "package/__init__.py": "from .relative import constant\n",
    "package/relative.py": "constant = 5\n",
    "package/inner.py": "from . import sibling\n\ndef go():\n    return sibling.go()\n",
    "package/sibling.py": "def go():\n    return 6\n",
    "package/aside.py": "def go():\n    return 7\n",
    "package/named.py": "used_name = 8\n",
}


@pytest.fixture
def hash_with(tmp_path):
    """hash_with({file: new text}) -> the digests of run.py in a project with files changed."""

    def hash_files(changes):
        for file, text in (FILES | changes).items():
            path = tmp_path / file
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
        return cache.Code(tmp_path).digest("run.py")

    return hash_files


def edit(file, old, new):
    """One file of the project with one place changed."""
    assert FILES[file].count(old) == 1
    return {file: FILES[file].replace(old, new)}


@pytest.mark.parametrize(
    "changes",
    [
        edit("run.py", "# A comment.", "# Another comment."),
        edit("run.py", "'''Docstring.'''", ""),
        edit("run.py", "'''A module.'''", '"""A module that was described again."""'),
        edit(
            "run.py",
            "def train(settings, progress):",
            "\n\n\ndef train(\n    settings,\n    progress,\n):",
        ),
        edit("run.py", '{"x": helper(1),', "{\n        'x': (helper(1)),\n       "),
        edit("deepest.py", "'''Go.'''", "'''Go on.'''"),
        {"standing_by.py": "1"},
    ],
)
def test_what_makes_no_difference(hash_with, changes):
    assert hash_with(changes) == hash_with({})


@pytest.mark.parametrize(
    "changes",
    [
        edit("run.py", "RATE = 0.5", "RATE = 0.25"),
        edit("run.py", "return x * RATE", "return x + RATE"),
        edit("run.py", "helper(1)", "helper(2)"),
        edit("run.py", "import unused", "import unused\nos.environ['A'] = 'B'"),
        edit("run.py", "OTHER = 1", "OTHER = 2"),
        edit("unused.py", "4", "5"),
        edit("shallow.py", "deep.go()", "deep.go() + 1"),
        edit("deep.py", "VALUE = 1", "VALUE = 2"),
        edit("deepest.py", "3", "4"),
        edit("package/__init__.py", "constant", "constant as renamed"),
        edit("package/relative.py", "5", "6"),
        edit("package/sibling.py", "6", "7"),
        edit("package/named.py", "8", "9"),
    ],
)
def test_what_makes_a_difference(hash_with, changes):
    assert hash_with(changes) != hash_with({})


@pytest.mark.parametrize("others", ["on disk", "imported"])
def test_files_that_were_edited_are_named(hash_with, tmp_path, monkeypatch, others):
    monkeypatch.setattr(cache, "ROOT", tmp_path)
    code = hash_with({})
    monkeypatch.setattr(cache, "CODE", cache.read_code())
    cache.check_unedited(code)
    hash_with(edit("run.py", "# A comment.", "# Another comment.") | {"standing_by.py": "1"})
    cache.check_unedited(code)
    (tmp_path / "unused.py").unlink()
    with pytest.raises(cache.LabError, match="^unused.py was edited after"):
        cache.check_unedited(code)
    for text in ("used_name = 9\n", "used_name = ("):
        hash_with(edit("run.py", "RATE = 0.5", "RATE = 0.25") | {"package/named.py": text})
        if others == "imported":  # and the edit is undone since then
            monkeypatch.setattr(cache, "CODE", cache.read_code())
            hash_with({})
        with pytest.raises(cache.LabError, match="^package/named.py, run.py was edited after"):
            cache.check_unedited(code)


def test_a_module_is_looked_for_where_python_looks(tmp_path):
    texts = {"own/run.py": "import help", "own/help.py": "1", "help.py": "2", "other/help.py": "3"}
    for file, text in texts.items():
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).write_text(text)
    for folders, expected in {
        (): "help.py",
        ("own",): "own/help.py",
        ("other", "own"): "other/help.py",
    }.items():
        code = cache.Code(tmp_path, [tmp_path / folder for folder in folders])
        assert [file for file, _ in code.digest("own/run.py")] == ["own/run.py", expected]


def test_installed_packages_and_hidden_folders_are_not_the_projects(tmp_path):
    for file in ("a.py", "b/c.py", ".hidden/d.py", "env/lib/site-packages/e.py", "f.txt"):
        path = tmp_path / file
        path.parent.mkdir(exist_ok=True, parents=True)
        path.touch()
    (tmp_path / ".#open.py").symlink_to("an editor's lock")
    assert sorted(cache.Code(tmp_path).sources) == ["a.py", "b/c.py"]


@dataclasses.dataclass
class Options:
    rate: float = 0.5
    later: int = 1

    def cache_key(self):
        return {"rate": self.rate} | ({"later": self.later} if self.later != 1 else {})


def work(options, progress):
    return {}


HERE = {"python": "3", "torch": "2", "numpy": "1", "device": "CPU"}


def name(*arguments, machine=HERE):
    return cache.name_run(work, arguments, machine)


def test_equal_arguments_have_one_name():
    numbers = torch.arange(6.0)
    assert name({"a": 1, "b": 2}) == name({"b": 2, "a": 1})
    assert name(numbers.reshape(2, 3)) == name(numbers.reshape(3, 2).T.contiguous().T.reshape(2, 3))
    assert name(np.eye(3)) == name(np.eye(3).T.copy())
    assert name(numbers[::2]) == name(torch.tensor([0.0, 2.0, 4.0]))
    assert name(Options()) == name(Options(later=1)) != name(Options(later=2))
    assert name(torch.nn.Linear(2, 2).requires_grad_(False).state_dict()) != name({})


def test_different_arguments_machines_and_functions_have_different_names():
    values = [
        0,
        0.0,
        -0.0,
        False,
        None,
        "",
        "0",
        [],
        (),
        {},
        [0],
        (0,),
        [[0]],
        {0: 0},
        {"0": 0},
        1,
        True,
        float("nan"),
        np.float64(0),
        np.zeros(1),
        np.zeros((1, 1)),
        np.zeros(1, "float32"),
        torch.zeros(1),
        torch.zeros(1, 1),
        torch.zeros(1, dtype=torch.float64),
        torch.zeros(()),
        torch.zeros(1, dtype=torch.bfloat16),
        torch.ones(1),
        torch.zeros(0),
        Options(),
        Options(1.0),
    ]
    names = [name(value) for value in values]
    names += [name(0, machine=HERE | {key: "another"}) for key in HERE]
    names += [name(), name(0, 0), cache.name_run(edit, (0,), HERE)]
    assert len(set(names)) == len(names)
    assert all(len(each) == 64 for each in names)


@pytest.mark.parametrize(
    "value", [object(), {1, 2}, work, torch.float32, [object()], np.array([None])]
)
def test_an_argument_without_a_canonical_form_is_named(value):
    with pytest.raises(TypeError, match="a run cannot be told by an argument of type"):
        name(value)


RESULT = {"numbers": torch.arange(3.0), "plain": [1, 2.5, None, True, "text", {"a": (1, 2)}]}


def test_a_result_comes_back(tmp_path):
    path = tmp_path / "folder" / "name"
    assert cache.load(path) is None
    cache.store(path, cache.pack(RESULT))
    again = cache.unpack(cache.load(path))
    assert again["numbers"].tolist() == [0, 1, 2]
    assert again["plain"] == RESULT["plain"]
    assert [file.name for file in path.parent.iterdir()] == ["name"]


def test_damage_is_noticed_wherever_it_is(tmp_path):
    path = tmp_path / "name"
    cache.store(path, b"packed" * 100)
    content = path.read_bytes()
    damaged = [b"", content[:20], content[:-1], content[: len(content) // 2], content + b"0"]
    for place in range(0, len(content), 97):
        flipped = bytearray(content)
        flipped[place] ^= 1
        damaged.append(bytes(flipped))
    for each in damaged:
        path.write_bytes(each)
        with pytest.raises(cache.DamagedError, match="is damaged and is made again: name"):
            cache.load(path)


def test_what_cannot_be_written_leaves_nothing(tmp_path):
    (tmp_path / "file").write_text("no folder can be made here")
    with pytest.raises(OSError):
        cache.store(tmp_path / "file" / "name", b"packed")
    (tmp_path / "name").mkdir()
    with pytest.raises(OSError):
        cache.store(tmp_path / "name", b"packed")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "name"]


@pytest.mark.parametrize("value", [Options(), np.float64(1), np.zeros(2)])
def test_a_result_of_other_values_is_refused(value):
    with pytest.raises(TypeError, match="must hold plain values and tensors only"):
        cache.pack({"value": value})
