"""A line to a server that breaks again and again."""

import contextlib
import socket
import threading
from types import TracebackType
from typing import Self

__all__ = ["BreakingLine"]


class BreakingLine:
    """Passes connections on to a port of 127.0.0.1, and cuts each after so many bytes, whichever way they went."""

    def __init__(self, port: int, cut_after: int) -> None:
        self.cuts = 0
        self._server = port
        self._cut_after = cut_after
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._accept)]

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            for each in self._open:
                _cut(each)
        for thread in self._threads:
            thread.join(30)

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
                far = socket.create_connection(("127.0.0.1", self._server))
            except OSError:
                return
            passed = [0]
            with self._lock:
                self._open |= {near, far}
                for pair in ((near, far), (far, near)):
                    self._threads.append(threading.Thread(target=self._carry, args=(*pair, passed)))
                    self._threads[-1].start()

    def _carry(self, source: socket.socket, sink: socket.socket, passed: list[int]) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65_536):
                passed[0] += len(data)
                if passed[0] > self._cut_after:
                    self.cuts += 1
                    break
                sink.sendall(data)
        for each in (source, sink):
            _cut(each)


def _cut(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()
