"""What is measured in a simulated year: requests, processor time, sizes of tables, slow statements."""

from __future__ import annotations

import json
import os
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import psycopg

from copilot_pipeline.sandbox import Sandbox

# Tables that must not grow with time, as `schema.table`; the others grow with the calls. Of a run that made a table or
# a day last, the run and one event for each of them stay for ever: these are counted apart, under KEPT.
KEPT = "runs that made a day last"
_MADE = (
    "SELECT run_id FROM public.event_logs GROUP BY run_id "
    "HAVING bool_and(coalesce(dagster_event_type, '') = 'ASSET_MATERIALIZATION')"
)
_OTHER_RUNS = f"WHERE run_id NOT IN ({_MADE})"
BOUNDED = {
    "copilot_ops.inbox": "",
    "copilot_ops.seen_webhooks": "",
    "copilot_ops.pending_calls": "",
    "copilot_ops.list_cursors": "",
    "copilot_ops.bodies": "",
    "copilot_ops.quarantine": "",
    "copilot_ops.outbox": "",
    "public.runs": _OTHER_RUNS,
    "public.run_tags": _OTHER_RUNS,
    "public.event_logs": _OTHER_RUNS,
    "public.asset_check_executions": "",
}


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement that was slow, and during what."""

    step: str
    milliseconds: float
    text: str


@dataclass(slots=True)
class Week:
    """One live week."""

    number: int
    calls: int  # whose details were fetched
    requests: dict[str, int]  # by path, as the server counted them
    cpu_seconds: dict[str, float]  # by step, of this process and of the database server
    rows: dict[str, int]  # of the tables that must not grow

    has_backfill: bool  # at its end, some of the history was still missing

    @property
    def cpu_per_call(self) -> float:
        """Milliseconds of processor time per call."""
        return 1000 * sum(self.cpu_seconds.values()) / max(1, self.calls)


@dataclass
class Meter:
    """Measures steps, week by week."""

    url: str
    log: Path
    sandbox: Sandbox
    database_server: psutil.Process
    cpu: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    slow: list[Statement] = field(default_factory=list)
    weeks: list[Week] = field(default_factory=list)
    _read: int = 0
    _requests: dict[str, int] = field(default_factory=dict)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Attribute processor time and slow statements to a step."""
        before = self._cpu_now()
        yield
        self.cpu[name] += self._cpu_now() - before
        self.slow += (Statement(name, *found) for found in self._new_statements())

    def end_week(self) -> Week:
        """Close a week and begin the next one."""
        requests = self.sandbox.stats()["clari_requests"]
        counts = {path: count - self._requests.get(path, 0) for path, count in requests.items()}
        fetched = counts.get("rest /call-details", 0)
        week = Week(len(self.weeks) + 1, fetched, counts, dict(self.cpu), self._rows(), self._has_backfill())
        self.weeks.append(week)
        self._requests = requests
        self.cpu.clear()
        return week

    def _has_backfill(self) -> bool:
        with psycopg.connect(self.url) as connection:
            row = connection.execute("SELECT count(*) FROM copilot_ops.backfills WHERE finished_at IS NULL").fetchone()
        return row is not None and row[0] > 0

    def _cpu_now(self) -> float:
        used = os.times()
        return used.user + used.system + sum(_cpu_of(process) for process in self._server_processes())

    def _server_processes(self) -> list[psutil.Process]:
        return [self.database_server, *self.database_server.children()]

    def _new_statements(self) -> Iterator[tuple[float, str]]:
        if not self.log.exists():
            return
        with self.log.open("rb") as file:
            file.seek(self._read)
            content = file.read()
        complete = content[: content.rfind(b"\n") + 1]
        self._read += len(complete)
        for line in complete.splitlines():
            message = json.loads(line).get("message", "")
            if message.startswith("duration: "):
                milliseconds, _, text = message.removeprefix("duration: ").partition(" ms ")
                yield float(milliseconds), " ".join(text.partition(": ")[2].split())

    def _rows(self) -> dict[str, int]:
        statements = {table: f"SELECT count(*) FROM {table} {where}" for table, where in BOUNDED.items()}
        statements[KEPT] = f"SELECT count(*) FROM ({_MADE}) AS made"
        with psycopg.connect(self.url) as connection:
            counts: dict[str, int] = {}
            for name, statement in statements.items():
                row: Any = connection.execute(statement.encode()).fetchone()
                counts[name] = row[0]
        return counts


def _cpu_of(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    return float(times.user + times.system + times.children_user + times.children_system)
