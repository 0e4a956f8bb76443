"""Weighted regression on covariates with groups."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from copilot_pipeline.marts.win_loss.adjustment import Adjustment, Covariates


@settings(max_examples=40)
@given(st.integers(0, 10_000), st.integers(0, 12), st.integers(0, 3), st.integers(0, 2))
def test_residuals_are_those_of_the_regression_on_all_columns(seed: int, groups: int, others: int, curves: int) -> None:
    """Whatever the groups: overlapping, empty among the chosen deals, or determining another column."""
    random = np.random.default_rng(seed)
    group, other = random.integers(0, groups + 1, 90), random.integers(0, others + 1, 90)
    columns = [random.normal(size=90) for _ in range(curves)]
    columns += [(group == one).astype(float) for one in range(groups)]
    columns += [(other == one).astype(float) for one in range(others)]
    columns += [np.sqrt(group)] if seed % 2 else []
    standard = [(one - one.mean()) / one.std() for one in columns if one.std() > 0]
    covariates = np.column_stack([np.ones(90), *standard])
    found = Covariates.of(covariates)
    deals = found.in_order(np.flatnonzero(random.random(90) < 0.7))
    weights = random.uniform(0.05, 0.25, len(deals))
    values = (random.random((4, len(deals))) < 0.4).astype(float)
    residuals = Adjustment(found.of_deals(deals), weights).residuals(values)
    root = np.sqrt(weights)
    chosen = covariates[deals] * root[:, None]
    expected = [value - covariates[deals] @ np.linalg.lstsq(chosen, value * root, rcond=1e-10)[0] for value in values]
    assert residuals == pytest.approx(np.array(expected), abs=1e-7)


def test_groups_are_recognized_in_standardized_columns() -> None:
    """A column for each rep is not a column of the regression."""
    rep = np.arange(60) % 6
    columns = [(rep == one).astype(float) for one in range(5)]
    covariates = np.column_stack([np.ones(60), np.arange(60.0), *((one - one.mean()) / one.std() for one in columns)])
    found = Covariates.of(covariates)
    assert found.columns.shape == (60, 1)
    assert len(np.unique(np.column_stack([found.groups, rep]), axis=0)) == 6
