"""The settings of ``whatsnext autoscale slurm``."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import attrs
from attrs import field, frozen

from whatsnext_core.sizes import parse_size

SECTION: Final = "autoscale-slurm"
"""The table of the config files, below ``plugins``."""


def _check_size(_: object, __: object, value: str) -> None:
    parse_size(value)


@frozen(kw_only=True)
class AutoscaleSettings:
    """The settings in ``[plugins.autoscale-slurm]``: what pilots are like, and how many there are."""

    max_pilots: int = field(default=4, validator=attrs.validators.ge(0))
    """Pilots at once, at most, those included that wait in Slurm's queue."""
    max_pending: int = field(default=2, validator=attrs.validators.ge(1))
    """Pilots that wait in Slurm's queue at once, at most."""
    backlog: int = field(default=1, validator=attrs.validators.ge(1))
    """Waiting jobs for each job that a pilot can run at once, from which on another pilot is worth starting."""
    cpus: int = field(default=4, validator=attrs.validators.ge(1))
    """CPUs of a pilot; more where a job needs more."""
    mem: str = field(default="8G", validator=_check_size)
    """Memory of a pilot, with K, M, G or T; more where a job needs more."""
    gpus: int = field(default=0, validator=attrs.validators.ge(0))
    """GPUs of every pilot; a pilot for jobs that need some has at least as many as one of them needs."""
    gpu_kind: str = ""
    """Kind of the GPUs, as Slurm and tasks name it (``a100``); empty for any."""
    time: float = field(default=3600.0, validator=attrs.validators.ge(60))
    """Seconds that a pilot may run; more where a job may take longer."""
    max_time: float = field(default=86_400.0, validator=attrs.validators.ge(60))
    """Seconds that any pilot may run; jobs that may take longer get none."""
    idle: float = field(default=60.0, validator=attrs.validators.gt(0))
    """Seconds without a job after which a pilot leaves."""
    margin: float = field(default=60.0, validator=attrs.validators.ge(0))
    """Seconds before its end at which a pilot ends what runs, and leaves."""
    interval: float = field(default=5.0, validator=attrs.validators.gt(0))
    """Seconds between two looks at the queue."""
    patience: float = field(default=60.0, validator=attrs.validators.ge(0))
    """Seconds that a pilot may wait in Slurm's queue before the partition counts as full for its like."""
    retry: float = field(default=15.0, validator=attrs.validators.gt(0))
    """Seconds to wait after a pilot failed at its start; twice as many after each further one."""
    max_retry: float = field(default=900.0, validator=attrs.validators.gt(0))
    """Seconds to wait at most."""
    partition: str | None = None
    """Partition; None leaves it to the cluster."""
    account: str | None = None
    """Account to charge; None for the user's default one."""
    qos: str | None = None
    """Quality of service; None for the default one."""
    constraint: str | None = None
    """Features that the nodes must have."""
    extra: tuple[str, ...] = ()
    """Further options of sbatch, each as one argument (``--exclusive``)."""
    formatter: str = "cli"
    """How pilots run jobs."""
    labels: tuple[str, ...] = ()
    """Labels that pilots carry, beside those that probes find."""
    setup: str = ""
    """Shell text that a pilot runs before the worker starts (``module load cuda``)."""
    program: str | None = None
    """The program ``whatsnext`` on the nodes; None for the one that runs here."""
    folder: Path | None = None
    """Where pilots write their output, on a file system that the nodes share; None for the user's state directory."""

    @property
    def memory(self) -> int:
        """Bytes of memory of a pilot."""
        return parse_size(self.mem)
