"""`copilot-pipeline doctor`: check everything that a run needs."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from copilot_pipeline.cli.connections import command_settings, delivery_service, unchecked_database
from copilot_pipeline.cli.console import can_print, echo, print_json, text_console
from copilot_pipeline.cli.exit_codes import INCOMPLETE
from copilot_pipeline.clients.rate_limits import MANUAL, RateLimits
from copilot_pipeline.clients.semarize.connect import kits_of, open_client
from copilot_pipeline.config.loading import Settings
from copilot_pipeline.delivery.credential_incidents import open_clari_client, open_semarize_client
from copilot_pipeline.delivery.rules import configured_rules
from copilot_pipeline.errors import NotFound, PipelineError
from copilot_pipeline.load.installation import accept_settings
from copilot_pipeline.load.lake import Lake
from copilot_pipeline.load.lake.identity import check_lake
from copilot_pipeline.private_files import exposed_paths

if TYPE_CHECKING:
    from copilot_pipeline.clients.semarize import Kit
    from copilot_pipeline.postgres import Database


_MOST_EXPOSED = 1000
_NAME_WIDTH = len("Clari Copilot")


@dataclass(frozen=True, slots=True)
class CheckResult:
    """The result of one check."""

    name: str
    passed: bool
    detail: str


@click.command("doctor")
@click.option("--json", "as_json", is_flag=True, help="Print the results as JSON.")
def command(as_json: bool) -> None:
    """Check credentials, kits, routes, database and lake, and print how to fix each failure.

    Costs at most two Clari Copilot requests and no Semarize credits. Exits with 0 only if every check passes.
    """
    console = text_console()
    results = []
    with ExitStack() as stack:
        for result in _results(command_settings(), stack):
            results.append(result)
            if not as_json:
                _show(console, result)
    if as_json:
        print_json(json.dumps([asdict(result) for result in results]))
    if not all(result.passed for result in results):
        raise click.exceptions.Exit(INCOMPLETE)


def _show(console: Console, result: CheckResult) -> None:
    """Print one line per check. On a terminal, long text is wrapped in its own column."""
    if not console.is_terminal:
        echo(f"{_mark(result)} {result.name:<{_NAME_WIDTH}} {result.detail}")
        return
    line = Table.grid(padding=(0, 1))
    line.add_column()
    line.add_column(min_width=_NAME_WIDTH, style="bold")
    line.add_column(overflow="fold")
    mark = Text("✓", style="green") if result.passed else Text("✗", style="red")
    line.add_row(mark, Text(result.name), Text(result.detail))
    console.print(line)


def _mark(result: CheckResult) -> str:
    if not can_print("✓✗"):
        return "ok    " if result.passed else "FAILED"
    return "✓" if result.passed else "✗"


def _results(settings: Settings, stack: ExitStack) -> Iterator[CheckResult]:
    opened: list[Database] = []

    def database() -> str:
        opened.append(stack.enter_context(unchecked_database(settings)))
        accept_settings(settings, opened[0])
        return _database(settings, opened[0])

    result = _check("database", database)
    yield result
    yield _check("files", partial(_files, settings))
    yield _check("lake", partial(_lake, settings, opened[0] if opened else None))
    if result.passed:
        yield _check("retention", partial(_retention, settings, opened[0]))
        yield _check("erasure", partial(_erasure, settings, opened[0]))
        yield _check("Clari Copilot", partial(_clari, settings, opened[0]))
        yield _check("weekly quota", partial(_quota, settings, opened[0]))
    if settings.pipeline.privacy.redact is not None:
        yield _check("redaction", partial(_redaction, settings))
    rules = configured_rules(settings)
    for name in dict.fromkeys(rule.sink_name for rule in rules):
        yield _check(f"sink {name}", partial(_sink, settings, name))
    kits = kits_of(settings)
    if not kits:
        yield CheckResult("Semarize", True, settings.without_kits or "")
        return
    semarize = _check("Semarize", partial(_semarize, settings, opened[0] if opened else None))
    yield semarize
    if semarize.passed:
        for kit in kits:
            yield _check(f"kit {kit.name}", partial(_kit, settings, kit))
        if rules and opened:
            yield _check("routes", partial(_routes, settings, opened[0]))


def _check(name: str, check: Callable[[], str]) -> CheckResult:
    try:
        return CheckResult(name, True, check())
    except PipelineError as error:
        return CheckResult(name, False, str(error))
    except OSError as error:
        return CheckResult(name, False, f"{type(error).__name__}: {error.strerror or error}")


def _database(settings: Settings, database: Database) -> str:
    with database.connection() as connection:
        row = connection.execute("SHOW server_version").fetchone()
    kind = "external" if settings.environment.copilot_pipeline_database_url else "embedded"
    return f"PostgreSQL {row[0] if row else '?'}, {kind}, schema up to date"


def _files(settings: Settings) -> str:
    """Files and folders with secrets or personal data that other users of this machine can open.

    In the folders only those of this process's user: the others are what a deployment has put there, such as
    dagster.yaml in a folder of root, or the mount point of a volume.
    """
    environment = settings.environment
    secrets = Path(str(environment.model_config["env_file"])).absolute()
    places = {environment.home, secrets}
    places |= {Path(url) for url in [environment.lake_url] if "://" not in url}
    places |= {Path(home) for home in [os.environ.get("DAGSTER_HOME")] if home}
    for place in sorted(places):
        owner = None if place == secrets or os.geteuid() == 0 else os.geteuid()
        if exposed := list(islice(exposed_paths(place, owner=owner), _MOST_EXPOSED)):
            count = f"{len(exposed):,}{' or more' if len(exposed) == _MOST_EXPOSED else ''}"
            raise PipelineError(
                f"other users of this machine may open {count} file(s) and folder(s) such as {exposed[-1]}: run "
                f"chmod -R go-rwx {shlex.quote(str(place))}"
            )
    return "only their own user can read .env, the home folder and the lake"


def _lake(settings: Settings, database: Database | None) -> str:
    from copilot_pipeline.cli.lake import missing_calls

    lake = Lake(settings.environment.lake_url)
    lake.probe()
    if database is None:
        return f"{lake.display_url} is writable"
    lake_id = check_lake(lake, database)
    missing = missing_calls(lake, database)
    if missing:
        raise PipelineError(
            f"{lake.display_url}: the bytes of {sum(missing.values()):,} calls of {len(missing):,} days are missing; "
            f"run these days to fetch them again: {', '.join(list(missing)[:5])}{' …' if len(missing) > 5 else ''}"
        )
    return f"{lake.display_url} is writable" + (f" and the lake of this database ({lake_id})" if lake_id else "")


def _retention(settings: Settings, database: Database) -> str:
    from copilot_pipeline.privacy.retention import Retention

    limits = settings.pipeline.privacy.retention
    retention = Retention(limits, database, Lake(settings.environment.lake_url), settings.zone)
    if problem := retention.removals().problem:
        raise PipelineError(problem)
    if overdue := retention.overdue():
        places = ", ".join(f"{count:,} {place}" for place, count in overdue.items())
        raise PipelineError(
            f"older than privacy.retention allows: {places}. "
            "Materialize the asset `retention`, and check that the schedule nightly_removal is on"
        )
    return "nothing is kept longer than allowed"


def _erasure(settings: Settings, database: Database) -> str:
    from copilot_pipeline.privacy.erasure_store import ErasureStore
    from copilot_pipeline.privacy.stored_tombstones import current_tombstones, privacy_key

    if settings.pipeline.privacy.retention.removed_calls is not None:
        privacy_key()  # the nightly removal erases with it
    with database.transaction() as connection:
        current_tombstones(connection)  # fails without the key with which they were made
    records = ErasureStore(database).records()
    unfinished = [record for record in records if record.finished_at is None]
    if unfinished:
        raise PipelineError(
            f"{len(unfinished)} not finished, the first of {unfinished[-1].requested_at:%Y-%m-%d %H:%M} UTC by "
            f"{unfinished[-1].requested_by}: repeat its command (copilot-pipeline privacy erase; of retention: "
            "copilot-pipeline privacy erase-removed)"
        )
    return f"{len(records):,} finished" if records else "nothing was erased"


def _redaction(settings: Settings) -> str:
    from copilot_pipeline.privacy.redaction.policy import redaction_policy

    policy = redaction_policy(settings)
    if policy is None:
        return "not configured"
    from copilot_pipeline.privacy.redaction.engine import engine_for
    from copilot_pipeline.privacy.redaction.names import ParticipantNames

    engine_for(policy).redact(["+1 415 555 0132"], ParticipantNames([]))
    return f"before {policy.settings.before}: {policy.describe()}"


def _clari(settings: Settings, database: Database) -> str:
    environment = settings.environment
    limits = RateLimits.from_settings(settings)
    with open_clari_client(settings, database, limits, MANUAL, reports_refusal=False) as client:
        client.probe()
    return f"{environment.clari_base_url} accepts the key (dialect {environment.clari_copilot_dialect})"


def _quota(settings: Settings, database: Database) -> str:
    week = RateLimits.from_settings(settings).limiter(database, MANUAL).quota()
    until_reset = week.resets_at - datetime.now(UTC)
    return (
        f"{week.used:,} of {week.limit:,} requests used since {week.starts_on}; "
        f"resets in {until_reset.days} d {until_reset.seconds // 3600} h"
    )


def _semarize(settings: Settings, database: Database | None) -> str:
    opened = open_client(settings.environment)
    if database is not None:  # an accepted key resolves the incident of a refused one
        opened = open_semarize_client(settings, database, reports_refusal=False)
    with opened as client:
        client.probe()
    return f"{settings.environment.semarize_base_url} accepts the key"


def _sink(settings: Settings, name: str) -> str:
    from copilot_pipeline.config.routes import all_sinks
    from copilot_pipeline.delivery.sinks import build_sink

    build_sink(name, all_sinks(settings.pipeline.sinks)[name], settings.environment).close()
    return "address and keys are set (no test message is sent)"


def _kit(settings: Settings, kit: Kit) -> str:
    try:
        with open_client(settings.environment) as client:
            client.kit_schema(kit)
    except NotFound as error:
        raise PipelineError(
            f"{kit.place}: `{kit.setting}` is {kit.reference}, which Semarize does not have or the key may not use "
            f"({error.status} {error.code or 'not found'}): publish the kit, or fix the setting; see "
            "`copilot-pipeline kits list`"
        ) from None
    return f"{kit.reference} exists"


def _routes(settings: Settings, database: Database) -> str:
    service = delivery_service(settings, database)
    unchecked = service.check_routes()
    fit = f"{len(service.rules)} route(s) match their kits"
    return fit + "".join(f"; not checked: {one}" for one in unchecked)
