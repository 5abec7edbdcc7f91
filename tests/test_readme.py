"""README's snippets, run; its numbers against the committed results."""

import ast
import json
import re
import shutil
import subprocess
import sys
from pathlib import PurePosixPath

import pytest
from checkout import FIXTURES, ROOT, committed, read_code, tracked
from test_source import copy_project, start

README = (ROOT / "README.md").read_text(encoding="utf-8")
SNIPPETS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


def snippet(said):
    """The one snippet that has these words."""
    (text,) = [text for text in SNIPPETS if said in text]
    return text


def insert_above(path, line, text):
    """Put `text` above the first line of a file that begins with `line`."""
    content = path.read_text()
    place = content.index(f"\n{line}") + 1
    path.write_text(content[:place] + text + "\n" + content[place:])


# These win over a reader's values.
CONSTANTS = """
SEEDS = range(2)
SCHEDULER = None
FIGURES = Path(__file__).parent / "figures"
CACHE = Path(__file__).parent / ".runs"
"""


def make_small(folder):
    """A copied project whose SIMPLE takes few steps."""
    copy_project(folder)
    insert_above(folder / "source.py", "SIMPLE = ", CONSTANTS)
    fewer = "SIMPLE = replace(SIMPLE, steps=20, batch_size=4)"
    insert_above(folder / "source.py", "FINAL_MODEL = ", fewer)


