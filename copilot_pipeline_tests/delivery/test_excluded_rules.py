"""A route with a brick that its kit does not have is reported and excluded."""

from __future__ import annotations

from pathlib import Path

import pytest

from copilot_pipeline.cli.connections import delivery_service, opened
from copilot_pipeline.delivery.outbox import Outbox
from copilot_pipeline.postgres import Database
from copilot_pipeline_tests.cli.conftest import Command, command
from copilot_pipeline_tests.delivery.examples import DAY, add_call
from copilot_pipeline_tests.http_servers import ReceivedRequest, Reply, reply, serving

__all__ = ["command"]

PIPELINE = """
kits: {deal_signals: DEA15164}
routes:
  - name: Slip
    when: {brick: deal_signals.risk_flagg, is: true}
    send: webhook
    max_age: none
    first_run: send
  - name: Risk
    when: {brick: deal_signals.risk_flag, is: true}
    send: slack
    max_age: none
    first_run: send
"""
BRICKS = [{"key": "risk_flag", "type": "boolean"}, {"key": "deal_confidence", "type": "score"}]
INCIDENT = "routes of pipeline.yaml"


@pytest.fixture
def semarize(command: Command, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Set a key for Semarize in the otherwise empty environment."""
    monkeypatch.setenv("SEMARIZE_API_KEY", "k")
    return monkeypatch


def enqueue() -> tuple[list[str], list[str], list[str]]:
    """Enqueue as a run does.

    Returns its problems, the applied routes and the open incidents.
    """
    with opened() as (settings, database):
        service = delivery_service(settings, database)
        for _ in range(3):  # the incremental run enqueues repeatedly
            problems = service.enqueue([DAY])
        applied = {row.route for row in Outbox(database).listed()}
        incidents = [incident.name for incident in service.incident_monitor().open_incidents()]
        return problems, sorted(applied), incidents


def test_excludes_a_route_with_an_unknown_brick_until_it_is_corrected(
    semarize: pytest.MonkeyPatch, database: Database
) -> None:
    """The problem names the line and the probable brick; the other route is applied."""
    add_call(database, "call-1", {"risk_flag": True, "deal_confidence": 31})
    path = Path("pipeline.yaml")
    path.write_text(PIPELINE)
    with serving(lambda _: reply({"bricks": BRICKS})) as server:
        semarize.setenv("SEMARIZE_BASE_URL", server.url)
        (problem,), applied, incidents = enqueue()
        assert "line 5: routes.0.when.brick: the kit deal_signals has no brick 'risk_flagg'" in problem
        assert "did you mean risk_flag?" in problem
        assert (applied, incidents) == (["Risk"], [INCIDENT])
        path.write_text(PIPELINE.replace("risk_flagg", "risk_flag"))
        requests = len(server.requests)
        assert enqueue() == ([], ["Risk", "Slip"], [])
        assert len(server.requests) == requests, "no schema is read if the scores confirm the routes"


@pytest.mark.parametrize("answer", [reply({"error": "not_found"}, 404), Reply(500), reply({"what": "ever"})])
def test_applies_all_routes_if_the_schema_cannot_be_read(
    semarize: pytest.MonkeyPatch, database: Database, answer: Reply
) -> None:
    """A condition on a brick without a value is false, so the route sends nothing."""
    add_call(database, "call-1", {"risk_flag": True})
    Path("pipeline.yaml").write_text(PIPELINE)

    def respond(_: ReceivedRequest) -> Reply:
        return answer

    with serving(respond) as server:
        semarize.setenv("SEMARIZE_BASE_URL", server.url)
        assert enqueue() == ([], ["Risk"], [])
        assert len(server.requests) == 1
