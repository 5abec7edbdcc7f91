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
from lab import measuring, report
from lab.page import escape
from lab.settings import Experiment, Variant, compare
from source import SIMPLE, evaluate, loss_draw, myAdvPTRNNModel, myPTRNNModel, train

ROOT = Path(source.__file__).parent
SMALL = replace(SIMPLE, steps=30, batch_size=3, test_size=4)
ALL = source.EXPERIMENTS


LOOKS = ["errors", "errors_in_a_million"]  # parts that look at all adders at 100%


def shrink(experiment, seeds=1, **changes):
    """An experiment of the script, small: few seeds and few steps."""
    small = {"steps": 30, "batch_size": 3, "test_size": 4} | changes
    variants = []
    for variant in experiment.variants:
        of_seeds = tuple(replace(settings, **small) for settings in variant.settings[:seeds])
        variants.append(Variant(variant.label, of_seeds))
    return Experiment(experiment.compared, tuple(variants))


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
            "PROVEN_SEEDS": {},
            "PROVEN_SMALL": {},
            "QUESTIONS": {},
            "REMEMBERING": [],
            "LITTLE_DIGITS": [],
            "STRESSED": {},
            "TIMED_LENGTHS": [],
            "WORKERS": 2,
            "ONLY": [],
            "SLOW": LOOKS,
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


EXACT = {
    "CHAINS": [0, 3, 1000],
    "CHAIN_PAIRS": 3,
    "LENGTHS": {300: 2, 100: 2},
    "TIMED_LENGTHS": [3, 5],
    "PROVEN_SEEDS": {"RNN": {1: [0, 3]}, "GRU": {1: [0]}},
    "PROVEN_SMALL": {8: [0]},
    "STRESSED": {"a tiny adder": compare(SMALL, [0, 1])},
    "COUNTED_PAIRS": 40,
    "MANY_PAIRS": 60,
    "REMEMBERING": ["task-1", "cells"],
    "MEMORY": 4,
    "LITTLE_DIGITS": [1, 2],
    "LITTLE_LENGTHS": [2, 20],
    "LITTLE": SMALL,
    "LITTLE_SEEDS": [0, 1],
}


def tiny_experiments():
    """Every experiment, small; some with variants of their own."""
    experiments = {name: shrink(experiment) for name, experiment in ALL.items()}
    for name in ("1000-digits", "5000-digits", "final-model", "cells"):
        experiments[name] = shrink(ALL[name], digitlen=12)
    experiments["5000-digits-one-pair"] = shrink(ALL["5000-digits-one-pair"], digitlen=12)
    experiments["pt-main"] = shrink(ALL["pt-main"], digitlen=12)
    experiments["task-1"] = shrink(ALL["task-1"], seeds=2)
    experiments["mine"] = compare(SMALL, [0], optimizer=["Adam", "SGD"], hidden=[8, 64])
    experiments["breaks"] = compare(SMALL, [0], lr=[1e-3, 1e38])
    return experiments


