"""A stand-in for kubectl: the jobs lie in a folder, and their commands run as local processes.

A script on the PATH calls it with that folder as its first argument. Files in the folder change how it behaves:
`outage` and `garbage` for a cluster that does not answer, or not sense; `slow` for one that is slow.
Images that begin with `missing` cannot be pulled, and `calls` has a line for each call.
"""

import json
import os
import re
import signal
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

STATE = Path(sys.argv.pop(1))
LINGERS = 2
"""Seconds that a deleted pod's output can still be had."""
NOW = "2026-01-01T00:00:00Z"


def say(words: str) -> None:
    sys.stdout.write(f"{words}\n")


def fail(words: str) -> NoReturn:
    sys.exit(words)


def expand(text: str, variables: Mapping[str, str]) -> str:
    """Fills in `$(NAME)`, and reads `$$` as one dollar, as the kubelet does."""

    def fill(found: re.Match[str]) -> str:
        return "$" if found[0] == "$$" else variables.get(found[1], found[0])

    return re.sub(r"\$\$|\$\(([^)]*)\)", fill, text)


def write(path: Path, text: str) -> None:
    part = path.with_suffix(f".{os.getpid()}")
    part.write_text(text)
    part.rename(path)


def kubelet(name: str, container: Mapping[str, Any]) -> None:
    """Runs a container as a session of processes: detached from the caller, as a cluster is."""
    if os.fork():
        return
    os.setsid()
    variables: dict[str, str] = {}
    for each in container["env"]:
        variables[each["name"]] = expand(each["value"], variables)
    words = [expand(word, variables) for word in container["command"]]
    null, log = os.open(os.devnull, os.O_RDWR), os.open(STATE / f"{name}.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    reader, writer = os.pipe()
    os.set_inheritable(writer, False)
    pid = os.fork()
    if pid == 0:
        os.setsid()
        for number, stream in enumerate((null, log, log)):
            os.dup2(stream, number)
        try:
            os.chdir(container.get("workingDir", "/"))
            os.execvpe(words[0], words, {"PATH": os.environ["PATH"], **variables})  # noqa: S606  # as a container does
        except OSError as error:
            os.write(writer, f'exec: "{words[0]}": {error.strerror}'.encode())
        os._exit(128)
    for stream in range(3):
        os.dup2(null, stream)
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


def create(arguments: list[str]) -> None:
    if arguments[:2] != ["-f", "-"]:
        fail("error: must specify one of -f and -k")
    job = json.load(sys.stdin)
    name = job["metadata"]["name"]
    path = STATE / f"{name}.job"
    if path.exists():
        fail(f'Error from server (AlreadyExists): error when creating "STDIN": jobs.batch "{name}" already exists')
    pod = job["spec"]["template"]["spec"]
    if pod.get("serviceAccountName") == "forbidden":
        fail('Error from server (Forbidden): error when creating "STDIN": jobs.batch is forbidden: User "eve" cannot')
    write(path, json.dumps(job))
    container = pod["containers"][0]
    if not container["image"].startswith("missing"):
        kubelet(name, container)
        while not (STATE / f"{name}.pid").exists():
            time.sleep(0.002)
    say(f"job.batch/{name}")


def chosen(selector: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """The manifests of jobs whose labels meet a selector like `a in (b,c)`."""
    key, _, values = selector.removesuffix(")").partition(" in (")
    for path in sorted(STATE.glob("*.job")):
        job = json.loads(path.read_text())
        if job["metadata"]["labels"][key] in values.split(","):
            yield path.stem, job


def ended(name: str) -> dict[str, Any] | None:
    path = STATE / f"{name}.end"
    return json.loads(path.read_text()) if path.exists() else None


def get(arguments: list[str]) -> None:
    kinds, _, selector, *form = arguments
    if kinds != "jobs,pods" or form != ["-o", "json"]:
        fail(f"error: the stand-in knows nothing of {arguments}")
    items: list[dict[str, Any]] = []
    for name, job in chosen(selector):
        end, deleted = ended(name), (STATE / f"{name}.deleted").exists()
        pulled = (STATE / f"{name}.pid").exists()
        if deleted and (end or not pulled):
            continue
        conditions: list[dict[str, str]] = []
        state: dict[str, Any] = {"running": {"startedAt": NOW}}
        phase = "Running"
        if not pulled:
            message = 'Back-off pulling image: "not found"'
            state, phase = {"waiting": {"reason": "ImagePullBackOff", "message": message}}, "Pending"
        if end:
            good = end["exitCode"] == 0
            state, phase = {"terminated": end}, "Succeeded" if good else "Failed"
            why = {} if good else {"reason": "BackoffLimitExceeded", "message": "Job has reached the backoff limit"}
            conditions = [{"type": "Complete" if good else "Failed", "status": "True", **why}]
        labels = job["spec"]["template"]["metadata"]["labels"]
        status = {"phase": phase, "containerStatuses": [{"name": "job", "state": state}]}
        metadata = {"name": f"{name}-x7k2p", "labels": labels, "creationTimestamp": NOW}
        items.append({"kind": "Pod", "metadata": metadata, "status": status})
        if not deleted:
            items.append({"kind": "Job", "metadata": job["metadata"], "status": {"conditions": conditions}})
    say(json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))


def delete(arguments: list[str]) -> None:
    kinds, _, selector, grace, *_ = arguments
    seconds = int(grace.removeprefix("--grace-period="))
    if kinds != "pods,jobs" or seconds < 1:
        fail("error: --grace-period must be greater than 0 if --force is not specified")
    found = [name for name, _ in chosen(selector)]
    for name in found:
        (STATE / f"{name}.deleted").touch()
        if ended(name) or not (STATE / f"{name}.pid").exists():
            continue
        pid = int((STATE / f"{name}.pid").read_text())
        os.kill(pid, signal.SIGTERM)
        if os.fork() == 0:
            os.setsid()
            for stream in range(3):
                os.dup2(os.open(os.devnull, os.O_RDWR), stream)
            deadline = time.monotonic() + seconds
            while not ended(name) and STATE.exists():
                if time.monotonic() > deadline:
                    os.killpg(pid, signal.SIGKILL)
                    break
                time.sleep(0.05)
            os._exit(0)
    say("\n".join(f'job.batch "{name}" deleted' for name in found) or "No resources found")


def logs(arguments: list[str]) -> None:
    follow = arguments[0] == "--follow"
    name = arguments[int(follow)].rpartition("-")[0]
    gone = (STATE / f"{name}.deleted").exists() and ended(name)
    if gone and time.time() - (STATE / f"{name}.end").stat().st_mtime > LINGERS:
        fail(f'Error from server (NotFound): pods "{arguments[int(follow)]}" not found')
    with (STATE / f"{name}.log").open("rb") as stream:
        while True:
            over = not follow or ended(name)
            while block := stream.read(65536):
                sys.stdout.buffer.write(block)
            sys.stdout.buffer.flush()
            if over:
                return
            time.sleep(0.02)


def execute(arguments: list[str]) -> None:
    pod, _, _, _, *words = arguments
    if words[:2] != ["kill", "-s"] or (STATE / "no-kill").exists():
        fail(f'error: exec: "{words[0]}": executable file not found in $PATH')
    os.kill(int((STATE / f"{pod.rpartition('-')[0]}.pid").read_text()), signal.Signals[f"SIG{words[2]}"])


def main() -> None:
    arguments = [each for each in sys.argv[1:] if not re.match("--(context|namespace|request-timeout)=", each)]
    verb = arguments.pop(0)
    with (STATE / "calls").open("a") as calls:
        calls.write(f"{verb} {' '.join(arguments)}\n")
    if (STATE / "slow").exists():
        time.sleep(float((STATE / "slow").read_text()))
    if (STATE / "outage").exists():
        fail("Unable to connect to the server: dial tcp 127.0.0.1:6443: connect: connection refused")
    if verb == "get" and (STATE / "garbage").exists():
        say("<html>504 Gateway Timeout</html>")
        return
    verbs = {"create": create, "get": get, "delete": delete, "logs": logs, "exec": execute}
    verbs[verb](arguments)


main()
