"""The verdict rule against counts by hand, and a tiny full run: its pictures, page and numbers."""

import json
import math
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

import proof
import pt
import source
import trials
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
    assert source.steady(record([1.0, 0.9, 1.0, 1.0, 1.0, 1.0, 1.0])) == 30
    assert source.steady(record([1.0, 1.0, 1.0, 1.0, 0.9])) == math.inf
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
    monkeypatch.setattr(source, "COST_LENGTHS", exact.get("COST_LENGTHS", []))
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
    monkeypatch.setattr(source, "CHECKED", 100_000)
    exact = {"COST_LENGTHS": [3, 5], "PROVEN_SEEDS": {1: [0, 3]}, "STRESSED": {"a tiny adder": source.SETTINGS | TINY}}
    results = run_tiny(tmp_path, monkeypatch, 2, rows, **exact)
    output = capfd.readouterr()
    assert "Warning" not in output.err + output.out
    assert "100%" in output.err, "the bar was there to the end"

    figures = tmp_path / "figures"
    pictures = sorted(figures.glob("*.png"))
    assert [path.name[:4] for path in pictures] == ["exac"] * 3 + [f"row{row}" for row in (1, *range(1, 10))]
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

    assert "Verdict: not measured, there was no GPU" in page or torch.cuda.is_available()
    assert [cost["digitlen"] for cost in results["costs"] if cost["device"] == "cpu"] == [3, 5]

    assert "| 1 | 2 of 2 seeds |" in page
    assert "| 999...9 + 1 | 0 of 2 | 2 of 2 |" in page
    assert "One error of a tiny adder: " in page
    check = results["exact"]["check"]
    assert [row["length"] for row in check["lengths"]] == [100] * 3 + [300] * 3
    assert all(row["right"] == row["pairs"] for row in check["lengths"])
    assert (check["digits"], check["wrong_digits"], check["noisy_wrong_digits"]) == (100_000, 0, 0)
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
    for name in ("source.py", "trials.py", "proof.py", "pt.py", "recurrence.py", "data.py"):
        text = (folder / name).read_text()
        (tmp_path / name).write_text(text.replace("SEEDS = [0, 1, 2]", "SEEDS = [0, -1]"))
    command = [sys.executable, "source.py"]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert ended.stderr == "Error: ROWS[1]: seed must be an integer of at least 0, got -1\n"


# ---------------------------------------------------------------------------------------------------
# Interrupted, damaged, changed, and over several ranks: jobs of their own, in their own folders.

JOB = """
import os, source
if __name__ == "__main__":
    os.write(1, f"rank {os.environ.get('RANK')} pid {os.getpid()}\\n".encode())  # one write: whole lines
    source.WORKERS, source.PROVEN_SEEDS, source.STRESSED, source.COST_LENGTHS = 2, {}, {}, []
    tiny = {"digitlen": 300, "batch_size": 2, "test_size": 2, "steps": STEPS, "seeds": [0, 1], "stop_after": None}
    source.ROWS = {4: source.ROWS[4] | tiny}
    MAIN
"""
RUN_MAIN = """try:
        source.main()
    except KeyboardInterrupt:
        raise SystemExit("Stopped.")"""


def job(folder, steps=40):
    """A copy of the project in `folder` with a job of eight runs; returns the command that starts it."""
    here = Path(source.__file__).parent
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("source.py", "trials.py", "proof.py", "pt.py", "recurrence.py", "data.py"):
        (folder / name).write_text((here / name).read_text())
    (folder / "README.md").write_text(source.RESULTS_BEGIN + source.RESULTS_END)
    (folder / "job.py").write_text(JOB.replace("STEPS", str(steps)).replace("MAIN", RUN_MAIN))
    return [sys.executable, "job.py"]


def kept_files(folder):
    return [path for path in (folder / ".runs").glob("*") if len(path.name) == 64]


