"""Jobs from the command line: submitted, looked at, changed, and run."""

import json
import re
import threading
from pathlib import Path

import pytest

from tests.cli.shell import PROGRAM, Shell
from tests.support import Daemon, wait_until
from tests.support.server import clean_environment


def test_a_job_is_added_with_everything_it_may_have(shell: Shell) -> None:
    first = shell.add("say", "--param", "text=hi")
    options = [
        "--param", "text=[1, 2]", "-P", "lr=0.1", "--priority", "7", "--name", "run-{lr}", "--timeout", "1h",
        "--depends", f"{first}:finished",
    ]  # fmt: skip
    said = shell.call("jobs", "add", "say", *options).stdout
    job = shell.json("jobs", "show", str(first + 1))
    assert said == f"Added job {job['id']} (run-0.1) to project {shell.project}.\n"
    assert (job["name"], job["parameters"], job["priority"]) == ("run-0.1", {"text": [1, 2], "lr": 0.1}, 7)
    assert (job["depends"], job["conditions"]) == ({str(first): "say"}, {str(first): "finished"})
    assert job["timeout"] == 3600
    shown = shell.call("jobs", "show", str(first + 1)).stdout
    for words in ("text = [1, 2]", f"{first} say (finished)", "1h00m", "PENDING"):
        assert words in shown


def test_a_sweep_adds_a_job_for_each_combination(shell: Shell) -> None:
    said = shell.call("jobs", "add", "say", "--param", "x=1", "--sweep", "text=a,b", "--sweep", "seed=1..3").stdout
    jobs = shell.json("jobs", "ls", "--order", "oldest")
    assert said == f"Added 6 jobs to project {shell.project}: {jobs[0]['id']}-{jobs[-1]['id']}.\n"
    assert [job["name"] for job in jobs[:2]] == ["say text=a seed=1", "say text=a seed=2"]
    assert jobs[-1]["parameters"] == {"x": 1, "text": "b", "seed": 3}


def test_a_dry_run_shows_the_jobs_and_sends_none(shell: Shell) -> None:
    done = shell.call("jobs", "add", "say", "--sweep", "text=1..20", "--dry-run")
    assert "say text=10" in done.stdout
    assert "these 20 jobs (20 of task say), and nothing was sent" in done.stdout
    planned = shell.json("jobs", "submit", "-", "--dry-run", stdin='{"task": "say", "parameters": {"text": 1}}')
    assert (planned["would_create"], planned["jobs"][0]["task"]) == (1, "say")
    assert shell.json("jobs", "ls") == []


@pytest.mark.parametrize(
    ("options", "words", "code"),
    [
        (["trian"], "has no task 'trian'; it has say", 2),
        (["say", "--depends", "999999999"], "999999999", 1),
        (["say", "--depends", "99999999999999999999"], "no job id", 2),
        (["say", "--name", "x" * 10_000], "10000 characters", 2),
        (["say", "--name", "bell\a"], "control character", 2),
        (["say", "--priority", "99999999999"], "priority", 2),
        (["say", "--param", "text=1e999"], "inf", 2),
        (["say", "--param", "text=" + "x" * 1_048_576], "at most 1048576", 2),
        (["say", "--sweep", "text=1,1"], "twice", 2),
    ],
)
def test_a_wrong_job_is_refused_with_its_value(shell: Shell, options: list[str], words: str, code: int) -> None:
    assert words in shell.refused("jobs", "add", *options, code=code)
    assert shell.json("jobs", "ls") == []


def test_a_dependency_of_another_project_is_refused(shell: Shell) -> None:
    job = shell.add("say", "--param", "text=x")
    other = f"{shell.project}-other"
    shell.call("projects", "create", other)
    shell.call("--project", other, "tasks", "create", "say")
    assert str(job) in shell.refused("--project", other, "jobs", "add", "say", "--depends", str(job))
    assert shell.json("--project", other, "jobs", "ls") == []


