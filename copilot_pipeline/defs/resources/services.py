"""The rate limiter, the two APIs and deliveries."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import dagster as dg
from pydantic import Field

from copilot_pipeline.clients.clari.client import ClariClient
from copilot_pipeline.clients.http import RetryPolicy
from copilot_pipeline.clients.rate_limiter import RateLimiter
from copilot_pipeline.clients.rate_limits import RateLimits
from copilot_pipeline.clients.semarize import SemarizeClient
from copilot_pipeline.clients.weekly_quota import WeeklyQuota
from copilot_pipeline.config.loading import Settings
from copilot_pipeline.defs.resources.storage import PostgresResource, SettingsResource, environment_with
from copilot_pipeline.delivery.credential_incidents import open_clari_client, open_semarize_client
from copilot_pipeline.progress import NoProgress, Progress

if TYPE_CHECKING:
    from copilot_pipeline.delivery.service import DeliveryService


class RateLimiterResource(dg.ConfigurableResource[Any]):
    """The limit of requests to Clari Copilot, shared by all processes on all machines through PostgreSQL.

    The vendor allows 10 requests per second and 100,000 per week (from Sunday 00:00 UTC) for the whole workspace. When
    the weekly quota is used up, runs that need the API wait in the queue and continue after the reset.
    """

    postgres: dg.ResourceDependency[PostgresResource]
    requests_per_second: float = Field(description="Requests per second of all processes together. 0 means no limit.")
    requests_per_week: int = Field(description="Requests per week, from Sunday 00:00 UTC.")
    reserve: float = Field(description="Share of the weekly quota (0 to 1) that backfills may not use.")
    unit: str = Field(description="What is counted: requests, or the records of a page.")

    @property
    def limits(self) -> RateLimits:
        """The configured limits."""
        return RateLimits(self.requests_per_second, self.requests_per_week, self.reserve, self.unit)

    def limiter(self, source: str) -> RateLimiter:
        """The rate limiter, counting requests under `source`."""
        return self.limits.limiter(self.postgres.database, source)

    def quota(self, source: str = "manual") -> WeeklyQuota:
        """The use of the weekly quota; for backfills, of their part of it."""
        return self.limiter(source).quota()


class ClariCopilotResource(dg.ConfigurableResource[Any]):
    """The Clari Copilot API. Every request passes the rate limiter.

    Refused credentials are reported as one incident, however many runs meet them.
    """

    settings: dg.ResourceDependency[SettingsResource]
    postgres: dg.ResourceDependency[PostgresResource]
    rate_limiter: dg.ResourceDependency[RateLimiterResource]
    api_key: str | None = Field(default=None, description="API key, from Workspace Settings > Integrations.")
    api_password: str | None = Field(default=None, description="API password, also named API secret (dialect rest).")
    base_url: str | None = Field(default=None, description="URL of the API. Default: the vendor's.")
    dialect: str = Field(description="rest (the vendor's API) or guide (the one-key API by date range).")

    @contextmanager
    def client(self, source: str, *, attempts: int | None = None) -> Iterator[ClariClient]:
        """A client that counts its requests under `source`."""
        settings = _with_environment(
            self.settings.load(),
            clari_copilot_api_key=self.api_key,
            clari_copilot_api_password=self.api_password,
            clari_copilot_base_url=self.base_url,
            clari_copilot_dialect=self.dialect,
        )
        limits = self.rate_limiter.limits
        with open_clari_client(settings, self.postgres.database, limits, source, attempts=attempts) as client:
            yield client


class SemarizeResource(dg.ConfigurableResource[Any]):
    """The Semarize API, which scores transcripts against the kits of pipeline.yaml. Each run is paid for."""

    settings: dg.ResourceDependency[SettingsResource]
    postgres: dg.ResourceDependency[PostgresResource]
    api_key: str | None = Field(default=None, description="API key (smz_live_… or smz_test_…).")
    base_url: str = Field(description="URL of the API, without /v1.")

    @contextmanager
    def client(self, policy: RetryPolicy | None = None) -> Iterator[SemarizeClient]:
        """A client, with the default retries or those of `policy`."""
        settings = _with_environment(
            self.settings.load(), semarize_api_key=self.api_key, semarize_base_url=self.base_url
        )
        with open_semarize_client(settings, self.postgres.database, policy) as client:
            yield client


class DeliveriesResource(dg.ConfigurableResource[Any]):
    """Messages and CRM updates: the routes of pipeline.yaml, the outbox, the sinks and the incidents."""

    settings: dg.ResourceDependency[SettingsResource]
    postgres: dg.ResourceDependency[PostgresResource]
    rate_limiter: dg.ResourceDependency[RateLimiterResource]
    semarize: dg.ResourceDependency[SemarizeResource]
    slack_webhook_url: str | None = Field(default=None, description="Slack incoming webhook.")
    salesforce_base_url: str | None = Field(default=None, description="Salesforce My Domain URL.")
    salesforce_client_id: str | None = Field(default=None, description="Consumer key of the external client app.")
    salesforce_client_secret: str | None = Field(default=None, description="Consumer secret of that app.")
    hubspot_access_token: str | None = Field(default=None, description="Access token of a HubSpot private app.")
    hubspot_base_url: str = Field(description="URL of the HubSpot API.")
    webhook_url: str | None = Field(default=None, description="URL to which results are posted: Zapier, n8n, Make.")
    webhook_secret: str | None = Field(default=None, description="Signing secret of those posts (Standard Webhooks).")

    def service(self, progress: Progress | None = None) -> "DeliveryService":
        """What enqueues and sends deliveries and reports incidents."""
        # Imported here: most runs start without a delivery, and it imports every sink.
        from copilot_pipeline.delivery.service import DeliveryService

        settings = _with_environment(
            self.settings.load(),
            semarize_api_key=self.semarize.api_key,
            semarize_base_url=self.semarize.base_url,
            slack_webhook_url=self.slack_webhook_url,
            salesforce_base_url=self.salesforce_base_url,
            salesforce_client_id=self.salesforce_client_id,
            salesforce_client_secret=self.salesforce_client_secret,
            hubspot_access_token=self.hubspot_access_token,
            hubspot_base_url=self.hubspot_base_url,
            webhook_url=self.webhook_url,
            webhook_secret=self.webhook_secret,
        )
        return DeliveryService(settings, self.postgres.database, self.rate_limiter.limits, progress or NoProgress())


def _with_environment(settings: Settings, **values: str | None) -> Settings:
    return Settings(environment=environment_with(**values), pipeline=settings.pipeline)
