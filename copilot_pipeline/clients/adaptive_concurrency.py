"""Patience: how a server's answers slow down whoever asks it, and when to stop asking. No I/O.

A 429 concerns everybody at once: nobody asks again before the server wishes, and fewer ask at the same time
afterwards. Answers that succeed let one more ask, little by little.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from copilot_pipeline.errors import TemporaryFailure

FIRST_WAIT_SECONDS = 1.0
LONGEST_WAIT_SECONDS = 60.0
OUTAGE_SECONDS = 180.0  # a server that only fails for so long is down

_TOO_MANY = 429


@dataclass(slots=True)
class AdaptiveConcurrency:
    """What the answers of a server allow. `most` requests at once at best; moments are those of a monotonic clock."""

    most: int
    give_up_after_seconds: float
    held_until: float = 0.0
    _allowed: float = field(init=False)
    _failing_since: float | None = None
    _refusals: int = 0  # 429s since something succeeded

    def __post_init__(self) -> None:
        self._allowed = float(self.most)

    @property
    def at_once(self) -> int:
        """How many requests may be under way."""
        return int(self._allowed)

    def succeeded(self) -> None:
        """An answer that says something."""
        self._failing_since = None
        self._refusals = 0
        self._allowed = min(float(self.most), self._allowed + 1 / self._allowed)

    def failed(self, error: TemporaryFailure, now: float, attempts: int) -> float | None:
        """In how many seconds the same may be asked again; None where the server is to be left alone altogether."""
        if error.status == _TOO_MANY:
            self._refusals += 1
            seconds = _wait_seconds(error, self._refusals)
            # Those under way at the same time are refused together: that is one reason to slow down, not many.
            if now >= self.held_until:
                self._allowed = max(1.0, self._allowed / 2)
            self.held_until = max(self.held_until, now + seconds)
        else:
            seconds = _wait_seconds(error, attempts)
        self._failing_since = now if self._failing_since is None else self._failing_since
        limit = max(OUTAGE_SECONDS, self.give_up_after_seconds) if error.status == _TOO_MANY else OUTAGE_SECONDS
        asks_too_much = (error.retry_after_seconds or 0.0) > self.give_up_after_seconds
        return None if asks_too_much or now - self._failing_since > limit else seconds


def _wait_seconds(error: TemporaryFailure, attempts: int) -> float:
    """As the server wishes, else growing, with jitter."""
    if error.retry_after_seconds is not None:
        return error.retry_after_seconds
    ceiling = min(LONGEST_WAIT_SECONDS, FIRST_WAIT_SECONDS * 2.0 ** min(attempts, 10))
    return random.uniform(ceiling / 2, ceiling)
