"""The reader of scored calls, on a database."""

from __future__ import annotations

from datetime import timedelta

import pytest

from copilot_pipeline.config.bricks import CALL_FIELDS
from copilot_pipeline.config.marts import MessageSettings
from copilot_pipeline.marts import reader
from copilot_pipeline.marts.adoption import use_of
from copilot_pipeline.marts.column_reader import CallColumnReader
from copilot_pipeline.marts.model import ScoredCall
from copilot_pipeline.marts.phrases import phrases_of
from copilot_pipeline.marts.reader import Quotes, ScoredCallReader
from copilot_pipeline.marts.transcript_reader import TranscriptReader
from copilot_pipeline.postgres import Database
from copilot_pipeline_tests.delivery.examples import DAY, KIT, NOW, add_call
from copilot_pipeline_tests.marts.examples import call as example


def test_reads_the_columns_that_rules_may_refer_to(database: Database) -> None:
    """The statement names them one by one; the settings validate against `CALL_FIELDS`."""
    add_call(database, "c-1", {"risk_flag": True})
    (call,) = ScoredCallReader(database).read_for_rules([DAY])
    assert set(call.fields) == CALL_FIELDS


def test_all_ways_of_reading_return_the_same_answers(database: Database) -> None:
    """Marts, by rows or by columns, and rules see one value for each kind of answer, null included."""
    add_call(database, "c-1", {"risk": True, "depth": 65.5, "topic": "price", "rivals": ["Globex"], "fit": None})
    (for_marts,) = ScoredCallReader(database).read()
    (for_rules,) = ScoredCallReader(database).read_for_rules([DAY])
    expected = {"risk": True, "depth": 65.5, "topic": "price", "rivals": ["Globex"], "fit": None}
    bricks = [(KIT, brick) for brick in expected]
    (columns,) = CallColumnReader(database).columns(bricks, with_quotes=True)
    assert columns.calls["call_id"].to_pylist() == ["c-1"]
    assert {brick: column.values[column.codes[0]] for (_, brick), column in columns.bricks.items()} == expected
    assert (columns.kits[KIT].scored.tolist(), columns.kits[KIT].version_ids.to_pylist()) == ([True], ["1"])
    for call in (for_marts, for_rules):
        assert {brick: answer.value for (_, brick), answer in call.bricks.items()} == expected
        assert call.is_scored_by(KIT)
        assert call.kit_version_id(KIT) == "1"
    assert for_rules.bricks[KIT, "risk"].evidence == ("They said so.",)


def test_reads_only_the_bricks_that_are_named(database: Database) -> None:
    """A mart needs a few bricks of many."""
    add_call(database, "c-1", {"risk": True, "depth": 65.5})
    (call,) = ScoredCallReader(database).read({(KIT, "depth")})
    assert set(call.bricks) == {(KIT, "depth")}


