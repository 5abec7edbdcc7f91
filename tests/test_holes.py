"""Ways to make a wrong adder pass for proven, each tried: what is proven is what runs."""

import copy
import math
from functools import partial

import numpy as np
import pytest
import torch
from adders import load_proven, padded, wrong_digits
from torch import nn

import data
import exact
import pt
import recurrence
from data import long_carry_batch, with_sums
from exact import CannotProve, decide, intervals, proof, prove, train_proven
from exact.provable import why_nothing_can_be_proven

CELLS = ["RNN", "GRU", "LSTM"]
NEEDS_GPU = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")


@pytest.fixture(params=CELLS)
def model(request):
    """The saved adder of each cell, to be changed."""
    return load_proven(request.param)


def make_batch():
    data.random.seed(0)
    return long_carry_batch(20, 60)


def refuse_and_decide(model, match, monkeypatch):
    """See that `prove` refuses an adder by name, and that `decide` reports it, whatever it does."""
    with pytest.raises(CannotProve, match=match):
        prove(model)
    # The search made blind: the reason is what is left.
    monkeypatch.setattr(exact, "refute", lambda model, widths: None)
    decision = decide(model)
    assert decision.verdict == "undecided" and decision.pair is None
    with pytest.raises(CannotProve) as refused:
        prove(model)
    assert decision.reason == str(refused.value)


# --- Structure: what is no plain adder. `break_it` changes the adder; `match` is what is named.


def register_hook(model):
    model.dense.register_forward_hook(lambda module, inputs, output: -output)


def register_pre_hook(model):
    model.rnn.register_forward_pre_hook(lambda module, inputs: None)


def become_a_subclass(model):
    class Upside(pt.Adder):
        def read(self, num1, num2, hidden=None):
            logits, hidden = super().read(num1, num2, hidden)
            return -logits, hidden

    model.__class__ = Upside


def override_read(model):
    read = pt.Adder.read
    model.read = lambda *arguments: (-read(model, *arguments)[0], None)


def override_pairs(model):
    model.pairs = lambda: pt.Adder.pairs(model).flip(0)


def override_a_part(model):
    model.__dict__["dense"] = lambda output: -model._modules["dense"](output)


def override_a_forward(model):
    model.rnn.forward = lambda inputs, hidden: (-inputs, hidden)


def compile_it(model):
    model.rnn.compile(backend="eager")


def derive_dense(model):
    class Upside(nn.Linear):
        def forward(self, inputs):
            return -super().forward(inputs)

    model.dense.__class__ = Upside


def parametrize_dense(model):
    nn.utils.parametrizations.weight_norm(model.dense)


def replace_dense(model):
    model.dense = nn.Sequential(model.dense)


def drop_the_bias(model):
    model.dense.bias = None


def plain_tensor(model):
    weight = model.dense.weight.data
    del model.dense.weight
    model.dense.weight = weight


def eleven_digits(model):
    model.embed_layer.weight = nn.Parameter(torch.randn(11, 32))


def flat_weights(model):
    model.rnn._flat_weights = [-weight for weight in model.rnn._flat_weights]


def other_bias(model):
    # what `all_weights` has, and `_flat_weights` has not
    model.rnn._parameters["bias_hh_l0"] = nn.Parameter(model.rnn.bias_hh_l0 + 1)


def swap_weights(model):
    [names] = model.rnn._all_weights
    names[2:] = names[:1:-1]


def sparse_weight(model):
    model.dense.weight = nn.Parameter(model.dense.weight.to_sparse())


def one_parameter_more(model):
    model.dense.register_parameter("more", nn.Parameter(torch.zeros(1)))


def buffer(model):
    model.rnn.register_buffer("noise", torch.zeros(1))


def extra_part(model):
    model.more = nn.Linear(1, 1)


def no_part(model):
    del model.dense


def no_cell(model):
    del model.rnn


def set_field(part, field, value):
    def change(model):
        setattr(model.get_submodule(part), field, value)

    return change


