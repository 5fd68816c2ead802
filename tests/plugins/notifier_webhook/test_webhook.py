"""What the webhook sends, what it takes for an answer, and what it never tells."""

import logging
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from typed_settings.types import SecretStr

from tests.plugins.notifier_webhook.receiver import SECRET, Receiver
from tests.server.serving import Program, program
from tests.support import free_port, wait_until
from whatsnext_core.errors import ConfigurationError
from whatsnext_core.model import Event, EventKind
from whatsnext_core.settings import load_plugin_config
from whatsnext_core.testing.notifier import some_events
from whatsnext_notifier_webhook import Webhook, WebhookConfig, WebhookError


def make(receiver: Receiver, **settings: Any) -> Webhook:
    return Webhook(WebhookConfig(url=receiver.url, secret=SecretStr(SECRET), **settings))


def test_request_is_json_with_an_id_that_stays(notifier: Webhook, far_end: Receiver) -> None:
    at = datetime(2026, 1, 31, 12, tzinfo=UTC)
    event = Event(id=7, project_id=1, job_id=3, kind=EventKind.FAILED, at=at, data={"cause": "exit", "exit_code": 2})
    far_end.refuse(True)
    with pytest.raises(WebhookError):
        notifier.notify([event])
    far_end.refuse(False)
    notifier.notify([event])
    notifier.notify(some_events(2, first=7))
    first, again, other = far_end.seen
    assert again.path == "/hook?token=hush"
    assert again.headers["content-type"] == "application/json"
    assert again.events == [
        {
            "id": 7,
            "project_id": 1,
            "job_id": 3,
            "kind": "failed",
            "at": "2026-01-31T12:00:00Z",
            "data": {"cause": "exit", "exit_code": 2},
        }
    ]
    assert first.headers["webhook-id"] == again.headers["webhook-id"] != other.headers["webhook-id"]


def test_only_wanted_events_are_sent_and_nothing_if_there_is_none(far_end: Receiver) -> None:
    webhook = make(far_end, events=("Submitted",), projects=(2,))
    events = some_events(12)
    webhook.notify(events)
    webhook.notify([event for event in events if event.kind is not EventKind.SUBMITTED])
    assert far_end.numbers() == [3, 9]
    assert len(far_end.seen) == 1
    webhook.close()


def test_redirect_is_not_followed(notifier: Webhook, far_end: Receiver) -> None:
    far_end.status, far_end.location = 302, "http://127.0.0.1:9/elsewhere"
    with pytest.raises(WebhookError, match="answered 302, a redirect, which is not followed"):
        notifier.notify(some_events(1))
    assert len(far_end.seen) == 1


def test_refusal_is_told_with_its_words_but_without_secrets(notifier: Webhook, far_end: Receiver) -> None:
    far_end.status, far_end.text = 422, b"no \x1b[31mthanks\r\n" + b"x" * 5_000
    with pytest.raises(WebhookError, match=r"answered 422: no \[31mthanks x{50}") as caught:
        notifier.notify(some_events(1))
    assert len(str(caught.value)) < 400
    assert "hush" not in str(caught.value)
    notifier.notify([])
    far_end.status = 200
    notifier.notify(some_events(1))


