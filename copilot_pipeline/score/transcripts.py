"""Read the transcripts of a day, with the facts that kit filters need."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date

from copilot_pipeline.clients.semarize import Kit
from copilot_pipeline.config.kit_filters import CallFacts
from copilot_pipeline.load.lake import Lake
from copilot_pipeline.load.tables import CALLS, PARTICIPANTS, TRANSCRIPTS

_COLUMNS = ["call_id", "words", "transcript_hash", "speech_hash", "redacted_text", "redaction"]


@dataclass(frozen=True, slots=True)
class StoredTranscript:
    """A transcript of the lake.

    `text` is what is scored, redacted if that is configured. It is empty if it was not read, `speech_hash` in files of
    versions that did not compute it, and `redaction` without redaction.
    """

    call_id: str
    transcript_hash: str
    facts: CallFacts
    text: str = ""
    speech_hash: str = ""
    redacted_text: str | None = None  # if it differs from the stored text
    redaction: str = ""


@dataclass(slots=True)
class _CallDetails:
    duration_s: float | None = None
    status: str | None = None
    sides: frozenset[str] = frozenset()


def read_transcripts(
    lake: Lake, day: date, kits: Iterable[Kit], *, with_text: bool
) -> Iterator[list[StoredTranscript]]:
    """Yield the transcripts of a day, one row group at a time."""
    details = _details(lake, day) if any(kit.call_filter.needs_facts for kit in kits) else {}
    for batch in lake.batches(TRANSCRIPTS, day, columns=[*_COLUMNS, "text"] if with_text else _COLUMNS):
        transcripts = []
        for row in batch.to_pylist():
            details_of_call = details.get(row["call_id"], _CallDetails())
            facts = CallFacts(row["words"], details_of_call.duration_s, details_of_call.status, details_of_call.sides)
            transcripts.append(
                StoredTranscript(
                    row["call_id"],
                    row["transcript_hash"],
                    facts,
                    (row["redacted_text"] or row["text"]) if with_text else "",
                    row["speech_hash"] or "",
                    row["redacted_text"],
                    row["redaction"] or "",
                )
            )
        yield transcripts


def _details(lake: Lake, day: date) -> dict[str, _CallDetails]:
    """Return duration, status and the sides that spoke, by call."""
    sides: defaultdict[str, set[str]] = defaultdict(set)
    for batch in lake.batches(PARTICIPANTS, day, columns=["call_id", "side", "utterances"]):
        for row in batch.to_pylist():
            if row["utterances"]:
                sides[row["call_id"]].add(row["side"])
    return {
        row["call_id"]: _CallDetails(row["duration_s"], row["status_raw"], frozenset(sides[row["call_id"]]))
        for batch in lake.batches(CALLS, day, columns=["call_id", "duration_s", "status_raw"])
        for row in batch.to_pylist()
    }
