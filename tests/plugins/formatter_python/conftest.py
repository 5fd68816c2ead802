"""Functions that jobs call, in a module of their own, and jobs that call them."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from whatsnext_core.formatting import JobContext
from whatsnext_core.testing.formatter import Jobs
from whatsnext_formatter_python import PythonFormatter

MODULE = """
import os, signal, subprocess, sys, threading, time

def add(a, b=1):
    return {"sum": a + b}

def pid(**_):
    print(os.getpid())

def speak(words):
    print(words)
    print(words.upper(), file=sys.stderr)

def fail(message):
    raise ValueError(message)

def leave(code):
    sys.exit(code)

def crash(number):
    os.kill(os.getpid(), number)
    time.sleep(60)

def vanish(code):
    os._exit(code)

def give_back(kind):
    return {"nothing": None, "set": {1}, "nan": float("nan"), "long": "x" * 70_000}[kind]

def spoil(folder):
    os.environ["SPOILT"] = os.environ["WHATSNEXT_JOB_ID"]
    del os.environ["HOME"]
    os.chdir(folder)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)

def look():
    handler = signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    names = ("SPOILT", "HOME", "WHATSNEXT_JOB_ID", "CUDA_VISIBLE_DEVICES")
    return [os.getpid(), os.getcwd(), handler, *map(os.environ.get, names)]

def leave_behind(what):
    if what == "thread":
        threading.Thread(target=time.sleep, args=(1,)).start()
    else:
        subprocess.Popen(["sleep", "1"])
    return os.getpid()

def wait(folder, deaf=False):
    if deaf:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    beat = 'trap "" TERM; while :; do echo >>"$1"; sleep 0.05; done'
    child = subprocess.Popen(["sh", "-c", beat, "sh", folder + "/beat"])
    while not os.path.exists(folder + "/beat"):
        time.sleep(0.01)
    open(folder + "/ready", "w").close()
    while not os.path.exists(folder + "/go"):
        time.sleep(0.02)
    child.kill()
    child.wait()
    return "done"

def grow():
    grow.kept = bytearray(64 * 2**20)
    return os.getpid()

class Group:
    @staticmethod
    def inner():
        return "found"
"""


@pytest.fixture
def module(tmp_path: Path) -> Path:
    """The module ``work`` in a folder of its own."""
    folder = tmp_path / "code"
    folder.mkdir()
    (folder / "work.py").write_text(MODULE)
    return folder / "work.py"


@pytest.fixture
def make(module: Path) -> Iterator[Callable[..., Jobs]]:
    """What makes jobs on a formatter with further settings."""
    made: list[Jobs] = []

    def make(**settings: Any) -> Jobs:
        folder = module.parent.with_name(f"jobs-{len(made)}")
        folder.mkdir()
        made.append(Jobs(PythonFormatter(working_dir=str(module.parent), **settings), folder, patience=60))
        return made[-1]

    yield make
    for jobs in made:
        jobs.clear()
        jobs.engine.close()


@pytest.fixture
def jobs(make: Callable[..., Jobs]) -> Jobs:
    """Jobs on a formatter with its defaults."""
    return make()


def call(jobs: Jobs, function: str, parameters: dict[str, Any] | None = None, **more: Any) -> JobContext:
    """A claimed job that calls a function of the module."""
    options = {"python": {"function": f"work:{function}"}}
    return jobs.context(None, parameters or {}, **{"options": options, **more})
