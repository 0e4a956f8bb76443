"""`copilot-pipeline kits list` against a server with some of the kits."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from copilot_pipeline_tests.cli.conftest import Command
from copilot_pipeline_tests.http_servers import ReceivedRequest, Reply, reply, serving

RUNS = [
    {"run_id": "r1", "status": "succeeded", "kit_version_id": "v2", "output": {"kit_code": "A1B2C3D4", "bricks": {}}},
    {"run_id": "r2", "status": "succeeded", "kit_version_id": "v2", "output": {"kit_code": "A1B2C3D4"}},
    {"run_id": "r3", "status": "queued"},
    {"run_id": "r4", "status": "succeeded", "kit_version_id": "w1", "kit_code": "DEA15164"},
]


def service(asked: ReceivedRequest) -> Reply:
    """One kit exists; three runs name their kit."""
    if asked.path == "/v1/kits/schema":
        if asked.params.get("kit_code") == "A1B2C3D4":
            return reply({"bricks": []})
        return reply({"error": "kit_not_found"}, 404)
    assert (asked.method, asked.path, asked.params.get("limit")) == ("GET", "/v1/runs", "100")
    return reply({"data": RUNS})


@pytest.mark.parametrize("as_json", [False, True])
def test_lists_configured_kits_and_those_of_recent_runs(
    command: Command, monkeypatch: pytest.MonkeyPatch, as_json: bool
) -> None:
    """The kit that the key may not use is named with its line, and the exit code is 1."""
    Path("pipeline.yaml").write_text("kits:\n  meddicc: A1B2C3D4\n  coaching:\n    code: WRONG1\n")
    monkeypatch.setenv("SEMARIZE_API_KEY", "smz_test_key")
    with serving(service) as server:
        monkeypatch.setenv("SEMARIZE_BASE_URL", server.url)
        result = command("kits", "list", *(["--json"] if as_json else []))
    assert result.code == 1
    if as_json:
        rows = json.loads(result.out)
        assert [(kit["name"], kit["place"], kit["problem"]) for kit in rows["configured"]] == [
            ("meddicc", "pipeline.yaml, line 2", None),
            ("coaching", "pipeline.yaml, line 4", "kit_not_found"),
        ]
        assert rows["used"] == [
            {"code": "A1B2C3D4", "version_id": "v2", "runs": 2},
            {"code": "DEA15164", "version_id": "w1", "runs": 1},
        ]
    else:
        assert "kit_not_found" in result.out
        assert "DEA15164" in result.out


def test_exits_with_0_if_all_kits_are_usable(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a wrong kit nothing is left to do."""
    Path("pipeline.yaml").write_text("kits:\n  meddicc: A1B2C3D4\n")
    monkeypatch.setenv("SEMARIZE_API_KEY", "smz_test_key")
    with serving(service) as server:
        monkeypatch.setenv("SEMARIZE_BASE_URL", server.url)
        assert command("kits", "list").code == 0
