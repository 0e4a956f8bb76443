"""A rule with a mistake in it is refused with the line it stands in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from copilot_pipeline.config.loading import read_pipeline_file
from copilot_pipeline.config.pipeline_file import PipelineFile
from copilot_pipeline.config.routes import RouteSettings
from copilot_pipeline.delivery.kit_schemas import parse_kit_schema
from copilot_pipeline.delivery.rule_checks import find_mistakes
from copilot_pipeline.errors import ConfigurationError

ROOT = Path(__file__).parents[2]
KITS = "kits: {deal: D1}\n"


@pytest.mark.parametrize(
    ("routes", "line", "said"),
    [
        ("- name: a\n  send: slak\n", 4, "there is no sink 'slak'"),
        ("- name: a\n  send: slack\n  when: {brick: dael.risk, is: true}\n", 5, "there is no kit 'dael'"),
        (
            "- name: a\n  send: slack\n  when:\n    all:\n      - not:\n          brick: risk\n          is: true\n",
            8,
            "kit.brick",
        ),
        ("- name: a\n  send: slack\n  when:\n    brick: deal.risk\n    equals: true\n", 7, "there is no such setting"),
        ("- name: a\n  send: slack\n  when:\n    brick: deal.risk\n", 5, "needs one comparison"),
        ("- name: a\n  send: slack\n  max_age: 3 days\n", 5, "3d or 2w"),
        ("- name: a\n  send: salesforce\n", 4, "needs `map`"),
        ("- name: a\n  send: salesforce\n  map:\n    X__c: deal.a.b\n", 6, "kit.brick or call.title"),
        ("- name: a\n  send: salesforce\n  map:\n    X__c: call.titel\n", 6, "a call has"),
        ("- name: a\n  send: salesforce\n  map:\n    Id: deal.a\n", 6, "not a field that can be written"),
        ("- name: a\n  send: slack\n- name: a\n  send: slack\n", 3, "two routes are named 'a'"),
        (
            "- name: a\n  send: hubspot\n  map:\n    x: deal.a\n- name: b\n  send: hubspot\n  map:\n    X: deal.b\n",
            10,
            "the route 'a' writes this field",
        ),
        ("- name: a\n  send: webhook\n  score: deal.a\n", 5, "only messages to Slack"),
        ("- name: a\n  send: hubspot\n  map:\n    A score: deal.a\n", 6, "is not a field's API name"),
        ("- name: a\n  send: slack\n  when: deal.risk == true\n", 5, "must be a mapping (name: value)"),
        ("- name: a\n  send: slack\n  map:\n    x: 3\n", 6, "must be text: put it in quotes"),
    ],
)
def test_a_mistake_is_named_by_its_line(tmp_path: Path, routes: str, line: int, said: str) -> None:
    """Whoever wrote it finds it at once."""
    path = tmp_path / "pipeline.yaml"
    path.write_text(f"{KITS}routes:\n{routes}")
    with pytest.raises(ConfigurationError) as caught:
        read_pipeline_file(str(path))
    assert f"line {line}: routes" in str(caught.value)
    assert said in str(caught.value)


def test_a_sink_takes_the_name_of_a_variable_and_never_repeats_a_secret(tmp_path: Path) -> None:
    """A secret put where a name belongs does not appear in the error."""
    path = tmp_path / "pipeline.yaml"
    path.write_text("sinks:\n  alerts: {kind: slack, url_env: https://hooks.slack.com/services/T/B/s3cret}\n")
    with pytest.raises(ConfigurationError) as caught:
        read_pipeline_file(str(path))
    assert "line 2: sinks.alerts.url_env: must be the name of an environment variable" in str(caught.value)
    assert "s3cret" not in str(caught.value)


def route(**content: Any) -> RouteSettings:
    """A rule for Slack."""
    return RouteSettings.model_validate({"name": "a", "send": "slack", **content})


SCHEMA = {"deal": {"risk_flag": "yes/no", "confidence": "score", "category": "text", "names": "list", "odd": None}}


@pytest.mark.parametrize(
    ("when", "said"),
    [
        ({"brick": "deal.risk_flg", "is": True}, "no brick 'risk_flg'; did you mean risk_flag?"),
        ({"brick": "deal.zzz", "is": True}, "it has category, confidence, names, odd, risk_flag"),
        ({"brick": "deal.risk_flag", "above": 3}, "returns a yes/no, so `above: 3.0` can never be true"),
        ({"brick": "deal.confidence", "is": "high"}, "returns a score"),
        ({"brick": "deal.risk_flag", "is": 1}, "returns a yes/no"),
        ({"brick": "deal.names", "is": "Globex"}, "returns a list"),
    ],
)
def test_a_rule_is_held_against_its_kit(when: dict[str, Any], said: str) -> None:
    """A brick that does not exist, and a comparison that can never be true, are mistakes."""
    (mistake,) = find_mistakes([route(when=when)], SCHEMA)
    assert mistake.keys == ("routes", 0, "when", "brick")
    assert said in mistake.message


@pytest.mark.parametrize(
    "when",
    [
        {"brick": "deal.confidence", "is": 3},
        {"brick": "deal.category", "one_of": ["a", "b"]},
        {"brick": "deal.names", "contains": "Globex"},
        {"brick": "deal.odd", "above": 3},
        {"brick": "other.unknown", "is": True},
    ],
)
def test_what_fits_or_cannot_be_known_is_no_mistake(when: dict[str, Any]) -> None:
    """A kind the schema does not say, and a kit without a schema, are passed over."""
    assert find_mistakes([route(when=when)], SCHEMA) == []


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (
            b'{"bricks": [{"key": "a", "type": "boolean"}, {"name": "b", "type": "score"}]}',
            {"a": "yes/no", "b": "score"},
        ),
        (b'{"bricks": {"a": {"type": "string_list"}, "b": "category"}}', {"a": "list", "b": "text"}),
        (b'{"schema": {"bricks": [{"key": "a", "type": "novel"}]}}', {"a": None}),
        (b'["a", "b"]', {"a": None, "b": None}),
        (b"{}", None),
        (b"not json", None),
    ],
)
def test_a_schema_is_read_as_far_as_it_can_be(body: bytes, expected: dict[str, str | None] | None) -> None:
    """Its shape is not documented: what is not understood is not guessed."""
    assert parse_kit_schema(body) == expected


@pytest.mark.parametrize("path", sorted((ROOT / "examples").glob("*/pipeline.yaml")), ids=lambda path: path.parent.name)
def test_the_examples_are_right_and_short(path: Path) -> None:
    """Each of the guide's flows is one file of at most twenty lines."""
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 20
    assert read_pipeline_file(str(path)).kits


def test_a_file_without_routes_has_none() -> None:
    """Nothing is sent anywhere unless somebody says so."""
    assert PipelineFile().routes == ()
