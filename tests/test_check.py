"""A certificate proves what `prove` proves; what was tampered with is refused, with the reason."""

import copy
import subprocess
import sys
import zipfile

import numpy as np
import pytest
import torch
from adders import load_proven, proven_adder
from checkout import ROOT

import pt
from exact import check, prove
from exact.certificate import save_certificate

CELLS = ["RNN", "GRU", "LSTM"]
UNIT = 2.0**-24  # the rounding unit of float32


def load_adder(name):
    """(model, its proof): "GRU" is the one saved, "RNN-3" one of three layers."""
    if name == "RNN-3":
        return proven_adder(3, 0, "RNN")
    model = load_proven(name)
    return model, prove(model)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    """The path of each adder's certificate."""
    folder = tmp_path_factory.mktemp("certificates")
    paths = {name: folder / f"{name}.npz" for name in [*CELLS, "RNN-3"]}
    for name, path in paths.items():
        save_certificate(*load_adder(name), path)
    return paths


@pytest.fixture
def rnn(certificates):
    """The arrays of the tanh RNN's certificate."""
    return read(certificates["RNN"])


def read(path):
    """The arrays of a file."""
    with np.load(path) as arrays:
        return dict(arrays)


def check_arrays(tmp_path, arrays):
    """What `check` returns, or raises, of these arrays."""
    np.savez(tmp_path / "tampered.npz", **arrays)
    return check.check(tmp_path / "tampered.npz")


def refuse(tmp_path, arrays, reason):
    """See that these arrays are refused, for a reason that `reason`, a pattern, matches."""
    with pytest.raises(check.Refused, match=reason):
        check_arrays(tmp_path, arrays)


def make_adder_by_hand(steepness):
    """A tanh RNN whose unit k says, by 1 or -1, whether two digits and the carry sum to k or more.

    Unit 10 is the carry of the next step. Before the first, it is 0: half of a carry, which is too
    little to reach the next k.
    """
    model = pt.Adder("RNN", 1, hidden=20, embedding=1)
    with torch.no_grad():
        for weight in model.parameters():
            weight.zero_()
        model.embed_layer.weight[:, 0] = torch.arange(10)
        model.rnn.weight_ih_l0.fill_(steepness)
        model.rnn.weight_hh_l0[:, 10] = steepness / 2
        model.rnn.bias_ih_l0.copy_(steepness * (0.75 - torch.arange(20)))
        for total in range(20):
            model.dense.weight[total % 10, total] = 1
        for total in range(19):
            model.dense.weight[total % 10, total + 1] = -1
    return model


@pytest.mark.parametrize("name", [*CELLS, "RNN-3"])
def test_the_margin_is_the_prover_s(certificates, name):
    model, proof = load_adder(name)
    checked = check.check(certificates[name])
    assert (checked.cell, checked.layers) == (model.cell, model.rnn.num_layers)
    assert checked.margin == pytest.approx(proof.margin, abs=1e-11)
    assert 0 < checked.slack < 1e-3


@pytest.mark.parametrize("steepness", [77.7, 300, 1000])
def test_of_an_adder_made_by_hand_the_margin_is_what_a_hand_counts(tmp_path, steepness):
    # Every h is 1 or -1. Closest are 9 and another digit, for 9 + 9 + 1: by 1, with 7 weights of 1
    # in both rows, each with what h and a logit may be off by.
    model = make_adder_by_hand(steepness)
    save_certificate(model, prove(model), tmp_path / "adder.npz")
    checked = check.check(tmp_path / "adder.npz")
    eps_h = 8 * UNIT + 1e-6
    eps_logits = 7 * 22 * UNIT / (1 - 22 * UNIT)
    assert checked.margin == pytest.approx(1 - 7 * eps_h - eps_logits, abs=1e-10)


def test_a_state_that_an_lstm_never_forgets_is_as_large_as_a_float32_lets_it(tmp_path):
    # One unit more, that nothing reads. Its f may be 1, its c has no bound but 2^25.
    model, proof = load_adder("LSTM")
    larger = pt.Adder("LSTM", 1, hidden=65)
    weights = model.state_dict()
    for name, weight in larger.state_dict().items():
        units = [slice(64)] * weight.dim()
        if name.startswith("rnn."):
            weight = weight.unflatten(0, (4, 65))
            units = [slice(None), *units]
            weights[name] = weights[name].unflatten(0, (4, 64))
        if "weight_ih" not in name and weight.dim() > 1 and weight.shape[-1] == 65:
            weight[..., 64] = 0
        weight[tuple(units)] = weights[name]
    with torch.no_grad():
        larger.rnn.bias_ih_l0[65 + 64] = 30
    larger_proof = prove(larger)
    save_certificate(larger, larger_proof, tmp_path / "adder.npz")
    checked = check.check(tmp_path / "adder.npz")
    assert checked.margin == pytest.approx(larger_proof.margin, abs=1e-11)
    assert checked.margin == pytest.approx(proof.margin, abs=1e-3)


