"""How often the adjusted difference of MEDDICC coverage is wrong on simulated companies.

    python -m copilot_pipeline_tests.simulations.meddicc --worlds 300

prints, for each kind of company, in which share the interval at the same number of calls covers the true difference,
and in which share p is below 0.05 although there is none.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa

from copilot_pipeline.marts.intervals import percent, share_of
from copilot_pipeline.marts.meddicc_outcomes import OutcomeRow, meddicc_outcomes
from copilot_pipeline.marts.model import Deal
from copilot_pipeline.transform.deal_outcomes import DealOutcome
from copilot_pipeline_tests.simulations.arguments import parser_of_worlds

_STARTED = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class World:
    """A kind of company. Chances are of one deal or call; `quality` is that of the account, 0 to 1."""

    wins: Callable[[int, float], float] = lambda calls, _: calls / 16  # by number of calls and quality
    covers: Callable[[float], float] = lambda _: 0.2  # on one call, by quality
    most_calls: int = 13
    few_calls: bool = False  # most deals have one or two
    accounts: int = 0  # 0: each deal has its own
    large: float = 0.0  # share of the deals of the first account
    only_first_differs: bool = False  # the other accounts have the quality 0.5
    copies: int = 1


def _won_by_quality(_: int, quality: float) -> float:
    return 0.15 + 0.6 * quality


def _covered_by_quality(quality: float) -> float:
    return 0.05 + 0.3 * quality


WORLDS: Mapping[str, World] = {
    "outcome by number of calls": World(),
    "outcome independent of calls": World(lambda *_: 0.4),
    "few won": World(lambda *_: 0.12),
    "most deals with few calls": World(few_calls=True),
    "each deal twice": World(copies=2),
    "one account with a third of the deals, outcome and coverage by account": World(
        _won_by_quality, _covered_by_quality, accounts=1_000, large=1 / 3, only_first_differs=True
    ),
    "thirty accounts, outcome and coverage by account": World(_won_by_quality, _covered_by_quality, accounts=30),
    "a hundred accounts, outcome by account": World(_won_by_quality, accounts=100),
    "a hundred accounts, coverage by account": World(covers=_covered_by_quality, accounts=100),
}


def simulated(world: World, seed: int, deals: int) -> list[OutcomeRow]:
    """Return the outcomes of a company in which coverage has no effect."""
    random = np.random.default_rng(seed)
    qualities = random.random(max(1, world.accounts))
    if world.only_first_differs:
        qualities[1:] = 0.5
    closed: list[Deal] = []
    of_call: list[str] = []
    covered: list[bool] = []
    for number in range(0, deals, world.copies):
        is_large = random.random() < world.large
        account = 0 if is_large or not world.accounts else int(random.integers(world.accounts))
        most = 2 if world.few_calls and random.random() < 0.7 else world.most_calls
        calls = int(random.integers(1, most + 1))
        is_won = bool(random.random() < world.wins(calls, float(qualities[account])))
        on_calls = (random.random(calls) < world.covers(float(qualities[account]))).tolist()
        for copy in range(world.copies):
            deal_id = f"d-{number + copy}"
            name = f"account {account}" if world.accounts else f"account of d-{number}"
            outcome = DealOutcome.WON if is_won else DealOutcome.LOST
            closed.append(Deal(deal_id, outcome, account_name=name))
            of_call += [deal_id] * calls
            covered += on_calls
    coverage = pa.table(
        {
            "element": pa.array(["champion"] * len(of_call)).dictionary_encode(),
            "deal_id": pa.array(of_call).dictionary_encode(),
            "started_at": pa.array([_STARTED] * len(of_call), pa.timestamp("us", "UTC")),
            "is_covered": pa.array(covered),
        }
    )
    return meddicc_outcomes(coverage, closed)


def main() -> None:
    """Print a line for each kind of company and number of deals."""
    options = parser_of_worlds(__doc__, 300).parse_args()
    for name, world in WORLDS.items():
        for deals in (60, 300) if options.only in name else ():
            seeds = range(options.first_seed, options.first_seed + options.worlds)
            rows = [of_world[0] for seed in seeds if (of_world := simulated(world, seed, deals))]
            known = [row for row in rows if row.adjusted_low is not None and row.adjusted_high is not None]
            covers = sum((row.adjusted_low or 0) <= 0 <= (row.adjusted_high or 0) for row in known)
            counted = sum((row.p_value or 1) < 0.05 for row in rows)
            share = share_of(covers, len(known))
            sys.stdout.write(
                f"{name}, {deals} deals: interval covers 0 in {percent(share.share or 0)} "
                f"({percent(share.low or 0)} to {percent(share.high or 0)}, n = {len(known)}); "
                f"as counted p < 0.05 in {percent(counted / max(1, len(rows)))}\n"
            )
            sys.stdout.flush()


if __name__ == "__main__":
    main()
