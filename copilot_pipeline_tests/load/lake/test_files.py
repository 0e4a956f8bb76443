"""Parquet files are replaced atomically and readable by common tools."""

from __future__ import annotations

import contextlib
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.dataset as pa_dataset
import pyarrow.fs as pa_fs
import pyarrow.parquet as pq
import pytest

from copilot_pipeline.errors import ConfigurationError
from copilot_pipeline.load.lake import Lake
from copilot_pipeline.load.tables import (
    CALLS,
    RAW_CALL_DETAILS,
    SEMARIZE_SCORES,
    USERS,
    UTTERANCES,
    WAREHOUSE_TABLES,
    Table,
)

DAY = date(2026, 11, 3)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """A lake in a folder."""
    return Lake(str(tmp_path / "lake"))


def utterances(texts: list[str], *, call_id: str = "c-1", day: date = DAY) -> pa.Table:
    """Rows of one call."""
    rows = [
        {"call_id": call_id, "seq": seq, "call_date": day, "speaker": "Dana", "side": "rep", "text": text}
        for seq, text in enumerate(texts)
    ]
    return pa.Table.from_pylist(rows, schema=UTTERANCES.arrow_schema)


def write(lake: Lake, *batches: pa.Table, day: date = DAY) -> None:
    """Write a day."""
    with lake.writer(UTTERANCES, day) as writer:
        for batch in batches:
            writer.append(batch)


def interrupted_write(lake: Lake) -> None:
    """Raise within the block after the first rows."""
    with contextlib.suppress(InterruptedError), lake.writer(UTTERANCES, DAY) as writer:
        writer.append(utterances(["half"]))
        raise InterruptedError


def texts_of(lake: Lake, day: date = DAY) -> list[str]:
    """The texts of a day."""
    return [text for batch in lake.batches(UTTERANCES, day) for text in batch.column("text").to_pylist()]


def files_in(lake: Lake) -> list[str]:
    """All files of the lake, also hidden ones."""
    root = Path(lake.url)
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


def test_a_second_write_replaces_the_first(lake: Lake) -> None:
    """A day is one file whose name depends on table and day only."""
    write(lake, utterances(["old", "older"]))
    write(lake, utterances(["new"]))
    assert texts_of(lake) == ["new"]
    assert files_in(lake) == ["utterances/call_date=2026-11-03/part.parquet"]


def test_reads_row_groups_in_order(lake: Lake) -> None:
    """Rows are read as they were written, one row group at a time.

    An empty batch adds no group.
    """
    write(lake, utterances(["a", "b"]), utterances([]), utterances(["c"]))
    assert [batch.num_rows for batch in lake.batches(UTTERANCES, DAY)] == [2, 1]
    assert texts_of(lake) == ["a", "b", "c"]
    assert lake.row_count(UTTERANCES, DAY) == 3


def test_batches_add_the_partition_column(lake: Lake) -> None:
    """Selected columns are in the requested order, the day included."""
    rows = utterances(["a", "b"])
    write(lake, rows)
    (batch,) = lake.batches(UTTERANCES, DAY)
    assert batch.equals(rows)
    (chosen,) = lake.batches(UTTERANCES, DAY, columns=["text", "call_date", "seq"])
    assert chosen.to_pylist()[1] == {"text": "b", "call_date": DAY, "seq": 1}
    assert chosen.column_names == ["text", "call_date", "seq"]
    (without,) = lake.batches(UTTERANCES, DAY, columns=["text"])
    assert without.column_names == ["text"]


def test_a_day_without_rows_has_a_file(lake: Lake) -> None:
    """An empty day is different from a day that was never written."""
    assert not lake.exists(UTTERANCES, DAY)
    assert list(lake.batches(UTTERANCES, DAY)) == []
    assert lake.row_count(UTTERANCES, DAY) == 0
    write(lake)
    assert lake.exists(UTTERANCES, DAY)
    assert lake.row_count(UTTERANCES, DAY) == 0
    assert len(pq.read_schema(lake.path(UTTERANCES, DAY)).names) == len(UTTERANCES.column_names) - 1


