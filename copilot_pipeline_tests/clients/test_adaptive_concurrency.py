"""The concurrency limit after successes, 429s and outages."""

from __future__ import annotations

from copilot_pipeline.clients.adaptive_concurrency import OUTAGE_SECONDS, AdaptiveConcurrency
from copilot_pipeline.errors import TemporaryFailure


def too_many(seconds: float | None = None) -> TemporaryFailure:
    """A 429."""
    return TemporaryFailure("429", status=429, retry_after_seconds=seconds)


def test_a_429_pauses_all_requests_and_halves_the_limit() -> None:
    """Requests pause as long as the server asked; 429s of the same moment halve the limit once."""
    concurrency = AdaptiveConcurrency(8, 900.0)
    assert concurrency.on_failure(too_many(7.0), 100.0, 1) == 7.0
    assert concurrency.on_failure(too_many(5.0), 100.1, 1) == 5.0
    assert (concurrency.paused_until, concurrency.limit) == (107.0, 4)
    for moment in (110.0, 120.0, 130.0, 140.0):
        concurrency.on_failure(too_many(1.0), moment, 1)
    assert concurrency.limit == 1
    for _ in range(100):
        concurrency.on_success()
    assert concurrency.limit == 8


def test_delays_grow_without_retry_after() -> None:
    """The delay grows with the attempts, up to a minute, and pauses no other request."""
    concurrency = AdaptiveConcurrency(4, 900.0)
    waits = [concurrency.on_failure(TemporaryFailure("500", status=500), 1.0, attempt) for attempt in (1, 3, 5, 50)]
    assert all(wait is not None and low <= wait <= 2 * low for wait, low in zip(waits, (1, 4, 16, 30), strict=True))
    assert concurrency.paused_until == 0.0


def test_gives_up_on_a_server_after_an_outage() -> None:
    """Three minutes of failures without a success are an outage. 429s are one only after the time for which a run is
    waited for, as is a longer Retry-After."""
    concurrency, failure = AdaptiveConcurrency(4, 900.0), TemporaryFailure("ConnectError")
    assert concurrency.on_failure(failure, 0.0, 1) is not None
    assert concurrency.on_failure(failure, OUTAGE_SECONDS, 2) is not None
    concurrency.on_success()
    assert concurrency.on_failure(failure, 10 * OUTAGE_SECONDS, 3) is not None
    assert concurrency.on_failure(failure, 11 * OUTAGE_SECONDS + 1, 4) is None
    throttled = AdaptiveConcurrency(4, 900.0)
    assert [throttled.on_failure(too_many(60.0), moment, 1) for moment in (0.0, 800.0, 901.0)] == [60.0, 60.0, None]
    assert AdaptiveConcurrency(4, 900.0).on_failure(too_many(3600.0), 0.0, 1) is None
