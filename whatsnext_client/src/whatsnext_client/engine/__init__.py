"""What a worker does: takes jobs that fit, runs them through a formatter, and tells the server, whatever breaks."""

from typing import TYPE_CHECKING

from whatsnext_core.lazy import lazy_exports

if TYPE_CHECKING:
    from whatsnext_client.engine.folder import StateFolder
    from whatsnext_client.engine.plan import WorkPlan
    from whatsnext_client.engine.worker import Worker

__all__ = ["StateFolder", "WorkPlan", "Worker"]

__getattr__ = lazy_exports(__name__, {"StateFolder": "folder", "WorkPlan": "plan", "Worker": "worker"})
