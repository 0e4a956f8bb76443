"""The page `/metrics`. However often it is requested, the database is queried once in some seconds."""

from __future__ import annotations

import asyncio
import hmac
import time
from collections.abc import Awaitable, Callable
from contextlib import closing

import psycopg

from copilot_pipeline.errors import ConfigurationError, TemporaryFailure
from copilot_pipeline.postgres.session import connect
from copilot_pipeline.receiver.inbox_connection import CONNECT_TIMEOUT_SECONDS, RETRY_AFTER_SECONDS
from copilot_pipeline.telemetry.state import QuotaSettings, StateReader

CONTENT_TYPE = "text/plain; version=0.0.4"
CACHE_SECONDS = 5.0
READ_TIMEOUT_SECONDS = 8.0  # shorter than the ten seconds after which Prometheus gives up
_STATEMENT_TIMEOUT = "5s"
_SCHEME = "bearer "


class MetricsPage:
    """Reads the metrics with a connection of its own, so that webhooks do not wait for it."""

    def __init__(self, database_url: str, quota: QuotaSettings, token: str | None = None) -> None:
        """With a `token`, only requests that have it as a bearer token are answered."""
        self._url = database_url
        self._reader = StateReader(quota)
        self._token = token
        self._content = b""
        self._valid_until = 0.0
        self._reading: asyncio.Task[None] | None = None

    def admits(self, authorization: str | None) -> bool:
        """Whether a request with this header may read the page."""
        if self._token is None:
            return True
        given = authorization or ""
        given_token = given[len(_SCHEME) :] if given.lower().startswith(_SCHEME) else ""
        return hmac.compare_digest(given_token.encode(), self._token.encode())

    async def content(self, before_reading: Callable[[], Awaitable[None]]) -> bytes:
        """Return the page. Concurrent requests share one reading. Raises `TemporaryFailure`."""
        if time.monotonic() >= self._valid_until:
            if self._reading is None or self._reading.done():
                self._reading = asyncio.create_task(self._refresh(before_reading))
                self._reading.add_done_callback(lambda reading: reading.exception())  # all callers may have timed out
            try:
                async with asyncio.timeout(READ_TIMEOUT_SECONDS):
                    await asyncio.shield(self._reading)
            except TimeoutError:
                raise _unavailable() from None
        return self._content

    async def _refresh(self, before_reading: Callable[[], Awaitable[None]]) -> None:
        await before_reading()
        self._content = await asyncio.to_thread(self._read)
        self._valid_until = time.monotonic() + CACHE_SECONDS

    def _read(self) -> bytes:
        from copilot_pipeline.telemetry.exposition import render  # imports a library that webhooks do not need

        try:
            with closing(
                connect(
                    self._url,
                    application_name="copilot-pipeline metrics",
                    connect_timeout=CONNECT_TIMEOUT_SECONDS,
                )
            ) as connection:
                connection.execute("SELECT set_config('statement_timeout', %s, false)", (_STATEMENT_TIMEOUT,))
                return render(self._reader.samples(connection))
        except (psycopg.Error, ConfigurationError):
            raise _unavailable() from None


def _unavailable() -> TemporaryFailure:
    message = "the metrics cannot be read: the database is unavailable"
    return TemporaryFailure(message, retry_after_seconds=RETRY_AFTER_SECONDS)
