"""The checks of the history of deals and of the waterfall fail for rows that contradict each other."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import dagster as dg
import pytest

from copilot_pipeline.config.marts import MartSettings
from copilot_pipeline.defs.checks import CHECKS
from copilot_pipeline.load.lake import Lake
from copilot_pipeline.marts.build import MartBuilder
from copilot_pipeline.postgres import Database
from copilot_pipeline_tests.defs.opened import Opened, opened_resources
from copilot_pipeline_tests.marts.history.test_build import FIRST_REFRESH, LOST, NOW, add_deal


@pytest.fixture
def opened(database: Database, home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Opened]:
    """A deal that was lost, and the marts."""
    monkeypatch.setenv("COPILOT_PIPELINE_DATABASE_URL", database.url)
    monkeypatch.setenv("COPILOT_PIPELINE_HOME", str(home))
    add_deal(database, "d-1", (FIRST_REFRESH, {}), (LOST, {"stage": "Closed Lost"}))
    add_deal(database, "d-2", (LOST, {}))
    with database.connection() as connection:
        connection.execute("UPDATE copilot.deals SET amount = 100, stage = 'Discovery'")
        connection.execute("UPDATE copilot.deals SET stage = 'Closed Lost' WHERE deal_id = 'd-1'")
    MartBuilder(Lake(str(home / "lake")), database, MartSettings(), now=lambda: NOW).build_pipeline()
    with opened_resources() as resources:
        yield resources


def offending(opened: Opened, name: str) -> int:
    """The rows that a check finds."""
    (check,) = [one for one in CHECKS if one.check_key.name == name]
    result = check(postgres=opened.postgres, settings=opened.settings)
    assert isinstance(result, dg.AssetCheckResult)
    found = int(str(result.metadata["offending_rows"].value))
    assert result.passed is (found == 0)
    return found


def test_finds_versions_that_overlap_or_differ_from_their_deal(opened: Opened, database: Database) -> None:
    """One each."""
    name = "deal_versions_follow_each_other"
    assert offending(opened, name) == 0
    with database.connection() as connection:
        connection.execute("UPDATE copilot.deals SET stage = 'Proposal' WHERE deal_id = 'd-2'")
        assert offending(opened, name) == 1
        connection.execute("UPDATE copilot.deal_history SET valid_to = %s WHERE valid_to IS NOT NULL",
                           (LOST + timedelta(days=1),))  # fmt: skip
    assert offending(opened, name) == 2


def test_finds_weeks_that_do_not_add_up(opened: Opened, database: Database) -> None:
    """A step that is wrong, and an opening that is not the former closing."""
    assert offending(opened, "pipeline_adds_up") == 0
    with database.connection() as connection:
        connection.execute("UPDATE copilot.pipeline_waterfall SET amount = -90 WHERE step = 'lost' AND amount <> 0")
    assert offending(opened, "pipeline_adds_up") == 1
    with database.connection() as connection:
        connection.execute("UPDATE copilot.pipeline_waterfall SET amount = amount + 5 WHERE week = '2026-03-16' "
                           "AND step IN ('opening', 'closing')")  # fmt: skip
    assert offending(opened, "pipeline_adds_up") == 2
