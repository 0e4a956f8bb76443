"""Counters and histograms that survive their process: increments are added up in PostgreSQL.

Most processes of the pipeline live for seconds or minutes, so a counter in their memory would never be scraped. Each
process collects increments in memory and adds them to `copilot_ops.metric_values` once a second and when it closes the
database. A process that is killed loses at most its last second; what must be exact is counted from the state store
instead (docs/adr/0013-metrics.md).
"""

from __future__ import annotations

import atexit
import json
import math
import threading
import weakref
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Mapping
from contextlib import suppress

import psycopg

from copilot_pipeline.postgres import Connection, Database
from copilot_pipeline.postgres.queries import load_queries
from copilot_pipeline.telemetry import otel
from copilot_pipeline.telemetry.metrics import Metric

FLUSH_SECONDS = 1.0
_SQL = load_queries(f"{__package__}.sql", "recorded.sql")
Key = tuple[str, str, float]  # the metric, its labels as JSON, and the upper bound of a bucket (0 if there is none)


class MetricRecorder:
    """Collects increments and adds them to the database. Thread-safe."""

    def __init__(self, database: Database) -> None:
        self._database = weakref.ref(database)
        self._lock = threading.Lock()
        self._increments: defaultdict[Key, float] = defaultdict(float)
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    def count(self, metric: Metric, number: float = 1, **labels: str) -> None:
        """Add to a counter."""
        otel.count(metric, number, labels)
        self._add({(metric.name, _as_json(labels), 0.0): number})

    def observe(self, metric: Metric, value: float, **labels: str) -> None:
        """Add a value to a histogram."""
        otel.observe(metric, value, labels)
        position, written = bisect_left(metric.buckets, value), _as_json(labels)
        bound = metric.buckets[position] if position < len(metric.buckets) else math.inf
        self._add({(metric.name, written, bound): 1, (metric.sum_name, written, 0.0): value})

    def _add(self, increments: Mapping[Key, float]) -> None:
        with self._lock:
            for key, number in increments.items():
                self._increments[key] += number
            if self._thread is None and not self._stopped.is_set():
                self._thread = threading.Thread(
                    target=_flush_regularly, args=(weakref.ref(self), self._stopped), name="metrics", daemon=True
                )
                self._thread.start()

    def flush(self) -> None:
        """Add the increments to the database. If it is unavailable they are kept for the next time."""
        database = self._database()
        with self._lock:
            increments, self._increments = self._increments, defaultdict(float)
        if not increments or database is None:
            return
        try:
            with database.connection() as connection:
                add_increments(connection, increments)
        except psycopg.Error:
            with self._lock:
                for key, number in increments.items():
                    self._increments[key] += number

    def close(self) -> None:
        """Flush, and stop flushing."""
        self._stopped.set()
        self.flush()


def add_increments(connection: Connection, increments: Mapping[Key, float]) -> None:
    """Add increments of counters to the database, in one statement. Raises psycopg's errors."""
    values = {
        "metrics": [metric for metric, _, _ in increments],
        "labels": [labels for _, labels, _ in increments],
        "buckets": [bucket for _, _, bucket in increments],
        "values": list(increments.values()),
    }
    connection.execute(_SQL["add"], values)


def counter_key(metric: Metric, labels: Mapping[str, str]) -> Key:
    """Return the key of a counter for `add_increments`."""
    return (metric.name, _as_json(labels), 0.0)


def measured_at(database: Database, metric: Metric) -> float | None:
    """Return the value of a gauge without labels, None if it was never measured."""
    with database.connection() as connection:
        row = connection.execute(_SQL["value"], {"metric": metric.name}).fetchone()
    return float(row[0]) if row else None


def replace_gauges(database: Database, gauges: Mapping[Metric, Mapping[str, float]], label: str) -> None:
    """Replace all values of some gauges in one transaction. `gauges` has the values by that of their one label."""
    increments: dict[Key, float] = {}
    for metric, values in gauges.items():
        for name, value in values.items():
            increments[counter_key(metric, {label: name} if metric.labels else {})] = value
    with database.transaction() as connection:
        connection.execute(_SQL["forget"], {"metrics": [metric.name for metric in gauges]})
        add_increments(connection, increments)


def recorder_of(database: Database) -> MetricRecorder:
    """Return the recorder of a database; it is closed with it."""
    with _lock:
        recorder = _recorders.get(database)
        if recorder is None:
            recorder = _recorders[database] = MetricRecorder(database)
            database.before_close(recorder.close)
    return recorder


def _as_json(labels: Mapping[str, str]) -> str:
    return json.dumps(labels, sort_keys=True)


def _flush_regularly(recorder: weakref.ref[MetricRecorder], stopped: threading.Event) -> None:
    while not stopped.wait(FLUSH_SECONDS):
        used = recorder()
        if used is None:
            return
        used.flush()
        del used


def _flush_all() -> None:
    for recorder in list(_recorders.values()):
        with suppress(Exception):
            recorder.flush()


_lock = threading.Lock()
_recorders: weakref.WeakKeyDictionary[Database, MetricRecorder] = weakref.WeakKeyDictionary()
atexit.register(_flush_all)
