"""Several servers on one database, each with a storage and a thread of its own."""

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar

from whatsnext_core.errors import TransientStorageError
from whatsnext_core.model import Assignment, AttemptEnd, Capacity
from whatsnext_core.scheduling import Offer
from whatsnext_core.storage import ClaimRequest, Storage, Writer

T = TypeVar("T")
LEASE = timedelta(seconds=600)
DEADLINE = 60.0


def write(storage: Storage, act: Callable[[Writer], T]) -> T:
    """Run one transaction, again if it met another one."""
    while True:
        try:
            with storage.write() as writer:
                return act(writer)
        except TransientStorageError:
            continue


def request(session: str, limit: int) -> ClaimRequest:
    """What a session asks for, with room for anything."""
    free = Capacity(cpu=1_000)
    return ClaimRequest(offer=Offer(free=free, total=free, limit=limit), session_id=session, lease=LEASE)


def claim(storage: Storage, session: str, limit: int = 5) -> list[Assignment]:
    """Claim jobs for a session."""
    return write(storage, lambda writer: list(writer.claim(request(session, limit), storage.clock())))


def finish(storage: Storage, session: str, given: list[Assignment]) -> None:
    """Report that all of the attempts succeeded."""
    ends = [AttemptEnd(job_id=one.job.id, fence=one.fence, succeeded=True) for one in given]
    outcomes = write(storage, lambda writer: list(writer.finish(ends, session, storage.clock())))
    assert all(outcome.accepted for outcome in outcomes)


def at_once(*acts: Callable[[], object]) -> None:
    """Run all of these at the same time, each in a thread; fail if one does, or does not end."""
    failures: list[BaseException] = []
    barrier = threading.Barrier(len(acts))

    def run(act: Callable[[], object]) -> None:
        try:
            barrier.wait(DEADLINE)
            act()
        except BaseException as error:  # noqa: BLE001  # shown by the thread that waits
            failures.append(error)

    threads = [threading.Thread(target=run, args=(act,), daemon=True) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(DEADLINE)
        assert not thread.is_alive()
    if failures:
        raise failures[0]
