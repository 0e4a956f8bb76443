"""Each rep's own share of the speech."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from copilot_pipeline.config.marts import MartSettings
from copilot_pipeline.load.lake import Lake
from copilot_pipeline.load.tables import CALLS, PARTICIPANTS
from copilot_pipeline.marts.build import MartBuilder
from copilot_pipeline.postgres import Database
from copilot_pipeline_tests.load.warehouse.rows import call, load
from copilot_pipeline_tests.marts.test_people import NOON, participant


def built(database: Database, home: Path, people: list[dict[str, Any]], **of_call: Any) -> dict[str, dict[str, Any]]:
    """The rows of `rep_calls`, by rep, for one call with these people."""
    load(database, {CALLS: [call("c-1", started_at=NOON, **of_call)], PARTICIPANTS: people})
    MartBuilder(Lake(str(home)), database, MartSettings()).build_rep_calls()
    with database.connection() as connection:
        cursor = connection.execute("SELECT * FROM copilot.rep_calls")
        names = [column.name for column in cursor.description or ()]
        return {row["rep_id"]: row for row in (dict(zip(names, values, strict=True)) for values in cursor)}


def test_each_of_several_own_speakers_has_their_own_share(database: Database, home: Path) -> None:
    """The share of all of them together is that of the call, not of a rep."""
    rows = built(
        database,
        home,
        [
            participant("c-1", "0", user_id="u1", talk_share=0.25, talk_seconds=150.0),
            participant("c-1", "1", user_id="u2", talk_share=0.5, talk_seconds=300.0),
            participant("c-1", "2", side="prospect", talk_share=0.25),
        ],
        rep_user_id="u1",
        rep_talk_share=0.75,
    )
    assert {rep: (row["talk_share"], row["talk_seconds"]) for rep, row in rows.items()} == {
        "u1": (0.25, 150.0),
        "u2": (0.5, 300.0),
    }
    assert {rep: row["is_call_rep"] for rep, row in rows.items()} == {"u1": True, "u2": False}
    assert {row["own_speakers"] for row in rows.values()} == {2}


def test_a_rep_who_joined_twice_has_one_row_with_the_sum(database: Database, home: Path) -> None:
    """Dialled in by phone and by computer: two person ids, one user."""
    rows = built(
        database,
        home,
        [
            participant("c-1", "0", user_id="u1", talk_share=0.125, talk_seconds=60.0, utterances=4, words=40),
            participant("c-1", "1", user_id="u1", talk_share=0.25, talk_seconds=120.0, utterances=5, words=50),
        ],
    )
    (row,) = rows.values()
    assert (row["talk_share"], row["talk_seconds"], row["utterances"], row["words"]) == (0.375, 180.0, 9, 90)
    assert row["own_speakers"] == 1


def test_without_times_the_share_is_unknown(database: Database, home: Path) -> None:
    """Unknown is null, not 0."""
    rows = built(database, home, [participant("c-1", "0", user_id="u1", talk_share=None, talk_seconds=0.0)])
    assert (rows["u1"]["talk_share"], rows["u1"]["talk_seconds"]) == (None, None)


def test_who_did_not_speak_or_is_not_identified_has_no_row(database: Database, home: Path) -> None:
    """A silent observer is not a speaker; a person without an id and an address is not identified."""
    rows = built(
        database,
        home,
        [
            participant("c-1", "0", user_id="u1", talk_share=0.5),
            participant("c-1", "1", user_id="u2", talk_share=0.0, utterances=0, words=0),
            participant("c-1", "2", talk_share=0.5),
        ],
    )
    assert rows.keys() == {"u1"}
    assert rows["u1"]["own_speakers"] == 2  # the unidentified one spoke too
