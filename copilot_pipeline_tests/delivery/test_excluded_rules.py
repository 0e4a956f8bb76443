"""A rule that asks a kit for what it does not have: told of by its line, set aside, and no harm to the others."""

from __future__ import annotations

from pathlib import Path

import pytest

from copilot_pipeline.cli.connections import delivery_service, opened
from copilot_pipeline.delivery.outbox import Outbox
from copilot_pipeline.postgres import Database
from copilot_pipeline_tests.cli.conftest import Command, command
from copilot_pipeline_tests.delivery.examples import DAY, add_call
from copilot_pipeline_tests.http_servers import Asked, Reply, reply, serving

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
INCIDENT = "rules of pipeline.yaml"


@pytest.fixture
def semarize(command: Command, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A key for it, set after the command's environment was emptied."""
    monkeypatch.setenv("SEMARIZE_API_KEY", "k")
    return monkeypatch


def enqueue() -> tuple[list[str], list[str], list[str]]:
    """What a run does at its end. Returns its problems, the rules that were followed, and what a person is told of."""
    with opened() as (settings, database):
        service = delivery_service(settings, database)
        for _ in range(3):  # as the incremental run does, round by round
            problems = service.enqueue([DAY])
        followed = {row.route for row in Outbox(database).listed()}
        incidents = [incident.name for incident in service.incident_monitor().open_incidents()]
        return problems, sorted(followed), incidents


def test_a_rule_with_a_mistake_is_set_aside_until_it_is_corrected(
    semarize: pytest.MonkeyPatch, database: Database
) -> None:
    """Its line and what was probably meant are said; the other rule is followed; corrected, it is followed too."""
    add_call(database, "call-1", {"risk_flag": True, "deal_confidence": 31})
    path = Path("pipeline.yaml")
    path.write_text(PIPELINE)
    with serving(lambda _: reply({"bricks": BRICKS})) as server:
        semarize.setenv("SEMARIZE_BASE_URL", server.url)
        (problem,), followed, incidents = enqueue()
        assert "line 5: routes.0.when.brick: the kit deal_signals has no brick 'risk_flagg'" in problem
        assert "did you mean risk_flag?" in problem
        assert (followed, incidents) == (["Risk"], [INCIDENT])
        path.write_text(PIPELINE.replace("risk_flagg", "risk_flag"))
        asked = len(server.asked)
        assert enqueue() == ([], ["Risk", "Slip"], [])
        assert len(server.asked) == asked, "what the answers show is not asked for"


@pytest.mark.parametrize("answer", [reply({"error": "not_found"}, 404), Reply(500), reply({"what": "ever"})])
def test_a_schema_that_cannot_be_had_makes_no_mistake(
    semarize: pytest.MonkeyPatch, database: Database, answer: Reply
) -> None:
    """The rules are followed as they are: a brick that is never answered makes nothing true."""
    add_call(database, "call-1", {"risk_flag": True})
    Path("pipeline.yaml").write_text(PIPELINE)

    def once(asked: Asked) -> Reply:
        return answer

    with serving(once) as server:
        semarize.setenv("SEMARIZE_BASE_URL", server.url)
        assert enqueue() == ([], ["Risk"], [])
        assert len(server.asked) == 1
