"""The commands `routes` and `deliveries`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from copilot_pipeline.postgres import Database
from copilot_pipeline_tests.cli.conftest import Command, command
from copilot_pipeline_tests.delivery.examples import Crm, add_call
from copilot_pipeline_tests.http_servers import ReceivedRequest, Reply, reply, serving

__all__ = ["command"]

DAYS = ("--from", "2026-03-10", "--to", "2026-03-10")
PIPELINE = """
kits: {deal_signals: DEA15164}
routes:
  - name: Risk
    when: {brick: deal_signals.risk_flag, is: true}
    send: slack
    max_age: none
    first_run: send
  - name: Opportunity
    send: salesforce
    map: {Confidence__c: deal_signals.deal_confidence}
"""
BRICKS = [{"key": "risk_flag", "type": "boolean"}, {"key": "deal_confidence", "type": "score"}]


def test_check_preview_enqueue_send_list_and_export(
    command: Command, database: Database, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The output of each command names the next step."""
    crm = Crm()

    def answer(received: ReceivedRequest) -> Reply:
        if received.path == "/v1/kits/schema":
            return reply({"bricks": BRICKS})
        return Reply(200, b"ok") if received.path.startswith("/services/T/") else crm(received)

    Path("pipeline.yaml").write_text(PIPELINE)
    add_call(database, "call-1", {"risk_flag": True, "deal_confidence": 31}, title="=Northwind")
    add_call(database, "call-2", {"risk_flag": False}, deal_id=None)
    with serving(answer) as server:
        for name, value in {
            "SEMARIZE_BASE_URL": server.url, "SEMARIZE_API_KEY": "k", "SALESFORCE_BASE_URL": server.url,
            "SALESFORCE_CLIENT_ID": "id", "SALESFORCE_CLIENT_SECRET": "secret",
        }.items():  # fmt: skip
            monkeypatch.setenv(name, value)
        missing = command("routes", "check")
        assert missing.code == 1
        assert "sink slack: SLACK_WEBHOOK_URL is not set" in missing.out
        monkeypatch.setenv("SLACK_WEBHOOK_URL", f"{server.url}/services/T/B/s3cret")
        assert command("routes", "check").code == 0
        shown = command("routes", "preview", *DAYS).out
        assert "Confidence__c = 31" in shown
        assert "2 would be sent, 0 suppressed, 0 without a CRM record." in shown
        assert "=Northwind" in shown
        assert max(map(len, shown.splitlines())) <= 80
        assert len(json.loads(command("routes", "preview", *DAYS, "--json").out)) == 2
        assert command("deliveries", "enqueue", *DAYS).out.startswith("2 scored calls: 2 deliveries added")
        crm.is_down = True
        failed = command("deliveries", "send", "--wait", "0")
        assert failed.code == 1
        assert "salesforce: 1 queued; failing since" in failed.err
        assert "HTTP 503" in failed.err
        crm.is_down = False
        sent = command("deliveries", "send", "--now")
        assert (sent.code, sent.out) == (0, "salesforce: 1 sent\n")
    listed = json.loads(command("deliveries", "--json").out)
    assert {row["state"] for row in listed["deliveries"]} == {"sent"}
    shown = command("deliveries").out
    assert "s3cret" not in shown
    assert "=Northwind" in shown
    assert max(map(len, shown.splitlines())) <= 80
    assert command("deliveries", "export", *DAYS, "--csv", "out.csv").code == 0
    assert ",'=Northwind," in Path("out.csv").read_bytes().decode()


def test_enqueue_rejects_a_route_with_an_unknown_brick(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names the line, and the exit code is that of a wrong setting."""
    Path("pipeline.yaml").write_text(PIPELINE.replace("deal_confidence}", "deal_confidance}"))
    with serving(lambda _: reply({"bricks": BRICKS})) as server:
        monkeypatch.setenv("SEMARIZE_BASE_URL", server.url)
        monkeypatch.setenv("SEMARIZE_API_KEY", "k")
        ended = command("deliveries", "enqueue", *DAYS)
    assert ended.code == 3
    assert "line 11: routes.1.map.Confidence__c: the kit deal_signals has no brick 'deal_confidance'" in ended.err
    assert "did you mean deal_confidence?" in ended.err


def test_an_unknown_state_is_a_usage_error(command: Command) -> None:
    """The error lists the states."""
    ended = command("deliveries", "--state", "lost")
    assert ended.code == 2
    assert "Unknown state 'lost'. Choose from: queued" in ended.err


def test_loud_is_a_deprecated_name_of_include_suppressed(command: Command, database: Database) -> None:
    """It works for one version, with a warning that names the new option."""
    Path("pipeline.yaml").write_text(PIPELINE.replace("first_run: send", "first_run: suppress"))
    add_call(database, "call-1", {"risk_flag": True}, deal_id=None)
    results = [command("routes", "preview", *DAYS, *flags) for flags in ((), ("--include-suppressed",), ("--loud",))]
    assert ["--loud is deprecated" in result.err for result in results] == [False, False, True]
    assert results[1].out == results[2].out


def test_former_names_of_states_work_with_a_warning(command: Command, database: Database) -> None:
    """For one version."""
    result = command("deliveries", "--state", "silenced", "--json")
    assert result.code == 0
    assert "the state silenced is deprecated and will be removed in 0.3. Use suppressed." in result.err
