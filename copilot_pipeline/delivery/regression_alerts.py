"""Weekly digests of skill regressions: one message per manager and week, about what is not over when it is sent."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import TYPE_CHECKING, Any

from psycopg.rows import class_row, dict_row

from copilot_pipeline.config.urls import LINK_HOSTS, is_allowed_link
from copilot_pipeline.delivery.clock import Clock, DatabaseClock
from copilot_pipeline.delivery.digest_messages import RegressionCall, digest_payload
from copilot_pipeline.delivery.model import DeliveryRequest
from copilot_pipeline.delivery.outbox import Outbox
from copilot_pipeline.marts.model import monday
from copilot_pipeline.postgres import Database
from copilot_pipeline.postgres.queries import load_queries

if TYPE_CHECKING:
    from copilot_pipeline.marts.coaching_regressions import RegressionRow

_SQL = load_queries("copilot_pipeline.delivery.sql", "outbox.sql")

ROUTE = "coaching: skill regression"  # a suppressed row per regression that was considered, with the result
DIGEST_ROUTE = "coaching: weekly digest"
_WEEK = timedelta(days=7)


def enqueue_regression_digests(
    database: Database,
    regressions: Sequence[RegressionRow],
    sink: str,
    kind: str,
    *,
    link_hosts: tuple[str, ...] = LINK_HOSTS,
    now: Clock | None = None,
    zone: tzinfo = UTC,
) -> int:
    """Enqueue a digest of the last complete week for each manager with new regressions; return the number of digests.

    A regression that was scored too late for the digest of its week is in the next one. What has ended, and what was
    detected earlier than the week before the last one, is suppressed: loading a year of calls must not send a year of
    digests. A call that is scored late may move the beginning of a regression: it counts as considered if it was
    considered for a call between its first call and its recovery.
    """
    now = now or DatabaseClock(database)
    week = monday(now().date()) - _WEEK
    considered = _considered(database, regressions)
    new = [one for position, one in enumerate(regressions, start=1) if position not in considered]
    requests = [_record(one, sink, kind, reason) for one in new if (reason := _not_sent_because(one, week)) is not None]
    of_manager: defaultdict[str, list[RegressionRow]] = defaultdict(list)
    for one in new:
        if one.detected_week <= week and _not_sent_because(one, week) is None:
            of_manager[one.manager_id or ""].append(one)
    digests = []
    for version, of_digest in _unsent(database, of_manager, week).items():
        calls = _calls(database, _in_order(of_digest), link_hosts)
        digests.append(
            _digest(of_digest, sink, kind, version, digest_payload(kind, _in_order(of_digest), calls, week, zone))
        )
        requests += [_record(one, sink, kind, f"in the digest of the week of {week}") for one in of_digest]
    Outbox(database, now=now).add([*requests, *digests], [])
    return len(digests)


def _not_sent_because(regression: RegressionRow, week: date) -> str | None:
    if regression.is_over:
        return "over before it was sent"
    return "detected too long ago" if regression.detected_week < week - _WEEK else None


def _considered(database: Database, regressions: Sequence[RegressionRow]) -> set[int]:
    """Return the positions, from 1, of regressions that were considered before."""
    parameters = {
        "route": ROUTE,
        "versions": [_version(one) for one in regressions],
        "first_call_ats": [one.first_call_at for one in regressions],
        "recovered_ats": [one.recovered_at for one in regressions],
    }
    with database.connection() as connection, connection.cursor(row_factory=dict_row) as cursor:
        return {row["position"] for row in cursor.execute(_SQL["alerted_regressions"], parameters)}


def _unsent(
    database: Database, of_manager: Mapping[str, list[RegressionRow]], week: date
) -> dict[str, list[RegressionRow]]:
    """Return the regressions by version of the digest, for managers without a digest of the week."""
    versions = {f"{manager_id}:{week}": of_digest for manager_id, of_digest in sorted(of_manager.items())}
    parameters = {"route": DIGEST_ROUTE, "versions": list(versions)}
    with database.connection() as connection, connection.cursor(row_factory=dict_row) as cursor:
        sent = {row["version"] for row in cursor.execute(_SQL["digests"], parameters)}
    return {version: of_digest for version, of_digest in versions.items() if version not in sent}


def _in_order(regressions: Sequence[RegressionRow]) -> list[RegressionRow]:
    return sorted(regressions, key=lambda one: (one.drop_p_value, one.rep_id, one.skill))


def _digest(
    regressions: Sequence[RegressionRow], sink: str, kind: str, version: str, payload: dict[str, Any]
) -> DeliveryRequest:
    newest = max(regressions, key=lambda one: (one.detected_at, one.detected_call_id))
    return DeliveryRequest(
        route=DIGEST_ROUTE,
        sink=sink,
        kind=kind,
        call_id=newest.detected_call_id,
        version=version,
        target="",
        call_started_at=newest.detected_at,
        scored_at=newest.detected_at,
        payload=payload,
    )


def _calls(
    database: Database, regressions: Sequence[RegressionRow], link_hosts: tuple[str, ...]
) -> list[list[RegressionCall]]:
    """Return the calls of each regression, oldest first, each with a quote that is in its transcript."""
    calls: list[list[RegressionCall]] = [[] for _ in regressions]
    parameters: dict[str, list[str] | list[datetime]] = {
        "rep_ids": [one.rep_id for one in regressions],
        "skills": [one.skill for one in regressions],
        "first_call_ats": [one.first_call_at for one in regressions],
    }
    with database.connection() as connection, connection.cursor(row_factory=class_row(RegressionCall)) as cursor:
        for call in cursor.execute(_SQL["calls_of_regressions"], parameters):
            is_linked = is_allowed_link(call.review_url, link_hosts)
            calls[call.position - 1].append(call if is_linked else replace(call, review_url=None))
    return calls


def _record(regression: RegressionRow, sink: str, kind: str, reason: str) -> DeliveryRequest:
    payload: dict[str, Any] = {}  # it is never sent
    return DeliveryRequest(
        route=ROUTE,
        sink=sink,
        kind=kind,
        call_id=regression.detected_call_id,
        version=_version(regression),
        target="",
        call_started_at=regression.detected_at,
        scored_at=regression.detected_at,
        payload=payload,
        suppressed_because=reason,
    )


def _version(regression: RegressionRow) -> str:
    return f"{regression.rep_id}:{regression.skill}"
