"""Calls as a list shows them, and the steps of a call's life in few words."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

from copilot_pipeline.clients.clari.models import ListedCall, Readiness
from copilot_pipeline.state import (
    CallStore,
    CallToFetch,
    CursorKey,
    ListCursors,
    PartitionCall,
    ReceivedDetails,
    UnstoredBody,
)
from copilot_pipeline.state.bodies import pack

DAY = date(2026, 11, 3)
NEXT_DAY = DAY + timedelta(days=1)
NOON = datetime(2026, 11, 3, 12, tzinfo=UTC)
AFTER, BEFORE = datetime(2026, 11, 3, tzinfo=UTC), datetime(2026, 11, 5, tzinfo=UTC)


def listed(
    call_id: str = "c-1",
    *,
    version: str = "v1",
    content: str = "as first listed",
    readiness: Readiness = Readiness.READY,
    started_at: datetime = NOON,
    has_details: bool = False,
) -> ListedCall:
    """A call on a list page."""
    return ListedCall(
        call_id, started_at, NOON, "RAW", readiness, version, f"hash of {content}", content.encode(), has_details
    )


WINDOW = CursorKey("run", "started", AFTER, BEFORE)


def listings_of(ledger: CallStore) -> ListCursors:
    """The ledger of listings beside a ledger of calls."""
    return ListCursors(ledger)


def record(ledger: CallStore, *calls: ListedCall) -> datetime:
    """Records what a page shows, and returns when its listing began."""
    began_at = ledger.now()
    listings_of(ledger).record_page(WINDOW, calls, next_skip=None)
    return began_at


def mark_gone(ledger: CallStore, began_at: datetime, *days: date) -> int:
    """A listing of these days that began then ends."""
    return listings_of(ledger).finish(WINDOW, days or [DAY], began_at)


def wanted_ids(ledger: CallStore, *days: date) -> list[str]:
    """The calls whose details are wanted."""
    return [call.call_id for call in ledger.to_fetch(days or (DAY, NEXT_DAY))]


def keep(ledger: CallStore, call_id: str = "c-1", *, version: str = "v1", body: bytes = b"{}") -> None:
    """Details arrive."""
    ledger.store_details([ReceivedDetails(CallToFetch(call_id, DAY, version), pack(body))])


def bodies_of(ledger: CallStore, *call_ids: str) -> dict[tuple[str, str], bytes]:
    """The bodies the ledger holds, by call and part."""
    return {(held.call_id, held.part): held.body for held in ledger.partitions.unstored_bodies(call_ids or ("c-1",))}


def store(ledger: CallStore, day: date = DAY) -> tuple[list[PartitionCall], list[UnstoredBody]]:
    """A day is stored, as the ledger knows it now."""
    calls = ledger.partitions.calls_of(day)
    bodies = list(ledger.partitions.unstored_bodies([call.call_id for call in calls]))
    mark_stored(ledger, calls, bodies, day)
    return calls, bodies


def mark_stored(
    ledger: CallStore, calls: Sequence[PartitionCall], bodies: Sequence[UnstoredBody], day: date = DAY
) -> None:
    """The raw file of the day holds these."""
    ledger.partitions.mark_stored(day, calls, [body.key for body in bodies], ledger.now())