STRUCTURES = {
    "a hook": (register_hook, "dense._forward_hooks is not empty"),
    "a hook before": (register_pre_hook, "rnn._forward_pre_hooks is not empty"),
    "a subclass": (become_a_subclass, "Upside is not pt.Adder itself"),
    "its own read": (override_read, "the adder.read is overridden"),
    "its own pairs": (override_pairs, "the adder.pairs is overridden"),
    "another part": (override_a_part, "the adder.dense is overridden"),
    "a forward": (override_a_forward, "rnn.forward is overridden"),
    "compiled": (compile_it, "rnn._compiled_call_impl is overridden"),
    "a derived layer": (derive_dense, "dense is a Upside, not a Linear"),
    "parametrized": (parametrize_dense, "dense is a ParametrizedLinear, not a Linear"),
    "a sequence": (replace_dense, "no adder has its sizes .*weight"),
    "no bias": (drop_the_bias, "dense.bias is not a plain parameter"),
    "no parameter": (plain_tensor, "dense.weight is overridden"),
    "eleven digits": (eleven_digits, r"embed_layer.weight has the shape \(11, 32\)"),
    "flat weights": (flat_weights, "rnn._flat_weights are not rnn.all_weights"),
    "one flat weight": (other_bias, "rnn._flat_weights are not rnn.all_weights"),
    "weights in another order": (swap_weights, "rnn._all_weights is"),
    "a sparse weight": (sparse_weight, "dense.weight is not a plain parameter"),
    "a parameter more": (one_parameter_more, "the parameters of dense are weight, bias, more"),
    "a buffer": (buffer, "rnn._buffers is not empty"),
    "one part more": (extra_part, "the parts of the adder are embed_layer, rnn, dense, more"),
    "one part less": (no_part, "no adder has its sizes"),
    "no cell": (no_cell, "the adder has no part rnn"),
    "batch first": (set_field("rnn", "batch_first", True), "rnn.batch_first is True, not False"),
    "both ways": (set_field("rnn", "bidirectional", True), "rnn.bidirectional is True"),
    "without biases": (set_field("rnn", "bias", False), "rnn.bias is False, not True"),
    "projected": (set_field("rnn", "proj_size", 3), "rnn.proj_size is 3, not 0"),
    "dropout": (set_field("rnn", "dropout", 0.5), "rnn.dropout is 0.5, not 0.0"),
    "two layers": (set_field("rnn", "num_layers", 2), "rnn.num_layers is 2, not 1"),
    "more units": (set_field("rnn", "hidden_size", 65), "rnn.hidden_size is 65, not 64"),
    "another mode": (set_field("rnn", "mode", "RNN_RELU"), "cell .* has no interval step"),
    "max_norm": (set_field("embed_layer", "max_norm", 1.0), "embed_layer.max_norm is 1.0"),
    "padding": (set_field("embed_layer", "padding_idx", 0), "embed_layer.padding_idx is 0"),
}


@pytest.mark.parametrize("name", STRUCTURES)
def test_what_is_no_plain_adder_is_refused_by_its_name(name, model, monkeypatch):
    break_it, match = STRUCTURES[name]
    assert prove(model).proven
    break_it(model)
    refuse_and_decide(model, match, monkeypatch)


@pytest.mark.parametrize(
    ("name", "cell", "verdict"),
    [
        ("a hook", "RNN", "wrong"),
        ("a hook", "GRU", "wrong"),
        ("a hook", "LSTM", "wrong"),
        ("batch first", "LSTM", "undecided"),
    ],
)
def test_such_an_adder_adds_wrong_and_is_never_proven(name, cell, verdict):
    model = load_proven(cell)
    STRUCTURES[name][0](model)
    assert wrong_digits(model, *make_batch()) > 300  # of 1220
    decision = decide(model)
    assert decision.verdict == verdict
    if verdict == "wrong":
        assert pt.add(model, *decision.pair) == decision.answer != sum(decision.pair)
    else:
        assert "rnn.batch_first is True" in decision.reason


@pytest.mark.parametrize("name", ["one part less", "a sequence", "two layers"])
def test_what_does_not_even_run_is_undecided(name):
    model = load_proven("RNN")
    STRUCTURES[name][0](model)
    if name == "a sequence":
        model.dense = nn.Linear(63, 10)
    decision = decide(model)
    assert decision.verdict == "undecided"
    assert "it cannot be proven; it does not run (" in decision.reason


@pytest.mark.parametrize("error", [MemoryError, torch.OutOfMemoryError, KeyboardInterrupt])
def test_an_error_that_says_nothing_of_an_adder_is_not_swallowed(error, monkeypatch):
    def fail(model, widths):
        raise error("it is full")

    monkeypatch.setattr(exact, "refute", fail)
    with pytest.raises(error, match="it is full"):
        decide(load_proven("RNN"))


