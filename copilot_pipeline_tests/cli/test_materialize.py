"""How the outcome of a Dagster run becomes the exit code and the message of a command."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import dagster as dg
import psycopg
import pytest
from dagster._core.definitions.data_version import CachingStaleStatusResolver, StaleStatus
from dagster._core.loader import LoadingContextForTest

from copilot_pipeline.config.loading import load_environment
from copilot_pipeline.defs.days import definitions_of_days
from copilot_pipeline.defs.instance import open_instance
from copilot_pipeline_tests.cli.conftest import Command
from copilot_pipeline_tests.http_servers import ReceivedRequest, Reply, reply, serving

DAY = "2026-03-06"
Answer = Callable[[ReceivedRequest], Reply]


@pytest.fixture
def run(command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Answer], tuple[int, str, str]]:
    """Return a function that runs one day against a server, and returns the exit code and the output."""
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "dagster"))
    (tmp_path / "dagster").mkdir()
    (tmp_path / "dagster" / "dagster.yaml").write_text(
        "storage:\n  custom: {module: copilot_pipeline.defs.instance, class: PipelineStorage, config: {}}\n"
        "telemetry: {enabled: false}\n"
    )
    monkeypatch.setenv("CLARI_COPILOT_API_KEY", "k3y")
    monkeypatch.setenv("CLARI_COPILOT_API_PASSWORD", "s3cret")
    monkeypatch.setenv("COPILOT_PIPELINE_REQUESTS_PER_SECOND", "0")

    def execute(answer: Answer) -> tuple[int, str, str]:
        with serving(answer) as server:
            monkeypatch.setenv("CLARI_COPILOT_BASE_URL", server.url)
            result = command("run", "--from", DAY, "--to", DAY, "--assets", "raw_call_details,calls", "--json")
        return result.code, result.out, result.err

    return execute


Run = Callable[[Answer], tuple[int, str, str]]


def test_refused_credentials_exit_with_3(run: Run) -> None:
    """The error of the step is the error of the command, with the next step."""
    code, _, err = run(lambda _: Reply(401))
    assert code == 3
    assert "401" in err
    assert "copilot-pipeline doctor" in err


def test_a_used_up_quota_exits_with_75(run: Run) -> None:
    """The command names the reset; the run is not requeued, because it is the command's."""
    code, _, err = run(lambda _: reply({"message": "Limit Exceeded"}, 429))
    assert code == 75
    assert "resets at" in err


def test_a_problem_of_a_day_is_listed(run: Run) -> None:
    """A refused list request is a problem of its day: exit code 1, and the problem in the JSON output."""
    code, out, _ = run(lambda _: reply({"message": "no such filter"}, 400))
    assert code == 1
    (problem,) = json.loads(out)["problems"]
    assert problem.startswith(f"{DAY}: ")
    assert "400" in problem


def test_a_day_without_calls_is_complete_and_then_up_to_date(run: Run, database_address: str) -> None:
    """Exit code 0 and no problems, after one list request: the run continues what was listed before it began. The same
    command again makes one run of Dagster, which lists the day, and Dagster shows the tables as fresh. Without the
    events of the tables, it makes all runs again."""
    paths = []

    def answer(request: ReceivedRequest) -> Reply:
        paths.append(request.path)
        return reply({"calls": [], "users": [], "pagination": {"totalCount": 0}})

    code, out, _ = run(answer)
    assert code == 0
    assert json.loads(out)["problems"] == []
    assert paths.count("/calls") == 1

    instance, graph = open_instance(load_environment()), definitions_of_days().resolve_asset_graph()
    first = instance.get_runs_count()
    _, _, err = run(answer)
    assert "up to date: calls" in err
    assert instance.get_runs_count() == first + 1
    statuses = CachingStaleStatusResolver(instance, graph, LoadingContextForTest(instance))
    assert statuses.get_status(dg.AssetKey("calls"), DAY) is StaleStatus.FRESH
    with psycopg.connect(database_address) as connection:
        connection.execute("DELETE FROM event_logs WHERE asset_key LIKE '%calls%'")
    _, _, err = run(answer)
    assert "up to date: calls" not in err
    assert instance.event_log_storage.get_materialized_partitions(dg.AssetKey("calls")) == {DAY}