def test_the_file_is_an_adder_s_too_and_the_same_each_time(certificates, tmp_path):
    model, proof = load_adder("GRU")
    save_certificate(model, proof, tmp_path / "again.npz")
    assert (tmp_path / "again.npz").read_bytes() == certificates["GRU"].read_bytes()
    loaded = pt.load(certificates["GRU"])
    assert loaded.cell == "GRU"
    weights = loaded.state_dict()
    assert weights.keys() == model.state_dict().keys()
    for name, weight in model.state_dict().items():
        assert torch.equal(weights[name], weight)
    arrays = read(certificates["GRU"])
    assert set(arrays) == {*weights, "cell", "layers", "bounds_l0"}
    assert arrays["bounds_l0"].shape == (2, 2, 192) and arrays["bounds_l0"].dtype == np.float64
    low = proof.bounds[0][:, 0].numpy()
    high = -proof.bounds[0][:, 1].numpy()
    assert np.allclose(arrays["bounds_l0"], np.stack((low, high), 1), rtol=0, atol=1e-11)


def test_what_is_not_proven_has_no_certificate(tmp_path):
    model = pt.Adder("RNN", 1)
    with pytest.raises(ValueError, match="not proven"):
        save_certificate(model, prove(model), tmp_path / "adder.npz")


def enclose(arrays, weights, low, high):
    """The ends of weight @ x + bias in float64, without roundings, for x from `low` to `high`."""
    weight = arrays[f"rnn.weight_{weights}"].astype(float)
    centre = weight @ (low + high) / 2 + arrays[f"rnn.bias_{weights}"]
    radius = abs(weight) @ (high - low) / 2
    return centre - radius, centre + radius


def list_slacks(arrays, layer):
    """How far the new v of a layer of tanh RNN stay from the ends of their bounds, at least.

    (carry after, end, row), in float64, without roundings and without the zero state.
    """
    digits = arrays["embed_layer.weight"].astype(float)
    slacks = np.full(arrays[f"bounds_l{layer}"].shape, np.inf)
    for a, b, carry in np.ndindex(10, 10, 2):
        low = high = np.concatenate((digits[a], digits[b]))
        for below in range(layer + 1):
            low, high = enclose(arrays, f"ih_l{below}", low, high)
            low, high = np.tanh((low, high) + arrays[f"bounds_l{below}"][carry])
        low, high = enclose(arrays, f"hh_l{layer}", low, high)
        carry_after = (a + b + carry) // 10
        low_bound, high_bound = arrays[f"bounds_l{layer}"][carry_after]
        here = low - low_bound, high_bound - high
        slacks[carry_after] = np.minimum(slacks[carry_after], here)
    return slacks


@pytest.mark.parametrize(("layer", "carry", "end"), [(0, 0, 0), (0, 1, 1), (1, 0, 1), (2, 1, 0)])
def test_a_bound_moved_in(certificates, tmp_path, layer, carry, end):
    arrays = read(certificates["RNN-3"])
    slacks = list_slacks(arrays, layer)[carry, end]
    row = int(slacks.argmin())
    assert slacks[row] < 1e-3
    arrays[f"bounds_l{layer}"][carry, end, row] += 1e-3 * (1 - 2 * end)
    refuse(tmp_path, arrays, f"^layer {layer}: .* out of (the )?bounds.* in row {row}( |$)")


@pytest.mark.parametrize("name", ["RNN", "RNN-3"])
def test_carries_swapped(certificates, tmp_path, name):
    arrays = read(certificates[name])
    arrays["bounds_l0"] = arrays["bounds_l0"][::-1]
    refuse(tmp_path, arrays, "out of (the )?bounds")


def test_bounds_that_hold_nothing(rnn, tmp_path):
    rnn["bounds_l0"] = rnn["bounds_l0"][:, ::-1]
    refuse(tmp_path, rnn, "zero state is out of bounds")
    rnn["bounds_l0"][0] = rnn["bounds_l0"][0, ::-1]
    refuse(tmp_path, rnn, "lead out of the bounds of carry 1")


