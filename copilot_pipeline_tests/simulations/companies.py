"""Companies with closed deals whose outcome is random, with a known chance, and calls with scored bricks."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from copilot_pipeline.marts.model import BrickAnswer, Deal, KitRun, Rep, ScoredCall
from copilot_pipeline.transform.deal_outcomes import DealOutcome

KIT = "kit"
BOOLEANS = ("budget_confirmed", "decision_maker_present", *(f"said_{n}" for n in range(10)))
SCORES = ("discovery_depth", *(f"score_{n}" for n in range(9)))
REPS, SEGMENTS, DAYS = 12, 4, 720
_FIRST_CLOSE = datetime(2024, 1, 1, 12, tzinfo=UTC)
_RUNS = {KIT: KitRun("succeeded", "run-1")}


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What a deal is like apart from what is said on its calls. Numbers between 0 and 1 are evenly distributed."""

    calls: int
    length: float  # 0 to 1: days from the first call to the close
    spacing: float
    rep: int
    rep_skill: float  # of the rep, 0 to 1
    segment: int
    amount: float
    time: float  # of the close, 0 to 1
    quality: float  # not in the data
    account: int = 0
    account_quality: float = 0.5  # the same for all deals of an account; not in the data

    @property
    def season(self) -> float:
        """Return how near the close is to the best day of the year, -1 to 1."""
        return math.sin(2 * math.pi * self.time * DAYS / 365)


Answers = dict[str, Any]  # a brick's value by its key, on one call
Chance = Callable[[Circumstances], float]


@dataclass(frozen=True, slots=True)
class World:
    """A kind of company. `yes` is the share of calls with a yes; `shift` is added to scores of 0 to 100."""

    chance: Callable[[Circumstances, Mapping[str, Any]], float]  # of winning; by the highest answers of the deal
    yes: Chance = lambda _: 0.3
    shift: Chance = lambda _: 0.0
    missing: Callable[[Circumstances, bool], float] = lambda *_: 0.0  # share of values, by outcome
    max_calls: int = 13
    reps: int = REPS
    amount: Callable[[float, float], float] = lambda _, drawn: drawn  # by the skill of the rep and a random number
    parts: Callable[[Circumstances, bool], int] = lambda *_: 1  # half hours of a call, by outcome; each is answered
    accounts: int = 0  # 0: each deal has its own; a third of the deals are those of the first one
    copies: int = 1  # how often each deal is in the CRM, with calls of its own
    stage_copied: bool = False  # a brick is the last stage before the close, which depends on the outcome
    stage_noise: float = 0.0  # share of the calls on which that brick is any other stage
    later: float = 0.0  # by how much more often the answer is yes on the last call than on the first


@dataclass(frozen=True, slots=True)
class Company:
    """The deals and calls, and each deal's true chance to be won."""

    calls: list[ScoredCall]
    deals: list[Deal]
    chances: dict[str, float]
    highest: dict[str, Answers]  # the answers of each deal: any yes, the highest score
    circumstances: dict[str, Circumstances]


