"""Deals and users over time: one row per version, kept when their snapshots are replaced (type 2)."""

from __future__ import annotations

from copilot_pipeline.load.tables.model import Column, Table, boolean, identifier, moment, number, text

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
        text("origin", "refresh: seen by a refresh. vendor: taken from the CRM's own history.", required=True),
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

HISTORY_TABLES: tuple[Table, ...] = (DEAL_HISTORY, USER_HISTORY)
