"""Open a Clari Copilot client from settings."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from copilot_pipeline.clients.bounded_response import ResponseLimits
from copilot_pipeline.clients.clari.client import ClariClient
from copilot_pipeline.clients.clari.dialects import dialect_named
from copilot_pipeline.clients.http import HttpClient, Observer, RetryPolicy
from copilot_pipeline.clients.rate_limiter import RateLimiter
from copilot_pipeline.clients.rate_limits import RateLimits
from copilot_pipeline.config.environment import Environment
from copilot_pipeline.errors import ConfigurationError

SERVICE = "Clari Copilot"
MAX_PAGE_SIZE = 100


class PageSizes(Protocol):
    """Where the page size that last worked is kept."""

    def load(self, largest: int) -> int:
        """Return the size to start with, at most `largest`."""

    def save(self, size: int) -> None:
        """Keep a size for later runs."""


@contextmanager
def open_client(
    environment: Environment,
    limits: RateLimits,
    limiter: RateLimiter,
    page_sizes: PageSizes,
    *,
    include_private: bool = False,
    attempts: int | None = None,
    response_limits: ResponseLimits | None = None,
    observer: Observer | None = None,
) -> Iterator[ClariClient]:
    """A client whose every request passes the rate limiter.

    `attempts` overrides how often a request is tried. Raises `ConfigurationError` if a key is not set.
    """
    dialect = dialect_named(environment.clari_copilot_dialect)
    http = HttpClient(
        SERVICE,
        environment.clari_base_url,
        dialect.auth_headers(*credentials(environment)),
        rate_limiter=limiter,
        policy=RetryPolicy(attempts=attempts) if attempts else None,
        limits=response_limits,
        observer=observer,
    )
    try:
        yield ClariClient(
            dialect,
            http,
            include_private=include_private,
            page_size=_first_page_size(limits, page_sizes),
            on_page_size=page_sizes.save,
            counts_records=limits.counts_records,
        )
    finally:
        http.close()


def credentials(environment: Environment) -> tuple[str, str]:
    """The API key and password. Raises `ConfigurationError` if the dialect needs one that is not set."""
    key, password = environment.clari_copilot_api_key, environment.clari_copilot_api_password
    if key is None:
        raise ConfigurationError("CLARI_COPILOT_API_KEY is not set: copy it from Workspace Settings > Integrations")
    if password is None and environment.clari_copilot_dialect == "rest":
        raise ConfigurationError(
            "CLARI_COPILOT_API_PASSWORD is not set: copy it from beside the API key (it is also named API secret)"
        )
    return key.get_secret_value(), password.get_secret_value() if password else ""


def _first_page_size(limits: RateLimits, page_sizes: PageSizes) -> int:
    size = page_sizes.load(MAX_PAGE_SIZE)
    if limits.counts_records and limits.requests_per_second:
        # If records are counted, a page may hold no more than one second's worth of them.
        size = max(1, min(size, int(limits.requests_per_second)))
    return size
