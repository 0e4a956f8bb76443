"""Deals that open, advance and close over all days of a sandbox, and the calls that were held in them.

Planted effects: deals with the person who signs on a call are won far more often; reps differ as `habits` lists them.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from copilot_pipeline.sandbox.company import ACCOUNTS, ELEMENTS, PRODUCTS, STAGES, Deal, Rep, prospect_of, zulu
from copilot_pipeline.sandbox.habits import Habits, habits_of

_ACCOUNTS = 12
_OPEN_PER_CLOSED = 0.25
_PROBABILITIES = dict(zip(STAGES, ("10", "30", "55", "75"), strict=True))
_CATEGORIES = dict(zip(STAGES, ("Pipeline", "Pipeline", "Best Case", "Commit"), strict=True))
_CALL_DAY = 2  # Wednesday
_CALLS_OF_CLOSED, _CALLS_OF_OPEN = (1, 2, 2, 2), (2, 3, 4)


@dataclass(frozen=True, slots=True)
class PlannedCall:
    """A call to be held."""

    deal: Deal
    at: datetime
    number: int  # in its deal, from 0
    signals: tuple[str, ...]  # what comes up
    habits: Habits  # of the rep

    @property
    def talk_share(self) -> float:
        """The rep's share of the speech."""
        return self.habits.talk_share_lost if self.deal.stage == "Closed Lost" else self.habits.talk_share


@dataclass(frozen=True, slots=True)
class History:
    """The deals of a company and their calls, by time."""

    deals: list[Deal]
    calls: list[PlannedCall]


def make_history(seed: int, sellers: Sequence[Rep], first_day: date, days: int, closed_deals: int) -> History:
    """Return deals that closed on any of the days, some that are open, and their calls.

    The same arguments give the same history. A deal that opened before the first day has its first call later.
    """
    first = datetime.combine(first_day, time(), UTC)
    deals, calls = [], []
    for index in range(closed_deals + round(closed_deals * _OPEN_PER_CLOSED)):
        rng = random.Random(f"{seed}:history:{index}")
        deal, planned = _deal(rng, index, sellers, first, days, is_open=index >= closed_deals)
        deals.append(deal)
        habits = habits_of(sellers.index(deal.rep))
        calls += [
            PlannedCall(deal, at, number, tuple(_signals(rng, deal, habits, number, (at - first).days / days)), habits)
            for number, at in enumerate(planned)
        ]
    return History(deals, sorted(calls, key=lambda call: (call.at, call.deal.deal_id)))


