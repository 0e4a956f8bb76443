"""Answering: the marts, made anew from the scores. Each reads only the bricks it needs, a month at a time."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from datetime import UTC, date, datetime

from copilot_pipeline.config.marts import MartSettings, MessageSettings
from copilot_pipeline.load.lake import Lake
from copilot_pipeline.load.snapshots import replace_snapshot
from copilot_pipeline.load.tables import (
    CLAIM_ACCURACY,
    CLAIMS,
    COACHING_REGRESSIONS,
    COACHING_SCORES,
    DEAL_INSPECTION,
    DEAL_SIGNALS,
    MEDDICC_COVERAGE,
    MEDDICC_OUTCOMES,
    MEDDICC_SUMMARY,
    MESSAGE_ADOPTION,
    WIN_LOSS_CONCLUSION,
    WIN_LOSS_DRIVERS,
    Table,
)
from copilot_pipeline.marts.adoption import Use, message_adoption, use_of
from copilot_pipeline.marts.brick_roles import elements, skills
from copilot_pipeline.marts.claims import claim_accuracy, claim_kinds, claims
from copilot_pipeline.marts.coaching import RegressionRow, coaching_regressions, coaching_scores
from copilot_pipeline.marts.deals import by_deal, deal_signals, inspect_deals
from copilot_pipeline.marts.meddicc import meddicc_coverage, meddicc_outcomes, meddicc_summary
from copilot_pipeline.marts.model import BrickKey, Rep, ScoredCall
from copilot_pipeline.marts.reader import ScoredCallReader
from copilot_pipeline.marts.win_loss.drivers import WinLoss, win_loss_drivers
from copilot_pipeline.postgres import Database
from copilot_pipeline.transform.deal_outcomes import DealOutcome

Rows = dict[str, int]


def utc_now() -> datetime:
    """The time."""
    return datetime.now(UTC)


class MartBuilder:
    """Makes the marts. Every method replaces its tables whole and returns the rows by table."""

    def __init__(
        self, lake: Lake, database: Database, settings: MartSettings, *, now: Callable[[], datetime] = utc_now
    ) -> None:
        self._lake = lake
        self._database = database
        self._settings = settings
        self._now = now
        self._calls = ScoredCallReader(database)

    def meddicc(self) -> Rows:
        """Coverage by call, its sums, and coverage against outcome."""
        settings = self._settings.meddicc
        parts = elements(settings, self._known())
        bricks = {element.brick for element in parts.values()}
        coverage = meddicc_coverage(self._calls.read(bricks, with_quotes=True), parts, settings)
        deals = self._calls.deals(self._settings.outcomes)
        names = {deal.deal_id: deal.name for deal in deals if deal.name}
        return {
            **self._replace(MEDDICC_COVERAGE, coverage),
            **self._replace(MEDDICC_SUMMARY, meddicc_summary(coverage, {**self._names(), **names})),
            **self._replace(MEDDICC_OUTCOMES, meddicc_outcomes(coverage, deals)),
        }

    def coaching(self) -> tuple[Rows, list[RegressionRow]]:
        """Skills by call, and slides; returns the slides too."""
        settings = self._settings.coaching
        parts = skills(settings, {known.key: known.kinds for known in self._calls.answered_bricks()})
        bricks = {skill.brick for skill in parts.values()}
        scores = coaching_scores(self._calls.read(bricks), parts, settings)
        slides = coaching_regressions(scores, self._reps())
        return {**self._replace(COACHING_SCORES, scores), **self._replace(COACHING_REGRESSIONS, slides)}, slides

    def claims(self) -> Rows:
        """Flagged claims, accuracy, and the use of new messages."""
        settings = self._settings.claims
        kinds = claim_kinds(settings, self._known())
        asked = (settings.document, settings.product, *(message.brick for message in settings.messages))
        bricks = {kind.brick for _, kind in kinds} | {reference.key for reference in asked if reference}
        conversations = self._calls
        found = list(claims(conversations.read(bricks, with_quotes=True), kinds, settings, conversations.locator()))
        return {
            **self._replace(CLAIMS, found),
            **self._replace(CLAIM_ACCURACY, claim_accuracy(conversations.read(bricks), found, kinds, settings)),
            **self._replace(MESSAGE_ADOPTION, self._adoption(settings.messages)),
        }

    def _adoption(self, messages: Sequence[MessageSettings]) -> list[Sequence[object]]:
        if not messages:
            return []
        since = min(message.changed_on for message in messages)
        bricks = {message.brick.key for message in messages if message.brick}
        uses: dict[str, list[tuple[ScoredCall, Use]]] = {message.name: [] for message in messages}
        for conversation, said in self._with_what_reps_said(bricks, since):
            for message in messages:
                uses[message.name].append((conversation, use_of(message, conversation, said)))
        return [row for message in messages for row in message_adoption(message, uses[message.name])]

    def _with_what_reps_said(
        self, bricks: Collection[BrickKey], since: date
    ) -> Iterator[tuple[ScoredCall, str | None]]:
        """The conversations since a day; None where no rep is known to have said anything."""
        silent = {call.call_id: call for call in self._calls.read(bricks, since=since)}
        for call_id, said in self._calls.rep_words(since):
            conversation = silent.pop(call_id, None)
            if conversation is not None:
                yield conversation, said
        yield from ((conversation, None) for conversation in silent.values())

    def win_loss(self) -> tuple[Rows, WinLoss]:
        """What goes with winning and losing; returns the counts behind it too."""
        found = win_loss_drivers(
            self._calls.read(), self._calls.deals(self._settings.outcomes), self._settings.win_loss
        )
        significant = sum(driver.is_significant for driver in found.drivers)
        conclusion = ("all", found.deals, found.won, found.tested, significant, found.conclusion)
        return {
            **self._replace(WIN_LOSS_DRIVERS, found.drivers),
            **self._replace(WIN_LOSS_CONCLUSION, [conclusion]),
        }, found

    def open_deals(self) -> Rows:
        """The newest answers and the state of each open deal."""
        deals = self._calls.deals(self._settings.outcomes)
        still_open = {deal.deal_id for deal in deals if deal.outcome is DealOutcome.OPEN}
        calls = by_deal(call for call in self._calls.read(with_quotes=True) if call.deal_id in still_open)
        covered = self._calls.covered_shares()
        inspected = inspect_deals(calls, deals, self._settings.deals, covered, self._now())
        return {
            **self._replace(DEAL_SIGNALS, deal_signals(calls, deals)),
            **self._replace(DEAL_INSPECTION, inspected),
        }

    def _replace(self, table: Table, rows: Iterable[Sequence[object]]) -> Rows:
        return {table.name: replace_snapshot(self._lake, self._database, table, rows)}

    def _known(self) -> list[BrickKey]:
        return [known.key for known in self._calls.answered_bricks()]

    def _reps(self) -> dict[str, Rep]:
        return self._calls.reps()

    def _names(self) -> dict[str, str]:
        """Names of reps and managers, by user id."""
        return {rep_id: rep.name for rep_id, rep in self._reps().items() if rep.name}
