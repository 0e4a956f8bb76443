"""The asset that removes what is too old, and its check."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import dagster as dg
import pytest

from copilot_pipeline.definitions import build_definitions
from copilot_pipeline.defs.privacy.assets import retention
from copilot_pipeline.defs.privacy.checks import nothing_is_kept_too_long
from copilot_pipeline.defs.privacy.events import remove_old_runs
from copilot_pipeline.defs.resources.configured import configured_resources
from copilot_pipeline.postgres import Database

OLD = """INSERT INTO copilot_ops.inbox (kind, external_id, endpoint, leased_at, acked_at)
  SELECT 'call', 'c', 'e', now(), now() - %(age)s::interval"""
REMOVED = """INSERT INTO copilot_ops.calls (call_id, call_date, started_at, readiness, version, content_hash, source,
    listed_at, seen_at, removed_at)
  SELECT 'c-' || n, '2026-03-02', '2026-03-02T09:00Z', 'ready', '1', '', 'backfill', now(), now(),
    now() - interval '31 days'
  FROM generate_series(1, 30) AS n"""


def test_the_nightly_job_reports_what_it_removed(
    database: Database, database_address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By place, as metadata. The check of the same run passes, and fails before it if something is older than allowed
    by more than two days. Removed calls that are too many for a normal night stay, and another check names the command
    that erases them."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COPILOT_PIPELINE_DATABASE_URL", database_address)
    monkeypatch.setenv("COPILOT_PIPELINE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("COPILOT_PIPELINE_PRIVACY_KEY", "0123456789abcdef")
    (tmp_path / "pipeline.yaml").write_text("privacy: {retention: {removed_calls: erase_after 30d}}\n")
    with database.connection() as connection:
        connection.execute(REMOVED)
        for age in ("8 days", "10 days", "6 days"):
            connection.execute(OLD, {"age": age})
    with dg.DagsterInstance.ephemeral() as instance:
        checked = dg.materialize(
            [retention, nothing_is_kept_too_long],
            selection=dg.AssetSelection.checks(nothing_is_kept_too_long),
            resources=configured_resources(),
            instance=instance,
        )
        (evaluation,) = checked.get_asset_check_evaluations()
        assert (evaluation.passed, evaluation.metadata["inbox"].value) == (False, 1)
        done = build_definitions().resolve_job_def("removal").execute_in_process(instance=instance)
        checks = {each.check_name: each for each in done.get_asset_check_evaluations()}
        assert {name: each.passed for name, each in checks.items()} == {
            "nothing_is_kept_too_long": True,
            "removed_calls_are_few": False,
        }
        assert "privacy erase-removed --more-than 29" in str(checks["removed_calls_are_few"].description)
        (event,) = done.get_asset_materialization_events()
        counts = {name: value.value for name, value in event.materialization.metadata.items()}
    assert counts["inbox"] == 2
    assert counts["runs of Dagster"] == counts["removed calls"] == counts["days of raw files"] == 0


def test_keeps_the_run_that_made_a_day_last() -> None:
    """Runs are deleted with their events, except the last one of each asset and day. It keeps only the event that made
    the day: of each day one run stays, and its hundreds of other events would add up."""

    @dg.asset(partitions_def=dg.StaticPartitionsDefinition(["a", "b"]))
    def table() -> None:
        """A table."""

    @dg.op
    def work() -> None:
        """No asset."""

    @dg.job
    def job() -> None:
        work()

    with dg.DagsterInstance.ephemeral() as instance:
        made = [dg.materialize([table], partition_key=key, instance=instance).run_id for key in ("a", "b", "a")]
        other = job.execute_in_process(instance=instance).run_id
        assert remove_old_runs(instance, timedelta(days=1)) == 0
        assert remove_old_runs(instance, timedelta()) == 2
        assert {run.run_id for run in instance.get_runs()} == {made[1], made[2]}
        assert instance.all_logs(made[0]) == instance.all_logs(other) == []
        assert instance.get_materialized_partitions(dg.AssetKey("table")) == {"a", "b"}
        for run_id, partition in ((made[1], "b"), (made[2], "a")):
            (kept,) = instance.all_logs(run_id)
            assert kept.get_dagster_event().step_materialization_data.materialization.partition == partition
        latest = instance.get_latest_materialization_event(dg.AssetKey("table"))
        assert latest is not None
        assert latest.run_id == made[2]
        assert remove_old_runs(instance, timedelta()) == 0


def test_results_of_checks_are_deleted_with_their_runs() -> None:
    """Dagster leaves them, so that its table would grow for ever. The newest result of each check stays."""

    @dg.asset
    def table() -> None:
        """A table."""

    @dg.asset_check(asset=table)
    def is_complete() -> dg.AssetCheckResult:
        return dg.AssetCheckResult(passed=True)

    with dg.DagsterInstance.ephemeral() as instance:
        for _ in range(3):
            dg.materialize([table, is_complete], instance=instance)
        assert remove_old_runs(instance, timedelta()) == 2
        results = instance.event_log_storage.get_asset_check_execution_history(is_complete.check_key, limit=10)
        assert [result.run_id for result in results] == [run.run_id for run in instance.get_runs()]
