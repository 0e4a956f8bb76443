"""Values of any length and any characters: the neighbours of a bad value load, in both stores."""

from __future__ import annotations

import json
import random
import string
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from copilot_pipeline.load.day_load import CallBatch
from copilot_pipeline.load.lake import Lake
from copilot_pipeline.load.partition_loader import LoadedPartition, PartitionLoader
from copilot_pipeline.load.snapshots import replace_snapshot
from copilot_pipeline.load.tables import (
    CALLS,
    PARTICIPANTS,
    SEMARIZE_SCORES,
    UTTERANCES,
    WAREHOUSE_TABLES,
    Column,
    Kind,
    Table,
    rows_to_arrow,
)
from copilot_pipeline.load.tables.limits import fit_rows, shorten_id
from copilot_pipeline.load.tables.model import MAX_CALL_ID_BYTES, MAX_ID_BYTES, MAX_TEXT_CHARS
from copilot_pipeline.postgres import Database
from copilot_pipeline.state import CallStore
from copilot_pipeline.state.quarantine import count_quarantined
from copilot_pipeline_tests.load.warehouse.rows import DAY, arrow, call, column, score, utterance

INDEX_ENTRY_BYTES = 2704  # the limit of a B-tree of PostgreSQL
_ENTRY_OVERHEAD = 40
NOW = datetime(2026, 11, 3, tzinfo=UTC)
DEFAULTS: dict[Kind, Any] = {
    Kind.TEXT: "text",
    Kind.TEXTS: ["text"],
    Kind.INTEGER: 1,
    Kind.NUMBER: 1.0,
    Kind.BOOLEAN: True,
    Kind.DATE: DAY,
    Kind.MOMENT: NOW,
    Kind.JSON: '{"a": 1}',
}


def noise(length: int, alphabet: str = string.ascii_letters + string.digits) -> str:
    """Text that does not compress, so that an index cannot hide its length."""
    return "".join(random.Random(length).choices(alphabet, k=length))


def row(table: Table, key: str, **values: Any) -> SimpleNamespace:
    """A row with a value in every column; `key` makes its key unique."""
    fields = {one.name: DEFAULTS[one.kind] for one in table.columns}
    for name in table.key:
        if isinstance(fields[name], str):
            fields[name] = key
    return SimpleNamespace(**{**fields, **values})


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(str(tmp_path / "lake"))


def load(database: Database, lake: Lake, table: Table, rows: list[SimpleNamespace]) -> LoadedPartition | None:
    """Replace the table, or its day."""
    if not table.partitioned:
        replace_snapshot(lake, database, table, rows)
        return None
    loader = PartitionLoader(lake, database, CallStore(database, ZoneInfo("UTC")), [table])

    def batches(_day: date) -> Iterator[CallBatch]:
        yield CallBatch([], [(table, rows_to_arrow(table, rows))])

    (loaded,) = loader.load([DAY], batches)
    assert loaded.problem is None
    return loaded


def stored(database: Database, lake: Lake, table: Table, name: str) -> tuple[list[Any], list[Any]]:
    """A column in PostgreSQL and in the lake, in the order of their values."""
    in_lake = [
        value for batch in lake.batches(table, DAY if table.partitioned else None) for value in batch[name].to_pylist()
    ]
    return sorted(column(database, f"SELECT {name} FROM copilot.{table.name}"), key=str), sorted(in_lake, key=str)


@pytest.mark.parametrize("table", WAREHOUSE_TABLES, ids=lambda table: table.name)
def test_every_key_fits_its_index(table: Table) -> None:
    """The columns of each key have limits whose sum fits an entry of an index."""
    columns = [one for one in table.columns if one.name in table.key and one.kind is Kind.TEXT]
    assert all(one.max_bytes for one in columns)
    assert sum(one.max_bytes or 0 for one in columns) + _ENTRY_OVERHEAD <= INDEX_ENTRY_BYTES


def test_every_indexed_text_column_has_a_limit(database: Database) -> None:
    """Also the columns of indexes beside the keys, as the migrated database has them."""
    query = """SELECT class.relname, attribute.attname FROM pg_index
    JOIN pg_class AS class ON class.oid = indrelid
    JOIN pg_attribute AS attribute ON attribute.attrelid = indrelid AND attribute.attnum = ANY(indkey)
    WHERE relnamespace = 'copilot'::regnamespace AND atttypid = 'text'::regtype"""
    with database.connection() as connection:
        indexed = connection.execute(query).fetchall()
    known = {(table.name, one.name): one for table in WAREHOUSE_TABLES for one in table.columns}
    assert indexed
    assert [names for names in indexed if known[tuple(names)].max_bytes is None] == []


