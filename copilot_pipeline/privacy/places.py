"""All places where a person or a call can be: the one list for finding, exporting and erasing.

A table of the database or the lake that is not in it fails a test (`test_places.py`). Of each table the columns of text
are those of the database; here is only what cannot be seen there: which columns are ids of calls, and what bytes hold.
"""

from __future__ import annotations

from copilot_pipeline.load.tables import RAW_CALL_DETAILS, WAREHOUSE_TABLES
from copilot_pipeline.load.warehouse.statements import SCHEMA
from copilot_pipeline.privacy.cells import Form
from copilot_pipeline.privacy.lake_places import LakePlace
from copilot_pipeline.privacy.table_places import TablePlace

STATE_SCHEMA, DAGSTER_SCHEMA = "copilot_ops", "public"
SCHEMAS = (SCHEMA, STATE_SCHEMA, DAGSTER_SCHEMA)

# Tables for analysts, in the warehouse and in the lake, with their columns of call ids. A row of an erased call is
# removed; marts are computed again afterwards.
_ANALYSTS: dict[str, tuple[str, ...]] = {
    "calls": ("call_id",),
    "participants": ("call_id",),
    "transcripts": ("call_id",),
    "utterances": ("call_id",),
    "topic_mentions": ("call_id",),
    "competitor_mentions": ("call_id",),
    "semarize_runs": ("call_id",),
    "semarize_scores": ("call_id",),
    "evidence": ("call_id",),
    "users": (),
    "topics": (),
    "scorecards": ("call_id",),
    "bricks": (),
    "deals": (),
    "accounts": (),
    "deal_history": (),
    "user_history": (),
    "pipeline_changes": ("call_ids",),
    "pipeline_waterfall": (),
    "rep_calls": ("call_id",),
    "meddicc_coverage": ("call_id",),
    "meddicc_summary": (),
    "meddicc_outcomes": (),
    "coaching_scores": ("call_id", "regression_first_call_id"),
    "coaching_regressions": ("first_call_id", "detected_call_id", "recovered_call_id"),
    "claims": ("call_id",),
    "claim_accuracy": (),
    "message_adoption": ("first_call_id", "last_old_call_id"),
    "conversation_outcomes": (),
    "win_loss_drivers": (),
    "win_loss_conclusion": (),
    "deal_signals": ("call_id",),
    "deal_inspection": ("last_call_id",),
    "deal_forecast": ("last_call_id",),
    "forecast_summary": (),
    "forecast_accuracy": (),
    "forecast_track_record": (),
}

_STATE = (
    TablePlace(STATE_SCHEMA, "accounts", forms={"body": Form.PACKED}),
    TablePlace(STATE_SCHEMA, "alembic_version"),
    TablePlace(STATE_SCHEMA, "backfills"),
    TablePlace(STATE_SCHEMA, "backlog_samples"),
    TablePlace(STATE_SCHEMA, "bodies", ("call_id",), {"body": Form.PACKED}),
    TablePlace(STATE_SCHEMA, "calls", ("call_id",)),
    TablePlace(STATE_SCHEMA, "deals", forms={"body": Form.PACKED}),
    # The plan of an erasure that is not finished, by which it continues; `erasure` deletes it at the end.
    TablePlace(STATE_SCHEMA, "erasures", forms={"plan": Form.OPAQUE, "request_hash": Form.OPAQUE}),
    TablePlace(STATE_SCHEMA, "inbox", ("external_id",)),
    TablePlace(STATE_SCHEMA, "incidents"),
    TablePlace(STATE_SCHEMA, "key_values"),
    TablePlace(STATE_SCHEMA, "list_cursors"),
    TablePlace(STATE_SCHEMA, "metric_values"),
    TablePlace(STATE_SCHEMA, "outbox", ("call_id",)),
    TablePlace(STATE_SCHEMA, "partitions"),
    TablePlace(STATE_SCHEMA, "pending_calls", ("call_id",)),
    TablePlace(STATE_SCHEMA, "quarantine", ("call_id",), {"body": Form.BYTES}, names_calls=True),
    TablePlace(STATE_SCHEMA, "rate_limits"),
    TablePlace(STATE_SCHEMA, "replaced_runs", ("call_id",), {"answer": Form.PACKED}),
    TablePlace(STATE_SCHEMA, "replaced_transcripts", ("call_id",)),
    TablePlace(STATE_SCHEMA, "request_counts"),
    TablePlace(STATE_SCHEMA, "rescores"),
    TablePlace(STATE_SCHEMA, "routes"),
    TablePlace(STATE_SCHEMA, "schema_compatibility"),
    TablePlace(STATE_SCHEMA, "seen_webhooks", forms={"fingerprint": Form.OPAQUE}),
    TablePlace(STATE_SCHEMA, "semarize_runs", ("call_id",), {"answer": Form.PACKED}),
    TablePlace(STATE_SCHEMA, "sinks"),
    TablePlace(STATE_SCHEMA, "snapshots"),
    TablePlace(STATE_SCHEMA, "table_versions"),
    TablePlace(STATE_SCHEMA, "tombstones", forms={"hash": Form.OPAQUE}),
    TablePlace(STATE_SCHEMA, "truncated_values", names_calls=True),
    TablePlace(STATE_SCHEMA, "unlinked_calls", ("call_id",)),
    TablePlace(STATE_SCHEMA, "written_files"),
)

# Dagster's storage, in the same database: events and their metadata, runs and their tags, ticks and their reasons.
_DAGSTER = (
    *(
        TablePlace(DAGSTER_SCHEMA, table)
        for table in (
            "alembic_version",
            "asset_check_executions",
            "asset_daemon_asset_evaluations",
            "asset_event_tags",
            "asset_keys",
            "backfill_tags",
            "bulk_actions",
            "concurrency_limits",
            "concurrency_slots",
            "daemon_heartbeats",
            "dynamic_partitions",
            "event_logs",
            "instance_info",
            "instigators",
            "job_ticks",
            "jobs",
            "kvs",
            "pending_steps",
            "run_tags",
            "runs",
            "secondary_indexes",
        )
    ),
    TablePlace(DAGSTER_SCHEMA, "snapshots", forms={"snapshot_body": Form.ZLIB}),
)

TABLES = (*(TablePlace(SCHEMA, name, calls) for name, calls in _ANALYSTS.items()), *_STATE, *_DAGSTER)
LAKE_TABLES = tuple(
    LakePlace(table, ("call_id",) if table is RAW_CALL_DETAILS else _ANALYSTS[table.name])
    for table in (RAW_CALL_DETAILS, *WAREHOUSE_TABLES)
    if table is RAW_CALL_DETAILS or table.name in _ANALYSTS
)
