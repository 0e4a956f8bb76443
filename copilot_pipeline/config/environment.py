"""Secrets, addresses and limits: from environment variables, or from `.env`.

Secrets are `SecretStr`: printing, logging or comparing settings never shows them.
"""

from __future__ import annotations

from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from copilot_pipeline.config.types import HttpAddress, OptionalAddress, OptionalHttpAddress, OptionalText, Secret

DEFAULT_FIRST_DAY = date(2026, 1, 1)
REST_BASE_URL = "https://rest-api.copilot.clari.com"
GUIDE_BASE_URL = "https://api.copilot.clari.com"
SEMARIZE_BASE_URL = "https://api.semarize.com"
HUBSPOT_BASE_URL = "https://api.hubapi.com"


class Environment(BaseSettings):
    """Secrets, addresses and limits. A variable that is set but empty counts as not set."""

    model_config = SettingsConfigDict(
        env_file=".env", env_file_encoding="utf-8", extra="ignore", env_ignore_empty=True, populate_by_name=True
    )

    clari_copilot_api_key: Secret = Field(default=None, description="Clari Copilot API key (both dialects).")
    clari_copilot_api_password: Secret = Field(
        default=None, description="Clari Copilot API password, also labelled API secret (dialect `rest`)."
    )
    clari_copilot_base_url: OptionalHttpAddress = Field(
        default=None, description="Address of the Clari Copilot API. Default: the vendor's, by dialect."
    )
    clari_copilot_dialect: Literal["rest", "guide"] = Field(
        default="rest", description="`rest` is the vendor's API, `guide` the one-key `/call-details` by date range."
    )
    semarize_api_key: Secret = Field(default=None, description="Semarize API key (`smz_live_…` or `smz_test_…`).")
    semarize_base_url: HttpAddress = Field(default=SEMARIZE_BASE_URL, description="Address of Semarize, without `/v1`.")
    copilot_pipeline_first_day: date = Field(
        default=DEFAULT_FIRST_DAY, description="The first daily partition, YYYY-MM-DD."
    )
    copilot_pipeline_database_url: OptionalAddress = Field(
        default=None, description="PostgreSQL address. Default: an embedded PostgreSQL under COPILOT_PIPELINE_HOME."
    )
    copilot_pipeline_home: Path = Field(
        default=Path(".copilot_pipeline"), description="Folder of the embedded database, the lake and Dagster's files."
    )
    copilot_pipeline_lake_url: OptionalAddress = Field(
        default=None, description="Where Parquet goes: a folder or `s3://bucket/path`. Default: `lake` in the home."
    )
    copilot_pipeline_config: OptionalText = Field(
        default=None, description="Path of `pipeline.yaml`. Default: `pipeline.yaml` in the working folder, if there."
    )
    copilot_pipeline_requests_per_second: float = Field(
        default=9.0,
        ge=0,
        allow_inf_nan=False,
        description="Pace of all processes together; the vendor allows 10. 0 switches the pace off.",
    )
    copilot_pipeline_requests_per_week: int = Field(
        default=100_000, ge=1, description="Weekly budget, from Sunday 00:00 UTC; the vendor allows 100,000."
    )
    copilot_pipeline_pace_unit: Literal["requests", "records"] = Field(
        default="requests", description="What the pace counts: requests, or a page's records, as the guide words it."
    )
    copilot_pipeline_webhook_secret: Secret = Field(
        default=None, description="Secret of those who send webhooks; two parted by a blank while it is being replaced."
    )
    semarize_webhook_secret: Secret = Field(
        default=None, description="Secret of Semarize's webhooks. Default: COPILOT_PIPELINE_WEBHOOK_SECRET."
    )
    copilot_pipeline_webhook_requests_per_second: float = Field(
        default=500.0, gt=0, description="Webhooks a second that the receiver takes; ten seconds' worth at once."
    )
    slack_webhook_url: Secret = Field(default=None, description="Slack incoming webhook for alerts.")
    salesforce_base_url: OptionalHttpAddress = Field(
        default=None, description="My Domain of Salesforce, https://….my.salesforce.com."
    )
    salesforce_client_id: Secret = Field(
        default=None, description="Consumer key of the external client app (OAuth client credentials)."
    )
    salesforce_client_secret: Secret = Field(default=None, description="Its consumer secret.")
    hubspot_access_token: Secret = Field(
        default=None, description="Access token of a HubSpot private app that may write deals."
    )
    hubspot_base_url: HttpAddress = Field(default=HUBSPOT_BASE_URL, description="Address of HubSpot's API.")
    webhook_url: Secret = Field(default=None, description="Where results are posted to: Zapier, n8n, Make.")
    webhook_secret: Secret = Field(
        default=None, description="What they are signed with (Standard Webhooks, `whsec_` and base64)."
    )

    @cached_property
    def home(self) -> Path:
        """The home folder, absolute: Dagster starts processes in other working folders."""
        return self.copilot_pipeline_home.expanduser().absolute()

    @property
    def clari_base_url(self) -> str:
        """The address in use."""
        default = REST_BASE_URL if self.clari_copilot_dialect == "rest" else GUIDE_BASE_URL
        return self.clari_copilot_base_url or default

    @property
    def lake_url(self) -> str:
        """Where Parquet goes, absolute."""
        url = self.copilot_pipeline_lake_url
        if url is None:
            return str(self.home / "lake")
        return url if "://" in url else str(Path(url).expanduser().absolute())
