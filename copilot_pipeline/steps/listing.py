"""Listing: which calls there are. Writes the ledger page by page, so that a killed listing goes on where it was."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from datetime import time as time_of_day
from zoneinfo import ZoneInfo

from copilot_pipeline.clari import ClariClient, ListPosition, ListWindow, TooDeep
from copilot_pipeline.ledger import CallLedger
from copilot_pipeline.ledger.backfills import chunks

# Whether the filters include their bounds is not documented. A second to spare on the lower side makes both readings
# harmless: what falls outside is recorded under its own day.
OVERLAP = timedelta(seconds=1)
LONGEST_STRETCH_DAYS = 14
SHORTEST_WINDOW = 4 * OVERLAP  # cutting further would not make it shorter


@dataclass(frozen=True, slots=True)
class Stretch:
    """Consecutive days that are listed as one window."""

    days: tuple[date, ...]  # ascending

    def window(self, zone: ZoneInfo) -> ListWindow:
        """The instants of the stretch. Midnight is taken in the zone: a day there may have 23 or 25 hours."""
        first = datetime.combine(self.days[0], time_of_day.min, zone)
        after_last = datetime.combine(self.days[-1] + timedelta(days=1), time_of_day.min, zone)
        return ListWindow("started", first - OVERLAP, after_last)


def stretches(days: Sequence[date]) -> list[Stretch]:
    """Groups days into stretches of consecutive days, newest first.

    One window for several days saves requests: pages are filled across midnight.
    """
    return [Stretch(group) for group in chunks(days, LONGEST_STRETCH_DAYS)]


class Lister:
    """Lists windows through one door."""

    def __init__(self, client: ClariClient, ledger: CallLedger, door: str) -> None:
        self._client = client
        self._ledger = ledger
        self._door = door

    def pages(self, window: ListWindow) -> Iterator[list[str]]:
        """Lists a window into the ledger; yields the call ids of each page once the ledger has them.

        A window with more matches than the API can page through is cut in two, in time.
        """
        try:
            yield from self._pages(window)
        except TooDeep:
            if window.before - window.after <= SHORTEST_WINDOW:
                raise
            middle = window.after + (window.before - window.after) / 2
            yield from self.pages(ListWindow(window.basis, middle - OVERLAP, window.before))
            yield from self.pages(ListWindow(window.basis, window.after, middle))

    def _pages(self, window: ListWindow) -> Iterator[list[str]]:
        saved = self._ledger.listing_position(self._door, window.basis, window.after, window.before)
        position = ListPosition(saved[0]) if saved else None
        began_at = saved[1] if saved else self._ledger.now()
        while True:
            page = self._client.list_page(window, position)
            for item in page.quarantined:
                self._ledger.quarantine(item.call_id, None, "list item", item.reason, item.body)
            self._ledger.record_page(
                page.calls,
                door=self._door,
                basis=window.basis,
                after=window.after,
                before=window.before,
                next_skip=page.next.skip if page.next else None,
                began_at=began_at,
            )
            yield [call.call_id for call in page.calls]
            if page.next is None:
                return
            position = page.next
