"""The settings that definitions need at import are read whatever else is wrong."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from copilot_pipeline.config.partition_settings import read_partition_settings
from copilot_pipeline.errors import ConfigurationError

pytestmark = pytest.mark.usefixtures("empty_folder")


def test_defaults_without_file_and_environment() -> None:
    """Nothing has to be set."""
    settings = read_partition_settings()
    assert (settings.first_day, settings.timezone, settings.polling.minutes) == (date(2026, 1, 1), "UTC", 15)


def test_ignores_mistakes_in_other_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong route, an unknown key and a wrong variable leave the partitions as they are."""
    monkeypatch.setenv("COPILOT_PIPELINE_FIRST_DAY", "2026-03-01")
    monkeypatch.setenv("CLARI_COPILOT_DIALECT", "soap")
    monkeypatch.setenv("CLARI_COPILOT_API_PASWORD", "x")
    Path("pipeline.yaml").write_text(
        "timezone: Europe/Berlin\npolling: {minutes: 5}\nroutes: [{nam: x}]\nkits: 3\nunknown: 1\n"
    )
    settings = read_partition_settings()
    assert (settings.first_day, settings.zone.key, settings.polling.minutes) == (date(2026, 3, 1), "Europe/Berlin", 5)


def test_invalid_polling_section_means_defaults() -> None:
    """The schedule falls back to its default; the run itself reports the mistake."""
    Path("pipeline.yaml").write_text("polling: {minutes: 0}\n")
    assert read_partition_settings().polling.minutes == 15


def test_rejects_a_missing_named_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the file the time zone would be guessed."""
    monkeypatch.setenv("COPILOT_PIPELINE_CONFIG", "elsewhere.yaml")
    with pytest.raises(ConfigurationError, match="COPILOT_PIPELINE_CONFIG names elsewhere"):
        read_partition_settings()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("timezone: Mars/Olympus", "pipeline.yaml: timezone: 'Mars/Olympus' is not a time zone"),
        ("timezone: [UTC]", "pipeline.yaml: timezone: "),
        ("timezone: [", "pipeline.yaml, line 1 is not valid YAML"),
    ],
)
def test_rejects_a_timezone_it_cannot_use(content: str, message: str) -> None:
    """Partitions of a guessed time zone would be wrong, so this is an error."""
    Path("pipeline.yaml").write_text(content)
    with pytest.raises(ConfigurationError) as caught:
        read_partition_settings()
    assert message in str(caught.value)


def test_rejects_an_invalid_first_day(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names the variable and the format."""
    monkeypatch.setenv("COPILOT_PIPELINE_FIRST_DAY", "01.02.2026")
    with pytest.raises(ConfigurationError, match="COPILOT_PIPELINE_FIRST_DAY: invalid date: expected YYYY-MM-DD"):
        read_partition_settings()
