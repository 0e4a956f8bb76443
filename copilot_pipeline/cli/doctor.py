"""`copilot-pipeline doctor`: check everything that a run needs."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from copilot_pipeline.cli.exit_codes import INCOMPLETE
from copilot_pipeline.errors import PipelineError
from copilot_pipeline.runtime import Runtime, open_runtime

if TYPE_CHECKING:
    from copilot_pipeline.clients.semarize import Kit


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
    console = Console()
    results = []
    with open_runtime(source="doctor") as runtime:
        for result in _results(runtime):
            results.append(result)
            if not as_json:
                _show(console, result)
    if as_json:
        click.echo(json.dumps([asdict(result) for result in results]))
    if not all(result.passed for result in results):
        raise click.exceptions.Exit(INCOMPLETE)


def _show(console: Console, result: CheckResult) -> None:
    """Print one line per check. On a terminal, long text is wrapped in its own column."""
    if not console.is_terminal:
        click.echo(f"{'✓' if result.passed else '✗'} {result.name:<{_NAME_WIDTH}} {result.detail}")
        return
    line = Table.grid(padding=(0, 1))
    line.add_column()
    line.add_column(min_width=_NAME_WIDTH, style="bold")
    line.add_column(overflow="fold")
    mark = Text("✓", style="green") if result.passed else Text("✗", style="red")
    line.add_row(mark, Text(result.name), Text(result.detail))
    console.print(line)


def _results(runtime: Runtime) -> Iterator[CheckResult]:
    database = _check("database", partial(_database, runtime))
    yield database
    yield _check("lake", partial(_lake, runtime))
    if database.passed:
        yield _check("Clari Copilot", partial(_clari, runtime))
        yield _check("weekly quota", partial(_quota, runtime))
    for name in dict.fromkeys(rule.sink_name for rule in runtime.outgoing.rules):
        yield _check(f"sink {name}", partial(_sink, runtime, name))
    if not runtime.kits:
        yield CheckResult("Semarize", True, "no kits in pipeline.yaml: nothing is scored")
        return
    semarize = _check("Semarize", partial(_semarize, runtime))
    yield semarize
    if semarize.passed:
        for kit in runtime.kits:
            yield _check(f"kit {kit.name}", partial(_kit, runtime, kit))
        if runtime.outgoing.rules:
            yield _check("routes", partial(_routes, runtime))


def _check(name: str, check: Callable[[], str]) -> CheckResult:
    try:
        return CheckResult(name, True, check())
    except PipelineError as error:
        return CheckResult(name, False, str(error))
    except OSError as error:
        return CheckResult(name, False, f"{type(error).__name__}: {error.strerror or error}")


def _database(runtime: Runtime) -> str:
    with runtime.database.connection() as connection:
        row = connection.execute("SHOW server_version").fetchone()
    kind = "external" if runtime.settings.environment.copilot_pipeline_database_url else "embedded"
    return f"PostgreSQL {row[0] if row else '?'}, {kind}, schema up to date"


def _lake(runtime: Runtime) -> str:
    runtime.lake.probe()
    return f"{runtime.lake.display_url} is writable"


def _clari(runtime: Runtime) -> str:
    environment = runtime.settings.environment
    with runtime.clari("doctor") as client:
        client.probe()
    return f"{environment.clari_base_url} accepts the key (dialect {environment.clari_copilot_dialect})"


def _quota(runtime: Runtime) -> str:
    week = runtime.gate().quota()
    left = week.resets_at - datetime.now(UTC)
    return (
        f"{week.used:,} of {week.limit:,} requests used since {week.starts_on}; "
        f"resets in {left.days} d {left.seconds // 3600} h"
    )


def _semarize(runtime: Runtime) -> str:
    with runtime.semarize() as client:
        client.probe()
    return f"{runtime.settings.environment.semarize_base_url} accepts the key"


def _sink(runtime: Runtime, name: str) -> str:
    from copilot_pipeline.config.routes import all_sinks
    from copilot_pipeline.delivery.sinks import build_sink

    build_sink(name, all_sinks(runtime.settings.pipeline.sinks)[name], runtime.settings.environment).close()
    return "address and keys are set (no test message is sent)"


def _kit(runtime: Runtime, kit: Kit) -> str:
    with runtime.semarize() as client:
        client.kit_schema(kit)
    return f"{kit.reference} exists"


def _routes(runtime: Runtime) -> str:
    unchecked = runtime.outgoing.check_routes()
    fit = f"{len(runtime.outgoing.rules)} route(s) match their kits"
    return fit + "".join(f"; not checked: {one}" for one in unchecked)
