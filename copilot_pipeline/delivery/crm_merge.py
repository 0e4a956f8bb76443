"""What is written to a CRM's record, of all that calls have said about it.

A record holds a state, so messages to it are no events: the newest call speaks, and where it has no answer to a
field, the newest call that has one. Of a call that was scored several times only the newest scores count: an answer
that it no longer gives is nobody's. What stands in the record already is not written again on behalf of older calls.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from copilot_pipeline.postgres.connections import Connection


class _Said(NamedTuple):
    """What a call says about the record, or said before."""

    id: int
    call_id: str
    scored_at: datetime
    state: str
    fields: dict[str, Any]
    sent: dict[str, Any] | None
    settled_at: datetime | None


def written_for(
    connection: Connection, sink: str, route: str, target: str, delivery_id: int, now: datetime
) -> dict[str, Any]:
    """The fields to write for this row, the newest that waits; the older ones that wait are superseded by it.

    Empty where newer calls have already written everything: then this row is superseded too. Part of the transaction
    that takes the row.
    """
    found = connection.execute(
        """SELECT id, call_id, scored_at, state, payload -> 'fields', sent, settled_at FROM copilot_ops.outbox
        WHERE sink = %s AND route = %s AND target = %s
          AND (state IN ('waiting', 'delivered', 'superseded') OR (state = 'cancelled' AND sent IS NOT NULL))
        ORDER BY call_started_at, scored_at, id""",
        (sink, route, target),
    ).fetchall()
    rows = [_Said(*row) for row in found]
    speaking = _speaking(rows)
    answers: dict[str, Any] = {}
    for row in speaking:
        answers |= row.fields
    holds = _held(rows)
    changed = {name: value for name, value in answers.items() if name not in holds or holds[name] != value}
    last = [row for row in speaking if row.state in ("waiting", "delivered")][-1]
    own = last.fields if last.id == delivery_id else {}
    written = {**{name: answers[name] for name in own}, **changed}
    older = [row.id for row in rows if row.state == "waiting" and (row.id != delivery_id or not written)]
    connection.execute(
        """UPDATE copilot_ops.outbox SET state = 'superseded', settled_at = %s, superseded_by = %s,
          reason = 'a newer score goes to this record' WHERE id = ANY(%s)""",
        (now, delivery_id, older),
    )
    return written


def _speaking(rows: Sequence[_Said]) -> list[_Said]:
    """The newest scores of each call that is still linked to the record, the newest call last."""
    newest: dict[str, _Said] = {}
    for row in rows:
        known = newest.get(row.call_id)
        is_newer = known is None or (row.scored_at, row.id) > (known.scored_at, known.id)
        if row.state != "cancelled" and is_newer:
            newest[row.call_id] = row
    return [row for row in rows if newest.get(row.call_id) is row]


def _held(rows: Sequence[_Said]) -> dict[str, Any]:
    """What stands in the record, as far as is known. What a call wrote that has left it since still does."""
    holds: dict[str, Any] = {}
    for row in sorted((row for row in rows if row.sent), key=lambda row: (row.settled_at is None, row.settled_at)):
        if row.state in ("delivered", "cancelled"):
            holds |= row.sent or {}
        else:  # it was on its way and no answer came: nobody knows what stands there
            holds = {name: value for name, value in holds.items() if name not in (row.sent or {})}
    return holds


def leave_other_records(
    connection: Connection,
    route: str,
    call_id: str,
    target: str,
    now: datetime,
    why: str = "the call is linked to another record now",
) -> None:
    """The call speaks for `target` only (empty: for none): what waits for another record is cancelled.

    Where it has written to another record already, the newest call that is left there speaks again.
    """
    connection.execute(
        """UPDATE copilot_ops.outbox SET state = 'cancelled', settled_at = %s, sent = NULL, reason = %s
        WHERE route = %s AND call_id = %s AND target NOT IN (%s, '') AND state IN ('waiting', 'superseded')""",
        (now, why, route, call_id, target),
    )
    left = connection.execute(
        """UPDATE copilot_ops.outbox SET state = 'cancelled', reason = 'it was delivered; ' || %s
        WHERE route = %s AND call_id = %s AND target NOT IN (%s, '') AND state = 'delivered' RETURNING sink, target""",
        (why, route, call_id, target),
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


def leave_if_moved(connection: Connection, route: str, call_id: str, target: str, now: datetime) -> None:
    """The call may have moved to another record while it was being written to this one."""
    newest = connection.execute(
        """SELECT target FROM copilot_ops.outbox WHERE route = %s AND call_id = %s AND state <> 'cancelled'
        ORDER BY id DESC LIMIT 1""",
        (route, call_id),
    ).fetchone()
    if newest is not None and newest[0] != target:
        leave_other_records(connection, route, call_id, newest[0], now)
