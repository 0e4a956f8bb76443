"""The queries of the report on a database."""

from __future__ import annotations

from datetime import date, timedelta

from psycopg.sql import SQL, Identifier, Literal

from copilot_pipeline.config.marts import ReportSettings
from copilot_pipeline.marts.money import Money
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
