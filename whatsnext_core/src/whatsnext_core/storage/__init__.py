"""The contract between the server and the database that keeps its state."""

from whatsnext_core.storage.claims import ClaimRequest, Renewal, Settled
from whatsnext_core.storage.protocol import Reader, Storage, Writer
from whatsnext_core.storage.queries import JobOrder, JobQuery, Page

__all__ = [
    "ClaimRequest",
    "JobOrder",
    "JobQuery",
    "Page",
    "Reader",
    "Renewal",
    "Settled",
    "Storage",
    "Writer",
]
