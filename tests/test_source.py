"""A tiny full run: its pictures, page and numbers; constants, checked; the report's own lines; each part by itself."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from matplotlib import pyplot
from test_pictures import png_size

import pt
import source
from exact import proof
from lab import pool, report
from source import evaluate, loss_draw, myPTRNNModel, train

ROWS = source.ROWS
TINY = {"steps": 30, "batch_size": 3, "test_size": 4, "seeds": [0, 1]}


@pytest.fixture
def tiny(tmp_path, monkeypatch):
    """set(folder, **constants): a run of `source` with these, and otherwise nothing to do, into tmp_path/folder."""

    def set_constants(folder, **constants):
        nothing = {"ROWS": {}, "PROVEN_SEEDS": {}, "STRESSED": {}, "COST_LENGTHS": [], "WORKERS": 2}
        places = {
            "FIGURES": tmp_path / folder / "figures",
            "KEPT": tmp_path / folder / ".runs",
            "finished": {},
        }
        for name, value in (nothing | places | constants).items():
            monkeypatch.setattr(source, name, value)
        return source.FIGURES

    return set_constants


def results_of(figures):
    return json.loads((figures / "results.json").read_text())


def curves(results):
    return {
        (row["row"], arm["label"], run["seed"]): run["loss"]
        for row in results["rows"]
        for arm in row["arms"]
        for run in arm["runs"]
    }


def tiny_rows():
    """Every row, small; some with arms of their own."""
    rows = {row: settings | TINY for row, settings in ROWS.items()}
    rows[2] |= {"digitlen": 30}
    rows[3] |= {"digitlen": [40]}  # one length in a list
    rows[4] |= {"layers": [1, 2, 1, 5, 6]}
    rows[6] |= {"digitlen": 12, "cell": ["RNN", "GRU", "LSTM", "RNN", "GRU"], "layers": [1, 2]}
    rows[7] |= {"lr": np.logspace(-5, -1, 9).tolist() + [1e38]}
    rows[9] |= {"digitlen": 12}
    return rows


EXACT = {
    "CHAINS": [0, 3, 1000],
    "CHAIN_PAIRS": 3,
    "LENGTHS": {300: 2, 100: 2},
    "COST_LENGTHS": [3, 5],
    "PROVEN_SEEDS": {"RNN": {1: [0, 3]}, "GRU": {1: [0]}},
    "STRESSED": {"a tiny adder": source.SETTINGS | TINY},
}


def test_a_tiny_full_run(tiny, capfd):
    figures = tiny("one", ROWS=tiny_rows(), **EXACT)
    source.main()
    output = capfd.readouterr()
    assert "Warning" not in output.err + output.out
    assert "100%" in output.err, "the bar was there to the end"
    results, page = results_of(figures), (figures / "README.md").read_text()

    names = [f"row-{row}-" for row in range(1, 11)] + ["stress", "proof", "verdicts", "decided"]
    for path in figures.glob("*.png"):
        width, height = png_size(path)
        assert width >= 1300 and 400 <= height <= 2400
        assert f"]({path.name})" in page
        assert any(path.name.startswith(name) for name in names)
    assert len(list(figures.glob("*.png"))) == len(names)
    assert "None" not in page and "{" not in page and "\n\n\n\n" not in page
    for row in report.REPORT:
        assert f"## Row {row}." in page and report.REPORT[row]["says"] in page
    for anchor in (
        "#row-1-the-simple-adder",
        "#row-6-rnn-gru-and-lstm-at-100-digits",
        "#row-10-what-it-costs",
    ):
        assert f"]({anchor})" in page
    assert report.NO_VERDICT in page and "- steps is 30, the report's is 1000" in page

    assert len(curves(results)) == 2 * (1 + 1 + 1 + 4 + 4 + 6 + 10 + 5 + 1)
    arm = next(arm for arm in results["rows"][5]["arms"] if arm["label"] == "LSTM, 2 layers")
    assert len(arm["runs"][1]["loss"]) == 30 and arm["runs"][1]["measured_at"] == [10, 20, 30]
    assert {"seconds", "ms_per_step", "accuracy", "error"} <= arm["runs"][0].keys()
    assert not {"weights"} & arm["runs"][0].keys()
    assert results["made"]["torch"] == torch.__version__
    broken = [run for arm in results["rows"][6]["arms"] for run in arm["runs"] if run["error"]]
    assert len(broken) == 2 and all("try a lower learning rate" in run["error"] for run in broken)
    assert (
        "Ended early, lr 1e+38, seed 0: the loss is" in page
        and output.out.count("ended early") == 2
    )

    assert report.NO_GPU in page or torch.cuda.is_available()
    assert [digits for digits, _ in results["cost"]["devices"][0]["ms"]] == [3, 5]
    assert "| RNN, 1 layer | 2 of 2 seeds |" in page and "| GRU, 1 layer | 1 of 1 seeds |" in page
    assert results["stress"]["adders"][1] == {"name": "a proven RNN", "accuracy": [[1.0] * 3] * 2}
    assert results["stress"]["adders"][0]["accuracy"][0][-1] == 0
    assert all(test["right"] == test["pairs"] for test in results["lengths"]["lengths"])
    model = pt.load(figures / "proven_rnn.pt")
    assert proof.prove(model).margin == pytest.approx(
        results["proof"]["groups"][0]["runs"][0]["margin"], rel=1e-5
    )
    assert pt.add(model, 123, 456) == 579

    # every adder is decided, and what is said to be wrong is wrong when the kept adder adds it again
    decided, made = (
        results["decided"],
        [record for record in source.finished.values() if "decided" in record],
    )
    assert (decided["adders"], decided["proven"], decided["undecided"]) == (len(made), 3, 0)
    wrong = 0
    for record in made:
        if record["digits"]:
            pair, answer = record["pair"], record["answer"]
            assert pt.add(pt.adder_of(record["weights"]), *pair) == answer != sum(pair)
            assert record["digits"] == len(str(max(pair)))
            wrong += 1
    assert wrong == decided["wrong"] == decided["adders"] - 3
    assert (
        f"| {results['rows'][0]['arms'][0]['wrong']} |" in page
        and " gives " in results["rows"][0]["arms"][0]["wrong"]
    )

    # drawn again from the file alone: byte for byte, nothing trained, and what the page does not show goes
    drawn = {path.name: path.read_bytes() for path in figures.iterdir()}
    tiny("one")
    (figures / "row-11-gone.png").write_bytes(b"")
    for path in figures.glob("row*.png"):
        path.write_bytes(b"")
    source.draw()
    assert {path.name: path.read_bytes() for path in figures.iterdir()} == drawn


@pytest.mark.parametrize("proven", [{}, {"RNN": {1: [0]}}])
def test_nothing_to_run_is_a_page_too(proven, tiny):
    figures = tiny("empty", PROVEN_SEEDS=proven, CHAINS=[], LENGTHS={})
    source.main()
    assert results_of(figures)["rows"] == [] and (figures / "README.md").exists()


def test_the_number_of_workers_changes_nothing(tiny):
    rows, found = {4: ROWS[4] | TINY, 2: ROWS[2] | TINY | {"digitlen": 300, "steps": 10}}, []
    for workers in (1, 2):
        figures = tiny(f"{workers}", ROWS=rows, WORKERS=workers)
        source.main()
        found.append(curves(results_of(figures)))
    assert found[0] == found[1] and len(found[0]) == 10
    tiny("2", ROWS={2: rows[2], 9: ROWS[9] | TINY | {"digitlen": 12}})
    source.main()
    assert results_of(figures)["made"]["taken_over"] == 2
    assert not list(figures.glob("row-4*")), "the picture of a row that was taken out goes"


def test_each_part_runs_by_itself(tiny):
    exact = EXACT | {"PROVEN_SEEDS": {"RNN": {1: [0]}}, "COST_LENGTHS": []}
    figures = tiny("part", ROWS={1: source.SETTINGS | TINY, 4: ROWS[4] | TINY}, **exact)
    assert [row["row"] for row in source.pt_main()["rows"]] == [1]
    assert [row["row"] for row in source.pt_adv_main()["rows"]] == [4]
    assert set(source.exact_main()) == {"stress", "lengths", "proof"}
    assert {path.name[:5] for path in figures.glob("*.png")} == {"row-1", "row-4", "stres", "proof"}


@pytest.mark.parametrize(
    ("constants", "message"),
    [
        (
            {"ROWS": {1: source.SETTINGS | {"seeds": []}}},
            r"ROWS\[1\]: seeds must hold at least one",
        ),
        (
            {"ROWS": {1: source.SETTINGS | {"layers": []}}},
            r"ROWS\[1\]: layers must hold at least one",
        ),
        ({"ROWS": {1: source.SETTINGS | {"layers": [1, 0]}}}, r"ROWS\[1\]: layers .* got 0"),
        ({"ROWS": {1: source.SETTINGS | {"cell": "Turing"}}}, r"ROWS\[1\]: cell .* got 'Turing'"),
        ({"ROWS": {1: source.SETTINGS | {"digitlen": 0}}}, r"ROWS\[1\]: digitlen .* got 0"),
        ({"ROWS": {1: source.SETTINGS | {"lr": "fast"}}}, r"ROWS\[1\]: lr .* got 'fast'"),
        ({"ROWS": {1: {"seeds": [0]}}}, r"ROWS\[1\] has no 'cell'"),
        ({"ROWS": {99: source.SETTINGS}}, "row 99"),
        ({"DEVICE": "cuda:77"}, "device 'cuda:77' is not there"),
        ({"WORKERS": 0}, "WORKERS .* got 0"),
        ({"PROVEN_SEEDS": {"RNN": {0: [1]}}}, "layers .* got 0"),
        ({"PROVEN_SEEDS": {"Turing": {1: [1]}}}, "cell .* got 'Turing'"),
        ({"PROVEN_SEEDS": {"RNN": {1: [-1]}}}, "PROVEN_SEEDS: seed .* got -1"),
        ({"COST_LENGTHS": [0]}, "COST_LENGTHS: digitlen .* got 0"),
        ({"CHAINS": [0, -1]}, "CHAINS .* got -1"),
        ({"CHAIN_PAIRS": 0}, "CHAIN_PAIRS .* got 0"),
        ({"LENGTHS": {100: 0}}, "LENGTHS .* got 0"),
        (
            {"STRESSED": {"mine": source.SETTINGS | {"pairs": "odd"}}},
            r"STRESSED\['mine'\]: pairs .* got 'odd'",
        ),
    ],
)
def test_a_bad_constant_is_named_before_any_work(constants, message, tiny, monkeypatch):
    tiny("bad", **constants)
    monkeypatch.setattr(pool, "conduct", lambda *_: pytest.fail("work has begun"))
    with pytest.raises(ValueError, match=message):
        source.main()


def test_an_edited_script_stops_with_one_line(tmp_path):
    folder = Path(source.__file__).parent
    for path in [*folder.glob("*.py"), *folder.glob("lab/*"), *folder.glob("exact/*")]:
        if path.is_file():
            there = tmp_path / path.relative_to(folder)
            there.parent.mkdir(exist_ok=True)
            there.write_text(path.read_text().replace("SEEDS = list(range(8))", "SEEDS = [0, -1]"))
    command = [sys.executable, "source.py"]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert ended.stderr == "Error: ROWS[1]: seed must be an integer of at least 0, got -1\n"


def test_the_reports_five_lines(tmp_path, capsys):
    cuda0 = torch.device("cuda:0" if torch.cuda.is_available() else "cpu")
    model = myPTRNNModel().to(cuda0)
    optimizer = torch.optim.Adam(params=model.parameters(), lr=0.001)
    train(50, model, optimizer, cuda0)
    loss_draw(model, tmp_path / "curves.png")
    assert capsys.readouterr().out.startswith("step 50 : loss ")
    assert png_size(tmp_path / "curves.png") == (1500, 600)
    assert 0.0 <= evaluate(model, cuda0, 10) <= 1.0


def test_loss_draw_shows_without_a_path(monkeypatch):
    shown = []
    monkeypatch.setattr(pyplot, "show", lambda: shown.append(pyplot.gcf()))
    model = myPTRNNModel()
    train(10, model, torch.optim.Adam(model.parameters()), batch_size=2, test_size=2)
    loss_draw(model)
    assert [len(axes.lines) for axes in shown[0].axes] == [1, 1]
    with pytest.raises(ValueError, match="model has no curves"):
        loss_draw(myPTRNNModel())
