"""Companies in which no answer matters, but something else goes with both answers and outcome.

They are drawn independently of `companies`: lengths, numbers of calls, amounts and answers have other distributions,
deals are open as well, and each company has one cause, such as the language, that is in no table an analysis reads.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

DAYS = 540.0
REPS, FEW = 14, 3  # of them with few calls
BRICKS = tuple(f"topic_{letter}" for letter in "abcdef")
SCORES = tuple(f"depth_{letter}" for letter in "abcd")


@dataclass(slots=True)
class Draft:
    """A company. Arrays of deals, and after `of` arrays of calls; times are days, the present is `DAYS`."""

    random: np.random.Generator
    rep: Ints
    segment: Ints
    account: Ints
    started: Floats
    length: Floats
    calls: Ints
    amount: Floats
    chance: Floats  # of winning
    of: Ints  # deal of each call
    at: Floats
    minutes: Floats
    attendees: Ints
    version: Ints  # of the kit
    lean: Floats  # 0 to 1: how readily the kit answers yes
    missing: Floats  # share of the answers that are null
    is_scored: Flags

    @property
    def closed(self) -> Floats:
        """When the deals close."""
        return self.started + self.length

    def pull(self, of_deals: Floats, strength: float = 0.5) -> None:
        """Let a cause between 0 and 1 decide outcome and answers."""
        self.chance[:] = np.clip(0.4 + strength * (of_deals - 0.5), 0.03, 0.97)
        self.lean[:] = of_deals[self.of]


Artefact = Callable[[Draft], None]


def draft(seed: int, deals: int, accounts: int = 0) -> Draft:
    """Draw a company in which nothing goes with anything."""
    random = np.random.default_rng(seed)
    calls = np.minimum(1 + random.negative_binomial(1.5, 0.3, deals), 16)
    length = np.exp(random.normal(3.9, 0.6, deals)) + 4
    started = random.uniform(-60, DAYS - 10, deals)
    shares = np.array([0.25] * FEW + [3.0] * (REPS - FEW))
    of = np.repeat(np.arange(deals), calls)
    at = started[of] + random.beta(1.2, 1.0, len(of)) * length[of]
    order = np.lexsort((at, of))
    return Draft(
        random=random,
        rep=random.choice(REPS, deals, p=shares / shares.sum()),
        segment=random.choice(5, deals, p=[0.4, 0.25, 0.2, 0.1, 0.05]),
        account=random.integers(accounts, size=deals) if accounts else np.arange(deals),
        started=started,
        length=length,
        calls=calls,
        amount=np.exp(random.normal(10, 1.1, deals)),
        chance=np.full(deals, 0.4),
        of=of,
        at=at[order],
        minutes=np.exp(random.normal(3.3, 0.5, len(of))),
        attendees=1 + random.poisson(1.2, len(of)),
        version=np.zeros(len(of), np.int64),
        lean=np.full(len(of), 0.5),
        missing=np.full(len(of), 0.1),
        is_scored=np.ones(len(of), np.bool_),
    )


def _language(at: Draft) -> None:
    """Calls in other languages are transcribed worse and answered with no; their market is won less often."""
    foreign = at.random.random(len(at.rep)) < 0.35
    at.pull(np.where(foreign, 0.1, 1.0))


def _language_of_reps(at: Draft) -> None:
    """Each rep speaks one language on nine of ten deals."""
    foreign = (at.rep % 3 == 0) ^ (at.random.random(len(at.rep)) < 0.1)
    at.pull(np.where(foreign, 0.1, 1.0))


def _small_segments(at: Draft) -> None:
    """Forty segments of which each wins and talks otherwise."""
    at.segment = at.random.integers(40, size=len(at.rep))
    at.pull(at.random.random(40)[at.segment], 0.7)


def _attendees(at: Draft) -> None:
    """Calls with more people have more yes, and such deals are won more often."""
    of_deal = at.random.gamma(2.0, 1.0, len(at.rep))
    at.attendees = 1 + at.random.poisson(of_deal[at.of])
    at.chance[:] = np.clip(0.1 + 0.18 * of_deal, 0.03, 0.95)
    at.lean[:] = np.minimum(1.0, at.attendees / 6)


def _versions(at: Draft) -> None:
    """The kit changes three times, each time its leniency; the win rate goes up and down at other dates."""
    at.version = np.digitize(at.at, (110, 240, 400)).astype(np.int64)
    at.lean[:] = np.array([0.3, 0.9, 0.2, 0.8])[at.version]
    at.chance[:] = np.array([0.25, 0.6, 0.3, 0.55])[np.digitize(at.closed, (150, 260, 430))]


def _rep_by_segment(at: Draft) -> None:
    """Each rep has one segment in which both outcome and talk are otherwise; on average reps are alike."""
    at.segment = at.random.integers(3, size=len(at.rep))
    at.pull(np.where(at.rep % 3 == at.segment, 0.95, 0.3), 0.7)


def _censored(at: Draft) -> None:
    """Lost deals take twice as long, so that many are open still, and late calls are answered with yes."""
    is_slow = at.random.random(len(at.rep)) < 0.5
    at.length = at.length * np.where(is_slow, 2.5, 0.8)
    at.at = at.started[at.of] + at.random.beta(1.2, 1.0, len(at.of)) * at.length[at.of]
    at.chance[:] = np.where(is_slow, 0.2, 0.6)
    at.lean[:] = np.clip((at.at - at.started[at.of]) / 120, 0, 1)


def _accounts(at: Draft) -> None:
    """Deals of an account end alike and are talked about alike; an account has about three."""
    at.pull(at.random.beta(0.5, 0.5, int(at.account.max()) + 1)[at.account], 0.8)


def _short_calls(at: Draft) -> None:
    """Short calls return null where they would return no; deals that are lost have short calls."""
    is_weak = at.random.random(len(at.rep)) < 0.5
    at.minutes = at.minutes * np.where(is_weak, 0.5, 1.2)[at.of]
    at.chance[:] = np.where(is_weak, 0.25, 0.55)
    at.missing[:] = np.clip(1.1 - at.minutes / 30, 0.02, 0.95)


def _without_transcript(at: Draft) -> None:
    """Calls of deals that will be lost are recorded less often; the recorded ones are the lively ones."""
    is_good = at.random.random(len(at.rep)) < 0.5
    at.chance[:] = np.where(is_good, 0.6, 0.2)
    lively = at.random.random(len(at.of))
    at.is_scored = at.random.random(len(at.of)) < np.where(is_good[at.of], 0.9, lively)
    at.lean[:] = lively


ARTEFACTS: dict[str, tuple[Artefact, int]] = {  # with the number of accounts; 0: each deal has its own
    "nothing": (lambda _: None, 0),
    "language of the call": (_language, 0),
    "language, by rep": (_language_of_reps, 0),
    "forty segments": (_small_segments, 0),
    "number of attendees": (_attendees, 0),
    "versions of the kit": (_versions, 0),
    "rep by segment": (_rep_by_segment, 0),
    "long deals are open": (_censored, 0),
    "accounts of three deals": (_accounts, 130),
    "nulls on short calls": (_short_calls, 0),
    "calls without a transcript": (_without_transcript, 0),
}
