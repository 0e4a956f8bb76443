"""Map call records to the rows of the call tables. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from itertools import repeat
from typing import Any

import pyarrow as pa

from copilot_pipeline.clients.clari.amounts import NO_CONVENTION, AmountConvention, parse_amount
from copilot_pipeline.clients.clari.models import CallRecord, CrmLink, Readiness, Side, VendorAnalytics
from copilot_pipeline.load.tables import (
    CALLS,
    COMPETITOR_MENTIONS,
    PARTICIPANTS,
    TOPIC_MENTIONS,
    TRANSCRIPTS,
    UTTERANCES,
    Table,
    columns_to_arrow,
    rows_to_arrow,
)
from copilot_pipeline.transform.mentions import Mention, SpeechIndex, competitor_mentions, topic_mentions
from copilot_pipeline.transform.rows import (
    CallRow,
    CompetitorMentionRow,
    ParticipantRow,
    TopicMentionRow,
    TranscriptRow,
    UtteranceColumns,
)
from copilot_pipeline.transform.transcripts import Transcript, Utterances
from copilot_pipeline.transform.transcripts.metrics import SpeechMetrics


class CallRows:
    """Collect the rows of the calls of one day and convert them to Arrow tables."""

    def __init__(self, day: date, amounts: AmountConvention = NO_CONVENTION) -> None:
        self._day = day
        self._amounts = amounts
        self.call_ids: list[str] = []
        self._calls: list[CallRow] = []
        self._participants: list[ParticipantRow] = []
        self._transcripts: list[TranscriptRow] = []
        self._utterances = UtteranceColumns()
        self._topics: list[TopicMentionRow] = []
        self._competitors: list[CompetitorMentionRow] = []

    def add(
        self,
        record: CallRecord,
        transcript: Transcript | None,
        participants: Sequence[ParticipantRow],
        *,
        fetched_at: datetime | None,
        removed_at: datetime | None,
    ) -> None:
        """Add one call.

        `transcript` is None if the call has none (not ready, no content, quarantined details).
        """
        self.call_ids.append(record.call_id)
        call = _call_row(self._day, record, transcript, participants, self._amounts, fetched_at, removed_at)
        self._calls.append(call)
        self._participants.extend(participants)
        if transcript is None:
            return
        self._transcripts.append(
            TranscriptRow(
                call_id=record.call_id,
                call_date=self._day,
                text=transcript.text,
                words=transcript.words,
                utterances=len(transcript.utterances),
                transcript_hash=transcript.transcript_hash,
                speech_hash=transcript.speech_hash,
                redacted_text=transcript.redacted_text,
                redaction=transcript.redaction,
            )
        )
        self._add_utterances(record.call_id, transcript.utterances)
        self._add_mentions(call, record, transcript.utterances)

    def _add_utterances(self, call_id: str, utterances: Utterances) -> None:
        count = len(utterances)
        columns = self._utterances
        columns.call_id.extend(repeat(call_id, count))
        columns.seq.extend(utterances.seq)
        columns.call_date.extend(repeat(self._day, count))
        columns.person_id.extend(utterances.person_id)
        columns.speaker.extend(utterances.speaker)
        columns.side.extend(utterances.side)
        columns.start_s.extend(utterances.start_s)
        columns.end_s.extend(utterances.end_s)
        columns.text.extend(utterances.text)

    def _add_mentions(self, call: CallRow, record: CallRecord, spoken: Utterances) -> None:
        speech = SpeechIndex(spoken)
        for position, mention in enumerate(topic_mentions(record, speech)):
            place = _place(call, position, mention, spoken)
            self._topics.append(TopicMentionRow(topic=mention.name, summary=mention.remark, **place))
        for position, mention in enumerate(competitor_mentions(record, speech)):
            place = _place(call, position, mention, spoken)
            self._competitors.append(
                CompetitorMentionRow(
                    competitor=mention.name, sentiment=mention.sentiment, reasoning=mention.remark, **place
                )
            )

    def tables(self) -> list[tuple[Table, pa.Table]]:
        """Return the collected rows of each table."""
        return [
            (CALLS, rows_to_arrow(CALLS, self._calls)),
            (PARTICIPANTS, rows_to_arrow(PARTICIPANTS, self._participants)),
            (TRANSCRIPTS, rows_to_arrow(TRANSCRIPTS, self._transcripts)),
            (UTTERANCES, columns_to_arrow(UTTERANCES, self._utterances)),
            (TOPIC_MENTIONS, rows_to_arrow(TOPIC_MENTIONS, self._topics)),
            (COMPETITOR_MENTIONS, rows_to_arrow(COMPETITOR_MENTIONS, self._competitors)),
        ]


def _place(call: CallRow, position: int, mention: Mention, spoken: Utterances) -> dict[str, Any]:
    """Return the columns that both tables of mentions have."""
    seq = mention.seq
    return {
        "call_id": call.call_id,
        "position": position,
        "call_date": call.call_date,
        "origin": mention.origin,
        "seq": seq,
        "person_id": None if seq is None else spoken.person_id[seq],
        "speaker": None if seq is None else spoken.speaker[seq],
        "side": None if seq is None else spoken.side[seq],
        "start_s": None if seq is None else spoken.start_s[seq],
        "sentence": mention.sentence,
        "started_at": call.started_at,
        "rep_user_id": call.rep_user_id,
        "rep_name": call.rep_name,
        "deal_id": call.deal_id,
    }


def has_transcript(record: CallRecord, has_details: bool) -> bool:
    """Return whether a call gets a transcript row, even an empty one."""
    return has_details and record.readiness is Readiness.READY


def _call_row(
    day: date,
    record: CallRecord,
    transcript: Transcript | None,
    participants: Sequence[ParticipantRow],
    amounts: AmountConvention,
    fetched_at: datetime | None,
    removed_at: datetime | None,
) -> CallRow:
    rep = _rep(participants)
    organizer = next((person for person in participants if person.is_organizer), None)
    return CallRow(
        call_id=record.call_id,
        call_date=day,
        title=record.title,
        started_at=record.started_at,
        modified_at=record.modified_at,
        status=str(record.readiness),
        status_raw=record.status_raw,
        call_type=record.call_type,
        disposition=record.disposition,
        duration_s=record.duration_s,
        review_url=record.review_url,
        source_id=record.source_id,
        recurring_event_id=record.recurring_event_id,
        organizer_email=organizer.email if organizer else None,
        rep_name=rep.name if rep else None,
        rep_user_id=rep.user_id if rep else None,
        rep_email=rep.email if rep else None,
        **_speech_columns(record.analytics, transcript.metrics if transcript is not None else None),
        summary=record.summary.text,
        takeaways=list(record.summary.takeaways),
        summary_topics=record.summary.topics_json,
        action_items=record.summary.action_items_json,
        competitor_sentiments=record.competitor_sentiments_json,
        **_crm_columns(record.crm, amounts),
        has_transcript=transcript is not None,
        fetched_at=fetched_at,
        removed_at=removed_at,
    )


def _speech_columns(vendor: VendorAnalytics, metrics: SpeechMetrics | None) -> dict[str, Any]:
    """Return what the vendor measured, and the same of the transcript, in seconds, shares and numbers."""
    return {
        "topics": list(vendor.topics),
        "vendor_rep_talk_share": vendor.rep_talk_share,
        "rep_talk_share": metrics.rep_talk_share if metrics else None,
        "vendor_questions": vendor.questions,
        "questions": metrics.questions if metrics else None,
        "vendor_questions_by_reps": vendor.questions_by_reps,
        "questions_by_reps": metrics.questions_by_reps if metrics else None,
        "engaging_questions": vendor.engaging_questions,
        "vendor_speak_duration_s": vendor.speak_duration_s,
        "speak_duration_s": metrics.speak_duration_s if metrics else None,
        "vendor_longest_monologue_s": vendor.longest_monologue_s,
        "longest_monologue_s": metrics.longest_monologue_s if metrics else None,
    }


def _crm_columns(crm: CrmLink, amounts: AmountConvention) -> dict[str, Any]:
    """Return the account, the deal and the contacts that the vendor links the call to."""
    return {
        "has_crm_link": bool(crm.deal_id or crm.account_id),
        "crm_system": crm.system,
        "account_id": crm.account_id,
        "account_name": crm.account_name,
        "deal_id": crm.deal_id,
        "deal_name": crm.deal_name,
        "deal_value_raw": crm.deal_value,
        "deal_value": parse_amount(crm.deal_value, amounts),
        "deal_stage_before_call": crm.deal_stage_before_call,
        "deal_stage_live": crm.deal_stage_live,
        "deal_close_date": crm.deal_close_date,
        "contact_ids": list(crm.contact_ids),
    }


def _rep(participants: Sequence[ParticipantRow]) -> ParticipantRow | None:
    """Return the organizing rep, else the rep who spoke most."""
    reps = [person for person in participants if person.side == Side.REP]
    return max(reps, key=lambda person: (bool(person.is_organizer), person.talk_seconds), default=None)
