"""A tiny run of everything; what is run again and what stays; constants, checked; the report's
lines."""

import functools
import json
import shutil
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import matplotlib
import numpy as np
import pytest
import sample
import torch
from checkout import committed
from matplotlib import pyplot

import exact
import pt
import source
from exact import check
from lab import measuring
from lab.adders import ForProof
from lab.parts import experiment as experiments
from lab.parts.experiment import Variant, choose, compare
from lab.parts.proof import has_portrait
from lab.report import rules
from lab.report.said import REPORT
from lab.settings import SettingsError
from lab.words import escape
from source import BEYOND, SIMPLE, evaluate, loss_draw, myAdvPTRNNModel, myPTRNNModel, train

ROOT = Path(source.__file__).parent
SMALL = replace(SIMPLE, steps=30, batch_size=3, test_size=4)
ALL = source.EXPERIMENTS


def shrink(experiment, seeds=1, **changes):
    """An experiment of the script, small: few seeds and few steps."""
    small = {"steps": 30, "batch_size": 3, "test_size": 4} | changes
    variants = []
    for variant in experiment.variants:
        of_seeds = tuple(replace(settings, **small) for settings in variant.settings[:seeds])
        variants.append(Variant(variant.label, of_seeds))
    return replace(experiment, variants=tuple(variants))


@pytest.fixture(scope="module")
def shared_cache(tmp_path_factory):
    """A cache for the tests that do not count what is trained."""
    return tmp_path_factory.mktemp("runs")


@pytest.fixture
def tiny(tmp_path, monkeypatch, shared_cache):
    """set(**constants): a start of `source` with these and nothing else to do: its FIGURES."""

    def set_constants(**constants):
        chosen = {
            "EXPERIMENTS": {},
            "BEYOND": {},
            "WORKERS": 2,
            "ONLY": [],
            "SLOW": [],
            "FIGURES": tmp_path / "figures",
            "CACHE": shared_cache,
        }
        for name, value in (chosen | constants).items():
            monkeypatch.setattr(source, name, value)
        return source.FIGURES

    return set_constants


def read_results(figures):
    return json.loads((figures / "results.json").read_text())


def read_files(figures):
    """The bytes of each file but those that every run writes anew."""
    skip = ("results.json", "README.md", "index.html")
    return {path.name: path.read_bytes() for path in figures.iterdir() if path.name not in skip}


def png_size(path):
    content = path.read_bytes()
    assert content[:8] == b"\x89PNG\r\n\x1a\n"
    return int.from_bytes(content[16:20], "big"), int.from_bytes(content[20:24], "big")


PROVEN = {"RNN, trained for the proof": ForProof("RNN", [0, 3])}
STRESS = replace(
    BEYOND["stress"], of={"a tiny adder": compare(SMALL, [0, 1])} | PROVEN, chains=[0, 3], pairs=3
)


def shrink_beyond(of):
    """The parts beyond the report, small; they look at the experiments `of`, by name."""
    little = replace(
        BEYOND["little"], settings=SMALL, digits=[1, 2], tested_at=[2, 20], seeds=[0, 1], beside={}
    )
    of_proof = [
        ForProof("RNN", [0, 3]),
        ForProof("GRU", [0]),
        ForProof("RNN", [0], hidden=8),
    ]
    return {
        "gpu": replace(BEYOND["gpu"], lengths=[3, 5]),
        "errors": replace(BEYOND["errors"], of=of, pairs=40),
        "memory": replace(BEYOND["memory"], of=of | PROVEN, positions=4),
        "little": little,
        "little_gated": replace(little, cells=["GRU", "LSTM"]),
        "long_numbers": replace(BEYOND["long_numbers"], counts={300: 2, 100: 2}),
        "proof": replace(BEYOND["proof"], adders=of_proof, beside={"a tiny adder": SMALL}),
        "stress": replace(STRESS, chains=[0, 3, 1000]),
    }


