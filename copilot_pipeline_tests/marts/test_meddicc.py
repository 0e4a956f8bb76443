"""MEDDICC coverage by call, its sums, and its relation to deal outcomes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from copilot_pipeline.config.marts import MeddiccSettings
from copilot_pipeline.load.tables import MEDDICC_COVERAGE, rows_to_arrow
from copilot_pipeline.marts.brick_roles import Element, elements
from copilot_pipeline.marts.meddicc import Coverage, CoverageRow, coverage_sums, meddicc_coverage
from copilot_pipeline.marts.meddicc_outcomes import OutcomeRow, meddicc_outcomes
from copilot_pipeline.marts.model import ScoredCall
from copilot_pipeline_tests.marts.examples import KIT, call, columns_of, lost, quoted, rows_of, still_open, won

CHAMPION = {"champion": Element((KIT, "champion"))}


def coverage(*calls: ScoredCall, by_name: dict[str, Element] | None = None) -> list[CoverageRow]:
    """Return the coverage rows of some calls."""
    chosen = by_name or CHAMPION
    scores = {name: [one.value_of(element.brick) for one in calls] for name, element in chosen.items()}
    highest = {
        name: max(score for score in of_element if isinstance(score, float))
        for name, of_element in scores.items()
        if any(isinstance(score, float) for score in of_element)
    }
    columns = columns_of(calls, [element.brick for element in chosen.values()])
    rows = rows_of(meddicc_coverage([columns], chosen, MeddiccSettings(), highest), CoverageRow)
    return sorted(rows, key=lambda row: (row.call_id, list(chosen).index(row.element)))


def kept(rows: Iterable[CoverageRow]) -> pa.Table | None:
    """Return the columns of some rows that their sums and outcomes are computed from."""
    result = Coverage()
    batch = rows_to_arrow(MEDDICC_COVERAGE, list(rows))
    assert list(result.adding([batch])) == [batch]
    return result.table()


def element_calls(*calls: tuple[str, bool]) -> pa.Table:
    """Return calls by deal and whether they cover the element `champion`."""
    columns = {
        "element": pa.array(["champion"] * len(calls)).dictionary_encode(),
        "deal_id": pa.array([deal_id for deal_id, _ in calls]).dictionary_encode(),
        "started_at": pa.array([datetime(2026, 1, 1, tzinfo=UTC)] * len(calls), pa.timestamp("us", "UTC")),
        "is_covered": pa.array([is_covered for _, is_covered in calls]),
    }
    return pa.table(columns)


@pytest.mark.parametrize(
    ("value", "is_covered", "level"),
    [
        (True, True, 1.0),
        (False, False, 0.0),
        (None, False, None),
        (80.0, True, 0.8),
        (40.0, False, 0.4),
        ("strong", True, None),
        ("not identified", False, None),
        ("None", False, None),
        ("No champion named on this call.", False, None),
        ("Yes", True, None),
        ("notable", True, None),
        (["Globex"], True, None),
        ([], False, None),
    ],
)
def test_values_that_cover_an_element(value: Any, is_covered: bool, level: float | None) -> None:
    """Yes, half of the scale, a text that does not negate, a list with items. Null has no level."""
    row = coverage(call("c-1", {"champion": value}), call("c-2", {"champion": 100.0}))[0]
    assert (row.is_covered, row.is_answered, row.level) == (is_covered, value is not None, level)


def test_only_scored_calls_count() -> None:
    """A scored call without a value is not covered; an unscored call has no row."""
    rows = coverage(call("c-1", {}), call("c-2", None))
    assert [(row.call_id, row.is_covered, row.is_answered) for row in rows] == [("c-1", False, False)]


def test_settings_define_the_covering_values() -> None:
    """They are a threshold in the brick's unit, an item of a list, or a set of values."""
    by_name = {
        "a": Element((KIT, "score"), covered_from=3),
        "b": Element((KIT, "names"), contains="globex"),
        "c": Element((KIT, "grade"), one_of=("A", "B")),
    }
    answers = {"score": 3.0, "names": ["Globex"], "grade": "C"}
    assert [row.is_covered for row in coverage(call("c-1", answers), by_name=by_name)] == [True, True, False]


def test_infers_elements_from_brick_names() -> None:
    """Bricks of qualification kits have precedence."""
    known = [("deal", "champion_identified"), ("meddicc", "champion"), ("meddicc", "pain"), ("deal", "risk_flag")]
    result = elements(MeddiccSettings(), known)
    assert {name: element.brick for name, element in result.items()} == {
        "champion": ("meddicc", "champion"),
        "identify_pain": ("meddicc", "pain"),
    }


@pytest.mark.parametrize(
    ("brick", "element"),
    [
        ("economic_buyer_identified", "economic_buyer"),
        ("m_economic_buyer_score", "economic_buyer"),
        ("EconomicBuyer", "economic_buyer"),
        ("Decision process", "decision_process"),
        ("decision-criteria", "decision_criteria"),
        ("is_pain_specific", "identify_pain"),
        ("painting", None),
        ("championship", None),
    ],
)
def test_matches_whole_words_in_any_naming_style(brick: str, element: str | None) -> None:
    """The words may be anywhere in the name."""
    assert list(elements(MeddiccSettings(), [("qualification", brick)])) == ([element] if element else [])