def test_a_tiny_run_of_everything(tiny, capfd):
    figures = tiny(EXPERIMENTS=tiny_experiments(), **EXACT)
    source.main()
    output = capfd.readouterr()
    assert "Warning" not in output.err + output.out and "elapsed" not in output.err
    results = read_results(figures)
    page = (figures / "README.md").read_text()

    # what was said: a header first, then each experiment as it ended
    header = output.out.splitlines()
    assert header[0].startswith("To run: task-1, 1000-digits, ") and "mine" in header[0]
    assert "2 worker processes" in output.out and str(figures / "index.html") in output.out
    for name in [*source.EXPERIMENTS, "gpu", "proof", "stress", "lengths"]:
        assert any(line.startswith(f"{name}: ") for line in header), name
    assert "task-1, seed 1: never 100%, 0 at the end; " in output.out

    # every picture, on the page
    names = {*source.EXPERIMENTS, "gpu", "proof", "stress", "decided", "verdicts"}
    names |= {"memory", "little", "little_gated"}
    assert {path.stem for path in figures.glob("*.png")} == names
    assert results["pictures"].keys() == {f"{name}.png" for name in names}
    for name in names:
        width, height = png_size(figures / f"{name}.png")
        least = 250 if name == "verdicts" else 400  # it has few lines here
        assert width >= 1000 and least <= height <= 2600, name
        assert f"]({name}.png)" in page
    assert "None" not in page and "{" not in page and "\n\n\n\n" not in page
    for said in report.REPORT.values():
        assert escape(said["title"]) in page and escape(said["says"]) in page

    # results.json: settings, variants, runs, what was judged, and by what
    assert list(results["experiments"]) == list(source.EXPERIMENTS)
    task_1 = results["experiments"]["task-1"]
    assert task_1["verdict"] == report.NO_VERDICT
    assert "steps is 30, the report's is 1000" in task_1["differences"] and "steps is 30" in page
    run = task_1["variants"][0]["runs"][1]
    assert run["seed"] == 1 and run["steps"] == [0, 10, 20]
    assert len(run["loss"]) == len(run["accuracy"]) == 3
    made = task_1["made"]
    assert made["torch"] == torch.__version__ and made["workers"] == "2 worker processes"
    assert made["seconds"] > 0 and (made["runs"], made["cached"]) == (4, 0)
    mine = results["experiments"]["mine"]
    assert [variant["label"] for variant in mine["variants"]] == [
        "optimizer Adam, 8 hidden units",
        "optimizer Adam, 64 hidden units",
        "optimizer SGD, 8 hidden units",
        "optimizer SGD, 64 hidden units",
    ]
    losses = [variant["runs"][0]["loss"] for variant in mine["variants"]]
    assert len(set(map(tuple, losses))) == 4 and mine["verdict"] == report.NO_CLAIMS
    (broken,) = results["experiments"]["breaks"]["variants"][1]["runs"]
    assert "try a lower learning rate" in broken["error"] and "ended early" in output.out

    # the exact part
    assert [digits for digits, _ in results["gpu"]["devices"][0]["ms"]] == [3, 5]
    assert results["stress"]["adders"][1]["accuracy"] == [[1.0] * 3] * 2
    assert results["stress"]["adders"][0]["accuracy"][0][-1] == 0
    assert all(test["correct"] == test["pairs"] for test in results["lengths"]["lengths"])
    model = pt.load(figures / "proven_rnn.npz")
    margin = results["proof"]["groups"][0]["runs"][0]["margin"]
    for group in results["proof"]["groups"]:
        for run in group["runs"]:
            assert run["checked"] == (run["verdict"] == "proven")
    by_hand = results["proof"]["by_hand"]
    assert by_hand["checked"] and by_hand["parameters"] == 71 and by_hand["margin"] > 0.9
    assert check.check(figures / "by_hand.npz").margin == pytest.approx(by_hand["margin"], rel=1e-5)
    assert check.check(figures / "proven_rnn.npz").margin == pytest.approx(margin, rel=1e-5)
    assert exact.prove(model).margin == pytest.approx(margin, rel=1e-5)
    assert pt.add(model, 123, 456) == 579

    # every adder counts once: "mine" has the same as "breaks" and as "a tiny adder"; beside these 4
    # for the proof, and on short numbers 3 cells, 2 lengths, 2 seeds
    others = 4 + 3 * 2 * 2
    trained = {}
    for experiment in results["experiments"].values():
        for variant in experiment["variants"]:
            for run in variant["runs"]:
                trained[json.dumps([variant["settings"], run["seed"]])] = run
    decided = results["decided"]
    assert decided["evaluated"] == len(trained) and decided["adders"] == len(trained) + others
    small = results["proof"]["groups"][-1]
    assert small["label"] == "RNN, 1 layer, 8 hidden units" and small["cell"] == "RNN"
    verdicts = [run["verdict"] for group in results["proof"]["groups"] for run in group["runs"]]
    assert verdicts.count("proven") == decided["proven"] >= 3
    assert decided["wrong"] + decided["undecided"] == len(trained) + others - decided["proven"]


