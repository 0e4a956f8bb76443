"""The marts: MEDDICC coverage, coaching, claims, win/loss and open deals. Rebuilt as a whole from the scores.

Each share has its `n` and its 95 % interval (Wilson). A week is identified by its Monday, in the time zone of the
partitions.
"""

from __future__ import annotations

from copilot_pipeline.load.tables.model import (
    CALL_DATE,
    CALL_ID,
    Column,
    Kind,
    Table,
    boolean,
    integer,
    moment,
    number,
    text,
    texts,
)


def _day(name: str, description: str, *, required: bool = False) -> Column:
    return Column(name, Kind.DATE, description, required)


_WEEK = _day("week", "Monday of the call's week.", required=True)
_REP = (
    text("rep_id", "The rep: user id, else e-mail, else name; null if unknown."),
    text("rep_name", "Name of the rep."),
    text("manager_id", "User id of the rep's current manager, which identifies the team."),
)
_URL = text("review_url", "Page of the call in Clari Copilot.")


def _share(what: str) -> tuple[Column, ...]:
    return (
        number("share", f"{what}, 0 to 1; null if n is 0."),
        number("share_low", "Lower end of its 95 % interval (Wilson)."),
        number("share_high", "Upper end of its 95 % interval (Wilson)."),
    )


MEDDICC_COVERAGE = Table(
    "meddicc_coverage",
    "One row per scored call and MEDDICC element: whether it was covered, and how well.",
    ("call_id", "element"),
    (
        CALL_ID,
        text("element", "metrics, economic_buyer, decision_criteria, decision_process, …", required=True),
        CALL_DATE,
        _WEEK,
        moment("started_at", "Start time of the call.", required=True),
        text("deal_id", "Deal of the call."),
        *_REP,
        text("kit", "Name of the kit in pipeline.yaml.", required=True),
        text("brick", "Brick that measures the element.", required=True),
        text("kit_version_id", "Kit version that was used."),
        boolean("is_covered", "Whether the element was covered; false if the brick has no value.", required=True),
        boolean(
            "is_answered",
            "Whether the brick has a value; without one the element counts as not covered.",
            required=True,
        ),
        number("level", "Value as a share of its scale, 0 to 1; yes is 1. Null for texts, lists and missing values."),
        number("confidence", "Confidence of Semarize, 0 to 1."),
        text("evidence", "First quote."),
        _URL,
    ),
    partitioned=False,
)

MEDDICC_SUMMARY = Table(
    "meddicc_summary",
    "Coverage by deal, rep, team, week and overall. A deal counts as covered if any of its calls covered the element.",
    ("grain", "grain_id", "element"),
    (
        text("grain", "all, deal, rep, team or week.", required=True),
        text("grain_id", "Deal id, rep id, manager id, Monday (YYYY-MM-DD), or `all`.", required=True),
        text("grain_name", "Display name."),
        text("element", "The MEDDICC element.", required=True),
        integer("n", "Number of scored calls.", required=True),
        integer("covered", "Number of these calls that covered the element.", required=True),
        *_share("Share of calls that covered the element"),
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
        text("element", "The MEDDICC element.", required=True),
        text("outcome", "won, lost or open.", required=True),
        integer("n", "Number of deals with this outcome and a scored call before they closed.", required=True),
        integer("uncovered", "Number of these deals without a call that covered the element.", required=True),
        *_share("Share of deals without coverage"),
        number("p_value", "P value of Fisher's exact test of coverage and won or lost; null for open."),
        text("sentence", "The result as a sentence.", required=True),
    ),
    partitioned=False,
)

