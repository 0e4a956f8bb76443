"""Build the marts that fit models in a second process, beside those that the process of the run builds.

See docs/adr/0025-marts-in-two-processes.md. Each mart is built as in the process of the run: under its lock, in one
transaction, with the version that it is made from. A killed process leaves it as it was.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import threading
from collections.abc import Collection
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from datetime import datetime
from multiprocessing.connection import Connection

from copilot_pipeline.config.loading import Settings
from copilot_pipeline.defs.marts.building import BuiltMart, Make, build_mart, make_forecast, make_win_loss
from copilot_pipeline.extract.machine import available_megabytes, usable_cores
from copilot_pipeline.load.lake import Lake
from copilot_pipeline.load.privacy import private_columns
from copilot_pipeline.marts.versions import FORECAST, MARTS, WIN_LOSS, Mart, MartVersions
from copilot_pipeline.postgres import Database

_LOG = logging.getLogger(__name__)
# About half of the time of all marts, and most of the libraries.
WITH_MODELS: dict[str, Make] = {WIN_LOSS.name: make_win_loss, FORECAST.name: make_forecast}
_BY_NAME = {mart.name: mart for mart in MARTS}
_MEGABYTES = 700  # that the second process may need
_ENOUGH_CALLS = "SELECT count(*) = %(calls)s FROM (SELECT FROM copilot.calls LIMIT %(calls)s) AS calls"


@dataclass(frozen=True, slots=True)
class MartWork:
    """What a process needs to build marts. It is passed through a pipe, never through a file."""

    settings: Settings
    database_url: str
    lake_url: str
    now: datetime
    force: bool


class SecondProcess:
    """Builds the marts with models of a run, each when the marts of the run that it reads are built.

    The process starts with the first of them that is not up to date.
    """

    def __init__(self, work: MartWork, database: Database, marts: Collection[str]) -> None:
        """`marts` are those of the run, by name."""
        self._work = work
        lake = Lake(work.lake_url).hiding(private_columns(work.settings))
        self._versions = MartVersions(lake, database, work.settings, now=work.now, force=work.force)
        self._left = {name for name in marts if name in _BY_NAME}
        is_worth = self._left - WITH_MODELS.keys() and _is_worth_it(work.settings, database)
        self._waiting = [_BY_NAME[name] for name in WITH_MODELS if name in self._left] if is_worth else []
        self._results: dict[str, Future[BuiltMart]] = {}
        self._pool: ProcessPoolExecutor | None = None
        self._open_end: Connection | None = None  # the process ends when this is closed

    def start(self, *, built: Mart | None = None) -> None:
        """Start the marts whose inputs are built. `built` was built since the last time."""
        if built is not None:
            self._left.discard(built.name)
        for mart in [mart for mart in self._waiting if not self._reads_what_is_left(mart)]:
            self._waiting.remove(mart)
            if not self._versions.is_current(mart):
                self._results[mart.name] = self._opened_pool().submit(_build, mart.name)

    def result_of(self, mart: Mart) -> BuiltMart | None:
        """Return a mart when it is built; None if this process must build it. Raise what its build has raised."""
        self._waiting = [waiting for waiting in self._waiting if waiting is not mart]
        future = self._results.pop(mart.name, None)
        try:
            return future.result() if future is not None else None
        except BrokenProcessPool:
            _LOG.warning("the process that built marts was killed: %s is built without it", mart.name)
            return None

    def close(self) -> None:
        """End the process. What it is building stays as it was."""
        if self._pool is not None and self._open_end is not None:
            self._open_end.close()
            self._pool.shutdown(wait=True, cancel_futures=True)

    def _reads_what_is_left(self, mart: Mart) -> bool:
        return any(table in mart.inputs for name in self._left for table in _BY_NAME[name].tables)

    def _opened_pool(self) -> ProcessPoolExecutor:
        if self._pool is None:
            # A process of its own program: a fork would copy the locks of this one's threads in the state they are in.
            context = multiprocessing.get_context("spawn")
            closes_with_run, self._open_end = context.Pipe(duplex=False)
            self._pool = ProcessPoolExecutor(1, context, _open, (self._work, closes_with_run))
        return self._pool


def _is_worth_it(settings: Settings, database: Database) -> bool:
    """Return whether there is a second core, memory, and enough to build for the start of a process."""
    limits = settings.pipeline.advanced.rebuild
    if (limits.processes or usable_cores()) < 2 or available_megabytes() < _MEGABYTES:
        return False
    with database.connection() as connection:
        row = connection.execute(_ENOUGH_CALLS, {"calls": limits.min_calls}).fetchone()
    return bool(row and row[0])


_work: MartWork  # of a process that builds marts
_database: Database


def _open(work: MartWork, closes_with_run: Connection) -> None:
    """Open the connections of a process that builds marts. Runs once in it."""
    global _work, _database
    # Ctrl-C is sent to all processes of a terminal. This one's parent handles it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_run, args=(closes_with_run,), name="end with run", daemon=True).start()
    _work, _database = work, Database(work.database_url)


def _end_with_run(closes_with_run: Connection) -> None:
    """End this process with the run, or when its process was killed. The server rolls back what is not committed."""
    try:
        closes_with_run.recv()
    except (EOFError, OSError):
        os._exit(1)


def _build(name: str) -> BuiltMart:
    lake = Lake(_work.lake_url).hiding(private_columns(_work.settings))
    return build_mart(
        _BY_NAME[name], WITH_MODELS[name], lake, _database, _work.settings, now=_work.now, force=_work.force
    )
