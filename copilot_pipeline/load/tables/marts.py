"""Answers made of the scores: MEDDICC coverage, coaching, claims, win/loss, open deals. Made anew every day.

A share never stands without its `n` and its interval (Wilson, 95 %). A week is named by its Monday, in the partition
zone.
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
    text("rep_id", "The rep: user id, else e-mail, else name; null where nobody is known."),
    text("rep_name", "The rep's name."),
    text("manager_id", "User id of the rep's manager as of today: the team."),
)
_URL = text("review_url", "The call's page in Clari Copilot.")


def _share(what: str) -> tuple[Column, ...]:
    return (
        number("share", f"{what}, 0 to 1; null where n is 0."),
        number("share_low", "Lower end of its 95 % interval (Wilson)."),
        number("share_high", "Upper end of its 95 % interval (Wilson)."),
    )


MEDDICC_COVERAGE = Table(
    "meddicc_coverage",
    "One row per scored call and MEDDICC element: was it covered, and how well.",
    ("call_id", "element"),
    (
        CALL_ID,
        text("element", "metrics, economic_buyer, decision_criteria, decision_process, …", required=True),
        CALL_DATE,
        _WEEK,
        moment("started_at", "When the call was.", required=True),
        text("deal_id", "Deal of the call."),
        *_REP,
        text("kit", "Our name of the kit that answered.", required=True),
        text("brick", "The brick that plays this part.", required=True),
        text("kit_version_id", "The kit version that answered."),
        boolean("is_covered", "Covered; false where the kit found nothing to answer.", required=True),
        boolean("is_answered", "The brick has a value; without one the element counts as not covered.", required=True),
        number("level", "How well: the value as a share of its scale, 0 to 1; null without a value."),
        number("confidence", "Semarize's confidence, 0 to 1."),
        text("evidence", "The first quote."),
        _URL,
    ),
    partitioned=False,
)

MEDDICC_SUMMARY = Table(
    "meddicc_summary",
    "Coverage by deal, rep, team, week and in all. For a deal: was the element covered on any of its calls.",
    ("grain", "grain_id", "element"),
    (
        text("grain", "all, deal, rep, team or week.", required=True),
        text("grain_id", "Deal id, rep id, manager id, Monday (YYYY-MM-DD), or `all`.", required=True),
        text("grain_name", "Its name."),
        text("element", "The MEDDICC element.", required=True),
        integer("n", "Scored calls.", required=True),
        integer("covered", "Of these, calls that covered it.", required=True),
        *_share("Share of calls that covered it"),
        number("mean_level", "Mean level over the calls that have one, 0 to 1."),
        integer("n_level", "Calls that have a level.", required=True),
    ),
    partitioned=False,
)

MEDDICC_OUTCOMES = Table(
    "meddicc_outcomes",
    "Coverage against outcome: of the deals that were won or lost, how many never had the element covered.",
    ("element", "outcome"),
    (
        text("element", "The MEDDICC element.", required=True),
        text("outcome", "won, lost or open.", required=True),
        integer("n", "Deals with that outcome and a scored call before they ended.", required=True),
        integer("uncovered", "Of these, deals with no call that covered the element.", required=True),
        *_share("Share of deals without coverage"),
        number("p_value", "Fisher's exact test of coverage against won or lost; null for open."),
        text("sentence", "The same in words.", required=True),
    ),
    partitioned=False,
)

COACHING_SCORES = Table(
    "coaching_scores",
    "One row per rep, skill and call, in call order: score, trend, regression.",
    ("rep_id", "skill", "call_id"),
    (
        text("rep_id", "The rep: user id, else e-mail, else name.", required=True),
        text("skill", "The skill (the brick's key).", required=True),
        CALL_ID,
        CALL_DATE,
        _WEEK,
        moment("started_at", "When the call was.", required=True),
        text("rep_name", "The rep's name."),
        text("manager_id", "User id of the rep's manager."),
        integer("call_number", "Scored calls of this rep and skill so far, from 1.", required=True),
        number("score", "The score.", required=True),
        number("threshold", "The threshold in force.", required=True),
        boolean("is_below", "Below the threshold.", required=True),
        integer("calls_below", "Consecutive calls below the threshold, this one included.", required=True),
        boolean("regression_detected", "Below on as many consecutive calls as the setting says.", required=True),
        text("regression_first_call_id", "While a slide lasts: its first call."),
        number("rolling_mean", "Mean of the last calls (setting `rolling_calls`), this one included.", required=True),
        number("trend", "Slope of the last calls, score a call; null with fewer than three."),
        integer("calls_since_training", "Calls since the newest training of this rep and skill; null without one."),
        text("training", "Name of that training."),
        text("kit_version_id", "The kit version that answered."),
        _URL,
    ),
    partitioned=False,
)

COACHING_REGRESSIONS = Table(
    "coaching_regressions",
    "One row per slide: a skill below its threshold on consecutive calls. One alert each, to the manager.",
    ("rep_id", "skill", "first_call_id"),
    (
        text("rep_id", "The rep.", required=True),
        text("skill", "The skill.", required=True),
        text("first_call_id", "The first call of the slide.", required=True),
        text("rep_name", "The rep's name."),
        text("manager_id", "User id of the manager who is told."),
        text("manager_name", "The manager's name."),
        text("manager_email", "The manager's e-mail."),
        moment("first_call_at", "When the slide began.", required=True),
        text("detected_call_id", "The call on which it was detected.", required=True),
        moment("detected_at", "When that call was.", required=True),
        _day("detected_week", "Monday of that week.", required=True),
        integer("calls", "Calls below in a row, so far.", required=True),
        number("threshold", "The threshold.", required=True),
        number("lowest", "The lowest score of the slide.", required=True),
        number("latest", "The newest score of the slide.", required=True),
        integer("calls_since_training", "Calls since the newest training, at detection; null without one."),
        boolean("is_over", "The skill came back to its threshold.", required=True),
        text("recovered_call_id", "The call on which it came back."),
        moment("recovered_at", "When that call was."),
    ),
    partitioned=False,
)

CLAIMS = Table(
    "claims",
    "One row per flagged claim and quote: what kind, where it was said, and which document it contradicts.",
    ("claim_id",),
    (
        text("claim_id", "Made of call, kind, kit, brick and position.", required=True),
        CALL_ID,
        CALL_DATE,
        _WEEK,
        moment("started_at", "When the call was.", required=True),
        text("deal_id", "Deal of the call."),
        text("rep_id", "Who said it of our people, else who held the call: user id, else e-mail, else name."),
        *_REP[1:],
        text("kind", "inaccurate, roadmap_leak, outdated_competitive, or another kind of the settings.", required=True),
        text("kit", "Our name of the kit.", required=True),
        text("brick", "The brick that flagged it.", required=True),
        text("kit_version_id", "The kit version that answered."),
        text("quote", "The quote, as the kit gave it; null where it gave none."),
        boolean("is_found", "The quote was found in the transcript.", required=True),
        text("match", "exact, normalized, fuzzy or not found; no quote where there is none.", required=True),
        number("match_score", "How exact, 0 to 1."),
        integer("seq", "The utterance it begins in."),
        number("start_s", "Seconds from the start of the call."),
        text("speaker", "Who said it."),
        text("speaker_side", "rep, prospect or unknown."),
        text("said", "The words of the transcript that were matched."),
        text("document", "The source document it contradicts, where one is named."),
        text("product", "The product it is about, where one is named."),
        text("reason", "The kit's reason."),
        number("confidence", "Confidence, 0 to 1."),
        _URL,
    ),
    partitioned=False,
)

CLAIM_ACCURACY = Table(
    "claim_accuracy",
    "Accuracy by rep, product, week and in all: the share of checked calls without a flagged claim. For a rep: of the "
    "calls that the rep held or spoke on, those without a claim of the rep's own.",
    ("grain", "grain_id"),
    (
        text("grain", "all, rep, product or week.", required=True),
        text("grain_id", "Rep id, product, Monday (YYYY-MM-DD), or `all`.", required=True),
        text("grain_name", "Its name."),
        integer("n", "Calls that were checked.", required=True),
        integer("accurate", "Of these, calls without a flagged claim.", required=True),
        *_share("Share of calls without a flagged claim"),
        integer("claims", "Flagged claims.", required=True),
        integer("inaccurate", "Of these, inaccurate product claims.", required=True),
        integer("roadmap_leaks", "Of these, roadmap leaks.", required=True),
        integer("outdated_competitive", "Of these, outdated competitive statements.", required=True),
        integer("quotes_not_found", "Of these, claims whose quote is not in the transcript.", required=True),
    ),
    partitioned=False,
)

MESSAGE_ADOPTION = Table(
    "message_adoption",
    "From a change of messaging to its use on calls, by rep and in all.",
    ("message", "rep_id"),
    (
        text("message", "Name of the change.", required=True),
        text("rep_id", "The rep, or `all`.", required=True),
        text("rep_name", "The rep's name."),
        _day("changed_on", "When the message changed.", required=True),
        integer("n", "Calls since then.", required=True),
        integer("calls_using", "Of these, calls that use the new message.", required=True),
        *_share("Share of calls that use it"),
        text("first_call_id", "First call that uses it."),
        moment("first_used_at", "When that was."),
        number("lag_days", "Days from the change to that call; null while nobody uses it."),
        integer("still_old", "Calls since the change that still use the old message.", required=True),
        text("last_old_call_id", "The newest of these."),
    ),
    partitioned=False,
)

WIN_LOSS_DRIVERS = Table(
    "win_loss_drivers",
    "Conditions on the scores, alone and up to three together, against won and lost deals.",
    ("condition",),
    (
        text("condition", "In words: `budget_confirmed and discovery_depth > 65`.", required=True),
        integer("size", "Conditions in it, 1 to 3.", required=True),
        texts("bricks", "The bricks in it, `kit.brick`."),
        integer("n", "Closed deals of which every brick in it is known.", required=True),
        integer("support", "Of these, deals for which it holds.", required=True),
        integer("won", "Of these, won.", required=True),
        number("win_rate", "won / support.", required=True),
        number("win_rate_low", "Lower end of its 95 % interval (Wilson).", required=True),
        number("win_rate_high", "Upper end of its 95 % interval (Wilson).", required=True),
        number("base_rate", "Share won among the n deals.", required=True),
        number("rest_rate", "Share won among the deals for which it does not hold."),
        number("lift", "win_rate / base_rate; null where nothing was won."),
        number("p_value", "Fisher's exact test, two-sided.", required=True),
        number(
            "q_value",
            "The same times the cuts tried, after Benjamini and Hochberg over all tested of its size, times the sizes.",
            required=True,
        ),
        boolean(
            "is_significant",
            "q_value is at or below the setting `false_discovery_rate`; a conjunction also adds to each of its parts.",
            required=True,
        ),
        text("direction", "wins or losses: which of the two it goes with.", required=True),
        text("sentence", "One line that says it.", required=True),
    ),
    partitioned=False,
)

WIN_LOSS_CONCLUSION = Table(
    "win_loss_conclusion",
    "One row: what the drivers rest on, and what they come to in one sentence.",
    ("scope",),
    (
        text("scope", "`all`: over all closed deals.", required=True),
        integer("deals", "Closed deals with scored calls.", required=True),
        integer("won", "Of these, won.", required=True),
        integer("tested", "Conditions and conjunctions that were tested; 0 with too few deals.", required=True),
        integer("significant", "Of those in `win_loss_drivers`, how many hold up.", required=True),
        text("conclusion", "The strongest driver, or why there is none.", required=True),
    ),
    partitioned=False,
)

DEAL_SIGNALS = Table(
    "deal_signals",
    "One row per open deal and brick: its newest answer, the one before, and the trend.",
    ("deal_id", "kit", "brick"),
    (
        text("deal_id", "The deal.", required=True),
        text("kit", "Our name of the kit.", required=True),
        text("brick", "The brick.", required=True),
        text("value_kind", "bool, num, text or json.", required=True),
        text("latest", "The newest answer, as text.", required=True),
        number("latest_num", "The newest answer as a number (true is 1)."),
        text("previous", "The answer before it, as text."),
        number("change", "Newest minus the one before, where both are numbers."),
        text("trend", "up, down or flat; changed where it is no number, new with one answer.", required=True),
        number("slope", "Slope over all answers, a call; null with fewer than three numbers."),
        integer("answers", "Calls with an answer.", required=True),
        text("call_id", "The call of the newest answer.", required=True),
        moment("answered_at", "When that call was.", required=True),
        text("reason", "Why."),
        text("evidence", "The first quote."),
        text("kit_version_id", "The kit version that answered."),
        _URL,
    ),
    partitioned=False,
)

DEAL_INSPECTION = Table(
    "deal_inspection",
    "One row per open deal: when anybody last spoke, who was there, what is at risk, and what its stage lacks.",
    ("deal_id",),
    (
        text("deal_id", "The deal.", required=True),
        text("deal_name", "Its name."),
        text("account_name", "Account name."),
        number("amount", "Amount."),
        text("stage", "Stage."),
        text("forecast_category", "Forecast category."),
        moment("close_date", "Expected close date."),
        text("owner_name", "The rep of the newest call."),
        integer("calls", "Calls linked to it.", required=True),
        integer("scored_calls", "Of these, calls with scores.", required=True),
        moment("last_call_at", "The newest call; null without calls."),
        text("last_call_id", "The newest call."),
        number("days_since_last_call", "Days since then; null without calls."),
        text("last_call_url", "Its page in Clari Copilot."),
        texts("people", "Prospects who were on any of its calls."),
        integer("prospects", "How many.", required=True),
        texts("risk_flags", "What is wrong, in words."),
        integer("risks", "How many.", required=True),
        texts("stage_expects", "Conditions that the stage asks for (setting `stages`)."),
        texts("stage_lacks", "Of these, what no call has shown."),
        number("stage_evidence", "Share of these that is shown, 0 to 1; null where the stage asks for nothing."),
        number("meddicc_covered", "Elements covered on any call, 0 to 1; null without MEDDICC scores."),
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
