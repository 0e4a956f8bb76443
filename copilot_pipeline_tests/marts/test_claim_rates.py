"""Claims per call hour, with small groups shrunk to the others."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from copilot_pipeline.marts.claim_rates import Exposure, rates


def test_a_rep_with_two_calls_does_not_lead() -> None:
    """One claim in an hour is no higher rate than fifty in forty hours; as counted it is nearly as high."""
    groups = [Exposure(2, 1.0), Exposure(60, 40.0), *(Exposure(10, 40.0) for _ in range(10))]
    found = rates(groups)
    assert found[0].per_hour == 2.0
    assert found[1].per_hour == 1.5
    assert max(found, key=lambda rate: rate.shrunk or 0) is found[1]
    assert (found[0].high or 0) - (found[0].low or 0) > (found[1].high or 0) - (found[1].low or 0)


def test_groups_of_one_rate_are_shrunk_to_it() -> None:
    """Differences by chance alone nearly vanish: one rate for all."""
    random = np.random.default_rng(14)
    found = rates([Exposure(int(random.poisson(2.0)), 4.0) for _ in range(40)])
    shrunk = [rate.shrunk or 0 for rate in found]
    assert np.std(shrunk) < 0.3 * np.std([rate.per_hour or 0 for rate in found])
    assert np.mean(shrunk) == pytest.approx(0.5, abs=0.15)


def test_shrunk_rates_are_nearer_to_the_truth() -> None:
    """Simulated reps of different rates and hours: a smaller error, and intervals that cover the truth in nine of ten
    cases or more."""
    random = np.random.default_rng(14)
    raw, shrunk, covered = [], [], []
    for _ in range(20):
        truth = random.gamma(2.0, 0.25, size=40)
        hours = random.uniform(0.5, 30.0, size=40)
        found = rates(
            [Exposure(int(random.poisson(rate * time)), time) for rate, time in zip(truth, hours, strict=True)]
        )
        raw += [((one.per_hour or 0) - rate) ** 2 for one, rate in zip(found, truth, strict=True)]
        shrunk += [((one.shrunk or 0) - rate) ** 2 for one, rate in zip(found, truth, strict=True)]
        covered += [(one.low or 0) <= rate <= (one.high or 0) for one, rate in zip(found, truth, strict=True)]
    assert np.mean(shrunk) < 0.7 * np.mean(raw)
    assert np.mean(covered) >= 0.93


def test_claims_that_come_together_widen_the_interval() -> None:
    """Thirty claims on ten of forty calls are less certain than thirty on thirty of them."""

    def interval(per_call: int) -> float:
        groups = [Exposure() for _ in range(5)]
        for group in groups:
            for call in range(40):
                group.add_call(per_call if call < 30 // per_call else 0, 0.5)
        found = rates(groups)[0]
        return (found.high or 0) - (found.low or 0)

    assert interval(3) > 1.3 * interval(1)


@example([(0, 1.0), (0, 1.0), (0, 5e-324)])
@given(st.lists(st.tuples(st.integers(0, 50), st.floats(0, 500)), max_size=30))
def test_every_rate_lies_in_its_interval(groups: list[tuple[int, float]]) -> None:
    """Without a second at all there is no rate; a group without one has that of the others."""
    second = 1 / 3600
    exposures = [Exposure(claims if hours >= second else 0, hours) for claims, hours in groups]
    found = rates(exposures)
    assert len(found) == len(groups)
    for group, rate in zip(exposures, found, strict=True):
        assert (rate.per_hour is None) == (group.hours < second)
        if any(one.hours >= second for one in exposures):
            assert rate.shrunk is not None
            assert rate.low is not None
            assert rate.high is not None
            assert 0 <= rate.low <= rate.high
        else:
            assert rate.shrunk is None
