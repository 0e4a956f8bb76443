"""The queries of the report on a database."""

from __future__ import annotations

from datetime import date, timedelta

from copilot_pipeline.config.marts import ReportSettings
from copilot_pipeline.postgres import Database
from copilot_pipeline.report import ReportQueries
from copilot_pipeline.report.model import OpenDeals, UnscoredCalls
from copilot_pipeline_tests.delivery.examples import DAY, add_call

MONDAY = date(2026, 3, 9)  # of the week of DAY


def test_an_empty_warehouse_gives_an_empty_report(database: Database) -> None:
    """Every statement runs, and the week is the one that ended last."""
    report = ReportQueries(database, ReportSettings()).report(DAY)
    assert report.week == MONDAY - timedelta(days=7)
    assert not report.claims
    assert not report.skill_series
    assert report.open_deals == OpenDeals(0, 0, ())
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