def test_a_changed_table_of_cells_makes_nothing_provable(monkeypatch):
    monkeypatch.setitem(pt.CELLS, "LSTM", partial(nn.LSTM, batch_first=True))
    model = pt.Adder("LSTM", 1)
    model.load_state_dict(load_proven("LSTM").state_dict())
    with pytest.raises(CannotProve, match="rnn.batch_first is True"):
        prove(model)
    monkeypatch.setattr(proof, "worst_case_loss", None)
    with pytest.raises(CannotProve, match="rnn.batch_first is True"):  # before any training
        train_proven(1, 0, "LSTM")


@pytest.mark.parametrize("cell", CELLS)
def test_what_does_not_matter_is_not_refused(cell):
    model = load_proven(cell)
    margin = prove(model).margin
    random_state = torch.get_rng_state()
    model.train()
    model.requires_grad_(True)
    model.loss_history.append(1.0)
    model.note = "mine"
    model.cell = "mine"
    model.dense.weight = nn.Parameter(model.dense.weight.detach().clone())
    model.rnn.weight_hh_l0 = nn.Parameter(model.rnn.weight_hh_l0.detach().t().contiguous().t())
    assert prove(model).margin == margin
    assert prove(copy.deepcopy(model)).margin == margin
    assert torch.equal(torch.get_rng_state(), random_state)


# --- Number formats and modes.


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_all_but_float32_is_refused(model, dtype, monkeypatch):
    refuse_and_decide(
        model.to(dtype), f"embed_layer.weight is {dtype}, not torch.float32", monkeypatch
    )


def test_one_weight_of_another_format_is_refused(model):
    model.dense.bias = nn.Parameter(model.dense.bias.double())
    with pytest.raises(CannotProve, match="dense.bias is torch.float64"):
        prove(model)
    assert decide(model).verdict in ("undecided", "wrong")


def test_bfloat16_is_decided_without_a_crash(monkeypatch):
    monkeypatch.setattr(exact, "WIDTHS", (40, 40))
    assert decide(load_proven("RNN").bfloat16()).verdict in ("undecided", "wrong")


def test_an_adder_without_numbers_is_refused():
    with pytest.raises(CannotProve, match="embed_layer.weight has no numbers"):
        prove(pt.Adder().to("meta"))


@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=NEEDS_GPU)])
def test_autocast_is_refused(device):
    model = load_proven("RNN")
    refused = pytest.raises(CannotProve, match="autocast is on")
    with torch.autocast(device, torch.bfloat16), refused:
        prove(model)
    assert prove(model).proven


@pytest.mark.parametrize("place", ["mkldnn.matmul", "mkldnn.rnn", "cuda.matmul", ""])
def test_reduced_precision_is_refused(place):
    model = load_proven("RNN")
    setting = torch.backends
    for name in filter(None, place.split(".")):
        setting = getattr(setting, name)
    before = setting.fp32_precision
    try:
        setting.fp32_precision = "tf32"
        with pytest.raises(CannotProve, match="fp32_precision is 'tf32'"):
            prove(model)
    finally:
        setting.fp32_precision = before
    assert prove(model).proven


@pytest.mark.parametrize("precision", ["high", "medium"])
def test_a_lower_precision_of_products_is_refused(precision):
    model = load_proven("LSTM")
    before = torch.get_float32_matmul_precision()
    try:
        torch.set_float32_matmul_precision(precision)
        with pytest.raises(CannotProve, match="torch.backends.mkldnn.matmul.fp32_precision is"):
            prove(model)
    finally:
        torch.set_float32_matmul_precision(before)
    assert prove(model).proven


def test_the_old_flag_of_cuda_is_refused():
    model = load_proven("LSTM")
    before = torch.backends.cuda.matmul.allow_tf32
    try:
        torch.backends.cuda.matmul.allow_tf32 = True
        with pytest.raises(CannotProve, match="fp32_precision is 'tf32'"):
            prove(model)
    finally:
        torch.backends.cuda.matmul.allow_tf32 = before
    assert prove(model).proven


@pytest.mark.parametrize("library", ["ONEDNN", "DNNL"])  # its old name
def test_a_mode_of_onednn_from_outside_is_refused(library, monkeypatch):
    model = load_proven("LSTM")
    monkeypatch.setenv(f"{library}_DEFAULT_FPMATH_MODE", "STRICT")
    assert prove(model).proven
    monkeypatch.setenv(f"{library}_DEFAULT_FPMATH_MODE", "BF16")
    with pytest.raises(CannotProve, match=f"{library}_DEFAULT_FPMATH_MODE is 'BF16'"):
        prove(model)