def run_snippet(text, folder):
    """Run a snippet as a script in a folder, and return what it printed."""
    ended = subprocess.run(
        [sys.executable, "-c", text],
        cwd=folder,
        env={"PYTHONPATH": str(ROOT), "MPLBACKEND": "agg"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def test_one_experiment_and_a_picture_of_ones_own(tmp_path):
    make_small(tmp_path)
    insert_above(tmp_path / "source.py", "TIMED_LENGTHS", snippet('ONLY = ["rnn-layers"]'))
    status, output, errors = start(tmp_path)
    assert status == 0, errors
    assert (tmp_path / "mine" / "rnn-layers.png").exists() and not (tmp_path / "figures").exists()
    (tmp_path / "mine").rename(tmp_path / "figures")
    run_snippet(snippet("accuracy-against-seconds"), tmp_path)
    assert (tmp_path / "figures" / "accuracy-against-seconds.png").stat().st_size > 10_000


def test_an_experiment_and_a_cell_of_ones_own(tmp_path):
    make_small(tmp_path)
    insert_above(tmp_path / "source.py", "TIMED_LENGTHS", snippet('EXPERIMENTS["sgd"]'))
    insert_above(tmp_path / "source.py", "TIMED_LENGTHS", snippet('EXPERIMENTS["relu"]'))
    insert_above(tmp_path / "source.py", "TIMED_LENGTHS", 'ONLY = ["sgd", "relu"]')
    insert_above(tmp_path / "pt.py", "class Adder", snippet('CELLS["ReLU"]'))
    status, output, errors = start(tmp_path)
    assert status == 0, errors
    results = json.loads((tmp_path / "figures" / "results.json").read_text())
    experiments = results["experiments"]
    labels = [variant["label"] for variant in experiments["sgd"]["variants"]]
    assert labels == ["momentum 0", "momentum 0.9"]
    (relu,) = experiments["relu"]["variants"]
    assert relu["settings"]["cell"] == "ReLU" and len(relu["runs"]) == 2
    assert {run["verdict"] for run in relu["runs"]} <= {"wrong", "undecided"}


def test_the_other_snippets(tmp_path):
    (tmp_path / "figures").mkdir()
    shutil.copy(FIXTURES / "proven_lstm.npz", tmp_path / "figures")
    assert run_snippet(snippet("123, 456"), tmp_path) == "579\n"
    printed = run_snippet(
        snippet("exact.train_proven").replace("500", "100"), tmp_path
    ).splitlines()
    assert printed[0] == "proven" and printed[-1].startswith("True ")
    assert any(" gives " in line for line in printed)


def test_the_reports_lines(tmp_path):
    lines = snippet("cuda0").replace("train(1000", "train(50")
    script = f"import source, pathlib\nsource.FIGURES = pathlib.Path('.').absolute()\n{lines}"
    printed = run_snippet(script, tmp_path).splitlines()
    assert printed[0].startswith("step 0 : loss ") and printed[1].startswith("accuracy is: ")
    assert printed[2].startswith("No screen: see ") and (tmp_path / "loss_draw.png").exists()


@pytest.fixture
def results():
    """The committed results, whatever a run has written since."""
    text = committed("figures/results.json")
    if text is None:
        pytest.skip("no git checkout")
    return json.loads(text)


def slow_names(text):
    """The names in SLOW, as the text of the script has them."""
    (names,) = [
        node.value
        for node in ast.parse(text).body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "SLOW"
    ]
    return ast.literal_eval(names)


def say_count(count, one, many):
    """A verdict, so many times."""
    return f"{count} {one if count == 1 else many}"


def test_the_readme_is_true_of_the_committed_run(results):
    words = " ".join(README.split())
    verdicts = []
    slow = 0.0
    for experiment in results["experiments"].values():
        verdicts += [claim["verdict"] for claim in experiment["claims"]]
    for name in slow_names(committed("source.py")):
        slow_part = results["experiments"].get(name) or results[name]
        slow += slow_part["made"]["seconds"]
    decided = results["decided"]
    numbers = results["verdicts"]
    same_seed = results["same_seed"]
    errors = results["errors"]
    proofs = []
    proofs_of_fewer_units = []
    for group in results["proof"]["groups"]:
        of_size = proofs if group["hidden"] == 64 else proofs_of_fewer_units
        of_size += [run["verdict"] for run in group["runs"]]
    causes = results["causes"].values()
    after_nines = sum(cause["after_nines"] for cause in causes)
    without = sum(cause["without"] for cause in causes)
    for said in (
        f"Of the {len(verdicts)} that a CPU can judge, over 8 seeds or 5: "
        f"{say_count(verdicts.count('holds'), 'holds', 'hold')} (are true of most seeds, at 95%), "
        f"{say_count(verdicts.count('depends on the seed'), 'depends', 'depend')} on the seed, "
        f"{say_count(verdicts.count('does not hold'), 'does', 'do')} not hold",
        f"Of the {numbers['count']} numbers of its figures, {numbers['outside']} "
        f"{'lies' if numbers['outside'] == 1 else 'lie'} outside our seeds' range",
        f"{decided['perfect']} of the {decided['evaluated']} adders of the experiments "
        "end at 100% on random pairs; every one of these adds a pair of at most "
        f"{decided['most_digits']} digits wrong",
        f"{proofs.count('proven')} of {len(proofs)} adders trained for it",
        f"with fewer than 64 hidden units {proofs_of_fewer_units.count('proven')} of "
        f"{len(proofs_of_fewer_units)}",
        f"{decided['undecided']} of all {decided['adders']} are undecided",
        f"{results['made']['seconds'] / 60:.1f} minutes on {results['made']['cores']} cores",
        f"once {slow / 3600:.1f} hours of one core's work",
        f"{same_seed['runs']} of our runs have the settings and the seed of one of its, and the "
        f"same accuracy at {same_seed['equal']} of {same_seed['evaluations']} evaluations",
        f"1. {decided['perfect']} adders end at 100% on random pairs.",
        f"2. {decided['perfect_but_wrong']} of these are wrong on a pair that a child can check, "
        f"of {decided['most_digits']} digits at most.",
        f"{errors['none_seen']} of {errors['adders']} add all of 30,000 fresh pairs of 10 digits "
        f"correctly, the worst gets {errors['most']:,.0f} in a million wrong",
        f"{after_nines} of the {after_nines + without} go wrong right after digits that sum to "
        "nine",
        f"5. And {decided['proven']} other adders, trained for it, are never wrong: that is "
        "proven.",
    ):
        assert said in words, said
    assert decided["perfect"] == decided["perfect_but_wrong"], "every one of these"


OF_THE_SCRIPT = {
    *("LONG_CARRY", "TASK_1", "PARTS", "FOLDER", "FORESEEN", "START_UP", "OVERVIEW_EVERY"),
}


def constants(text):
    """The names of the constants of a text."""
    return set(re.findall(r"^([A-Z_]+) = ", text, re.MULTILINE))


def test_every_constant_and_file_is_in_the_readme():
    text = committed("source.py")
    if text is None:
        pytest.skip("no git checkout")
    # A constant that a reader adds is not committed.
    here = constants((ROOT / "source.py").read_text(encoding="utf-8"))
    for name in (constants(text) & here) - OF_THE_SCRIPT:
        assert f"`{name}`" in README, name
    for path in map(PurePosixPath, read_code()):
        if str(path.parent) in (".", "lab", "exact") and path.name != "__init__.py":
            assert path.name in README, path.name


def test_links_lead_somewhere():
    names = tracked()
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        # The committed figures are there, even where a run of less has written its own.
        of_a_run = target.startswith("figures/") and (names is None or target in names)
        is_there = of_a_run or (ROOT / target).exists()
        assert target.startswith("https://") or is_there, target