def test_a_file_is_submitted_at_once_with_its_dependencies(shell: Shell) -> None:
    lines = [
        {"task": "say", "ref": "a", "parameters": {"text": 1}},
        {"task": "say", "ref": "b", "parameters": {"text": 2}, "depends_on": ["a"], "name": "second"},
        {"task": "say", "depends_on": ["a", {"job": "b", "condition": "failure"}], "parameters": {"text": 3}},
    ]
    Path("jobs.jsonl").write_text("\n".join(map(json.dumps, lines)))
    said = shell.call("jobs", "submit", "jobs.jsonl").stdout
    first, second, third = shell.json("jobs", "ls", "--order", "oldest")
    assert said == f"Added 3 jobs to project {shell.project}: {first['id']}-{third['id']}.\n"
    assert second["depends"] == {str(first["id"]): "a"}
    assert third["depends"] == {str(first["id"]): "a", str(second["id"]): "second"}
    assert third["conditions"][str(second["id"])] == "failure"


def test_standard_input_and_a_sweep_submit_the_file_once_for_each_value(shell: Shell) -> None:
    text = '{"jobs": [{"task": "say", "ref": "a"}, {"task": "say", "depends_on": ["a"]}]}'
    made = shell.json("jobs", "submit", "-", "--sweep", "text=1,2", stdin=text)
    assert made["created"] == 4
    jobs = [shell.json("jobs", "show", str(job_id)) for job_id in made["job_ids"]]
    assert [job["parameters"]["text"] for job in jobs] == [1, 1, 2, 2]
    assert [list(job["depends"]) for job in jobs] == [[], [str(jobs[0]["id"])], [], [str(jobs[2]["id"])]]


def test_nothing_of_a_wrong_file_is_submitted(shell: Shell) -> None:
    good = '{"task": "say", "parameters": {"text": 1}}'
    said = shell.refused("jobs", "submit", "-", stdin=f"{good}\nnope\n{good}", code=2)
    assert "standard input:2: no JSON at column 1" in said
    assert "standard input:2: project" in shell.refused("jobs", "submit", "-", stdin=f'{good}\n{{"task": "u"}}', code=2)
    said = shell.refused("jobs", "submit", "-", stdin=f'{good}\n{{"task": "say", "depends_on": [999999999]}}')
    assert "999999999" in said
    assert "nowhere.jsonl" in shell.refused("jobs", "submit", "nowhere.jsonl", code=2)
    assert shell.json("jobs", "ls") == []


def test_jobs_are_listed_newest_first_and_narrowed(shell: Shell) -> None:
    shell.call("tasks", "create", "other")
    ids = shell.json("jobs", "add", "say", "--sweep", "text=1..5")["job_ids"]
    last = shell.add("other", "--name", "odd one")
    listing = shell.call("jobs", "ls", "--limit", "2")
    rows = listing.stdout.splitlines()
    assert rows[0].split() == ["id", "name", "task", "status", "priority", "attempt", "age", "time", "worker", "note"]
    assert [row.split()[0] for row in rows[1:]] == [str(last), str(ids[-1])]
    assert "Only the first 2" in listing.stderr
    assert [job["id"] for job in shell.json("jobs", "list", "--task", "say", "--limit", "0")] == ids[::-1]
    assert [job["id"] for job in shell.json("jobs", "ls", "--name", "odd one")] == [last]
    shell.call("jobs", "cancel", str(ids[0]))
    assert [job["id"] for job in shell.json("jobs", "ls", "--status", "cancelled,failed")] == [ids[0]]
    assert shell.call("jobs", "ls", "--status", "running").stderr == "There are no jobs like that.\n"


