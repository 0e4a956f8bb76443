"""Counts of responses, logged at most once per second."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter

LOG_INTERVAL_SECONDS = 1.0
_logger = logging.getLogger(__name__)


class RequestCounters:
    """Counts responses by endpoint and kind; keeps neither bodies nor headers."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._is_scheduled = False

    def add(self, endpoint: str, response: str) -> None:
        """Count a response."""
        self._counts[f"{endpoint} {response}"] += 1
        if not self._is_scheduled:
            self._is_scheduled = True
            asyncio.get_running_loop().call_later(LOG_INTERVAL_SECONDS, self.log)

    def log(self) -> None:
        """Log the counts, if there are any, and reset them."""
        self._is_scheduled = False
        if self._counts:
            _logger.info("webhooks: %s", ", ".join(f"{count} {name}" for name, count in sorted(self._counts.items())))
            self._counts.clear()
