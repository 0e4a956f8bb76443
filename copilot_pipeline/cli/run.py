"""`copilot-pipeline run`: process a range of days without the UI."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import click

from copilot_pipeline.cli.connections import command_database, command_settings, delivery_service
from copilot_pipeline.cli.console import confirm, echo, log_to_standard_error, print_json, text_console
from copilot_pipeline.cli.dates import date_range_options
from copilot_pipeline.cli.exit_codes import INCOMPLETE, QUARANTINED
from copilot_pipeline.cli.progress_bars import ProgressBars
from copilot_pipeline.config.loading import load_settings
from copilot_pipeline.defs.problems import grouped
from copilot_pipeline.errors import ConfigurationError, CredentialsRefused

if TYPE_CHECKING:
    from rich.console import Console

    from copilot_pipeline.cli.process_days import Finished
    from copilot_pipeline.config.loading import Settings
    from copilot_pipeline.delivery.service import DeliveryService
    from copilot_pipeline.postgres import Database


@click.command("run")
@date_range_options
@click.option("--assets", metavar="A,B", help="Assets to materialize. Default: all but raw_deals, raw_accounts.")
@click.option("--rescore", is_flag=True, help="Score calls again. Prints the cost and needs confirmation.")
@click.option("--kit", "kits", multiple=True, metavar="NAME", help="With --rescore: only this kit (repeatable).")
@click.option(
    "--only-failed",
    is_flag=True,
    help="With --rescore: only runs that failed, were refused, or have not finished within a day.",
)
@click.option(
    "--other-redaction",
    is_flag=True,
    help="With --rescore: only calls that were scored with another redaction than that of pipeline.yaml.",
)
@click.option(
    "--force",
    is_flag=True,
    help="Rebuild tables that are up to date: make all rows, write those that differ from the stored ones.",
)
@click.option("--yes", is_flag=True, help="With --rescore: do not ask for confirmation.")
@click.option("--no-send", is_flag=True, help="Send no deliveries. Those of new scores stay queued in the outbox.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def command(
    first: datetime,
    last: datetime,
    assets: str | None,
    rescore: bool,
    kits: tuple[str, ...],
    only_failed: bool,
    other_redaction: bool,
    force: bool,
    yes: bool,
    no_send: bool,
    as_json: bool,
) -> None:
    """Fetch, load and score a range of days without the UI, and send deliveries.

    Fetches missing calls, rebuilds changed tables and scores calls without a score. It can be stopped and repeated at
    any time: no call is fetched twice, no run is paid twice. Exits with 0 only if everything is done, and with 4 if
    only quarantined calls are missing, which the same command requests again.

    At the end it sends all deliveries that are due: messages, CRM fields and webhooks of the routes in pipeline.yaml,
    and incidents. --no-send leaves them in the outbox, which `copilot-pipeline deliveries send` or the daemon sends.

    \b
    copilot-pipeline run --from 2026-11-01 --to 2026-11-14
    copilot-pipeline run --from 2026-11-01 --to 2026-11-14 --assets calls
    copilot-pipeline run --from 2026-11-01 --to 2026-11-14 --rescore --kit NAME
    """
    if not rescore:
        if kits or only_failed or other_redaction or yes:
            raise click.UsageError("--kit, --only-failed, --other-redaction and --yes need --rescore.")
        exit_with(run_days(first.date(), last.date(), assets, force=force, as_json=as_json, sends=not no_send))
        return
    if assets is not None:
        raise click.UsageError("--rescore rebuilds only the score tables; it cannot be combined with --assets.")
    which = Selection(kits, only_failed, other_redaction)
    _rescore(first.date(), last.date(), which, yes=yes, as_json=as_json, sends=not no_send)


@dataclass(frozen=True, slots=True)
class Selection:
    """Which runs of the days are scored again: of these kits, all without names."""

    kits: tuple[str, ...]
    only_failed: bool
    other_redaction: bool


def _rescore(first: date, last: date, which: Selection, *, yes: bool, as_json: bool, sends: bool) -> None:
    """Print the cost, ask for confirmation and score again. Repeating an interrupted command continues it."""
    days = validated_days(first, last)
    from copilot_pipeline.load.tables import SCORE_TABLES
    from copilot_pipeline.score.factory import make_rescore_service
    from copilot_pipeline.state.rescores import RescoreRequest

    settings = command_settings()
    with command_database(settings) as database:
        rescoring = make_rescore_service(settings, database)
        redaction = rescoring.redaction if which.other_redaction else None
        kits = rescoring.select_kits(which.kits)
        request = RescoreRequest(days[0], days[-1], kits, which.only_failed, redaction)
        cost = rescoring.cost(request)
        echo(cost.describe(), err=True)
        if cost.runs and not yes:
            if not sys.stdin.isatty():
                raise click.UsageError("No terminal for the confirmation. Add --yes to pay for these runs.")
            confirm("Pay for them?")
        order = rescoring.start(request)
    code = run_days(first, last, ",".join(table.name for table in SCORE_TABLES), as_json=as_json, sends=sends)
    if code != INCOMPLETE:
        with command_database(settings) as database:
            make_rescore_service(settings, database).finish(order)
    exit_with(code)


def exit_with(code: int) -> None:
    """Raise `Exit` unless the code is 0."""
    if code:
        raise click.exceptions.Exit(code)


def run_days(
    first: date, last: date, assets: str | None, *, force: bool = False, as_json: bool, sends: bool = True
) -> int:
    """Process the days, send deliveries if it `sends`, print the result and return the exit code."""
    from copilot_pipeline.cli.process_days import EVERYTHING, process_days
    from copilot_pipeline.state import CallStore

    days = validated_days(first, last)
    chosen = [name.strip() for name in assets.split(",") if name.strip()] if assets else list(EVERYTHING)
    console = text_console(stderr=True)
    started = time.monotonic()
    settings = command_settings()
    with ProgressBars(console) as bars, command_database(settings) as database:
        sends = sends and settings.pipeline.sends_anything
        deliveries = delivery_service(settings, database, bars) if sends else None
        if deliveries is not None:
            bars.note(f"At the end, deliveries are sent to {_sinks(deliveries)}. --no-send leaves them in the outbox.")
        if not console.is_terminal:
            log_to_standard_error(settings.environment)
        try:
            finished = process_days(settings, database, days, chosen, bars, force=force)
        except KeyboardInterrupt:
            bars.note("Interrupted. Run the same command again to continue.")
            raise
        except CredentialsRefused:
            if deliveries is not None:
                _deliver(deliveries, bars)  # sends the incident
            raise
        _note_other_redaction(settings, database, days, bars)
        counts = _counts(database, days)
        quarantined = CallStore(database, settings.zone).count_quarantined(days)
        if deliveries is not None:
            _deliver(deliveries, bars)
    seconds = round(time.monotonic() - started, 1)
    if as_json:
        print_json(json.dumps(_as_dict(finished, counts, quarantined, seconds)))
    else:
        _print_result(console, finished, counts, quarantined, seconds)
    return INCOMPLETE if not finished.is_complete else QUARANTINED if quarantined else 0


def _note_other_redaction(settings: Settings, database: Database, days: tuple[date, ...], bars: ProgressBars) -> None:
    """Say which results are of a text with another redaction, and what it would cost to replace them."""
    from copilot_pipeline.score.factory import make_rescore_service

    cost = make_rescore_service(settings, database).other_redaction(days[0], days[-1])
    if cost.runs:
        bars.note(
            f"{cost.runs:,} result(s) of these days are of a text with another redaction, or none. They stay. "
            f"To replace them ({cost.describe()}): copilot-pipeline run --from {days[0]} --to {days[-1]} --rescore "
            "--other-redaction"
        )


def _as_dict(finished: Finished, counts: dict[str, int], quarantined: int, seconds: float) -> dict[str, Any]:
    return {
        "days": len(finished.days),
        "complete": finished.is_complete and not quarantined,
        "quarantined": quarantined,
        "problems": list(finished.problems),
        "rows": counts,
        "seconds": seconds,
    }


def _print_result(
    console: Console, finished: Finished, counts: dict[str, int], quarantined: int, seconds: float
) -> None:
    for problem in grouped(finished.problems):
        console.print(f"not done: {problem}", style="red")
    rows = ", ".join(f"{count:,} {name}" for name, count in counts.items())
    range_of_days = "1 day" if len(finished.days) == 1 else f"{len(finished.days)} days"
    console.print(f"{range_of_days} in {seconds:.1f} s: {rows}")
    if quarantined:
        console.print(_quarantine_note(quarantined), style="yellow")
    if not finished.is_complete:
        console.print("Run the same command again to complete it.")


def _quarantine_note(calls: int) -> str:
    which = "1 call of these days is" if calls == 1 else f"{calls:,} calls of these days are"
    return (
        f"{which} in quarantine, because the details cannot be parsed (table copilot_ops.quarantine). "
        "The same command requests them again."
    )


def _sinks(deliveries: DeliveryService) -> str:
    """Return the sinks of the routes, or what else is sent."""
    return ", ".join(dict.fromkeys(rule.sink_name for rule in deliveries.rules)) or "the sinks of incidents and alerts"


def _deliver(deliveries: DeliveryService, bars: ProgressBars) -> None:
    """Send the deliveries that the routes request. What cannot be sent stays in the outbox."""
    report = deliveries.send()
    for name, problem in report.unusable_sinks.items():
        bars.note(f"{name}: {problem}")
    for (name, state), count in sorted(report.counts.items()):
        bars.note(f"{name}: {count} {state}")


def validated_days(first: date, last: date) -> tuple[date, ...]:
    """Return the days of the range. Raises `ConfigurationError` if one of them has no partition."""
    from copilot_pipeline.days import days_between

    settings = load_settings()
    start = settings.environment.copilot_pipeline_first_day
    today = datetime.now(UTC).astimezone(settings.zone).date()
    if first < start:
        raise ConfigurationError(
            f"--from {first} is before the first partition {start}: set COPILOT_PIPELINE_FIRST_DAY={first}"
        )
    if last > today:
        raise ConfigurationError(f"--to {last} is in the future (today is {today})")
    return days_between(first, last)


def _counts(database: Database, days: tuple[date, ...]) -> dict[str, int]:
    from copilot_pipeline.load.tables import CALL_TABLES, SEMARIZE_SCORES

    with database.connection() as connection:
        counts = {}
        for table in (*CALL_TABLES, SEMARIZE_SCORES):
            row = connection.execute(
                f"SELECT count(*) FROM copilot.{table.name} WHERE call_date BETWEEN %s AND %s", (days[0], days[-1])
            ).fetchone()
            counts[table.name] = int(row[0]) if row else 0
    return counts