@pytest.mark.parametrize("name", report.REPORT)
def test_the_experiments_have_the_reports_settings(name):
    if (ROOT / "source.py").read_text(encoding="utf-8") != (committed("source.py") or ""):
        pytest.skip("the experiments are the reader's, or there is no git")
    variants = []
    for variant in ALL[name].variants:
        variants.append({"settings": asdict(variant.settings[0]), "runs": []})
    assert report.differences(name, variants) == []
    expected = 5 if name in ("1000-digits", "5000-digits", "cells", "pt-main") else 8
    assert {len(variant.settings) for variant in ALL[name].variants} == {expected}


def test_a_second_run_does_nothing_again_and_one_experiment_leaves_the_rest(tiny, tmp_path, capfd):
    experiments = {
        "task-1": compare(SMALL, [0, 1]),
        "other": compare(SMALL, [1, 2], layers=[1, 2]),
    }
    stress = {"STRESSED": {"tiny": compare(SMALL, [0])}, "CHAINS": [0, 3], "CHAIN_PAIRS": 2}
    stress["CACHE"] = tmp_path / ".runs"
    figures = tiny(EXPERIMENTS=experiments, **stress)
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
    assert last["experiments"]["task-1"] == again["experiments"]["task-1"]
    assert last["stress"] == again["stress"]
    assert last["experiments"]["other"]["settings"]["lr"] == 0.01
    assert last["made"] == again["made"], "of the last run of everything"
    assert last["names"] == ["other"]
    page = (figures / "README.md").read_text()
    assert "](task-1.png)" in page and page.count("**From an earlier run:**") == 1
    for name in ("task-1.png", "stress.png", "my own.png"):
        assert (figures / name).exists()

    # SLOW runs only where ONLY names it
    tiny(EXPERIMENTS=experiments, SLOW=["other", *LOOKS], **stress)
    source.main()
    assert "To run: task-1, stress.\n" in capfd.readouterr().out


def test_what_looks_at_adders_looks_at_those_of_slow_experiments_too(tiny):
    # Two digits, and all carries: learnt in no time. Its adders stay in FIGURES; later runs train
    # none.
    settings = replace(SMALL, digitlen=2, pairs="long-carry", lr=0.01, steps=201, batch_size=50)
    easy = compare(settings, [0, 1])
    slow = {"EXPERIMENTS": {"easy": easy}, "SLOW": ["easy"]}
    looks = {"COUNTED_PAIRS": 30, "REMEMBERING": ["easy"], "MEMORY": 3}
    figures = tiny(ONLY=["easy"], **slow)
    source.main()
    (variant,) = read_results(figures)["experiments"]["easy"]["variants"]
    paths = sorted((figures / "adders").iterdir())
    assert [path.name for path in paths] == ["easy-seed0.npz", "easy-seed1.npz"]
    perfect = [run["seed"] for run in variant["runs"] if run["accuracy"][-1] == 1.0]
    assert perfect
    tiny(ONLY=["errors", "memory"], **slow, **looks)
    source.main()
    results = read_results(figures)
    assert len(results["memory"]["groups"][0]["adders"]) == 2
    (group,) = results["errors"]["groups"]
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
    results["errors"] = sample.parts()["errors"]
    (figures / "results.json").write_text(json.dumps(results))
    tiny(EXPERIMENTS={"one": compare(SMALL, [0])}, ONLY=["errors"])
    source.main()
    assert "errors" not in read_results(figures)


def test_where_nothing_can_be_proven_that_is_said_and_the_rest_is_run(tiny, monkeypatch, capsys):
    # The workers have it from here. oneDNN has read it long ago in this process.
    monkeypatch.setenv("DNNL_DEFAULT_FPMATH_MODE", "BF16")
    looks = {"REMEMBERING": ["mine"], "STRESSED": EXACT["STRESSED"], "MEMORY": 4}
    proven = {"PROVEN_SEEDS": EXACT["PROVEN_SEEDS"], "LENGTHS": EXACT["LENGTHS"]}
    figures = tiny(EXPERIMENTS={"mine": compare(SMALL, [0])}, **looks, **proven)
    source.main()
    assert "No adder can be proven here: DNNL_DEFAULT_FPMATH_MODE is 'BF16'.\n" in (
        capsys.readouterr().out
    )
    results = read_results(figures)
    assert results.keys().isdisjoint(["proof", "lengths"])
    assert [group["name"] for group in results["memory"]["groups"]] == ["mine"]
    assert [group["name"] for group in results["stress"]["adders"]] == ["a tiny adder"]


