"""The calls of a deal that the analysis considers: those that were known at the same point in every deal."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from copilot_pipeline.config.marts import WinLossSettings
from copilot_pipeline.marts.model import Deal
from copilot_pipeline.marts.outcomes import Call, before_close


def considered(deal: Deal, calls: Sequence[Call], settings: WinLossSettings) -> list[Call]:
    """Return the scored calls, oldest first, before the close and within the limits of the settings."""
    found = sorted(before_close(deal, calls), key=lambda call: call.started_at)
    if settings.until_stage is not None:
        entered = _entered(deal, settings.until_stage)
        found = [call for call in found if entered is not None and call.started_at < entered]
    if settings.days_before_close is not None:
        closed = close_of(deal)
        last = closed - timedelta(days=settings.days_before_close) if closed is not None else None
        found = [call for call in found if last is not None and call.started_at <= last]
    return found[: settings.first_calls]


def close_of(deal: Deal) -> datetime | None:
    """Return when a deal closed: by its stage history, else its close date."""
    return deal.closed_at or deal.close_date


def _entered(deal: Deal, stage: str) -> datetime | None:
    wanted = stage.strip().casefold()
    return next((moment for moment, entered in deal.stages if entered.strip().casefold() == wanted), None)
