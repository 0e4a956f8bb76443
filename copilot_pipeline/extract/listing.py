"""CursorKey: which calls there are. Writes the ledger page by page, so that a killed listing goes on where it was."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from datetime import time as time_of_day
from zoneinfo import ZoneInfo

from copilot_pipeline.clients.clari import ClariClient, ListPage, ListPosition, ListWindow, TooDeep
from copilot_pipeline.state import CallStore, Cursor, CursorKey, ListCursors
from copilot_pipeline.state.backfills import day_ranges

# Whether the filters include their bounds is not documented. A second to spare on the lower side makes both readings
# harmless: what falls outside is recorded under its own day.
OVERLAP = timedelta(seconds=1)
LONGEST_STRETCH_DAYS = 14
TIMES_LISTED = 3  # at most, where calls come into a window or leave it while it is paged through
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
    return [Stretch(group) for group in day_ranges(days, LONGEST_STRETCH_DAYS)]


class Lister:
    """Lists windows through one source."""

    def __init__(self, client: ClariClient, calls: CallStore, listings: ListCursors, source: str) -> None:
        self._client = client
        self._calls = calls
        self._listings = listings
        self._source = source

    def pages(self, window: ListWindow, *, since: datetime, days: Sequence[date] = ()) -> Iterator[list[str]]:
        """Lists a window into the ledger; yields the call ids of each page once the ledger has them.

        Goes on where a listing of the same window stopped that began `since` then. In the end, calls of `days` that
        were not shown are gone.
        """
        place = self._listings.resume(self._listing(window), since)
        yield from self._walk(window, since)
        self._listings.finish(self._listing(window), days, place.started_at)

    def _walk(self, window: ListWindow, since: datetime) -> Iterator[list[str]]:
        """A window with more matches than the API can page through is cut in two, in time."""
        place = self._listings.resume(self._listing(window), since)
        if place.is_complete:
            return
        if not place.is_split:
            try:
                yield from self._pages(window, place)
                return
            except TooDeep:
                if window.before - window.after <= SHORTEST_WINDOW:
                    raise
                self._listings.mark_split(self._listing(window))
        middle = window.after + (window.before - window.after) / 2
        yield from self._walk(ListWindow(window.basis, middle - OVERLAP, window.before), since)
        yield from self._walk(ListWindow(window.basis, window.after, middle), since)

    def _pages(self, window: ListWindow, place: Cursor) -> Iterator[list[str]]:
        position = ListPosition(place.skip, place.matched) if place.skip else None
        times_left, has_shifted = TIMES_LISTED, False
        while True:
            page = self._client.list_page(window, position)
            following = page.next
            has_shifted = has_shifted or _has_shifted(position, page)
            if following is None:
                times_left -= 1
                if has_shifted and times_left:
                    following, has_shifted = ListPosition(0), False
            for item in page.quarantined:
                self._calls.quarantine(item.call_id, None, "list item", item.reason, item.body)
            self._listings.record_page(
                self._listing(window),
                page.calls,
                next_skip=following.skip if following else None,
                matched=following.matched if following else None,
                unreadable=[item.call_id for item in page.quarantined if item.call_id],
            )
            yield [call.call_id for call in page.calls]
            if following is None:
                return
            position = following if following.skip else None

    def _listing(self, window: ListWindow) -> CursorKey:
        return CursorKey(self._source, window.basis, window.after, window.before)


def _has_shifted(position: ListPosition | None, page: ListPage) -> bool:
    """Whether calls came into the window or left it while it was paged through: one may have slipped from a page that
    was still to come into one that had been read."""
    return position is not None and None not in (position.matched, page.matched) and position.matched != page.matched
