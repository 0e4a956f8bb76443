"""A ledger of calls on a real database."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import pytest

from copilot_pipeline.postgres import Database
from copilot_pipeline.state import CallStore


@pytest.fixture
def ledger(database: Database) -> CallStore:
    """The ledger, with days of UTC."""
    return CallStore(database, ZoneInfo("UTC"))
