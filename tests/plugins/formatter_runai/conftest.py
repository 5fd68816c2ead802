"""A stand-in for runai on the PATH."""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

STAND_IN = Path(__file__).with_name("runai.py")


@pytest.fixture
def cluster(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of a Run:ai that is none; all its processes are gone after the test."""
    state = tmp_path_factory.mktemp("cluster")
    program = tmp_path_factory.mktemp("bin") / "runai"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -IS {STAND_IN} {state} "$@"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    yield state
    for file in state.glob("*.pid"):
        if not file.with_suffix(".end").exists():
            with suppress(ProcessLookupError):
                os.killpg(int(file.read_text()), signal.SIGKILL)
