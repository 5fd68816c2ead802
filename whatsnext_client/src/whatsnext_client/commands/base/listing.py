"""Lists of jobs, page by page, in any order."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from whatsnext_client.rest import Document, Rest

PAGE = 1_000
"""Jobs that one request asks for."""


def list_jobs(api: Rest, *, limit: int = 0, order: str = "oldest", **where: Any) -> list[Document]:
    """Return at most ``limit`` jobs in an order, or all with 0; None in ``where`` counts not."""
    found: list[Document] = []
    for page in _pages(api, limit, order, {key: value for key, value in where.items() if value is not None}):
        found += page
    return found


def _pages(api: Rest, limit: int, order: str, where: dict[str, Any]) -> Iterator[list[Document]]:
    """Yields pages; by id where the order is one of ids, so that none repeats or leaves out a job that stays."""
    place: dict[str, Any] = {}
    got = 0
    while not limit or got < limit:
        size = min(PAGE, limit - got) if limit else PAGE
        page = api.jobs(limit=size, order=order, **{**where, **place})
        yield page
        if len(page) < size:
            return
        got += len(page)
        if order == "queue":
            place = {"skip": got}
        else:
            place = {"after_id" if order == "oldest" else "before_id": page[-1]["id"]}
