"""Win/loss: finds planted drivers with their counts, and no drivers in noise or in too few deals."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import fisher_exact

from copilot_pipeline.config.bricks import BrickRef
from copilot_pipeline.config.marts import WinLossSettings
from copilot_pipeline.marts.model import Deal, ScoredCall
from copilot_pipeline.marts.win_loss.deal_observations import deal_observations
from copilot_pipeline.marts.win_loss.driver_rows import LOSSES, WINS
from copilot_pipeline.marts.win_loss.drivers import WinLoss, win_loss_drivers
from copilot_pipeline.marts.win_loss.fisher import fisher_two_sided
from copilot_pipeline_tests.marts.examples import KIT, call, lost, still_open, won

Answers = dict[str, Any]
World = tuple[list[ScoredCall], list[Deal]]


def world(seed: int, deals: int, chance: Callable[[Answers], float], noise: int = 20) -> World:
    """Return deals with one call each, whose chance to be won depends on the planted bricks only."""
    rng = random.Random(seed)
    calls, ended = [], []
    for number in range(deals):
        answers: Answers = {
            "budget_confirmed": rng.random() < 0.5,
            "decision_maker_present": rng.random() < 0.5,
            "discovery_depth": float(rng.randint(0, 100)),
        }
        is_won = rng.random() < chance(answers)
        for brick in range(noise):
            answers[f"noise_{brick}"] = rng.random() < 0.4 if brick % 2 else float(rng.randint(0, 100))
        calls.append(call(f"c-{number}", answers, deal_id=f"d-{number}"))
        ended.append((won if is_won else lost)(f"d-{number}"))
    return calls, ended


def found(at: World, **fields: Any) -> WinLoss:
    """Return the analysis under some settings."""
    return win_loss_drivers(*at, WinLossSettings(**fields))


def planted(answers: Answers) -> float:
    """Return the chance to win: high if three conditions are true."""
    together = answers["budget_confirmed"] and answers["decision_maker_present"] and answers["discovery_depth"] > 65
    return 0.75 if together else 0.08


@pytest.mark.simulation
@pytest.mark.parametrize("seed", range(3))
def test_a_planted_conjunction_is_first_with_its_counts(seed: int) -> None:
    """Three planted bricks are among twenty bricks of noise."""
    at = world(seed, 500, planted)
    result = found(at)
    best = result.drivers[0]
    assert best.condition == "budget_confirmed and decision_maker_present and discovery_depth > 65"
    assert best.is_confirmed
    assert best.direction == WINS
    ended = {deal.deal_id: deal.outcome.value == "won" for deal in at[1]}
    holds = [
        ended[one.deal_id or ""]
        for one in at[0]
        if planted({brick: answer.value for (_, brick), answer in one.bricks.items()}) > 0.5
    ]
    assert (best.support, best.won, best.n) == (len(holds), sum(holds), 500)
    lift = (sum(holds) / len(holds)) / (sum(ended.values()) / 500)
    assert best.lift == pytest.approx(lift)
    assert best.win_rate_low < best.win_rate < best.win_rate_high
    assert best.confirmed_lift is not None
    assert best.confirmed_expected is not None
    assert best.confirmed_lift == pytest.approx(best.confirmed_won / best.confirmed_expected)
    assert best.sentence == (
        f"{best.condition}: {best.confirmed_lift:.1f} times the wins expected of comparable deals (95 % interval "
        f"{best.confirmed_lift_low:.1f} to {best.confirmed_lift_high:.1f}): {best.confirmed_won} of "
        f"{best.confirmed_support} newer deals won, {best.confirmed_expected:.1f} expected"
    )
    assert result.conclusion.startswith(best.sentence)


@pytest.mark.simulation
@pytest.mark.parametrize("seed", range(3))
def test_finds_a_conjunction_among_forty_bricks_of_noise(seed: int) -> None:
    """It is first and confirmed, and at most one driver contains noise."""
    drivers = found(world(seed, 400, planted, noise=40)).drivers
    three = {"kit.budget_confirmed", "kit.decision_maker_present", "kit.discovery_depth"}
    assert set(drivers[0].bricks) == three
    assert drivers[0].is_confirmed
    assert sum(driver.is_significant and not set(driver.bricks) <= three for driver in drivers) <= 1
    assert sum(driver.is_confirmed and not set(driver.bricks) <= three for driver in drivers) <= 1


@pytest.mark.simulation
@pytest.mark.parametrize("seed", range(3))
def test_noise_beside_a_driver_is_not_significant(seed: int) -> None:
    """Neither alone nor in a conjunction with a planted brick."""
    result = found(world(seed, 750, planted))
    certain = [driver for driver in result.drivers if driver.is_significant]
    noisy = [driver for driver in certain if any("noise" in brick for brick in driver.bricks)]
    assert len(certain) >= 3
    # The false discovery rate is 5 %, so one among many is expected.
    assert len(noisy) <= max(1, len(certain) // 10), [driver.sentence for driver in noisy]


@pytest.mark.simulation
def test_pure_noise_has_no_significant_driver() -> None:
    """At most two of twelve random data sets have one."""
    certain = [
        any(driver.is_significant for driver in found(world(seed, 120, lambda _: 0.4, noise=12)).drivers)
        for seed in range(12)
    ]
    # At a rate of 5 %, three or more of twelve have a probability of 2 %.
    assert sum(certain) <= 2


def test_drivers_have_a_direction() -> None:
    """The complement of a driver of losing is a driver of winning."""
    result = found(world(1, 300, lambda answers: 0.05 if answers["budget_confirmed"] else 0.6, noise=5))
    directions = {driver.condition: driver.direction for driver in result.drivers if driver.size == 1}
    assert directions["budget_confirmed"] == LOSSES
    assert directions["not budget_confirmed"] == WINS


def test_too_few_deals_give_no_conclusion() -> None:
    """The sentence states how many there are and how many are needed."""
    result = found(world(1, 29, planted))
    assert result.drivers == []
    assert result.conclusion == (
        "Too few deals for a conclusion: 29 closed with scored calls, 30 needed (marts.win_loss.min_deals)."
    )
    assert found(world(1, 29, planted), min_deals=29).tested > 0


def test_needs_won_and_lost_deals() -> None:
    """Without a lost deal there is no comparison."""
    result = found(world(1, 60, lambda _: 1.0))
    assert result.drivers == []
    assert result.conclusion == "All 60 closed deals with scored calls were won: nothing to compare."


def test_a_missing_value_is_unknown() -> None:
    """Deals without a value are not in n."""
    calls = [call(f"c-{n}", {"seen": n % 2 == 0 if n < 60 else None}, deal_id=f"d-{n}") for n in range(100)]
    deals = [(won if n % 2 == 0 or n >= 60 else lost)(f"d-{n}") for n in range(100)]
    driver = next(one for one in found((calls, deals)).drivers if one.condition == "seen")
    assert (driver.n, driver.support, driver.won) == (60, 30, 30)


def test_observations_are_closed_deals_with_scored_calls() -> None:
    """Open deals, unknown deals and deals with unscored calls are none."""
    calls = [
        call("c-1", {"seen": True}, deal_id="d-1"),
        call("c-2", {"seen": True}),
        call("c-3", None, deal_id="d-2"),
        call("c-4", {"seen": True}, deal_id="d-3"),
        call("c-5", {"seen": True}, deal_id="unknown"),
    ]
    deals = [won("d-1"), lost("d-2"), still_open("d-3"), lost("d-4")]
    assert [one.deal_id for one in deal_observations(calls, deals, WinLossSettings())] == ["d-1"]


def at_noon(day: int) -> datetime:
    """Return noon, some days after the Monday."""
    return datetime(2026, 11, 2, 12, tzinfo=UTC) + timedelta(days=day)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"closed_at": at_noon(2)}, 2.0),
        ({"close_date": at_noon(2)}, 2.0),
        ({"close_date": at_noon(-30)}, 3.0),
        ({}, 3.0),
    ],
    ids=["history", "close date", "a close date before all calls is ignored", "unknown"],
)
def test_ignores_calls_after_the_close(fields: Mapping[str, Any], expected: float) -> None:
    """They cannot have influenced the outcome."""
    calls = [call(f"c-{day}", {"depth": float(day)}, day=day, deal_id="d") for day in (1, 2, 3)]
    assert deal_observations(calls, [won("d", **fields)], WinLossSettings())[0].answers == {(KIT, "depth"): expected}


@pytest.mark.parametrize(
    ("across_calls", "expected"),
    [
        ("ever", {"yes": True, "depth": 90.0, "topic": frozenset({"price", "timing"})}),
        ("latest", {"yes": False, "depth": 40.0, "topic": frozenset({"price"})}),
        ("average", {"yes": False, "depth": 60.0, "topic": frozenset({"price"})}),
    ],
)
def test_combines_the_calls_of_a_deal(across_calls: Any, expected: Answers) -> None:
    """Any yes and the highest score, the newest value, or the mean and the majority. Nulls are skipped."""
    calls = [
        call("c-1", {"yes": False, "depth": 50.0, "topic": "timing"}, day=1, deal_id="d"),
        call("c-2", {"yes": True, "depth": 90.0, "topic": None}, day=2, deal_id="d"),
        call("c-3", {"yes": False, "depth": 40.0, "topic": "price"}, day=3, deal_id="d"),
    ]
    observed = deal_observations(calls, [won("d")], WinLossSettings(across_calls=across_calls))[0]
    assert observed.answers == {(KIT, brick): value for brick, value in expected.items()}


def test_configured_thresholds_are_the_only_cut_points() -> None:
    """They replace those that are taken from the scores."""
    result = found(world(1, 300, planted, noise=0), thresholds={BrickRef(KIT, "discovery_depth"): (72.5,)})
    cuts = {driver.condition for driver in result.drivers if driver.bricks == [f"{KIT}.discovery_depth"]}
    assert cuts == {"discovery_depth > 72.5", "discovery_depth <= 72.5"}


def test_categories_and_list_items_are_conditions() -> None:
    """A category has one value, a list several."""
    rng = random.Random(3)
    calls, deals = [], []
    for number in range(400):
        size = rng.choice(["small", "large"])
        named = rng.sample(["Globex", "Initech", "Umbrella"], k=rng.randint(0, 2))
        calls.append(call(f"c-{number}", {"size": size, "rivals": named}, deal_id=f"d-{number}"))
        chance = (0.5 if size == "large" else 0.1) + (0.4 if "Globex" in named else 0)
        deals.append((won if rng.random() < chance else lost)(f"d-{number}"))
    certain = {driver.condition for driver in found((calls, deals)).drivers if driver.is_significant}
    assert {"size is large", "rivals contains Globex"} <= certain
    confirmed = {driver.condition for driver in found((calls, deals)).drivers if driver.is_confirmed}
    assert {"size is large", "rivals contains Globex"} <= confirmed


def test_merges_spellings_of_a_value() -> None:
    """`Yes` equals `yes`; long texts with the same beginning have different names."""
    long = "a text that goes on and on until there is no room left for what comes "
    calls = [
        call(f"c-{n}", {"buyer": ("yes", "Yes", "no")[n % 3], "why": long + "abc"[n // 10 % 3]}, deal_id=f"d-{n}")
        for n in range(90)
    ]
    deals = [(won if n % 2 else lost)(f"d-{n}") for n in range(90)]
    rows = [one for one in found((calls, deals), max_conditions=1).drivers if one.bricks == [f"{KIT}.buyer"]]
    assert {row.condition: row.support for row in rows} == {"buyer is Yes": 60, "buyer is no": 30}
    words = {one.condition for one in found((calls, deals), max_conditions=1).drivers if "why" in one.condition}
    assert len(words) == 3


def test_excludes_kits_and_bricks() -> None:
    """`exclude` lists kits and `kit.brick`."""
    at = world(1, 200, planted, noise=0)
    assert found(at, exclude=(KIT,)).tested == 0
    bricks = {brick for one in found(at, exclude=(f"{KIT}.budget_confirmed",)).drivers for brick in one.bricks}
    assert bricks == {f"{KIT}.decision_maker_present", f"{KIT}.discovery_depth"}


@settings(max_examples=300)
@given(st.data())
def test_p_values_equal_those_of_scipy(data: st.DataObject) -> None:
    """`scipy.stats.fisher_exact` takes one table per call."""
    n = data.draw(st.integers(2, 400))
    of_all = data.draw(st.integers(0, n))
    support = data.draw(st.integers(0, n))
    both = data.draw(st.integers(max(0, of_all + support - n), min(of_all, support)))
    table = [[both, support - both], [of_all - both, n - support - of_all + both]]
    counts = [np.array([number], dtype=np.int64) for number in (n, of_all, support, both)]
    assert fisher_two_sided(*counts)[0] == pytest.approx(fisher_exact(np.array(table)).pvalue, rel=1e-9, abs=1e-300)
