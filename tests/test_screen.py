"""The reader's environment changes no picture, and drawing says nothing of it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import sample
from matplotlib.image import imread

from lab import curves, screen, style

HOSTILE = """
backend: nonsense
text.usetex: True
text.parse_math: False
text.antialiased: False
lines.linewidth: 9
font.family: serif
font.size: 30
axes.prop_cycle: cycler('color', ['ff0000'])
axes.formatter.use_mathtext: True
savefig.dpi: 30
savefig.format: pdf
savefig.bbox: tight
figure.constrained_layout.use: True
figure.facecolor: red
path.sketch: 3, 100, 2
no.such.key: 1
"""
DRAW = """
import json, sys
from pathlib import Path
import sample
from lab import curves, style

results, run = json.load(sys.stdin)
folder = Path(sys.argv[1])
for name, result in results.items():
    style.save_picture(sample.PARTS[name].draw, result, folder / f"{name}.png")
curves.draw_run(run, folder / "run.png")
print(curves.show_run(run))
"""
RUN = {"loss": [2.0, 1.0, 0.5], "steps": [0, 2], "accuracy": [0.0, 1.0]}


def test_the_readers_environment_changes_no_picture_and_is_silent(tmp_path):
    """A matplotlibrc of nonsense, a backend that is not there, a home without settings."""
    entries = sample.results()["parts"]
    results = {name: entries[name] for name in ("rnn-layers", "stress", "gpu", "errors")}
    (tmp_path / "matplotlibrc").write_text(HOSTILE)
    (tmp_path / "home").write_text("a file, so nothing can be written below it")
    for folder in ("here", "there"):
        (tmp_path / folder).mkdir()
    tests = Path(__file__).parent
    environment = os.environ | {
        "MATPLOTLIBRC": str(tmp_path / "matplotlibrc"),
        "MPLBACKEND": "module://no_such_notebook.backend_inline",
        "MPLCONFIGDIR": str(tmp_path / "home" / "settings"),
        "PYTHONPATH": os.pathsep.join([str(tests.parent), str(tests)]),
    }
    process = subprocess.run(
        [sys.executable, "-c", DRAW, str(tmp_path / "there")],
        input=json.dumps([results, RUN]),
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (process.returncode, process.stdout, process.stderr) == (0, "False\n", "")
    for name, result in results.items():
        style.save_picture(sample.PARTS[name].draw, result, tmp_path / "here" / f"{name}.png")
    curves.draw_run(RUN, tmp_path / "here" / "run.png")
    for name in (*results, "run"):
        here, there = (tmp_path / folder / f"{name}.png" for folder in ("here", "there"))
        assert imread(here).shape[1] >= 1000
        assert here.read_bytes() == there.read_bytes(), name


@pytest.mark.parametrize(("name", "used"), [("svg", "svg"), ("nonsense", "agg")])
def test_the_readers_backend_is_kept_if_matplotlib_knows_it(name, used):
    code = """
import os
from lab.screen import matplotlib

if os.environ["MPLBACKEND"] == "nonsense":
    matplotlib.use("agg")  # on a machine without a screen it is
print(os.environ["MPLBACKEND"], matplotlib.get_backend())
"""
    process = subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path(screen.__file__).parents[1],
        env=os.environ | {"MPLBACKEND": name},
        capture_output=True,
        text=True,
        check=True,
    )
    assert process.stdout == f"{name} {used}\n"