def _deal(
    rng: random.Random, index: int, sellers: Sequence[Rep], first: datetime, days: int, *, is_open: bool
) -> tuple[Deal, list[datetime]]:
    """Return a deal and the times of its calls."""
    end = first + timedelta(days=days)
    created, last, close = _life(rng, first, end, is_open=is_open)
    decider, budget, depth = rng.random() < 0.5, rng.random() < 0.5, rng.random() < 0.5
    champion = rng.random() < 0.5
    chance = 0.05 + (0.88 if decider else 0) + (0.04 if champion else 0)
    is_won = rng.random() < chance
    covered = {name for name in ELEMENTS if rng.random() < (0.85 if chance > 0.5 else 0.6)} - {"champion"}
    passed = rng.randint(1, 3) if is_open else 3
    stage = STAGES[passed] if is_open else "Closed Won" if is_won else "Closed Lost"
    account = ACCOUNTS[index % _ACCOUNTS]
    deal = Deal(
        deal_id=f"006SBX{index:09d}",
        copilot_id=f"deal-{index:04d}",
        account=account,
        account_id=f"001SBX{index % _ACCOUNTS:09d}",
        product=PRODUCTS[index // _ACCOUNTS % len(PRODUCTS)],
        amount=rng.randint(8, 240) * 1000 + index % 2,
        rep=sellers[index % len(sellers)],
        prospects=[prospect_of(rng, account) for _ in range(rng.choice((1, 2, 2, 3)))],
        stage=stage,
        close_date=close,
        created=created,
        budget_confirmed=budget,
        decision_maker_present=decider,
        deep_discovery=depth,
        covered=frozenset(covered | ({"champion"} if champion else set())),
        history=_stage_changes(created, last, passed, None if is_open else stage),
        probability=_PROBABILITIES.get(stage),
        forecast_category=_CATEGORIES.get(stage),
    )
    if rng.random() < (0.45 if not is_won else 0.15):
        deal.close_date_changes = [_push(rng, deal, min(last, end) - timedelta(days=6))]
    return deal, _call_times(rng, max(first, created), last, is_open=is_open)


def _life(rng: random.Random, first: datetime, end: datetime, *, is_open: bool) -> tuple[datetime, datetime, datetime]:
    """Return when a deal was created, when it was last active, and its close date."""
    length = rng.randint(24, 58)
    if is_open:
        created = end - timedelta(days=rng.randint(16, length), hours=8)
        return created, end, end + timedelta(days=rng.randint(-4, 70), hours=3)
    close = first + timedelta(days=rng.uniform(14, (end - first).days - 1))
    return close - timedelta(days=length), close, close


def _stage_changes(created: datetime, last: datetime, passed: int, closed_as: str | None) -> list[dict[str, str]]:
    """The changes of stage, evenly spread over the life of the deal; the close is the last of them."""
    entered = [*STAGES[1 : passed + 1], *([closed_as] if closed_as else [])]
    step = (last - created) / (len(entered) + (0 if closed_as else 1))
    return [
        {"stage": stage, "prev_stage": before, "date_changed": zulu(created + step * number)}
        for number, (before, stage) in enumerate(zip([STAGES[0], *entered], entered, strict=False), start=1)
    ]


def _push(rng: random.Random, deal: Deal, at: datetime) -> dict[str, str]:
    before = deal.close_date - timedelta(days=rng.randint(7, 35))
    return {"close_date": zulu(deal.close_date), "prev_close_date": zulu(before), "date_changed": zulu(at)}


def _call_times(rng: random.Random, first: datetime, last: datetime, *, is_open: bool) -> list[datetime]:
    """Times on working days; some open deals had no recent call.

    The calls of closed deals are on one day of the week, so that a demo does not load a hundred days with one call.
    """
    count = rng.choice(_CALLS_OF_OPEN if is_open else _CALLS_OF_CLOSED)
    until = last - timedelta(days=rng.choice((1, 1, 2, 3, 15)) if is_open else 2)
    times = []
    for number in range(count):
        moment = first + (until - first) * ((number + rng.uniform(0.35, 0.95)) / count)
        day = datetime.combine(moment.date(), time(), UTC)
        if is_open:
            day -= timedelta(days=max(0, day.weekday() - 4))
        else:
            day -= timedelta(days=(day.weekday() - _CALL_DAY) % 7)
        if day >= first - timedelta(days=1):
            times.append(day + timedelta(hours=13, seconds=rng.randint(0, 8 * 3600)))
    return times


def _signals(rng: random.Random, deal: Deal, habits: Habits, number: int, progress: float) -> list[str]:
    """What comes up on a call of a deal: who signs on each call, other facts on most of them, more on later ones."""
    said = 0.9 if number else 0.8
    covers = habits.covers + (habits.covers_last - habits.covers) * progress
    chances: list[tuple[str, float]] = [
        ("budget", said * deal.budget_confirmed),
        ("decider", float(deal.decision_maker_present)),
        ("depth", said * deal.deep_discovery),
        *((name, covers) for name in sorted(deal.covered)),
        ("risk", {"Closed Won": 0.12, "Closed Lost": 0.22}.get(deal.stage, 0.28)),
        ("next_step", habits.next_steps),
        ("price", 0.4),
        ("competitor", 0.3),
        ("value", 0.5),
        ("inaccurate", habits.flagged),
        ("roadmap", habits.flagged / 2),
        ("outdated", habits.flagged / 2),
    ]
    signals = [name for name, chance in chances if rng.random() < chance]
    handles = habits.handles_later if progress >= habits.worse_from else habits.handles
    return signals + ["handled" if rng.random() < handles else "brushed_off" for _ in range(rng.randint(2, 4))]
