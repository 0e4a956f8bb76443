"""Erase calls that the vendor's list has not shown for some time (`privacy.retention.removed_calls`).

They are erased as by `privacy erase --call`: in all places, with a tombstone each, under one plan by which the next run
finishes what a killed one left. So many that the list may have been at fault are erased only if a person confirms it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from copilot_pipeline.config.loading import Settings
from copilot_pipeline.errors import ConfigurationError
from copilot_pipeline.postgres import Database
from copilot_pipeline.postgres.queries import load_queries
from copilot_pipeline.postgres.rows import fetch_all
from copilot_pipeline.privacy.erasure import REMOVED_CALLS, Erased, Erasure
from copilot_pipeline.privacy.identity import Identity
from copilot_pipeline.privacy.limits import RemovedCall, abnormal_removals, is_confirmed
from copilot_pipeline.privacy.search import Search, Stores
from copilot_pipeline.privacy.subjects import Subject

_SQL = load_queries(__package__, "retention.sql")


@dataclass(frozen=True, slots=True)
class DueRemovals:
    """The removed calls that are to be erased, by day. `problem`: why they are not, until a person confirms it."""

    calls: Sequence[RemovedCall] = ()
    problem: str | None = None

    def require_confirmation(self, more_than: int | None) -> None:
        """Raise `ConfigurationError` if they are many, and `more_than` is not near their number."""
        if self.problem is not None and not is_confirmed(len(self.calls), more_than):
            raise ConfigurationError(self.problem)


def due_removals(database: Database, before: datetime | None) -> DueRemovals:
    """Return the calls that were removed before a time; none if they are kept."""
    if before is None:
        return DueRemovals()
    with database.connection() as connection:
        calls = fetch_all(connection, RemovedCall, _SQL["removed_calls"], {"before": before})
    reason = abnormal_removals(database, calls) if calls else None
    return DueRemovals(calls, _problem(calls, reason) if reason else None)


class RemovedCalls:
    """Erases removed calls."""

    def __init__(self, settings: Settings, stores: Stores, *, on_step: Callable[[str], None] = lambda _: None) -> None:
        self._settings = settings
        self._stores = stores
        self._on_step = on_step

    def erase(self, before: datetime | None) -> int:
        """Erase the calls that were removed before a time (None: no calls); return their number.

        If they are abnormally many, none is erased but those of an erasure that was interrupted. Raises
        `ConfigurationError` without the key of the tombstones, also if there is no such call yet.
        """
        if before is None:
            return 0
        erasure = self._erasure()
        erased = _finished(erasure)
        due = due_removals(self._stores.database, before)
        if due.calls and due.problem is None:
            erased.append(self._erase(erasure, due.calls))
        return sum(one.record.calls for one in erased)

    def finish(self) -> list[Erased]:
        """Finish an erasure that was interrupted."""
        return _finished(self._erasure())

    def erase_confirmed(self, before: datetime, more_than: int | None) -> list[Erased]:
        """Erase them although they are many. Raises `ConfigurationError` unless `more_than` is near their number."""
        erasure = self._erasure()
        erased = _finished(erasure)
        due = due_removals(self._stores.database, before)
        due.require_confirmation(more_than)
        return [*erased, self._erase(erasure, due.calls)] if due.calls else erased

    def _erasure(self) -> Erasure:
        return Erasure(self._stores, self._settings, REMOVED_CALLS, on_step=self._on_step)

    def _erase(self, erasure: Erasure, calls: Sequence[RemovedCall]) -> Erased:
        search = Search(self._stores, Subject(Identity(), frozenset(call.call_id for call in calls)))
        return erasure.run(erasure.begin(search, "calls"))


def _finished(erasure: Erasure) -> list[Erased]:
    """Finish an erasure that was interrupted."""
    plan = erasure.unfinished()
    return [] if plan is None else [erasure.run(plan)]


def _problem(calls: Sequence[RemovedCall], reason: str) -> str:
    first, last = min(call.call_date for call in calls), max(call.call_date for call in calls)
    return (
        f"{len(calls):,} calls that the list of Clari Copilot does not show any more are not erased: {reason}, as "
        "after a fault of the list. To keep those that it shows again, list their days again: copilot-pipeline run "
        f"--from {first} --to {last} --assets raw_call_details. To erase them: copilot-pipeline privacy erase-removed "
        f"--more-than {len(calls) - 1}"
    )
