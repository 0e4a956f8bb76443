"""Claims with kind, quote and document, and the accuracy of reps and products."""

from __future__ import annotations

from typing import Any

import pytest

from copilot_pipeline.config.bricks import BrickRef
from copilot_pipeline.config.marts import ClaimSettings
from copilot_pipeline.marts.claim_accuracy import claim_accuracy
from copilot_pipeline.marts.claims import NO_QUOTE, ClaimKind, ClaimRow, claim_kinds, claims
from copilot_pipeline.marts.model import BrickAnswer, Quote, Rep, ScoredCall
from copilot_pipeline_tests.marts.examples import KIT, REP, call, quoted


def nowhere(_call_id: str, words: str) -> Quote:
    """Find nothing, as in a transcript without the words."""
    return Quote(words, "not found")


def flagged(*calls: ScoredCall, **settings: Any) -> list[ClaimRow]:
    """Return the claims of some calls."""
    claim_settings = ClaimSettings(**{"kinds": {"inaccurate": f"{KIT}.wrong"}, **settings})
    of_calls = claims(calls, claim_kinds(claim_settings, []), claim_settings, nowhere)
    return [row for _, rows in of_calls for row in rows]


def test_yes_is_one_claim_per_quote() -> None:
    """No and null are not claims."""
    result = flagged(
        call("c-1", {"wrong": quoted(True, "Ships in March.", "Never fails.")}),
        call("c-2", {"wrong": False}),
        call("c-3", {"wrong": None}),
    )
    assert [(one.claim_id, one.quote, one.seq, one.start_s, one.speaker) for one in result] == [
        ("c-1:inaccurate:kit.wrong:0", "Ships in March.", 3, 61.0, "Ana"),
        ("c-1:inaccurate:kit.wrong:1", "Never fails.", 3, 61.0, "Ana"),
    ]
    assert all(one.is_found for one in result)


def test_marks_quotes_that_are_not_in_the_transcript() -> None:
    """The claim is flagged all the same, also without any quote."""
    result = flagged(call("c-1", {"wrong": quoted(True, "Invented.", match="not found")}), call("c-2", {"wrong": True}))
    assert [(one.match, one.is_found, one.seq) for one in result] == [
        ("not found", False, None),
        (NO_QUOTE, False, None),
    ]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (["a", "b"], ["a", "b"]),
        ([], []),
        ([{"quote": "a", "document": "Facts"}], ["a"]),
        ("none", []),
        ("Accurate", []),
        ("he said it never fails", [None]),
    ],
)
def test_lists_and_texts_flag_claims(value: Any, expected: list[str | None]) -> None:
    """Each item of a list is a claim, and a text is one unless it means `nothing`."""
    assert [one.quote for one in flagged(call("c-1", {"wrong": value}))] == expected


def test_configured_values_are_the_only_ones_that_flag() -> None:
    """Yes does not equal 1."""
    kinds = {"bad": {"brick": f"{KIT}.verdict", "flagged_when": ["wrong", 1]}}
    calls = [call(f"c-{n}", {"verdict": value}) for n, value in enumerate(["wrong", "fine", 1.0, True])]
    assert [one.call_id for one in flagged(*calls, kinds=kinds)] == ["c-0", "c-2"]


def test_two_kinds_of_one_brick_are_two_claims() -> None:
    """Their claim ids differ."""
    kinds = {
        "inaccurate": {"brick": f"{KIT}.flags", "flagged_when": ["wrong"]},
        "outdated_competitive": {"brick": f"{KIT}.flags", "flagged_when": ["old"]},
    }
    result = flagged(call("c", {"flags": ["wrong", "old"]}), kinds=kinds)
    assert [one.kind for one in result] == ["inaccurate", "outdated_competitive"]
    assert len({one.claim_id for one in result}) == 2


def test_a_text_from_the_transcript_is_its_own_quote() -> None:
    """A category that is not in the transcript has no quote."""
    claim_settings = ClaimSettings(kinds={"inaccurate": f"{KIT}.wrong"})  # type: ignore[dict-item]

    def locate(_call_id: str, words: str) -> Quote:
        return Quote(words, "exact", 1.0, 4) if words == "No outage, ever." else Quote(words, "not found", 0.0)

    calls = [
        call("c-1", {"wrong": "No outage, ever."}),
        call("c-2", {"wrong": "pricing"}),
        call("c-3", {"wrong": "No."}),
    ]
    of_calls = claims(calls, claim_kinds(claim_settings, []), claim_settings, locate)
    result = [row for _, rows in of_calls for row in rows]
    assert [(one.call_id, one.quote, one.match) for one in result] == [
        ("c-1", "No outage, ever.", "exact"),
        ("c-2", None, NO_QUOTE),
    ]


