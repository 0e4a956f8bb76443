"""A receiver in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from copilot_pipeline.postgres import Database
from copilot_pipeline_tests.receiver.signing import SECRET, SEMARIZE_SECRET

_SERVE = """
import json, sys
from copilot_pipeline.receiver import CLARI_COPILOT, SEMARIZE, Limits, receiver_app, serve
from copilot_pipeline.receiver.auth import Secrets
from copilot_pipeline.receiver.metrics_page import MetricsPage
from copilot_pipeline.telemetry.state import QuotaSettings
url, ours, theirs, head_timeout, limits, token = sys.argv[1:]
endpoints = {CLARI_COPILOT: Secrets.parse(ours), SEMARIZE: Secrets.parse(theirs)}
metrics = MetricsPage(url, QuotaSettings(100_000, 0.1), token) if token else None
app = receiver_app(endpoints, url, Limits(**json.loads(limits)), metrics)
serve(app, "127.0.0.1", 0, head_timeout_seconds=float(head_timeout), on_listening=lambda at: print(at, flush=True))
"""


@dataclass(frozen=True)
class Receiver:
    """A receiver that accepts requests."""

    address: str
    process: subprocess.Popen[str]
    client: httpx.Client

    @property
    def port(self) -> int:
        """Its port."""
        return int(self.address.rsplit(":", 1)[1])

    def post(self, body: bytes | str, headers: dict[str, str] | None = None, *, endpoint: str = "clari-copilot") -> Any:
        """Post to an endpoint, as JSON unless the headers have another type."""
        given = {"content-type": "application/json", **(headers or {})}
        return self.client.post(f"{self.address}/webhooks/{endpoint}", content=body, headers=given)


@contextmanager
def running(
    database_url: str,
    *,
    head_timeout_seconds: float = 10,
    secret: str = SECRET,
    metrics_token: str = "",
    **limits: float,
) -> Iterator[Receiver]:
    """Run a receiver on a free port and kill it at the end. With a token it serves metrics."""
    process = subprocess.Popen(
        [
            sys.executable,
            "-c",
            _SERVE,
            database_url,
            secret,
            SEMARIZE_SECRET,
            str(head_timeout_seconds),
            json.dumps(limits),
            metrics_token,
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        address = process.stdout.readline().strip()
        assert address, "the receiver did not start"
        with httpx.Client(timeout=20) as client:
            yield Receiver(address, process, client)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def inbox(database: Database) -> list[tuple[Any, ...]]:
    """Kind, id and number of webhooks of each row, in order."""
    with database.connection() as connection:
        return connection.execute("SELECT kind, external_id, webhooks FROM copilot_ops.inbox ORDER BY id").fetchall()
