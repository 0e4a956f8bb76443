"""A few simulated companies; `python -m copilot_pipeline_tests.simulations.win_loss` simulates many."""

from __future__ import annotations

import pytest

from copilot_pipeline.config.marts import WinLossSettings
from copilot_pipeline.marts.win_loss.drivers import win_loss_drivers
from copilot_pipeline_tests.simulations.companies import company
from copilot_pipeline_tests.simulations.win_loss import NULL_WORLDS, PLANTED_WORLDS, measure

pytestmark = pytest.mark.simulation


@pytest.mark.parametrize(
    "kind",
    ["outcome by number of calls", "values missing by outcome", "outcome and bricks by rep", "everything together"],
)
def test_confirms_no_driver_where_there_is_none(kind: str) -> None:
    """Outcome depends on exposure, or missing values on the outcome, or all on each other; no answer matters."""
    assert measure(NULL_WORLDS[kind], worlds=2, deals=200, max_conditions=2).confirmed == 0


def test_does_not_confirm_a_brick_that_repeats_the_stage_of_the_crm() -> None:
    """Won deals reach later stages, and a brick says which: it is found, and named as what it is."""
    at = company(NULL_WORLDS["a brick is the stage in the CRM"], 0, 250)
    drivers = win_loss_drivers(at.calls, at.deals, WinLossSettings(max_conditions=1)).drivers
    of_stage = [one for one in drivers if one.bricks == ["kit.stage_said"]]
    assert any(one.is_significant for one in of_stage)
    assert not any(one.is_confirmed for one in drivers)
    assert any("it repeats the stage of the CRM" in one.sentence for one in of_stage)


def test_confirms_a_planted_conjunction_first() -> None:
    """In two companies of 300 deals, with intervals that cover the truth."""
    rates = measure(PLANTED_WORLDS["one call"], worlds=2, first_seed=4)
    assert rates.first_confirmed == 2
    assert rates.lift_covered == 2
