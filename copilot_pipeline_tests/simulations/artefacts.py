"""What each analysis reports about companies in which no answer matters, but a hidden cause goes with everything.

    python -m copilot_pipeline_tests.simulations.artefacts --worlds 40

prints, for each kind of company, the share in which win/loss confirms a driver, the forecast claims more than the
stage, coverage of MEDDICC and talk share differ between won and lost deals beyond chance, a rep's skill is a
regression, and a rep with few calls leads the claims per hour.
"""

from __future__ import annotations

import sys
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa

from copilot_pipeline.config.forecast import ForecastSettings
from copilot_pipeline.config.marts import CoachingSettings, WinLossSettings
from copilot_pipeline.marts.claim_rates import Exposure, rates
from copilot_pipeline.marts.conversation_outcomes import CallMetrics, conversation_outcomes
from copilot_pipeline.marts.forecast.data import DAY_SECONDS, NO_EVENTS, DealFacts, ForecastData, Signal, events_of
from copilot_pipeline.marts.forecast.deal_forecast import MODEL, forecast
from copilot_pipeline.marts.meddicc_outcomes import meddicc_outcomes
from copilot_pipeline.marts.model import BrickAnswer, Deal, KitRun, Rep, ScoredCall
from copilot_pipeline.marts.skill_drops import drops_of
from copilot_pipeline.marts.win_loss.drivers import win_loss_drivers
from copilot_pipeline.transform.deal_outcomes import DealOutcome
from copilot_pipeline_tests.simulations.arguments import parser_of_worlds
from copilot_pipeline_tests.simulations.artefact_companies import (
    ARTEFACTS,
    BRICKS,
    DAYS,
    FEW,
    REPS,
    SCORES,
    draft,
)

_START = datetime(2024, 6, 3, 9, tzinfo=UTC)
_KIT = "kit"
_STAGES = ("Discovery", "Evaluation", "Proposal")
WIN_LOSS, FORECAST, MEDDICC, TALK, COACHING, CLAIMS = "win/loss", "forecast", "MEDDICC", "talk", "coaching", "claims"
FINDINGS = (WIN_LOSS, FORECAST, MEDDICC, TALK, COACHING, CLAIMS)


class Company:
    """A company as the analyses read it."""

    def __init__(self, kind: str, seed: int, deals: int) -> None:
        artefact, accounts = ARTEFACTS[kind]
        self.draft = draft(seed, deals, accounts)
        artefact(self.draft)
        at, random = self.draft, self.draft.random
        self.won = random.random(deals) < at.chance
        self.is_open = at.closed > DAYS
        calls = len(at.of)
        self.said = {brick: random.random(calls) < 0.08 + 0.45 * at.lean for brick in BRICKS}
        self.scores = {
            brick: np.clip(np.round(random.normal(40 + 25 * at.lean, 14)), 0, 100).astype(float) for brick in SCORES
        }
        self.is_null = {
            brick: random.random(calls) < at.missing * (1 - 0.8 * self.said.get(brick, np.zeros(calls)))
            for brick in (*BRICKS, *SCORES)
        }
        self.held = np.flatnonzero((at.at <= DAYS) & at.is_scored)
        self.talk = random.normal(0.5 - 0.15 * at.lean, 0.1)
        self.claims = random.poisson(0.5 * at.minutes / 60)
        self.outcomes = [
            DealOutcome.OPEN if is_open else DealOutcome.WON if is_won else DealOutcome.LOST
            for is_open, is_won in zip(self.is_open.tolist(), self.won.tolist(), strict=True)
        ]

    def deals(self) -> list[Deal]:
        """Return the deals."""
        at = self.draft
        return [
            Deal(
                f"d-{number}",
                outcome,
                amount=float(at.amount[number]),
                closed_at=None if outcome is DealOutcome.OPEN else _moment(at.closed[number]),
                created_at=_moment(at.started[number]),
                account_fields={"Segment": f"segment {at.segment[number]}"},
                account_name=f"account {at.account[number]}",
            )
            for number, outcome in enumerate(self.outcomes)
        ]

    def calls(self) -> list[ScoredCall]:
        """Return the scored calls that were held."""
        at = self.draft
        values: dict[str, Any] = {**self.said, **self.scores}
        found = []
        for call in self.held.tolist():
            started_at = _moment(at.at[call])
            found.append(
                ScoredCall(
                    call_id=f"c-{call}",
                    call_date=started_at.date(),
                    started_at=started_at,
                    deal_id=f"d-{at.of[call]}",
                    bricks={
                        (_KIT, brick): BrickAnswer(None if self.is_null[brick][call] else of_brick[call].item())
                        for brick, of_brick in values.items()
                    },
                    runs={_KIT: KitRun("succeeded", "run", kit_version_id=f"version {at.version[call]}")},
                    rep=Rep(f"rep-{at.rep[at.of[call]]}"),
                    duration_s=float(at.minutes[call]) * 60,
                    prospects=tuple(f"person {number}" for number in range(at.attendees[call])),
                )
            )
        return found

    def coverage(self) -> pa.Table:
        """Return `meddicc_coverage` of three elements."""
        at, held = self.draft, self.held
        return pa.concat_tables(
            pa.table(
                {
                    "element": pa.array([brick] * len(held)).dictionary_encode(),
                    "deal_id": pa.array([f"d-{deal}" for deal in at.of[held]]).dictionary_encode(),
                    "rep_id": pa.array([f"rep-{rep}" for rep in at.rep[at.of[held]]]).dictionary_encode(),
                    "started_at": pa.array([_moment(one) for one in at.at[held]], pa.timestamp("us", "UTC")),
                    "is_covered": pa.array(self.said[brick][held] & ~self.is_null[brick][held]),
                }
            )
            for brick in BRICKS[:3]
        ).unify_dictionaries()

    def forecast_data(self) -> ForecastData:
        """Return the input of the forecast."""
        at, held = self.draft, self.held
        deal, seconds, numbers = at.of[held], _seconds(at.at[held]), np.arange(len(held))
        signals = {}
        for brick, values in {**self.said, **self.scores}.items():
            known = ~self.is_null[brick][held]
            signal = Signal(_KIT, brick, "bool" if brick in BRICKS else "num")
            value = values[held][known].astype(float)
            signals[signal] = events_of(deal[known], seconds[known], value, numbers[known])
        people = np.repeat(np.arange(len(held)), at.attendees[held])
        return ForecastData(
            deals=[self._facts(number) for number in range(len(at.rep))],
            calls=events_of(deal, seconds, at.attendees[held].astype(float), numbers),
            own_people=np.ones(len(held)),
            amounts=NO_EVENTS,
            signals=signals,
            prospects=events_of(deal[people], seconds[people]),
            covered=NO_EVENTS,
        )

    def _facts(self, number: int) -> DealFacts:
        at = self.draft
        started, length = float(at.started[number]), float(at.length[number])
        stages = [(_second(started + length * part / 3), stage) for part, stage in enumerate(_STAGES)]
        return DealFacts(
            deal_id=f"d-{number:04d}",
            outcome=self.outcomes[number],
            started_at=_second(started),
            closed_at=None if self.is_open[number] else _second(started + length),
            amount=float(at.amount[number]),
            currency="EUR",
            rep_id=f"rep-{at.rep[number]}",
            stages=[(moment, stage) for moment, stage in stages if moment <= _second(DAYS)],
        )


