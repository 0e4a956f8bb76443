"""The transcripts of a day with what decides which kits they are for."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date

from copilot_pipeline.clients.semarize import Kit
from copilot_pipeline.config.kit_filters import CallFacts
from copilot_pipeline.load.lake import Lake
from copilot_pipeline.load.tables import CALLS, PARTICIPANTS, TRANSCRIPTS

_KEYS = ["call_id", "words", "transcript_hash"]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A transcript that might be scored. `text` is empty where it was not asked for."""

    call_id: str
    transcript_hash: str
    facts: CallFacts
    text: str = ""


def candidates(lake: Lake, day: date, kits: Iterable[Kit], *, with_text: bool) -> Iterator[list[Candidate]]:
    """The transcripts of a day, a row group at a time; texts are large."""
    details = _details(lake, day) if any(kit.calls.needs_facts for kit in kits) else {}
    nothing: tuple[float | None, str | None, frozenset[str]] = (None, None, frozenset())
    for batch in lake.batches(TRANSCRIPTS, day, columns=[*_KEYS, "text"] if with_text else _KEYS):
        yield [
            Candidate(
                row["call_id"],
                row["transcript_hash"],
                CallFacts(row["words"], *details.get(row["call_id"], nothing)),
                row.get("text", ""),
            )
            for row in batch.to_pylist()
        ]


def _details(lake: Lake, day: date) -> dict[str, tuple[float | None, str | None, frozenset[str]]]:
    """Length, status and the sides that spoke, by call."""
    sides: defaultdict[str, set[str]] = defaultdict(set)
    for batch in lake.batches(PARTICIPANTS, day, columns=["call_id", "side", "utterances"]):
        for row in batch.to_pylist():
            if row["utterances"]:
                sides[row["call_id"]].add(row["side"])
    return {
        row["call_id"]: (row["duration_s"], row["status_raw"], frozenset(sides[row["call_id"]]))
        for batch in lake.batches(CALLS, day, columns=["call_id", "duration_s", "status_raw"])
        for row in batch.to_pylist()
    }
