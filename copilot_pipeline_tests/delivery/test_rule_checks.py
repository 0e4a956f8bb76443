"""Mistakes in routes are reported with their line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from copilot_pipeline.config.loading import read_pipeline_file
from copilot_pipeline.config.pipeline_file import PipelineFile
from copilot_pipeline.config.routes import RouteSettings
from copilot_pipeline.delivery.rule_checks import find_mistakes
from copilot_pipeline.errors import ConfigurationError

ROOT = Path(__file__).parents[2]
KITS = "kits: {deal: D1}\n"


@pytest.mark.parametrize(
    ("routes", "line", "error_text"),
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
def test_mistakes_are_reported_with_their_line(tmp_path: Path, routes: str, line: int, error_text: str) -> None:
    """With what was expected."""
    path = tmp_path / "pipeline.yaml"
    path.write_text(f"{KITS}routes:\n{routes}")
    with pytest.raises(ConfigurationError) as caught:
        read_pipeline_file(str(path))
    assert f"line {line}: routes" in str(caught.value)
    assert error_text in str(caught.value)


def test_rejects_a_secret_in_place_of_a_variable_name_without_repeating_it(tmp_path: Path) -> None:
    """The error names the line."""
    path = tmp_path / "pipeline.yaml"
    path.write_text("sinks:\n  alerts: {kind: slack, url_env: https://hooks.slack.com/services/T/B/s3cret}\n")
    with pytest.raises(ConfigurationError) as caught:
        read_pipeline_file(str(path))
    assert "line 2: sinks.alerts.url_env: must be the name of an environment variable" in str(caught.value)
    assert "s3cret" not in str(caught.value)


def route(**content: Any) -> RouteSettings:
    """A route to Slack."""
    return RouteSettings.model_validate({"name": "a", "send": "slack", **content})


SCHEMA = {"deal": {"risk_flag": "yes/no", "confidence": "score", "category": "text", "names": "list", "odd": None}}


@pytest.mark.parametrize(
    ("when", "error_text"),
    [
        ({"brick": "deal.risk_flg", "is": True}, "no brick 'risk_flg'; did you mean risk_flag?"),
        ({"brick": "deal.zzz", "is": True}, "it has category, confidence, names, odd, risk_flag"),
        ({"brick": "deal.risk_flag", "above": 3}, "returns a yes/no, so `above: 3.0` can never be true"),
        ({"brick": "deal.confidence", "is": "high"}, "returns a score"),
        ({"brick": "deal.risk_flag", "is": 1}, "returns a yes/no"),
        ({"brick": "deal.names", "is": "Globex"}, "returns a list"),
    ],
)
def test_reports_unknown_bricks_and_impossible_comparisons(when: dict[str, Any], error_text: str) -> None:
    """Against the kit's schema."""
    (mistake,) = find_mistakes([route(when=when)], SCHEMA)
    assert mistake.keys == ("routes", 0, "when", "brick")
    assert error_text in mistake.message


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
def test_does_not_report_what_the_schema_leaves_open(when: dict[str, Any]) -> None:
    """A brick without a kind and a kit without a schema are not checked."""
    assert find_mistakes([route(when=when)], SCHEMA) == []


@pytest.mark.parametrize("path", sorted((ROOT / "examples").glob("*/pipeline.yaml")), ids=lambda path: path.parent.name)
def test_example_files_are_valid_and_short(path: Path) -> None:
    """At most twenty lines each."""
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 20
    assert read_pipeline_file(str(path)).kits


def test_there_are_no_routes_by_default() -> None:
    """Nothing is sent without configuration."""
    assert PipelineFile().routes == ()
