"""Resources on a real database, and Dagster's records in memory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from copilot_pipeline.postgres import Database
from copilot_pipeline_tests.defs.opened import Opened, opened_resources
from copilot_pipeline_tests.http_servers import Reply, serving


@pytest.fixture
def refusing() -> Iterator[str]:
    """A server that refuses every key."""
    with serving(lambda _: Reply(401)) as service:
        yield service.url


@pytest.fixture
def opened(database: Database, home: Path, refusing: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Opened]:
    """The resources, with a server that refuses everything."""
    home.mkdir(parents=True)
    config = home / "pipeline.yaml"
    config.write_text("timezone: UTC\n")
    for name, value in {
        "COPILOT_PIPELINE_DATABASE_URL": database.url,
        "COPILOT_PIPELINE_HOME": str(home),
        "COPILOT_PIPELINE_CONFIG": str(config),
        "CLARI_COPILOT_API_KEY": "key",
        "CLARI_COPILOT_API_PASSWORD": "password",
        "CLARI_COPILOT_BASE_URL": refusing,
    }.items():
        monkeypatch.setenv(name, value)
    with opened_resources() as resources:
        yield resources


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    """Dagster's runs, in memory."""
    with dg.DagsterInstance.ephemeral() as opened:
        yield opened
