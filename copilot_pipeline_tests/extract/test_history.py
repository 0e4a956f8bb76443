"""Versions of deals and users, in PostgreSQL and in the lake, from refresh to refresh."""

from __future__ import annotations

import sys
import time
import uuid
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg.rows import dict_row

from copilot_pipeline.config.marts import OutcomeSettings
from copilot_pipeline.errors import SnapshotRefused
from copilot_pipeline.extract.deals import DealRow, Deals
from copilot_pipeline.load.history import DEAL_VERSIONS
from copilot_pipeline.load.lake import Lake
from copilot_pipeline.load.snapshots import replace_snapshot
from copilot_pipeline.load.tables import CALLS, DEAL_HISTORY, DEALS, Table
from copilot_pipeline.postgres import Database
from copilot_pipeline_tests.load.warehouse.rows import call, column, load
from copilot_pipeline_tests.processes import running_process

CALLED = datetime(2026, 11, 3, tzinfo=UTC)
CREATED = datetime(2026, 10, 1, tzinfo=UTC)


@pytest.fixture
def lake(home: Path) -> Lake:
    return Lake(str(home))


def deal(deal_id: str, stage: str, **fields: Any) -> DealRow:
    """A row of `deals` with a history of stages that never changed."""
    values: dict[str, Any] = {name: None for name in DEALS.column_names} | {
        "stage_history": "[]", "read_at": CALLED, "amount": 100.0, "currency": "EUR", "calls": 1, "outcome": "open",
        "first_call_at": CALLED, "last_call_at": CALLED,
    }  # fmt: skip
    return DealRow(**{**values, **fields, "deal_id": deal_id, "stage": stage})


def refresh(database: Database, lake: Lake, *rows: DealRow, min_share: float = 0.0) -> None:
    replace_snapshot(lake, database, DEALS, rows, min_share=min_share, history=DEAL_VERSIONS)


def history(database: Database, lake: Lake, table: Table = DEAL_HISTORY) -> list[dict[str, Any]]:
    """The versions in the order of their key; both stores hold the same."""
    with database.connection() as connection, connection.cursor(row_factory=dict_row) as cursor:
        stored: list[dict[str, Any]] = cursor.execute(
            f"SELECT * FROM copilot.{table.name} ORDER BY {', '.join(table.key)}".encode()
        ).fetchall()
    assert [row for batch in lake.batches(table) for row in batch.to_pylist()] == stored
    return stored


def stages(versions: Sequence[dict[str, Any]], deal_id: str) -> list[tuple[str, bool]]:
    """The stages of a deal that refreshes saw, and whether each is the present one."""
    return [
        (version["stage"], version["valid_to"] is None)
        for version in versions
        if version["deal_id"] == deal_id and version["origin"] != "vendor"
    ]


def test_each_change_adds_a_version_and_a_repeated_refresh_none(database: Database, lake: Lake) -> None:
    """The versions of a deal follow each other without a gap; fields that are not kept over time add none."""
    refresh(database, lake, deal("a", "Discovery"), deal("b", "Discovery"))
    refresh(database, lake, deal("a", "Proposal"), deal("b", "Discovery", name="New name", calls=2))
    refresh(database, lake, deal("a", "Proposal", amount=80.0), deal("b", "Discovery"))
    refresh(database, lake, deal("a", "Proposal", amount=80.0), deal("b", "Discovery"))
    found = history(database, lake)
    assert stages(found, "a") == [("Discovery", False), ("Proposal", False), ("Proposal", True)]
    assert [version["amount"] for version in found if version["deal_id"] == "a"] == [100.0, 100.0, 80.0]
    assert stages(found, "b") == [("Discovery", True)]
    of_a = [version for version in found if version["deal_id"] == "a"]
    assert all(before["valid_to"] == after["valid_from"] for before, after in pairwise(of_a))


def test_the_time_before_the_first_refresh_is_that_of_the_crm(database: Database, lake: Lake) -> None:
    """Once: later refreshes keep the first value, whatever the CRM's history contains by then."""
    recorded = '[{"stage": "Proposal", "prev_stage": "Discovery", "date_changed": "2026-10-20T10:00:00Z"}]'
    refresh(database, lake, deal("a", "Proposal", created_at=CREATED, stage_history=recorded))
    refresh(database, lake, deal("a", "Closed Won", created_at=CREATED, stage_history="[]"))
    found = history(database, lake)
    assert [(version["stage"], version["origin"]) for version in found] == [
        ("Discovery", "vendor"), ("Proposal", "vendor"), ("Proposal", "refresh"), ("Closed Won", "refresh"),
    ]  # fmt: skip
    assert found[0]["valid_from"] == CREATED
    assert all(before["valid_to"] == after["valid_from"] for before, after in pairwise(found))


