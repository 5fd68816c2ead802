"""How times, numbers and lists stand in a sentence."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from whatsnext_core.model.limits import shorten
from whatsnext_core.model.status import Cause

NAMED: Final = 3
"""Names that a sentence gives before it only counts."""
LINE: Final = 200
"""Characters of a message that a sentence gives."""
_STEPS: Final = ((100.0, 1.0, "s"), (100 * 60.0, 60.0, "min"), (48 * 3600.0, 3600.0, "h"), (float("inf"), 86400.0, "d"))


def span(seconds: float) -> str:
    """Return a length of time with one unit: ``0.5 s``, ``8 s``, ``5 min``, ``3 h``, ``4 d``."""
    if seconds < 1:
        return f"{max(seconds, 0.0):.1f} s"
    unit, name = next((unit, name) for below, unit, name in _STEPS if seconds < below)
    return f"{seconds / unit:.0f} {name}"


def spans(low: float, high: float) -> str:
    """Return a range of lengths of time: ``50 s to 2 min``."""
    first, last = span(low), span(high)
    return first if first == last else f"{first} to {last}"


def clock(moment: datetime, now: datetime) -> str:
    """Return a time as people write it, with its date unless that is today's, in UTC."""
    there, here = moment.astimezone(UTC), now.astimezone(UTC)
    return f"{there:%H:%M:%S} UTC" if there.date() == here.date() else f"{there:%Y-%m-%d %H:%M} UTC"


def some(names: Sequence[str], total: int | None = None) -> str:
    """Return the first of some names as a list: ``a``, ``a and b``, ``a, b, c and 4 more``."""
    total = len(names) if total is None else total
    shown = list(names[:NAMED])
    if total > len(shown):
        shown.append(f"{total - len(shown):,} more")
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"


def count(number: int, noun: str) -> str:
    """Return a number with its noun: ``1 job``, ``2,000 jobs``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def job_named(job_id: int, name: str) -> str:
    """Return a job as a sentence calls it: ``job 12 'prep'``."""
    return f"job {job_id} {shorten(name)}"


def first_line(message: str) -> str:
    """Return the beginning of a message without what does not belong into a sentence."""
    line = message.strip().partition("\n")[0].strip()
    return line if len(line) <= LINE else f"{line[: LINE - 3]}..."


def failure(cause: Cause | None, exit_code: int | None, message: str) -> str:
    """Return how an attempt failed, in as few words as tell all; empty if nothing is known of that."""
    line = first_line(message).rstrip(".")
    name = "" if cause is None else cause.value
    if line:
        return line if line.casefold().startswith(name) else f"{name}: {line}"
    code = "" if exit_code is None else f"exit code {exit_code}"
    return code if code.startswith(name) else ", ".join(part for part in (name, code) if part)


def sentence(text: str) -> str:
    """Return a text that ends as a sentence does."""
    return text if text.endswith((".", "!", "?")) else f"{text}."


def memory(size: int) -> str:
    """Return bytes as ``4 GiB``."""
    amount, units = float(size), ["B", "KiB", "MiB", "GiB"]
    while amount >= 1024 and len(units) > 1:  # noqa: PLR2004  # the step between units
        amount, units = amount / 1024, units[1:]
    return f"{amount:.4g} {units[0]}"
