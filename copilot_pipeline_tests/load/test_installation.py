"""The settings of a command are compared with those that the stored data were made with."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from copilot_pipeline.config.environment import Environment
from copilot_pipeline.config.loading import Settings
from copilot_pipeline.config.pipeline_file import PipelineFile
from copilot_pipeline.errors import ConfigurationError
from copilot_pipeline.load.installation import accept_settings
from copilot_pipeline.postgres import Database
from copilot_pipeline.state import CallStore
from copilot_pipeline_tests.state.examples import listed_call, record

FILE = Path("/project/pipeline.yaml")


def settings(timezone: str = "UTC", *, path: Path | None = FILE, named: str | None = None) -> Settings:
    """Settings as they would be loaded."""
    environment = Environment(copilot_pipeline_config=named, _env_file=None)  # type: ignore[call-arg]
    return Settings(environment=environment, pipeline=PipelineFile(timezone=timezone), config_path=path)


def add_calls(database: Database, zone: str) -> None:
    """Add a call in every hour of a day."""
    store = CallStore(database, ZoneInfo(zone))
    midnight = datetime(2026, 11, 3, tzinfo=UTC)
    record(store, *(listed_call(f"c-{hour}", started_at=midnight + timedelta(hours=hour)) for hour in range(24)))


def test_another_zone_is_refused_once_there_are_calls(database: Database) -> None:
    """The sentence names the zone to go back to; without calls any zone is accepted."""
    for zone in ("UTC", "Europe/Berlin", "UTC"):
        accept_settings(settings(zone), database)
    add_calls(database, "UTC")
    accept_settings(settings("UTC"), database)
    with pytest.raises(ConfigurationError, match=r"timezone: UTC in pipeline\.yaml"):
        accept_settings(settings("America/Los_Angeles"), database)
    accept_settings(settings("Etc/UTC"), database)


@pytest.mark.parametrize(("zone", "accepted"), [("America/Los_Angeles", True), ("UTC", False)])
def test_calls_of_an_earlier_version_show_their_zone(database: Database, zone: str, accepted: bool) -> None:
    """Nothing is known of the zone, so that the days of the calls decide."""
    add_calls(database, "America/Los_Angeles")
    if accepted:
        accept_settings(settings(zone), database)
        return
    with pytest.raises(ConfigurationError, match="8 of 24 calls"):
        accept_settings(settings(zone), database)


def test_a_missing_file_that_the_last_command_had_is_refused(database: Database) -> None:
    """The error names its path. `none` states that there is no file; another file replaces it."""
    accept_settings(settings(path=None), database)
    accept_settings(settings(), database)
    for _ in range(2):
        with pytest.raises(ConfigurationError, match=r"COPILOT_PIPELINE_CONFIG=/project/pipeline\.yaml"):
            accept_settings(settings(path=None), database)
    accept_settings(settings(path=Path("/other/pipeline.yaml")), database)
    accept_settings(settings(path=None, named="none"), database)
    accept_settings(settings(path=None), database)
