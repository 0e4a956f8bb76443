"""The calls of a window that are still to be fetched, handed out under advisory locks."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from datetime import date

from copilot_pipeline.state import AdvisoryLocks, CallStore, CallToFetch

LOCK_BATCH = 32  # calls that are locked and read again with two statements, instead of two statements each


class FetchQueue:
    """Calls in the order in which they were added, each once."""

    def __init__(
        self, calls: CallStore, locks: AdvisoryLocks, days: Sequence[date], *, with_quarantined: bool = False
    ) -> None:
        self._calls = calls
        self._locks = locks
        self._days = days
        self._with_quarantined = with_quarantined
        self._added: set[str] = set()
        self._pending: deque[CallToFetch] = deque()
        self._busy: list[CallToFetch] = []  # locked by another process
        self._done: list[str] = []  # locked by us, not needed any more

    def __bool__(self) -> bool:
        return bool(self._pending or self._busy)

    @property
    def has_pending(self) -> bool:
        """Whether a call can be tried now."""
        return bool(self._pending)

    def add(self, calls: Sequence[CallToFetch]) -> list[CallToFetch]:
        """Add calls; return those that were not added before."""
        new = [call for call in calls if call.call_id not in self._added]
        self._added.update(call.call_id for call in new)
        self._pending.extend(new)
        return new

    def lock_next(self) -> tuple[list[CallToFetch], list[CallToFetch]]:
        """Lock the next calls. Return those to fetch, and those that another process has fetched meanwhile."""
        self.release_done()
        batch = [self._pending.popleft() for _ in range(min(LOCK_BATCH, len(self._pending)))]
        ids = [call.call_id for call in batch]
        locked = self._locks.acquire(ids)
        # Read after locking: another process may have stored a call just before it released the lock.
        now_to_fetch = self._calls.to_fetch(self._days, among=ids, with_quarantined=self._with_quarantined)
        still_to_fetch = {call.call_id for call in now_to_fetch}
        self._busy += [call for call in batch if call.call_id in still_to_fetch - locked]
        self._done += locked - still_to_fetch
        return (
            [call for call in batch if call.call_id in locked & still_to_fetch],
            [call for call in batch if call.call_id not in still_to_fetch],
        )

    def retry_busy(self) -> None:
        """Try the calls again that another process had locked."""
        self._pending.extend(self._busy)
        self._busy.clear()

    def clear(self) -> list[CallToFetch]:
        """Remove and return the calls that were not handed out."""
        remaining = [*self._pending, *self._busy]
        self._pending.clear()
        self._busy.clear()
        return remaining

    def done(self, call_id: str) -> None:
        """Mark a call as stored or failed; its lock is released with the next batch."""
        self._done.append(call_id)

    def release_done(self) -> None:
        """Release the locks of calls that are done."""
        if self._done:
            self._locks.release(self._done)
            self._done.clear()
