"""An answer goes out in one piece, and what nothing follows goes out by itself."""

import asyncio
import socket
import threading
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from fastapi import FastAPI, WebSocket
from websockets.sync.client import connect

from tests.server.serving import program
from tests.support import wait_until
from whatsnext_server.process.joining import MOST, Joining, JoiningProtocol
from whatsnext_server.process.serving import listen


class Recorder(asyncio.Transport):
    """A transport that notes what is done with it."""

    def __init__(self) -> None:
        super().__init__()
        self.done: list[bytes | str] = []
        self.closing = False

    def write(self, data: Any) -> None:
        """Note what is written."""
        self.done.append(data)

    def close(self) -> None:
        """Note that it is closed."""
        self.done.append("closed")

    def is_closing(self) -> bool:
        """Whether the connection is lost."""
        return self.closing


@pytest.fixture
def under() -> Recorder:
    """The transport below."""
    return Recorder()


async def joining(under: Recorder) -> Joining:
    return Joining(under, asyncio.get_running_loop())


@pytest.mark.anyio
async def test_head_goes_with_what_follows(under: Recorder) -> None:
    transport = await joining(under)
    for part in (b"head ", b"body", b"head ", memoryview(b"body")):
        transport.write(part)  # type: ignore[arg-type]  # bodies may be views
    assert under.done == [b"head body", b"head body"]
    await asyncio.sleep(0)
    assert len(under.done) == 2


@pytest.mark.anyio
async def test_what_nothing_follows_is_sent_at_once(under: Recorder) -> None:
    transport = await joining(under)
    transport.write(b"head")
    await asyncio.sleep(0)
    assert under.done == [b"head"]
    transport.write(b"next")
    await asyncio.sleep(0)
    assert under.done == [b"head", b"next"]


@pytest.mark.anyio
async def test_large_parts_are_not_copied(under: Recorder) -> None:
    transport, large = await joining(under), b"x" * MOST
    transport.write(b"head")
    transport.write(large)
    assert under.done[0] == b"head"
    assert under.done[1] is large


@pytest.mark.anyio
async def test_what_is_kept_is_sent_before_the_end(under: Recorder) -> None:
    transport = await joining(under)
    transport.write(b"last")
    transport.close()
    await asyncio.sleep(0)
    assert under.done == [b"last", "closed"]


@pytest.mark.anyio
async def test_nothing_is_sent_on_a_lost_connection(under: Recorder) -> None:
    transport = await joining(under)
    transport.write(b"last")
    under.closing = True
    await asyncio.sleep(0)
    assert under.done == []


def test_short_answer_of_the_program_is_one_piece(tmp_path: Path) -> None:
    with program(tmp_path, "memory://") as running:
        host, _, port = running.api.url.removeprefix("http://").partition(":")
        with socket.create_connection((host, int(port)), timeout=30) as connection:
            for _ in range(50):
                connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
                assert connection.recv(65_536).endswith(b'\r\n\r\n{"message":"OK"}')


def test_websocket_of_a_plugin_gets_the_connection_as_it_is() -> None:
    app = FastAPI()

    @app.websocket("/echo")
    async def echo(websocket: WebSocket) -> None:
        await websocket.accept()
        for _ in range(2):
            await websocket.send_text(await websocket.receive_text())
        await websocket.close()

    listener = listen("127.0.0.1", 0)
    server = uvicorn.Server(uvicorn.Config(app, http=JoiningProtocol, log_config=None))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        wait_until(lambda: server.started or not thread.is_alive(), why="the server listens")
        with connect(f"ws://127.0.0.1:{listener.getsockname()[1]}/echo", proxy=None) as websocket:
            websocket.send("hello")
            assert websocket.recv(timeout=30) == "hello"
            (connection,) = server.server_state.connections
            assert not isinstance(connection.transport, Joining)
            websocket.send("bye")
            assert websocket.recv(timeout=30) == "bye"
    finally:
        server.should_exit = True
        thread.join()
        listener.close()
