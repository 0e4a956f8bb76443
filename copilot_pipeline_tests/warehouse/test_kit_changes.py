"""A kit that changes is noticed, and its versions are not mixed."""

from __future__ import annotations

from copilot_pipeline.database import Database
from copilot_pipeline.steps.kit_changes import kit_changes
from copilot_pipeline_tests.warehouse.rows import DAY, load_scores, score


def test_a_kit_that_stays_the_same_is_not_spoken_of(database: Database) -> None:
    """One version and one kind a brick: nothing to say, and null is no kind."""
    load_scores(database, score("risk", True), score("risk", None, call_id="c-2"))
    assert kit_changes(database, DAY) == []


def test_a_new_version_and_what_is_new_in_it(database: Database) -> None:
    """The versions are named with the day, and so is each brick that is new, gone, or of another kind."""
    old = {"kit_version_id": "v1"}
    new = {"kit_version_id": "v2", "call_id": "c-2"}
    load_scores(
        database,
        {**score("risk", True), **old},
        {**score("depth", 3), **old},
        {**score("mood", "fine"), **old},
        {**score("risk", True), **new},
        {**score("depth", "deep"), **new},
        {**score("champion", True), **new},
    )
    assert kit_changes(database, DAY) == [
        f"deal: version v2 answers too, from {DAY} on, beside v1",
        "deal.champion: new in it",
        "deal.mood: gone from it",
        "deal.depth: was num, is text",
    ]


def test_several_kinds_within_a_version(database: Database) -> None:
    """A brick that answers now this, now that, is noticed too."""
    load_scores(database, score("depth", 3), score("depth", "deep", call_id="c-2"))
    assert kit_changes(database, DAY) == ["deal.depth: answers of several kinds within one version: num, text"]
