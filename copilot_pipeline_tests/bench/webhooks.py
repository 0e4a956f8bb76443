"""Seconds from a webhook to the row of its call, with the daemon running: one webhook every two seconds."""

from __future__ import annotations

import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

from copilot_pipeline.postgres import Database
from copilot_pipeline.state.inbox import InboundWebhook, Inbox
from copilot_pipeline_tests.ports import free_port

EVERY_SECONDS = 2.0
WARM_UP = 3  # webhooks that are not measured: the daemon has just started
_START_SECONDS, _ROW_SECONDS = 120.0, 60.0
_POLL_SECONDS = 0.05
_LOADED = "SELECT call_id FROM copilot.transcripts WHERE call_id = ANY(%(ids)s)"


def measure(environment: Mapping[str, str], ids: Sequence[str], folder: Path) -> dict[str, float]:
    """Return the median and the 95th percentile in seconds.

    Raises `SystemExit` if a row is missing after a minute.
    """
    ports = [str(free_port()) for _ in range(2)]
    command = [sys.executable, "-m", "copilot_pipeline", "dev", "--port", ports[0], "--webhook-port", ports[1]]
    with (folder / "dev.log").open("wb") as log:
        services = subprocess.Popen(command, env=dict(environment), stdout=log, stderr=subprocess.STDOUT)
        try:
            with closing(Database(environment["COPILOT_PIPELINE_DATABASE_URL"])) as database:
                seconds = _latencies(database, ids)
        finally:
            services.send_signal(signal.SIGINT)
            services.wait(60)
    measured = sorted(seconds[WARM_UP:])
    return {
        "p50": round(statistics.median(measured), 2),
        "p95": round(measured[min(len(measured) - 1, round(0.95 * len(measured)))], 2),
    }


def _latencies(database: Database, ids: Sequence[str]) -> list[float]:
    """Announce calls, one at a time, and return how long each took."""
    inbox = Inbox(database)
    announced: dict[str, float] = {}
    loaded: dict[str, float] = {}
    first = time.monotonic()
    while len(loaded) < len(ids):
        now = time.monotonic()
        # The next one every two seconds, and not before the first was loaded: until then the daemon starts.
        is_due = not announced or (loaded and now >= first + EVERY_SECONDS * len(announced))
        if len(announced) < len(ids) and is_due:
            call_id = ids[len(announced)]
            inbox.put([InboundWebhook("call", (call_id,), "bench", datetime.now(UTC) + timedelta(hours=1))])
            announced[call_id] = now
        with database.connection() as connection:
            waiting = [call_id for call_id in announced if call_id not in loaded]
            rows = connection.execute(_LOADED, {"ids": waiting}).fetchall()
        for (call_id,) in rows:
            loaded[call_id] = time.monotonic()
            if len(loaded) == 1:
                first = loaded[call_id] - EVERY_SECONDS * (len(announced) - 1)
        oldest = min((announced[call_id] for call_id in waiting), default=now)
        if now - oldest > (_ROW_SECONDS if loaded else _START_SECONDS):
            raise SystemExit(f"the call of a webhook was not loaded within {now - oldest:.0f} s")
        time.sleep(_POLL_SECONDS)
    return [loaded[call_id] - announced[call_id] for call_id in ids]