def test_only_what_has_interval_bounds_has_a_portrait(monkeypatch):
    monkeypatch.setitem(pt.CELLS, "ReLU", functools.partial(torch.nn.RNN, nonlinearity="relu"))
    assert source.has_portrait(replace(SMALL, cell="LSTM", layers=3))
    assert not source.has_portrait(replace(SMALL, cell="ReLU"))
    assert not source.has_portrait(replace(SMALL, hidden=1))


def test_a_picture_goes_only_if_the_script_drew_it_and_nothing_shows_it(tiny):
    figures = tiny(EXPERIMENTS={"one": compare(SMALL, [0])})
    source.main()
    (figures / "kept.png").write_bytes(b"mine")
    results = read_results(figures)
    del results["experiments"]["one"]
    (figures / "results.json").write_text(json.dumps(results))
    tiny(EXPERIMENTS={"two": compare(SMALL, [0])})
    source.main()
    assert not (figures / "one.png").exists()
    assert (figures / "two.png").exists() and (figures / "kept.png").exists()


def test_nothing_to_run_is_a_page_too(tiny):
    figures = tiny()
    source.main()
    assert read_results(figures)["experiments"] == {} and (figures / "index.html").exists()


def test_the_number_of_workers_changes_nothing(tiny, tmp_path):
    experiments = {
        "rnn-layers": shrink(ALL["rnn-layers"], seeds=2),
        "long": compare(replace(SMALL, digitlen=300, steps=10), [0, 1]),
    }
    curves = []
    for workers in (0, 2):
        places = {"FIGURES": tmp_path / f"figures{workers}", "CACHE": tmp_path / f".runs{workers}"}
        figures = tiny(EXPERIMENTS=experiments, WORKERS=workers, **places)
        source.main()
        described = read_results(figures)["experiments"].values()
        curves.append(
            [
                [run["loss"] for variant in experiment["variants"] for run in variant["runs"]]
                for experiment in described
            ]
        )
    assert curves[0] == curves[1] and len(curves[0][0]) == 8


def test_each_part_runs_by_itself(tiny):
    exact_part = EXACT | {"PROVEN_SEEDS": {"RNN": {1: [0]}}, "TIMED_LENGTHS": []}
    exact_part |= {"REMEMBERING": ["task-1"]}
    experiments = {name: shrink(ALL[name]) for name in ("task-1", "lr-fine")}
    figures = tiny(EXPERIMENTS=experiments, **exact_part)
    source.pt_main()
    assert list(read_results(figures)["experiments"]) == ["task-1"]
    assert "made" not in read_results(figures), "that is of a run of everything"
    source.pt_adv_main()
    assert list(read_results(figures)["experiments"]) == ["task-1", "lr-fine"]
    source.exact_main()
    assert {"memory", "little", "proof", "stress", "lengths"} <= read_results(figures).keys()


