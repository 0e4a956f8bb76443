"""`copilot-pipeline doctor`: is everything there that a run needs?"""

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


_LONGEST_NAME = len("weekly budget")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at."""

    what: str
    is_well: bool
    detail: str


@click.command("doctor")
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
def command(as_json: bool) -> None:
    """Check credentials, kits, database and lake, and say what to do about each that fails.

    Costs two Clari Copilot requests and no Semarize credits. Exit 0 only if all is well.
    """
    console = Console()
    findings = []
    with open_runtime(source="doctor") as runtime:
        for finding in _findings(runtime):
            findings.append(finding)
            if not as_json:
                _show(console, finding)
    if as_json:
        click.echo(json.dumps([asdict(finding) for finding in findings]))
    if not all(finding.is_well for finding in findings):
        raise click.exceptions.Exit(INCOMPLETE)


def _show(console: Console, finding: Finding) -> None:
    """A line each; on a narrow terminal its text goes on under itself, elsewhere it stays one line."""
    if not console.is_terminal:
        click.echo(f"{'✓' if finding.is_well else '✗'} {finding.what:<{_LONGEST_NAME}} {finding.detail}")
        return
    line = Table.grid(padding=(0, 1))
    line.add_column()
    line.add_column(min_width=_LONGEST_NAME, style="bold")
    line.add_column(overflow="fold")
    mark = Text("✓", style="green") if finding.is_well else Text("✗", style="red")
    line.add_row(mark, Text(finding.what), Text(finding.detail))
    console.print(line)


def _findings(runtime: Runtime) -> Iterator[Finding]:
    database = _look("database", partial(_database, runtime))
    yield database
    yield _look("lake", partial(_lake, runtime))
    if database.is_well:
        yield _look("Clari Copilot", partial(_clari, runtime))
        yield _look("weekly budget", partial(_budget, runtime))
    for name in dict.fromkeys(rule.sink_name for rule in runtime.outgoing.rules):
        yield _look(f"sink {name}", partial(_sink, runtime, name))
    if not runtime.kits:
        yield Finding("Semarize", True, "no kits in pipeline.yaml: nothing is scored")
        return
    semarize = _look("Semarize", partial(_semarize, runtime))
    yield semarize
    if semarize.is_well:
        for kit in runtime.kits:
            yield _look(f"kit {kit.name}", partial(_kit, runtime, kit))
        if runtime.outgoing.rules:
            yield _look("routes", partial(_routes, runtime))


def _look(what: str, look: Callable[[], str]) -> Finding:
    try:
        return Finding(what, True, look())
    except PipelineError as error:
        return Finding(what, False, str(error))
    except OSError as error:
        return Finding(what, False, f"{type(error).__name__}: {error.strerror or error}")


def _database(runtime: Runtime) -> str:
    with runtime.database.connection() as connection:
        row = connection.execute("SHOW server_version").fetchone()
    kind = "named" if runtime.settings.environment.copilot_pipeline_database_url else "embedded"
    return f"PostgreSQL {row[0] if row else '?'}, {kind}, schema up to date"


def _lake(runtime: Runtime) -> str:
    runtime.lake.probe()
    return f"{runtime.lake.display_url} can be written"


def _clari(runtime: Runtime) -> str:
    environment = runtime.settings.environment
    with runtime.clari("doctor") as client:
        client.probe()
    return f"{environment.clari_base_url} accepts the key (dialect {environment.clari_copilot_dialect})"


def _budget(runtime: Runtime) -> str:
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
    return "has its address and keys (nothing is sent to try them)"


def _kit(runtime: Runtime, kit: Kit) -> str:
    with runtime.semarize() as client:
        client.kit_schema(kit)
    return f"{kit.reference} is known"


def _routes(runtime: Runtime) -> str:
    unchecked = runtime.outgoing.check_routes()
    fit = f"{len(runtime.outgoing.rules)} rule(s) fit their kits"
    return fit + "".join(f"; not checked: {one}" for one in unchecked)
