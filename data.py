"""Pairs of integers to add, and their digits, least significant first.

The network reads one digit of each number at a time, as a person adds on paper: from the right.
So 58 + 64 = 122 with ``maxlen=4`` becomes

    58  -> [8, 5, 0, 0]
    64  -> [4, 6, 0, 0]
    122 -> [2, 2, 1, 0]

and in every column the digit of the sum is (digit + digit + carry) mod 10.
Numbers are Python's own integers, so the sum that labels a pair is exact at any length.
"""

import decimal
import operator
import sys
from random import Random
from reprlib import repr as brief  # leaves out the middle of a long number

import numpy as np

# Python refuses to print integers over 4300 digits unless told otherwise; ours have any length.
sys.set_int_max_str_digits(0)

# The source of all pairs. A generator of our own: in a cluster's worker other threads draw
# from Python's.
random = Random()


# The kinds of pairs to train on; see `draw_training_pairs`.
PAIRS = ("uniform", "course", "long-carry")


def check_at_least(name, value, least):
    """Raise ValueError, naming the argument, unless `value` is an integer of at least `least`."""
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise ValueError(f"{name} must be an integer of at least {least}, got {value!r}")


def check_kind_of_pairs(pairs):
    """Raise ValueError unless `pairs` is a kind in PAIRS."""
    if pairs not in PAIRS:
        raise ValueError(f"pairs must be one of {', '.join(PAIRS)}, got {pairs!r}")


def gen_data_batch(batch_size, start, end):
    """Draw random pairs, uniform over [start, end], both ends included.

    Returns three lists of `batch_size` integers: (numbers_1, numbers_2, results), the last one
    their sums. Draws from `data.random`. Raises ValueError for a bad size or an empty range.
    """
    check_at_least("batch_size", batch_size, 1)
    check_at_least("start", start, 0)
    if end < start:
        raise ValueError(
            f"start must not be above end, got start={brief(start)} and end={brief(end)}"
        )
    numbers = draw_integers(2 * batch_size, start, end)
    numbers_1 = numbers[:batch_size]
    numbers_2 = numbers[batch_size:]
    results = [a + b for a, b in zip(numbers_1, numbers_2, strict=True)]
    return numbers_1, numbers_2, results


def draw_training_pairs(batch_size, digitlen, pairs="uniform"):
    """Draw a batch to train on, of numbers of up to `digitlen` digits, as `pairs` says:

    "uniform"     over [0, 5 * 10^(digitlen-1)], as in the report
    "course"      over [0, 55...54], `digitlen` digits, with one more zero of padding, as in the
                  example of the report's course: [0, 555555554] and 11 columns for nine digits
    "long-carry"  with carry chains of every length, see `long_carry_batch`

    Returns the arrays of `prepare_batch`, or of `with_sums`; draws as `gen_data_batch`. Raises
    ValueError for a bad argument.
    """
    check_at_least("digitlen", digitlen, 1)
    check_kind_of_pairs(pairs)
    if pairs == "long-carry":
        return long_carry_batch(batch_size, digitlen)
    if pairs == "course":
        numbers = gen_data_batch(batch_size, 0, all_fives(digitlen) - 1)
        return prepare_batch(*numbers, maxlen=digitlen + 2)
    numbers = gen_data_batch(batch_size, 0, 5 * 10 ** (digitlen - 1))
    return prepare_batch(*numbers, maxlen=digitlen + 1)


def draw_test_pairs(batch_size, digitlen, pairs="uniform"):
    """Draw a batch to test on, of larger numbers than those of `draw_training_pairs`.

    From [5 * 10^(digitlen-1) + 1, 10^digitlen - 1], as in the report, whatever the training's
    `pairs`; with "course" from [55...55, 99...98], as in the example of its course. Returns the
    arrays of `prepare_batch`; draws as `gen_data_batch`. Raises ValueError for a bad argument.
    """
    check_at_least("digitlen", digitlen, 1)
    check_kind_of_pairs(pairs)
    if pairs == "course":
        numbers = gen_data_batch(batch_size, all_fives(digitlen), 10**digitlen - 2)
        return prepare_batch(*numbers, maxlen=digitlen + 2)
    numbers = gen_data_batch(batch_size, 5 * 10 ** (digitlen - 1) + 1, 10**digitlen - 1)
    return prepare_batch(*numbers, maxlen=digitlen + 1)


def all_fives(digitlen):
    """The number 55...5, of `digitlen` digits."""
    return 5 * (10**digitlen - 1) // 9


def draw_integers(count, start, end):
    """The integers of `count` calls of `random.randint(start, end)`, in a third of their time."""
    span = end - start + 1
    bits = span.bit_length()
    numbers = []
    while len(numbers) < count:
        draw = random.getrandbits(bits)
        if draw < span:
            numbers.append(start + draw)
    return numbers


def prepare_batch(Nums1, Nums2, results, maxlen):
    """Turn three lists of equal length into three int64 arrays of digits, each (len(list), maxlen).

    Digits are reversed (column 0 holds the ones) and padded with zeros; each array goes straight
    into `torch.LongTensor`. Raises ValueError, naming the argument, for lists of different
    lengths, a negative number, or one with more than `maxlen` digits, and TypeError for one that
    is no integer.
    """
    check_at_least("maxlen", maxlen, 1)
    if not len(Nums1) == len(Nums2) == len(results):
        lengths = f"{len(Nums1)}, {len(Nums2)} and {len(results)}"
        raise ValueError(f"Nums1, Nums2 and results must have the same length, got {lengths}")
    lists = {"Nums1": Nums1, "Nums2": Nums2, "results": results}
    return tuple(to_digits(name, numbers, maxlen) for name, numbers in lists.items())


