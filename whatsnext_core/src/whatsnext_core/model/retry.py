"""What happens after an attempt failed: how often, how soon and for which causes a job is tried again."""

from __future__ import annotations

from collections.abc import Iterable

from attrs import field, frozen

from whatsnext_core.errors import InvalidError
from whatsnext_core.model import limits
from whatsnext_core.model.status import Cause

RETRIED_BY_DEFAULT = frozenset(
    {Cause.EXIT, Cause.TIMEOUT, Cause.OOM, Cause.PREEMPTED, Cause.WALLTIME, Cause.ENGINE},
)


def _as_causes(causes: Iterable[Cause]) -> frozenset[Cause]:
    return frozenset(causes)


@frozen(kw_only=True)
class RetryPolicy:
    """How a failed job is tried again: exponential back-off with jitter, within a number of retries.

    A lost attempt (``lost``) is not a failure of the job: it has its own limit, ``max_losses``, and is retried at once.
    """

    retries: int = field(default=0)
    """Attempts after the first failed one, at most."""
    delay: float = field(default=1.0)
    """Seconds before the first retry."""
    factor: float = field(default=2.0)
    """By what the delay grows with each further failure."""
    max_delay: float = field(default=3600.0)
    """Seconds, the longest delay."""
    jitter: float = field(default=0.1)
    """The share of the delay that is spread (0.1 = 10 % earlier to 10 % later), so that retries don't come in waves."""
    causes: frozenset[Cause] = field(default=RETRIED_BY_DEFAULT, converter=_as_causes)
    """The causes that are retried; others fail the job at once."""
    memory_factor: float = field(default=1.0)
    """By what the required memory grows after each ``oom``."""
    max_losses: int = field(default=5)
    """How many attempts may be lost before the job fails with cause ``lost``."""

    @retries.validator
    def _check_retries(self, _: object, value: int) -> None:
        limits.check_number(value, "number of retries", low=0, high=limits.MAX_RETRIES)

    @max_losses.validator
    def _check_losses(self, _: object, value: int) -> None:
        limits.check_number(value, "limit of losses", low=0, high=limits.MAX_RETRIES)

    @delay.validator
    @max_delay.validator
    def _check_delay(self, _: object, value: float) -> None:
        limits.check_number(value, "delay of retries", low=0, high=limits.MAX_SECONDS, unit="seconds")

    @factor.validator
    @memory_factor.validator
    def _check_factor(self, _: object, value: float) -> None:
        limits.check_number(value, "growth factor of retries", low=1, high=100)

    @jitter.validator
    def _check_jitter(self, _: object, value: float) -> None:
        limits.check_number(value, "jitter of retries", low=0, high=1)

    @causes.validator
    def _check_causes(self, _: object, value: frozenset[Cause]) -> None:
        if Cause.CANCELLED in value:
            raise InvalidError("A cancelled job cannot be retried by a policy; remove 'cancelled' from the causes.")
