"""`procrastinate_jobs.py JOBS URL`: prints the seconds that two workers of Procrastinate take for the calls."""

import asyncio
import sys
import time
from collections.abc import Coroutine
from importlib import import_module
from multiprocessing import get_context
from typing import Any

procrastinate: Any = import_module("procrastinate")

WORKERS = 2
"""Processes that run jobs."""
CONCURRENCY = 20
"""Jobs that each of them runs at once."""


async def nothing() -> None:
    """Do nothing."""


def new_app(url: str) -> Any:
    """Its application on a database."""
    app = procrastinate.App(connector=procrastinate.PsycopgConnector(conninfo=url, max_size=CONCURRENCY + 2))
    app.task(name="nothing")(nothing)
    return app


async def submit(jobs: int, url: str) -> None:
    """Queue the jobs."""
    app = new_app(url)
    async with app.open_async():
        await app.schema_manager.apply_schema_async()
        await app.tasks["nothing"].batch_defer_async(*({} for _ in range(jobs)))


async def work(url: str, start: Any, ends: Any) -> None:
    """Run jobs, once all workers are there, until none is left; then tell the time."""
    app = new_app(url)
    async with app.open_async():
        await asyncio.to_thread(start.wait)
        await app.run_worker_async(wait=False, concurrency=CONCURRENCY, install_signal_handlers=False)
        ends.put(time.monotonic())


def run(coroutine: Any, *arguments: Any) -> None:
    """Run a coroutine in this process."""
    made: Coroutine[Any, Any, None] = coroutine(*arguments)
    asyncio.run(made)


def main(jobs: int, url: str) -> float:
    """Seconds from when all workers are ready until the last of them finds nothing more."""
    asyncio.run(submit(jobs, url))
    context = get_context("spawn")
    start, ends = context.Barrier(WORKERS + 1), context.Queue()
    workers = [context.Process(target=run, args=(work, url, start, ends)) for _ in range(WORKERS)]
    for each in workers:
        each.start()
    start.wait(60)
    begin = time.monotonic()
    last: float = max(ends.get() for _ in workers)
    for each in workers:
        each.join()
    return last - begin


if __name__ == "__main__":
    print(f"\n{main(int(sys.argv[1]), sys.argv[2]):.6f}")
