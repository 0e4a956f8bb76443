"""`copilot-pipeline receive`: the webhook receiver."""

from __future__ import annotations

import click
from pydantic import SecretStr

from copilot_pipeline.cli.console import echo, log_to_standard_error
from copilot_pipeline.config.environment import Environment
from copilot_pipeline.config.loading import Settings, load_settings
from copilot_pipeline.config.urls import is_loopback
from copilot_pipeline.errors import ConfigurationError
from copilot_pipeline.postgres import open_database
from copilot_pipeline.receiver import CLARI_COPILOT, SEMARIZE, Endpoint, Limits, receiver_app, serve
from copilot_pipeline.receiver.auth import STANDARD_PREFIX, Secrets
from copilot_pipeline.receiver.metrics_page import MetricsPage
from copilot_pipeline.telemetry.state import quota_settings

DEFAULT_PORT = 8800
MIN_SECRET_LENGTH = 16


@click.command("receive")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port", default=DEFAULT_PORT, show_default=True, type=click.IntRange(0, 65535), help="Port; 0 chooses a free one."
)
def command(host: str, port: int) -> None:
    """Receive webhooks: call ids from Clari Copilot, Zapier, n8n or Make, and finished runs from Semarize.

    A webhook is stored in the database before it is answered; a Dagster sensor processes it. Needs
    COPILOT_PIPELINE_WEBHOOK_SECRET. Put a proxy with TLS in front of it if other machines connect, and let it forward
    only /webhooks/: the port also serves /healthz and /metrics, the latter to everybody who reaches it unless
    COPILOT_PIPELINE_METRICS_TOKEN is set.
    """
    settings = load_settings()
    environment = settings.environment
    endpoints = endpoints_of(environment)
    log_to_standard_error(environment)
    database = open_database(environment)
    database.close()
    limits = Limits(requests_per_second=environment.copilot_pipeline_webhook_requests_per_second)

    def print_endpoints(address: str) -> None:
        for endpoint in endpoints:
            echo(f"{endpoint.name:14} POST {address}{endpoint.path}")
        echo(f"{'metrics':14} GET  {address}/metrics")
        if not is_loopback(host):
            echo(
                f"warning: {host} accepts connections from other machines without TLS, which exposes secrets and ids. "
                "Put a proxy with TLS in front and let it connect to 127.0.0.1.",
                err=True,
            )

    serve(
        receiver_app(endpoints, database.url, limits, _metrics(settings, database.url)),
        host,
        port,
        on_listening=print_endpoints,
    )


def _metrics(settings: Settings, database_url: str) -> MetricsPage:
    token = settings.environment.copilot_pipeline_metrics_token
    return MetricsPage(database_url, quota_settings(settings), token.get_secret_value() if token else None)


def endpoints_of(environment: Environment) -> dict[Endpoint, Secrets]:
    """Return the endpoints with their secrets. Raises `ConfigurationError` if a secret is missing or too short."""
    ours = _secrets("COPILOT_PIPELINE_WEBHOOK_SECRET", environment.copilot_pipeline_webhook_secret)
    theirs = _secrets("SEMARIZE_WEBHOOK_SECRET", environment.semarize_webhook_secret)
    if ours is None:
        raise ConfigurationError(
            "COPILOT_PIPELINE_WEBHOOK_SECRET is not set, so senders cannot be authenticated. Create one with "
            "`openssl rand -hex 32` and configure it at every sender"
        )
    return {CLARI_COPILOT: ours, SEMARIZE: theirs or ours}


def _secrets(name: str, setting: SecretStr | None) -> Secrets | None:
    if setting is None:
        return None
    secrets = setting.get_secret_value()
    if any(len(secret.removeprefix(STANDARD_PREFIX)) < MIN_SECRET_LENGTH for secret in secrets.split()):
        raise ConfigurationError(
            f"{name} is shorter than {MIN_SECRET_LENGTH} characters, or one of its secrets is, and could be guessed. "
            "Create one with `openssl rand -hex 32`"
        )
    return Secrets.parse(secrets)
