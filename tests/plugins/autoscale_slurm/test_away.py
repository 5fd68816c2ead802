"""What the autoscaler does when Slurm, or its program, is not as it should be."""

import subprocess
import threading
from pathlib import Path

import pytest

from tests.plugins.autoscale_slurm.conftest import KEY, MakeScaler
from tests.plugins.formatter_slurm.conftest import shim
from tests.server.serving import Api
from tests.support import wait_until
from tests.support.server import clean_environment, command
from whatsnext_autoscale_slurm import slurm
from whatsnext_autoscale_slurm.script import pilot_script


def test_a_slurm_that_does_not_answer_is_asked_again(
    make_scaler: MakeScaler, said: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = "slurm_load_jobs error: Unable to contact slurm controller (connect failure)"
    shim(tmp_path, monkeypatch, "squeue", f"echo x >>{tmp_path}/calls; echo '{words}' >&2; exit 1")
    stopped = threading.Event()
    thread = threading.Thread(target=make_scaler(interval=0.01).run, args=(stopped,))
    thread.start()
    try:
        wait_until(lambda: (tmp_path / "calls").exists() and len((tmp_path / "calls").read_text().split()) > 2, 30)
    finally:
        stopped.set()
        thread.join(30)
    assert said == [f"Nothing is done now: {words}"]


def test_jobs_that_come_are_told_at_once(
    api: Api, make_scaler: MakeScaler, said: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shim(tmp_path, monkeypatch, "squeue", f"touch {tmp_path}/looked")
    shim(tmp_path, monkeypatch, "sbatch", "echo 17")
    stopped = threading.Event()
    thread = threading.Thread(target=make_scaler(interval=600).run, args=(stopped,))
    thread.start()
    try:
        wait_until((tmp_path / "looked").exists, 30)
        project_id = api.project()
        api.job(project_id, api.task(project_id, "work"), "job")
        wait_until(lambda: bool(said), 30)
    finally:
        stopped.set()
        thread.join(30)
    assert "as job 17 of Slurm" in said[0]
    assert not thread.is_alive()


def test_a_slurm_that_hangs_does_not_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slurm, "TIMEOUT", 0.2)
    shim(tmp_path, monkeypatch, "scancel", "exec sleep 60")
    with pytest.raises(slurm.SlurmAwayError, match=r"scancel did not answer within 0\.2 seconds"):
        slurm.cancel(["1"])
    shim(tmp_path, monkeypatch, "scancel", "echo 'scancel: error: Connection refused' >&2; exit 1")
    with pytest.raises(slurm.SlurmAwayError, match="Connection refused"):
        slurm.withdraw(["1"])
    shim(tmp_path, monkeypatch, "sbatch", "echo 'sbatch: error: Socket timed out on send/recv operation' >&2; exit 1")
    with pytest.raises(slurm.SlurmAwayError, match="Socket timed out"):
        slurm.submit([], "")


def test_pilots_are_those_of_the_name_and_in_slurms_states(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tags = "whatsnext-pilot:{}:pilot-{}:4c200m0g10s"
    lines = [
        f"1|PENDING|100|N/A|N/A|Priority|{tags.format('mine', 1)}",
        f"2|RUNNING|100|110|700|None|{tags.format('mine', 2)}",
        f"3|TIMEOUT|100|110|700|TimeLimit|{tags.format('mine', 3)}",
        f"4|NODE_FAIL|100|110|120|None|{tags.format('mine', 4)}",
        f"5|RUNNING|100|110|700|None|{tags.format('yours', 5)}",
        "6|RUNNING|100|110|700|None|a | of my own",
    ]
    shim(tmp_path, monkeypatch, "squeue", "cat <<'END'\n" + "\n".join(lines) + "\nEND")
    found = [
        (each.job, each.state.value, each.submitted_at, each.started_at, each.ended_at, each.reason)
        for each in slurm.pilots("mine")
    ]
    assert found == [
        ("1", "pending", 100, None, None, "Priority"),
        ("2", "running", 100, 110, None, ""),
        ("3", "ended", 100, 110, 700, ""),
        ("4", "failed", 100, 110, 120, "NODE_FAIL"),
    ]


def test_slurm_gets_neither_the_key_nor_an_allocation_of_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHATSNEXT_API_KEY", KEY)
    monkeypatch.setenv("SLURM_JOB_ID", "1")
    monkeypatch.setenv("SLURM_CONF", "/etc/some.conf")
    shim(tmp_path, monkeypatch, "sbatch", f"env >{tmp_path}/env; cat >{tmp_path}/script; echo '17;cluster'")
    assert slurm.submit(["--x"], "a script") == "17"
    variables = (tmp_path / "env").read_text()
    assert KEY not in variables
    assert "SLURM_JOB_ID" not in variables
    assert "SLURM_CONF=/etc/some.conf" in variables
    assert (tmp_path / "script").read_text() == "a script"


def test_a_pilot_reads_its_key_from_a_file_and_clears_up(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(KEY)
    worker = tmp_path / "it's a worker"
    worker.write_text('#!/bin/sh\necho "$MINE $WHATSNEXT_API_KEY $1 $2"; [ -d "$3" ] && echo "$3" >folder; exit 3\n')
    worker.chmod(0o755)
    script = pilot_script([str(worker), "$(touch pwned)"], "export MINE=yes", tmp_path / "key")
    assert KEY not in script
    environ = {"PATH": "/usr/bin:/bin", "TMPDIR": str(tmp_path)}
    done = subprocess.run(
        ["sh"], input=script, env=environ, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=30
    )
    assert (done.returncode, done.stdout) == (3, f"yes {KEY} $(touch pwned) --state-dir\n")
    assert not Path((tmp_path / "folder").read_text().strip()).exists()
    assert not (tmp_path / "pwned").exists()
    (tmp_path / "key").unlink()
    lacking = subprocess.run(["sh"], input=script, env=environ, capture_output=True, text=True, check=False, timeout=30)
    assert lacking.returncode == 1
    assert "WHATSNEXT" not in pilot_script(["true"], "", None)


def test_the_program_says_what_it_lacks(api: Api, tmp_path: Path) -> None:
    def run(*options: str, **environ: str) -> subprocess.CompletedProcess[str]:
        variables = clean_environment(HOME=str(tmp_path), WHATSNEXT_API_KEY=KEY, **environ)
        argv = command("--server", api.url, "autoscale", "slurm", "--once", *options)
        return subprocess.run(
            argv, env=variables, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60
        )

    done = run(PATH=str(tmp_path))
    assert (done.returncode, "'squeue' does not exist on this machine; run the autoscaler where" in done.stderr) == (
        1,
        True,
    )
    wrong = run("--mem", "lots")
    assert (wrong.returncode, "'lots' is no amount of memory" in wrong.stderr) == (2, True)
    (tmp_path / "whatsnext.toml").write_text("[plugins.autoscale-slurm]\nmax_pilotz = 1\n")
    unknown = run()
    assert (unknown.returncode, "max_pilotz" in unknown.stderr) == (2, True)
