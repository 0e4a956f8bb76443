"""The changes of the open pipeline, and the waterfall that adds them up."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from itertools import accumulate, groupby
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from copilot_pipeline.config.marts import OutcomeSettings
from copilot_pipeline.marts.history.changes import change_rows
from copilot_pipeline.marts.history.pipeline import PipelineHistory, pipeline_history
from copilot_pipeline.marts.history.rows import WaterfallRow
from copilot_pipeline.marts.history.waterfall import STEPS, waterfall
from copilot_pipeline.marts.model import monday
from copilot_pipeline.transform.deal_outcomes import DealOutcome, outcome_of
from copilot_pipeline.transform.deal_versions import DealVersion

BERLIN = ZoneInfo("Europe/Berlin")
FIRST_REFRESH = datetime(2026, 11, 4, 6, tzinfo=UTC)  # a Wednesday
NOW = datetime(2026, 12, 2, tzinfo=UTC)
OUTCOMES = {stage: outcome_of(stage, OutcomeSettings()) for stage in ("Discovery", "Closed Won", "Closed Lost", None)}


def day(number: int) -> datetime:
    """A morning of November 2026 (the 2nd is a Monday), and after."""
    return datetime(2026, 11, 1, 6, tzinfo=UTC) + timedelta(days=number - 1)


def history_of(deal_id: str, *steps: tuple[datetime, Any], origin: str = "refresh") -> list[DealVersion]:
    """The versions of a deal: (time, fields from then on), None where it is no longer among the deals."""
    ends = [at for at, _ in steps[1:]] + [None]
    return [
        DealVersion(
            **{
                "stage": "Discovery", "amount": 100.0, "currency": "EUR", "close_date": None, "owner_crm_id": None,
                "forecast_category": None, "probability": None, "origin": origin, "seen_at": max(at, FIRST_REFRESH),
                **fields,
            },
            deal_id=deal_id, valid_from=at, valid_to=end,
        )
        for (at, fields), end in zip(steps, ends, strict=True) if fields is not None
    ]  # fmt: skip


def changes(*versions: DealVersion) -> list[tuple[date, str, str, float]]:
    """Week, kind, currency and effect of each change."""
    found = pipeline_history(versions, OUTCOMES, BERLIN)
    return sorted((change.week, change.kind, change.currency, change.change) for change in found.changes)


WEEK = [date(2026, 11, 2) + timedelta(days=7 * number) for number in range(5)]


def test_deals_of_the_first_refresh_are_no_new_ones() -> None:
    """They existed before; a deal that a later refresh sees for the first time is new."""
    first, later = history_of("a", (FIRST_REFRESH, {})), history_of("b", (day(10), {}))
    assert changes(*first, *later) == [(WEEK[1], "new", "EUR", 100.0)]


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ([{"stage": "Closed Won"}], [("won", -100.0)]),
        ([{"stage": "Closed Lost", "amount": 80.0}], [("lost", -80.0), ("shrunk", -20.0)]),
        ([{"amount": 150.0}, {"amount": 120.0}], [("grown", 20.0)]),
        ([{"amount": 150.0}, {"amount": 100.0}], []),
        ([{"amount": None}], [("shrunk", -100.0)]),
        ([None], [("removed", -100.0)]),
        ([None, {"amount": 90.0}], [("removed", -100.0), ("reopened", 90.0)]),
        ([{"stage": "Closed Lost"}, {}], [("lost", -100.0), ("reopened", 100.0)]),
        ([{"stage": "Closed Lost"}, {"stage": "Closed Won"}], [("lost", -100.0), ("reopened", 100.0), ("won", -100.0)]),
        ([{"stage": "Closed Lost"}, None, {"stage": "Closed Lost"}], [("lost", -100.0)]),
        ([{"close_date": day(40)}], []),
    ],
    ids=["won", "lost for less", "net of the week", "undone", "amount lost", "removed", "back", "reopened",
         "corrected", "removed after the end", "first close date"],
)  # fmt: skip
def test_changes_of_a_week(steps: list[dict[str, Any] | None], expected: list[tuple[str, float]]) -> None:
    """Each kind once, with its net effect on the open pipeline."""
    of_week = [(day(9 + number), fields) for number, fields in enumerate(steps)]
    found = changes(*history_of("a", (FIRST_REFRESH, {}), *of_week))
    assert [(kind, effect) for _, kind, _, effect in found] == sorted(expected)


def test_moves_of_the_close_date_are_counted_in_days() -> None:
    """By the first and the last date of the week, in the time zone of the settings; they leave the amount alone."""
    late_evening = datetime(2026, 11, 30, 23, 30, tzinfo=UTC)  # the first of December in Berlin
    versions = history_of(
        "a", (FIRST_REFRESH, {"close_date": day(20)}), (day(9), {"close_date": late_evening}),
        (day(10), {"close_date": day(25)}), (day(16), {"close_date": day(22)}),
    )  # fmt: skip
    found = pipeline_history(versions, OUTCOMES, BERLIN)
    rows = list(change_rows(found.changes, {}, {}))
    assert [(row.week, row.kind, row.days_moved, row.change) for row in rows] == [
        (WEEK[1], "pushed_out", 5, 0.0), (WEEK[2], "pulled_in", -3, 0.0),
    ]  # fmt: skip
    assert rows[0].sentence == "a was pushed out by 5 days, from 20 Nov 2026 to 25 Nov 2026 (EUR 100)."


def test_currencies_are_never_added() -> None:
    """A deal that changes its currency leaves one pipeline and enters the other."""
    versions = history_of("a", (FIRST_REFRESH, {}), (day(9), {"currency": "USD", "amount": 120.0}))
    assert changes(*versions) == [
        (WEEK[1], "currency_changed", "EUR", -100.0), (WEEK[1], "currency_changed", "USD", 120.0),
    ]  # fmt: skip


def test_the_week_is_that_of_the_time_zone() -> None:
    """Sunday evening in UTC is Monday in Berlin."""
    sunday = datetime(2026, 11, 8, 23, 30, tzinfo=UTC)
    assert changes(*history_of("a", (FIRST_REFRESH, {}), (sunday, {"stage": "Closed Won"})))[0][0] == WEEK[1]


def test_weeks_before_the_first_refresh_are_marked() -> None:
    """Their amounts are the first ones seen; what the refreshes saw is marked as observed."""
    before = history_of(
        "a", (day(-20), {"amount": None, "currency": None}), (FIRST_REFRESH, {"amount": None}), origin="vendor"
    )[:1]  # fmt: skip
    found = pipeline_history([*before, *history_of("a", (FIRST_REFRESH, {}), (day(9), {"stage": "Closed Won"}))],
                             OUTCOMES, BERLIN)  # fmt: skip
    rows = [(change.kind, change.change, change.currency, change.is_observed) for change in found.changes]
    assert rows == [("new", 100.0, "EUR", False), ("won", -100.0, "EUR", True)]


FIELDS = st.none() | st.fixed_dictionaries(
    {
        "stage": st.sampled_from(["Discovery", "Closed Won", "Closed Lost", None]),
        "amount": st.none() | st.integers(-3, 10).map(float),
        "currency": st.sampled_from(["EUR", "USD", None]),
        "close_date": st.none() | st.integers(1, 60).map(day),
    }
)
STEPS_OF_DEAL = st.lists(st.tuples(st.integers(1, 24 * 12), FIELDS), min_size=1, max_size=6)
VENDOR_HOURS = st.lists(st.integers(1, 24 * 20), max_size=3)


def deal_of(index: int, steps: Sequence[tuple[int, Any]], vendor_hours: Sequence[int]) -> list[DealVersion]:
    """A deal with versions of the CRM's history and of refreshes, from gaps in hours."""
    hours = list(accumulate((gap for gap, _ in steps), initial=-steps[0][0]))[1:]
    times = [FIRST_REFRESH + timedelta(hours=hour) for hour in hours]
    refreshed = history_of(str(index), *zip(times, [fields for _, fields in steps], strict=True))
    if not refreshed:
        return []
    start = refreshed[0].valid_from
    starts = [start - timedelta(hours=hour) for hour in reversed(list(accumulate(vendor_hours)))]
    vendor = history_of(str(index), *((at, {"amount": None, "currency": None}) for at in [*starts, start]),
                        origin="vendor")[:-1]  # fmt: skip
    return [*vendor, *refreshed]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(STEPS_OF_DEAL, VENDOR_HOURS), min_size=1, max_size=4))
