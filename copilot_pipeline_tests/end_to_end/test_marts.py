"""From scores to marts, the report and the queries of analysts, on a sandbox with planted problems."""

from __future__ import annotations

import json
from contextlib import closing
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import psycopg
import pyarrow.parquet as pq
import pytest

from copilot_pipeline.errors import ConfigurationError
from copilot_pipeline.load.tables import MART_TABLES
from copilot_pipeline.load.warehouse.readers import grant_reader
from copilot_pipeline.postgres import Database
from copilot_pipeline_tests.end_to_end.conftest import MakePipeline
from copilot_pipeline_tests.end_to_end.pipeline import Pipeline
from copilot_pipeline_tests.end_to_end.report_figures import differences

EXAMPLES = Path(__file__).parent.parent.parent / "examples" / "queries"
OF_VIEWS = {"deal_changes_since_monday", "falling_coverage"}  # the lake has no views
QUERIES = sorted({path.stem for path in (EXAMPLES / "postgres").glob("*.sql")} - OF_VIEWS)
CONFIG = """
kits:
  deal_signals: {code: DEA15164}
  meddicc: {code: A1B2C3D4}
  coaching: {code: C0AC4123}
  claims: {code: C1A10ACC}
marts:
  currency: {default: USD}
  coaching: {alert: slack}
  claims: {documents: [Product Facts 2026, Roadmap Policy, Battlecard Globex]}
  win_loss: {min_deals: 5, min_support: 2}
"""
IN_TWO_PROCESSES = "advanced: {rebuild: {processes: 2, min_calls: 1}}"


def command(pipeline: Pipeline, *arguments: str, expect: int = 0) -> str:
    """Run a command and return its standard output."""
    return pipeline.execute(*arguments, expect=expect).stdout


@pytest.fixture
def scored(make_pipeline: MakePipeline) -> Pipeline:
    """A pipeline with scored calls, and no deals."""
    pipeline = make_pipeline(calls_per_day=60)  # enough calls of each rep to tell a drop from chance
    pipeline.home.mkdir(parents=True, exist_ok=True)
    (pipeline.home / "pipeline.yaml").write_text(CONFIG)
    pipeline.run("--assets", "users,topics,scorecards,raw_call_details,calls,participants,transcripts,utterances,"
                 "semarize_runs,semarize_scores,evidence,bricks")  # fmt: skip
    (pipeline.home / "pipeline.yaml").write_text(CONFIG + IN_TWO_PROCESSES)
    return pipeline


def in_lake(pipeline: Pipeline, table: str) -> list[dict[str, Any]]:
    """The rows of a mart in the lake."""
    rows: list[dict[str, Any]] = pq.read_table(pipeline.home / "lake" / table / "part.parquet").to_pylist()
    return rows


def test_marts_from_scores_to_the_report(scored: Pipeline, database: Database) -> None:
    """Each mart is compared with the scores. One test for all, because the data take a while to build."""
    _marts_refresh_the_deals_that_they_read(scored)
    _every_mart_is_in_lake_and_warehouse(scored)
    _coverage_equals_the_scores(scored)
    _the_planted_regression_is_found_and_reported_once(scored)
    _every_claim_has_its_quote(scored)
    _deals_without_calls_and_calls_without_deals(scored)
    _the_same_scores_make_the_same_marts(scored)
    for name in QUERIES:
        _postgres_and_duckdb_agree(scored, name)
    _a_reader_can_only_read(scored, database)
    _the_report_is_one_file(scored)


def _marts_refresh_the_deals_that_they_read(pipeline: Pipeline) -> None:
    """They contain all deals, each read once; without a refresh, the age of the deals and the unknown ones are stated.

    A later refresh costs no request for them, as `_the_same_scores_make_the_same_marts` checks.
    """
    (named,) = pipeline.query("SELECT count(DISTINCT deal_id) AS deals FROM copilot.calls")
    stated = pipeline.execute("marts", "--no-refresh").stderr
    assert "deals were never built" in stated
    assert f"{named['deals']} deals of calls are not among them" in stated
    refreshed = pipeline.execute("marts", "--json")
    assert "deals as of 20" in refreshed.stderr
    pipeline.counts = json.loads(refreshed.stdout)
    (read,) = pipeline.query("SELECT count(*) AS known, count(read_at) AS read FROM copilot.deals")
    assert read == {"known": named["deals"], "read": named["deals"]}
    as_of = pipeline.query("SELECT mart FROM copilot.marts_as_of WHERE deals_as_of IS NOT NULL")
    assert {row["mart"] for row in as_of} == {table.name for table in MART_TABLES}


