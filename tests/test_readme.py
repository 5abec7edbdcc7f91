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
    insert_above(tmp_path / "source.py", "# --- What is run.", snippet('ONLY = ["rnn-layers"]'))
    status, output, errors = start(tmp_path)
    assert status == 0, errors
    assert (tmp_path / "mine" / "rnn-layers.png").exists() and not (tmp_path / "figures").exists()
    (tmp_path / "mine").rename(tmp_path / "figures")
    run_snippet(snippet("accuracy-against-seconds"), tmp_path)
    assert (tmp_path / "figures" / "accuracy-against-seconds.png").stat().st_size > 10_000


def test_an_experiment_and_a_cell_of_ones_own(tmp_path):
    make_small(tmp_path)
    insert_above(tmp_path / "source.py", "# --- What is run.", snippet('EXPERIMENTS["sgd"]'))
    insert_above(tmp_path / "source.py", "# --- What is run.", snippet('EXPERIMENTS["relu"]'))
    insert_above(tmp_path / "source.py", "# --- What is run.", 'ONLY = ["sgd", "relu"]')
    insert_above(tmp_path / "pt.py", "class Adder", snippet('CELLS["ReLU"]'))
    status, output, errors = start(tmp_path)
    assert status == 0, errors
    parts = json.loads((tmp_path / "figures" / "results.json").read_text())["parts"]
    labels = [variant["label"] for variant in parts["sgd"]["variants"]]
    assert labels == ["momentum 0", "momentum 0.9"]
    (relu,) = parts["relu"]["variants"]
    assert relu["settings"]["cell"] == "ReLU" and len(relu["runs"]) == 2
    verdicts = {decision["verdict"] for decision in parts["relu"]["decisions"]}
    assert verdicts <= {"wrong", "undecided"}


def test_a_part_of_ones_own(tmp_path):
    make_small(tmp_path)
    (tmp_path / "lab" / "parts" / "symmetry.py").write_text(snippet("class Symmetry"))
    insert_above(tmp_path / "source.py", "# --- What is run.", snippet('BEYOND["symmetry"]'))
    status, output, errors = start(tmp_path)
    assert status == 0, errors
    parts = json.loads((tmp_path / "figures" / "results.json").read_text())["parts"]
    counts = parts["symmetry"]["counts"]
    assert list(counts) == ["task-1, seed 0", "task-1, seed 1"]
    assert all(0 <= count <= 1000 for count in counts.values())
    page = (tmp_path / "figures" / "README.md").read_text()
    assert f"{sum(counts.values())} pairs have two answers." in page
    assert (tmp_path / "figures" / "symmetry.png").stat().st_size > 5000


def test_two_parts_can_be_removed(tmp_path):
    make_small(tmp_path)
    script = tmp_path / "source.py"
    tree = ast.parse(script.read_text())
    lines = script.read_text().splitlines()
    for module, class_name in (("memory", "Memory"), ("stress", "Stress")):
        (tmp_path / "lab" / "parts" / f"{module}.py").unlink()
        for node in ast.walk(tree):
            is_import = isinstance(node, ast.ImportFrom) and node.module == f"lab.parts.{module}"
            is_made = isinstance(node, ast.Dict) and any(
                isinstance(key, ast.Constant) and key.value == module for key in node.keys
            )
            if is_import:
                remove_lines(lines, node.lineno, node.end_lineno)
            elif is_made:
                keys = [getattr(key, "value", None) for key in node.keys]
                place = keys.index(module)
                remove_lines(lines, node.keys[place].lineno, node.values[place].end_lineno)
        assert class_name not in "\n".join(lines), "its file and its line are all"
    script.write_text("\n".join(lines))
    insert_above(script, "# --- What is run.", 'ONLY = ["rnn-layers", "errors"]')
    status, output, errors = start(tmp_path)
    assert status == 0, errors
    assert "rnn-layers: no verdict" in output


def remove_lines(lines, first, last):
    """Empty some lines of a text, counted from 1."""
    lines[first - 1 : last] = [""] * (last - first + 1)


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


