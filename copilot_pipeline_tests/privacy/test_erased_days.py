"""Days are erased under their locks, so that a run that loads them meanwhile brings nothing back."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest

from copilot_pipeline.config.loading import load_settings
from copilot_pipeline.load.lake import Lake
from copilot_pipeline.load.tables import RAW_CALL_DETAILS, UTTERANCES
from copilot_pipeline.postgres import Database
from copilot_pipeline.privacy.erasure import Erasure, Request
from copilot_pipeline.privacy.exports import write_export
from copilot_pipeline.privacy.search import Search, Stores
from copilot_pipeline.privacy.subjects import subject_of_call
from copilot_pipeline_tests.privacy.test_retention import OLD, Stored

ERASED = f"call-{OLD.day}-000"
_ROW = """INSERT INTO copilot.utterances (call_id, seq, call_date, speaker, side, text)
VALUES (%(call)s, 99, %(day)s, 'Dana', 'rep', 'loaded late')"""


@pytest.fixture
def stored(database: Database, home: Path, monkeypatch: pytest.MonkeyPatch) -> Stored:
    """Two days of three calls each, and the key."""
    monkeypatch.setenv("COPILOT_PIPELINE_PRIVACY_KEY", "0123456789abcdef")
    monkeypatch.setenv("DAGSTER_HOME", str(home / "dagster"))
    home.mkdir()
    monkeypatch.chdir(home)
    return Stored(database, Lake(str(home / "lake")))


def erase(stored: Stored, home: Path) -> None:
    """Erase a call of the older day."""
    stores = Stores(stored.database, stored.lake, home)
    erasure = Erasure(stores, load_settings(), Request(call_id=ERASED))
    erasure.run(erasure.begin(Search(stores, subject_of_call(ERASED)), "calls"))


def calls_of(stored: Stored) -> list[str]:
    """The calls of the older day: of the raw file, of the tables in both stores, and of the state."""
    rows = [*stored.lake_rows(RAW_CALL_DETAILS, OLD), *stored.lake_rows(UTTERANCES, OLD)]
    tables = ("copilot.calls", "copilot.utterances", "copilot_ops.calls")
    return [row["call_id"] for row in rows] + [
        call_id for table in tables for (call_id,) in stored.query(f"SELECT call_id FROM {table}")
    ]


def test_an_erasure_waits_for_a_day_that_is_being_loaded(stored: Stored, home: Path) -> None:
    """What a run writes until it releases the lock of the day is erased as well, in the warehouse and in the lake."""
    erasing = threading.Thread(target=erase, args=(stored, home))
    rows = stored.lake_rows(UTTERANCES, OLD)
    with stored.calls.partitions.lock(OLD):
        erasing.start()
        erasing.join(1.0)
        assert erasing.is_alive()
        assert stored.query("SELECT count(*) FROM copilot_ops.tombstones WHERE kind = 'call'") == [(1,)]
        with stored.database.connection() as connection:
            connection.execute(_ROW, {"call": ERASED, "day": OLD})
        with stored.lake.writer(UTTERANCES, OLD) as writer:
            for batch in stored.lake.batches(UTTERANCES, OLD):
                writer.append(batch)
    erasing.join(60.0)
    assert not erasing.is_alive()
    assert rows
    assert ERASED not in calls_of(stored)


def test_an_export_has_what_find_lists(stored: Stored, home: Path) -> None:
    """As JSON with the rows of each place, bodies unpacked, and as text."""
    search = Search(Stores(stored.database, stored.lake, home), subject_of_call(ERASED))
    findings = search.find()
    as_json, as_text = write_export(search, findings, home / "export")
    document = json.loads(as_json.read_text())
    assert {name: len(rows) for name, rows in document["places"].items()} == {
        place.name: place.rows for place in findings.places
    }
    (raw,) = document["places"]["lake/raw_call_details"]
    assert raw["details"]["call"]["id"] == ERASED
    assert ERASED in as_text.read_text()


def test_an_erased_call_is_not_fetched_again(stored: Stored, home: Path) -> None:
    """The vendor's list still has it. The other calls stay, also if the tables are built from a restored raw file."""
    raw = stored.lake.path(RAW_CALL_DETAILS, OLD)
    backup = Path(raw).read_bytes()
    others = sorted({one for one in calls_of(stored) if one != ERASED})
    erase(stored, home)
    requests = stored.requests_by_call()[ERASED]
    assert stored.extract() == []
    Path(raw).write_bytes(backup)
    assert [loaded.problem for loaded in stored.tables.build([OLD])] == [None]
    found = [row["call_id"] for row in stored.lake_rows(UTTERANCES, OLD)]
    found += [call_id for (call_id,) in stored.query("SELECT call_id FROM copilot.calls")]
    assert ERASED not in found
    assert sorted({one for one in calls_of(stored) if one != ERASED}) == others
    assert stored.requests_by_call()[ERASED] == requests
