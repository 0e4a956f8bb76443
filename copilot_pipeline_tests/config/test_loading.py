"""Loading of settings: each mistake is reported with its name or line, and no secret is ever shown."""

from __future__ import annotations

import logging
import traceback
from pathlib import Path

import pytest

from copilot_pipeline.config.environment import Environment
from copilot_pipeline.config.loading import load_settings
from copilot_pipeline.config.urls import without_secrets
from copilot_pipeline.errors import ConfigurationError
from copilot_pipeline.postgres import database_url
from copilot_pipeline_tests.config.loaded import error_message

SECRET = "smz_live_0123456789"
SECRETS = ("CLARI_COPILOT_API_KEY", "CLARI_COPILOT_API_PASSWORD", "SEMARIZE_API_KEY", "SLACK_WEBHOOK_URL")


pytestmark = pytest.mark.usefixtures("empty_folder")


def test_uses_defaults_when_nothing_is_set() -> None:
    """Without variables and files, every setting has its documented default."""
    settings = load_settings()
    assert settings.environment.clari_base_url == "https://rest-api.copilot.clari.com"
    assert settings.environment.semarize_base_url == "https://api.semarize.com"
    assert settings.environment.lake_url == str(Path.cwd() / ".copilot_pipeline" / "lake")
    assert settings.zone.key == "UTC"
    assert settings.pipeline.kits == {}


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("CLARI_COPILOT_DIALECT", "soap", "'rest' or 'guide'"),
        ("CLARI_COPILOT_BASE_URL", "copilot.clari.com", "must look like https://host"),
        ("CLARI_COPILOT_BASE_URL", "https://", "must look like https://host"),
        ("CLARI_COPILOT_BASE_URL", "https://host:99999", "must look like https://host"),
        ("SEMARIZE_BASE_URL", "ftp://host", "must look like https://host"),
        ("SEMARIZE_BASE_URL", f"https://x:{SECRET}@host", "must look like https://host"),
        ("CLARI_COPILOT_API_KEY", f"{SECRET} {SECRET}", "copy it again"),
        ("CLARI_COPILOT_API_PASSWORD", f"{SECRET}\u2026", "copy it again"),
        ("SEMARIZE_API_KEY", f"{SECRET}\n{SECRET}", "copy it again"),
        ("COPILOT_PIPELINE_FIRST_DAY", "01.02.2026", "invalid date: expected YYYY-MM-DD"),
        ("COPILOT_PIPELINE_FIRST_DAY", "2026-02-30", "invalid date: expected YYYY-MM-DD"),
        ("COPILOT_PIPELINE_REQUESTS_PER_SECOND", "nine", "valid number"),
        ("COPILOT_PIPELINE_REQUESTS_PER_SECOND", "-1", "greater than or equal to 0"),
        ("COPILOT_PIPELINE_REQUESTS_PER_SECOND", "inf", "finite number"),
        ("COPILOT_PIPELINE_REQUESTS_PER_SECOND", "nan", "finite number"),
        ("COPILOT_PIPELINE_REQUESTS_PER_WEEK", "0", "greater than or equal to 1"),
        ("COPILOT_PIPELINE_REQUESTS_PER_WEEK", "1e5x", "valid integer"),
        ("COPILOT_PIPELINE_PACE_UNIT", "calls", "'requests' or 'records'"),
    ],
)
def test_reports_an_invalid_variable_without_its_value(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, message: str
) -> None:
    """The error names the variable and what is allowed; it never repeats the value."""
    monkeypatch.setenv(name, value)
    assert f"  {name}: " in error_message()
    assert message in error_message()
    assert SECRET not in error_message()


def test_reports_all_invalid_variables_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two invalid variables are two lines of one error."""
    monkeypatch.setenv("CLARI_COPILOT_DIALECT", "soap")
    monkeypatch.setenv("COPILOT_PIPELINE_FIRST_DAY", "soon")
    assert error_message().count("\n") == 2


@pytest.mark.parametrize("place", ["environment", ".env"])
def test_reports_a_misspelled_variable(monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    """A variable that resembles a setting is not ignored."""
    if place == ".env":
        Path(".env").write_text(f"CLARI_COPILOT_API_PASWORD={SECRET}\n")
    else:
        monkeypatch.setenv("CLARI_COPILOT_API_PASWORD", SECRET)
    assert error_message() == "CLARI_COPILOT_API_PASWORD is not a setting. Did you mean CLARI_COPILOT_API_PASSWORD?"


def test_ignores_variables_of_other_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable that does not resemble a setting is accepted."""
    monkeypatch.setenv("COPILOT_PIPELINE_SOMETHING_OF_THE_CONTAINER", "1")
    monkeypatch.setenv("SLAK_WEBHOOK_URL", "1")
    load_settings()


