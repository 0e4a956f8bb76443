"""Merge the values that several calls have for one CRM record.

A record holds a state, and not a series of events: its fields come from the newest call, and fields without an
answer there from the newest call that has one. Of a call that was scored several times only the newest scores count.
Values that the record already holds are not written again for older calls.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg.rows import class_row, dict_row

from copilot_pipeline.postgres.connections import Connection
from copilot_pipeline.postgres.queries import load_queries

# The value of a field whose content was removed because of its age (privacy.retention.outbox). It keeps older calls
# from writing the field, and is never written itself.
REMOVED = {"removed": True}

_SQL = load_queries("copilot_pipeline.delivery.sql", "crm_merge.sql")


@dataclass(frozen=True, slots=True)
class _Contribution:
    """The fields that a call contributes to the record, or contributed before."""

    id: int
    call_id: str
    scored_at: datetime
    state: str
    fields: dict[str, Any]
    sent_fields: dict[str, Any] | None
    completed_at: datetime | None


def merge_fields(
    connection: Connection, sink: str, route: str, target: str, delivery_id: int, now: datetime
) -> dict[str, Any]:
    """Return the fields to write for this delivery, the newest queued one.

    The older queued ones are marked as superseded.

    Returns nothing if newer calls have already written everything: then this delivery is superseded too. Part of the
    transaction that leases the delivery.
    """
    with connection.cursor(row_factory=class_row(_Contribution)) as cursor:
        rows = cursor.execute(_SQL["record_history"], {"sink": sink, "route": route, "target": target}).fetchall()
    current = _current_contributions(rows)
    merged: dict[str, Any] = {}
    for row in current:
        merged |= row.fields
    stored = _stored_values(rows)
    changed = {name: value for name, value in merged.items() if name not in stored or stored[name] != value}
    newest = [row for row in current if row.state in ("queued", "sent")][-1]
    own = newest.fields if newest.id == delivery_id else {}
    fields = {**{name: merged[name] for name in own}, **changed}
    fields = {name: value for name, value in fields.items() if value != REMOVED}
    superseded = [row.id for row in rows if row.state == "queued" and (row.id != delivery_id or not fields)]
    connection.execute(_SQL["supersede"], {"ids": superseded, "by": delivery_id, "now": now})
    return fields


def _current_contributions(rows: Sequence[_Contribution]) -> list[_Contribution]:
    """Return the newest scores of each call that is linked to the record.

    The newest call is the last.
    """
    newest: dict[str, _Contribution] = {}
    for row in rows:
        newest_of_call = newest.get(row.call_id)
        is_newer = newest_of_call is None or (row.scored_at, row.id) > (newest_of_call.scored_at, newest_of_call.id)
        if row.state != "cancelled" and is_newer:
            newest[row.call_id] = row
    return [row for row in rows if newest.get(row.call_id) is row]


def _stored_values(rows: Sequence[_Contribution]) -> dict[str, Any]:
    """Return the record's values as far as known.

    Values of calls that have left the record are still there.
    """
    stored: dict[str, Any] = {}
    by_time = sorted(
        (row for row in rows if row.sent_fields), key=lambda row: (row.completed_at is None, row.completed_at)
    )
    for row in by_time:
        if row.state in ("sent", "cancelled"):
            stored |= row.sent_fields or {}
        else:  # the response was lost, so the values are unknown
            stored = {name: value for name, value in stored.items() if name not in (row.sent_fields or {})}
    return stored


def leave_other_records(
    connection: Connection,
    route: str,
    call_id: str,
    target: str,
    now: datetime,
    reason: str = "the call is linked to another record now",
) -> None:
    """Make the call count for `target` only, or for no record if it is empty.

    Its deliveries to other records are cancelled.

    If it has already written to another record, the newest scores of the remaining calls are queued for that record.
    """
    parameters = {"route": route, "call_id": call_id, "target": target, "now": now, "reason": reason}
    connection.execute(_SQL["cancel_unsent"], parameters)
    with connection.cursor(row_factory=dict_row) as cursor:
        cancelled = cursor.execute(_SQL["cancel_sent"], parameters).fetchall()
    for row in cancelled:
        connection.execute(
            _SQL["queue_newest_remaining"], {"sink": row["sink"], "route": route, "target": row["target"], "now": now}
        )


def leave_if_relinked(connection: Connection, route: str, call_id: str, target: str, now: datetime) -> None:
    """Leave the record if the call was linked to another one during the write."""
    with connection.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(_SQL["current_target"], {"route": route, "call_id": call_id}).fetchone()
    if row is not None and row["target"] != target:
        leave_other_records(connection, route, call_id, row["target"], now)
