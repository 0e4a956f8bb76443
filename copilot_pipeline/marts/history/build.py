"""Build the marts about deals over time."""

from __future__ import annotations

from datetime import datetime, tzinfo

from copilot_pipeline.config.marts import OutcomeSettings
from copilot_pipeline.load.lake import Lake
from copilot_pipeline.load.snapshots import replace_snapshots
from copilot_pipeline.load.tables import PIPELINE_CHANGES, PIPELINE_WATERFALL
from copilot_pipeline.marts.history.changes import change_rows, weeks_of
from copilot_pipeline.marts.history.pipeline import first_refresh_of, pipeline_history
from copilot_pipeline.marts.history.reader import HistoryReader
from copilot_pipeline.marts.history.waterfall import waterfall
from copilot_pipeline.marts.model import monday
from copilot_pipeline.postgres import Database
from copilot_pipeline.transform.deal_outcomes import outcome_of


def build_pipeline(
    lake: Lake, database: Database, settings: OutcomeSettings, zone: tzinfo, now: datetime
) -> dict[str, int]:
    """Replace `pipeline_changes` and `pipeline_waterfall` and return the rows written by table."""
    reader = HistoryReader(database)
    versions = reader.deal_versions()
    outcomes = {stage: outcome_of(stage, settings) for stage in {version.stage for version in versions}}
    history = pipeline_history(versions, outcomes, zone)
    refreshed_at = first_refresh_of(versions)
    first_observed = monday(refreshed_at.astimezone(zone).date()) if refreshed_at else None
    conversations = reader.conversations(weeks_of(history.changes))
    changes = change_rows(history.changes, reader.deal_names(), conversations)
    steps = waterfall(history, first_observed, monday(now.astimezone(zone).date()))
    return replace_snapshots(lake, database, [(PIPELINE_CHANGES, changes), (PIPELINE_WATERFALL, steps)])
