"""The environment variables that every job gets, on every engine.

========================  ==============================================================================================
variable                  value
========================  ==============================================================================================
WHATSNEXT_JOB_ID          number of the job
WHATSNEXT_JOB_NAME        name of the job
WHATSNEXT_TASK            name of its task
WHATSNEXT_PROJECT_ID      number of its project
WHATSNEXT_ATTEMPT         1 for the first execution of the job, one more for each further one
WHATSNEXT_SCRATCH         folder of this attempt; at its start it holds nothing but the folder of its artifacts
WHATSNEXT_PARAMETERS      file with the parameters as a JSON object
WHATSNEXT_RESULT          file into which the job may write a small JSON value that it returns
WHATSNEXT_VERDICT         file by which the job may end itself as failed: ``{"failed": "loss is NaN"}``
WHATSNEXT_ARTIFACTS       folder, empty at the start, whose files the worker sends to the server when the job has ended
WHATSNEXT_SERVER          URL of the server
WHATSNEXT_CLIENT_ID       the client that runs it
WHATSNEXT_CPUS            CPUs that it was given
WHATSNEXT_CPU_IDS         their numbers, with commas, if the client pins jobs; absent otherwise
WHATSNEXT_MEMORY          bytes of memory that it was given; absent if none in particular
WHATSNEXT_DEVICES         ids of the accelerators that it was given, with commas
CUDA_VISIBLE_DEVICES      the same for programs on NVIDIA's
HIP_VISIBLE_DEVICES       ... AMD's accelerators, if they are numbers
ZE_AFFINITY_MASK          ... and Intel's, likewise
========================  ==============================================================================================

The verdict may also say ``"stop_siblings": true``; ``whatsnext fail`` and ``whatsnext.api.client.fail`` write it.

``OMP_NUM_THREADS``, ``OPENBLAS_NUM_THREADS`` and ``MKL_NUM_THREADS`` are the CPUs that the job was given, unless the
task or the client's environment sets the first of them: numeric libraries else start as many threads as the machine
has CPUs, in each of the jobs that share it.

The last three in the table are set if the job was given accelerators, or if the client deals out accelerators and gave
it none: then it sees none. Otherwise they stay as they are in the client. ``ROCR_VISIBLE_DEVICES`` and
``ONEAPI_DEVICE_SELECTOR`` are left alone: they are applied before or after the others, whose numbers would then mean
the wrong devices.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Final

from whatsnext_core.formatting.contract import JobContext

ARTIFACTS: Final = "artifacts"
"""Name of the folder of artifacts in a scratch directory."""
PARAMETERS: Final = "parameters.json"
"""Name of the file of the parameters there."""
RESULT: Final = "result.json"
"""Name of the file of the result there."""
VERDICT: Final = "verdict.json"
"""Name of the file there by which the attempt may end itself as failed."""
NO_DEVICE: Final = "-1"
"""The id that no device has; both CUDA and HIP show none then, while an empty value means all to HIP."""


def parameters_file(context: JobContext) -> Path:
    """Return where the parameters of the attempt are written for it."""
    return context.directory / PARAMETERS


def result_file(context: JobContext) -> Path:
    """Return where the attempt may write the small JSON value that the job returns."""
    return context.directory / RESULT


def verdict_file(context: JobContext) -> Path:
    """Return where the attempt may write that the job has failed."""
    return context.directory / VERDICT


def artifacts_folder(context: JobContext) -> Path:
    """Return where the attempt leaves files that people and later jobs want."""
    return context.directory / ARTIFACTS


def parameters_json(context: JobContext) -> bytes:
    """Return what is written into the file of the parameters."""
    parameters = context.job.parameters
    return json.dumps(dict(parameters), ensure_ascii=False).encode() if parameters else b"{}"


def job_environment(context: JobContext) -> dict[str, str]:
    """Return the variables that this attempt gets beyond those of its task; they win over these. Pure."""
    inside = f"{context.directory}{os.sep}"  # each job comes here, and paths are slow to make
    variables = {
        "WHATSNEXT_JOB_ID": str(context.job.id),
        "WHATSNEXT_JOB_NAME": context.job.name,
        "WHATSNEXT_TASK": context.task.name,
        "WHATSNEXT_PROJECT_ID": str(context.job.project_id),
        "WHATSNEXT_ATTEMPT": str(context.fence),
        "WHATSNEXT_SCRATCH": str(context.directory),
        "WHATSNEXT_PARAMETERS": inside + PARAMETERS,
        "WHATSNEXT_RESULT": inside + RESULT,
        "WHATSNEXT_VERDICT": inside + VERDICT,
        "WHATSNEXT_ARTIFACTS": inside + ARTIFACTS,
        "WHATSNEXT_SERVER": context.server,
        "WHATSNEXT_CLIENT_ID": context.client_id,
        "WHATSNEXT_CPUS": str(context.allocation.cpu),
        "WHATSNEXT_DEVICES": ",".join(context.allocation.device_ids),
    }
    if context.cpu_ids:
        variables["WHATSNEXT_CPU_IDS"] = ",".join(map(str, context.cpu_ids))
    if context.allocation.memory:
        variables["WHATSNEXT_MEMORY"] = str(context.allocation.memory)
    return variables | device_environment(context.allocation.device_ids, dealt_out=context.devices_dealt_out)


def device_environment(device_ids: tuple[str, ...], *, dealt_out: bool) -> dict[str, str]:
    """Return the variables that show a program these devices and no others."""
    if not device_ids and not dealt_out:
        return {}
    shown = ",".join(device_ids) or NO_DEVICE
    variables = {"CUDA_VISIBLE_DEVICES": shown}
    if all(device.isdecimal() for device in device_ids):
        variables["HIP_VISIBLE_DEVICES"] = shown
        if device_ids:
            variables["ZE_AFFINITY_MASK"] = shown
    return variables
