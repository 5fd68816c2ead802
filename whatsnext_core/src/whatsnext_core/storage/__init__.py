"""The contract between the server and the database that keeps its state."""

from whatsnext_core.storage.appending import resumption, unseen
from whatsnext_core.storage.claims import SUBMISSION_LASTS, UPLOAD_LASTS, ClaimRequest, Renewal, Settled
from whatsnext_core.storage.looks import Ahead, Holding, Parent, PastRun, Place
from whatsnext_core.storage.protocol import NearStorage, Reader, Storage, Writer
from whatsnext_core.storage.queries import EVERY_EVENT, Demand, EventFilter, JobOrder, JobQuery, LogPart, Page

__all__ = [
    "EVERY_EVENT",
    "SUBMISSION_LASTS",
    "UPLOAD_LASTS",
    "Ahead",
    "ClaimRequest",
    "Demand",
    "EventFilter",
    "Holding",
    "JobOrder",
    "JobQuery",
    "LogPart",
    "NearStorage",
    "Page",
    "Parent",
    "PastRun",
    "Place",
    "Reader",
    "Renewal",
    "Settled",
    "Storage",
    "Writer",
    "resumption",
    "unseen",
]
