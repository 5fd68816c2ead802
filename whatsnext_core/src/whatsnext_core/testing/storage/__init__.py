"""The conformance kit of storage backends: numbered scenarios that every backend passes."""

from whatsnext_core.testing.storage.conformance import StorageConformance
from whatsnext_core.testing.storage.story import Story

__all__ = ["StorageConformance", "Story"]
