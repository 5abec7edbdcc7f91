"""The adders that a proof may speak of: a plain float32 `pt.Adder`, PyTorch in its default modes.

A proof reads an adder's weights. Its answers follow from them, with the rounding that
`intervals` allows for, if it is what `pt.Adder` makes, to the last attribute, and nothing else
computes in its place: no hook, no subclass, no other number format. So an adder is compared with a
fresh one of its sizes, and whatever differs is refused by its name.
"""

import os

import torch
from torch import nn
from torch.nn.modules import module as of_all_modules

import pt

# The cells that have an interval step, and what PyTorch calls the arithmetic that it is a step of.
MODES = {nn.RNN: "RNN_TANH", nn.GRU: "GRU", nn.LSTM: "LSTM"}
# Attributes that may differ from a fresh adder; some are compared in another way further below.
FREE = {"training", "cell", "layers", "loss_history", "accuracy", "evaluated_at"}
COMPARED_APART = {"_parameters", "_modules", "_flat_weights", "_flat_weight_refs"}
# Where oneDNN is told, from outside, to compute float32 products in a smaller format.
FPMATH_VARIABLES = ("ONEDNN_DEFAULT_FPMATH_MODE", "DNNL_DEFAULT_FPMATH_MODE")


class CannotProve(ValueError):
    """An adder or a mode that no proof here covers; the message names it."""


CONSEQUENCE = ": it cannot be proven"


def refuse(problem):
    """Raise CannotProve for a `problem`, said in words."""
    raise CannotProve(f"{problem}{CONSEQUENCE}")


def why_nothing_can_be_proven():
    """Why no adder at all can be proven here, in one line; None where there is no such reason."""
    try:
        check_modes()
    except CannotProve as refusal:
        return str(refusal).removesuffix(CONSEQUENCE)
    return None


def check_provable(model):
    """Whose step is that of the adder's cell: "RNN" (tanh), "GRU" or "LSTM".

    Raises CannotProve, naming what is wrong, unless `model` is a plain float32 `pt.Adder` with
    weights of its own on a real device, and PyTorch is in its default modes.
    """
    check_modes()
    if type(model) is not pt.Adder:
        refuse(f"{type(model).__name__} is not pt.Adder itself")
    if "rnn" not in model._modules:
        refuse("the adder has no part rnn")
    cell = provable_cell(model)
    plain = make_plain(model)
    compare_parts("the adder", model, plain)
    for name, plain_part in plain._modules.items():
        compare_parts(name, model._modules[name], plain_part)
    in_use = [getattr(model.rnn, name) for name in plain.rnn._flat_weights_names]
    if list(map(id, model.rnn._flat_weights)) != list(map(id, in_use)):
        refuse("rnn._flat_weights are not rnn.all_weights")
    return cell


def provable_cell(model):
    """Whose step is that of the adder's cell: "RNN" (tanh), "GRU" or "LSTM".

    Raises CannotProve for any other cell, also one derived from these, for it may compute anything.
    """
    kind = type(model.rnn)
    mode = getattr(model.rnn, "mode", kind.__name__)
    if kind not in MODES or mode != MODES[kind]:
        refuse(f"cell {getattr(model, 'cell', mode)} has no interval step")
    return kind.__name__


def make_plain(model):
    """A fresh adder of the cell and of the sizes of `model`, without numbers (on `meta`)."""
    try:
        layers = sum("reverse" not in names[0] for names in model.rnn._all_weights)
        hidden = model._modules["dense"].weight.shape[1]
        embedding = model._modules["embed_layer"].weight.shape[1]
        with torch.device("meta"):
            plain = pt.Adder("RNN", 1, hidden, embedding)
            plain.rnn = type(model.rnn)(2 * embedding, hidden, layers)  # CELLS may be the reader's
    except Exception as error:  # it lacks a part, or has one that is no tensor, or ...
        refuse(f"no adder has its sizes ({error})")
    return plain


def compare_parts(name, part, plain):
    """Raise CannotProve where a module, called `name`, differs from a `plain` one of its sizes."""
    if type(part) is not type(plain):
        refuse(f"{name} is a {type(part).__name__}, not a {type(plain).__name__}")
    for attribute, value in vars(plain).items():
        if attribute in FREE | COMPARED_APART:
            continue
        own = vars(part).get(attribute)
        if isinstance(value, dict) and own:  # hooks, buffers
            refuse(f"{name}.{attribute} is not empty")
        if type(own) is not type(value) or own != value:
            refuse(f"{name}.{attribute} is {own!r}, not {value!r}")
    for attribute in vars(part).keys() - vars(plain).keys():
        if hasattr(plain, attribute):
            refuse(f"{name}.{attribute} is overridden")
    if part._modules.keys() != plain._modules.keys():
        refuse(f"the parts of {name} are {', '.join(part._modules) or 'none'}")
    if part._parameters.keys() != plain._parameters.keys():
        refuse(f"the parameters of {name} are {', '.join(part._parameters)}")
    for of_part, parameter in plain._parameters.items():
        compare_parameters(f"{name}.{of_part}", part._parameters[of_part], parameter)


def compare_parameters(name, parameter, plain):
    """Raise CannotProve unless a parameter, called `name`, is plain numbers of the right shape."""
    if type(parameter) is not nn.Parameter or parameter.layout != torch.strided:
        refuse(f"{name} is not a plain parameter")
    if parameter.shape != plain.shape:
        refuse(f"{name} has the shape {tuple(parameter.shape)}, not {tuple(plain.shape)}")
    if parameter.dtype != torch.float32:
        refuse(f"{name} is {parameter.dtype}, not torch.float32")
    if parameter.device.type == "meta":
        refuse(f"{name} has no numbers")


def check_modes():
    """Raise CannotProve where PyTorch is told to compute with float32 otherwise than IEEE 754 has
    it, or to call a hook in every module; or where the digits are not ten."""
    if pt.DIGITS != 10:
        refuse(f"pt.DIGITS is {pt.DIGITS}, not 10")
    if torch.is_autocast_enabled("cpu") or torch.is_autocast_enabled("cuda"):
        refuse("autocast is on")
    precisions = {
        "mkldnn.matmul": torch.backends.mkldnn.matmul.fp32_precision,
        "mkldnn.rnn": torch.backends.mkldnn.rnn.fp32_precision,
        "cuda.matmul": torch.backends.cuda.matmul.fp32_precision,
    }
    for name, precision in precisions.items():
        if precision not in ("none", "ieee"):  # none: nothing was said, which is IEEE's
            refuse(f"torch.backends.{name}.fp32_precision is {precision!r}")
    for variable in FPMATH_VARIABLES:
        mode = os.environ.get(variable, "STRICT")
        if mode.upper() != "STRICT":
            refuse(f"{variable} is {mode!r}")
    if torch.full((), 2.0**-126, dtype=torch.float32, device="cpu") / 2 == 0:
        refuse("float32 below 2^-126 is flushed to zero, as by torch.set_flush_denormal")
    if of_all_modules._global_forward_hooks or of_all_modules._global_forward_pre_hooks:
        refuse("a hook is registered for all modules")
