"""The one column list: Arrow schemas, Postgres tables and what the Dagster UI shows are all made from it.

A column is named once, with its kind and the sentence an analyst reads about it. Parquet, Postgres (table and column
comments) and Dagster's `TableSchema` follow; a test holds the migrated database against this list.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import pyarrow as pa


class Kind(Enum):
    """A column's type: (Arrow, PostgreSQL)."""

    TEXT = ("text", pa.string())
    TEXTS = ("text[]", pa.list_(pa.string()))
    INTEGER = ("bigint", pa.int64())
    NUMBER = ("double precision", pa.float64())
    BOOLEAN = ("boolean", pa.bool_())
    DATE = ("date", pa.date32())
    MOMENT = ("timestamptz", pa.timestamp("us", tz="UTC"))
    JSON = ("jsonb", pa.string())
    BYTES = ("bytea", pa.binary())

    def __init__(self, postgres: str, arrow: pa.DataType) -> None:
        self.postgres = postgres
        self.arrow = arrow


@dataclass(frozen=True, slots=True)
class Column:
    """One column. `required` columns are never null."""

    name: str
    kind: Kind
    description: str
    required: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """One table: in the lake under its name, in Postgres (where `in_warehouse`) in schema `copilot`."""

    name: str
    description: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]
    partitioned: bool = True  # by call_date; the others are small snapshots
    in_warehouse: bool = True

    @property
    def arrow_schema(self) -> pa.Schema:
        """The Arrow schema, descriptions included as field metadata."""
        return pa.schema(
            [
                pa.field(
                    column.name,
                    column.kind.arrow,
                    nullable=not column.required,
                    metadata={"description": column.description},
                )
                for column in self.columns
            ]
        )

    @property
    def column_names(self) -> tuple[str, ...]:
        """The columns, in order."""
        return tuple(column.name for column in self.columns)


def _text(name: str, description: str, *, required: bool = False) -> Column:
    return Column(name, Kind.TEXT, description, required)


def _integer(name: str, description: str, *, required: bool = False) -> Column:
    return Column(name, Kind.INTEGER, description, required)


def _number(name: str, description: str, *, required: bool = False) -> Column:
    return Column(name, Kind.NUMBER, description, required)


def _boolean(name: str, description: str, *, required: bool = False) -> Column:
    return Column(name, Kind.BOOLEAN, description, required)


def _moment(name: str, description: str, *, required: bool = False) -> Column:
    return Column(name, Kind.MOMENT, description, required)


def _json(name: str, description: str) -> Column:
    return Column(name, Kind.JSON, description)


def _texts(name: str, description: str) -> Column:
    return Column(name, Kind.TEXTS, description)


CALL_ID = _text("call_id", "Clari Copilot's id of the call.", required=True)
CALL_DATE = Column("call_date", Kind.DATE, "The partition: the day of the call's time.", required=True)

RAW_CALL_DETAILS = Table(
    "raw_call_details",
    "Every call of the day as the API sent it: the list item and the details, untouched bytes.",
    ("call_id",),
    (
        CALL_ID,
        CALL_DATE,
        _text("dialect", "The API dialect the bodies are in.", required=True),
        _text("status_raw", "Status as last listed."),
        Column("listed", Kind.BYTES, "The list item, JSON."),
        Column("details", Kind.BYTES, "The answer of /call-details, as received. Null where none was asked for."),
        _boolean("listed_is_newer", "The list item is newer than the details.", required=True),
        _moment("fetched_at", "When the details were fetched."),
        _moment("gone_at", "When the call was first missing from the list."),
        _text("quarantine_reason", "Why the details could not be read; they are in the quarantine too."),
    ),
    in_warehouse=False,
)

