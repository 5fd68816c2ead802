"""The plugin module that the `notifier-webhook` entry point names."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from whatsnext_core.hookspecs import NotifierPlugin, hookimpl
from whatsnext_notifier_webhook.config import WebhookConfig

if TYPE_CHECKING:
    from whatsnext_notifier_webhook.webhook import Webhook


@hookimpl
def whatsnext_notifiers() -> Iterable[NotifierPlugin]:
    """Return the notifier of this package."""
    summary = "signed HTTP requests with batches of events"
    return [NotifierPlugin(name="webhook", summary=summary, factory=_make, config=WebhookConfig)]


def _make(config: WebhookConfig) -> Webhook:
    from whatsnext_notifier_webhook.webhook import Webhook

    return Webhook(config)
