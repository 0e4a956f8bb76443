"""Metrics and log lines of runs during faults, compared with what the servers counted."""

from __future__ import annotations

import json
import re

from prometheus_client.parser import text_string_to_metric_families

from copilot_pipeline_tests.end_to_end.conftest import MakePipeline
from copilot_pipeline_tests.end_to_end.pipeline import Pipeline

LISTED = re.compile(r"\d{4}-\d\d-\d\d: \d+ listed, (\d+) fetched in \d+\.\d s, \d+ quarantined, waited \d+\.\d s")
SCORED = re.compile(r"\d{4}-\d\d-\d\d (\w+): (\d+) runs ended in \d+\.\d s, (\d+) not done")


def _values(pipeline: Pipeline) -> dict[tuple[str, str], float]:
    """Sum of each metric by one of its labels: (name, label value)."""
    values: dict[tuple[str, str], float] = {}
    for family in text_string_to_metric_families(pipeline.execute("metrics").stdout):
        for sample in family.samples:
            for label in ("", *sample.labels.values()):
                key = (sample.name.removeprefix("copilot_pipeline_"), label)
                values[key] = values.get(key, 0.0) + sample.value
    return values


def test_metrics_equal_what_the_servers_counted(make_pipeline: MakePipeline) -> None:
    """Requests by status, paid runs, calls and steps are right during a storm and after it; each run logs a line per
    day and kit, as JSON if that is set."""
    pipeline = make_pipeline(days=1, calls_per_day=12)
    share = 0.08
    pipeline.sandbox.set_faults(
        error_status=503, error_share=share, html_share=share, hang_up_share=share, semarize_500_share=share
    )
    pipeline.run(expect=(0, 1, 4), changes={"COPILOT_PIPELINE_LOG_FORMAT": "json"})
    lines = [json.loads(line) for line in pipeline.error_output.splitlines() if line.startswith("{")]
    messages = [line["message"] for line in lines if line["logger"] == "copilot_pipeline.runs"]
    values, counted = _values(pipeline), pipeline.sandbox.stats()
    assert values["http_requests_total", "clari_copilot"] == counted["clari_total"]
    assert values["http_requests_total", "503"] > 0
    assert values["http_requests_total", "no_response"] > 0
    assert values["http_request_duration_seconds_count", "clari_copilot"] == counted["clari_total"]
    assert values["semarize_runs", "paid"] == counted["runs_created"]
    assert sum(int(found[1]) for found in map(LISTED.fullmatch, messages) if found) == values["calls", "stored"] - len(
        [call for call in pipeline.query("SELECT 1 FROM copilot_ops.calls WHERE fetched_version IS NULL")]
    )
    pipeline.sandbox.set_faults()
    pipeline.run()
    values, counted = _values(pipeline), pipeline.sandbox.stats()
    assert values["http_requests_total", "clari_copilot"] == counted["clari_total"]
    assert values["semarize_runs", "paid"] == counted["runs_created"]
    assert values["calls", "to_fetch"] == values["calls", "quarantined"] == values["calls", "to_load"] == 0
    assert values["step_duration_seconds_count", "raw_call_details"] == 2
    runs = {found[1]: int(found[2]) for found in map(SCORED.fullmatch, messages) if found}
    assert set(runs) == {"coaching", "deal_signals"}
    assert LISTED.search(pipeline.error_output)
