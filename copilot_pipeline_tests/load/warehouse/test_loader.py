"""Loading the warehouse: transactions by day, and unchanged values."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import psycopg
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from copilot_pipeline.clients.text import clean_text
from copilot_pipeline.errors import PipelineError
from copilot_pipeline.load.contents import RowsByCall
from copilot_pipeline.load.tables import CALLS, SEMARIZE_SCORES, TOPICS, UTTERANCES
from copilot_pipeline.load.warehouse import WarehouseLoader, load_snapshot
from copilot_pipeline.load.warehouse.copying import copy_rows
from copilot_pipeline.load.warehouse.snapshots import replace_rows
from copilot_pipeline.postgres import Database
from copilot_pipeline_tests.load.warehouse.rows import DAY, TABLES, arrow, call, column, load, score, utterance

NEXT_DAY = DAY + timedelta(days=1)
CALL_IDS = "SELECT call_id FROM copilot.calls ORDER BY call_id"
TEXTS = "SELECT text FROM copilot.utterances ORDER BY call_id, seq"


def test_reloading_a_day_removes_rows_that_are_missing(database: Database) -> None:
    """A reloaded day has exactly the new rows; the rows are counted by table."""
    load(database, {CALLS: [call("a"), call("b")], UTTERANCES: [utterance("a", 0, "old"), utterance("b", 0, "x")]})
    rows = load(database, {CALLS: [call("a"), call("c")], UTTERANCES: [utterance("a", 0, "new")]})
    assert rows == {"calls": 2, "utterances": 1}
    assert column(database, CALL_IDS) == ["a", "c"]
    assert column(database, TEXTS) == ["new"]


def test_loading_no_rows_empties_the_day_only(database: Database) -> None:
    """Other days are not changed."""
    load(database, {CALLS: [call("a")], UTTERANCES: []})
    load(database, {CALLS: [call("b", NEXT_DAY)], UTTERANCES: []}, day=NEXT_DAY)
    assert load(database) == {"calls": 0, "utterances": 0}
    assert column(database, CALL_IDS) == ["b"]


def test_a_moved_call_is_deleted_from_its_previous_day(database: Database) -> None:
    """Loading its new day deletes it from all tables of the previous day."""
    load(database, {CALLS: [call("a"), call("b")], UTTERANCES: [utterance("a", 0, "x"), utterance("b", 0, "stays")]})
    moved = {CALLS: [call("a", NEXT_DAY)], UTTERANCES: [utterance("a", 0, "moved", NEXT_DAY)]}
    load(database, moved, day=NEXT_DAY)
    assert column(database, "SELECT call_date FROM copilot.calls ORDER BY call_id") == [NEXT_DAY, DAY]
    assert column(database, TEXTS) == ["moved", "stays"]


def test_batches_are_loaded_in_one_transaction(database: Database) -> None:
    """Readers see the previous rows until all batches are loaded."""
    load(database, {CALLS: [call("old")], UTTERANCES: []})
    seen: list[list[Any]] = []
    with WarehouseLoader(database) as loader:
        copy = loader.start(TABLES, DAY)
        for index in range(5):
            copy.append([RowsByCall(CALLS, arrow(CALLS, [call(f"new-{index}")]))], [f"new-{index}"])
        outcome = copy.commit(lambda connection, checksums: seen.append(column(database, CALL_IDS)))
        outcome.result()
    assert seen == [["old"]]
    assert column(database, CALL_IDS) == [f"new-{index}" for index in range(5)]


def test_a_failed_day_keeps_its_rows_and_does_not_stop_the_next(database: Database) -> None:
    """A row that PostgreSQL refuses rolls back the day.

    The loader continues with the next one.
    """
    load(database, {CALLS: [call("old")], UTTERANCES: []})
    with WarehouseLoader(database) as loader:
        broken = loader.start(TABLES, DAY)
        broken.append([RowsByCall(CALLS, arrow(CALLS, [call("a"), call("a")]))], ["a"])
        failed = broken.commit(lambda connection, checksums: None)
        valid = loader.start(TABLES, NEXT_DAY)
        valid.append([RowsByCall(CALLS, arrow(CALLS, [call("b", NEXT_DAY)]))], ["b"])
        loaded = valid.commit(lambda connection, checksums: None)
        assert failed.exception() is not None
        assert loaded.result()["calls"] == 1
    assert column(database, CALL_IDS) == ["b", "old"]


def test_rollback_keeps_the_previous_rows(database: Database) -> None:
    load(database, {CALLS: [call("old")], UTTERANCES: []})
    with WarehouseLoader(database) as loader:
        copy = loader.start(TABLES, DAY)
        copy.append([RowsByCall(CALLS, arrow(CALLS, [call("new")]))], ["new"])
        copy.rollback()
    assert column(database, CALL_IDS) == ["old"]


def test_an_error_before_the_commit_rolls_back_the_day(database: Database) -> None:
    """`before_commit` runs in the same transaction."""

    def fail(*_: Any) -> None:
        raise PipelineError("no")

    with WarehouseLoader(database) as loader:
        copy = loader.start(TABLES, DAY)
        copy.append([RowsByCall(CALLS, arrow(CALLS, [call("new")]))], ["new"])
        outcome = copy.commit(fail)
        assert isinstance(outcome.exception(), PipelineError)
    assert column(database, CALL_IDS) == []


@pytest.mark.parametrize("text", ["said\x00", '["\\u0000"]'], ids=["text", "json"])
def test_errors_do_not_quote_a_refused_value(database: Database, text: str) -> None:
    """A refused value may be from a transcript: the error names the table only."""
    value = text.encode() if text.startswith("[") else text
    with pytest.raises(PipelineError, match=r"refuses rows of copilot\.semarize_scores") as caught:
        load(database, {SEMARIZE_SCORES: [score("secret brick", value)]})
    assert "secret" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_errors_do_not_quote_a_row_with_a_missing_value(database: Database) -> None:
    """PostgreSQL's message has the whole row; ours does not."""
    with pytest.raises(Exception, match="utterances") as caught:
        load(database, {CALLS: [call("a")], UTTERANCES: [utterance("a", 0, "spoken words", speaker=None)]})
    assert "spoken words" not in str(caught.value)


