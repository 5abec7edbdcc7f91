"""An adder set by hand: a tanh RNN of three units, 71 parameters, proven right for every length.

An adder must remember one bit from one pair of digits to the next: whether there is a carry.

**On paper.** Add the two digits and the carry: the total, from 0 to 19. There is a new carry if it
is 10 or more. Write down the total less ten times the new carry.

**As a network.** A digit's embedding is the digit itself. Let h_0, h_1, h_2 be the state after the
pair of digits before, all 0 at the start, and h_0', h_1', h_2' the one after the digits a and b.
With K = 20 and s = 0.002,

    carry = (h_0 + h_1) / 2
    h_0' = tanh(K (a + b + carry - 9.5))         1 if there is a new carry, else -1
    h_1' = tanh(K / 2)                           1: the sum has begun
    h_2' = tanh(s (a + b + carry))               s times the total
    y = h_2' / s - 10 (h_0' + h_1') / 2          the total less ten times the new carry
    logit of digit d = 2 d y - d^2               the largest is that of the digit nearest to y

**Why unit 0 never forgets.** A total is a whole number, so it is half away from 9.5 at least, and
tanh(K / 2) is 1 but for 4e-9, too little for float32 to tell. Whatever small error comes in with
the carry, none goes out: unit 0 says 1 or -1 anew in each step.

**Why there is a unit 1.** At the start h_0 is 0, half way between carry and none. But h_1 is 0,
too, and so is the carry. From the first pair of digits on h_1 is 1: (-1 + 1) / 2 is carry 0,
(1 + 1) / 2 is carry 1. These are the two states that matter, (h_0, h_1) = (-1, 1) and (1, 1); no
weight leads from h_2 to the next step.

**Why unit 2 is small.** Near 0 a tanh is nearly a straight line: tanh(x) is about x - x^3 / 3. The
largest total, 19, is off by 0.0091 after it was made small and large again.

**Why the nearest digit wins.** 2 d y - d^2 is y^2 - (y - d)^2, and y^2 is the same for all digits.
If y is the right digit but for e, the logit of that digit is above those of its neighbours by
1 - 2 e or 1 + 2 e: by 0.98 at least. `prove` allows for rounding, where the division by s
makes an error of float32 500 times as large, and is left with 0.975.
"""

import torch

import pt

STEEPNESS = 20.0  # K: how steeply unit 0 goes from -1 to 1 between the totals 9 and 10
SCALE = 0.002  # s: how small the total is made for unit 2


def build_by_hand():
    """The adder of this module's docstring: a new `pt.Adder`, on the CPU, the same each time."""
    half_steepness = STEEPNESS / 2
    half_scale = SCALE / 2
    digits = torch.arange(10.0)
    # The weight of y in each unit, for the total and ten times the new carry.
    weights_of_y = torch.tensor([-5.0, -5.0, 1 / SCALE])
    weights = {
        # A digit is embedded as one number, itself.
        "embed_layer.weight": digits[:, None],
        # From a and b. The total goes into unit 0, steeply, and unit 2; unit 1 looks at no digit.
        "rnn.weight_ih_l0": torch.tensor(
            [
                [STEEPNESS, STEEPNESS],
                [0.0, 0.0],
                [SCALE, SCALE],
            ]
        ),
        # From h_0, h_1 and h_2 of the step before. Half the sum of the first two is the carry, and
        # the carry counts as a digit does.
        "rnn.weight_hh_l0": torch.tensor(
            [
                [half_steepness, half_steepness, 0.0],
                [0.0, 0.0, 0.0],
                [half_scale, half_scale, 0.0],
            ]
        ),
        # Unit 0 is to change its sign between 9 and 10, unit 1 to be 1, and unit 2 needs nothing.
        "rnn.bias_ih_l0": torch.tensor([-9.5 * STEEPNESS, half_steepness, 0.0]),
        # PyTorch has a second bias, added to the first: one is enough.
        "rnn.bias_hh_l0": torch.zeros(3),
        # The logit of digit d is 2 d y - d^2: a row for each d,
        "dense.weight": 2 * digits[:, None] * weights_of_y,
        # and what is left of it where y is 0.
        "dense.bias": -(digits**2),
    }
    return pt.adder_of("RNN", weights)
