"""The Dagster UI: what it shows of the resources; pages of other sites start nothing, and its own pages work."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from copilot_pipeline.sandbox import Sandbox, SandboxOptions
from copilot_pipeline_tests.database_server import Server
from copilot_pipeline_tests.end_to_end.conftest import FIRST_DAY
from copilot_pipeline_tests.end_to_end.foreign_page import (
    FOREIGN_NAME,
    browser,
    execute_in_page,
    foreign_site,
    outcomes_of_attacks,
)
from copilot_pipeline_tests.end_to_end.interface import UserInterface, running_ui
from copilot_pipeline_tests.end_to_end.pipeline import Pipeline
from copilot_pipeline_tests.processes import CommandServer
from copilot_pipeline_tests.report.test_page import needs_browser

_LAUNCH = (
    'mutation{launchPartitionBackfill(backfillParams:{assetSelection:[{path:["raw_call_details"]}],'
    'partitionNames:["2026-03-06"],fromFailure:false}){__typename}}'
)
_LAUNCHED = "SELECT (SELECT count(*) FROM bulk_actions) AS backfills, (SELECT count(*) FROM runs) AS runs"
_REPORTED = "SELECT count(*) AS events FROM event_logs WHERE asset_key IS NOT NULL"
_REQUESTS = {"raw_call_details", "users", "user_history", "topics", "scorecards", "raw_deals", "raw_accounts"}
_VARIABLES = {
    "clari_copilot": {"api_key": "CLARI_COPILOT_API_KEY", "base_url": "CLARI_COPILOT_BASE_URL"},
    "semarize": {"api_key": "SEMARIZE_API_KEY", "base_url": "SEMARIZE_BASE_URL"},
    "postgres": {"database_url": "COPILOT_PIPELINE_DATABASE_URL", "home": "COPILOT_PIPELINE_HOME"},
    "lake": {"home": "COPILOT_PIPELINE_HOME"},
}


@pytest.fixture(scope="module")
def pipeline(
    server: Server, template_with_runs: str, commands: CommandServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Pipeline]:
    """A pipeline that has fetched nothing."""
    options = SandboxOptions(first_day=FIRST_DAY, days=1, calls_per_day=1)
    with server.new_database(template_with_runs) as address, Sandbox(options) as sandbox:
        yield Pipeline(sandbox, address, tmp_path_factory.mktemp("ui") / "home", commands)


@pytest.fixture(scope="module")
def interface(pipeline: Pipeline) -> Iterator[UserInterface]:
    """The UI, without the daemon."""
    with running_ui(pipeline) as opened:
        yield opened


def test_lists_the_resources_with_their_configuration_and_assets(interface: UserInterface) -> None:
    """The rate limiter with its limits and the assets that cost requests; the services and stores with the variables
    that configure them, and never the value of one that is set; each with a description and at least one asset."""
    resources = interface.resources()
    for name in ("rate_limiter", "clari_copilot", "semarize", "postgres", "lake", "deliveries"):
        assert resources[name]["description"], name
        assert resources[name]["configuredValues"], name
        assert resources[name]["assetKeysUsing"], name
    limits = {one["key"]: one["value"] for one in resources["rate_limiter"]["configuredValues"]}
    assert set(limits) >= {"requests_per_second", "requests_per_week", "reserve", "unit"}
    assert limits["requests_per_week"] == "100000"
    assert {path for key in resources["rate_limiter"]["assetKeysUsing"] for path in key["path"]} == _REQUESTS
    for name, variables in _VARIABLES.items():
        shown = {one["key"]: one["value"] for one in resources[name]["configuredValues"] if one["type"] == "ENV_VAR"}
        assert shown.items() >= variables.items(), name


@needs_browser
def test_only_its_own_pages_launch_backfills(pipeline: Pipeline, interface: UserInterface) -> None:
    """Images, frames, forms, requests, beacons and WebSockets of a page of another site, of another port of this
    machine, and of a name that was given its address start nothing. A page of the UI then launches a backfill."""
    with foreign_site(interface.url, _LAUNCH) as port, browser() as opened:
        seen: set[str] = set()
        for host in ("localhost", "127.0.0.1", FOREIGN_NAME):
            seen |= outcomes_of_attacks(opened, port, host)
        assert seen <= {"opaque", "blocked"}
        page = opened.new_page()
        rebound = page.goto(interface.url.replace("127.0.0.1", FOREIGN_NAME))
        assert rebound is not None
        assert rebound.status == 403
        assert pipeline.query(_LAUNCHED) == [{"backfills": 0, "runs": 0}]
        assert pipeline.query(_REPORTED) == [{"events": 0}]

        page.goto(f"{interface.url}/assets/raw_call_details")
        page.get_by_text("raw_call_details").first.wait_for()
        assert execute_in_page(page, _LAUNCH) == {"launchPartitionBackfill": {"__typename": "LaunchBackfillSuccess"}}
        assert pipeline.query(_LAUNCHED) == [{"backfills": 1, "runs": 0}]
