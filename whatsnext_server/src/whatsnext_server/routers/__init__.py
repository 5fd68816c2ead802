"""The endpoints, one module for each group of them."""

from whatsnext_server.routers import clients, demand, health, jobs, logs, projects, queue, tasks
from whatsnext_server.routers.order import ALL

__all__ = ["ALL", "clients", "demand", "health", "jobs", "logs", "projects", "queue", "tasks"]
