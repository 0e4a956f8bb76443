"""Row types of the score tables.

Their fields are the columns of the tables, in the same order.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime


@dataclass(slots=True, kw_only=True)
class SemarizeRunRow:
    """A row of `semarize_runs`."""

    call_id: str
    kit: str
    call_date: date
    run_id: str | None
    status: str
    kit_reference: str
    kit_version_id: str | None
    transcript_hash: str
    bricks: int
    requested_at: datetime | None
    finished_at: datetime | None
    duration_ms: int | None
    error_code: str | None
    error_message: str | None
    speech_hash: str | None

    @property
    def is_unscored(self) -> bool:
        """Whether a score is expected and missing.

        A result without bricks counts as missing.
        """
        return self.status != "skipped" and (self.status != "succeeded" or not self.bricks)


@dataclass(slots=True, kw_only=True)
class SemarizeScoreRow:
    """A row of `semarize_scores`."""

    call_id: str
    kit: str
    brick: str
    call_date: date
    value_kind: str
    value_bool: bool | None
    value_num: float | None
    value_text: str | None
    value_json: str | None
    confidence: float | None
    reason: str | None
    evidence: list[str]
    run_id: str | None
    kit_version_id: str | None
    transcript_hash: str


@dataclass(slots=True, kw_only=True)
class EvidenceRow:
    """A row of `evidence`."""

    call_id: str
    kit: str
    brick: str
    position: int
    call_date: date
    quote: str
    match: str
    match_score: float
    seq: int | None
    last_seq: int | None
    start_s: float | None
    speaker: str | None
    side: str | None
    said: str | None
    person_id: str | None
