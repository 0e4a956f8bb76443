"""The marts of coaching."""

from __future__ import annotations

from copilot_pipeline.load.tables.mart_columns import REVIEW_URL, WEEK, day
from copilot_pipeline.load.tables.model import (
    CALL_DATE,
    CALL_ID,
    MAX_CALL_ID_BYTES,
    Table,
    boolean,
    identifier,
    integer,
    moment,
    number,
    text,
)

COACHING_SCORES = Table(
    "coaching_scores",
    "One row per rep, skill and call: score, trend, calls below the threshold, and regression.",
    ("rep_id", "skill", "call_id"),
    (
        identifier("rep_id", "The rep: user id, else e-mail address in lower case.", required=True),
        identifier("skill", "Skill: its name in the settings, by default the brick.", required=True),
        CALL_ID,
        CALL_DATE,
        WEEK,
        moment("started_at", "Start time of the call.", required=True),
        text("rep_name", "Name of the rep."),
        identifier("manager_id", "User id of the rep's manager at the time of the call."),
        integer(
            "call_number", "Number of the call among the scored calls of this rep and skill, from 1.", required=True
        ),
        number("score", "Score.", required=True),
        number("threshold", "Threshold that applied to the call.", required=True),
        boolean("is_below", "Whether the score is below the threshold.", required=True),
        integer("calls_below", "Number of consecutive calls below the threshold, this one included.", required=True),
        boolean(
            "regression_detected",
            "Whether the call is below_threshold, and the newest calls are lower than the rep's own earlier ones.",
            required=True,
        ),
        identifier(
            "regression_first_call_id",
            "First call of the regression; null outside of a regression.",
            max_bytes=MAX_CALL_ID_BYTES,
        ),
        number("rolling_mean", "Mean of the last calls (setting `rolling_calls`), this one included.", required=True),
        number("trend", "Slope over the last calls, in score per call; null for fewer than three calls."),
        integer(
            "calls_since_training",
            "Number of calls since the newest training of this rep and skill; null without a training.",
        ),
        text("training", "Name of that training."),
        identifier("kit_version_id", "Kit version that was used."),
        REVIEW_URL,
        boolean(
            "below_threshold",
            "Whether this call and those before it are below the threshold: `consecutive_calls` in succession.",
            required=True,
        ),
        number(
            "run_chance",
            "Chance of `calls_below` calls in a row below the threshold, at the share of the rep's own calls that were "
            "below it before; null unless below_threshold, and without earlier calls.",
        ),
        integer("earlier_calls", "Number of earlier calls that a regression was compared with."),
        number("earlier_mean", "Mean score of these calls."),
        number("drop", "earlier_mean minus the mean of the regression up to this call."),
        number("drop_p_value", "P value of the drop when it was detected (Mann-Whitney, one-sided)."),
        identifier("kit", "Name of the kit in pipeline.yaml.", required=True),
        identifier("brick", "Brick that measures the skill.", required=True),
    ),
    partitioned=False,
)

COACHING_REGRESSIONS = Table(
    "coaching_regressions",
    "One row per regression: a skill below its threshold on consecutive calls, and lower than the rep's own earlier "
    "calls. The manager gets one digest a week.",
    ("rep_id", "skill", "first_call_id"),
    (
        identifier("rep_id", "The rep: user id, else e-mail address in lower case.", required=True),
        identifier("skill", "Skill: its name in the settings, by default the brick.", required=True),
        identifier("first_call_id", "First call of the regression.", required=True, max_bytes=MAX_CALL_ID_BYTES),
        text("rep_name", "Name of the rep."),
        identifier("manager_id", "User id of the manager who receives the alert."),
        text("manager_name", "Name of the manager."),
        identifier("manager_email", "E-mail of the manager."),
        moment("first_call_at", "Start time of the first call.", required=True),
        identifier(
            "detected_call_id", "Call on which the regression was detected.", required=True, max_bytes=MAX_CALL_ID_BYTES
        ),
        moment("detected_at", "Start time of that call.", required=True),
        day("detected_week", "Monday of that week.", required=True),
        integer("calls", "Number of consecutive calls of the regression so far.", required=True),
        number("threshold", "Threshold.", required=True),
        number("lowest", "Lowest score of the regression.", required=True),
        number("latest", "Newest score of the regression.", required=True),
        integer(
            "calls_since_training",
            "Number of calls from the newest training to the detection; null without a training.",
        ),
        boolean("is_over", "Whether the skill has recovered to its threshold or the rep's own level.", required=True),
        identifier("recovered_call_id", "Call on which the skill recovered.", max_bytes=MAX_CALL_ID_BYTES),
        moment("recovered_at", "Start time of that call."),
        integer("earlier_calls", "Number of the rep's earlier calls that it was compared with.", required=True),
        number("earlier_mean", "Mean score of these calls: the rep's own level.", required=True),
        number("mean", "Mean score of the regression.", required=True),
        number("drop", "earlier_mean minus mean.", required=True),
        number("drop_p_value", "P value of the drop (Mann-Whitney, one-sided, exact).", required=True),
        number(
            "run_chance",
            "Chance of as many calls in a row below the threshold at the rep's own level, when it was detected.",
        ),
    ),
    partitioned=False,
)
