"""How long to measure: rounds, and sizes for a full run or for a quick look."""

from __future__ import annotations

from attrs import frozen


@frozen(kw_only=True)
class Plan:
    """How much is measured."""

    rounds: int = 5
    """Rounds of each figure; the median counts."""
    quick: bool = False
    """Whether sizes are small, for two minutes in all instead of half an hour."""

    @property
    def many_rounds(self) -> int:
        """Rounds of a figure that is close to what it must reach, so that its verdict does not hang on one of them."""
        return self.rounds if self.quick else 2 * self.rounds - 1

    def size(self, full: int, quick: int) -> int:
        """The one of two sizes that is meant."""
        return quick if self.quick else full
