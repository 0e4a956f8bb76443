"""Build a mart unless it is up to date. Without Dagster, which a process that builds marts need not import."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from copilot_pipeline.config.loading import Settings
from copilot_pipeline.load.lake import Lake
from copilot_pipeline.load.tables import DEAL_FORECAST, WIN_LOSS_CONCLUSION
from copilot_pipeline.marts.versions import Mart, MartVersions
from copilot_pipeline.postgres import Database

if TYPE_CHECKING:
    from copilot_pipeline.marts.build import MartBuilder

Facts = dict[str, Any]
Made = tuple[dict[str, int], dict[str, Facts]]  # rows by table, and further metadata by table
Make = Callable[["MartBuilder"], Made]


@dataclass(frozen=True, slots=True)
class BuiltMart:
    """A mart after its build: rows and further metadata by table. Without metadata if it was up to date."""

    rows: Mapping[str, int]
    version: str | None
    facts: dict[str, Facts]
    was_current: bool = False


def build_mart(
    mart: Mart, make: Make, lake: Lake, database: Database, settings: Settings, *, now: datetime, force: bool
) -> BuiltMart:
    """Build a mart with `make` unless it is up to date; with `force`, in any case."""
    with MartVersions(lake, database, settings, now=now, force=force).build(mart) as state:
        if (current := state.current) is not None:
            return BuiltMart(current.rows(mart.tables), current.version, {}, was_current=True)
        # scipy and matplotlib: their import takes longer than loading a day.
        import pyarrow as pa
        from threadpoolctl import threadpool_limits

        from copilot_pipeline.marts.build import MartBuilder

        builder = MartBuilder(lake, database, settings.pipeline.marts, now=lambda: now, zone=settings.zone)
        # The matrices are small: more threads of the linear algebra only wait for one another.
        with threadpool_limits(limits=1):
            rows, facts = make(builder)
        pa.default_memory_pool().release_unused()  # else the next mart adds to what this one has freed
        return BuiltMart(rows, state.record(rows), facts)


def make_forecast(builder: MartBuilder) -> Made:
    """Build the forecast, with why its basis was chosen."""
    rows, note = builder.build_forecast()
    return rows, {DEAL_FORECAST.name: {"basis": note}}


def make_win_loss(builder: MartBuilder) -> Made:
    """Build the drivers of wins and losses, with the conclusion."""
    rows, conclusion = builder.build_win_loss()
    return rows, {WIN_LOSS_CONCLUSION.name: {"conclusion": conclusion.conclusion}}
