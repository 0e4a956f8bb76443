"""Old keys of pipeline.yaml work for one version, with a warning that names the new key."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from copilot_pipeline.config.loading import load_settings
from copilot_pipeline.config.partition_settings import read_partition_settings
from copilot_pipeline.config.renamed_keys import ANY, RENAMED_KEYS, RenamedKey
from copilot_pipeline.errors import ConfigurationError

pytestmark = pytest.mark.usefixtures("empty_folder")


def write(content: str) -> None:
    """A pipeline.yaml."""
    Path("pipeline.yaml").write_text(content, encoding="utf-8")


def nested(keys: tuple[str | int, ...], value: object) -> dict[Any, Any]:
    """Mappings around a value."""
    for key in reversed(keys):
        value = {"alerts" if key == ANY else key: value}
    assert isinstance(value, dict)
    return value


VALUES: dict[str | int, object] = {"leave_out": ["coaching"], "on_uncertain": "resend", "when_unsure": "resend"}


@pytest.mark.parametrize("renamed", RENAMED_KEYS[1:], ids=lambda renamed: str(renamed.old[-1]))
def test_accepts_the_old_key_with_a_warning(renamed: RenamedKey) -> None:
    """The value arrives under the new key, and the warning names file, line and both keys."""
    value = VALUES.get(renamed.old[-1], 3)
    content = nested(renamed.old, value)
    if renamed.old[0] == "sinks":
        content["sinks"]["alerts"]["kind"] = "slack"
    write("\n" + yaml.safe_dump(content))
    settings = load_settings()
    result: Any = settings.pipeline
    for key in renamed.new:
        result = result["alerts"] if key == ANY else getattr(result, str(key))
    assert list(result) == value if isinstance(value, list) else result == value
    (warning,) = settings.warnings
    old, new = (".".join(map(str, keys)).replace(ANY, "alerts") for keys in (renamed.old, renamed.new))
    assert warning.startswith("pipeline.yaml, line ")
    assert f": {old} was renamed to {new}; " in warning


def test_names_the_line_of_each_old_key() -> None:
    """A renamed section may hold renamed keys: each has its own warning, with the keys as they are written."""
    write("answers:\n  win_loss:\n    fewest_deals: 5\n    leave_out: [coaching]\nclari:\n  requests_in_flight: 2\n")
    settings = load_settings()
    assert settings.warnings == (
        "pipeline.yaml, line 1: answers was renamed to marts; the old name will be removed",
        "pipeline.yaml, line 3: answers.win_loss.fewest_deals was renamed to marts.win_loss.min_deals; "
        "the old name will be removed",
        "pipeline.yaml, line 4: answers.win_loss.leave_out was renamed to marts.win_loss.exclude; "
        "the old name will be removed",
        "pipeline.yaml, line 6: clari.requests_in_flight was renamed to advanced.clari.requests_in_flight; "
        "the old name will be removed",
    )
    assert settings.pipeline.marts.win_loss.exclude == ("coaching",)


def test_accepts_an_old_value_with_a_warning() -> None:
    """`first_run: silent` is `suppress`."""
    write("kits: {k: A}\nroutes:\n- {name: a, send: slack}\n- name: b\n  send: slack\n  first_run: silent\n")
    settings = load_settings()
    assert [route.first_run for route in settings.pipeline.routes] == [None, "suppress"]
    assert settings.warnings == (
        "pipeline.yaml, line 6: routes.1.first_run: `silent` was renamed to `suppress`; the old value will be removed",
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            "clari:\n  requests_in_flight: 2\nadvanced:\n  clari:\n    requests_in_flight: 3\n",
            "pipeline.yaml, line 2: clari.requests_in_flight is the old name of advanced.clari.requests_in_flight, "
            "which is set too: remove it",
        ),
        ("marts: {}\nanswers: {}\n", "pipeline.yaml, line 2: answers is the old name of marts, which is set too"),
        (
            "sinks:\n  a:\n    kind: slack\n    on_uncertain: hold\n    when_unsure: hold\n",
            "line 5: sinks.a.when_unsure is",
        ),
    ],
)
def test_rejects_old_and_new_key_together(content: str, message: str) -> None:
    """It would be undefined which of the two applies."""
    write(content)
    with pytest.raises(ConfigurationError) as caught:
        load_settings()
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("clari:\n  requests_in_flight: 0\n", "line 2: clari.requests_in_flight: Input should be greater than"),
        ("answers:\n  deals:\n    silent_days: 0\n", "line 3: answers.deals.silent_days: Input should be greater than"),
        ("kits: {k: A}\nanswers:\n  claims:\n    product: x.y\n", "line 4: answers.claims.product: 'x.y': there is no"),
        ("clari:\n  requests_in_flight: 2\nadvanced: 3\n", "line 3: advanced: must be a mapping"),
        ("answers: 3\n", "line 1: answers: must be a mapping"),
    ],
)
def test_reports_mistakes_under_the_key_that_is_written(content: str, message: str) -> None:
    """Line and name are those of the file, not of the new key."""
    write(content)
    with pytest.raises(ConfigurationError) as caught:
        load_settings()
    assert message in str(caught.value)


def test_renames_keys_that_an_alias_repeats() -> None:
    """Two sinks that share their settings by a YAML alias are renamed one by one."""
    write("sinks:\n  a: &shared\n    kind: slack\n    when_unsure: resend\n  b: *shared\n")
    settings = load_settings()
    assert [sink.on_uncertain for sink in settings.pipeline.sinks.values()] == ["resend", "resend"]
    assert len(settings.warnings) == 2


def test_reports_each_warning_once_per_process() -> None:
    """However often settings are loaded."""
    write("polling:\n  overlap_minutes: 77\n")
    reported: list[str] = []
    load_settings().report_warnings(reported.append)
    load_settings().report_warnings(reported.append)
    assert len(reported) == 1


def test_partition_settings_accept_old_keys() -> None:
    """Also if the rest of the file mixes old and new keys."""
    write("polling:\n  reread_days: 3\n")
    assert read_partition_settings().polling.recheck_days == 3
    write("timezone: Europe/Berlin\nanswers: {}\nmarts: {}\n")
    assert read_partition_settings().timezone == "Europe/Berlin"
