"""A few companies with a hidden cause; `python -m copilot_pipeline_tests.simulations.artefacts` simulates many."""

from __future__ import annotations

import pytest

from copilot_pipeline_tests.simulations.artefacts import Company, coverage_differs, talk_differs

pytestmark = pytest.mark.simulation


@pytest.mark.parametrize("kind", ["rep by segment", "accounts of three deals", "long deals are open"])
def test_what_deals_have_in_common_is_no_effect_of_coverage_or_talk(kind: str) -> None:
    """In most companies both go with the outcome as counted; among deals that are alike at most by chance."""
    companies = [Company(kind, seed, 300) for seed in range(5)]
    assert sum(map(coverage_differs, companies)) <= 1
    assert sum(map(talk_differs, companies)) <= 1