def test_the_record_of_the_crm_corrects_what_calls_said(database: Database, lake: Lake) -> None:
    """A deal that is first seen in its calls is no change by the time its record is read; its past is added then."""
    recorded = '[{"stage": "Proposal", "prev_stage": "Discovery", "date_changed": "2026-10-20T10:00:00Z"}]'
    read = deal("a", "Proposal", owner_crm_id="005", created_at=CREATED, stage_history=recorded)
    of_calls = deal("a", "Discovery", amount=90.0, stage_history=None, read_at=None)
    refresh(database, lake, of_calls)
    refresh(database, lake, replace(of_calls, amount=95.0))
    before = history(database, lake)
    assert [(version["amount"], version["origin"]) for version in before] == [(90.0, "calls"), (95.0, "calls")]
    for _ in range(2):
        refresh(database, lake, read)
        found = history(database, lake)
        assert [(version["stage"], version["origin"], version["amount"]) for version in found] == [
            ("Discovery", "vendor", None), ("Proposal", "vendor", None), ("Proposal", "refresh", 100.0),
        ]  # fmt: skip
        assert found[-1]["valid_from"] == before[0]["valid_from"]
        assert all(one["valid_to"] == other["valid_from"] for one, other in pairwise(found))
    refresh(database, lake, replace(read, stage="Closed Won"))
    assert stages(history(database, lake), "a") == [("Proposal", False), ("Closed Won", True)]


def test_a_deal_that_disappears_is_closed_and_may_return(database: Database, lake: Lake) -> None:
    """The time in between has no version."""
    refresh(database, lake, deal("a", "Discovery", created_at=CREATED), deal("b", "Discovery"))
    refresh(database, lake, deal("b", "Discovery"))
    assert stages(history(database, lake), "a") == [("Discovery", False)]
    refresh(database, lake, deal("a", "Proposal", created_at=CREATED), deal("b", "Discovery"))
    found = history(database, lake)
    assert stages(found, "a") == [("Discovery", False), ("Proposal", True)]
    assert sum(version["origin"] == "vendor" for version in found) == 1
    gap = [version for version in found if version["deal_id"] == "a" and version["origin"] == "refresh"]
    assert gap[0]["valid_to"] < gap[1]["valid_from"]


def test_a_deal_that_the_crm_deleted_is_closed(database: Database, lake: Lake) -> None:
    """Although calls are still linked to it; a deal that the CRM never had is known from its calls."""
    with database.connection() as connection:
        connection.execute(
            """INSERT INTO copilot_ops.deals (deal_id, read_at, is_missing, is_closed, body)
            VALUES ('deleted', now(), true, false, 'x'), ('never had', now(), true, false, NULL)"""
        )
    refresh(database, lake, deal("a", "Discovery"), deal("deleted", "Discovery"), deal("never had", "Discovery"))
    assert {version["deal_id"] for version in history(database, lake)} == {"a", "never had"}