def test_environment_takes_precedence_over_env_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable of the environment replaces that of `.env`; an empty one counts as not set."""
    Path(".env").write_text("SEMARIZE_BASE_URL=https://file\nCLARI_COPILOT_BASE_URL=https://file\n")
    monkeypatch.setenv("SEMARIZE_BASE_URL", "https://environment/v1/")
    monkeypatch.setenv("CLARI_COPILOT_BASE_URL", "")
    environment = load_settings().environment
    assert environment.semarize_base_url == "https://environment"
    assert environment.clari_base_url == "https://file"


def test_reports_an_env_file_that_is_not_utf8() -> None:
    """The error names the file, the byte and the fix."""
    Path(".env").write_bytes("SLACK_WEBHOOK_URL=caf\xe9".encode("latin-1"))
    assert error_message() == ".env is not UTF-8 text (byte 21): save it as UTF-8"


@pytest.mark.parametrize("name", SECRETS)
def test_trims_secrets(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """White space around a key is removed; white space alone counts as not set."""
    monkeypatch.setenv(name, f" {SECRET}\n")
    secret = getattr(load_settings().environment, name.lower())
    assert secret.get_secret_value() == SECRET
    monkeypatch.setenv(name, "  ")
    assert getattr(load_settings().environment, name.lower()) is None


def test_never_shows_secrets(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """Printing, formatting and logging settings shows neither keys nor passwords in addresses."""
    for name in SECRETS:
        monkeypatch.setenv(name, SECRET)
    monkeypatch.setenv("COPILOT_PIPELINE_DATABASE_URL", f"postgresql://user:{SECRET}@host/database")
    monkeypatch.setenv("COPILOT_PIPELINE_LAKE_URL", f"s3://key:{SECRET}@bucket/lake")
    settings = load_settings()
    logging.getLogger("test").warning("%s %r", settings, settings)
    shown = [repr(settings), str(settings), f"{settings.environment}", caplog.text]
    assert all(SECRET not in text for text in shown)


@pytest.mark.parametrize(
    "url",
    [
        f"mysql://user:{SECRET}@host/database",
        f"user:{SECRET}@host",
        f"postgresql://user:{SECRET}%zz@host/database",
        f"postgresql://user:{SECRET}@host:port:port/database",
        f"postgresql://user:{SECRET}@host/database?no_such_option=1",
    ],
)
def test_does_not_repeat_an_invalid_database_url(url: str) -> None:
    """The error names the variable and the expected form, not the address, which holds a password."""
    environment = Environment(copilot_pipeline_database_url=url, _env_file=None)  # type: ignore[call-arg]
    with pytest.raises(ConfigurationError, match="COPILOT_PIPELINE_DATABASE_URL must look like") as caught:
        database_url(environment)
    assert SECRET not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg", "postgresql+psycopg2"])
def test_accepts_every_spelling_of_the_postgresql_scheme(scheme: str) -> None:
    """Addresses as SQLAlchemy and hosting providers write them become addresses for libpq."""
    url = f"{scheme}://user:p%40ss@host/database"
    environment = Environment(copilot_pipeline_database_url=url, _env_file=None)  # type: ignore[call-arg]
    assert database_url(environment) == "postgresql://user:p%40ss@host/database"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://user:secret@host:5432/database?password=secret", "postgresql://user:***@host:5432/database"),
        ("postgresql://postgres:@/postgres?host=/tmp&passfile=x", "postgresql://postgres:@/postgres?host=/tmp"),
        ("s3://key:se@cret@bucket/lake?secret_key=secret", "s3://key:***@bucket/lake"),
        ("s3://bucket/lake", "s3://bucket/lake"),
        ("/srv/lake", "/srv/lake"),
        ("http://[secret", "an address that cannot be read"),
    ],
)
def test_removes_secrets_from_shown_addresses(url: str, shown: str) -> None:
    """A shown address has neither a password nor parameters that may be secret."""
    assert without_secrets(url) == shown


# --- pipeline.yaml -----------------------------------------------------------------------------------------------
