"""Dagster's event log in PostgreSQL."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
import pytest

from copilot_pipeline.config.loading import load_environment
from copilot_pipeline.defs.event_log import EventLog
from copilot_pipeline.defs.instance import open_instance
from copilot_pipeline.postgres import Database

DAYS = dg.DailyPartitionsDefinition("2026-03-01", end_date="2026-03-04")


@dg.asset(partitions_def=DAYS, backfill_policy=dg.BackfillPolicy.single_run())
def built() -> None:
    """An asset of which all days are built in one run."""


@dg.asset(partitions_def=DAYS, backfill_policy=dg.BackfillPolicy.single_run(), deps=[built])
def broken() -> None:
    """An asset that fails."""
    raise dg.Failure("broken")


def test_planned_materializations_are_stored_for_each_asset_and_day(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The UI shows the days of an asset that failed, and its last run: both come from planned events."""
    monkeypatch.setenv("COPILOT_PIPELINE_DATABASE_URL", database.url)
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "dagster"))
    days = DAYS.get_partition_keys()
    tags = {"dagster/asset_partition_range_start": days[0], "dagster/asset_partition_range_end": days[-1]}
    with open_instance(load_environment()) as instance:
        run = dg.materialize([built, broken], instance=instance, tags=tags, raise_on_error=False)
        log = instance.event_log_storage
        assert isinstance(log, EventLog)
        events = instance.all_logs(run.run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED)
        planned = [(event.get_dagster_event().asset_key, event.get_dagster_event().partition) for event in events]
        keys = [broken.key, built.key]
        assert sorted(planned, key=str) == [(key, day) for key in keys for day in days]
        assert {one.asset_entry.last_run_id for one in instance.get_asset_records(keys)} == {run.run_id}
        failed = log.get_latest_asset_partition_materialization_attempts_without_materializations(broken.key)
        assert {day: run_id for day, (run_id, _) in failed.items()} == dict.fromkeys(days, run.run_id)
        assert instance.get_materialized_partitions(built.key) == set(days)
