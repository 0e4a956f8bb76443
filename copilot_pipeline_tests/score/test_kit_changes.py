"""A kit that changes is noticed, and its versions are not mixed."""

from __future__ import annotations

from datetime import UTC, datetime

from copilot_pipeline.load.tables import SEMARIZE_RUNS
from copilot_pipeline.postgres import Database
from copilot_pipeline.score.kit_changes import kit_changes
from copilot_pipeline_tests.load.warehouse.rows import DAY, load, load_scores, score


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
        "deal: version v2 answers too, beside v1",
        "deal.champion: new in it",
        "deal.mood: gone from it",
        "deal.depth: was num, is text",
    ]


def test_several_kinds_within_a_version(database: Database) -> None:
    """A brick that answers now this, now that, is noticed too."""
    load_scores(database, score("depth", 3), score("depth", "deep", call_id="c-2"))
    assert kit_changes(database, DAY) == ["deal.depth: answers of several kinds within one version: num, text"]


def test_a_version_is_new_by_when_it_answered(database: Database) -> None:
    """The version that began to answer later is the newer one, though it scored the same day and sorts before."""
    load_scores(
        database,
        {**score("risk", True), "kit_version_id": "b"},
        {**score("risk", True, call_id="c-2"), "kit_version_id": "a"},
        {**score("champion", True, call_id="c-2"), "kit_version_id": "a"},
    )
    runs = [
        {
            "call_id": call_id,
            "kit": "deal",
            "call_date": DAY,
            "status": "succeeded",
            "kit_reference": "A1B2C3D4",
            "transcript_hash": "hash",
            "bricks": 1,
            "finished_at": datetime(2026, 11, 3, hour, 5, tzinfo=UTC),
        }
        for call_id, hour in (("c-1", 9), ("c-2", 14))
    ]
    load(database, {SEMARIZE_RUNS: runs})
    assert kit_changes(database, DAY) == [
        "deal: version a answers too, since 2026-11-03 14:05 UTC, beside b",
        "deal.champion: new in it",
    ]


def test_a_brick_more_under_the_same_version(database: Database) -> None:
    """A server that names no version, or the same for two: the brick that only some answers hold tells it."""
    load_scores(database, score("risk", True), score("risk", False, call_id="c-2"), score("depth", 3, call_id="c-2"))
    assert kit_changes(database, DAY) == ["deal.depth: in 1 of 2 answers of version ?"]
