"""Secrets, addresses and limits, from environment variables or `.env`.

Secrets are `SecretStr`: printing, logging or comparing settings never shows them.
"""

from __future__ import annotations

from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from copilot_pipeline.config.types import (
    HostNames,
    HttpAddress,
    OptionalAddress,
    OptionalHttpAddress,
    OptionalText,
    Secret,
    Secrets,
)

DEFAULT_FIRST_DAY = date(2026, 1, 1)
REST_BASE_URL = "https://rest-api.copilot.clari.com"
GUIDE_BASE_URL = "https://api.copilot.clari.com"
SEMARIZE_BASE_URL = "https://api.semarize.com"
HUBSPOT_BASE_URL = "https://api.hubapi.com"


class Environment(BaseSettings):
    """Secrets, addresses and limits. An empty variable counts as not set."""

    model_config = SettingsConfigDict(
        env_file=".env", env_file_encoding="utf-8", extra="ignore", env_ignore_empty=True, populate_by_name=True
    )

    clari_copilot_api_key: Secret = Field(default=None, description="API key of Clari Copilot (both dialects).")
    clari_copilot_api_password: Secret = Field(
        default=None, description="API password of Clari Copilot, also named API secret (dialect `rest` only)."
    )
    clari_copilot_base_url: OptionalHttpAddress = Field(
        default=None, description="Address of the Clari Copilot API. Default: the vendor's address for the dialect."
    )
    clari_copilot_dialect: Literal["rest", "guide"] = Field(
        default="rest",
        description="`rest`: the vendor's documented API. `guide`: `/call-details` by date range, with one key.",
    )
    semarize_api_key: Secret = Field(default=None, description="API key of Semarize (`smz_live_…` or `smz_test_…`).")
    semarize_base_url: HttpAddress = Field(
        default=SEMARIZE_BASE_URL, description="Address of the Semarize API, without `/v1`."
    )
    copilot_pipeline_first_day: date = Field(
        default=DEFAULT_FIRST_DAY, description="First daily partition, as YYYY-MM-DD."
    )
    copilot_pipeline_database_url: OptionalAddress = Field(
        default=None, description="Address of PostgreSQL. Default: an embedded PostgreSQL in COPILOT_PIPELINE_HOME."
    )
    copilot_pipeline_reader_database_url: OptionalAddress = Field(
        default=None,
        description="Address of the same database as a role that can only read, for `copilot-pipeline sql`. Default: "
        "a role that is created for it, if the user of COPILOT_PIPELINE_DATABASE_URL may create roles.",
    )
    copilot_pipeline_home: Path = Field(
        default=Path(".copilot_pipeline"),
        description="Folder of the embedded database, the lake and Dagster's files. A relative path is relative to the "
        "working folder; use an absolute one for commands that a scheduler starts.",
    )
    copilot_pipeline_lake_url: OptionalAddress = Field(
        default=None,
        description="Folder or `s3://bucket/path` of the Parquet files. Default: `lake` in COPILOT_PIPELINE_HOME.",
    )
    copilot_pipeline_config: OptionalText = Field(
        default=None,
        description="Path of `pipeline.yaml`; `none` if there should be no file, because a command that finds none "
        "stops if the last one had one. Default: `pipeline.yaml` in the working folder, if it exists.",
    )
    copilot_pipeline_requests_per_second: float = Field(
        default=9.0,
        ge=0,
        allow_inf_nan=False,
        description="Rate limit of all processes together; the vendor allows 10. 0 switches the limiter off.",
    )
    copilot_pipeline_requests_per_week: int = Field(
        default=100_000, ge=1, description="Weekly quota, from Sunday 00:00 UTC; the vendor allows 100,000."
    )
    copilot_pipeline_pace_unit: Literal["requests", "records"] = Field(
        default="requests", description="What the rate limit counts: `requests`, or the `records` of each page."
    )
    copilot_pipeline_webhook_secret: Secrets = Field(
        default=None,
        description="Secret of received webhooks, at least 16 characters; two, separated by a blank, while it is being "
        "rotated.",
    )
    semarize_webhook_secret: Secrets = Field(
        default=None,
        description="Secret of Semarize's webhooks, likewise. Default: COPILOT_PIPELINE_WEBHOOK_SECRET.",
    )
    copilot_pipeline_privacy_key: Secret = Field(
        default=None,
        description="Key of the keyed hashes (HMAC) by which erased people and calls are recognized, at least 16 "
        "characters. Keep it: without it nothing that was erased can be recognized, and nothing is fetched.",
    )
    copilot_pipeline_webhook_requests_per_second: float = Field(
        default=500.0,
        gt=0,
        description="Webhooks per second that the receiver accepts; bursts of up to ten seconds' worth are allowed.",
    )
    copilot_pipeline_metrics_token: Secret = Field(
        default=None,
        description="If set, `GET /metrics` of the receiver needs it as a bearer token. Set it if other machines reach "
        "the receiver's port.",
    )
    copilot_pipeline_log_format: Literal["text", "json"] = Field(
        default="text", description="Format of log lines on standard error: `text`, or one JSON object per line."
    )
    copilot_pipeline_log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info",
        description="Least level of the log lines of runs and of the receiver on standard error. Dagster's UI has all.",
    )
    copilot_pipeline_hash_key: Secret = Field(
        default=None,
        description="Key of the hashes of `privacy.hash_columns`, at least 32 characters. With another key all hashes "
        "are others.",
    )
    copilot_pipeline_ui_hosts: HostNames = Field(
        default=None,
        description="Host names under which the Dagster UI is reached besides localhost, such as that of an "
        "authenticating proxy, separated by blanks. Requests with another `Host` or `Origin` are refused.",
    )
    smtp_url: Secret = Field(
        default=None,
        description="Mail server of the weekly report: `smtps://user:password@host:465`, or `smtp://…:587` (STARTTLS).",
    )
    smtp_from: OptionalText = Field(default=None, description="Sender address of the weekly report's e-mails.")
    slack_webhook_url: Secret = Field(default=None, description="Address of a Slack incoming webhook, for alerts.")
    slack_messages_per_second: float = Field(
        default=1.0,
        ge=0,
        allow_inf_nan=False,
        description="Messages per second to each Slack webhook, of all processes with one database; Slack allows 1. 0 "
        "switches the limiter off, for a stand-in such as the sandbox.",
    )
    salesforce_base_url: OptionalHttpAddress = Field(
        default=None, description="My Domain address of Salesforce, https://….my.salesforce.com."
    )
    salesforce_client_id: Secret = Field(
        default=None, description="Consumer key of the external client app (OAuth client credentials)."
    )
    salesforce_client_secret: Secret = Field(default=None, description="Consumer secret of the external client app.")
    hubspot_access_token: Secret = Field(
        default=None, description="Access token of a HubSpot private app with write access to deals."
    )
    hubspot_base_url: HttpAddress = Field(default=HUBSPOT_BASE_URL, description="Address of the HubSpot API.")
    webhook_url: Secret = Field(
        default=None, description="Address that results are posted to, such as a webhook of Zapier, n8n or Make."
    )
    webhook_secret: Secret = Field(
        default=None,
        description="Secret that signs posted results (Standard Webhooks: `whsec_` and Base64). Default: not signed.",
    )

    @cached_property
    def home(self) -> Path:
        """The home folder, absolute: Dagster starts processes in other folders."""
        return self.copilot_pipeline_home.expanduser().absolute()

    @property
    def ui_hosts(self) -> tuple[str, ...]:
        """The configured host names of the Dagster UI."""
        return tuple((self.copilot_pipeline_ui_hosts or "").split())

    @property
    def clari_base_url(self) -> str:
        """Address of the Clari Copilot API, with the default of the dialect."""
        default = REST_BASE_URL if self.clari_copilot_dialect == "rest" else GUIDE_BASE_URL
        return self.clari_copilot_base_url or default

    @property
    def lake_url(self) -> str:
        """Location of the Parquet files; a folder is an absolute path."""
        url = self.copilot_pipeline_lake_url
        if url is None:
            return str(self.home / "lake")
        return url if "://" in url else str(Path(url).expanduser().absolute())