def test_attributes_a_claim_to_its_speaker() -> None:
    """On a call with two own people, the accuracy of each counts their own claims."""
    engineer = Rep("u-2", "Bo Li")
    conversation = call(
        "c-1",
        {
            "wrong": BrickAnswer(
                True, quotes=(Quote("Never fails.", "exact", 1.0, 3, 6.0, "Bo Li", "rep", person_id="2"),)
            )
        },
        team={"1": REP, "2": engineer},
    )
    alone = call("c-2", {"wrong": False}, team={"1": REP})
    claim_settings = ClaimSettings(kinds={"inaccurate": f"{KIT}.wrong"})  # type: ignore[dict-item]
    kinds = claim_kinds(claim_settings, [])
    of_calls = list(claims([conversation, alone], kinds, claim_settings, nowhere))
    result = [row for _, rows in of_calls for row in rows]
    assert [one.rep_id for one in result] == ["u-2"]
    rows = claim_accuracy(of_calls, kinds, claim_settings)
    assert {row.grain_id: (row.n, row.accurate) for row in rows if row.grain == "rep"} == {"u-1": (2, 2), "u-2": (1, 0)}


def test_finds_the_source_document() -> None:
    """It is named by the item, a brick, the reason, or the settings of the kind."""
    documents = ("Facts", "Facts 2026", "Policy")
    by_item = flagged(call("c", {"wrong": [{"quote": "a", "document": "Sheet"}]}), documents=documents)
    by_brick = flagged(call("c", {"wrong": True, "source": "Wiki"}), document=f"{KIT}.source", documents=documents)
    by_reason = flagged(call("c", {"wrong": BrickAnswer(True, reason="see facts 2026, p. 3")}), documents=documents)
    by_kind = flagged(
        call("c", {"wrong": True}), kinds={"inaccurate": {"brick": f"{KIT}.wrong", "documents": "Price list"}}
    )
    assert [result[0].document for result in (by_item, by_brick, by_reason, by_kind)] == [
        "Sheet", "Wiki", "Facts 2026", "Price list",
    ]  # fmt: skip
    assert flagged(call("c", {"wrong": True}))[0].document is None


def test_infers_kinds_from_brick_names() -> None:
    """Each brick has one kind; scores do not flag claims."""
    known = [(KIT, "roadmap_is_outdated"), (KIT, "inaccurate_claim_present"), (KIT, "roadmap_clarity_score")]
    assert [(name, kind.brick[1]) for name, kind in claim_kinds(ClaimSettings(), known)] == [
        ("inaccurate", "inaccurate_claim_present"),
        ("roadmap_leak", "roadmap_is_outdated"),
    ]


def test_accuracy_counts_checked_calls() -> None:
    """A call is checked if a flagging brick has a value; null is not a value."""
    calls = [
        call("c-1", {"wrong": quoted(True, "x", "y"), "product": "Alpha"}),
        call("c-2", {"wrong": False, "product": "Alpha"}, day=7),
        call("c-3", {"wrong": False}),
        call("c-4", {"wrong": None}),
        call("c-5", None),
    ]
    claim_settings = ClaimSettings(kinds={"inaccurate": f"{KIT}.wrong"}, product=BrickRef(KIT, "product"))  # type: ignore[dict-item]
    kinds = claim_kinds(claim_settings, [])
    rows = claim_accuracy(claims(calls, kinds, claim_settings, nowhere), kinds, claim_settings)
    assert {(row.grain, row.grain_id): (row.n, row.accurate, row.claims, row.inaccurate) for row in rows} == {
        ("all", "all"): (3, 2, 2, 2),
        ("week", "2026-11-02"): (2, 1, 2, 2),
        ("week", "2026-11-09"): (1, 1, 0, 0),
        ("rep", "u-1"): (3, 2, 2, 2),
        ("product", "Alpha"): (2, 1, 2, 2),
    }


@pytest.mark.parametrize(
    ("value", "statements"),
    [
        (quoted(True, "Ships in March.", "Never fails."), ["yes", "yes"]),
        (quoted("promises a date", "Ships in March."), ["promises a date"]),
        (["a", "b"], ["a", "b"]),
        ([{"claim": "promises a date", "quote": "Ships in March."}, {"quote": "b"}], ["promises a date", "b"]),
        ([{"kind": "date", "level": 3}], ['{"kind": "date", "level": 3}']),
    ],
)
def test_a_claim_has_what_the_kit_says_of_it(value: Any, statements: list[str]) -> None:
    """The value of the brick, or the item of its list, beside the quote."""
    assert [one.statement for one in flagged(call("c-1", {"wrong": value}))] == statements


def test_the_rate_of_a_rep_is_per_hour_of_checked_calls() -> None:
    """Calls without a duration are not in the rate, neither their hours nor their claims."""
    kinds = [("inaccurate", ClaimKind((KIT, "wrong")))]
    calls = [
        call("c-1", {"wrong": quoted(True, "a")}, duration_s=1800.0),
        call("c-2", {"wrong": False}, duration_s=5400.0),
        call("c-3", {"wrong": quoted(True, "b")}),
        call("c-4", None, duration_s=3600.0),
    ]
    rows = claim_accuracy(claims(calls, kinds, ClaimSettings(), nowhere), kinds, ClaimSettings())
    (row,) = [row for row in rows if row.grain == "rep"]
    assert (row.claims, row.hours, row.claims_per_hour) == (2, 2.0, 0.5)
