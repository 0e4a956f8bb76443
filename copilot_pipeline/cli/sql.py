"""`copilot-pipeline sql`: a query on the pipeline's database, which it cannot change."""

from __future__ import annotations

import signal
import threading
from collections.abc import Sequence
from types import FrameType
from typing import Any

import click
import psycopg
from rich.console import Console

from copilot_pipeline.cli.query_output import as_json, csv_lines, print_table
from copilot_pipeline.errors import PipelineError


@click.command("sql")
@click.argument("query", required=False)
@click.option("--json", "form", flag_value="json", help="Print the rows as JSON.")
@click.option("--csv", "form", flag_value="csv", help='Print the rows as CSV; null is empty, the empty text is "".')
@click.option("--url", is_flag=True, help="Print the database's address; an embedded one is kept up until Ctrl-C.")
def command(query: str | None, form: str | None, url: bool) -> None:
    """Query the pipeline's database, the embedded one included. Nothing can be changed from here.

    \b
    copilot-pipeline sql "SELECT call_date, count(*) FROM copilot.calls GROUP BY 1 ORDER BY 1"
    copilot-pipeline sql --csv "SELECT * FROM copilot.calls" > calls.csv
    copilot-pipeline sql --url      # for psql, pandas or a BI tool on this machine
    """
    if url == bool(query and query.strip()):
        raise click.UsageError("give a query, or --url")
    from copilot_pipeline.runtime import open_runtime

    with open_runtime(source="sql") as runtime:
        address = runtime.database.url
        if query:
            names, rows = _read(address, query)
            _show(form, names, rows)
            return
        click.echo(address)
        if runtime.settings.environment.copilot_pipeline_database_url is None:
            _wait_for_the_end()


def _read(address: str, query: str) -> tuple[list[str], list[tuple[Any, ...]]]:
    """The rows of one statement, run in a transaction that PostgreSQL itself keeps from writing."""
    with psycopg.connect(address, autocommit=True, application_name="copilot-pipeline sql") as connection:
        connection.read_only = True
        try:
            # Prepared, it can only be a single statement: none after it could end the transaction and begin another.
            with connection.transaction():
                cursor = connection.execute(query.encode(), prepare=True)
                return [column.name for column in cursor.description or ()], (
                    cursor.fetchall() if cursor.description else []
                )
        except psycopg.Error as error:
            raise PipelineError(_explain(error)) from None


def _explain(error: psycopg.Error) -> str:
    """One line: what is wrong with the query, and PostgreSQL's own hint."""
    if isinstance(error, psycopg.errors.ReadOnlySqlTransaction):
        return "this command only reads: for changes, connect to the address that `copilot-pipeline sql --url` prints"
    if isinstance(error, psycopg.errors.UndefinedTable):
        return (
            f"{error.diag.message_primary}: what there is stands in docs/data-dictionary.md, and in "
            "information_schema.tables"
        )
    message = error.diag.message_primary or next(iter(str(error).splitlines()), type(error).__name__)
    hint = f" ({error.diag.message_hint})" if error.diag.message_hint else ""
    return " ".join(f"{message}{hint}".split())


def _show(form: str | None, names: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> None:
    if form == "json":
        click.echo(as_json(names, rows))
    elif form == "csv":
        for line in csv_lines(names, rows):
            click.echo(line)
    elif names:
        print_table(Console(), names, rows)


def _wait_for_the_end() -> None:
    """Until Ctrl-C, or a polite request to end: the server must be stopped by whoever started it."""

    def end(_signal: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, end)
    threading.Event().wait()
