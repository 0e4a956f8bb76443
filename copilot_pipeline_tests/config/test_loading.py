"""Settings: each mistake is named where it stands and says what to do; a secret is shown nowhere."""

from __future__ import annotations

import contextlib
import logging
import os
import traceback
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from copilot_pipeline.config.environment import Environment
from copilot_pipeline.config.loading import Settings, load_settings, read_pipeline_file
from copilot_pipeline.config.urls import without_secrets
from copilot_pipeline.errors import ConfigurationError
from copilot_pipeline.postgres import database_url

SECRET = "smz_live_0123456789"
SECRETS = ("CLARI_COPILOT_API_KEY", "CLARI_COPILOT_API_PASSWORD", "SEMARIZE_API_KEY", "SLACK_WEBHOOK_URL")


@pytest.fixture(autouse=True)
def empty_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A working folder without files, and an environment without our variables."""
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if name.startswith(("CLARI_COPILOT_", "COPILOT_PIPELINE_", "SEMARIZE_", "SLACK_")):
            monkeypatch.delenv(name)


def complaint() -> str:
    """What is said of the settings as they are."""
    with pytest.raises(ConfigurationError) as caught:
        load_settings()
    return str(caught.value)


def complaint_about(content: str) -> str:
    """What is said of a pipeline.yaml."""
    Path("pipeline.yaml").write_text(content, encoding="utf-8")
    return complaint()


def test_nothing_has_to_be_set() -> None:
    """Without a variable and without files every setting has its documented default."""
    settings = load_settings()
    assert settings.environment.clari_base_url == "https://rest-api.copilot.clari.com"
    assert settings.environment.semarize_base_url == "https://api.semarize.com"
    assert settings.environment.lake_url == str(Path.cwd() / ".copilot_pipeline" / "lake")
    assert settings.zone.key == "UTC"
    assert settings.pipeline.kits == {}


@pytest.mark.parametrize(
    ("name", "value", "said"),
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
        ("COPILOT_PIPELINE_FIRST_DAY", "01.02.2026", "valid date"),
        ("COPILOT_PIPELINE_FIRST_DAY", "2026-02-30", "valid date"),
        ("COPILOT_PIPELINE_REQUESTS_PER_SECOND", "nine", "valid number"),
        ("COPILOT_PIPELINE_REQUESTS_PER_SECOND", "-1", "greater than or equal to 0"),
        ("COPILOT_PIPELINE_REQUESTS_PER_SECOND", "inf", "finite number"),
        ("COPILOT_PIPELINE_REQUESTS_PER_SECOND", "nan", "finite number"),
        ("COPILOT_PIPELINE_REQUESTS_PER_WEEK", "0", "greater than or equal to 1"),
        ("COPILOT_PIPELINE_REQUESTS_PER_WEEK", "1e5x", "valid integer"),
        ("COPILOT_PIPELINE_PACE_UNIT", "calls", "'requests' or 'records'"),
    ],
)
def test_a_wrong_variable_is_named(monkeypatch: pytest.MonkeyPatch, name: str, value: str, said: str) -> None:
    """The error names the variable as it is spelled in the environment, says what it takes, and not what it held."""
    monkeypatch.setenv(name, value)
    assert f"  {name}: " in complaint()
    assert said in complaint()
    assert SECRET not in complaint()


def test_all_mistakes_are_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two wrong variables are two lines of one error."""
    monkeypatch.setenv("CLARI_COPILOT_DIALECT", "soap")
    monkeypatch.setenv("COPILOT_PIPELINE_FIRST_DAY", "soon")
    assert complaint().count("\n") == 2


