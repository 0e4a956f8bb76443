"""The marts about deals over time, on a database."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from psycopg.rows import dict_row

from copilot_pipeline.config.marts import MartSettings
from copilot_pipeline.load.lake import Lake
from copilot_pipeline.load.tables import PIPELINE_CHANGES, PIPELINE_WATERFALL
from copilot_pipeline.marts.build import MartBuilder
from copilot_pipeline.postgres import Database
from copilot_pipeline_tests.delivery.examples import KIT, add_call

FIRST_REFRESH = datetime(2026, 3, 4, 6, tzinfo=UTC)
NOW = datetime(2026, 3, 18, 12, tzinfo=UTC)
LOST = datetime(2026, 3, 12, 6, tzinfo=UTC)  # a Thursday


@pytest.fixture
def lake(home: Path) -> Lake:
    return Lake(str(home))


def query(database: Database, statement: str, **parameters: Any) -> list[dict[str, Any]]:
    """The rows of a query."""
    with database.connection() as connection, connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(statement.encode(), parameters).fetchall()


def add_deal(database: Database, deal_id: str, *steps: tuple[datetime, dict[str, Any]]) -> None:
    """Add a deal with versions: (time, fields from then on)."""
    with database.connection() as connection:
        connection.execute(
            """INSERT INTO copilot.deals (deal_id, name, calls, outcome) VALUES (%s, %s, 1, 'open')""",
            (deal_id, f"Deal {deal_id}"),
        )
        for (at, fields), end in zip(steps, [*(at for at, _ in steps[1:]), None], strict=True):
            values = {"stage": "Discovery", "amount": 100.0, "currency": "EUR", "close_date": None,
                      "forecast_category": None, **fields}  # fmt: skip
            connection.execute(
                """INSERT INTO copilot.deal_history (deal_id, valid_from, valid_to, stage, amount, currency, close_date,
                  forecast_category, origin, seen_at)
                VALUES (%(deal_id)s, %(at)s, %(end)s, %(stage)s, %(amount)s, %(currency)s, %(close_date)s,
                  %(forecast_category)s, 'refresh', %(at)s)""",
                {**values, "deal_id": deal_id, "at": at, "end": end},
            )


def add_quote(database: Database, call_id: str, quote: str, *, seq: int | None = 1, side: str = "prospect") -> None:
    """Add a quote of a call."""
    with database.connection() as connection:
        connection.execute(
            """INSERT INTO copilot.evidence (call_id, kit, brick, position, call_date, quote, match, match_score, seq,
              speaker, side)
            SELECT call_id, %s, 'risk', (SELECT count(*) FROM copilot.evidence), call_date, %s, 'exact', 1, %s,
              'Lee', %s
            FROM copilot.calls WHERE call_id = %s""",
            (KIT, quote, seq, side, call_id),
        )


@pytest.fixture
def changed(database: Database) -> Database:
    """A deal that was lost in a week with two calls, after a week with one."""
    add_deal(database, "d-1", (FIRST_REFRESH, {}), (LOST, {"stage": "Closed Lost"}))
    for call_id, days_before in (("c-1", 2), ("c-2", 1), ("c-3", 8)):
        add_call(database, call_id, {"risk": True}, started_at=LOST - timedelta(days=days_before), deal_id="d-1")
    add_quote(database, "c-1", "It is too expensive.")
    add_quote(database, "c-2", "Said by a rep.", side="rep")
    add_quote(database, "c-2", "We chose Globex.")
    add_quote(database, "c-2", "Not in the transcript.", seq=None)
    add_quote(database, "c-3", "An earlier week.")
    return database


def test_a_change_has_the_conversations_of_its_week(changed: Database, lake: Lake) -> None:
    """With their quotes as found in the transcripts, newest call and prospects first; in both stores."""
    builder = MartBuilder(lake, changed, MartSettings(), now=lambda: NOW)
    assert builder.build_pipeline() == {"pipeline_changes": 1, "pipeline_waterfall": 30}
    (row,) = query(changed, "SELECT * FROM copilot.pipeline_changes")
    assert (row["kind"], row["change"], row["is_observed"]) == ("lost", -100.0, True)
    assert row["call_ids"] == ["c-1", "c-2"]
    assert row["quotes"] == [
        "risk: “We chose Globex.” (Lee)", "risk: “Said by a rep.” (Lee)", "risk: “It is too expensive.” (Lee)",
    ]  # fmt: skip
    assert row["sentence"] == "Deal d-1 was lost (EUR 100)."
    for table in (PIPELINE_CHANGES, PIPELINE_WATERFALL):
        in_lake = [one for batch in lake.batches(table) for one in batch.to_pylist()]
        assert in_lake == query(changed, f"SELECT * FROM copilot.{table.name} ORDER BY {', '.join(table.key[:2])}, "
                                         f"{'position' if table is PIPELINE_WATERFALL else 'kind'}")  # fmt: skip


def test_the_waterfall_leads_from_week_to_week(changed: Database, lake: Lake) -> None:
    """Opening and changes make the closing, which is the opening of the next week; the present week is incomplete."""
    add_deal(changed, "d-2", (LOST, {"amount": 40.0, "currency": "USD"}))
    MartBuilder(lake, changed, MartSettings(), now=lambda: NOW, zone=ZoneInfo("Europe/Berlin")).build_pipeline()
    rows = query(
        changed,
        """SELECT to_char(week, 'MM-DD') AS week, currency, step, amount, deals, is_complete
        FROM copilot.pipeline_waterfall WHERE amount <> 0 ORDER BY week, currency, position""",
    )
    assert [(row["week"], row["currency"], row["step"], row["amount"], row["deals"]) for row in rows] == [
        ("03-02", "EUR", "opening", 100.0, 1), ("03-02", "EUR", "closing", 100.0, 1),
        ("03-09", "EUR", "opening", 100.0, 1), ("03-09", "EUR", "lost", -100.0, 1),
        ("03-09", "USD", "new", 40.0, 1), ("03-09", "USD", "closing", 40.0, 1),
        ("03-16", "USD", "opening", 40.0, 1), ("03-16", "USD", "closing", 40.0, 1),
    ]  # fmt: skip
    assert {row["week"] for row in rows if not row["is_complete"]} == {"03-16"}


def test_without_deals_there_is_no_pipeline(database: Database, lake: Lake) -> None:
    """Both tables are empty."""
    builder = MartBuilder(lake, database, MartSettings(), now=lambda: NOW)
    assert builder.build_pipeline() == {"pipeline_changes": 0, "pipeline_waterfall": 0}
