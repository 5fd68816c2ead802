"""All routers together."""

from whatsnext_server.routers import artifacts, clients, demand, events, health, jobs, logs, projects, queue, tasks

ALL = (
    clients.router,
    jobs.router,
    queue.router,
    logs.router,
    events.router,
    projects.router,
    tasks.router,
    demand.router,
    artifacts.router,
    health.router,
)
"""All routers, those that are called most often first."""

__all__ = ["ALL"]
