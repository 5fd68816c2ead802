"""What a worker writes down of the attempts on an engine, and when."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from attrs import evolve

from tests.client.engine.test_ledger import assignment
from tests.client.support import remembered
from tests.support import wait_until
from whatsnext_client.engine.folder import StateFolder
from whatsnext_client.engine.records import Held
from whatsnext_client.engine.runner import Runner
from whatsnext_client.engine.surroundings import Surroundings
from whatsnext_client.engine.turns import Turn
from whatsnext_core.formatting import Handle, Invocation
from whatsnext_core.formatting.process import Processes
from whatsnext_core.model import AttemptEnd
from whatsnext_formatter_cli.formatter import CLIFormatter

FOREVER = 1e9


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[StateFolder]:
    """The folder of a worker."""
    found = StateFolder.acquire(tmp_path, "worker")
    yield found
    found.close()


@pytest.fixture
def runner(folder: StateFolder) -> Iterator[Runner]:
    """What runs its local processes."""
    engine = CLIFormatter()
    surroundings = Surroundings(server="", client_id="one", project_names={}, deals_devices=False)
    yield Runner(engine, folder, surroundings, on_running=lambda _: None, on_waiting=lambda _, __: None)
    engine.close()


def attempt(job_id: int, command: str) -> Held:
    """An attempt at a job with this command."""
    given = assignment(job_id)
    return Held.from_assignment(evolve(given, task=evolve(given.task, command_template=command)), time.monotonic())


def run_to_its_end(runner: Runner, held: Held, turn: Turn | None = None) -> AttemptEnd:
    """Run an attempt, and return how it ended."""
    assert runner.start(held, turn) is None
    ended: list[tuple[Held, AttemptEnd]] = []

    def has_ended() -> bool:
        ended.extend(runner.look(now=time.monotonic()))
        return bool(ended)

    wait_until(has_ended)
    return ended[0][1]


def test_nothing_begins_in_turn_before_it_is_written_down(runner: Runner, folder: StateFolder, tmp_path: Path) -> None:
    held = attempt(1, f"touch {tmp_path}/begun")
    assert runner.start(held, Turn(width=1, until=FOREVER)) is None
    time.sleep(0.3)
    assert remembered(folder.path) == {}
    assert not (tmp_path / "begun").exists()
    runner.look(now=time.monotonic())
    assert remembered(folder.path)["1-1"]["in_turn"]
    wait_until((tmp_path / "begun").exists)


@pytest.mark.parametrize("way", ["another one starts", "it is stopped", "somebody asks what to wait for"])
def test_whatever_lets_the_engine_hear_of_an_attempt_in_turn_writes_it_down_first(
    runner: Runner, folder: StateFolder, tmp_path: Path, way: str
) -> None:
    begun = tmp_path / "begun"
    held = attempt(1, f"touch {begun}")
    assert runner.start(held, Turn(width=1, until=FOREVER)) is None
    match way:
        case "another one starts":
            assert runner.start(attempt(2, "sleep 60")) is None
        case "it is stopped":
            runner.kill(held)
        case _:
            assert runner.descriptors()
    assert remembered(folder.path)["1-1"]["in_turn"]
    if way != "it is stopped":
        wait_until(begun.exists)
    for each in list(runner.live.values()):
        runner.kill(each)


def test_an_attempt_in_turn_is_written_down_when_another_one_makes_the_engine_hear_of_it(
    runner: Runner, folder: StateFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[set[str]] = []
    start = Processes.start

    def noting(self: Processes, invocation: Invocation) -> Handle:
        written.append(set(remembered(folder.path)))
        return start(self, invocation)

    monkeypatch.setattr(Processes, "start", noting)
    assert runner.start(attempt(1, "true"), Turn(width=1, until=FOREVER)) is None
    assert runner.start(attempt(2, "true")) is None
    assert written == [{"1-1"}]


def test_ends_are_written_down_with_the_next_look(runner: Runner, folder: StateFolder) -> None:
    held = attempt(1, "true")
    held.end = run_to_its_end(runner, held)
    runner.remember_end(held)
    assert "end" not in remembered(folder.path)["1-1"] or remembered(folder.path)["1-1"]["end"] is None
    runner.look(now=time.monotonic())
    assert remembered(folder.path)["1-1"]["end"]["exit_code"] == 0
    runner.forget(held)
    folder.journal.close()
    assert remembered(folder.path) == {}


def test_a_result_is_found_in_a_directory_that_was_handed_on(runner: Runner, tmp_path: Path) -> None:
    script = tmp_path / "answer.sh"
    script.write_text("echo 5 > $WHATSNEXT_RESULT")
    held = attempt(0, "true")
    for number in range(1, 4):
        held = attempt(number, "true")
        assert run_to_its_end(runner, held, Turn(width=1, until=FOREVER)).result is None
        time.sleep(0.15)
        runner.forget(held)
    assert held.left_nothing
    answering = attempt(4, f"sh {script}")
    assert run_to_its_end(runner, answering, Turn(width=1, until=FOREVER)).result == 5
    assert not answering.left_nothing
    assert answering.directory is not None
    assert (answering.directory / "parameters.json").read_text() == "{}"