def tiny_experiments():
    """Every experiment, small; some with variants of their own."""
    small = {name: shrink(experiment) for name, experiment in ALL.items()}
    long = ("1000-digits", "5000-digits", "5000-digits-one-pair", "final-model", "cells", "pt-main")
    for name in long:
        small[name] = shrink(ALL[name], digitlen=12)
    small["task-1"] = shrink(ALL["task-1"], seeds=2)
    small["mine"] = compare(SMALL, [0], optimizer=["Adam", "SGD"], hidden=[8, 64])
    small["breaks"] = compare(SMALL, [0], lr=[1e-3, 1e38])
    return small


def test_a_tiny_run_of_everything(tiny, capfd):
    small = tiny_experiments()
    figures = tiny(EXPERIMENTS=small, BEYOND=shrink_beyond(choose(small, "task-1", "cells")))
    source.main()
    output = capfd.readouterr()
    assert "Warning" not in output.err + output.out and "elapsed" not in output.err
    results = read_results(figures)
    page = (figures / "README.md").read_text()

    # what was said: a header first, then each experiment as it ended
    header = output.out.splitlines()
    assert header[0].startswith("To run: task-1, 1000-digits, ") and "mine" in header[0]
    assert "2 worker processes" in output.out and str(figures / "index.html") in output.out
    for name in [*source.EXPERIMENTS, *source.BEYOND]:
        assert any(line.startswith(f"{name}: ") for line in header), name
    assert "task-1, seed 1: never 100%, 0 at the end; " in output.out

    # every picture, on the page
    names = {*source.EXPERIMENTS, *source.BEYOND, *source.OVERVIEWS}
    names -= {"errors", "long_numbers"}  # no adder is at 100%; a table alone
    assert {path.stem for path in figures.glob("*.png")} == names
    assert results["pictures"].keys() == names
    for name in names:
        width, height = png_size(figures / f"{name}.png")
        least = 250 if name == "verdicts" else 400  # it has few lines here
        assert width >= 1000 and least <= height <= 2600, name
        assert f"]({name}.png)" in page
    assert "None" not in page and "{" not in page and "\n\n\n\n" not in page
    for said in REPORT.values():
        assert escape(said["title"]) in page and escape(said["says"]) in page

    # results.json: settings, variants, runs, what was judged, and by what
    parts = results["parts"]
    assert [name for name in parts if name in source.EXPERIMENTS] == list(source.EXPERIMENTS)
    task_1 = parts["task-1"]
    assert task_1["verdict"] == experiments.NO_VERDICT
    assert "steps is 30, the report's is 1000" in task_1["differences"] and "steps is 30" in page
    run = task_1["variants"][0]["runs"][1]
    assert run["seed"] == 1 and run["steps"] == [0, 10, 20]
    assert len(run["loss"]) == len(run["accuracy"]) == 3
    made = task_1["made"]
    assert made["torch"] == torch.__version__ and made["workers"] == "2 worker processes"
    assert made["seconds"] > 0 and (made["runs"], made["cached"]) == (4, 0)
    mine = parts["mine"]
    assert [variant["label"] for variant in mine["variants"]] == [
        "optimizer Adam, 8 hidden units",
        "optimizer Adam, 64 hidden units",
        "optimizer SGD, 8 hidden units",
        "optimizer SGD, 64 hidden units",
    ]
    losses = [variant["runs"][0]["loss"] for variant in mine["variants"]]
    assert len(set(map(tuple, losses))) == 4 and mine["verdict"] == experiments.NO_CLAIMS
    (broken,) = parts["breaks"]["variants"][1]["runs"]
    assert "try a lower learning rate" in broken["error"] and "ended early" in output.out

    # the exact part
    assert [digits for digits, _ in parts["gpu"]["devices"][0]["ms"]] == [3, 5]
    assert parts["stress"]["adders"][1]["accuracy"] == [[1.0] * 3] * 2
    assert parts["stress"]["adders"][0]["accuracy"][0][-1] == 0
    assert all(test["correct"] == test["pairs"] for test in parts["long_numbers"]["tests"])
    model = pt.load(figures / "proven_rnn.npz")
    margin = parts["proof"]["groups"][0]["runs"][0]["margin"]
    for group in parts["proof"]["groups"]:
        for run in group["runs"]:
            assert run["checked"] == (run["verdict"] == "proven")
    by_hand = parts["proof"]["by_hand"]
    assert by_hand["checked"] and by_hand["parameters"] == 71 and by_hand["margin"] > 0.9
    assert check.check(figures / "by_hand.npz").margin == pytest.approx(by_hand["margin"], rel=1e-5)
    assert check.check(figures / "proven_rnn.npz").margin == pytest.approx(margin, rel=1e-5)
    assert exact.prove(model).margin == pytest.approx(margin, rel=1e-5)
    assert pt.add(model, 123, 456) == 579

    # every adder counts once: "mine" has the same as "breaks"; beside these 4 for the proof, and on
    # short numbers 3 cells, 2 lengths, 2 seeds
    others = 4 + 3 * 2 * 2
    trained = {
        json.dumps([variant["settings"], run["seed"]])
        for name in source.EXPERIMENTS
        for variant in parts[name]["variants"]
        for run in variant["runs"]
    }
    decided = parts["decided"]
    assert decided["evaluated"] == len(trained) and decided["count"] == len(trained) + others
    small = parts["proof"]["groups"][-1]
    assert small["label"] == "RNN, 1 layer, 8 hidden units"
    verdicts = [run["verdict"] for group in parts["proof"]["groups"] for run in group["runs"]]
    assert verdicts.count("proven") == decided["proven"] >= 3
    assert decided["wrong"] + decided["undecided"] == len(trained) + others - decided["proven"]


