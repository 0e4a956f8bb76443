"""The id of a lake, on a real database, in folders and on an object store."""

from __future__ import annotations

import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from copilot_pipeline.errors import ConfigurationError
from copilot_pipeline.extract.raw_partitions import RawPartitionWriter
from copilot_pipeline.load.lake import Lake, accept_lake
from copilot_pipeline.load.lake.copying import copy_lake
from copilot_pipeline.load.lake.identity import ID_FILE, check_lake, read_id
from copilot_pipeline.load.tables import RAW_CALL_DETAILS
from copilot_pipeline.postgres import Database
from copilot_pipeline.state import CallStore, Installation
from copilot_pipeline_tests.state.examples import DAY, listed_call, record, store_details

OBJECT_STORE = "mock:///lake"


def fill(lake: Lake, database: Database) -> None:
    """Store a day with a call."""
    calls = CallStore(database, ZoneInfo("UTC"))
    record(calls, listed_call())
    store_details(calls)
    RawPartitionWriter(lake, calls, "rest").store(DAY)


@pytest.mark.parametrize("url", ["folder", OBJECT_STORE])
def test_a_new_lake_gets_an_id_once(database: Database, tmp_path: Path, url: str) -> None:
    """Also on an object store; nothing but the file is left."""
    lake = Lake(url if "://" in url else str(tmp_path / url))
    assert check_lake(lake, database) is None
    lake_id = accept_lake(lake, database)
    assert accept_lake(lake, database) == check_lake(lake, database) == read_id(lake) == lake_id
    assert list(lake.files()) == [ID_FILE]


def test_processes_that_start_together_agree(database: Database, tmp_path: Path) -> None:
    """One of them creates the id, the others read it."""
    with ThreadPoolExecutor(8) as pool:
        ids = list(pool.map(lambda _: accept_lake(Lake(str(tmp_path / "lake")), database), range(8)))
    assert len(set(ids)) == 1


def test_a_process_that_was_killed_while_it_created_the_id(database: Database, tmp_path: Path) -> None:
    """Before or after it wrote the file: the next process finishes it."""
    installation, lake = Installation(database), Lake(str(tmp_path / "lake"))
    installation.save(new_lake_id="planned")
    assert accept_lake(lake, database) == "planned"
    installation.save(new_lake_id="planned", lake_id=None)
    assert accept_lake(lake, database) == "planned"
    assert installation.load().new_lake_id is None


def test_a_lake_of_another_database_is_refused(database: Database, tmp_path: Path) -> None:
    """A new database must not take over the lake of another one, whose days it would overwrite."""
    lake = Lake(str(tmp_path / "lake"))
    lake.replace_file(ID_FILE, json.dumps({"lake_id": "theirs"}).encode())
    with pytest.raises(ConfigurationError, match="belongs to another database"):
        accept_lake(lake, database)
    assert Installation(database).load().lake_id is None


def test_an_empty_folder_is_refused_once_a_day_is_stored(database: Database, tmp_path: Path) -> None:
    """Before that nothing is lost, and the folder is used."""
    lake = Lake(str(tmp_path / "lake"))
    lake_id = accept_lake(lake, database)
    shutil.rmtree(tmp_path / "lake")
    assert accept_lake(lake, database) == lake_id
    fill(lake, database)
    shutil.rmtree(tmp_path / "lake")
    for _ in range(2):
        with pytest.raises(ConfigurationError, match="has no data"):
            accept_lake(lake, database)
    assert not (tmp_path / "lake").exists()


def test_copies_to_an_object_store_and_uses_the_copy(database: Database, tmp_path: Path) -> None:
    """Rows are counted, the copy is readable, and the source is refused afterwards."""
    source, target = Lake(str(tmp_path / "lake")), Lake(OBJECT_STORE)
    accept_lake(source, database)
    fill(source, database)
    result = copy_lake(source, target, database)
    assert (result.files, result.copied, result.rows) == (1, 1, 1)
    assert target.row_count(RAW_CALL_DETAILS, DAY) == 1
    assert accept_lake(target, database) == read_id(target)
    with pytest.raises(ConfigurationError, match="is another one"):
        accept_lake(source, database)


def test_a_copy_that_was_interrupted_continues(database: Database, tmp_path: Path) -> None:
    """Files that are complete are not copied again, those of another size are; a lake is never overwritten."""
    source, target = Lake(str(tmp_path / "lake")), Lake(str(tmp_path / "copy"))
    accept_lake(source, database)
    fill(source, database)
    source.replace_file("reports/week.html", b"report")
    path = Path(target.path(RAW_CALL_DETAILS, DAY))
    path.parent.mkdir(parents=True)
    path.write_bytes(b"half")
    target.replace_file("reports/week.html", b"report")
    assert copy_lake(source, target, database).copied == 1
    with pytest.raises(ConfigurationError):
        copy_lake(target, target, database)
    other = Lake(str(tmp_path / "other"))
    other.replace_file(ID_FILE, json.dumps({"lake_id": "theirs"}).encode())
    with pytest.raises(ConfigurationError, match="empty folder"):
        copy_lake(target, other, database)