CALLS = Table(
    "calls",
    "One row per call: who, when, status, analytics, deal and account.",
    ("call_id",),
    (
        CALL_ID,
        CALL_DATE,
        _text("title", "Title of the call."),
        _moment("started_at", "Scheduled time for meetings, start for dialer and ad hoc calls (UTC).", required=True),
        _moment("modified_at", "Last status change at the vendor (UTC)."),
        _text("status", "ready, pending, no_content, failed or unknown.", required=True),
        _text("status_raw", "The vendor's status."),
        _text("call_type", "Where the call took place (ZOOM, GOOGLE_MEET, …)."),
        _text("disposition", "The vendor's disposition."),
        _number("duration_s", "Length in seconds."),
        _text("review_url", "The call's page in Clari Copilot."),
        _text("source_id", "Id in the source system; not unique."),
        _text("recurring_event_id", "Series the meeting belongs to."),
        _text("organizer_email", "E-mail of the organizing user."),
        _text("rep_name", "The organizing rep, else the rep who spoke most."),
        _text("rep_user_id", "That rep's user id."),
        _text("rep_email", "That rep's e-mail."),
        _texts("topics", "Topics the vendor found."),
        _number("vendor_rep_talk_share", "The reps' share of speech by the vendor, 0 to 1."),
        _number("rep_talk_share", "The reps' share of speech, recomputed from the transcript, 0 to 1."),
        _integer("vendor_questions", "Questions asked, by the vendor."),
        _integer("questions", "Questions asked, recomputed."),
        _integer("vendor_questions_by_reps", "Questions asked by reps, by the vendor."),
        _integer("questions_by_reps", "Questions asked by reps, recomputed."),
        _integer("engaging_questions", "Engaging questions, by the vendor."),
        _number("vendor_speak_duration_s", "Seconds of speech, by the vendor."),
        _number("speak_duration_s", "Seconds of speech, recomputed."),
        _number("vendor_longest_monologue_s", "Longest monologue in seconds, by the vendor."),
        _number("longest_monologue_s", "Longest monologue in seconds, recomputed."),
        _text("summary", "The vendor's summary."),
        _texts("takeaways", "The vendor's key takeaways."),
        _json("summary_topics", "The vendor's topics discussed."),
        _json("action_items", "The vendor's action items."),
        _json("competitor_sentiments", "The vendor's competitor sentiments."),
        _boolean("has_crm_link", "The call is linked to a deal or an account in the CRM.", required=True),
        _text("crm_system", "Which CRM."),
        _text("account_id", "Account id in the CRM."),
        _text("account_name", "Account name."),
        _text("deal_id", "Deal (opportunity) id in the CRM."),
        _text("deal_name", "Deal name."),
        _text("deal_value_raw", "Deal value as the vendor sent it."),
        _number("deal_value", "Deal value as a number, currency signs and commas removed."),
        _text("deal_stage_before_call", "Deal stage before the call."),
        _text("deal_stage_live", "Deal stage when the details were read."),
        _moment("deal_close_date", "Expected close date of the deal."),
        _texts("contact_ids", "Contacts in the CRM."),
        _boolean("has_transcript", "There is a transcript row.", required=True),
        _moment("fetched_at", "When the details were fetched."),
        _moment("gone_at", "When the call was first missing from the vendor's list."),
    ),
)

PARTICIPANTS = Table(
    "participants",
    "One row per person on a call.",
    ("call_id", "person_id"),
    (
        CALL_ID,
        _text("person_id", "The person on this call (the vendor's personId).", required=True),
        CALL_DATE,
        _text("name", "Name."),
        _text("email", "E-mail."),
        _text("side", "rep, prospect or unknown.", required=True),
        _text("role", "Role of an internal user: REP, MANAGER or OBSERVER."),
        _text("user_id", "User id of an internal user."),
        _text("manager_id", "User id of that user's manager."),
        _boolean("is_organizer", "Organized the call."),
        _boolean("joined", "Seen in the call; null where the vendor does not say."),
        _number("talk_seconds", "Seconds this person spoke."),
        _number("talk_share", "Share of all speech, 0 to 1."),
        _integer("utterances", "Utterances of this person.", required=True),
        _integer("words", "Words of this person.", required=True),
    ),
)

TRANSCRIPTS = Table(
    "transcripts",
    "One row per call with a transcript: the whole text as `Speaker: text` lines.",
    ("call_id",),
    (
        CALL_ID,
        CALL_DATE,
        _text("text", "`Speaker: text` lines, one an utterance. NUL characters stand as U+FFFD.", required=True),
        _integer("words", "Words in the transcript.", required=True),
        _integer("utterances", "Utterances in the transcript.", required=True),
        _text("transcript_hash", "SHA-256 of the text: what scoring is keyed on.", required=True),
    ),
)

UTTERANCES = Table(
    "utterances",
    "One row per turn of speech, in time order.",
    ("call_id", "seq"),
    (
        CALL_ID,
        _integer("seq", "Position in the call, from 0.", required=True),
        CALL_DATE,
        _text("person_id", "Who spoke (see participants)."),
        _text("speaker", "Name of who spoke.", required=True),
        _text("side", "rep, prospect or unknown.", required=True),
        _number("start_s", "Start, seconds from the start of the call."),
        _number("end_s", "End, seconds from the start of the call."),
        _text("text", "What was said. NUL characters stand as U+FFFD.", required=True),
    ),
)