@pytest.mark.parametrize("name", REPORT)
def test_the_experiments_have_the_reports_settings(name):
    if (ROOT / "source.py").read_text(encoding="utf-8") != (committed("source.py") or ""):
        pytest.skip("the experiments are the reader's, or there is no git")
    variants = []
    for variant in ALL[name].variants:
        variants.append({"settings": asdict(variant.settings[0]), "runs": []})
    assert rules.differences(name, variants) == []
    expected = 5 if name in ("1000-digits", "5000-digits", "cells", "pt-main") else 8
    assert {len(variant.settings) for variant in ALL[name].variants} == {expected}


def test_a_second_run_does_nothing_again_and_one_experiment_leaves_the_rest(tiny, tmp_path, capfd):
    small = {
        "task-1": compare(SMALL, [0, 1]),
        "other": compare(SMALL, [1, 2], layers=[1, 2]),
    }
    stress = {
        "BEYOND": {"stress": replace(STRESS, of={"tiny": compare(SMALL, [0])})},
        "CACHE": tmp_path / ".runs",
    }
    figures = tiny(EXPERIMENTS=small, **stress)
    source.main()
    first = read_results(figures)
    assert first["made"]["cached"] == 0
    # 2 + 4 adders, one of them in both, each trained and decided, and the stress
    assert first["made"]["runs"] == 2 * 5 + 1
    (figures / "my own.png").write_bytes(b"mine")
    (figures / "task-1.png").unlink()  # the reader's right
    files = read_files(figures)
    capfd.readouterr()

    source.main()
    again = read_results(figures)
    assert again == first, "by what it was made, too"
    assert read_files(figures).keys() == files.keys() | {"task-1.png"}
    for name, content in files.items():
        assert (figures / name).read_bytes() == content, name
    assert "11 of them cached" in capfd.readouterr().out

    # drawn again from the file alone: byte for byte
    for name in ("task-1.png", "verdicts.png"):
        files[name] = (figures / name).read_bytes()
        (figures / name).write_bytes(b"")
    source.draw()
    assert read_files(figures) == files

    # one experiment, edited, alone; another has left EXPERIMENTS
    edited = {"other": compare(replace(SMALL, lr=0.01), [1])}
    tiny(EXPERIMENTS=edited, ONLY=["other"], **stress)
    source.main()
    last = read_results(figures)
    assert last["parts"]["task-1"] == again["parts"]["task-1"]
    assert last["parts"]["stress"] == again["parts"]["stress"]
    assert last["parts"]["other"]["settings"]["lr"] == 0.01
    assert last["made"] == again["made"], "of the last run of everything"
    page = (figures / "README.md").read_text()
    assert "from earlier runs, and no longer in `source.py`: task-1." in page
    for name in ("task-1.png", "stress.png", "my own.png"):
        assert (figures / name).exists()

    # SLOW runs only where ONLY names it
    tiny(EXPERIMENTS=small, SLOW=["other"], **stress)
    source.main()
    assert "To run: task-1, stress.\n" in capfd.readouterr().out


