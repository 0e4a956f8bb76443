"""What Semarize made of it."""

from __future__ import annotations

from copilot_pipeline.load.tables.model import (
    CALL_DATE,
    CALL_ID,
    Table,
    boolean,
    integer,
    json,
    moment,
    number,
    text,
    texts,
)

SEMARIZE_RUNS = Table(
    "semarize_runs",
    "One row per call and kit: the Semarize run that scored the call's current transcript.",
    ("call_id", "kit"),
    (
        CALL_ID,
        text("kit", "Our name of the kit.", required=True),
        CALL_DATE,
        text("run_id", "Semarize's run id."),
        text("status", "pending, queued, running, succeeded, failed, cancelled, refused or skipped.", required=True),
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

EVIDENCE = Table(
    "evidence",
    "One row per quote that a score gives as evidence: where in the transcript it was said, or that it was not.",
    ("call_id", "kit", "brick", "position"),
    (
        CALL_ID,
        text("kit", "Our name of the kit.", required=True),
        text("brick", "The brick's key.", required=True),
        integer("position", "Which of the brick's quotes, from 0.", required=True),
        CALL_DATE,
        text("quote", "The quote, as Semarize gave it.", required=True),
        text("match", "exact, normalized (the same words), fuzzy (similar words) or not found.", required=True),
        number("match_score", "How alike, 0 to 1; 0 where it was not found.", required=True),
        integer("seq", "The utterance it begins in."),
        integer("last_seq", "The utterance it ends in."),
        number("start_s", "Start of that utterance, seconds from the start of the call."),
        text("speaker", "Who said it."),
        text("side", "rep, prospect or unknown."),
        text("said", "The words of the transcript: the quote itself where exact, else the utterances it is in."),
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
