"""Asset checks that count offending rows per day in PostgreSQL."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import dagster as dg
from psycopg.rows import dict_row

from copilot_pipeline.defs.resources.storage import PostgresResource, SettingsResource
from copilot_pipeline.defs.retries import retried_when_disconnected

CHECKED_DAYS = 30


@dataclass(frozen=True, slots=True)
class CountedCheck:
    """A check that passes if at most `max_share` of the rows offend.

    `query` gives `day`, `offending` and `total`, and may use the parameters `first` (the first day) and `kits` (names).
    """

    name: str
    table: str
    description: str
    query: str
    max_share: float = 0.0
    severity: dg.AssetCheckSeverity = dg.AssetCheckSeverity.WARN

    def definition(self) -> dg.AssetChecksDefinition:
        """The check as Dagster runs it."""

        @dg.asset_check(name=self.name, asset=self.table, description=self.description)
        @retried_when_disconnected
        def check(postgres: PostgresResource, settings: SettingsResource) -> dg.AssetCheckResult:
            kits = list(settings.load().pipeline.kits)
            with postgres.database.connection() as connection:
                cursor = connection.cursor(row_factory=dict_row)
                rows = cursor.execute(self.query.encode(), {"first": first_checked_day(), "kits": kits}).fetchall()
            offending = sum(row["offending"] for row in rows)
            total = sum(row["total"] for row in rows)
            days = sorted(str(row["day"]) for row in rows if row["offending"])
            return dg.AssetCheckResult(
                passed=offending <= self.max_share * total,
                severity=self.severity,
                metadata={"offending_rows": offending, "checked_rows": total, "days": ", ".join(days) or "none"},
            )

        return check


def first_checked_day() -> date:
    """The first of the last thirty days (UTC)."""
    return datetime.now(UTC).date() - timedelta(days=CHECKED_DAYS)
