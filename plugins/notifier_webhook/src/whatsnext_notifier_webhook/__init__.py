"""Tells a URL of what happens to jobs, by signed HTTP requests."""

from whatsnext_notifier_webhook.config import WebhookConfig
from whatsnext_notifier_webhook.signing import SignatureError, sign, verify
from whatsnext_notifier_webhook.webhook import Webhook, WebhookError

__all__ = ["SignatureError", "Webhook", "WebhookConfig", "WebhookError", "sign", "verify"]
