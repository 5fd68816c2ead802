"""One measured figure: a ratio, its spread, and what it should reach."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from attrs import frozen


@frozen(kw_only=True)
class Figure:
    """A ratio of two things measured alternately in one run."""

    name: str
    """What `--figure` calls it."""
    title: str
    """What was compared."""
    ratios: Sequence[float]
    """One ratio for each round."""
    must: float
    """The ratio that has to be reached."""
    aim: float
    """The ratio that is wanted."""
    smaller_is_better: bool
    """Whether the ratio should be at most, instead of at least, those two."""
    detail: str
    """The absolute numbers behind it, for people."""

    @property
    def ratio(self) -> float:
        """The median of the ratios."""
        return median(self.ratios)

    @property
    def spread(self) -> str:
        """The smallest and the largest ratio."""
        return f"{min(self.ratios):.3g} to {max(self.ratios):.3g}"

    @property
    def verdict(self) -> str:
        """`aim`, `must` or `missed`: the best of them that the median reaches."""
        for name, bound in (("aim", self.aim), ("must", self.must)):
            if self.ratio <= bound if self.smaller_is_better else self.ratio >= bound:
                return name
        return "missed"
