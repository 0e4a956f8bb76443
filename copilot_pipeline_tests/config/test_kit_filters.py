"""Which calls a kit is for."""

from __future__ import annotations

import pytest

from copilot_pipeline.config.kit_filters import CallFacts, Selection

BOTH = frozenset({"rep", "prospect"})


@pytest.mark.parametrize(
    ("selection", "facts", "objection"),
    [
        (Selection(), CallFacts(1), None),
        (Selection(), CallFacts(0), "nobody said anything"),
        (Selection(min_words=50), CallFacts(49), "49 words"),
        (Selection(min_words=50), CallFacts(50), None),
        (Selection(min_seconds=300), CallFacts(9, duration_s=299.0), "299 s"),
        (Selection(min_seconds=300), CallFacts(9, duration_s=300.0), None),
        (Selection(min_seconds=300), CallFacts(9, duration_s=None), None),
        (Selection(sides=("rep", "prospect")), CallFacts(9, sides=BOTH), None),
        (Selection(sides=("rep", "prospect")), CallFacts(9, sides=frozenset({"rep"})), "no prospect"),
        (Selection(statuses=("POST_PROCESSING_DONE",)), CallFacts(9, status="post_processing_done"), None),
        (Selection(statuses=("POST_PROCESSING_DONE",)), CallFacts(9, status="OTHER"), "status OTHER"),
    ],
)
def test_a_call_is_scored_or_it_is_said_why_not(selection: Selection, facts: CallFacts, objection: str | None) -> None:
    """Length, words, sides and status are looked at, limits included; a length nobody knows keeps no call out."""
    found = selection.objection(facts)
    assert found is None if objection is None else found is not None and objection in found
