"""Build the marts from the scores. Each reads only the bricks that it needs."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, tzinfo
from typing import TypeVar

import pyarrow as pa

from copilot_pipeline.config.marts import MartSettings, MessageSettings
from copilot_pipeline.load.lake import Lake
from copilot_pipeline.load.snapshots import replace_snapshots
from copilot_pipeline.load.tables import (
    CLAIM_ACCURACY,
    CLAIMS,
    COACHING_REGRESSIONS,
    COACHING_SCORES,
    CONVERSATION_OUTCOMES,
    DEAL_INSPECTION,
    DEAL_SIGNALS,
    MEDDICC_COVERAGE,
    MEDDICC_OUTCOMES,
    MEDDICC_SUMMARY,
    MESSAGE_ADOPTION,
    REP_CALLS,
    WIN_LOSS_CONCLUSION,
    WIN_LOSS_DRIVERS,
    Table,
)
from copilot_pipeline.marts.adoption import AdoptionRow, Use, message_adoption, use_of
from copilot_pipeline.marts.brick_roles import Element, elements, skills
from copilot_pipeline.marts.claim_accuracy import AccuracyRow, claim_accuracy
from copilot_pipeline.marts.claims import ClaimRow, claim_kinds, claims, flags
from copilot_pipeline.marts.coaching import CoachingRow, coaching_scores
from copilot_pipeline.marts.coaching_regressions import RegressionRow, coaching_regressions
from copilot_pipeline.marts.column_reader import CallColumnReader
from copilot_pipeline.marts.conversation_outcomes import ConversationOutcomeRow, conversation_outcomes
from copilot_pipeline.marts.deals import DealInspectionRow, DealSignalRow, by_deal, deal_signals, inspect_deals
from copilot_pipeline.marts.forecast.build import build_forecast
from copilot_pipeline.marts.forecast.rows import FORECAST_ROWS
from copilot_pipeline.marts.history.build import build_pipeline
from copilot_pipeline.marts.history.reader import HistoryReader
from copilot_pipeline.marts.history.rows import HISTORY_ROWS
from copilot_pipeline.marts.meddicc import Coverage, CoverageRow, SummaryRow, coverage_sums, meddicc_coverage
from copilot_pipeline.marts.meddicc_outcomes import OutcomeRow, meddicc_outcomes
from copilot_pipeline.marts.model import BrickKey, ScoredCall
from copilot_pipeline.marts.money import CurrencyConverter
from copilot_pipeline.marts.phrases import Phrase, phrases_of
from copilot_pipeline.marts.reader import Quotes
from copilot_pipeline.marts.rep_calls import RepCallRow, rep_calls
from copilot_pipeline.marts.transcript_reader import TranscriptReader
from copilot_pipeline.marts.win_loss.deal_observations import Elements
from copilot_pipeline.marts.win_loss.driver_rows import ConclusionRow, DriverRow
from copilot_pipeline.marts.win_loss.drivers import WinLoss, win_loss_drivers
from copilot_pipeline.postgres import Database
from copilot_pipeline.transform.deal_outcomes import DealOutcome

RowCounts = dict[str, int]  # rows of the table, by table
_Row = TypeVar("_Row")

# The row type of each table; its fields are the columns of the table, in order.
MART_ROWS: Mapping[str, type[tuple[object, ...]]] = {
    MEDDICC_COVERAGE.name: CoverageRow,
    MEDDICC_SUMMARY.name: SummaryRow,
    MEDDICC_OUTCOMES.name: OutcomeRow,
    COACHING_SCORES.name: CoachingRow,
    COACHING_REGRESSIONS.name: RegressionRow,
    CLAIMS.name: ClaimRow,
    CLAIM_ACCURACY.name: AccuracyRow,
    MESSAGE_ADOPTION.name: AdoptionRow,
    REP_CALLS.name: RepCallRow,
    WIN_LOSS_DRIVERS.name: DriverRow,
    WIN_LOSS_CONCLUSION.name: ConclusionRow,
    DEAL_SIGNALS.name: DealSignalRow,
    DEAL_INSPECTION.name: DealInspectionRow,
    **HISTORY_ROWS,
    CONVERSATION_OUTCOMES.name: ConversationOutcomeRow,
    **FORECAST_ROWS,
}


def utc_now() -> datetime:
    """Return the current time in UTC."""
    return datetime.now(UTC)


class MartBuilder:
    """Builds marts. Each method replaces the content of its tables and returns the rows written by table."""

    def __init__(
        self,
        lake: Lake,
        database: Database,
        settings: MartSettings,
        *,
        now: Callable[[], datetime] = utc_now,
        zone: tzinfo = UTC,
    ) -> None:
        """`zone` is that of the partitions."""
        self._lake = lake
        self._database = database
        self._settings = settings
        self._now = now
        self._zone = zone
        self._reader = CallColumnReader(database)
        self._transcripts = TranscriptReader(database)

    def build_meddicc(self) -> RowCounts:
        """Build `meddicc_coverage`, `meddicc_summary` and `meddicc_outcomes`."""
        settings, segment = self._settings.meddicc, self._settings.win_loss.segment_field
        by_name, highest = self._elements()
        bricks = {element.brick for element in by_name.values()}
        deals = self._reader.deals(self._settings.outcomes)
        names = {rep_id: rep.name for rep_id, rep in self._reader.reps().items() if rep.name}
        names |= {deal.deal_id: deal.name for deal in deals if deal.name}
        coverage = Coverage()
        calls = self._reader.columns(bricks, with_quotes=True)
        return self._replace(
            (MEDDICC_COVERAGE, coverage.adding(meddicc_coverage(calls, by_name, settings, highest))),
            (MEDDICC_SUMMARY, _deferred(lambda: coverage_sums(coverage.table(), names))),
            (MEDDICC_OUTCOMES, _deferred(lambda: meddicc_outcomes(coverage.table(), deals, segment))),
        )

    def build_coaching(self) -> tuple[RowCounts, list[RegressionRow]]:
        """Build `coaching_scores` and `coaching_regressions`; return the regressions as well."""
        settings = self._settings.coaching
        by_name = skills(settings, {brick.key: brick.kinds for brick in self._reader.answered_bricks()})
        bricks = {skill.brick for skill in by_name.values()}
        reps = self._reader.reps()
        regressions: list[RegressionRow] = []

        def rows() -> Iterator[pa.Table]:
            for series in coaching_scores(self._reader.columns(bricks), by_name, settings):
                if series["regression_first_call_id"].null_count < series.num_rows:
                    regressions.extend(coaching_regressions([CoachingRow(**row) for row in series.to_pylist()], reps))
                yield series

        return self._replace((COACHING_SCORES, rows()), (COACHING_REGRESSIONS, regressions)), regressions

    def build_claims(self) -> RowCounts:
        """Build `claims`, `claim_accuracy` and `message_adoption`."""
        settings = self._settings.claims
        kinds = claim_kinds(settings, self._answered())
        references = (settings.document, settings.product)
        bricks = {kind.brick for _, kind in kinds} | {reference.key for reference in references if reference}
        rows: list[ClaimRow] = []

        def checked() -> Iterator[tuple[ScoredCall, list[ClaimRow]]]:
            calls = self._reader.read(bricks, quotes=Quotes.ALL, reasons_of=flags(kinds))
            for call, of_call in claims(calls, kinds, settings, self._transcripts.locator()):
                rows.extend(of_call)
                yield call, of_call

        accuracy = claim_accuracy(checked(), kinds, settings)
        return self._replace(
            (CLAIMS, rows),
            (CLAIM_ACCURACY, accuracy),
            (MESSAGE_ADOPTION, self._message_adoption(settings.messages)),
        )

    def _message_adoption(self, messages: Sequence[MessageSettings]) -> list[AdoptionRow]:
        if not messages:
            return []
        since = min(message.changed_on for message in messages)
        bricks = {message.brick.key for message in messages if message.brick}
        uses: dict[str, list[tuple[ScoredCall, Use]]] = {message.name: [] for message in messages}
        for call, rep_words in self._with_rep_words(bricks, since, phrases_of(messages)):
            for message in messages:
                uses[message.name].append((call, use_of(message, call, rep_words)))
        return [row for message in messages for row in message_adoption(message, uses[message.name])]

    def _with_rep_words(
        self, bricks: Collection[BrickKey], since: date, searched: Sequence[Phrase]
    ) -> Iterator[tuple[ScoredCall, str | None]]:
        """Yield the calls since a day with the words of their reps; None if no rep is known to have spoken.

        The words are those of the searched phrases that were said, or all of them.
        """
        remaining = {
            call.call_id: call
            for call in self._reader.read(bricks, with_participants=False, with_reasons=False, since=since)
        }
        for call_id, words in self._transcripts.rep_words(since, searched):
            call = remaining.pop(call_id, None)
            if call is not None:
                yield call, words
        yield from ((call, None) for call in remaining.values())

    def build_rep_calls(self) -> RowCounts:
        """Build `rep_calls`."""
        return self._replace((REP_CALLS, rep_calls(self._transcripts.speech())))

    def build_win_loss(self) -> tuple[RowCounts, WinLoss]:
        """Build `win_loss_drivers` and `win_loss_conclusion`; return the analysis as well."""
        settings = self._settings.win_loss
        by_name, highest = self._elements()
        covered = Elements(by_name, self._settings.meddicc, highest, settings.exclude)
        deals = self._reader.deals(self._settings.outcomes)
        closed = [deal.deal_id for deal in deals if deal.outcome is not DealOutcome.OPEN]
        of_deals = self._reader.read_of_deals(closed, with_team=False)
        calls = (call for _, of_batch in of_deals for call in of_batch)
        result = win_loss_drivers(calls, deals, settings, covered)
        conclusion = ConclusionRow(
            scope="all",
            deals=result.deals,
            won=result.won,
            newer_deals=result.newer_deals,
            tested=result.tested,
            significant=result.significant,
            confirmed=result.confirmed,
            adjusted_for=list(result.adjusted_for),
            first_close=result.first_close,
            first_newer_close=result.first_newer_close,
            last_close=result.last_close,
            conclusion=result.conclusion,
        )
        return self._replace((WIN_LOSS_DRIVERS, result.drivers), (WIN_LOSS_CONCLUSION, [conclusion])), result

    def build_open_deals(self) -> RowCounts:
        """Build `deal_signals` and `deal_inspection`; reads `meddicc_summary`."""
        deals = self._reader.deals(self._settings.outcomes)
        open_deals = {deal.deal_id: deal for deal in deals if deal.outcome is DealOutcome.OPEN}
        covered = self._reader.covered_shares()
        # As of the hour, so that nothing changes until the next one.
        now = self._now().replace(minute=0, second=0, microsecond=0)
        converter = CurrencyConverter(self._settings.currency)
        inspected: list[DealInspectionRow] = []

        def signals() -> Iterator[DealSignalRow]:
            for deal_ids, of_deals in self._reader.read_of_deals(sorted(open_deals), with_details=True):
                calls, chosen = by_deal(of_deals), [open_deals[deal_id] for deal_id in deal_ids]
                inspected.extend(inspect_deals(calls, chosen, self._settings.deals, covered, now, converter))
                yield from deal_signals(calls, chosen)

        return self._replace((DEAL_SIGNALS, signals()), (DEAL_INSPECTION, inspected))

    def build_pipeline(self) -> RowCounts:
        """Build `pipeline_changes` and `pipeline_waterfall` from `deal_history`."""
        return build_pipeline(self._lake, self._database, self._settings.outcomes, self._zone, self._now())

    def build_forecast(self) -> tuple[RowCounts, str]:
        """Build the tables of the forecast; reads `meddicc_coverage`. Return why its basis was chosen as well."""
        return build_forecast(self._lake, self._database, self._settings, self._now())

    def build_conversation_outcomes(self) -> RowCounts:
        """Build `conversation_outcomes`; reads `rep_calls`."""
        calls = HistoryReader(self._database).conversation_metrics()
        deals = self._reader.deals(self._settings.outcomes)
        rows = conversation_outcomes(calls, deals, self._settings.win_loss.segment_field)
        return self._replace((CONVERSATION_OUTCOMES, rows))

    def _replace(self, *content: tuple[Table, Iterable[object]]) -> RowCounts:
        """Replace the tables of a mart in one transaction, in their order."""
        return replace_snapshots(self._lake, self._database, content)

    def _elements(self) -> tuple[dict[str, Element], dict[str, float]]:
        """Return the bricks of the MEDDICC elements by name, and the highest score of each."""
        by_name = elements(self._settings.meddicc, self._answered())
        return by_name, self._reader.highest({name: element.brick for name, element in by_name.items()})

    def _answered(self) -> list[BrickKey]:
        return [brick.key for brick in self._reader.answered_bricks()]


def _deferred(rows: Callable[[], Iterable[_Row]]) -> Iterator[_Row]:
    """Yield rows that are computed when the first of them is read."""
    yield from rows()
