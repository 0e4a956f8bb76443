"""`copilot-pipeline reader`: a read-only database role for an analyst."""

from __future__ import annotations

from urllib.parse import quote, urlencode

import click
from psycopg.conninfo import conninfo_to_dict

from copilot_pipeline.cli.console import echo


@click.command("reader")
@click.argument("name")
def command(name: str) -> None:
    """Let the role NAME read schema copilot, and nothing else. Creates the role if it does not exist.

    Tables and views that are added later are included. The operational state (schema copilot_ops) is not. Long
    statements, idle sessions, and sessions that block the pipeline are ended. Run it again for a role that an earlier
    version has created.

    \b
    copilot-pipeline reader anna
    """
    from copilot_pipeline.cli.connections import opened_for_reading
    from copilot_pipeline.load.warehouse.readers import grant_reader, limits_of_reader

    with opened_for_reading() as (settings, database):
        password = grant_reader(database, name)
        for limit in limits_of_reader(database, name):
            echo(f"warning: {limit}.", err=True)
    if password is not None:
        echo(f"Created role {name}. Password (shown only once): {password}")
    echo(f"{name} can read every table and view of schema copilot.")
    for line in connection_lines(database.url, name):
        echo(line)
    if settings.environment.copilot_pipeline_database_url is None:
        echo("The embedded database runs only while a command uses it. To keep it running, in another terminal:")
        echo("  copilot-pipeline sql --url")


def connection_lines(url: str, name: str) -> list[str]:
    """Return how the role connects with psql and with pandas, without a password: both read it from PGPASSWORD."""
    known = conninfo_to_dict(url)
    place = {key: str(known[key]) for key in ("host", "port", "dbname", "sslmode") if known.get(key)}
    address = "postgresql://?" + urlencode({**place, "user": name}, quote_via=quote)
    engine = "postgresql+psycopg://?" + urlencode({**place, "user": name}, quote_via=quote)
    return [
        "Set PGPASSWORD to the password, then:",
        f"  psql '{address}' -c 'SELECT count(*) FROM copilot.calls'",
        '  python -c "import pandas, sqlalchemy; '
        f"print(pandas.read_sql('SELECT * FROM copilot.calls LIMIT 5', sqlalchemy.create_engine('{engine}')))\"",
    ]