def to_digits(name, numbers, maxlen):
    """The digits of `numbers`, least significant first: int64 (len(numbers), maxlen).

    An error calls the numbers `name`: ValueError for a negative one or one that does not fit into
    `maxlen` digits, TypeError for one that is no integer.
    """
    try:
        integers = tuple(map(operator.index, numbers))
    except TypeError:
        wrong = next(number for number in numbers if not hasattr(number, "__index__"))
        raise TypeError(f"{name} must be integers, got {wrong!r}") from None
    template = f"%0{maxlen}d" * len(integers)  # one conversion for the whole list, not one a digit
    text = template % integers
    if "-" in text:
        raise ValueError(f"{name} must not be negative, got {brief(min(numbers))}")
    if len(text) != len(integers) * maxlen:
        raise ValueError(f"{name} must fit into maxlen={maxlen} digits, got {brief(max(numbers))}")
    digits = np.frombuffer(text.encode("ascii"), dtype=np.uint8).reshape(len(integers), maxlen)
    return digits[:, ::-1].astype(np.int64) - ord("0")


def results_converter(results):
    """Turn digit arrays (batch, digits), least significant first, back into a list of integers.

    Raises ValueError for anything but a two-dimensional array of digits 0-9.
    """
    digits = np.asarray(results)
    if digits.ndim != 2 or digits.shape[1] == 0:
        raise ValueError(f"results must have the shape (batch, digits), got {digits.shape}")
    wrong = (digits < 0) | (digits > 9) | (digits != np.floor(digits))
    if wrong.any():
        raise ValueError(f"results must hold digits 0-9 only, got {digits[wrong][0]}")
    text = np.ascontiguousarray(digits[:, ::-1] + ord("0"), dtype=np.uint8)
    return [int(row.tobytes()) for row in text]


def long_carry_batch(batch_size, digitlen):
    """Draw random pairs of up to `digitlen` digits with carry chains of every length.

    In a uniform pair only one position in ten propagates a carry: its two digits sum to 9. Here
    each pair draws p uniformly in [0, 1], then each of its positions propagates with probability
    p; the other positions are uniform. Returns the arrays of `with_sums`; raises and draws as
    `gen_data_batch`.
    """
    check_at_least("batch_size", batch_size, 1)
    check_at_least("digitlen", digitlen, 1)
    draws = np.random.default_rng(random.getrandbits(64))
    digits_1, digits_2 = draws.integers(0, 10, (2, batch_size, digitlen), dtype=np.uint8)
    drawn = draws.random((batch_size, digitlen), dtype=np.float32)
    propagates = drawn < draws.random((batch_size, 1))
    return with_sums(digits_1, np.where(propagates, 9 - digits_1, digits_2))


def chain_batch(batch_size, digitlen, chain):
    """Draw pairs whose longest carry chain is `chain`: a carry goes into that many positions.

    One chain of at most `digitlen` positions, at a random place; no other carry anywhere. Returns
    the arrays of `with_sums`; raises and draws as `gen_data_batch`.
    """
    check_at_least("batch_size", batch_size, 1)
    if not 0 <= chain <= digitlen:
        raise ValueError(f"chain must be from 0 to digitlen={digitlen}, got {chain!r}")
    draws = np.random.default_rng(random.getrandbits(64))
    # The total of both digits at each position: 8 at most carries nothing, 9 propagates a carry.
    total = draws.integers(0, 9, (batch_size, digitlen))
    if chain:
        begin = draws.integers(0, digitlen - chain + 1, (batch_size, 1))
        place = np.arange(digitlen) - begin  # in the chain
        total[(place > 0) & (place < chain)] = 9
        total[place == 0] = draws.integers(10, 19, batch_size)
    digits_1 = draws.integers(np.maximum(total - 9, 0), np.minimum(total, 9) + 1)
    return with_sums(digits_1, total - digits_1)


def with_sums(digits_1, digits_2):
    """Two arrays of digits (batch, digits), with room for the last carry, and their exact sums.

    Returns three uint8 arrays (batch, digits + 1), least significant digit first. By Python's
    decimal arithmetic: as exact as its integers, and it takes a million digits in its stride,
    where `int` and `str` take time with the square of the length.
    """
    digits_1 = np.pad(digits_1.astype(np.uint8), ((0, 0), (0, 1)))
    digits_2 = np.pad(digits_2.astype(np.uint8), ((0, 0), (0, 1)))
    sums = np.empty_like(digits_1)
    with decimal.localcontext(prec=sums.shape[1], Emax=decimal.MAX_EMAX):
        for number_1, number_2, total in zip(digits_1, digits_2, sums, strict=True):
            text = f"{to_decimal(number_1) + to_decimal(number_2):f}".zfill(len(total))
            total[:] = np.frombuffer(text.encode("ascii"), dtype=np.uint8)[::-1] - ord("0")
    return digits_1, digits_2, sums


def to_decimal(digits):
    """The number whose digits these are, uint8 (digits,), least significant first."""
    return decimal.Decimal((digits[::-1] + ord("0")).tobytes().decode("ascii"))
