"""Pieces of Markdown."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from typing import Any

__all__ = ["code", "fenced", "paragraph", "plain", "table"]


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table; a column that is empty in every row is left out, and so is a table without rows."""
    rows = [[_cell(value) for value in row] for row in rows]
    if not rows:
        return ""
    shown = [place for place in range(len(header)) if any(row[place] for row in rows)]
    lines = [
        [header[place] for place in shown],
        ["---"] * len(shown),
        *([row[place] for place in shown] for row in rows),
    ]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def code(value: Any) -> str:
    """Return a value as code within a line, in JSON."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return f"`{text}`" if text and "`" not in text else text


def fenced(value: Any) -> str:
    """Return a value as a block of JSON."""
    return f"```json\n{json.dumps(value, indent=2, ensure_ascii=False)}\n```\n"


def paragraph(text: str | None) -> str:
    """Return a description as Markdown; double backticks of docstrings become single ones."""
    return (text or "").replace("``", "`").strip()


def plain(text: str) -> str:
    """Return a text that is no Markdown so that Markdown shows it as it is."""
    return re.sub(r"([\\`*_<\[\]])", r"\\\1", text)


def _cell(text: str) -> str:
    return paragraph(text).replace("|", "\\|").replace("\n", " ")
