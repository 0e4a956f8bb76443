"""The queries of the report on a database."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from psycopg.sql import SQL, Identifier, Literal

from copilot_pipeline.config.marts import MartSettings, ReportSettings
from copilot_pipeline.load.lake import Lake
from copilot_pipeline.marts.build import MartBuilder
from copilot_pipeline.marts.money import Money
from copilot_pipeline.postgres import Database
from copilot_pipeline.report import ReportQueries
from copilot_pipeline.report.deals import OpenDeals
from copilot_pipeline.report.model import UnscoredCalls
from copilot_pipeline_tests.delivery.examples import DAY, KIT, add_call

MONDAY = date(2026, 3, 9)  # of the week of DAY
NOON = datetime(2026, 3, 9, 12, tzinfo=UTC)


def test_an_empty_warehouse_gives_an_empty_report(database: Database) -> None:
    """Every statement runs, and the week is the one that ended last."""
    report = ReportQueries(database, ReportSettings()).report(DAY)
    assert report.week == MONDAY - timedelta(days=7)
    assert not report.claims
    assert not report.skill_series
    assert report.open_deals == OpenDeals(0, 0, 0, (), None, ())
    assert report.unscored == UnscoredCalls(0, ())
    assert report.conclusion is None


def test_reports_on_the_current_week_if_there_is_no_earlier_call(database: Database) -> None:
    """A new installation has calls of this week only."""
    add_call(database, "c-1", {"risk_flag": True})
    report = ReportQueries(database, ReportSettings()).report(DAY)
    assert report.week == MONDAY
    assert [(volume.calls, volume.scored, volume.linked) for volume in report.volume] == [(1, 1, 1)]


def test_lists_unscored_calls_with_their_total(database: Database) -> None:
    """The newest are listed, all are counted."""
    for number in range(7):
        add_call(database, f"c-{number}", {}, status="failed")
    unscored = ReportQueries(database, ReportSettings()).unscored(MONDAY)
    assert (unscored.total, len(unscored.listed)) == (7, 5)


def add_open_deal(database: Database, deal_id: str, amount: float | None, currency: str | None, **more: object) -> None:
    """Add a row to `deal_inspection`."""
    values = {"deal_id": deal_id, "amount": amount, "currency": currency, **more}
    counts = dict.fromkeys(("calls", "scored_calls", "prospects", "risks"), 1)
    row = {**counts, **values}
    with database.transaction() as connection:
        connection.execute(
            SQL("INSERT INTO copilot.deal_inspection ({}) VALUES ({})").format(
                SQL(", ").join(map(Identifier, row)), SQL(", ").join(map(Literal, row.values()))
            )
        )


def test_amounts_of_different_currencies_are_not_added_up(database: Database) -> None:
    """One sum per currency; an unknown currency is a group of its own, and a missing amount is counted."""
    for deal_id, amount, currency in (
        ("d-1", 100.0, "EUR"), ("d-2", 50.0, "EUR"), ("d-3", 120.0, "USD"), ("d-4", 7.0, None), ("d-5", None, None),
    ):  # fmt: skip
        add_open_deal(database, deal_id, amount, currency)
    deals = ReportQueries(database, ReportSettings()).open_deals()
    assert deals.pipeline == (Money("EUR", 150.0), Money("USD", 120.0), Money(None, 7.0))
    assert (deals.converted, deals.without_amount) == (None, 1)


def test_a_total_needs_a_rate_for_every_amount(database: Database) -> None:
    """One amount without a rate, and there is no total."""
    converted = {"converted_currency": "EUR"}
    add_open_deal(database, "d-1", 100.0, "EUR", amount_converted=100.0, **converted)
    add_open_deal(database, "d-2", 100.0, "USD", amount_converted=90.0, **converted)
    queries = ReportQueries(database, ReportSettings())
    assert queries.open_deals().converted == Money("EUR", 190.0)
    add_open_deal(database, "d-3", 100.0, "JPY", **converted)
    assert queries.open_deals().converted is None


def test_a_week_of_a_few_days_is_incomplete(database: Database) -> None:
    """The data begin on a Wednesday and end on the Thursday of the third week."""
    first = MONDAY - timedelta(days=12)
    for day in range((MONDAY + timedelta(days=3) - first).days + 1):
        add_call(database, f"c-{day}", {}, started_at=NOON + timedelta(days=day - (MONDAY - first).days))
    volume = ReportQueries(database, ReportSettings()).volume(MONDAY)
    assert [(one.week, one.calls, one.is_complete) for one in volume] == [
        (MONDAY - timedelta(days=14), 5, False),
        (MONDAY - timedelta(days=7), 7, True),
        (MONDAY, 4, False),
    ]


def test_a_week_without_weekend_calls_is_complete_once_it_is_over(database: Database) -> None:
    """Companies hold no calls on Saturdays; until Sunday is over the week is not."""
    for day in range(5):
        add_call(database, f"c-{day}", {}, started_at=NOON + timedelta(days=day))
    queries = ReportQueries(database, ReportSettings())
    assert [one.is_complete for one in queries.volume(MONDAY)] == [True]
    assert [one.is_complete for one in queries.volume(MONDAY, MONDAY + timedelta(days=6))] == [False]


def test_regressions_are_those_of_the_end_of_the_week(database: Database, home: Path) -> None:
    """What was detected, or recovered, or got worse later is not known yet: one cut-off for the whole report."""
    scores = [0.9, 0.8, 0.85, 0.95] * 10 + [0.3] * 6 + [0.9]
    start = NOON + timedelta(days=7 - 45)  # the sixth low call is on the Monday after the week
    for number, score in enumerate(scores):
        add_call(database, f"c-{number:02}", {"depth": score}, started_at=start + timedelta(days=number))
    with database.transaction() as connection:
        connection.execute("UPDATE copilot.calls SET rep_user_id = 'u1', rep_name = 'Ana Ruiz'")
    settings = MartSettings.model_validate({"coaching": {"skills": {"depth": f"{KIT}.depth"}}})
    MartBuilder(Lake(str(home)), database, settings).build_coaching()
    queries = ReportQueries(database, ReportSettings())
    (one,) = queries.regressions(MONDAY)
    assert (one.calls, one.recovered_at, one.earlier_calls) == (5, None, 40)
    assert one.mean == pytest.approx(0.3)
    assert queries.regressions(MONDAY - timedelta(days=7)) == ()
    (later,) = queries.regressions(MONDAY + timedelta(days=7))
    assert later.calls == 6
    assert later.recovered_at is not None
    (series,) = queries.skill_series(MONDAY)
    assert series.in_regression
    assert series.points[-1].started_at.date() == MONDAY + timedelta(days=6)


def test_the_talk_share_of_a_rep_is_the_reps_own(database: Database) -> None:
    """Beside it the share of all own speakers together."""
    for number, share in enumerate((0.2, 0.3)):
        add_call(database, f"c-{number}", {})
        with database.transaction() as connection:
            connection.execute("UPDATE copilot.calls SET rep_talk_share = 0.6")
            connection.execute(
                """INSERT INTO copilot.rep_calls (rep_id, call_id, call_date, week, started_at, rep_name, is_call_rep,
                  own_speakers, utterances, words, talk_share)
                VALUES ('u1', %s, %s, %s, %s, 'Ana Ruiz', true, 2, 9, 90, %s)""",
                (f"c-{number}", DAY, MONDAY, NOON, share),
            )
    (one,) = ReportQueries(database, ReportSettings()).talk_shares(MONDAY)
    assert (one.rep, one.n) == ("Ana Ruiz", 2)
    assert [one.mean, one.all_own_speakers] == pytest.approx([0.25, 0.6])
    assert [one.low, one.high] == pytest.approx([0.0, 0.25 + 12.706 * 0.05], abs=0.001)
