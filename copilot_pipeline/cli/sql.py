"""`copilot-pipeline sql`: a read-only query of the pipeline's database."""

from __future__ import annotations

import io
import signal
import threading
from collections.abc import Sequence
from types import FrameType
from typing import Any

import click
import psycopg

from copilot_pipeline.cli.console import echo, print_csv, print_json, text_console
from copilot_pipeline.cli.query_output import as_json, csv_lines, print_table, spreadsheet_value
from copilot_pipeline.errors import PipelineError
from copilot_pipeline.postgres import Connection
from copilot_pipeline.postgres.query_connection import query_connection


class QueryCommand(click.Command):
    """A command whose query may begin with an SQL comment (`--`), which is not read as an option."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Pass such a query as an argument."""
        queries = [arg for arg in args if arg.startswith("--") and len(arg.split(maxsplit=1)) > 1]
        options = [arg for arg in args if arg not in queries]
        return super().parse_args(ctx, [*options, "--", *queries] if queries else args)


@click.command("sql", cls=QueryCommand)
@click.argument("query", required=False)
@click.option("--json", "form", flag_value="json", help="Print the rows as JSON.")
@click.option(
    "--csv",
    "form",
    flag_value="csv",
    help='Print the rows as CSV. Null is empty, the empty string is "". Text that a spreadsheet would evaluate as a '
    "formula begins with an apostrophe.",
)
@click.option("--raw-csv", "form", flag_value="raw-csv", help="Print CSV with every text unchanged, for programs.")
@click.option(
    "--excel",
    "form",
    flag_value="excel",
    help="Print CSV that Excel opens unchanged: with a byte-order mark, and ids such as 007 or 12E45 as text.",
)
@click.option(
    "--url",
    is_flag=True,
    help="Print the database URL, with all rights of the pipeline. An embedded database runs until Ctrl-C.",
)
def command(query: str | None, form: str | None, url: bool) -> None:
    """Run one read-only query on the pipeline's database, including the embedded one.

    It runs as a role that can read the schemas copilot and copilot_ops and nothing else.

    \b
    copilot-pipeline sql "SELECT count(*) FROM copilot.calls"
    copilot-pipeline sql --csv "SELECT * FROM copilot.calls" > calls.csv
    copilot-pipeline sql --excel "SELECT * FROM copilot.calls" > calls.csv
    copilot-pipeline sql "$(cat examples/queries/postgres/deals_at_risk.sql)"
    copilot-pipeline sql --url      # for psql, pandas or a BI tool
    """
    if url == bool(query and query.strip()):
        raise click.UsageError("Give either a query or --url.")
    from copilot_pipeline.cli.connections import opened_for_reading

    with opened_for_reading() as (settings, database):
        if query:
            with query_connection(database, settings.environment) as connection:
                names, rows = _read(connection, query)
            _show(form, names, rows)
            return
        echo(database.url)
        if settings.environment.copilot_pipeline_database_url is None:
            _wait_until_stopped()


def _read(connection: Connection, query: str) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Return the columns and rows of one statement, run in a read-only transaction of a role that can only read."""
    connection.read_only = True
    try:
        # A prepared query is a single statement, so it cannot end the read-only transaction and start another.
        with connection.transaction():
            cursor = connection.execute(query.encode("utf-8", "surrogateescape"), prepare=True)
            names = [column.name for column in cursor.description or ()]
            return names, cursor.fetchall() if cursor.description else []
    except psycopg.Error as error:
        raise PipelineError(_explain(error)) from None


def _explain(error: psycopg.Error) -> str:
    """Return the error and the hint of PostgreSQL in one line."""
    if isinstance(error, psycopg.errors.ReadOnlySqlTransaction):
        return "this command is read-only. To change data, connect to the address of `copilot-pipeline sql --url`"
    if isinstance(error, psycopg.errors.UndefinedTable):
        return (
            f"{error.diag.message_primary}. All tables are listed in docs/data-dictionary.md and in "
            "information_schema.tables"
        )
    message = error.diag.message_primary or next(iter(str(error).splitlines()), type(error).__name__)
    hint = f" ({error.diag.message_hint})" if error.diag.message_hint else ""
    return " ".join(f"{message}{hint}".split())


def _show(form: str | None, names: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> None:
    if form == "json":
        print_json(as_json(names, rows))
    elif form in ("csv", "raw-csv"):
        print_csv("".join(f"{line}\n" for line in csv_lines(names, rows, raw=form == "raw-csv")))
    elif form == "excel":
        from copilot_pipeline.delivery.export import write_rows

        file = io.StringIO()
        write_rows(file, names, (tuple(map(spreadsheet_value, row)) for row in rows), for_excel=True)
        print_csv(file.getvalue(), with_bom=True)
    elif names:
        print_table(text_console(), names, rows)


def _wait_until_stopped() -> None:
    """Wait for Ctrl-C or SIGTERM, and keep the embedded server running until then."""

    def stop(_signal: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, stop)
    threading.Event().wait()
