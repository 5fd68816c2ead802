"""What is asked of Kubernetes for a job."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any, Final

import attrs
from attrs import evolve, field, frozen

from whatsnext_core.errors import InvalidError, TemplateError
from whatsnext_core.formatting import JobContext, task_options

MEBIBYTE: Final = 2**20
QUANTITY: Final = re.compile(r"[0-9]+(\.[0-9]+)?(m|[kMGTPE]|[KMGTPE]i)?")
VOLUME: Final = re.compile(r"(?P<source>[^:]+):(?P<path>/[^:]*)(?P<read_only>:ro)?")
OF_THE_WORKER: Final = frozenset({"namespace", "context", "poll_interval", "start_patience", "follow_logs"})
"""Settings that are one for all jobs of a worker."""


def _check_memory(_: object, __: object, value: str) -> None:
    if not QUANTITY.fullmatch(value):
        raise InvalidError(f"The memory {value!r} is no quantity of Kubernetes; write 512Mi or 4Gi.")


def _check_volumes(_: object, __: object, value: tuple[str, ...]) -> None:
    for volume in value:
        if not VOLUME.fullmatch(volume):
            raise InvalidError(
                f"The volume {volume!r} is malformed; write claim:/path for a persistent volume claim, or "
                f"/folder/of/the/node:/path, and :ro behind it to forbid writing."
            )


@frozen(kw_only=True)
class KubernetesOptions:
    """What a job gets: the settings in ``[plugins.kubernetes]``; a task's options for ``kubernetes`` come first."""

    image: str = ""
    """Image of the container; a task without one of its own needs it."""
    namespace: str = "default"
    """Namespace in which the worker creates its jobs."""
    cpu: float = field(default=1, validator=attrs.validators.gt(0))
    """CPUs, which are both the request and the limit."""
    memory: str = field(default="4Gi", validator=_check_memory)
    """Memory, both the request and the limit: 512Mi, 4Gi."""
    gpu: int = field(default=0, validator=attrs.validators.ge(0))
    """GPUs, as ``gpu_resource``."""
    gpu_resource: str = "nvidia.com/gpu"
    """What the cluster calls its accelerators."""
    working_dir: str | None = None
    """Working directory in the container; None for the image's own."""
    environment: Mapping[str, str] = field(factory=dict)
    """Variables for every job; those of its task come first."""
    service_account: str | None = None
    """Service account of the pods; None for the namespace's default one."""
    node_selector: Mapping[str, str] = field(factory=dict)
    """Labels that the nodes must have."""
    context: str | None = None
    """Context of the kubectl configuration; None for the current one."""
    volumes: tuple[str, ...] = field(default=(), validator=_check_volumes)
    """What is mounted: ``claim:/path``, or ``/folder/of/the/node:/path``, each also with ``:ro``."""
    pod_spec: Mapping[str, Any] = field(factory=dict)
    """Further fields of the pod's specification as Kubernetes names them: ``tolerations``, ``imagePullSecrets``."""
    ttl: int | None = 604_800
    """Seconds after which Kubernetes removes a job whose worker did not come back for it; None for never."""
    start_patience: float = field(default=120.0, validator=attrs.validators.ge(0))
    """Seconds that a container may fail to start, as for want of its image, before its job counts as refused."""
    follow_logs: bool = True
    """Whether output is read while a job runs, by one ``kubectl logs`` for each; otherwise it is read at its end."""
    poll_interval: float = field(default=2.0, validator=attrs.validators.gt(0))
    """Seconds between two questions to the cluster."""

    def for_job(self, context: JobContext) -> KubernetesOptions:
        """Return what a job gets: what its task requires before these defaults, and its task's own options before both.

        Raises:
            TemplateError: the options that the task has for ``kubernetes`` are unknown or malformed, or no image is
                named.
        """
        options = task_options(evolve(self, **_required(context)), context, "kubernetes", fixed=OF_THE_WORKER)
        if not options.image:
            raise TemplateError(
                f"No image is named for task {context.task.name!r}; set 'image' in [plugins.kubernetes], or in the "
                f'task\'s options: {{"kubernetes": {{"image": "python:3.12"}}}}.'
            )
        return options


def _required(context: JobContext) -> dict[str, Any]:
    needs = context.task.requirement
    found: dict[str, Any] = {}
    if needs.cpu > 1:
        found["cpu"] = needs.cpu
    if memory := context.allocation.memory or needs.memory:
        found["memory"] = f"{math.ceil(memory / MEBIBYTE)}Mi"
    if needs.accelerators:
        found["gpu"] = math.ceil(needs.accelerators)
    return found
