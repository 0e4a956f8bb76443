"""The company of a simulated year: what happens on each day, and how the pipeline is configured."""

from __future__ import annotations

import hashlib
import hmac
import json
import random
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

from copilot_pipeline.sandbox import Sandbox, SandboxOptions

WEBHOOK_SECRET = "a-secret-for-the-simulated-year"
CALLS_WITH_EDITS = 60  # a day: a company with as many has four edits at each poll
SETTINGS = """
kits:
  deal_signals: {code: DEA15164, calls: {statuses: [PROCESSED]}}
routes:
  - {name: Risk on a deal, when: {brick: deal_signals.risk_flag, is: true}, send: webhook}
budget: {backfill_reserve_share: 0.55}
privacy:
  retention: {events: RETAINEDd, inbox: RETAINEDd, outbox: RETAINEDd, quarantine: RETAINEDd, former_versions: RETAINEDd}
"""


@dataclass(frozen=True, slots=True)
class Options:
    """Size of the simulation. A week of history is fetched by a backfill, a live week as its calls happen."""

    history_weeks: int = 2
    live_weeks: int = 3
    calls_per_day: int = 274
    known_calls: int = 100_000  # in the database after the first live week: the fetched ones and copies of them
    segments: int = 8
    quota: int = 5_000  # requests per week
    polls_per_day: int = 1
    retained_days: int = 7
    seed: int = 7
    real_minutes: int = 0  # the simulation ends after the week that reaches them; 0: after all weeks
    start: int = field(default_factory=lambda: datetime.now(UTC).date().toordinal())  # the first live day, ordinal

    @property
    def first_day(self) -> date:
        """The first day with calls."""
        return date.fromordinal(self.start) - timedelta(weeks=self.history_weeks)

    @property
    def days(self) -> int:
        """The number of days with calls."""
        return 7 * (self.history_weeks + self.live_weeks)

    @property
    def calls(self) -> int:
        """The number of calls."""
        return self.days * self.calls_per_day

    def sandbox(self) -> SandboxOptions:
        """The emulated services. The server refuses what exceeds the quota, by its own count."""
        return SandboxOptions(
            seed=self.seed,
            first_day=self.first_day,
            days=self.days,
            calls_per_day=self.calls_per_day,
            segments=self.segments,
            requests_per_second=None,
            requests_per_week=self.quota,
            semarize_seconds=0.01,
        )

    def settings(self) -> str:
        """The content of pipeline.yaml."""
        return SETTINGS.replace("RETAINED", str(self.retained_days))


class Company:
    """Calls that end, webhooks that announce them, and edits."""

    def __init__(self, sandbox: Sandbox, options: Options) -> None:
        self._sandbox = sandbox
        self._random = random.Random(options.seed)
        self._share_with_edits = options.calls_per_day / CALLS_WITH_EDITS
        self._calls: list[tuple[datetime, str]] = sorted(
            (_instant(call["item"]["last_modified_time"]), call["call_id"])
            for call in sandbox.truth()
            if not call["is_private"]
        )
        self.edits = 0

    def ended_between(self, after: datetime, until: datetime) -> list[str]:
        """Return the calls that were processed by the vendor in some time."""
        return [call_id for moment, call_id in self._calls if after < moment <= until]

    def edit_some(self, now: datetime) -> None:
        """Change a few calls of the last days: a new status (polls show it), a new title (only lists do), a removal.

        A company with fewer calls has edits on fewer days, so that their share is the same.
        """
        if self._random.random() > self._share_with_edits:
            return
        recent = self.ended_between(now - timedelta(days=4), now - timedelta(hours=6))
        chosen = self._random.sample(recent, min(4, len(recent)))
        changes: tuple[dict[str, object], ...] = (
            {"status": "PROCESSED"},
            {"title": "Renewal"},
            {"title": "Kick-off"},
            {"removed": True},
        )
        for call_id, change in zip(chosen, changes, strict=False):
            self._sandbox.edit(call_id, **change)
            self.edits += 1


def signed(call_id: str, at: datetime) -> tuple[bytes, dict[str, str]]:
    """Return the body and the headers of a webhook of Clari Copilot."""
    body = json.dumps({"call_id": call_id}).encode()
    stamp = str(int(at.timestamp()))
    signature = hmac.new(WEBHOOK_SECRET.encode(), f"{stamp}.".encode() + body, hashlib.sha256).hexdigest()
    headers = {"x-webhook-timestamp": stamp, "x-webhook-signature": signature, "content-type": "application/json"}
    return body, headers


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))
