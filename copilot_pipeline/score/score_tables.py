"""Build the score tables of a day from stored results, without a request."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from copilot_pipeline.clients.semarize import Kit, parse_scores
from copilot_pipeline.errors import PipelineError, UnreadableBody
from copilot_pipeline.load.day_load import CallBatch
from copilot_pipeline.load.inputs import Inputs, text_version
from copilot_pipeline.load.lake import Lake
from copilot_pipeline.load.partition_loader import PartitionLoader
from copilot_pipeline.load.stored_rows import read_calls
from copilot_pipeline.load.tables import (
    CALLS,
    EVIDENCE,
    PARTICIPANTS,
    SCORE_TABLES,
    SEMARIZE_RUNS,
    SEMARIZE_SCORES,
    TRANSCRIPTS,
    UTTERANCES,
    rows_to_arrow,
)
from copilot_pipeline.load.versions import InputsOfDay, PartitionVersions, StampOf
from copilot_pipeline.load.warehouse import refresh_kit_views
from copilot_pipeline.postgres import Database
from copilot_pipeline.score.evidence import EvidenceFinder
from copilot_pipeline.score.rows import SemarizeRunRow, SemarizeScoreRow
from copilot_pipeline.score.run_rows import row_without_run, run_row
from copilot_pipeline.score.transcripts import StoredTranscript, read_transcripts
from copilot_pipeline.state import CallStore, SemarizeRun, SemarizeRunStore
from copilot_pipeline.state.semarize_runs import redaction_of
from copilot_pipeline.state.table_versions import TableVersions

_PROBLEMS = "problems"  # of scoring a day
_UNSCORED, _OTHER_REDACTION = "unscored", "scored with other redaction"
_FORMER = "former results"  # shown until the present code of their kit has a result

_INPUTS = (CALLS, PARTICIPANTS, TRANSCRIPTS, UTTERANCES)


@dataclass(frozen=True, slots=True)
class LoadedScores:
    """Loaded score tables of a day: rows by table, number of missing scores."""

    day: date
    rows: dict[str, int]
    unscored: int
    problem: str | None = None
    truncated: int = 0
    refused: int = 0
    other_redaction: int = 0  # results of a text that was redacted otherwise, or not at all
    version: str | None = None  # of what the rows are made from
    is_current: bool = False  # the day was not rebuilt, because it is up to date


class ScoreTables:
    """Builds the score tables of a day, and a wide view per kit."""

    def __init__(
        self,
        lake: Lake,
        database: Database,
        runs: SemarizeRunStore,
        calls: CallStore,
        kits: Sequence[Kit],
        *,
        inputs: Inputs | None = None,
        force: bool = False,
    ) -> None:
        """`inputs` are those that are the same for all days; without them, or with `force`, every day is rebuilt."""
        self._lake = lake
        self._database = database
        self._runs = runs
        self._calls = calls
        self._kits = kits
        self._inputs = {**(inputs or {}), "kits": text_version(repr(sorted(map(_kit_version, kits))))}
        self._sources = TableVersions(database, "scores")
        self._versions = PartitionVersions(
            lake, self._sources, SCORE_TABLES, self._inputs_of, force=force or inputs is None
        )

    def settled_days(self, days: Sequence[date]) -> set[date]:
        """Return the days that are up to date and have every score: no run is missing, open, failed or refused."""
        found = ((day, self._versions.current(day)) for day in days)
        return {
            day
            for day, current in found
            if current is not None
            and not current.facts.get(_UNSCORED, 1)
            and not any(current.facts.get(name, 0) for name in (_PROBLEMS, _FORMER))
        }

    def _inputs_of(self, day: date, stamp_of: StampOf) -> InputsOfDay | None:
        """Return what the rows of a day are made from; None if its call tables were never loaded, or have no file."""
        source = self._sources.call_tables_version(day)
        files = [stamp_of(table, day) for table in (CALLS, PARTICIPANTS, TRANSCRIPTS, UTTERANCES)]
        if source is None or None in files:
            return None
        inputs = {
            **self._inputs,
            "call_tables": f"{source.version} {text_version(repr(files))}",
            "semarize_runs": self._sources.runs_version(day),
        }
        return InputsOfDay(inputs, source.is_stale)

    def build(
        self, days: Iterable[date], problems: Mapping[date, Sequence[str]] | None = None
    ) -> Iterator[LoadedScores]:
        """Replace these days in all three tables, unless they are up to date.

        A day whose texts were removed because of their age keeps its rows. `problems` are those of scoring, filled
        while `days` is read: a day with one may keep all its former scores, and still is not settled.
        """
        counts: defaultdict[date, Counter[str]] = defaultdict(Counter)
        loader = PartitionLoader(self._lake, self._database, self._calls, SCORE_TABLES)
        for loaded in loader.load(
            days,
            lambda day: self._batches(day, counts[day]),
            self._calls.partitions.mark_scored,
            versions=self._versions,
            facts_of=lambda day: {
                **{name: counts[day][name] for name in (_UNSCORED, _OTHER_REDACTION, _FORMER)},
                _PROBLEMS: len((problems or {}).get(day, ())),
            },
        ):
            current = loaded.current
            facts = counts[loaded.day] if current is None else current.facts
            yield LoadedScores(
                loaded.day,
                loaded.rows,
                facts.get(_UNSCORED, 0),
                loaded.problem,
                loaded.truncated,
                loaded.refused,
                facts.get(_OTHER_REDACTION, 0),
                loaded.version,
                is_current=current is not None,
            )

    def _batches(self, day: date, counts: Counter[str]) -> Iterator[CallBatch]:
        """Yield the rows of a day, and count what is reported of it."""
        counts.clear()  # a day is loaded again if PostgreSQL refuses rows
        self._require_call_tables(day)
        if not self._calls.partitions.has_texts(day):
            yield read_calls(self._database, SCORE_TABLES, day, self._calls.partitions.call_ids_of(day))
            return
        references = {kit.name: kit.reference for kit in self._kits}
        finder = EvidenceFinder(self._lake, day)
        for transcripts in read_transcripts(self._lake, day, self._kits, with_text=False):
            runs, scores = self._rows(day, transcripts)
            counts[_UNSCORED] += sum(run.is_unscored for run in runs)
            counts[_FORMER] += sum(run.kit_reference != references[run.kit] for run in runs)
            counts[_OTHER_REDACTION] += _scored_with_other_redaction(transcripts, runs)
            call_ids = [transcript.call_id for transcript in transcripts]
            redacted = {one.call_id: one.redacted_text for one in transcripts if one.redacted_text}
            evidence = list(finder.rows(call_ids, scores, redacted))
            tables = [
                (SEMARIZE_RUNS, rows_to_arrow(SEMARIZE_RUNS, runs)),
                (SEMARIZE_SCORES, rows_to_arrow(SEMARIZE_SCORES, scores)),
                (EVIDENCE, rows_to_arrow(EVIDENCE, evidence)),
            ]
            yield CallBatch(call_ids, tables)

    def _require_call_tables(self, day: date) -> None:
        """Raise `PipelineError` if the call tables of a day were loaded and their files are missing."""
        missing = [table.name for table in _INPUTS if not self._lake.exists(table, day)]
        if missing and self._calls.partitions.is_loaded(day):
            raise PipelineError(
                f"{', '.join(missing)} of this day: the file is missing from the lake, so the scores stay as they "
                f"were. Rebuild it: copilot-pipeline run --from {day} --to {day}"
            )

    def refresh_views(self) -> list[str]:
        """Refresh the wide view of each kit. Return a warning for each view that cannot be made."""
        warnings = []
        for kit in self._kits:
            try:
                refresh_kit_views(self._database, [kit.name])
            except PipelineError as error:
                warnings.append(str(error))
        return warnings

    def _rows(
        self, day: date, transcripts: list[StoredTranscript]
    ) -> tuple[list[SemarizeRunRow], list[SemarizeScoreRow]]:
        run_rows: list[SemarizeRunRow] = []
        score_rows: list[SemarizeScoreRow] = []
        speeches = [
            (transcript.call_id, transcript.transcript_hash, transcript.speech_hash) for transcript in transcripts
        ]
        for kit in self._kits:
            runs = {run.call_id: run for run in self._runs.runs_for(kit.name, kit.reference, speeches)}
            former = self._former_results(kit, transcripts, runs)
            for transcript in transcripts:
                run = former.get(transcript.call_id) or runs.get(transcript.call_id)
                if run is None:
                    run_rows.append(row_without_run(transcript, kit, day))
                    continue
                scores, problem = self._scores(run, day)
                score_rows.extend(scores)
                run_rows.append(run_row(run, day, len(scores), problem))
        return run_rows, score_rows

    def _former_results(
        self, kit: Kit, transcripts: list[StoredTranscript], runs: Mapping[str, SemarizeRun]
    ) -> dict[str, SemarizeRun]:
        """Return the results that stay visible until the kit's present code or version has a result of its own.

        A kit that is not known to Semarize must not remove the scores that are there.
        """
        unanswered = [
            (transcript.call_id, transcript.transcript_hash, transcript.speech_hash)
            for transcript in transcripts
            if ((run := runs.get(transcript.call_id)) is None or run.is_open)
            and kit.call_filter.skip_reason(transcript.facts) is None
        ]
        former = self._runs.results_of_other_references(kit.name, kit.reference, unanswered)
        return {run.call_id: run for run in former}

    def _scores(self, run: SemarizeRun, day: date) -> tuple[list[SemarizeScoreRow], str | None]:
        """Return the scores of a run, and the reason if some are missing."""
        body = run.answer if run.status == "succeeded" else None
        if body is None:
            return [], None
        try:
            parsed = parse_scores(body)
        except UnreadableBody as error:
            self._calls.quarantine(run.call_id, day, f"semarize run {run.kit}", str(error), body)
            return [], str(error)
        rows = [
            SemarizeScoreRow(
                call_id=run.call_id,
                kit=run.kit,
                brick=score.brick,
                call_date=day,
                value_kind=score.value_kind,
                value_bool=score.value_bool,
                value_num=score.value_num,
                value_text=score.value_text,
                value_json=score.value_json,
                confidence=score.confidence,
                reason=score.reason,
                evidence=list(score.evidence),
                run_id=run.run_id,
                kit_version_id=run.kit_version_id or parsed.kit_version_id,
                transcript_hash=run.transcript_hash,
            )
            for score in parsed.scores
        ]
        unreadable = "; ".join(f"{brick}: {reason}" for brick, reason in parsed.unreadable) or None
        return rows, unreadable


def _scored_with_other_redaction(transcripts: Sequence[StoredTranscript], runs: Sequence[SemarizeRunRow]) -> int:
    """Return the number of results of another redaction than that of the stored transcripts."""
    redactions = {one.call_id: one.redaction for one in transcripts}
    return sum(
        run.status == "succeeded" and redaction_of(run.speech_hash) != redactions[run.call_id]
        for run in runs
        if run.speech_hash is not None
    )


def _kit_version(kit: Kit) -> str:
    return repr((kit.name, kit.reference, kit.call_filter))
