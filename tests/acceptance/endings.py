"""Jobs of every kind of end, by one worker that is killed in their midst and started again."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from attrs import frozen

from tests.support import Daemon, wait_until
from tests.support.server import RunningServer, clean_environment, command
from whatsnext.api.client import Job, Project, Server

__all__ = ["Mixture", "Outcome"]

SCRIPT = """\
echo "$WHATSNEXT_JOB_ID" >>"$1/runs"
echo "ran $3"
case $2 in
    well) sleep 0.2 ;;
    badly) echo "broke $3" >&2; exit $((2 + $3 % 50)) ;;
    forever) exec sleep 600 ;;
esac
"""
KINDS = ("well", "badly", "late", "unwanted", "after", "never")
"""How jobs end, in turn: ``after`` comes after one that ends well, ``never`` waits for one that does not."""
ENDED = ("COMPLETED", "FAILED", "CANCELLED", "BLOCKED")
HARD = (
    'it\'s "quoted" and `ticked`',
    "$(touch /tmp/whatsnext-was-here) ${HOME} $1; exit 9 && false || :",
    "line\nbreaks\n\n\tand tabs",
    "-rf --help",
    "--",
    "",
    "\\ back\\slashes \\n",
    "ünïcode 🜛",
    "x" * 100_000,
)
"""Values that must arrive as they were written."""


@frozen
class Outcome:
    """How a job ended, as far as that is to be foreseen."""

    status: str
    exit_code: int | None = None
    cause: str | None = None
    stdout: str | None = None
    stderr: str | None = None


@frozen(kw_only=True)
class Mixture:
    """The jobs of one project, what they need to run, and the worker for them."""

    server: RunningServer
    """The server."""
    project: Project
    """Their project."""
    folder: Path
    """A folder that they see under its own name."""
    worker: Sequence[str]
    """Options of the worker."""
    environment: Mapping[str, str]
    """What the worker needs in its environment."""

    @classmethod
    def make(
        cls, server: RunningServer, folder: Path, worker: Sequence[str], environment: Mapping[str, str]
    ) -> "Mixture":
        """The tasks of a new project."""
        project = Server("127.0.0.1", server.port).append_project("mixture")
        (folder / "job.sh").write_text(SCRIPT)
        (folder / "runs").touch()
        call = f"sh {folder}/job.sh {folder}"
        project.create_task("well", command_template=f"{call} well {{n}}")
        project.create_task("badly", command_template=f"{call} badly {{n}}")
        project.create_task("unwanted", command_template=f"{call} forever {{n}}", grace=1.0)
        project.create_task("late", command_template=f"{call} forever {{n}}", timeout=1.0, grace=1.0)
        project.create_task("exact", command_template="""sh -c 'printf "%s" "$1"' sh {text}""")
        return cls(server=server, project=project, folder=folder, worker=worker, environment=environment)

    def submit(self, count: int) -> dict[int, Outcome]:
        """Queue so many jobs, and foretell how each ends."""
        jobs: list[Job] = []
        outcomes: list[Outcome] = []
        for number in range(count):
            kind = KINDS[number % len(KINDS)]
            task = {"after": "well", "never": "well"}.get(kind, kind)
            parent = {"after": "well", "never": "badly"}.get(kind)
            before = [next(job for job in reversed(jobs) if job.name.startswith(parent))] if parent else None
            jobs.append(Job(f"{kind}-{number}", task, {"n": number}, depends=before))
            outcomes.append(foretold(kind, number))
        for place, text in enumerate(HARD):
            jobs.append(Job(f"exact-{place}", "exact", {"text": text}))
            outcomes.append(Outcome("COMPLETED", 0, None, text, ""))
        return dict(zip(self.project.extend_queue(jobs), outcomes, strict=True))

    @contextmanager
    def working(self) -> Iterator[Daemon]:
        """The worker; it is asked to leave at the end, unless it has been killed."""
        argv = command(
            "worker", "--forever", "--project", "mixture", "--server", self.server.url, "--id", "mixture",
            "--state-dir", str(self.folder / "state"), *self.worker,
        )  # fmt: skip
        env = clean_environment(**self.environment)
        with Daemon(argv, self.folder / "worker.log", env=env, cwd=self.folder) as worker:
            yield worker

    def run(self, expected: Mapping[int, Outcome]) -> None:
        """Let all jobs end, with the worker killed when a third of them has."""
        with self.working() as worker:
            self.await_ends(len(expected) // 3, worker)
            wait_until(self.all_run, 60, "no job is on its way to the engine")
            worker.kill()
        with self.working() as worker:
            self.await_ends(len(expected), worker)

    def all_run(self) -> bool:
        """Whether the worker runs all that it was given; else its leases on the others would have to lapse."""
        counts = self.project.rest.counts(self.project.id)
        return counts["RUNNING"] > 0 and counts["QUEUED"] == 0

    def await_ends(self, count: int, worker: Daemon) -> None:
        """Wait until so many jobs have ended; those that nobody wants are cancelled once they run."""
        cancelled: set[int] = set()

        def enough() -> bool:
            assert worker.alive(), worker.tail()
            jobs, began = self.project.jobs, set(self.began())
            for job in jobs:
                if job.name.startswith("unwanted") and job.number in began - cancelled:
                    cancelled.add(job.number)
                    job.cancel()
            return sum(job.status in ENDED for job in jobs) >= count

        try:
            wait_until(enough, 240, f"{count} jobs have ended")
        except AssertionError as error:
            left = [(job.number, job.name, job.status) for job in self.project.jobs if job.status not in ENDED]
            raise AssertionError(f"{error} Left are {left}; the worker says: {worker.tail()}") from error

    def began(self) -> list[int]:
        """The jobs that began, each as often as it did."""
        return [int(line) for line in (self.folder / "runs").read_text().splitlines()]

    def check(self, expected: Mapping[int, Outcome]) -> None:
        """Compare what became of each job with what was foretold, and see that none ran twice."""
        found = {job.number: job for job in self.project.jobs}
        assert found.keys() == expected.keys()
        became = {number: outcome(found[number], told) for number, told in expected.items()}
        assert became == dict(expected)
        runs = Counter(self.began())
        assert set(runs.values()) == {1}
        surely = {number for number, told in expected.items() if (told.stdout or "").startswith("ran ")}
        perhaps = {number for number, told in expected.items() if told.stdout is None and told.status != "BLOCKED"}
        assert surely <= runs.keys() <= surely | perhaps


def foretold(kind: str, number: int) -> Outcome:
    """How a job of this kind ends."""
    said = f"ran {number}\n"
    match kind:
        case "badly":
            return Outcome("FAILED", 2 + number % 50, "exit", said, f"broke {number}\n")
        case "late":
            return Outcome("FAILED", None, "timeout")  # on a busy machine it may have had no time to say anything
        case "unwanted":
            return Outcome("CANCELLED", None, "cancelled", said, "")
        case "never":
            return Outcome("BLOCKED")
        case _:
            return Outcome("COMPLETED", 0, None, said, "")


def outcome(job: Job, told: Outcome) -> Outcome:
    """How a job ended; what nobody could foresee is left out."""
    attempts: list[Any] = job.attempts()
    if not attempts:
        return Outcome(job.status)
    *lost, attempt = attempts
    assert all(each.cause == "lost" and each.started_at is None for each in lost), lost
    code = attempt.exit_code if told.exit_code is not None else None
    cause = None if attempt.cause is None else str(attempt.cause)
    logs = (job.logs(), job.logs("stderr")) if told.stdout is not None else (None, None)
    return Outcome(job.status, code, cause, *logs)
