"""Register the runs that transcripts need, before Semarize is requested."""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime

from copilot_pipeline.clients.semarize import Kit, RunRequest, run_request, same_request
from copilot_pipeline.errors import GarbledResponse
from copilot_pipeline.score.transcripts import StoredTranscript
from copilot_pipeline.state import RunIntent, SemarizeRun, SemarizeRunStore

# The timeout of a run that has timed out before, so that it does not delay the others again.
OVERDUE_RUN_TIMEOUT_SECONDS = 60.0

RunKey = tuple[str, str]  # call id and kit name


@dataclass(frozen=True, slots=True)
class SemarizeRunSettings:
    """How runs are created and polled."""

    mode: str = "async"
    run_type: str = "api"
    requests_in_flight: int = 4
    runs_in_flight: int = 200
    give_up_after_seconds: float = 900.0
    redaction: str = ""  # the policy by which a text must be redacted before it is sent


@dataclass(slots=True)
class RunTask:
    """A run in progress.

    The request is kept until the run exists: after a crash the same body must be sent again.
    """

    run: SemarizeRun
    request: RunRequest
    deadline: float | None = None  # set by the first request, and again when the run is created
    polls: int = 0
    failures: int = 0  # consecutive
    garbled: GarbledResponse | None = None  # the last response, if it was not JSON
    is_expedited: bool = False  # a webhook reported the end, and the run was read because of it

    @property
    def key(self) -> RunKey:
        """Call id and kit name."""
        return self.run.call_id, self.run.kit


def open_tasks(
    store: SemarizeRunStore,
    transcripts: Sequence[StoredTranscript],
    day: date,
    kits: Sequence[Kit],
    settings: SemarizeRunSettings,
    in_progress: Container[RunKey],
) -> tuple[list[RunTask], int]:
    """Return the unfinished runs of `register_runs`, and the number of runs that are withheld.

    A text that was not redacted by the policy of the settings is not sent. Runs of it that exist are read.
    """
    others = [transcript for transcript in transcripts if transcript.redaction != settings.redaction]
    sendable = [transcript for transcript in transcripts if transcript.redaction == settings.redaction]
    tasks = register_runs(store, sendable, day, kits, settings, in_progress)
    withheld = 0
    for kit in kits if others else ():
        wanted = [one for one in others if kit.call_filter.skip_reason(one.facts) is None]
        speeches = [(one.call_id, one.transcript_hash, one.speech_hash) for one in wanted]
        runs = {run.call_id: run for run in store.runs_for(kit.name, kit.reference, speeches)}
        created = [run for run in runs.values() if run.is_open and run.run_id is not None]
        tasks += [
            RunTask(run, run_request(run.call_id, "", kit))
            for run in created
            if (run.call_id, run.kit) not in in_progress
        ]
        withheld += len(wanted) - len(created) - sum(not run.is_open for run in runs.values())
    return tasks, withheld


def register_runs(
    store: SemarizeRunStore,
    transcripts: Sequence[StoredTranscript],
    day: date,
    kits: Sequence[Kit],
    settings: SemarizeRunSettings,
    in_progress: Container[RunKey] = (),
) -> list[RunTask]:
    """Store the intents in one transaction and return the unfinished runs.

    Runs that are `in_progress` in this process are left out.
    """
    texts = {(transcript.call_id, transcript.transcript_hash): transcript.text for transcript in transcripts}
    kits_by_name = {kit.name: kit for kit in kits}
    mode, run_type = settings.mode, settings.run_type
    tasks = []
    runs = store.register(_intents(transcripts, day, kits, settings, in_progress))
    texts |= store.scored_texts([run for run in runs if (run.call_id, run.transcript_hash) not in texts])
    present = {transcript.call_id: transcript.text for transcript in transcripts}
    for run in runs:
        # Labels may have changed since the run was registered: what may have been sent is sent again as it was.
        text, kit = texts.get((run.call_id, run.transcript_hash), present[run.call_id]), kits_by_name[run.kit]
        request = same_request(run.call_id, text, kit, run.idempotency_key, mode=mode, run_type=run_type)
        tasks.append(RunTask(run, request))
    return tasks


def _intents(
    transcripts: Sequence[StoredTranscript],
    day: date,
    kits: Sequence[Kit],
    settings: SemarizeRunSettings,
    in_progress: Container[RunKey],
) -> list[RunIntent]:
    """Return an intent for each transcript and kit that applies to it."""
    intents = []
    for transcript in transcripts:
        for kit in kits:
            is_skipped = kit.call_filter.skip_reason(transcript.facts) is not None
            if is_skipped or (transcript.call_id, kit.name) in in_progress:
                continue
            request = run_request(
                transcript.call_id, transcript.text, kit, mode=settings.mode, run_type=settings.run_type
            )
            intents.append(
                RunIntent(
                    call_id=transcript.call_id,
                    kit=kit.name,
                    kit_reference=kit.reference,
                    transcript_hash=transcript.transcript_hash,
                    call_date=day,
                    idempotency_key=request.idempotency_key,
                    speech_hash=transcript.speech_hash,
                )
            )
    return intents


def timeout_seconds(run: SemarizeRun, settings: SemarizeRunSettings) -> float:
    """Return how long to poll a run; a run that is overdue already gets less time."""
    seconds = settings.give_up_after_seconds
    age = (datetime.now(UTC) - run.requested_at).total_seconds()
    is_overdue = run.run_id is not None and age > seconds
    return min(seconds, OVERDUE_RUN_TIMEOUT_SECONDS) if is_overdue else seconds
