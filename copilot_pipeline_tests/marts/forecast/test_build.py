"""The tables of the forecast, built from a database."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from psycopg.rows import dict_row

from copilot_pipeline.config.marts import MartSettings
from copilot_pipeline.load.lake import Lake
from copilot_pipeline.marts.forecast.build import build_forecast
from copilot_pipeline.marts.forecast.data import DAY_SECONDS
from copilot_pipeline.marts.forecast.deal_forecast import forecast
from copilot_pipeline.marts.forecast.reader import read_forecast_data
from copilot_pipeline.postgres import Database
from copilot_pipeline.transform.deal_outcomes import DealOutcome
from copilot_pipeline_tests.marts.forecast.warehouse import store
from copilot_pipeline_tests.marts.forecast.worlds import MOMENT, Simulated, World, simulate

WORLD = World(deals=220, bricks=4, signal=2.0)
NEXT_DAY = MOMENT + timedelta(days=1)


def rows(database: Database, query: str) -> list[dict[str, Any]]:
    """The rows of a query."""
    with database.connection() as connection:
        return connection.cursor(row_factory=dict_row).execute(query.encode()).fetchall()


@pytest.fixture
def simulated(database: Database) -> Simulated:
    """A company in the database."""
    found = simulate(WORLD, 3)
    store(database, found)
    return found


def test_reads_what_was_stored(database: Database, simulated: Simulated) -> None:
    """Deals with their changes, calls with their people, and the values of all bricks, in the same order."""
    data, expected = read_forecast_data(database, MartSettings(), MOMENT), simulated.data
    assert [deal.deal_id for deal in data.deals] == [deal.deal_id for deal in expected.deals]
    for name in ("outcome", "closed_at"):
        assert np.array_equal(getattr(data, name), getattr(expected, name))
    for found, stored in zip(data.deals, expected.deals, strict=True):
        assert [stage for _, stage in found.stages] == [stage for _, stage in stored.stages]
        assert [at for at, _ in found.pushes] == [at for at, _ in stored.pushes]
        assert [days for _, days in found.pushes] == pytest.approx([days for _, days in stored.pushes])
    for name in ("deal", "at", "call"):
        assert np.array_equal(getattr(data.calls, name), getattr(expected.calls, name))
    assert {signal.name for signal in data.signals} == {signal.name for signal in expected.signals}
    for signal, events in expected.signals.items():
        assert np.allclose(data.signals[signal].value, events.value)
        assert np.array_equal(data.signals[signal].at, events.at)
    assert set(data.own_people) == set(data.calls.value) == {1.0}


def test_a_score_counts_from_when_it_was_known(database: Database, simulated: Simulated) -> None:
    """A result that came weeks after its call, though the kit was in use, is not seen before."""
    (call,) = rows(
        database, "SELECT call_id, started_at, call_date FROM copilot.calls ORDER BY started_at DESC LIMIT 1"
    )
    early = simulated.data.calls.at.min()
    with database.connection() as connection:
        connection.execute(
            "UPDATE copilot.semarize_runs SET finished_at = started_at + interval '20 days' FROM copilot.calls"
            " WHERE calls.call_id = semarize_runs.call_id AND calls.call_id = %s",
            (call["call_id"],),
        )
    data = read_forecast_data(database, MartSettings(), MOMENT)
    number = int(data.calls.call[np.argmax(data.calls.at)])
    for events in data.signals.values():
        assert (events.at[events.call == number] == int(call["started_at"].timestamp()) + 20 * DAY_SECONDS).all()
        assert (events.at >= early).all()


def test_tables_agree_with_one_another(database: Database, simulated: Simulated, tmp_path: Path) -> None:
    """The summary adds up the deals by month and currency; the track record has the forecasts of today."""
    lake = Lake(str(tmp_path))
    counts, note = build_forecast(lake, database, MartSettings(), MOMENT)
    deals = rows(database, "SELECT * FROM copilot.deal_forecast")
    assert len(deals) == counts["deal_forecast"] == int((simulated.data.outcome < 0).sum())
    assert {row["note"] for row in deals} == {note}
    for grain in ("all", "team", "rep"):
        for row in rows(database, f"SELECT * FROM copilot.forecast_summary WHERE grain = '{grain}'"):
            members = [
                one
                for one in deals
                if (one["currency"], f"{one['close_date']:%Y-%m}") == (row["currency"], row["close_month"])
                and row["grain_id"] == {"all": "all", "team": "unknown", "rep": one["rep_id"] or "unknown"}[grain]
            ]
            assert len(members) == row["deals"]
            assert row["pipeline"] == pytest.approx(sum(one["amount"] for one in members))
            expected = sum(one["amount"] * one["win_probability"] for one in members)
            assert row["forecast"] == pytest.approx(expected)
            weighted = sum(
                one["amount"] * (one["stage_win_rate"] if one["crm_probability"] is None else one["crm_probability"])
                for one in members
            )
            assert row["stage_weighted"] == pytest.approx(weighted)
            assert row["commit"] <= row["best_case"] <= row["pipeline"]
            assert 0 <= row["forecast_low"] <= row["forecast_high"] <= row["pipeline"]
    live = rows(database, "SELECT deal_id, win_probability FROM copilot.forecast_track_record WHERE source = 'live'")
    assert {row["deal_id"]: row["win_probability"] for row in live} == {
        row["deal_id"]: row["win_probability"] for row in deals
    }
    assert _reconstructed(database) == _forecast_a_week_before(database)
    for table, count in counts.items():
        assert pq.read_table(tmp_path / table / "part.parquet").num_rows == count
    linked = {reason["call_id"] for row in deals for reason in row["reason_details"] or () if reason["call_id"]}
    assert linked <= {row["call_id"] for row in rows(database, "SELECT call_id FROM copilot.calls")}


def _reconstructed(database: Database) -> dict[str, tuple[float, float]]:
    """The probabilities of the model and of the stage in the forecast of a week before, by deal."""
    found = rows(
        database, "SELECT * FROM copilot.forecast_track_record WHERE source = 'reconstructed' ORDER BY deal_id"
    )
    assert {row["made_on"] for row in found} == {MOMENT.date() - timedelta(days=7)}
    assert {row["outcome"] for row in found} > {"open"}  # some have closed since
    return {row["deal_id"]: (row["model_probability"], row["stage_win_rate"]) for row in found}


def _forecast_a_week_before(database: Database) -> dict[str, tuple[float, float]]:
    """The same, forecast from data without the deals and outcomes of the last week."""
    end = datetime.combine(MOMENT.date() - timedelta(days=6), time(), UTC)  # of that day
    at = int(end.timestamp())
    data = read_forecast_data(database, MartSettings(), MOMENT)
    deals = [
        replace(deal, outcome=DealOutcome.OPEN, closed_at=None) if (deal.closed_at or 0) >= at else deal
        for deal in data.deals
    ]
    found = forecast(replace(data, deals=deals), MartSettings().forecast, at)
    model, rates = found.forecaster.model, found.forecaster.baselines
    assert model is not None
    assert rates is not None
    of_model, of_stage = model.probability(found.snapshots), rates.stage_rate(found.snapshots.stage)
    return {
        deals[number].deal_id: (float(of_model[row]), float(of_stage[row]))
        for row, number in enumerate(found.snapshots.deal.tolist())
        if deals[number].started_at < at
    }


def test_forecasts_are_kept_as_they_were_made(database: Database, simulated: Simulated, tmp_path: Path) -> None:
    """A second run of a day replaces that day; later days leave it alone but for outcomes and scores."""
    lake = Lake(str(tmp_path))
    query = (
        "SELECT deal_id, made_on, win_probability FROM copilot.forecast_track_record WHERE source = 'live'"
        " ORDER BY deal_id, made_on"
    )
    build_forecast(lake, database, MartSettings(), MOMENT)
    first = rows(database, query)
    build_forecast(lake, database, MartSettings(), MOMENT)
    assert rows(database, query) == first
    won = next(number for number, deal in enumerate(simulated.data.deals) if deal.outcome is DealOutcome.OPEN)
    changed = list(simulated.data.deals)
    changed[won] = replace(changed[won], outcome=DealOutcome.WON, closed_at=int(MOMENT.timestamp()) + DAY_SECONDS // 2)
    store(database, replace(simulated, data=replace(simulated.data, deals=changed)), deals_only=True)
    build_forecast(lake, database, MartSettings(), NEXT_DAY)
    both = rows(database, query)
    assert [row for row in both if row["made_on"] == MOMENT.date()] == first
    assert {row["deal_id"] for row in both if row["made_on"] == NEXT_DAY.date()} == {
        row["deal_id"] for row in first if row["deal_id"] != changed[won].deal_id
    }
    (scored,) = rows(
        database, "SELECT * FROM copilot.forecast_track_record WHERE source = 'live' AND brier IS NOT NULL"
    )
    assert (scored["deal_id"], scored["outcome"]) == (changed[won].deal_id, "won")
    assert scored["brier"] == pytest.approx((1 - scored["win_probability"]) ** 2)
    assert scored["model_brier"] == pytest.approx((1 - scored["model_probability"]) ** 2)
    (accuracy,) = rows(database, "SELECT * FROM copilot.forecast_accuracy WHERE source = 'live' AND decile = 'all'")
    assert (accuracy["deals"], accuracy["verdict"]) == (1, "too few")


def test_a_new_database_restores_the_forecasts_from_the_lake(
    database: Database, simulated: Simulated, tmp_path: Path
) -> None:
    """Forecasts cannot be made again."""
    lake = Lake(str(tmp_path))
    query = (
        "SELECT * FROM copilot.forecast_track_record WHERE source = 'live' AND made_on = '2026-05-28' ORDER BY deal_id"
    )
    build_forecast(lake, database, MartSettings(), MOMENT)
    made = rows(database, query)
    assert len(made) == int((simulated.data.outcome < 0).sum())
    with database.connection() as connection:
        connection.execute("TRUNCATE copilot.forecast_track_record")
    build_forecast(lake, database, MartSettings(), MOMENT + timedelta(days=7))
    assert rows(database, query) == made
    others = rows(database, "SELECT DISTINCT source FROM copilot.forecast_track_record")
    assert {row["source"] for row in others} == {"live", "backtest"}  # that of a week before needs no reconstruction


def test_a_workspace_without_deals_has_no_forecast(database: Database, tmp_path: Path) -> None:
    """Empty tables, and a sentence that says why."""
    counts, note = build_forecast(Lake(str(tmp_path)), database, MartSettings(), MOMENT)
    assert set(counts.values()) == {0}
    assert note.startswith("No forecast: 0 closed deals")
