"""Deals and users over time, and the marts about the changes.

The versions are kept when the snapshots are replaced (type 2); the marts are built from them.
"""

from __future__ import annotations

from copilot_pipeline.load.tables.mart_columns import day
from copilot_pipeline.load.tables.model import (
    Column,
    Table,
    boolean,
    identifier,
    identifiers,
    integer,
    long_text,
    moment,
    number,
    text,
    texts,
)

_VALID_TO = moment("valid_to", "End of the version (exclusive); null for the present one.")
_SEEN_AT = moment("seen_at", "Time of the refresh that recorded the version.", required=True)


def _valid_from(description: str) -> Column:
    return moment("valid_from", description, required=True)


DEAL_HISTORY = Table(
    "deal_history",
    "One row per version of a deal, as the refreshes of `deals` saw it; before the first of them, as the CRM's own "
    "history of stages and close dates records it.",
    ("deal_id", "valid_from"),
    (
        identifier("deal_id", "Deal id in the CRM.", required=True),
        _valid_from(
            "Start of the version: time of the refresh that saw it; before the first refresh, time of the CRM's record."
        ),
        _VALID_TO,
        text("stage", "Stage."),
        number("amount", "Amount; null if unknown, as before the first refresh."),
        identifier("currency", "Currency of the amount (ISO 4217); null if unknown."),
        moment("close_date", "Expected close date."),
        identifier("owner_crm_id", "Id of the owner in the CRM; null if unknown, as before the first refresh."),
        text("forecast_category", "Forecast category; null if unknown, as before the first refresh."),
        number("probability", "Probability in the CRM; null if unknown, as before the first refresh."),
        text(
            "origin",
            "refresh: seen by a refresh. calls: seen by a refresh in calls only, until the CRM's record is read. "
            "vendor: taken from the CRM's own history.",
            required=True,
        ),
        _SEEN_AT,
    ),
    partitioned=False,
)

USER_HISTORY = Table(
    "user_history",
    "One row per version of a user, as the refreshes of `users` saw it. A past week has the team of that week.",
    ("user_id", "valid_from"),
    (
        identifier("user_id", "User id.", required=True),
        _valid_from("Start of the version: time of the refresh that saw it."),
        _VALID_TO,
        text("name", "Name."),
        identifier("email", "E-mail."),
        text("role", "REP, MANAGER or OBSERVER."),
        boolean("is_recording", "Whether the user has a recording seat."),
        identifier("manager_id", "User id of the manager, which identifies the team; null if the user has none."),
        _SEEN_AT,
    ),
    partitioned=False,
)

_CURRENCY = identifier("currency", "ISO 4217 code of the amounts, or `unknown`.", required=True)

PIPELINE_CHANGES = Table(
    "pipeline_changes",
    "One row per week, deal and kind of change of the open pipeline, with the conversations of that week. Changes of a "
    "week that cancel each other out have no row.",
    ("week", "deal_id", "kind", "currency"),
    (
        day("week", "Monday of the week of the change, in the configured time zone.", required=True),
        identifier("deal_id", "Deal id in the CRM.", required=True),
        identifier(
            "kind",
            "new, reopened, grown, shrunk, currency_changed, won, lost, removed (no longer among the deals), pulled_in "
            "or pushed_out (close date).",
            required=True,
        ),
        _CURRENCY,
        text("deal_name", "Deal name."),
        text("account_name", "Account name."),
        moment("changed_at", "Time of the change; of the last one of this kind in the week.", required=True),
        text("stage", "Stage after the change."),
        number("amount", "Amount after the change; of a deal that left the pipeline, its last one."),
        number(
            "change",
            "Effect on the amount of the open pipeline: negative if it shrinks, 0 if only the close date moves.",
            required=True,
        ),
        day("close_date_before", "Close date at the beginning of the week; null unless it moved."),
        day("close_date_after", "Close date at the end of the week; null unless it moved."),
        integer("days_moved", "Days from the former to the new close date; null unless it moved."),
        boolean(
            "is_observed",
            "Whether refreshes saw the change. False: from the CRM's own history, with the first amount that was seen.",
            required=True,
        ),
        integer("calls", "Number of calls of the deal in the week.", required=True),
        identifiers("call_ids", "These calls, oldest first."),
        texts("quotes", "Up to five quotes of these calls, with brick and speaker; those of prospects first."),
        long_text("sentence", "The change as a sentence.", required=True),
    ),
    partitioned=False,
)

PIPELINE_WATERFALL = Table(
    "pipeline_waterfall",
    "The open pipeline of each week and currency, step by step: opening + changes = closing.",
    ("week", "currency", "step"),
    (
        day("week", "Monday of the week, in the configured time zone.", required=True),
        _CURRENCY,
        identifier(
            "step",
            "opening, new, reopened, grown, shrunk, currency_changed, won, lost, removed or closing.",
            required=True,
        ),
        integer("position", "Position of the step, from 0.", required=True),
        integer(
            "deals", "Number of open deals for opening and closing, of changed deals for the others.", required=True
        ),
        number(
            "amount",
            "Amount of the open deals for opening and closing; effect on it for the others, negative if it shrinks.",
            required=True,
        ),
        boolean(
            "is_observed",
            "Whether the week is after that of the first refresh. False: from the CRM's own history, of the deals that "
            "are known since, with the first amounts that were seen.",
            required=True,
        ),
        boolean("is_complete", "Whether the week had ended when the mart was built.", required=True),
    ),
    partitioned=False,
)

PIPELINE_TABLES: tuple[Table, ...] = (PIPELINE_CHANGES, PIPELINE_WATERFALL)
HISTORY_TABLES: tuple[Table, ...] = (DEAL_HISTORY, USER_HISTORY)