def test_what_looks_at_adders_looks_at_those_of_slow_experiments_too(tiny):
    # Two digits, and all carries: learnt in no time. Its adders stay in FIGURES; later runs train
    # none.
    settings = replace(SMALL, digitlen=2, pairs="long-carry", lr=0.01, steps=201, batch_size=50)
    easy = {"easy": compare(settings, [0, 1], saves_adders=True)}
    looks = {
        "errors": replace(BEYOND["errors"], of=easy, pairs=30),
        "memory": replace(BEYOND["memory"], of=easy, positions=3),
    }
    slow = {"EXPERIMENTS": easy, "SLOW": ["easy"], "BEYOND": looks}
    figures = tiny(ONLY=["easy"], **slow)
    source.main()
    (variant,) = read_results(figures)["parts"]["easy"]["variants"]
    paths = sorted((figures / "adders").iterdir())
    assert [path.name for path in paths] == ["easy-seed0.npz", "easy-seed1.npz"]
    perfect = [run["seed"] for run in variant["runs"] if run["accuracy"][-1] == 1.0]
    assert perfect
    tiny(CACHE=figures.parent / "empty", **slow)
    source.main()
    parts = read_results(figures)["parts"]
    assert len(parts["memory"]["groups"][0]["adders"]) == 2
    (group,) = parts["errors"]["groups"]
    assert group["name"] == "easy"
    assert [adder["seed"] for adder in group["adders"]] == perfect
    for seed, counted in zip(perfect, group["adders"], strict=True):
        model = pt.load(figures / "adders" / f"easy-seed{seed}.npz")
        expected = measuring.count_wrong_sums(model, 30, lambda share, line: None)
        assert counted["wrong"] == expected["wrong"] and counted["pairs"] == 30


def test_what_there_is_no_more_goes_from_the_results(tiny):
    figures = tiny(EXPERIMENTS={"one": compare(SMALL, [0])})  # it is not at 100%
    source.main()
    results = read_results(figures)
    results["parts"]["errors"] = sample.parts()["errors"]
    (figures / "results.json").write_text(json.dumps(results))
    one = {"one": compare(SMALL, [0])}
    errors = {"errors": replace(BEYOND["errors"], of=one, pairs=10)}
    tiny(EXPERIMENTS=one, BEYOND=errors, ONLY=["errors"])
    source.main()
    assert "errors" not in read_results(figures)["parts"]


