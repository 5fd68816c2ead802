"""Run a real piece of machine learning through WhatsNext on this machine, and show it live.

A server on SQLite and a worker start as processes of their own. Then sixteen jobs of six tasks go through them:
prepare a data set, train a sweep of classifiers, choose the best, write a report; one job fails first and is retried.
"""

from __future__ import annotations

import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from rich.console import Console
from rich.live import Live
from rich.table import Table

from whatsnext.api.client import Job, Project, Server

HERE = Path(__file__).resolve().parent
OUTPUT = Path.cwd() / ".demo"
PROGRAMS = Path(sys.executable).parent
SWEEP = {"svm": (0.1, 1.0, 10.0, 100.0), "logistic": (0.01, 0.1, 1.0, 10.0), "forest": (20, 50, 100, 200)}
COLOURS = {"COMPLETED": "green", "RUNNING": "cyan", "QUEUED": "blue", "PENDING": "white", "FAILED": "red"}


@contextmanager
def running(name: str, *command: str) -> Iterator[subprocess.Popen[str]]:
    """Run a program beside this one, its messages in a file of its name, and end it at the end."""
    with (OUTPUT / f"{name}.log").open("w", encoding="utf-8") as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, text=True)
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=30)


def connect(port_file: Path, process: subprocess.Popen[str]) -> Server:
    """Return the server once it answers."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        if port_file.exists() and (text := port_file.read_text(encoding="utf-8").strip()):
            return Server("127.0.0.1", int(text))
        time.sleep(0.05)
    sys.exit(f"The server did not start; {OUTPUT / 'server.log'} says why.")


def submit(project: Project) -> list[Job]:
    """Create the tasks, and submit all jobs with their dependencies."""
    program = f"{shlex.quote(sys.executable)} {shlex.quote(str(HERE / 'stages.py'))}"
    project.create_task("prepare", command_template=f"{program} prepare --data {{data}}")
    project.create_task(
        "names", command_template=f"{program} names --data {{data}}", retry={"retries": 2, "delay": 1.0}
    )
    training = f"{program} train --data {{data}} --model {{model}} --strength {{strength}} --scores {{scores}}"
    project.create_task("train", command_template=training)
    project.create_task("train-wide", command_template=training, required_cpu=2)
    project.create_task("choose", command_template=f"{program} choose --scores {{scores}} --best {{best}}")
    project.create_task(
        "report",
        command_template=f"{program} report --data {{data}} --names {{names}} --scores {{scores}} "
        "--best {best} --report {report}",
    )
    paths = {
        "data": str(OUTPUT / "digits.npz"),
        "names": str(OUTPUT / "names.json"),
        "scores": str(OUTPUT / "scores"),
        "best": str(OUTPUT / "best.json"),
        "report": str(OUTPUT / "report"),
    }
    prepare = Job("prepare", "prepare", {"data": paths["data"]}, priority=10)
    project.append_queue(prepare)
    names = Job("names", "names", {"data": paths["names"]}, depends=[prepare])
    training_jobs = [
        Job(
            f"{model}-{strength:g}",
            "train-wide" if model == "forest" else "train",
            {"data": paths["data"], "scores": paths["scores"], "model": model, "strength": strength},
            priority={"svm": 3, "logistic": 2, "forest": 1}[model],
            depends=[prepare],
        )
        for model, strengths in SWEEP.items()
        for strength in strengths
    ]
    project.extend_queue([names, *training_jobs])
    choose = Job("choose", "choose", {"scores": paths["scores"], "best": paths["best"]}, depends=training_jobs)
    project.append_queue(choose)
    report = Job("report", "report", paths, depends=[choose, names])
    project.append_queue(report)
    return [prepare, names, *training_jobs, choose, report]


def progress(jobs: list[Job]) -> Table:
    """Return the state of all jobs as a table."""
    table = Table(title="whatsnext demo: digits")
    for column in ("id", "job", "task", "priority", "attempts", "status"):
        table.add_column(column, justify="right" if column in ("id", "priority", "attempts") else "left")
    for job in jobs:
        colour = COLOURS.get(job.status, "yellow")
        status = f"[{colour}]{job.status}[/]"
        table.add_row(str(job.id), job.name, job.task, str(job.priority), str(job.attempt), status)
    totals = Counter(job.status for job in jobs)
    table.caption = ", ".join(f"{number} {status}" for status, number in totals.items())
    return table


def follow(project: Project, jobs: list[Job], console: Console) -> list[Job]:
    """Show the jobs until all have ended, and return them as they then are."""
    ids = {job.id for job in jobs}
    with Live(console=console, refresh_per_second=8, transient=not console.is_terminal) as live:
        while True:
            now = [job for job in project.jobs if job.id in ids]
            live.update(progress(now))
            if all(job.status in ("COMPLETED", "FAILED", "CANCELLED", "BLOCKED") for job in now):
                return now
            time.sleep(0.2)


def results(jobs: list[Job]) -> Table:
    """Return the scores that the training jobs returned, best first."""
    table = Table(title="results, best in validation first")
    for column in ("model", "strength", "validation", "test", "seconds", "CPUs"):
        table.add_column(column, justify="right")
    scores = [job.result for job in jobs if job.result]
    for score in sorted(scores, key=lambda score: -float(score["validation"])):
        table.add_row(
            score["model"],
            f"{score['strength']:g}",
            f"{score['validation']:.4f}",
            f"{score['test']:.4f}",
            f"{score['seconds']:.1f}",
            str(score["threads"]),
        )
    return table


def main() -> None:
    """Start server and worker, submit, follow, and show the results."""
    console = Console()
    shutil.rmtree(OUTPUT, ignore_errors=True)
    OUTPUT.mkdir()
    started, port_file = time.monotonic(), OUTPUT / "port"
    with ExitStack() as stack:
        server_process = stack.enter_context(
            running(
                "server", str(PROGRAMS / "whatsnext-server"), "run", "--port", "0", "--port-file", str(port_file),
                "--database", f"sqlite:///{OUTPUT / 'demo.db'}",
            )
        )  # fmt: skip
        server = connect(port_file, server_process)
        project = server.append_project("digits", description="a sweep over scikit-learn's digits")
        stack.enter_context(
            running(
                "worker", str(PROGRAMS / "whatsnext"), "worker", "--forever", "--project", "digits", "--cpus", "2",
                "--name", "demo-worker", "--port", port_file.read_text(encoding="utf-8").strip(),
            )
        )  # fmt: skip
        console.print(f"server at http://127.0.0.1:{port_file.read_text().strip()} on SQLite, one worker with 2 CPUs")
        jobs = follow(project, submit(project), console)
        files = {artifact.name for job in jobs for artifact in job.artifacts()}
        if not console.is_terminal:
            console.print(progress(jobs))
    console.print(results(jobs))
    failed = [job for job in jobs if job.status != "COMPLETED"]
    for job in failed:
        console.print(f"[red]{job.name} is {job.status}: {job.message}")
    if failed:
        sys.exit(1)
    names = next(job for job in jobs if job.name == "names")
    console.print(f"job names needed {names.attempt} attempts: its first one fails on purpose and is retried")
    console.print(f"job report left its files with the server, too: {', '.join(sorted(files))}")
    console.print(
        f"{len(jobs)} jobs in {time.monotonic() - started:.0f} s; the report lies at {OUTPUT / 'report' / 'report.md'}"
    )


if __name__ == "__main__":
    main()