def test_a_failed_write_changes_nothing(lake: Lake) -> None:
    """If the block raises, the previous file stays and the temporary file is removed."""
    write(lake, utterances(["kept"]))
    interrupted_write(lake)
    assert texts_of(lake) == ["kept"]
    assert len(files_in(lake)) == 1


def test_readers_see_the_previous_file_until_the_write_ends(lake: Lake) -> None:
    """Readers skip the hidden name of the temporary file."""
    write(lake, utterances(["old"]))
    with lake.writer(UTTERANCES, DAY) as writer:
        writer.append(utterances(["new"]))
        assert texts_of(lake) == ["old"]
        frame = pd.read_parquet(Path(lake.url) / "utterances")
        assert list(frame["text"]) == ["old"]
    assert texts_of(lake) == ["new"]


@pytest.mark.parametrize("table", WAREHOUSE_TABLES, ids=lambda table: table.name)
def test_files_have_the_schema_of_the_column_list(lake: Lake, table: Table) -> None:
    """Columns, types, nullability and descriptions, without the partition column."""
    day = DAY if table.partitioned else None
    with lake.writer(table, day):
        pass
    schema = pq.read_schema(lake.path(table, day))
    expected = [field for field in table.arrow_schema if not (table.partitioned and field.name == "call_date")]
    assert schema.equals(pa.schema(expected))
    for field in schema:
        (column,) = (column for column in table.columns if column.name == field.name)
        assert field.metadata[b"description"].decode() == column.description


def test_pandas_reads_the_partitioned_folder(lake: Lake) -> None:
    """A folder of days is one frame, and a filter on the day reads that day only."""
    days = [DAY, DAY + timedelta(days=1)]
    for day in days:
        write(lake, utterances([f"said on {day}"], call_id=f"c-{day}", day=day), day=day)
    frame = pd.read_parquet(Path(lake.url) / "utterances")
    assert sorted(frame["text"]) == [f"said on {day}" for day in days]
    one = pd.read_parquet(Path(lake.url) / "utterances", filters=[("call_date", "==", str(days[1]))])
    assert list(one["text"]) == [f"said on {days[1]}"]
    assert sorted(frame["call_date"].astype(str)) == [str(day) for day in days]
    assert frame["start_s"].isna().all()
    alone = pd.read_parquet(lake.path(UTTERANCES, DAY))
    assert list(alone["text"]) == [f"said on {DAY}"]


def test_arrow_reads_the_days_as_hive_partitions(lake: Lake) -> None:
    """Arrow reads the day of the folder name as a date."""
    write(lake, utterances(["said"]))
    partitioning = pa_dataset.partitioning(pa.schema([("call_date", pa.date32())]), flavor="hive")
    dataset = pa_dataset.dataset(Path(lake.url) / "utterances", partitioning=partitioning)
    result = dataset.to_table(filter=pa_dataset.field("call_date") == pa.scalar(DAY))
    assert result.column("call_date").to_pylist() == [DAY]


def test_distinguishes_null_empty_and_false(lake: Lake) -> None:
    """Null is different from an empty text, an empty list and false."""
    row = {
        "call_id": "c-1",
        "kit": "deal",
        "brick": "b",
        "call_date": DAY,
        "value_kind": "null",
        "transcript_hash": "h",
    }
    rows = [row, {**row, "brick": "c", "value_bool": False, "value_text": "", "evidence": []}]
    with lake.writer(SEMARIZE_SCORES, DAY) as writer:
        writer.append(pa.Table.from_pylist(rows, schema=SEMARIZE_SCORES.arrow_schema))
    (batch,) = lake.batches(SEMARIZE_SCORES, DAY, columns=["value_bool", "value_text", "value_num", "evidence"])
    assert batch.to_pylist() == [
        {"value_bool": None, "value_text": None, "value_num": None, "evidence": None},
        {"value_bool": False, "value_text": "", "value_num": None, "evidence": []},
    ]


