"""The adjusted test of a condition: equal to textbook tests where these apply, and right in the tails."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom
from statsmodels.stats.contingency_tables import StratifiedTable

from copilot_pipeline.marts.win_loss.saddlepoint import two_sided
from copilot_pipeline.marts.win_loss.score_test import ScoreTest, fitted_chances


def columns_of(strata: np.ndarray) -> np.ndarray:
    """Return a column of ones and a column per stratum but the first."""
    return np.column_stack(
        [np.ones(len(strata)), *((strata == one).astype(float) for one in range(1, strata.max() + 1))]
    )


@pytest.mark.parametrize("seed", range(5))
def test_equals_cochran_mantel_haenszel_with_strata(seed: int) -> None:
    """With strata as covariates the p-value is that of statsmodels with continuity correction, within 15 %."""
    random = np.random.default_rng(seed)
    strata = random.integers(0, 4, 400)
    won = random.random(400) < np.array([0.2, 0.4, 0.6, 0.8])[strata]
    holds = random.random(400) < np.where(won, 0.45, 0.35)
    tables = [
        [
            [np.sum(holds & won & (strata == one)), np.sum(holds & ~won & (strata == one))],
            [np.sum(~holds & won & (strata == one)), np.sum(~holds & ~won & (strata == one))],
        ]
        for one in range(4)
    ]
    expected = (
        StratifiedTable([np.array(table, dtype=float) for table in tables]).test_null_odds(correction=True).pvalue
    )
    covariates = columns_of(strata)
    rates = np.array([won[strata == one].mean() for one in range(4)])
    test = ScoreTest(won, covariates, rates[strata], normal_up_to=np.inf)
    assert test.test(holds[None], np.ones((1, 400), dtype=bool)).p_value[0] == pytest.approx(expected, rel=0.15)


@pytest.mark.parametrize(("deals", "chance", "won"), [(10, 0.1, 5), (12, 0.14, 8), (30, 0.4, 25), (40, 0.5, 8)])
def test_tails_equal_the_binomial_distribution(deals: int, chance: float, won: int) -> None:
    """Twice the exact tail, within 30 %, where a normal approximation is wrong by a factor of up to 100."""
    deviation = won - deals * chance
    corrected = np.copysign(abs(deviation) - 0.5, deviation)
    variance = deals * chance * (1 - chance)
    found = two_sided(np.ones((1, deals)), np.full(deals, chance), np.array([corrected]), np.array([variance]), 1.5)
    tail = binom.sf(won - 1, deals, chance) if deviation > 0 else binom.cdf(won, deals, chance)
    assert found[0] == pytest.approx(2 * tail, rel=0.3)


def test_a_condition_that_the_covariates_determine_is_not_significant() -> None:
    """It cannot be told from them."""
    random = np.random.default_rng(1)
    strata = random.integers(0, 2, 200)
    won = random.random(200) < np.where(strata == 1, 0.9, 0.1)
    covariates = columns_of(strata)
    test = ScoreTest(won, covariates, fitted_chances(won, covariates))
    assert test.test((strata == 1)[None], np.ones((1, 200), dtype=bool)).p_value[0] == 1.0


def test_unadjusted_confounding_is_significant_and_adjusted_is_not() -> None:
    """Outcome and condition depend on the stratum only."""
    random = np.random.default_rng(2)
    strata = random.integers(0, 5, 600)
    won = random.random(600) < 0.1 + 0.2 * strata
    holds = (random.random(600) < 0.1 + 0.2 * strata)[None]
    known = np.ones((1, 600), dtype=bool)
    ones, covariates = np.ones((600, 1)), columns_of(strata)
    assert ScoreTest(won, ones, fitted_chances(won, ones)).test(holds, known).p_value[0] < 1e-6
    assert ScoreTest(won, covariates, fitted_chances(won, covariates)).test(holds, known).p_value[0] > 0.05


def test_only_deals_with_a_known_answer_count() -> None:
    """Outcomes of the others do not change the p-value beyond the chances that are given."""
    random = np.random.default_rng(3)
    won, holds = random.random(300) < 0.4, random.random(300) < 0.5
    known = random.random(300) < 0.6
    ones = np.ones((300, 1))
    other = np.where(known, won, ~won)
    p_values = [
        ScoreTest(outcome, ones, np.full(300, 0.4)).test((holds & known)[None], known[None]).p_value[0]
        for outcome in (won, other)
    ]
    assert p_values[0] == p_values[1]
