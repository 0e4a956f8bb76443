"""Build the call tables of many days in several processes. See docs/adr/0019-parallel-rebuild.md.

Each process builds a day exactly as a single process does: under the lock of the partition, in one transaction and one
set of files, while it commits the day before. What is killed leaves its days as they were.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from datetime import date

from copilot_pipeline.config.loading import Settings
from copilot_pipeline.extract.machine import available_megabytes, usable_cores
from copilot_pipeline.extract.table_factory import make_call_tables
from copilot_pipeline.load.call_tables import CallTables, LoadedCallTables
from copilot_pipeline.load.lake import Lake
from copilot_pipeline.postgres import Database

_LOG = logging.getLogger(__name__)
MAX_DAYS_TAKEN = 4  # by a process of the pool


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
        """Build days, in several processes if they have many calls; this one is one of them.

        Days that are up to date are reported first, the others in their order. If a process is killed, its day is built
        in this one.
        """
        most = self._limits.processes or usable_cores()
        changed = self._tables.changed_days(days) if most > 1 else []
        processes = min(most, self._useful_processes(changed))
        if processes <= 1:
            yield from self._tables.build(days)
            return
        apart = set(changed)
        yield from self._tables.build([day for day in days if day not in apart])
        # A process of its own program: a fork would copy the locks of this one's threads in the state they are in.
        pool = ProcessPoolExecutor(processes - 1, multiprocessing.get_context("spawn"), _start, (self._work,))
        try:
            yield from self._build_beside(_SharedDays(pool, changed, processes - 1), changed)
        finally:
            pool.shutdown(wait=True, cancel_futures=True)

    def _build_beside(self, shared: _SharedDays, days: Sequence[date]) -> Iterator[LoadedCallTables]:
        """Build days that no other process has taken, and report all in their order."""
        built: dict[date, LoadedCallTables] = {}
        here = self._tables.build(iter(shared.take, None))  # takes a day when it has built the rows of the one before
        for day in days:
            while day not in built and not shared.is_built(day) and (loaded := next(here, None)) is not None:
                built[loaded.day] = loaded
            yield built.pop(day) if day in built else self._result(shared.future_of(day), day)

    def _result(self, future: Future[list[LoadedCallTables]] | None, day: date) -> LoadedCallTables:
        try:
            if future is not None:
                return next(loaded for loaded in future.result() if loaded.day == day)
        except BrokenProcessPool:
            pass
        _LOG.warning("a process that built tables was killed: %s is built without it", day)
        (loaded,) = self._tables.build([day])
        return loaded

    def _useful_processes(self, days: Sequence[date]) -> int:
        """Return how many processes are worth their start, and have memory."""
        if len(days) < 2 or self._tables.number_of_calls(days) < self._limits.min_calls:
            return 1
        return min(len(days), available_megabytes() // self._limits.megabytes_per_process)


class _SharedDays:
    """Days that processes take in their order: those of a pool, each when it has built its last ones, and this one.

    A process of the pool takes several days while many are left, so that it builds one while it commits another.
    """

    def __init__(self, pool: ProcessPoolExecutor, days: Sequence[date], processes: int) -> None:
        self._pool = pool
        self._processes = processes + 1
        self._left = deque(days)
        self._futures: dict[date, Future[list[LoadedCallTables]]] = {}
        self._lock = threading.Lock()  # a callback runs in a thread of the pool
        for _ in range(processes):
            self._submit()

    def take(self) -> date | None:
        """Return the next day for this process; None if there is none."""
        with self._lock:
            return self._left.popleft() if self._left else None

    def is_built(self, day: date) -> bool:
        """Return whether a process of the pool has built a day, or ended without it."""
        future = self.future_of(day)
        return future is not None and future.done()

    def future_of(self, day: date) -> Future[list[LoadedCallTables]] | None:
        """Return the result of a day that a process of the pool took; None if none did."""
        with self._lock:
            return self._futures.get(day)

    def _submit(self) -> None:
        with self._lock:
            if not self._left:
                return
            days = list(self._left)[: max(1, min(MAX_DAYS_TAKEN, len(self._left) // (2 * self._processes)))]
            try:
                future = self._pool.submit(_build, days)
            except RuntimeError:  # the pool is shut down, or one of its processes was killed
                return
            for _ in days:
                self._futures[self._left.popleft()] = future
        future.add_done_callback(self._submit_after)

    def _submit_after(self, ended: Future[list[LoadedCallTables]]) -> None:
        # A broken pool calls this while it holds the lock that `submit` needs.
        if not ended.cancelled() and ended.exception() is None:
            self._submit()


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


def _build(days: Sequence[date]) -> list[LoadedCallTables]:
    return list(_tables.build(days))
