"""Watching: which failures a person is told of, once when they begin, once a day while they last, once when they end.

Run failures are told by whoever sees them: `IncidentMonitor.tell` and `IncidentMonitor.over`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from copilot_pipeline.clients.weekly_quota import WeeklyQuota
from copilot_pipeline.config.loading import Settings
from copilot_pipeline.config.routes import all_sinks
from copilot_pipeline.delivery.incident_store import IncidentStore, OpenIncident, Stage
from copilot_pipeline.delivery.incidents import DOWN_FOR, GROWING_LOOKS, Problem, incident_payload, is_growing
from copilot_pipeline.delivery.outbox import Clock, Outbox, SinkState, utc_now
from copilot_pipeline.postgres import Database

SINK = "sink "
BACKLOG = "backlog "
BUDGET = "weekly budget"
_WATCHED = (SINK, BACKLOG, BUDGET)

_WHY_CLOSED = {
    None: "The week's Clari Copilot requests are used up ({used}).",
    "server": "Clari Copilot says that the week's requests are used up, by our count {used}. If that is less, somebody "
    "else uses the same key.",
    "foreign": "Clari Copilot refuses requests though the pace is kept: somebody else uses the same key.",
    "asked": "Clari Copilot asks not to be asked for a while.",
}
_CALLS_WANTED = """
SELECT count(*) FROM copilot_ops.calls
WHERE readiness = 'ready' AND removed_at IS NULL AND version IS DISTINCT FROM fetched_version
"""


class IncidentMonitor:
    """Looks at the state in Postgres, and tells a person through the outbox."""

    def __init__(
        self,
        database: Database,
        sinks: Sequence[tuple[str, str]],
        *,
        repeat_after: timedelta = timedelta(days=1),
        now: Clock = utc_now,
    ) -> None:
        """`sinks`: (name, kind) of those that are told."""
        self._database = database
        self._outbox = Outbox(database, now=now)
        self._ledger = IncidentStore(database, sinks, _worded, now=now)
        self._repeat_after = repeat_after
        self._now = now

    def tell(self, problem: Problem) -> bool:
        """A failure is there. True where a message was put into the outbox: it is new, or a day has passed."""
        return self._ledger.tell(problem.name, problem.what, problem.what_to_do, repeat_after=self._repeat_after)

    def over(self, name: str) -> bool:
        """A failure is over. True where it was known and a message was put into the outbox."""
        return self._ledger.over(name)

    def open_incidents(self) -> list[OpenIncident]:
        """What lasts."""
        return self._ledger.open_incidents()

    def look(
        self, *, week: Callable[[], WeeklyQuota] | None = None, unusable: Mapping[str, str] | None = None
    ) -> list[Problem]:
        """Looks at sinks, backlogs and the weekly budget, tells what is new, and closes what is over.

        `week` reads the budget; `unusable` are sinks that cannot be used at all, and why. Returns what is wrong now.
        """
        found = list(self._problems(week, unusable or {}))
        for problem in found:
            self.tell(problem)
        names = {problem.name for problem in found}
        for prefix in _WATCHED:
            for incident in self._ledger.open_incidents(prefix):
                if incident.name not in names:
                    self.over(incident.name)
        return found

    def _problems(self, week: Callable[[], WeeklyQuota] | None, unusable: Mapping[str, str]) -> Iterator[Problem]:
        states = self._outbox.sink_states()
        for name, why in unusable.items():
            yield Problem(
                f"{SINK}{name} has no credentials", why, "Set the variable, then: copilot-pipeline deliveries"
            )
        for state in states:
            if state.name not in unusable:
                yield from _of_sink(state, self._now())
        yield from self._of_backlog("deliveries", sum(state.waiting for state in states))
        yield from self._of_backlog("calls to fetch", self._calls_wanted())
        if week is not None:
            spent = week()
            if spent.used >= spent.limit or spent.closed_until is not None:
                opens_at = spent.closed_until or spent.resets_at
                yield Problem(
                    BUDGET,
                    _WHY_CLOSED[spent.closed_because].format(used=f"{spent.used:,} of {spent.limit:,}"),
                    f"Nothing: work waits and goes on by itself after {opens_at:%Y-%m-%d %H:%M} UTC.",
                )

    def _of_backlog(self, name: str, waiting: int) -> Iterator[Problem]:
        counts = self._ledger.note_backlog(name, waiting, attempts=GROWING_LOOKS)
        is_known = any(incident.name == BACKLOG + name for incident in self._ledger.open_incidents(BACKLOG))
        if is_growing(counts, is_known=is_known):
            yield Problem(
                BACKLOG + name,
                f"{waiting:,} {name} wait, more every hour ({', '.join(f'{count:,}' for count in counts)}).",
                "Is the daemon running? See the failed runs in the Dagster UI, and: copilot-pipeline deliveries",
            )

    def _calls_wanted(self) -> int:
        with self._database.connection() as connection:
            row = connection.execute(_CALLS_WANTED).fetchone()
        return int(row[0]) if row else 0


def incident_monitor(settings: Settings, database: Database) -> IncidentMonitor:
    """The monitor that reports to the sinks named under `incidents` in pipeline.yaml."""
    sinks = all_sinks(settings.pipeline.sinks)
    incidents = settings.pipeline.incidents
    return IncidentMonitor(
        database, [(name, sinks[name].kind) for name in incidents.send], repeat_after=incidents.repeat_after
    )


def _of_sink(state: SinkState, now: datetime) -> Iterator[Problem]:
    waiting = f"{state.waiting:,} deliveries wait and nothing is lost."
    if state.waiting and state.trouble == "credentials":
        yield Problem(
            f"{SINK}{state.name} refuses the credentials",
            f"{state.last_problem}. {waiting}",
            "Renew the key or the address in the environment, then: copilot-pipeline deliveries send --now",
        )
    elif state.waiting and state.failing_since is not None and now - state.failing_since >= DOWN_FOR:
        yield Problem(
            f"{SINK}{state.name} is down",
            f"{state.last_problem}, since {state.failing_since:%Y-%m-%d %H:%M} UTC. {waiting}",
            "See whether the service has an outage. It is tried again by itself, every ten minutes at the latest.",
        )
    if state.uncertain:
        yield Problem(
            f"{SINK}{state.name} has uncertain messages",
            f"Of {state.uncertain:,} message(s) nobody knows whether they arrived.",
            "List them with `copilot-pipeline deliveries --state uncertain`, look in the channel, then "
            "`copilot-pipeline deliveries confirm ID` or `copilot-pipeline deliveries retry ID`.",
        )


def _worded(kind: str, incident: OpenIncident, stage: Stage) -> dict[str, object]:
    problem = Problem(incident.name, incident.what, incident.what_to_do)
    return incident_payload(kind, problem, stage, incident.opened_at)
