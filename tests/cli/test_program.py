"""What only a real program shows: pipes, signals, exit codes, terminals, large submissions."""

import json
import os
import pty
import re
import signal
import subprocess
from pathlib import Path

import psutil

from tests.cli.shell import PROGRAM, Shell
from tests.support import Daemon, free_port, wait_until
from tests.support.server import ServerProcess, clean_environment


def test_a_pipe_gets_plain_columns_with_nothing_cut_and_no_colours(shell: Shell) -> None:
    name = "a rather long name " * 10 + "end"
    shell.add("say", "--param", "text=x", "--name", name)
    done = shell.run("jobs", "ls", COLUMNS="40", NO_COLOR="", FORCE_COLOR="")
    assert done.returncode == 0
    assert b"\x1b" not in done.stdout
    header, row = done.stdout.decode().splitlines()
    assert row[header.index("name") :].startswith(name)
    assert row[header.index("worker") :].split() == ["-", "-"]


def test_json_is_one_document_and_notes_go_to_stderr(shell: Shell) -> None:
    done = shell.run("jobs", "ls", "--json")
    assert json.loads(done.stdout) == []
    assert done.stderr == b""
    done = shell.run("jobs", "ls")
    assert (done.stdout, done.stderr) == (b"", b"There are no jobs.\n")


def test_a_reader_that_goes_away_is_no_error(shell: Shell) -> None:
    shell.json("jobs", "add", "say", "--sweep", "text=1..2000")
    line = f"{PROGRAM} jobs ls --limit 0 | head -n 1; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(
        ["bash", "-c", line], capture_output=True, check=True, env={**clean_environment(), **shell.settings}, timeout=60
    )
    assert done.stdout.split()[:2] == [b"id", b"name"]
    assert done.stdout.split()[-1] == b"141"
    assert done.stderr == b""


def test_ctrl_c_ends_it_without_a_word(shell: Shell) -> None:
    job = shell.add("say", "--param", "text=x")
    log = shell.folder / "log"
    argv = [PROGRAM, "jobs", "wait", str(job)]
    with Daemon(argv, log, env={**clean_environment(), **shell.settings}, cwd=shell.folder) as waiting:
        wait_until(lambda: _is_connected(waiting.pid), 30, "it has asked for the job")
        assert waiting.stop(signal.SIGINT) == 130
    assert log.read_text().strip() == ""


def _is_connected(pid: int) -> bool:
    """Whether a process has a connection."""
    return any("socket:" in str(link.readlink()) for link in Path(f"/proc/{pid}/fd").iterdir() if link.is_symlink())


def test_a_mistake_never_shows_a_traceback(shell: Shell) -> None:
    (shell.folder / "secret.jsonl").write_text("")
    (shell.folder / "folder").mkdir()
    calls = [
        (["jobs", "show", "999999999"], 1),
        (["jobs", "submit", "folder"], 2),
        (["jobs", "submit", "missing.jsonl"], 2),
        (["jobs", "frobnicate"], 2),
        (["--port", str(free_port()), "status"], 3),
        (["--config", "folder", "status"], 2),
        (["worker", "--formatter", "nonesuch"], 2),
        (["worker", "--label", "a b"], 2),
        (["worker", "--name", "x" * 300], 1),
    ]
    for arguments, code in calls:
        done = shell.run(*arguments)
        assert (done.returncode, done.stdout) == (code, b""), (arguments, done.stderr)
        assert b"Traceback" not in done.stderr
        assert b"Error: " in done.stderr


def test_on_a_terminal_a_table_fits_its_width_and_a_deletion_asks_first(shell: Shell) -> None:
    shell.add("say", "--param", "text=x", "--name", "n" * 200)
    shown = on_terminal(shell, ["jobs", "ls"], "")
    assert all(len(line) <= 80 for line in shown.splitlines())
    assert shown.count("n") >= 200
    asked = on_terminal(shell, ["projects", "delete", shell.project], "n\n")
    assert "with its tasks and 1 jobs? [y/N]" in asked
    assert "Nothing was done." in asked
    assert f"Deleted project {shell.project}." in on_terminal(shell, ["projects", "delete", shell.project], "y\n")


def test_why_reads_well_on_a_terminal_and_in_a_pipe(shell: Shell) -> None:
    job = shell.add("say", "--param", "text=x")
    shell.call("tasks", "create", "huge", "--cpu", "4096")
    huge = shell.add("huge", "--depends", str(job))
    plain = shell.call("jobs", "why", str(huge)).stdout.splitlines()
    assert plain[:3] == [
        f"Job {huge} (huge) is PENDING.",
        f"It waits for job {job} 'say' to complete, which is PENDING.",
        f"  What holds that one: whatsnext jobs why {job}",
    ]
    drawn = on_terminal(shell, ["jobs", "why", str(huge)], "")
    assert f"Job {huge} huge is PENDING" in drawn
    assert f"* It waits for job {job} 'say' to complete, which is PENDING." in drawn
    assert f"> What holds that one: whatsnext jobs why {job}" in drawn
    assert all(len(line) <= 80 for line in drawn.splitlines())
    last = on_terminal(shell, ["jobs", "why", str(job)], "")
    assert "no ready job stands before it" in last or "stand before it" in last or "stands before it" in last


def on_terminal(shell: Shell, arguments: list[str], typed: str) -> str:
    """What the program shows on a terminal of 80 columns where a person types."""
    ours, theirs = pty.openpty()
    env = {**clean_environment(), **shell.settings, "COLUMNS": "80", "LINES": "24", "TERM": "xterm"}
    with subprocess.Popen(
        [PROGRAM, *arguments],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=env,
        cwd=shell.folder,
        start_new_session=True,
    ) as process:
        os.close(theirs)
        os.write(ours, typed.encode())
        shown = b""
        while True:
            try:
                part = os.read(ours, 65536)
            except OSError:  # Linux: the last process that had the terminal has ended
                break
            if not part:
                break
            shown += part
    os.close(ours)
    assert process.returncode is not None
    return re.sub(r"\x1b\[[0-9;]*m", "", shown.decode()).replace("\r\n", "\n")


