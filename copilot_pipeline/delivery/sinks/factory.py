"""Build a sink from its settings and the environment."""

from __future__ import annotations

from pydantic import SecretStr

from copilot_pipeline.config.environment import Environment
from copilot_pipeline.config.report_delivery import is_email_address
from copilot_pipeline.config.routes import SinkSettings
from copilot_pipeline.config.sources import named_variable
from copilot_pipeline.config.urls import may_carry_a_key
from copilot_pipeline.delivery.model import Sink
from copilot_pipeline.delivery.sinks.email import EmailSink, ReadFile
from copilot_pipeline.delivery.sinks.hubspot import HubspotSink
from copilot_pipeline.delivery.sinks.salesforce import SalesforceSink
from copilot_pipeline.delivery.sinks.slack import THROTTLES, SlackSink
from copilot_pipeline.delivery.sinks.throttle import shared_slots
from copilot_pipeline.delivery.sinks.webhook import WebhookSink
from copilot_pipeline.errors import ConfigurationError
from copilot_pipeline.postgres import Database

_URLS = {
    "slack": "SLACK_WEBHOOK_URL",
    "salesforce": "SALESFORCE_BASE_URL",
    "hubspot": "HUBSPOT_BASE_URL",
    "webhook": "WEBHOOK_URL",
}
_KEYS = {"salesforce": "SALESFORCE_CLIENT_SECRET", "hubspot": "HUBSPOT_ACCESS_TOKEN", "webhook": "WEBHOOK_SECRET"}


def build_sink(name: str, sink: SinkSettings, environment: Environment, database: Database | None = None) -> Sink:
    """Build a sink. With a database, the rate of Slack is kept by all of its processes together.

    Raises `ConfigurationError` that names the missing or invalid variable.
    """
    variable = sink.url_env or _URLS[sink.kind]
    url = _address(name, variable, environment)
    if sink.kind == "slack":
        _require_tls(name, variable, url)
        may_repeat = sink.on_uncertain == "resend"
        if not environment.slack_messages_per_second:
            return SlackSink(url, may_repeat=may_repeat)
        interval = 1 / environment.slack_messages_per_second
        acquire = shared_slots(database, url, interval) if database is not None else None
        return SlackSink(url, may_repeat=may_repeat, throttle=THROTTLES.of(url, interval), acquire=acquire)
    key_variable = sink.key_env or _KEYS[sink.kind]
    if sink.kind == "webhook":
        # Without a secret the events are not signed: Zapier and Make cannot verify a signature without code.
        secret = _value(key_variable, environment)
        if secret is not None:
            _require_tls(name, variable, url)
        return WebhookSink(url, secret)
    key = _required(name, key_variable, environment)
    _require_tls(name, variable, url)
    url = url.rstrip("/")
    if sink.kind == "hubspot":
        return HubspotSink(url, key)
    client_id = _required(name, sink.client_id_env or "SALESFORCE_CLIENT_ID", environment)
    return SalesforceSink(url, client_id, key)


def build_email_sink(name: str, environment: Environment, read_file: ReadFile) -> EmailSink:
    """Build the sink of the weekly report's e-mails.

    Raises `ConfigurationError` that names the missing or invalid variable.
    """
    url, sender = _required(name, "SMTP_URL", environment), _required(name, "SMTP_FROM", environment)
    if not is_email_address(sender):
        raise ConfigurationError(f"sink {name}: SMTP_FROM must be an e-mail address such as reports@example.com")
    return EmailSink(url, sender, read_file)


def sink_problem(name: str, sink: SinkSettings, environment: Environment) -> str | None:
    """Return why this sink cannot be built, or None if it can."""
    try:
        build_sink(name, sink, environment).close()
    except ConfigurationError as error:
        return str(error)
    return None


def _address(name: str, variable: str, environment: Environment) -> str:
    url = _required(name, variable, environment)
    if not url.startswith(("https://", "http://")):
        raise ConfigurationError(f"sink {name}: {variable} must begin with https://")
    return url


def _require_tls(name: str, variable: str, url: str) -> None:
    if not may_carry_a_key(url):
        raise ConfigurationError(
            f"sink {name}: {variable} must begin with https://, because a key is sent to it or is part of it; http:// "
            "is possible to this machine only (localhost, 127.0.0.1, [::1])"
        )


def _required(name: str, variable: str, environment: Environment) -> str:
    value = _value(variable, environment)
    if value is None:
        raise ConfigurationError(f"sink {name}: {variable} is not set")
    return value


def _value(variable: str, environment: Environment) -> str | None:
    """Return the value of a variable of the settings or of pipeline.yaml."""
    if variable.lower() not in type(environment).model_fields:
        return named_variable(variable)
    value = getattr(environment, variable.lower())
    return value.get_secret_value() if isinstance(value, SecretStr) else value
