"""Scenarios of storages that can write at once."""

from __future__ import annotations

import threading

import pytest

from whatsnext_core.errors import NotFoundError, TransientStorageError
from whatsnext_core.storage import NearStorage, Storage
from whatsnext_core.testing.storage.base import Reopen, StorageFixtures
from whatsnext_core.testing.storage.story import Story


class NearStorageConformance(StorageFixtures):
    """N: what a backend does that can write at once; its author has a second subclass, with the same fixtures."""

    @pytest.fixture
    def near(self, storage: Storage) -> NearStorage:
        """The storage, known to be one that can write at once."""
        assert isinstance(storage, NearStorage)
        return storage

    def test_what_is_written_at_once_is_kept(self, near: NearStorage, story: Story, reopen: Reopen | None) -> None:
        """N01 (NearStorage.write_at_once): and seen by who writes next, either way."""
        with near.write_at_once() as writer:
            writer.create_project("one", "", story.now)
        two = story.project("two")
        with near.write_at_once() as writer:
            assert writer.project_named("two") == two
        with (reopen() if reopen else near).read() as reader:
            assert reader.project_named("one").id < two.id

    def test_nothing_is_kept_of_a_block_that_fails(self, near: NearStorage, story: Story) -> None:
        """N02 (NearStorage.write_at_once): nor is anybody hindered by it."""

        def fail() -> None:
            with near.write_at_once() as writer:
                writer.create_project("half", "", story.now)
                raise RuntimeError("a defect")

        with pytest.raises(RuntimeError, match="a defect"):
            fail()
        with pytest.raises(NotFoundError):
            story.read(lambda reader: reader.project_named("half"))
        story.project("half")

    def test_nobody_is_waited_for(self, near: NearStorage, story: Story) -> None:
        """N03 (NearStorage.write_at_once): it says so while another thread writes, and hinders that one in nothing."""
        begun, release = threading.Event(), threading.Event()

        def write() -> None:
            with near.write() as writer:
                begun.set()
                release.wait()
                writer.create_project("slow", "", story.now)

        thread = threading.Thread(target=write)
        thread.start()
        begun.wait()
        try:
            with pytest.raises(TransientStorageError), near.write_at_once():
                raise AssertionError("it waited for nobody, and yet it began")
        finally:
            release.set()
            thread.join()
        with near.write_at_once() as writer:
            assert writer.project_named("slow").name == "slow"
