"""`pipeline.yaml`: mistakes are reported with their line; nothing that a file contains ends in a traceback."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from copilot_pipeline.config.loading import load_settings, read_pipeline_file
from copilot_pipeline.errors import ConfigurationError
from copilot_pipeline_tests.config.loaded import error_message, error_message_for

pytestmark = pytest.mark.usefixtures("empty_folder")


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
