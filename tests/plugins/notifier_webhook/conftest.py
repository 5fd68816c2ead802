"""A receiver, and a webhook that talks to it."""

from collections.abc import Iterator

import pytest
from typed_settings.types import SecretStr

from tests.plugins.notifier_webhook.receiver import SECRET, Receiver
from whatsnext_notifier_webhook import Webhook, WebhookConfig


@pytest.fixture
def far_end() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


@pytest.fixture
def notifier(far_end: Receiver) -> Iterator[Webhook]:
    webhook = Webhook(WebhookConfig(url=far_end.url, secret=SecretStr(SECRET), batch=150, timeout=20))
    yield webhook
    webhook.close()
