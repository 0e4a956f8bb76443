"""The marts: MEDDICC coverage, coaching, claims, win/loss and open deals.

Rebuilt as a whole from the scores.

Each share has its `n` and its 95 % interval (Wilson). A week is identified by its Monday, in the time zone of the
partitions.
"""

from __future__ import annotations

from copilot_pipeline.load.tables.coaching import COACHING_REGRESSIONS, COACHING_SCORES
from copilot_pipeline.load.tables.conversation_outcomes import CONVERSATION_OUTCOMES
from copilot_pipeline.load.tables.deal_marts import DEAL_INSPECTION, DEAL_SIGNALS, WIN_LOSS_CONCLUSION, WIN_LOSS_DRIVERS
from copilot_pipeline.load.tables.forecast import FORECAST_TABLES
from copilot_pipeline.load.tables.history import PIPELINE_TABLES
from copilot_pipeline.load.tables.mart_columns import REP, REVIEW_URL, WEEK, day, share
from copilot_pipeline.load.tables.model import (
    CALL_DATE,
    CALL_ID,
    MAX_CALL_ID_BYTES,
    MAX_COMPOSED_ID_BYTES,
    Table,
    boolean,
    identifier,
    integer,
    long_text,
    moment,
    number,
    text,
)
from copilot_pipeline.load.tables.rep_calls import REP_CALLS

MEDDICC_COVERAGE = Table(
    "meddicc_coverage",
    "One row per scored call and MEDDICC element: whether it was covered, and how well.",
    ("call_id", "element"),
    (
        CALL_ID,
        identifier("element", "metrics, economic_buyer, decision_criteria, decision_process, …", required=True),
        CALL_DATE,
        WEEK,
        moment("started_at", "Start time of the call.", required=True),
        identifier("deal_id", "Deal of the call."),
        *REP,
        identifier("kit", "Name of the kit in pipeline.yaml.", required=True),
        identifier("brick", "Brick that measures the element.", required=True),
        identifier("kit_version_id", "Kit version that was used."),
        boolean("is_covered", "Whether the element was covered; false if the brick has no value.", required=True),
        boolean(
            "is_answered",
            "Whether the brick has a value; without one the element counts as not covered.",
            required=True,
        ),
        number("level", "Value as a share of its scale, 0 to 1; yes is 1. Null for texts, lists and missing values."),
        number("confidence", "Confidence of Semarize, 0 to 1."),
        long_text("evidence", "First quote."),
        REVIEW_URL,
    ),
    partitioned=False,
)

MEDDICC_SUMMARY = Table(
    "meddicc_summary",
    "Coverage by deal, rep, team, week and overall. A deal counts as covered if any of its calls covered the element.",
    ("grain", "grain_id", "element"),
    (
        identifier("grain", "all, deal, rep, team or week.", required=True),
        identifier("grain_id", "Deal id, rep id, manager id, Monday (YYYY-MM-DD), or `all`.", required=True),
        text("grain_name", "Display name."),
        identifier("element", "The MEDDICC element.", required=True),
        integer("n", "Number of scored calls.", required=True),
        integer("covered", "Number of these calls that covered the element.", required=True),
        *share("Share of calls that covered the element"),
        number("mean_level", "Mean level of the calls that have one, 0 to 1."),
        integer("n_level", "Number of calls with a level.", required=True),
    ),
    partitioned=False,
)

MEDDICC_OUTCOMES = Table(
    "meddicc_outcomes",
    "Coverage by outcome: how many won and lost deals never had the element covered.",
    ("element", "outcome"),
    (
        identifier("element", "The MEDDICC element.", required=True),
        identifier("outcome", "won, lost or open.", required=True),
        integer("n", "Number of deals with this outcome and a scored call before they closed.", required=True),
        integer("uncovered", "Number of these deals without a call that covered the element.", required=True),
        *share("Share of deals without coverage"),
        number("p_value", "P value of Fisher's exact test of coverage and won or lost, as counted; null for open."),
        long_text("sentence", "The result as a sentence.", required=True),
        number(
            "mean_calls",
            "Mean number of scored calls before the close: the exposure.",
            required=True,
        ),
        number("difference", "Share of lost deals without coverage minus that of won ones, as counted; null for open."),
        number("difference_low", "Lower end of its 95 % interval (Newcombe)."),
        number("difference_high", "Upper end of its 95 % interval (Newcombe)."),
        integer("adjusted_n", "Number of won and lost deals that have counterparts with as many scored calls."),
        number("adjusted_difference", "The difference at the same number of scored calls; null for open."),
        number("adjusted_low", "Lower end of its 95 % interval."),
        number("adjusted_high", "Upper end of its 95 % interval."),
        number("adjusted_p_value", "P value of the adjusted difference."),
    ),
    partitioned=False,
)

