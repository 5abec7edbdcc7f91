"""The verdict rule against counts by hand, and a tiny full run: its pictures, page and numbers."""

import json
import math
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import proof
import pt
import source
from source import evaluate, loss_draw, myPTRNNModel, train

TINY = {"steps": 30, "batch_size": 3, "test_size": 4, "seeds": [0, 1]}


def record(accuracy, loss=None, error=None):
    """A made-up record, measured every 10 steps."""
    steps = [10 * (i + 1) for i in range(len(accuracy))]
    loss = loss or [1.0] * (10 * len(accuracy))
    return {"accuracy": accuracy, "measured_at": steps, "loss": loss, "error": error}


def test_majority_against_sampled_coins():
    # P(share > 1/2 | yes of seeds), by drawing shares from the uniform prior and keeping those that fit
    draws = np.random.default_rng(0)
    shares = draws.random(400_000)
    heads = draws.binomial(5, shares)
    for yes in range(6):
        assert source.majority(yes, 5) == pytest.approx((shares[heads == yes] > 0.5).mean(), abs=0.01)


@pytest.mark.parametrize(
    ("yes", "seeds", "expected"),
    [
        (3, 3, "holds"),  # 15/16
        (2, 3, "cannot be told from this many seeds"),  # 11/16
        (1, 3, "cannot be told from this many seeds"),
        (0, 3, "does not hold"),  # 1/16
        (1, 1, "cannot be told from this many seeds"),  # 3/4
        (0, 1, "cannot be told from this many seeds"),
        (2, 2, "cannot be told from this many seeds"),  # 7/8
        (9, 10, "holds"),
        (50, 100, "cannot be told from this many seeds"),
        (30, 100, "does not hold"),
    ],
)
def test_verdicts_by_hand(yes, seeds, expected):
    assert source.verdict([True] * yes + [False] * (seeds - yes)) == expected


def test_a_row_is_judged_by_its_worst_claim():
    rule = source.row_verdict
    claims = {"a": ([True], "holds"), "b": ([True], "cannot be told from this many seeds")}
    assert rule(claims) == "cannot be told from this many seeds"
    assert rule(claims | {"c": ([False], "does not hold")}) == "does not hold"
    assert rule({"a": ([True], "holds")}) == "holds"


def test_claims_by_hand():
    slow, fast, never = record([0, 0.5, 1.0]), record([0.9, 1.0, 0.2]), record([0, 0, 0.99])
    assert [source.reached(r, 1.0) for r in (slow, fast, never)] == [30, 20, math.inf]
    assert source.by(350) == 370 and source.by(60) == 70 and source.by(200) == 210
    assert source.first({1: slow, 2: fast, 3: never}, 2, 1.0)
    assert source.last({1: slow, 2: fast, 3: never}, 3, 1.0)
    assert not source.first({1: fast, 2: fast}, 2, 1.0), "a tie is not first"
    assert source.all_reach({1: slow, 2: fast}, 1.0, 30)
    assert not source.all_reach({1: slow, 2: fast}, 1.0, 20)
    assert not source.all_reach({1: slow, 2: never}, 1.0)
    assert source.fell_and_recovered(record([0.0, 1.0, 0.05, 1.0]))
    assert not source.fell_and_recovered(record([0.0, 1.0, 0.05]))
    assert not source.fell_and_recovered(record([0.0, 1.0, 0.5, 1.0]))
    assert source.ends_right(slow) and not source.ends_right(fast)
    assert not source.ends_right(record([1.0], error="the loss is nan"))


def test_a_row_is_only_judged_on_the_reports_settings(monkeypatch):
    results = {layers: [record([1.0] * 50)] * 3 for layers in (1, 2, 3, 4, 5)}
    monkeypatch.setitem(source.ROWS, 4, source.ROWS[4] | {"layers": [1, 2, 3, 4, 5]})
    assert source.judge(4, results)["all four reach 100%"] == ([True] * 3, "holds")
    for change in ({"layers": [1, 2]}, {"steps": 499}, {"cell": "GRU"}, {"digitlen": [10, 20]}):
        monkeypatch.setitem(source.ROWS, 4, source.SETTINGS | {"layers": [1, 2, 3, 4], "steps": 500} | change)
        assert source.judge(4, results) == {}
        assert source.row_verdict({}) == source.NO_VERDICT


def test_every_claim_can_be_judged_either_way():
    # Records that learn at once and records that never do: no claim may give the same answer to all.
    at_once, never = record([1.0] * 200), record([0.0] * 200, loss=[3.0] * 2000)
    at_once["loss"] = [0.0] * 2000
    for step, loss in source.REPORT[1]["loss"]:
        at_once["loss"][step - 1] = loss
    fell = record([0.0, 1.0, 0.0, 1.0] + [0.0] * 196)
    for row, report in source.REPORT.items():
        keys = next((value for value in report["settings"].values() if isinstance(value, list)), [None])
        for claim, is_true in report["claims"].items():
            answers = {bool(is_true(dict.fromkeys(keys, same))) for same in (at_once, never, fell)}
            for key in keys:
                answers.add(bool(is_true(dict.fromkeys(keys, never) | {key: at_once})))
                answers.add(bool(is_true(dict.fromkeys(keys, at_once) | {key: never})))
            assert answers == {True, False}, (row, claim)