@pytest.mark.parametrize("cell", CELLS)
def test_a_last_bit_of_a_weight_that_a_bound_rests_on(certificates, tmp_path, cell):
    # The zero state is b_hh: where it is itself an end of the bounds, there is no room.
    arrays = read(certificates[cell])
    bias = arrays["rnn.bias_hh_l0"]
    room = bias - arrays["bounds_l0"][0, 0]
    row = int(room.argmin())
    assert room[row] < 1e-10
    bias[row] = np.nextafter(bias[row], np.float32(-np.inf))
    refuse(tmp_path, arrays, f"^layer 0: the zero state is out of bounds in row {row}$")


def test_a_last_bit_elsewhere_changes_margin_and_slack(certificates, tmp_path, rnn):
    # Such an adder is proven as well: the numbers say that it is another one.
    before = check.check(certificates["RNN"])
    rnn["rnn.bias_ih_l0"] = np.nextafter(rnn["rnn.bias_ih_l0"], np.float32(np.inf))
    after = check_arrays(tmp_path, rnn)
    assert 0 < abs(after.margin - before.margin) < 1e-6
    assert 0 < abs(after.slack - before.slack) < 1e-6


def test_a_weight_changed_by_a_hundredth_where_the_bounds_are_tight(rnn, tmp_path):
    # There v moves out of them one way or the other; elsewhere the bounds may have room for it.
    row = int(list_slacks(rnn, 0).min((0, 1)).argmin())
    weights = rnn["rnn.weight_hh_l0"]
    place = row, int(abs(weights[row]).argmax())
    changed = []
    for factor in (0.99, 1.01):
        arrays = rnn | {"rnn.weight_hh_l0": weights.copy()}
        arrays["rnn.weight_hh_l0"][place] *= factor
        changed.append(arrays)
    slacks = [list_slacks(arrays, 0)[..., row].min() for arrays in changed]
    assert min(slacks) < -1e-4
    worse = changed[int(np.argmin(slacks))]
    refuse(tmp_path, worse, f"^layer 0: .* lead out of the bounds of carry ., in row {row} by 0.0")


def test_a_digit_s_embedding_changed_by_a_hundredth(rnn, tmp_path):
    rnn["embed_layer.weight"][7] *= 1.01
    refuse(tmp_path, rnn, "^layer 0: .*7.* lead out of the bounds")


def test_rows_of_two_digits_swapped(rnn, tmp_path):
    rnn["dense.weight"][[3, 7]] = rnn["dense.weight"][[7, 3]]
    rnn["dense.bias"][[3, 7]] = rnn["dense.bias"][[7, 3]]
    refuse(tmp_path, rnn, r"\(\d, \d, \d\): the logit of (3|7) may be below that of (3|7)")


def test_a_layer_missing(certificates, tmp_path):
    arrays = read(certificates["RNN-3"])
    of_last = {name for name in arrays if name.endswith("_l2")}
    assert len(of_last) == 5
    weights_gone = {name: arrays[name] for name in arrays.keys() - of_last | {"bounds_l2"}}
    refuse(tmp_path, weights_gone, "not each array of 3 layers.*rnn.weight_hh_l2")
    bounds_gone = {name: arrays[name] for name in arrays.keys() - {"bounds_l2"}}
    refuse(tmp_path, bounds_gone, "not each array of 2 layers.*rnn.weight_hh_l2")
    # Without any trace of it, it is an adder of two layers: one that adds wrong.
    traces = of_last | {"layers"}
    refuse(tmp_path, {name: arrays[name] for name in arrays.keys() - traces}, "the logit of")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", ["rnn.weight_hh_l0", "dense.bias", "bounds_l0"])
def test_a_number_that_is_none(rnn, tmp_path, name, value):
    rnn[name].flat[-1] = value
    refuse(tmp_path, rnn, f"{name} is not finite")


@pytest.mark.parametrize(
    ("cell", "reason"),
    [("GRU", r"not float32 \(192, 64\)"), ("ReLU", "cell is ReLU, not one of"), ("", "cell is ,")],
)
def test_another_cell(rnn, tmp_path, cell, reason):
    rnn["cell"] = np.array(cell)
    refuse(tmp_path, rnn, reason)


