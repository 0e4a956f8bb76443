"""The records that both dialects of the Clari Copilot API are parsed into.

Code outside the client uses these records and never the field names of a dialect. Absent and null fields are both
`None`: the API omits optional keys.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple


class Readiness(StrEnum):
    """Groups of the vendor's 17 call statuses."""

    READY = "ready"  # the transcript can be fetched
    PENDING = "pending"  # still being processed: retried later
    NO_CONTENT = "no_content"  # terminal, without a transcript: only the metadata is kept
    FAILED = "failed"  # the vendor failed to process it and may process it again
    UNKNOWN = "unknown"  # an unknown status: treated as pending


class Side(StrEnum):
    """Whether a speaker is internal or external."""

    REP = "rep"
    PROSPECT = "prospect"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class ListedCall:
    """A call on a list page."""

    call_id: str
    started_at: datetime  # aware, UTC; scheduled time for calendar meetings
    modified_at: datetime | None  # last status change
    status_raw: str | None
    readiness: Readiness
    version: str  # changes when the details have to be fetched again
    content_hash: str  # changes with anything in the listed item (title, deal, people …)
    body: bytes  # the item, as JSON, untouched in meaning
    has_details: bool = False  # the list item includes the transcript (guide dialect)


@dataclass(frozen=True, slots=True)
class Person:
    """A participant of a call, merged from the API's lists of people."""

    person_id: str  # the vendor's personId as text; a stable substitute if absent
    name: str | None
    email: str | None
    phone: str | None
    side: Side
    user_id: str | None = None  # internal users only
    is_organizer: bool | None = None
    joined: bool | None = None  # listed in joinedParticipants; None if unknown
    is_listed: bool = True  # in one of the call's lists, not only named by a turn
    is_side_from_name: bool = False  # the side is that of a listed person with the same name


class Segment(NamedTuple):
    """One turn of the transcript as received. Seconds from the start of the call."""

    person_id: str | None
    text: str
    start_s: float | None
    end_s: float | None


class TopicPhrase(NamedTuple):
    """A phrase of a topic that the vendor matched in the transcript."""

    topic: str
    text: str | None
    time_s: float


@dataclass(frozen=True, slots=True)
class VendorAnalytics:
    """The vendor's own metrics; the pipeline computes its own from the transcript."""

    rep_talk_share: float | None = None  # 0 to 1
    questions: int | None = None
    questions_by_reps: int | None = None
    engaging_questions: int | None = None
    speak_duration_s: float | None = None
    longest_monologue_s: float | None = None
    longest_monologue_start_s: float | None = None
    topics: tuple[str, ...] = ()
    topic_phrases: tuple[TopicPhrase, ...] = ()


@dataclass(frozen=True, slots=True)
class CrmLink:
    """The CRM records of a call; every field may be missing."""

    system: str | None = None
    account_id: str | None = None
    deal_id: str | None = None
    contact_ids: tuple[str, ...] = ()
    account_name: str | None = None
    deal_name: str | None = None
    deal_value: str | None = None  # text as sent: "48000", "$48,000.00"
    deal_stage_before_call: str | None = None
    deal_stage_live: str | None = None
    deal_close_date: datetime | None = None


@dataclass(frozen=True, slots=True)
class Summary:
    """The vendor's summary; nested fields are JSON text."""

    text: str | None = None
    takeaways: tuple[str, ...] = ()
    topics_json: str | None = None
    action_items_json: str | None = None


@dataclass(frozen=True, slots=True)
class CallRecord:
    """One call with its transcript."""

    call_id: str
    started_at: datetime
    modified_at: datetime | None
    status_raw: str | None
    readiness: Readiness
    title: str | None
    call_type: str | None
    disposition: str | None
    duration_s: float | None
    review_url: str | None
    source_id: str | None
    recurring_event_id: str | None
    people: tuple[Person, ...] = ()
    segments: tuple[Segment, ...] = ()
    analytics: VendorAnalytics = field(default_factory=VendorAnalytics)
    crm: CrmLink = field(default_factory=CrmLink)
    summary: Summary = field(default_factory=Summary)
    competitor_sentiments_json: str | None = None


@dataclass(frozen=True, slots=True)
class User:
    """An internal user of the workspace, from /users."""

    user_id: str
    email: str | None
    name: str | None
    role: str | None
    is_recording: bool | None
    manager_id: str | None


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic of the workspace, from /v2/topics."""

    topic_id: str
    name: str | None
    kind: str | None
    team_ids: tuple[str, ...] = ()
    description: str | None = None
    trackers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ScorecardAnswer:
    """One question of a human scorecard."""

    skill: str | None
    label: str | None
    order: str | None
    score: float | None


@dataclass(frozen=True, slots=True)
class Scorecard:
    """A human's scorecard of one call, from /scorecard."""

    scorecard_id: str
    call_id: str | None
    kind: str | None
    rep_id: str | None
    scorer_id: str | None
    template_id: str | None
    total_score: float | None
    remark: str | None
    answers: tuple[ScorecardAnswer, ...] = ()


@dataclass(frozen=True, slots=True)
class Account:
    """An account from /get-account."""

    account_id: str  # the CRM's id
    copilot_id: str | None
    name: str | None
    website: str | None
    description: str | None
    address: str | None
    city: str | None
    state: str | None
    country: str | None
    postal_code: str | None
    phones: tuple[str, ...] = ()
    custom_fields_json: str | None = None


@dataclass(frozen=True, slots=True)
class Deal:
    """A deal from /get-deal."""

    deal_id: str  # the CRM's id
    copilot_id: str | None
    name: str | None
    amount_raw: str | None
    amount: float | None
    stage: str | None
    probability: float | None
    forecast_category: str | None
    close_date: datetime | None
    created_at: datetime | None
    owner_crm_id: str | None
    account_crm_id: str | None
    reason: str | None
    stage_history_json: str | None = None
    close_date_history_json: str | None = None


def normalized_address(email: str | None) -> str | None:
    """Return an e-mail address for comparison: trimmed and case-folded; None if blank."""
    return (email.strip().casefold() or None) if email is not None else None
