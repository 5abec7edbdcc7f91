"""Adders that several parts look at: how they are named, submitted, and read from disk."""

from types import SimpleNamespace

import pytest
import sample
import torch
from adders import as_training, load_proven
from executing import Group

import pt
from lab import adders
from lab.adders import ForProof
from lab.measuring import measure_memory
from lab.settings import SettingsError


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({"cell": "RNM"}, "cell"),
        ({"seeds": [-1]}, "seeds"),
        ({"layers": 0}, "layers"),
        ({"hidden": 0}, "hidden"),
    ],
)
def test_a_bad_field_of_forproof_is_named(bad, message):
    with pytest.raises(SettingsError, match=f"^(each of )?{message} must"):
        ForProof(**{"cell": "RNN", "seeds": [0]} | bad)


def test_a_cell_without_interval_bounds_is_refused(monkeypatch):
    monkeypatch.setitem(pt.CELLS, "Mine", torch.nn.Linear)
    with pytest.raises(SettingsError, match="cell"):
        ForProof("Mine", [0])


def test_sizes_are_said_in_words():
    sizes = [ForProof("RNN", [0]), ForProof("GRU", [0], layers=2, hidden=8)]
    labels = ["RNN, 1 layer", "GRU, 2 layers, 8 hidden units"]
    assert [size.label for size in sizes] == labels


class Lab:
    """Notes what is submitted."""

    def __init__(self):
        self.submitted = []

    def submit(self, function, *arguments, title, seconds, **options):
        self.submitted.append((function, arguments, title, seconds))
        return title


def test_each_adder_of_each_group_is_looked_at():
    groups = {"a": Group({("2 layers", 0): "x", ("", 3): "y"}), "b": Group({})}
    lab = Lab()
    runs = adders.submit_for_each(lab, "memory", groups, measure_memory, 7, 0.3)
    titles = ["memory, a, 2 layers, seed 0", "memory, a, seed 3"]
    assert runs == {"a": {("2 layers", 0): titles[0], ("", 3): titles[1]}, "b": {}}
    assert lab.submitted == [
        (measure_memory, ("x", 7), titles[0], 0.3),
        (measure_memory, ("y", 7), titles[1], 0.3),
    ]
    assert adders.say_left_out({"left_out": "why"}) == "left out: why"
    assert adders.say_left_out({}) is None


def test_saved_adders_are_read_with_what_is_known_of_them(tmp_path, capsys):
    model = load_proven("GRU")
    places = [adders.name_file("rnn-layers", "3 layers", seed) for seed in (0, 1)]
    assert places[0] == "adders/rnn-layers-3-layers-seed0.npz"
    (tmp_path / "adders").mkdir()
    pt.save(model, tmp_path / places[1])
    book = SimpleNamespace(folder=tmp_path, results=sample.results())
    ((told, training),) = adders.load_saved(book, "rnn-layers").items()
    assert told == ("3 layers", 1)
    assert training["accuracy"] == [0.4, 1.0, 1.0, 1.0] and training["error"] is None
    assert training["steps"] == [0, 10, 20, 30] and training["ms_per_step"] == 3.5
    weights = as_training(model)["adder"]["weights"]
    assert training["adder"]["cell"] == "GRU"
    assert training["adder"]["weights"].keys() == weights.keys()
    for name, saved in training["adder"]["weights"].items():
        assert torch.equal(saved, weights[name])
    said = capsys.readouterr().out.splitlines()
    assert len(said) == 3 and said[-1].startswith("rnn-layers-3-layers-seed0.npz is not in ")
    assert adders.load_saved(book, "no_such") == {}
    assert capsys.readouterr().out.startswith("no_such is in SLOW and has no results in ")
