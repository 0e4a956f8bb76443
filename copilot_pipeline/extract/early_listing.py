"""List days while a command imports Dagster, which takes longer than the first requests."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from threading import Event, Thread

from copilot_pipeline.clients.rate_limits import RateLimits
from copilot_pipeline.config.loading import Settings
from copilot_pipeline.extract.clari_client import open_counting_client
from copilot_pipeline.extract.listing import Lister, window_days, window_of
from copilot_pipeline.load.lake import Lake
from copilot_pipeline.load.lake.losses import RawFiles, missing_bytes
from copilot_pipeline.postgres import Database
from copilot_pipeline.state import CallStore, ListCursors

_LOG = logging.getLogger(__name__)


@contextmanager
def list_meanwhile(
    settings: Settings, database: Database, days: Sequence[date], source: str, since: datetime
) -> Iterator[None]:
    """List days in a thread while the block runs, newest first; at its end, finish the page that was requested.

    An extraction of the same days, source and `since` continues after the pages that were listed, as after a crash.
    What fails here, it requests again and reports. If calls of the days are missing from the lake, nothing is listed.
    """
    is_stopped = Event()
    arguments = (settings, database, days, source, since, is_stopped)
    thread = Thread(target=_list, args=arguments, name="early listing", daemon=True)
    thread.start()
    try:
        yield
    finally:
        is_stopped.set()
        thread.join()


def _list(
    settings: Settings, database: Database, days: Sequence[date], source: str, since: datetime, is_stopped: Event
) -> None:
    calls = CallStore(database, settings.zone)
    cursors, limits = ListCursors(calls), RateLimits.from_settings(settings)
    open_client = open_counting_client(settings, database, limits, source, attempts=1)
    try:
        # The list is read after lost calls are marked: it then decides which of them are fetched again.
        if missing_bytes(RawFiles(Lake(settings.environment.lake_url)), calls.partitions, days):
            return
        with open_client as client:
            lister = Lister(client, calls, cursors, source)
            known = calls.partitions.days_without_raw(days) | cursors.days_listed(days, since)
            for window in window_days(sorted(set(days) - known)):
                for _ in lister.pages(window_of(window, settings.zone), since=since, days=window):
                    if is_stopped.is_set():
                        return
    except Exception as error:  # noqa: BLE001 - the extraction requests it again and reports what fails
        _LOG.debug("days are listed again: %s", error)