CLAIMS = Table(
    "claims",
    "One row per flagged claim and quote: kind, place in the call, and the document that it contradicts.",
    ("claim_id",),
    (
        identifier(
            "claim_id",
            "Id, composed of call, kind, kit, brick and position.",
            required=True,
            max_bytes=MAX_COMPOSED_ID_BYTES,
        ),
        CALL_ID,
        CALL_DATE,
        WEEK,
        moment("started_at", "Start time of the call.", required=True),
        identifier("deal_id", "Deal of the call."),
        identifier(
            "rep_id",
            "The rep who made the claim, else the rep of the call: user id, else e-mail address in lower case.",
        ),
        *REP[1:],
        text("kind", "inaccurate, roadmap_leak, outdated_competitive, or another configured kind.", required=True),
        identifier("kit", "Name of the kit in pipeline.yaml.", required=True),
        identifier("brick", "Brick that flagged the claim.", required=True),
        identifier("kit_version_id", "Kit version that was used."),
        long_text("quote", "Quote as received from Semarize; null without a quote."),
        boolean("is_found", "Whether the quote was found in the transcript.", required=True),
        text("match", "exact, normalized, fuzzy, not found, or no quote.", required=True),
        number("match_score", "Similarity, 0 to 1."),
        integer("seq", "Utterance in which the quote begins."),
        number("start_s", "Start of that utterance, in seconds from the start of the call."),
        text("speaker", "Name of the speaker."),
        text("speaker_side", "rep, prospect or unknown."),
        long_text("said", "Text in the transcript that matches the quote."),
        long_text("document", "Document that the claim contradicts, if one is named."),
        identifier("product", "Product of the claim, if one is named."),
        long_text("reason", "Reason given by Semarize."),
        number("confidence", "Confidence, 0 to 1."),
        REVIEW_URL,
        long_text(
            "statement",
            "What the kit itself says of the claim: the value of the brick, or the claim of the item of its list.",
            required=True,
        ),
    ),
    partitioned=False,
)

CLAIM_ACCURACY = Table(
    "claim_accuracy",
    "Accuracy by rep, product, week and overall: the share of checked calls without a flagged claim. For a rep: the "
    "share of the calls that the rep held or spoke on without a claim of that rep.",
    ("grain", "grain_id"),
    (
        identifier("grain", "all, rep, product or week.", required=True),
        identifier("grain_id", "Rep id, product, Monday (YYYY-MM-DD), or `all`.", required=True),
        text("grain_name", "Display name."),
        integer("n", "Number of checked calls.", required=True),
        integer("accurate", "Number of these calls without a flagged claim.", required=True),
        *share("Share of calls without a flagged claim"),
        integer("claims", "Number of flagged claims.", required=True),
        integer("inaccurate", "Number of inaccurate product claims.", required=True),
        integer("roadmap_leaks", "Number of roadmap leaks.", required=True),
        integer("outdated_competitive", "Number of outdated competitive statements.", required=True),
        integer("quotes_not_found", "Number of claims whose quote is not in the transcript.", required=True),
        number("hours", "Hours of the checked calls whose duration is known: the exposure.", required=True),
        number("claims_per_hour", "Flagged claims per hour of these calls; null without hours."),
        number(
            "claims_per_hour_shrunk",
            "The rate shrunk to those of the others of its grain (gamma-Poisson); null if no call has a duration.",
        ),
        number(
            "claims_per_hour_low", "Lower end of the 95 % interval of the shrunk rate; claims of a call come together."
        ),
        number("claims_per_hour_high", "Upper end of its 95 % interval."),
    ),
    partitioned=False,
)

MESSAGE_ADOPTION = Table(
    "message_adoption",
    "Use of a changed message on calls, by rep and overall.",
    ("message", "rep_id"),
    (
        identifier("message", "Name of the message change.", required=True),
        identifier("rep_id", "The rep, or `all`.", required=True),
        text("rep_name", "Name of the rep."),
        day("changed_on", "Day of the change.", required=True),
        integer("n", "Number of calls since the change whose use of the message is known.", required=True),
        integer("calls_using", "Number of these calls that use the new message.", required=True),
        *share("Share of calls that use the new message"),
        identifier("first_call_id", "First call that uses the new message.", max_bytes=MAX_CALL_ID_BYTES),
        moment("first_used_at", "Start time of that call."),
        number("lag_days", "Days from the change to that call; null if no call uses the new message."),
        integer("still_old", "Number of calls since the change that use the old message.", required=True),
        identifier("last_old_call_id", "Newest call that uses the old message.", max_bytes=MAX_CALL_ID_BYTES),
    ),
    partitioned=False,
)

MART_TABLES: tuple[Table, ...] = (
    MEDDICC_COVERAGE,
    MEDDICC_SUMMARY,
    MEDDICC_OUTCOMES,
    COACHING_SCORES,
    COACHING_REGRESSIONS,
    CLAIMS,
    CLAIM_ACCURACY,
    MESSAGE_ADOPTION,
    REP_CALLS,
    WIN_LOSS_DRIVERS,
    WIN_LOSS_CONCLUSION,
    DEAL_SIGNALS,
    DEAL_INSPECTION,
    *PIPELINE_TABLES,
    CONVERSATION_OUTCOMES,
    *FORECAST_TABLES,
)