COACHING_SCORES = Table(
    "coaching_scores",
    "One row per rep, skill and call: score, trend and regression.",
    ("rep_id", "skill", "call_id"),
    (
        text("rep_id", "The rep: user id, else e-mail, else name.", required=True),
        text("skill", "Skill: its name in the settings, by default the brick.", required=True),
        CALL_ID,
        CALL_DATE,
        _WEEK,
        moment("started_at", "Start time of the call.", required=True),
        text("rep_name", "Name of the rep."),
        text("manager_id", "User id of the rep's manager."),
        integer(
            "call_number", "Number of the call among the scored calls of this rep and skill, from 1.", required=True
        ),
        number("score", "Score.", required=True),
        number("threshold", "Threshold that applied to the call.", required=True),
        boolean("is_below", "Whether the score is below the threshold.", required=True),
        integer("calls_below", "Number of consecutive calls below the threshold, this one included.", required=True),
        boolean(
            "regression_detected",
            "Whether a regression was detected: below the threshold on the configured number of consecutive calls.",
            required=True,
        ),
        text("regression_first_call_id", "First call of the regression; null outside of a regression."),
        number("rolling_mean", "Mean of the last calls (setting `rolling_calls`), this one included.", required=True),
        number("trend", "Slope over the last calls, in score per call; null for fewer than three calls."),
        integer(
            "calls_since_training",
            "Number of calls since the newest training of this rep and skill; null without a training.",
        ),
        text("training", "Name of that training."),
        text("kit_version_id", "Kit version that was used."),
        _URL,
    ),
    partitioned=False,
)

COACHING_REGRESSIONS = Table(
    "coaching_regressions",
    "One row per regression: a skill below its threshold on consecutive calls. Each causes one alert to the manager.",
    ("rep_id", "skill", "first_call_id"),
    (
        text("rep_id", "The rep: user id, else e-mail, else name.", required=True),
        text("skill", "Skill: its name in the settings, by default the brick.", required=True),
        text("first_call_id", "First call of the regression.", required=True),
        text("rep_name", "Name of the rep."),
        text("manager_id", "User id of the manager who receives the alert."),
        text("manager_name", "Name of the manager."),
        text("manager_email", "E-mail of the manager."),
        moment("first_call_at", "Start time of the first call.", required=True),
        text("detected_call_id", "Call on which the regression was detected.", required=True),
        moment("detected_at", "Start time of that call.", required=True),
        _day("detected_week", "Monday of that week.", required=True),
        integer("calls", "Number of consecutive calls below the threshold so far.", required=True),
        number("threshold", "Threshold.", required=True),
        number("lowest", "Lowest score of the regression.", required=True),
        number("latest", "Newest score of the regression.", required=True),
        integer(
            "calls_since_training",
            "Number of calls from the newest training to the detection; null without a training.",
        ),
        boolean("is_over", "Whether the skill has recovered to its threshold.", required=True),
        text("recovered_call_id", "Call on which the skill recovered."),
        moment("recovered_at", "Start time of that call."),
    ),
    partitioned=False,
)

CLAIMS = Table(
    "claims",
    "One row per flagged claim and quote: kind, place in the call, and the document that it contradicts.",
    ("claim_id",),
    (
        text("claim_id", "Id, composed of call, kind, kit, brick and position.", required=True),
        CALL_ID,
        CALL_DATE,
        _WEEK,
        moment("started_at", "Start time of the call.", required=True),
        text("deal_id", "Deal of the call."),
        text("rep_id", "The rep who made the claim, else the rep of the call: user id, else e-mail, else name."),
        *_REP[1:],
        text("kind", "inaccurate, roadmap_leak, outdated_competitive, or another configured kind.", required=True),
        text("kit", "Name of the kit in pipeline.yaml.", required=True),
        text("brick", "Brick that flagged the claim.", required=True),
        text("kit_version_id", "Kit version that was used."),
        text("quote", "Quote as received from Semarize; null without a quote."),
        boolean("is_found", "Whether the quote was found in the transcript.", required=True),
        text("match", "exact, normalized, fuzzy, not found, or no quote.", required=True),
        number("match_score", "Similarity, 0 to 1."),
        integer("seq", "Utterance in which the quote begins."),
        number("start_s", "Start of that utterance, in seconds from the start of the call."),
        text("speaker", "Name of the speaker."),
        text("speaker_side", "rep, prospect or unknown."),
        text("said", "Text in the transcript that matches the quote."),
        text("document", "Document that the claim contradicts, if one is named."),
        text("product", "Product of the claim, if one is named."),
        text("reason", "Reason given by Semarize."),
        number("confidence", "Confidence, 0 to 1."),
        _URL,
    ),
    partitioned=False,
)

