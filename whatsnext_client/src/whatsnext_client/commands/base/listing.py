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
    """Yields pages; each begins after the last job of the one before, so that none repeats or leaves one out."""
    place: dict[str, Any] = {}
    got = 0
    while not limit or got < limit:
        size = min(PAGE, limit - got) if limit else PAGE
        page = api.jobs(limit=size, order=order, **{**where, **place})
        yield page
        if len(page) < size:
            return
        got += len(page)
        last = page[-1]
        place = {"before_id" if order == "newest" else "after_id": last["id"]}
        if order == "queue":
            place["after_priority"] = last["priority"]
