"""Erase calls that the vendor's list has not shown for some time (`privacy.retention.removed_calls`).

They are erased as by `privacy erase --call`: in all places, with a tombstone each, under one plan by which the next run
finishes what a killed one left.
"""

from __future__ import annotations

from datetime import datetime

from copilot_pipeline.config.loading import Settings
from copilot_pipeline.postgres import Database
from copilot_pipeline.postgres.queries import load_queries
from copilot_pipeline.postgres.rows import fetch_values
from copilot_pipeline.privacy.erasure import REMOVED_CALLS, Erasure
from copilot_pipeline.privacy.identity import Identity
from copilot_pipeline.privacy.search import Search, Stores
from copilot_pipeline.privacy.subjects import Subject

_SQL = load_queries(__package__, "retention.sql")


class RemovedCalls:
    """Erases removed calls."""

    def __init__(self, settings: Settings, stores: Stores) -> None:
        self._settings = settings
        self._stores = stores

    @staticmethod
    def count(database: Database, before: datetime | None) -> int:
        """Return the number of calls that were removed before a time; 0 if they are kept."""
        return len(_removed(database, before))

    def erase(self, before: datetime | None) -> int:
        """Erase the calls that were removed before a time (None: no calls); return their number.

        Raises `ConfigurationError` without the key of the tombstones, also if there is no such call yet.
        """
        if before is None:
            return 0
        erasure = Erasure(self._stores, self._settings, REMOVED_CALLS)
        erased = 0
        if (plan := erasure.unfinished()) is not None:
            erased += erasure.run(plan).record.calls
        if found := _removed(self._stores.database, before):
            search = Search(self._stores, Subject(Identity(), frozenset(found)))
            erased += erasure.run(erasure.begin(search, "calls")).record.calls
        return erased


def _removed(database: Database, before: datetime | None) -> list[str]:
    if before is None:
        return []
    with database.connection() as connection:
        return fetch_values(connection, _SQL["removed_calls"], {"before": before})
