"""Children are told what became of their parents, in slices, where that was too much for one transaction."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select, text

from whatsnext_storage_sql.connection.direct import Query
from whatsnext_storage_sql.connection.transaction import Transaction
from whatsnext_storage_sql.jobs.graph import News, lock_whole_graph, spread, tell
from whatsnext_storage_sql.jobs.ledger import Ledger
from whatsnext_storage_sql.jobs.rows import STATUSES
from whatsnext_storage_sql.tables import RIPPLE

_ANY = Query(select(RIPPLE.c.id).limit(1))

# One parent after the other, and an index search for the edges of each: not many more are looked at than are returned.
_DUE = """
    SELECT due.id, due.parent_id, due.last_status, job.status, edge.child_id, edge.condition, edge.fate
    FROM ripple AS due
    LEFT JOIN job ON job.id = due.parent_id
    LEFT JOIN {edges} ORDER BY due.id, edge.child_id LIMIT :limit
"""
_DUE_SQLITE = Query(text(_DUE.format(edges="edge ON edge.parent_id = due.parent_id AND edge.child_id > due.cursor")))
_DUE_POSTGRESQL = Query(
    text(
        _DUE.format(
            edges="""LATERAL (
        SELECT child_id, condition, fate FROM edge AS e
        WHERE e.parent_id = due.parent_id AND e.child_id > due.cursor ORDER BY e.child_id LIMIT :limit
    ) AS edge ON true"""
        )
    )
)


def telling_is_due(tx: Transaction) -> bool:
    """Return whether some children do not know yet what their parents are."""
    return tx.first(_ANY) is not None


def go_on_telling(tx: Transaction, now: datetime, limit: int) -> int:
    """Tell up to ``limit`` children, those first that have waited longest; return the number of steps."""
    steps = 0
    while steps < limit and telling_is_due(tx):
        lock_whole_graph(tx)
        steps += _tell_some(tx, now, limit - steps)
    return steps


def _tell_some(tx: Transaction, now: datetime, limit: int) -> int:
    """Tell the children that are due, and as far as there is room, those who must know what became of them."""
    rows = tx.all(_DUE_POSTGRESQL if tx.is_postgresql else _DUE_SQLITE, limit=limit + 1)
    ended, news = set[int](), dict[int, News]()
    for number, parent, last, status, child, condition, fate in rows[:limit]:
        ended.add(number)
        if child is not None and (status or last):  # else it has no more children, or has gone and they know
            told = news.setdefault(number, News(parent, STATUSES.get(status), STATUSES.get(last), []))
            told.edges.append((child, condition, fate))
    if len(rows) > limit and rows[limit].id in ended:
        ended.remove(rows[limit].id)
        tx.update(RIPPLE, ("cursor",), ("id",), [(rows[limit - 1].child_id, rows[limit].id)])
    tx.delete(RIPPLE, ("id",), [(number,) for number in ended])
    ledger = Ledger(tx)
    tell(ledger, list(news.values()), now)
    steps = min(len(rows), limit)
    return steps + spread(ledger, now, limit - steps)
