"""The table of reps on calls."""

from __future__ import annotations

from copilot_pipeline.load.tables.mart_columns import REP, REVIEW_URL, WEEK
from copilot_pipeline.load.tables.model import (
    CALL_DATE,
    CALL_ID,
    Table,
    boolean,
    identifier,
    integer,
    moment,
    number,
)

REP_CALLS = Table(
    "rep_calls",
    "One row per call and own person who spoke on it, with that person's own share of the speech.",
    ("rep_id", "call_id"),
    (
        identifier("rep_id", "The rep: user id, else e-mail address in lower case.", required=True),
        CALL_ID,
        CALL_DATE,
        WEEK,
        moment("started_at", "Start time of the call.", required=True),
        identifier("deal_id", "Deal of the call."),
        *REP[1:],
        boolean("is_call_rep", "Whether the rep is the rep of the call (`calls.rep_user_id`).", required=True),
        integer("own_speakers", "Number of own people who spoke on the call, this rep included.", required=True),
        number("talk_seconds", "Seconds of speech of this rep; null if no speech has known times."),
        number("talk_share", "This rep's own share of all speech, 0 to 1; null if no speech has known times."),
        integer("utterances", "Number of utterances of this rep.", required=True),
        integer("words", "Number of words of this rep.", required=True),
        REVIEW_URL,
    ),
    partitioned=False,
)
