"""The Dagster UI in a browser: pages of other sites start nothing, and its own pages work."""

from __future__ import annotations

from copilot_pipeline_tests.end_to_end.conftest import MakePipeline
from copilot_pipeline_tests.end_to_end.foreign_page import (
    FOREIGN_NAME,
    browser,
    execute_in_page,
    foreign_site,
    outcomes_of_attacks,
)
from copilot_pipeline_tests.end_to_end.interface import running_ui
from copilot_pipeline_tests.report.test_page import needs_browser

_LAUNCH = (
    'mutation{launchPartitionBackfill(backfillParams:{assetSelection:[{path:["raw_call_details"]}],'
    'partitionNames:["2026-03-06"],fromFailure:false}){__typename}}'
)
_LAUNCHED = "SELECT (SELECT count(*) FROM bulk_actions) AS backfills, (SELECT count(*) FROM runs) AS runs"
_REPORTED = "SELECT count(*) AS events FROM event_logs WHERE asset_key IS NOT NULL"


@needs_browser
def test_only_its_own_pages_launch_backfills(make_pipeline: MakePipeline) -> None:
    """Images, frames, forms, requests, beacons and WebSockets of a page of another site, of another port of this
    machine, and of a name that was given its address start nothing. A page of the UI then launches a backfill."""
    pipeline = make_pipeline(days=1, calls_per_day=1)
    with running_ui(pipeline) as interface, foreign_site(interface.url, _LAUNCH) as port, browser() as opened:
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
