"""The fenced blocks of a page, and the commands within them."""

import re
from collections.abc import Iterator
from pathlib import Path

from attrs import frozen

__all__ = ["Command", "Snippet", "commands", "snippets"]

FENCE = re.compile(r"(?P<indent> *)(?P<ticks>`{3,})(?P<info>[^`]*)")
OPTION = re.compile(r":(?P<name>[\w-]+):\s*(?P<value>.*)")
HERE_DOCUMENT = re.compile(r"<<\s*'?(\w+)'?")
MARKER = re.compile(r"<!--\s*(?P<words>.*?)\s*-->")


@frozen(kw_only=True)
class Snippet:
    """One fenced block."""

    page: Path
    """The page."""
    line: int
    """Number of its first line of content, from 1."""
    language: str
    """What its fence says."""
    text: str
    """What is in it, with a newline at the end."""
    file: str | None
    """The file that its caption names."""
    marker: str
    """The words of the comment on the line before it."""

    @property
    def reason(self) -> str | None:
        """Why it does not run; None for a block that does."""
        return self.marker.partition(":")[2].strip() if self.marker.startswith("not run") else None

    @property
    def place(self) -> str:
        """Where it is, for messages."""
        return f"{self.page}:{self.line}"


@frozen(kw_only=True)
class Command:
    """A command of a console block."""

    line: int
    """Number of its line in the page."""
    text: str
    """What a shell is given."""
    expected: tuple[str, ...]
    """The lines that it must print; none to accept whatever it prints."""


def snippets(page: Path, text: str) -> list[Snippet]:
    """The fenced blocks of a page in their order; those inside a colon fence count too."""
    return list(_read(page, text.splitlines()))


def _read(page: Path, lines: list[str]) -> Iterator[Snippet]:
    place, marker = 0, ""
    while place < len(lines):
        opening = FENCE.fullmatch(lines[place])
        place += 1
        if opening is None:
            comment = MARKER.fullmatch(lines[place - 1].strip())
            marker = comment["words"] if comment else (marker if not lines[place - 1].strip() else "")
            continue
        closing = re.compile(rf" *{opening['ticks']}`*\s*")
        first = place
        while place < len(lines) and not closing.fullmatch(lines[place]):
            place += 1
        assert place < len(lines), f"{page}:{first}: this block is never closed"
        indent = len(opening["indent"])
        content = [line[indent:] if line[:indent].isspace() else line for line in lines[first:place]]
        place += 1
        directive = re.fullmatch(r"\{(?P<name>[\w-]+)\}\s*(?P<argument>.*)", opening["info"].strip())
        options: dict[str, str] = {}
        while directive and content and (option := OPTION.fullmatch(content[0].strip())):
            options[option["name"]] = option["value"]
            content, first = content[1:], first + 1
        while content and not content[0].strip():
            content, first = content[1:], first + 1
        language = opening["info"].strip()
        if directive:
            language = directive["argument"] if directive["name"] == "code-block" else f"{{{directive['name']}}}"
        yield Snippet(
            page=page,
            line=first + 1,
            language=language,
            text="".join(f"{line}\n" for line in content),
            file=options.get("caption"),
            marker=marker,
        )
        marker = ""


def commands(snippet: Snippet) -> list[Command]:
    """The commands of a console block, each with the output that stands after it."""
    found: list[tuple[int, list[str], list[str]]] = []
    until: str | None = None
    for number, line in enumerate(snippet.text.splitlines(), start=snippet.line):
        if until is not None or (found and not found[-1][2] and found[-1][1][-1].endswith("\\")):
            found[-1][1].append(line)
            until = None if line == until else until
        elif line.startswith("$ "):
            found.append((number, [line[2:]], []))
            here = HERE_DOCUMENT.search(line)
            until = here[1] if here else None
        else:
            assert found, f"{snippet.page}:{number}: output before the first command; a command begins with '$ '"
            found[-1][2].append(line)
    return [Command(line=number, text="\n".join(text), expected=tuple(out)) for number, text, out in found]