def _every_mart_is_in_lake_and_warehouse(pipeline: Pipeline) -> None:
    assert pipeline.counts.keys() == {table.name for table in MART_TABLES}
    for table in MART_TABLES:
        columns = ", ".join(f"{name}::text" for name in table.key)
        in_warehouse = pipeline.query(f"SELECT {columns} FROM copilot.{table.name}")
        assert len(in_warehouse) == pipeline.counts[table.name]
        assert {tuple(row.values()) for row in in_warehouse} == {
            tuple(str(row[name]) for name in table.key) for row in in_lake(pipeline, table.name)
        }
    # Every mart has rows, except for those that need configured messages or more closed deals.
    assert {name for name, count in pipeline.counts.items() if not count} <= {
        "message_adoption",
        "win_loss_drivers",
        "forecast_accuracy",
    }


def _coverage_equals_the_scores(pipeline: Pipeline) -> None:
    with_marts = {
        (row["call_id"], row["brick"]): row["value_num"]
        for row in pipeline.query("SELECT call_id, brick, value_num FROM copilot.semarize_scores WHERE kit = 'meddicc'")
    }
    rows = pipeline.query("SELECT * FROM copilot.meddicc_coverage")
    assert {(row["call_id"], row["brick"]) for row in rows} == with_marts.keys()
    for row in rows:
        value = with_marts[row["call_id"], row["brick"]]
        assert row["is_answered"] is (value is not None)
        assert row["is_covered"] is (value is not None and value >= 50)
        assert row["level"] == (None if value is None else pytest.approx(value / 100))


def _the_planted_regression_is_found_and_reported_once(pipeline: Pipeline) -> None:
    regressions = pipeline.query("SELECT * FROM copilot.coaching_regressions")
    assert {row["skill"] for row in regressions} == {"objection_handling_score"}
    assert len({row["rep_id"] for row in regressions}) == 1  # one rep's objection handling is planted to get worse
    query = "SELECT payload::text, state, reason FROM copilot_ops.outbox WHERE route LIKE 'coaching%'"
    deliveries = pipeline.query(query)
    assert len(deliveries) == len(regressions)  # the marts were built twice
    # The calls are old: an alert of their regression is suppressed.
    assert {row["state"] for row in deliveries} == {"suppressed"}


def _every_claim_has_its_quote(pipeline: Pipeline) -> None:
    expected = {
        (row["call_id"], row["brick"], quote)
        for row in pipeline.query(
            """SELECT call_id, brick, evidence FROM copilot.semarize_scores
            WHERE kit = 'claims' AND brick LIKE '%_present' AND value_bool"""
        )
        for quote in row["evidence"]
    }
    rows = pipeline.query("SELECT * FROM copilot.claims")
    assert {(row["call_id"], row["brick"], row["quote"]) for row in rows} == expected
    assert all(row["is_found"] and row["seq"] is not None and row["speaker_side"] == "rep" for row in rows)
    documents = {"inaccurate": "Product Facts 2026", "roadmap_leak": "Roadmap Policy"}
    for row in rows:
        assert row["document"] == documents.get(row["kind"], "Battlecard Globex")


