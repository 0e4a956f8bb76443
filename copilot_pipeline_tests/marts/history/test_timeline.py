"""The timeline of a deal: one view over calls, the CRM's changes and deliveries."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from copilot_pipeline.load.warehouse.readers import grant_reader
from copilot_pipeline.postgres import Database
from copilot_pipeline_tests.delivery.examples import add_call
from copilot_pipeline_tests.marts.history.test_build import FIRST_REFRESH, LOST, add_deal, query

EXAMPLE = Path(__file__).parents[3] / "examples/queries/postgres/deal_changes_since_monday.sql"
COLUMNS = "kind, what, before, after"


def events(database: Database, deal_id: str = "d-1") -> list[tuple[Any, ...]]:
    """Kind, words, former and new value of each event of a deal, in order."""
    statement = f"SELECT {COLUMNS} FROM copilot.deal_timeline WHERE deal_id = %(deal_id)s ORDER BY happened_at, kind"
    return [tuple(row.values()) for row in query(database, statement, deal_id=deal_id)]


def add_delivery(database: Database, call_id: str, *, target: str = "", state: str = "sent") -> None:
    """Add a delivery of the route `risks`."""
    with database.connection() as connection:
        connection.execute(
            """INSERT INTO copilot_ops.outbox (route, sink, kind, call_id, version, target, message_id, call_started_at,
              scored_at, payload, state, created_at, next_attempt_at, completed_at)
            VALUES ('risks', 'slack', 'slack', %s, %s, %s, gen_random_uuid()::text, now(), now(), '{}', %s, now(),
              now(), '2026-03-11T10:00:00Z')""",
            (call_id, state, target, state),
        )


def test_events_of_a_deal_are_in_order(database: Database) -> None:
    """Calls, changes and sent messages; what was not sent, and other deals, are not there."""
    pushed = LOST - timedelta(days=4)
    add_deal(
        database, "d-1", (FIRST_REFRESH, {"close_date": datetime(2026, 3, 31, tzinfo=UTC)}),
        (pushed, {"close_date": datetime(2026, 4, 30, tzinfo=UTC), "amount": 80.5}),
        (LOST, {"stage": "Closed Lost", "amount": 80.5, "close_date": datetime(2026, 4, 30, tzinfo=UTC)}),
    )  # fmt: skip
    add_deal(database, "d-2", (FIRST_REFRESH, {}))
    add_call(database, "c-1", {"risk": True, "depth": 65.5, "fit": None}, started_at=LOST - timedelta(days=2),
             deal_id="d-1")  # fmt: skip
    add_call(database, "c-2", {}, started_at=LOST, deal_id="d-2")
    add_delivery(database, "c-1")
    add_delivery(database, "c-1", state="failed")
    add_delivery(database, "c-1", target="006")
    assert events(database) == [
        ("known", "Seen for the first time", None, "Discovery"),
        ("amount", "Amount changed", "EUR 100", "EUR 80.5"),
        ("close_date", "Close date changed", "2026-03-31", "2026-04-30"),
        ("call", "Northwind x Acme", None, None),
        ("alert", "Sent by risks to slack", None, None),
        ("crm_update", "Written by risks to slack", None, None),
        ("stage", "Stage changed", "Discovery", "Closed Lost"),
    ]
    (call,) = query(database, "SELECT * FROM copilot.deal_timeline WHERE kind = 'call' AND deal_id = 'd-1'")
    assert call["scores"] == "depth: 65.5, risk: yes"
    assert (call["call_id"], call["review_url"]) == ("c-1", "https://copilot.example/call/c-1")


def test_forecasts_are_events_when_they_change(database: Database) -> None:
    """By whole percentage points, on their own day in any time zone; what the backtest would have said is not there."""
    with database.connection() as connection:
        for source, day, probability in (
            ("live", 1, 0.501), ("live", 2, 0.504), ("live", 3, 0.42), ("live", 4, None), ("backtest", 5, 0.9),
        ):  # fmt: skip
            connection.execute(
                """INSERT INTO copilot.forecast_track_record (source, made_on, deal_id, win_probability, basis, outcome)
                VALUES (%s, make_date(2026, 3, %s), 'd-1', %s, 'model', 'open')""",
                (source, day, probability),
            )
        connection.execute(
            "INSERT INTO copilot_ops.key_values (name, value) VALUES ('timezone', 'America/Los_Angeles')"
        )
    statement = "SELECT day::text, before, after FROM copilot.deal_timeline WHERE kind = 'forecast' ORDER BY day"
    assert [tuple(row.values()) for row in query(database, statement)] == [
        ("2026-03-01", None, "50 %"), ("2026-03-03", "50 %", "42 %"), ("2026-03-04", "42 %", None),
    ]  # fmt: skip


def test_days_are_those_of_the_time_zone(database: Database) -> None:
    """Also of close dates with a time; a date alone is that day everywhere."""
    midnight, evening = datetime(2026, 3, 31, tzinfo=UTC), datetime(2026, 4, 1, 2, tzinfo=UTC)
    changed_at = datetime(2026, 3, 9, 2, tzinfo=UTC)
    add_deal(database, "d-1", (FIRST_REFRESH, {}), (changed_at, {"close_date": midnight}),
             (changed_at + timedelta(hours=1), {"close_date": evening + timedelta(days=1)}))  # fmt: skip
    with database.connection() as connection:
        connection.execute("INSERT INTO copilot_ops.key_values (name, value) VALUES ('timezone', 'America/New_York')")
    rows = query(
        database, "SELECT day::text, after FROM copilot.deal_timeline WHERE kind = 'close_date' ORDER BY after"
    )
    assert [tuple(row.values()) for row in rows] == [("2026-03-08", "2026-03-31"), ("2026-03-08", "2026-04-01")]


def test_what_the_crm_keeps_no_history_of_has_not_changed_before_the_first_refresh(database: Database) -> None:
    """The amount of that time is unknown; the stage is known from the CRM."""
    add_deal(
        database, "d-1", (FIRST_REFRESH, {"amount": None}), (LOST, {"stage": "Proposal", "forecast_category": "Commit"})
    )
    with database.connection() as connection:
        connection.execute("UPDATE copilot.deal_history SET origin = 'vendor' WHERE valid_to IS NOT NULL")
    assert [kind for kind, *_ in events(database)] == ["known", "stage"]
    assert events(database)[0][1] == "Created in the CRM"


def test_a_close_date_that_the_history_of_the_crm_lacks_has_not_changed(database: Database) -> None:
    """The first refresh shows it; a later refresh with another one is a change."""
    first, moved = datetime(2026, 3, 31, tzinfo=UTC), datetime(2026, 4, 30, tzinfo=UTC)
    refreshed = FIRST_REFRESH + timedelta(days=1)
    add_deal(database, "d-1", (FIRST_REFRESH, {"close_date": None}), (refreshed, {"close_date": first}),
             (LOST, {"close_date": moved}))  # fmt: skip
    with database.connection() as connection:
        connection.execute("UPDATE copilot.deal_history SET origin = 'vendor' WHERE valid_from < %s", (refreshed,))
    assert [(kind, before, after) for kind, _, before, after in events(database)] == [
        ("known", None, "Discovery"), ("close_date", "2026-03-31", "2026-04-30"),
    ]  # fmt: skip


def test_a_deal_that_disappears_and_returns(database: Database) -> None:
    """Both are events; what changed meanwhile is seen when it returns."""
    back = LOST + timedelta(days=3)
    add_deal(database, "d-1", (FIRST_REFRESH, {}), (back, {"stage": "Proposal"}))
    with database.connection() as connection:
        connection.execute("UPDATE copilot.deal_history SET valid_to = %s WHERE valid_to IS NOT NULL", (LOST,))
    assert [(kind, what) for kind, what, *_ in events(database)] == [
        ("known", "Seen for the first time"), ("removed", "No longer among the deals"),
        ("known", "Among the deals again"), ("stage", "Stage changed"),
    ]  # fmt: skip


def test_the_example_shows_what_changed_since_monday(database: Database) -> None:
    """One statement, also for a role that may only read the schema of analysts."""
    now = datetime.now(UTC)
    with database.connection() as connection:
        (monday,) = connection.execute("SELECT date_trunc('week', now())").fetchone() or (now,)
    earlier = monday - timedelta(days=8)
    soon = monday + (now - monday) / 2
    statement = EXAMPLE.read_text()
    deal_id = statement.split("deal_id = '")[1].split("'")[0]
    add_deal(
        database, deal_id, (earlier, {}), (monday - timedelta(days=1), {"amount": 120.0}), (soon, {"amount": 90.0})
    )
    add_deal(database, "another", (earlier, {}), (soon, {"amount": 90.0}))
    add_call(database, "c-old", {"risk": True}, started_at=earlier, deal_id=deal_id)
    add_call(database, "c-new", {"risk": True}, started_at=soon - (soon - monday) / 2, deal_id=deal_id)
    grant_reader(database, "analyst_of_timeline", "secret")
    with database.connection() as connection:
        connection.execute("SET ROLE analyst_of_timeline")
        rows = connection.execute(statement.encode()).fetchall()
        connection.execute("RESET ROLE")
    assert [row[1] for row in rows] == ["call", "amount"]
    assert rows[0][6] == "risk: yes"
    assert rows[1][3:5] == ("EUR 120", "EUR 90")
