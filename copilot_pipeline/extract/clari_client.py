"""The Clari Copilot client of this installation, which counts its requests by source."""

from __future__ import annotations

from contextlib import AbstractContextManager

from copilot_pipeline.clients.bounded_response import ResponseLimits
from copilot_pipeline.clients.clari import connect
from copilot_pipeline.clients.clari.client import ClariClient
from copilot_pipeline.clients.rate_limits import RateLimits
from copilot_pipeline.config.loading import Settings
from copilot_pipeline.postgres import Database
from copilot_pipeline.state.page_size import PageSize
from copilot_pipeline.telemetry.recorder import recorder_of
from copilot_pipeline.telemetry.requests import RequestMetrics


def open_counting_client(
    settings: Settings, database: Database, limits: RateLimits, source: str, *, attempts: int | None = None
) -> AbstractContextManager[ClariClient]:
    """Open a client within the shared limits that counts its requests under `source`."""
    return connect.open_client(
        settings.environment,
        limits,
        limits.limiter(database, source),
        PageSize(database),
        include_private=settings.pipeline.clari.include_private,
        attempts=attempts,
        response_limits=ResponseLimits.from_settings(settings.pipeline.advanced.http),
        observer=RequestMetrics(recorder_of(database), "clari_copilot", source),
    )
