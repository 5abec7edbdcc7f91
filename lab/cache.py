"""Results on disk, each under a name that tells what made it.

That is a function, its arguments, its code and the machine. The code is told by its syntax tree,
so a comment, a docstring or the formatter changes no name. It is the function's own definition,
everything in its module that this mentions, and every module of the project that these import,
whole. What is imported by a computed name (`importlib.import_module(name)`) is not seen.

The code is the text of the files when this module was imported, whatever they say later. A process
that executes a run says which code it has imported itself.
"""

import ast
import contextlib
import functools
import hashlib
import io
import json
import os
import pickle
import sys
from pathlib import Path

import numpy as np
import torch

from lab.files import written_whole

ROOT = Path(__file__).resolve().parent.parent
CHECKSUM_BYTES = hashlib.sha256().digest_size
DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
IMPORTS = (ast.Import, ast.ImportFrom)
OWN_SCOPES = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp, ast.Lambda)


class DamagedError(Exception):
    """A result on disk that is not as it was written."""


class EditedError(Exception):
    """Code that was edited after its import; the message is one line for the reader."""


# --- The name of a run.


def name_run(function, arguments, machine):
    """The name, 64 hexadecimal digits, under which the result of `function(*arguments)` is stored.

    `machine` is a dict of what else decides the numbers, such as versions. Raises TypeError for an
    argument that has no canonical form and for a function that does not stand at the top level of
    a module.
    """
    about = [
        function.__name__,
        describe(arguments),
        describe(machine),
        hash_code(function.__module__, function.__qualname__),
    ]
    return hash_bytes(json.dumps(about).encode())


def describe(value):
    """The canonical form of `value`, as JSON can hold it: the same for equal values of equal types.

    Numbers, text, None, lists, tuples, dicts (in any order), NumPy arrays and torch tensors have
    one, and any object with a method `cache_key`, which returns one of these. Raises TypeError for
    all else, naming it.
    """
    kind = type(value)
    if callable(getattr(kind, "cache_key", None)):
        return [kind.__qualname__, describe(value.cache_key())]
    if kind in (type(None), bool, int, float, str):
        return [kind.__name__, repr(value)]
    if isinstance(value, (list, tuple)):
        return [kind.__name__, [describe(item) for item in value]]
    if isinstance(value, dict):
        items = [[describe(key), describe(item)] for key, item in value.items()]
        return ["dict", sorted(items, key=json.dumps)]
    if isinstance(value, torch.Tensor):
        content = value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy()
        return ["tensor", str(value.dtype), list(value.shape), hash_bytes(content.tobytes())]
    if isinstance(value, (np.ndarray, np.generic)) and not value.dtype.hasobject:
        return ["array", value.dtype.str, list(value.shape), hash_bytes(value.tobytes())]
    raise TypeError(f"a run cannot be told by an argument of type {kind.__qualname__}: {value!r}")


def hash_bytes(content):
    """The SHA-256 of bytes, in hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()


def hash_code(module, name):
    """The hash of the code of the function `name` of an imported module."""
    return hash_digests(digest_code(module, name))


def hash_digests(digests):
    """One hash of a dict of them."""
    return hash_bytes(json.dumps(digests, sort_keys=True).encode())


@functools.cache
def digest_code(module, name):
    """{file: digest} of the code that the function `name` of an imported module may reach.

    Two processes that imported the same code have the same.
    """
    return CODE.digest(Path(sys.modules[module].__file__).resolve(), name)


def check_unedited(function):
    """Raise EditedError where the code of `function` on disk is not the code imported here.

    New processes would import the code on disk.
    """
    imported = digest_code(function.__module__, function.__qualname__)
    path = Path(sys.modules[function.__module__].__file__).resolve()
    try:
        on_disk = read_code().digest(path, function.__qualname__)
    except SyntaxError as error:
        raise EditedError(say_edited(Path(error.filename).name)) from None
    except TypeError:  # the function is gone
        raise EditedError(say_edited(path.name)) from None
    if on_disk != imported:
        raise EditedError(say_edited(name_differing(on_disk, imported)))


def name_differing(digests, others):
    """The files whose code differs in two results of `digest_code`, in words."""
    files = [file for file in digests | others if digests.get(file) != others.get(file)]
    return ", ".join(sorted({file.partition(":")[0] for file in files}))


def say_edited(files):
    """One line on files that were edited after their import."""
    return (
        f"{files} was edited after this process imported it: start again "
        "(in a notebook, restart the kernel)"
    )


def read_code():
    """The code of this project, as its files are now."""
    entries = [Path(entry or ".").resolve() for entry in sys.path]
    return Code(ROOT, [entry for entry in entries if is_in_project(entry, ROOT)])


def is_in_project(path, root):
    """Whether `path` is `root` or below, in no hidden folder and not an installed package's."""
    if not path.is_relative_to(root):
        return False
    parts = path.relative_to(root).parts
    return not any(part.startswith(".") or part == "site-packages" for part in parts)


