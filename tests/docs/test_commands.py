"""Commands on the pages exist, also where they are not run."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from tests.docs.runner import pages, read_page
from tests.docs.snippets import Snippet, commands, snippets
from tests.docs.test_reference import PROGRAMS
from tests.support import ROOT, distributions

NAME = re.compile(r"\bwhatsnext-(?:core|server|client|(?:autoscale|formatter|storage|probe)-\w+)\b")


def command_lines(snippet: Snippet) -> Iterator[list[str]]:
    """The words of each command of ours in a block: of a console, or of a service."""
    lines = [command.text for command in commands(snippet)] if snippet.language == "console" else []
    if snippet.language == "ini":
        lines = re.findall(r"^ExecStart=(.*)$", snippet.text, re.MULTILINE)
    for line in lines:
        for part in re.split(r"\||&&|;|\$\(|<<", line.replace("\\\n", " ")):
            try:
                words = shlex.split(part)
            except ValueError:
                continue
            words = words[next((n for n, word in enumerate(words) if not re.match(r"\w+=", word)), 0) :]
            if words and words[0].rpartition("/")[2] in dict(PROGRAMS):
                yield [words[0].rpartition("/")[2], *words[1:]]


def options_of(context: click.Context) -> dict[str, click.Option]:
    """The options of a command by each of their names."""
    options = [param for param in context.command.get_params(context) if isinstance(param, click.Option)]
    return {name: option for option in options for name in [*option.opts, *option.secondary_opts]}


def unknown_words(words: list[str]) -> list[str]:
    """The commands and options of a command line that the program does not have."""
    context = click.Context(dict(PROGRAMS)[words[0]], info_name=words[0])
    known, unknown, rest = options_of(context), [], words[1:]
    while rest:
        word = rest.pop(0)
        name, equals, _ = word.partition("=")
        if re.match(r"--?[a-z]", word):
            if name not in known:
                unknown.append(name)
            elif not known[name].is_flag and not equals:
                rest[:1] = []
        elif isinstance(context.command, click.Group):
            command = context.command.get_command(context, word)
            if command is None:
                return [*unknown, word]
            context = click.Context(command, info_name=word, parent=context)
            known |= options_of(context)
    return unknown


@pytest.mark.parametrize("page", pages(), ids=str)
def test_commands_and_options_of_a_page_exist(page: Path) -> None:
    for snippet in read_page(page):
        for words in command_lines(snippet):
            assert unknown_words(words) == [], f"{snippet.place}: {shlex.join(words)}"


@pytest.mark.parametrize("page", pages(), ids=str)
def test_distributions_that_a_page_names_exist(page: Path) -> None:
    assert set(NAME.findall((ROOT / page).read_text(encoding="utf-8"))) - distributions().keys() == set()


def test_an_unknown_command_or_option_is_found() -> None:
    assert unknown_words(shlex.split("whatsnext --project p jobs add --sweep a=1 --frobnicate")) == ["--frobnicate"]
    assert unknown_words(shlex.split("whatsnext --project jobs frobs")) == ["frobs"]
    assert unknown_words(shlex.split("whatsnext jobs add train --param a=1 -p 8000")) == []


def test_commands_are_found_in_consoles_and_services(tmp_path: Path) -> None:
    console, service = "$ A=1 whatsnext jobs ls | wc -l", "[Service]\nExecStart=/opt/bin/whatsnext worker --once"
    text = f"```console\n{console}\n```\n```ini\n{service}\n```\n"
    found = [words for snippet in snippets(tmp_path, text) for words in command_lines(snippet)]
    assert found == [["whatsnext", "jobs", "ls"], ["whatsnext", "worker", "--once"]]
