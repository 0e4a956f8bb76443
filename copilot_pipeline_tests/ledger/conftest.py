"""A ledger of calls on a real database."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import pytest

from copilot_pipeline.database import Database
from copilot_pipeline.ledger import CallLedger


@pytest.fixture
def ledger(database: Database) -> CallLedger:
    """The ledger, with days of UTC."""
    return CallLedger(database, ZoneInfo("UTC"))
