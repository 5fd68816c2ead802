"""Jobs among each other: a change of one, and what it means for those that wait for it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple, TypeAlias

from attrs import astuple
from sqlalchemy import bindparam, select, text

from whatsnext_core.dependencies import Counts, Fate, fate, fate_after_deletion, matters, weigh
from whatsnext_core.model import Condition, EventKind, JobStatus
from whatsnext_storage_sql.connection.dialects import among, numbers
from whatsnext_storage_sql.connection.direct import Query, Question
from whatsnext_storage_sql.connection.transaction import Transaction
from whatsnext_storage_sql.jobs.jobstate import STATE, JobState, changed, states_of
from whatsnext_storage_sql.jobs.ledger import Ledger
from whatsnext_storage_sql.jobs.rows import event_text
from whatsnext_storage_sql.tables import EDGE, JOB, RIPPLE

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
_EDGES = Query(
    select(EDGE.c.parent_id, EDGE.c.child_id, EDGE.c.condition, EDGE.c.fate)
    .where(among(EDGE.c.parent_id, "ids"))
    .order_by(EDGE.c.parent_id, EDGE.c.child_id)
    .limit(bindparam("limit"))
)
_CHILDREN = Query(
    STATE.where(
        JOB.c.id.in_(
            select(EDGE.c.child_id)
            .where(among(EDGE.c.parent_id, "ids"))
            .order_by(EDGE.c.parent_id, EDGE.c.child_id)
            .limit(bindparam("limit"))
        )
    )
    .order_by(JOB.c.id)
    .with_for_update(of=JOB),
    by_column=True,
)
_OF = {status: {condition.value: fate(condition, status).value for condition in Condition} for status in JobStatus}
_AFTER_DELETION = {
    status: {condition.value: fate_after_deletion(condition, status).value for condition in Condition}
    for status in JobStatus
}
_CHANGES = {(old.value, new.value): astuple(weigh(old, new)) for old in Fate for new in Fate}
_AGAIN = " ON CONFLICT (parent_id) DO UPDATE SET cursor = excluded.cursor, last_status = excluded.last_status"

KnownEdge: TypeAlias = tuple[int, str, str]
"""The child of an edge, its condition, and what the child was last told of it, as the database spells them."""


class News(NamedTuple):
    """What some children of a job are to be told."""

    parent: int
    status: JobStatus | None
    """What the database says that the parent is; None for one that the ledger knows."""
    last: JobStatus | None
    """The status in which the parent was deleted; None for one that is still there."""
    edges: list[KnownEdge]

    def fates(self, ledger: Ledger) -> Mapping[str, str]:
        """Return what an edge of each condition is now."""
        if self.last is not None:
            return _AFTER_DELETION[self.last]
        return _OF[ledger[self.parent].status if self.status is None or ledger.knows(self.parent) else self.status]


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


def move_all(
    ledger: Ledger,
    states: Sequence[JobState],
    kind: EventKind,
    now: datetime,
    details: Mapping[str, Any],
    *,
    own: Mapping[str, Sequence[Any]] | None = None,
    more: Mapping[str, Sequence[Any]] | None = None,
    **alike: Any,
) -> list[JobState]:
    """Do what ``move`` does with jobs of one status, of which the same is told.

    ``alike`` are changes that are the same for all; in ``own`` and ``more`` each job has a value of its own.
    """
    old = states[0].status
    states = changed(states, {"updated_at": now, **alike}, own)
    new = states[0].status
    ledger.put_all(states, more or {})
    ledger.tell_all(states, kind, now, event_text(old, new, **details))
    if matters(old, new):
        for state in states:
            ledger.ripples.setdefault(state.id, None)
    return states


def recount(ledger: Ledger, state: JobState, counts: Counts, now: datetime) -> JobState:
    """Give a job new counts, and if it waits in the queue, the status that follows from them."""
    status = counts.status
    if state.submission_id or not state.status.is_waiting or state.status is status:
        return ledger.put(state._replace(unmet=counts.unmet, impossible=counts.impossible))
    kind = EventKind.BLOCKED if status is JobStatus.BLOCKED else EventKind.UNBLOCKED
    return move(ledger, state, kind, now, {}, status=status, unmet=counts.unmet, impossible=counts.impossible)


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
    wanted = {"ids": list(wave), "limit": limit + 1}
    rows, children = ledger.tx.ask((_EDGES, wanted), (_CHILDREN, wanted))
    for child in states_of(ledger.tx, children):
        ledger.know(*child)
    cut = rows[limit].parent_id if len(rows) > limit else None
    edges: dict[int, list[KnownEdge]] = {}
    for parent, child, condition, known in rows[:limit]:
        edges.setdefault(parent, []).append((child, condition, known))
    ledger.ripples = {}
    if cut is not None:
        cursor = edges[cut][-1][0] if cut in edges else 0
        _write_ripples(ledger.tx, {cut: (cursor, wave[cut])})
        ledger.ripples = {parent: last for parent, last in wave.items() if parent > cut}
    tell(ledger, [News(parent, None, last, edges[parent]) for parent, last in wave.items() if parent in edges], now)
    return min(len(rows), limit)


def tell(ledger: Ledger, news: Sequence[News], now: datetime) -> None:
    """Tell children what became of their parents, one edge after the other; only those that learn something are read.

    Nobody else changes these edges while this transaction holds the lock of the graph.
    """
    due: list[tuple[News, list[KnownEdge]]] = []
    for each in news:
        fates = each.fates(ledger)
        due.append((each, [edge for edge in each.edges if fates[edge[1]] != edge[2]]))
    ledger.load({child for _, edges in due for child, _, _ in edges})
    told: list[tuple[str, int, int]] = []
    counts: dict[int, tuple[int, int]] = {}
    for each, edges in due:
        fates = each.fates(ledger)
        for child, condition, known in edges:
            found = fates[condition]
            if found == known or not ledger.knows(child):
                continue
            told.append((found, child, each.parent))
            state = ledger[child]
            unmet, impossible = counts.get(child, (state.unmet, state.impossible))
            more_unmet, more_impossible = _CHANGES[known, found]
            counts[child] = after = (unmet + more_unmet, impossible + more_impossible)
            if more_impossible and (impossible == 0) is not (after[1] == 0):
                recount(ledger, state, Counts(*after), now)
    if counts:
        # Those that became possible, or ceased to be, have their status by now.
        unmets, impossibles = zip(*counts.values(), strict=True)
        children = [ledger[child] for child in counts]
        ledger.put_all(changed(children, {}, {"unmet": unmets, "impossible": impossibles}), {})
    ledger.tx.update(EDGE, ("fate",), ("child_id", "parent_id"), told)


def _keep(ledger: Ledger) -> None:
    _write_ripples(ledger.tx, {parent: (0, last) for parent, last in ledger.ripples.items()})
    ledger.ripples.clear()


def _write_ripples(tx: Transaction, ripples: Mapping[int, tuple[int, JobStatus | None]]) -> None:
    rows = [(parent, cursor, last and last.value) for parent, (cursor, last) in ripples.items()]
    tx.insert(RIPPLE, ("parent_id", "cursor", "last_status"), rows, _AGAIN)
