"""Parquet files: replaced whole or not at all, whoever dies when; readable by what analysts use."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
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
from copilot_pipeline.load.tables import SEMARIZE_SCORES, USERS, UTTERANCES, WAREHOUSE_TABLES, Table

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


def written(lake: Lake, *batches: pa.Table, day: date = DAY) -> None:
    """Writes a day."""
    with lake.writer(UTTERANCES, day) as writer:
        for batch in batches:
            writer.append(batch)


def write_that_breaks(lake: Lake) -> None:
    """A write whose block raises after the first rows."""
    with contextlib.suppress(InterruptedError), lake.writer(UTTERANCES, DAY) as writer:
        writer.append(utterances(["half"]))
        raise InterruptedError


def texts_of(lake: Lake, day: date = DAY) -> list[str]:
    """What a day holds."""
    return [text for batch in lake.batches(UTTERANCES, day) for text in batch.column("text").to_pylist()]


def files_in(lake: Lake) -> list[str]:
    """Every file of the lake, hidden ones too."""
    root = Path(lake.url)
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


def test_a_second_write_replaces(lake: Lake) -> None:
    """A day is one file whose name depends on nothing but table and day: written twice, it holds the second."""
    written(lake, utterances(["old", "older"]))
    written(lake, utterances(["new"]))
    assert texts_of(lake) == ["new"]
    assert files_in(lake) == ["utterances/call_date=2026-11-03/part.parquet"]


def test_batches_come_back_in_order(lake: Lake) -> None:
    """Rows come back as they were written, a group at a time; a batch without rows leaves nothing."""
    written(lake, utterances(["a", "b"]), utterances([]), utterances(["c"]))
    assert [batch.num_rows for batch in lake.batches(UTTERANCES, DAY)] == [2, 1]
    assert texts_of(lake) == ["a", "b", "c"]
    assert lake.row_count(UTTERANCES, DAY) == 3


def test_our_own_reader_puts_the_day_back(lake: Lake) -> None:
    """What was written is read, the day included; chosen columns come in the order asked for."""
    rows = utterances(["a", "b"])
    written(lake, rows)
    (batch,) = lake.batches(UTTERANCES, DAY)
    assert batch.equals(rows)
    (chosen,) = lake.batches(UTTERANCES, DAY, columns=["text", "call_date", "seq"])
    assert chosen.to_pylist()[1] == {"text": "b", "call_date": DAY, "seq": 1}
    assert chosen.column_names == ["text", "call_date", "seq"]
    (without,) = lake.batches(UTTERANCES, DAY, columns=["text"])
    assert without.column_names == ["text"]


def test_a_day_without_rows_is_a_file(lake: Lake) -> None:
    """A day on which nothing was said is there, with its columns: it is told from a day never made."""
    assert not lake.exists(UTTERANCES, DAY)
    assert list(lake.batches(UTTERANCES, DAY)) == []
    assert lake.row_count(UTTERANCES, DAY) == 0
    written(lake)
    assert lake.exists(UTTERANCES, DAY)
    assert lake.row_count(UTTERANCES, DAY) == 0
    assert len(pq.read_schema(lake.path(UTTERANCES, DAY)).names) == len(UTTERANCES.column_names) - 1


def test_a_write_that_fails_changes_nothing(lake: Lake) -> None:
    """Where the block raises, the old file stays as it was and no draft is left."""
    written(lake, utterances(["kept"]))
    write_that_breaks(lake)
    assert texts_of(lake) == ["kept"]
    assert len(files_in(lake)) == 1


def test_readers_see_the_old_file_until_the_end(lake: Lake) -> None:
    """While a day is written its old rows are read, and the draft is a name that readers skip."""
    written(lake, utterances(["old"]))
    with lake.writer(UTTERANCES, DAY) as writer:
        writer.append(utterances(["new"]))
        assert texts_of(lake) == ["old"]
        frame = pd.read_parquet(Path(lake.url) / "utterances")
        assert list(frame["text"]) == ["old"]
    assert texts_of(lake) == ["new"]


_WRITER = """
import sys, time
from datetime import date
from copilot_pipeline.load.lake import Lake
from copilot_pipeline_tests.load.lake.test_files import DAY, UTTERANCES, utterances
with Lake(sys.argv[1]).writer(UTTERANCES, DAY) as writer:
    writer.append(utterances(["half"] * 1000))
    print("in the middle", flush=True)
    time.sleep(60)
"""


def killed_writer(lake: Lake) -> None:
    """A process that is killed in the middle of writing the day."""
    process = subprocess.Popen([sys.executable, "-c", _WRITER, lake.url], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "in the middle\n"
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()


@pytest.mark.e2e
def test_a_writer_killed_in_the_middle_leaves_no_trace(lake: Lake) -> None:
    """After kill -9 the day reads as before, for every reader; the next write clears the draft."""
    written(lake, utterances(["kept"]))
    killed_writer(lake)
    assert len(files_in(lake)) == 2
    assert texts_of(lake) == ["kept"]
    assert list(pd.read_parquet(Path(lake.url) / "utterances")["text"]) == ["kept"]
    written(lake, utterances(["new"]))
    assert texts_of(lake) == ["new"]
    assert files_in(lake) == ["utterances/call_date=2026-11-03/part.parquet"]


@pytest.mark.e2e
def test_a_writer_killed_on_a_new_day_leaves_no_day(lake: Lake) -> None:
    """A day whose first write was killed does not exist, though its folder does."""
    killed_writer(lake)
    assert not lake.exists(UTTERANCES, DAY)
    assert list(lake.batches(UTTERANCES, DAY)) == []


def test_the_draft_of_a_living_writer_is_left_alone(lake: Lake) -> None:
    """Two writers of one day do not take each other's drafts away; the last to finish wins, whole."""
    with lake.writer(UTTERANCES, DAY) as slow:
        slow.append(utterances(["slow"]))
        written(lake, utterances(["quick"]))
        assert texts_of(lake) == ["quick"]
    assert texts_of(lake) == ["slow"]


