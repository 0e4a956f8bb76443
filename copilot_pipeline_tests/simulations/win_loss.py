"""How often the win/loss analysis is wrong on simulated companies.

    python -m copilot_pipeline_tests.simulations.win_loss --worlds 200

prints, for each kind of company, the share of the worlds with a significant and with a confirmed false driver, or the
share in which the planted conjunction is found first, and how often the intervals cover the truth.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from copilot_pipeline.config.marts import WinLossSettings
from copilot_pipeline.marts.win_loss.driver_rows import DriverRow
from copilot_pipeline.marts.win_loss.drivers import win_loss_drivers
from copilot_pipeline_tests.simulations.arguments import parser_of_worlds
from copilot_pipeline_tests.simulations.companies import DAYS, Circumstances, Company, World, company

PLANTED = frozenset({"kit.budget_confirmed", "kit.decision_maker_present", "kit.discovery_depth"})
_DEPTH = 65.0


def by(chance: Any) -> World:
    """Return a null world: the answers are independent of everything."""
    return World(lambda deal, _: chance(deal))


def _odds(value: float) -> float:
    return float(1 / (1 + np.exp(-value)))


def _meets(answers: Mapping[str, Any]) -> bool:
    return bool(
        answers["budget_confirmed"] and answers["decision_maker_present"] and answers["discovery_depth"] > _DEPTH
    )


def _rise(value: float) -> float:
    return 0.15 + 0.7 * value


def _by_calls(deal: Circumstances) -> float:
    return _rise((deal.calls - 1) / 12)


def _confounded(value: Any) -> World:
    """Return a world in which outcome and answers depend on one circumstance."""
    return World(
        lambda deal, _: _rise(value(deal)),
        yes=lambda deal: 0.05 + 0.5 * value(deal),
        shift=lambda deal: 40 * value(deal),
    )


NULL_WORLDS: Mapping[str, World] = {
    "noise": by(lambda _: 0.4),
    "noise, one call": World(lambda *_: 0.4, max_calls=1),
    "noise, few won": by(lambda _: 0.12),
    "outcome by number of calls": by(_by_calls),
    "outcome by rep": by(lambda deal: _rise(deal.rep_skill)),
    "outcome by segment": by(lambda deal: _rise(deal.segment / 3)),
    "outcome by amount": by(lambda deal: _rise(deal.amount)),
    "outcome by time": by(lambda deal: _rise(deal.time)),
    "outcome by length": by(lambda deal: _rise(deal.length)),
    "correlated bricks, outcome by calls": World(
        lambda deal, _: _by_calls(deal), yes=lambda deal: 0.6 * deal.quality, shift=lambda deal: 60 * deal.quality - 30
    ),
    "outcome and bricks by rep": _confounded(lambda deal: deal.rep_skill),
    "outcome and bricks by rep, three reps": replace(_confounded(lambda deal: deal.rep_skill), reps=3),
    "noise, one rep": replace(by(lambda _: 0.4), reps=1),
    "outcome and bricks by segment": _confounded(lambda deal: deal.segment / 3),
    "outcome and bricks by amount": _confounded(lambda deal: deal.amount),
    "outcome and bricks by time": _confounded(lambda deal: deal.time),
    "outcome and bricks by length": _confounded(lambda deal: deal.length),
    "outcome and bricks by spacing": _confounded(lambda deal: min(1.0, 3 * deal.spacing)),
    "values missing by outcome": World(lambda *_: 0.4, missing=lambda _, is_won: 0.1 if is_won else 0.6),
    "kit changed at a date, outcome too": _confounded(lambda deal: float(deal.time > 0.55)),
    "everything together": World(
        lambda deal, _: _odds(
            0.25 * (deal.calls - 7) + 2 * (deal.rep_skill - 0.5) + 2 * (deal.amount - 0.5) + 2 * (deal.time - 0.5)
        ),
        yes=lambda deal: 0.1 + 0.1 * (deal.rep_skill + deal.amount + deal.time + deal.quality),
        shift=lambda deal: 10 * (deal.rep_skill + deal.amount + deal.time + deal.quality),
    ),
    "big deals by reps with other answers": World(
        lambda deal, _: _rise(deal.amount),
        yes=lambda deal: 0.05 + 0.5 * deal.rep_skill,
        shift=lambda deal: 40 * deal.rep_skill,
        amount=lambda skill, drawn: 0.7 * skill + 0.3 * drawn,
    ),
    "won deals have longer calls": World(lambda *_: 0.4, parts=lambda _, is_won: 3 if is_won else 1),
    "bricks and outcome by season": World(
        lambda deal, _: 0.45 + 0.35 * deal.season,
        yes=lambda deal: 0.3 + 0.25 * deal.season,
        shift=lambda deal: 20 * deal.season,
    ),
    "one large account, outcome and bricks by account": replace(
        _confounded(lambda deal: deal.account_quality), accounts=240
    ),
    "sixty accounts, outcome and bricks by account": replace(
        _confounded(lambda deal: deal.account_quality), accounts=90
    ),
    "each deal twice": replace(by(lambda _: 0.4), copies=2),
    "scores on another scale in one segment": World(
        lambda deal, _: 0.7 if deal.segment == 0 else 0.3, shift=lambda deal: -90 if deal.segment == 0 else 0
    ),
    "a brick is the stage in the CRM": replace(by(lambda _: 0.4), stage_copied=True),
    "a brick is mostly the stage in the CRM": replace(
        by(lambda _: 0.4), stage_copied=True, stage_noise=0.4, max_calls=3
    ),
    "answers on late calls, outcome by number of calls": World(
        lambda deal, _: _by_calls(deal), yes=lambda _: 0.05, later=0.6
    ),
    "reps change over time, outcome and bricks too": _confounded(
        lambda deal: deal.rep_skill * deal.time + (1 - deal.rep_skill) * (1 - deal.time)
    ),
    "outcome and bricks by rep, sixty reps": replace(_confounded(lambda deal: deal.rep_skill), reps=60),
    "outcome and bricks at the end of quarters": _confounded(lambda deal: float(deal.time * DAYS % 91.25 > 70)),
    "kit changed at a date, outcome by length": World(
        lambda deal, _: _rise(deal.length),
        yes=lambda deal: 0.1 + 0.5 * (deal.time - 0.25 * deal.length > 0.4),
        shift=lambda deal: 30 * (deal.time - 0.25 * deal.length > 0.4),
    ),
    "values missing by outcome and number of calls": World(
        lambda deal, _: _by_calls(deal), missing=lambda deal, is_won: (0.05 if is_won else 0.5) + 0.03 * deal.calls
    ),
}
PLANTED_WORLDS: Mapping[str, World] = {
    "one call": World(lambda _, answers: 0.75 if _meets(answers) else 0.08, yes=lambda _: 0.5, max_calls=1),
    "one call, weaker": World(lambda _, answers: 0.7 if _meets(answers) else 0.2, yes=lambda _: 0.5, max_calls=1),
    "one to three calls": World(lambda _, answers: 0.75 if _meets(answers) else 0.08, max_calls=3),
    "one to thirteen calls": World(lambda _, answers: 0.75 if _meets(answers) else 0.08, yes=lambda _: 0.12),
    "also by calls and rep": World(
        lambda deal, answers: _odds(
            -2.5 + 3 * _meets(answers) + 1.5 * (deal.rep_skill - 0.5) + 0.15 * (deal.calls - 7)
        ),
        yes=lambda _: 0.12,
    ),
}


@dataclass
class Rates:
    """Counts over worlds."""

    worlds: int = 0
    significant: int = 0  # worlds with a significant false driver
    confirmed: int = 0  # worlds with a confirmed false driver
    first: int = 0  # worlds with the planted conjunction first
    first_confirmed: int = 0
    false_part: int = 0  # worlds with a confirmed condition on a brick that does not matter
    intervals: int = 0
    lift_covered: int = 0
    rate_intervals: int = 0
    rate_covered: int = 0


def measure(world: World, worlds: int, first_seed: int = 0, deals: int = 300, **settings: Any) -> Rates:
    """Return the rates of some worlds of a kind."""
    rates = Rates()
    for seed in range(first_seed, first_seed + worlds):
        at = company(world, seed, deals)
        drivers = win_loss_drivers(at.calls, at.deals, WinLossSettings(**settings)).drivers
        rates.worlds += 1
        rates.significant += any(one.is_significant for one in drivers)
        rates.confirmed += any(one.is_confirmed for one in drivers)
        rates.false_part += any(one.is_confirmed and not set(one.bricks) <= PLANTED for one in drivers)
        planted = next((one for one in drivers if set(one.bricks) == PLANTED), None)
        if drivers and set(drivers[0].bricks) == PLANTED:
            rates.first += 1
            rates.first_confirmed += drivers[0].is_confirmed
        if planted is not None:
            _cover(rates, planted, at, world)
    return rates


def _cover(rates: Rates, row: DriverRow, at: Company, world: World) -> None:
    """Count whether the intervals of the planted conjunction cover the truth."""
    if "not" in row.condition or "<=" in row.condition:
        return
    depth = float(next(part for part in row.condition.split(" and ") if "discovery_depth" in part).split()[-1])
    meets = [
        bool(answers["budget_confirmed"] and answers["decision_maker_present"] and answers["discovery_depth"] > depth)
        for answers in at.highest.values()
    ]
    rate = float(np.array(list(at.chances.values()))[meets].mean())
    expected = np.array([_expected(world, deal) for deal in at.circumstances.values()])[meets]
    rates.rate_intervals += 1
    rates.rate_covered += bool(row.win_rate_low <= rate <= row.win_rate_high)
    if row.confirmed_lift_low is not None and row.confirmed_lift_high is not None:
        rates.intervals += 1
        rates.lift_covered += bool(row.confirmed_lift_low <= rate / expected.mean() <= row.confirmed_lift_high)


def _expected(world: World, deal: Circumstances) -> float:
    """Return the chance of a deal with these circumstances to be won, whatever is said on its calls."""
    never = (1 - world.yes(deal)) ** deal.calls
    share = (1 - never) ** 2 * (1 - ((_DEPTH + 0.5) / 100) ** deal.calls)
    meets = {"budget_confirmed": True, "decision_maker_present": True, "discovery_depth": 100.0}
    does_not = {**meets, "budget_confirmed": False}
    return share * world.chance(deal, meets) + (1 - share) * world.chance(deal, does_not)


def main() -> None:
    """Print a table."""
    parser = parser_of_worlds(__doc__, 100)
    parser.add_argument("--deals", type=int, default=300)
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE")
    options = parser.parse_args()
    settings: dict[str, Any] = dict(one.split("=", 1) for one in options.set)
    if "adjust_for" in settings:
        settings["adjust_for"] = tuple(filter(None, settings["adjust_for"].split(",")))
    for name, world in NULL_WORLDS.items():
        if options.only in f"null: {name}":
            rates = measure(world, options.worlds, options.first_seed, options.deals, **settings)
            _say(f"null: {name}: significant {rates.significant}, confirmed {rates.confirmed} of {rates.worlds}")
    for name, world in PLANTED_WORLDS.items():
        if options.only in f"planted: {name}":
            rates = measure(world, options.worlds, options.first_seed, options.deals, **settings)
            _say(
                f"planted: {name}: first {rates.first}, confirmed {rates.first_confirmed} of {rates.worlds}; "
                f"a false part {rates.false_part}; "
                f"lift covered {rates.lift_covered} of {rates.intervals}; "
                f"win rate {rates.rate_covered} of {rates.rate_intervals}"
            )


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
