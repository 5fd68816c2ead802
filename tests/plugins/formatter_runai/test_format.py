"""What a job becomes for Run:ai."""

from pathlib import Path
from typing import Any

import pytest

from tests.plugins.formatter_slurm.contexts import claimed
from whatsnext_core.errors import TemplateError
from whatsnext_core.formatting import ExecutionState
from whatsnext_core.model import Cause, Requirement
from whatsnext_formatter_runai import RUNAIFormatter
from whatsnext_formatter_runai.states import Seen, judge


def test_format_gives_a_submission_with_the_parameters_as_variables() -> None:
    formatter = RUNAIFormatter("vision", "python:3.12", gpu=0.5, working_dir="/work", environment={"A": "b"})
    command = formatter.format("train", {"lr": 0.01, "batch-size": 32, "layers": [64, 64], "debug": True, "seed": None})
    expected = ["runai", "submit", "train", "-p", "vision", "-i", "python:3.12", "-g", "0.5", "--cpu", "1"]
    expected += ["--memory", "4Gi", "--backoff-limit", "0", "--working-dir", "/work", "-e", "A=b", "-e", "LR=0.01"]
    assert command == [*expected, "-e", "BATCH_SIZE=32", "-e", "LAYERS=[64,64]", "-e", "DEBUG=true"]


def test_parameters_that_make_one_variable_are_refused() -> None:
    with pytest.raises(TemplateError, match="'a-b' and 'a_b'"):
        RUNAIFormatter("vision", "busybox").format("train", {"a-b": 1, "a_b": 2})


def test_requirements_and_template_of_the_task_come_first(tmp_path: Path) -> None:
    needs = Requirement(cpu=4, accelerators=0.5, memory=2**30)
    context = claimed(tmp_path, "train --lr {lr}", {"lr": 0.1}, requirement=needs)
    argv = RUNAIFormatter("vision", "busybox").prepare(context).argv
    assert argv[argv.index("-g") + 1] == "0.5"
    assert (argv[argv.index("--cpu") + 1], argv[argv.index("--memory") + 1]) == ("4", "1024Mi")
    assert argv[-5:] == ("--command", "--", "train", "--lr", "0.1")


@pytest.mark.parametrize(("options", "words"), [({"gpus": 1}, "gpus"), ({"project": "x"}, "project")])
def test_wrong_options_of_a_task_are_named(tmp_path: Path, options: dict[str, Any], words: str) -> None:
    with pytest.raises(TemplateError, match=words):
        RUNAIFormatter("vision", "busybox").prepare(claimed(tmp_path, "true", options={"runai": options}))


@pytest.mark.parametrize(
    ("status", "terminated", "cause", "code"),
    [
        ("Failed", {"exitCode": 3}, Cause.EXIT, 3),
        ("Fail", {}, Cause.EXIT, None),
        ("Failed", {"exitCode": 137, "reason": "OOMKilled"}, Cause.OOM, 137),
        ("Preempted", {}, Cause.PREEMPTED, None),
        ("TimedOut", {}, Cause.WALLTIME, None),
    ],
)
def test_failure_has_its_cause(status: str, terminated: dict[str, Any], cause: Cause, code: int | None) -> None:
    execution = judge(Seen(status=status, document={}), terminated)
    assert (execution.state, execution.cause, execution.exit_code) == (ExecutionState.ENDED, cause, code)


def test_unknown_state_is_asked_for_again() -> None:
    assert judge(Seen(status="Levitating", document={}), {}).state is ExecutionState.UNKNOWN