def list_modules(root):
    """The files of all modules of the project in the folder `root`."""
    paths = []
    for folder, folders, files in os.walk(root):
        folders[:] = [name for name in folders if is_in_project(Path(folder, name), root)]
        paths += [Path(folder, name) for name in files if name.endswith(".py")]
    return sorted(paths)


# --- Code, by its syntax trees.


class Code:
    """The modules of a project, all files read when it is made.

    `root` is the project's folder. Modules are looked for in `folders`, in this order, and last in
    `root`.
    """

    def __init__(self, root, folders=()):
        self.root = root
        self.folders = [*folders, root]
        self.sources = {}
        for path in list_modules(root):
            with contextlib.suppress(OSError):
                self.sources[path] = path.read_bytes()
        self.trees = {}
        self.unsure = set()  # files that were edited while they were imported

    def note_edited(self):
        """Mark the files that are not as they were read: which text was imported is not sure."""
        for path, source in self.sources.items():
            if not path.exists() or path.read_bytes() != source:
                self.unsure.add(path)

    def digest(self, path, name):
        """{file: digest} of all code of the project that the function `name` of `path` may reach.

        The statements of `path` itself that it needs count as the file "path:name". Raises
        TypeError where it is not defined at the file's top level.
        """
        statements = self.choose(path, name)
        reached = set()
        pending = [(path, statement) for statement in statements]
        while pending:
            importing, node = pending.pop()
            for imported in self.find_imports(importing, node) - reached:
                reached.add(imported)
                pending.append((imported, self.read(imported)))
        own = json.dumps([ast.dump(statement) for statement in statements])
        digests = {f"{self.place(path)}:{name}": self.digest_text(path, own)}
        for module in reached:
            digests[self.place(module)] = self.digest_text(module, ast.dump(self.read(module)))
        return digests

    def digest_text(self, path, text):
        """The digest of `text`, code of the file `path`; "edited" where the text is not sure."""
        return "edited" if path in self.unsure else hash_bytes(text.encode())

    def place(self, path):
        """A file's place in the project, as text that is the same on every system."""
        return path.relative_to(self.root).as_posix()

    def choose(self, path, name):
        """The top-level statements of `path` that its function `name` may need, in their order."""
        tree = self.read(path)
        bound = {statement: bound_names(statement) for statement in tree.body}
        if not any(isinstance(node, DEFINITIONS) and node.name == name for node in tree.body):
            raise TypeError(f"{name} is not defined at the top level of {path.name}")
        # What binds no name, such as `torch.use_deterministic_algorithms(True)`, may matter to all.
        chosen = {node for node, names in bound.items() if not names or "*" in names}
        wanted = {name}.union(*map(mentioned_names, chosen))
        while more := {node for node, names in bound.items() if names & wanted} - chosen:
            chosen |= more
            wanted = wanted.union(*map(mentioned_names, more))
        return [statement for statement in tree.body if statement in chosen]

    def read(self, path):
        """The syntax tree of a file, without docstrings, its top-level imports split by name."""
        if path not in self.trees:
            tree = ast.parse(self.sources[path], str(path))
            for node in ast.walk(tree):
                if (
                    isinstance(node, (ast.Module, *DEFINITIONS))
                    and ast.get_docstring(node) is not None
                ):
                    del node.body[0]
            tree.body = [single for node in tree.body for single in split_import(node)]
            self.trees[path] = tree
        return self.trees[path]

    def find_imports(self, path, node):
        """The files of the project that the imports anywhere in `node`, code of `path`, execute."""
        files = set()
        for statement in ast.walk(node):
            if isinstance(statement, ast.Import):
                for alias in statement.names:
                    files |= self.find_module(alias.name, self.folders)
            if isinstance(statement, ast.ImportFrom):
                folders = self.folders
                if statement.level:
                    folders = [path.parents[statement.level - 1]]
                    files |= {folders[0] / "__init__.py"} & self.sources.keys()
                for alias in statement.names:
                    names = [statement.module, alias.name]
                    files |= self.find_module(".".join(filter(None, names)), folders)
        return files

    def find_module(self, name, folders):
        """The files of the project that an import of `name` executes, its packages' among them."""
        files = set()
        parts = name.split(".")
        for length in range(1, len(parts) + 1):
            for folder in folders:
                base = folder.joinpath(*parts[:length])
                candidates = [base / "__init__.py", base.with_name(f"{base.name}.py")]
                existing = [path for path in candidates if path in self.sources]
                if existing:
                    files.add(existing[0])
                    break
        return files