CLAIM_ACCURACY = Table(
    "claim_accuracy",
    "Accuracy by rep, product, week and overall: the share of checked calls without a flagged claim. For a rep: the "
    "share of the calls that the rep held or spoke on without a claim of that rep.",
    ("grain", "grain_id"),
    (
        text("grain", "all, rep, product or week.", required=True),
        text("grain_id", "Rep id, product, Monday (YYYY-MM-DD), or `all`.", required=True),
        text("grain_name", "Display name."),
        integer("n", "Number of checked calls.", required=True),
        integer("accurate", "Number of these calls without a flagged claim.", required=True),
        *_share("Share of calls without a flagged claim"),
        integer("claims", "Number of flagged claims.", required=True),
        integer("inaccurate", "Number of inaccurate product claims.", required=True),
        integer("roadmap_leaks", "Number of roadmap leaks.", required=True),
        integer("outdated_competitive", "Number of outdated competitive statements.", required=True),
        integer("quotes_not_found", "Number of claims whose quote is not in the transcript.", required=True),
    ),
    partitioned=False,
)

MESSAGE_ADOPTION = Table(
    "message_adoption",
    "Use of a changed message on calls, by rep and overall.",
    ("message", "rep_id"),
    (
        text("message", "Name of the message change.", required=True),
        text("rep_id", "The rep, or `all`.", required=True),
        text("rep_name", "Name of the rep."),
        _day("changed_on", "Day of the change.", required=True),
        integer("n", "Number of calls since the change whose use of the message is known.", required=True),
        integer("calls_using", "Number of these calls that use the new message.", required=True),
        *_share("Share of calls that use the new message"),
        text("first_call_id", "First call that uses the new message."),
        moment("first_used_at", "Start time of that call."),
        number("lag_days", "Days from the change to that call; null if no call uses the new message."),
        integer("still_old", "Number of calls since the change that use the old message.", required=True),
        text("last_old_call_id", "Newest call that uses the old message."),
    ),
    partitioned=False,
)

WIN_LOSS_DRIVERS = Table(
    "win_loss_drivers",
    "Conditions on scores, alone and in conjunctions of up to three, tested against won and lost deals.",
    ("condition",),
    (
        text("condition", "Condition as text: `budget_confirmed and discovery_depth > 65`.", required=True),
        integer("size", "Number of conditions, 1 to 3.", required=True),
        texts("bricks", "Bricks of the conditions, `kit.brick`."),
        integer("n", "Number of closed deals for which all of these bricks have a value.", required=True),
        integer("support", "Number of these deals that meet the condition.", required=True),
        integer("won", "Number of these deals that were won.", required=True),
        number("win_rate", "won / support.", required=True),
        number("win_rate_low", "Lower end of its 95 % interval (Wilson).", required=True),
        number("win_rate_high", "Upper end of its 95 % interval (Wilson).", required=True),
        number("base_rate", "Share of the n deals that were won.", required=True),
        number("rest_rate", "Share of the deals that do not meet the condition that were won."),
        number("lift", "win_rate / base_rate; null if no deal was won."),
        number("p_value", "P value of Fisher's exact test, two-sided.", required=True),
        number(
            "q_value",
            "p_value corrected for thresholds tried, conditions of this size (Benjamini-Hochberg) and number of sizes.",
            required=True,
        ),
        boolean(
            "is_significant",
            "Whether q_value is at most `false_discovery_rate`, and a conjunction significantly better than its parts.",
            required=True,
        ),
        text("direction", "wins or losses: the outcome that the condition is associated with.", required=True),
        text("sentence", "The result as a sentence.", required=True),
    ),
    partitioned=False,
)

