"""Rows of `semarize_runs`. Pure."""

from __future__ import annotations

from datetime import date

from copilot_pipeline.clients.semarize import Kit
from copilot_pipeline.score.rows import SemarizeRunRow
from copilot_pipeline.score.transcripts import StoredTranscript
from copilot_pipeline.state import SemarizeRun


def run_row(run: SemarizeRun, day: date, bricks: int, problem: str | None) -> SemarizeRunRow:
    """Return the row of a run. `problem` is why its result, or a part of it, cannot be read."""
    return SemarizeRunRow(
        call_id=run.call_id,
        kit=run.kit,
        call_date=day,
        run_id=run.run_id,
        status=run.status,
        kit_reference=run.kit_reference,
        kit_version_id=run.kit_version_id,
        transcript_hash=run.transcript_hash,
        bricks=bricks,
        requested_at=run.requested_at,
        finished_at=run.finished_at,
        duration_ms=run.duration_ms,
        error_code=run.error_code,
        error_message=problem or run.error_message,
        speech_hash=run.speech_hash,
    )


def row_without_run(transcript: StoredTranscript, kit: Kit, day: date) -> SemarizeRunRow:
    """Return the row of a call that has no run: its kit does not apply to it, or it was not requested yet."""
    skip_reason = kit.call_filter.skip_reason(transcript.facts)
    return SemarizeRunRow(
        call_id=transcript.call_id,
        kit=kit.name,
        call_date=day,
        run_id=None,
        status="skipped" if skip_reason else "pending",
        kit_reference=kit.reference,
        kit_version_id=None,
        transcript_hash=transcript.transcript_hash,
        bricks=0,
        requested_at=None,
        finished_at=None,
        duration_ms=None,
        error_code=None,
        error_message=skip_reason or "not requested yet",
        speech_hash=transcript.speech_hash or None,
    )
