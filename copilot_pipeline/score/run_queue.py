"""A priority queue of runs, ordered by the time of their next request."""

from __future__ import annotations

import heapq
from collections.abc import Collection, Iterator
from itertools import count

from copilot_pipeline.score.run_requests import RunTask


class RunQueue:
    """Runs that wait for their next request.

    Times are seconds of one monotonic clock.
    """

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, RunTask]] = []
        self._order = count()  # runs with equal times are returned in the order they were added

    def __len__(self) -> int:
        """Return the number of runs."""
        return len(self._heap)

    def __iter__(self) -> Iterator[RunTask]:
        """Iterate over the runs in no particular order."""
        return (task for _, _, task in self._heap)

    def push(self, task: RunTask, due_at: float) -> None:
        """Add a run whose next request is due at `due_at`."""
        heapq.heappush(self._heap, (due_at, next(self._order), task))

    def pop(self) -> RunTask:
        """Remove and return the run whose request is due first."""
        return heapq.heappop(self._heap)[2]

    @property
    def next_due_at(self) -> float:
        """When the next request is due. The queue must not be empty."""
        return self._heap[0][0]

    def expedite(self, run_ids: Collection[str]) -> None:
        """Make the next requests of these runs due immediately."""
        self._heap = [
            (0.0 if task.run.run_id in run_ids else due_at, order, task) for due_at, order, task in self._heap
        ]
        heapq.heapify(self._heap)

    def clear(self) -> list[RunTask]:
        """Remove and return all runs."""
        tasks = list(self)
        self._heap.clear()
        return tasks
