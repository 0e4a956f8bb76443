"""When the tables downstream of the partitions are rebuilt."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
import pytest

from copilot_pipeline.definitions import build_definitions
from copilot_pipeline.load.tables import MART_TABLES

MARTS = {table.name for table in MART_TABLES}
MONDAY = datetime(2026, 3, 9, 5, 30, tzinfo=UTC)


class Automation:
    """The automation sensor on Dagster's records in memory, with a clock."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self.instance = instance
        self._definitions = build_definitions()
        self._cursor: Any = None

    def requested(self, at: datetime) -> set[str]:
        """The assets that a tick at that time requests."""
        result = dg.evaluate_automation_conditions(
            self._definitions, self.instance, evaluation_time=at, cursor=self._cursor
        )
        self._cursor = result.cursor
        keys = [key for key in self._definitions.resolve_all_asset_keys() if result.get_num_requested(key)]
        return {key.to_user_string() for key in keys}

    def updated(self, *names: str, partition: str | None = None) -> None:
        """Assets are materialized, by a run or by the incremental run."""
        for name in names:
            self.instance.report_runless_asset_event(dg.AssetMaterialization(name, partition=partition))


@pytest.fixture
def automation() -> Iterator[Automation]:
    """The definitions, evaluated once on a Monday before anything was materialized."""
    with dg.DagsterInstance.ephemeral() as instance:
        automation = Automation(instance)
        assert automation.requested(MONDAY) == set()
        yield automation


def test_rebuilds_marts_after_a_partition_of_their_inputs_changed(automation: Automation) -> None:
    """One partition is enough, and partitions that were never materialized block nothing."""
    automation.updated("semarize_scores", "evidence", "calls", "participants", "utterances", partition="2026-03-08")
    assert automation.requested(MONDAY + timedelta(hours=1)) >= MARTS


def test_rebuilds_nothing_without_a_change(automation: Automation) -> None:
    """Hours pass, and no input is updated."""
    assert [automation.requested(MONDAY + timedelta(hours=hour)) for hour in (1, 2, 3)] == [set()] * 3


def test_rebuilds_marts_at_most_once_per_hour(automation: Automation) -> None:
    """A score every few minutes does not rebuild the marts each time."""
    rebuilt = 0
    for minutes in range(15, 135, 15):
        automation.updated("semarize_scores", partition="2026-03-08")
        requested = automation.requested(MONDAY + timedelta(minutes=minutes))
        if "meddicc_coverage" in requested:
            rebuilt += 1
            automation.updated(*requested - {"weekly_report"})
    assert rebuilt == 2, "at 06:00 and at 07:00"


def test_rebuilds_deals_and_accounts_after_their_records_were_read(automation: Automation) -> None:
    """And the marts that depend on them, in the same tick."""
    automation.updated("raw_deals", "raw_accounts")
    requested = automation.requested(MONDAY + timedelta(hours=1))
    assert {"deals", "accounts", "win_loss_drivers", "deal_signals"} <= requested
    assert "claims" not in requested


def test_builds_the_report_on_mondays_after_the_marts(automation: Automation) -> None:
    """Not before all marts were rebuilt after 07:00, and once a week."""
    automation.updated(*MARTS)
    assert "weekly_report" not in automation.requested(MONDAY + timedelta(hours=1))
    automation.updated("semarize_scores", "evidence", partition="2026-03-08")
    assert "weekly_report" not in automation.requested(MONDAY + timedelta(hours=1, minutes=31))
    automation.updated(*MARTS)
    assert "weekly_report" in automation.requested(MONDAY + timedelta(hours=1, minutes=33))
    automation.updated("weekly_report", *MARTS)
    for day in range(1, 7):
        assert "weekly_report" not in automation.requested(MONDAY + timedelta(days=day))


def test_the_automation_sensors_are_on() -> None:
    """Their default status is RUNNING."""
    sensors = {
        one.name: one.default_status
        for one in build_definitions().sensors or []
        if isinstance(one, dg.AutomationConditionSensorDefinition)
    }
    assert sensors == dict.fromkeys(["linked_records", "changed_inputs"], dg.DefaultSensorStatus.RUNNING)
