"""Listing: record which calls exist, page by page, so that an interrupted listing continues at its next page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from datetime import time as time_of_day
from zoneinfo import ZoneInfo

from copilot_pipeline.clients.clari.client import ClariClient
from copilot_pipeline.clients.clari.dialect import ListPage, ListPosition, ListWindow, TooDeep, UnreadableItem
from copilot_pipeline.days import day_ranges
from copilot_pipeline.errors import GarbledResponse, PipelineError, UnreadableBody
from copilot_pipeline.state import CallStore, Cursor, CursorKey, ListCursors

# Whether the API's time filters include their bounds is not documented. One second more at the lower bound makes both
# readings work: calls that start before the window are recorded under their own day.
OVERLAP = timedelta(seconds=1)
MAX_WINDOW_DAYS = 14
MAX_LISTINGS = 3  # of one window, if calls enter or leave it while its pages are read
MAX_UNREADABLE_DAYS = 3  # of a window, each listed on its own; then the others are not tried
MIN_WINDOW = 4 * OVERLAP  # halves of a shorter window would not be shorter


def window_of(days: Sequence[date], zone: ZoneInfo) -> ListWindow:
    """Return the window of consecutive days, ascending. Midnight is local: a day may have 23 or 25 hours."""
    first = datetime.combine(days[0], time_of_day.min, zone)
    end = datetime.combine(days[-1] + timedelta(days=1), time_of_day.min, zone)
    return ListWindow("started", first - OVERLAP, end)


def window_days(days: Sequence[date]) -> list[tuple[date, ...]]:
    """Group days into those listed as one window, newest first. Fewer windows mean fewer half-empty pages."""
    return day_ranges(days, MAX_WINDOW_DAYS)


class DaysNotListed(PipelineError):
    """Some days of a window could not be listed. `problems` has the reason of each."""

    def __init__(self, problems: Mapping[date, str]) -> None:
        super().__init__("; ".join(f"{day}: {problem}" for day, problem in problems.items()))
        self.problems = problems


class Lister:
    """Lists windows for one source."""

    def __init__(self, client: ClariClient, calls: CallStore, cursors: ListCursors, source: str) -> None:
        self._client = client
        self._calls = calls
        self._cursors = cursors
        self._source = source

    def pages(self, window: ListWindow, *, since: datetime, days: Sequence[date] = ()) -> Iterator[list[str]]:
        """Record the calls of a window; yield the call ids of each page after they are committed.

        Continues a listing of the same window that began at `since` or later. At the end, calls of `days` that are not
        in the list are marked as removed. Raises `TooDeep` if even the shortest window holds too many calls, and
        `DaysNotListed` if some days have a page that cannot be parsed; the others are listed.
        """
        cursor = self._cursors.resume(self._key(window), since)
        try:
            yield from self._pages_of(window, since)
        except UnreadableBody as error:
            if len(days) < 2:
                raise
            yield from self._pages_by_day(days, since, error)
            return
        self._cursors.finish(self._key(window), days, cursor.started_at)

    def _pages_by_day(self, days: Sequence[date], since: datetime, error: UnreadableBody) -> Iterator[list[str]]:
        """List each day on its own, so that a page that cannot be parsed affects only its own day."""
        failed: dict[date, str] = {}
        for day in days:
            if len(failed) == MAX_UNREADABLE_DAYS:  # not a single page, but whatever answers the requests
                break
            try:
                yield from self.pages(window_of([day], self._calls.zone), since=since, days=[day])
            except UnreadableBody as unreadable:
                failed[day] = str(unreadable)
        listed = self._cursors.days_listed(days, since)
        failed = {day: failed.get(day, str(error)) for day in days if day not in listed}
        if failed:
            raise DaysNotListed(failed)

    def _pages_of(self, window: ListWindow, since: datetime) -> Iterator[list[str]]:
        """List a window; split it in time if it holds more calls than paging can reach."""
        cursor = self._cursors.resume(self._key(window), since)
        if cursor.is_complete:
            return
        if not cursor.is_split:
            try:
                yield from self._remaining_pages(window, cursor)
                return
            except TooDeep:
                if window.before - window.after <= MIN_WINDOW:
                    raise
                self._cursors.mark_split(self._key(window))
        middle = window.after + (window.before - window.after) / 2
        yield from self._pages_of(ListWindow(window.basis, middle - OVERLAP, window.before), since)
        yield from self._pages_of(ListWindow(window.basis, window.after, middle), since)

    def _remaining_pages(self, window: ListWindow, cursor: Cursor) -> Iterator[list[str]]:
        position = ListPosition(cursor.skip, cursor.matched) if cursor.skip else None
        listings, has_shifted = 1, False
        while True:
            page = self._read_page(window, position)
            following = page.next
            has_shifted = has_shifted or _has_shifted(position, page)
            if following is None and has_shifted and listings < MAX_LISTINGS:
                following, has_shifted = ListPosition(0), False
                listings += 1
            self._record(window, page, following)
            yield [call.call_id for call in page.calls]
            if following is None:
                return
            position = following if following.skip else None

    def _read_page(self, window: ListWindow, position: ListPosition | None) -> ListPage:
        """Read a page. One that cannot be parsed is quarantined with its place."""
        try:
            return self._client.list_page(window, position)
        except (GarbledResponse, UnreadableBody) as error:
            if error.body is None:
                raise
            skip = position.skip if position else 0
            where = f"skip {skip}, {window.basis} {window.after.isoformat()} to {window.before.isoformat()}"
            self._calls.quarantine(None, None, "list page", f"{error} ({where})", error.body)
            raise UnreadableBody(f"{error} ({where}); the page is quarantined") from None

    def _record(self, window: ListWindow, page: ListPage, following: ListPosition | None) -> None:
        for item in page.quarantined:
            self._calls.quarantine(item.call_id, self._day_of(item, window), "list item", item.reason, item.body)
        self._cursors.record_page(
            self._key(window),
            page.calls,
            next_skip=following.skip if following else None,
            matched=following.matched if following else None,
            unreadable=[item.call_id for item in page.quarantined if item.call_id],
        )

    def _day_of(self, item: UnreadableItem, window: ListWindow) -> date | None:
        """Return the day of an item; if its time is not readable either, the first day of a window of start times."""
        if item.started_at is not None:
            return self._calls.day_of(item.started_at)
        return self._calls.day_of(window.after + OVERLAP) if window.basis == "started" else None

    def _key(self, window: ListWindow) -> CursorKey:
        return CursorKey(self._source, window.basis, window.after, window.before)


def _has_shifted(position: ListPosition | None, page: ListPage) -> bool:
    """Whether calls entered or left the window since its first page, so that one may have moved to an earlier page."""
    return position is not None and None not in (position.matched, page.matched) and position.matched != page.matched
