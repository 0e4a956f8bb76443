"""Extraction of call details: list days, fetch what is new, store raw partitions. The step that costs Clari requests.

Listing and fetching overlap, newest day first. A fixed pool of threads sends requests through the rate limiter, and one
thread stores what they receive, so that a crash loses no more than the requests in flight.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import date, datetime

from copilot_pipeline.clients.clari.client import ClariClient
from copilot_pipeline.clients.rate_limits import MANUAL
from copilot_pipeline.errors import PipelineError
from copilot_pipeline.extract.fetch_pool import FetchPool
from copilot_pipeline.extract.listing import Lister, window_days, window_of
from copilot_pipeline.extract.raw_partitions import RawPartition, RawPartitionWriter
from copilot_pipeline.extract.window import DayReport, WindowExtraction
from copilot_pipeline.load.partition_loader import describe_error
from copilot_pipeline.progress import NoProgress, Progress
from copilot_pipeline.state import AdvisoryLocks, CallStore, CallToFetch, ListCursors


class DetailExtraction:
    """Brings the raw partitions of some days up to date."""

    def __init__(
        self,
        client: ClariClient,
        calls: CallStore,
        cursors: ListCursors,
        writer: RawPartitionWriter,
        locks: AdvisoryLocks,
        *,
        source: str,
        requests_in_flight: int,
        progress: Progress | None = None,
        refresh_users: Callable[[], None] | None = None,
    ) -> None:
        self._client = client
        self._calls = calls
        self._cursors = cursors
        self._writer = writer
        self._locks = locks
        self._source = source
        self._lister = Lister(client, calls, cursors, source)
        self._requests_in_flight = requests_in_flight
        self._progress = progress or NoProgress()
        self._refresh_users = refresh_users

    def run(
        self, days: Sequence[date], *, calls: Sequence[CallToFetch] | None = None, since: datetime | None = None
    ) -> Iterator[DayReport]:
        """Yield a report for each day when it is stored, newest window first.

        With `calls`, only these calls of the days are fetched, and nothing is listed. Days whose listing began at
        `since` (default: now) or later are not listed again: a command that was killed passes its first start time.

        Errors of single calls and days are in the reports. Refused credentials and a used-up quota concern all days:
        what was received is stored, and then they are raised.
        """
        since = since or self._calls.now()
        if expired := self._calls.partitions.days_without_raw(days):
            yield from self._reports_of_expired(sorted(expired))
            days = [day for day in days if day not in expired]
        if self._refresh_users is not None:
            self._refresh_users()
        lost_calls = self._mark_lost(days)
        listed = set(days) if calls is not None else self._cursors.days_listed(days, since)
        windows = [*window_days(sorted(set(days) - listed)), *window_days(sorted(listed))]
        with FetchPool(self._client, self._calls, self._requests_in_flight) as pool:
            for window in sorted(windows, key=lambda one: one[-1], reverse=True):
                extraction = self._window_extraction(pool, window)
                extraction.lost = lost_calls
                if calls is not None:
                    yield from extraction.fetch([call for call in calls if call.call_date in window])
                elif window[0] in listed:
                    yield from extraction.fetch()
                else:
                    pages = self._lister.pages(window_of(window, self._calls.zone), since=since, days=window)
                    yield from extraction.list_and_fetch(pages)
                if extraction.fatal is not None:
                    raise extraction.fatal

    def _window_extraction(self, pool: FetchPool, window: Sequence[date]) -> WindowExtraction:
        return WindowExtraction(
            pool,
            self._calls,
            self._locks,
            self._writer,
            window,
            self._progress,
            # A manual run of a day fetches it immediately; schedules and backfills follow the backoff.
            with_quarantined=self._source == MANUAL,
        )

    def _reports_of_expired(self, days: Sequence[date]) -> Iterator[DayReport]:
        """Report days whose raw file was removed because of its age: they are neither listed nor fetched again."""
        for day in days:
            self._progress.note(
                f"{day}: its responses were removed because of their age (privacy.retention), so it is not fetched "
                "again; its tables stay as they are"
            )
            yield DayReport(day, RawPartition(day, 0, was_rewritten=False))

    def _mark_lost(self, days: Sequence[date]) -> dict[date, int]:
        """Mark calls whose bytes are missing from the lake, so that they are fetched again; return their number."""
        try:
            lost_calls = self._writer.mark_lost(days)
        except OSError as error:
            raise PipelineError(f"the lake cannot be read: {describe_error(error)}") from None
        for day, number in sorted(lost_calls.items()):
            self._progress.note(
                f"{day}: the bytes of {number} call(s) are missing from the lake; they are fetched again, and the "
                "rows in the tables stay until then"
            )
        return lost_calls
