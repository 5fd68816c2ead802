"""What a durable request costs at least: a server of the same framework that inserts one row and does nothing else.

``python -m tests.benchmarks.floor DATABASE SOCKET`` serves the listening socket of that descriptor.
"""

from __future__ import annotations

import json
import socket
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import Popen

import urllib3
import uvicorn
from fastapi import FastAPI, Request

BODY = json.dumps({"name": "idle", "project_id": 1, "task": "idle", "parameters": {"number": 1}}).encode()
_HEADERS = {"Content-Type": "application/json"}


@contextmanager
def serving_rows(folder: Path) -> Iterator[Callable[[int], float]]:
    """Give a function that sends so many cycles of two requests, and returns how many there were in a second."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        argv = [sys.executable, "-m", __name__, str(folder / "floor.db"), str(listener.fileno())]
        process = Popen(argv, pass_fds=[listener.fileno()])
        try:
            with urllib3.HTTPConnectionPool("127.0.0.1", listener.getsockname()[1], maxsize=1) as pool:
                _cycles_per_second(pool, 10)
                yield lambda cycles: _cycles_per_second(pool, cycles)
        finally:
            process.terminate()
            process.wait()


def _cycles_per_second(pool: urllib3.HTTPConnectionPool, cycles: int) -> float:
    begin = time.perf_counter()
    for _ in range(2 * cycles):
        answer = pool.urlopen("POST", "/", body=BODY, headers=_HEADERS)
        assert answer.status == 200, answer.data
    return cycles / (time.perf_counter() - begin)


def application(database: str) -> FastAPI:
    """The server: each request is a row, and answered after its commit."""
    connection = sqlite3.connect(database, isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("CREATE TABLE row (id INTEGER PRIMARY KEY, body TEXT)")
    app = FastAPI()

    @app.post("/")
    async def insert(request: Request) -> dict[str, int | None]:
        body = json.dumps(await request.json())
        return {"id": connection.execute("INSERT INTO row (body) VALUES (?)", (body,)).lastrowid}

    return app


if __name__ == "__main__":
    config = uvicorn.Config(application(sys.argv[1]), log_level="error", access_log=False)
    uvicorn.Server(config).run(sockets=[socket.socket(fileno=int(sys.argv[2]))])