def test_summary_rows_have_n_and_interval() -> None:
    """There is a row per grain: all, week, deal, rep and team."""
    rows = coverage(*(call(f"c-{n}", {"champion": n < 3}, day=7 * (n % 2), deal_id=f"d-{n % 2}") for n in range(10)))
    result = {(row.grain, row.grain_id): row for row in coverage_sums(kept(rows), {"d-0": "Acme", "u-9": "Max Boss"})}
    assert result.keys() == {
        ("all", "all"), ("week", "2026-11-02"), ("week", "2026-11-09"), ("deal", "d-0"), ("deal", "d-1"),
        ("rep", "u-1"), ("team", "u-9"),
    }  # fmt: skip
    everything = result["all", "all"]
    assert (everything.n, everything.covered, everything.share) == (10, 3, 0.3)
    # The Wilson score interval of 3 in 10, from a published table.
    assert (everything.share_low, everything.share_high) == pytest.approx((0.1078, 0.6032), abs=1e-4)
    assert result["deal", "d-0"].grain_name == "Acme"
    assert result["team", "u-9"].grain_name == "Max Boss"


def test_each_deal_counts_once() -> None:
    """A deal is uncovered if none of its calls covers the element."""
    calls = [
        call(f"c-{n}-{again}", {"champion": n % 4 == 0 and again == 1}, deal_id=f"lost-{n}")
        for n in range(20)
        for again in range(3)
    ] + [call(f"w-{n}", {"champion": True}, deal_id=f"won-{n}") for n in range(10)]
    deals = [lost(f"lost-{n}") for n in range(20)] + [won(f"won-{n}") for n in range(10)] + [lost("without a call")]
    rows = {row.outcome: row for row in meddicc_outcomes(kept(coverage(*calls)), deals)}
    assert (rows["lost"].n, rows["lost"].uncovered) == (20, 15)
    assert (rows["won"].n, rows["won"].uncovered) == (10, 0)
    assert rows["lost"].sentence.startswith("Of 20 lost deals 75 % (15, 95 % interval ")
    assert rows["lost"].sentence.endswith(" had no coverage of champion.")
    # choose(20, 15) / choose(30, 15), twice: the opposite table is equally unlikely.
    assert rows["lost"].p_value == pytest.approx(2 * 15504 / 155117520, rel=1e-6)


def test_ignores_calls_after_the_close() -> None:
    """A deal without earlier calls is left out."""
    calls = [
        call("c-1", {"champion": False}, day=1, deal_id="d-1"),
        call("c-2", {"champion": True}, day=3, deal_id="d-1"),
        call("c-3", {"champion": True}, day=3, deal_id="d-2"),
    ]
    ended = datetime(2026, 11, 4, tzinfo=UTC)
    row = meddicc_outcomes(kept(coverage(*calls)), [lost("d-1", closed_at=ended), lost("d-2", closed_at=ended)])[0]
    assert (row.outcome, row.n, row.uncovered) == ("lost", 1, 1)


def test_open_deals_have_no_p_value() -> None:
    """Their outcome is not known."""
    row = meddicc_outcomes(
        kept(coverage(call("c", {"champion": quoted(True, "yes")}, deal_id="d"))), [still_open("d")]
    )[0]
    assert (row.outcome, row.n, row.uncovered, row.p_value) == ("open", 1, 0, None)


def simulated(random: np.random.Generator, deals: int, covered: Callable[[bool], float]) -> list[OutcomeRow]:
    """The outcomes of deals with 1 to 13 calls, whose chance of winning rises with their number.

    `covered` is the chance that a call covers the element, by whether the deal is won.
    """
    calls, closed = [], []
    for number in range(deals):
        count = int(random.integers(1, 14))
        is_won = bool(random.random() < count / 16)
        deal = won(f"d-{number}") if is_won else lost(f"d-{number}")
        closed.append(deal)
        calls += [(deal.deal_id, bool(random.random() < covered(is_won))) for _ in range(count)]
    return meddicc_outcomes(element_calls(*calls), closed)


def test_deals_with_more_calls_are_no_effect_of_coverage() -> None:
    """Coverage is independent of the outcome, and won deals have more calls: as counted nearly every world has a
    difference, at the same number of calls at most 5 % beyond chance (with 60 worlds: up to six)."""
    random = np.random.default_rng(14)
    rows = [simulated(random, 200, lambda _: 0.2)[0] for _ in range(60)]
    assert sum((row.p_value or 1) < 0.05 for row in rows) > 40
    assert sum((row.adjusted_p_value or 1) < 0.05 for row in rows) <= 6
    assert all(row.adjusted_low <= row.adjusted_difference <= row.adjusted_high for row in rows)  # type: ignore[operator]


def test_finds_a_difference_that_exposure_does_not_explain() -> None:
    """Calls of won deals cover the element more often than calls of lost deals."""
    random = np.random.default_rng(14)
    rows = [simulated(random, 300, lambda is_won: 0.4 if is_won else 0.15)[0] for _ in range(20)]
    assert sum((row.adjusted_low or 0) > 0 for row in rows) >= 18
    assert "At the same number of scored calls lost deals lacked it" in rows[0].sentence
    assert {row.outcome: row.mean_calls for row in simulated(random, 300, lambda _: 0.2)}["won"] > 8


def test_too_few_comparable_deals_have_no_adjusted_difference() -> None:
    """All won deals have two calls, all lost ones have one: nothing to compare."""
    calls = [(f"d-{n}", n % 2 == 0) for n in range(40)]
    calls += [(deal_id, False) for deal_id, _ in calls[:20]]
    deals = [won(f"d-{n}") if n < 20 else lost(f"d-{n}") for n in range(40)]
    row = meddicc_outcomes(element_calls(*calls), deals)[0]
    assert (row.adjusted_n, row.adjusted_difference, row.adjusted_p_value) == (None, None, None)
    assert row.difference == pytest.approx(0.0)
