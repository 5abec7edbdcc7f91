"""Digits and sums against Python's own integers and against columns written out by hand."""

import random

import numpy as np
import pytest
import torch

import data
from data import (
    chain_batch,
    draw_test_pairs,
    draw_training_pairs,
    gen_data_batch,
    long_carry_batch,
    prepare_batch,
    results_converter,
    with_sums,
)


def test_digits_by_hand():
    num1, num2, results = prepare_batch([58, 0], [64, 7], [122, 7], maxlen=4)
    assert num1.tolist() == [[8, 5, 0, 0], [0, 0, 0, 0]]
    assert num2.tolist() == [[4, 6, 0, 0], [7, 0, 0, 0]]
    assert results.tolist() == [[2, 2, 1, 0], [7, 0, 0, 0]]
    assert num1.dtype == np.int64


@pytest.mark.parametrize(
    ("start", "end"), [(0, 0), (7, 7), (0, 1), (0, 5 * 10**9), (3, 2**64), (10**4999, 10**5000)]
)
def test_the_integers_drawn_are_those_of_randint(start, end):
    data.random.seed(1)
    numbers_1, numbers_2, _ = gen_data_batch(100, start, end)
    random.seed(1)
    assert numbers_1 + numbers_2 == [random.randint(start, end) for _ in range(200)]


def test_arrays_go_straight_into_longtensor():
    arrays = prepare_batch(*gen_data_batch(3, 0, 99), maxlen=3)
    for array in arrays:
        tensor = torch.LongTensor(array)
        assert tensor.shape == (3, 3)
        assert tensor.tolist() == array.tolist()


def test_a_carry_through_every_position():
    num1, num2, results = prepare_batch([10**50 - 1], [1], [10**50], maxlen=51)
    assert num1.tolist() == [[9] * 50 + [0]]
    assert num2.tolist() == [[1] + [0] * 50]
    assert results.tolist() == [[0] * 50 + [1]]


