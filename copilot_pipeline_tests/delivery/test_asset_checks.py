"""Dagster's asset checks of deliveries."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import dagster as dg

from copilot_pipeline.defs.crm.checks import CRM_CHECKS
from copilot_pipeline.defs.scores.checks import SCORE_CHECKS
from copilot_pipeline.postgres import Database
from copilot_pipeline_tests.cli.conftest import Command, command
from copilot_pipeline_tests.defs.opened import opened_resources
from copilot_pipeline_tests.delivery.examples import OPPORTUNITY, Clock, Crm, add_call, make_dispatcher, rules
from copilot_pipeline_tests.http_servers import serving

__all__ = ["command"]

NOW = datetime.now(UTC)


def run_check(name: str) -> tuple[bool, int]:
    """Return whether the check passes, and how many rows it counts."""
    (check,) = [one for one in (*CRM_CHECKS, *SCORE_CHECKS) if one.check_key.name == name]
    with opened_resources() as opened:
        result = check(postgres=opened.postgres, settings=opened.settings)
    assert isinstance(result, dg.AssetCheckResult)
    return result.passed, int(str(result.metadata["offending_rows"].value))


def test_checks_count_calls_without_a_record_and_failed_deliveries(command: Command, database: Database) -> None:
    """They pass once the call is linked and the field may be written."""
    Path("pipeline.yaml").write_text("kits: {deal_signals: DEA15164}\n")
    crm = Crm()
    crm.read_only = {"Risk__c"}
    add_call(database, "linked", {"risk_flag": True}, started_at=NOW)
    add_call(database, "unlinked", {"risk_flag": True}, started_at=NOW, deal_id=None)
    with serving(crm) as server:
        dispatcher = make_dispatcher(database, server.url, rules(OPPORTUNITY), Clock(NOW))
        dispatcher.enqueue([NOW.date()])
        dispatcher.send()
        assert run_check("scores_can_be_written_back") == (False, 1)
        assert run_check("deliveries_are_accepted") == (False, 1)
        crm.read_only = set()
        add_call(database, "unlinked", {"risk_flag": True}, started_at=NOW, deal_id="006000000000002AAA")
        dispatcher.outbox.retry(route="Opportunity")
        dispatcher.enqueue([])
        dispatcher.send()
    assert len(crm.records) == 2
    assert run_check("scores_can_be_written_back") == (True, 0)
    assert run_check("deliveries_are_accepted") == (True, 0)
