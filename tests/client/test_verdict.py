"""A job that ends itself as failed: by a file, from Python, from a shell; alone, or with its siblings."""

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.client.conftest import MakeClient
from tests.client.support import Python, processes_with, until, working
from tests.support import wait_until
from whatsnext.api.client import InvalidError, Job, Project, fail
from whatsnext_client.verdict import Verdict, read_verdict, write_verdict

FAIL = "from whatsnext.api.client import fail; fail('loss is NaN', stop_siblings=True)"


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file that a job finds in its environment."""
    path = tmp_path / "verdict.json"
    monkeypatch.setenv("WHATSNEXT_VERDICT", str(path))
    return path


@pytest.mark.parametrize("verdict", [Verdict(message="loss is NaN"), Verdict(message='"ü"\n', stop_siblings=True)])
def test_what_is_written_is_read(file: Path, verdict: Verdict) -> None:
    assert read_verdict(file) == (None, "")
    write_verdict(verdict)
    assert read_verdict(file) == (verdict, "")
    assert list(file.parent.iterdir()) == [file]


def test_fail_ends_the_process_with_its_message(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SystemExit) as caught:
        fail("no data", stop_siblings=True)
    assert caught.value.code == "no data"
    assert json.loads(file.read_text()) == {"failed": "no data", "stop_siblings": True}
    file.unlink()
    monkeypatch.delenv("WHATSNEXT_VERDICT")
    with pytest.raises(SystemExit):
        fail("no data")
    assert not file.exists()


def test_verdict_needs_a_job_and_words(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InvalidError, match="say what went wrong"):
        write_verdict(Verdict(message="  "))
    with pytest.raises(InvalidError, match="in fewer"):
        write_verdict(Verdict(message="x" * 70_000))
    monkeypatch.delenv("WHATSNEXT_VERDICT")
    with pytest.raises(InvalidError, match="is no job"):
        write_verdict(Verdict(message="words"))
    assert not file.exists()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b'{"failed"', "cannot be read"),
        (b"\xff", "cannot be read"),
        (b"[1]", 'write {"failed"'),
        (b"{}", 'write {"failed"'),
        (b'{"failed": "x", "more": 1}', 'write {"failed"'),
        (b'{"failed": ""}', "write the reason"),
        (b'{"failed": true}', "write the reason"),
        (b'{"failed": "x", "stop_siblings": 1}', "write true or false"),
        (b'{"failed": "' + b"x" * 70_000 + b'"}', "cannot be read"),
        (b"[" * 60_000, "cannot be read"),
    ],
)
def test_what_is_no_verdict_is_told_in_words(file: Path, content: bytes, words: str) -> None:
    file.write_bytes(content)
    found, complaint = read_verdict(file)
    assert found is None
    assert words in complaint
    file.write_bytes(b" \n")
    assert read_verdict(file) == (None, "")


def test_unreadable_file_is_told_in_words(tmp_path: Path) -> None:
    assert read_verdict(tmp_path) == (None, "Its verdict could not be read: Is a directory.")


def test_job_that_fails_itself_is_ended_and_not_retried(
    project: Project, make_client: MakeClient, tmp_path: Path
) -> None:
    """From a shell that would go on for an hour, with a child that would, too."""
    marker = f"3600.{os.getpid()}"
    whatsnext = shlex.quote(str(Path(sys.executable).with_name("whatsnext")))
    script = tmp_path / "job.sh"
    script.write_text(f"sleep {marker} & echo 5 >$WHATSNEXT_RESULT\n{whatsnext} fail 'loss is NaN'; sleep {marker}\n")
    project.create_task("train", command_template=f"sh {script}", retry={"retries": 3}, grace=5)
    job = project.append("job", "train")
    assert make_client().work() == 1
    job.refresh()
    assert (job.status, job.cause, job.message, job.result) == ("FAILED", "promised", "loss is NaN", 5)
    (attempt,) = job.attempts()
    assert (attempt.cause, attempt.exit_code) == ("promised", -15)
    assert not processes_with(marker)


def test_policy_may_retry_what_fails_itself(project: Project, make_client: MakeClient) -> None:
    project.create_task("train", retry={"retries": 1, "delay": 0, "causes": ["promised"]})
    code = "import os\nif os.environ['WHATSNEXT_ATTEMPT'] == '1':\n    " + FAIL
    job = project.append("job", "train", {"code": code})
    assert make_client(formatter=Python()).work() == 2
    assert [attempt.cause for attempt in job.attempts()] == ["promised", None]
    assert job.refresh().status == "COMPLETED"


def test_job_that_exits_well_after_its_verdict_has_failed(project: Project, make_client: MakeClient) -> None:
    project.create_task("train")
    write = "import os; open(os.environ['WHATSNEXT_VERDICT'], 'w').write({!r})"
    good = project.append("good", "train", {"code": write.format('{"failed": "no gain"}')})
    bad = project.append("bad", "train", {"code": write.format("loss is NaN")})
    blank = project.append("blank", "train", {"code": write.format("")})
    make_client(formatter=Python()).work()
    assert (good.refresh().cause, good.message, good.exit_code) == ("promised", "no gain", 0)
    assert bad.refresh().cause == "promised"
    assert bad.message.startswith("Its verdict cannot be read: ")
    assert blank.refresh().status == "COMPLETED"


def test_job_stops_its_siblings(project: Project, make_client: MakeClient, tmp_path: Path) -> None:
    """One fails itself while another one runs, a third waits, and a fourth is none of them."""
    project.create_task("train", grace=5)
    begun, never = tmp_path / "begun", tmp_path / "never"
    runs = f"open({str(begun)!r}, 'w').close()\n{until(never)}"
    codes = {"running": runs, "failing": until(begun) + FAIL, "waiting": "print('ran')"}
    sweep = [Job(name, "train", {"code": code}, priority=-place) for place, (name, code) in enumerate(codes.items())]
    best = Job("best", "train", {"code": ""}, depends=sweep)
    report = Job("report", "train", {"code": ""}, depends=[best])
    other = Job("other", "train", {"code": ""}, priority=-9)
    project.extend_queue([*sweep, best, report, other])
    with working(make_client(formatter=Python(), available_cpu=2)):
        other.wait(60)
        wait_until(lambda: all(job.refresh().status == "CANCELLED" for job in (sweep[0], sweep[2])))
    assert [job.refresh().status for job in sweep] == ["CANCELLED", "FAILED", "CANCELLED"]
    assert (sweep[1].cause, sweep[1].message) == ("promised", "loss is NaN")
    assert [job.refresh().status for job in (best, report, other)] == ["BLOCKED", "BLOCKED", "COMPLETED"]
    assert sweep[2].attempts() == []


def test_shell_says_so_without_a_server(tmp_path: Path) -> None:
    command = [str(Path(sys.executable).with_name("whatsnext")), "--json", "fail", "no data", "--stop-siblings"]
    file = tmp_path / "verdict.json"
    env = {key: value for key, value in os.environ.items() if not key.startswith("WHATSNEXT_")}
    inside = {**env, "WHATSNEXT_VERDICT": str(file), "WHATSNEXT_SERVER": "http://127.0.0.1:9", "WHATSNEXT_TASK": "t"}
    said = subprocess.run(command, env=inside, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert json.loads(said.stdout) == json.loads(file.read_text()) == {"failed": "no data", "stop_siblings": True}
    outside = subprocess.run(command, env=env, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert outside.returncode == 2
    assert "is no job" in outside.stderr
