"""Alerts of skill regressions: one message to the rep's manager per regression."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from psycopg.rows import dict_row

from copilot_pipeline.delivery.messages import text_message
from copilot_pipeline.delivery.model import DeliveryRequest
from copilot_pipeline.delivery.outbox import Clock, Outbox, utc_now
from copilot_pipeline.postgres import Database
from copilot_pipeline.postgres.queries import load_queries

if TYPE_CHECKING:
    from copilot_pipeline.marts.coaching import RegressionRow

_SQL = load_queries("copilot_pipeline.delivery.sql", "outbox.sql")

ROUTE = "coaching: skill regression"
EVENT_TYPE = "coaching.regression"
# Older regressions are suppressed: loading a year of calls must not send a year of alerts.
MAX_AGE = timedelta(days=7)


def enqueue_regression_alerts(
    database: Database, regressions: Sequence[RegressionRow], sink: str, kind: str, *, now: Clock = utc_now
) -> int:
    """Enqueue an alert per new regression. Returns how many will be sent.

    A call that is scored late may move the beginning of a regression. An alert counts as its alert if it was enqueued
    for a call between the regression's first call and its recovery.
    """
    alerted = _alerted(database, regressions)
    requests = [
        _request(regression, sink, kind, is_recent=now() - regression.detected_at <= MAX_AGE)
        for position, regression in enumerate(regressions, start=1)
        if position not in alerted
    ]
    Outbox(database, now=now).add(requests, [])
    return sum(request.suppressed_because is None for request in requests)


def regression_payload(kind: str, regression: RegressionRow) -> dict[str, Any]:
    """Return the message for a sink of this kind.

    It names the skill, the beginning of the regression, and the rep's manager.
    """
    if kind == "webhook":
        data = {
            name: value.isoformat() if hasattr(value, "isoformat") else value
            for name, value in regression._asdict().items()
        }
        return {"type": EVENT_TYPE, "data": {**data, "regression_detected": True}}
    rep = regression.rep_name or regression.rep_id
    manager = regression.manager_name or regression.manager_email or regression.manager_id
    trained = (
        f"{regression.calls_since_training} call(s) since the newest training."
        if regression.calls_since_training is not None
        else "No training on record."
    )
    lines = [
        f"{rep}: {regression.skill} was below {regression.threshold:g} on {regression.calls} consecutive calls.",
        f"Latest {regression.latest:g}, lowest {regression.lowest:g}. {trained}",
        f"It began on {regression.first_call_at:%Y-%m-%d} (call {regression.first_call_id}) and was detected on "
        f"{regression.detected_at:%Y-%m-%d} (call {regression.detected_call_id}).",
        f"For {manager}." if manager else "This rep has no manager in Clari Copilot: please forward this message.",
    ]
    return text_message(f"Skill regression: {rep}, {regression.skill}", lines)


def _alerted(database: Database, regressions: Sequence[RegressionRow]) -> set[int]:
    """Return the positions, from 1, of regressions that have an alert."""
    parameters = {
        "route": ROUTE,
        "versions": [_version(one) for one in regressions],
        "first_call_ats": [one.first_call_at for one in regressions],
        "recovered_ats": [one.recovered_at for one in regressions],
    }
    with database.connection() as connection, connection.cursor(row_factory=dict_row) as cursor:
        return {row["position"] for row in cursor.execute(_SQL["alerted_regressions"], parameters)}


def _request(regression: RegressionRow, sink: str, kind: str, *, is_recent: bool) -> DeliveryRequest:
    return DeliveryRequest(
        route=ROUTE,
        sink=sink,
        kind=kind,
        call_id=regression.detected_call_id,
        version=_version(regression),
        target="",
        call_started_at=regression.detected_at,
        scored_at=regression.detected_at,
        payload=regression_payload(kind, regression),
        suppressed_because=None if is_recent else "detected more than a week ago",
    )


def _version(regression: RegressionRow) -> str:
    return f"{regression.rep_id}:{regression.skill}"
