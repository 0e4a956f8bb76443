"""How answers slow down whoever asks."""

from __future__ import annotations

from copilot_pipeline.clients.adaptive_concurrency import OUTAGE_SECONDS, AdaptiveConcurrency
from copilot_pipeline.errors import TemporaryFailure


def too_many(seconds: float | None = None) -> TemporaryFailure:
    """A 429."""
    return TemporaryFailure("429", status=429, retry_after_seconds=seconds)


def test_a_429_holds_everybody_as_long_as_the_server_wishes() -> None:
    """Nobody asks before then, half as many at once afterwards; those refused in the same moment do not count twice."""
    patience = AdaptiveConcurrency(8, 900.0)
    assert patience.failed(too_many(7.0), 100.0, 1) == 7.0
    assert patience.failed(too_many(5.0), 100.1, 1) == 5.0
    assert (patience.held_until, patience.at_once) == (107.0, 4)
    for moment in (110.0, 120.0, 130.0, 140.0):
        patience.failed(too_many(1.0), moment, 1)
    assert patience.at_once == 1
    for _ in range(100):
        patience.succeeded()
    assert patience.at_once == 8


def test_without_a_wish_the_waits_grow() -> None:
    """Each failure after the other waits longer, up to a minute."""
    patience = AdaptiveConcurrency(4, 900.0)
    waits = [patience.failed(TemporaryFailure("500", status=500), 1.0, attempt) for attempt in (1, 3, 5, 50)]
    assert all(wait is not None and low <= wait <= 2 * low for wait, low in zip(waits, (1, 4, 16, 30), strict=True))
    assert patience.held_until == 0.0


def test_a_server_that_only_fails_is_left_alone() -> None:
    """After three minutes of failures alone; one success starts the clock anew. Being asked to wait is no outage, until
    it is longer than a run is waited for."""
    patience, failure = AdaptiveConcurrency(4, 900.0), TemporaryFailure("ConnectError")
    assert patience.failed(failure, 0.0, 1) is not None
    assert patience.failed(failure, OUTAGE_SECONDS, 2) is not None
    patience.succeeded()
    assert patience.failed(failure, 10 * OUTAGE_SECONDS, 3) is not None
    assert patience.failed(failure, 11 * OUTAGE_SECONDS + 1, 4) is None
    refused = AdaptiveConcurrency(4, 900.0)
    assert [refused.failed(too_many(60.0), moment, 1) for moment in (0.0, 800.0, 901.0)] == [60.0, 60.0, None]
    assert AdaptiveConcurrency(4, 900.0).failed(too_many(3600.0), 0.0, 1) is None
