"""The names of runs, and their results on disk under these names.

A run is a call of a function. It is named by the function's name, its arguments (another run among
them by its own name), the machine, and its code: the file of the function and all files of the
project that this imports, whole. The code is told by syntax trees, so a comment, a docstring or the
formatter changes no name. An import by a computed name (`importlib.import_module(name)`) is not
seen.

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
import platform
import re
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from torch.backends.cpu import get_cpu_capability

from lab.files import written_whole

ROOT = Path(__file__).resolve().parent.parent
CHECKSUM_BYTES = hashlib.sha256().digest_size
FLINT = version("python-flint")  # looked up once: it takes a millisecond
DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
# Environment variables that choose how PyTorch and NumPy compute, so that numbers may differ.
CHOOSES_NUMBERS = re.compile(
    "ATEN_CPU_CAPABILITY|MKL_CBWR|MKL_ENABLE_INSTRUCTIONS|MKL_DEBUG_CPU_TYPE|ONEDNN_.*|DNNL_.*|"
    "OPENBLAS_CORETYPE|NPY_DISABLE_CPU_FEATURES|NVIDIA_TF32_OVERRIDE|"
    "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE|CUBLAS_WORKSPACE_CONFIG"
)


class DamagedError(Exception):
    """A result on disk that is not as it was written."""


class EditedError(Exception):
    """Code that was edited after its import; the message is one line for the reader."""


# --- The name of a run.


def name_run(function, arguments, machine):
    """The name, 64 hexadecimal digits, under which the result of `function(*arguments)` is stored.

    `machine` is a dict of what else decides the numbers, such as versions. Raises TypeError for an
    argument that has no canonical form.
    """
    about = [
        function.__qualname__,
        describe(arguments),
        describe(machine),
        digest_code(function.__module__),
    ]
    return hash_bytes(json.dumps(about, sort_keys=True).encode())


def describe_machine(device):
    """What decides the numbers of a run here beside its arguments and its code.

    A dict of the versions of python and of the packages that compute, the kind of `device` (a GPU's
    name, or the instructions that a CPU has) and the environment variables that choose how numbers
    are computed.
    """
    kind = f"CPU {platform.machine()} {get_cpu_capability()}"
    if torch.device(device).type == "cuda":
        kind = torch.cuda.get_device_name(device) if torch.cuda.is_available() else "no CUDA"
    variables = [
        f"{name}={value}"
        for name, value in sorted(os.environ.items())
        if CHOOSES_NUMBERS.fullmatch(name)
    ]
    return {
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "numpy": np.__version__,
        "python-flint": FLINT,
        "device": kind,
        "variables": ", ".join(variables) or "none",
    }


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


@functools.cache
def digest_code(module):
    """{file: digest} of an imported module of the project and all that it imports of the project.

    Two processes that imported the same code have the same.
    """
    return CODE.digest(find_file(module))


def find_file(module):
    """The file of an imported module."""
    return Path(sys.modules[module].__file__).resolve()


def check_unedited(module):
    """Raise EditedError where the code of a module on disk is not the code imported here.

    New processes would import the code on disk.
    """
    imported = digest_code(module)
    if not any(CODE.is_edited(ROOT / file) for file in imported):
        return
    try:
        edited = name_differing(read_code().digest(find_file(module)), imported)
    except SyntaxError as error:
        edited = Path(error.filename).name
    if edited:
        raise EditedError(say_edited(edited))


def name_differing(digests, others):
    """The files whose code differs in two results of `digest_code`, in words."""
    files = [file for file in digests | others if digests.get(file) != others.get(file)]
    return ", ".join(sorted(files))


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
        self.unsure |= set(filter(self.is_edited, self.sources))

    def is_edited(self, path):
        """Whether a file is not as it was read."""
        return not path.exists() or path.read_bytes() != self.sources[path]

    def digest(self, path):
        """{file: digest} of the file `path` and of every file of the project that it imports."""
        reached = {path}
        pending = [path]
        while pending:
            importing = pending.pop()
            imported = self.find_imports(importing) - reached
            reached |= imported
            pending += imported
        return {self.place(each): self.digest_file(each) for each in reached}

    def digest_file(self, path):
        """The digest of a file's code; "edited" where it is not sure which text was imported."""
        if path in self.unsure:
            return "edited"
        return hash_bytes(ast.dump(self.read(path)).encode())

    def place(self, path):
        """A file's place in the project, as text that is the same on every system."""
        return path.relative_to(self.root).as_posix()

    def read(self, path):
        """The syntax tree of a file, without docstrings."""
        if path not in self.trees:
            tree = ast.parse(self.sources[path], str(path))
            for node in ast.walk(tree):
                if (
                    isinstance(node, (ast.Module, *DEFINITIONS))
                    and ast.get_docstring(node) is not None
                ):
                    del node.body[0]
            self.trees[path] = tree
        return self.trees[path]

    def find_imports(self, path):
        """The files of the project that the imports anywhere in the file `path` execute."""
        files = set()
        for statement in ast.walk(self.read(path)):
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
