"""One paid run per speech: of relabelled, upgraded and edited transcripts, against a server that counts runs."""

from __future__ import annotations

import json
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from copilot_pipeline.clients.clari.models import User
from copilot_pipeline.clients.semarize import Kit
from copilot_pipeline.load.call_tables import CallTables
from copilot_pipeline.load.lake import Lake
from copilot_pipeline.load.tables import RAW_CALL_DETAILS, TRANSCRIPTS
from copilot_pipeline.postgres import Database
from copilot_pipeline.postgres.migrate import run_migrations
from copilot_pipeline.score.run_requests import RunTask, SemarizeRunSettings, register_runs
from copilot_pipeline.score.score_tables import ScoreTables
from copilot_pipeline.score.transcripts import read_transcripts
from copilot_pipeline.state import CallStore, RunIntent, SemarizeRunStore
from copilot_pipeline.state.rescores import RescoreRequest, Rescores
from copilot_pipeline.transform.transcripts import UserDirectory
from copilot_pipeline_tests.load.warehouse.rows import arrow

DAY = date(2026, 11, 3)
KIT = Kit("deal", "A1")
SETTINGS = SemarizeRunSettings()
TURNS = [
    {"personId": 0, "start": 0, "end": 2, "text": "Hello  there,\u00a0Lee."},
    {"personId": 1, "start": 2, "end": 3, "text": "Hi: what is new?"},
    {"personId": 1, "start": 3, "end": 4, "text": ""},
]
CALLS = {
    "id": "c-1",
    "time": "2026-11-03T12:00:00Z",
    "status": "POST_PROCESSING_DONE",
    "users": [{"userId": "u-1", "userEmail": "dana@acme.example", "personId": 0}],
    "externalParticipants": [{"name": "Lee Park", "personId": 1}],
}
NAMELESS = UserDirectory()


def named(name: str) -> UserDirectory:
    """The users when the rep has a name."""
    return UserDirectory([User("u-1", "dana@acme.example", name, "REP", True, None)])


class Scored:
    """One call that is built and scored again and again."""

    def __init__(self, database: Database, lake: Lake) -> None:
        self.database = database
        self.lake = lake
        self.runs = SemarizeRunStore(database)
        self.calls = CallStore(database, ZoneInfo("UTC"))
        self.store(TURNS)

    def store(self, turns: Iterable[dict[str, Any]]) -> None:
        """Write the raw partition."""
        row = {
            "call_id": "c-1",
            "dialect": "rest",
            "listed": json.dumps(CALLS).encode(),
            "details": json.dumps({"call": {**CALLS, "transcript": list(turns)}}).encode(),
            "listed_is_newer": True,
        }
        with self.lake.writer(RAW_CALL_DETAILS, DAY) as writer:
            writer.append(arrow(RAW_CALL_DETAILS, [row]))

    def build(self, directory: UserDirectory) -> None:
        """Load the call tables with the names of a directory."""
        (loaded,) = CallTables(self.lake, self.database, self.calls, self.runs, directory).build([DAY])
        assert loaded.problem is None

    def register(self) -> list[RunTask]:
        """Return the runs that have not finished."""
        (transcripts,) = read_transcripts(self.lake, DAY, [KIT], with_text=True)
        return register_runs(self.runs, transcripts, DAY, [KIT], SETTINGS)

    def pay(self) -> int:
        """Finish the open runs; return their number."""
        tasks = self.register()
        for task in tasks:
            self.runs.mark_finished(
                task.run,
                run_id=f"run_{task.run.transcript_hash[:8]}_{task.run.rescore_id}",
                status="succeeded",
                kit_version_id="v",
                duration_ms=1,
                error_code=None,
                error_message=None,
                answer=b'{"output": {"bricks": {"a": {"value": 1}}}}',
            )
        return len(tasks)

    def scores(self) -> list[dict[str, Any]]:
        """Rebuild the score tables; return the rows of runs beside their transcripts."""
        (loaded,) = ScoreTables(self.lake, self.database, self.runs, self.calls, [KIT]).build([DAY])
        assert (loaded.problem, loaded.unscored, loaded.rows["semarize_scores"]) == (None, 0, 1)
        return self.rows(
            """SELECT runs.transcript_hash AS scored, texts.transcript_hash AS present,
              runs.speech_hash = texts.speech_hash AS is_same_speech, old.text
            FROM copilot.semarize_runs AS runs JOIN copilot.transcripts AS texts USING (call_id)
            JOIN copilot.scored_transcripts AS old ON old.transcript_hash = runs.transcript_hash"""
        )

    def rows(self, query: str) -> list[dict[str, Any]]:
        """Rows of the database."""
        with self.database.connection() as connection:
            return connection.cursor(row_factory=psycopg.rows.dict_row).execute(query).fetchall()


@pytest.fixture
def scored(database: Database, tmp_path: Path) -> Scored:
    """A call that is scored with a nameless rep."""
    made = Scored(database, Lake(str(tmp_path)))
    made.build(NAMELESS)
    assert made.pay() == 1
    return made


def test_labels_alone_keep_the_run_and_are_recorded(scored: Scored) -> None:
    """Late users and a renamed rep cost nothing; the run names the text that was scored."""
    for name in ("Dana Ortiz", "Dana Ortiz-Reed", "Dana: the second"):
        scored.build(named(name))
        assert scored.pay() == 0
        (row,) = scored.scores()
        assert row["is_same_speech"]
        assert row["scored"] != row["present"]
        assert row["text"].startswith("dana@acme.example: Hello")
    assert scored.rows("SELECT count(*) AS runs FROM copilot_ops.semarize_runs") == [{"runs": 1}]


