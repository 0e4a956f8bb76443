"""The asset that removes what is too old, and its check."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
import pytest

from copilot_pipeline.definitions import build_definitions
from copilot_pipeline.defs.privacy.assets import retention
from copilot_pipeline.defs.privacy.checks import nothing_is_kept_too_long
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
