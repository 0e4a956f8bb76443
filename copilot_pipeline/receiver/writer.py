"""Group commit: webhooks that arrive during a transaction share the next one.

A response is sent after the commit of its webhook, so a crash of this process or of the database loses nothing that was
accepted. One connection and one transaction at a time are enough, because batches grow with the load.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar, TypeVarTuple

import psycopg

from copilot_pipeline.errors import TemporaryFailure
from copilot_pipeline.postgres.connections import Connection
from copilot_pipeline.postgres.session import connect
from copilot_pipeline.state.inbox import InboundWebhook, PutResult, purge_inbox, put_webhooks

MAX_IDS_PER_BATCH = 2000
CONNECT_TIMEOUT_SECONDS = 3
STATEMENT_TIMEOUT_MS = 5000
PURGE_INTERVAL_SECONDS = 600.0
RETRY_AFTER_SECONDS = 5

Result = TypeVar("Result")
Arguments = TypeVarTuple("Arguments")
_logger = logging.getLogger(__name__)


class InboxWriter:
    """Asynchronous context manager that writes webhooks to the inbox."""

    def __init__(self, database_url: str) -> None:
        self._url = database_url
        self._queue: asyncio.Queue[tuple[InboundWebhook, asyncio.Future[PutResult]] | None] = asyncio.Queue()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="inbox-writer")
        self._connection: Connection | None = None
        self._purged_at = -PURGE_INTERVAL_SECONDS
        self._is_unavailable = False
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> InboxWriter:
        self._task = asyncio.create_task(self._write())
        return self

    async def __aexit__(self, *_: object) -> None:
        """Write the queued webhooks, then close the connection."""
        self._queue.put_nowait(None)
        if self._task is not None:
            await self._task
        await self._in_thread(self._disconnect)
        self._thread.shutdown()

    async def put(self, webhook: InboundWebhook) -> PutResult:
        """Return when the webhook is committed.

        Raises `TemporaryFailure` if the database is unavailable.
        """
        done: asyncio.Future[PutResult] = asyncio.get_running_loop().create_future()
        self._queue.put_nowait((webhook, done))
        return await done

    async def ping(self) -> None:
        """Raise `TemporaryFailure` if the database is unavailable."""
        await self._in_thread(self._put, [])

    async def _write(self) -> None:
        while True:
            first = await self._queue.get()
            if first is None:
                return
            batch, is_last = self._drain(first)
            await self._write_and_resolve(batch)
            if is_last:
                return

    def _drain(
        self, first: tuple[InboundWebhook, asyncio.Future[PutResult]]
    ) -> tuple[list[tuple[InboundWebhook, asyncio.Future[PutResult]]], bool]:
        """A batch of queued webhooks, and whether it is the last one before the shutdown."""
        batch, ids = [first], len(first[0].ids)
        while ids < MAX_IDS_PER_BATCH:
            try:
                item = self._queue.get_nowait()
            except asyncio.QueueEmpty:
                break
            if item is None:
                return batch, True
            batch.append(item)
            ids += len(item[0].ids)
        return batch, False

    async def _write_and_resolve(self, batch: list[tuple[InboundWebhook, asyncio.Future[PutResult]]]) -> None:
        try:
            results = await self._in_thread(self._put, [webhook for webhook, _ in batch])
        except Exception as error:  # noqa: BLE001  every sender needs a response, whatever the error
            for _, done in batch:
                if not done.done():
                    done.set_exception(error)
            return
        for (_, done), result in zip(batch, results, strict=True):
            if not done.done():  # the sender may have disconnected; its webhook is stored anyway
                done.set_result(result)

    async def _in_thread(self, work: Callable[[*Arguments], Result], *arguments: *Arguments) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work, *arguments)

    # --- in the thread -----------------------------------------------------------------------------------------

    def _put(self, webhooks: Sequence[InboundWebhook]) -> list[PutResult]:
        try:
            try:
                return self._write_batch(webhooks)
            except psycopg.OperationalError:
                if self._connection is None:
                    raise  # connecting failed
                # Most likely, the server was restarted since the last batch. If the first attempt was committed, its
                # hashes are in the database and the second one writes nothing.
                self._disconnect()
                return self._write_batch(webhooks)
        except psycopg.Error as error:
            self._disconnect()
            if not self._is_unavailable:
                self._is_unavailable = True
                _logger.error("the database is unavailable (%s): responding with 503", type(error).__name__)
            raise TemporaryFailure(
                "the database is unavailable: send it again", retry_after_seconds=RETRY_AFTER_SECONDS
            ) from None

    def _write_batch(self, webhooks: Sequence[InboundWebhook]) -> list[PutResult]:
        if self._connection is None:
            self._connection = self._connect()
        results = put_webhooks(self._connection, webhooks)
        if self._is_unavailable:
            self._is_unavailable = False
            _logger.warning("the database is available again")
        if time.monotonic() - self._purged_at > PURGE_INTERVAL_SECONDS:
            self._purged_at = time.monotonic()
            purge_inbox(self._connection)
        return results

    def _connect(self) -> Connection:
        connection = connect(
            self._url,
            application_name="copilot-pipeline receiver",
            connect_timeout=CONNECT_TIMEOUT_SECONDS,
            tcp_user_timeout=STATEMENT_TIMEOUT_MS,
        )
        # A response promises that the webhook is on disk, whatever the server's default is.
        connection.execute(
            "SELECT set_config('synchronous_commit', 'on', false), set_config('statement_timeout', %s, false)",
            (str(STATEMENT_TIMEOUT_MS),),
        )
        return connection

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(psycopg.Error):
                connection.close()
