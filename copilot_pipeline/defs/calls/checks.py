"""Checks of the raw layer and the call tables."""

from datetime import date

import dagster as dg

from copilot_pipeline.defs.counted_checks import CHECKED_DAYS, CountedCheck, first_checked_day
from copilot_pipeline.defs.partitions import DAYS
from copilot_pipeline.defs.resources.services import RateLimiterResource
from copilot_pipeline.defs.resources.storage import PostgresResource, SettingsResource
from copilot_pipeline.defs.retries import retried_when_disconnected
from copilot_pipeline.load.tables import CALLS, RAW_CALL_DETAILS, TRANSCRIPTS, UTTERANCES
from copilot_pipeline.postgres.queries import load_queries

_SQL = load_queries(__package__, "checks.sql")
MIN_RESOLVED_SHARE = 0.9

no_duplicate_calls = CountedCheck(
    "no_duplicate_calls",
    CALLS.name,
    "Every call is in exactly one partition.",
    _SQL["duplicate_calls"],
    severity=dg.AssetCheckSeverity.ERROR,
)
ready_calls_have_transcripts = CountedCheck(
    "ready_calls_have_transcripts",
    TRANSCRIPTS.name,
    "Every ready call has a transcript.",
    _SQL["ready_calls_without_transcript"],
    severity=dg.AssetCheckSeverity.ERROR,
)
speakers_are_resolved = CountedCheck(
    "speakers_are_resolved",
    UTTERANCES.name,
    f"At least {MIN_RESOLVED_SHARE:.0%} of utterances have a speaker whose side (rep or prospect) is known.",
    _SQL["utterances_of_unknown_side"],
    max_share=1 - MIN_RESOLVED_SHARE,
)
nothing_in_quarantine = CountedCheck(
    "nothing_in_quarantine",
    RAW_CALL_DETAILS.name,
    "No response body is quarantined.",
    _SQL["quarantined_bodies"],
)


@dg.asset_check(
    name="no_missing_day",
    asset=RAW_CALL_DETAILS.name,
    description=f"Each closed day of the last {CHECKED_DAYS} is stored.",
)
@retried_when_disconnected
def no_missing_day(postgres: PostgresResource) -> dg.AssetCheckResult:
    """A freshness policy reads only the newest event, whatever its partition; this check reads each day."""
    expected = {date.fromisoformat(key) for key in DAYS.get_partition_keys()[-CHECKED_DAYS - 1 : -1]}
    with postgres.database.connection() as connection:
        rows = connection.execute(_SQL["stored_days"].encode(), {"first": first_checked_day()}).fetchall()
    missing = sorted(expected - {day for (day,) in rows})
    return dg.AssetCheckResult(
        passed=not missing,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"missing_days": ", ".join(map(str, missing)) or "none", "missing": len(missing)},
    )


@dg.asset_check(
    name="weekly_quota_is_sufficient",
    asset=RAW_CALL_DETAILS.name,
    description="The weekly quota is not nearly used up, and no other client uses the API key.",
)
@retried_when_disconnected
def weekly_quota_is_sufficient(rate_limiter: RateLimiterResource, settings: SettingsResource) -> dg.AssetCheckResult:
    """Warn before the quota is used up, while the rest can still be planned."""
    quota = rate_limiter.quota()
    warn_at = settings.load().pipeline.budget.warn_at_share * quota.limit
    return dg.AssetCheckResult(
        passed=quota.used < warn_at and quota.closed_until is None,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={
            "used": quota.used,
            "limit": quota.limit,
            "by_source": dg.MetadataValue.json(quota.by_source),
            "closed_because": quota.closed_because or "open",
        },
    )


CALL_CHECKS = [
    *(
        check.definition()
        for check in (no_duplicate_calls, ready_calls_have_transcripts, speakers_are_resolved, nothing_in_quarantine)
    ),
    no_missing_day,
    weekly_quota_is_sufficient,
]
