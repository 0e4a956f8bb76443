"""Simulated companies whose true win probabilities are known.

`python -m copilot_pipeline_tests.marts.forecast.worlds` runs many worlds of each kind and prints the figures of
`docs/marts.md`.
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from scipy.special import expit

from copilot_pipeline.config.forecast import ForecastSettings
from copilot_pipeline.marts.forecast.backtest import backtest, train
from copilot_pipeline.marts.forecast.comparison import Comparison, compare
from copilot_pipeline.marts.forecast.data import (
    DAY_SECONDS,
    NO_EVENTS,
    DealFacts,
    Events,
    Floats,
    ForecastData,
    Ints,
    Signal,
    events_of,
)
from copilot_pipeline.marts.forecast.evidence import evidence_of_calls
from copilot_pipeline.marts.forecast.features import FeatureBuilder
from copilot_pipeline.marts.intervals import share_of
from copilot_pipeline.transform.deal_outcomes import DealOutcome

NOW = 1_780_000_000  # May 2026
MOMENT = datetime.fromtimestamp(NOW, UTC)
STAGES = ("Discovery", "Evaluation", "Proposal", "Negotiation")
MIN_DEALS = 40
HALF_LIFE = 365.0


@dataclass(frozen=True, slots=True)
class World:
    """What is simulated."""

    deals: int = 300
    bricks: int = 12
    signal: float = 1.0  # effect of a deal's hidden quality on its log-odds
    informative: int = 4  # bricks that show the quality
    stage_effect: float = 0.5
    base: float = -0.7
    by_calls: float = 0.0  # effect of the number of calls
    by_rep: float = 0.0
    drift: float = 0.0  # change of the base log-odds over the simulated time
    missing: float = 0.0  # share of answers that are null
    after_close: bool = False  # a brick that calls after the close answer with the outcome
    dominant_rep: float = 0.2  # share of the deals of the first rep
    months: float = 0.0  # standard deviation of what deals that close in one month have in common
    days: int = 500
    mean_calls: float = 5.0


@dataclass(frozen=True, slots=True)
class Simulated:
    """A company, and the true probability of each deal."""

    data: ForecastData
    truth: Floats  # given the hidden quality and all that the world depends on
    final: Floats  # 1 if the deal was or will be won


def simulate(world: World, seed: int) -> Simulated:
    """Draw deals, their calls and scores, and the outcomes."""
    rng = np.random.default_rng(seed)
    n = world.deals
    started = NOW - (rng.uniform(0, world.days, n) * DAY_SECONDS).astype(np.int64) - 30 * DAY_SECONDS
    length = (rng.gamma(3.0, 25.0, n) + 10) * DAY_SECONDS
    closed = started + length.astype(np.int64)
    calls_per_deal = 1 + rng.poisson(world.mean_calls, n)
    rep = (rng.random(n) > world.dominant_rep).astype(int) * rng.integers(1, 6, n)
    quality = rng.standard_normal(n)
    reached = rng.integers(1, len(STAGES) + 1, n)
    log_odds = (
        world.base
        + world.signal * quality
        + world.stage_effect * (reached - 2.5)
        + world.by_calls * (calls_per_deal - 6)
        + world.by_rep * ((rep == 0) - world.dominant_rep)
        + world.drift * ((started - NOW) / DAY_SECONDS / world.days + 0.5)
    )
    if world.months:
        _, month = np.unique(closed.astype("datetime64[s]").astype("datetime64[M]"), return_inverse=True)
        log_odds = log_odds + world.months * rng.standard_normal(int(month.max()) + 1)[month]
    truth = expit(log_odds)
    final = (rng.random(n) < truth).astype(np.float64)
    is_open = closed > NOW
    deal = np.repeat(np.arange(n), calls_per_deal)
    share = rng.random(len(deal))
    # Some calls take place after the close.
    at = started[deal] + (share * length[deal] * 1.1).astype(np.int64)
    held = at <= NOW
    deal, at = deal[held], at[held]
    order = np.lexsort((at, deal))
    deal, at = deal[order], at[order]
    signals = _scores(world, rng, deal, at, quality, rep, closed, final)
    facts = [
        _facts(number, int(started[number]), int(closed[number]), bool(is_open[number]), bool(final[number]), rng,
               int(reached[number]), int(rep[number]))
        for number in range(n)
    ]  # fmt: skip
    numbers = np.arange(len(deal))
    data = ForecastData(
        deals=facts,
        calls=events_of(deal, at, rng.integers(1, 4, len(deal)).astype(np.float64), numbers),
        own_people=np.ones(len(deal)),
        amounts=NO_EVENTS,
        signals=signals,
        prospects=events_of(deal, at),
        covered=NO_EVENTS,
    )
    return Simulated(data, truth, final)


def _scores(
    world: World, rng: np.random.Generator, deal: Ints, at: Ints, quality: Floats, rep: Ints, closed: Ints,
    final: Floats,
) -> dict[Signal, Events]:  # fmt: skip
    found = {}
    calls = np.arange(len(deal))
    for number in range(world.bricks):
        informative = number < world.informative
        shown = quality[deal] if informative else rng.standard_normal(len(deal)) * 0
        noisy = 0.7 * shown + rng.standard_normal(len(deal)) + (0.5 * (rep[deal] == 0) if number == 5 else 0.0)
        is_score = number % 2 == 0
        value = 50 + 15 * noisy if is_score else (noisy > 0.3).astype(np.float64)
        kept = rng.random(len(deal)) >= world.missing
        signal = Signal("kit", f"brick_{number:02d}", "num" if is_score else "bool")
        found[signal] = events_of(deal[kept], at[kept], value[kept], calls[kept])
    if world.after_close:
        kept = at > closed[deal]
        found[Signal("kit", "debrief", "bool")] = events_of(deal[kept], at[kept], final[deal][kept], calls[kept])
    return found


def _facts(
    number: int,
    started: int,
    closed: int,
    is_open: bool,
    is_won: bool,
    rng: np.random.Generator,
    reached: int,
    rep: int = 0,
) -> DealFacts:
    """Each stage that is reached takes the same part of the deal's life."""
    step = (closed - started) // (reached + 1)
    entered = [(started + place * step, STAGES[place]) for place in range(reached)]
    outcome = DealOutcome.OPEN if is_open else DealOutcome.WON if is_won else DealOutcome.LOST
    return DealFacts(
        deal_id=f"d-{number:05d}",
        outcome=outcome,
        started_at=started,
        rep_id=f"rep-{rep}",
        closed_at=None if is_open else closed,
        amount=float(rng.integers(5, 200) * 1000),
        currency="EUR",
        close_date=datetime.fromtimestamp(closed, UTC),
        stages=[(at, stage) for at, stage in entered if at <= NOW],
        pushes=[(started + step, float(rng.integers(5, 40)))] * int(rng.integers(0, 2)),
    )