def test_where_nothing_can_be_proven_that_is_said_and_the_rest_is_run(tiny, monkeypatch, capsys):
    # The workers have it from here. oneDNN has read it long ago in this process.
    monkeypatch.setenv("DNNL_DEFAULT_FPMATH_MODE", "BF16")
    mine = {"mine": compare(SMALL, [0])}
    beyond = shrink_beyond(mine)
    beyond = {name: beyond[name] for name in ("memory", "long_numbers", "proof", "stress")}
    figures = tiny(EXPERIMENTS=mine, BEYOND=beyond)
    source.main()
    said = capsys.readouterr().out
    assert "No adder can be proven here: DNNL_DEFAULT_FPMATH_MODE is 'BF16'.\n" in said
    parts = read_results(figures)["parts"]
    assert parts.keys().isdisjoint(["proof", "long_numbers"])
    assert [group["name"] for group in parts["memory"]["groups"]] == ["mine"]
    assert [group["name"] for group in parts["stress"]["adders"]] == ["a tiny adder"]


def test_only_what_has_interval_bounds_has_a_portrait(monkeypatch):
    monkeypatch.setitem(pt.CELLS, "ReLU", functools.partial(torch.nn.RNN, nonlinearity="relu"))
    assert has_portrait(replace(SMALL, cell="LSTM", layers=3))
    assert not has_portrait(replace(SMALL, cell="ReLU"))
    assert not has_portrait(replace(SMALL, hidden=1))


def test_nothing_to_run_is_a_page_too(tiny):
    figures = tiny()
    source.main()
    assert read_results(figures)["parts"] == {} and (figures / "index.html").exists()


def test_the_number_of_workers_changes_nothing(tiny, tmp_path):
    small = {
        "rnn-layers": shrink(ALL["rnn-layers"], seeds=2),
        "long": compare(replace(SMALL, digitlen=300, steps=10), [0, 1]),
    }
    curves = []
    for workers in (0, 2):
        places = {"FIGURES": tmp_path / f"figures{workers}", "CACHE": tmp_path / f".runs{workers}"}
        figures = tiny(EXPERIMENTS=small, WORKERS=workers, **places)
        source.main()
        parts = read_results(figures)["parts"]
        curves.append(
            [
                [run["loss"] for variant in parts[name]["variants"] for run in variant["runs"]]
                for name in small
            ]
        )
    assert curves[0] == curves[1] and len(curves[0][0]) == 8


def test_each_part_runs_by_itself(tiny):
    small = {name: shrink(ALL[name]) for name in ("task-1", "lr-fine")}
    beyond = shrink_beyond(choose(small, "task-1"))
    del beyond["gpu"]
    figures = tiny(EXPERIMENTS=small, BEYOND=beyond)
    source.pt_main()
    assert {"task-1"} == read_results(figures)["parts"].keys() - source.OVERVIEWS.keys()
    assert "made" not in read_results(figures), "that is of a run of everything"
    source.pt_adv_main()
    assert {"task-1", "lr-fine"} == read_results(figures)["parts"].keys() - source.OVERVIEWS.keys()
    source.exact_main()
    parts = read_results(figures)["parts"]
    assert {"memory", "little", "proof", "stress", "long_numbers"} <= parts.keys()


TINY = {"x": compare(SMALL, [0])}
ELSEWHERE = {"x": compare(replace(SMALL, device="cuda:77"), [0])}