def test_the_band_is_the_range_and_the_line_the_median():
    stopped, long, broken = record([0.0, 1.0]), record([0.0, 0.2, 0.4, 0.6]), record([0.5, 0.5], error="nan")
    low, median, high = source.on_one_grid([stopped, long, broken], np.array([10, 20, 30, 40]), "accuracy")
    assert low.tolist() == [0.0, 0.2, 0.4, 0.6]
    assert high.tolist() == [0.5, 1.0, 1.0, 1.0]
    assert median.tolist() == [0.0, 0.5, 0.7, 0.8]


def png_size(path):
    content = path.read_bytes()
    assert content[:8] == b"\x89PNG\r\n\x1a\n"
    return struct.unpack(">II", content[16:24])


def run_tiny(folder, monkeypatch, workers, rows, **exact):
    """source.main() on `rows` into `folder`; returns what results.json holds."""
    monkeypatch.setattr(source, "FIGURES", folder / "figures")
    monkeypatch.setattr(source, "KEPT", folder / ".runs")
    monkeypatch.setattr(source, "README", folder / "README.md")
    monkeypatch.setattr(source, "WORKERS", workers)
    monkeypatch.setattr(source, "finished", {})
    monkeypatch.setattr(source, "ROWS", rows)
    monkeypatch.setattr(source, "PROVEN_SEEDS", exact.get("PROVEN_SEEDS", {}))
    monkeypatch.setattr(source, "STRESSED", exact.get("STRESSED", {}))
    folder.mkdir(exist_ok=True)
    source.README.write_text(f"# Before\n{source.RESULTS_BEGIN}outdated{source.RESULTS_END}\nafter\n")
    source.main()
    return json.loads((folder / "figures" / "results.json").read_text())


def curves(results):
    return {(run["row"], str(run["arm"]), run["settings"]["seed"]): run["loss"] for run in results["runs"]}


def test_a_tiny_full_run(tmp_path, monkeypatch, capfd):
    rows = {row: settings | TINY for row, settings in source.ROWS.items()}
    rows[2] |= {"digitlen": 30}
    rows[3] |= {"digitlen": [40]}  # one length in a list
    rows[4] |= {"layers": [1, 2, 1, 5, 6]}
    rows[6] |= {"digitlen": 12, "cell": ["RNN", "GRU", "LSTM", "RNN", "GRU"], "layers": [1, 2]}
    rows[7] |= {"lr": np.logspace(-5, -1, 9).tolist() + [1e38]}
    rows[9] |= {"digitlen": 12}
    monkeypatch.setattr(source, "CHAINS", [0, 3, 1000])
    monkeypatch.setattr(source, "CHAIN_PAIRS", 3)
    monkeypatch.setattr(source, "LENGTHS", {300: 2, 100: 2})
    monkeypatch.setattr(source, "NOISY_BATCHES", 1)
    exact = {"PROVEN_SEEDS": {1: [0, 3]}, "STRESSED": {"a tiny adder": source.SETTINGS | TINY}}
    results = run_tiny(tmp_path, monkeypatch, 2, rows, **exact)
    output = capfd.readouterr()
    assert "Warning" not in output.err + output.out
    assert "100%" in output.err, "the bar was there to the end"

    figures = tmp_path / "figures"
    pictures = sorted(figures.glob("*.png"))
    assert [path.name[:4] for path in pictures] == ["exac"] * 3 + [f"row{row}" for row in range(1, 10)]
    for path in pictures:
        width, height = png_size(path)
        assert width >= 1400 and 500 <= height <= 1500
    page = (figures / "README.md").read_text()
    for path in pictures:
        assert f"]({path.name})" in page
    for row in source.REPORT:
        assert f"## Row {row}." in page and source.REPORT[row]["says"] in page
    for anchor in ("#row-1-the-simple-adder", "#row-6-rnn-gru-and-lstm-at-100-digits"):
        assert f"]({anchor})" in page
    assert source.NO_VERDICT in page and "steps is 30, the report's is 1000" in page

    readme = (tmp_path / "README.md").read_text()
    assert readme.startswith("# Before\n") and readme.endswith("\nafter\n") and "outdated" not in readme
    assert "(figures/README.md#row-1-the-simple-adder)" in readme

    assert len(results["runs"]) == 2 * (1 + 1 + 1 + 4 + 4 + 6 + 10 + 5 + 1)
    run = next(run for run in results["runs"] if run["row"] == 6 and run["arm"] == ["LSTM", 2])
    assert run["settings"]["digitlen"] == 12 and len(run["loss"]) == 30 and run["measured_at"] == [10, 20, 30]
    for key in ("first_100", "total_seconds", "ms_per_step", "seconds", "accuracy", "error"):
        assert key in run
    assert results["versions"]["torch"] == torch.__version__
    broken = [run for run in results["runs"] if run["settings"]["lr"] == 1e38]
    assert len(broken) == 2 and all("try a lower learning rate" in run["error"] for run in broken)
    assert "Ended early, lr 1e+38, seed 0: the loss is" in page
    assert output.out.count("ended early") == 2

    assert "| 1 | 2 of 2 seeds |" in page
    assert "| 999...9 + 1 | 0 of 2 | 2 of 2 |" in page
    assert "One error of a tiny adder: " in page
    check = results["exact"]["check"]
    assert [row["length"] for row in check["lengths"]] == [100] * 3 + [300] * 3
    assert all(row["right"] == row["pairs"] for row in check["lengths"])
    assert (check["wrong_digits"], check["noisy_wrong_digits"]) == (0, 0)
    assert [record["proven"] for record in results["exact"]["proof"]["1"]] == [True, True]
    assert results["proof_against_import"]["count"] == 2
    model = pt.load(figures / "proven_adder.pt")
    assert proof.prove(model).margin == pytest.approx(results["exact"]["proof"]["1"][0]["margin"], rel=1e-5)
    assert pt.add(model, 123, 456) == 579


