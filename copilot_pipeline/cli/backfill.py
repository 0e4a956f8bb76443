"""`copilot-pipeline backfill`: estimate, start, watch and cancel a backfill."""

from __future__ import annotations

import json
import math
import time
from dataclasses import asdict
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from copilot_pipeline.cli.connections import opened
from copilot_pipeline.cli.console import echo, print_json, text_console
from copilot_pipeline.cli.dates import date_range_options
from copilot_pipeline.clients.weekly_quota import SHARED_KEY
from copilot_pipeline.errors import ConfigurationError
from copilot_pipeline.state import Backfills
from copilot_pipeline.telemetry.daemon import is_daemon_alive

if TYPE_CHECKING:
    from copilot_pipeline.clients.weekly_quota import WeeklyQuota
    from copilot_pipeline.config.loading import Settings
    from copilot_pipeline.extract.backfill_plan import BackfillPlan
    from copilot_pipeline.postgres import Database
    from copilot_pipeline.state import Backfill

_POLL_SECONDS = 5
NO_DAEMON = (
    "No Dagster daemon has been seen on this database for two minutes, so no run starts. Start one: "
    "copilot-pipeline dev, or dagster-daemon run"
)
RUNS_COUNTED = 8  # one request each; the calls of longer ranges are spread evenly over their runs


@click.group("backfill")
def command() -> None:
    """Load a long range of days within the weekly quota, newest days first.

    \b
    Estimate the cost:
      copilot-pipeline backfill plan --from 2025-01-01 --to 2025-12-31
    Register it:
      copilot-pipeline backfill start --from 2025-01-01 --to 2025-12-31
    Watch it:
      copilot-pipeline backfill status --watch

    The daemon starts its runs (copilot-pipeline dev, or dagster-daemon). When the part of the quota that backfills may
    use is spent, the runs wait in the queue and continue after the reset on Sunday 00:00 UTC.
    """


@command.command("plan")
@date_range_options
@click.option("--json", "as_json", is_flag=True, help="Print the plan as JSON.")
def plan(first: datetime, last: datetime, as_json: bool) -> None:
    """Estimate the requests and the duration of a backfill. Costs at most nine requests."""

    with opened() as (settings, database):
        plan = _plan(settings, database, first.date(), last.date())
    if as_json:
        print_json(json.dumps({**asdict(plan), "days": plan.days}, default=str))
    else:
        _show_plan(text_console(), plan)


@command.command("start")
@date_range_options
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def start(first: datetime, last: datetime, as_json: bool) -> None:
    """Register a backfill. The daemon starts its runs. The same range is registered only once."""

    console = text_console()
    with opened() as (settings, database):
        plan = _plan(settings, database, first.date(), last.date())
        registered = Backfills(database).register(
            plan.first_day, plan.last_day, calls=plan.ready, requests=plan.requests
        )
        daemon_runs = _daemon_runs(database)
    if as_json:
        facts = {"id": registered.id, "plan": asdict(plan), "daemon_is_alive": daemon_runs}
        print_json(json.dumps(facts, default=str))
        return
    _show_plan(console, plan)
    if daemon_runs:
        console.print(f"Backfill {registered.id} is registered. Its runs start within seconds.")
    else:
        console.print(f"Backfill {registered.id} is registered.")
        console.print(NO_DAEMON, style="red")
    console.print("Watch it: copilot-pipeline backfill status --watch")


