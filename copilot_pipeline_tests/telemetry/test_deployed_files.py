"""The Grafana dashboard and the alert rules name metrics, labels and states that exist."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import yaml

from copilot_pipeline.telemetry.metrics import METRICS

DEPLOY = Path(__file__).parents[2] / "deploy"
DASHBOARD = DEPLOY / "grafana" / "copilot-pipeline.json"
ALERTS = DEPLOY / "prometheus" / "alerts.yml"
SELECTOR = re.compile(r"(copilot_pipeline_\w+)(?:\{([^}]*)\})?")
LABEL = re.compile(r"(\w+)\s*(?:=~|!~|!=|=)")
EXPORTED = {name: metric for metric in METRICS for name in metric.exported_names}


def expressions() -> Iterator[tuple[str, str]]:
    """Every expression with its place."""
    for panel in json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"]:
        yield from ((panel["title"], target["expr"]) for target in panel["targets"])
    for group in yaml.safe_load(ALERTS.read_text(encoding="utf-8"))["groups"]:
        yield from ((rule["alert"], rule["expr"]) for rule in group["rules"])


def test_every_metric_and_label_exists() -> None:
    """A metric or a label that is renamed is renamed in these files too."""
    for place, expression in expressions():
        selectors = SELECTOR.findall(expression)
        assert selectors, f"{place}: no metric"
        for name, labels in selectors:
            assert name in EXPORTED, f"{place}: there is no metric {name}"
            assert set(LABEL.findall(labels)) <= set(EXPORTED[name].labels), f"{place}: {labels} of {name}"


def test_every_metric_is_shown() -> None:
    """Every metric is on the dashboard or in an alert, except for a few that explain others."""
    shown = {name for _, expression in expressions() for name, _ in SELECTOR.findall(expression)}
    not_shown = {metric.name for metric in METRICS if not set(metric.exported_names) & shown}
    assert (
        not_shown
        == {
            "copilot_pipeline_lake_files",
            "copilot_pipeline_lake_measured_timestamp_seconds",
            "copilot_pipeline_quota_reset_timestamp_seconds",
            "copilot_pipeline_inbox_oldest_age_seconds",
        }
        - shown
    )


def test_alerts_say_what_to_do() -> None:
    """Each has a severity, a summary and a description, and its own name."""
    rules = [rule for group in yaml.safe_load(ALERTS.read_text(encoding="utf-8"))["groups"] for rule in group["rules"]]
    assert len({rule["alert"] for rule in rules}) == len(rules)
    for rule in rules:
        assert rule["labels"]["severity"] in ("page", "ticket")
        assert rule["annotations"]["summary"]
        assert rule["annotations"]["description"].endswith(".")
