"""Build the call tables of many days in several processes. See docs/adr/0019-parallel-rebuild.md.

Each process builds one day at a time exactly as a single process does: under the lock of the partition, in one
transaction and one set of files. What is killed leaves its day as it was.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from datetime import date

from copilot_pipeline.config.loading import Settings
from copilot_pipeline.extract.factory import make_call_tables
from copilot_pipeline.extract.machine import available_megabytes, usable_cores
from copilot_pipeline.load.call_tables import CallTables, LoadedCallTables
from copilot_pipeline.load.lake import Lake
from copilot_pipeline.postgres import Database

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Work:
    """What a process needs to build days. It is passed through a pipe, never through a file."""

    settings: Settings
    database_url: str
    lake_url: str
    force: bool


class CallTableRebuild:
    """Replaces days in all call tables, unless they are up to date or, with `force`, in any case."""

    def __init__(self, settings: Settings, database: Database, lake: Lake, *, force: bool = False) -> None:
        self._limits = settings.pipeline.advanced.rebuild
        self._work = _Work(settings, database.url, lake.url, force)
        self._tables = make_call_tables(settings, database, lake, force=force)

    def days_to_build(self, days: Sequence[date]) -> list[date]:
        """Return these days and those that a call has left, newest first."""
        return self._tables.days_to_build(days)

    def build(self, days: Sequence[date]) -> Iterator[LoadedCallTables]:
        """Build days, in several processes if they have many calls.

        Days that are up to date are reported first, the others in their order. If a process is killed, the days that
        are not reported yet are built in this one.
        """
        most = self._limits.processes or usable_cores() - 1  # PostgreSQL needs about as much time as the process
        changed = self._tables.changed_days(days) if most > 1 else []
        processes = min(most, self._useful_processes(changed))
        if processes <= 1:
            yield from self._tables.build(days)
            return
        apart = set(changed)
        yield from self._tables.build([day for day in days if day not in apart])
        waiting = deque(changed)
        # A process of its own program: a fork would copy the locks of this one's threads in the state they are in.
        pool = ProcessPoolExecutor(processes, multiprocessing.get_context("spawn"), _start, (self._work,))
        try:
            futures = {day: pool.submit(_build, day) for day in changed}
            while waiting:
                loaded = futures[waiting[0]].result()
                waiting.popleft()
                yield loaded
        except BrokenProcessPool:
            _LOG.warning("a process that built tables was killed: %d days are built without it", len(waiting))
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
        yield from self._tables.build(waiting)

    def _useful_processes(self, days: Sequence[date]) -> int:
        """Return how many processes are worth their start, and have memory."""
        if len(days) < 2 or self._tables.number_of_calls(days) < self._limits.min_calls:
            return 1
        return min(len(days), available_megabytes() // self._limits.megabytes_per_process)


_tables: CallTables  # of a process that builds days


def _start(work: _Work) -> None:
    """Open the connections of a process that builds days. Runs once in each."""
    global _tables
    # Ctrl-C is sent to all processes of a terminal. This one's parent handles it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, name="end with parent", daemon=True).start()
    _tables = make_call_tables(work.settings, Database(work.database_url), Lake(work.lake_url), force=work.force)


def _end_with_parent() -> None:
    """End this process when its parent was killed. The server rolls back what is not committed."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _build(day: date) -> LoadedCallTables:
    (loaded,) = _tables.build([day])
    return loaded
