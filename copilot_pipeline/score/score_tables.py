"""The score tables of a day, made from the answers in the ledger. Pure but for reading and writing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date

import pyarrow as pa

from copilot_pipeline.clients.semarize import Kit, parse_scores
from copilot_pipeline.errors import UnreadableBody
from copilot_pipeline.load.lake import Lake
from copilot_pipeline.load.partition_loader import PartitionLoader, Rows
from copilot_pipeline.load.tables import EVIDENCE, SCORE_TABLES, SEMARIZE_RUNS, SEMARIZE_SCORES, Table
from copilot_pipeline.load.warehouse import refresh_kit_views
from copilot_pipeline.postgres import Database
from copilot_pipeline.score.candidates import Candidate, candidates
from copilot_pipeline.score.evidence import EvidenceFinder, QuoteKey
from copilot_pipeline.state import CallStore, SemarizeRun, SemarizeRunStore

Row = tuple[object, ...]
_EVIDENCE_PLACE = SEMARIZE_SCORES.column_names.index("evidence")
_STATUS_PLACE = SEMARIZE_RUNS.column_names.index("status")
_BRICKS_PLACE = SEMARIZE_RUNS.column_names.index("bricks")


@dataclass(frozen=True, slots=True)
class LoadedScores:
    """Rows written, and how many calls have no score."""

    day: date
    rows: dict[str, int]
    unscored: int
    problem: str | None = None


class ScoreTables:
    """Makes semarize_runs, semarize_scores and evidence of a day, and the wide view of each kit."""

    def __init__(
        self, lake: Lake, database: Database, runs: SemarizeRunStore, calls: CallStore, kits: Sequence[Kit]
    ) -> None:
        self._lake = lake
        self._database = database
        self._runs = runs
        self._calls = calls
        self._kits = kits

    def build(self, days: Iterable[date]) -> Iterator[LoadedScores]:
        """Replaces days in all three tables."""
        unscored: Counter[date] = Counter()

        def rows_of(day: date) -> Iterator[Rows]:
            finder = EvidenceFinder(self._lake, day)
            for batch in candidates(self._lake, day, self._kits, with_text=False):
                run_rows, score_rows = self._rows(day, batch)
                unscored[day] += sum(_is_unscored(row) for row in run_rows)
                call_ids = [candidate.call_id for candidate in batch]
                evidence_rows = list(finder.rows(call_ids, _quotes(score_rows)))
                tables = [
                    (SEMARIZE_RUNS, _columns(SEMARIZE_RUNS, run_rows)),
                    (SEMARIZE_SCORES, _columns(SEMARIZE_SCORES, score_rows)),
                    (EVIDENCE, _columns(EVIDENCE, evidence_rows)),
                ]
                yield Rows(call_ids, tables)

        landing = PartitionLoader(self._lake, self._database, self._calls, SCORE_TABLES)
        for landed in landing.load(days, rows_of, self._calls.partitions.mark_scored):
            yield LoadedScores(landed.day, landed.rows, unscored[landed.day], landed.problem)

    def refresh_views(self) -> None:
        """One wide view a kit."""
        refresh_kit_views(self._database, [kit.name for kit in self._kits])

    def _rows(self, day: date, transcripts: list[Candidate]) -> tuple[list[Row], list[Row]]:
        run_rows: list[Row] = []
        score_rows: list[Row] = []
        for kit in self._kits:
            pairs = [(candidate.call_id, candidate.transcript_hash) for candidate in transcripts]
            known = {run.call_id: run for run in self._runs.runs_for(kit.name, kit.reference, pairs)}
            for candidate in transcripts:
                run = known.get(candidate.call_id)
                if run is None:
                    run_rows.append(_without_run(candidate, kit, day))
                    continue
                scores, problem = self._scores(run, day)
                score_rows.extend(scores)
                run_rows.append(_run_row(run, day, len(scores), problem))
        return run_rows, score_rows

    def _scores(self, run: SemarizeRun, day: date) -> tuple[list[Row], str | None]:
        if run.status != "succeeded" or run.answer is None:
            return [], None
        try:
            parsed = parse_scores(run.answer)
        except UnreadableBody as error:
            self._calls.quarantine(run.call_id, day, f"semarize run {run.kit}", str(error), run.answer)
            return [], str(error)
        version = run.kit_version_id or parsed.kit_version_id
        rows: list[Row] = [
            (
                run.call_id,
                run.kit,
                score.brick,
                day,
                score.value_kind,
                score.value_bool,
                score.value_num,
                score.value_text,
                score.value_json,
                score.confidence,
                score.reason,
                list(score.evidence),
                run.run_id,
                version,
                run.transcript_hash,
            )
            for score in parsed.scores
        ]
        unreadable = "; ".join(f"{brick}: {reason}" for brick, reason in parsed.unreadable) or None
        return rows, unreadable


def _is_unscored(run_row: Row) -> bool:
    """A score was wanted and there is none: an answer without bricks is none."""
    status, bricks = run_row[_STATUS_PLACE], run_row[_BRICKS_PLACE]
    return status != "skipped" and (status != "succeeded" or not bricks)


def _run_row(run: SemarizeRun, day: date, bricks: int, problem: str | None) -> Row:
    return (
        run.call_id,
        run.kit,
        day,
        run.run_id,
        run.status,
        run.kit_reference,
        run.kit_version_id,
        run.transcript_hash,
        bricks,
        run.requested_at,
        run.finished_at,
        run.duration_ms,
        run.error_code,
        problem or run.error_message,
    )


def _without_run(candidate: Candidate, kit: Kit, day: date) -> Row:
    skip_reason = kit.calls.skip_reason(candidate.facts)
    status, why = ("skipped", skip_reason) if skip_reason else ("wanted", "not asked for yet")
    call_id, transcript_hash = candidate.call_id, candidate.transcript_hash
    return (call_id, kit.name, day, None, status, kit.reference, None, transcript_hash, 0, None, None, None, None, why)


def _quotes(score_rows: Iterable[Row]) -> dict[str, list[tuple[QuoteKey, str]]]:
    """The quotes of some scores, by call."""
    quotes: dict[str, list[tuple[QuoteKey, str]]] = {}
    for call_id, kit, brick, *rest in score_rows:
        evidence = rest[_EVIDENCE_PLACE - 3]
        for position, quote in enumerate(evidence if isinstance(evidence, list) else ()):
            quotes.setdefault(str(call_id), []).append(((str(kit), str(brick), position), str(quote)))
    return quotes


def _columns(table: Table, rows: list[Row]) -> pa.Table:
    values = list(map(list, zip(*rows, strict=True))) if rows else [[] for _ in table.columns]
    return pa.table(values, schema=table.arrow_schema)
