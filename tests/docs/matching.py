"""Whether a program printed what a page shows."""

import re
from collections.abc import Sequence

__all__ = ["matches"]

RULES = re.compile(r"[─━═┄┈╌-]{3,}")


def matches(expected: Sequence[str], actual: str) -> bool:
    """Whether the output is the expected one.

    ``...`` on a line of its own stands for any lines, within a line for any characters. The width of columns and the
    length of rules does not count, since values that differ from run to run move them.
    """
    pattern = ""
    for line in _plain("\n".join(expected)):
        if line == "...":
            pattern += r"(?:.*\n)*?"
        else:
            pattern += ".*?".join(re.escape(part) for part in line.split("...")) + r"\n"
    return re.fullmatch(pattern, "".join(f"{line}\n" for line in _plain(actual))) is not None


def _plain(text: str) -> list[str]:
    lines = [re.sub(r"\s+", " ", RULES.sub("───", line)).strip() for line in text.strip("\n").splitlines()]
    return [line for line in lines if line]
