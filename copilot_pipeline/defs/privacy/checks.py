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


PRIVACY_CHECKS = [nothing_is_kept_too_long]