def test_jobs_are_cancelled_retried_and_removed_by_ids_and_ranges(shell: Shell) -> None:
    ids = shell.json("jobs", "add", "say", "--sweep", "text=1..4")["job_ids"]
    first, last = ids[0], ids[-1]
    said = shell.call("jobs", "cancel", f"{first}-{first + 1}", str(last)).stdout.splitlines()
    assert said[0] == f"Job {first} (say text=1) is CANCELLED."
    assert len(said) == 3
    assert "waits in the queue again" in shell.call("jobs", "retry", str(first)).stdout
    assert "only FAILED and CANCELLED jobs can" in shell.refused("jobs", "retry", str(first))
    partly = shell.call("jobs", "cancel", str(first), "999999999", code=1)
    assert f"Job {first}" in partly.stdout
    assert "999999999" in partly.stderr
    assert shell.json("jobs", "cancel", "--all")["jobs"][0]["status"] == "CANCELLED"
    assert shell.call("jobs", "remove", f"{first},{last}").stdout == f"Deleted job {first}.\nDeleted job {last}.\n"
    assert [job["id"] for job in shell.json("jobs", "ls")] == ids[2:0:-1]
    assert "nothing was done" in shell.call("jobs", "retry", "--failed").stderr


def test_a_worker_runs_jobs_and_everything_about_them_can_be_seen(shell: Shell) -> None:
    shell.call("tasks", "create", "fail", "--command", "sh -c 'echo out; echo oops >&2; exit 3'", "--retries", "1",
               "--retry-delay", "0")  # fmt: skip
    good, bad = shell.add("say", "--param", "text=hello"), shell.add("fail")
    behind = shell.add("say", "--param", "text=x", "--depends", str(bad))
    shell.work()
    assert [shell.status(job) for job in (good, bad, behind)] == ["COMPLETED", "FAILED", "BLOCKED"]
    logs = shell.call("jobs", "logs", str(bad))
    assert (logs.stdout, logs.stderr) == ("out\n", "oops\n")
    assert shell.call("jobs", "logs", str(bad), "--stream", "stderr").stdout == "oops\n"
    assert shell.call("jobs", "logs", str(good), "--tail", "3").stdout == "lo\n"
    first = shell.json("jobs", "logs", str(bad), "--attempt", "1")
    assert (first["attempt"], first["stdout"], first["stderr"]) == (1, "out\n", "oops\n")
    assert [attempt["exit_code"] for attempt in shell.json("jobs", "attempts", str(bad))] == [3, 3]
    shown = shell.call("jobs", "show", str(bad)).stdout
    assert "FAILED" in shown
    assert len([line for line in shown.splitlines() if " exit " in line]) >= 2
    listed = shell.call("jobs", "ls", "--status", "failed").stdout
    assert "Exit code 3" in listed
    assert f"whatsnext jobs retry {bad}" in shell.call("jobs", "why", str(bad)).stdout
    assert (
        f"job {bad} 'fail' FAILED (Exit code 3: oops), and it had to complete"
        in shell.call("jobs", "why", str(behind)).stdout
    )
    assert shell.json("jobs", "why", str(behind))["reasons"][0]["job_ids"] == [bad]
    assert [job["id"] for job in shell.json("jobs", "retry", "--failed")["jobs"]] == [bad]
    assert shell.status(behind) == "PENDING"
    assert "has not begun" in shell.call("jobs", "logs", str(behind)).stderr
    assert "has claimed job" in shell.call("jobs", "attempts", str(behind)).stderr


def test_a_job_without_a_parameter_that_its_command_needs_fails_and_says_which(shell: Shell) -> None:
    job = shell.add("say", "--param", "txet=hello")
    shell.work()
    assert shell.status(job) == "FAILED"
    said = shell.call("jobs", "wait", str(job), code=1).stderr
    assert "format-error" in said
    assert "text" in said


