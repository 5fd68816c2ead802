"""The state directory of a worker: what it holds, so that the next process of the same worker can go on.

::

    <root>/<worker>/lock            held by the process that is this worker now
    <root>/<worker>/id              its id on the server
    <root>/<worker>/journal         what it knows of its attempts
    <root>/<worker>/attempts/17-2/  scratch directory of attempt 2 of job 17, with its output; once that is over, it may
                                    stay for another one

Two processes never share a worker: the second one with the same name gets the next folder, ``<worker>-2``.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import socket
import sys
import tempfile
import weakref
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final

from whatsnext_client.engine.journal import Journal
from whatsnext_client.engine.scratch import Scratch
from whatsnext_client.errors import WorkerError
from whatsnext_core.errors import InvalidError
from whatsnext_core.model.limits import check_client_id

MOST_ALIKE: Final = 10_000
"""Workers of one name on one machine."""
LONGEST_SLUG: Final = 80


class StateFolder:
    """The folder of one worker, held by this process."""

    def __init__(self, path: Path, client_id: str, lock: int) -> None:
        self.path = path
        """Where it is."""
        self.client_id = client_id
        """The worker's id on the server."""
        self.pid = os.getpid()
        """The process that holds it."""
        self._close = weakref.finalize(self, os.close, lock)
        self.attempts = path / "attempts"
        """Where the scratch directories are."""
        self._scratch = Scratch(self.attempts)
        self.journal = Journal(path / "journal")
        """What is written down of the attempts."""

    @classmethod
    def acquire(cls, root: Path, label: str) -> StateFolder:
        """Return the first folder of a worker with this label that no other process holds; its id stays the same.

        Raises:
            WorkerError: the folder cannot be written.
        """
        slug = slugify(label)
        host = slugify(socket.gethostname())
        for number in range(1, MOST_ALIKE):
            suffix = "" if number == 1 else f"-{number}"
            path = root / f"{slug}{suffix}.{host}"
            lock = _locked(path)
            if lock is not None:
                return cls(path, _read_id(path, f"{slug}{suffix}"), lock)
        raise WorkerError(f"{MOST_ALIKE} workers are called {label!r} on this machine; give this one another name.")

    @classmethod
    def acquire_named(cls, root: Path, client_id: str) -> StateFolder:
        """Return the folder of the worker with this id.

        Raises:
            WorkerError: another process is this worker now, or the folder cannot be written.
        """
        path = root / check_client_id(client_id)
        lock = _locked(path)
        if lock is None:
            raise WorkerError(f"Another process is the worker {client_id!r} now ({path} is locked); use another id.")
        return cls(path, client_id, lock)

    def scratch(self, key: str) -> Path:
        """Return a scratch directory for an attempt, with nothing in it of another one."""
        return self._scratch.take(key)

    def is_untouched(self, key: str) -> bool:
        """Return whether an attempt surely left nothing in its scratch directory but its output."""
        return self._scratch.is_untouched(key)

    def discard(self, key: str) -> None:
        """Let go of the scratch directory of an attempt."""
        self._scratch.give_back(key)

    def discard_others(self, keys: Iterable[str]) -> None:
        """Delete all scratch directories but those of these attempts."""
        kept = set(keys)
        for path in self.attempts.iterdir():
            if path.name not in kept:
                shutil.rmtree(path, ignore_errors=True)

    def close(self) -> None:
        """Let another process be this worker."""
        self._scratch.close()
        self.journal.close()
        self._close()


def default_root(address_slug: str) -> Path:
    """Return where the workers of a server keep their folders, in the state directory of the user."""
    configured = os.environ.get("XDG_STATE_HOME")
    try:
        base = Path(configured) if configured else Path.home() / ".local" / "state"
    except RuntimeError:
        base = Path(tempfile.gettempdir()) / f"whatsnext-{os.getuid()}"
    return base / "whatsnext" / "workers" / address_slug


def slugify(text: str) -> str:
    """Return ``text`` as a part of an id: letters, digits, ``-`` and ``_``."""
    return re.sub(r"[^A-Za-z0-9_-]+", "-", text).strip("-")[:LONGEST_SLUG] or "worker"


def _locked(path: Path) -> int | None:
    """Return the descriptor of the lock file of a folder, or None if another process holds it."""
    if sys.platform == "win32":
        raise WorkerError("Workers run on Linux and macOS; from Windows, jobs can be submitted and followed.")
    import fcntl

    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(path / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise WorkerError(
            f"The worker's folder {path} cannot be written ({error.strerror}); "
            f"name another one with state_dir, or WHATSNEXT_STATE_DIR."
        ) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        return None
    return lock


def _read_id(path: Path, label: str) -> str:
    """Return the id of the worker in a folder, made up when it is first used."""
    file = path / "id"
    with suppress(OSError, InvalidError):
        return check_client_id(file.read_text(encoding="utf-8").strip())
    client_id = f"{label}-{secrets.token_hex(3)}"
    fresh = path / "id.new"
    fresh.write_text(client_id, encoding="utf-8")
    fresh.rename(file)
    return client_id
