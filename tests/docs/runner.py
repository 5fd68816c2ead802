"""Runs a page as a reader would: every block in its order, in a folder of its own."""

import os
import re
import sys
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.docs.matching import matches
from tests.docs.shell import Python, Shell
from tests.docs.snippets import Command, Snippet, commands, snippets
from tests.docs.syntax import check_syntax
from tests.support import ROOT, free_ports, wait_until

__all__ = ["DATABASE", "PageRun", "pages", "read_page", "runs"]

DATABASE = "postgresql://whatsnext:secret@db/whatsnext"
"""The address of PostgreSQL that the pages use."""
PORTS = ("8000", "8001", "8002")
"""The ports that the pages use."""
ASSIGNMENTS = r"(?:\w+=\S+ )*"
SERVES = re.compile(ASSIGNMENTS + r"(whatsnext-server run|whatsnext up|uvicorn)\b.*", re.DOTALL)
STAYS = re.compile(ASSIGNMENTS + r"whatsnext worker\b.* --forever\b.*", re.DOTALL)


def pages() -> list[Path]:
    """Every page that people read, relative to the repository."""
    found = [ROOT / "README.md", ROOT / "CHANGELOG.md", *ROOT.glob("*/README.md"), *ROOT.glob("plugins/*/README.md")]
    found += (ROOT / "docs").rglob("*.md")
    return sorted({page.relative_to(ROOT) for page in found if "_build" not in page.parts})


def read_page(page: Path) -> list[Snippet]:
    """The blocks of a page of this repository."""
    return snippets(page, (ROOT / page).read_text(encoding="utf-8"))


def runs(snippet: Snippet) -> bool:
    """Whether a block does something when its page is run."""
    return snippet.reason is None and (snippet.file is not None or snippet.language in {"console", "python"})


def answers(url: str) -> bool:
    """Whether an HTTP server answers well at a URL."""
    try:
        with urllib.request.urlopen(url, timeout=5) as response:  # noqa: S310  the tests' own server
            return bool(response.status == 200)
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return False


class PageRun:
    """One run of one page."""

    def __init__(self, folder: Path, database: str | None = None) -> None:
        self.folder = folder
        self.ports = dict(zip(PORTS, map(str, free_ports(len(PORTS))), strict=True))
        self.database = database
        self.shell = Shell(folder, self._environment())
        self.python: Python | None = None
        self.printed = ""

    def _environment(self) -> dict[str, str]:
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "WHATSNEXT_", "XDG_"))}
        home = self.folder / ".home"
        home.mkdir()
        return {
            **kept,
            "HOME": str(home),
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), kept["PATH"]]),
            "WHATSNEXT_PORT": self.ports["8000"],
            "COLUMNS": "160",
            "TERM": "dumb",
            "NO_COLOR": "1",
            "PYTHONUNBUFFERED": "1",
        }

    def adapt(self, text: str) -> str:
        """A text of the page with the addresses of this run."""
        for shown, real in self.ports.items():
            text = re.sub(rf"\b{shown}\b", real, text)
        return text if self.database is None else text.replace(DATABASE, self.database)

    def run(self, snippet: Snippet) -> None:
        """Does what a reader does with a block."""
        check_syntax(snippet)
        if snippet.marker == "prints":
            expected = self.adapt(snippet.text)
            assert matches(expected.splitlines(), self.printed), (
                f"{snippet.place}: expected\n{expected}\nbut the code before it printed\n{self.printed}"
            )
        if not runs(snippet):
            return
        if snippet.file is not None:
            target = self.folder / snippet.file
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(self.adapt(snippet.text), encoding="utf-8")
        elif snippet.language == "python":
            if self.python is None:
                self.python = Python(self.folder, self.shell.environment())
            self.printed = self.python.run(self.adapt(snippet.text), snippet.page, snippet.line)
        else:
            self._run_commands(snippet)

    def _run_commands(self, snippet: Snippet) -> None:
        todo = commands(snippet)
        for command, following in zip(todo, [*todo[1:], None], strict=True):
            text = self.adapt(command.text)
            if SERVES.fullmatch(text) or STAYS.fullmatch(text):
                self._start(snippet, command, text)
                continue
            try:
                result = self.shell.run(text)
            except AssertionError as error:
                raise AssertionError(f"{snippet.page}:{command.line}: {error}{self._background()}") from error
            place = f"{snippet.page}:{command.line}"
            said = f"{place}: `{text}` ended with {result.status} and printed\n{result.output}{self._background()}"
            assert result.status == 0 or (following and following.text.strip() == "echo $?"), said
            expected = [self.adapt(line) for line in command.expected]
            assert not expected or matches(expected, result.output), (
                said + "\nbut the page shows\n" + "\n".join(expected)
            )

    def _start(self, snippet: Snippet, command: Command, text: str) -> None:
        number = len(self.shell.daemons)
        log = self.shell.start(text)

        def printed(what: Callable[[str], object]) -> bool:
            output = log.read_text(errors="replace")
            assert self.shell.lives(number), f"{snippet.page}:{command.line}: `{text}` ended at once:\n{output}"
            return bool(what(output))

        expected = [self.adapt(line) for line in command.expected]
        assert expected or not STAYS.fullmatch(text), (
            f"{snippet.page}:{command.line}: show what `{text}` says when it is ready"
        )
        if SERVES.fullmatch(text):
            port = found[1] if (found := re.search(r"(?:--port|-p)[ =](\d+)", text)) else self.ports["8000"]
            url = f"http://127.0.0.1:{port}/checkdb"
            wait_until(lambda: printed(lambda _: answers(url)), 40, f"`{text}` answers")
        if expected:
            wait_until(
                lambda: printed(lambda output: matches([*expected, "..."], output)), 20, f"`{text}` prints {expected}"
            )

    def _background(self) -> str:
        logs = [
            f"\n`{command}` printed\n{log.read_text(errors='replace')[-3000:]}"
            for _, command, log in self.shell.daemons
        ]
        return "".join(logs)

    def end(self) -> None:
        """Ends what runs in the background; each must end well."""
        for command, status, output in self.shell.stop_daemons():
            assert status == 0, f"`{command}` ended with {status} after SIGTERM; it printed\n{output}"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self.python is not None:
            self.python.close()
        self.shell.close()
