"""`copilot-pipeline status`: whether everything works, and what to do if not."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click
from rich.text import Text

from copilot_pipeline.cli.connections import opened_for_reading
from copilot_pipeline.cli.console import print_json, text_console
from copilot_pipeline.telemetry import metrics
from copilot_pipeline.telemetry.daemon import ALIVE_SECONDS, seconds_since_heartbeat
from copilot_pipeline.telemetry.state import Sample, StateReader, quota_settings

if TYPE_CHECKING:
    from rich.console import Console

    from copilot_pipeline.telemetry.metrics import Metric

POLL_INTERVALS = 4  # without a poll
OLD_CALL_HOURS = 6.0
_OPEN_STATES = ("to_fetch", "deferred", "not_ready", "to_store", "to_load")


@dataclass(frozen=True, slots=True)
class Advice:
    """Something that does not work, and what to do."""

    problem: str
    next_step: str


class _Values:
    """Samples by metric and labels."""

    def __init__(self, samples: list[Sample]) -> None:
        self._samples = samples

    def one(self, metric: Metric, **labels: str) -> float:
        """The sum of the values with these labels; 0 if there are none."""
        return sum(self._of(metric, labels))

    def most(self, metric: Metric) -> float:
        """The largest value; 0 if there are none."""
        return max(self._of(metric, {}), default=0.0)

    def by(self, metric: Metric, label: str) -> dict[str, float]:
        """The values that are not 0, by a label."""
        values: dict[str, float] = {}
        for sample in self._samples:
            if sample.metric == metric.name and sample.value:
                values[sample.labels[label]] = values.get(sample.labels[label], 0.0) + sample.value
        return values

    def _of(self, metric: Metric, labels: dict[str, str]) -> Iterator[float]:
        for sample in self._samples:
            if sample.metric == metric.name and labels.items() <= sample.labels.items():
                yield sample.value


@click.command("status")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def command(as_json: bool) -> None:
    """Show whether the daemon runs, the last poll, the quota, what is pending and what to do. Costs no request.

    Reads only the database. `copilot-pipeline doctor` also checks the keys, the kits and the sinks.
    """
    with opened_for_reading() as (settings, database), database.connection() as connection:
        samples = StateReader(quota_settings(settings)).current(connection)
        silent = seconds_since_heartbeat(connection)
    facts = _facts(_Values(samples), silent)
    advice = list(_advice(facts, settings.pipeline.polling.minutes))
    if as_json:
        print_json(json.dumps({**facts, "is_ok": not advice, "advice": [asdict(one) for one in advice]}))
        return
    _show(text_console(), facts, advice)


def _facts(values: _Values, silent: float | None) -> dict[str, Any]:
    polled = values.one(metrics.POLLED_UNTIL)
    ages = {state: values.one(metrics.CALLS_AGE, state=state) for state in _OPEN_STATES}
    return {
        "daemon_is_alive": silent is not None and silent < ALIVE_SECONDS,
        "seconds_since_heartbeat": silent,
        "polled_until": datetime.fromtimestamp(polled, UTC).isoformat() if polled else None,
        "quota_used": int(sum(values.by(metrics.QUOTA_USED, "source").values())),
        "quota_limit": int(values.one(metrics.QUOTA_LIMIT)),
        "quota_resets_at": datetime.fromtimestamp(values.one(metrics.QUOTA_RESET), UTC).isoformat(),
        "rate_limiter_closed_seconds": values.one(metrics.LIMITER_CLOSED),
        "calls": {state: int(count) for state, count in values.by(metrics.CALLS, "state").items()},
        "oldest_pending_call_seconds": max(ages.values()),
        "webhooks_pending": int(sum(values.by(metrics.INBOX, "kind").values())),
        "semarize_runs_open": int(values.one(metrics.RUNS, state="queued")),
        "deliveries": {state: int(count) for state, count in values.by(metrics.OUTBOX, "state").items()},
        "failing_sinks": sorted(values.by(metrics.SINK_FAILING, "sink")),
        "open_incidents": int(values.one(metrics.INCIDENTS)),
        "runs_in_progress": int(sum(values.by(metrics.DAGSTER_RUNS, "job").values())),
        "runs_failed_in_a_day": {job: int(runs) for job, runs in values.by(metrics.DAGSTER_FAILED, "job").items()},
    }


def _advice(facts: dict[str, Any], poll_minutes: int) -> Iterator[Advice]:
    if not facts["daemon_is_alive"]:
        last = facts["seconds_since_heartbeat"]
        problem = "no Dagster daemon has run" if last is None else f"no Dagster daemon for {duration(last)}"
        yield Advice(
            f"{problem}: schedules, webhooks and backfills wait",
            "Start it: copilot-pipeline dev, or dagster-daemon run. Single days: copilot-pipeline run",
        )
    elif facts["polled_until"] is not None:
        age = time.time() - datetime.fromisoformat(facts["polled_until"]).timestamp()
        if age > POLL_INTERVALS * poll_minutes * 60 and facts["rate_limiter_closed_seconds"] == 0:
            yield Advice(f"the last poll was {duration(age)} ago", "Open the job `poll` in the Dagster UI.")
    if facts["rate_limiter_closed_seconds"] or facts["quota_used"] >= facts["quota_limit"]:
        yield Advice("no request may be sent now", "See why and until when: copilot-pipeline budget")
    if facts["open_incidents"]:
        yield Advice(f"{facts['open_incidents']} incident(s) open", "List them: copilot-pipeline deliveries")
    for sink in facts["failing_sinks"]:
        yield Advice(f"the sink {sink} fails", "See the last error: copilot-pipeline deliveries")
    if facts["deliveries"].get("uncertain"):
        yield Advice(
            f"{facts['deliveries']['uncertain']} uncertain deliveries",
            "Look whether they arrived, then: copilot-pipeline deliveries confirm, or deliveries retry",
        )
    if facts["calls"].get("quarantined"):
        yield Advice(
            f"{facts['calls']['quarantined']} call(s) in quarantine",
            "See the reason in copilot_ops.quarantine: copilot-pipeline sql; then run their days again",
        )
    if facts["oldest_pending_call_seconds"] > OLD_CALL_HOURS * 3600 and facts["daemon_is_alive"]:
        pending_for = duration(facts["oldest_pending_call_seconds"])
        query = "SELECT * FROM copilot_ops.unfetched_calls"
        yield Advice(f"a call has been pending for {pending_for}", f'See its problem: copilot-pipeline sql "{query}"')
    for job, runs in sorted(facts["runs_failed_in_a_day"].items()):
        yield Advice(f"{runs} run(s) of {job} failed within a day", "Open the run in the Dagster UI.")


def _show(console: Console, facts: dict[str, Any], advice: list[Advice]) -> None:
    silent = facts["seconds_since_heartbeat"]
    alive = "alive" if facts["daemon_is_alive"] else "not running"
    polled = facts["polled_until"]
    calls, deliveries = facts["calls"], facts["deliveries"]
    pending = ", ".join(f"{calls[state]:,} {state.replace('_', ' ')}" for state in _OPEN_STATES if state in calls)
    oldest = f"; the oldest for {duration(facts['oldest_pending_call_seconds'])}" if pending else ""
    unsent = ", ".join(f"{count:,} {state}" for state, count in sorted(deliveries.items()))
    failed = sum(facts["runs_failed_in_a_day"].values())
    for name, value in (
        ("daemon", alive + (f", heartbeat {duration(silent)} ago" if silent is not None else "")),
        ("last poll", f"{datetime.fromisoformat(polled):%Y-%m-%d %H:%M} UTC" if polled else "never"),
        ("quota", f"{facts['quota_used']:,} of {facts['quota_limit']:,} requests, resets "
                  f"{datetime.fromisoformat(facts['quota_resets_at']):%Y-%m-%d %H:%M} UTC"),
        ("calls", f"{calls.get('stored', 0):,} stored; {pending or 'none'} pending{oldest}"),
        ("webhooks", f"{facts['webhooks_pending']:,} to be processed"),
        ("Semarize", f"{facts['semarize_runs_open']:,} runs open"),
        ("deliveries", unsent or "nothing to be sent"),
        ("runs", f"{facts['runs_in_progress']:,} in progress or queued, {failed:,} failed within a day"),
    ):  # fmt: skip
        console.print(f"{name:<12}{value}")
    if not advice:
        console.print("Everything works.", style="green")
    for one in advice:
        console.print(Text.assemble((one.problem, "red"), f". {one.next_step}"))


def duration(seconds: float) -> str:
    """Return a duration in its largest unit."""
    for unit, size in (("days", 86_400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * size:
            return f"{int(seconds // size)} {unit}"
    return f"{int(seconds)} seconds"