def test_where_nothing_can_be_proven_it_is_said_why(monkeypatch):
    assert why_nothing_can_be_proven() is None
    monkeypatch.setenv("DNNL_DEFAULT_FPMATH_MODE", "BF16")
    assert why_nothing_can_be_proven() == "DNNL_DEFAULT_FPMATH_MODE is 'BF16'"
    monkeypatch.delenv("DNNL_DEFAULT_FPMATH_MODE")
    monkeypatch.setenv("ONEDNN_DEFAULT_FPMATH_MODE", "ANY")
    assert why_nothing_can_be_proven() == "ONEDNN_DEFAULT_FPMATH_MODE is 'ANY'"
    monkeypatch.delenv("ONEDNN_DEFAULT_FPMATH_MODE")
    with torch.autocast("cpu"):
        assert why_nothing_can_be_proven() == "autocast is on"
    if torch.set_flush_denormal(True):  # not on every processor
        try:
            assert "flushed to zero" in why_nothing_can_be_proven()
        finally:
            torch.set_flush_denormal(False)
    monkeypatch.setattr(pt, "DIGITS", 2)
    assert why_nothing_can_be_proven() == "pt.DIGITS is 2, not 10"
    with pytest.raises(CannotProve, match="pt.DIGITS is 2, not 10: it cannot be proven"):
        prove(pt.Adder())


def test_flushing_is_refused():
    if not torch.set_flush_denormal(True):
        pytest.skip("not on this processor")
    try:
        with pytest.raises(CannotProve, match="below 2.-126 is flushed to zero"):
            prove(load_proven("RNN"))
    finally:
        torch.set_flush_denormal(False)
    assert prove(load_proven("RNN")).proven


@pytest.mark.parametrize("when", ["", "pre_"])
def test_a_hook_for_all_modules_is_refused(when):
    register = getattr(nn.modules.module, f"register_module_forward_{when}hook")
    hook = register(lambda *arguments: None)
    try:
        with pytest.raises(CannotProve, match="a hook is registered for all modules"):
            prove(load_proven("RNN"))
    finally:
        hook.remove()
    assert prove(load_proven("RNN")).proven


@NEEDS_GPU
def test_on_a_gpu_the_proof_is_that_of_the_same_weights_on_a_cpu(model):
    margin = prove(model).margin
    assert prove(model.cuda()).margin == margin


# --- Overflow, underflow, sizes.


def test_logits_that_overflow_are_not_proven(model):
    factor = 3e38 / model.dense.weight.abs().max()
    model.dense.weight *= factor
    model.dense.bias *= factor
    assert wrong_digits(model, *make_batch()) > 0
    refused = prove(model)
    assert not refused.proven and math.isnan(refused.margin)
    assert decide(model).verdict == "wrong"


@pytest.mark.parametrize(("share", "proven"), [(0.99, True), (1.01, False)])
def test_logits_are_proven_up_to_an_eighth_of_the_range(model, share, proven):
    # The largest sum of absolute values of a logit is `size`, to rounding; |h| is 1.001 at most.
    size = share * 2.0**125
    sizes = model.dense.weight.abs().sum(1) + model.dense.bias.abs()
    model.dense.weight *= size / sizes.max()
    model.dense.bias *= size / sizes.max()
    assert prove(model).proven == proven
    assert wrong_digits(model, *make_batch()) == 0


def test_where_only_rounding_would_tell_the_reason_is_said(monkeypatch):
    model = load_proven("RNN")
    model.dense.weight *= 3e38 / model.dense.weight.abs().max()
    monkeypatch.setattr(exact, "refute", lambda model, widths: None)
    decision = decide(model)
    assert decision.verdict == "undecided" and math.isnan(decision.margin)
    assert decision.reason.startswith("the worst-case margin is no number: float32 may overflow")


@pytest.mark.parametrize(("size", "proven"), [(2.0**124, True), (2.0**126, False)])
@pytest.mark.parametrize("name", ["weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"])
def test_sums_that_may_overflow_are_not_proven(name, size, proven):
    # A unit more, of weight 0 in what follows, whose own sum comes near the end of the range.
    model = padded(load_proven("RNN"), 65)
    assert prove(model).proven
    weight = getattr(model.rnn, name).data
    if weight.dim() == 1:
        weight[64] = size
    elif name == "weight_ih_l0":
        weight[64, 0] = size / model.embed_layer.weight[:, 0].abs().max()
    else:
        weight[64, 64] = size
        model.rnn.bias_ih_l0.data[64] = 1.0  # so that h is not 0
    assert prove(model).proven == proven


