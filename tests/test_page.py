"""The words of the page, against counts by hand."""

import json
from pathlib import Path

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


def test_the_readme_is_true_of_the_committed_run():
    root = Path(page.__file__).parent.parent
    results = json.loads((root / "figures" / "results.json").read_text())
    words = " ".join((root / "README.md").read_text().split())
    verdicts = [claim["verdict"] for row in results["rows"] for claim in row["claims"]]
    decided, proofs = (
        results["decided"],
        [run["proven"] for group in results["proof"]["groups"] for run in group["runs"]],
    )
    for said in (
        f"Of the report's {len(verdicts)} claims that a CPU can judge, {verdicts.count('holds')} hold,",
        f" {verdicts.count('depends on the seed')} depend on the seed, {verdicts.count('does not hold')} does not hold",
        f"{results['made']['seconds'] / 60:.1f} minutes on {results['made']['cores']} cores",
        f"{decided['right_but_wrong']} of {decided['adders']} adders end at 100% on random pairs, and every one of these",
        f"a pair of at most {decided['most_digits']} digits wrong",
        f"{sum(proofs)} of {len(proofs)} adders",
        f"{decided['undecided']} of all {decided['adders']} are undecided",
    ):
        assert said in words
    assert decided["right"] == decided["right_but_wrong"], "every one of these"
