"""Sends a submission: one request, with its progress on a terminal."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import TYPE_CHECKING

from whatsnext_client.commands.base.failures import LocalError
from whatsnext_client.commands.jobs.progress import Silence
from whatsnext_client.commands.jobs.submission import Submission

if TYPE_CHECKING:
    from whatsnext_client.commands.base.session import Session

PATIENCE = 600.0
"""Seconds that the server may take for a large submission."""


class Upload(io.BytesIO):
    """Bytes that tell how far they were read."""

    def __init__(self, content: bytes, moved: Callable[[int], object]) -> None:
        super().__init__(content)
        self._moved = moved

    def read(self, size: int | None = -1, /) -> bytes:
        """Return the next bytes."""
        piece = super().read(size)
        self._moved(self.tell())
        return piece


def check_tasks(session: Session, submission: Submission) -> None:
    """Raise LocalError if the project lacks a task that the submission names."""
    known = {known for task in session.api.tasks(session.project["id"]) for known in (task["id"], task["name"])}
    unknown = [task for task in submission.tasks if task not in known]
    if unknown:
        names = ", ".join(sorted(str(name) for name in known if isinstance(name, str))) or "none"
        lines = [
            f"{submission.first_places[task]}: project {session.project['name']} has no task {task!r}; it has {names}."
            for task in unknown[:20]
        ]
        raise LocalError("\n".join([*lines, "Nothing was submitted."]))


def send(session: Session, submission: Submission, shown: Silence) -> list[int]:
    """Return the ids of the jobs, all of which now exist."""
    content = submission.body()
    path = f"/projects/{session.project['id']}/jobs/batch"
    shown.sending(len(submission), len(content))
    answer = session.api.transport.send(
        "POST", path, data=Upload(content, shown.sent), content_type="application/json", timeout=PATIENCE
    )
    return list(answer.json()["job_ids"])
