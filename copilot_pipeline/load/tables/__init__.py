"""The column list of all tables, the source of every schema.

Each column is defined once, with its kind and a description for analysts. Parquet field metadata, PostgreSQL comments
and Dagster's `TableSchema` are generated from it; a test compares the migrated database with this list.
"""

from copilot_pipeline.load.tables.calls import CALLS, PARTICIPANTS, RAW_CALL_DETAILS, TRANSCRIPTS, UTTERANCES
from copilot_pipeline.load.tables.coaching import COACHING_REGRESSIONS, COACHING_SCORES
from copilot_pipeline.load.tables.conversation_outcomes import CONVERSATION_OUTCOMES
from copilot_pipeline.load.tables.deal_marts import DEAL_INSPECTION, DEAL_SIGNALS, WIN_LOSS_CONCLUSION, WIN_LOSS_DRIVERS
from copilot_pipeline.load.tables.forecast import (
    DEAL_FORECAST,
    FORECAST_ACCURACY,
    FORECAST_SUMMARY,
    FORECAST_TABLES,
    FORECAST_TRACK_RECORD,
)
from copilot_pipeline.load.tables.history import (
    DEAL_HISTORY,
    HISTORY_TABLES,
    PIPELINE_CHANGES,
    PIPELINE_TABLES,
    PIPELINE_WATERFALL,
    USER_HISTORY,
)
from copilot_pipeline.load.tables.marts import (
    CLAIM_ACCURACY,
    CLAIMS,
    MART_TABLES,
    MEDDICC_COVERAGE,
    MEDDICC_OUTCOMES,
    MEDDICC_SUMMARY,
    MESSAGE_ADOPTION,
)
from copilot_pipeline.load.tables.mentions import COMPETITOR_MENTIONS, TOPIC_MENTIONS
from copilot_pipeline.load.tables.model import CALL_DATE, Column, Kind, Table
from copilot_pipeline.load.tables.reference import ACCOUNTS, BRICKS, DEALS, SCORECARDS, TOPICS, USERS
from copilot_pipeline.load.tables.rep_calls import REP_CALLS
from copilot_pipeline.load.tables.rows import columns_to_arrow, rows_to_arrow
from copilot_pipeline.load.tables.scores import EVIDENCE, SEMARIZE_RUNS, SEMARIZE_SCORES
from copilot_pipeline.load.tables.views import VIEWS, View

CALL_TABLES: tuple[Table, ...] = (CALLS, PARTICIPANTS, TRANSCRIPTS, UTTERANCES, TOPIC_MENTIONS, COMPETITOR_MENTIONS)
SCORE_TABLES: tuple[Table, ...] = (SEMARIZE_RUNS, SEMARIZE_SCORES, EVIDENCE)
REFERENCE_TABLES: tuple[Table, ...] = (USERS, TOPICS, SCORECARDS, BRICKS, DEALS, ACCOUNTS)
WAREHOUSE_TABLES: tuple[Table, ...] = (
    *CALL_TABLES,
    *SCORE_TABLES,
    *REFERENCE_TABLES,
    *HISTORY_TABLES,
    *MART_TABLES,
)

__all__ = [
    "ACCOUNTS",
    "BRICKS",
    "CALLS",
    "CALL_DATE",
    "CALL_TABLES",
    "CLAIMS",
    "CLAIM_ACCURACY",
    "COACHING_REGRESSIONS",
    "COACHING_SCORES",
    "COMPETITOR_MENTIONS",
    "CONVERSATION_OUTCOMES",
    "DEALS",
    "DEAL_FORECAST",
    "DEAL_HISTORY",
    "DEAL_INSPECTION",
    "DEAL_SIGNALS",
    "EVIDENCE",
    "FORECAST_ACCURACY",
    "FORECAST_SUMMARY",
    "FORECAST_TABLES",
    "FORECAST_TRACK_RECORD",
    "HISTORY_TABLES",
    "MART_TABLES",
    "MEDDICC_COVERAGE",
    "MEDDICC_OUTCOMES",
    "MEDDICC_SUMMARY",
    "MESSAGE_ADOPTION",
    "PARTICIPANTS",
    "PIPELINE_CHANGES",
    "PIPELINE_TABLES",
    "PIPELINE_WATERFALL",
    "RAW_CALL_DETAILS",
    "REFERENCE_TABLES",
    "REP_CALLS",
    "SCORECARDS",
    "SCORE_TABLES",
    "SEMARIZE_RUNS",
    "SEMARIZE_SCORES",
    "TOPICS",
    "TOPIC_MENTIONS",
    "TRANSCRIPTS",
    "USERS",
    "USER_HISTORY",
    "UTTERANCES",
    "VIEWS",
    "WAREHOUSE_TABLES",
    "WIN_LOSS_CONCLUSION",
    "WIN_LOSS_DRIVERS",
    "Column",
    "Kind",
    "Table",
    "View",
    "columns_to_arrow",
    "rows_to_arrow",
]