def _moment(day: float) -> datetime:
    return _START + timedelta(days=float(day))


def _second(day: float) -> int:
    return int(_moment(day).timestamp())


def _seconds(days: Any) -> Any:
    return (days * DAY_SECONDS).astype(np.int64) + int(_START.timestamp())


def findings(company: Company) -> Counter[str]:
    """Return which analyses find what is not there."""
    drivers = win_loss_drivers(company.calls(), company.deals(), WinLossSettings()).drivers
    found = forecast(company.forecast_data(), ForecastSettings(), _second(DAYS))
    return Counter(
        {
            WIN_LOSS: any(one.is_confirmed for one in drivers),
            FORECAST: found.basis == MODEL,
            MEDDICC: coverage_differs(company),
            TALK: talk_differs(company),
            COACHING: _has_regression(company),
            CLAIMS: _small_leads(company),
        }
    )


def coverage_differs(company: Company) -> bool:
    """Return whether coverage of one of three elements goes with the outcome beyond chance (Bonferroni)."""
    p_values = [one.adjusted_p_value for one in meddicc_outcomes(company.coverage(), company.deals())]
    return any(one is not None and one < 0.05 / 3 for one in p_values)


def talk_differs(company: Company) -> bool:
    """Return whether the talk share of won deals differs from that of lost ones beyond chance."""
    p_value = conversation_outcomes(_metrics(company), company.deals())[0].p_value
    return p_value is not None and p_value < 0.05


def _metrics(company: Company) -> list[CallMetrics]:
    at = company.draft
    return [
        CallMetrics(
            call_id=f"c-{call}",
            deal_id=f"d-{at.of[call]}",
            rep_id=f"rep-{at.rep[at.of[call]]}",
            rep_name=None,
            started_at=_moment(at.at[call]),
            talk_share=float(company.talk[call]),
            longest_monologue_s=None,
            rep_questions_per_hour=None,
            prospect_questions_per_hour=None,
            prospects=int(at.attendees[call]),
        )
        for call in company.held.tolist()
    ]


def _has_regression(company: Company) -> bool:
    """Return whether a skill of a rep, the same one for all, is found to have dropped."""
    at, settings, threshold = company.draft, CoachingSettings(), 60.0
    for rep in range(REPS):
        own = company.held[at.rep[at.of[company.held]] == rep]
        own = own[np.argsort(at.at[own])]
        scores = company.scores[SCORES[0]][own]
        runs = [0]
        for is_below in (scores < threshold).tolist():
            runs.append(runs[-1] + 1 if is_below else 0)
        if any(drops_of(scores, runs[1:], at.version[own].tolist(), threshold, settings)):
            return True
    return False


def _small_leads(company: Company) -> bool:
    groups = [Exposure() for _ in range(REPS)]
    for call in company.held.tolist():
        rep = company.draft.rep[company.draft.of[call]]
        groups[rep].add_call(int(company.claims[call]), float(company.draft.minutes[call]) / 60)
    return int(np.argmax([one.shrunk or 0.0 for one in rates(groups)])) < FEW


def main() -> None:
    """Print a line for each kind of company."""
    parser = parser_of_worlds(__doc__, 40)
    parser.add_argument("--deals", type=int, default=360)
    options = parser.parse_args()
    for kind in ARTEFACTS:
        if options.only in kind:
            seeds = range(options.first_seed, options.first_seed + options.worlds)
            counts: Counter[str] = Counter()
            for seed in seeds:
                counts += findings(Company(kind, seed, options.deals))
            shown = ", ".join(
                f"{name} {counts[name]}" for name in (WIN_LOSS, FORECAST, MEDDICC, TALK, COACHING, CLAIMS)
            )
            sys.stdout.write(f"{kind}: {shown} of {len(seeds)}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