@pytest.mark.parametrize(
    ("constants", "message"),
    [
        ({"BEYOND": {"gpu": replace(BEYOND["gpu"], device="cuda:77")}}, "'cuda:77' is not there"),
        ({"BEYOND": {"stress": replace(STRESS, of=ELSEWHERE)}}, "'cuda:77'"),
        ({"EXPERIMENTS": ELSEWHERE}, "'cuda:77'"),
        ({"FIGURES": "mine"}, "FIGURES must be a Path, got 'mine'"),
        ({"CACHE": "mine"}, "CACHE must be a Path, got 'mine'"),
        ({"SCHEDULER": "localhost"}, "SCHEDULER must be an address, .* got 'localhost'"),
        ({"WORKERS": -1}, "WORKERS .* got -1"),
        ({"EXPERIMENTS": TINY, "ONLY": ["y"]}, "ONLY may name x, got 'y'"),
        ({"BEYOND": {"gpu": BEYOND["gpu"]}, "ONLY": ["gp"]}, r"'gp', did you mean 'gpu'\?"),
        ({"ONLY": "gpu"}, "ONLY must be a list of names, got 'gpu'"),
        ({"SLOW": ["prof"]}, "SLOW may name .*, got 'prof'"),
        ({"EXPERIMENTS": {1: TINY["x"]}}, "EXPERIMENTS: .* got 1"),
        (
            {"EXPERIMENTS": {"proof": TINY["x"]}, "BEYOND": {"proof": BEYOND["proof"]}},
            "EXPERIMENTS: .* got 'proof'",
        ),
        ({"EXPERIMENTS": {"decided": TINY["x"]}}, "EXPERIMENTS: .* got 'decided'"),
        ({"EXPERIMENTS": {"../x": TINY["x"]}}, "EXPERIMENTS: .* got '../x'"),
        ({"EXPERIMENTS": {"x": SMALL}}, "EXPERIMENTS: 'x' must be made by compare"),
    ],
)
def test_a_bad_constant_is_named_before_any_work(constants, message, tiny, monkeypatch):
    tiny(**constants)
    monkeypatch.setattr(source, "open_lab", lambda *_: pytest.fail("work has begun"))
    with pytest.raises(ValueError, match=message):
        source.main()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ForProof("RNN", [-1]), "seeds .* got -1"),
        (lambda: ForProof("RNN", 3), "seeds must be a list of integers, got 3"),
        (lambda: ForProof("RNN", [0], layers=0), "layers .* got 0"),
        (lambda: ForProof("RNN", [0], hidden=0), "hidden .* got 0"),
        (lambda: ForProof("Turing", [0]), "cell .* got 'Turing'"),
        (lambda: ForProof("ReLU", [0]), "cell ReLU has no interval step"),
        (lambda: replace(BEYOND["proof"], adders=[7]), "made by ForProof, got 7"),
        (lambda: replace(BEYOND["gpu"], lengths=5), "lengths must be a list of integers, got 5"),
        (lambda: replace(BEYOND["gpu"], lengths=[0]), "lengths .* got 0"),
        (lambda: replace(BEYOND["errors"], pairs=0), "pairs .* got 0"),
        (lambda: replace(BEYOND["memory"], positions=0), "positions .* got 0"),
        (lambda: replace(BEYOND["little"], digits=[0]), "digits .* got 0"),
        (lambda: replace(BEYOND["little"], tested_at=[0]), "tested_at .* got 0"),
        (lambda: replace(BEYOND["little"], seeds=[-1]), "seeds .* got -1"),
        (lambda: replace(BEYOND["little"], cells=["Turing"]), "cell .* got 'Turing'"),
        (lambda: replace(BEYOND["stress"], chains=[0, -1]), "chains .* got -1"),
        (lambda: replace(BEYOND["stress"], pairs=0), "pairs .* got 0"),
        (lambda: replace(BEYOND["long_numbers"], counts=[100]), r"counts must be .*\[100\]"),
        (lambda: replace(BEYOND["long_numbers"], counts={100: 0}), "counts .* got 0"),
        (lambda: choose({"x": 1}, "y"), "no experiment has the name 'y'"),
    ],
)
def test_a_bad_field_of_a_part_is_named_when_it_is_made(make, message, monkeypatch):
    monkeypatch.setitem(pt.CELLS, "ReLU", functools.partial(torch.nn.RNN, nonlinearity="relu"))
    with pytest.raises(SettingsError, match=message):
        make()