def test_edited_words_are_one_new_run(scored: Scored) -> None:
    """An edit, with or without a rename, is one run; the first words again are the first run."""
    scored.store([{**TURNS[0], "text": "Hello."}, *TURNS[1:]])
    scored.build(named("Dana Ortiz"))
    assert scored.pay() == 1
    scored.build(named("D. Ortiz"))
    assert scored.pay() == 0
    scored.store(TURNS)
    scored.build(named("Dana Ortiz"))
    assert scored.pay() == 0
    assert scored.scores()[0]["text"].startswith("dana@acme.example: Hello")


def test_another_side_is_one_new_run(scored: Scored) -> None:
    """The same words, said by the other side."""
    scored.store([TURNS[0], {**TURNS[1], "personId": 0}])
    scored.build(NAMELESS)
    assert scored.pay() == 1


def test_an_unanswered_request_is_repeated_byte_by_byte(database: Database, tmp_path: Path) -> None:
    """After a crash between intent and response the stored text is sent, whatever the labels are now."""
    call = Scored(database, Lake(str(tmp_path)))
    call.build(NAMELESS)
    (first,) = call.register()
    for name in ("Dana Ortiz", "Dana Reed"):
        call.build(named(name))
        (again,) = call.register()
        assert again.request == first.request
        assert again.run.transcript_hash == first.run.transcript_hash
    assert b"dana@acme.example: Hello" in first.request.body


def test_two_labellings_at_the_same_time_are_one_run(database: Database) -> None:
    """Two processes that loaded different users register the same speech."""
    runs = SemarizeRunStore(database)
    intents = [RunIntent("c-1", "deal", "A1", f"text {n}", DAY, f"key {n}", "words:sides") for n in range(8)]
    with ThreadPoolExecutor(8) as pool:
        keys = {run.idempotency_key for result in pool.map(lambda one: runs.register([one]), intents) for run in result}
    assert len(keys) == 1


def test_a_rescore_scores_the_present_labels_once(scored: Scored) -> None:
    """A rescore sends the present text, under a new key."""
    scored.build(named("Dana Ortiz"))
    assert scored.pay() == 0
    rescores = Rescores(scored.database)
    request = RescoreRequest(DAY, DAY, [("deal", "A1")])
    assert rescores.cost(request) == {"deal": 1}
    rescores.start(request, request.name)
    (task,) = scored.register()
    assert b"Dana Ortiz: Hello" in task.request.body
    assert ":again" in task.request.idempotency_key
    scored.build(named("D. Ortiz"))
    assert [again.request for again in scored.register()] == [task.request]
    assert scored.pay() == 1
    assert scored.pay() == 0
    assert scored.scores()[0]["text"].startswith("Dana Ortiz: Hello")
    assert rescores.cost(request, rescore_id=1) == {}


@pytest.mark.parametrize("paid_twice", [False, True])
@pytest.mark.parametrize("files_too", [False, True])
def test_an_upgraded_database_pays_for_nothing_again(
    database_address: str, tmp_path: Path, paid_twice: bool, files_too: bool
) -> None:
    """A database and a lake of the schema before, with the rep's old name: the run is recognised by its words."""
    run_migrations(database_address, "0012")
    old = "dana@acme.example: Hello  there,\u00a0Lee.\nLee Park: Hi: what is new?"
    with psycopg.connect(database_address) as connection:
        connection.execute(
            """INSERT INTO copilot.transcripts (call_id, call_date, text, words, utterances, transcript_hash)
            VALUES ('c-1', %s, %s, 7, 3, 'old')""",
            (DAY, old),
        )
        connection.execute(
            """INSERT INTO copilot.calls (call_id, call_date, started_at, status, has_crm_link, has_transcript)
            VALUES ('c-1', %(day)s, %(day)s, 'ready', false, true)""",
            {"day": DAY},
        )
        for seq, turn in enumerate(TURNS):
            connection.execute(
                """INSERT INTO copilot.utterances (call_id, seq, call_date, speaker, side, text)
                VALUES ('c-1', %s, %s, 'x', 'rep', %s)""",
                (seq, DAY, turn["text"]),
            )
        for transcript_hash in ("old", "older")[: 1 + paid_twice]:
            connection.execute(
                """INSERT INTO copilot_ops.semarize_runs (call_id, kit, kit_reference, transcript_hash, call_date,
                  idempotency_key, status, run_id, answer)
                VALUES ('c-1', 'deal', 'A1', %s, %s, 'k', 'succeeded', %s, %s)""",
                (transcript_hash, DAY, f"run_{transcript_hash}", b"{}"),
            )
        connection.execute(
            "INSERT INTO copilot_ops.replaced_transcripts (transcript_hash, call_id, text) VALUES ('older', 'c-1', %s)",
            (old.replace("dana@acme.example", "Unknown Speaker 0"),),
        )
    run_migrations(database_address)
    call = Scored(Database(database_address), Lake(str(tmp_path)))
    if files_too:  # scores are built before the call tables are
        _write_transcript_of_0012(call.lake, old)
        assert call.register() == []
    call.build(named("Dana Ortiz"))
    assert call.register() == []
    call.build(named("Dana Reed"))
    assert call.register() == []
    call.store([TURNS[0], {**TURNS[1], "personId": 0}])
    call.build(named("Dana Reed"))
    assert len(call.register()) == 1  # from now on, the side counts too
    call.database.close()


def _write_transcript_of_0012(lake: Lake, text: str) -> None:
    path = Path(lake.path(TRANSCRIPTS, DAY))
    path.parent.mkdir(parents=True)
    row = {"call_id": "c-1", "text": text, "words": 7, "utterances": 3, "transcript_hash": "old"}
    fields = [field for field in TRANSCRIPTS.arrow_schema if field.name in row]
    pq.write_table(pa.Table.from_pylist([row], schema=pa.schema(fields)), path)
