"""`copilot-pipeline metrics`: the metrics of the pipeline, for machines that are not scraped."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from copilot_pipeline.cli.connections import opened_for_reading
from copilot_pipeline.cli.console import echo
from copilot_pipeline.config.urls import without_secrets
from copilot_pipeline.errors import PipelineError
from copilot_pipeline.telemetry.state import StateReader, quota_settings

if TYPE_CHECKING:
    import httpx


@click.command("metrics")
@click.option(
    "--textfile",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write to a file, such as *.prom in the folder of node_exporter's textfile collector.",
)
@click.option(
    "--pushgateway", metavar="URL", help="Send to a Prometheus pushgateway: http(s)://[USER:PASSWORD@]HOST[:PORT]"
)
def command(textfile: Path | None, pushgateway: str | None) -> None:
    """Print the metrics of the whole pipeline in the text format of Prometheus. Costs no request.

    The receiver serves the same at GET /metrics. Where it does not run, or cannot be reached, run this command
    regularly, such as every minute.

    \b
    copilot-pipeline metrics
    copilot-pipeline metrics --textfile /var/lib/node_exporter/calls.prom
    copilot-pipeline metrics --pushgateway http://pushgateway:9091
    """
    from copilot_pipeline.telemetry.exposition import push, render, write_textfile

    gateway = None if pushgateway is None else _gateway(pushgateway)
    with opened_for_reading() as (settings, database), database.connection() as connection:
        samples = StateReader(quota_settings(settings)).samples(connection)
    if textfile is not None:
        try:
            write_textfile(samples, str(textfile))
        except OSError as error:
            error.filename = error.filename or str(textfile)
            raise
    if gateway is not None:
        try:
            push(samples, gateway)
        except OSError as error:
            name = without_secrets(str(pushgateway))
            raise PipelineError(f"the pushgateway {name} did not accept the metrics: {error}") from None
    if textfile is None and gateway is None:
        echo(render(samples).decode(), nl=False)


def _gateway(address: str) -> httpx.URL:
    """Return the address of a pushgateway. Raises `UsageError` without naming it, because it may have a password."""
    import httpx

    try:
        url = httpx.URL(address)
    except httpx.InvalidURL:
        url = httpx.URL()
    if url.scheme not in ("http", "https") or not url.host:
        raise click.UsageError("--pushgateway: expected an address such as http://pushgateway:9091")
    return url