def wait_for(condition, seconds=120):
    """Wait until `condition()` is true."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.05)


def start(command, folder):
    return subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(command, folder):
    """Run to the end; returns (what it printed, what results.json holds)."""
    ended = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr[-2000:]
    return ended.stdout, json.loads((folder / "figures" / "results.json").read_text())


def children(pid):
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def is_running(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"
    except OSError:
        return False


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    """The curves of the job when nothing goes wrong, and its folder."""
    folder = tmp_path_factory.mktemp("uninterrupted")
    output, results = finish(job(folder), folder)
    assert "Taken over" not in output
    return curves(results), folder


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs Linux's /proc")
def test_killed_and_started_again(tmp_path, uninterrupted):
    command = job(tmp_path)
    process = start(command, tmp_path)
    wait_for(lambda: len(kept_files(tmp_path)) >= 2)
    workers = children(process.pid)
    process.kill()
    process.communicate()
    wait_for(lambda: not any(map(is_running, workers)), 20)
    kept = len(kept_files(tmp_path))
    assert 2 <= kept < 8
    output, results = finish(command, tmp_path)
    assert f"Taken over: {kept} finished runs. To train all afresh, delete .runs/." in output
    assert output.count(", seed ") == 8 - kept
    assert curves(results) == uninterrupted[0]
    assert results["taken_over"] == kept


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs Linux's /proc")
@pytest.mark.parametrize("early", [True, False])
def test_ctrl_c_ends_at_once_with_one_line(tmp_path, early):
    process = start(job(tmp_path, steps=100000), tmp_path)
    wait_for(lambda: len(children(process.pid)) >= 2)
    if not early:
        time.sleep(6)  # the workers train by now
    workers = children(process.pid)
    for pid in (process.pid, *workers):  # as a terminal does
        os.kill(pid, signal.SIGINT)
    began = time.monotonic()
    _, errors = process.communicate(timeout=30)
    assert time.monotonic() - began < 15
    assert process.returncode == 1
    assert re.sub("[^\\n]*\\r|[^\\n]*left", "", errors).split() == ["Stopped."]
    wait_for(lambda: not any(map(is_running, workers)), 10)


def test_damaged_and_truncated_records_are_trained_again(tmp_path, uninterrupted):
    command = job(tmp_path)
    (tmp_path / ".runs").mkdir()
    files = sorted(kept_files(uninterrupted[1]))
    for number, path in enumerate(files):
        content = bytearray(path.read_bytes())
        if number == 0:
            content[len(content) // 2] ^= 1  # one bit
        if number == 1:
            content = content[: len(content) // 2]
        if number == 2:
            content = b""
        (tmp_path / ".runs" / path.name).write_bytes(content)
    output, results = finish(command, tmp_path)
    assert output.count("is damaged and is trained again") == 3
    for path in files[:3]:
        assert path.name in output
    assert "Taken over: 5 finished runs" in output
    assert curves(results) == uninterrupted[0]
    assert "Taken over: 8 finished runs" in finish(command, tmp_path)[0]


def test_what_is_kept_is_for_the_same_code_settings_and_versions(tmp_path, monkeypatch):
    settings = {"lr": 0.1, "seed": 0, "device": "cpu"}
    path = source.kept_path(settings)
    assert path == source.kept_path(dict(reversed(settings.items())))
    for changed in ({"lr": 0.2}, {"seed": 1}):
        assert source.kept_path(settings | changed) != path
    for name, other in (("versions", lambda: {"torch": "0"}), ("device_kind", lambda device: "abacus"),
                        ("CODE", source.CODE | {source.data: "changed"})):  # fmt: skip
        with monkeypatch.context() as patch:
            patch.setattr(source, name, other)
            assert source.kept_path(settings) != path
    monkeypatch.setattr(source, "CODE", source.CODE | {source.proof: "changed"})
    assert source.kept_path(settings) == path, "proof.py has no part in such a run"
    assert source.kept_path(settings | {"kind": "prove"}) != path


def test_a_changed_line_of_code_trains_afresh(tmp_path, uninterrupted):
    command = job(tmp_path)
    (tmp_path / ".runs").mkdir()
    for path in kept_files(uninterrupted[1]):
        (tmp_path / ".runs" / path.name).write_bytes(path.read_bytes())
    (tmp_path / "pt.py").write_text((tmp_path / "pt.py").read_text() + "\n# changed\n")
    output, results = finish(command, tmp_path)
    assert "Taken over" not in output
    assert curves(results) == uninterrupted[0]


def test_a_run_that_cannot_be_kept_goes_on(tmp_path, monkeypatch):
    monkeypatch.setattr(source, "KEPT", tmp_path / "file" / ".runs")
    (tmp_path / "file").write_text("no folder can be made here")
    monkeypatch.setattr(source, "messages", type("Nobody", (), {"put": lambda self, message: None})(), raising=False)
    settings = source.checked("row", source.ROWS[4] | TINY)[0][1]
    (record, _), unkept = source.work(settings, source.kept_path(settings))
    assert len(record["loss"]) == 30 and unkept.startswith(" (not kept: ")


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def torchrun(ranks, nodes=1, node=0, port=None):
    """The command that runs the job over `ranks` ranks on each of `nodes` nodes, here on loopback."""
    options = ["--nproc-per-node", str(ranks), "--nnodes", str(nodes), "--node-rank", str(node)]
    options += ["--master-addr", "127.0.0.1", "--master-port", str(port or free_port())]
    return [sys.executable, "-m", "torch.distributed.run", *options, "job.py"]


@pytest.mark.parametrize("ranks", [2, 4])
def test_ranks_equal_one_process(tmp_path, uninterrupted, ranks):
    job(tmp_path)
    output, results = finish(torchrun(ranks), tmp_path)
    assert curves(results) == uninterrupted[0]
    assert len(set(re.findall(r"rank (\d) pid", output))) == ranks
    assert output.count("Done in") == 1
    assert "Taken over: 8 finished runs" in finish([sys.executable, "job.py"], tmp_path)[0]


def test_two_nodes_with_separate_folders(tmp_path, uninterrupted):
    port = free_port()
    folders = [tmp_path / "one", tmp_path / "two"]
    for folder in folders:
        job(folder)
    other = start(torchrun(1, nodes=2, node=1, port=port), folders[1])
    _, results = finish(torchrun(1, nodes=2, node=0, port=port), folders[0])
    other.communicate(timeout=60)
    assert other.returncode == 0
    assert curves(results) == uninterrupted[0]
    assert len(kept_files(folders[0])) == len(kept_files(folders[1])) == 4
    assert not (folders[1] / "figures").exists()


def test_a_rank_that_dies_ends_the_job(tmp_path):
    job(tmp_path, steps=200)
    process = start(torchrun(2), tmp_path)
    pids = {}
    while len(pids) < 2:
        found = re.match(r"rank (\d) pid (\d+)", process.stdout.readline())
        if found:
            pids[found[1]] = int(found[2])
    wait_for(lambda: len(kept_files(tmp_path)) >= 1)
    os.kill(pids["1"], signal.SIGKILL)
    _, errors = process.communicate(timeout=60)
    assert process.returncode != 0
    assert "Finished runs are kept" in errors
    assert len(kept_files(tmp_path)) >= 1


def test_ranks_with_different_constants_are_refused(tmp_path):
    job(tmp_path)
    text = (tmp_path / "job.py").read_text()
    (tmp_path / "job.py").write_text(text.replace('"seeds": [0, 1]', '"seeds": [0, int(os.environ["RANK"]) + 1]'))
    ended = subprocess.run(torchrun(2), cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ended.returncode != 0
    assert "the ranks differ in constants, code, versions or device" in ended.stderr
    assert not kept_files(tmp_path)


# ---------------------------------------------------------------------------------------------------
# Row 10 and the cost of a step.


def test_operations_by_hand():
    settings = {"cell": "GRU", "layers": 2, "digitlen": 10, "batch_size": 5, "test_size": 7}
    done = {"loss": [1.0] * 30, "accuracy": [0.5] * 3}
    position = 2 * (2 * 3 * (64 * 64 + 64 * 64) + 64 * 10)  # a multiplication and an addition each
    assert source.operations(settings, done) == position * 11 * (3 * 5 * 30 + 7 * 3)


def test_row_10_is_judged_only_with_a_gpu():
    def timing(ms):
        return [{"ms_per_step": ms}] * 3

    assert source.judge_cuda({(10, "cpu"): timing(5.0)}) == {}
    costs = {(10, "cpu"): timing(5.0), (10, "cuda"): timing(2.0), (100, "cpu"): timing(40.0), (100, "cuda"): timing(2.0)}
    assert [found for _, found in source.judge_cuda(costs).values()] == ["does not hold", "holds"]


def test_a_step_is_timed():
    record, _ = trials.cost_run({"kind": "cost", "digitlen": 5, "device": "cpu", "seed": 0})
    assert record["ms_per_step"] > 0 and record["gflops"] > 0
