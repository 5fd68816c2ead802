"""The routers: one for each group of endpoints, with their full paths."""

from whatsnext_server.routers import ALL, artifacts, clients, health, jobs, logs, projects, queue, tasks

__all__ = ["ALL", "artifacts", "clients", "health", "jobs", "logs", "projects", "queue", "tasks"]