@pytest.mark.parametrize("table", WAREHOUSE_TABLES, ids=lambda table: table.name)
@pytest.mark.parametrize("alphabet", ["ascii", "wide"])
def test_a_value_of_any_length_loads_with_its_neighbours(
    database: Database, lake: Lake, table: Table, alphabet: str
) -> None:
    """In every column, lengths from 0 to 100,000, NUL, lone surrogates: all rows are in both stores, truncated values
    are recorded. One database for all columns, because a load replaces the rows of the one before."""
    letters = string.ascii_letters if alphabet == "ascii" else "".join(map(chr, range(0x4E00, 0x5E00))) + "😀"
    values = [
        "",
        "short",
        f"a\0b\ud800{noise(50, letters)}",
        *(noise(length, letters) for length in (600, 5_000, 100_000)),
    ]
    for one in table.columns:
        if one.kind in (Kind.TEXT, Kind.TEXTS):
            _load_into_column(database, lake, table, one, values)


def _load_into_column(database: Database, lake: Lake, table: Table, one: Column, values: list[str]) -> None:
    rows = [
        row(table, f"k{number}", **{one.name: [value, "x"] if one.kind is Kind.TEXTS else value})
        for number, value in enumerate(values)
    ]
    load(database, lake, table, rows)
    in_database, in_lake = stored(database, lake, table, one.name)
    assert in_database == in_lake, one.name
    assert len(in_database) == len(values), one.name
    texts = [value[0] if isinstance(value, list) else value for value in in_database]
    assert {"", "short"} <= set(texts), one.name
    if one.max_bytes is not None:
        assert max(len(text.encode()) for text in texts) <= one.max_bytes, one.name
        assert len(set(texts)) == len(values), one.name  # different ids stay different
    elif one.max_chars is not None:
        assert max(map(len, texts)) == one.max_chars, one.name
    else:
        assert max(map(len, texts)) == 100_000, one.name
    lengths = column(
        database, f"SELECT original_chars FROM copilot_ops.truncated_values WHERE column_name = '{one.name}'"
    )
    limited = one.max_bytes is not None or one.max_chars is not None
    assert (100_000 in lengths) == limited, one.name


def test_a_reload_without_long_values_deletes_the_truncated_values(database: Database, lake: Lake) -> None:
    """The records are those of the present rows."""
    loaded = load(database, lake, PARTICIPANTS, [row(PARTICIPANTS, "a", name=noise(5_000))])
    assert loaded is not None
    assert loaded.truncated == 1
    query = "SELECT row_key ->> 'person_id' FROM copilot_ops.truncated_values"
    assert column(database, query) == ["a"]
    load(database, lake, PARTICIPANTS, [row(PARTICIPANTS, "a")])
    assert column(database, query) == []


@settings(max_examples=200)
@given(st.text(max_size=3_000), st.sampled_from([MAX_ID_BYTES, MAX_CALL_ID_BYTES]))
def test_shortened_ids_are_stable_and_fit(value: str, max_bytes: int) -> None:
    """An id that fits is unchanged; shortening twice is the same as once."""
    short = shorten_id(value, max_bytes)
    assert len(short.encode("utf-8", "replace")) <= max_bytes
    assert shorten_id(short, max_bytes) == short
    assert short == value or len(value.encode("utf-8", "replace")) > max_bytes


def test_ids_with_the_same_beginning_stay_different() -> None:
    """The hash is that of the whole id."""
    first, second = "a" * 5_000 + "1", "a" * 5_000 + "2"
    assert shorten_id(first, MAX_ID_BYTES) != shorten_id(second, MAX_ID_BYTES)


def test_long_ids_still_join(database: Database, lake: Lake) -> None:
    """The same long id is the same short one in every table."""
    person = noise(5_000)
    load(database, lake, PARTICIPANTS, [row(PARTICIPANTS, "c", person_id=person)])
    load(database, lake, UTTERANCES, [row(UTTERANCES, "c", person_id=person)])
    query = "SELECT count(*) FROM copilot.participants JOIN copilot.utterances USING (call_id, person_id)"
    assert column(database, query) == [1]


def test_rows_that_fit_are_not_copied() -> None:
    """The usual case costs no conversion."""
    rows = arrow(CALLS, [call("a", title="short")])
    fitted, truncated = fit_rows(CALLS, rows)
    assert fitted is rows
    assert truncated == []


def test_a_name_is_cut_with_an_ellipsis() -> None:
    rows, (cut,) = fit_rows(CALLS, arrow(CALLS, [call("a", title="x" * (MAX_TEXT_CHARS + 1))]))
    assert rows["title"].to_pylist() == ["x" * (MAX_TEXT_CHARS - 1) + "…"]
    assert (cut.column, cut.original_chars, json.loads(cut.row_key)) == ("title", MAX_TEXT_CHARS + 1, {"call_id": "a"})


