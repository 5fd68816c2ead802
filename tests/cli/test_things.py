"""Projects, tasks, the queue and the workers, from the command line."""

import json

import pytest

from tests.cli.shell import Shell
from tests.support import wait_until


def test_a_project_is_made_listed_shown_archived_and_deleted(nobody: Shell) -> None:
    name = nobody.project
    made = nobody.call("projects", "create", name, "--description", "a sweep").stdout
    assert made == f"Created project {name} with id {nobody.json('projects', 'show')['id']}.\n"
    for listing in ("list", "ls"):
        rows = [line.split() for line in nobody.call("projects", listing).stdout.splitlines()]
        assert rows[0] == ["id", "name", "status", "age", "description"]
        assert [name, "ACTIVE"] in [row[1:3] for row in rows]
    assert nobody.json("projects", "show", name)["counts"]["PENDING"] == 0
    assert "a sweep" in nobody.call("projects", "show", name).stdout
    nobody.call("projects", "archive", name)
    assert name in [each["name"] for each in nobody.json("projects", "ls", "--status", "archived")]
    assert name not in [each["name"] for each in nobody.json("projects", "ls", "--status", "active")]
    nobody.call("projects", "archive", name, "--undo")
    assert nobody.json("projects", "delete", name)["name"] == name
    assert f"no project named '{name}'" in nobody.refused("projects", "show", name)


def test_a_second_project_of_one_name_is_refused(shell: Shell) -> None:
    assert repr(shell.project) in shell.refused("projects", "create", shell.project)


@pytest.mark.parametrize("name", ["x" * 10_000, "bell\a", " blank ", ""])
def test_a_project_with_an_absurd_name_is_refused(nobody: Shell, name: str) -> None:
    assert "name" in nobody.refused("projects", "create", name)


def test_a_project_may_have_any_sensible_name(nobody: Shell) -> None:
    name = "a/b ü%2F?#[bold]x[/]"
    nobody.call("projects", "create", name)
    assert nobody.json("projects", "show", name)["name"] == name
    assert name in nobody.call("projects", "ls").stdout
    nobody.call("projects", "delete", name)


def test_commands_that_need_a_project_say_how_to_name_one(nobody: Shell) -> None:
    done = nobody.call("queue", "ls", code=2, env={"WHATSNEXT_PROJECT": ""})
    assert "--project NAME, set WHATSNEXT_PROJECT" in done.stderr
    assert "no project named" in nobody.refused("tasks", "ls")


def test_a_task_takes_every_field_as_an_option(shell: Shell) -> None:
    options = [
        "--command", "python train.py --lr {lr}", "--cpu", "4", "--accelerators", "0.5", "--memory", "8G",
        "--accelerator-kind", "a100", "--accelerator-memory", "40GiB", "--label", "site=basement", "--label", "fast",
        "--timeout", "2h", "--signal", "SIGINT", "--grace", "5", "--retries", "3", "--retry-delay", "1m",
        "--retry-factor", "3", "--retry-max-delay", "1h", "--retry-jitter", "0.5", "--retry-on", "oom", "--retry-on",
        "exit", "--retry-memory-factor", "1.5", "--max-losses", "2", "--env", "A=b=c", "--option",
        "docker.image=alpine", "--option", "docker.gpus=2",
    ]  # fmt: skip
    task = shell.json("tasks", "create", "train", *options)
    expected = {
        "name": "train", "command_template": "python train.py --lr {lr}", "required_cpu": 4,
        "required_accelerators": 0.5, "required_memory": 8 * 2**30, "accelerator_kind": "a100",
        "accelerator_memory": 40 * 2**30,
        "required_labels": ["fast", "site=basement"], "timeout": 7200, "signal": "SIGINT", "grace": 5,
        "environment": {"A": "b=c"}, "options": {"docker": {"image": "alpine", "gpus": 2}},
        "retry": {
            "retries": 3, "delay": 60, "factor": 3, "max_delay": 3600, "jitter": 0.5, "causes": ["exit", "oom"],
            "memory_factor": 1.5, "max_losses": 2,
        },
    }  # fmt: skip
    assert {key: task[key] for key in expected} == expected
    shown = shell.call("tasks", "show", "train").stdout
    for words in ("0.5 a100 40 GiB", "8 GiB", "fast site=basement", "2h00m", "3 on exit, oom", "A=b=c", "SIGINT"):
        assert words in shown
    assert "0.5 a100 40 GiB" in shell.call("tasks", "ls").stdout


