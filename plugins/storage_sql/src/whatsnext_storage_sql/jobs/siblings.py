"""Failed jobs that asked for it take their siblings with them, in slices."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Row, and_, bindparam, or_, select

from whatsnext_core.model import JobStatus
from whatsnext_core.model.status import WAITING_STATUSES
from whatsnext_storage_sql.attempts.attempts import Holds
from whatsnext_storage_sql.connection.direct import Query
from whatsnext_storage_sql.connection.transaction import Transaction
from whatsnext_storage_sql.jobs.controlling import cancel_one
from whatsnext_storage_sql.jobs.graph import admit, spread
from whatsnext_storage_sql.jobs.ledger import Ledger
from whatsnext_storage_sql.tables import EDGE, HALT, JOB

AT_ONCE = 500
"""Edges that are looked at in the transaction in which a job fails; ``settle`` looks at the others."""

_MINE, _OTHER, _BACK = EDGE.alias("mine"), EDGE.alias("other"), EDGE.alias("back")
_DUE = Query(select(HALT).order_by(HALT.c.job_id).limit(1).with_for_update(skip_locked=True))
_EDGES = Query(
    select(
        _OTHER.c.child_id,
        _OTHER.c.parent_id,
        JOB.c.status,
        select(_BACK.c.child_id)
        .where(_BACK.c.child_id == _OTHER.c.parent_id, _BACK.c.parent_id == bindparam("job"))
        .exists()
        .label("is_child"),
    )
    .select_from(_MINE)
    .join(_OTHER, _OTHER.c.child_id == _MINE.c.child_id)
    .join(JOB, JOB.c.id == _MINE.c.child_id)
    .where(
        _MINE.c.parent_id == bindparam("job"),
        _MINE.c.child_id >= bindparam("child"),
        or_(
            _MINE.c.child_id > bindparam("child"),
            and_(_MINE.c.child_id == bindparam("child"), _OTHER.c.parent_id > bindparam("parent")),
        ),
    )
    .order_by(_MINE.c.child_id, _OTHER.c.parent_id)
    .limit(bindparam("limit"))
)
_WAITING = frozenset(status.value for status in WAITING_STATUSES)


def stopping_is_due(tx: Transaction) -> bool:
    """Return whether siblings of a failed job are to be cancelled."""
    return tx.first(_DUE) is not None


def stop_siblings(tx: Transaction, now: datetime, limit: int) -> int:
    """Cancel siblings of failed jobs; return the number of steps."""
    steps = 0
    while steps < limit and (halt := tx.first(_DUE)) is not None:
        steps += _go_on(tx, halt, now, limit - steps)
    return steps


def _go_on(tx: Transaction, halt: Row[Any], now: datetime, limit: int) -> int:
    """Look at further parents of the failed job's children. They are told when all siblings are cancelled."""
    cursor = {"job": halt.job_id, "child": halt.child_id, "parent": halt.parent_id}
    edges = tx.all(_EDGES, **cursor, limit=limit)
    holds = Holds(Ledger(tx))
    holds.load([halt.job_id, *(edge.parent_id for edge in edges)])
    failed = holds.ledger.seen(halt.job_id)
    if failed is None or failed.status is not JobStatus.FAILED:
        edges = []
    wanted = {edge.parent_id for edge in edges if edge.status in _WAITING and not edge.is_child}
    for job_id in sorted(wanted - {halt.job_id}):
        state = holds.ledger.seen(job_id)
        if state is not None and not state.status.is_final:
            cancel_one(holds, admit(holds.ledger, state, now), now)
    holds.flush()
    if len(edges) < limit:
        tx.delete(HALT, ("job_id",), [(halt.job_id,)])
        spread(holds.ledger, now)
    else:
        spread(holds.ledger, now, 0)
        last = (edges[-1].child_id, edges[-1].parent_id, halt.job_id)
        tx.update(HALT, ("child_id", "parent_id"), ("job_id",), [last])
    return len(edges) + 1
