"""Open a Semarize client from settings, and list the configured kits."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from copilot_pipeline.clients.bounded_response import ResponseLimits
from copilot_pipeline.clients.http import Observer, RetryPolicy
from copilot_pipeline.clients.semarize import Kit, SemarizeClient, make_client
from copilot_pipeline.config.environment import Environment
from copilot_pipeline.config.loading import Settings
from copilot_pipeline.errors import ConfigurationError


@contextmanager
def open_client(
    environment: Environment,
    policy: RetryPolicy | None = None,
    *,
    limits: ResponseLimits | None = None,
    observer: Observer | None = None,
) -> Iterator[SemarizeClient]:
    """A Semarize client. Raises `ConfigurationError` if the key is not set."""
    http = make_client(
        environment.semarize_base_url, api_key(environment), policy=policy, limits=limits, observer=observer
    )
    try:
        yield SemarizeClient(http)
    finally:
        http.close()


def api_key(environment: Environment) -> str:
    """The API key. Raises `ConfigurationError` if it is not set."""
    key = environment.semarize_api_key
    if key is None:
        raise ConfigurationError(
            "SEMARIZE_API_KEY is not set, and pipeline.yaml has kits to score with: set the key, or remove the kits"
        )
    return key.get_secret_value()


def kits_of(settings: Settings) -> list[Kit]:
    """The kits of `pipeline.yaml`."""
    return [
        Kit(
            name=name,
            code=kit.code,
            version_id=kit.kit_version_id,
            call_filter=kit.calls.kit_filter,
            place=settings.place_of("kits", name, "kit_version_id" if kit.kit_version_id else "code"),
        )
        for name, kit in settings.pipeline.kits.items()
    ]