def test_why_tells_what_a_waiting_job_waits_for(shell: Shell) -> None:
    job = shell.add("say", "--param", "text=x")
    shell.call("tasks", "create", "huge", "--cpu", "4096")
    huge = shell.add("huge", "--depends", str(job))
    with shell.worker("--cpus", "0"):
        reasons = shell.json("jobs", "why", str(huge))["reasons"]
    assert [reason["code"] for reason in reasons] == ["dependency", "does-not-fit"]
    assert "lack 4,096 CPUs (the most is " in reasons[1]["text"].replace("lacks", "lack")


def test_logs_follow_a_job_until_it_ends(shell: Shell) -> None:
    gate = shell.folder / "gate"
    shell.call(
        "tasks", "create", "slow", "--command", f"sh -c 'echo one; until test -e {gate}; do sleep 0.05; done; echo two'"
    )
    job = shell.add("slow")
    log = shell.folder / "followed"
    follower = Daemon(
        [PROGRAM, "jobs", "logs", "--follow", str(job)],
        log,
        env={**clean_environment(), **shell.settings},
        cwd=shell.folder,
    )
    with follower, shell.worker():
        wait_until(lambda: log.read_text() == "one\n", 60, "the first line has come")
        assert follower.alive()
        gate.touch()
        assert follower.process.wait(60) == 0
    assert log.read_text() == "one\ntwo\n"


def test_logs_of_very_long_output_say_how_much_is_missing(shell: Shell) -> None:
    written = b"".join(b"%011d\n" % number for number in range(850_000))
    (shell.folder / "long").write_bytes(written)
    shell.call("tasks", "create", "long", "--command", f"cat {shell.folder / 'long'}")
    job = shell.add("long")
    shell.work()
    shown = shell.call("jobs", "logs", str(job)).stdout.encode()
    head, mark, tail = re.split(rb"\n(\[whatsnext: \d+ bytes were dropped here\])\n", shown)
    missing = int(mark.split()[1])
    assert missing > 1_000_000
    assert written.startswith(head)
    assert written.endswith(tail)
    assert len(head) + missing + len(tail) == len(written)


def test_logs_do_not_wait_for_a_job_that_will_never_run(shell: Shell) -> None:
    job = shell.add("say", "--param", "text=x")
    shell.call("jobs", "cancel", str(job))
    assert "has not begun" in shell.call("jobs", "logs", "-f", str(job)).stderr


def test_wait_ends_when_all_jobs_have_ended_and_names_those_that_failed(shell: Shell) -> None:
    shell.call("tasks", "create", "fail", "--command", "false")
    ids = shell.json("jobs", "add", "say", "--sweep", "text=1..30")["job_ids"]
    worker = threading.Thread(target=shell.work)
    worker.start()
    assert shell.call("jobs", "wait", f"{ids[0]}-{ids[-1]}", "--timeout", "60").stdout == "All 30 jobs completed.\n"
    worker.join()
    assert shell.call("jobs", "wait", str(ids[0])).stdout == "1 job completed.\n"
    bad = shell.add("fail")
    shell.work()
    done = shell.call("jobs", "wait", code=1)
    assert f"1 of 31 jobs did not complete:\nJob {bad} (fail) is FAILED: Exit code 1" in done.stderr
    counted = json.loads(shell.call("jobs", "wait", f"{ids[0]},{bad}", "--json", code=1).stdout)
    assert counted["counts"] == {"COMPLETED": 1, "FAILED": 1}
    assert [job["id"] for job in counted["unsuccessful"]] == [bad]


def test_wait_gives_up_after_its_timeout(shell: Shell) -> None:
    job = shell.add("say", "--param", "text=x")
    assert (
        shell.refused("jobs", "wait", str(job), "--timeout", "100ms")
        == "Error: 1 job has not ended after 0.1 seconds.\n"
    )
    assert "not found" in shell.refused("jobs", "wait", "999999999")


def test_waiting_for_a_project_without_jobs_ends_at_once(shell: Shell) -> None:
    assert shell.call("jobs", "wait").stdout == "There is no job to wait for.\n"
