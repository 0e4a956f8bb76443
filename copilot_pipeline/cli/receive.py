"""`copilot-pipeline receive`: the webhook receiver."""

from __future__ import annotations

import ipaddress
import logging
import sys

import click

from copilot_pipeline.config.environment import Environment
from copilot_pipeline.config.loading import load_settings
from copilot_pipeline.errors import ConfigurationError
from copilot_pipeline.postgres import open_database
from copilot_pipeline.receiver import CLARI_COPILOT, SEMARIZE, Endpoint, Limits, receiver_app, serve
from copilot_pipeline.receiver.auth import Secrets

DEFAULT_PORT = 8800
SHORTEST_SECRET = 16


@click.command("receive")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port", default=DEFAULT_PORT, show_default=True, type=click.IntRange(0, 65535), help="0: any free port."
)
def command(host: str, port: int) -> None:
    """Receive webhooks: call ids from Clari Copilot, Zapier, n8n or Make, and ends of runs from Semarize.

    What it accepts is in the database when it answers; the pipeline's sensor does the rest. It needs
    COPILOT_PIPELINE_WEBHOOK_SECRET, and a proxy that speaks TLS in front of it where it is reached from elsewhere.
    """
    environment = load_settings().environment
    endpoints = endpoints_of(environment)
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("copilot_pipeline").setLevel(logging.INFO)
    database = open_database(environment)
    database.close()
    limits = Limits(requests_per_second=environment.copilot_pipeline_webhook_requests_per_second)

    def announce(address: str) -> None:
        for endpoint in endpoints:
            click.echo(f"{endpoint.name:14} POST {address}{endpoint.path}")
        if not _is_loopback(host):
            click.echo(
                f"warning: {host} is reached from other machines, and this port does not speak TLS: secrets and ids "
                "would travel in the open. Put a proxy with TLS in front and let it connect to 127.0.0.1.",
                err=True,
            )

    serve(receiver_app(endpoints, database.url, limits), host, port, on_listening=announce)


def endpoints_of(environment: Environment) -> dict[Endpoint, Secrets]:
    """The endpoints and their secrets. Raises `ConfigurationError` if a secret is missing or too weak."""
    ours = environment.copilot_pipeline_webhook_secret
    theirs = environment.semarize_webhook_secret or ours
    if ours is None:
        raise ConfigurationError(
            "COPILOT_PIPELINE_WEBHOOK_SECRET is not set: the receiver would believe anybody. Make one with "
            "`openssl rand -hex 32`, and give it to those who send webhooks"
        )
    if any(len(word) < SHORTEST_SECRET for word in ours.get_secret_value().split()):
        raise ConfigurationError(
            f"COPILOT_PIPELINE_WEBHOOK_SECRET is shorter than {SHORTEST_SECRET} characters and could be guessed: "
            "make one with `openssl rand -hex 32`"
        )
    return {
        CLARI_COPILOT: Secrets.parse(ours.get_secret_value()),
        SEMARIZE: Secrets.parse((theirs or ours).get_secret_value()),
    }


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
