"""Row types of the call tables.

Their fields are the columns of the tables, in the same order.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime


@dataclass(slots=True, kw_only=True)
class CallRow:
    """A row of `calls`."""

    call_id: str
    call_date: date
    title: str | None
    started_at: datetime
    modified_at: datetime | None
    status: str
    status_raw: str | None
    call_type: str | None
    disposition: str | None
    duration_s: float | None
    review_url: str | None
    source_id: str | None
    recurring_event_id: str | None
    organizer_email: str | None
    rep_name: str | None
    rep_user_id: str | None
    rep_email: str | None
    topics: list[str]
    vendor_rep_talk_share: float | None
    rep_talk_share: float | None
    vendor_questions: int | None
    questions: int | None
    vendor_questions_by_reps: int | None
    questions_by_reps: int | None
    engaging_questions: int | None
    vendor_speak_duration_s: float | None
    speak_duration_s: float | None
    vendor_longest_monologue_s: float | None
    longest_monologue_s: float | None
    summary: str | None
    takeaways: list[str]
    summary_topics: str | None
    action_items: str | None
    competitor_sentiments: str | None
    has_crm_link: bool
    crm_system: str | None
    account_id: str | None
    account_name: str | None
    deal_id: str | None
    deal_name: str | None
    deal_value_raw: str | None
    deal_value: float | None
    deal_stage_before_call: str | None
    deal_stage_live: str | None
    deal_close_date: datetime | None
    contact_ids: list[str]
    has_transcript: bool
    fetched_at: datetime | None
    removed_at: datetime | None


@dataclass(slots=True, kw_only=True)
class ParticipantRow:
    """A row of `participants`."""

    call_id: str
    person_id: str
    call_date: date
    name: str
    email: str | None
    side: str
    role: str | None
    user_id: str | None
    manager_id: str | None
    is_organizer: bool | None
    joined: bool | None
    talk_seconds: float
    talk_share: float | None
    utterances: int
    words: int
    phone: str | None


@dataclass(slots=True, kw_only=True)
class TranscriptRow:
    """A row of `transcripts`."""

    call_id: str
    call_date: date
    text: str
    words: int
    utterances: int
    transcript_hash: str
    speech_hash: str
    redacted_text: str | None
    redaction: str | None


@dataclass(slots=True, kw_only=True)
class TopicMentionRow:
    """A row of `topic_mentions`."""

    call_id: str
    position: int
    call_date: date
    topic: str
    origin: str
    seq: int | None
    person_id: str | None
    speaker: str | None
    side: str | None
    start_s: float | None
    sentence: str | None
    summary: str | None
    started_at: datetime
    rep_user_id: str | None
    rep_name: str | None
    deal_id: str | None


@dataclass(slots=True, kw_only=True)
class CompetitorMentionRow:
    """A row of `competitor_mentions`."""

    call_id: str
    position: int
    call_date: date
    competitor: str
    origin: str
    seq: int | None
    person_id: str | None
    speaker: str | None
    side: str | None
    start_s: float | None
    sentence: str | None
    sentiment: str | None
    reasoning: str | None
    started_at: datetime
    rep_user_id: str | None
    rep_name: str | None
    deal_id: str | None


@dataclass(slots=True)
class UtteranceColumns:
    """Columns of `utterances` as lists of equal length.

    Lists instead of rows, because a day has hundreds of thousands of utterances.
    """

    call_id: list[str] = field(default_factory=list)
    seq: list[int] = field(default_factory=list)
    call_date: list[date] = field(default_factory=list)
    person_id: list[str | None] = field(default_factory=list)
    speaker: list[str] = field(default_factory=list)
    side: list[str] = field(default_factory=list)
    start_s: list[float | None] = field(default_factory=list)
    end_s: list[float | None] = field(default_factory=list)
    text: list[str] = field(default_factory=list)
