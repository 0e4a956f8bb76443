"""Reference tables, replaced as a whole (not partitioned)."""

from __future__ import annotations

from copilot_pipeline.load.tables.model import (
    MAX_CALL_ID_BYTES,
    Table,
    boolean,
    identifier,
    identifiers,
    integer,
    json,
    long_text,
    moment,
    number,
    text,
    texts,
)

USERS = Table(
    "users",
    "Internal users of the workspace.",
    ("user_id",),
    (
        identifier("user_id", "User id.", required=True),
        identifier("email", "E-mail."),
        text("name", "Name."),
        text("role", "REP, MANAGER or OBSERVER."),
        boolean("is_recording", "Whether the user has a recording seat."),
        identifier("manager_id", "User id of the manager; null if the user has none."),
    ),
    partitioned=False,
)

TOPICS = Table(
    "topics",
    "Topics that the workspace tracks.",
    ("topic_id",),
    (
        identifier("topic_id", "Topic id.", required=True),
        text("name", "Name."),
        text("kind", "Type of topic."),
        identifiers("team_ids", "Ids of the teams that use the topic."),
        long_text("description", "Description of a custom topic."),
        texts("trackers", "Tracked keywords."),
    ),
    partitioned=False,
)

SCORECARDS = Table(
    "scorecards",
    "Scorecards filled in by people.",
    ("scorecard_id",),
    (
        identifier("scorecard_id", "Scorecard id.", required=True),
        identifier("call_id", "Call that was scored.", max_bytes=MAX_CALL_ID_BYTES),
        text("kind", "Type of scorecard."),
        identifier("rep_id", "User id of the scored rep."),
        identifier("scorer_id", "User id of the scorer."),
        identifier("template_id", "Template id."),
        number("total_score", "Total score."),
        long_text("remark", "Remark."),
        json("answers", "Answers as a list of skill, label, order and score."),
    ),
    partitioned=False,
)

BRICKS = Table(
    "bricks",
    "The bricks of the configured kits: label, question, type and scale, as Semarize's schema of the kit has them.",
    ("kit", "brick"),
    (
        identifier("kit", "Name of the kit in pipeline.yaml.", required=True),
        identifier("brick", "Name of the brick (`semarize_scores.brick`).", required=True),
        integer("position", "Position in the kit, from 0.", required=True),
        text("label", "Name for people; made from the name of the brick if the schema has none.", required=True),
        long_text("question", "What the brick asks; null if the schema does not say."),
        text("type", "Type of its value as the schema names it: boolean, score, category, string_list, …"),
        number("scale_low", "Lowest score; null if the schema does not say."),
        number("scale_high", "Highest score; null if the schema does not say."),
    ),
    partitioned=False,
)

ACCOUNTS = Table(
    "accounts",
    "One row per account that calls are linked to: data of the calls, and of the CRM mirror if it was read.",
    ("account_id",),
    (
        identifier("account_id", "Account id in the CRM.", required=True),
        text("name", "Account name."),
        text("crm_system", "Name of the CRM."),
        text("website", "Website."),
        long_text("description", "Description."),
        texts("phones", "Phone numbers."),
        text("address", "Street address."),
        text("city", "City."),
        text("state", "State or region."),
        text("country", "Country."),
        text("postal_code", "Postal code."),
        json("custom_fields", "Custom fields of the workspace: a list of key and value."),
        integer("deals", "Number of deals that its calls are linked to.", required=True),
        integer("calls", "Number of linked calls.", required=True),
        moment("first_call_at", "Start time of the first linked call."),
        moment("last_call_at", "Start time of the last linked call."),
        moment("read_at", "Time when the CRM mirror's record was read; null if it was not."),
    ),
    partitioned=False,
)

DEALS = Table(
    "deals",
    "One row per deal that calls are linked to: data of the calls, and of the CRM mirror if it was read.",
    ("deal_id",),
    (
        identifier("deal_id", "Deal id in the CRM.", required=True),
        text("name", "Deal name."),
        text("crm_system", "Name of the CRM."),
        identifier("account_id", "Account id in the CRM."),
        text("account_name", "Account name."),
        number("amount", "Amount as a number, in `currency`."),
        text("amount_raw", "Amount as received."),
        text("stage", "Newest known stage."),
        number("probability", "Probability as received, as a number."),
        text("forecast_category", "Forecast category."),
        moment("close_date", "Close date."),
        moment("created_at", "Time when the deal was created in the CRM."),
        identifier("owner_crm_id", "Id of the owner in the CRM."),
        long_text("reason", "Reason for winning or losing the deal."),
        json("stage_history", "Stage changes."),
        json("close_date_history", "Close date changes."),
        integer("calls", "Number of linked calls.", required=True),
        moment("first_call_at", "Start time of the first linked call."),
        moment("last_call_at", "Start time of the last linked call."),
        moment("read_at", "Time when the CRM mirror's record was read; null if it was not."),
        identifier(
            "outcome",
            "won, lost or open, by the stage and the setting `marts.outcomes`; deleted: it was open, and the CRM "
            "mirror has it no longer. Marts leave deleted deals out.",
            required=True,
        ),
        identifier(
            "currency",
            "Currency of the amount (ISO 4217): as the text names it, else `marts.currency.default`; null if unknown.",
        ),
    ),
    partitioned=False,
)
