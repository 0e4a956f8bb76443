"""Which calls a kit is for."""

from __future__ import annotations

import pytest

from copilot_pipeline.config.kit_filters import CallFacts, KitFilter

BOTH = frozenset({"rep", "prospect"})


@pytest.mark.parametrize(
    ("selection", "facts", "skip_reason"),
    [
        (KitFilter(), CallFacts(1), None),
        (KitFilter(), CallFacts(0), "nobody said anything"),
        (KitFilter(min_words=50), CallFacts(49), "49 words"),
        (KitFilter(min_words=50), CallFacts(50), None),
        (KitFilter(min_seconds=300), CallFacts(9, duration_s=299.0), "299 s"),
        (KitFilter(min_seconds=300), CallFacts(9, duration_s=300.0), None),
        (KitFilter(min_seconds=300), CallFacts(9, duration_s=None), None),
        (KitFilter(sides=("rep", "prospect")), CallFacts(9, sides=BOTH), None),
        (KitFilter(sides=("rep", "prospect")), CallFacts(9, sides=frozenset({"rep"})), "no prospect"),
        (KitFilter(statuses=("POST_PROCESSING_DONE",)), CallFacts(9, status="post_processing_done"), None),
        (KitFilter(statuses=("POST_PROCESSING_DONE",)), CallFacts(9, status="OTHER"), "status OTHER"),
    ],
)
def test_a_call_is_scored_or_it_is_said_why_not(
    selection: KitFilter, facts: CallFacts, skip_reason: str | None
) -> None:
    """Length, words, sides and status are looked at, limits included; a length nobody knows keeps no call out."""
    found = selection.skip_reason(facts)
    assert found is None if skip_reason is None else found is not None and skip_reason in found
