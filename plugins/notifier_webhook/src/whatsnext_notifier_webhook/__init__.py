"""Tells a URL of what happens to jobs, by signed HTTP requests."""

from typing import TYPE_CHECKING

from whatsnext_core.lazy import lazy_exports

if TYPE_CHECKING:
    from whatsnext_notifier_webhook.config import WebhookConfig
    from whatsnext_notifier_webhook.signing import SignatureError, sign, verify
    from whatsnext_notifier_webhook.webhook import Webhook, WebhookError

__all__ = ["SignatureError", "Webhook", "WebhookConfig", "WebhookError", "sign", "verify"]

__getattr__ = lazy_exports(
    __name__,
    {
        "SignatureError": "signing",
        "Webhook": "webhook",
        "WebhookConfig": "config",
        "WebhookError": "webhook",
        "sign": "signing",
        "verify": "signing",
    },
)
