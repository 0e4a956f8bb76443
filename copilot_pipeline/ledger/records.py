"""What is written to a CRM's record, of all that calls have said about it.

A record holds a state, so messages to it are no events: the newest call speaks, and where it has no answer to a
field, the newest call that has one. What stands in the record already is not written again on behalf of older calls.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from copilot_pipeline.database.connections import Connection


def written_for(
    connection: Connection, sink: str, route: str, target: str, delivery_id: int, now: datetime
) -> dict[str, Any]:
    """The fields to write for this row, the newest that waits; the older ones that wait are superseded by it.

    Empty where newer calls have already written everything: then this row is superseded too. Part of the transaction
    that takes the row.
    """
    rows = connection.execute(
        """SELECT id, state, payload -> 'fields', sent, settled_at FROM copilot_ops.outbox
        WHERE sink = %s AND route = %s AND target = %s AND state IN ('waiting', 'delivered', 'superseded')
        ORDER BY call_started_at, scored_at, id""",
        (sink, route, target),
    ).fetchall()
    answers: dict[str, Any] = {}
    for _, _, fields, _, _ in rows:
        answers |= fields
    holds: dict[str, Any] = {}
    for row in sorted((row for row in rows if row[1] == "delivered"), key=lambda row: row[4]):
        holds |= row[3] or {}
    changed = {name: value for name, value in answers.items() if name not in holds or holds[name] != value}
    last = [row for row in rows if row[1] in ("waiting", "delivered")][-1]
    own = next(row[2] for row in rows if row[0] == delivery_id)
    written = {**{name: answers[name] for name in own}, **changed} if last[0] == delivery_id else changed
    older = [row[0] for row in rows if row[1] == "waiting" and (row[0] != delivery_id or not written)]
    connection.execute(
        """UPDATE copilot_ops.outbox SET state = 'superseded', settled_at = %s, superseded_by = %s,
          reason = 'a newer score goes to this record' WHERE id = ANY(%s)""",
        (now, delivery_id, older),
    )
    return written
