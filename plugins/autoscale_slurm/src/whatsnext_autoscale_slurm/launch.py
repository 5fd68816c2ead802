"""How a pilot is handed to Slurm, and what it left behind."""

from __future__ import annotations

import re
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from attrs import frozen

from whatsnext_autoscale_slurm import slurm
from whatsnext_autoscale_slurm.pilots import Shape, comment
from whatsnext_autoscale_slurm.script import pilot_script
from whatsnext_autoscale_slurm.settings import AutoscaleSettings

TAIL: Final = 2000
"""Bytes of a pilot's output that are looked at."""
LINES: Final = 5
"""Lines of it that are shown."""
NO_JOB: Final = re.compile(r"^Executed 0 jobs\.$", re.MULTILINE)
"""How a worker says at its end that it had nothing to do."""


@frozen(kw_only=True)
class Launch:
    """What all pilots of one autoscaler share."""

    name: str
    """The autoscaler."""
    settings: AutoscaleSettings
    """Its settings."""
    program: str
    """The program ``whatsnext`` on the nodes."""
    target: Sequence[str]
    """The options that name the server, the project and the settings file."""
    folder: Path
    """Where pilots write their output."""
    key: Path | None
    """The file with the server's key; None for an open server."""

    def submit(self, shape: Shape) -> tuple[str, str]:
        """Submit a pilot; returns its id on the server, and that on Slurm.

        Raises:
            SlurmRefusedError: Slurm refuses it.
            SlurmAwayError: Slurm does not answer; it may have taken it all the same, and then it is seen there.
        """
        pilot_id = f"pilot-{self.name}-{secrets.token_hex(4)}"
        script = pilot_script(self._command(pilot_id, shape), self.settings.setup, self.key)
        return pilot_id, slurm.submit(self._options(pilot_id, shape), script)

    def output(self, pilot_id: str) -> Path:
        """Return the file with a pilot's output."""
        return self.folder / f"{pilot_id}.out"

    def tail(self, pilot_id: str) -> str:
        """Return the end of a pilot's output."""
        try:
            with self.output(pilot_id).open("rb") as stream:
                stream.seek(0, 2)
                stream.seek(max(0, stream.tell() - TAIL))
                return stream.read().decode(errors="replace")
        except OSError:
            return ""

    def had_no_job(self, pilot_id: str) -> bool:
        """Return whether a pilot says that it had nothing to do."""
        return NO_JOB.search(self.tail(pilot_id)) is not None

    def last_words(self, pilot_id: str) -> str:
        """Return the last lines of a pilot's output, in one."""
        lines = [line.strip() for line in self.tail(pilot_id).splitlines() if line.strip()]
        return " / ".join(lines[-LINES:])

    def _command(self, pilot_id: str, shape: Shape) -> list[str]:
        settings = self.settings
        what = ["--cpus", str(shape.cpus), "--formatter", settings.formatter]
        when = ["--idle", f"{settings.idle:g}", "--end-margin", f"{settings.margin:g}"]
        labels = [word for label in settings.labels for word in ("--label", label)]
        who = ["--id", pilot_id, "--name", pilot_id]
        return [self.program, "worker", "--forever", "--transient", *who, *self.target, *what, *when, *labels]

    def _options(self, pilot_id: str, shape: Shape) -> list[str]:
        settings = self.settings
        gpus = f"{settings.gpu_kind}:{shape.gpus}" if settings.gpu_kind else str(shape.gpus)
        chosen = {
            "job-name": f"whatsnext-{self.name}",
            "comment": comment(self.name, pilot_id, shape),
            "partition": settings.partition,
            "time": shape.minutes,
            "nodes": 1,
            "ntasks": 1,
            "cpus-per-task": shape.cpus,
            "mem": f"{shape.memory}M",
            "gpus": gpus if shape.gpus else None,
            "account": settings.account,
            "qos": settings.qos,
            "constraint": settings.constraint,
            "output": str(self.output(pilot_id)).replace("%", "%%"),
            "open-mode": "append",
        }
        given = [f"--{option}={value}" for option, value in chosen.items() if value is not None]
        return [*given, "--no-requeue", *settings.extra]
