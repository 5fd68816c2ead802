"""Jobs among each other: a change of one, and what it means for those that wait for it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, bindparam, select, text

from whatsnext_core.dependencies import Counts, Fate, fate, fate_after_deletion, matters, weigh
from whatsnext_core.model import EventKind, JobStatus
from whatsnext_storage_sql.connection.dialects import among, numbers
from whatsnext_storage_sql.connection.direct import Query, Question
from whatsnext_storage_sql.connection.transaction import Transaction
from whatsnext_storage_sql.jobs.jobstate import STATE, JobState, states_of
from whatsnext_storage_sql.jobs.ledger import Ledger
from whatsnext_storage_sql.jobs.rows import CONDITIONS, event_text
from whatsnext_storage_sql.tables import EDGE, JOB

FATES: Mapping[str, Fate] = {found.value: found for found in Fate}
AT_ONCE = 500
"""Children that are told of a change in the transaction that makes it; ``settle`` tells the others."""
GRAPH_LOCK = 7_308_332_045
"""The advisory lock of PostgreSQL under which children are told."""

_LOCK = text(f"SELECT pg_advisory_xact_lock({GRAPH_LOCK})")
_LOCK_FOR = Query(
    text(
        f"SELECT pg_advisory_xact_lock({GRAPH_LOCK}) "  # noqa: S608  # a number of ours
        "FROM (SELECT 1 FROM edge WHERE parent_id = ANY (:ids) LIMIT 1) AS one"
    ).bindparams(numbers("ids"))
)
_PARENTS = Query(
    select(JOB.c.id).where(
        among(JOB.c.id, "ids"), select(EDGE.c.parent_id).where(EDGE.c.parent_id == JOB.c.id).exists()
    )
)
_CHILDREN_OF = (
    STATE.add_columns(EDGE.c.parent_id, EDGE.c.condition, EDGE.c.fate)
    .join(EDGE, EDGE.c.child_id == JOB.c.id)
    .where(among(EDGE.c.parent_id, "ids"))
    .order_by(EDGE.c.parent_id, EDGE.c.child_id)
    .limit(bindparam("limit"))
    .with_for_update(of=(JOB, EDGE))
)
_CHILDREN = Query(_CHILDREN_OF)
_CHILDREN_AFTER = _CHILDREN_OF.where(EDGE.c.child_id > bindparam("cursor"))
_KEEP = text(
    "INSERT INTO ripple (parent_id, cursor, last_status) VALUES (:parent, :cursor, :last) "
    "ON CONFLICT (parent_id) DO UPDATE SET cursor = excluded.cursor, last_status = excluded.last_status"
)


def move(
    ledger: Ledger,
    state: JobState,
    kind: EventKind,
    now: datetime,
    details: Mapping[str, Any],
    *,
    more: Mapping[str, Any] | None = None,
    **changes: Any,
) -> JobState:
    """Change a job and its status, tell of it, and note that its children must know.

    ``details`` are what ``event_data`` takes beside the old and new status; ``more`` are columns beside the state's.
    """
    old = state.status
    state = ledger.put(state._replace(updated_at=now, **changes), **(more or {}))
    ledger.tell(state, kind, now, event_text(old, state.status, **details))
    if matters(old, state.status):
        ledger.ripples.setdefault(state.id, None)
    return state


def recount(ledger: Ledger, state: JobState, counts: Counts, now: datetime) -> JobState:
    """Give a job new counts, and if it waits in the queue, the status that follows from them."""
    state = ledger.put(state._replace(unmet=counts.unmet, impossible=counts.impossible))
    status = counts.status
    if not state.submission_id and state.status.is_waiting and state.status is not status:
        kind = EventKind.BLOCKED if status is JobStatus.BLOCKED else EventKind.UNBLOCKED
        return move(ledger, state, kind, now, {}, status=status)
    return state


def admit(ledger: Ledger, state: JobState, now: datetime) -> JobState:
    """Bring a job of a published batch into the queue, if it is not there yet."""
    if not state.submission_id:
        return state
    state = ledger.put(state._replace(submission_id=0))
    ledger.tell(state, EventKind.SUBMITTED, now, event_text(None, state.status))
    return recount(ledger, state, state.counts, now)


def lock_graph(tx: Transaction, job_ids: Collection[int]) -> None:
    """Make other servers wait with their children if any of these jobs has some. Done before jobs are locked.

    Two servers that told children of several jobs each, in different orders, would wait for each other in a circle.
    """
    if tx.is_postgresql and not tx.graph_locked:
        tx.graph_locked = bool(tx.all(_LOCK_FOR, ids=job_ids))


def load(ledger: Ledger, job_ids: Sequence[int], query: Query, after: Question) -> list[Any]:
    """Load and lock jobs of which children may be told, after ``lock_graph``; return the rows of another query.

    Which of them have no children is learned under their locks: nobody can give them some before this transaction ends.
    """
    ids = {"ids": job_ids}
    before = [(_LOCK_FOR, ids)] if ledger.tx.is_postgresql and not ledger.tx.graph_locked else []
    *locked, _, parents, found = ledger.load(job_ids, query, before=before, after=[(_PARENTS, ids), after])
    ledger.tx.graph_locked |= any(locked)
    ledger.childless.update(filter(ledger.knows, job_ids))
    ledger.childless.difference_update(row.id for row in parents)
    return found


def lock_whole_graph(tx: Transaction) -> None:
    """Make other servers wait with all children."""
    if tx.is_postgresql and not tx.graph_locked:
        tx.run(_LOCK)
        tx.graph_locked = True


def spread(ledger: Ledger, now: datetime, limit: int = AT_ONCE) -> int:
    """Tell up to ``limit`` children what became of their parents, note who is left, and write all that changed.

    Returns how many were told. Every command that changes jobs ends with this.
    """
    told = 0
    for job_id in ledger.childless & ledger.ripples.keys():
        del ledger.ripples[job_id]
    while ledger.ripples and told < limit:
        lock_graph(ledger.tx, ledger.ripples)
        told += _tell_wave(ledger, now, limit - told)
    _keep(ledger)
    ledger.flush(now)
    return told


def _tell_wave(ledger: Ledger, now: datetime, limit: int) -> int:
    """Tell the children of all jobs that changed; what changes with them makes the next wave."""
    wave = ledger.ripples
    rows = ledger.tx.all(_CHILDREN, ids=list(wave), limit=limit + 1)
    cut = rows[limit].parent_id if len(rows) > limit else None
    rows = rows[:limit]
    children: dict[int, list[Row[Any]]] = {}
    for row, known in zip(rows, states_of(ledger.tx, rows), strict=True):
        ledger.know(*known)
        children.setdefault(row.parent_id, []).append(row)
    ledger.ripples = {}
    if cut is not None:
        cursor = children[cut][-1].id if cut in children else 0
        _write_ripples(ledger.tx, {cut: (cursor, wave[cut])})
        ledger.ripples = {parent: last for parent, last in wave.items() if parent > cut}
    for parent, last in wave.items():
        for row in children.get(parent, ()):
            _tell(ledger, parent, last, row, now)
    return len(rows)


def tell_after(
    ledger: Ledger, parent: int, last: JobStatus | None, cursor: int, now: datetime, limit: int
) -> tuple[int, int | None]:
    """Tell up to ``limit`` children after the ``cursor``.

    Returns how many were told, and the last one of them; None if there is none after it.
    """
    rows = ledger.tx.all(_CHILDREN_AFTER, ids=[parent], cursor=cursor, limit=limit + 1)
    told = rows[:limit]
    for known in states_of(ledger.tx, told):
        ledger.know(*known)
    for row in told:
        _tell(ledger, parent, last, row, now)
    return len(told), told[-1].id if len(rows) > limit else None


def _tell(ledger: Ledger, parent: int, last: JobStatus | None, row: Row[Any], now: datetime) -> None:
    known = ledger.fates.get((row.id, parent)) or FATES[row.fate]
    condition = CONDITIONS[row.condition]
    found = fate(condition, ledger[parent].status) if last is None else fate_after_deletion(condition, last)
    if found is not known:
        ledger.fates[row.id, parent] = found
        child = ledger[row.id]
        recount(ledger, child, child.counts + weigh(known, found), now)


def _keep(ledger: Ledger) -> None:
    rows = [(found.value, *edge) for edge, found in ledger.fates.items()]
    ledger.tx.update(EDGE, ("fate",), ("child_id", "parent_id"), rows)
    ledger.fates.clear()
    _write_ripples(ledger.tx, {parent: (0, last) for parent, last in ledger.ripples.items()})
    ledger.ripples.clear()


def _write_ripples(tx: Transaction, ripples: Mapping[int, tuple[int, JobStatus | None]]) -> None:
    rows = [
        {"parent": parent, "cursor": cursor, "last": last.value if last else None}
        for parent, (cursor, last) in ripples.items()
    ]
    if rows:
        tx.run(_KEEP, rows)
