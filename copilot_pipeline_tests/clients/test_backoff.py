"""Delays between attempts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from copilot_pipeline.clients.backoff import Backoff


def test_grows_by_the_factor_up_to_the_maximum() -> None:
    """Without jitter the delays are exact."""
    backoff = Backoff(first_seconds=2.0, max_seconds=50.0, factor=3.0, jitter=0.0)
    assert [backoff.delay(attempt) for attempt in (0, 1, 2, 3, 4, 1_000_000)] == [2.0, 2.0, 6.0, 18.0, 50.0, 50.0]


@given(st.integers(1, 10_000), st.floats(0, 1))
def test_jitter_shortens_a_delay_by_at_most_its_share(attempt: int, jitter: float) -> None:
    """Full jitter may shorten it to nothing, none leaves it as it is."""
    ceiling = Backoff(1.0, 60.0, jitter=0.0).delay(attempt)
    assert ceiling * (1 - jitter) <= Backoff(1.0, 60.0, jitter=jitter).delay(attempt) <= ceiling


@pytest.mark.parametrize(("retry_after", "seconds"), [(0.0, 0.0), (7.5, 7.5), (-1.0, 0.0), (1e9, 300.0)])
def test_retry_after_replaces_the_delay(retry_after: float, seconds: float) -> None:
    """It is used without jitter, never negative, and up to the cap."""
    backoff = Backoff(1.0, 10.0, jitter=1.0, max_retry_after_seconds=300.0)
    assert backoff.delay(9, retry_after) == seconds
