"""Checks about personal data."""

import dagster as dg

from copilot_pipeline.defs.privacy import RETENTION
from copilot_pipeline.defs.privacy.events import old_runs
from copilot_pipeline.defs.resources.storage import LakeResource, PostgresResource, SettingsResource
from copilot_pipeline.defs.retries import retried_when_disconnected
from copilot_pipeline.privacy.retention import GRACE, Retention


@dg.asset_check(
    asset=RETENTION,
    description="Nothing is stored for longer than `privacy.retention` allows, with two days of grace.",
)
@retried_when_disconnected
def nothing_is_kept_too_long(
    context: dg.AssetCheckExecutionContext, settings: SettingsResource, postgres: PostgresResource, lake: LakeResource
) -> dg.AssetCheckResult:
    """The metadata has what is too old, by place."""
    loaded = settings.load()
    limits = loaded.pipeline.privacy.retention
    overdue = Retention(limits, postgres.database, lake.open(postgres.database), loaded.zone).overdue()
    if runs := len(old_runs(context.instance, limits.events + GRACE)):
        overdue["runs of Dagster"] = runs
    return dg.AssetCheckResult(passed=not overdue, severity=dg.AssetCheckSeverity.WARN, metadata=overdue)


@dg.asset_check(
    asset=RETENTION,
    description="Not so many calls have disappeared from the list of Clari Copilot that `privacy.retention."
    "removed_calls` does not erase them without confirmation.",
)
@retried_when_disconnected
def removed_calls_are_few(
    settings: SettingsResource, postgres: PostgresResource, lake: LakeResource
) -> dg.AssetCheckResult:
    """The description of a failure has the command that confirms the erasure, and the one that keeps the calls."""
    loaded, database = settings.load(), postgres.database
    due = Retention(loaded.pipeline.privacy.retention, database, lake.open(database), loaded.zone).removals()
    return dg.AssetCheckResult(
        passed=due.problem is None,
        severity=dg.AssetCheckSeverity.ERROR,
        description=due.problem,
        metadata={"calls": len(due.calls)} if due.problem else {},
    )


PRIVACY_CHECKS = [nothing_is_kept_too_long, removed_calls_are_few]