def test_opening_and_changes_make_the_closing_of_every_history(deals: list[tuple[Any, Any]]) -> None:
    """And each closing is what the versions say of that moment, counted independently."""
    versions = [version for index, deal in enumerate(deals) for version in deal_of(index, *deal)]
    versions += history_of("of the first refresh", (FIRST_REFRESH, {"stage": "Closed Won"}))
    found = pipeline_history(versions, OUTCOMES, BERLIN)
    rows = list(waterfall(found, monday(FIRST_REFRESH.astimezone(BERLIN).date()), date(2026, 11, 30)))
    closing: dict[str, tuple[float, int]] = {}
    for (week, currency), steps in groupby(rows, key=lambda row: (row.week, row.currency)):
        by_step = {row.step: row for row in steps}
        assert tuple(by_step) == STEPS
        _adds_up(by_step, closing.get(currency))
        end = datetime.combine(week + timedelta(days=7), time(), BERLIN).astimezone(UTC) - timedelta(microseconds=1)
        closing[currency] = (by_step["closing"].amount, by_step["closing"].deals)
        assert closing[currency] == pytest.approx(_open_at(versions, end)[currency])
    _changes_are_steps(found, rows)


def _adds_up(steps: dict[str, WaterfallRow], former_closing: tuple[float, int] | None) -> None:
    amounts = [row.amount for step, row in steps.items() if step != "closing"]
    assert sum(amounts) == pytest.approx(steps["closing"].amount)
    if former_closing is not None:
        assert (steps["opening"].amount, steps["opening"].deals) == former_closing