@pytest.mark.parametrize("dtype", [np.float64, np.float16, ">f4"])
def test_weights_that_are_not_float32(rnn, tmp_path, dtype):
    name = "rnn.weight_ih_l0"
    rnn[name] = rnn[name].astype(dtype)
    refuse(tmp_path, rnn, rf"{name} is {rnn[name].dtype} \(64, 64\), not float32")


def test_bounds_that_are_not_float64(rnn, tmp_path):
    rnn["bounds_l0"] = rnn["bounds_l0"].astype(np.float32)
    refuse(tmp_path, rnn, "bounds_l0 is float32")


def test_arrays_of_the_wrong_shape(rnn, tmp_path):
    refuse(tmp_path, rnn | {"bounds_l0": rnn["bounds_l0"][:1]}, r"\(1, 2, 64\), not float64 \(2, 2")
    refuse(tmp_path, rnn | {"bounds_l0": rnn["bounds_l0"].reshape(4, 64)}, r"is float64 \(4, 64\)")
    refuse(
        tmp_path, rnn | {"dense.weight": rnn["dense.weight"].T}, r"dense.weight is .* \(64, 10\)"
    )
    bias = rnn["dense.bias"][:, None]
    refuse(tmp_path, rnn | {"dense.bias": bias}, r"dense.bias is float32 \(10, 1\)")
    empty = {name: array[..., :0] for name, array in rnn.items() if array.ndim}
    refuse(tmp_path, empty | {"cell": rnn["cell"]}, r"weight is float32 \(10, 0\)")


def test_an_array_too_many_or_none(rnn, tmp_path):
    refuse(tmp_path, rnn | {"note": np.zeros(1)}, "and no other: note")
    refuse(tmp_path, {name: rnn[name] for name in rnn.keys() - {"cell"}}, "cell is missing")
    refuse(tmp_path, {name: rnn[name] for name in rnn.keys() - {"bounds_l0"}}, "bounds_l0")
    refuse(tmp_path, {}, "cell is missing")


@pytest.mark.parametrize("layers", [0, 2, 1.5, "1", [1]])
def test_layers_that_are_not_those_of_the_bounds(rnn, tmp_path, layers):
    assert rnn["layers"] == 1
    refuse(tmp_path, rnn | {"layers": np.array(layers)}, r"layers is .*, not 1")


def test_a_certificate_of_before_there_were_layers_in_it(rnn, tmp_path):
    checked = check_arrays(tmp_path, rnn)
    del rnn["layers"]
    assert check_arrays(tmp_path, rnn) == checked


def test_a_member_that_is_no_array(rnn, tmp_path):
    path = tmp_path / "file.npz"
    for name in ("dense.bias", "dense.weight", "cell", "layers", "bounds_l0"):
        np.savez(path, **{other: rnn[other] for other in rnn if other != name})
        with zipfile.ZipFile(path, "a") as archive:
            archive.writestr(f"{name}.npy", "a text")
        with pytest.raises(check.Refused, match=f"{name} is no array"):
            check.check(path)


def test_a_zip_that_asks_for_a_password_cannot_be_read(rnn, tmp_path):
    # zipfile says so by a RuntimeError: the lowest bit of a member's flags.
    path = tmp_path / "file.npz"
    np.savez(path, dense=np.zeros(1))
    content = path.read_bytes()
    place = content.index(b"PK\x01\x02") + 8
    path.write_bytes(content[:place] + bytes([content[place] | 1]) + content[place + 1 :])
    with pytest.raises(check.Refused, match="cannot be read: .*password"):
        check.check(path)


def test_no_certificate_at_all(certificates, tmp_path):
    path = tmp_path / "file.npz"
    with pytest.raises(check.Refused, match="cannot be read"):
        check.check(path)
    whole = certificates["RNN"].read_bytes()
    for damaged in (b"", b"not a zip", whole[:-100], whole[:5000] + b"?" + whole[5001:]):
        path.write_bytes(damaged)
        with pytest.raises(check.Refused, match="cannot be read"):
            check.check(path)
    np.savez(path, cell=np.array([{"a": 1}], dtype=object))
    with pytest.raises(check.Refused, match="cannot be read"):
        check.check(path)


def test_a_sum_that_may_overflow(rnn, tmp_path):
    scaled = np.float32(3e38) / abs(rnn["dense.weight"]).max()
    large = {name: rnn[name] * scaled for name in ("dense.weight", "dense.bias")}
    refuse(tmp_path, rnn | large, "overflow")
    rnn["rnn.bias_ih_l0"][9] = 2.0**125
    refuse(tmp_path, rnn, "^layer 0: a sum may overflow")


