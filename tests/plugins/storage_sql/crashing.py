"""A program that writes to a storage and says what was acknowledged, until somebody kills it.

``python -m tests.plugins.storage_sql.crashing work|settle URL``
"""

import json
import sys
from datetime import timedelta

from whatsnext_core.model import AttemptEnd, Capacity, Condition, JobSpec, TaskSpec
from whatsnext_core.scheduling import Offer
from whatsnext_core.storage import ClaimRequest
from whatsnext_storage_sql.storage import SQLStorage, open_storage

FREE = Capacity(cpu=1_000)
REQUEST = ClaimRequest(offer=Offer(free=FREE, total=FREE, limit=15), session_id="s", lease=timedelta(hours=1))


def say(**words: object) -> None:
    """Tell the test what was committed."""
    sys.stdout.write(f"{json.dumps(words)}\n")
    sys.stdout.flush()


def work(storage: SQLStorage) -> None:
    """Submit, claim and finish for ever."""
    with storage.write() as writer:
        project = writer.create_project("p", "", storage.clock())
        task = writer.create_task(project.id, TaskSpec(name="t"), storage.clock())
    say(project=project.id)
    last: list[int] = []
    while True:
        specs = [
            JobSpec(name="j", task_id=task.id, depends={last[i]: Condition.FINISHED} if i % 2 and last else {})
            for i in range(20)
        ]
        with storage.write() as writer:
            last = list(writer.submit(project.id, specs, storage.clock()))
        say(submitted=last)
        with storage.write() as writer:
            given = list(writer.claim(REQUEST, storage.clock()))
        say(claimed=[one.job.id for one in given])
        ends = [AttemptEnd(job_id=one.job.id, fence=one.fence, succeeded=True) for one in given]
        with storage.write() as writer:
            writer.finish(ends, "s", storage.clock())
        say(finished=[end.job_id for end in ends])


def settle(storage: SQLStorage) -> None:
    """Do what is due in small steps until nothing is."""
    more = True
    while more:
        with storage.write() as writer:
            more = writer.settle(storage.clock(), 20).more
        say(more=more)


if __name__ == "__main__":
    {"work": work, "settle": settle}[sys.argv[1]](open_storage(sys.argv[2]))
