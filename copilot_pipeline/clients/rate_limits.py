"""The configured limits of Clari Copilot, and rate limiters made from them."""

from __future__ import annotations

from dataclasses import dataclass

from copilot_pipeline.clients.rate_limiter import RateLimiter
from copilot_pipeline.config.loading import Settings
from copilot_pipeline.postgres import Database

BACKFILL = "backfill"  # the only source that may not use the reserve
MANUAL = "manual"
RECORDS = "records"


@dataclass(frozen=True, slots=True)
class RateLimits:
    """Requests per second and per week, the reserve, and the unit in which both are counted.

    `reserve` is the share of the weekly quota (0 to 1) that backfills may not use. `unit` is `requests` or `records`.
    """

    requests_per_second: float
    requests_per_week: int
    reserve: float
    unit: str = "requests"

    @classmethod
    def from_settings(cls, settings: Settings) -> RateLimits:
        """The limits that the environment and `pipeline.yaml` set."""
        environment = settings.environment
        return cls(
            environment.copilot_pipeline_requests_per_second,
            environment.copilot_pipeline_requests_per_week,
            settings.pipeline.budget.backfill_reserve_share,
            environment.copilot_pipeline_pace_unit,
        )

    @property
    def counts_records(self) -> bool:
        """Whether a page counts as many units as it has records."""
        return self.unit == RECORDS

    @property
    def units_per_page(self) -> int:
        """The most units that one request counts."""
        return max(1, int(self.requests_per_second)) if self.counts_records else 1

    def limiter(self, database: Database, source: str) -> RateLimiter:
        """The shared rate limiter, counting requests under `source`."""
        share = 1 - self.reserve if source == BACKFILL else 1.0
        return RateLimiter(
            database,
            requests_per_second=self.requests_per_second,
            requests_per_week=int(self.requests_per_week * share),
            source=source,
        )
