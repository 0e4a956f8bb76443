"""Files of interrupted and killed writers: invisible to readers, and removed."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest

from copilot_pipeline.load.lake import Lake
from copilot_pipeline.load.tables import (
    USERS,
    UTTERANCES,
)
from copilot_pipeline_tests.load.lake.test_files import DAY, files_in, texts_of, utterances, write
from copilot_pipeline_tests.processes import running_process

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


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """A lake in a folder."""
    return Lake(str(tmp_path / "lake"))


def killed_writer(lake: Lake) -> None:
    """Start a process that writes the day, and kill it in the middle."""
    with running_process([sys.executable, "-c", _WRITER, lake.url], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "in the middle\n"


@pytest.mark.e2e
def test_a_killed_writer_changes_nothing(lake: Lake) -> None:
    """After kill -9 readers see the previous rows; the next write cleans up."""
    write(lake, utterances(["kept"]))
    killed_writer(lake)
    assert len(files_in(lake)) == 2
    assert texts_of(lake) == ["kept"]
    assert list(pd.read_parquet(Path(lake.url) / "utterances")["text"]) == ["kept"]
    write(lake, utterances(["new"]))
    assert texts_of(lake) == ["new"]
    assert files_in(lake) == ["utterances/call_date=2026-11-03/part.parquet"]


@pytest.mark.e2e
def test_a_killed_first_write_leaves_no_day(lake: Lake) -> None:
    """The day does not exist, although its folder does."""
    killed_writer(lake)
    assert not lake.exists(UTTERANCES, DAY)
    assert list(lake.batches(UTTERANCES, DAY)) == []


def test_concurrent_writers_do_not_remove_each_others_files(lake: Lake) -> None:
    """Of two writers of one day, the one that finishes last wins."""
    with lake.writer(UTTERANCES, DAY) as slow:
        slow.append(utterances(["slow"]))
        write(lake, utterances(["quick"]))
        assert texts_of(lake) == ["quick"]
    assert texts_of(lake) == ["slow"]


@pytest.mark.parametrize(("age", "is_left"), [(timedelta(hours=30), True), (timedelta(days=3), False)])
def test_removes_temporary_files_of_other_machines_by_age(lake: Lake, age: timedelta, is_left: bool) -> None:
    """Their process may be alive, so only old files are removed."""
    write(lake)
    temporary = Path(lake.path(UTTERANCES, DAY)).with_name(".part.parquet.0ther000.1.abcdef01")
    temporary.write_bytes(b"half")
    moment = (datetime.now(UTC) - age).timestamp()
    os.utime(temporary, (moment, moment))
    write(lake)
    assert temporary.exists() is is_left


def test_drafts_are_outside_of_the_folders_of_tables(lake: Lake) -> None:
    """A reader that opens every file of a table's folder, hidden or not, finds complete files only."""
    write(lake, utterances(["old"]))
    with lake.writer(UTTERANCES, DAY) as writer, lake.writer(USERS) as users:
        writer.append(utterances(["new"]))
        users.append(pa.Table.from_pylist([{"user_id": "u-1"}], schema=USERS.arrow_schema))
        assert [name for name in files_in(lake) if not name.startswith("_drafts/")] == [
            "utterances/call_date=2026-11-03/part.parquet"
        ]
        assert len(files_in(lake)) == 3
    assert not list((Path(lake.url) / "_drafts").iterdir())


def test_removes_drafts_that_earlier_versions_left_beside_the_files(lake: Lake) -> None:
    """In all folders; files of other names, and drafts that may be in progress on another machine, stay."""
    write(lake, utterances(["kept"]))
    folder = Path(lake.path(UTTERANCES, DAY)).parent
    moment = (datetime.now(UTC) - timedelta(days=3)).timestamp()
    for name in (".part.parquet.0ther000.1.abcdef01", ".hidden", "part.parquet.bak"):
        (folder / name).write_bytes(b"half")
        os.utime(folder / name, (moment, moment))
    (folder / ".part.parquet.0ther000.2.abcdef02").write_bytes(b"in progress")
    assert lake.remove_drafts() == 1
    assert {path.name for path in folder.iterdir()} == {
        "part.parquet", ".hidden", "part.parquet.bak", ".part.parquet.0ther000.2.abcdef02",
    }  # fmt: skip
