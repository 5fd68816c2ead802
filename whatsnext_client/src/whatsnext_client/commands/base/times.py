"""Times and amounts as people read them."""

from __future__ import annotations

from datetime import UTC, datetime

_STEPS = ((86_400, "d"), (3_600, "h"), (60, "m"))


def moment(text: str | None) -> datetime | None:
    """Return the time that the server wrote."""
    if not text:
        return None
    found = datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def span(seconds: float) -> str:
    """Return a length of time in two units at most: ``42s``, ``3m10s``, ``2h05m``, ``3d4h``."""
    if seconds < 0:
        return "0s"
    if 0 < seconds < 10:  # noqa: PLR2004 - below this parts of a second matter
        return f"{round(seconds, 1 if seconds >= 1 else 2):g}s"
    whole = round(seconds)
    days, hours, minutes = whole // 86_400, whole // 3_600 % 24, whole // 60 % 60
    if days:
        return f"{days}d{hours}h"
    if hours:
        return f"{hours}h{minutes:02}m"
    return f"{minutes}m{whole % 60:02}s" if minutes else f"{whole}s"


def age(text: str | None) -> str:
    """Return how long ago a time was."""
    then = moment(text)
    return span((datetime.now(UTC) - then).total_seconds()) if then else ""


def local(text: str | None) -> str:
    """Return a time in the time zone of this machine, with how long ago it was."""
    then = moment(text)
    return f"{then.astimezone():%Y-%m-%d %H:%M:%S %Z} ({age(text)} ago)" if then else ""


def ahead(then: datetime) -> str:
    """Return a time to come in the time zone of this machine, with how long that is from now."""
    return f"{then.astimezone():%Y-%m-%d %H:%M:%S %Z} (in {span((then - datetime.now(UTC)).total_seconds())})"


def between(begin: str | None, end: str | None) -> str:
    """Return the time from ``begin`` to ``end``, or to now."""
    first, last = moment(begin), moment(end) or datetime.now(UTC)
    return span((last - first).total_seconds()) if first else ""


def memory(size: int | None) -> str:
    """Return bytes as ``512 MiB``."""
    if size is None:
        return ""
    amount, unit = float(size), "B"
    for larger in ("KiB", "MiB", "GiB", "TiB"):
        if amount < 1024:  # noqa: PLR2004 - the step between the units
            break
        amount, unit = amount / 1024, larger
    return f"{amount:.4g} {unit}"
