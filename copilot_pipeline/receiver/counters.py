"""What happened, in at most one line of the log a second: a flood must not fill the disk."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter

REPORT_EVERY_SECONDS = 1.0
_logger = logging.getLogger(__name__)


class RequestCounters:
    """Counts answers by endpoint and kind. Nothing of a request is kept, neither its body nor its headers."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._is_due = False

    def note(self, endpoint: str, what: str) -> None:
        """One more answer."""
        self._counts[f"{endpoint} {what}"] += 1
        if not self._is_due:
            self._is_due = True
            asyncio.get_running_loop().call_later(REPORT_EVERY_SECONDS, self.report)

    def report(self) -> None:
        """Writes the line, if there is anything to say."""
        self._is_due = False
        if self._counts:
            _logger.info("webhooks: %s", ", ".join(f"{count} {what}" for what, count in sorted(self._counts.items())))
            self._counts.clear()
