"""Scenarios F1 to F7: a job becomes an invocation."""

from __future__ import annotations

import json
import random
import string

import pytest

from whatsnext_core.errors import TemplateError
from whatsnext_core.formatting import artifacts_folder
from whatsnext_core.testing.formatter.base import FormatterFixtures
from whatsnext_core.testing.formatter.jobs import Jobs

AWKWARD = (
    "",
    " ",
    "two words",
    "-rf",
    "--",
    "--key=value",
    "it's",
    'say "no"',
    "$HOME ${HOME} $(touch pwned) `touch pwned`",
    "a;b|c&d>e<f",
    "*?[a-z]{1,2}~",
    "back\\slash\\",
    "two\nlines\n",
    "\ttab\r\n",
    "{name} {{braces}}",
    "%s %% !! #",
    "ünïcödé 日本語 🚀",
    "x" * 100_000,
)
"""Arguments that a careless quotation would break."""
ECHO = "shift; for word; do printf '%s\\0' \"$word\"; done"
"""The script that writes its arguments, each ended by a zero byte."""


class PreparationScenarios(FormatterFixtures):
    """What an invocation is, and that no value is ever interpreted."""

    def test_preparing_is_pure(self, jobs: Jobs) -> None:
        """F01 (Engine.prepare): the same job gives the same invocation, and nothing is written."""
        context = jobs.script("exit 0", "a", environment={"COLOUR": "blue"})
        first = jobs.engine.prepare(context)
        assert jobs.engine.prepare(context) == first
        assert list(context.directory.rglob("*")) == [artifacts_folder(context)]

    def test_invocation_carries_key_command_and_logs(self, jobs: Jobs) -> None:
        """F02 (Invocation): a key, a command of strings, and absolute paths."""
        context = jobs.script("exit 0")
        invocation = jobs.engine.prepare(context)
        assert invocation.key == context.key
        assert invocation.argv
        assert all(isinstance(word, str) for word in invocation.argv)
        assert invocation.stdout != invocation.stderr
        assert all(path.is_absolute() for path in (invocation.stdout, invocation.stderr, *invocation.files))

    def test_missing_placeholder_is_an_error_that_names_it(self, jobs: Jobs) -> None:
        """F03 (Engine.prepare): no half-filled command; the sentence says what there is."""
        context = jobs.context("train --lr {lr}", {"epochs": 3})
        with pytest.raises(TemplateError, match="lr") as raised:
            jobs.engine.prepare(context)
        assert "epochs" in str(raised.value)

    def test_template_wins_over_the_formatters_own_command(self, jobs: Jobs) -> None:
        """F04 (TaskSpec.command_template): a task's own command comes first."""
        done = jobs.run(jobs.context("echo {word}", {"word": "from the template"}))
        assert (done.execution.succeeded, done.stdout) == (True, b"from the template\n")

    def test_awkward_values_arrive_exactly(self, jobs: Jobs) -> None:
        """F05 (Invocation.argv): quotes, dashes, dollars, line ends, nothing at all, and 100 kB."""
        done = jobs.run(jobs.script(ECHO, *AWKWARD))
        assert done.stdout.decode().split("\0")[:-1] == list(AWKWARD)
        assert done.execution.succeeded

    def test_random_values_arrive_exactly(self, jobs: Jobs) -> None:
        """F06 (Invocation.argv): whatever stands on a keyboard, and beyond."""
        letters = string.punctuation * 3 + string.ascii_letters + " \t\n\r\x01\x7f" + "éß中🎉"
        dice = random.Random(6)  # noqa: S311 - the same values in every run
        words = ["".join(dice.choices(letters, k=dice.randrange(1, 30))) for _ in range(500)]
        done = jobs.run(jobs.script(ECHO, *words))
        assert done.stdout.decode().split("\0")[:-1] == words

    def test_parameters_arrive_in_a_file(self, jobs: Jobs) -> None:
        """F07 (WHATSNEXT_PARAMETERS): the very JSON object."""
        if not self.sets_variables:
            pytest.skip("This formatter declares that jobs do not get variables.")
        parameters = {"lr": 0.01, "layers": [64, 64], "name": "it's", "nested": {"ü": None}}
        context = jobs.context("sh -c 'cat \"$WHATSNEXT_PARAMETERS\"'", parameters)
        assert json.loads(jobs.run(context).stdout) == parameters