def _open_at(versions: Iterable[DealVersion], moment: datetime) -> dict[str, tuple[float, int]]:
    """The amount and number of the deals that are open at a time, by currency."""
    found: defaultdict[str, tuple[float, int]] = defaultdict(lambda: (0.0, 0))
    for _, of_deal in groupby(versions, key=lambda version: version.deal_id):
        known = list(of_deal)
        first_seen = next(version for version in known if version.origin == "refresh")
        for version in known:
            has_ended = version.valid_to is not None and version.valid_to <= moment
            # What the first refresh saw is taken to be older than it, unless the CRM's history says since when.
            is_older = version is known[0] is first_seen and version.valid_from == FIRST_REFRESH
            if has_ended or (version.valid_from > moment and not is_older):
                continue
            if OUTCOMES[version.stage] is DealOutcome.OPEN:
                source = first_seen if version.origin == "vendor" else version
                amount, deals = found[source.currency or "unknown"]
                found[source.currency or "unknown"] = amount + (source.amount or 0.0), deals + 1
    return found


def _changes_are_steps(found: PipelineHistory, rows: Sequence[WaterfallRow]) -> None:
    totals: defaultdict[tuple[date, str, str], float] = defaultdict(float)
    for change in found.changes:
        totals[change.week, change.currency, change.kind] += change.change
    shown = {(row.week, row.currency, row.step): row.amount for row in rows}
    for key, total in totals.items():
        if key[2] not in ("pulled_in", "pushed_out") and key[0] <= date(2026, 11, 30):
            assert shown[key] == pytest.approx(total)
