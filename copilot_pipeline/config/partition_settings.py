"""The settings that definitions need at import, without the others.

A mistake in a route or a kit must not take the Dagster code location down. So this module reads the first day, the time
zone, the schedule of polling and the reserve, and ignores everything else. The settings as a whole are validated by
`config.loading.load_settings`, which every run calls.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings

from copilot_pipeline.config.environment import Environment
from copilot_pipeline.config.pipeline_file import BudgetSettings, PipelineFile, PollingSettings
from copilot_pipeline.config.renamed_keys import apply_renames
from copilot_pipeline.config.sources import existing_pipeline_path, read_yaml_mapping
from copilot_pipeline.config.types import OptionalText
from copilot_pipeline.errors import ConfigurationError

Section = TypeVar("Section", PollingSettings, BudgetSettings)


@dataclass(frozen=True, slots=True)
class PartitionSettings:
    """What partitions and schedules are defined by."""

    first_day: date
    timezone: str
    polling: PollingSettings
    budget: BudgetSettings

    @property
    def zone(self) -> ZoneInfo:
        """The time zone whose days are the partitions."""
        return ZoneInfo(self.timezone)


class _PartitionEnvironment(BaseSettings):
    """The two variables that matter here; all others may hold anything."""

    model_config = Environment.model_config

    copilot_pipeline_first_day: date = Field(
        default=Environment.model_fields["copilot_pipeline_first_day"].default, description="The first partition."
    )
    copilot_pipeline_config: OptionalText = Field(default=None, description="Path of `pipeline.yaml`.")


def read_partition_settings() -> PartitionSettings:
    """Read the first day, the time zone and the polling schedule.

    Ignore mistakes in all other settings. An invalid section `polling` or `budget` means its defaults; `load_settings`
    reports it. Raises `ConfigurationError` if the first day or the time zone cannot be determined: partitions of a
    guessed time zone would hold the wrong calls.
    """
    try:
        environment = _PartitionEnvironment()
    except ValidationError:
        raise ConfigurationError("COPILOT_PIPELINE_FIRST_DAY: invalid date: expected YYYY-MM-DD") from None
    path = existing_pipeline_path(environment.copilot_pipeline_config)
    content = _content(path) if path else {}
    return PartitionSettings(
        first_day=environment.copilot_pipeline_first_day,
        timezone=_timezone(content, str(path)),
        polling=_section(content, "polling", PollingSettings),
        budget=_section(content, "budget", BudgetSettings),
    )


def _content(path: Path) -> dict[Any, Any]:
    file = read_yaml_mapping(path)
    try:
        return apply_renames(file, path)[0].content
    except ConfigurationError:  # a key under its old and new name, which `load_settings` reports
        return file.content


def _timezone(content: dict[Any, Any], path: str) -> str:
    if "timezone" not in content:
        return PipelineFile().timezone
    try:
        return PipelineFile.model_validate({"timezone": content["timezone"]}).timezone
    except ValidationError as error:
        message = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise ConfigurationError(f"{path}: timezone: {message}") from None


def _section(content: dict[Any, Any], name: str, model: type[Section]) -> Section:
    try:
        return model.model_validate(content.get(name) or {})
    except ValidationError:
        return model()
