"""The words of the page, against counts by hand."""

import pytest

from lab import page


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ([], "none"),
        ([3.0], "3"),
        ([2, 2, 2], "2"),
        ([1, 9, 5], "5 (1 to 9)"),
        ([40, None, 30], "40 (30 to never)"),
        ([None, None], "never"),
        ([0.123456, 0.2], "0.2 (0.1235 to 0.2)"),
    ],
)
def test_a_spread_is_the_median_and_the_range(values, words):
    assert page.spread(values) == words


def test_the_last_values_of_curves():
    assert page.lasts([[1, 2], [], [3]]) == [2, 3]
