"""The conformance kit of storage backends: numbered scenarios that every backend passes."""

from whatsnext_core.testing.storage.conformance import StorageConformance
from whatsnext_core.testing.storage.near import NearStorageConformance
from whatsnext_core.testing.storage.story import Story

__all__ = ["NearStorageConformance", "StorageConformance", "Story"]
