"""Names and scales of bricks as people read them in messages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from copilot_pipeline.marts.model import BrickKey
from copilot_pipeline.postgres import Database
from copilot_pipeline.postgres.queries import load_queries
from copilot_pipeline.postgres.rows import fetch_all

_SQL = load_queries("copilot_pipeline.delivery.sql", "brick_labels.sql")

_DECIMALS, _WIDE_SCALE = 2, 10


@dataclass(frozen=True, slots=True)
class BrickLabel:
    """The label of a brick, and the ends of its scale if it is a score."""

    label: str
    scale_low: float | None = None
    scale_high: float | None = None

    def with_scale(self, value: Any) -> str | None:
        """Return a score with its scale: `31 of 100`, or `3 (1 to 5)`; None if it has none, or is not on it."""
        low, high = self.scale_low, self.scale_high
        if low is None or high is None or isinstance(value, bool) or not isinstance(value, int | float):
            return None
        if not low <= value <= high:
            return None
        shown = round(value, _DECIMALS if high - low < _WIDE_SCALE else 1)
        return f"{shown:g} of {high:g}" if low == 0 else f"{shown:g} ({low:g} to {high:g})"


BrickLabels = Mapping[BrickKey, BrickLabel]


@dataclass(frozen=True, slots=True)
class _Row:
    kit: str
    brick: str
    label: str
    scale_low: float | None
    scale_high: float | None


def read_brick_labels(database: Database) -> BrickLabels:
    """Return the labels of the table `bricks`; none before it was filled."""
    with database.connection() as connection:
        rows = fetch_all(connection, _Row, _SQL["labels"])
    return {(row.kit, row.brick): BrickLabel(row.label, row.scale_low, row.scale_high) for row in rows}
