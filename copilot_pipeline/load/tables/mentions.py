"""The tables of mentions: in which sentence of a call a topic or a competitor came up."""

from __future__ import annotations

from copilot_pipeline.load.tables.model import (
    CALL_DATE,
    CALL_ID,
    Column,
    Table,
    identifier,
    integer,
    long_text,
    moment,
    number,
    text,
)

_POSITION = integer("position", "Position among the mentions of the call, from 0.", required=True)
_STARTED_AT = moment("started_at", "Start time of the call.", required=True)
_REP: tuple[Column, ...] = (
    identifier("rep_user_id", "User id of the call's rep (`calls.rep_user_id`)."),
    text("rep_name", "Name of the call's rep."),
    identifier("deal_id", "Deal id in the CRM."),
)
_SENTENCE: tuple[Column, ...] = (
    integer("seq", "Utterance of the sentence (see utterances); null if the transcript has none."),
    identifier("person_id", "Person id of the speaker (see participants)."),
    text("speaker", "Name of the speaker."),
    text("side", "rep, prospect or unknown."),
    number("start_s", "Start of the utterance, in seconds from the start of the call."),
    long_text("sentence", "The sentence; null if the transcript has none."),
)

TOPIC_MENTIONS = Table(
    "topic_mentions",
    "One row per sentence of a call in which a topic of the vendor came up; a topic without a sentence has one row.",
    ("call_id", "position"),
    (
        CALL_ID,
        _POSITION,
        CALL_DATE,
        identifier("topic", "Topic, as the vendor names it.", required=True),
        identifier(
            "origin",
            "How the sentence was found. phrase: the vendor matched a phrase of the topic at this time. section: said "
            "in a section of the vendor's summary about the topic. name: the sentence names the topic. list: the "
            "vendor lists the topic, and no sentence was found.",
            required=True,
        ),
        *_SENTENCE,
        long_text("summary", "The vendor's summary of the section; null for other origins."),
        _STARTED_AT,
        *_REP,
    ),
)

COMPETITOR_MENTIONS = Table(
    "competitor_mentions",
    "One row per sentence of a call in which a competitor came up that the vendor found on the call.",
    ("call_id", "position"),
    (
        CALL_ID,
        _POSITION,
        CALL_DATE,
        identifier("competitor", "Competitor, as the vendor names it.", required=True),
        identifier(
            "origin",
            "How the sentence was found. sentiment: the turn that the vendor rated. name: the sentence names the "
            "competitor. list: the vendor lists the competitor, and no sentence was found.",
            required=True,
        ),
        *_SENTENCE,
        text("sentiment", "Sentiment of the vendor; null unless it rated this sentence."),
        long_text("reasoning", "The vendor's reason for the sentiment."),
        _STARTED_AT,
        *_REP,
    ),
)
