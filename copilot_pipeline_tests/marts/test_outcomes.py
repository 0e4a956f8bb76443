"""Which calls started before their deal closed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from copilot_pipeline.marts.model import Deal
from copilot_pipeline.marts.outcomes import before_close, is_before_close
from copilot_pipeline.transform.deal_outcomes import DealOutcome

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Some hours around two midnights, so that calls often start at the time of a close, or on its day.
MOMENTS = st.integers(0, 60).map(lambda hours: datetime(2026, 3, 1, tzinfo=UTC) + timedelta(hours=hours))
DEALS = st.builds(
    Deal,
    deal_id=st.just("d"),
    outcome=st.sampled_from(DealOutcome),
    close_date=st.none() | MOMENTS,
    closed_at=st.none() | MOMENTS,
)


@dataclass(frozen=True)
class Call:
    """A call of the deal at a position."""

    deal: int
    started_at: datetime


@given(st.lists(DEALS, min_size=1, max_size=4), st.data())
def test_arrays_and_lists_give_the_same_calls(deals: list[Deal], data: st.DataObject) -> None:
    """Of several deals, for any mixture of close dates, stage histories and calls."""
    positions = st.integers(0, len(deals) - 1)
    calls = data.draw(st.lists(st.builds(Call, deal=positions, started_at=MOMENTS), min_size=1, max_size=12))
    expected = {
        id(call)
        for position, deal in enumerate(deals)
        for call in before_close(deal, [one for one in calls if one.deal == position])
    }
    started = np.array([(call.started_at - EPOCH) // timedelta(microseconds=1) for call in calls])
    found = is_before_close(deals, np.array([call.deal for call in calls]), started)
    assert found.tolist() == [id(call) in expected for call in calls]
