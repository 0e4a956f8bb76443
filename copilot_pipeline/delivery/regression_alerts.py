"""Telling managers of regressions: each slide once, in the week in which it was detected."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

from copilot_pipeline.delivery.outbox import Clock, NewDelivery, Outbox, utc_now
from copilot_pipeline.delivery.regression_messages import regression_payload
from copilot_pipeline.postgres import Database

if TYPE_CHECKING:
    from copilot_pipeline.marts.coaching import RegressionRow

ROUTE = "coaching: skill regression"
# A regression of last month is no news: loading a year of old calls must not send a year of alerts.
NEWS_FOR = timedelta(days=7)


def send_regression_alerts(
    database: Database, slides: Sequence[RegressionRow], sink: str, kind: str, *, now: Clock = utc_now
) -> int:
    """Puts an alert a slide into the outbox. Returns how many are new and will be sent.

    A call that arrives late may move the beginning of a slide: an alert that was asked for between its first call and
    its recovery was of this slide.
    """
    wanted = [
        _delivery(slide, sink, kind, is_news=now() - slide.detected_at <= NEWS_FOR)
        for slide in slides
        if not _was_told(database, slide)
    ]
    Outbox(database, now=now).put(wanted, [])
    return sum(one.silenced_because is None for one in wanted)


def _was_told(database: Database, slide: RegressionRow) -> bool:
    with database.connection() as connection:
        row = connection.execute(
            """SELECT 1 FROM copilot_ops.outbox WHERE route = %s AND version = %s
              AND call_started_at >= %s AND (%s::timestamptz IS NULL OR call_started_at < %s) LIMIT 1""",
            (ROUTE, _version(slide), slide.first_call_at, slide.recovered_at, slide.recovered_at),
        ).fetchone()
    return row is not None


def _delivery(slide: RegressionRow, sink: str, kind: str, *, is_news: bool) -> NewDelivery:
    return NewDelivery(
        route=ROUTE,
        sink=sink,
        kind=kind,
        call_id=slide.detected_call_id,
        version=_version(slide),
        target="",
        call_started_at=slide.detected_at,
        scored_at=slide.detected_at,
        payload=regression_payload(kind, slide),
        silenced_because=None if is_news else "detected more than a week ago",
    )


def _version(slide: RegressionRow) -> str:
    return f"{slide.rep_id}:{slide.skill}"
