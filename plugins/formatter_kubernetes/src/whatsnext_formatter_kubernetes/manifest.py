"""The Kubernetes job of an attempt; pure."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from whatsnext_core.converters import format_time
from whatsnext_core.formatting import JobContext
from whatsnext_formatter_kubernetes.options import VOLUME, KubernetesOptions

CONTAINER: Final = "job"
"""Name of the container."""
WORKER: Final = "whatsnext/worker"
NAME: Final = "whatsnext/name"
"""Labels by which a worker finds its jobs, and one attempt's job and pod."""
MARGIN: Final = 60
"""Seconds that a job may outlive its time limit, so that its worker ends it first."""
_LABEL: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?")


def job_name(context: JobContext) -> str:
    """Return the name of the attempt's job, the same whenever it is asked for, and no other attempt's."""
    parts = (
        context.key,
        context.server,
        context.client_id,
        str(context.directory),
        format_time(context.job.created_at),
    )
    return f"whatsnext-{context.key}-{_digest(*parts)}"


def worker_label(client_id: str) -> str:
    """Return the client's id as the value of a label."""
    return client_id if _LABEL.fullmatch(client_id) else f"x{_digest(client_id)}"


def job_manifest(
    context: JobContext, options: KubernetesOptions, command: Sequence[str], environment: Mapping[str, str]
) -> dict[str, Any]:
    """Return the batch/v1 Job: one pod, started once; the server decides about retries."""
    labels = {
        "app.kubernetes.io/managed-by": "whatsnext",
        WORKER: worker_label(context.client_id),
        NAME: job_name(context),
        "whatsnext/job": str(context.job.id),
        "whatsnext/attempt": context.key,
    }
    spec: dict[str, Any] = {
        "backoffLimit": 0,
        "template": {"metadata": {"labels": labels}, "spec": _pod(context, options, command, environment)},
    }
    if options.ttl is not None:
        spec["ttlSecondsAfterFinished"] = options.ttl
    if timeout := context.job.timeout or context.task.timeout:
        spec["activeDeadlineSeconds"] = math.ceil(timeout + context.task.grace) + MARGIN
    about = {"whatsnext/job-name": context.job.name, "whatsnext/task": context.task.name}
    metadata = {"name": labels[NAME], "namespace": options.namespace, "labels": labels, "annotations": about}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": spec}


def _pod(
    context: JobContext, options: KubernetesOptions, command: Sequence[str], environment: Mapping[str, str]
) -> dict[str, Any]:
    resources = {"cpu": f"{options.cpu:g}", "memory": options.memory}
    if options.gpu:
        resources[options.gpu_resource] = str(options.gpu)
    container: dict[str, Any] = {
        "name": CONTAINER,
        "image": options.image,
        "command": [_literally(word) for word in command],
        "env": [{"name": name, "value": _literally(value)} for name, value in environment.items()],
        "resources": {"requests": resources, "limits": resources},
        "terminationMessagePolicy": "FallbackToLogsOnError",
    }
    pod: dict[str, Any] = {
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": max(1, math.ceil(context.task.grace)),
        "containers": [container],
    }
    if options.working_dir is not None:
        container["workingDir"] = options.working_dir
    if options.volumes:
        pod["volumes"], container["volumeMounts"] = _volumes(options.volumes)
    if options.service_account is not None:
        pod["serviceAccountName"] = options.service_account
    if options.node_selector:
        pod["nodeSelector"] = dict(options.node_selector)
    return {**pod, **options.pod_spec}


def _literally(text: str) -> str:
    """The text so that Kubernetes, which fills in ``$(NAME)`` and reads ``$$`` as one dollar, gives it unchanged."""
    return text.replace("$", "$$")


def _volumes(volumes: Sequence[str]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    sources: list[dict[str, Any]] = []
    mounts: list[dict[str, Any]] = []
    for number, text in enumerate(volumes):
        if found := VOLUME.fullmatch(text):
            name, source = f"volume-{number}", found["source"]
            kind = {"hostPath": {"path": source}}
            if not source.startswith("/"):
                kind = {"persistentVolumeClaim": {"claimName": source}}
            sources.append({"name": name, **kind})
            mounts.append({"name": name, "mountPath": found["path"], "readOnly": bool(found["read_only"])})
    return sources, mounts


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode(errors="surrogateescape")).hexdigest()[:12]
