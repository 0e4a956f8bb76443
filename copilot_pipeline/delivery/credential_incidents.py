"""Clients that report refused credentials as one incident.

Many runs may meet the same refused key. It is reported once, and resolved when a later request is accepted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from copilot_pipeline.clients.bounded_response import ResponseLimits
from copilot_pipeline.clients.clari.client import ClariClient
from copilot_pipeline.clients.http import RetryPolicy
from copilot_pipeline.clients.rate_limits import RateLimits
from copilot_pipeline.clients.semarize import SemarizeClient
from copilot_pipeline.clients.semarize import connect as semarize
from copilot_pipeline.config.loading import Settings
from copilot_pipeline.delivery.incident_monitor import IncidentMonitor, incident_monitor
from copilot_pipeline.delivery.incidents import Failure
from copilot_pipeline.errors import CredentialsRefused
from copilot_pipeline.extract.clari_client import open_counting_client
from copilot_pipeline.postgres import Database
from copilot_pipeline.telemetry.recorder import recorder_of
from copilot_pipeline.telemetry.requests import RequestMetrics


class _Client(Protocol):
    @property
    def has_succeeded(self) -> bool:
        """Return whether the server has accepted the credentials."""


@contextmanager
def open_clari_client(
    settings: Settings,
    database: Database,
    limits: RateLimits,
    source: str,
    *,
    attempts: int | None = None,
    reports_refusal: bool = True,
) -> Iterator[ClariClient]:
    """Open a Clari Copilot client that counts its requests under `source`.

    Without `reports_refusal` a refusal is only raised: for commands whose user reads the error.
    """
    opened = open_counting_client(settings, database, limits, source, attempts=attempts)
    variables = "CLARI_COPILOT_API_KEY and CLARI_COPILOT_API_PASSWORD"
    with (
        opened as client,
        _incident("Clari Copilot", variables, client, lambda: incident_monitor(settings, database), reports_refusal),
    ):
        yield client


@contextmanager
def open_semarize_client(
    settings: Settings, database: Database, policy: RetryPolicy | None = None, *, reports_refusal: bool = True
) -> Iterator[SemarizeClient]:
    """Open a Semarize client. Without `reports_refusal` a refusal is only raised."""
    limits = ResponseLimits.from_settings(settings.pipeline.advanced.http)
    observer = RequestMetrics(recorder_of(database), "semarize", "scoring")
    with (
        semarize.open_client(settings.environment, policy, limits=limits, observer=observer) as client,
        _incident(
            "Semarize", "SEMARIZE_API_KEY", client, lambda: incident_monitor(settings, database), reports_refusal
        ),
    ):
        yield client


@contextmanager
def _incident(
    service: str, variables: str, client: _Client, monitor: Callable[[], IncidentMonitor], reports_refusal: bool
) -> Iterator[None]:
    """Open or resolve the incident of a service's credentials.

    It is opened if the block ends with `CredentialsRefused`, and resolved if a request was accepted.
    """
    name, is_refused = f"credentials of {service}", False
    try:
        yield
    except CredentialsRefused as error:
        is_refused = True
        if reports_refusal:
            next_step = f"Renew {variables}, restart, and check with: copilot-pipeline doctor"
            monitor().open(Failure(name, f"{error}. Runs that need it fail.", next_step))
        raise
    finally:
        if client.has_succeeded and not is_refused:
            monitor().resolve(name)
