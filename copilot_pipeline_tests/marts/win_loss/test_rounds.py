"""The correction of the candidates' p-values for their number."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.multitest import multipletests

from copilot_pipeline.marts.win_loss.rounds import splits_of, weighted_holm

P_VALUES = st.lists(st.floats(0, 1), min_size=1, max_size=12)


@given(P_VALUES)
def test_equal_weights_are_the_correction_of_holm(p_values: list[float]) -> None:
    """The smallest p-value is multiplied by the number of all, the next by one less; none is less than one before."""
    ordered = np.sort(p_values)
    holm = np.minimum(1, np.maximum.accumulate(ordered * np.arange(len(ordered), 0, -1)))
    assert sorted(weighted_holm(p_values, [0.25] * len(p_values))) == pytest.approx(holm.tolist())


def test_equal_weights_agree_with_statsmodels() -> None:
    """In the order of the p-values that are given; statsmodels collects garbage at each call."""
    p_values = [0.03, 0.001, 0.9, 0.012, 0.03]
    expected = multipletests(p_values, method="holm")[1]
    assert weighted_holm(p_values, [0.25] * len(p_values)) == pytest.approx(expected.tolist())


def test_a_candidate_pays_for_its_share_of_the_weights() -> None:
    """The smallest ratio of p-value and weight is multiplied by all weights, the next ones by those that are left."""
    assert weighted_holm([0.01, 0.03, 0.9], [1, 0.5, 0.25]) == pytest.approx([0.0175, 0.045, 0.9])
    assert weighted_holm([0.01, 0.001, 0.9], [1, 0.5, 0.25]) == pytest.approx([0.0125, 0.0035, 0.9])


def test_weights_keep_the_chance_of_any_false_confirmation() -> None:
    """Of 4,000 sets of candidates without effect, at most one in twenty has a corrected p-value of 0.05."""
    random = np.random.default_rng(0)
    weights = [0.5**rank for rank in range(10)] * 2
    false = sum(min(weighted_holm(random.random(20).tolist(), weights)) <= 0.05 for _ in range(4_000))
    assert 0.04 < false / 4_000 < 0.06


def test_many_deals_are_split_once() -> None:
    """At the middle share; fewer deals are split at each."""
    won = np.arange(4_000) % 2 == 0
    assert splits_of(won, (0.5, 0.7, 0.8)) == [2_800]
    assert splits_of(won[:300], (0.5, 0.7, 0.8)) == [150, 210, 240]
