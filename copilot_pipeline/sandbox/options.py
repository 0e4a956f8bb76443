"""Options of a sandbox."""

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
    """Generated data and how it is served.

    The same options, on the same day, give the same data.
    """

    seed: int = 7
    first_day: date = field(default_factory=_two_weeks_ago)  # by default, the last day is yesterday
    days: int = 14
    calls_per_day: int = 60
    closed_deals: int = 0  # closed over all days, with their calls instead of `calls_per_day` (see `history`); 0: none
    segments: int = 80  # average number of turns of a call; 0 gives calls without speech
    traps: bool = True  # irregular calls: private, silent, very long, without CRM link, not ready …
    has_person: bool = False  # a person who is named everywhere (planted_person.py)
    dialect: Literal["rest", "guide"] = "rest"  # the one that `environment()` selects; both are served
    requests_per_second: int | None = 10  # in any window of one second, of both dialects; None: no limit
    requests_per_week: int | None = 100_000  # from Sunday 00:00 UTC
    latency_ms: float = 0.0  # of every Clari response
    processing_seconds: float | None = None  # pending calls become ready within this time; None: never
    semarize_seconds: float = 0.05  # duration of a run
    semarize_retry_after: int | None = None  # sent with 202 responses
    webhook_url: str | None = None  # receives a signed webhook for each completed run
    port: int = 0  # 0: any free port

    @property
    def last_day(self) -> date:
        """The last day with calls."""
        return self.first_day + timedelta(days=self.days - 1)

    def to_json(self) -> str:
        """Encode for the child process."""
        return msgspec.json.encode(self).decode()

    @staticmethod
    def from_json(text: str) -> SandboxOptions:
        """Decode in the child process."""
        return msgspec.json.decode(text, type=SandboxOptions)
