"""Monitor the state in Postgres, and notify people of failures.

When they begin, once a day while they last, and when they end.

Callers report failures that the state does not show, such as failed runs, with `IncidentMonitor.open` and `.resolve`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta, tzinfo

from copilot_pipeline.clients.weekly_quota import RETRY_AFTER, SERVER_QUOTA, SHARED_KEY, WeeklyQuota
from copilot_pipeline.config.loading import Settings
from copilot_pipeline.config.routes import all_sinks
from copilot_pipeline.delivery.clock import Clock, DatabaseClock
from copilot_pipeline.delivery.incident_store import IncidentStore
from copilot_pipeline.delivery.incidents import (
    GROWING_SAMPLES,
    UNAVAILABLE_AFTER,
    Failure,
    Incident,
    is_growing,
    minute_in,
)
from copilot_pipeline.delivery.model import SinkProblem
from copilot_pipeline.delivery.outbox import Outbox, SinkState
from copilot_pipeline.postgres import Database

SINK = "sink "
BACKLOG = "backlog "
QUOTA = "weekly quota"
_CHECKED_PREFIXES = (SINK, BACKLOG, QUOTA)  # of the names of failures that `check` opens and resolves

_WHY_CLOSED = {
    None: "The weekly quota of Clari Copilot requests is used up ({used}).",
    SERVER_QUOTA: "Clari Copilot reports that the weekly quota is used up; we have counted {used}. If that is less, "
    "another client uses the key.",
    SHARED_KEY: "Repeated 429s while we stay under our own limit mean that another client uses the key.",
    RETRY_AFTER: "Clari Copilot has asked for a pause.",
}


class IncidentMonitor:
    """Opens and resolves incidents. Notifications are sent through the outbox."""

    def __init__(
        self,
        database: Database,
        sinks: Sequence[tuple[str, str]],
        *,
        repeat_after: timedelta = timedelta(days=1),
        now: Clock | None = None,
        zone: tzinfo = UTC,
    ) -> None:
        """`sinks`: (name, kind) of the sinks that notifications are sent to, with times of `zone`."""
        self._now = now or DatabaseClock(database)
        self._outbox = Outbox(database, now=self._now)
        self._store = IncidentStore(database, sinks, now=self._now, zone=zone)
        self._repeat_after = repeat_after
        self._zone = zone

    def open(self, failure: Failure) -> bool:
        """Report a failure.

        Returns whether a notification was queued: it is new, or the last one is a day old.
        """
        return self._store.open(failure, repeat_after=self._repeat_after)

    def resolve(self, name: str) -> bool:
        """Report the end of a failure.

        Returns whether it was open, so that a notification was queued.
        """
        return self._store.resolve(name)

    def open_incidents(self) -> list[Incident]:
        """List open incidents, oldest first."""
        return self._store.open_incidents()

    def check(
        self, *, quota: WeeklyQuota | None = None, unusable_sinks: Mapping[str, str] | None = None
    ) -> list[Failure]:
        """Check sinks, backlogs and the weekly quota.

        Open new incidents and resolve those that have ended.

        `unusable_sinks`: the reason per sink that cannot be built. Returns the present failures.
        """
        failures = list(self._failures(quota, unusable_sinks or {}))
        for failure in failures:
            self.open(failure)
        names = {failure.name for failure in failures}
        for prefix in _CHECKED_PREFIXES:
            for incident in self._store.open_incidents(prefix):
                if incident.name not in names:
                    self.resolve(incident.name)
        return failures

    def _failures(self, quota: WeeklyQuota | None, unusable_sinks: Mapping[str, str]) -> Iterator[Failure]:
        states = self._outbox.sink_states()
        for name, reason in unusable_sinks.items():
            yield Failure(
                f"{SINK}{name} has no credentials", reason, "Set the variable, then: copilot-pipeline deliveries"
            )
        for state in states:
            if state.name not in unusable_sinks:
                yield from _sink_failures(state, self._now(), self._zone)
        yield from self._backlog_failures("deliveries", sum(state.queued for state in states))
        yield from self._backlog_failures("calls to fetch", self._store.count_calls_to_fetch())
        if quota is not None:
            yield from _quota_failures(quota, self._zone)

    def _backlog_failures(self, name: str, pending: int) -> Iterator[Failure]:
        sizes = self._store.sample_backlog(name, pending, limit=GROWING_SAMPLES)
        is_open = any(incident.name == BACKLOG + name for incident in self._store.open_incidents(BACKLOG))
        if is_growing(sizes, is_open=is_open):
            yield Failure(
                BACKLOG + name,
                f"{pending:,} {name} are pending, more every hour ({', '.join(f'{size:,}' for size in sizes)}).",
                "Is the daemon running? See the failed runs in the Dagster UI, and: copilot-pipeline deliveries",
            )


def incident_monitor(settings: Settings, database: Database) -> IncidentMonitor:
    """Build the monitor that notifies the sinks of `incidents.send` in pipeline.yaml."""
    sinks = all_sinks(settings.pipeline.sinks)
    incidents = settings.pipeline.incidents
    return IncidentMonitor(
        database,
        [(name, sinks[name].kind) for name in incidents.send],
        repeat_after=incidents.repeat_after,
        zone=settings.zone,
    )


def _sink_failures(state: SinkState, now: datetime, zone: tzinfo) -> Iterator[Failure]:
    pending = f"{state.queued:,} deliveries are queued and nothing is lost."
    if state.queued and state.problem == SinkProblem.CREDENTIALS:
        yield Failure(
            f"{SINK}{state.name} refuses the credentials",
            f"{state.last_error}. {pending}",
            "Renew the key or the address in the environment, then: copilot-pipeline deliveries send --now",
        )
    elif state.queued and state.failing_since is not None and now - state.failing_since >= UNAVAILABLE_AFTER:
        yield Failure(
            f"{SINK}{state.name} is down",
            f"{state.last_error}, since {minute_in(state.failing_since, zone)}. {pending}",
            "Check whether the service has an outage. It is retried automatically, at least every ten minutes.",
        )
    if state.uncertain:
        yield Failure(
            f"{SINK}{state.name} has uncertain messages",
            f"The response to {state.uncertain:,} message(s) was lost, so they may or may not have arrived.",
            "List them with `copilot-pipeline deliveries --state uncertain`, check the channel, then "
            "`copilot-pipeline deliveries confirm ID` or `copilot-pipeline deliveries retry ID`.",
        )


def _quota_failures(quota: WeeklyQuota, zone: tzinfo) -> Iterator[Failure]:
    if quota.used >= quota.limit or quota.closed_until is not None:
        opens_at = quota.closed_until or quota.resets_at
        yield Failure(
            QUOTA,
            _WHY_CLOSED[quota.closed_because].format(used=f"{quota.used:,} of {quota.limit:,}"),
            f"Nothing: queued work continues automatically after {minute_in(opens_at, zone)}.",
        )
