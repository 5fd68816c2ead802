"""What a worker does: takes jobs that fit, runs them through a formatter, and tells the server, whatever breaks."""

from whatsnext_client.engine.folder import StateFolder
from whatsnext_client.engine.plan import WorkPlan
from whatsnext_client.engine.worker import Worker

__all__ = ["StateFolder", "WorkPlan", "Worker"]
