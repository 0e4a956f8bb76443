"""What the search on the older deals found."""

from __future__ import annotations

from dataclasses import dataclass

from copilot_pipeline.marts.win_loss.search import ConditionCounts, Refinement


@dataclass(frozen=True, slots=True)
class Found:
    """A result of the search on the older deals."""

    counts: ConditionCounts
    bricks: frozenset[str]
    family: object  # equal for conjunctions that differ in their cut-points only
    q_value: float
    refinement: Refinement
    is_significant: bool  # a conjunction also as a refinement of its parts