def copy_project(folder, **edits):
    """The project, copied, each file in `edits` (its / written as __) changed by its (old, new)."""
    for name in ("exact", "lab"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for path in ROOT.glob("*.py"):
        shutil.copy(path, folder)
    for name, (old, new) in edits.items():
        path = folder / f"{name.replace('__', '/')}.py"
        text = path.read_text(encoding="utf-8")
        if old not in text:  # a reader has edited it
            text = committed(path.name) or pytest.skip("edited, and there is no git")
        assert old in text
        path.write_text(text.replace(old, new, 1), encoding="utf-8")


def start(folder):
    """Run the script of a copied project: (exit status, what it printed, errors)."""
    ended = subprocess.run(
        [sys.executable, "source.py"], cwd=folder, capture_output=True, text=True, check=False
    )
    return ended.returncode, ended.stdout, ended.stderr


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "(SIMPLE, SEEDS, layers=[",
            "(SIMPLE, SEEDS, layer=[",
            "no field 'layer' (layer=[1, 2, 3, 4])",
        ),
        ("        positions=50,\n", "        positions=0,\n", "positions must be .* got 0"),
        ("    lr=1e-3,\n", "    lr=-1,\n", "lr must be above 0, got -1"),
    ],
)
def test_a_bad_setting_ends_pythons_traceback_at_the_readers_line(tmp_path, old, new, message):
    copy_project(tmp_path, source=(old, new))
    status, _, errors = start(tmp_path)
    assert status == 1 and errors.startswith("Traceback (most recent call last):")
    files = [line for line in errors.splitlines() if line.startswith("  File ")]
    assert len(files) == 1 and "source.py" in files[0]
    last = errors.strip().splitlines()[-1]
    assert all(part in last for part in message.split(" .* "))


def test_an_error_of_the_readers_own_code_keeps_its_traceback(tmp_path):
    copy_project(
        tmp_path,
        source=("ONLY = []", 'ONLY = ["task-1"]'),
        pt=(
            "        logits, _ = self.read",
            "        raise OSError('mine')\n        logits, _ = self.read",
        ),
    )
    status, _, errors = start(tmp_path)
    assert status == 1 and "Traceback" in errors and "in forward" in errors
    assert "OSError: mine" in errors.splitlines(), "and then whether runs are cached"


def test_results_that_are_not_the_scripts_are_never_overwritten(tmp_path):
    copy_project(tmp_path, source=("ONLY = []", 'ONLY = ["task-1"]'))
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures" / "results.json").write_text('{"mine": 1}')
    status, _, errors = start(tmp_path)
    assert status == 1 and len(errors.splitlines()) == 1 and "results.json" in errors
    assert (tmp_path / "figures" / "results.json").read_text() == '{"mine": 1}'


def test_the_reports_five_lines(tmp_path, capsys):
    cuda0 = torch.device("cuda:0" if torch.cuda.is_available() else "cpu")
    model = myPTRNNModel().to(cuda0)
    optimizer = torch.optim.Adam(params=model.parameters(), lr=0.001)
    train(50, model, optimizer, cuda0)
    loss_draw(model, tmp_path / "curves.png")
    assert capsys.readouterr().out.startswith("step 0 : loss ")
    assert png_size(tmp_path / "curves.png")[0] >= 1300
    assert 0.0 <= evaluate(model, cuda0, 10) <= 1.0


def test_loss_draw_shows_or_saves_where_there_is_no_screen(tiny, monkeypatch, capsys):
    model = myAdvPTRNNModel(layers=1, model="RNN")
    with pytest.raises(ValueError, match="model has no history"):
        loss_draw(model)
    train(10, model, torch.optim.Adam(model.parameters()), batch_size=2, test_size=2)
    figures = tiny()
    loss_draw(model)
    assert png_size(figures / "loss_draw.png")[0] >= 1300
    assert str(figures / "loss_draw.png") in capsys.readouterr().out
    shown = []
    monkeypatch.setattr(matplotlib, "get_backend", lambda: "TkAgg")
    monkeypatch.setattr(pyplot, "show", lambda: shown.append(pyplot.gcf()))
    loss_draw(model)
    loss, accuracy = shown[0].axes
    assert np.array_equal(loss.lines[0].get_ydata(), model.loss_history)
    assert np.array_equal(accuracy.lines[0].get_ydata(), model.accuracy)
