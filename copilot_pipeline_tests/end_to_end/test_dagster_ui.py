"""The Dagster UI and daemon as `dev` starts them: a backfill launched there runs through."""

from __future__ import annotations

import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from copilot_pipeline_tests.end_to_end.conftest import MakePipeline
from copilot_pipeline_tests.end_to_end.pipeline import Pipeline

_LAUNCH = """
mutation Launch($params: LaunchBackfillParams!) {
  launchPartitionBackfill(backfillParams: $params) {
    __typename
    ... on LaunchBackfillSuccess { backfillId }
    ... on PythonError { message }
  }
}"""
_STATUS = """
query Status($id: String!) {
  partitionBackfillOrError(backfillId: $id) {
    ... on PartitionBackfill {
      status
      assetBackfillData { assetBackfillStatuses { ... on AssetPartitionsStatusCounts {
        assetKey { path } numPartitionsTargeted numPartitionsMaterialized numPartitionsFailed } } }
    }
  }
}"""
_LOCATIONS = "{ repositoriesOrError { ... on RepositoryConnection { nodes { name } } } }"
_ENDED = ("COMPLETED_SUCCESS", "COMPLETED_FAILED", "FAILED", "CANCELED", "COMPLETED")
_TABLES = ["raw_call_details", "calls", "participants", "transcripts", "utterances"]


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


class UserInterface:
    """GraphQL, as the pages use it."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"

    def ask(self, query: str, **variables: Any) -> dict[str, Any]:
        """One query's data."""
        answer = httpx.post(f"{self.url}/graphql", json={"query": query, "variables": variables}, timeout=60)
        data: dict[str, Any] = answer.json()["data"]
        return data

    def wait_until_loaded(self, process: subprocess.Popen[bytes]) -> None:
        """Until the code location is there."""
        deadline = time.monotonic() + 90
        while time.monotonic() < deadline and process.poll() is None:
            try:
                if self.ask(_LOCATIONS)["repositoriesOrError"].get("nodes"):
                    return
            except (httpx.TransportError, ValueError, KeyError):
                pass
            time.sleep(0.5)
        pytest.fail("the UI did not come up")


@contextmanager
def _dev(pipeline: Pipeline) -> Iterator[UserInterface]:
    port = _free_port()
    log = (pipeline.home / "dev.log").open("wb")
    process = subprocess.Popen(
        pipeline.command("dev", "--port", str(port)),
        env=pipeline.environment(),
        cwd=pipeline.home,
        stdout=log,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        interface = UserInterface(port)
        interface.wait_until_loaded(process)
        yield interface
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)
        log.close()


def test_a_backfill_launched_in_the_ui_succeeds(make_pipeline: MakePipeline) -> None:
    """The page opens, a backfill of two days launched over GraphQL materializes every table of both, and ending `dev`
    ends everything it started."""
    pipeline = make_pipeline(days=2, calls_per_day=5)
    days = list(pipeline.days())
    pipeline.environment()
    with _dev(pipeline) as interface:
        page = httpx.get(interface.url)
        assert page.status_code == 200
        assert "<!DOCTYPE html>" in page.text
        launched = interface.ask(
            _LAUNCH,
            params={
                "assetSelection": [{"path": [name]} for name in _TABLES],
                "partitionNames": days,
                "fromFailure": False,
            },
        )["launchPartitionBackfill"]
        assert launched["__typename"] == "LaunchBackfillSuccess", launched
        deadline = time.monotonic() + 240
        backfill: dict[str, Any] = {"status": "REQUESTED"}
        while backfill["status"] not in _ENDED and time.monotonic() < deadline:
            time.sleep(1)
            backfill = interface.ask(_STATUS, id=launched["backfillId"])["partitionBackfillOrError"]
        assert backfill["status"] == "COMPLETED_SUCCESS"
        counts = {
            one["assetKey"]["path"][0]: (one["numPartitionsMaterialized"], one["numPartitionsFailed"])
            for one in backfill["assetBackfillData"]["assetBackfillStatuses"]
        }
        assert counts == dict.fromkeys(_TABLES, (2, 0))
    found = {str(row["call_date"]) for row in pipeline.query("SELECT DISTINCT call_date FROM copilot.calls")}
    assert found == set(days)
    with pytest.raises(httpx.TransportError):
        httpx.get(interface.url)