@dataclass(frozen=True, slots=True)
class Outcome:
    """How the forecast did in a world: Brier scores on open deals, by their later outcome."""

    record: Comparison | None
    model: float
    shown: float
    stage: float
    base: float
    calibrated: float  # share of the fifths of the forecasts whose mean is in the interval of what was won
    bias: float  # mean forecast minus mean truth
    seconds: float


def run(world: World, seed: int) -> Outcome:
    """Forecast the open deals of a world and score them with their later outcomes."""
    began = time.perf_counter()
    simulated = simulate(world, seed)
    data = simulated.data
    builder = FeatureBuilder(data)
    options = {"min_deals": MIN_DEALS, "half_life_days": HALF_LIFE, "seed": 0}
    past = backtest(data, builder, NOW, **options)  # type: ignore[arg-type]
    forecaster = train(data, builder, NOW, **options)  # type: ignore[arg-type]
    settings = ForecastSettings(min_deals=MIN_DEALS, half_life_days=HALF_LIFE, seed=0)
    evidence = evidence_of_calls(forecaster, data, builder, NOW, settings) if forecaster.model is not None else None
    record = compare(past.deal, past.won, past.model, past.stage, past.base, evidence)
    open_deals = np.flatnonzero(data.outcome < 0)
    snapshots = builder.snapshots(open_deals, np.full(len(open_deals), NOW, np.int64))
    assert forecaster.baselines is not None
    stage = forecaster.baselines.stage_rate(snapshots.stage)
    model = stage if forecaster.model is None else forecaster.model.probability(snapshots)
    is_better = record is not None and record.is_better
    # The expected Brier score, given the true probabilities: what the mean over many outcomes would be.
    truth = simulated.truth[open_deals]

    def brier(forecast: Floats) -> float:
        return float(np.mean((forecast - truth) ** 2 + truth * (1 - truth)))

    return Outcome(
        record, brier(model), brier(model if is_better else stage), brier(stage),
        brier(np.full(len(truth), forecaster.baselines.base_rate)),
        _calibrated(model, simulated.final[open_deals]),
        float(np.mean(model - truth)), time.perf_counter() - began,
    )  # fmt: skip


