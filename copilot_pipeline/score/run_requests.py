"""Intents: which runs some transcripts want, written to the ledger before anything is asked for."""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime

from copilot_pipeline.clients.semarize import Kit, RunRequest, run_request, same_request
from copilot_pipeline.score.candidates import Candidate
from copilot_pipeline.state import RunIntent, SemarizeRun, SemarizeRunStore

OLD_RUN_PATIENCE_SECONDS = 60.0  # for a run that was waited for before, by another process


@dataclass(frozen=True, slots=True)
class SemarizeRunSettings:
    """How runs are made and waited for."""

    mode: str = "async"
    run_type: str = "api"
    requests_in_flight: int = 4
    runs_in_flight: int = 200
    give_up_after_seconds: float = 900.0


@dataclass(slots=True)
class Task:
    """A run under way. `request` is kept until the run exists: the same body must be sent again after a death."""

    run: SemarizeRun
    request: RunRequest
    give_up_at: float | None = None  # from the first request on, and anew from the run's creation
    polls: int = 0
    failures: int = 0  # one after the other
    is_announced: bool = False


def intend(
    ledger: SemarizeRunStore,
    batch: Sequence[Candidate],
    day: date,
    kits: Sequence[Kit],
    rules: SemarizeRunSettings,
    under_way: Container[tuple[str, str]] = (),
) -> list[Task]:
    """Writes the intents of some transcripts in one go; returns those whose runs are not at their end.

    `under_way`: (call, kit) of those that the caller waits for already.
    """
    texts = {candidate.call_id: candidate.text for candidate in batch}
    named = {kit.name: kit for kit in kits}
    wishes = []
    for candidate in batch:
        for kit in kits:
            if (candidate.call_id, kit.name) not in under_way and kit.calls.skip_reason(candidate.facts) is None:
                request = run_request(candidate.call_id, candidate.text, kit, mode=rules.mode, run_type=rules.run_type)
                wishes.append(
                    RunIntent(
                        candidate.call_id,
                        kit.name,
                        kit.reference,
                        candidate.transcript_hash,
                        day,
                        request.idempotency_key,
                    )
                )
    tasks = []
    for run in ledger.register(wishes):
        request = same_request(
            run.call_id,
            texts[run.call_id],
            named[run.kit],
            run.idempotency_key,
            mode=rules.mode,
            run_type=rules.run_type,
        )
        tasks.append(Task(run, request))
    return tasks


def seconds_for(run: SemarizeRun, rules: SemarizeRunSettings) -> float:
    """How long a run is waited for: one that was waited for in vain before does not hold up the others again."""
    seconds = rules.give_up_after_seconds
    is_old = run.run_id is not None and (datetime.now(UTC) - run.requested_at).total_seconds() > seconds
    return min(seconds, OLD_RUN_PATIENCE_SECONDS) if is_old else seconds
