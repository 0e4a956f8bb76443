"""A runtime on a real database, and Dagster's records in memory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from copilot_pipeline.config.loading import load_settings
from copilot_pipeline.postgres import Database
from copilot_pipeline.runtime import Runtime
from copilot_pipeline_tests.http_servers import Reply, serving


@pytest.fixture
def refusing() -> Iterator[str]:
    """A server that knows no key."""
    with serving(lambda _: Reply(401)) as service:
        yield service.url


@pytest.fixture
def runtime(database: Database, home: Path, refusing: str) -> Iterator[Runtime]:
    """The pipeline's parts, before a server that refuses everything."""
    home.mkdir(parents=True)
    config = home / "pipeline.yaml"
    config.write_text("timezone: UTC\n")
    settings = load_settings(
        copilot_pipeline_database_url=database.url,
        copilot_pipeline_home=home,
        copilot_pipeline_config=str(config),
        clari_copilot_api_key="key",
        clari_copilot_api_password="password",
        clari_copilot_base_url=refusing,
    )
    opened = Runtime(settings, source="test")
    yield opened
    opened.close()


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    """Dagster's runs, in memory."""
    with dg.DagsterInstance.ephemeral() as opened:
        yield opened
