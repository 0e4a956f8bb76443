"""`dev` as users start it, and GraphQL as its pages use it."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from copilot_pipeline_tests.end_to_end.pipeline import Pipeline
from copilot_pipeline_tests.ports import free_port

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
_RUNS = (
    "query Runs($tags: [ExecutionTag!]) { runsOrError(filter: {tags: $tags}) { ... on Runs { results { status } } } }"
)
_LOCATIONS = "{ repositoriesOrError { ... on RepositoryConnection { nodes { name } } } }"
_REPOSITORIES = """
{ repositoriesOrError { ... on RepositoryConnection { nodes { name location { name } } } } }"""
_RESOURCES = """
query Resources($repository: RepositorySelector!) {
  allTopLevelResourceDetailsOrError(repositorySelector: $repository) {
    __typename
    ... on ResourceDetailsList {
      results { name description configuredValues { key value type } assetKeysUsing { path } }
    }
    ... on PythonError { message }
  }
}"""
_ENDED = ("COMPLETED_SUCCESS", "COMPLETED_FAILED", "FAILED", "CANCELED", "COMPLETED")
TABLES = ["raw_call_details", "calls", "participants", "transcripts", "utterances"]


class UserInterface:
    """GraphQL, as the pages use it."""

    def __init__(self, port: int, webhook_port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.webhook_url = f"http://127.0.0.1:{webhook_port}/webhooks/clari-copilot"

    def execute(self, query: str, **variables: Any) -> dict[str, Any]:
        """One query's data."""
        answer = httpx.post(f"{self.url}/graphql", json={"query": query, "variables": variables}, timeout=60)
        data: dict[str, Any] = answer.json()["data"]
        return data

    def launch(self, assets: list[str], days: list[str]) -> str:
        """Launches a backfill; returns its id."""
        params = {"assetSelection": [{"path": [name]} for name in assets], "partitionNames": days, "fromFailure": False}
        launched = self.execute(_LAUNCH, params=params)["launchPartitionBackfill"]
        assert launched["__typename"] == "LaunchBackfillSuccess", launched
        return str(launched["backfillId"])

    def wait_for_backfill(self, identity: str, seconds: float = 240) -> dict[str, Any]:
        """Its state when it has ended, or after the timeout."""
        deadline = time.monotonic() + seconds
        backfill: dict[str, Any] = {"status": "REQUESTED"}
        while backfill["status"] not in _ENDED and time.monotonic() < deadline:
            time.sleep(1)
            backfill = self.execute(_STATUS, id=identity)["partitionBackfillOrError"]
        return backfill

    def run_statuses(self, backfill: str | None = None) -> list[str]:
        """The status of every run, or of those of a backfill: the daemon starts others after it."""
        tags = [{"key": "dagster/backfill", "value": backfill}] if backfill else []
        return [run["status"] for run in self.execute(_RUNS, tags=tags)["runsOrError"]["results"]]

    def resources(self) -> dict[str, dict[str, Any]]:
        """The list of resources, by name, as its page shows it."""
        (node,) = self.execute(_REPOSITORIES)["repositoriesOrError"]["nodes"]
        repository = {"repositoryName": node["name"], "repositoryLocationName": node["location"]["name"]}
        listed = self.execute(_RESOURCES, repository=repository)["allTopLevelResourceDetailsOrError"]
        assert listed["__typename"] == "ResourceDetailsList", listed
        return {resource["name"]: resource for resource in listed["results"]}

    def wait_until_loaded(self, process: subprocess.Popen[bytes]) -> None:
        """Wait until the code location is loaded."""
        deadline = time.monotonic() + 90
        while time.monotonic() < deadline and process.poll() is None:
            try:
                if self.execute(_LOCATIONS)["repositoriesOrError"].get("nodes"):
                    return
            except (httpx.TransportError, ValueError, KeyError):
                pass
            time.sleep(0.5)
        pytest.fail("the UI did not come up")


@contextmanager
def running_dev(pipeline: Pipeline, **changes: str) -> Iterator[UserInterface]:
    port, webhook_port = free_port(), free_port()
    command = pipeline.command("dev", "--port", str(port), "--webhook-port", str(webhook_port))
    with _running(pipeline, command, UserInterface(port, webhook_port), changes) as interface:
        yield interface


@contextmanager
def running_ui(pipeline: Pipeline, *options: str, **changes: str) -> Iterator[UserInterface]:
    """The UI alone: what is launched stays requested."""
    port = free_port()
    command = pipeline.command("ui", "--port", str(port), *options)
    with _running(pipeline, command, UserInterface(port, 0), changes) as interface:
        yield interface


@contextmanager
def _running(
    pipeline: Pipeline, command: list[str], interface: UserInterface, changes: dict[str, str]
) -> Iterator[UserInterface]:
    environment = pipeline.environment(**changes)
    log = (pipeline.home / "dev.log").open("wb")
    process = subprocess.Popen(
        command,
        env=environment,
        cwd=pipeline.home,
        stdout=log,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        interface.wait_until_loaded(process)
        yield interface
    finally:
        try:
            process.send_signal(signal.SIGTERM)
            process.wait(60)
        finally:
            process.kill()
            process.wait()
            log.close()
