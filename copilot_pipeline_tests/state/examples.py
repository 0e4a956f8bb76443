"""Calls as a list shows them, and the steps of a call as short functions."""

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
    PartitionStore,
    ReceivedDetails,
    UnstoredBody,
)
from copilot_pipeline.state.bodies import pack

DAY = date(2026, 11, 3)
NEXT_DAY = DAY + timedelta(days=1)
NOON = datetime(2026, 11, 3, 12, tzinfo=UTC)
AFTER, BEFORE = datetime(2026, 11, 3, tzinfo=UTC), datetime(2026, 11, 5, tzinfo=UTC)
WINDOW = CursorKey("manual", "started", AFTER, BEFORE)


def listed_call(
    call_id: str = "c-1",
    *,
    version: str = "v1",
    content: str = "as first listed",
    readiness: Readiness = Readiness.READY,
    started_at: datetime = NOON,
    has_details: bool = False,
) -> ListedCall:
    """Return a call as on a list page."""
    return ListedCall(
        call_id, started_at, NOON, "RAW", readiness, version, f"hash of {content}", content.encode(), has_details
    )


def record(call_store: CallStore, *calls: ListedCall) -> datetime:
    """Record a page with these calls, and return when its listing started."""
    started_at = call_store.now()
    ListCursors(call_store).record_page(WINDOW, calls, next_skip=None)
    return started_at


def finish_listing(call_store: CallStore, started_at: datetime, *days: date) -> int:
    """Finish a listing of these days, and return the number of removed calls."""
    return ListCursors(call_store).finish(WINDOW, days or [DAY], started_at)


def ids_to_fetch(call_store: CallStore, *days: date) -> list[str]:
    """Return the ids of the calls to fetch."""
    return [call.call_id for call in call_store.to_fetch(days or (DAY, NEXT_DAY))]


def store_details(
    call_store: CallStore, call_id: str = "c-1", *, version: str = "v1", body: bytes = b"{}", problem: str | None = None
) -> None:
    """Store the details of a call."""
    call_store.store_details([ReceivedDetails(CallToFetch(call_id, DAY, version), pack(body), problem)])


def unstored(partitions: PartitionStore, *call_ids: str) -> dict[tuple[str, str], bytes]:
    """Return the bodies that no raw file holds, by call and part."""
    return {(each.call_id, each.part): each.body for each in partitions.unstored_bodies(call_ids or ("c-1",))}


def store_partition(partitions: PartitionStore, day: date = DAY) -> tuple[list[PartitionCall], list[UnstoredBody]]:
    """Store a day in its current state."""
    calls = partitions.calls_of(day)
    bodies = list(partitions.unstored_bodies([call.call_id for call in calls]))
    mark_stored(partitions, calls, bodies, day)
    return calls, bodies


def mark_stored(
    partitions: PartitionStore, calls: Sequence[PartitionCall], bodies: Sequence[UnstoredBody], day: date = DAY
) -> None:
    """Record that the raw file of a day holds these calls and bodies."""
    partitions.mark_stored(day, calls, [body.key for body in bodies], datetime.now(UTC))