def split_import(node):
    """An import of several names as one for each; any other statement as it is."""
    if isinstance(node, ast.Import):
        return [ast.Import([alias]) for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        return [ast.ImportFrom(node.module, [alias], node.level) for alias in node.names]
    return [node]


def bound_names(node):
    """The names that a top-level statement binds in its module; "*" for `from x import *`."""
    if isinstance(node, DEFINITIONS):
        return {node.name}
    if isinstance(node, IMPORTS):
        return {alias.asname or alias.name.partition(".")[0] for alias in node.names}
    if isinstance(node, OWN_SCOPES):
        return set()
    if isinstance(node, ast.Name):
        return {node.id} if isinstance(node.ctx, ast.Store) else set()
    return set().union(*map(bound_names, ast.iter_child_nodes(node)))


def mentioned_names(node):
    """All names that stand anywhere in a statement."""
    return {child.id for child in ast.walk(node) if isinstance(child, ast.Name)}


# --- Results on disk.


def store(path, result):
    """Write `result`, of plain values and tensors, to `path`: whole or not at all.

    The checksum stands before it. Raises OSError where it cannot be written, and TypeError for a
    result that could not be loaded again.
    """
    payload = io.BytesIO()
    torch.save(result, payload)
    content = payload.getvalue()
    try:
        torch.load(io.BytesIO(content), weights_only=True)
    except pickle.UnpicklingError as error:
        raise TypeError(f"a result must hold plain values and tensors only: {error}") from None
    path.parent.mkdir(parents=True, exist_ok=True)
    with written_whole(path) as aside, open(aside, "wb") as file:
        file.write(hashlib.sha256(content).digest() + content)
        file.flush()
        os.fsync(file.fileno())  # a power cut must not leave the new name on an empty file


def load(path):
    """The result stored at `path`; None where there is none.

    Raises DamagedError, naming the file, if it is damaged.
    """
    try:
        content = path.read_bytes()
    except OSError:
        return None
    payload = content[CHECKSUM_BYTES:]
    if hashlib.sha256(payload).digest() != content[:CHECKSUM_BYTES]:
        raise DamagedError(f"a cached run is damaged and is made again: {path.name}")
    return torch.load(io.BytesIO(payload), weights_only=True)


CODE = read_code()  # that this process imports
