"""Compare the settings with those that the stored data were made with."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from copilot_pipeline.config.loading import Settings
from copilot_pipeline.config.sources import NO_FILE
from copilot_pipeline.errors import ConfigurationError
from copilot_pipeline.postgres import Database
from copilot_pipeline.state import Installation

_COMPARED_DAYS = 366 * 20  # two names of one zone have the same offset on each of these days


def accept_settings(settings: Settings, database: Database) -> None:
    """Store the time zone and the path of the configuration file, or compare them with the stored ones.

    Raises `ConfigurationError` if the time zone is another one, because calls would change their days, or if there is
    no configuration file and the last run had one, because it would run with other settings, or if a private column
    cannot be hidden.
    """
    if settings.pipeline.privacy.hash_columns or settings.pipeline.privacy.drop_columns:
        from copilot_pipeline.load.privacy import private_columns  # with Arrow, which most commands do not need

        private_columns(settings)
    installation = Installation(database)
    stored = installation.load()
    path = str(settings.config_path) if settings.config_path else None
    if path is None and stored.config_path is not None and settings.environment.copilot_pipeline_config != NO_FILE:
        raise ConfigurationError(
            f"there is no pipeline.yaml in the working folder, and the last command used {stored.config_path}: start "
            f"the command in its folder, or set COPILOT_PIPELINE_CONFIG={stored.config_path}, or set "
            f"COPILOT_PIPELINE_CONFIG={NO_FILE} if there should be none"
        )
    _accept_zone(settings.pipeline.timezone, stored.timezone, installation)
    if path != stored.config_path:
        installation.save(config_path=path)


def _accept_zone(zone: str, stored: str | None, installation: Installation) -> None:
    if zone == stored:
        return
    counted = installation.calls_by_zone(zone)
    if stored is None:  # a new database, or one of an earlier version: its calls show the time zone
        if counted.on_other_days:
            raise ConfigurationError(
                f"timezone: {zone} is not the time zone of the stored data: {counted.on_other_days:,} of "
                f"{counted.calls:,} calls are stored under the day of another one. Set timezone back to what it was "
                "(default: UTC)"
            )
    elif counted.calls and not _is_same(zone, stored):
        raise ConfigurationError(
            f"timezone: {zone} is not the time zone of the stored data, {stored}: calls would move to other days. Set "
            f"timezone: {stored} in pipeline.yaml, or use a new database and lake for the other time zone"
        )
    installation.save(timezone=zone)


def _is_same(zone: str, other: str) -> bool:
    """Return whether two names are those of one zone, such as Asia/Calcutta and Asia/Kolkata."""
    first, second = ZoneInfo(zone), ZoneInfo(other)
    start = datetime(2015, 1, 1, 12, tzinfo=UTC)
    moments = (start + timedelta(days=days) for days in range(_COMPARED_DAYS))
    return all(moment.astimezone(first).utcoffset() == moment.astimezone(second).utcoffset() for moment in moments)