def company(world: World, seed: int, deals: int = 300) -> Company:
    """Return a company."""
    random = np.random.default_rng(seed)
    skills = random.permutation(np.linspace(0, 1, world.reps))
    accounts = random.random(world.accounts)
    calls: list[ScoredCall] = []
    closed: list[Deal] = []
    chances: dict[str, float] = {}
    highest: dict[str, Answers] = {}
    circumstances: dict[str, Circumstances] = {}
    for number in range(deals):
        deal_id = f"d-{number}"
        if number % world.copies:
            _copy(deal_id, f"d-{number - number % world.copies}", calls, closed, circumstances, chances, highest)
            continue
        deal = circumstances[deal_id] = _circumstances(random, skills, accounts, world)
        on_calls = [
            _answers(
                random, world.yes(deal) + world.later * index / 12, world.shift(deal) + 60 * world.later * index / 12
            )
            for index in range(deal.calls)
        ]
        highest[deal_id] = {brick: max(one[brick] for one in on_calls) for brick in (*BOOLEANS, *SCORES)}
        chances[deal_id] = world.chance(deal, highest[deal_id])
        is_won = bool(random.random() < chances[deal_id])
        missing, parts = world.missing(deal, is_won), world.parts(deal, is_won)
        on_calls = [_longer(random, answers, world, deal, parts) for answers in on_calls]
        close = _FIRST_CLOSE + timedelta(days=deal.time * DAYS)
        stages: tuple[tuple[datetime, str], ...] = ()
        if world.stage_copied:
            stage = min(3, int(random.integers(4)) + is_won)
            stages = ((close - timedelta(days=2), f"stage {stage}"), (close, "closed"))
            on_calls = [
                {**answers, "stage_said": float(random.integers(4) if _happens(random, world.stage_noise) else stage)}
                for answers in on_calls
            ]
        closed.append(
            Deal(
                deal_id,
                DealOutcome.WON if is_won else DealOutcome.LOST,
                amount=float(round(1_000 * 10 ** (2 * deal.amount))),
                closed_at=close,
                account_fields={"Segment": f"segment {deal.segment}"},
                account_name=f"account {deal.account}" if world.accounts else deal_id,
                stages=stages,
            )
        )
        for index, answers in enumerate(on_calls):
            bricks = {
                (KIT, brick): BrickAnswer(None if missing and random.random() < missing else value)
                for brick, value in answers.items()
            }
            calls.append(_call(f"{deal_id}-{index}", deal, deal_id, close, index, bricks, parts))
    return Company(calls, closed, chances, highest, circumstances)


def _happens(random: np.random.Generator, chance: float) -> bool:
    return bool(chance) and bool(random.random() < chance)  # no number is drawn where it never does


def _copy(
    deal_id: str,
    of_deal: str,
    calls: list[ScoredCall],
    closed: list[Deal],
    *by_deal: dict[str, Any],
) -> None:
    closed.append(replace(next(one for one in reversed(closed) if one.deal_id == of_deal), deal_id=deal_id))
    calls += [
        replace(one, deal_id=deal_id, call_id=f"{deal_id}-{number}")
        for number, one in enumerate([one for one in calls if one.deal_id == of_deal])
    ]
    for values in by_deal:
        values[deal_id] = values[of_deal]


def _longer(random: np.random.Generator, answers: Answers, world: World, deal: Circumstances, parts: int) -> Answers:
    """Return the highest answers of all parts of a call."""
    all_parts = [answers, *(_answers(random, world.yes(deal), world.shift(deal)) for _ in range(parts - 1))]
    return {brick: max(one[brick] for one in all_parts) for brick in answers}


def _circumstances(
    random: np.random.Generator, skills: np.ndarray[Any, Any], accounts: np.ndarray[Any, Any], world: World
) -> Circumstances:
    rep = int(random.integers(len(skills)))
    calls = int(random.integers(1, world.max_calls + 1))
    length = float(random.random())
    account = max(0, int(random.integers(world.accounts)) - world.accounts // 3) if world.accounts else 0
    return Circumstances(
        calls=calls,
        length=length,
        spacing=length / calls,
        rep=rep,
        rep_skill=float(skills[rep]),
        segment=int(random.integers(SEGMENTS)),
        amount=world.amount(float(skills[rep]), float(random.random())),
        time=float(random.random()),
        quality=float(random.random()),
        account=account,
        account_quality=float(accounts[account]) if world.accounts else 0.5,
    )


def _answers(random: np.random.Generator, yes: float, shift: float) -> Answers:
    said = random.random(len(BOOLEANS)) < yes
    scores = np.clip(np.round(random.uniform(0, 100, len(SCORES)) + shift), 0, 100)
    return {
        **{brick: bool(value) for brick, value in zip(BOOLEANS, said, strict=True)},
        **{brick: float(value) for brick, value in zip(SCORES, scores, strict=True)},
    }


def _call(
    call_id: str,
    deal: Circumstances,
    deal_id: str,
    close: datetime,
    index: int,
    bricks: Mapping[Any, BrickAnswer],
    parts: int,
) -> ScoredCall:
    days = 5 + 175 * deal.length
    started_at = close - timedelta(days=days * (1 - index / deal.calls))
    return ScoredCall(
        call_id=call_id,
        call_date=started_at.date(),
        started_at=started_at,
        deal_id=deal_id,
        bricks=bricks,
        runs=_RUNS,
        rep=Rep(f"rep-{deal.rep}"),
        duration_s=1800.0 * parts,
    )
