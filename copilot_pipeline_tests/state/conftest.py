"""A ledger of calls on a real database."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import pytest

from copilot_pipeline.postgres import Database
from copilot_pipeline.state import CallLedger


@pytest.fixture
def ledger(database: Database) -> CallLedger:
    """The ledger, with days of UTC."""
    return CallLedger(database, ZoneInfo("UTC"))
