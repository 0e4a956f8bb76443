"""The forecast in simulated companies whose true win probabilities are known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from copilot_pipeline.config.forecast import ForecastSettings
from copilot_pipeline.marts.forecast.backtest import train
from copilot_pipeline.marts.forecast.comparison import compare, verdict
from copilot_pipeline.marts.forecast.data import (
    DAY_SECONDS,
    DealFacts,
    Floats,
    ForecastData,
    Ints,
    Signal,
    events_of,
)
from copilot_pipeline.marts.forecast.deal_forecast import deal_rows, forecast
from copilot_pipeline.marts.forecast.evidence import Evidence
from copilot_pipeline.marts.forecast.features import OWN_PEOPLE, PROSPECTS, FeatureBuilder, usable_signals
from copilot_pipeline.marts.forecast.track_record import accuracy_rows, scored_backtest
from copilot_pipeline.transform.deal_outcomes import DealOutcome
from copilot_pipeline_tests.marts.forecast.worlds import HALF_LIFE, KINDS, MOMENT, NOW, STAGES, World, run, simulate

pytestmark = pytest.mark.simulation

SETTINGS = ForecastSettings()
SMALL = World(deals=160, bricks=4, signal=2.0)
PULLED = {(OWN_PEOPLE, ""), (PROSPECTS, "per call")}


def test_beats_the_stage_where_signals_carry_information() -> None:
    """In every one of these worlds, on open deals; and the track record of most of them shows it."""
    results = [run(replace(KINDS["strong signals"], bricks=6), seed) for seed in range(3)]
    assert all(one.model < one.stage for one in results)
    assert sum(one.record is not None and one.record.is_better for one in results) >= 2
    assert np.mean([one.calibrated for one in results]) >= 0.9


def test_is_not_worse_than_the_stage_where_signals_carry_none() -> None:
    """What is shown is at most 2 % worse, and the track record says that the model is no better."""
    results = [run(replace(KINDS["null, no effect of stage"], bricks=6), seed) for seed in range(3)]
    assert all(one.shown <= 1.02 * one.stage for one in results)
    sentences = [verdict(one.record, "in the backtest")[1] for one in results]
    assert sum("the model is no better than stage" in sentence for sentence in sentences) >= 2


def test_what_is_significant_only_now_is_not_shown_as_better() -> None:
    """All looks of a quarter must be significant, and enough deals must have closed by the first of them."""
    assert Evidence(0.01, (0.02, 0.03, 0.04)).has_lasted(0.05)
    assert not Evidence(0.01, (0.02, 0.2, 0.04)).has_lasted(0.05)
    assert not Evidence(0.01, (0.02, 0.03, None)).has_lasted(0.05)
    assert not Evidence(0.2).has_lasted(0.05)
    deal, half = np.arange(40), np.full(40, 0.5)
    comparison = compare(deal, (deal % 2).astype(np.float64), half, half, half, Evidence(0.01, (0.02, 0.2, 0.04)))
    assert comparison is not None
    assert "in the three months before at most 0.200" in verdict(comparison, "in the backtest")[1]


def test_a_brick_that_is_answered_after_the_close_has_no_effect() -> None:
    """Calls after the close answer a brick with the outcome: the forecast is the one without that brick."""
    world = replace(SMALL, signal=0.0, deals=120)
    with_brick, without = (simulate(replace(world, after_close=one), 3).data for one in (True, False))
    assert any(signal.brick == "debrief" for signal in with_brick.signals)
    found, expected = (forecast(data, SETTINGS, NOW) for data in (with_brick, without))
    assert deal_rows(found, MOMENT.date()) == deal_rows(expected, MOMENT.date())
    assert np.array_equal(found.past.model, expected.past.model)


@pytest.mark.parametrize("seed", range(3))
def test_nothing_that_happens_later_changes_a_snapshot(seed: int) -> None:
    """Calls, answers, stages and moves of the close date after the time of a snapshot are not seen."""
    rng = np.random.default_rng(seed)
    data = simulate(SMALL, seed).data
    deal = np.arange(len(data.deals))
    at = data.started_at + (rng.uniform(0.1, 0.9, len(deal)) * 40 * DAY_SECONDS).astype(np.int64)
    changed = _with_later_events(data, deal, at)
    before, after = (_snapshots(one, deal, at) for one in (data, changed))
    assert np.allclose(before, after, rtol=0, atol=1e-9, equal_nan=True)


def _snapshots(data: ForecastData, deal: Ints, at: Ints) -> Floats:
    builder = FeatureBuilder(data)
    builder.centres = dict.fromkeys(builder.signals, 1.0)  # the centre is a constant of all calls, later ones included
    snapshots = builder.snapshots(deal, at)
    stages = np.array(builder.past.stages)[snapshots.stage]
    numbers = np.array([STAGES.index(stage) if stage in STAGES else -1 for stage in stages])
    # Means over all calls, to which averages of few calls are pulled, are constants; they are left out here.
    columns = [number for number, one in enumerate(builder.features) if (one.group, one.part) not in PULLED]
    return np.column_stack([snapshots.values[:, columns], numbers])


def _with_later_events(data: ForecastData, deal: Ints, at: Ints) -> ForecastData:
    later = at + DAY_SECONDS
    calls = data.calls
    facts = [
        replace(
            one,
            outcome=DealOutcome.WON,
            closed_at=int(later[number]),
            stages=[*(entry for entry in one.stages if entry[0] <= at[number]), (int(later[number]), "Negotiation")],
            pushes=[*(entry for entry in one.pushes if entry[0] <= at[number]), (int(later[number]), 99.0)],
        )
        for number, one in enumerate(data.deals)
    ]
    return ForecastData(
        deals=facts,
        calls=events_of(np.append(calls.deal, deal), np.append(calls.at, later), np.append(calls.value, deal * 1.0)),
        own_people=np.ones(len(calls.deal) + len(deal)),
        amounts=events_of(deal, later, np.full(len(deal), 7.0)),
        signals={
            signal: events_of(np.append(one.deal, deal), np.append(one.at, later), np.append(one.value, deal % 2.0))
            for signal, one in data.signals.items()
        },
        prospects=events_of(np.append(data.prospects.deal, deal), np.append(data.prospects.at, later)),
        covered=events_of(deal, later),
    )


def test_the_same_data_make_the_same_forecast() -> None:
    """Folds and draws are seeded."""
    first, second = (forecast(simulate(replace(SMALL, deals=110), 1).data, SETTINGS, NOW) for _ in range(2))
    assert deal_rows(first, MOMENT.date()) == deal_rows(second, MOMENT.date())


def test_gives_no_probability_below_the_number_of_closed_deals() -> None:
    """There is a row for each open deal, with the reason."""
    found = forecast(simulate(replace(SMALL, deals=40), 1).data, SETTINGS, NOW)
    rows = deal_rows(found, MOMENT.date())
    assert rows
    for row in rows:
        assert (row.win_probability, row.win_low, row.stage_win_rate, row.model_probability) == (None,) * 4
    assert all(row.basis == "none" and "It needs 40" in row.note for row in rows)


def test_gives_no_probability_if_every_deal_was_won() -> None:
    """There is nothing to tell won and lost deals apart by."""
    data = simulate(replace(SMALL, base=30.0), 1).data
    rows = deal_rows(forecast(data, SETTINGS, NOW), MOMENT.date())
    assert {row.basis for row in rows} == {"none"}
    assert "10 of them won and 10 lost" in rows[0].note


def test_reasons_have_words_points_and_calls() -> None:
    """The strongest reason is first; a reason from a call links to it."""
    data = simulate(replace(SMALL, deals=260), 2).data
    found = forecast(data, SETTINGS, NOW)
    assert found.basis == "model"
    rows = deal_rows(found, MOMENT.date())
    assert all(0 < row.win_low < row.win_probability < row.win_high < 1 for row in rows if row.win_low)  # type: ignore[operator]
    best, worst = (pick(rows, key=lambda row: row.win_probability or 0) for pick in (max, min))
    assert any("brick" in reason and reason.endswith("points") and "+" in reason for reason in best.reasons)
    assert any("\N{MINUS SIGN}" in reason for reason in worst.reasons)


def test_calibration_is_within_its_interval() -> None:
    """Most deciles of the backtest have the mean forecast in the interval of what was won."""
    found = forecast(simulate(KINDS["strong signals"], 7).data, SETTINGS, NOW)
    deciles = [row for row in accuracy_rows(scored_backtest(found)) if row.decile != "all"]
    inside = [(row.share_low or 0) <= row.mean_forecast <= (row.share_high or 1) for row in deciles]
    assert sum(inside) >= 8


def test_standard_errors_fall_with_the_number_of_deals() -> None:
    """With four times the deals, about half of the error."""
    errors = []
    for deals in (200, 800):
        data = simulate(replace(SMALL, deals=deals), 4).data
        builder = FeatureBuilder(data)
        model = train(data, builder, NOW, min_deals=40, half_life_days=HALF_LIFE, seed=0).model
        assert model is not None
        open_deals = np.flatnonzero(data.outcome < 0)
        snapshots = builder.snapshots(open_deals, np.full(len(open_deals), NOW))
        errors.append(float(model.standard_error(snapshots).mean()))
    assert 0.3 < errors[1] / errors[0] < 0.8


def test_uses_no_brick_that_open_deals_do_not_have() -> None:
    """A brick that only closed deals' calls answer would not be there when it is needed."""
    data = simulate(SMALL, 1).data
    number = np.arange(len(data.deals))
    closed = number[data.outcome >= 0]
    late = Signal("kit", "late", "bool")
    at = data.started_at[closed] + DAY_SECONDS
    answers = events_of(closed, at, data.outcome[closed].astype(np.float64))
    assert late not in usable_signals(replace(data, signals={**data.signals, late: answers}))


def test_a_deal_without_calls_and_history_is_forecast() -> None:
    """What is unknown counts as average."""
    data = simulate(replace(SMALL, deals=260), 2).data
    bare = DealFacts(deal_id="z", outcome=DealOutcome.OPEN, started_at=NOW - 9 * DAY_SECONDS, closed_at=None)
    found = forecast(replace(data, deals=[*data.deals, bare]), SETTINGS, NOW)
    row = deal_rows(found, MOMENT.date())[-1]
    assert (row.deal_id, row.calls, row.days_since_last_call) == ("z", 0, None)
    assert row.win_probability is not None
