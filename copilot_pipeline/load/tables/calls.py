"""The raw table and the call tables."""

from __future__ import annotations

from copilot_pipeline.load.tables.model import (
    CALL_DATE,
    CALL_ID,
    Column,
    Kind,
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

RAW_CALL_DETAILS = Table(
    "raw_call_details",
    "One row per call: the list item and the details as received from the API, unchanged bytes.",
    ("call_id",),
    (
        CALL_ID,
        CALL_DATE,
        text("dialect", "API dialect of the bodies.", required=True),
        text("status_raw", "Status in the newest list item."),
        Column("listed", Kind.BYTES, "List item, JSON."),
        Column("details", Kind.BYTES, "Response of /call-details as received; null if it was not requested."),
        boolean("listed_is_newer", "Whether the list item is newer than the details.", required=True),
        moment("fetched_at", "Time when the details were fetched."),
        moment("removed_at", "Time when the call was first missing from the vendor's list."),
        text("quarantine_reason", "Why the details could not be parsed; they are in the quarantine as well."),
    ),
    in_warehouse=False,
)

CALLS = Table(
    "calls",
    "One row per call: people, time, status, analytics, deal and account.",
    ("call_id",),
    (
        CALL_ID,
        CALL_DATE,
        text("title", "Title."),
        moment(
            "started_at", "Scheduled start of meetings, actual start of dialer and ad hoc calls (UTC).", required=True
        ),
        moment("modified_at", "Time of the last status change at the vendor (UTC)."),
        text("status", "ready, pending, no_content, failed or unknown.", required=True),
        text("status_raw", "Status of the vendor."),
        text("call_type", "Type of the call (ZOOM, GOOGLE_MEET, …)."),
        text("disposition", "Disposition of the vendor."),
        number("duration_s", "Duration in seconds."),
        text("review_url", "Page of the call in Clari Copilot."),
        identifier("source_id", "Id in the source system; not unique."),
        identifier("recurring_event_id", "Id of the meeting series."),
        identifier("organizer_email", "E-mail of the organizing user."),
        text("rep_name", "Name of the organizing rep, else of the rep who spoke most."),
        identifier("rep_user_id", "User id of that rep."),
        identifier("rep_email", "E-mail of that rep."),
        texts("topics", "Topics found by the vendor."),
        number(
            "vendor_rep_talk_share", "Share of speech of all own speakers together according to the vendor, 0 to 1."
        ),
        number(
            "rep_talk_share",
            "Share of speech of all own speakers together, recomputed from the transcript, 0 to 1; the share of each "
            "is `rep_calls.talk_share`.",
        ),
        integer("vendor_questions", "Number of questions according to the vendor."),
        integer("questions", "Number of questions, recomputed from the transcript."),
        integer("vendor_questions_by_reps", "Number of questions of reps according to the vendor."),
        integer("questions_by_reps", "Number of questions of reps, recomputed from the transcript."),
        integer("engaging_questions", "Number of engaging questions according to the vendor."),
        number("vendor_speak_duration_s", "Seconds of speech according to the vendor."),
        number("speak_duration_s", "Seconds of speech, recomputed from the transcript."),
        number("vendor_longest_monologue_s", "Longest monologue in seconds according to the vendor."),
        number("longest_monologue_s", "Longest monologue in seconds, recomputed from the transcript."),
        long_text("summary", "Summary of the vendor."),
        texts("takeaways", "Key takeaways of the vendor.", max_chars=None),
        json("summary_topics", "Topics discussed, of the vendor's summary."),
        json("action_items", "Action items of the vendor's summary."),
        json("competitor_sentiments", "Competitor sentiments of the vendor."),
        boolean("has_crm_link", "Whether the call is linked to a deal or an account in the CRM.", required=True),
        text("crm_system", "Name of the CRM."),
        identifier("account_id", "Account id in the CRM."),
        text("account_name", "Account name."),
        identifier("deal_id", "Deal (opportunity) id in the CRM."),
        text("deal_name", "Deal name."),
        text("deal_value_raw", "Deal value as received."),
        number("deal_value", "Deal value as a number, in the currency of the deal (`deals.currency`)."),
        text("deal_stage_before_call", "Deal stage before the call."),
        text("deal_stage_live", "Deal stage when the details were fetched."),
        moment("deal_close_date", "Expected close date of the deal."),
        identifiers("contact_ids", "Contact ids in the CRM."),
        boolean("has_transcript", "Whether the call has a row in transcripts.", required=True),
        moment("fetched_at", "Time when the details were fetched."),
        moment("removed_at", "When the call was first missing from the vendor's list."),
    ),
)

PARTICIPANTS = Table(
    "participants",
    "One row per call and person.",
    ("call_id", "person_id"),
    (
        CALL_ID,
        identifier("person_id", "Id of the person on this call (personId of the vendor).", required=True),
        CALL_DATE,
        text("name", "Name."),
        identifier("email", "E-mail."),
        text("side", "rep, prospect or unknown.", required=True),
        text("role", "Role of an internal user: REP, MANAGER or OBSERVER."),
        identifier("user_id", "User id of an internal user."),
        identifier("manager_id", "User id of the manager of an internal user."),
        boolean("is_organizer", "Whether the person organized the call."),
        boolean("joined", "Whether the person joined the call; null if the vendor does not say."),
        number("talk_seconds", "Seconds of speech of this person."),
        number("talk_share", "This person's own share of all speech, 0 to 1; null if no speech has known times."),
        integer("utterances", "Number of utterances of this person.", required=True),
        integer("words", "Number of words of this person.", required=True),
        identifier("phone", "Phone number of a person who joined by phone."),
    ),
)

TRANSCRIPTS = Table(
    "transcripts",
    "One row per call with a transcript: the complete text as `Speaker: text` lines.",
    ("call_id",),
    (
        CALL_ID,
        CALL_DATE,
        Column(
            "text",
            Kind.TEXT,
            "`Speaker: text` lines, one per utterance. NUL characters are replaced by U+FFFD.",
            required=True,
            is_long=True,
        ),
        integer("words", "Number of words in the transcript.", required=True),
        integer("utterances", "Number of utterances in the transcript.", required=True),
        identifier(
            "transcript_hash",
            "SHA-256 of the text; if it is redacted, of the policy and the redacted text.",
            required=True,
        ),
        identifier(
            "speech_hash",
            "Hash of the words and of the side that said them, without names. A call is scored again if it changes; "
            "the redaction follows it, and alone does not score a call again.",
        ),
        long_text("redacted_text", "The text that is scored, if redaction is set to `before: scoring`; else null."),
        identifier(
            "redaction", "Policy that redacted the text that is scored (privacy.redact); null without redaction."
        ),
    ),
)

UTTERANCES = Table(
    "utterances",
    "One row per utterance, in time order.",
    ("call_id", "seq"),
    (
        CALL_ID,
        integer("seq", "Position in the call, from 0.", required=True),
        CALL_DATE,
        identifier("person_id", "Person id of the speaker (see participants)."),
        text("speaker", "Name of the speaker.", required=True),
        text("side", "rep, prospect or unknown.", required=True),
        number("start_s", "Start, in seconds from the start of the call."),
        number("end_s", "End, in seconds from the start of the call."),
        long_text("text", "Spoken text. NUL characters are replaced by U+FFFD.", required=True),
    ),
)
