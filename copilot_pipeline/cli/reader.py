"""`copilot-pipeline reader`: a read-only database role for an analyst."""

from __future__ import annotations

import click


@click.command("reader")
@click.argument("name")
def command(name: str) -> None:
    """Let the role NAME read schema copilot, and nothing else. Creates the role if it does not exist.

    Tables and views that are added later are included. The operational state (schema copilot_ops) is not.

    \b
    copilot-pipeline reader anna
    """
    from copilot_pipeline.cli.connections import opened_for_reading
    from copilot_pipeline.load.warehouse.readers import grant_reader

    with opened_for_reading() as (_, database):
        password = grant_reader(database, name)
    if password is not None:
        click.echo(f"Created role {name}. Password (shown only once): {password}")
    click.echo(f"{name} can read every table and view of schema copilot.")
