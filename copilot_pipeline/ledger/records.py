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
        WHERE sink = %s AND route = %s AND target = %s
          AND (state IN ('waiting', 'delivered', 'superseded') OR (state = 'cancelled' AND sent IS NOT NULL))
        ORDER BY call_started_at, scored_at, id""",
        (sink, route, target),
    ).fetchall()
    answers: dict[str, Any] = {}
    for _, state, fields, _, _ in rows:
        answers |= fields if state != "cancelled" else {}
    holds: dict[str, Any] = {}  # what a call wrote that has left the record since still stands in it
    for row in sorted((row for row in rows if row[1] in ("delivered", "cancelled")), key=lambda row: row[4]):
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


def leave_other_records(connection: Connection, route: str, call_id: str, target: str, now: datetime) -> None:
    """The call belongs to `target` now (empty: to none): what waits for another record is cancelled.

    Where it has written to another record already, the newest call that is left there speaks again.
    """
    connection.execute(
        """UPDATE copilot_ops.outbox SET state = 'cancelled', settled_at = %s, sent = NULL,
          reason = 'the call is linked to another record now'
        WHERE route = %s AND call_id = %s AND target NOT IN (%s, '') AND state IN ('waiting', 'superseded')""",
        (now, route, call_id, target),
    )
    left = connection.execute(
        """UPDATE copilot_ops.outbox SET state = 'cancelled',
          reason = 'it was delivered; the call is linked to another record now'
        WHERE route = %s AND call_id = %s AND target NOT IN (%s, '') AND state = 'delivered' RETURNING sink, target""",
        (route, call_id, target),
    ).fetchall()
    for sink, record in left:
        connection.execute(
            """UPDATE copilot_ops.outbox SET state = 'waiting', settled_at = NULL, superseded_by = NULL,
              next_attempt_at = %s, reason = 'a newer call has left this record'
            WHERE id = (
              SELECT id FROM copilot_ops.outbox
              WHERE sink = %s AND route = %s AND target = %s AND state IN ('delivered', 'superseded')
              ORDER BY call_started_at DESC, scored_at DESC, id DESC LIMIT 1)""",
            (now, sink, route, record),
        )
