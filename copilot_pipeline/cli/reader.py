"""`copilot-pipeline reader`: a role for analysts."""

from __future__ import annotations

import click


@click.command("reader")
@click.argument("name")
def command(name: str) -> None:
    """Let the role NAME read the tables and views of schema copilot, and nothing else. Makes it where it is not there.

    What is added later, new views included, can be read too. The pipeline's own state (copilot_ops) cannot.
    """
    from copilot_pipeline.load.warehouse.readers import grant_reader
    from copilot_pipeline.runtime import open_runtime

    with open_runtime() as runtime:
        password = grant_reader(runtime.database, name)
    if password is not None:
        click.echo(f"role {name} made; its password, shown this once: {password}")
    click.echo(f"{name} reads every table and view of schema copilot")
