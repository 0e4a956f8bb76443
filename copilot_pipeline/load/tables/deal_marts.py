"""The marts about deals: win/loss drivers, and the state of open deals."""

from __future__ import annotations

from copilot_pipeline.load.tables.mart_columns import REVIEW_URL
from copilot_pipeline.load.tables.model import (
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
    texts,
)

WIN_LOSS_DRIVERS = Table(
    "win_loss_drivers",
    "Conditions on scores, up to three together, found on the older closed deals and confirmed or not on the newer.",
    ("condition",),
    (
        identifier(
            "condition",
            "Condition as text: `budget_confirmed and discovery_depth > 65`.",
            required=True,
            max_bytes=MAX_COMPOSED_ID_BYTES,
        ),
        integer("rank", "1 for the best; confirmed ones first, then by the strength of the effect.", required=True),
        integer("size", "Number of conditions, 1 to 3.", required=True),
        texts("bricks", "Bricks of the conditions, `kit.brick`."),
        text("direction", "wins or losses: the outcome that the condition is associated with.", required=True),
        boolean(
            "is_confirmed",
            "Whether it is significant on the older deals and holds on the newer ones among comparable deals (setting "
            "`adjust_for`): is_significant, and confirmed_p_value is at most `confirm_level`.",
            required=True,
        ),
        number(
            "confirmed_lift",
            "confirmed_won / confirmed_expected; null if no newer deal meets it, or none of them was won.",
        ),
        number("confirmed_lift_low", "Lower end of its 95 % interval."),
        number("confirmed_lift_high", "Upper end of its 95 % interval."),
        integer("confirmed_n", "Number of the newer deals for which all of these bricks have a value.", required=True),
        integer("confirmed_support", "Number of these deals that meet the condition.", required=True),
        integer("confirmed_won", "Number of these deals that were won.", required=True),
        number(
            "confirmed_expected",
            "Number of these deals that would be won if they ended like comparable deals (setting `adjust_for`).",
        ),
        number("confirmed_win_rate", "confirmed_won / confirmed_support; null if no newer deal meets the condition."),
        number("confirmed_win_rate_low", "Lower end of its 95 % interval (Wilson)."),
        number("confirmed_win_rate_high", "Upper end of its 95 % interval (Wilson)."),
        number(
            "confirmed_p_value",
            "P value of the adjusted test on the newer deals, corrected for all tested there (Holm); among deals of "
            "one stage, too, if the condition goes with the stage; null: not tested.",
        ),
        moment("confirmed_since", "Time of the oldest close of the newer deals, which the search did not use."),
        integer("n", "Number of all closed deals for which all of these bricks have a value.", required=True),
        integer("support", "Number of these deals that meet the condition.", required=True),
        integer("won", "Number of these deals that were won.", required=True),
        number("win_rate", "won / support, of older and newer deals.", required=True),
        number("win_rate_low", "Lower end of its 95 % interval (Wilson).", required=True),
        number("win_rate_high", "Upper end of its 95 % interval (Wilson).", required=True),
        number("base_rate", "Share of the n deals that were won.", required=True),
        number("rest_rate", "Share of the deals that do not meet the condition that were won."),
        number("lift", "win_rate / base_rate, not adjusted; too large, because selected. Prefer confirmed_lift."),
        number("discovered_lift", "The same on the older deals only, where the condition was found."),
        number("raw_p_value", "P value of Fisher's exact test on all n deals, two-sided, not adjusted.", required=True),
        number("p_value", "P value of the adjusted test on the older deals, two-sided.", required=True),
        number(
            "q_value",
            "P value corrected for thresholds tried, conditions of this size (Benjamini-Hochberg) and number of sizes; "
            "the smallest over the rounds (setting `search_shares`), not corrected for their number.",
            required=True,
        ),
        boolean(
            "is_significant",
            "Whether it is significant on the older deals of any round: q_value is at most `false_discovery_rate`, and "
            "a conjunction is significantly better than its parts.",
            required=True,
        ),
        long_text("sentence", "The result on the newer deals as a sentence.", required=True),
    ),
    partitioned=False,
)

