"""What may have been written is not offered to be tried again: it could be there twice then."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.server.serving import serving
from whatsnext_core.errors import StorageError, UncertainStorageError
from whatsnext_core.memory import MemoryStorage
from whatsnext_core.storage import Page


class Doubtful(MemoryStorage):
    """A storage whose commit fails when a project was made."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self._error = error

    @contextmanager
    def write(self) -> Iterator[Any]:
        with super().write() as writer:
            before = len(writer.projects(Page()))
            yield writer
            if len(writer.projects(Page())) > before:
                raise self._error


@pytest.mark.parametrize(
    ("error", "retry_after"), [(UncertainStorageError("Perhaps."), None), (StorageError("No."), "1")]
)
def test_only_what_was_surely_not_written_is_to_be_tried_again(error: Exception, retry_after: str | None) -> None:
    with serving(Doubtful(error)) as api:
        answer = api.http.post("/projects/", json={"name": "twice"})
    assert (answer.status_code, answer.json()["detail"]) == (503, str(error))
    assert answer.headers.get("retry-after") == retry_after
