"""Drops of a level: rarely signalled where there is none, and found where there is one."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.signal import lfilter
from scipy.stats import mannwhitneyu

from copilot_pipeline.config.marts import CoachingSettings
from copilot_pipeline.marts import level_drops
from copilot_pipeline.marts.level_drops import MIN_EARLIER, Floats, Signal, first_signal

P_VALUE = CoachingSettings().max_drop_p_value
Noise = Callable[[np.random.Generator, int], Floats]
NOISE: dict[str, Noise] = {
    "normal": lambda random, calls: random.normal(0.5, 0.1, calls),
    "skewed": lambda random, calls: random.beta(8, 2, calls),
    "integers": lambda random, calls: random.integers(1, 6, calls).astype(float),
    "with outliers": lambda random, calls: random.standard_t(2, calls),
}
CALLS, SERIES = 60, 250  # twelve weeks of five calls


def signal_of(values: Floats) -> Signal | None:
    """The first signal of a rep whose calls are all below the threshold, the least favourable case."""
    return first_signal(values, np.ones(len(values), dtype=bool), P_VALUE)


@pytest.mark.parametrize("noise", NOISE.values(), ids=NOISE)
def test_a_constant_level_is_rarely_a_drop(noise: Noise) -> None:
    """At most 5 % of the series of a report have a false regression, whatever the distribution of the scores."""
    random = np.random.default_rng(14)
    false = sum(signal_of(noise(random, CALLS)) is not None for _ in range(SERIES))
    assert false / SERIES <= 0.05


def test_neighbouring_calls_that_resemble_one_another_are_seldom_a_drop() -> None:
    """With an autocorrelation of 0.4 less than 15 % of the series have a false regression, else 17 %."""
    random = np.random.default_rng(14)
    false = 0
    for _ in range(SERIES):
        noise = random.normal(size=CALLS + 20) * np.sqrt(1 - 0.4**2)
        false += signal_of(lfilter([1.0], [1.0, -0.4], noise)[20:]) is not None
    assert false / SERIES < 0.15


@pytest.mark.parametrize(("drop", "within"), [(2.0, 10), (3.0, 6)])
def test_a_planted_drop_is_found(drop: float, within: int) -> None:
    """After forty calls a drop of two standard deviations is found within ten calls, of three within six."""
    random = np.random.default_rng(14)
    found = 0
    for _ in range(SERIES):
        values = random.normal(size=40 + within)
        values[40:] -= drop
        signal = signal_of(values)
        found += signal is not None and signal.position >= 40
    assert found / SERIES >= 0.9


def test_a_rise_is_no_drop() -> None:
    """The test is one-sided."""
    assert signal_of(np.concatenate([np.zeros(40), np.ones(20)])) is None


def test_too_few_earlier_values_are_no_reference() -> None:
    """Seven good calls are not a level."""
    values = np.concatenate([np.ones(MIN_EARLIER - 1), np.zeros(12)])
    assert signal_of(values) is None


@given(st.integers(3, 8), st.integers(MIN_EARLIER, 14), st.randoms(use_true_random=False))
def test_the_p_value_is_the_exact_one(window: int, earlier: int, random: object) -> None:
    """As scipy computes it, without ties."""
    values = list(range(window + earlier))
    random.shuffle(values)  # type: ignore[attr-defined]
    newest, before = values[earlier:], values[:earlier]
    won = sum(new > old for new in newest for old in before)
    expected = mannwhitneyu(newest, before, alternative="less", method="exact").pvalue
    assert level_drops._p_value(won, window, earlier) == pytest.approx(expected)


@given(st.lists(st.integers(0, 4), min_size=20, max_size=40))
def test_counts_pairs_of_newest_and_earlier_values(scores: list[int]) -> None:
    """Each pair in which the newest value is higher counts one, each tie a half."""
    values = np.array(scores, dtype=float)
    won = level_drops._pairs_won(level_drops._beaten_before(values), 5)
    for position in range(5 + MIN_EARLIER - 1, len(scores)):
        newest, before = scores[position - 4 : position + 1], scores[: position - 4]
        assert won[position] == sum((new > old) + 0.5 * (new == old) for new in newest for old in before)
