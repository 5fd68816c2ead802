"""Which package provides a plugin that people may ask for before they have installed it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

FORMATTERS: Final = ("cli", "docker", "kubernetes", "runai", "slurm")
SCHEMES: Final = ("postgresql", "sqlite")
PROBES: Final = ("cpu", "nvidia", "slurm")

KNOWN: Final[Mapping[str, Mapping[str, str]]] = {
    "whatsnext_formatters": {name: f"whatsnext-formatter-{name}" for name in FORMATTERS},
    "whatsnext_notifiers": {"webhook": "whatsnext-notifier-webhook"},
    "whatsnext_resource_probes": {name: f"whatsnext-probe-{name}" for name in PROBES},
    "whatsnext_storage_backends": dict.fromkeys((*SCHEMES, "sql"), "whatsnext-storage-sql"),
}


def distribution_for(hook: str, name: str) -> str | None:
    """Return the package that provides what ``hook`` offers under ``name``, if it is well known."""
    return KNOWN.get(hook, {}).get(name)