def test_reads_months_and_chunks_in_order(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each call once, oldest first, whatever the size of a chunk."""
    monkeypatch.setattr(reader, "CALLS_PER_READ", 2)
    for number in range(7):
        add_call(database, f"c-{number}", {"depth": float(number)}, started_at=NOW - timedelta(days=20 * number))
    calls = list(ScoredCallReader(database).read())
    assert [call.call_id for call in calls] == [f"c-{number}" for number in reversed(range(7))]
    assert [call.value_of((KIT, "depth")) for call in calls] == [float(number) for number in reversed(range(7))]


def test_reads_reasons_and_quotes_only_of_the_answers_that_need_them(database: Database) -> None:
    """Of a deal, the newest answer of each brick that has a value; of claims, the answers that flag one."""
    add_call(database, "c-0", {"risk": True, "fit": 1.0}, started_at=NOW - timedelta(days=9))
    add_call(database, "c-1", {"risk": False, "fit": None}, started_at=NOW - timedelta(days=8))
    with database.connection() as connection:
        connection.execute("UPDATE copilot.calls SET deal_id = 'd-1'")
        connection.execute("UPDATE copilot.semarize_scores SET reason = call_id || ' ' || brick")
        connection.execute(
            "INSERT INTO copilot.evidence (call_id, kit, brick, position, call_date, quote, match, match_score)"
            " SELECT call_id, kit, brick, position, call_date, 'quote ' || position, 'exact', 1"
            " FROM copilot.semarize_scores CROSS JOIN generate_series(0, 1) AS position"
        )
    ((_, of_deal),) = ScoredCallReader(database).read_of_deals(["d-1"], with_details=True)
    assert [_details(call) for call in of_deal] == [
        {"risk": (None, []), "fit": ("c-0 fit", ["quote 0"])},
        {"risk": ("c-1 risk", ["quote 0"]), "fit": (None, [])},
    ]
    flagged = ScoredCallReader(database).read(quotes=Quotes.ALL, reasons_of=lambda _, value: value is True)
    both = ["quote 0", "quote 1"]
    assert [_details(call) for call in flagged] == [
        {"risk": ("c-0 risk", both), "fit": (None, both)},
        {"risk": (None, both), "fit": (None, both)},
    ]


def _details(call: ScoredCall) -> dict[str, tuple[str | None, list[str]]]:
    return {
        brick: (answer.reason, [quote.text for quote in answer.quotes]) for (_, brick), answer in call.bricks.items()
    }


def test_a_failed_run_has_no_kit_version(database: Database) -> None:
    """Its call does not count as scored by the kit."""
    add_call(database, "c-1", {}, status="failed")
    (call,) = ScoredCallReader(database).read()
    assert not call.is_scored
    assert call.kit_version_id(KIT) is None


def test_lists_answered_bricks_with_their_kinds(database: Database) -> None:
    """A brick whose value is always null has no kind."""
    add_call(database, "c-1", {"risk": True, "fit": None})
    bricks = ScoredCallReader(database).answered_bricks()
    assert {brick.key: brick.kinds for brick in bricks} == {(KIT, "fit"): frozenset(), (KIT, "risk"): {"bool"}}
    assert ScoredCallReader(database).answered_bricks(DAY + timedelta(days=1), DAY + timedelta(days=2)) == []


@pytest.mark.parametrize("apostrophe", ["", "'", "\u2019"])
def test_the_words_of_a_rep_are_read_wherever_a_message_may_be_used(database: Database, apostrophe: str) -> None:
    """The search in the database finds what the comparison of words finds, and leaves out what it does not need."""
    message = MessageSettings(
        name="new", changed_on=DAY, new=("we don't charge per seat", "straße 7"), old=("no\u2011list prices",)
    )
    spoken = {
        "used": [f"WE DON{apostrophe}T charge", "per SEAT now."],
        "street": ["In der STRASSE 7."],
        "wide": ["No list \uff30rices."],
        "near": ["We do bill per user."],
        "other": ["No list, prices per", "seat."],
        "spread": ["We don't", "charge", "per", "seat_now"],
        "inside": ["xno list prices are", "what we don't charge per", "seats"],
        "silent": [],
    }
    with database.connection() as connection:
        for call_id, texts in spoken.items():
            for seq, text in enumerate(texts):
                connection.execute(
                    "INSERT INTO copilot.utterances (call_id, seq, call_date, speaker, side, text)"
                    " VALUES (%s, %s, %s, 'Ana', 'rep', %s)",
                    (call_id, seq, DAY, text),
                )
    add_call(database, "used", {})
    found = dict(TranscriptReader(database).rep_words(DAY, phrases_of([message])))
    assert set(found) == set(spoken) - {"silent"}
    assert found["near"] == ""
    assert found["other"] == "no list prices"
    for call_id, words in found.items():
        complete = "\n".join(spoken[call_id])
        assert use_of(message, example(call_id), words) == use_of(message, example(call_id), complete)
    assert use_of(message, example("used"), found["used"]).new
