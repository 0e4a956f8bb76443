"""A few simulated companies; `python -m copilot_pipeline_tests.simulations.win_loss` simulates many."""

from __future__ import annotations

import pytest

from copilot_pipeline_tests.simulations.win_loss import NULL_WORLDS, PLANTED_WORLDS, measure

pytestmark = pytest.mark.simulation


@pytest.mark.parametrize(
    "kind",
    ["outcome by number of calls", "values missing by outcome", "outcome and bricks by rep", "everything together"],
)
def test_confirms_no_driver_where_there_is_none(kind: str) -> None:
    """Outcome depends on exposure, or missing values on the outcome, or all on each other; no answer matters."""
    assert measure(NULL_WORLDS[kind], worlds=2, deals=200, max_conditions=2).confirmed == 0


def test_confirms_a_planted_conjunction_first() -> None:
    """In two companies of 300 deals, with intervals that cover the truth."""
    rates = measure(PLANTED_WORLDS["one call"], worlds=2, first_seed=4)
    assert rates.first_confirmed == 2
    assert rates.lift_covered == 2
