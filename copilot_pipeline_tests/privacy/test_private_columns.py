"""Columns that are stored as keyed hashes, or not at all."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from copilot_pipeline.clients.clari.models import User
from copilot_pipeline.config.environment import Environment
from copilot_pipeline.config.loading import Settings
from copilot_pipeline.config.pipeline_file import PipelineFile
from copilot_pipeline.errors import ConfigurationError
from copilot_pipeline.extract.reference import Reference
from copilot_pipeline.load.call_tables import CallTables
from copilot_pipeline.load.history import USER_VERSIONS
from copilot_pipeline.load.lake import Lake
from copilot_pipeline.load.privacy import private_columns
from copilot_pipeline.load.snapshots import replace_snapshot
from copilot_pipeline.load.stored_rows import read_calls
from copilot_pipeline.load.tables import CALL_TABLES, CALLS, PARTICIPANTS, USER_HISTORY, USERS, rows_to_arrow
from copilot_pipeline.load.tables.private_columns import PrivateColumns
from copilot_pipeline.postgres import Database
from copilot_pipeline.state import SemarizeRunStore
from copilot_pipeline_tests.extract.test_details import DAYS, Setup

KEY = "k" * 32
ADDRESSES = ("participants.email", "users.email", "calls.rep_email", "calls.organizer_email")
DANA = User("u-1", "Dana@acme.example", "Dana Ortiz", None, True, None)


def settings_with(key: str | None = KEY, **privacy: Any) -> Settings:
    """Settings with this section `privacy` and this key."""
    environment = Environment(copilot_pipeline_hash_key=key, _env_file=None)  # type: ignore[call-arg,arg-type]
    pipeline = PipelineFile.model_validate({"privacy": privacy})
    return Settings(environment=environment, pipeline=pipeline, warnings=(), config_path=Path("pipeline.yaml"))


class Stored(Setup):
    """Two days of three calls, and the users."""

    def __post_init__(self) -> None:
        super().__post_init__()
        del self.server.calls[3:-3]
        list(self.run())

    def build(self, columns: PrivateColumns) -> None:
        """Load users and call tables with these private columns."""
        lake = self.lake.hiding(columns)
        replace_snapshot(lake, self.database, USERS, [DANA], history=USER_VERSIONS)
        directory = Reference(lake, self.database).user_directory()
        tables = CallTables(lake, self.database, self.calls, SemarizeRunStore(self.database), directory)
        assert [loaded.problem for loaded in tables.build(DAYS)] == [None, None]

    def everything(self) -> str:
        """All rows of both stores."""
        tables = (*CALL_TABLES, USERS, USER_HISTORY)
        days: dict[bool, list[date | None]] = {True: [*DAYS], False: [None]}
        files = [
            batch.to_pylist()
            for table in tables
            for day in days[table.partitioned]
            for batch in self.lake.batches(table, day)
        ]
        with self.database.connection() as connection:
            rows = [connection.execute(f"TABLE copilot.{table.name}".encode()).fetchall() for table in tables]
        return json.dumps([files, rows], default=str).casefold()

    def query(self, statement: str) -> list[tuple[Any, ...]]:
        """Rows of the warehouse."""
        with self.database.connection() as connection:
            return connection.execute(statement.encode()).fetchall()


@pytest.fixture
def stored(database: Database, home: Path) -> Stored:
    """Two days of calls."""
    return Stored(database, Lake(str(home)))


def test_stores_no_address_and_joins_still_work(stored: Stored) -> None:
    """Both stores have hashes instead, also in versions that were recorded before; users are still recognized by their
    address, and a day that is built from its stored rows keeps its hashes."""
    stored.build(PrivateColumns())
    assert "dana@acme.example" in stored.everything()
    hidden = PrivateColumns(ADDRESSES, ["participants.name"], KEY)
    stored.build(hidden)
    assert "acme.example" not in stored.everything()
    assert "lee@northwind.example" not in stored.everything()
    joined = """SELECT DISTINCT calls.rep_name, participants.name FROM copilot.participants
        JOIN copilot.users ON users.email = participants.email JOIN copilot.calls ON calls.rep_email = users.email"""
    assert stored.query(joined) == [("Dana Ortiz", None)]
    assert stored.query("SELECT count(*), count(DISTINCT email) FROM copilot.user_history") == [(1, 1)]
    batch = read_calls(stored.database, CALL_TABLES, DAYS[0], ["call-2-000", "call-2-001"])
    for table, rows in batch.tables:
        assert hidden.apply(table, rows).equals(rows)


def test_recognizes_a_user_by_a_hashed_address(stored: Stored) -> None:
    """Whether a call gives the address in capitals or not."""
    lake = stored.lake.hiding(PrivateColumns(["users.email"], (), KEY))
    replace_snapshot(lake, stored.database, USERS, [DANA], history=USER_VERSIONS)
    found = Reference(lake, stored.database).user_directory().find(None, " DANA@acme.example")
    assert found is not None
    assert found.user_id == "u-1"


def test_people_without_a_name_are_not_named_by_hidden_addresses(stored: Stored) -> None:
    """Neither in their name, nor as speaker, nor in the transcript. Otherwise the address or number is their name."""
    columns = ["participants.email", "participants.phone"]
    shown = {"lee@northwind.example": {"email": "Lee@northwind.example"}, "+49 30 1234567": {"phone": "+49 30 1234567"}}
    for call, known in zip(stored.server.calls, shown.values(), strict=False):
        call |= {
            "externalParticipants": [{"personId": 1, **known}],
            "joinedParticipants": [],
            "last_modified_time": "2026-12-01T00:00:00.000Z",
        }
    stored.server.calls[2] |= {
        "transcript": [{"personId": "mei@kestrel.example", "start": 0, "end": 3, "text": "I am not on the list."}],
        "last_modified_time": "2026-12-01T00:00:00.000Z",
    }
    shown["mei@kestrel.example"] = {}
    list(stored.run())
    stored.build(PrivateColumns())
    assert {text in stored.everything() for text in shown} == {True}
    stored.build(PrivateColumns(columns, (), KEY))
    assert {text in stored.everything() for text in shown} == {False}
    assert set(stored.query("SELECT DISTINCT name FROM copilot.participants")) >= {("Unknown Speaker 1",)}


@given(st.text(min_size=1).filter(str.strip))
def test_a_value_has_one_hash(value: str) -> None:
    """It depends on the key, not on blanks, capitals, or on being hashed before."""
    columns = PrivateColumns(ADDRESSES, (), KEY)
    hashed = columns.hide(value)
    assert hashed == columns.hide(f" {value}\n") == columns.hide(hashed)
    assert value not in hashed or len(value) < 3 or value in "hmac:"
    assert hashed != PrivateColumns(ADDRESSES, (), "other" * 8).hide(value)


def test_the_fingerprint_changes_with_columns_and_key() -> None:
    """And not with their order."""
    fingerprints = {
        private_columns(settings_with(key, **privacy)).fingerprint
        for key, privacy in [
            (KEY, {}),
            (KEY, {"hash_columns": ["participants.email"]}),
            (KEY, {"drop_columns": ["participants.email"]}),
            (KEY, {"hash_columns": ["participants.email", "participants.phone"]}),
            (KEY, {"hash_columns": ["participants.phone", "participants.email"]}),
            ("z" * 32, {"hash_columns": ["participants.email"]}),
        ]
    }
    assert len(fingerprints) == 5
    assert "" in fingerprints


@pytest.mark.parametrize(
    ("key", "privacy", "message"),
    [
        (None, {"hash_columns": ["participants.email"]}, "COPILOT_PIPELINE_HASH_KEY"),
        ("short", {"hash_columns": ["participants.email"]}, "at least 32 characters"),
        (KEY, {"hash_columns": ["people.email"]}, "no table 'people'"),
        (KEY, {"hash_columns": ["participants.mail"]}, "no column 'mail'"),
        (KEY, {"hash_columns": ["transcripts.text"]}, "not a short text"),
        (KEY, {"hash_columns": ["calls.call_id"]}, "identifies the rows"),
        (KEY, {"drop_columns": ["calls.has_transcript"]}, "never null"),
        (None, {"drop_columns": ["transcripts.text"]}, "is never null"),
        (None, {"drop_columns": ["transcripts.redacted_text"]}, "neither hashed nor dropped"),
        (KEY, {"hash_columns": ["transcripts.speech_hash"]}, "neither hashed nor dropped"),
        (KEY, {"hash_columns": ["user_history.email"]}, r"name users\.email"),
        (KEY, {"hash_columns": ["users.email"], "drop_columns": ["users.email"]}, "in hash_columns too"),
    ],
)
def test_refuses_columns_that_cannot_be_hidden(key: str | None, privacy: dict[str, Any], message: str) -> None:
    """The error names the setting, the reason and what to do."""
    with pytest.raises(ConfigurationError, match=message):
        private_columns(settings_with(key, **privacy))


def test_drops_lists_and_hashes_their_items() -> None:
    """A list stays a list of hashes; a dropped one is null."""
    row = {column.name: None for column in CALLS.columns} | {"contact_ids": ["003A", None], "topics": ["price"]}
    rows = rows_to_arrow(CALLS, [type("Row", (), row)()])
    hidden = PrivateColumns(["calls.contact_ids"], ["calls.topics"], KEY).apply(CALLS, rows).to_pylist()[0]
    assert hidden["contact_ids"][0].startswith("hmac:")
    assert hidden["contact_ids"][1] is None
    assert hidden["topics"] is None
    assert not PrivateColumns(["calls.contact_ids"], (), KEY).affects(PARTICIPANTS)