def test_keeps_nulls_in_lists(database: Database) -> None:
    """A null in a list is null in PostgreSQL, as in Parquet."""
    load(database, {CALLS: [call("a", topics=["price", None, ""])], UTTERANCES: []})
    assert column(database, "SELECT topics FROM copilot.calls") == [["price", None, ""]]


def test_distinguishes_null_empty_and_false(database: Database) -> None:
    """Null, empty text, false, zero and empty list are stored as they are."""
    rows = [
        call("a", title=None, duration_s=None, topics=None, removed_at=None),
        call("b", title="", duration_s=0.0, topics=[], vendor_questions=0),
        call("c", title="NULL", topics=["", "NULL", "null", "\\N"]),
    ]
    load(database, {CALLS: rows, UTTERANCES: []})
    assert column(database, "SELECT title FROM copilot.calls ORDER BY call_id") == [None, "", "NULL"]
    assert column(database, "SELECT topics FROM copilot.calls ORDER BY call_id") == [
        None,
        [],
        ["", "NULL", "null", "\\N"],
    ]
    assert column(database, "SELECT duration_s FROM copilot.calls ORDER BY call_id") == [None, 0.0, None]
    assert column(database, "SELECT vendor_questions FROM copilot.calls ORDER BY call_id") == [None, 0, None]


ODD_TEXTS = [
    '"',
    '""',
    "\\",
    "\\.",
    "\n\\.\n",
    "\r",
    "\r\n",
    ",",
    "'",
    "\t",
    " ",
    "\ufeff",
    "\u2028",
    "a\u0301",
    "😀",
    '\\"',
    "{}",
]


@pytest.mark.parametrize("text", ODD_TEXTS, ids=ascii)
def test_stores_every_character(database: Database, text: str) -> None:
    """Quotes, commas, line ends and the end-of-data mark of COPY are unchanged."""
    rows = [utterance("a", 0, text), utterance("a", 1, f"before{text}after"), utterance("a", 2, text * 3)]
    load(database, {CALLS: [call("a", title=text, topics=[text, text])], UTTERANCES: rows})
    assert column(database, TEXTS) == [text, f"before{text}after", text * 3]
    assert column(database, "SELECT title FROM copilot.calls") == [text]
    assert column(database, "SELECT topics FROM copilot.calls") == [[text, text]]


UNUSUAL_TEXT = st.text(st.sampled_from("\",\\\n\r\t.{}N'; ab😀é\ufeff\x7f\x01")) | st.text()
FIELDS = st.fixed_dictionaries(
    {
        "title": st.none() | UNUSUAL_TEXT,
        "topics": st.none() | st.lists(UNUSUAL_TEXT, max_size=4),
        "duration_s": st.none() | st.floats(allow_nan=False),
        "vendor_questions": st.none() | st.integers(-(2**63), 2**63 - 1),
        "has_crm_link": st.booleans(),
        "modified_at": st.none() | st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30)),  # noqa: DTZ001
        "removed_at": st.none() | st.datetimes(timezones=st.just(UTC)),
    }
)


