"""The queue of runs, ordered by the time of their next request."""

from __future__ import annotations

from copilot_pipeline.score.run_queue import RunQueue
from copilot_pipeline_tests.score.examples import task


def test_returns_the_run_that_is_due_first() -> None:
    """Runs that are due at the same time are returned in the order they were added."""
    queue = RunQueue()
    for call_id, due_at in (("a", 5.0), ("b", 1.0), ("c", 5.0), ("d", 1.0)):
        queue.push(task(call_id), due_at)
    assert queue.next_due_at == 1.0
    assert [queue.pop().run.call_id for _ in range(len(queue))] == ["b", "d", "a", "c"]


def test_expedited_runs_are_returned_first() -> None:
    """Other runs keep their time, and runs that are not queued are ignored."""
    queue = RunQueue()
    queue.push(task("a", run_id="run_a"), 1.0)
    queue.push(task("b", run_id="run_b"), 120.0)
    queue.expedite({"run_b", "run_unknown"})
    assert queue.next_due_at == 0.0
    assert [queue.pop().run.call_id for _ in range(2)] == ["b", "a"]


def test_clear_removes_and_returns_all_runs() -> None:
    queue = RunQueue()
    for call_id in "ab":
        queue.push(task(call_id), 1.0)
    assert {removed.run.call_id for removed in queue.clear()} == {"a", "b"}
    assert not queue
