"""Rows of the call tables, made from records: the mapping that analysts see. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime

import pyarrow as pa

from copilot_pipeline.clients.clari.models import CallRecord, Readiness, Side
from copilot_pipeline.clients.clari.reference import parse_amount
from copilot_pipeline.load.tables import CALLS, PARTICIPANTS, TRANSCRIPTS, UTTERANCES, Table
from copilot_pipeline.transform.transcripts import Participant, Transcript

Row = tuple[object, ...]


class CallRows:
    """Collects the rows of some calls and turns them into Arrow tables."""

    def __init__(self, day: date) -> None:
        self._day = day
        self.call_ids: list[str] = []
        self._calls: list[Row] = []
        self._participants: list[Row] = []
        self._transcripts: list[Row] = []
        self._utterances: list[list[object]] = [[] for _ in UTTERANCES.columns]

    def add(
        self,
        record: CallRecord,
        transcript: Transcript | None,
        people: Sequence[Participant],
        *,
        fetched_at: datetime | None,
        removed_at: datetime | None,
    ) -> None:
        """Adds one call. `transcript` is None where the call has none (not ready, no content, set aside)."""
        self.call_ids.append(record.call_id)
        self._calls.append(self._call(record, transcript, people, fetched_at, removed_at))
        # A participant's fields are the table's columns, but for the partition in third place.
        self._participants.extend((*person[:2], self._day, *person[2:]) for person in people)
        if transcript is None:
            return
        self._transcripts.append(
            (
                record.call_id,
                self._day,
                transcript.text,
                transcript.words,
                len(transcript.utterances),
                transcript.transcript_hash,
            )
        )
        self._add_utterances(record.call_id, transcript)

    def _add_utterances(self, call_id: str, transcript: Transcript) -> None:
        count = len(transcript.utterances)
        if not count:
            return
        seq, person_id, speaker, side, start_s, end_s, text = zip(*transcript.utterances, strict=True)
        parts: tuple[Iterable[object], ...] = (
            *([call_id] * count, seq, [self._day] * count),
            *(person_id, speaker, side, start_s, end_s, text),
        )
        for column, values in zip(self._utterances, parts, strict=True):
            column.extend(values)

    def tables(self) -> list[tuple[Table, pa.Table]]:
        """What was collected, table by table."""
        return [
            (CALLS, _columns(CALLS, self._calls)),
            (PARTICIPANTS, _columns(PARTICIPANTS, self._participants)),
            (TRANSCRIPTS, _columns(TRANSCRIPTS, self._transcripts)),
            (UTTERANCES, pa.table(self._utterances, schema=UTTERANCES.arrow_schema)),
        ]

    def _call(
        self,
        record: CallRecord,
        transcript: Transcript | None,
        people: Sequence[Participant],
        fetched_at: datetime | None,
        removed_at: datetime | None,
    ) -> Row:
        ours = transcript.metrics if transcript is not None else None
        vendor, crm, summary = record.analytics, record.crm, record.summary
        rep = _rep(people)
        organizer = next((person for person in people if person.is_organizer), None)
        return (
            record.call_id,
            self._day,
            record.title,
            record.started_at,
            record.modified_at,
            str(record.readiness),
            record.status_raw,
            record.call_type,
            record.disposition,
            record.duration_s,
            record.review_url,
            record.source_id,
            record.recurring_event_id,
            organizer.email if organizer else None,
            rep.name if rep else None,
            rep.user_id if rep else None,
            rep.email if rep else None,
            list(vendor.topics),
            vendor.rep_talk_share,
            ours.rep_talk_share if ours else None,
            vendor.questions,
            ours.questions if ours else None,
            vendor.questions_by_reps,
            ours.questions_by_reps if ours else None,
            vendor.engaging_questions,
            vendor.speak_duration_s,
            ours.speak_duration_s if ours else None,
            vendor.longest_monologue_s,
            ours.longest_monologue_s if ours else None,
            summary.text,
            list(summary.takeaways),
            summary.topics_json,
            summary.action_items_json,
            record.competitor_sentiments_json,
            bool(crm.deal_id or crm.account_id),
            crm.system,
            crm.account_id,
            crm.account_name,
            crm.deal_id,
            crm.deal_name,
            crm.deal_value,
            parse_amount(crm.deal_value),
            crm.deal_stage_before_call,
            crm.deal_stage_live,
            crm.deal_close_date,
            list(crm.contact_ids),
            transcript is not None,
            fetched_at,
            removed_at,
        )


def _rep(people: Sequence[Participant]) -> Participant | None:
    """The organizing rep, else the rep who spoke most."""
    reps = [person for person in people if person.side == Side.REP]
    return max(reps, key=lambda person: (bool(person.is_organizer), person.talk_seconds or 0.0), default=None)


def _columns(table: Table, rows: list[Row]) -> pa.Table:
    values = list(map(list, zip(*rows, strict=True))) if rows else [[] for _ in table.columns]
    return pa.table(values, schema=table.arrow_schema)


def has_transcript(record: CallRecord, has_details: bool) -> bool:
    """Whether a call gets a transcript row: it is ready and its details are here, even if nobody spoke."""
    return has_details and record.readiness is Readiness.READY