def test_a_task_without_options_has_the_documented_defaults(shell: Shell) -> None:
    task = shell.json("tasks", "create", "plain")
    assert (task["required_cpu"], task["required_accelerators"], task["command_template"]) == (1, 0, None)
    assert [each["name"] for each in shell.json("tasks", "list")] == ["say", "plain"]
    assert shell.json("tasks", "delete", "plain")["name"] == "plain"
    assert "plain" in shell.refused("tasks", "show", "plain")


@pytest.mark.parametrize(
    ("options", "words", "code"),
    [
        (["say"], "'say'", 1),
        (["x", "--cpu", "-1"], "required_cpu is -1", 1),
        (["x", "--cpu", "99999999"], "65536", 1),
        (["x", "--accelerators", "1.5"], "1.5", 1),
        (["x", "--retries", "-1"], "-1", 1),
        (["x", "--timeout", "0"], "timeout", 1),
        (["x", "--env", "1A=x"], "'1A'", 1),
        (["x", "--label", "a b"], "'a b'", 1),
        (["x", "--retry-on", "boredom"], "'boredom' is not a cause", 1),
        (["x" * 10_000], "255 characters", 1),
        (["x", "--memory", "lots"], "'lots' is no amount of memory", 2),
        (["x", "--signal", "SIGKILL"], "SIGKILL", 2),
    ],
)
def test_a_wrong_task_is_refused_with_its_value(shell: Shell, options: list[str], words: str, code: int) -> None:
    assert words in shell.refused("tasks", "create", *options, code=code)
    assert len(shell.json("tasks", "ls")) == 1


def test_the_queue_lists_what_waits_in_the_order_of_its_start_and_is_cleared(shell: Shell) -> None:
    first, second = shell.add("say", "--param", "text=a"), shell.add("say", "--param", "text=b", "--priority", "5")
    third = shell.add("say", "--param", "text=c", "--depends", str(second))
    assert [job["id"] for job in shell.json("queue", "ls")] == [second, first, third]
    limited = shell.call("queue", "ls", "--limit", "1")
    assert limited.stdout.splitlines()[1].split()[0] == str(second)
    assert "1 of 3 pending jobs" in limited.stderr
    assert shell.json("queue", "clear") == {"deleted": 3}
    empty = shell.call("queue", "ls")
    assert (empty.stdout, "is empty" in empty.stderr) == ("", True)


def test_a_worker_is_listed_shown_and_drained(shell: Shell) -> None:
    with shell.worker("--label", "site=here", "--accelerators", "2", "--memory", "1G", "--entity", "lab") as worker:
        name = worker.argv[worker.argv.index("--id") + 1]
        shown = shell.call("clients", "show", name).stdout
        for words in ("lab", "active", "1 GiB", "site=here"):
            assert words in shown
        assert name in [client["id"] for client in shell.json("clients", "ls")]
        assert f"Worker {name} finishes what it runs" in shell.call("clients", "drain", name).stdout
        wait_until(lambda: not worker.alive(), 60, "the drained worker has left")
        assert worker.process.returncode == 0
    assert name not in [client["id"] for client in shell.json("clients", "ls")]
    assert name in shell.call("clients", "ls", "--all").stdout
    assert "nobody-here" in shell.refused("clients", "show", "nobody-here")


def test_json_without_anything_to_list_is_an_empty_list(nobody: Shell) -> None:
    nobody.call("projects", "create", nobody.project)
    for arguments in (["tasks", "ls"], ["jobs", "ls"], ["queue", "ls"]):
        done = nobody.call(*arguments, "--json")
        assert (json.loads(done.stdout), done.stderr) == ([], "")
