"""Run tasks for tests of the runner's parts."""

from __future__ import annotations

from datetime import UTC, date, datetime

from copilot_pipeline.clients.semarize import Kit, RunRequest
from copilot_pipeline.score.run_requests import RunTask
from copilot_pipeline.state import SemarizeRun

DAY = date(2026, 11, 3)


def task(call_id: str, *, run_id: str | None = None, kit: str = "deal") -> RunTask:
    """A task whose run is queued if it has a run id, else pending."""
    run = SemarizeRun(
        call_id=call_id,
        kit=kit,
        kit_reference="A1B2C3D4",
        transcript_hash="hash",
        call_date=DAY,
        idempotency_key=f"clari:{call_id}",
        status="queued" if run_id else "pending",
        run_id=run_id,
        kit_version_id=None,
        requested_at=datetime(2026, 11, 3, tzinfo=UTC),
        finished_at=None,
        duration_ms=None,
        error_code=None,
        error_message=None,
        packed_answer=None,
    )
    return RunTask(run, RunRequest(Kit(kit, code="A1B2C3D4"), b"{}", run.idempotency_key))