def test_our_own_loop_overflows_at_half_of_the_range():
    # Why the sums are taken twice: it computes 2 x + 2 W h, and 2 x is inf. inf - inf is NaN; a CPU
    # that multiplies and adds in one operation has no second inf: then tanh(inf) = 1.
    z = torch.full((1, 1, 1), 2.0**127)
    weight = torch.full((1, 1), -(2.0**127))
    h = recurrence.TanhRecurrence.apply(z, torch.ones(1, 1), weight)
    assert (h != 0).all()  # tanh(0), in exact numbers


def test_a_sum_of_what_underflows_is_allowed_for():
    # 64 products and a bias just below the least normal number: flushed to zero, all of them go.
    model = pt.Adder("RNN", 1).requires_grad_(False)
    for parameter in model.parameters():
        parameter.zero_()
    model.dense.weight += 2.0**-127
    model.dense.bias += 2.0**-127
    weights = intervals.exact_weights_of(model)
    lost = 65 * 2.0**-127
    assert (weights.eps_margin >= 2 * lost).all()
    assert (weights.eps_margin >= 2 * 2.0**-119).all()
    assert all((eps >= 128 * 2.0**-126).all() for eps in weights.eps_z)
    # A margin that is there in exact numbers, and not where it is flushed, is not proven.
    proven = load_proven("RNN")
    tiny = 2.0**-124 / proven.dense.weight.abs().max()
    proven.dense.weight *= tiny
    proven.dense.bias *= tiny
    assert not prove(proven).proven


def test_no_number_of_products_turns_an_allowance_around():
    assert intervals.rounding(2**20) > 0.06
    assert math.isnan(intervals.rounding(2**24)) and math.isnan(intervals.rounding(2**25))
    sizes = torch.tensor([1.0, 2.0**125, math.inf, math.nan], dtype=torch.float64)
    assert intervals.allow_for_sum(9, sizes).isnan().tolist() == [False, True, True, True]


@pytest.mark.parametrize("hidden", [65, 128])
def test_units_of_no_weight_leave_an_adder_proven_with_a_little_more_rounding(model, hidden):
    wider = padded(model, hidden)
    batch = make_batch()
    assert wrong_digits(wider, *batch) == 0
    narrow, wide = prove(model), prove(wider)
    assert wide.proven and narrow.margin - 1e-2 < wide.margin < narrow.margin
    narrow = intervals.exact_weights_of(model)
    wide = intervals.exact_weights_of(wider)
    # n is 132 and 66 with 64 units; of those that were there before the sums are no larger.
    ratio = intervals.rounding(68 + hidden) / intervals.rounding(132)
    gates = narrow.eps_z[0].view(-1, 64) * ratio
    assert torch.allclose(wide.eps_z[0].view(-1, hidden)[:, :64], gates, rtol=1e-12)
    ratio = intervals.rounding(hidden + 2) / intervals.rounding(66)
    assert torch.allclose(wide.eps_margin, narrow.eps_margin * ratio, rtol=1e-12)


def test_an_adder_of_32_units_is_trained_and_proven(monkeypatch):
    longer = proof.Recipe(steps=400, rounds=4, rate=0.02, worst_from=0.25)
    monkeypatch.setattr(proof, "choose_recipe", lambda cell, layers: longer)
    model, proved = train_proven(1, 1, hidden=32)
    assert model.rnn.hidden_size == 32 and proved.proven
    assert wrong_digits(model, *make_batch()) == 0
    weights = intervals.exact_weights_of(model)
    sizes = model.dense.weight.double().abs().sum(1) + model.dense.bias.double().abs()
    least = 34 * 2.0**-24 * sizes  # a product for each unit and a bias, one more
    assert torch.allclose(weights.eps_margin, least[:, None] + least, rtol=1e-5)


# --- A NaN in one number of a batch.


@torch.no_grad()
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_nan_in_one_number_changes_no_digit_of_the_others(value):
    # A carry through 999 nines: cut up, each chunk guesses wrong, and has to be scanned again.
    model = load_proven("RNN")
    nines = with_sums(np.full((3, 1000), 9), np.eye(1, 1000).repeat(3, 0))
    num1, num2, sums = pt.to_tensors(nines, "cpu")
    hidden = torch.zeros(1, len(num1), 64)
    hidden[0, 0] = value
    logits, after = model.read(num1, num2, hidden)
    assert torch.equal(logits[1:].argmax(-1), sums[1:])
    if math.isnan(value):  # to the end, as in one pass
        assert logits[0].isnan().all() and after[0, 0].isnan().all()
    assert not logits[1:].isnan().any()
