"""Pilots on a real cluster."""

import json
import signal
import subprocess
from pathlib import Path

import psutil
import pytest

from tests.components import SlurmCluster
from tests.plugins.autoscale_slurm.conftest import KEY, MakeScaler
from tests.server.serving import Api
from tests.support import Daemon, wait_until
from tests.support.server import clean_environment, command
from whatsnext_autoscale_slurm.autoscaler import Autoscaler
from whatsnext_autoscale_slurm.pilots import Pilot, PilotState

pytestmark = pytest.mark.slurm


def pilots_of(scaler: Autoscaler) -> list[Pilot]:
    return list(scaler.step().snapshot.pilots)


def submit(api: Api, count: int, template: str, **fields: object) -> list[int]:
    project_id = api.project()
    task = api.task(project_id, "work", command_template=template, **fields)
    return [api.job(project_id, task, f"job {number}", parameters={"n": number}) for number in range(count)]


def test_pilots_run_what_waits_and_leave(
    api: Api, make_scaler: MakeScaler, slurm: SlurmCluster, tmp_path: Path, said: list[str]
) -> None:
    wait = f"while [ ! -e {tmp_path}/go ]; do sleep 0.05; done"
    jobs = submit(api, 6, f"sh -c '{wait}; echo $SLURM_JOB_ID; exit $(({{n}} / 5))'")
    scaler = make_scaler()
    submitted = dict(scaler.step().submitted)
    assert len(submitted) == 2
    assert scaler.step().submitted == ()
    wait_until(lambda: {api.status(job) for job in jobs} == {"RUNNING"}, 60, "all jobs run")
    for slurm_id in submitted.values():
        shown = [
            slurm.run("scontrol", *what).stdout
            for what in (("show", "job", "-dd", slurm_id), ("write", "batch_script", slurm_id, "-"))
        ]
        shown += [slurm.run("squeue", "--jobs", slurm_id, "--format=%all").stdout]
        assert KEY not in "".join(shown)
    assert [each.pid for each in psutil.process_iter(["cmdline"]) if KEY in " ".join(each.info["cmdline"] or [])] == []

    heir = make_scaler()
    found = pilots_of(heir)
    assert {each.id: each.job for each in found} == submitted
    assert all(each.works for each in found)
    assert make_scaler("other").live() == 0
    (tmp_path / "go").touch()
    wait_until(lambda: not [each for each in pilots_of(heir) if each.state.is_live], 60, "the pilots have left")
    assert [api.status(job) for job in jobs] == ["COMPLETED"] * 5 + ["FAILED"]
    for job in jobs:
        (attempt,) = api.call("GET", f"/jobs/{job}/attempts")
        assert api.http.get(f"/jobs/{job}/logs/stdout").text.strip() == submitted[attempt["client_id"]]
    assert {each.state for each in pilots_of(heir)} == {PilotState.ENDED}
    assert api.call("GET", "/clients/?active_only=false") == []
    assert not list(tmp_path.glob("*.out"))
    assert [line for line in said if line.endswith("has left.")]


def test_pilots_that_fail_at_their_start_are_not_piled_up(
    api: Api,
    make_scaler: MakeScaler,
    slurm: SlurmCluster,  # noqa: ARG001 - where they fail
    said: list[str],
) -> None:
    submit(api, 3, "true")
    scaler = make_scaler(program="/nowhere/whatsnext", max_pilots=1)
    ((pilot_id, _),) = scaler.step().submitted
    wait_until(lambda: [each for each in pilots_of(scaler) if each.state is PilotState.FAILED], 60, "the pilot fails")
    (told,) = (line for line in said if line.startswith(f"Pilot {pilot_id}"))
    assert "failed. Slurm says FAILED, NonZeroExitCode: " in told
    assert "/nowhere/whatsnext: not found" in told
    again = scaler.step()
    assert again.submitted == ()
    assert "failed once; the next is tried 15 seconds after the last. Slurm says FAILED" in again.plan.notes[0]


def test_pilots_that_slurm_refuses_are_told_in_its_words(
    api: Api,
    make_scaler: MakeScaler,
    slurm: SlurmCluster,  # noqa: ARG001 - what refuses
    said: list[str],
) -> None:
    submit(api, 3, "true")
    scaler = make_scaler(partition="nowhere")
    assert scaler.step().submitted == ()
    assert scaler.step().submitted == ()
    first, second = said
    assert "Slurm refused a pilot with 4 CPUs, 200 MiB for 10 min: invalid partition specified: nowhere" in first
    assert "failed once; the next is tried 15 seconds after the last." in second


def test_a_full_partition_gets_no_more_pilots_and_those_for_nothing_are_withdrawn(
    api: Api, make_scaler: MakeScaler, slurm: SlurmCluster
) -> None:
    jobs = submit(api, 6, "true")
    slurm.run("scontrol", "update", "PartitionName=main", "State=DOWN")
    try:
        scaler = make_scaler(max_pilots=5, max_pending=1, patience=0.0)
        ((_, job),) = scaler.step().submitted
        wait_until(
            lambda: "one waits since long (PartitionDown)" in "".join(scaler.step().plan.notes), 60, "it is full"
        )
        assert scaler.live() == 1
        for each in jobs:
            api.call("POST", f"/jobs/{each}/cancel")
        assert scaler.step().plan.withdraw == (job,)
        wait_until(lambda: not [each for each in pilots_of(scaler) if each.state.is_live], 60, "it is withdrawn")
    finally:
        slurm.run("scontrol", "update", "PartitionName=main", "State=UP")


def test_the_program_leaves_its_pilots_and_ends_them_when_asked_to(
    api: Api, slurm: SlurmCluster, tmp_path: Path
) -> None:
    (job,) = submit(api, 1, "sleep 600", grace=1)
    (tmp_path / "whatsnext.toml").write_text(
        f"[client]\nserver = '{api.url}'\n[plugins.autoscale-slurm]\nmem = '200M'\ninterval = 0.2\nmax_pilots = 1\n"
    )
    environ = clean_environment(WHATSNEXT_API_KEY=KEY, HOME=str(tmp_path), TMPDIR=str(tmp_path), **slurm.environment)
    argv = command("autoscale", "slurm")

    def run(*options: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*argv, *options], env=environ, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=90
        )

    dry = json.loads(run("--dry-run", "--json").stdout)
    assert (dry["waiting"], len(dry["submit"]), dry["submitted"], dry["pilots"]) == (1, 1, [], [])
    with Daemon(argv, tmp_path / "log", env=environ, cwd=tmp_path) as daemon:
        wait_until(lambda: api.status(job) == "RUNNING" or not daemon.alive(), 60, "a pilot runs the job")
        second = run()
        assert (second.returncode, "runs already" in second.stderr) == (1, True)
        assert daemon.stop(signal.SIGTERM) == 0, daemon.tail()
        assert "Left 1 pilots, which end by themselves." in daemon.tail()
    assert api.status(job) == "RUNNING"
    stopped = run("--once", "--max-pilots", "0", "--stop-pilots")
    assert "Stopped 1 pilots." in stopped.stderr, stopped.stderr
    wait_until(lambda: slurm.run("squeue", "--noheader").stdout == "", 60, "the pilot has left the cluster")
    assert api.status(job) == "PENDING"