SEMARIZE_RUNS = Table(
    "semarize_runs",
    "One row per call and kit: the Semarize run that scored the call's current transcript.",
    ("call_id", "kit"),
    (
        CALL_ID,
        _text("kit", "Our name of the kit.", required=True),
        CALL_DATE,
        _text("run_id", "Semarize's run id."),
        _text("status", "wanted, queued, running, succeeded, failed, cancelled, refused or skipped.", required=True),
        _text("kit_reference", "The kit code or pinned version that was asked for.", required=True),
        _text("kit_version_id", "The kit version that answered."),
        _text("transcript_hash", "Hash of the transcript that was scored.", required=True),
        _integer("bricks", "Bricks in the answer.", required=True),
        _moment("requested_at", "When the run was asked for."),
        _moment("finished_at", "When its end was read."),
        _integer("duration_ms", "How long Semarize took, in milliseconds."),
        _text("error_code", "Semarize's machine code where it failed."),
        _text("error_message", "Why there is no score."),
    ),
)

SEMARIZE_SCORES = Table(
    "semarize_scores",
    "One row per call, kit and brick: the typed answer in one of the four value columns.",
    ("call_id", "kit", "brick"),
    (
        CALL_ID,
        _text("kit", "Our name of the kit.", required=True),
        _text("brick", "The brick's key.", required=True),
        CALL_DATE,
        _text("value_kind", "bool, num, text, json or null: which value column holds the answer.", required=True),
        _boolean("value_bool", "The answer of a yes/no brick."),
        _number("value_num", "The answer of a score brick."),
        _text("value_text", "The answer of a category or text brick."),
        _json("value_json", "The answer of a list brick."),
        _number("confidence", "Confidence, 0 to 1; null where the brick has it switched off."),
        _text("reason", "Why."),
        _texts("evidence", "Quotes from the transcript."),
        _text("run_id", "Semarize's run id."),
        _text("kit_version_id", "The kit version that answered."),
        _text("transcript_hash", "Hash of the transcript that was scored.", required=True),
    ),
)

USERS = Table(
    "users",
    "Internal users of the workspace.",
    ("user_id",),
    (
        _text("user_id", "User id.", required=True),
        _text("email", "E-mail."),
        _text("name", "Name."),
        _text("role", "REP, MANAGER or OBSERVER."),
        _boolean("is_recording", "Has a recording seat."),
        _text("manager_id", "User id of the manager; null at the top."),
    ),
    partitioned=False,
)

TOPICS = Table(
    "topics",
    "Topics the workspace tracks.",
    ("topic_id",),
    (
        _text("topic_id", "Topic id.", required=True),
        _text("name", "Name."),
        _text("kind", "Type of topic."),
        _texts("team_ids", "Teams it is for."),
        _text("description", "Description of a custom topic."),
        _texts("trackers", "Keywords tracked."),
    ),
    partitioned=False,
)

SCORECARDS = Table(
    "scorecards",
    "Human scorecards of calls.",
    ("scorecard_id",),
    (
        _text("scorecard_id", "Scorecard id.", required=True),
        _text("call_id", "The call that was scored."),
        _text("kind", "Type of scorecard."),
        _text("rep_id", "User id of who was scored."),
        _text("scorer_id", "User id of who scored."),
        _text("template_id", "Template."),
        _number("total_score", "Total score."),
        _text("remark", "Remark."),
        _json("answers", "Question by question: skill, label, order, score."),
    ),
    partitioned=False,
)

DEALS = Table(
    "deals",
    "Deals that calls are linked to: what the calls say, and the CRM mirror's record where it was read.",
    ("deal_id",),
    (
        _text("deal_id", "The deal's id in the CRM.", required=True),
        _text("name", "Deal name."),
        _text("crm_system", "Which CRM."),
        _text("account_id", "Account id in the CRM."),
        _text("account_name", "Account name."),
        _number("amount", "Amount as a number."),
        _text("amount_raw", "Amount as sent."),
        _text("stage", "Newest known stage."),
        _number("probability", "Probability as sent, as a number."),
        _text("forecast_category", "Forecast category."),
        _moment("close_date", "Close date."),
        _moment("created_at", "Created in the CRM."),
        _text("owner_crm_id", "Owner's id in the CRM."),
        _text("reason", "Reason given for the deal's end."),
        _json("stage_history", "Stage changes."),
        _json("close_date_history", "Close date changes."),
        _integer("calls", "Calls linked to it.", required=True),
        _moment("first_call_at", "First linked call."),
        _moment("last_call_at", "Last linked call."),
        _moment("read_at", "When the CRM mirror's record was read; null where only calls speak of the deal."),
    ),
    partitioned=False,
)

CALL_TABLES: tuple[Table, ...] = (CALLS, PARTICIPANTS, TRANSCRIPTS, UTTERANCES)
SCORE_TABLES: tuple[Table, ...] = (SEMARIZE_RUNS, SEMARIZE_SCORES)
REFERENCE_TABLES: tuple[Table, ...] = (USERS, TOPICS, SCORECARDS, DEALS)
WAREHOUSE_TABLES: tuple[Table, ...] = (*CALL_TABLES, *SCORE_TABLES, *REFERENCE_TABLES)
