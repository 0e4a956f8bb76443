"""Which calls are scored with a kit."""

from __future__ import annotations

import pytest

from copilot_pipeline.config.kit_filters import CallFacts, KitFilter

BOTH = frozenset({"rep", "prospect"})


@pytest.mark.parametrize(
    ("kit_filter", "facts", "skip_reason"),
    [
        (KitFilter(), CallFacts(1), None),
        (KitFilter(), CallFacts(0), "nothing was said"),
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
def test_gives_the_reason_why_a_call_is_not_scored(
    kit_filter: KitFilter, facts: CallFacts, skip_reason: str | None
) -> None:
    """Duration, words, sides and status are compared inclusively; an unknown duration passes."""
    result = kit_filter.skip_reason(facts)
    assert result is None if skip_reason is None else result is not None and skip_reason in result
