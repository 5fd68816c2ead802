"""What a command prints: tables for people, one JSON document for programs, notes on stderr.

On a terminal tables are drawn with colours and fold what is too wide. Into a pipe they go as plain columns, two blanks
apart, nothing cut and ``-`` for what is empty.
"""

from __future__ import annotations

import json
import sys
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import click

if TYPE_CHECKING:
    from rich.console import Console

Document = Mapping[str, Any]

FOLDED = 24
"""Characters of a column that is never folded; a longer one gets as many at least."""
GAP = 2
"""Blanks between columns."""
NOTHING = "-"
"""What stands where there is nothing."""
STYLES = {
    "COMPLETED": "green",
    "RUNNING": "cyan",
    "QUEUED": "blue",
    "FAILED": "red",
    "LOST": "red",
    "BLOCKED": "yellow",
    "CANCELLED": "magenta",
    "ARCHIVED": "dim",
    "broken": "red",
}
"""Colours of words in tables."""


class Column(NamedTuple):
    """One column of a table."""

    title: str
    """Its heading."""
    value: Callable[[Document], object]
    """What it shows of a document."""
    right: bool = False
    """Whether it holds numbers."""
    spare: int = 0
    """Above 0: a terminal that is too narrow does without it; the highest goes first."""


class Output:
    """Prints for one command."""

    def __init__(self, *, as_json: bool = False) -> None:
        self.as_json = as_json

    def document(self, data: Any) -> None:
        """Prints the one JSON document, if that was asked for."""
        if self.as_json:
            unicode = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
            click.echo(json.dumps(data, indent=2, ensure_ascii=not unicode))

    def say(self, text: str, data: Any = None) -> None:
        """Prints a sentence, or ``data`` as JSON."""
        if self.as_json:
            self.document(data)
        else:
            click.echo(clean(text))

    def note(self, text: str) -> None:
        """Prints a sentence beside the output, on stderr."""
        click.echo(clean(text), err=True)

    def table(self, documents: Sequence[Document], columns: Sequence[Column], *, empty: str) -> None:
        """Prints the documents as JSON, or as a table; ``empty`` is the sentence for none."""
        if self.as_json:
            self.document(list(documents))
        elif not documents:
            self.note(empty)
        else:
            rows = [[cell(column.value(document)) for column in columns] for document in documents]
            if sys.stdout.isatty():
                _draw(columns, rows)
            else:
                _write(columns, rows)

    def record(self, fields: Sequence[tuple[str, object]], data: Any) -> None:
        """Prints ``data`` as JSON, or the fields that have a value, one below the other."""
        if self.as_json:
            self.document(data)
            return
        fields = [(title, value) for title, value in fields if _printable(value) != NOTHING]
        width = max(len(title) for title, _ in fields)
        for title, value in fields:
            lines = _printable(value).split("\n")
            shown = click.style(lines[0], fg=STYLES.get(lines[0])) if lines[0] in STYLES else lines[0]
            click.echo(f"{title:{width}}  {shown}")
            for line in lines[1:]:
                click.echo(f"{'':{width}}  {line}")

    def console(self) -> Console:
        """Return where progress is shown: stderr."""
        from rich.console import Console

        return Console(stderr=True, highlight=False)


def clean(text: str) -> str:
    """Return ``text`` with every control character but the new line made visible, so that no value moves the cursor."""
    if text.isprintable():
        return text
    return "".join(c if c == "\n" or unicodedata.category(c) not in {"Cc", "Cs"} else _visible(c) for c in text)


def cell(value: object) -> str:
    """Return a value as one line of a table."""
    return _printable(value).replace("\n", " ").strip() or NOTHING


def _visible(char: str) -> str:
    return "    " if char == "\t" else char.encode("unicode_escape").decode()


def _printable(value: object) -> str:
    if value is None or value in ("", [], {}):
        return NOTHING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, str | int):
        return clean(str(value))
    return clean(json.dumps(value, ensure_ascii=False))


def _write(columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> None:
    titles = [column.title for column in columns]
    widths = [max(map(len, texts)) for texts in zip(titles, *rows, strict=True)]
    for row in (titles, *rows):
        cells = (
            text.rjust(width) if column.right else text.ljust(width)
            for column, text, width in zip(columns, row, widths, strict=True)
        )
        click.echo("  ".join(cells).rstrip())


def _draw(columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(highlight=False, markup=False)
    widths = [max(map(len, texts)) for texts in zip([column.title for column in columns], *rows, strict=True)]
    shown = _chosen(columns, widths, console.width)
    table = Table(box=None, pad_edge=False, padding=(0, GAP, 0, 0), header_style="bold")
    for place in shown:
        column, folded = columns[place], widths[place] > FOLDED
        table.add_column(column.title, justify="right" if column.right else "left", overflow="fold", no_wrap=not folded)
    for row in rows:
        table.add_row(*(Text(row[place], style=STYLES.get(row[place], "")) for place in shown))
    console.print(table)


def _chosen(columns: Sequence[Column], widths: Sequence[int], width: int) -> list[int]:
    """Return the places of the columns that a terminal of this width can show, the long ones folded."""
    shown = list(range(len(columns)))
    while sum(min(widths[place], FOLDED) + GAP for place in shown) > width:
        spare = max(shown, key=lambda place: columns[place].spare)
        if not columns[spare].spare:
            break
        shown.remove(spare)
    return shown