def _calibrated(forecast: Floats, won: Floats) -> float:
    fifths = np.array_split(np.argsort(forecast, kind="stable"), 5)
    intervals = [share_of(int(won[fifth].sum()), len(fifth)) for fifth in fifths if len(fifth)]
    means = [float(forecast[fifth].mean()) for fifth in fifths if len(fifth)]
    return float(
        np.mean([(one.low or 0) <= mean <= (one.high or 1) for one, mean in zip(intervals, means, strict=True)])
    )


KINDS: dict[str, World] = {
    "signals": World(),
    "strong signals": World(signal=1.5),
    "weak signals": World(signal=0.6),
    "signals, 1,000 deals": World(deals=1000),
    "null": World(signal=0.0),
    "null, no effect of stage": World(signal=0.0, stage_effect=0.0),
    "null, 1,000 deals": World(signal=0.0, deals=1000),
    "null, by number of calls": World(signal=0.0, by_calls=0.3),
    "null, by rep": World(signal=0.0, by_rep=2.0, dominant_rep=0.5),
    "null, drift": World(signal=0.0, drift=2.0),
    "null, 40 bricks": World(signal=0.0, bricks=40),
    "signals, drift": World(drift=2.0),
    "signals, few deals": World(deals=90),
    "signals, missing bricks": World(missing=0.6),
    "null, brick after the close": World(signal=0.0, after_close=True),
}


def main(worlds: int, chosen: str) -> None:
    """Print the figures of each kind of world."""
    for kind, world in KINDS.items():
        if chosen in kind:
            print(figures(kind, [run(world, seed) for seed in range(worlds)]), flush=True)  # noqa: T201


def figures(kind: str, results: list[Outcome]) -> str:
    """Return one line: Brier scores are those of model, win rate of the stage and base rate."""
    records = [one.record for one in results]

    def mean(*values: float) -> float:
        return float(np.mean(values))

    better, claimed = (
        mean(*(one.model < one.stage for one in results)),
        mean(*(record is not None and record.is_better for record in records)),
    )
    shown = [one.shown / one.stage for one in results]
    scores = "/".join(f"{mean(*(getattr(one, name) for one in results)):.3f}" for name in ("model", "stage", "base"))
    return (
        f"{kind:28s} better {better:4.0%} claimed {claimed:4.0%}"
        f" shown/stage {mean(*shown):.3f} (worst {max(shown):.3f})"
        f" Brier {scores} calibrated {mean(*(one.calibrated for one in results)):.2f}"
        f" bias {mean(*(one.bias for one in results)):+.3f}"
        f" tested deals {mean(*(record.deals if record else 0 for record in records)):.0f}"
        f" {mean(*(one.seconds for one in results)):.1f} s"
    )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 50, sys.argv[2] if len(sys.argv) > 2 else "")
