"""`copilot-pipeline sql`: a query, or psql, on the pipeline's database."""

from __future__ import annotations

import click
from rich.console import Console
from rich.table import Table


@click.command("sql")
@click.argument("query", required=False)
@click.option("--url", is_flag=True, help="Print the database's address and keep it up until Ctrl-C.")
def command(query: str | None, url: bool) -> None:
    """Query the pipeline's database, the embedded one included.

    \b
    copilot-pipeline sql "SELECT call_date, count(*) FROM copilot.calls GROUP BY 1 ORDER BY 1"
    copilot-pipeline sql --url      # for psql, pandas or a BI tool on this machine
    """
    from copilot_pipeline.runtime import open_runtime

    if not query and not url:
        raise click.UsageError("give a query, or --url")
    with open_runtime(door="sql") as runtime:
        if url:
            click.echo(runtime.database.url)
            click.pause("Press a key to stop.")
            return
        with runtime.database.connection() as connection:
            connection.read_only = True
            cursor = connection.execute(query.encode() if query else b"")
            table = Table(*(column.name for column in cursor.description or ()))
            for row in cursor:
                table.add_row(*("" if value is None else str(value) for value in row))
        Console().print(table)
