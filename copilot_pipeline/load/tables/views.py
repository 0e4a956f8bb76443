"""The views of the warehouse and the descriptions of their columns."""

from __future__ import annotations

from dataclasses import dataclass, replace

from copilot_pipeline.load.tables.calls import CALLS, TRANSCRIPTS, UTTERANCES
from copilot_pipeline.load.tables.coaching import COACHING_REGRESSIONS, COACHING_SCORES
from copilot_pipeline.load.tables.deal_marts import DEAL_INSPECTION, WIN_LOSS_DRIVERS
from copilot_pipeline.load.tables.history import DEAL_HISTORY
from copilot_pipeline.load.tables.marts import (
    CLAIM_ACCURACY,
    CLAIMS,
    MEDDICC_COVERAGE,
    MEDDICC_OUTCOMES,
    MESSAGE_ADOPTION,
)
from copilot_pipeline.load.tables.model import Column, Kind, Table, boolean, integer, moment, number, text, texts
from copilot_pipeline.load.tables.scores import SEMARIZE_RUNS, SEMARIZE_SCORES


@dataclass(frozen=True, slots=True)
class View:
    """A view of schema `copilot`."""

    name: str
    description: str
    columns: tuple[Column, ...]


def _columns(table: Table, *names: str, **renamed: str) -> tuple[Column, ...]:
    """Return columns of a table.

    `renamed` maps names in the view to names in the table.
    """
    columns = {column.name: column for column in table.columns}
    return (
        *(columns[name] for name in names),
        *(replace(columns[column], name=name) for name, column in renamed.items()),
    )


_SHARE = ("share", "share_low", "share_high")

