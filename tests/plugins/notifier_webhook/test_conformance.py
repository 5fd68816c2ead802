"""The webhook does what every notifier does, against a real HTTP server."""

import pytest

from tests.plugins.notifier_webhook.receiver import Receiver
from whatsnext_core.testing import NotifierConformance
from whatsnext_notifier_webhook import Webhook


class TestWebhook(NotifierConformance):
    @pytest.fixture
    def far_end(self, far_end: Receiver) -> Receiver:
        return far_end

    @pytest.fixture
    def notifier(self, notifier: Webhook) -> Webhook:
        return notifier