WIN_LOSS_CONCLUSION = Table(
    "win_loss_conclusion",
    "One row: the data behind the drivers, and the conclusion as a sentence.",
    ("scope",),
    (
        identifier("scope", "`all`: all closed deals.", required=True),
        integer("deals", "Number of closed deals with scored calls.", required=True),
        integer("won", "Number of these deals that were won.", required=True),
        integer("newer_deals", "Number of these deals that confirm, the newest; 0 if too few.", required=True),
        integer("tested", "Number of tested conditions and conjunctions; 0 if there are too few deals.", required=True),
        integer("significant", "Number of `win_loss_drivers` that are significant on older deals.", required=True),
        integer("confirmed", "Number of rows in `win_loss_drivers` that the newer deals confirm.", required=True),
        texts("adjusted_for", "What compared deals have in common: what the data hold of `adjust_for`."),
        moment("first_close", "Time of the oldest close; null if there are too few deals."),
        moment("first_newer_close", "Time of the oldest close of the newer deals; null if too few."),
        moment("last_close", "Time of the newest close; null if there are too few deals."),
        long_text("conclusion", "The strongest confirmed driver, or the reason why there is none.", required=True),
    ),
    partitioned=False,
)

DEAL_SIGNALS = Table(
    "deal_signals",
    "One row per open deal and brick: newest value, previous value and trend.",
    ("deal_id", "kit", "brick"),
    (
        identifier("deal_id", "Deal id in the CRM.", required=True),
        identifier("kit", "Name of the kit in pipeline.yaml.", required=True),
        identifier("brick", "Key of the brick.", required=True),
        text("value_kind", "bool, num, text or json.", required=True),
        long_text("latest", "Newest value, as text.", required=True),
        number("latest_num", "Newest value as a number (true is 1)."),
        long_text("previous", "Previous value, as text."),
        number("change", "Newest minus previous value; null unless both are numbers."),
        text(
            "trend",
            "up, down or flat for numbers; changed or flat for other values; new for a single value.",
            required=True,
        ),
        number("slope", "Slope over all values, per call; null for fewer than three numbers."),
        integer("answers", "Number of calls with a value.", required=True),
        identifier("call_id", "Call of the newest value.", required=True, max_bytes=MAX_CALL_ID_BYTES),
        moment("answered_at", "Start time of that call.", required=True),
        long_text("reason", "Reason given by Semarize."),
        long_text("evidence", "First quote."),
        identifier("kit_version_id", "Kit version that was used."),
        REVIEW_URL,
    ),
    partitioned=False,
)

DEAL_INSPECTION = Table(
    "deal_inspection",
    "One row per open deal: last call, people, risks, and the evidence that its stage lacks.",
    ("deal_id",),
    (
        identifier("deal_id", "Deal id in the CRM.", required=True),
        text("deal_name", "Display name."),
        text("account_name", "Account name."),
        number("amount", "Amount, in `currency`."),
        text("stage", "Stage."),
        text("forecast_category", "Forecast category."),
        moment("close_date", "Expected close date."),
        text("owner_name", "Name of the rep of the newest call."),
        integer("calls", "Number of linked calls.", required=True),
        integer("scored_calls", "Number of these calls with scores.", required=True),
        moment("last_call_at", "Start time of the newest call; null without calls."),
        identifier("last_call_id", "Newest call.", max_bytes=MAX_CALL_ID_BYTES),
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
        identifier("currency", "Currency of the amount (ISO 4217); null if unknown."),
        number(
            "amount_converted",
            "Amount in `converted_currency`, at the rate of the day the mart was built; null without a rate.",
        ),
        identifier("converted_currency", "The setting `marts.currency.convert_to`; null without one."),
    ),
    partitioned=False,
)
