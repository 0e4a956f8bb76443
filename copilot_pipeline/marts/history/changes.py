"""The changes of the pipeline as rows and sentences, with the conversations of their week. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import date
from typing import Protocol

from copilot_pipeline.days import day_in_text
from copilot_pipeline.marts.history import pipeline
from copilot_pipeline.marts.history.pipeline import UNKNOWN, Change
from copilot_pipeline.marts.history.rows import PipelineChangeRow
from copilot_pipeline.marts.money import formatted


class _Named(Protocol):
    @property
    def name(self) -> str | None: ...
    @property
    def account_name(self) -> str | None: ...


class _Discussed(Protocol):
    call_ids: list[str]
    quotes: list[str]


_PHRASES = {
    pipeline.NEW: "is new in the pipeline",
    pipeline.REOPENED: "was reopened",
    pipeline.WON: "was won",
    pipeline.LOST: "was lost",
    pipeline.REMOVED: "is no longer among the deals",
    pipeline.CURRENCY_CHANGED: "changed its currency",
}


def change_rows(
    changes: Sequence[Change],
    names: Mapping[str, _Named],
    conversations: Mapping[tuple[str, date], _Discussed],
) -> Iterator[PipelineChangeRow]:
    """Yield one row per deal, week, kind and currency."""
    for change in sorted(changes, key=lambda one: (one.week, one.deal_id, one.kind, one.currency)):
        deal = names.get(change.deal_id)
        discussed = conversations.get((change.deal_id, change.week))
        before, after = change.close_date_before, change.close_date_after
        yield PipelineChangeRow(
            week=change.week,
            deal_id=change.deal_id,
            kind=change.kind,
            currency=change.currency,
            deal_name=deal.name if deal else None,
            account_name=deal.account_name if deal else None,
            changed_at=change.changed_at,
            stage=change.stage,
            amount=change.amount,
            change=change.change,
            close_date_before=before,
            close_date_after=after,
            days_moved=(after - before).days if before and after else None,
            is_observed=change.is_observed,
            calls=len(discussed.call_ids) if discussed else 0,
            call_ids=discussed.call_ids if discussed else [],
            quotes=discussed.quotes if discussed else [],
            sentence=_sentence(change, (deal.name if deal else None) or change.deal_id),
        )


def weeks_of(changes: Collection[Change]) -> set[tuple[str, date]]:
    """Return each deal with the weeks in which it changed."""
    return {(change.deal_id, change.week) for change in changes}


def _sentence(change: Change, name: str) -> str:
    currency = None if change.currency == UNKNOWN else change.currency
    amount = formatted(change.amount, currency) if change.amount is not None else "no amount"
    if change.kind in (pipeline.GROWN, pipeline.SHRUNK):
        verb = "grew" if change.kind == pipeline.GROWN else "shrank"
        return f"{name} {verb} by {formatted(abs(change.change), currency)} to {amount}."
    before, after = change.close_date_before, change.close_date_after
    if before is not None and after is not None:
        days = abs((after - before).days)
        moved = "pushed out" if after > before else "pulled in"
        dates = f"from {day_in_text(before)} to {day_in_text(after)}"
        return f"{name} was {moved} by {days} day{'s' if days != 1 else ''}, {dates} ({amount})."
    return f"{name} {_PHRASES[change.kind]} ({amount})."
