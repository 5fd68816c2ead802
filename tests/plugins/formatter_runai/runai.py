"""A stand-in for runai: the jobs lie in a folder, and their commands run as local processes.

A script on the PATH calls it with that folder as its first argument. Files in the folder change how it behaves:
`outage` and `garbage` for a control plane that does not answer, or not sense; `terse` for one that tells no exit codes.
Images that begin with `missing` cannot be pulled, and `calls` has a line for each call.
"""

import json
import os
import signal
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

STATE = Path(sys.argv.pop(1))
GRACE = 1.5
"""Seconds between SIGTERM and SIGKILL."""
VALUES = ("-p", "-i", "-g", "--cpu", "--memory", "--backoff-limit", "--working-dir", "-e")
"""Flags of `runai submit` that have a value."""
LINGERS = 2
"""Seconds that a deleted job's output can still be had."""


def say(words: str) -> None:
    sys.stdout.write(f"{words}\n")


def fail(words: str) -> NoReturn:
    sys.exit(words)


def write(path: Path, text: str) -> None:
    part = path.with_suffix(f".{os.getpid()}")
    part.write_text(text)
    part.rename(path)


def container(name: str, words: list[str], variables: Mapping[str, str], folder: str) -> None:
    """Runs a container as a session of processes: detached from the caller, as a cluster is."""
    if os.fork():
        return
    os.setsid()
    null, log = os.open(os.devnull, os.O_RDWR), os.open(STATE / f"{name}.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    reader, writer = os.pipe()
    os.set_inheritable(writer, False)
    pid = os.fork()
    if pid == 0:
        os.setsid()
        for number, stream in enumerate((null, log, log)):
            os.dup2(stream, number)
        try:
            os.chdir(folder)
            os.execvpe(words[0], words, {"PATH": os.environ["PATH"], **variables})  # noqa: S606  # as a container does
        except OSError as error:
            os.write(writer, f'exec: "{words[0]}": {error.strerror}'.encode())
        os._exit(128)
    for number in range(3):
        os.dup2(null, number)
    os.close(writer)
    write(STATE / f"{name}.pid", str(pid))
    trouble = os.read(reader, 1000).decode()
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    with suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)
    end: dict[str, Any] = {"exitCode": 128 - code if code < 0 else code, "reason": "Error" if code else "Completed"}
    if trouble:
        end = {"exitCode": 128, "reason": "StartError", "message": f"failed to create containerd task: {trouble}"}
    write(STATE / f"{name}.end", json.dumps(end))
    os._exit(0)


def submit(arguments: list[str]) -> None:
    end = arguments.index("--") if "--" in arguments else len(arguments)
    name, *flags = arguments[:end]
    given: dict[str, list[str]] = {flag: [] for flag in VALUES}
    while flags:
        flag = flags.pop(0)
        if flag in VALUES:
            given[flag].append(flags.pop(0))
        elif flag != "--command":
            fail(f"unknown flag: {flag}")
    if not given["-i"] or not given["-p"]:
        fail("required flag(s) not set")
    words = arguments[end + 1 :] or ["sh", "-c", "env"]
    path = STATE / f"{name}.job"
    if path.exists():
        fail(f"workload {name} already exists")
    if given["-p"] == ["forbidden"]:
        fail("Forbidden: you are not a member of project 'forbidden'")
    write(path, json.dumps(given))
    if not given["-i"][0].startswith("missing"):
        variables = dict(each.split("=", 1) for each in given["-e"])
        container(name, words, variables, (given["--working-dir"] or ["/"])[0])
        while not (STATE / f"{name}.pid").exists():
            time.sleep(0.002)
    say(f"Creating workload {name}...\nTo track the workload's status, run:\n  runai workload list")


def ended(name: str) -> dict[str, Any] | None:
    path = STATE / f"{name}.end"
    return json.loads(path.read_text()) if path.exists() else None


def show(arguments: list[str]) -> None:
    if arguments[:2] != ["jobs", "--json"]:
        fail(f"unknown flags: {arguments}")
    workloads = []
    for path in sorted(STATE.glob("*.job")):
        name, end = path.stem, ended(path.stem)
        started, deleted = (STATE / f"{name}.pid").exists(), (STATE / f"{name}.deleted").exists()
        if deleted and (end or not started):
            continue
        phase = "Running" if started else "ImagePullBackOff"
        if end:
            phase = "Failed" if end["exitCode"] else "Completed"
        workloads.append({"name": name, "projectName": "vision", "phase": "Deleting" if deleted else phase})
    say(json.dumps(workloads))


def describe(arguments: list[str]) -> None:
    _, name, *form = arguments
    if form[:2] != ["-o", "json"] or (STATE / "terse").exists():
        fail("unknown shorthand flag: 'o' in -o")
    say(json.dumps({"name": name, "pods": [{"containers": [{"state": {"terminated": ended(name)}}]}]}))


def delete(arguments: list[str]) -> None:
    _, name, *_ = arguments
    if not (STATE / f"{name}.job").exists():
        fail(f"workload {name} not found")
    (STATE / f"{name}.deleted").touch()
    if ended(name) or not (STATE / f"{name}.pid").exists():
        return
    pid = int((STATE / f"{name}.pid").read_text())
    os.kill(pid, signal.SIGTERM)
    if os.fork() == 0:
        os.setsid()
        for stream in range(3):
            os.dup2(os.open(os.devnull, os.O_RDWR), stream)
        deadline = time.monotonic() + GRACE
        while not ended(name) and time.monotonic() < deadline:
            time.sleep(0.05)
        if not ended(name):
            os.killpg(pid, signal.SIGKILL)
        os._exit(0)


def logs(arguments: list[str]) -> None:
    name, *more = arguments
    gone = (STATE / f"{name}.deleted").exists() and ended(name)
    if gone and time.time() - (STATE / f"{name}.end").stat().st_mtime > LINGERS:
        fail(f"workload {name} not found")
    with (STATE / f"{name}.log").open("rb") as stream:
        while True:
            over = "-f" not in more or ended(name)
            while block := stream.read(65536):
                sys.stdout.buffer.write(block)
            sys.stdout.buffer.flush()
            if over:
                return
            time.sleep(0.02)


def main() -> None:
    verb, *arguments = sys.argv[1:]
    with (STATE / "calls").open("a") as calls:
        calls.write(f"{verb} {' '.join(arguments)}\n")
    if (STATE / "outage").exists():
        fail("Error: Get https://control.example/api: dial tcp 192.0.2.1:443: connect: connection refused")
    if verb == "list" and (STATE / "garbage").exists():
        say("NAME  STATUS  AGE")
        return
    verbs = {"submit": submit, "list": show, "describe": describe, "delete": delete, "logs": logs}
    verbs[verb](arguments)


main()