@pytest.mark.parametrize(("age", "is_left"), [(timedelta(hours=30), True), (timedelta(days=3), False)])
def test_drafts_of_other_machines_go_by_age(lake: Lake, age: timedelta, is_left: bool) -> None:
    """A process of another machine cannot be asked: its draft is cleared once no write can last so long."""
    written(lake)
    draft = Path(lake.path(UTTERANCES, DAY)).with_name(".part.parquet.0ther000.1.abcdef01")
    draft.write_bytes(b"half")
    moment = (datetime.now(UTC) - age).timestamp()
    os.utime(draft, (moment, moment))
    written(lake)
    assert draft.exists() is is_left


@pytest.mark.parametrize("table", WAREHOUSE_TABLES, ids=lambda table: table.name)
def test_files_carry_the_column_list(lake: Lake, table: Table) -> None:
    """A file has the columns, types, nullability and descriptions of the column list, but for the folder's column."""
    day = DAY if table.partitioned else None
    with lake.writer(table, day):
        pass
    schema = pq.read_schema(lake.path(table, day))
    expected = [field for field in table.arrow_schema if not (table.partitioned and field.name == "call_date")]
    assert schema.equals(pa.schema(expected))
    for field in schema:
        (column,) = (column for column in table.columns if column.name == field.name)
        assert field.metadata[b"description"].decode() == column.description


def test_pandas_reads_days_as_they_are(lake: Lake) -> None:
    """A folder of days is one frame, and a filter on the day reads that day alone."""
    days = [DAY, DAY + timedelta(days=1)]
    for day in days:
        written(lake, utterances([f"said on {day}"], call_id=f"c-{day}", day=day), day=day)
    frame = pd.read_parquet(Path(lake.url) / "utterances")
    assert sorted(frame["text"]) == [f"said on {day}" for day in days]
    one = pd.read_parquet(Path(lake.url) / "utterances", filters=[("call_date", "==", str(days[1]))])
    assert list(one["text"]) == [f"said on {days[1]}"]
    assert sorted(frame["call_date"].astype(str)) == [str(day) for day in days]
    assert frame["start_s"].isna().all()
    alone = pd.read_parquet(lake.path(UTTERANCES, DAY))
    assert list(alone["text"]) == [f"said on {DAY}"]


def test_arrow_reads_days_as_hive_partitions(lake: Lake) -> None:
    """The day is in the folder's name; told that it is a date, Arrow reads a date."""
    written(lake, utterances(["said"]))
    partitioning = pa_dataset.partitioning(pa.schema([("call_date", pa.date32())]), flavor="hive")
    dataset = pa_dataset.dataset(Path(lake.url) / "utterances", partitioning=partitioning)
    found = dataset.to_table(filter=pa_dataset.field("call_date") == pa.scalar(DAY))
    assert found.column("call_date").to_pylist() == [DAY]


def test_null_and_empty_stay_apart(lake: Lake) -> None:
    """Null is neither an empty text nor an empty list nor false, before and after."""
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


def test_a_snapshot_has_no_day(lake: Lake) -> None:
    """A table that is not partitioned is one file in its folder."""
    with lake.writer(USERS) as writer:
        writer.append(pa.Table.from_pylist([{"user_id": "u-1"}], schema=USERS.arrow_schema))
    assert files_in(lake) == ["users/part.parquet"]
    assert lake.row_count(USERS) == 1


def test_an_object_store_shows_only_whole_files() -> None:
    """Where closing an upload publishes what there is of it, a write that failed is still not seen."""
    lake = Lake("mock:///lake")
    assert not isinstance(lake.filesystem, pa_fs.LocalFileSystem)
    written(lake, utterances(["kept"]))
    write_that_breaks(lake)
    assert texts_of(lake) == ["kept"]
    found = lake.filesystem.get_file_info(pa_fs.FileSelector("lake", recursive=True))
    assert [info.base_name for info in found if info.is_file] == ["part.parquet"]


def test_a_lake_is_probed_without_a_trace(lake: Lake) -> None:
    """Asking whether the lake can be written leaves no file."""
    lake.probe()
    assert files_in(lake) == []


def test_a_lake_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    """Where the address is a file, the error names the setting and what to look at."""
    (tmp_path / "lake").write_text("a file")
    with pytest.raises(ConfigurationError, match=r"cannot be written .* COPILOT_PIPELINE_LAKE_URL"):
        Lake(str(tmp_path / "lake")).probe()


@pytest.mark.parametrize(
    "url", ["nosuch://key:secret@bucket/lake", "s3://[key:secret", "s3://key:secret@ket/a?nosuch=1"]
)
def test_a_wrong_address_is_not_quoted(url: str) -> None:
    """The error names the setting, and nothing of the key in the address."""
    with pytest.raises(ConfigurationError, match="COPILOT_PIPELINE_LAKE_URL") as caught:
        Lake(url)
    assert "secret" not in str(caught.value)
