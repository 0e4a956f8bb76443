"""Unchanged partitions are not rebuilt, and a rebuild would not change them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from copilot_pipeline.clients.clari.models import User
from copilot_pipeline.clients.semarize import Kit
from copilot_pipeline.extract.raw_partitions import RawPartitionWriter
from copilot_pipeline.load.call_tables import CallTables
from copilot_pipeline.load.inputs import CALL_TABLE_CODE, SCORE_TABLE_CODE
from copilot_pipeline.load.lake import Lake
from copilot_pipeline.load.tables import CALL_TABLES, SCORE_TABLES
from copilot_pipeline.marts.versions import MART_CODE
from copilot_pipeline.postgres import Database
from copilot_pipeline.postgres.connections import Connection
from copilot_pipeline.score.score_tables import ScoreTables
from copilot_pipeline.state import CallStore, PartitionStore, ReceivedDetails, SemarizeRunStore
from copilot_pipeline.state.bodies import pack
from copilot_pipeline.transform.transcripts import UserDirectory
from copilot_pipeline_tests.state.examples import DAY, NOON, listed_call, record

DAYS = [DAY, DAY + timedelta(days=1)]
CALLS = ["a", "b"]
TABLES = (*CALL_TABLES, *SCORE_TABLES)
_RUN = """INSERT INTO copilot_ops.semarize_runs
(call_id, kit, kit_reference, transcript_hash, call_date, idempotency_key, status, run_id)
SELECT call_id, 'deal', 'CODE', transcript_hash, call_date, call_id, %(status)s, 'run' FROM copilot.transcripts
WHERE call_id = %(call_id)s
ON CONFLICT (call_id, kit, kit_reference, transcript_hash) DO UPDATE SET status = excluded.status"""
_CHANGES = ("UPDATE copilot.calls SET title = 'changed'", "DELETE FROM copilot.utterances", "TRUNCATE copilot.evidence")


class Killed(BaseException):
    """The process is killed."""


class _KilledRuns(SemarizeRunStore):
    """Killed when the files of a day are written and its transaction is not committed."""

    is_killed = False

    def archive_replaced_transcripts(
        self, replacing: Connection, day: date, *, only_redaction: str | None = None
    ) -> None:
        super().archive_replaced_transcripts(replacing, day, only_redaction=only_redaction)
        if self.is_killed:
            raise Killed


class _KilledPartitions(PartitionStore):
    is_killed = False

    def mark_scored(self, connection: Connection, day: date) -> None:
        super().mark_scored(connection, day)
        if self.is_killed:
            raise Killed


def body(call_id: str, day: int, version: int) -> dict[str, Any]:
    """A call of the list, and the words of its details."""
    moment = (NOON + timedelta(days=day)).strftime("%Y-%m-%dT%H:%M:%SZ")
    people = [{"userId": "u-1", "userEmail": "dana@example.com", "personId": 1}]
    return {
        "id": call_id,
        "title": f"{call_id} in version {version}",
        "time": moment,
        "status": "POST_PROCESSING_DONE",
        "users": people,
        "transcript": [{"personId": 1, "text": f"Version {version} of the words", "start": 1.0, "end": 2.0}],
    }


@dataclass
class World:
    """Two days with their state, raw files and tables."""

    database: Database
    lake: Lake
    calls: CallStore = field(init=False)
    runs: _KilledRuns = field(init=False)
    partitions: _KilledPartitions = field(init=False)
    users: int = 0
    setting: int = 0

    def __post_init__(self) -> None:
        tables = ", ".join(f"copilot.{table.name}" for table in TABLES)
        with self.database.connection() as connection:
            connection.execute(
                f"TRUNCATE {tables}, copilot_ops.calls, copilot_ops.bodies, copilot_ops.partitions, "
                "copilot_ops.list_cursors, copilot_ops.semarize_runs, copilot_ops.table_versions"
            )
        self.calls = CallStore(self.database, ZoneInfo("UTC"))
        self.calls.partitions = self.partitions = _KilledPartitions(self.database)
        self.runs = _KilledRuns(self.database)

    def change(self, step: tuple[Any, ...]) -> None:
        """Change an input, or a table behind the back of the loader."""
        match step:
            case ("call", call_id, day, version):
                self._store_call(call_id, day, version)
            case ("users", number):
                self.users = number
            case ("setting", number):
                self.setting = number
            case ("run", call_id, status):
                self._execute(_RUN, {"call_id": call_id, "status": status})
            case ("rows", place):
                self._execute(_CHANGES[place])
            case ("file", place, day):
                Path(self.lake.path(TABLES[place], DAYS[day])).unlink(missing_ok=True)
            case ("build", killed):
                self.runs.is_killed, self.partitions.is_killed = killed == "calls", killed == "scores"
                with suppress(Killed):
                    self.build()
                self.runs.is_killed = self.partitions.is_killed = False

    def _store_call(self, call_id: str, day: int, version: int) -> None:
        """List a call, fetch it, and write the raw files of both days."""
        content = json.dumps(body(call_id, day, version))
        listed = listed_call(call_id, version=f"v{version}", content=content, started_at=NOON + timedelta(days=day))
        record(self.calls, listed)
        for call in self.calls.to_fetch(DAYS, among=[call_id]):
            self.calls.store_details([ReceivedDetails(call, pack(content.encode()))])
        for each in DAYS:
            RawPartitionWriter(self.lake, self.calls, "rest").store(each)

    def build(self, *, force: bool = False) -> int:
        """Build both days; return how many partitions were rebuilt."""
        user = User("u-1", f"Dana {self.users}", "dana@example.com", role=None, is_recording=None, manager_id=None)
        directory = UserDirectory([user])
        inputs = {"settings": str(self.setting)}
        call_tables = CallTables(self.lake, self.database, self.calls, self.runs, directory, inputs=inputs, force=force)
        built = list(call_tables.build(call_tables.days_to_build(DAYS)))
        kits = [Kit("deal", code="CODE")]
        scores = ScoreTables(self.lake, self.database, self.runs, self.calls, kits, inputs=inputs, force=force)
        scored = list(scores.build(DAYS))
        assert [loaded.problem for loaded in built if loaded.problem] == []
        assert [loaded.problem for loaded in scored if loaded.problem] == []
        return sum(not day.is_current for day in built) + sum(not day.is_current for day in scored)

    def content(self) -> dict[str, list[str]]:
        """All rows of both stores."""
        rows = {}
        with self.database.connection() as connection:
            for table in TABLES:
                names = ", ".join(table.column_names)
                stored = connection.execute(f"SELECT {names} FROM copilot.{table.name}").fetchall()
                rows[f"warehouse {table.name}"] = sorted(map(repr, stored))
                rows[f"lake {table.name}"] = sorted(
                    repr(row) for day in DAYS for batch in self.lake.batches(table, day) for row in batch.to_pylist()
                )
        return rows

    def written(self) -> dict[tuple[str, str], str | None]:
        """The transaction that wrote the rows of each call, and when each file was written."""
        written: dict[tuple[str, str], str | None] = {}
        with self.database.connection() as connection:
            for table in CALL_TABLES:
                statement = f"SELECT call_id, string_agg(xmin::text, ' ') FROM copilot.{table.name} GROUP BY call_id"
                written |= {(table.name, call_id): place for call_id, place in connection.execute(statement).fetchall()}
                written |= {(table.name, f"file {day}"): self.lake.stamp(table, day) for day in DAYS}
        return written

    def _execute(self, statement: str, values: dict[str, Any] | None = None) -> None:
        with self.database.connection() as connection:
            connection.execute(statement, values)


_STEP = st.one_of(
    st.tuples(st.just("call"), st.sampled_from(CALLS), st.integers(0, 1), st.integers(1, 2)),
    st.tuples(st.just("users"), st.integers(0, 1)),
    st.tuples(st.just("setting"), st.integers(0, 1)),
    st.tuples(st.just("run"), st.sampled_from(CALLS), st.sampled_from(["queued", "failed"])),
    st.tuples(st.just("rows"), st.integers(0, len(_CHANGES) - 1)),
    st.tuples(st.just("file"), st.integers(0, len(TABLES) - 1), st.integers(0, 1)),
    st.tuples(st.just("build"), st.sampled_from([None, None, "calls", "scores"])),
)


@contextmanager
def new_world(database: Database) -> Iterator[World]:
    """An empty world."""
    with TemporaryDirectory() as folder:
        yield World(database, Lake(folder))


@settings(max_examples=12)
@given(steps=st.lists(_STEP, min_size=4, max_size=12))
def test_skipping_never_leaves_a_table_that_a_full_rebuild_would_change(
    database: Database, steps: list[tuple[Any, ...]]
) -> None:
    """Whatever changes, whoever changes rows or removes files, and wherever builds are killed."""
    with new_world(database) as world:
        world.change(("call", "a", 0, 1))
        for step in steps:
            world.change(step)
        world.build()
        skipped = world.content()
        world.build(force=True)
        assert world.content() == skipped


def test_only_partitions_with_a_changed_input_are_rebuilt(database: Database) -> None:
    """A raw file or a run concerns its day, users and settings concern all days."""
    with new_world(database) as world:
        for place, call_id in enumerate(CALLS):
            world.change(("call", call_id, place, 1))
        assert world.build() == 4  # two days, call tables and score tables
        assert len(world.content()["warehouse utterances"]) == len(CALLS)
        assert world.build() == 0
        world.change(("call", "a", 0, 2))
        assert world.build() == 2
        world.change(("run", "b", "failed"))
        assert world.build() == 1
        world.change(("users", 1))
        assert world.build() == 4
        world.change(("file", 0, 1))
        assert world.build() == 2  # the scores are made from the files of the call tables
        assert (world.build(), world.build(force=True)) == (0, 4)


def test_a_rebuild_writes_only_the_rows_of_calls_that_have_changed(database: Database) -> None:
    """And the files of tables with a change, unless it is forced or the release before wrote the rows."""
    with new_world(database) as world:
        for call_id in CALLS:
            world.change(("call", call_id, 0, 1))
        world.build()
        before = world.written()
        world.change(("setting", 1))
        assert (world.build(), world.written()) == (4, before)
        world.change(("call", "a", 0, 2))
        world.build()
        after = world.written()
        changed = [(table, place) for table in ("calls", "transcripts", "utterances") for place in ("a", f"file {DAY}")]
        assert sorted(key for key, place in after.items() if place != before[key]) == sorted(changed)
        with database.connection() as connection:
            connection.execute("UPDATE copilot_ops.table_versions SET built_at = clock_timestamp()")
        world.change(("setting", 2))
        world.build()
        rewritten = world.written()
        assert [key for key, place in rewritten.items() if place == after[key]] == []
        world.build(force=True)
        files = [key for key in rewritten if key[1].startswith("file")]
        assert sorted(key for key, place in world.written().items() if place != rewritten[key]) == sorted(files)


_UNNOTICED = """SET LOCAL session_replication_role = replica;
UPDATE copilot.transcripts SET words = 99 WHERE call_id = 'a';
DELETE FROM copilot.participants WHERE call_id = 'a';
INSERT INTO copilot.utterances (call_id, seq, call_date, speaker, side, text)
SELECT call_id, seq + 100, call_date, speaker, side, 'inserted' FROM copilot.utterances"""


def test_a_forced_rebuild_compares_the_rows_that_are_there(database: Database) -> None:
    """Also rows that were changed without the triggers, such as by a restored backup, with another load of the day
    since. The next one writes no rows."""
    with new_world(database) as world:
        for call_id in CALLS:
            world.change(("call", call_id, 0, 1))
        world.build()
        with database.transaction() as connection:
            connection.execute(_UNNOTICED)
        changed = world.content()
        world.change(("call", "b", 0, 2))
        world.build()  # writes the rows of b, and takes the others for its own
        world.build(force=True)
        built = world.content()
        assert built != changed
        world.change(("setting", 1))
        before = world.written()
        world.build(force=True)
        assert {key for key, place in world.written().items() if place != before[key] and key[1] in CALLS} == set()
        with database.connection() as connection:
            connection.execute("TRUNCATE copilot_ops.table_versions")
        world.build()
        assert world.content() == built


@pytest.mark.e2e
@pytest.mark.parametrize(
    ("module", "code"),
    [("load.call_tables", CALL_TABLE_CODE), ("score.score_tables", SCORE_TABLE_CODE), ("marts.build", MART_CODE)],
)
def test_the_code_version_covers_what_builds_the_tables(module: str, code: tuple[str, ...]) -> None:
    """Each module of the pipeline that is imported for the tables is hashed, or can change no row."""
    program = f"import sys, copilot_pipeline.{module}; print(*sys.modules)"
    modules = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    own = [name.removeprefix("copilot_pipeline.") for name in modules if name.startswith("copilot_pipeline.")]
    without_effect = (
        *(
            "config",
            "days",
            "errors",
            "logs",
            "postgres",
            "printable",
            "private_files",
            "progress",
            "state",
            "telemetry",
        ),
    )
    assert {name.split(".")[0] for name in own} - {*code, *without_effect} == set()
