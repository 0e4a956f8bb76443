"""The quarantine: bytes that cannot be parsed, with the reason."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date

from copilot_pipeline.errors import GarbledResponse, UnreadableBody
from copilot_pipeline.postgres import Database
from copilot_pipeline.postgres.connections import Connection
from copilot_pipeline.postgres.queries import load_queries
from copilot_pipeline.postgres.rows import fetch_value
from copilot_pipeline.privacy.stored_tombstones import current_tombstones

_SQL = load_queries(f"{__package__}.sql", "quarantine.sql")


def quarantine(
    connection: Connection, call_id: str | None, day: date | None, origin: str, reason: str, body: bytes
) -> None:
    """Keep bytes that cannot be parsed, with the reason; the same bytes of a call and origin are kept once.

    Nothing is kept of an erased call, and erased people are masked. `connection` is in a transaction.
    """
    tombstones = current_tombstones(connection)
    filtered = None if tombstones.is_erased(call_id) else tombstones.filtered(body)
    if filtered is None:
        return
    body = filtered
    # The id is part of the hash: an empty response or an error page of a gateway is the same for many calls.
    hashed = body if call_id is None else b"\n".join((call_id.encode(), body))
    values = {
        "call_id": call_id,
        "call_date": day,
        "origin": origin,
        "reason": reason,
        "body": body,
        "body_hash": hashlib.sha256(hashed).hexdigest(),
    }
    connection.execute(_SQL["quarantine"], values)


def delete_quarantined(connection: Connection, day: date | None, origins: Sequence[str]) -> None:
    """Remove what was quarantined of these origins and this day, because it is found again if it is still there."""
    connection.execute(_SQL["delete"], {"origins": list(origins), "day": day})


def count_quarantined(connection: Connection, days: Sequence[date]) -> int:
    """Return how many calls of some days are missing or incomplete, because what was received cannot be parsed."""
    return int(fetch_value(connection, _SQL["count_quarantined"], {"days": list(days)}))


@contextmanager
def quarantine_unreadable(database: Database, origin: str, call_id: str | None = None) -> Iterator[None]:
    """Keep the body of a `GarbledResponse` or `UnreadableBody` that ends the block, and raise the error."""
    try:
        yield
    except (GarbledResponse, UnreadableBody) as error:
        if error.body is not None:
            with database.transaction() as connection:
                quarantine(connection, call_id, None, origin, str(error), error.body)
        raise
