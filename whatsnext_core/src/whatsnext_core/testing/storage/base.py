"""The fixtures of the scenarios."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import pytest

from whatsnext_core.storage import Storage
from whatsnext_core.testing.storage.story import Story

Reopen: TypeAlias = Callable[[], Storage]


class StorageFixtures:
    """The fixtures that an author overrides, and the one that the scenarios use."""

    @pytest.fixture
    def storage(self) -> Storage:
        """An open, empty storage. An author overrides this one."""
        raise NotImplementedError("Override the fixture 'storage' with one that gives an open, empty storage.")

    @pytest.fixture
    def reopen(self) -> Reopen | None:
        """What closes the storage and opens the same one again; None for a storage that keeps nothing."""
        return None

    @pytest.fixture
    def story(self, storage: Storage) -> Story:
        """The storage with short words for what happens to it."""
        return Story(storage)
