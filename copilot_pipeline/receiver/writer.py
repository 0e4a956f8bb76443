"""Group commit: webhooks that arrive during a transaction share the next one.

A response is sent after the commit of its webhook, so a crash of this process or of the database loses nothing that was
accepted. One connection and one transaction at a time are enough, because batches grow with the load.

A database that does not answer counts as unavailable: within a few seconds every sender gets 503, whatever the thread
of the database is waiting for. A webhook that was answered like that is not written later, unless its transaction had
begun.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar, TypeVarTuple

from copilot_pipeline.errors import TemporaryFailure
from copilot_pipeline.receiver.inbox_connection import InboxConnection, unavailable
from copilot_pipeline.state.inbox import InboundWebhook, PutResult
from copilot_pipeline.telemetry.recorder import Key

MAX_IDS_PER_BATCH = 2000
MAX_QUEUED_IDS = 50_000  # in memory while the database is slow, some 300 bytes each

Result = TypeVar("Result")
Arguments = TypeVarTuple("Arguments")


@dataclass(frozen=True, slots=True)
class _Queued:
    webhook: InboundWebhook
    done: asyncio.Future[PutResult]

    def resolve(self, result: PutResult | Exception) -> None:
        if self.done.done():  # the sender has disconnected or was answered with 503
            return
        if isinstance(result, Exception):
            self.done.set_exception(result)
        else:
            self.done.set_result(result)


class InboxWriter:
    """Asynchronous context manager that writes webhooks to the inbox.

    The server cancels a statement after `timeout_seconds`. If it does not answer, the connection is closed after 1.5
    times that time; the response is 503, at the latest after twice that time.
    """

    def __init__(self, database_url: str, timeout_seconds: float) -> None:
        self._connection = InboxConnection(database_url, timeout_seconds)
        self._call_timeout = 1.5 * timeout_seconds
        self._response_timeout = 2 * timeout_seconds
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="inbox-writer")
        self._thread_lock = asyncio.Lock()
        self._queue: deque[_Queued] = deque()
        self._queued_ids = 0
        self._has_work = asyncio.Event()
        self._is_closing = False
        self._task: asyncio.Task[None] | None = None
        self._ping: asyncio.Task[list[PutResult]] | None = None

    async def __aenter__(self) -> InboxWriter:
        self._task = asyncio.create_task(self._write())
        return self

    async def __aexit__(self, *_: object) -> None:
        """Write the queued webhooks, then close the connection."""
        self._is_closing = True
        self._has_work.set()
        if self._task is not None:
            await self._task
        await self._in_thread(self._connection.close)
        self._thread.shutdown()

    async def put(self, webhook: InboundWebhook) -> PutResult:
        """Return when the webhook is committed.

        Raises `TemporaryFailure` if the database is unavailable or does not answer in time.
        """
        if self._queued_ids >= MAX_QUEUED_IDS:
            raise unavailable()
        item = _Queued(webhook, asyncio.get_running_loop().create_future())
        self._queue.append(item)
        self._queued_ids += len(webhook.ids)
        self._has_work.set()
        return await self._in_time(item.done)

    async def ping(self) -> None:
        """Raise `TemporaryFailure` if the database is unavailable. Concurrent calls share one query."""
        if self._ping is None or self._ping.done():
            self._ping = asyncio.create_task(self._in_thread(self._connection.put, []))
            self._ping.add_done_callback(lambda ping: ping.exception())  # all callers may have timed out
        await self._in_time(asyncio.shield(self._ping))

    async def add_counts(self, increments: Mapping[Key, float]) -> bool:
        """Add increments of counters; return whether it was done."""
        return await self._in_thread(self._connection.add_counts, increments)

    async def _write(self) -> None:
        while self._queue or not self._is_closing:
            if not self._queue:
                self._has_work.clear()
                await self._has_work.wait()
            batch = self._next_batch(MAX_IDS_PER_BATCH)
            if batch:
                await self._write_and_resolve(batch)

    def _next_batch(self, max_ids: int) -> list[_Queued]:
        """Remove webhooks from the queue; return those whose senders still wait for the response."""
        batch: list[_Queued] = []
        ids = 0
        while self._queue and ids < max_ids:
            item = self._queue.popleft()
            self._queued_ids -= len(item.webhook.ids)
            if not item.done.done():
                batch.append(item)
                ids += len(item.webhook.ids)
        return batch

    async def _write_and_resolve(self, batch: list[_Queued]) -> None:
        results: Sequence[PutResult | Exception]
        try:
            results = await self._in_thread(self._connection.put, [item.webhook for item in batch])
        except Exception as error:  # noqa: BLE001  every sender needs a response, whatever the error
            if isinstance(error, TemporaryFailure):
                batch += self._next_batch(MAX_QUEUED_IDS)  # they have waited for as long as the database may take
            results = [error] * len(batch)
        for item, result in zip(batch, results, strict=True):
            item.resolve(result)
        if self._connection.is_purge_due:
            await self._in_thread(self._connection.purge)

    async def _in_thread(self, work: Callable[[*Arguments], Result], *arguments: *Arguments) -> Result:
        """Call a function in the thread, and interrupt it if the database keeps it waiting."""
        loop = asyncio.get_running_loop()
        async with self._thread_lock:  # so that the call begins now, and its time
            timer = loop.call_later(self._call_timeout, self._connection.interrupt)
            try:
                return await loop.run_in_executor(self._thread, work, *arguments)
            finally:
                timer.cancel()

    async def _in_time(self, result: asyncio.Future[Result]) -> Result:
        try:
            async with asyncio.timeout(self._response_timeout):
                return await result
        except TimeoutError:
            raise unavailable() from None