VIEWS: tuple[View, ...] = (
    View(
        "uncovered_in_lost_deals",
        "Lost deals in which a MEDDICC element was never covered, by element, with n and interval.",
        _columns(MEDDICC_OUTCOMES, "element", "uncovered", *_SHARE, "p_value", "sentence", lost_deals="n"),
    ),
    View(
        "meddicc_rep_week",
        "MEDDICC coverage of each rep by week and element, with the slope over the twelve weeks up to it: whose falls.",
        (
            *_columns(MEDDICC_COVERAGE, "rep_id", "rep_name", "manager_id"),
            text("element", "The MEDDICC element; `all`: the share of the elements that a call covered."),
            *_columns(MEDDICC_COVERAGE, "week"),
            boolean("is_latest", "Whether it is the rep's newest week with a scored call."),
            integer("n", "Number of scored calls in the week."),
            number("covered", "Number of these calls that covered the element; for `all`, the sum of the shares."),
            number("share", "covered / n."),
            number("share_low", "Lower end of its 95 % interval (Wilson); null for `all`."),
            number("share_high", "Upper end of its 95 % interval (Wilson); null for `all`."),
            integer("trend_calls", "Number of scored calls in the twelve weeks up to this one."),
            number(
                "slope",
                "Change of the share per week in these weeks, by least squares over calls; null for fewer than 8 calls "
                "or 3 weeks with calls.",
            ),
            number("slope_low", "Lower end of its 95 % interval (t). Calls of one deal are counted as independent."),
            number("slope_high", "Upper end of its 95 % interval."),
            boolean("is_falling", "Whether the whole interval of the slope is below 0; null without a slope."),
        ),
    ),
    View(
        "reps_in_regression",
        "Present regressions: a skill below its threshold and lower than the rep's own earlier calls, and the manager.",
        _columns(
            COACHING_REGRESSIONS,
            *("rep_id", "rep_name", "skill", "latest", "threshold", "calls", "first_call_at", "detected_at"),
            *("calls_since_training", "manager_id", "manager_name", "manager_email", "first_call_id"),
            *("detected_call_id", "earlier_mean", "mean", "drop", "earlier_calls", "drop_p_value", "run_chance"),
        ),
    ),
    View(
        "skills_below_threshold",
        "Skills of reps that are below their threshold now, whether they dropped or always were.",
        _columns(
            COACHING_SCORES,
            *("rep_id", "rep_name", "skill", "score", "threshold", "calls_below", "run_chance"),
            *("regression_detected", "started_at", "manager_id", "call_id", "review_url"),
        ),
    ),
    View(
        "weekly_accuracy",
        "Accuracy of claims by week.",
        (
            Column("week", Kind.DATE, "Monday of the week."),
            *_columns(
                CLAIM_ACCURACY,
                *("accurate", *_SHARE, "claims", "inaccurate", "roadmap_leaks", "outdated_competitive"),
                "quotes_not_found",
                calls_checked="n",
            ),
        ),
    ),
    View(
        "flagged_claims",
        "Flagged claims with time, speaker, quote and the document that they contradict.",
        _columns(
            CLAIMS,
            *("week", "started_at", "rep_name", "kind", "quote", "match", "speaker", "start_s", "document"),
            *("product", "reason", "review_url", "call_id", "statement"),
        ),
    ),
    View(
        "message_lag",
        "Days from a change of messaging to its first use on a call, over all reps.",
        _columns(
            MESSAGE_ADOPTION,
            *("message", "changed_on", "lag_days", "first_call_id", "calls_using", *_SHARE, "still_old"),
            calls_since="n",
        ),
    ),
    View(
        "win_drivers",
        "Conditions on scores that go with won deals, found on older deals and confirmed on newer ones.",
        _columns(
            WIN_LOSS_DRIVERS,
            *("condition", "sentence", "confirmed_lift", "confirmed_lift_low", "confirmed_lift_high"),
            *("confirmed_won", "confirmed_support", "confirmed_expected", "confirmed_win_rate"),
            *("confirmed_win_rate_low", "confirmed_win_rate_high", "confirmed_p_value"),
        ),
    ),
    View(
        "deals_at_risk",
        "Open deals with at least one risk, and their risks.",
        _columns(
            DEAL_INSPECTION,
            *("deal_id", "deal_name", "account_name", "amount", "stage", "days_since_last_call", "risks"),
            *("risk_flags", "stage_lacks", "stage_evidence", "people", "owner_name", "last_call_url", "currency"),
            *("amount_converted", "converted_currency"),
        ),
    ),
    View(
        "deal_timeline",
        "One row per event of a deal: calls with people and scores, changes in the CRM and of the forecast, alerts.",
        (
            *_columns(DEAL_HISTORY, "deal_id"),
            moment("happened_at", "Time of the event; of a change in the CRM, when the first refresh saw it."),
            Column("day", Kind.DATE, "Day of that time, in the configured time zone."),
            text(
                "kind",
                "call, stage, close_date, amount, owner, forecast_category, probability (of the CRM), forecast (win "
                "probability), known (first seen, or again), removed, alert (a sent message) or crm_update (scores "
                "written to the CRM).",
            ),
            text("what", "The event in words: title of the call, what changed, or route and sink."),
            text("before", "Value before the change; null for other events and for the first forecast."),
            text("after", "Value after the change; stage of a deal that is first seen."),
            text("who", "People on the call, by name, else e-mail."),
            text("scores", "Scores of the call, as text: `brick: value`; null values are left out."),
            *_columns(CALLS, "call_id", "review_url"),
        ),
    ),
    View(
        "marts_as_of",
        "When each mart was built, and how old the deals and users were that it was built from.",
        (
            text("mart", "Name of the table."),
            moment("built_at", "Time when the mart was built."),
            moment("deals_as_of", "Time when the deals were built that the mart was built from."),
            moment("users_as_of", "Time when the users were read that the mart was built from."),
        ),
    ),
    View(
        "spoken",
        "One row per utterance with its call, without removed calls; for searches: `copilot.says(text, 'pricing')`.",
        (
            *_columns(CALLS, "call_id", "call_date", "started_at", "title", "rep_user_id", "rep_name", "rep_email"),
            *_columns(CALLS, "account_id", "account_name", "deal_id", "deal_name"),
            *_columns(UTTERANCES, "seq", "person_id", "speaker", "side", "start_s", "text"),
            *_columns(CALLS, "review_url"),
        ),
    ),
    View(
        "scored_transcripts",
        "The text of each transcript_hash: what was sent to Semarize, replaced transcripts included.",
        (
            *_columns(TRANSCRIPTS, "transcript_hash", "call_id"),
            text("text", "Text as it was scored."),
            boolean("is_current", "Whether it is the present text of the call."),
        ),
    ),
    View(
        "calls_without_scores",
        "Calls without a score, and the reason.",
        (
            *_columns(SEMARIZE_RUNS, "call_id", "call_date", "error_code", "run_id", "requested_at"),
            *_columns(CALLS, "title", "review_url"),
            text("kit", "Name of the kit in pipeline.yaml; null if the call has no transcript."),
            text("status", "Status of the Semarize run; of the call if it has no transcript."),
            text("why", "Why there is no score."),
        ),
    ),
    View(
        "kit_versions",
        "Versions of each kit with their bricks, value kinds and days.",
        (
            *_columns(SEMARIZE_SCORES, "kit", "kit_version_id", "brick"),
            texts("value_kinds", "Kinds of the values: bool, num, text or json."),
            integer("calls", "Number of calls with the brick, null values included."),
            Column("first_day", Kind.DATE, "First day of these calls."),
            Column("last_day", Kind.DATE, "Last day of these calls."),
        ),
    ),
)
