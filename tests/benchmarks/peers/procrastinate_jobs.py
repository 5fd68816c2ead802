"""`procrastinate_jobs.py JOBS URL`: prints the seconds that a worker of Procrastinate takes for so many empty calls."""

import asyncio
import sys
import time
from importlib import import_module
from typing import Any

procrastinate: Any = import_module("procrastinate")

CONCURRENCY = 20
"""Jobs that its worker runs at once."""


async def nothing() -> None:
    """Do nothing."""


async def main(jobs: int, url: str) -> float:
    """Queue the jobs, then let one worker run them; only the latter counts."""
    app = procrastinate.App(connector=procrastinate.PsycopgConnector(conninfo=url, max_size=CONCURRENCY + 2))

    async with app.open_async():
        await app.schema_manager.apply_schema_async()
        await app.task(name="nothing")(nothing).batch_defer_async(*({} for _ in range(jobs)))
        begin = time.perf_counter()
        await app.run_worker_async(wait=False, concurrency=CONCURRENCY, install_signal_handlers=False)
        return time.perf_counter() - begin


if __name__ == "__main__":
    print(f"\n{asyncio.run(main(int(sys.argv[1]), sys.argv[2])):.6f}")