@pytest.mark.parametrize("place", ["environment", ".env"])
def test_a_slip_of_the_pen_is_found(monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    """A variable that is nearly one of ours is not silently ignored."""
    if place == ".env":
        Path(".env").write_text(f"CLARI_COPILOT_API_PASWORD={SECRET}\n")
    else:
        monkeypatch.setenv("CLARI_COPILOT_API_PASWORD", SECRET)
    assert complaint() == "CLARI_COPILOT_API_PASWORD is no setting. Did you mean CLARI_COPILOT_API_PASSWORD?"


def test_other_peoples_variables_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable that is not nearly one of ours is nobody's mistake."""
    monkeypatch.setenv("COPILOT_PIPELINE_SOMETHING_OF_THE_CONTAINER", "1")
    monkeypatch.setenv("SLAK_WEBHOOK_URL", "1")
    load_settings()


def test_the_environment_wins_over_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """`.env` is read, and a variable of the environment outranks it; an empty one counts as not set."""
    Path(".env").write_text("SEMARIZE_BASE_URL=http://file\nCLARI_COPILOT_BASE_URL=http://file\n")
    monkeypatch.setenv("SEMARIZE_BASE_URL", "http://environment/v1/")
    monkeypatch.setenv("CLARI_COPILOT_BASE_URL", "")
    environment = load_settings().environment
    assert environment.semarize_base_url == "http://environment"
    assert environment.clari_base_url == "http://file"


def test_an_env_file_that_is_no_text() -> None:
    """A `.env` in another encoding is named as such."""
    Path(".env").write_bytes("SLACK_WEBHOOK_URL=caf\xe9".encode("latin-1"))
    assert complaint() == ".env is not UTF-8 text (byte 21): save it as UTF-8"


@pytest.mark.parametrize("name", SECRETS)
def test_a_pasted_secret_is_trimmed(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Blanks and a line end around a key are not part of it; blanks alone are no key."""
    monkeypatch.setenv(name, f" {SECRET}\n")
    held = getattr(load_settings().environment, name.lower())
    assert held.get_secret_value() == SECRET
    monkeypatch.setenv(name, "  ")
    assert getattr(load_settings().environment, name.lower()) is None


def test_no_secret_can_be_printed(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """No way of showing settings shows a key, or the password within an address."""
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
def test_a_wrong_database_address_is_not_quoted(url: str) -> None:
    """The error names the variable and the form, and never the address: it holds a password."""
    environment = Environment(copilot_pipeline_database_url=url, _env_file=None)  # type: ignore[call-arg]
    with pytest.raises(ConfigurationError, match="COPILOT_PIPELINE_DATABASE_URL must look like") as caught:
        database_url(environment)
    assert SECRET not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg", "postgresql+psycopg2"])
def test_every_spelling_of_the_scheme_will_do(scheme: str) -> None:
    """Addresses for SQLAlchemy and of hosting providers are read as libpq reads them."""
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
def test_an_address_is_shown_without_its_secrets(url: str, shown: str) -> None:
    """What is shown of an address has neither password nor query."""
    assert without_secrets(url) == shown


# --- pipeline.yaml -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("timezone: UTC\ntimezone: UTC\n", "pipeline.yaml, line 2: timezone stands here again (first in line 1)"),
        ("kits:\n  a: X\n  b: Y\n  a: Z\n", "pipeline.yaml, line 4: a stands here again (first in line 2)"),
        ("kits:\n  a: [\n", "pipeline.yaml, line 3 is not valid YAML:"),
        ("kits:\n\tdeal: X\n", "pipeline.yaml, line 2 is not valid YAML:"),
        ("a: b: c", "pipeline.yaml, line 1 is not valid YAML:"),
        ("\x01", "pipeline.yaml is not valid YAML:"),
        ("timezone: 2026-13-45", "pipeline.yaml is not valid YAML:"),
        ("- a\n- b\n", "pipeline.yaml must be a mapping (name: value), not a list"),
        ("just words", "pipeline.yaml must be a mapping (name: value), not a str"),
        ("\ntimezone: Mars/Olympus", "line 2: timezone: 'Mars/Olympus' is not a time zone"),
        ("timezone: Europe", "line 1: timezone: 'Europe' is not a time zone"),
        ("timezone: ../etc/passwd", "line 1: timezone: '../etc/passwd' is not a time zone"),
        ("timezone: 3", "line 1: timezone: must be text: put it in quotes"),
        (
            "clari:\n  inculde_private: true",
            "line 2: clari.inculde_private: there is no such setting; did you mean incl",
        ),
        ("drains: {}", "line 1: drains: there is no such setting (see the README's list)"),
        ("clari:\n  requests_in_flight: 0", "line 2: clari.requests_in_flight: Input should be greater than or equal"),
        ("clari:\n  requests_in_flight: many", "line 2: clari.requests_in_flight: Input should be a valid integer"),
        ("clari: 3", "line 1: clari: must be a mapping"),
        ("semarize:\n\n  mode: fast", "line 3: semarize.mode: Input should be 'async' or 'sync'"),
        ("kits:\n  Deal-Signals: X", "line 1: kits: kit name 'Deal-Signals': use lower-case letters"),
        ("kits:\n  deal: {}", "kit 'deal' needs `code` or `kit_version_id`"),
        ("kits:\n  deal:\n    code: ''", "kit 'deal' needs `code` or `kit_version_id`"),
        ("kits:\n  deal:\n    cod: X", "line 3: kits.deal.cod: there is no such setting"),
        ("kits:\n  deal: 0123", "line 2: kits.deal.code: must be text: put it in quotes"),
        ("kits:\n  deal: {code: 0x1F}", "line 2: kits.deal.code: must be text: put it in quotes"),
        ("kits:\n  deal: yes", "line 2: kits.deal.code: must be text: put it in quotes"),
        ("kits: [a, b]", "line 1: kits: must be a mapping"),
    ],
)
def test_a_mistake_in_the_file_is_named_by_its_line(content: str, said: str) -> None:
    """The error names the file, the line, the key and what to do, in one line."""
    assert said in complaint_about(content)


def test_a_file_that_was_named_must_exist(monkeypatch: pytest.MonkeyPatch) -> None:
    """The default file may be absent, one that was asked for may not; a folder is no file."""
    monkeypatch.setenv("COPILOT_PIPELINE_CONFIG", "elsewhere.yaml")
    assert complaint() == "COPILOT_PIPELINE_CONFIG names elsewhere.yaml, but there is no such file"
    Path("elsewhere.yaml").mkdir()
    assert "elsewhere.yaml cannot be read" in complaint()


def test_a_file_in_another_encoding() -> None:
    """Bytes that are no UTF-8 are named as such."""
    Path("pipeline.yaml").write_bytes(b"timezone: \xff")
    assert complaint() == "pipeline.yaml is not UTF-8 text (byte 10): save it as UTF-8"


@pytest.mark.parametrize("content", ["", "# nothing yet\n", "---\n", "\ufeffkits:\n", "kits: {}\n", "kits:\n"])
def test_an_empty_file_is_no_mistake(content: str) -> None:
    """An empty file, an empty key and a byte order mark mean nothing is set."""
    Path("pipeline.yaml").write_text(content, encoding="utf-8")
    assert read_pipeline_file(None).kits == {}


def test_kits_have_a_short_form() -> None:
    """A bare text is a code, a UUID pins a version, and the long form says which it is."""
    version = "6f0f6a0e-6c7a-4c9d-8f2b-0e5b4b0d7a11"
    Path("pipeline.yaml").write_text(f"kits:\n  a: A1B2C3D4\n  b: {version}\n  c: {{code: '0123'}}\n")
    kits = load_settings().pipeline.kits
    assert (kits["a"].code, kits["a"].kit_version_id) == ("A1B2C3D4", None)
    assert (kits["b"].code, kits["b"].kit_version_id) == (None, version)
    assert kits["c"].code == "0123"


def test_the_file_of_the_project_is_right() -> None:
    """The pipeline.yaml that comes with the project has no mistake."""
    root = Path(__file__).parents[2]
    assert isinstance(
        Settings(
            environment=Environment(_env_file=None),  # type: ignore[call-arg]
            pipeline=read_pipeline_file(str(root / "pipeline.yaml")),
        ),
        Settings,
    )


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4) | st.integers(), inner, max_size=2),
    max_leaves=4,
)
SECTIONS = st.sampled_from(["timezone", "kits", "clari", "semarize", "mode", "deal", "code"])


@given(st.dictionaries(SECTIONS, VALUES | st.dictionaries(SECTIONS, VALUES, max_size=2), max_size=3) | VALUES)
def test_any_file_is_read_or_explained(tmp_path_factory: pytest.TempPathFactory, content: Any) -> None:
    """Whatever stands in the file, it is settings or a `ConfigurationError`, and nothing else."""
    path = tmp_path_factory.getbasetemp() / "any.yaml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    with contextlib.suppress(ConfigurationError):
        read_pipeline_file(str(path))
