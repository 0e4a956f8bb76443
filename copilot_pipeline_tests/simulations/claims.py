"""How often the intervals of claims per call hour cover the true rates of simulated reps.

    python -m copilot_pipeline_tests.simulations.claims --worlds 200

prints, for each kind of company of 20 reps, of whom five have 2 to 4 calls, the share of covered rates with its
interval, and in which share of the companies a rep with few calls leads the table.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from copilot_pipeline.marts.claim_rates import Exposure, rates
from copilot_pipeline.marts.intervals import percent, share_of
from copilot_pipeline_tests.simulations.arguments import parser_of_worlds

REPS, SMALL = 20, 5
MEAN = 0.6  # claims per hour

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class World:
    """A kind of company. `spread` is the standard deviation of the logarithms of the reps' rates."""

    claims: Callable[[np.random.Generator, Floats], Counts]  # of calls, by the expected number
    spread: float = 0.0
    calls: int = 40  # at most, of a rep with many


def _independent(random: np.random.Generator, expected: Floats) -> Counts:
    return random.poisson(expected)


def _together(number: int) -> Callable[[np.random.Generator, Floats], Counts]:
    return lambda random, expected: number * random.poisson(expected / number)


def _uneven(random: np.random.Generator, expected: Floats) -> Counts:
    """Return negative binomial numbers, whose variance is four times that of independent claims at one per call."""
    return random.poisson(expected * random.gamma(1 / 3, 3, len(expected)))


def _one_to_five(random: np.random.Generator, expected: Floats) -> Counts:
    """Return the sums of quotes, one to five for each claim."""
    claims = random.poisson(expected / 3)
    return np.array([int(random.integers(1, 6, count).sum()) for count in claims], dtype=np.int64)


WORLDS: Mapping[str, World] = {
    "one rate": World(_independent),
    "rates differ": World(_independent, 0.6),
    "one rate, three claims come together": World(_together(3)),
    "rates differ, three claims come together": World(_together(3), 0.6),
    "rates differ, six claims come together": World(_together(6), 0.6),
    "rates differ, uneven calls": World(_uneven, 0.6),
    "rates differ, one to five quotes of a claim": World(_one_to_five, 0.6),
    "rates differ, three come together, few calls": World(_together(3), 0.6, calls=12),
    "rates differ, three come together, many calls": World(_together(3), 0.6, calls=200),
}


@dataclass
class Rates:
    """Counts over worlds."""

    worlds: int = 0
    reps: int = 0
    covered: int = 0
    small: int = 0
    small_covered: int = 0
    small_leads: int = 0  # worlds in which a rep with few calls has the highest shrunk rate
    small_leads_counted: int = 0


def measure(world: World, worlds: int, first_seed: int = 0) -> Rates:
    """Return the counts of some worlds of a kind."""
    counts = Rates()
    for seed in range(first_seed, first_seed + worlds):
        random = np.random.default_rng(seed)
        truth = MEAN * np.exp(world.spread * random.standard_normal(REPS) - world.spread**2 / 2)
        groups = [_group(world, random, rep, float(truth[rep])) for rep in range(REPS)]
        found = rates(groups)
        covered = [(one.low or 0) <= rate <= (one.high or 0) for one, rate in zip(found, truth, strict=True)]
        counts.worlds += 1
        counts.reps += REPS
        counts.covered += sum(covered)
        counts.small += SMALL
        counts.small_covered += sum(covered[:SMALL])
        counts.small_leads += int(np.argmax([one.shrunk or 0 for one in found])) < SMALL
        counts.small_leads_counted += int(np.argmax([one.per_hour or 0 for one in found])) < SMALL
    return counts


def _group(world: World, random: np.random.Generator, rep: int, rate: float) -> Exposure:
    calls = int(random.integers(2, 5)) if rep < SMALL else int(random.integers(world.calls // 4, world.calls + 1))
    hours = random.gamma(4, 0.15, calls)
    group = Exposure()
    for claims, of_call in zip(world.claims(random, rate * hours).tolist(), hours.tolist(), strict=True):
        group.add_call(claims, of_call)
    return group


def main() -> None:
    """Print a line for each kind of company."""
    options = parser_of_worlds(__doc__, 200).parse_args()
    for name, world in WORLDS.items():
        if options.only in name:
            counts = measure(world, options.worlds, options.first_seed)
            sys.stdout.write(
                f"{name}: covered {_share(counts.covered, counts.reps)}, "
                f"of reps with few calls {_share(counts.small_covered, counts.small)}; a rep with few calls leads in "
                f"{counts.small_leads} of {counts.worlds} companies, as counted in {counts.small_leads_counted}\n"
            )
            sys.stdout.flush()


def _share(count: int, n: int) -> str:
    found = share_of(count, n)
    return f"{percent(found.share or 0)} ({percent(found.low or 0)} to {percent(found.high or 0)}, n = {n:,})"


if __name__ == "__main__":
    main()
