"""A state store on a real database."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import pytest

from copilot_pipeline.postgres import Database
from copilot_pipeline.state import CallStore, PartitionStore


@pytest.fixture
def call_store(database: Database) -> CallStore:
    """The calls, with partitions in UTC."""
    return CallStore(database, ZoneInfo("UTC"))


@pytest.fixture
def partitions(call_store: CallStore) -> PartitionStore:
    """The partitions of these calls."""
    return call_store.partitions
