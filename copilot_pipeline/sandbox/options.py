"""What a sandbox is asked to be."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Literal

import msgspec

API_KEY = "sandbox-key"
API_PASSWORD = "sandbox-password"
SEMARIZE_KEY = "smz_test_sandbox"
SALESFORCE_CLIENT_ID = "sandbox-client"
SALESFORCE_CLIENT_SECRET = "sandbox-client-secret"
HUBSPOT_TOKEN = "pat-sandbox"
WEBHOOK_SECRET = "whsec_c2FuZGJveC1zZWNyZXQtZm9yLXdlYmhvb2tz"


def _two_weeks_ago() -> date:
    return datetime.now(UTC).date() - timedelta(days=14)


@dataclass(frozen=True, slots=True)
class SandboxOptions:
    """A world and how it is served. The same options (and the same day) give the same world."""

    seed: int = 7
    first_day: date = field(default_factory=_two_weeks_ago)  # the default world ends yesterday
    days: int = 14
    calls_per_day: int = 60
    segments: int = 80  # turns of a call, on average; 0 gives calls nobody speaks on
    traps: bool = True  # the odd calls: private, silent, endless, without CRM link, not ready …
    dialect: Literal["rest", "guide"] = "rest"  # which one `environment()` points at; both are served
    requests_per_second: int | None = 10  # in any window of one second, both dialects together; None: no limit
    requests_per_week: int | None = 100_000  # from Sunday 00:00 UTC
    latency_ms: float = 0.0  # before every Clari answer
    ripening_seconds: float | None = None  # calls not ready become ready within this time; None: never
    semarize_seconds: float = 0.05  # how long a run takes
    semarize_retry_after: int | None = None  # sent with 202 answers
    webhook_url: str | None = None  # gets a signed notice of each run that ends
    port: int = 0  # 0: any free one

    @property
    def last_day(self) -> date:
        """The newest day of the world."""
        return self.first_day + timedelta(days=self.days - 1)

    def to_json(self) -> str:
        """For the child process."""
        return msgspec.json.encode(self).decode()

    @staticmethod
    def from_json(text: str) -> SandboxOptions:
        """In the child process."""
        return msgspec.json.decode(text, type=SandboxOptions)
