"""Build a record from the vendor's call object."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from copilot_pipeline.clients.clari.decoding import (
    count,
    identifier,
    json_text,
    mapping,
    mappings,
    moment,
    number,
    text,
    texts,
)
from copilot_pipeline.clients.clari.models import (
    CallRecord,
    CrmLink,
    Readiness,
    Segment,
    Summary,
    TopicPhrase,
    VendorAnalytics,
)
from copilot_pipeline.clients.clari.people import merge_people
from copilot_pipeline.errors import UnreadableBody

READY_STATUSES = ("PROCESSED", "POST_PROCESSING_DONE")
# The vendor's 17 statuses (contract 1.5). The enumeration is open: anything else is UNKNOWN.
_READINESS: dict[str, Readiness] = {
    **dict.fromkeys(READY_STATUSES, Readiness.READY),
    **dict.fromkeys(("SCHEDULED", "INITIATED", "INPROGRESS", "WAITING_IN_QUEUE", "PROCESSING"), Readiness.PENDING),
    **dict.fromkeys(("ERROR_IN_TRANSCRIBE", "ERROR_IN_PROCESSING", "ERROR_IN_RECORDING"), Readiness.FAILED),
    **dict.fromkeys(
        (
            "CALL_DID_NOT_HAPPEN",
            "IGNORED_BY_USER",
            "BOTJOIN_DISABLED",
            "NO_DATA_INCALL",
            "NOBODY_JOINED_CALL",
            "BOTJOIN_DENIED",
            "UNABLE_TO_JOIN",
        ),
        Readiness.NO_CONTENT,
    ),
}


def readiness_of(status: str | None) -> Readiness:
    """Return the group of a status."""
    return _READINESS.get(status or "", Readiness.UNKNOWN)


def build_record(call: dict[str, Any], call_id: str, started_at: datetime, path: str) -> CallRecord:
    """Return the record of a call object. Raises `UnreadableBody` if the transcript has an unexpected shape."""
    status = text(call.get("status"))
    metrics = mapping(call.get("metrics"))
    summary = mapping(call.get("summary"))
    return CallRecord(
        call_id=call_id,
        started_at=started_at,
        modified_at=moment(call.get("last_modified_time")),
        status_raw=status,
        readiness=readiness_of(status),
        title=text(call.get("title")),
        call_type=text(call.get("type")),
        disposition=text(call.get("disposition")),
        duration_s=number(metrics.get("call_duration")),
        review_url=text(call.get("call_review_page_url")),
        source_id=text(call.get("source_id")),
        recurring_event_id=text(call.get("recurring_event_id")),
        people=merge_people(call),
        segments=_segments(call.get("transcript"), f"{path}.transcript"),
        analytics=_analytics(metrics, summary),
        crm=_crm(call),
        summary=_summary(summary),
        competitor_sentiments_json=json_text(call.get("competitor_sentiments")),
    )


def _segments(turns: Any, path: str) -> tuple[Segment, ...]:
    """Return the turns in order. Each id is converted once, because a call has hundreds of turns."""
    if turns is None:
        return ()
    if not isinstance(turns, list):
        raise UnreadableBody(f"{path}: expected an array")
    names: dict[int | str, str | None] = {}
    segments = []
    for index, turn in enumerate(turns):
        if type(turn) is not dict:
            raise UnreadableBody(f"{path}[{index}]: expected an object")
        spoken = turn.get("text")
        if type(spoken) is not str:
            if spoken is not None:
                raise UnreadableBody(f"{path}[{index}].text: expected text")
            spoken = ""
        start, end, person = turn.get("start"), turn.get("end"), turn.get("personId")
        if type(person) is int or type(person) is str:
            if person not in names:
                names[person] = identifier(person)
            person = names[person]
        else:
            person = identifier(person)
        # A float from the decoder is finite.
        start = start if type(start) is float else number(start)
        segments.append(Segment(person, spoken, start, end if type(end) is float else number(end)))
    return tuple(segments)


def _analytics(metrics: dict[str, Any], summary: dict[str, Any]) -> VendorAnalytics:
    share = number(metrics.get("talk_listen_ratio"))
    names = [
        text(topic.get("name"))
        for topic in mappings(metrics.get("categories")) + mappings(summary.get("topics_discussed"))
    ]
    return VendorAnalytics(
        # In recorded responses it is the reps' share of speech (contract 1.6); other values are not a share.
        rep_talk_share=share if share is not None and 0 <= share <= 1 else None,
        questions=count(metrics.get("num_questions_asked")),
        questions_by_reps=count(metrics.get("num_questions_asked_by_reps")),
        engaging_questions=count(metrics.get("engaging_questions")),
        speak_duration_s=number(metrics.get("total_speak_duration")),
        longest_monologue_s=number(metrics.get("longest_monologue_duration")),
        longest_monologue_start_s=number(metrics.get("longest_monologue_start_time")),
        topics=tuple(dict.fromkeys(name for name in names if name is not None)),
        topic_phrases=tuple(_topic_phrases(metrics)),
    )


def _topic_phrases(metrics: dict[str, Any]) -> Iterator[TopicPhrase]:
    for category in mappings(metrics.get("categories")):
        topic = text(category.get("name"))
        for phrase in mappings(category.get("phrases_matched")):
            time_s = number(phrase.get("time"))
            if topic is not None and time_s is not None:
                yield TopicPhrase(topic, text(phrase.get("text")), time_s)


def _crm(call: dict[str, Any]) -> CrmLink:
    info = mapping(call.get("crm_info"))
    return CrmLink(
        system=text(info.get("source_crm")),
        account_id=text(info.get("account_id")),
        deal_id=text(info.get("deal_id")),
        contact_ids=texts(info.get("contact_ids")),
        account_name=text(call.get("account_name")),
        deal_name=text(call.get("deal_name")),
        deal_value=text(call.get("deal_value")),
        deal_stage_before_call=text(call.get("deal_stage_before_call")),
        deal_stage_live=text(call.get("deal_stage_live")),
        deal_close_date=moment(call.get("deal_close_date")),
    )


def _summary(summary: dict[str, Any]) -> Summary:
    return Summary(
        text=text(summary.get("full_summary")),
        takeaways=texts(summary.get("key_takeaways")),
        topics_json=json_text(summary.get("topics_discussed")),
        action_items_json=json_text(summary.get("key_action_items")),
    )
