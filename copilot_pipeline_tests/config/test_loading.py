"""Loading of settings: each mistake is reported with its name or line, and no secret is ever shown."""

from __future__ import annotations

import contextlib
import logging
import os
import time
import traceback
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from copilot_pipeline.config.environment import Environment
from copilot_pipeline.config.loading import load_settings, read_pipeline_file
from copilot_pipeline.config.urls import without_secrets
from copilot_pipeline.errors import ConfigurationError
from copilot_pipeline.postgres import database_url

SECRET = "smz_live_0123456789"
SECRETS = ("CLARI_COPILOT_API_KEY", "CLARI_COPILOT_API_PASSWORD", "SEMARIZE_API_KEY", "SLACK_WEBHOOK_URL")


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A working folder without files, and an environment without variables of the pipeline."""
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if name.startswith(("CLARI_COPILOT_", "COPILOT_PIPELINE_", "SEMARIZE_", "SLACK_")):
            monkeypatch.delenv(name)


def error_message() -> str:
    """The message of the error that loading raises."""
    with pytest.raises(ConfigurationError) as caught:
        load_settings()
    return str(caught.value)


def error_message_for(content: str) -> str:
    """The message of the error that a pipeline.yaml causes."""
    Path("pipeline.yaml").write_text(content, encoding="utf-8")
    return error_message()


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


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("timezone: UTC\ntimezone: UTC\n", "pipeline.yaml, line 2: duplicate key timezone (first in line 1)"),
        ("kits:\n  a: X\n  b: Y\n  a: Z\n", "pipeline.yaml, line 4: duplicate key a (first in line 2)"),
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
        ("drains: {}", "line 1: drains: there is no such setting (see docs/configuration.md)"),
        ("clari:\n  requests_in_flight: 0", "line 2: clari.requests_in_flight: Input should be greater than or equal"),
        ("clari:\n  requests_in_flight: many", "line 2: clari.requests_in_flight: Input should be a valid integer"),
        (
            "advanced:\n  clari:\n    requests_in_flight: 0",
            "line 3: advanced.clari.requests_in_flight: Input should be",
        ),
        ("clari: 3", "line 1: clari: must be a mapping"),
        ("a: &a [*a]", "pipeline.yaml is not valid YAML: an alias refers to itself"),
        (
            "marts: {meddicc: {elements: {champion: champion}}}",
            "line 1: marts.meddicc.elements.champion.brick: 'champion' must",
        ),
        (
            "kits: {k: A}\nmarts:\n  claims:\n    product: x.y",
            "line 4: marts.claims.product: 'x.y': there is no kit 'x'",
        ),
        (
            "marts:\n  win_loss:\n    thresholds:\n      k: [1]",
            "line 4: marts.win_loss.thresholds.k: 'k' must look like kit.brick",
        ),
        (
            "marts: {coaching: {alert: hubspot}}",
            "line 1: marts.coaching.alert: 'hubspot' is not a sink of kind slack or",
        ),
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
def test_reports_mistakes_with_their_line(content: str, message: str) -> None:
    """The error names the file, the line, the key and the fix, in one line."""
    assert message in error_message_for(content)


def test_requires_a_file_that_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """The default file may be absent; a file that was named must exist and must not be a folder."""
    monkeypatch.setenv("COPILOT_PIPELINE_CONFIG", "elsewhere.yaml")
    assert error_message() == "COPILOT_PIPELINE_CONFIG names elsewhere.yaml, but there is no such file"
    Path("elsewhere.yaml").mkdir()
    assert "elsewhere.yaml cannot be read" in error_message()


def test_reports_a_file_that_is_not_utf8() -> None:
    """The error names the file, the byte and the fix."""
    Path("pipeline.yaml").write_bytes(b"timezone: \xff")
    assert error_message() == "pipeline.yaml is not UTF-8 text (byte 10): save it as UTF-8"


@pytest.mark.parametrize("content", ["", "# nothing yet\n", "---\n", "\ufeffkits:\n", "kits: {}\n", "kits:\n"])
def test_accepts_an_empty_file(content: str) -> None:
    """An empty file, an empty key and a byte order mark mean that nothing is set."""
    Path("pipeline.yaml").write_text(content, encoding="utf-8")
    assert read_pipeline_file(None).kits == {}


def test_accepts_the_short_form_of_kits() -> None:
    """A text is a code, a UUID pins a version, and a mapping has either as its key."""
    version = "6f0f6a0e-6c7a-4c9d-8f2b-0e5b4b0d7a11"
    Path("pipeline.yaml").write_text(f"kits:\n  a: A1B2C3D4\n  b: {version}\n  c: {{code: '0123'}}\n")
    kits = load_settings().pipeline.kits
    assert (kits["a"].code, kits["a"].kit_version_id) == ("A1B2C3D4", None)
    assert (kits["b"].code, kits["b"].kit_version_id) == (None, version)
    assert kits["c"].code == "0123"


def test_the_example_of_the_project_is_valid(monkeypatch: pytest.MonkeyPatch) -> None:
    """It has no mistake and no renamed key."""
    root = Path(__file__).parents[2]
    monkeypatch.setenv("COPILOT_PIPELINE_CONFIG", str(root / "pipeline.example.yaml"))
    settings = load_settings()
    assert settings.warnings == ()
    assert set(settings.pipeline.kits) == {"deal_signals", "meddicc", "coaching", "claims"}


def test_names_the_place_of_a_kit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """File and line, in both forms; a file outside of the working folder has its whole path."""
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "pipeline.yaml"
    file.write_text("timezone: UTC\nkits:\n  short: A1B2C3D4\n  long:\n    calls: {}\n    code: C0AC4123\n")
    settings = load_settings()
    assert settings.place_of("kits", "short", "code") == "pipeline.yaml, line 3"
    assert settings.place_of("kits", "long", "code") == "pipeline.yaml, line 6"
    monkeypatch.chdir("/")
    monkeypatch.setenv("COPILOT_PIPELINE_CONFIG", str(file))
    assert load_settings().place_of("kits", "short", "code") == f"{file}, line 3"


def test_says_why_nothing_is_scored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a file, with `none`, and with a file without kits; with kits there is no warning."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("COPILOT_PIPELINE_CONFIG", raising=False)
    without_file = load_settings().without_kits
    assert without_file is not None
    assert str(tmp_path) in without_file
    assert "pipeline.example.yaml" in without_file
    monkeypatch.setenv("COPILOT_PIPELINE_CONFIG", "none")
    assert "COPILOT_PIPELINE_CONFIG=none" in (load_settings().without_kits or "")
    monkeypatch.delenv("COPILOT_PIPELINE_CONFIG")
    (tmp_path / "pipeline.yaml").write_text("timezone: UTC\n")
    assert load_settings().without_kits == "no kits in pipeline.yaml: nothing is scored"
    (tmp_path / "pipeline.yaml").write_text("kits: {meddicc: A1B2C3D4}\n")
    assert load_settings().without_kits is None


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4) | st.integers(), inner, max_size=2),
    max_leaves=4,
)
SECTIONS = st.sampled_from(
    ["timezone", "kits", "clari", "semarize", "mode", "answers", "requests_in_flight", "advanced"]
)


@example({"str": None})  # pydantic uses this name in the locations of mistakes
@example({"clari": {"str": None}})
@given(st.dictionaries(SECTIONS, VALUES | st.dictionaries(SECTIONS, VALUES, max_size=2), max_size=3) | VALUES)
def test_never_fails_with_an_unexpected_error(tmp_path_factory: pytest.TempPathFactory, content: Any) -> None:
    """Whatever the file contains, the result is settings or a `ConfigurationError`."""
    path = tmp_path_factory.getbasetemp() / "any.yaml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    with contextlib.suppress(ConfigurationError):
        read_pipeline_file(str(path))


LAUGHS = {
    "lists": "a0: &a0 [x, x, x, x, x, x, x, x, x]\n"
    + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12)),
    "mappings": "a0: &a0 {x: 1}\n"
    + "".join(f"a{n}: &a{n} {{{', '.join(f'k{i}: *a{n - 1}' for i in range(9))}}}\n" for n in range(1, 12)),
    "merge keys": "a0: &a0 {x: 1}\n"
    + "".join(f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 9)}]}}\n" for n in range(1, 12)),
    "a ring": "kits: &kits\n  deal: *kits\n",
    "a ring of two": "a: &a {b: &b {c: *a, d: *b}}\n",
}


@pytest.mark.parametrize("kind", LAUGHS)
def test_refuses_aliases_that_make_a_short_file_very_large(kind: str) -> None:
    """The file is refused before it is constructed, so that it cannot fill the memory."""
    Path("pipeline.yaml").write_text(LAUGHS[kind], encoding="utf-8")
    started = time.process_time()
    assert "an alias refers to itself, or aliases repeat each other" in error_message()
    assert time.process_time() - started < 2


def test_accepts_aliases() -> None:
    """A list that several kits share is written once."""
    Path("pipeline.yaml").write_text(
        "kits:\n  a: {code: A, calls: &long {min_words: 100}}\n  b: {code: B, calls: *long}\n", encoding="utf-8"
    )
    assert load_settings().pipeline.kits["b"].calls.min_words == 100


@pytest.mark.parametrize("value", ["!!bool x", "!!int ''", "!!float ''", "!!timestamp x", "!!binary '*'", "!!set [1]"])
def test_refuses_tags_with_invalid_values(value: str) -> None:
    """In one sentence, not with a traceback of the YAML library."""
    Path("pipeline.yaml").write_text(f"timezone: {value}\n", encoding="utf-8")
    assert "pipeline.yaml" in error_message()


def test_refuses_a_file_that_is_too_large_for_settings() -> None:
    """It would take minutes to read."""
    Path("pipeline.yaml").write_text("# " + "x" * 1024 * 1024, encoding="utf-8")
    assert "larger than 1024 KiB" in error_message()


@pytest.mark.parametrize(
    "settings",
    [
        'kits: {"deal\\n": A1}',
        'kits: {deal: A1}\nroutes: [{name: "x\\n", send: slack}]',
        'kits: {deal: A1}\nroutes: [{name: x, send: slack, max_age: "3d\\n"}]',
        'kits: {deal: A1}\nsinks: {x: {kind: slack, url_env: "SLACK\\n"}}',
        'kits: {deal: A1}\nroutes: [{name: x, send: hubspot, map: {"field\\n": deal.b}}]',
    ],
)
def test_refuses_names_that_end_with_a_line_end(settings: str) -> None:
    """A pattern that ends with `$` would accept them."""
    Path("pipeline.yaml").write_text(settings, encoding="utf-8")
    assert "invalid settings" in error_message()
