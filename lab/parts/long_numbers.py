"""Does a proven adder add very long numbers?"""

from dataclasses import dataclass

from lab import measuring
from lab.adders import ForProof
from lab.book import Part
from lab.report.said import PEERS
from lab.settings import SettingsError, check_numbers
from lab.words import escape, join, table


@dataclass(frozen=True)
class LongNumbers(Part):
    """One adder that was trained for the proof, at ever more digits."""

    adder: ForProof  # its first seed
    counts: dict  # {digits: how many long-carry pairs}; 999...9 + 1 is added at each

    def __post_init__(self):
        if not isinstance(self.counts, dict):
            raise SettingsError(f"counts must be {{digits: pairs}}, got {self.counts!r}")
        check_numbers("counts", [*self.counts, *self.counts.values()], 1)

    def submit(self, lab, name):
        """Submit the adder to the numbers; None where nothing can be proven."""
        trainings = list(self.adder.submit_trainings(lab, name).values())
        if not trainings:
            return None
        return lab.submit(
            measuring.add_long_numbers, trainings[0], self.counts, title=name, seconds=15.0
        )

    def result(self, name, done):
        """The correct sums at each length, as `measuring.add_long_numbers` has them."""
        return {"title": "Very long numbers", "peers": PEERS} | done

    def page(self, result):
        """Published lengths, and a row for each length."""
        peers = [f"{digits} digits ({escape(name)})" for name, digits in result["peers"].items()]
        rows = []
        for test in result["tests"]:
            pairs = f"{test['pairs']} {test['kind']}"
            speed = f"{test['digits_per_second']:,.0f}"
            rows.append([f"{test['digits']:,}", pairs, test["correct"], speed])
        return join(
            f"The adder is trained on pairs of {result['trained_at']} digits at most and reads "
            f"numbers in parts. Published neural adders reach {', '.join(peers)}.",
            table(["digits", "pairs", "correct", "digits per second"], rows),
        )
