"""One measured figure: a ratio, its spread, and what it should reach."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import Any

from attrs import asdict, frozen


@frozen(kw_only=True)
class Figure:
    """A ratio of two things measured alternately in one run."""

    number: int
    """Its number among all."""
    name: str
    """What tells it from others of that number."""
    title: str
    """What was compared, and how durable either side is where that matters."""
    ratios: Sequence[float] = ()
    """One ratio for each round; none if it could not be measured."""
    must: float
    """The ratio that has to be reached."""
    aim: float
    """The ratio that is wanted."""
    smaller_is_better: bool = False
    """Whether the ratio should be at most, instead of at least, those two."""
    detail: str = ""
    """The absolute numbers behind it, for people; or why it was not measured."""

    @property
    def ratio(self) -> float | None:
        """The median of the ratios."""
        return median(self.ratios) if self.ratios else None

    @property
    def spread(self) -> str:
        """The smallest and the largest ratio."""
        return f"{min(self.ratios):.3g} to {max(self.ratios):.3g}" if self.ratios else ""

    @property
    def verdict(self) -> str:
        """`aim`, `must` or `missed`: the best of them that the median reaches; or `not measured`."""
        if self.ratio is None:
            return "not measured"
        for name, bound in (("aim", self.aim), ("must", self.must)):
            if self.ratio <= bound if self.smaller_is_better else self.ratio >= bound:
                return name
        return "missed"

    def bound(self, value: float) -> str:
        """One of the two bounds, as it is shown."""
        return f"{'<=' if self.smaller_is_better else '>='} {value:g}"

    def document(self) -> dict[str, Any]:
        """All of it as JSON."""
        return {**asdict(self), "ratios": list(self.ratios), "ratio": self.ratio, "verdict": self.verdict}


def ratios(ones: Sequence[float], others: Sequence[float]) -> list[float]:
    """The ratio of each of `ones` to the one of `others` that was measured in the same round."""
    return [one / other for one, other in zip(ones, others, strict=True)]
