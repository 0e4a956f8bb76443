"""What was erased is not stored again: every source stores calls, details and quarantined bytes through here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from copilot_pipeline.clients.clari.models import ListedCall
from copilot_pipeline.postgres.connections import Connection
from copilot_pipeline.postgres.queries import load_queries
from copilot_pipeline.privacy.stored_tombstones import current_tombstones
from copilot_pipeline.privacy.tombstones import Tombstones
from copilot_pipeline.state.bodies import pack, unpack

if TYPE_CHECKING:
    from copilot_pipeline.state.calls import ReceivedDetails

_SQL = load_queries(f"{__package__}.sql", "erased.sql")


def listed_without_erased(connection: Connection, calls: Sequence[ListedCall]) -> list[ListedCall]:
    """Return listed calls without those that are erased or in which an erased person took part; mask the others."""
    tombstones = current_tombstones(connection)
    kept: list[ListedCall] = []
    dropped: list[str] = []
    for call in calls:
        body = None if tombstones.is_erased(call.call_id) else tombstones.filtered(call.body)
        if body is None:
            dropped.append(call.call_id)
        else:
            kept.append(call if body is call.body else replace(call, body=body))
    forget_calls(connection, dropped)
    return kept


def details_without_erased(connection: Connection, received: Sequence[ReceivedDetails]) -> list[ReceivedDetails]:
    """Return details without those of erased calls and people, in the same way."""
    tombstones = current_tombstones(connection)
    if not (tombstones.has_calls or tombstones.has_people):
        return list(received)
    kept: list[ReceivedDetails] = []
    dropped: list[str] = []
    for details in received:
        packed = _filtered(tombstones, details)
        if packed is None:
            dropped.append(details.call.call_id)
        else:
            kept.append(replace(details, packed=packed))
    forget_calls(connection, dropped)
    return kept


def _filtered(tombstones: Tombstones, details: ReceivedDetails) -> bytes | None:
    if tombstones.is_erased(details.call.call_id):
        return None
    if not tombstones.has_people:
        return details.packed
    raw = unpack(details.packed)
    body = tombstones.filtered(raw)
    if body is None or body is raw:
        return None if body is None else details.packed
    return pack(body)


def forget_calls(connection: Connection, call_ids: Sequence[str]) -> None:
    """Delete what the state store has of calls, and mark their days to be written and loaded without them."""
    if call_ids:
        connection.execute(_SQL["forget"], {"call_ids": list(call_ids)})
