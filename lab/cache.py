"""The names of runs, and their results on disk under these names.

A run is a call of a function. It is named by the function's name, its arguments (another run among
them by its own name), the machine, and its code: the file of the function and all files of the
project that this imports, whole, as they were when this module was imported. The code is told by
syntax trees, so a comment, a docstring or the formatter changes no name. An import by a computed
name (`importlib.import_module(name)`) is not seen.
"""

import ast
import contextlib
import functools
import hashlib
import io
import itertools
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

from lab.console import ForeseenError
from lab.files import written_whole

ROOT = Path(__file__).resolve().parent.parent
CHECKSUM_BYTES = hashlib.sha256().digest_size
FLINT = version("python-flint")  # looked up once: it takes a millisecond
DOCUMENTED = (ast.Module, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
# Environment variables that choose how PyTorch and NumPy compute, so that numbers may differ.
CHOOSES_NUMBERS = re.compile(
    "ATEN_CPU_CAPABILITY|MKL_CBWR|MKL_ENABLE_INSTRUCTIONS|MKL_DEBUG_CPU_TYPE|ONEDNN_.*|DNNL_.*|"
    "OPENBLAS_CORETYPE|NPY_DISABLE_CPU_FEATURES|NVIDIA_TF32_OVERRIDE|"
    "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE|CUBLAS_WORKSPACE_CONFIG"
)


class LabError(ForeseenError):
    """An end that was foreseen; the message is one line for the reader."""


class DamagedError(Exception):
    """A result on disk that is not as it was written."""


# --- The name of a run.


def name_run(function, arguments, machine):
    """The name, 64 hexadecimal digits, of the run `function(*arguments)`.

    `machine` is as `describe_machine` has it. TypeError for an argument that `describe` refuses.
    """
    code = digest_code(function.__module__)
    about = [function.__qualname__, describe(arguments), describe(machine), code]
    return hash_bytes(json.dumps(about).encode())


def describe_machine(device):
    """The versions and the device that decide the numbers of a run here, as a dict.

    The versions of python and of the packages that compute, the kind of `device` (a GPU's name, or
    the instructions of a CPU) and the environment variables that choose how numbers are computed.
    """
    kind = f"CPU {platform.machine()} {get_cpu_capability()}"
    if torch.device(device).type == "cuda":
        kind = torch.cuda.get_device_name(device) if torch.cuda.is_available() else "no CUDA"
    chosen = sorted(filter(CHOOSES_NUMBERS.fullmatch, os.environ))
    return {
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "numpy": np.__version__,
        "python-flint": FLINT,
        "device": kind,
        "variables": ", ".join(f"{name}={os.environ[name]}" for name in chosen) or "none",
    }


def describe(value):
    """The canonical form of `value`, as JSON can hold it: the same for equal values of equal types.

    Numbers, text, None, lists, tuples, dicts (in any order), NumPy arrays and torch tensors have
    one, and an object whose method `cache_key` returns one of these. TypeError names any other.
    """
    kind = type(value)
    if hasattr(kind, "cache_key"):
        return [kind.__qualname__, describe(value.cache_key())]
    if kind in (type(None), bool, int, float, str):
        return [kind.__name__, repr(value)]
    if isinstance(value, (list, tuple)):
        return [kind.__name__, [describe(item) for item in value]]
    if isinstance(value, dict):
        items = [[describe(key), describe(item)] for key, item in value.items()]
        return ["dict", sorted(items, key=json.dumps)]
    if isinstance(value, torch.Tensor):
        content = value.detach().cpu().contiguous().reshape(-1).view(torch.uint8)
        return [str(value.dtype), list(value.shape), describe(content.numpy())]
    if isinstance(value, (np.ndarray, np.generic)) and not value.dtype.hasobject:
        return ["array", value.dtype.str, list(value.shape), hash_bytes(value.tobytes())]
    raise TypeError(f"a run cannot be told by an argument of type {kind.__qualname__}: {value!r}")


def hash_bytes(content):
    """The SHA-256 of bytes, in hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()


# --- Code, by its syntax trees.


class Code:
    """The text of a project's modules, all read when it is made: `sources` has it by their files.

    A file is named by its path from `root`, the project's folder, with slashes. Modules are
    imported from `folders`, the first before the others, and last from `root`.
    """

    def __init__(self, root, folders=()):
        self.sources = {}
        for folder, inner, names in os.walk(root):
            inner[:] = [name for name in inner if name[0] != "." and name != "site-packages"]
            for path in [Path(folder, name) for name in names if name.endswith(".py")]:
                with contextlib.suppress(OSError):  # such as an editor's broken link
                    self.sources[path.relative_to(root).as_posix()] = path.read_bytes()
        self.files = {}  # by the names that imports have for them
        for folder in [root, *reversed(folders)]:
            for file in self.sources:
                if Path(root, file).is_relative_to(folder):
                    parts = Path(root, file).relative_to(folder).with_suffix("").parts
                    self.files[".".join(parts).removesuffix(".__init__")] = file

    def digest(self, file):
        """((file, digest), ...) of a file, the first, and all files of the project it imports."""
        digests = {}
        pending = [file]
        while pending:
            file = pending.pop()
            if file not in digests:
                source = self.sources.get(file, b"")
                digests[file], names = parse(source, Path(file).parent.parts)
                pending += [self.files[name] for name in names if name in self.files]
        return tuple(digests.items())


@functools.cache
def parse(source, package):
    """The digest of a module's code, and the names of all modules that it may import.

    `package`, the names of the folders that it lies in, tells what relative imports mean.
    """
    try:
        tree = ast.parse(source)
    except SyntaxError:  # an edit that is not finished
        return hash_bytes(source), []
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, DOCUMENTED) and ast.get_docstring(node, clean=False) is not None:
            del node.body[0]
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) + 1 - node.level] if node.level else ()
            within = [*base, node.module] if node.module else base
            names |= {".".join([*within, alias.name]) for alias in node.names}
    # An import of a.b.c executes a, a.b and a.b.c.
    paths = [itertools.accumulate(name.split("."), "{}.{}".format) for name in names]
    return hash_bytes(ast.dump(tree).encode()), sorted(set(itertools.chain(*paths)))


def read_code():
    """The code of this project, as its files are now."""
    return Code(ROOT, [Path(entry).resolve() for entry in sys.path])


@functools.cache
def digest_code(module):
    """The code of an imported module and of all that it imports, see `Code.digest`."""
    return CODE.digest(Path(sys.modules[module].__file__).resolve().relative_to(ROOT).as_posix())


def check_unedited(code):
    """Raise LabError, naming files, where a module's code, here or on disk, is not `code`.

    The code on disk counts, too: it may have been imported after an edit, and will be elsewhere.
    """
    for here in (CODE, read_code()):
        differing = set(here.digest(code[0][0])) ^ set(code)
        if differing:
            files = ", ".join(sorted({file for file, _ in differing}))
            raise LabError(
                f"{files} was edited after this process imported it: start again (in a notebook, "
                "restart the kernel)"
            )


# --- Results on disk.


def pack(result):
    """A result, of plain values and tensors, as bytes; TypeError for one that holds others."""
    buffer = io.BytesIO()
    torch.save(result, buffer)
    buffer.seek(0)
    try:
        torch.load(buffer, weights_only=True)
    except pickle.UnpicklingError as error:
        raise TypeError(f"a result must hold plain values and tensors only: {error}") from None
    return buffer.getvalue()


def unpack(packed):
    """The result in bytes of `pack`; a file that somebody else put there runs no code."""
    return torch.load(io.BytesIO(packed), weights_only=True)


def store(path, packed):
    """Write bytes to `path` behind their checksum, whole or not at all; OSError if it cannot be."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with written_whole(path) as aside, open(aside, "wb") as file:
        file.write(hashlib.sha256(packed).digest() + packed)
        file.flush()
        os.fsync(file.fileno())  # a power cut must not leave the new name on an empty file


def load(path):
    """The bytes stored at `path`, None where there are none; DamagedError names a damaged file."""
    try:
        content = path.read_bytes()
    except OSError:
        return None
    packed = content[CHECKSUM_BYTES:]
    if hashlib.sha256(packed).digest() != content[:CHECKSUM_BYTES]:
        raise DamagedError(f"a cached run is damaged and is made again: {path.name}")
    return packed


CODE = read_code()  # that this process imports
