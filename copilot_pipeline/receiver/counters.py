"""Counts of answers: logged at most once per second, and added to the metrics in the database."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping

from copilot_pipeline.telemetry.metrics import WEBHOOKS
from copilot_pipeline.telemetry.recorder import Key, counter_key

LOG_INTERVAL_SECONDS = 1.0
Write = Callable[[Mapping[Key, float]], Awaitable[bool]]
_logger = logging.getLogger(__name__)


class RequestCounters:
    """Counts answers by endpoint and kind; keeps neither bodies nor headers.

    `write` adds increments to the database and returns whether it did. What it could not add is added later.
    """

    def __init__(self, write: Write) -> None:
        self._write_increments = write
        self._counts: Counter[tuple[str, str]] = Counter()  # to be logged
        self._unwritten: Counter[tuple[str, str]] = Counter()
        self._is_scheduled = False
        self._task: asyncio.Task[None] | None = None

    def add(self, endpoint: str, answer: str) -> None:
        """Count an answer."""
        self._counts[endpoint, answer] += 1
        self._unwritten[endpoint, answer] += 1
        if not self._is_scheduled:
            self._is_scheduled = True
            asyncio.get_running_loop().call_later(LOG_INTERVAL_SECONDS, self._log_and_write)

    def log(self) -> None:
        """Log the counts, if there are any, and reset them."""
        self._is_scheduled = False
        if self._counts:
            counts = ", ".join(
                f"{count} {endpoint} {answer}" for (endpoint, answer), count in sorted(self._counts.items())
            )
            _logger.info("webhooks: %s", counts)
            self._counts.clear()

    async def write(self) -> None:
        """Add what was counted to the database. If it is unavailable, the counts are kept."""
        counts, self._unwritten = self._unwritten, Counter()
        increments = {
            counter_key(WEBHOOKS, {"endpoint": endpoint, "answer": answer}): float(count)
            for (endpoint, answer), count in counts.items()
        }
        if increments and not await self._write_increments(increments):
            self._unwritten.update(counts)

    def _log_and_write(self) -> None:
        self.log()
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self.write())