def test_a_wrong_digit_is_placed_by_hand():
    tests = [({}, {name: sum(pair) for name, pair in source.named_pairs(source.NAMED_DIGITS).items()})]
    tests[0][1]["999...9 + 1"] += 7000
    assert source.first_error(tests) == (
        "99999999999999999999 + 1 is 100000000000000000000; its answer is 100000000000000007000, "
        "wrong from digit 4 on, from the right"
    )


def test_constants_of_the_exact_part_are_checked(monkeypatch):
    monkeypatch.setattr(source, "conduct", lambda runs: pytest.fail("work has begun"))
    for name, value, message in (
        ("PROVEN_SEEDS", {0: [1]}, "PROVEN_SEEDS layers .* got 0"),
        ("PROVEN_SEEDS", {1: [-1]}, "PROVEN_SEEDS seed .* got -1"),
        ("STRESSED", {"mine": source.SETTINGS | {"pairs": "odd"}}, r"STRESSED\['mine'\]: pairs .* got 'odd'"),
    ):
        with monkeypatch.context() as patch, pytest.raises(ValueError, match=message):
            patch.setattr(source, name, value)
            source.main()


def test_the_number_of_workers_changes_nothing(tmp_path, monkeypatch):
    rows = {4: source.ROWS[4] | TINY, 2: source.ROWS[2] | TINY | {"digitlen": 300, "steps": 10}}
    two = run_tiny(tmp_path / "two", monkeypatch, 2, rows)
    one = run_tiny(tmp_path / "one", monkeypatch, 1, rows)
    assert curves(one) == curves(two)
    assert len(curves(one)) == 10


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seeds": []}, r"ROWS\[1\]: seeds must hold at least one"),
        ({"layers": []}, r"ROWS\[1\]: layers must hold at least one"),
        ({"layers": [1, 0]}, r"ROWS\[1\]: layers .* got 0"),
        ({"cell": "Turing"}, r"ROWS\[1\]: cell .* got 'Turing'"),
        ({"digitlen": 0}, r"ROWS\[1\]: digitlen .* got 0"),
        ({"lr": "fast"}, r"ROWS\[1\]: lr .* got 'fast'"),
    ],
)
def test_a_bad_constant_is_named_before_any_work(change, message, tmp_path, monkeypatch):
    monkeypatch.setattr(source, "conduct", lambda runs: pytest.fail("work has begun"))
    monkeypatch.setattr(source, "ROWS", {1: source.SETTINGS | change})
    with pytest.raises(ValueError, match=message):
        source.main()


def test_an_unknown_row_device_or_worker_count_is_named(monkeypatch):
    monkeypatch.setattr(source, "ROWS", {99: source.SETTINGS})
    with pytest.raises(ValueError, match="row 99"):
        source.main()
    monkeypatch.setattr(source, "ROWS", {1: source.SETTINGS})
    monkeypatch.setattr(source, "DEVICE", "cuda:77")
    with pytest.raises(ValueError, match="device 'cuda:77' is not there"):
        source.main()
    monkeypatch.setattr(source, "WORKERS", 0)
    with pytest.raises(ValueError, match="WORKERS .* got 0"):
        source.main()


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
    monkeypatch.setattr(source.pyplot, "show", lambda: shown.append(source.pyplot.gcf()))
    model = myPTRNNModel()
    train(10, model, torch.optim.Adam(model.parameters()), batch_size=2, test_size=2)
    loss_draw(model)
    assert [len(axes.lines) for axes in shown[0].axes] == [1, 1]
    with pytest.raises(ValueError, match="model has no curves"):
        loss_draw(myPTRNNModel())


def test_an_edited_script_stops_with_one_line(tmp_path):
    folder = Path(source.__file__).parent
    for name in ("source.py", "proof.py", "pt.py", "data.py"):
        text = (folder / name).read_text()
        (tmp_path / name).write_text(text.replace("SEEDS = [0, 1, 2]", "SEEDS = [0, -1]"))
    command = [sys.executable, "source.py"]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert ended.stderr == "Error: ROWS[1]: seed must be an integer of at least 0, got -1\n"
