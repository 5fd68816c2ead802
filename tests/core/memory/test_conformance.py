"""The storage in memory passes the kit that it is the model of."""

import pytest

from whatsnext_core.memory import MemoryStorage
from whatsnext_core.storage import Storage
from whatsnext_core.testing.storage import StorageConformance


class TestMemoryStorage(StorageConformance):
    @pytest.fixture
    def storage(self) -> Storage:
        return MemoryStorage()