@pytest.fixture
def schema_url(database: Database) -> str:
    """A database whose pool is closed.

    The pool's threads draw random numbers, which disturbs hypothesis.
    """
    database.close()
    return database.url


@settings(max_examples=60)
@given(st.lists(FIELDS, min_size=1, max_size=6))
def test_stores_every_value(schema_url: str, rows: list[dict[str, Any]]) -> None:
    """Texts, lists, extreme numbers and timestamps are equal to those in Arrow."""
    calls = [call(f"{index:02d}", **fields) for index, fields in enumerate(rows)]
    for one in calls:
        if one["modified_at"] is not None:
            one["modified_at"] = one["modified_at"].replace(tzinfo=UTC)
        one["title"] = clean_text(one["title"]) if one["title"] is not None else None
        one["topics"] = [clean_text(topic) for topic in one["topics"]] if one["topics"] is not None else None
    names = sorted(rows[0])
    query = f"SELECT {', '.join(names)} FROM copilot.calls ORDER BY call_id"
    with psycopg.connect(schema_url) as connection:
        copy_rows(connection, CALLS, arrow(CALLS, calls))
        result = connection.execute(query.encode()).fetchall()
        connection.rollback()
    assert result == [tuple(one[name] for name in names) for one in calls]


def test_replaces_a_snapshot_in_one_transaction(database: Database) -> None:
    """An unpartitioned table has the rows of the newest snapshot.

    A failed one changes nothing.
    """
    first = arrow(TOPICS, [{"topic_id": "1", "name": "price"}, {"topic_id": "2", "name": None}])
    second = arrow(TOPICS, [{"topic_id": "2", "name": "security"}])
    assert load_snapshot(database, TOPICS, [first]) == 2
    assert load_snapshot(database, TOPICS, iter([second, second.slice(0, 0)])) == 1
    assert column(database, "SELECT name FROM copilot.topics") == ["security"]
    with pytest.raises(Exception, match="topics"):
        load_snapshot(database, TOPICS, [first, first])
    assert column(database, "SELECT name FROM copilot.topics") == ["security"]


def test_a_snapshot_writes_only_the_rows_that_differ(database: Database) -> None:
    """Rows that are equal in every column, nulls and lists included, keep their version."""
    versions = "SELECT xmin::text || ctid::text FROM copilot.topics ORDER BY topic_id"
    names = {"1": "price", "2": None, "3": "security", "4": "scope"}
    load_snapshot(database, TOPICS, [topics(names)])
    before = column(database, versions)
    load_snapshot(database, TOPICS, [topics(names)])
    assert column(database, versions) == before
    load_snapshot(database, TOPICS, [topics({"0": None, "1": "price", "2": "new", "3": None})])
    _, same, *changed = column(database, versions)
    assert same == before[0]
    assert not set(changed) & set(before)
    assert column(database, "SELECT name FROM copilot.topics ORDER BY topic_id") == [None, "price", "new", None]


@settings(max_examples=25)
@given(st.lists(st.dictionaries(st.sampled_from("abcdef"), st.none() | st.sampled_from(["x", "y", ""])), max_size=4))
def test_a_snapshot_leaves_what_a_full_reload_would(schema_url: str, contents: list[dict[str, str | None]]) -> None:
    """Whatever was stored before, and the numbers of rows before and after say so."""
    stored: dict[str, str | None] = {}
    with psycopg.connect(schema_url) as connection:
        for content in contents:
            replaced = replace_rows(connection, TOPICS, [topics(content)])
            assert (replaced.before, replaced.after) == (len(stored), len(content))
            stored = dict(connection.execute("SELECT topic_id, name FROM copilot.topics").fetchall())
            assert stored == content
        connection.rollback()


def test_the_first_rows_of_a_table_take_linear_time(database: Database) -> None:
    """The planner takes a table that was empty for empty still; row by row this would take a minute."""
    names: dict[str, str | None] = {str(number): "name" for number in range(60_000)}
    with database.connection() as connection:
        connection.execute("ANALYZE copilot.topics")
    with database.transaction() as connection:
        connection.execute("SET LOCAL statement_timeout = '15s'")
        assert replace_rows(connection, TOPICS, [topics(names)]).added == len(names)
        assert replace_rows(connection, TOPICS, [topics({**names, "0": "new"})]).added == 1


def topics(names: dict[str, str | None]) -> pa.Table:
    """Topics by id."""
    return arrow(TOPICS, [{"topic_id": topic_id, "name": name} for topic_id, name in names.items()])


def test_call_date_is_a_date(database: Database) -> None:
    load(database, {CALLS: [call("a")], UTTERANCES: []})
    assert column(database, "SELECT call_date FROM copilot.calls") == [date(2026, 11, 3)]
