"""Store a simulated company in the warehouse.

`python -m copilot_pipeline_tests.marts.forecast.warehouse` measures the forecast of 10,000 deals and 100,000 calls.
"""

from __future__ import annotations

import json
import resource
import tempfile
import time
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from psycopg import sql

from copilot_pipeline.config.environment import Environment
from copilot_pipeline.config.marts import MartSettings
from copilot_pipeline.load.lake import Lake
from copilot_pipeline.marts.forecast.build import build_forecast
from copilot_pipeline.marts.forecast.data import DealFacts
from copilot_pipeline.postgres import Database, open_database
from copilot_pipeline.postgres.connections import Connection
from copilot_pipeline.transform.deal_outcomes import DealOutcome
from copilot_pipeline_tests.marts.forecast.worlds import MOMENT, NOW, STAGES, Simulated, World, simulate

_CLOSED = {DealOutcome.WON: "Closed Won", DealOutcome.LOST: "Closed Lost"}


def store(database: Database, simulated: Simulated, *, deals_only: bool = False) -> None:
    """Replace the content of the tables that the forecast reads."""
    data = simulated.data
    calls = data.calls
    with database.transaction() as connection:
        connection.execute("DELETE FROM copilot.deals")
        _copy(connection, "deals", _DEAL_COLUMNS, (_deal_row(deal) for deal in data.deals))
        if deals_only:
            return
        rows = [
            (f"c-{call:06d}", f"d-{deal:05d}", _moment(at))
            for call, deal, at in zip(calls.call.tolist(), calls.deal.tolist(), calls.at.tolist(), strict=True)
        ]
        _copy(
            connection,
            "calls",
            ("call_id", "call_date", "started_at", "status", "has_crm_link", "has_transcript", "deal_id", "review_url",
             "rep_user_id"),
            ((call, at.date(), at, "ready", True, True, deal, f"https://calls.example/{call}", f"u-{int(deal[2:]) % 7}")
             for call, deal, at in rows),
        )  # fmt: skip
        _copy(
            connection,
            "semarize_runs",
            ("call_id", "kit", "call_date", "run_id", "status", "kit_reference", "transcript_hash", "bricks",
             "kit_version_id", "finished_at"),
            ((call, "kit", at.date(), call, "succeeded", "KIT", "hash", 1, "v1", at) for call, _, at in rows),
        )  # fmt: skip
        for signal, events in data.signals.items():
            is_flag = signal.kind == "bool"
            _copy(
                connection,
                "semarize_scores",
                ("call_id", "kit", "brick", "call_date", "value_kind", "value_bool", "value_num", "transcript_hash"),
                (
                    (rows[call][0], "kit", signal.brick, rows[call][2].date(), signal.kind,
                     bool(value) if is_flag else None, None if is_flag else value, "hash")
                    for call, value in zip(events.call.tolist(), events.value.tolist(), strict=True)
                ),
            )  # fmt: skip
        _copy(
            connection,
            "participants",
            ("call_id", "person_id", "call_date", "name", "side", "joined", "utterances", "words"),
            (
                (call, f"{side}-{number}", at.date(), f"{side} {number} of {deal}", side, True, 10, 100)
                for number, (call, deal, at) in enumerate(rows)
                for side in ("prospect", "rep")
            ),
        )


_DEAL_COLUMNS = (
    "deal_id", "name", "amount", "currency", "stage", "probability", "forecast_category", "close_date", "created_at",
    "stage_history", "close_date_history", "calls", "outcome",
)  # fmt: skip


def _deal_row(deal: DealFacts) -> Sequence[Any]:
    history = [
        {"stage": stage, "prev_stage": before, "date_changed": _moment(at).isoformat()}
        for (at, stage), before in zip(deal.stages, [None, *(stage for _, stage in deal.stages)], strict=False)
    ]
    stage = deal.stages[-1][1] if deal.stages else STAGES[0]
    if deal.closed_at is not None:
        stage = _CLOSED[deal.outcome]
        history.append({"stage": stage, "prev_stage": None, "date_changed": _moment(deal.closed_at).isoformat()})
    pushes = [
        {
            "date_changed": _moment(at).isoformat(),
            "prev_close_date": _moment(at).isoformat(),
            "close_date": _moment(at + int(days * 86_400)).isoformat(),
        }
        for at, days in deal.pushes
    ]
    number = int(deal.deal_id[2:])
    return (
        deal.deal_id, f"Deal {number}", deal.amount, ("EUR", "USD")[number % 2], stage, (None, 40.0)[number % 2],
        ("Commit", "Best Case", "Pipeline")[number % 3], _moment(NOW + number % 90 * 86_400),
        _moment(deal.started_at), json.dumps(history), json.dumps(pushes), 1, deal.outcome.value,
    )  # fmt: skip


def _moment(at: int) -> datetime:
    return datetime.fromtimestamp(at, UTC)


def _copy(connection: Connection, table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    statement = sql.SQL("COPY copilot.{} ({}) FROM STDIN").format(
        sql.Identifier(table), sql.SQL(", ").join(map(sql.Identifier, columns))
    )
    with connection.cursor() as cursor, cursor.copy(statement) as copied:
        for row in rows:
            copied.write_row(row)


def main() -> None:
    """Print seconds and peak memory of this process, without the database server."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        database = open_database(Environment(copilot_pipeline_home=home, _env_file=None))  # type: ignore[call-arg]
        store(database, simulate(World(deals=10_000, bricks=12, days=900, mean_calls=9), 1))
        with database.connection() as connection:
            connection.execute("ANALYZE")
            counts = [
                connection.execute(f"SELECT count(*) FROM copilot.{table}").fetchone()
                for table in ("deals", "calls", "semarize_scores")
            ]
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        began, used = time.perf_counter(), time.process_time()
        built, note = build_forecast(Lake(str(home / "lake")), database, MartSettings(), MOMENT)
        seconds, processor = time.perf_counter() - began, time.process_time() - used
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        print(counts, built, note)  # noqa: T201
        print(  # noqa: T201
            f"{seconds:.1f} s ({processor:.1f} s of this process), {peak / 1024:.0f} MB "
            f"(before: {before / 1024:.0f} MB)"
        )
        database.close()


if __name__ == "__main__":
    main()
