"""Changes of kits are described, version by version."""

from __future__ import annotations

from datetime import UTC, datetime

from copilot_pipeline.load.tables import SEMARIZE_RUNS
from copilot_pipeline.postgres import Database
from copilot_pipeline.score.kit_changes import kit_changes
from copilot_pipeline_tests.load.warehouse.rows import DAY, load, load_scores, score


def test_reports_nothing_for_an_unchanged_kit(database: Database) -> None:
    """One version and one value kind per brick; null is not a value kind."""
    load_scores(database, score("risk", True), score("risk", None, call_id="c-2"))
    assert kit_changes(database, DAY) == []


def test_reports_a_new_version_and_its_differences(database: Database) -> None:
    """Each brick that was added, removed or has another value kind is named."""
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
        "deal: version v2 is in use, in addition to v1",
        "deal.champion: added",
        "deal.mood: removed",
        "deal.depth: was num, is text",
    ]


def test_reports_several_value_kinds_within_a_version(database: Database) -> None:
    load_scores(database, score("depth", 3), score("depth", "deep", call_id="c-2"))
    assert kit_changes(database, DAY) == ["deal.depth: several value kinds within one version: num, text"]


def test_orders_versions_by_their_first_result(database: Database) -> None:
    """The day may be the same, and the name of the newer one may sort first."""
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
        "deal: version a is in use, since 2026-11-03 14:05 UTC, in addition to b",
        "deal.champion: added",
    ]


def test_reports_a_brick_that_only_some_results_have(database: Database) -> None:
    """This shows a change if the server names no version, or the same one for two."""
    load_scores(database, score("risk", True), score("risk", False, call_id="c-2"), score("depth", 3, call_id="c-2"))
    assert kit_changes(database, DAY) == ["deal.depth: in 1 of 2 results of version ?"]