def test_a_snapshot_is_one_file(lake: Lake) -> None:
    """An unpartitioned table has one file in its folder."""
    with lake.writer(USERS) as writer:
        writer.append(pa.Table.from_pylist([{"user_id": "u-1"}], schema=USERS.arrow_schema))
    assert files_in(lake) == ["users/part.parquet"]
    assert lake.row_count(USERS) == 1


def write_with_former_names(lake: Lake, table: Table, rows: list[dict[str, object]]) -> None:
    """Write a day as earlier versions did: `removed_at` was called `gone_at`."""
    schema = pa.schema([field for field in table.arrow_schema if field.name != "call_date"])
    content = pa.Table.from_pylist(rows, schema=schema)
    path = Path(lake.path(table, DAY))
    path.parent.mkdir(parents=True)
    names = ["gone_at" if name == "removed_at" else name for name in content.column_names]
    pq.write_table(content.rename_columns(names), path)


def test_reads_files_with_former_column_names(lake: Lake) -> None:
    """All columns, or selected ones, are read under their present names."""
    removed_at = datetime(2026, 11, 9, tzinfo=UTC)
    raw: dict[str, object] = {"call_id": "c-1", "dialect": "rest", "listed": b"{}", "listed_is_newer": True}
    write_with_former_names(lake, RAW_CALL_DETAILS, [{**raw, "removed_at": removed_at}])
    (batch,) = lake.batches(RAW_CALL_DETAILS, DAY)
    assert batch.column_names == list(RAW_CALL_DETAILS.column_names)
    assert batch.to_pylist()[0]["removed_at"] == removed_at
    (chosen,) = lake.batches(RAW_CALL_DETAILS, DAY, columns=["removed_at", "call_id"])
    assert chosen.to_pylist() == [{"removed_at": removed_at, "call_id": "c-1"}]


def test_rewriting_a_day_stores_the_present_column_names(lake: Lake) -> None:
    """The rows of an old file, written again, are in a file with the new names."""
    removed_at = datetime(2026, 11, 9, tzinfo=UTC)
    call: dict[str, object] = {
        "call_id": "c-1",
        "started_at": removed_at,
        "status": "ready",
        "has_crm_link": False,
        "has_transcript": False,
    }
    write_with_former_names(lake, CALLS, [{**call, "removed_at": removed_at}])
    batches = list(lake.batches(CALLS, DAY))
    with lake.writer(CALLS, DAY) as writer:
        for batch in batches:
            writer.append(batch)
    names = pq.read_schema(lake.path(CALLS, DAY)).names
    assert "removed_at" in names
    assert "gone_at" not in names
    (rewritten,) = lake.batches(CALLS, DAY, columns=["removed_at"])
    assert rewritten.column("removed_at").to_pylist() == [removed_at]


def test_object_stores_show_only_complete_files() -> None:
    """A failed write is not visible, although closing an upload publishes it."""
    lake = Lake("mock:///lake")
    assert not isinstance(lake.filesystem, pa_fs.LocalFileSystem)
    write(lake, utterances(["kept"]))
    interrupted_write(lake)
    assert texts_of(lake) == ["kept"]
    result = lake.filesystem.get_file_info(pa_fs.FileSelector("lake", recursive=True))
    assert [info.base_name for info in result if info.is_file] == ["part.parquet"]


def test_probe_leaves_no_file(lake: Lake) -> None:
    lake.probe()
    assert files_in(lake) == []


def test_probe_explains_why_the_lake_cannot_be_written(tmp_path: Path) -> None:
    """The error names the setting and what to check."""
    (tmp_path / "lake").write_text("a file")
    with pytest.raises(ConfigurationError, match=r"cannot be written .* COPILOT_PIPELINE_LAKE_URL"):
        Lake(str(tmp_path / "lake")).probe()


@pytest.mark.parametrize(
    "url", ["nosuch://key:secret@bucket/lake", "s3://[key:secret", "s3://key:secret@ket/a?nosuch=1"]
)
def test_errors_do_not_quote_the_key_of_an_address(url: str) -> None:
    """The error names the setting and hides the key."""
    with pytest.raises(ConfigurationError, match="COPILOT_PIPELINE_LAKE_URL") as caught:
        Lake(url)
    assert "secret" not in str(caught.value)