def test_the_readme_is_true_of_the_committed_run(results):
    words = " ".join(README.split())
    parts = results["parts"]
    claims = [
        claim
        for name, part in parts.items()
        if "numbers" in part and name != "verdicts"
        for claim in part["claims"]
    ]
    verdicts = [claim["verdict"] for claim in claims]
    readings = sum(len(claim["readings"]) for claim in claims)
    slow = sum(parts[name]["made"]["seconds"] for name in slow_names(committed("source.py")))
    decided = parts["decided"]
    counts = parts["verdicts"]["counts"]
    same_seed = parts["verdicts"]["same_seed"]
    errors = parts["errors"]
    proofs = []
    proofs_of_fewer_units = []
    for group in parts["proof"]["groups"]:
        of_size = proofs_of_fewer_units if "units" in group["label"] else proofs
        of_size += [run["verdict"] for run in group["runs"]]
    causes = decided["causes"].values()
    after_nines = sum(cause["after_nines"] for cause in causes)
    without = sum(cause["without"] for cause in causes)
    of_report = [
        name for name, part in parts.items() if "variants" in part and part["says"] is not None
    ]
    sizes = {group["name"]: len(group["adders"]) for group in decided["groups"]}
    ours = [name for name in sizes if name not in of_report and "variants" in parts.get(name, {})]
    two_models = [
        decision["digits"]
        for name in ("task-1", "final-model")
        for decision in parts[name]["decisions"]
    ]
    for said in (
        f"{len(verdicts)} claims that a CPU can judge, each asked in every fair reading, "
        f"{readings} in all",
        f"{verdicts.count('holds')} hold, {verdicts.count('depends on the seed')} depend on the "
        f"seed, {verdicts.count('depends on the reading')} depend on the reading, "
        f"{verdicts.count('does not hold')} do not hold",
        f"Of the {sum(each['count'] for each in counts)} numbers of its figures, "
        f"{sum(each['outside'] for each in counts)} lie outside our seeds' range "
        f"({sum(each['by_chance'] for each in counts):.0f} would by chance)",
        f"{decided['perfect']} of the {decided['evaluated']} adders of the experiments end at 100% "
        f"on random pairs; every one of these adds a pair of at most {decided['most_digits']} "
        "digits wrong",
        f"{proofs.count('proven')} of {len(proofs)} adders trained for it",
        f"with fewer than 64 hidden units {proofs_of_fewer_units.count('proven')} of "
        f"{len(proofs_of_fewer_units)}",
        f"{decided['undecided']} of all {decided['count']} are undecided",
        f"once {slow / 3600:.1f} hours of one core's work",
        f"{same_seed['runs']} of our runs have the settings and the seed of one of its, and the "
        f"same accuracy at {same_seed['equal']} of {same_seed['evaluations']} evaluations",
        f"all {parts['errors_in_a_million']['none_seen']} adders of task-1 and final-model add "
        "all of 1,000,000 fresh pairs of 10 digits correctly, and each is wrong on a pair of "
        f"{min(two_models)} to {max(two_models)} digits",
        f"Of all adders of its experiments, {sum(sizes[name] for name in of_report)}, and of ours, "
        f"{sum(sizes[name] for name in ours)}: {decided['perfect']} end at 100% on random pairs, "
        f"and {decided['perfect_but_wrong']} of these are wrong on a pair that a child can check",
        f"{errors['none_seen']} of {errors['adders']} add all of 30,000 fresh pairs of 10 digits "
        f"correctly, the worst gets {errors['most']:,.0f} in a million wrong",
        f"{after_nines} of the {after_nines + without} counterexamples go wrong right after digits "
        "that sum to nine",
        f"{proofs.count('proven')} other adders, trained for it, are never wrong: that is proven",
    ):
        assert said in words, said
    assert decided["perfect"] == decided["perfect_but_wrong"], "every one of these"
    assert len(two_models) == parts["errors_in_a_million"]["none_seen"] and all(two_models)
    assert proofs.count("proven") == decided["proven"]


def test_every_file_is_in_the_readme():
    for path in map(PurePosixPath, read_code()):
        if str(path.parent) in (".", "lab", "lab/parts", "exact") and path.name != "__init__.py":
            assert path.name in README, path.name


def test_links_lead_somewhere():
    names = tracked()
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        # The committed figures are there, even where a run of less has written its own.
        of_a_run = target.startswith("figures/") and (names is None or target in names)
        is_there = of_a_run or (ROOT / target).exists()
        assert target.startswith("https://") or is_there, target