# --- rows that PostgreSQL refuses ----------------------------------------------------------------------------------


def load_batches(database: Database, lake: Lake, *batches: list[dict[str, Any]]) -> LoadedPartition:
    """Load batches of scores."""
    loader = PartitionLoader(lake, database, CallStore(database, ZoneInfo("UTC")), [SEMARIZE_SCORES])
    (loaded,) = loader.load(
        [DAY], lambda _: iter([CallBatch([], [(SEMARIZE_SCORES, arrow(SEMARIZE_SCORES, rows))]) for rows in batches])
    )
    return loaded


def scores(database: Database, lake: Lake) -> list[str]:
    """The bricks of the scores, which are the same in both stores."""
    in_database, in_lake = stored(database, lake, SEMARIZE_SCORES, "brick")
    assert in_database == in_lake
    return in_database


BAD_JSON = b'["\\u0000"]'  # valid JSON that jsonb cannot hold


def test_a_refused_row_is_quarantined_alone(database: Database, lake: Lake) -> None:
    """Its neighbours load in both stores; the row is in the quarantine, and the day counts as incomplete."""
    good = [score(f"brick{number:03}", number) for number in range(100)]
    loaded = load_batches(database, lake, [*good[:37], score("bad", BAD_JSON), *good[37:]], [score("last", True)])
    assert loaded.problem is None
    assert loaded.refused == 1
    assert scores(database, lake) == [*(f"brick{number:03}" for number in range(100)), "last"]
    with database.connection() as connection:
        (result,) = connection.execute("SELECT call_id, call_date, origin, reason, body FROM copilot_ops.quarantine")
        assert count_quarantined(connection, [DAY]) == 1
    assert result[:3] == ("c-1", DAY, "row of semarize_scores")
    assert '"brick": "bad"' in result[3]
    assert json.loads(bytes(result[4]))["brick"] == "bad"


def test_a_row_that_is_accepted_again_leaves_the_quarantine(database: Database, lake: Lake) -> None:
    load_batches(database, lake, [score("a", 1), score("bad", BAD_JSON)])
    load_batches(database, lake, [score("a", 1), score("bad", b"[]")])
    assert scores(database, lake) == ["a", "bad"]
    assert column(database, "SELECT count(*) FROM copilot_ops.quarantine") == [0]


def test_of_rows_with_the_same_key_the_first_one_loads(database: Database, lake: Lake) -> None:
    """Also if they are in different batches."""
    loaded = load_batches(database, lake, [score("a", 1), score("b", 2), score("a", 3)], [score("b", 4), score("c", 5)])
    assert (loaded.problem, loaded.refused) == (None, 2)
    assert scores(database, lake) == ["a", "b", "c"]
    assert column(database, "SELECT value_num FROM copilot.semarize_scores ORDER BY brick") == [1.0, 2.0, 5.0]


@settings(max_examples=25)
@given(st.lists(st.sampled_from([b"[1]", b"[2]", BAD_JSON]), max_size=12), st.integers(1, 4))
def test_any_set_of_refused_rows_leaves_the_others(
    database: Database, lake: Lake, values: list[bytes], size: int
) -> None:
    """Whatever rows of whatever batches are refused, exactly the others are in both stores."""
    rows = [score(f"b{number:02}", value) for number, value in enumerate(values)]
    loaded = load_batches(database, lake, *(rows[start : start + size] for start in range(0, len(rows), size)))
    assert loaded.problem is None
    assert scores(database, lake) == [
        one["brick"] for one, value in zip(rows, values, strict=True) if value != BAD_JSON
    ]
    assert loaded.refused == values.count(BAD_JSON)


def test_a_refused_row_of_one_table_leaves_the_other_tables(database: Database, lake: Lake) -> None:
    """A day of two tables in one transaction."""
    loader = PartitionLoader(lake, database, CallStore(database, ZoneInfo("UTC")), [CALLS, UTTERANCES])
    tables = [
        (CALLS, arrow(CALLS, [call("a"), call("b")])),
        (UTTERANCES, arrow(UTTERANCES, [utterance("a", 0, "x"), utterance("a", 0, "y"), utterance("b", 0, "z")])),
    ]
    (loaded,) = loader.load([DAY], lambda _: iter([CallBatch(["a", "b"], tables)]))
    assert (loaded.problem, loaded.refused, loaded.rows) == (None, 1, {"calls": 2, "utterances": 2})
    assert column(database, "SELECT text FROM copilot.utterances ORDER BY 1") == ["x", "z"]
