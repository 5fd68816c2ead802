"""What a durable request costs: one caller's submissions through HTTP, over the database's own one-row commits."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path

from tests.benchmarks.figure import Figure
from tests.benchmarks.system import serving
from whatsnext.api.client import Job

REQUESTS = 500


def commits_per_second(path: Path) -> float:
    """One-row commits a second of SQLite itself, in WAL mode with synchronous=FULL."""
    with sqlite3.connect(path, isolation_level=None) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("CREATE TABLE IF NOT EXISTS plain (id INTEGER PRIMARY KEY, text TEXT)")
        begin = time.perf_counter()
        for _ in range(REQUESTS):
            connection.execute("INSERT INTO plain (text) VALUES ('x')")
        seconds = time.perf_counter() - begin
    connection.close()
    return REQUESTS / seconds


def measure(rounds: int) -> Figure:
    """Submit, claim and finish one job at a time; each request is answered after its commit."""
    cycles, commits = [], []
    with serving() as (server, folder):
        project = server.append_project("durable")
        project.create_task("idle")
        for _ in range(rounds):
            commits.append(commits_per_second(folder / "plain.db"))
            begin = time.perf_counter()
            for number in range(REQUESTS // 3):
                project.append_queue(Job("idle", "idle", {"number": number}))
                project.fetch_job().set_status("COMPLETED")
            cycles.append(REQUESTS // 3 / (time.perf_counter() - begin))
    return Figure(
        name="durable",
        title="submit+claim+finish cycles/s through HTTP, one caller / one-row commits/s of SQLite FULL",
        ratios=[one / other for one, other in zip(cycles, commits, strict=True)],
        must=0.15,
        aim=0.3,
        smaller_is_better=False,
        detail=f"{max(cycles):.0f} cycles/s, {max(commits):.0f} commits/s",
    )