@pytest.mark.parametrize(
    ("constants", "message"),
    [
        ({"DEVICE": "cuda:77"}, "device 'cuda:77' is not there"),
        ({"STRESSED": {"x": compare(replace(SMALL, device="cuda:77"), [0])}}, "'cuda:77'"),
        ({"STRESSED": {"x": SMALL}}, "STRESSED: 'x' must be made by compare"),
        ({"FIGURES": "mine"}, "FIGURES must be a Path, got 'mine'"),
        ({"CACHE": "mine"}, "CACHE must be a Path, got 'mine'"),
        ({"LITTLE_DIGITS": [0]}, "LITTLE_DIGITS .* got 0"),
        ({"LITTLE_DIGITS": [1], "LITTLE_SEEDS": []}, r"LITTLE_SEEDS: .* got \[\]"),
        ({"PROVEN_SEEDS": {"GRU": {}}}, "PROVEN_SEEDS .* GRU must have seeds"),
        ({"PROVEN_SMALL": {64: [0]}}, "PROVEN_SMALL: 64 hidden units have their seeds"),
        ({"PROVEN_SMALL": [8]}, r"PROVEN_SMALL: each must be .*, got \[8\]"),
        ({"PROVEN_SEEDS": {"RNN": [0]}}, r"RNN must have \{layers: seeds\}, got \[0\]"),
        ({"SCHEDULER": "localhost"}, "SCHEDULER must be an address, .* got 'localhost'"),
        (
            {"EXPERIMENTS": {1: compare(SMALL, [0])}, "SLOW": ["elsewhere"]},
            "EXPERIMENTS: a name must be a text, got 1",
        ),
        ({"TIMED_LENGTHS": 5}, "TIMED_LENGTHS must be a list of integers, got 5"),
        ({"LENGTHS": [100]}, r"LENGTHS must be .*, got \[100\]"),
        ({"QUESTIONS": {"elsewhere": ""}}, "QUESTIONS may name .*, got 'elsewhere'"),
        ({"EXPERIMENTS": {"x": compare(replace(SMALL, device="cuda:77"), [0])}}, "'cuda:77'"),
        ({"WORKERS": -1}, "WORKERS .* got -1"),
        ({"PROVEN_SEEDS": {"RNN": {0: [1]}}}, "PROVEN_SEEDS .* layers .* got 0"),
        ({"PROVEN_SEEDS": {"Turing": {1: [1]}}}, "PROVEN_SEEDS .* cell .* got 'Turing'"),
        ({"PROVEN_SEEDS": {"RNN": {1: [-1]}}}, "PROVEN_SEEDS .* seed .* got -1"),
        ({"TIMED_LENGTHS": [0]}, "TIMED_LENGTHS .* got 0"),
        ({"CHAINS": [0, -1]}, "CHAINS .* got -1"),
        ({"CHAIN_PAIRS": 0}, "CHAIN_PAIRS .* got 0"),
        ({"COUNTED_PAIRS": 0}, "COUNTED_PAIRS .* got 0"),
        ({"MANY_PAIRS": 0}, "MANY_PAIRS .* got 0"),
        ({"MEMORY": 0}, "MEMORY .* got 0"),
        ({"REMEMBERING": ["elsewhere"]}, "REMEMBERING may name .*, got 'elsewhere'"),
        ({"LITTLE_LENGTHS": [0]}, "LITTLE_LENGTHS .* got 0"),
        ({"PROVEN_SMALL": {0: [1]}}, "PROVEN_SMALL: hidden .* got 0"),
        ({"LENGTHS": {100: 0}}, "LENGTHS .* got 0"),
        ({"ONLY": ["gp"]}, r"ONLY may name .*, got 'gp', did you mean 'gpu'\?"),
        ({"ONLY": "gpu"}, "ONLY must be a list of names, got 'gpu'"),
        ({"SLOW": ["prof"]}, "SLOW may name .*, got 'prof'"),
        ({"EXPERIMENTS": {"proof": compare(SMALL, [0])}}, "EXPERIMENTS: .* got 'proof'"),
        ({"EXPERIMENTS": {"decided": compare(SMALL, [0])}}, "EXPERIMENTS: .* got 'decided'"),
        ({"EXPERIMENTS": {"../x": compare(SMALL, [0])}}, "EXPERIMENTS: .* got '../x'"),
        ({"EXPERIMENTS": {"x": SMALL}}, "EXPERIMENTS: 'x' must be made by compare"),
    ],
)
def test_a_bad_constant_is_named_before_any_work(constants, message, tiny, monkeypatch):
    tiny(**constants)
    monkeypatch.setattr(source, "open_lab", lambda **_: pytest.fail("work has begun"))
    with pytest.raises(ValueError, match=message):
        source.main()


def test_a_cell_that_cannot_be_proven_is_named_before_any_work(tiny, monkeypatch):
    monkeypatch.setitem(pt.CELLS, "ReLU", functools.partial(torch.nn.RNN, nonlinearity="relu"))
    tiny(PROVEN_SEEDS={"ReLU": {1: [0]}})
    monkeypatch.setattr(source, "open_lab", lambda **_: pytest.fail("work has begun"))
    with pytest.raises(ValueError, match="cell ReLU has no interval step"):
        source.main()


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
        ("(SIMPLE, SEEDS, layers=[", "(SIMPLE, SEEDS, layer=[", "no field 'layer' (layer=1)"),
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
