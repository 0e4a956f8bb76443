"""What Semarize made of it."""

from __future__ import annotations

from copilot_pipeline.tables.model import CALL_DATE, CALL_ID, Table, boolean, integer, json, moment, number, text, texts

SEMARIZE_RUNS = Table(
    "semarize_runs",
    "One row per call and kit: the Semarize run that scored the call's current transcript.",
    ("call_id", "kit"),
    (
        CALL_ID,
        text("kit", "Our name of the kit.", required=True),
        CALL_DATE,
        text("run_id", "Semarize's run id."),
        text("status", "wanted, queued, running, succeeded, failed, cancelled, refused or skipped.", required=True),
        text("kit_reference", "The kit code or pinned version that was asked for.", required=True),
        text("kit_version_id", "The kit version that answered."),
        text("transcript_hash", "Hash of the transcript that was scored.", required=True),
        integer("bricks", "Bricks in the answer.", required=True),
        moment("requested_at", "When the run was asked for."),
        moment("finished_at", "When its end was read."),
        integer("duration_ms", "How long Semarize took, in milliseconds."),
        text("error_code", "Semarize's machine code where it failed."),
        text("error_message", "Why there is no score."),
    ),
)

SEMARIZE_SCORES = Table(
    "semarize_scores",
    "One row per call, kit and brick: the typed answer in one of the four value columns.",
    ("call_id", "kit", "brick"),
    (
        CALL_ID,
        text("kit", "Our name of the kit.", required=True),
        text("brick", "The brick's key.", required=True),
        CALL_DATE,
        text("value_kind", "bool, num, text, json or null: which value column holds the answer.", required=True),
        boolean("value_bool", "The answer of a yes/no brick."),
        number("value_num", "The answer of a score brick."),
        text("value_text", "The answer of a category or text brick."),
        json("value_json", "The answer of a list brick."),
        number("confidence", "Confidence, 0 to 1; null where the brick has it switched off."),
        text("reason", "Why."),
        texts("evidence", "Quotes from the transcript."),
        text("run_id", "Semarize's run id."),
        text("kit_version_id", "The kit version that answered."),
        text("transcript_hash", "Hash of the transcript that was scored.", required=True),
    ),
)
