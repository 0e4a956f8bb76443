"""The score tables."""

from __future__ import annotations

from copilot_pipeline.load.tables.model import (
    CALL_DATE,
    CALL_ID,
    Table,
    boolean,
    identifier,
    integer,
    json,
    long_text,
    moment,
    number,
    text,
    texts,
)

SEMARIZE_RUNS = Table(
    "semarize_runs",
    "One row per call and kit: the Semarize run for the current transcript of the call.",
    ("call_id", "kit"),
    (
        CALL_ID,
        identifier("kit", "Name of the kit in pipeline.yaml.", required=True),
        CALL_DATE,
        identifier("run_id", "Run id of Semarize."),
        text("status", "pending, queued, running, succeeded, failed, cancelled, refused or skipped.", required=True),
        identifier("kit_reference", "Requested kit code or pinned version.", required=True),
        identifier("kit_version_id", "Kit version that was used."),
        identifier("transcript_hash", "Hash of the text that was scored; its labels may be older.", required=True),
        integer("bricks", "Number of bricks in the result.", required=True),
        moment("requested_at", "Time when the run was requested."),
        moment("finished_at", "Time when the result was received."),
        integer("duration_ms", "Duration of the run in milliseconds."),
        text("error_code", "Error code of Semarize."),
        long_text("error_message", "Why there is no score."),
        identifier("speech_hash", "speech_hash of the transcript: the result is that of these words."),
    ),
)

EVIDENCE = Table(
    "evidence",
    "One row per quote that a score gives as evidence: where it is in the transcript, or that it was not found.",
    ("call_id", "kit", "brick", "position"),
    (
        CALL_ID,
        identifier("kit", "Name of the kit in pipeline.yaml.", required=True),
        identifier("brick", "Key of the brick.", required=True),
        integer("position", "Position among the quotes of the brick, from 0.", required=True),
        CALL_DATE,
        long_text("quote", "Quote as received from Semarize.", required=True),
        text("match", "exact, normalized (the same words), fuzzy (similar words) or not found.", required=True),
        number("match_score", "Similarity, 0 to 1; 0 if the quote was not found.", required=True),
        integer("seq", "Utterance in which the quote begins."),
        integer("last_seq", "Utterance in which the quote ends."),
        number("start_s", "Start of the first utterance, in seconds from the start of the call."),
        text("speaker", "Name of the speaker."),
        text("side", "rep, prospect or unknown."),
        long_text(
            "said",
            "Text in the transcript: the quote itself if the match is exact, else the utterances that contain it.",
        ),
        identifier("person_id", "Person id of the speaker: the `person_id` of `participants` on this call."),
    ),
)

SEMARIZE_SCORES = Table(
    "semarize_scores",
    "One row per call, kit and brick: the score in one of four typed value columns.",
    ("call_id", "kit", "brick"),
    (
        CALL_ID,
        identifier("kit", "Name of the kit in pipeline.yaml.", required=True),
        identifier("brick", "Key of the brick.", required=True),
        CALL_DATE,
        identifier("value_kind", "bool, num, text, json or null: the value column that has the score.", required=True),
        boolean("value_bool", "Value of a yes/no brick."),
        number("value_num", "Value of a numeric brick."),
        long_text("value_text", "Value of a category or text brick."),
        json("value_json", "Value of a list brick."),
        number("confidence", "Confidence, 0 to 1; null if it is disabled for the brick."),
        long_text("reason", "Reason given by Semarize."),
        texts("evidence", "Quotes from the transcript.", max_chars=None),
        identifier("run_id", "Run id of Semarize."),
        identifier("kit_version_id", "Kit version that was used."),
        identifier("transcript_hash", "Hash of the scored transcript.", required=True),
    ),
)