SNAPSHOT = st.dictionaries(st.sampled_from("abc"), st.tuples(st.sampled_from(["A", "B"]), st.sampled_from([1.0, None])))
STEP = st.tuples(SNAPSHOT, st.sampled_from(["now", "now", "clock went back", "failed"]))


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(STEP, max_size=5))
def test_versions_never_overlap_and_say_what_the_last_refresh_saw(
    database: Database, lake: Lake, steps: list[tuple[dict[str, tuple[str, float | None]], str]]
) -> None:
    """For any sequence of refreshes, with failures in between and clocks that go back."""
    with database.connection() as connection:
        connection.execute("DELETE FROM copilot.deal_history")
        connection.execute("DELETE FROM copilot.deals")
    lake = Lake(f"{lake.url}/{uuid.uuid4()}")
    went_back = False
    shown: dict[str, tuple[str, float | None]] = {}
    for snapshot, event in steps:
        rows = [deal(deal_id, stage, amount=amount) for deal_id, (stage, amount) in snapshot.items()]
        if event == "failed":
            with pytest.raises(RuntimeError):
                fail(database, lake, rows)
        else:
            if event == "clock went back":
                went_back = True
                with database.connection() as connection:
                    connection.execute(
                        """UPDATE copilot.deal_history SET valid_from = valid_from + interval '1 hour',
                        valid_to = valid_to + interval '1 hour', seen_at = seen_at + interval '1 hour'"""
                    )
            refresh(database, lake, *rows)
            shown = snapshot
        with database.connection() as connection, connection.cursor(row_factory=dict_row) as cursor:
            found = cursor.execute("SELECT * FROM copilot.deal_history ORDER BY deal_id, valid_from").fetchall()
        present = {version["deal_id"]: (version["stage"], version["amount"]) for version in found
                   if version["valid_to"] is None}  # fmt: skip
        assert present == shown
        assert all(version["valid_to"] is None or version["valid_from"] < version["valid_to"] for version in found)
        for before, after in pairwise(found):
            if before["deal_id"] == after["deal_id"]:
                assert before["valid_to"] <= after["valid_from"]
                is_same = (before["stage"], before["amount"]) == (after["stage"], after["amount"])
                assert went_back or not (is_same and before["valid_to"] == after["valid_from"])
    if shown:
        history(database, lake)


def fail(database: Database, lake: Lake, rows: list[DealRow]) -> None:
    """A refresh that fails after its first rows."""

    def broken() -> Any:
        yield from rows
        raise RuntimeError

    replace_snapshot(lake, database, DEALS, broken(), history=DEAL_VERSIONS)


@pytest.mark.e2e
def test_a_killed_refresh_leaves_nothing_behind_and_the_next_one_everything(
    database: Database, database_address: str, lake: Lake
) -> None:
    """It is killed while its transaction waits to add the versions, after it replaced the deals."""
    load(database, {CALLS: [call(f"c-{one}", deal_id=one, deal_stage_live="Discovery") for one in "ab"]})
    Deals(lake, database, OutcomeSettings()).build_table()
    load(database, {CALLS: [call("c-a", deal_id="a", deal_stage_live="Closed Won"), call("c-b", deal_id="b")]})
    before = history(database, lake)
    arguments = [sys.executable, "-m", "copilot_pipeline_tests.extract.refresh_process", database_address, lake.url]
    with database.transaction() as holder:
        holder.execute("LOCK TABLE copilot.deal_history IN SHARE MODE")
        waiting = "SELECT FROM pg_locks WHERE NOT granted AND relation = 'copilot.deal_history'::regclass"
        with running_process(arguments) as process:
            deadline = time.monotonic() + 60
            while not holder.execute(waiting).fetchall():
                assert process.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.02)
    assert history(database, lake) == before
    assert column(database, "SELECT stage FROM copilot.deals ORDER BY deal_id") == ["Discovery", "Discovery"]
    Deals(lake, database, OutcomeSettings()).build_table()
    assert stages(history(database, lake), "a") == [("Discovery", False), ("Closed Won", True)]
    after = history(database, lake)
    Deals(lake, database, OutcomeSettings()).build_table()
    assert history(database, lake) == after


def test_a_new_database_continues_the_history_of_its_lake(database: Database, lake: Lake) -> None:
    """The history is state that no source can return again."""
    refresh(database, lake, deal("a", "Discovery"))
    refresh(database, lake, deal("a", "Proposal"))
    with database.connection() as connection:
        connection.execute("TRUNCATE copilot.deals, copilot.deal_history")
    refresh(database, lake, deal("a", "Closed Won"))
    assert stages(history(database, lake), "a") == [("Discovery", False), ("Proposal", False), ("Closed Won", True)]


def test_deals_that_vanish_all_together_are_not_believed(database: Database, lake: Lake) -> None:
    """Neither all of them, nor most of many; the setting accepts it."""
    many = [deal(f"d-{number:02}", "Discovery") for number in range(12)]
    refresh(database, lake, *many)
    before = history(database, lake)
    for rows in ([], many[:5]):
        with pytest.raises(SnapshotRefused, match=r"deals: there would be \d rows where 12 are stored.*min_share: 0"):
            refresh(database, lake, *rows, min_share=0.5)
        assert history(database, lake) == before
        assert len(column(database, "SELECT deal_id FROM copilot.deals")) == lake.row_count(DEALS) == 12
    refresh(database, lake, *many[:6], min_share=0.5)
    refresh(database, lake, min_share=0.0)
    assert all(version["valid_to"] for version in history(database, lake))