def test_a_gru_whose_state_may_pass_1(certificates, tmp_path):
    arrays = read(certificates["GRU"])
    arrays["rnn.bias_ih_l0"][64 + 2] = 16  # z of unit 2 may be 1
    refuse(tmp_path, arrays, r"^layer 0: no interval within \+-1.001")


@pytest.mark.parametrize("end", [0, 1])
@pytest.mark.parametrize(("cell", "state"), [("GRU", "h"), ("LSTM", "c")])
def test_an_interval_that_a_state_leaves(certificates, monkeypatch, cell, state, end):
    find_kept = check.find_kept

    def shrink(*arguments):
        ends = list(find_kept(*arguments))
        ends[end] *= 0.999
        return ends

    monkeypatch.setattr(check, "find_kept", shrink)
    reason = f"^layer 0: no interval .*is found that holds all {state} of a unit"
    with pytest.raises(check.Refused, match=reason):
        check.check(certificates[cell])


def move_bias(model, margin):
    """Move one bias of the last layer until `prove` says `margin`: a copy, and its proof."""
    model = copy.deepcopy(model)
    proof = prove(model)
    place = int(proof.margins.flatten().argmin())
    digit = sum(divmod(place % 100, 10), place // 100) % 10
    bias = model.dense.bias.detach()
    bias -= bias[digit] - proof.margin  # logits alike; and the bias ends near 0, where it is finest
    assert prove(model).proven
    for _ in range(5):
        bias[digit] += margin - proof.margin
        proof = prove(model)
    assert proof.margin == pytest.approx(margin, abs=1e-10)
    return model, proof


@pytest.mark.parametrize("margin", [-1e-3, -1e-9])
@pytest.mark.parametrize("cell", CELLS)
def test_a_near_miss_is_refused_by_both(certificates, tmp_path, cell, margin):
    model, proof = move_bias(pt.load(certificates[cell]), margin)
    assert not proof.proven
    arrays = read(certificates[cell])
    arrays |= {name: weight.numpy() for name, weight in model.state_dict().items()}
    refuse(tmp_path, arrays, r"the logit of \d may be below that of \d by (0.001|[12]\S*e-09)")


def test_a_near_hit_is_proven_by_both(certificates, tmp_path):
    model, proof = move_bias(pt.load(certificates["RNN"]), 1e-9)
    assert proof.proven
    save_certificate(model, proof, tmp_path / "adder.npz")
    assert check.check(tmp_path / "adder.npz").margin == pytest.approx(1e-9, abs=2e-10)


def run_script(path, *options):
    """`python exact/check.py path`, as it ended."""
    command = [sys.executable, *options, "exact/check.py", str(path)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_the_script_says_what_is_proven_and_imports_neither_torch_nor_ours(certificates):
    ended = run_script(certificates["RNN"], "-X", "importtime")
    assert ended.returncode == 0
    margin = load_adder("RNN")[1].margin
    (line,) = ended.stdout.splitlines()
    assert "proven: this 1-layer RNN adds every two numbers of any length correctly" in line
    assert f"least margin {margin:.6g}, least slack " in line and line.endswith(" s")
    imported = {line.split("|")[-1].strip() for line in ended.stderr.splitlines()}
    assert {"numpy", "flint"} <= imported
    ours = {path.stem for path in [*ROOT.glob("*.py"), *ROOT.glob("exact/*.py")]}
    assert not imported & (ours | {"torch", "exact"})


def test_the_script_says_why_it_refuses(rnn, tmp_path):
    path = tmp_path / "adder.npz"
    rnn["bounds_l0"][0, 1, 3] = -9
    np.savez(path, **rnn)
    ended = run_script(path)
    assert ended.returncode == 1 and not ended.stdout
    assert ended.stderr == f"{path}: refused: layer 0: the zero state is out of bounds in row 3\n"


def test_the_script_refuses_a_foreign_file_in_one_line(tmp_path, capsys, monkeypatch):
    path = tmp_path / "adder.npz"
    np.savez(path, cell=np.array("two\nlines"))
    monkeypatch.setattr(sys, "argv", ["check.py", str(path)])
    with pytest.raises(SystemExit) as ended:
        check.main()
    assert ended.value.code == f"{path}: refused: cell is two lines, not one of RNN, GRU, LSTM"
