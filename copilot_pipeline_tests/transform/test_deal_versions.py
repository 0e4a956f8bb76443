"""The versions of a deal before it was first seen."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from copilot_pipeline.transform.deal_versions import DealOfCrm, DealVersion, versions_before

SEEN = datetime(2026, 11, 20, 6, tzinfo=UTC)
CREATED = datetime(2026, 10, 1, tzinfo=UTC)
CLOSE = datetime(2026, 12, 31, tzinfo=UTC)


def stage_change(day: int, stage: str, before: str | None = None) -> dict[str, Any]:
    """An entry of the CRM's history of stages, on a day of November."""
    return {"stage": stage, "prev_stage": before, "date_changed": f"2026-11-{day:02}T10:00:00.000Z"}


def close_date_change(day: int, close_date: str, before: str) -> dict[str, Any]:
    """An entry of the CRM's history of close dates, on a day of November."""
    return {"close_date": close_date, "prev_close_date": before, "date_changed": f"2026-11-{day:02}T10:00:00.000Z"}


def versions(
    stages: Sequence[object] | None = None,
    close_dates: Sequence[object] | None = None,
    created_at: datetime | None = CREATED,
) -> list[DealVersion]:
    """The versions of a deal in stage Proposal; None is a CRM that keeps no such history."""
    return versions_before(
        DealOfCrm(
            deal_id="d",
            stage="Proposal",
            close_date=CLOSE,
            created_at=created_at,
            stage_history=None if stages is None else json.dumps(list(stages)),
            close_date_history=None if close_dates is None else json.dumps(list(close_dates)),
            first_seen_at=SEEN,
            seen_at=SEEN,
        )
    )


def test_stages_follow_the_history_of_the_crm() -> None:
    """From the creation of the deal, in the order of their times; the amount of that time is unknown."""
    result = versions([stage_change(9, "Proposal", "Evaluation"), stage_change(3, "Evaluation", "Discovery")], [])
    assert [(version.stage, version.valid_from.day, version.valid_to) for version in result] == [
        ("Discovery", 1, result[1].valid_from),
        ("Evaluation", 3, result[2].valid_from),
        ("Proposal", 9, SEEN),
    ]
    assert {version.close_date for version in result} == {CLOSE}
    assert {(version.amount, version.owner_crm_id, version.origin) for version in result} == {(None, None, "vendor")}


def test_close_dates_and_stages_are_combined() -> None:
    """A version starts whenever one of them changes."""
    result = versions(
        [stage_change(9, "Proposal", "Discovery")], [close_date_change(5, "2026-12-31", "2026-11-30T00:00:00Z")]
    )
    assert [(version.stage, version.close_date and version.close_date.month) for version in result] == [
        ("Discovery", 11), ("Discovery", 12), ("Proposal", 12),
    ]  # fmt: skip


def test_a_later_change_shows_the_value_before_it() -> None:
    """The CRM may be read after the first refresh, and after the change."""
    assert [version.stage for version in versions([stage_change(25, "Proposal", "Discovery")], [])] == ["Discovery"]


def test_without_a_history_nothing_is_assumed() -> None:
    """A CRM that keeps no history of stages is unlike a deal whose stage never changed."""
    assert versions(None, None) == []
    assert [version.stage for version in versions(None, [])] == [None]
    assert [version.stage for version in versions([], None)] == ["Proposal"]
    assert versions([], [], created_at=None) == []


def test_entries_that_cannot_be_used_are_skipped() -> None:
    """Without a time or a stage, and after the refresh that saw the deal."""
    odd = [{"stage": "Legal"}, {"date_changed": "2026-11-03"}, stage_change(25, "Closed Won"), "text", None]
    assert [version.stage for version in versions([*odd, stage_change(9, "Proposal", "Discovery")], [])] == [
        "Discovery",
        "Proposal",
    ]


MOMENTS = st.integers(-30, 30).map(lambda hours: SEEN + timedelta(hours=hours))


@given(
    st.lists(st.tuples(MOMENTS, st.sampled_from("AB"), st.sampled_from("AB") | st.none()), max_size=5) | st.none(),
    st.lists(st.tuples(MOMENTS, MOMENTS, MOMENTS), max_size=3) | st.none(),
    MOMENTS | st.none(),
)
def test_versions_follow_each_other_up_to_the_refresh(
    stages: list[tuple[datetime, str, str | None]] | None,
    close_dates: list[tuple[datetime, datetime, datetime]] | None,
    created_at: datetime | None,
) -> None:
    """Whatever the CRM records: of positive length, without a gap, and each unlike the one before."""
    result = versions(
        stages
        and [{"stage": after, "prev_stage": before, "date_changed": at.isoformat()} for at, after, before in stages],
        close_dates
        and [
            {"close_date": after.isoformat(), "prev_close_date": before.isoformat(), "date_changed": at.isoformat()}
            for at, after, before in close_dates
        ],
        created_at,
    )
    assert all(version.valid_to is not None and version.valid_from < version.valid_to for version in result)
    assert all(before.valid_to == after.valid_from for before, after in pairwise(result))
    assert all(
        (before.stage, before.close_date) != (after.stage, after.close_date) for before, after in pairwise(result)
    )
    assert not result or result[-1].valid_to == SEEN
