"""Read the input of the forecast from the warehouse, as arrays: 100,000 calls with a million scores fit into memory."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from psycopg.rows import dict_row

from copilot_pipeline.config.marts import MartSettings, OutcomeSettings
from copilot_pipeline.marts.forecast.data import (
    DAY_SECONDS,
    DealFacts,
    Events,
    Floats,
    ForecastData,
    Ints,
    LastCall,
    Signal,
    events_of,
)
from copilot_pipeline.marts.forecast.signals import chosen_signals
from copilot_pipeline.marts.reference_reader import ReferenceReader
from copilot_pipeline.postgres import Database
from copilot_pipeline.postgres.columns import read_columns
from copilot_pipeline.postgres.connections import Connection
from copilot_pipeline.postgres.queries import load_queries
from copilot_pipeline.transform.deal_outcomes import DealOutcome, closed_at, entries_of, moment_of, outcome_of

_SQL = load_queries(__package__, "forecast.sql")
_RUNS_PER_READ = 50_000
_CALLS = ("call", "deal", "at", "prospects", "own_people", "deal_value")
_SCORES = {"signal": pa.int32(), "run": pa.int32(), "value": pa.float64()}
_NO_SCORES = {name: np.zeros(0, kind.to_pandas_dtype()) for name, kind in _SCORES.items()}

StageEntry = tuple[int, str]  # when a stage was entered or seen


class Version(NamedTuple):
    """A deal as a refresh saw it from a time on."""

    at: int
    stage: str | None
    amount: float | None
    close_date: int | None


def read_forecast_data(database: Database, settings: MartSettings, now: datetime) -> ForecastData:
    """Return deals, calls and scores as of a time: later calls are left out."""
    people = ReferenceReader(database).people()
    with database.transaction() as connection:
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        connection.execute(_SQL["number_deals"])
        connection.execute(_SQL["number_calls"], {"now": now})
        for statement in ("analyze_calls", "number_runs", "analyze_runs"):
            connection.execute(_SQL[statement])
        calls = _columns(connection, "calls", dict.fromkeys(_CALLS, pa.float64()))
        versions = _versions(connection)
        deals = _deals(connection, settings.outcomes, calls, versions, now)
        numbers = [number for number, deal in enumerate(deals) if deal.outcome is DealOutcome.OPEN]
        last_calls = {}
        for row in _rows(connection, "last_calls", deals=numbers):
            rep = people.find(row["rep_user_id"], row["rep_email"], row["rep_name"])
            last_calls[row["deal"]] = LastCall(
                row["call_id"], row["review_url"], rep.rep_id if rep else None, rep.name if rep else None,
                rep.manager_id if rep else None, rep.manager_name if rep else None,
            )  # fmt: skip
        prospects, covered = (
            _columns(connection, name, dict.fromkeys(("deal", "at"), pa.int64())) for name in ("prospects", "covered")
        )
        (elements,) = _rows(connection, "elements")
        deal, at, call = _integers(calls, "deal", "at", "call")
        return ForecastData(
            deals=deals,
            calls=events_of(deal, at, calls["prospects"], call),
            own_people=calls["own_people"],
            amounts=_amounts(deal, at, calls["deal_value"], versions),
            signals=_signals(connection, settings.forecast.exclude),
            prospects=events_of(*_integers(prospects, "deal", "at")),
            covered=events_of(*_integers(covered, "deal", "at")),
            elements=elements["count"],
            last_calls=last_calls,
            call_ids={
                row["call"]: (row["call_id"], row["review_url"]) for row in _rows(connection, "call_ids", deals=numbers)
            },
        )


# --- deals ---------------------------------------------------------------------------------------------------------


def _deals(
    connection: Connection,
    outcomes: OutcomeSettings,
    calls: Mapping[str, Any],
    versions: Mapping[int, Sequence[Version]],
    now: datetime,
) -> list[DealFacts]:
    first_call, last_call = _first_and_last_call(calls)
    on_calls: defaultdict[int, list[StageEntry]] = defaultdict(list)
    for row in _rows(connection, "stages_on_calls"):
        on_calls[row["deal"]].append((row["at"], row["stage"]))
    latest = int(now.timestamp())
    return [
        _deal(
            row,
            outcomes,
            first_call.get(number),
            last_call.get(number),
            _seen_stages(versions.get(number, ()), on_calls.get(number, ())),
            versions.get(number, ()),
            latest,
        )
        for number, row in enumerate(_rows(connection, "deals"))
    ]


def _first_and_last_call(calls: Mapping[str, Any]) -> tuple[dict[int, int], dict[int, int]]:
    deal, at = _integers(calls, "deal", "at")
    numbers, first = np.unique(deal, return_index=True)
    last = np.append(first[1:], len(deal)) - 1
    return (
        dict(zip(numbers.tolist(), at[first].tolist(), strict=True)),
        dict(zip(numbers.tolist(), at[last].tolist(), strict=True)) if len(deal) else {},
    )


def _deal(
    row: Mapping[str, Any],
    outcomes: OutcomeSettings,
    first_call: int | None,
    last_call: int | None,
    seen_stages: Sequence[StageEntry],
    versions: Sequence[Version],
    now: int,
) -> DealFacts:
    outcome = outcome_of(row["stage"], outcomes)
    known = [_seconds(row["created_at"]), first_call, _seconds(row["first_call_at"])]
    started = min((at for at in known if at is not None and at <= now), default=now)
    closed = _closed_at(row, outcomes, started, last_call, now) if outcome is not DealOutcome.OPEN else None
    probability = row["probability"]
    return DealFacts(
        deal_id=row["deal_id"],
        outcome=outcome,
        started_at=started,
        closed_at=closed,
        name=row["name"],
        account_name=row["account_name"],
        amount=row["amount"],
        currency=row["currency"],
        stage=row["stage"],
        probability=probability / 100 if probability is not None and probability > 1 else probability,
        forecast_category=row["forecast_category"],
        close_date=row["close_date"],
        rep_id=row["rep_id"],
        stages=_stages(row, outcomes, started, seen_stages),
        pushes=_pushes(row["close_date_history"], versions),
    )


def _closed_at(row: Mapping[str, Any], outcomes: OutcomeSettings, started: int, last_call: int | None, now: int) -> int:
    """Return when a closed deal closed: by its stage history, else its close date.

    A close date that is not after the start or in the future was never corrected; then the deal closed with its last
    call. A close date counts from its first second, so that calls of that day are not used.
    """
    recorded = _seconds(closed_at(row["stage_history"], outcomes))
    for at in (recorded, _seconds(row["close_date"])):
        if at is not None and started < at <= now:
            return at
    return max(started, last_call or started)


def _versions(connection: Connection) -> dict[int, list[Version]]:
    found: defaultdict[int, list[Version]] = defaultdict(list)
    for row in _rows(connection, "versions"):
        found[row["deal"]].append(Version(row["at"], row["stage"], row["amount"], _seconds(row["close_date"])))
    return found


def _amounts(deal: Ints, at: Ints, of_calls: Floats, versions: Mapping[int, Sequence[Version]]) -> Events:
    """Return the amounts that calls and refreshes saw; an amount of 0 is unknown."""
    seen = [(number, one.at, one.amount) for number, of_deal in versions.items() for one in of_deal if one.amount]
    known = of_calls > 0
    return events_of(
        np.append(deal[known], np.array([number for number, _, _ in seen], dtype=np.int64)),
        np.append(at[known], np.array([moment for _, moment, _ in seen], dtype=np.int64)),
        np.append(of_calls[known], np.array([amount for _, _, amount in seen], dtype=np.float64)),
    )


def _seen_stages(versions: Sequence[Version], on_calls: Sequence[StageEntry]) -> list[StageEntry]:
    """Return the stages that calls and refreshes saw, oldest first."""
    return sorted([*on_calls, *((one.at, one.stage) for one in versions if one.stage)], key=lambda entry: entry[0])


def _stages(
    row: Mapping[str, Any], outcomes: OutcomeSettings, started: int, seen: Sequence[StageEntry]
) -> list[StageEntry]:
    """Return the open stages a deal entered: by its stage history, else as calls and refreshes saw them.

    The present stage of an open deal without either is not used: closed deals do not show the like.
    """
    changes = sorted(_changes(row["stage_history"]), key=lambda change: change[0])
    found = [(at, str(change["stage"])) for at, change in changes if isinstance(change.get("stage"), str)]
    if changes and isinstance(before := changes[0][1].get("prev_stage"), str) and before.strip():
        found.insert(0, (min(started, changes[0][0]), before))
    return [
        (at, stage.strip())
        for at, stage in (found or seen)
        if outcome_of(stage, outcomes) is DealOutcome.OPEN and stage.strip()
    ]


def _pushes(history: str | None, versions: Sequence[Version]) -> list[tuple[int, float]]:
    """Return the moves of the close date: by its history, else as refreshes saw them."""
    found = []
    for at, change in _changes(history):
        after, before = (_seconds(moment_of(change.get(key))) for key in ("close_date", "prev_close_date"))
        if after is not None and before is not None:
            found.append((at, (after - before) / DAY_SECONDS))
    for older, newer in pairwise(() if found else versions):
        if older.close_date is not None and newer.close_date not in (None, older.close_date):
            found.append((newer.at, (newer.close_date - older.close_date) / DAY_SECONDS))
    return found


def _changes(history: str | None) -> Iterator[tuple[int, dict[str, Any]]]:
    for change in entries_of(history):
        at = _seconds(moment_of(change.get("date_changed")))
        if at is not None:
            yield at, change


def _seconds(moment: datetime | None) -> int | None:
    return int(moment.astimezone(UTC).timestamp()) if moment is not None else None


# --- scores --------------------------------------------------------------------------------------------------------


def _signals(connection: Connection, exclude: Sequence[str]) -> dict[Signal, Events]:
    chosen = chosen_signals(_rows(connection, "signals"), frozenset(exclude))
    values = {
        "kits": [signal.kit for signal in chosen],
        "bricks": [signal.brick for signal in chosen],
        "kinds": [signal.kind for signal in chosen],
        "categories": [signal.category for signal in chosen],
    }
    connection.execute(_SQL["number_signals"], values)
    deal, at, call = _integers(_columns(connection, "runs", dict.fromkeys(("deal", "at", "call"), pa.int64())))
    read = [
        _columns(connection, "scores", _SCORES, first=first, last=first + _RUNS_PER_READ - 1)
        for first in range(0, len(call), _RUNS_PER_READ)
    ]
    scores = {name: np.concatenate([_NO_SCORES[name], *(part.pop(name) for part in read)]) for name in _SCORES}
    order = np.lexsort((scores["run"], scores["signal"]))
    order = order[~np.isnan(scores["value"][order])]
    ends = np.searchsorted(scores["signal"][order], np.arange(len(chosen) + 1))
    found = {}
    for number, signal in enumerate(chosen):
        rows = order[ends[number] : ends[number + 1]]
        runs = scores["run"][rows]
        found[signal] = events_of(deal[runs], at[runs], scores["value"][rows], call[runs])
    return found


def _rows(connection: Connection, query: str, **parameters: Any) -> list[dict[str, Any]]:
    return connection.cursor(row_factory=dict_row).execute(_SQL[query], parameters).fetchall()


def _columns(connection: Connection, query: str, types: Mapping[str, pa.DataType], **parameters: Any) -> dict[str, Any]:
    """Return the columns of a statement as arrays."""
    table = read_columns(connection, _SQL[query], types, parameters)
    return {name: table.column(name).to_numpy() for name in types}


def _integers(columns: Mapping[str, Any], *names: str) -> list[Any]:
    return [columns[name].astype(np.int64) for name in names or columns]
