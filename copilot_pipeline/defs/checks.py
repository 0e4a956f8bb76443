"""Checks that mean something: each is a sentence about the tables, counted in Postgres over the last thirty days."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import dagster as dg

from copilot_pipeline.defs.partitions import DAYS
from copilot_pipeline.load.tables import CALLS, EVIDENCE, RAW_CALL_DETAILS, SEMARIZE_SCORES, TRANSCRIPTS, UTTERANCES
from copilot_pipeline.runtime import Runtime
from copilot_pipeline.score.kit_changes import kit_changes

DAYS_LOOKED_AT = 30
LEAST_CRM_LINK_SHARE = 0.5
LEAST_RESOLVED_SHARE = 0.9
LEAST_SAID_SHARE = 0.9


@dataclass(frozen=True, slots=True)
class _Counted:
    """A check that counts offending rows by day; the query gives (day, offenders, looked at)."""

    name: str
    table: str
    promise: str
    query: str
    most_share: float = 0.0
    severity: dg.AssetCheckSeverity = dg.AssetCheckSeverity.ERROR


_COUNTED = (
    _Counted(
        "no_duplicate_calls",
        CALLS.name,
        "Every call is in exactly one partition.",
        """SELECT call_date, count(*) - count(DISTINCT call_id), count(*) FROM copilot.calls
        WHERE call_date >= %(first)s GROUP BY 1""",
    ),
    _Counted(
        "ready_calls_have_transcripts",
        TRANSCRIPTS.name,
        "Every ready call has its transcript.",
        """SELECT calls.call_date, count(*) FILTER (WHERE transcripts.call_id IS NULL), count(*)
        FROM copilot.calls LEFT JOIN copilot.transcripts USING (call_id)
        WHERE calls.status = 'ready' AND calls.call_date >= %(first)s GROUP BY 1""",
    ),
    _Counted(
        "transcripts_have_scores",
        SEMARIZE_SCORES.name,
        "Every transcript with words in it has a score of each kit that is for it (see the view calls_without_scores).",
        """SELECT transcripts.call_date, count(*) FILTER (WHERE status IS NULL
          OR status <> 'skipped' AND (status <> 'succeeded' OR bricks = 0)), count(*)
        FROM copilot.transcripts CROSS JOIN unnest(%(kits)s::text[]) AS kits (kit)
        LEFT JOIN copilot.semarize_runs AS runs USING (call_id, kit)
        WHERE transcripts.call_date >= %(first)s GROUP BY 1""",
    ),
    _Counted(
        "calls_have_crm_links",
        CALLS.name,
        f"At least {LEAST_CRM_LINK_SHARE:.0%} of calls with a transcript are linked to a deal or an account.",
        """SELECT call_date, count(*) FILTER (WHERE NOT has_crm_link), count(*)
        FROM copilot.calls WHERE has_transcript AND call_date >= %(first)s GROUP BY 1""",
        most_share=1 - LEAST_CRM_LINK_SHARE,
        severity=dg.AssetCheckSeverity.WARN,
    ),
    _Counted(
        "scores_can_be_written_back",
        CALLS.name,
        "Every call that a route wants to write to a CRM has its record there (see `deliveries unlinked`).",
        """SELECT call_date, count(DISTINCT call_id), count(DISTINCT call_id)
        FROM copilot_ops.unlinked_calls JOIN copilot.calls USING (call_id) WHERE call_date >= %(first)s GROUP BY 1""",
        severity=dg.AssetCheckSeverity.WARN,
    ),
    _Counted(
        "deliveries_are_accepted",
        SEMARIZE_SCORES.name,
        "No sink refuses what rules send it, and of every message it is known whether it arrived (see `deliveries`).",
        """SELECT call_started_at::date, count(*) FILTER (WHERE state IN ('refused', 'uncertain')), count(*)
        FROM copilot_ops.outbox WHERE call_started_at >= %(first)s GROUP BY 1""",
        severity=dg.AssetCheckSeverity.WARN,
    ),
    _Counted(
        "quotes_were_said",
        EVIDENCE.name,
        f"At least {LEAST_SAID_SHARE:.0%} of the quotes that scores give as evidence are in their transcripts.",
        """SELECT call_date, count(*) FILTER (WHERE match = 'not found'), count(*)
        FROM copilot.evidence WHERE call_date >= %(first)s GROUP BY 1""",
        most_share=1 - LEAST_SAID_SHARE,
        severity=dg.AssetCheckSeverity.WARN,
    ),
    _Counted(
        "speakers_are_resolved",
        UTTERANCES.name,
        f"At least {LEAST_RESOLVED_SHARE:.0%} of utterances have a speaker with a known side.",
        """SELECT call_date, count(*) FILTER (WHERE side = 'unknown'), count(*)
        FROM copilot.utterances WHERE call_date >= %(first)s GROUP BY 1""",
        most_share=1 - LEAST_RESOLVED_SHARE,
        severity=dg.AssetCheckSeverity.WARN,
    ),
    _Counted(
        "nothing_in_quarantine",
        RAW_CALL_DETAILS.name,
        "No body of these days is set aside as unreadable.",
        """SELECT call_date, count(*), count(*) FROM copilot_ops.quarantine
        WHERE call_date >= %(first)s GROUP BY 1""",
        severity=dg.AssetCheckSeverity.WARN,
    ),
)


def _check(counted: _Counted) -> dg.AssetChecksDefinition:
    @dg.asset_check(name=counted.name, asset=counted.table, description=counted.promise)
    def check(runtime: dg.ResourceParam[Runtime]) -> dg.AssetCheckResult:
        with runtime.database.connection() as connection:
            asked = {"first": _first_day(), "kits": [kit.name for kit in runtime.kits]}
            rows = connection.execute(counted.query, asked).fetchall()
        offenders = sum(row[1] for row in rows)
        looked_at = sum(row[2] for row in rows)
        days = sorted(str(row[0]) for row in rows if row[1])
        return dg.AssetCheckResult(
            passed=offenders <= counted.most_share * looked_at,
            severity=counted.severity,
            metadata={"offending_rows": offenders, "rows_looked_at": looked_at, "days": ", ".join(days) or "none"},
        )

    return check


@dg.asset_check(
    name="no_missing_day",
    asset=RAW_CALL_DETAILS.name,
    description=f"Each closed day of the last {DAYS_LOOKED_AT} is stored.",
)
def no_missing_day(runtime: dg.ResourceParam[Runtime]) -> dg.AssetCheckResult:
    """A freshness policy looks at the newest event only, whichever day it was for; this looks at each day."""
    expected = {date.fromisoformat(key) for key in DAYS.get_partition_keys()[-DAYS_LOOKED_AT - 1 : -1]}
    with runtime.database.connection() as connection:
        rows = connection.execute(
            "SELECT call_date FROM copilot_ops.partitions WHERE stored_at IS NOT NULL AND call_date >= %s",
            (_first_day(),),
        ).fetchall()
    missing = sorted(expected - {row[0] for row in rows})
    return dg.AssetCheckResult(
        passed=not missing,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"missing_days": ", ".join(map(str, missing)) or "none", "missing": len(missing)},
    )


@dg.asset_check(
    name="week_has_requests_left",
    asset=RAW_CALL_DETAILS.name,
    description="The week's requests are not nearly used up, and nobody else uses the key.",
)
def week_has_requests_left(runtime: dg.ResourceParam[Runtime]) -> dg.AssetCheckResult:
    """Warns before the cap, while there is still something to be done about it."""
    week = runtime.gate().quota()
    warn_at = runtime.settings.pipeline.budget.warn_at_share * week.limit
    return dg.AssetCheckResult(
        passed=week.used < warn_at and week.closed_until is None,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={
            "used": week.used,
            "limit": week.limit,
            "by_source": dg.MetadataValue.json(week.by_source),
            "closed_because": week.closed_because or "open",
        },
    )


@dg.asset_check(
    name="kits_stay_the_same",
    asset=SEMARIZE_SCORES.name,
    description=f"In the last {DAYS_LOOKED_AT} days each kit had one version, each brick one kind of value.",
)
def kits_stay_the_same(runtime: dg.ResourceParam[Runtime]) -> dg.AssetCheckResult:
    """Scores of two versions are not the same measure: they are kept apart by `kit_version_id`, and this says so."""
    changes = kit_changes(runtime.database, _first_day())
    return dg.AssetCheckResult(
        passed=not changes,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"changes": dg.MetadataValue.md("\n".join(f"* {change}" for change in changes) or "none")},
    )


def _first_day() -> date:
    return datetime.now(UTC).date() - timedelta(days=DAYS_LOOKED_AT)


ALL_CHECKS = [*(_check(counted) for counted in _COUNTED), no_missing_day, week_has_requests_left, kits_stay_the_same]