def _deals_without_calls_and_calls_without_deals(pipeline: Pipeline) -> None:
    deals = {row["deal_id"] for row in pipeline.query("SELECT deal_id FROM copilot.deals")}
    inspected = {row["deal_id"]: row for row in pipeline.query("SELECT * FROM copilot.deal_inspection")}
    assert inspected.keys() <= deals
    calls = {
        row["deal_id"]: row["calls"]
        for row in pipeline.query(
            # A removed call, or one without attendance, is not a conversation.
            """SELECT deal_id, count(*) AS calls FROM copilot.calls
            WHERE removed_at IS NULL AND status IN ('ready', 'pending') GROUP BY 1"""
        )
    }
    assert {deal: row["calls"] for deal, row in inspected.items()} == {deal: calls.get(deal, 0) for deal in inspected}
    assert None in calls  # there are calls without a deal; they are in no deal's row


def _the_same_scores_make_the_same_marts(pipeline: Pipeline) -> None:
    # The days since a call depend on the present date; everything else depends on the scores only.
    tables = [table for table in MART_TABLES if table.name != "deal_inspection"]
    before = {table.name: in_lake(pipeline, table.name) for table in tables}
    requests = pipeline.sandbox.stats()["clari_total"]
    assert "not among them" not in pipeline.execute("marts").stderr
    assert pipeline.sandbox.stats()["clari_total"] - requests <= 2  # users
    assert {table.name: in_lake(pipeline, table.name) for table in tables} == before


def _postgres_and_duckdb_agree(pipeline: Pipeline, name: str) -> None:
    """The same query on both: as many rows, the same first column."""
    postgres = (EXAMPLES / "postgres" / f"{name}.sql").read_text()
    with psycopg.connect(pipeline.database_url) as connection:
        expected = connection.execute(postgres.encode()).fetchall()
    over_files = (EXAMPLES / "duckdb" / f"{name}.sql").read_text().format(lake=pipeline.home / "lake")
    with closing(duckdb.connect()) as connection_:
        result = connection_.execute(over_files).fetchall()
    assert expected, name
    assert [str(row[0]) for row in result] == [str(row[0]) for row in expected], name


def _a_reader_can_only_read(pipeline: Pipeline, database: Database) -> None:
    password = grant_reader(database, "reader_of_this_test")
    try:
        assert password is not None
        assert grant_reader(database, "reader_of_this_test") is None  # again: the role keeps its password
        url = psycopg.conninfo.make_conninfo(pipeline.database_url, user="reader_of_this_test", password=password)
        with psycopg.connect(url, autocommit=True) as connection:
            rows = connection.execute("SELECT count(*) FROM copilot.win_loss_conclusion").fetchone()
            assert rows == (1,)
            assert connection.execute("SELECT count(*) FROM copilot.scores_meddicc").fetchone() != (0,)
            for forbidden in (
                "DELETE FROM copilot.calls",
                "SET default_transaction_read_only = off; DELETE FROM copilot.calls",
                "SELECT * FROM copilot_ops.outbox",
                "CREATE TABLE copilot.mine (a int)",
            ):
                with pytest.raises(psycopg.Error):
                    connection.execute(forbidden.encode())
        with pytest.raises(ConfigurationError, match="Invalid role name"):
            grant_reader(database, "Robert'); DROP TABLE calls;--")
    finally:
        with psycopg.connect(pipeline.database_url, autocommit=True) as connection:
            connection.execute("DROP OWNED BY reader_of_this_test")
            connection.execute("DROP ROLE reader_of_this_test")


def _the_report_is_one_file(pipeline: Pipeline) -> None:
    out = pipeline.home / "new folder" / "report.html"
    command(pipeline, "report", "--no-refresh", "--out", str(out), "--as-of", "2026-03-16")
    page = out.read_text(encoding="utf-8")
    assert "Week of 9 to 15 March 2026" in page
    regression = pipeline.query("SELECT rep_name FROM copilot.coaching_regressions")[0]
    assert regression["rep_name"] in page
    assert "; deals as of " in page
    assert differences(pipeline.database_url, page, date(2026, 3, 9)) == []
    assert differences(pipeline.database_url, page.replace("Deals at risk</span>", "Other</span>"), date(2026, 3, 9))
    (pipeline.home / "a file").write_text("")
    command(pipeline, "report", "--no-refresh", "--out", str(pipeline.home / "a file" / "report.html"), expect=3)
