"""The variables that every job gets."""

from pathlib import Path

from attrs import evolve

from whatsnext_core.formatting import (
    JobContext,
    artifacts_folder,
    job_environment,
    parameters_file,
    result_file,
    verdict_file,
)
from whatsnext_core.formatting.environment import device_environment
from whatsnext_core.model import Allocation, Share

HIDDEN = {"CUDA_VISIBLE_DEVICES": "-1", "HIP_VISIBLE_DEVICES": "-1"}


def test_pinned_job_learns_its_cpus(context: JobContext) -> None:
    assert "WHATSNEXT_CPU_IDS" not in job_environment(context)
    assert job_environment(evolve(context, cpu_ids=(2, 5)))["WHATSNEXT_CPU_IDS"] == "2,5"


def test_job_learns_who_it_is_and_where(context: JobContext) -> None:
    directory = context.directory
    assert job_environment(context) == {
        "WHATSNEXT_JOB_ID": "1",
        "WHATSNEXT_JOB_NAME": "job 1",
        "WHATSNEXT_TASK": "scenario",
        "WHATSNEXT_PROJECT_ID": "1",
        "WHATSNEXT_ATTEMPT": "2",
        "WHATSNEXT_SCRATCH": str(directory),
        "WHATSNEXT_PARAMETERS": str(parameters_file(context)),
        "WHATSNEXT_RESULT": str(result_file(context)),
        "WHATSNEXT_VERDICT": str(verdict_file(context)),
        "WHATSNEXT_ARTIFACTS": str(artifacts_folder(context)),
        "WHATSNEXT_SERVER": "http://localhost:8000",
        "WHATSNEXT_CLIENT_ID": "conformance",
        "WHATSNEXT_CPUS": "1",
        "WHATSNEXT_DEVICES": "",
    }
    assert Path(parameters_file(context)).parent == Path(artifacts_folder(context)).parent == directory


def test_job_learns_what_it_was_given(context: JobContext) -> None:
    shares = (Share(device="2", millis=1000), Share(device="GPU-5f", millis=500))
    found = job_environment(evolve(context, allocation=Allocation(cpu=4, memory=2**30, devices=shares)))
    assert found["WHATSNEXT_CPUS"] == "4"
    assert found["WHATSNEXT_MEMORY"] == str(2**30)
    assert found["WHATSNEXT_DEVICES"] == found["CUDA_VISIBLE_DEVICES"] == "2,GPU-5f"
    assert not {"HIP_VISIBLE_DEVICES", "ZE_AFFINITY_MASK"} & found.keys()


def test_job_without_devices_sees_none_where_they_are_dealt_out(context: JobContext) -> None:
    assert job_environment(evolve(context, devices_dealt_out=True)).items() >= HIDDEN.items()
    assert device_environment((), dealt_out=True) == HIDDEN


def test_devices_stay_as_they_are_where_nobody_deals_them_out() -> None:
    assert device_environment((), dealt_out=False) == {}


def test_numbered_devices_are_known_to_all_makers() -> None:
    shown = {"CUDA_VISIBLE_DEVICES": "0,3", "HIP_VISIBLE_DEVICES": "0,3", "ZE_AFFINITY_MASK": "0,3"}
    assert device_environment(("0", "3"), dealt_out=True) == shown
