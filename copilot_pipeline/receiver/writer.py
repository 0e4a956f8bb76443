"""Group commit: deliveries that arrive while a transaction is under way share the next one.

A sender is answered after the commit that holds its delivery, so what was answered survives the death of this process
and of the database. One connection and one transaction at a time are enough: under load the batches grow by themselves.
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
from copilot_pipeline.state.inbox import Connection, InboundWebhook, PutResult, purge_inbox, put_webhooks

MOST_HINTS_A_BATCH = 2000
CONNECT_TIMEOUT_SECONDS = 3
STATEMENT_TIMEOUT_MS = 5000
FORGET_EVERY_SECONDS = 600.0
RETRY_AFTER_SECONDS = 5

Result = TypeVar("Result")
Arguments = TypeVarTuple("Arguments")
_logger = logging.getLogger(__name__)


class InboxWriter:
    """Writes deliveries to the inbox from an event loop. Open it for the time of the loop."""

    def __init__(self, database_url: str) -> None:
        self._url = database_url
        self._waiting: asyncio.Queue[tuple[InboundWebhook, asyncio.Future[PutResult]] | None] = asyncio.Queue()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="intake")
        self._connection: Connection | None = None
        self._forgot_at = -FORGET_EVERY_SECONDS
        self._is_away = False
        self._writer: asyncio.Task[None] | None = None

    async def __aenter__(self) -> InboxWriter:
        self._writer = asyncio.create_task(self._write())
        return self

    async def __aexit__(self, *_: object) -> None:
        """Writes what is still waiting, then closes."""
        self._waiting.put_nowait(None)
        if self._writer is not None:
            await self._writer
        await self._in_thread(self._disconnect)
        self._thread.shutdown()

    async def put(self, delivery: InboundWebhook) -> PutResult:
        """Returns when the delivery is on disk. Raises `TemporaryFailure` where the database does not answer."""
        done: asyncio.Future[PutResult] = asyncio.get_running_loop().create_future()
        self._waiting.put_nowait((delivery, done))
        return await done

    async def ping(self) -> None:
        """Raises `TemporaryFailure` where the database does not answer."""
        await self._in_thread(self._put, [])

    async def _write(self) -> None:
        while True:
            first = await self._waiting.get()
            if first is None:
                return
            batch, is_last = self._drain(first)
            await self._settle(batch)
            if is_last:
                return

    def _drain(
        self, first: tuple[InboundWebhook, asyncio.Future[PutResult]]
    ) -> tuple[list[tuple[InboundWebhook, asyncio.Future[PutResult]]], bool]:
        """What waits already, up to a batch, and whether the end was among it."""
        batch, hints = [first], len(first[0].ids)
        while hints < MOST_HINTS_A_BATCH:
            try:
                item = self._waiting.get_nowait()
            except asyncio.QueueEmpty:
                break
            if item is None:
                return batch, True
            batch.append(item)
            hints += len(item[0].ids)
        return batch, False

    async def _settle(self, batch: list[tuple[InboundWebhook, asyncio.Future[PutResult]]]) -> None:
        try:
            outcomes = await self._in_thread(self._put, [delivery for delivery, _ in batch])
        except Exception as error:  # noqa: BLE001  every waiting sender must be answered, whatever went wrong
            for _, done in batch:
                if not done.done():
                    done.set_exception(error)
            return
        for (_, done), outcome in zip(batch, outcomes, strict=True):
            if not done.done():  # the sender may have gone; its delivery is kept all the same
                done.set_result(outcome)

    async def _in_thread(self, work: Callable[[*Arguments], Result], *arguments: *Arguments) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work, *arguments)

    # --- in the thread -----------------------------------------------------------------------------------------

    def _put(self, deliveries: Sequence[InboundWebhook]) -> list[PutResult]:
        try:
            try:
                return self._write_batch(deliveries)
            except psycopg.OperationalError:
                if self._connection is None:
                    raise  # it was not even to be had
                # The server was restarted since the last batch, most likely. Writing again does no harm should the
                # first try have reached the disk: then its marks are known, and nothing is written twice.
                self._disconnect()
                return self._write_batch(deliveries)
        except psycopg.Error as error:
            self._disconnect()
            if not self._is_away:
                self._is_away = True
                _logger.error("the database does not take webhooks (%s): answering 503", type(error).__name__)
            raise TemporaryFailure(
                "the database does not answer; send it again", retry_after_seconds=RETRY_AFTER_SECONDS
            ) from None

    def _write_batch(self, deliveries: Sequence[InboundWebhook]) -> list[PutResult]:
        if self._connection is None:
            self._connection = self._connect()
        outcomes = put_webhooks(self._connection, deliveries)
        if self._is_away:
            self._is_away = False
            _logger.warning("the database takes webhooks again")
        if time.monotonic() - self._forgot_at > FORGET_EVERY_SECONDS:
            self._forgot_at = time.monotonic()
            purge_inbox(self._connection)
        return outcomes

    def _connect(self) -> Connection:
        connection = psycopg.connect(
            self._url,
            autocommit=True,
            application_name="copilot-pipeline receiver",
            connect_timeout=CONNECT_TIMEOUT_SECONDS,
            tcp_user_timeout=STATEMENT_TIMEOUT_MS,
        )
        # An answer promises that the disk has it, whatever the server's default is.
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
