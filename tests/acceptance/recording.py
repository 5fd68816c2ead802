"""Jobs that write down that they ran: one line a moment, in one file, in the order in which it happened."""

import shlex
from pathlib import Path

from whatsnext.api.client import Project

__all__ = ["completed", "recorded", "recorder"]

SCRIPT = """\
echo "began $WHATSNEXT_JOB_ID $WHATSNEXT_ATTEMPT" >> "$1"
echo "ran $WHATSNEXT_JOB_ID $WHATSNEXT_ATTEMPT" >> "$1"
"""


def recorder(folder: Path) -> str:
    """The command template of a job that records when it began and when it was done."""
    script = folder / "record.sh"
    script.write_text(SCRIPT)
    return f"sh {shlex.quote(str(script))} {shlex.quote(str(folder / 'record.txt'))}"


def recorded(folder: Path, moment: str | None = None) -> list[tuple[str, int, int]]:
    """Each (moment, job id, attempt) in the order of events; only those of one moment if it is given."""
    lines = (line.split() for line in (folder / "record.txt").read_text().splitlines())
    return [(name, int(job), int(attempt)) for name, job, attempt in lines if moment in (None, name)]


def completed(project: Project) -> int:
    """How many jobs of the project are COMPLETED."""
    return project.rest.counts(project.id)["COMPLETED"]