def test_receiver_that_is_away_or_silent_is_an_error(far_end: Receiver, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    away = Webhook(WebhookConfig(url=f"http://127.0.0.1:{free_port()}/hush", secret=SecretStr(SECRET)))
    with pytest.raises(WebhookError, match=r"receiver at 127.0.0.1 cannot be reached: Connection refused\.$"):
        away.notify(some_events(1))
    far_end.hangs = True
    silent = make(far_end, timeout=0.1)
    with pytest.raises(WebhookError, match="cannot be reached: "):
        silent.notify(some_events(1))
    assert SECRET not in caplog.text
    silent.close()


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ("", "lacks the settings secret, url"),
        ('url = "http://x/"', "lacks the settings secret"),
        ('url = "ftp://x/hush"\nsecret = "a secret of the tests"', "url is no address"),
        ('url = "http://"\nsecret = "a secret of the tests"', "url is no address"),
        ('url = "http://x:99999/"\nsecret = "a secret of the tests"', "url is no address"),
        ('url = "http://x/ü"\nsecret = "a secret of the tests"', "url is no address"),
        ('url = "http://me:hush@x/"\nsecret = "a secret of the tests"', "url names a user"),
        ('url = "http://x/"\nsecret = "hush"', "secret has 4 characters"),
        ('url = "http://x/"\nsecret = "whsec_hush-hush-hush"', "no base64"),
        ('url = "http://x/"\nsecret = 5', "secret"),
        ('url = "http://x/"\nsecret = "a secret of the tests"\nevents = ["exploded"]', "events: 'exploded' is not"),
        ('url = "http://x/"\nsecret = "a secret of the tests"\nprojects = [0]', "projects names 0"),
        ('url = "http://x/"\nsecret = "a secret of the tests"\ntimeout = 0', "timeout is 0.0"),
        ('url = "http://x/"\nsecret = "a secret of the tests"\nbatch = 0', "batch is 0"),
        ('url = "http://x/"\nsecret = "a secret of the tests"\nurls = 5', "urls"),
    ],
)
def test_wrong_setting_is_refused_and_no_secret_is_shown(tmp_path: Path, lines: str, words: str) -> None:
    file = tmp_path / "whatsnext.toml"
    file.write_text(f"[plugins.webhook]\n{lines}\n")
    with pytest.raises(ConfigurationError, match=words) as caught:
        load_plugin_config("webhook", WebhookConfig, config=file)
    assert "hush" not in str(caught.value)


def test_settings_show_no_secret() -> None:
    config = WebhookConfig(url="https://x/hush", secret=SecretStr(SECRET), events=("LOST",))
    assert "hush" not in repr(config)
    assert SECRET not in repr(config)
    assert config.kinds == {EventKind.LOST}


# -- in a server -------------------------------------------------------------------------------------------------------


def configured(folder: Path, receiver: Receiver) -> list[str]:
    """The options of a server that tells a receiver."""
    file = folder / "hooks.toml"
    file.write_text(f'[plugins.webhook]\nurl = "{receiver.url}"\nsecret = "{SECRET}"\n')
    return ["--config", str(file), "--notifiers", "webhook"]


def test_server_tells_the_receiver_all_that_happened_though_it_was_killed(tmp_path: Path, far_end: Receiver) -> None:
    url, options = f"sqlite:///{tmp_path / 'q.db'}", configured(tmp_path, far_end)
    first = Program(tmp_path, url, *options)
    wait_until(lambda: first.api.call("GET", "/notifiers"), why="the notifier has its cursor")
    project_id, task_id = first.api.queue()
    jobs = [first.api.job(project_id, task_id) for _ in range(5)]
    wait_until(lambda: len(far_end.numbers()) == 5)
    far_end.refuse(True)
    jobs += [first.api.job(project_id, task_id) for _ in range(5)]
    state = wait_until(lambda: (found := first.api.call("GET", "/notifiers")[0])["failures"] and found)
    assert "answered 503" in state["error"]
    assert state["behind"] >= 1
    first.kill()
    far_end.refuse(False)
    with program(tmp_path, url, *options) as second:
        jobs.append(second.api.job(project_id, task_id))
        wait_until(lambda: len(set(far_end.numbers())) == 11)
        listed = second.api.call("GET", "/events", headers={"Accept": "application/json"})
        assert sorted(set(far_end.numbers())) == [event["id"] for event in listed]
        wait_until(lambda: second.api.call("GET", "/notifiers")[0]["behind"] == 0)
    told = {event["id"]: event for received in far_end.taken for event in received.events}
    assert list(told.values()) == listed
    assert [event["job_id"] for event in listed] == jobs
    log = (tmp_path / "log").read_text()
    assert SECRET not in log
    assert "hush" not in log
    assert "The notifier 'webhook' failed 1 times in a row" in log
