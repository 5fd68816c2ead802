"""Conformance kits for the authors of plugins. They need pytest and Hypothesis: install ``whatsnext-core[testing]``."""

from whatsnext_core.testing import _asserts as _asserts
from whatsnext_core.testing.chaos import ChaosConformance
from whatsnext_core.testing.formatter import FormatterConformance
from whatsnext_core.testing.notifier import NotifierConformance
from whatsnext_core.testing.probe import ProbeConformance
from whatsnext_core.testing.storage import NearStorageConformance, StorageConformance

__all__ = [
    "ChaosConformance",
    "FormatterConformance",
    "NearStorageConformance",
    "NotifierConformance",
    "ProbeConformance",
    "StorageConformance",
]
