"""The part of the proof: a tiny run of it, and what is said of adders that are not proven."""

from dataclasses import replace

import pytest
import sample
import torch
from executing import execute

import exact
import pt
from exact import check
from exact.by_hand import build_by_hand
from lab.adders import ForProof
from lab.parts.proof import Proof, has_portrait
from lab.runs import Run
from lab.settings import SettingsError

OF_GRU = replace(sample.SIMPLE, cell="GRU", steps=3, batch_size=2, test_size=2)


@pytest.fixture(scope="module")
def proven(tmp_path_factory):
    """(part, what its runs end with) of one adder, and a portrait beside it."""
    part = Proof([ForProof("RNN", [3])], {"beside": OF_GRU, "none": replace(OF_GRU, hidden=1)})
    return part, execute(part, tmp_path_factory.mktemp("runs"))


def test_an_adder_is_proven_checked_and_has_a_portrait(proven, tmp_path):
    part, done = proven
    result = part.result("proof", done)
    (group,) = result["groups"]
    (run,) = group["runs"]
    assert (group["label"], run["seed"], run["verdict"]) == ("RNN, 1 layer", 3, "proven")
    assert run["checked"] and run["slack"] > 0 and run["refused"] is None
    of_adder = done["adders"]["RNN, 1 layer"][3]
    seconds = of_adder["training"]["seconds"] + of_adder["decision"]["seconds"]
    assert run["seconds"] == seconds
    names = ["beside", "RNN, trained for the proof", "set by hand"]
    assert [portrait["name"] for portrait in result["portraits"]] == names
    assert result["portraits"][1]["margin"] == pytest.approx(run["margin"])
    (decision,) = result["decisions"]
    assert decision["verdict"] == "proven" and decision["perfect"] is None
    assert (decision["group"], decision["variant"]) == (names[1], "RNN, 1 layer")
    assert decision["adder"] == "trained for the proof, RNN, 1 layer, seed 3"

    by_hand = result["by_hand"]
    assert by_hand["checked"] and by_hand["parameters"] == 71
    assert by_hand["margin"] == exact.prove(build_by_hand()).margin > 0.9
    margins = {"by_hand.npz": by_hand["margin"], "proven_rnn.npz": run["margin"]}
    files = part.files("proof", done)
    assert files.keys() == margins.keys()
    for place, content in files.items():
        (tmp_path / place).write_bytes(content)
        assert check.check(tmp_path / place).margin == pytest.approx(margins[place], rel=1e-5)


class Recorder:
    """A lab that notes the titles of its runs."""

    def __init__(self):
        self.titles = []

    def submit(self, function, *arguments, title, **_):
        self.titles.append(title)
        return Run(title, title, 1.0, function, arguments, "cpu", None, None)


def test_the_deepest_adders_are_submitted_first():
    lab = Recorder()
    Proof([ForProof("RNN", [0, 1]), ForProof("GRU", [2], layers=2)], {}).submit(lab, "proof")
    trained = [title for title in lab.titles if title.startswith("proof, ")]
    assert list(dict.fromkeys(trained)) == [
        "proof, GRU, 2 layers, seed 2",
        "proof, RNN, 1 layer, seed 0",
        "proof, RNN, 1 layer, seed 1",
    ]


def checked(*content):
    """The check of a proof, with this certificate; None: it was refused."""
    return {"check": {"certificate": torch.tensor(content, dtype=torch.uint8) if content else None}}


def test_certificates_are_those_of_the_shallowest_proven_adder_of_each_cell():
    part = Proof(
        [
            ForProof("RNN", [0], layers=2),
            ForProof("RNN", [0, 1, 2]),
            ForProof("RNN", [0], hidden=8),
            ForProof("GRU", [0]),
            ForProof("LSTM", [0], hidden=8),
        ],
        {},
    )
    adders = {
        "RNN, 2 layers": {0: checked(1)},
        "RNN, 1 layer": {0: checked(), 1: checked(2, 255), 2: checked(3)},
        "RNN, 1 layer, 8 hidden units": {0: checked(4)},
        "GRU, 1 layer": {0: checked()},
        "LSTM, 1 layer, 8 hidden units": {0: checked(5)},
    }
    done = {"adders": adders, "by_hand": checked(6)}
    assert part.files("proof", done) == {"proven_rnn.npz": b"\2\xff", "by_hand.npz": b"\6"}
    assert "by_hand.npz" not in part.files("proof", done | {"by_hand": checked()})


def test_where_nothing_can_be_proven_that_is_said(monkeypatch, capsys):
    monkeypatch.setenv("DNNL_DEFAULT_FPMATH_MODE", "BF16")
    assert Proof([ForProof("RNN", [0])], {}).submit(None, "proof") is None
    said = "No adder can be proven here: DNNL_DEFAULT_FPMATH_MODE is 'BF16'.\n"
    assert capsys.readouterr().out == said


def test_only_adders_with_interval_bounds_have_a_portrait(monkeypatch):
    assert has_portrait(replace(OF_GRU, cell="LSTM", layers=3))
    assert not has_portrait(replace(OF_GRU, hidden=1))
    monkeypatch.setitem(pt.CELLS, "ReLU", relu_cell)
    assert not has_portrait(replace(OF_GRU, cell="ReLU"))


def relu_cell(*arguments):
    """PyTorch's RNN with another activation."""
    return torch.nn.RNN(*arguments, nonlinearity="relu")


def test_adders_are_made_by_forproof():
    with pytest.raises(SettingsError, match="ForProof, got 'RNN'"):
        Proof(["RNN"], {})


def test_the_section_has_the_counts_and_every_failure():
    result = sample.parts()["proof"]
    runs = result["groups"][0]["runs"]
    text = sample.BEYOND["proof"].page(result)
    assert "| RNN, 1 layer | 1 of 2 seeds | 1 | 3.36 | 1e-09 | 0.625 (0.5 to 0.75) |" in text
    assert "71 parameters in all" in text and "It is proven, with a least margin of 0.975" in text
    assert "its certificate (`figures/by_hand.npz`) is checked" in text
    assert "\n- RNN, 1 layer, seed 1: undecided\n" in text
    runs[0] |= {"checked": False, "refused": "the slack is | 0", "slack": None}
    result["by_hand"] |= {"checked": False, "margin": None, "words": "undecided"}
    text = sample.BEYOND["proof"].page(result)
    assert "| RNN, 1 layer | 1 of 2 seeds | 0 | 3.36 | none |" in text
    assert "- RNN, 1 layer, seed 0: the check refuses its proof: the slack is \\| 0\n" in text
    assert "It is undecided. In the picture" in text and "by_hand.npz" not in text