def test_a_hundred_thousand_jobs_are_submitted_in_one_go(shell: Shell) -> None:
    lines = (
        f'{{"task": "say", "name": "job-{number}", "parameters": {{"text": {number}}}}}\n' for number in range(100_000)
    )
    with (shell.folder / "jobs.jsonl").open("w") as file:
        file.writelines(lines)
    done = shell.run("jobs", "submit", "jobs.jsonl")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"Added 100,000 jobs to project {shell.project}: ".encode())
    assert shell.json("projects", "show")["counts"]["PENDING"] == 100_000
    assert len(shell.json("jobs", "ls", "--limit", "3")) == 3


def test_a_worker_without_numbers_offers_what_the_probes_find(shell: Shell) -> None:
    shell.add("say", "--param", "text=hello")
    found = shell.json("probe")
    assert found["offer"]["cpu"] >= 1
    assert "cpu" in found["probes"]
    done = shell.run("worker", "--once")
    assert done.returncode == 0, done.stderr
    assert done.stdout == b"Executed 1 job.\n"
    cpus = found["offer"]["cpu"]
    assert f"offers {cpus} CPU".encode() in done.stderr
    assert b"Started job" in done.stderr


def test_a_worker_runs_a_script_for_tasks_without_a_command(shell: Shell) -> None:
    shell.call("tasks", "create", "bare")
    (shell.folder / "train.sh").write_text('echo "trained with $*"\n')
    job = shell.add("bare", "--param", "lr=0.1")
    shell.work("--executable", "sh", "--script", "train.sh")
    assert shell.call("jobs", "logs", str(job)).stdout == "trained with --lr 0.1\n"


def test_a_worker_without_a_project_takes_jobs_of_all_of_them(shell: Shell) -> None:
    with ServerProcess(shell.folder / "server", database="memory:") as server:
        at = ["--server", server.url]
        for project in ("one", "two"):
            shell.call(*at, "projects", "create", project)
            shell.call(*at, "--project", project, "tasks", "create", "tell", "--command", "printenv WHATSNEXT_PROJECT")
            shell.call(*at, "--project", project, "jobs", "add", "tell")
        done = shell.run(*at, "worker", "--once", "--cpus", "2", "--json", WHATSNEXT_PROJECT="")
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["executed"] == 2
        assert [shell.call(*at, "jobs", "logs", job).stdout for job in ("1", "2")] == ["one\n", "two\n"]


def test_up_starts_a_server_and_a_worker_and_ctrl_c_stops_both(nobody: Shell) -> None:
    log = nobody.folder / "up.log"
    argv = [PROGRAM, "up", "--port", "0", "--cpus", "2"]
    with Daemon(argv, log, env={**clean_environment(), **nobody.settings}, cwd=nobody.folder) as up:
        wait_until(lambda: "Worker " in log.read_text() or not up.alive(), 60, "server and worker are up")
        (url,) = (
            line.split()[6] for line in log.read_text().splitlines() if line.startswith("Server and worker are up at ")
        )
        nobody.call("-s", url, "projects", "create", nobody.project)
        nobody.call("-s", url, "tasks", "create", "say", "--command", "echo {text} by {who}")
        job = nobody.json("-s", url, "jobs", "add", "say", "-P", "text=hi", "-P", "who=me")["job_ids"][0]
        nobody.call("-s", url, "jobs", "wait", str(job), "--timeout", "60")
        assert nobody.call("-s", url, "jobs", "logs", str(job)).stdout == "hi by me\n"
        assert up.stop(signal.SIGINT) == 0, log.read_text()
    nobody.call("-s", url, "status", code=3)
    assert list((nobody.folder / ".data").rglob("*.db")), "the queue is in the user's data directory"


def servers_of(process: Daemon) -> list[psutil.Process]:
    """The servers that a process has started."""
    children = psutil.Process(process.pid).children()
    return [child for child in children if any(word.endswith("whatsnext-server") for word in child.cmdline())]


def test_no_server_is_left_when_up_is_killed(nobody: Shell) -> None:
    log = nobody.folder / "up.log"
    argv = [PROGRAM, "up", "--port", "0", "--cpus", "1"]
    with Daemon(argv, log, env={**clean_environment(), **nobody.settings}, cwd=nobody.folder) as up:
        wait_until(lambda: "Worker " in log.read_text() or not up.alive(), 60, "server and worker are up")
        (server,) = servers_of(up)
        up.kill()
    wait_until(lambda: not server.is_running(), 60, "the server has ended")


def test_up_ends_when_its_server_dies(nobody: Shell) -> None:
    log = nobody.folder / "up.log"
    argv = [PROGRAM, "up", "--port", "0", "--cpus", "1"]
    with Daemon(argv, log, env={**clean_environment(), **nobody.settings}, cwd=nobody.folder) as up:
        wait_until(lambda: "Worker " in log.read_text() or not up.alive(), 60, "server and worker are up")
        (server,) = servers_of(up)
        server.kill()
        assert up.process.wait(60) == 1
    assert "Error: The server ended by itself" in log.read_text()


def test_up_says_why_the_server_did_not_start(shell: Shell) -> None:
    done = shell.run("up", "--port", str(shell.server.port))
    assert (done.returncode, done.stdout) == (1, b"")
    assert b"Traceback" not in done.stderr
    assert b"The server did not start" in done.stderr