WIN_LOSS_CONCLUSION = Table(
    "win_loss_conclusion",
    "One row: the data behind the drivers, and the conclusion as a sentence.",
    ("scope",),
    (
        text("scope", "`all`: all closed deals.", required=True),
        integer("deals", "Number of closed deals with scored calls.", required=True),
        integer("won", "Number of these deals that were won.", required=True),
        integer("tested", "Number of tested conditions and conjunctions; 0 if there are too few deals.", required=True),
        integer("significant", "Number of significant rows in `win_loss_drivers`.", required=True),
        text("conclusion", "The strongest driver, or the reason why there is none.", required=True),
    ),
    partitioned=False,
)

DEAL_SIGNALS = Table(
    "deal_signals",
    "One row per open deal and brick: newest value, previous value and trend.",
    ("deal_id", "kit", "brick"),
    (
        text("deal_id", "Deal id in the CRM.", required=True),
        text("kit", "Name of the kit in pipeline.yaml.", required=True),
        text("brick", "Key of the brick.", required=True),
        text("value_kind", "bool, num, text or json.", required=True),
        text("latest", "Newest value, as text.", required=True),
        number("latest_num", "Newest value as a number (true is 1)."),
        text("previous", "Previous value, as text."),
        number("change", "Newest minus previous value; null unless both are numbers."),
        text(
            "trend",
            "up, down or flat for numbers; changed or flat for other values; new for a single value.",
            required=True,
        ),
        number("slope", "Slope over all values, per call; null for fewer than three numbers."),
        integer("answers", "Number of calls with a value.", required=True),
        text("call_id", "Call of the newest value.", required=True),
        moment("answered_at", "Start time of that call.", required=True),
        text("reason", "Reason given by Semarize."),
        text("evidence", "First quote."),
        text("kit_version_id", "Kit version that was used."),
        _URL,
    ),
    partitioned=False,
)

DEAL_INSPECTION = Table(
    "deal_inspection",
    "One row per open deal: last call, people, risks, and the evidence that its stage lacks.",
    ("deal_id",),
    (
        text("deal_id", "Deal id in the CRM.", required=True),
        text("deal_name", "Display name."),
        text("account_name", "Account name."),
        number("amount", "Amount."),
        text("stage", "Stage."),
        text("forecast_category", "Forecast category."),
        moment("close_date", "Expected close date."),
        text("owner_name", "Name of the rep of the newest call."),
        integer("calls", "Number of linked calls.", required=True),
        integer("scored_calls", "Number of these calls with scores.", required=True),
        moment("last_call_at", "Start time of the newest call; null without calls."),
        text("last_call_id", "Newest call."),
        number("days_since_last_call", "Days since the newest call; null without calls."),
        text("last_call_url", "Page of the newest call in Clari Copilot."),
        texts("people", "Prospects on any of its calls."),
        integer("prospects", "Number of these prospects.", required=True),
        texts("risk_flags", "Risks, as text."),
        integer("risks", "Number of risks.", required=True),
        texts("stage_expects", "Conditions that the stage requires (setting `stages`)."),
        texts("stage_lacks", "Required conditions that no call meets."),
        number(
            "stage_evidence",
            "Share of the required conditions that a call meets, 0 to 1; null if the stage requires none.",
        ),
        number(
            "meddicc_covered", "Share of the MEDDICC elements covered on any call, 0 to 1; null without MEDDICC scores."
        ),
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
    WIN_LOSS_DRIVERS,
    WIN_LOSS_CONCLUSION,
    DEAL_SIGNALS,
    DEAL_INSPECTION,
)
