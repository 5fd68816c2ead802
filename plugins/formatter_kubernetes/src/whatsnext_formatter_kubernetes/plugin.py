"""The plugin module that the `formatter-kubernetes` entry point names."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import attrs

from whatsnext_core.hookspecs import FormatterPlugin, hookimpl
from whatsnext_formatter_kubernetes.options import KubernetesOptions

if TYPE_CHECKING:
    from whatsnext_formatter_kubernetes.formatter import KubernetesFormatter


def from_config(config: KubernetesOptions | None) -> KubernetesFormatter:
    """Return the formatter with the settings of ``[plugins.kubernetes]``."""
    from whatsnext_formatter_kubernetes.formatter import KubernetesFormatter

    return KubernetesFormatter(**attrs.asdict(config or KubernetesOptions()))


@hookimpl
def whatsnext_formatters() -> Iterable[FormatterPlugin]:
    """Return the formatter of this package."""
    summary = "jobs of a Kubernetes cluster, sent by kubectl"
    return [FormatterPlugin(name="kubernetes", summary=summary, factory=from_config, config=KubernetesOptions)]
