"""What calls are joined to: snapshots, not partitioned."""

from __future__ import annotations

from copilot_pipeline.load.tables.model import Table, boolean, integer, json, moment, number, text, texts

USERS = Table(
    "users",
    "Internal users of the workspace.",
    ("user_id",),
    (
        text("user_id", "User id.", required=True),
        text("email", "E-mail."),
        text("name", "Name."),
        text("role", "REP, MANAGER or OBSERVER."),
        boolean("is_recording", "Has a recording seat."),
        text("manager_id", "User id of the manager; null at the top."),
    ),
    partitioned=False,
)

TOPICS = Table(
    "topics",
    "Topics the workspace tracks.",
    ("topic_id",),
    (
        text("topic_id", "Topic id.", required=True),
        text("name", "Name."),
        text("kind", "Type of topic."),
        texts("team_ids", "Teams it is for."),
        text("description", "Description of a custom topic."),
        texts("trackers", "Keywords tracked."),
    ),
    partitioned=False,
)

SCORECARDS = Table(
    "scorecards",
    "Human scorecards of calls.",
    ("scorecard_id",),
    (
        text("scorecard_id", "Scorecard id.", required=True),
        text("call_id", "The call that was scored."),
        text("kind", "Type of scorecard."),
        text("rep_id", "User id of who was scored."),
        text("scorer_id", "User id of who scored."),
        text("template_id", "Template."),
        number("total_score", "Total score."),
        text("remark", "Remark."),
        json("answers", "Question by question: skill, label, order, score."),
    ),
    partitioned=False,
)

ACCOUNTS = Table(
    "accounts",
    "Accounts that calls are linked to: what the calls say, and the CRM mirror's record where it was read.",
    ("account_id",),
    (
        text("account_id", "The account's id in the CRM.", required=True),
        text("name", "Account name."),
        text("crm_system", "Which CRM."),
        text("website", "Website."),
        text("description", "Description."),
        texts("phones", "Phone numbers."),
        text("address", "Street address."),
        text("city", "City."),
        text("state", "State or region."),
        text("country", "Country."),
        text("postal_code", "Postal code."),
        json("custom_fields", "Fields of the workspace's own: a list of key and value."),
        integer("deals", "Deals that calls with it are linked to.", required=True),
        integer("calls", "Calls linked to it.", required=True),
        moment("first_call_at", "First linked call."),
        moment("last_call_at", "Last linked call."),
        moment("read_at", "When the CRM mirror's record was read; null where only calls speak of the account."),
    ),
    partitioned=False,
)

DEALS = Table(
    "deals",
    "Deals that calls are linked to: what the calls say, and the CRM mirror's record where it was read.",
    ("deal_id",),
    (
        text("deal_id", "The deal's id in the CRM.", required=True),
        text("name", "Deal name."),
        text("crm_system", "Which CRM."),
        text("account_id", "Account id in the CRM."),
        text("account_name", "Account name."),
        number("amount", "Amount as a number."),
        text("amount_raw", "Amount as sent."),
        text("stage", "Newest known stage."),
        number("probability", "Probability as sent, as a number."),
        text("forecast_category", "Forecast category."),
        moment("close_date", "Close date."),
        moment("created_at", "Created in the CRM."),
        text("owner_crm_id", "Owner's id in the CRM."),
        text("reason", "Reason given for the deal's end."),
        json("stage_history", "Stage changes."),
        json("close_date_history", "Close date changes."),
        integer("calls", "Calls linked to it.", required=True),
        moment("first_call_at", "First linked call."),
        moment("last_call_at", "Last linked call."),
        moment("read_at", "When the CRM mirror's record was read; null where only calls speak of the deal."),
        text("outcome", "won, lost or open: what the stage means by the setting `marts.outcomes`.", required=True),
    ),
    partitioned=False,
)