@pytest.mark.parametrize("digits", [1, 2, 10, 63, 300, 4301, 5000])
def test_random_numbers_of_every_size_against_python(digits):
    draw = random.Random(digits)
    for _ in range(20):
        sizes = [draw.randint(1, digits) for _ in range(6)]
        a = [draw.randrange(10**size) for size in sizes[:3]]
        b = [draw.randrange(10**size) for size in sizes[3:]]
        arrays = prepare_batch(a, b, [x + y for x, y in zip(a, b, strict=False)], maxlen=digits + 1)
        for array, numbers in zip(
            arrays, (a, b, [x + y for x, y in zip(a, b, strict=False)]), strict=False
        ):
            assert results_converter(array) == numbers
            # Python's own arithmetic, digit by digit, on one number and a few positions
            for position in {0, digits // 2, digits}:
                assert array[0, position] == numbers[0] // 10**position % 10


def test_pairs_are_in_range_and_summed():
    data.random.seed(0)
    numbers_1, numbers_2, results = gen_data_batch(500, 3, 7)
    assert set(numbers_1) == set(numbers_2) == {3, 4, 5, 6, 7}
    assert results == [a + b for a, b in zip(numbers_1, numbers_2, strict=False)]
    assert gen_data_batch(1, 5, 5) == ([5], [5], [10])


def test_the_same_seed_draws_the_same_pairs():
    data.random.seed(3)
    first = gen_data_batch(5, 0, 10**40)
    assert gen_data_batch(5, 0, 10**40) != first
    data.random.seed(3)
    assert gen_data_batch(5, 0, 10**40) == first


def longest_chain(digits_1, digits_2):
    """The most positions in a row that a carry goes into, counted as on paper."""
    carry = longest = current = 0
    for a, b in zip(digits_1, digits_2, strict=False):
        current = current + 1 if carry else 0
        longest = max(longest, current)
        carry = (int(a) + int(b) + carry) // 10
    return longest


@pytest.mark.parametrize("chain", [0, 1, 2, 7, 39, 40])
def test_chains_have_the_length_asked_for(chain):
    data.random.seed(0)
    digits_1, digits_2, _ = chain_batch(50, 40, chain)
    assert digits_1.max() <= 9 and digits_2.max() <= 9
    assert {longest_chain(*pair) for pair in zip(digits_1, digits_2, strict=False)} == {chain}


def test_a_chain_begins_at_any_place_with_any_digits():
    data.random.seed(0)
    digits_1, digits_2, _ = (digits[:, :5] for digits in chain_batch(4000, 5, 2))
    totals = digits_1 + digits_2
    begins = totals > 9
    assert (begins.sum(1) == 1).all() and set(begins.argmax(1)) == {0, 1, 2, 3}
    assert set(totals[begins]) == set(range(10, 19)) and set(totals[~begins]) == set(range(10))
    pairs = set(zip(digits_1.flatten().tolist(), digits_2.flatten().tolist(), strict=True))
    assert len(pairs) == 100


@pytest.mark.parametrize(
    "draw", [lambda: long_carry_batch(5, 40), lambda: chain_batch(5, 40, 7)], ids=["long", "chain"]
)
def test_batches_with_carries_are_drawn_from_the_seed(draw):
    data.random.seed(3)
    first = np.stack(draw())
    assert first.dtype == np.uint8
    assert not np.array_equal(draw(), first)
    data.random.seed(3)
    assert np.array_equal(draw(), first)


def test_long_carry_pairs_have_chains_of_every_length():
    data.random.seed(0)
    digits_1, digits_2, _ = long_carry_batch(3000, 10)
    assert digits_1.shape == (3000, 11) and not digits_1[:, 10].any() and not digits_2[:, 10].any()
    counts = np.bincount(
        [longest_chain(*pair) for pair in zip(digits_1, digits_2, strict=False)], minlength=11
    )
    assert (counts > 0).all() and counts[10] > 30
    assert np.bincount(digits_1[:, :10].flatten()) / 30_000 == pytest.approx([0.1] * 10, abs=0.01)
    propagates = (digits_1 + digits_2 == 9)[:, :10]
    # p on average 1/2, and a tenth of the others by chance; all ten with (1 + 9 p)^10 / 10^10
    assert propagates.mean() == pytest.approx(0.55, abs=0.02)
    assert propagates.all(1).mean() == pytest.approx(1 / 9.9, abs=0.02)


@pytest.mark.parametrize("length", [1, 2, 19, 20, 500, 5000])
def test_sums_of_digit_arrays_against_python(length):
    data.random.seed(length)
    numbers_1, numbers_2, results = map(results_converter, long_carry_batch(10, length))
    assert (
        results == [a + b for a, b in zip(numbers_1, numbers_2, strict=False)]
        and max(numbers_1) < 10**length
    )


def test_a_sum_of_two_million_digits():
    nines, one, sums = with_sums(np.full((1, 2_000_000), 9), np.eye(1, 2_000_000))
    assert sums[0, -1] == 1 and not sums[0, :-1].any()
    assert (nines[0, :-1] == 9).all() and one[0].sum() == one[0, 0] == 1


@pytest.mark.parametrize(
    ("draw", "pairs", "digitlen", "least", "most", "columns"),
    [
        (draw_training_pairs, "uniform", 2, 0, 50, 3),
        (draw_test_pairs, "uniform", 2, 51, 99, 3),
        (draw_test_pairs, "long-carry", 2, 51, 99, 3),
        (draw_training_pairs, "course", 2, 0, 54, 4),
        (draw_test_pairs, "course", 2, 55, 98, 4),
        (draw_training_pairs, "long-carry", 2, 0, 99, 3),
    ],
)
def test_pairs_to_train_and_to_test_on(draw, pairs, digitlen, least, most, columns):
    data.random.seed(0)
    num1, num2, sums = draw(3000, digitlen, pairs)
    assert num1.shape == num2.shape == sums.shape == (3000, columns)
    numbers = results_converter(np.concatenate((num1, num2)))
    assert min(numbers) == least and max(numbers) == most
    assert results_converter(sums) == [
        a + b for a, b in zip(results_converter(num1), results_converter(num2), strict=True)
    ]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: gen_data_batch(0, 0, 9), "batch_size .* got 0"),
        (lambda: gen_data_batch(2.5, 0, 9), "batch_size .* got 2.5"),
        (lambda: gen_data_batch(True, 0, 9), "batch_size .* got True"),
        (lambda: gen_data_batch(1, 10, 9), "start=10 and end=9"),
        (lambda: gen_data_batch(1, -1, 9), "start .* got -1"),
        (lambda: prepare_batch([1], [1, 2], [2], 3), "Nums1, Nums2 and results .* 1, 2 and 1"),
        (lambda: prepare_batch([1], [1], [2, 3], 3), "Nums1, Nums2 and results .* 1, 1 and 2"),
        (lambda: prepare_batch([1, 4], [-3, 5], [2, 9], 3), "Nums2 .* negative.* -3"),
        (lambda: prepare_batch([1], [999], [1000], 3), "results .* maxlen=3 .* 1000"),
        (lambda: prepare_batch([7, 1234], [1, 1], [8, 1235], 3), "Nums1 .* maxlen=3 .* 1234"),
        (lambda: prepare_batch([10**5000], [1], [1], 3), "Nums1 .* maxlen=3 .* 1000*[.]{3}0*"),
        (lambda: prepare_batch([1], [1], [2], 0), "maxlen .* got 0"),
        (lambda: draw_training_pairs(1, 0), "digitlen .* got 0"),
        (lambda: draw_training_pairs(1, 5, "even"), "uniform, course, long-carry, got 'even'"),
        (lambda: draw_test_pairs(1, 0), "digitlen .* got 0"),
        (lambda: draw_test_pairs(1, 5, "even"), "uniform, course, long-carry, got 'even'"),
        (lambda: long_carry_batch(0, 5), "batch_size .* got 0"),
        (lambda: long_carry_batch(5, 0), "digitlen .* got 0"),
        (lambda: chain_batch(5, 10, 11), "chain .* digitlen=10, got 11"),
        (lambda: chain_batch(5, 10, -1), "chain .* digitlen=10, got -1"),
        (lambda: chain_batch(0, 10, 1), "batch_size .* got 0"),
        (lambda: results_converter([[1, 10]]), "digits 0-9 .* got 10"),
        (lambda: results_converter([[1, -1]]), "digits 0-9 .* got -1"),
        (lambda: results_converter([[1.5, 1]]), "digits 0-9 .* got 1.5"),
        (lambda: results_converter([1, 2]), r"\(batch, digits\), got \(2,\)"),
        (lambda: results_converter([[], []]), r"\(batch, digits\), got \(2, 0\)"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_what_is_no_integer_is_named():
    with pytest.raises(TypeError, match="Nums1 .* got 1.5"):
        prepare_batch([1.5], [1], [2], 3)
