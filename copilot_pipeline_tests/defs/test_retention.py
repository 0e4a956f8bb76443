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


def test_the_nightly_job_reports_what_it_removed(
    database: Database, database_address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By place, as metadata. The check of the same run passes, and fails before it if something is older than allowed
    by more than two days."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COPILOT_PIPELINE_DATABASE_URL", database_address)
    monkeypatch.setenv("COPILOT_PIPELINE_HOME", str(tmp_path / "home"))
    with database.connection() as connection:
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
        assert [each.passed for each in done.get_asset_check_evaluations()] == [True]
        (event,) = done.get_asset_materialization_events()
        counts = {name: value.value for name, value in event.materialization.metadata.items()}
    assert counts["inbox"] == 2
    assert counts["runs of Dagster"] == counts["outbox"] == counts["days of raw files"] == 0