@command.command("status")
@click.option("--watch", is_flag=True, help="Keep showing progress until no backfill is active.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def status(watch: bool, as_json: bool) -> None:
    """Show the progress of each backfill, what it is waiting for, and when it is expected to finish."""

    console = text_console()
    with opened() as (settings, database):
        states = [_state(settings, database, one) for one in Backfills(database).all()]
        if as_json:
            print_json(json.dumps(states, default=str))
            return
        if not states:
            console.print("No backfill is registered. Start one: copilot-pipeline backfill start --from DATE --to DATE")
            return
        _show_states(console, states)
        if any(state["state"] == "active" for state in states) and not _daemon_runs(database):
            console.print(NO_DAEMON, style="red")
        if watch:
            _watch(console, settings, database)


@command.command("cancel")
@click.argument("identity", metavar="ID", type=int)
def cancel(identity: int) -> None:
    """Cancel the backfill ID: start no further runs and cancel its queued runs.

    Runs that are in progress finish. Loaded days stay. `copilot-pipeline backfill status` lists the ids.
    """
    from copilot_pipeline.cli.materialize import cancel_queued
    from copilot_pipeline.defs.runs import BACKFILL_TAG

    with opened() as (settings, database):
        if not Backfills(database).cancel(identity):
            raise ConfigurationError(
                f"no active backfill has the id {identity}. List them: copilot-pipeline backfill status"
            )
        cancelled, in_progress = cancel_queued(settings, {BACKFILL_TAG: str(identity)})
    echo(f"Backfill {identity} is cancelled, with {cancelled} queued run(s).")
    if in_progress:
        echo(f"{in_progress} run(s) in progress will finish. Terminate them in the Dagster UI to stop them now.")


def _daemon_runs(database: Database) -> bool:
    with database.connection() as connection:
        return is_daemon_alive(connection)


def _plan(settings: Settings, database: Database, first: date, last: date) -> BackfillPlan:
    from copilot_pipeline.cli.run import validated_days
    from copilot_pipeline.clients.rate_limits import BACKFILL, MANUAL, RateLimits
    from copilot_pipeline.days import day_ranges
    from copilot_pipeline.defs.runs import DAYS_PER_RUN
    from copilot_pipeline.delivery.credential_incidents import open_clari_client
    from copilot_pipeline.extract.backfill_plan import plan_backfill
    from copilot_pipeline.extract.listing import window_of

    days = validated_days(first, last)
    progress = Backfills(database).fetch_progress(first, last)
    runs = day_ranges(days, DAYS_PER_RUN)
    zone, limits = settings.zone, RateLimits.from_settings(settings)
    with open_clari_client(settings, database, limits, MANUAL) as client:
        counted: list[float | None]
        if len(runs) <= RUNS_COUNTED:
            counted = [client.count_calls(window_of(run, zone)) for run in runs]
        else:
            total = client.count_calls(window_of(days, zone))
            counted = [None if total is None else total / len(runs)] * len(runs)
        ready = client.count_calls(window_of(days, zone), only_ready=True)
        page_size = client.page_size
    calls = [progress.calls / len(runs) if count is None else count for count in counted]
    return plan_backfill(
        first,
        last,
        calls=calls,
        ready=round(sum(calls)) if ready is None else ready,
        fetched=progress.fetched,
        page_size=page_size,
        requests_per_second=limits.requests_per_second,
        quota=limits.limiter(database, BACKFILL).quota(),
        now=datetime.now(UTC),
    )


def _show_plan(console: Console, plan: BackfillPlan) -> None:
    table = Table(box=None, show_header=False)
    for label, value in (
        ("days", f"{plan.first_day} to {plan.last_day} ({plan.days})"),
        ("calls", f"{plan.calls:,} listed, {plan.ready:,} ready, {plan.fetched:,} of them already stored"),
        ("requests", f"{plan.requests:,} ({plan.list_requests:,} of them list pages)"),
        ("runs", f"{plan.runs:,}"),
        ("time at the rate limit", _duration(plan.hours_at_rate_limit)),
        ("weeks", f"{plan.weeks} (within the weekly quota, without the reserve)"),
        ("expected end", f"{plan.expected_end:%Y-%m-%d %H:%M} UTC"),
    ):
        table.add_row(label, value)
    console.print(table)


def _state(settings: Settings, database: Database, backfill: Backfill) -> dict[str, Any]:
    from copilot_pipeline.clients.rate_limits import BACKFILL, RateLimits
    from copilot_pipeline.extract.backfill_plan import end_of

    remaining_days = (
        []
        if backfill.finished_at
        else Backfills(database).remaining_days(backfill, are_scored=bool(settings.pipeline.kits))
    )
    progress = Backfills(database).fetch_progress(backfill.first_day, backfill.last_day)
    limits = RateLimits.from_settings(settings)
    week = limits.limiter(database, BACKFILL).quota()
    expected = max(backfill.calls or 0, progress.calls)
    # The expected list requests are spread evenly over the days.
    for_lists = max(0, (backfill.requests or 0) - (backfill.calls or 0)) * len(remaining_days) / len(backfill.days)
    _, expected_end = end_of(
        math.ceil(for_lists) + max(0, expected - progress.fetched),
        limits.requests_per_second,
        week,
        datetime.now(UTC),
    )
    state = "finished" if backfill.finished_at else "cancelled" if backfill.cancelled_at else "active"
    return {
        "id": backfill.id,
        "first_day": backfill.first_day,
        "last_day": backfill.last_day,
        "state": state,
        "days": len(backfill.days),
        "days_left": len(remaining_days),
        "calls_expected": expected,
        "calls_stored": progress.fetched,
        "waiting_for": _waits_for(week) if backfill.is_active else None,
        "expected_end": expected_end if backfill.is_active else None,
    }


def _waits_for(week: WeeklyQuota) -> str | None:
    if week.used >= week.limit:
        return f"the weekly quota, which resets {week.resets_at:%Y-%m-%d %H:%M} UTC"
    if week.closed_until is None:
        return None
    reason = "repeated 429s: another client uses the key" if week.closed_because == SHARED_KEY else "the server"
    return f"{reason}; next request {week.closed_until:%Y-%m-%d %H:%M} UTC"


def _show_states(console: Console, states: list[dict[str, Any]]) -> None:
    """Print one backfill below the other, because a table of their dates is wider than 80 columns."""
    for one in states:
        days = f"{one['first_day']} to {one['last_day']}"
        console.print(Text.assemble((f"Backfill {one['id']}", "bold"), f", {days}: {one['state']}"))
        facts = [
            ("days left", f"{one['days_left']} of {one['days']}"),
            ("calls stored", f"{one['calls_stored']:,} of {one['calls_expected']:,}"),
        ]
        if one["waiting_for"]:
            facts.append(("waiting for", one["waiting_for"]))
        if one["expected_end"]:
            facts.append(("expected end", f"{one['expected_end']:%Y-%m-%d %H:%M} UTC"))
        for label, value in facts:
            console.print(f"  {label:<13}{value}")


def _duration(hours: float) -> str:
    return f"{hours:,.1f} hours" if hours >= 1 else f"{max(1, round(hours * 60))} min"


def _watch(console: Console, settings: Settings, database: Database) -> None:
    from copilot_pipeline.cli.progress_bars import ProgressBars

    shown: dict[int, int] = {}
    printed: dict[int, str | None] = {}
    with ProgressBars(console) as bars:
        while True:
            states = [
                _state(settings, database, one) for one in Backfills(database).all() if one.is_active or one.id in shown
            ]
            for state in states:
                number, name = state["id"], f"backfill {state['id']}"
                done = state["days"] - state["days_left"] if state["state"] != "cancelled" else shown[number]
                if number not in shown:
                    bars.expect(name, state["days"])
                bars.advance(name, done - shown.get(number, 0))
                shown[number] = done
                if printed.get(number) != state["waiting_for"]:
                    printed[number] = state["waiting_for"]
                    if state["state"] == "active":
                        bars.note(
                            f"{name} waits for {state['waiting_for']}" if state["waiting_for"] else f"{name} continues"
                        )
            if not any(state["state"] == "active" for state in states):
                break
            time.sleep(_POLL_SECONDS)
    for state in states:
        console.print(f"backfill {state['id']}: {state['state']}")
    console.print("No backfill is active.")
