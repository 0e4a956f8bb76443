"""The lake on a real S3 server: requests for each file, atomic replacement, and kills."""

from __future__ import annotations

import json
import sys
import threading
from datetime import date, timedelta

import pyarrow as pa
import pytest

from copilot_pipeline.load.lake import Lake
from copilot_pipeline.load.lake.losses import RawFiles
from copilot_pipeline.load.lake.storage_errors import StorageError
from copilot_pipeline.load.tables import CALL_TABLES, RAW_CALL_DETAILS, USERS, UTTERANCES
from copilot_pipeline.load.versions import InputsOfDay, PartitionVersions
from copilot_pipeline.postgres import Database
from copilot_pipeline.state.table_versions import TableVersions
from copilot_pipeline_tests.deploy.object_store import BUCKET
from copilot_pipeline_tests.deploy.slow_proxy import Answer, Request
from copilot_pipeline_tests.load.lake.buckets import Bucket, large_rows
from copilot_pipeline_tests.load.lake.test_files import DAY, texts_of, utterances, write
from copilot_pipeline_tests.processes import running_process

pytestmark = pytest.mark.e2e


def methods(requests: list[Request]) -> list[str]:
    """The methods of requests, in order."""
    return [request.method for request in requests]


def test_a_file_is_written_with_one_request(bucket: Bucket) -> None:
    """Whatever the number of row groups; nothing is listed, copied or deleted."""
    with bucket.proxy.counted() as requests:
        write(bucket.lake, utterances(["a"]), utterances(["b"]), utterances(["c"]))
    assert methods(requests) == ["PUT"]


def test_a_file_is_read_with_two_requests(bucket: Bucket) -> None:
    """One for its size and one for its content, whatever the number of row groups; one if there is none."""
    write(bucket.lake, utterances(["a"]), utterances(["b"]), utterances(["c"]))
    with bucket.proxy.counted() as requests:
        assert texts_of(bucket.lake) == ["a", "b", "c"]
    assert methods(requests) == ["HEAD", "GET"]
    with bucket.proxy.counted() as requests:
        assert texts_of(bucket.lake, DAY + timedelta(days=1)) == []
    assert methods(requests) == ["HEAD"]


def test_the_files_of_a_day_are_sent_together(bucket: Bucket) -> None:
    """One request for each, several at the same time."""
    bucket.proxy.delay_seconds = 0.2
    with bucket.proxy.counted() as requests, bucket.lake.writers(CALL_TABLES, DAY):
        pass
    assert methods(requests) == ["PUT"] * len(CALL_TABLES)
    assert bucket.proxy.most_at_once > 1


def test_no_file_of_a_day_is_visible_if_its_block_raises(bucket: Bucket) -> None:
    def fail() -> None:
        with bucket.lake.writers(CALL_TABLES, DAY) as writers:
            writers["utterances"].append(utterances(["half"]))
            raise InterruptedError

    with bucket.proxy.counted() as requests, pytest.raises(InterruptedError):
        fail()
    assert requests == []


def test_a_raw_file_is_read_once_while_it_stays_the_same(bucket: Bucket) -> None:
    """What it holds is known for a whole run, and one that is rewritten is read again; so is a block that needs it
    several times."""
    row = {"call_id": "a", "call_date": DAY, "dialect": "rest", "listed_is_newer": False}
    rows = pa.Table.from_pylist([row], schema=RAW_CALL_DETAILS.arrow_schema)

    def write_raw(*tables: pa.Table) -> None:
        with bucket.lake.writer(RAW_CALL_DETAILS, DAY) as writer:
            for table in tables:
                writer.append(table)

    write_raw(rows)
    files = RawFiles(bucket.lake)
    with bucket.proxy.counted() as requests:
        assert list(files.of_day(DAY).fetched_at) == list(files.of_day(DAY).fetched_at) == ["a"]
    assert methods(requests).count("GET") == 1
    write_raw(rows.slice(1))
    assert files.of_day(DAY).fetched_at == {}
    with bucket.proxy.counted() as requests, bucket.lake.reading_once(RAW_CALL_DETAILS, DAY):
        assert [list(bucket.lake.batches(RAW_CALL_DETAILS, DAY)) for _ in range(3)] == [[]] * 3
    assert methods(requests) == ["HEAD", "GET"]


def test_complete_days_cost_one_request_a_table(bucket: Bucket, database: Database) -> None:
    """Each table is listed once, whatever the number of days. A file that another process has replaced since is looked
    at, and its day is complete if that process recorded it."""

    def new_versions(lake: Lake) -> PartitionVersions:
        store = TableVersions(database, "calls")
        return PartitionVersions(lake, store, CALL_TABLES, lambda day, stamp: InputsOfDay({"a": f"{day}"}))

    def replace(lake: Lake, day: date, texts: list[str]) -> None:
        versions = new_versions(lake)
        assert versions.current(day) is None
        with lake.writers(CALL_TABLES, day) as writers:
            writers["utterances"].append(utterances(texts))
        with database.transaction() as connection:
            versions.record(connection, day, {})

    days = [DAY + timedelta(days=number) for number in range(3)]
    for day in days:
        replace(bucket.lake, day, [])
    versions = new_versions(bucket.lake)
    with bucket.proxy.counted() as requests:
        assert None not in [versions.current(day) for day in days]
    assert methods(requests) == ["GET"] * len(CALL_TABLES)
    with database.transaction() as connection:
        new_versions(bucket.lake).record(connection, DAY, None)
    replace(Lake(bucket.lake.url), DAY, ["new"])
    with bucket.proxy.counted() as requests:
        assert versions.current(DAY) is not None
    assert methods(requests) == ["HEAD"] * len(CALL_TABLES)


def test_reads_while_a_file_is_replaced_have_one_of_its_states(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader beside a writer that replaces short files with long ones and back never fails and never mixes."""
    states = [["short"], [f"a long text {number}" for number in range(3000)]]
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "5")  # the server itself fails where it sends an object that is replaced
    bucket.lake = Lake(bucket.lake.url)
    write(bucket.lake, utterances(states[0]))
    ended = threading.Event()

    def replace() -> None:
        for number in range(40):
            write(bucket.lake, utterances(states[number % 2]))
        ended.set()

    writer = threading.Thread(target=replace)
    writer.start()
    reads = 0
    while not ended.is_set() or reads < 20:
        assert texts_of(bucket.lake) in states
        reads += 1
    writer.join()


def test_a_read_that_meets_a_replacement_is_repeated(bucket: Bucket) -> None:
    """The object grows between the two requests of a read, so its first part arrives."""
    write(bucket.lake, utterances(["short"]))
    beside = Lake(bucket.lake.url)
    replaced: list[Request] = []

    def answer(request: Request) -> None:
        if request.method == "GET" and not replaced:
            replaced.append(request)
            write(beside, utterances([f"longer {number}" for number in range(500)]))

    bucket.proxy.answer_to = answer
    assert len(texts_of(bucket.lake)) == 500
    assert len(replaced) == 1


def test_a_file_that_cannot_be_parsed_is_an_error_of_its_content(bucket: Bucket) -> None:
    """It is not mistaken for one that is being replaced, nor for a store that fails."""
    bucket.client().put_object(Bucket=BUCKET, Key=bucket.lake.path(UTTERANCES, DAY).partition("/")[2], Body=b"PAR1 no")
    with pytest.raises(pa.ArrowInvalid):
        texts_of(bucket.lake)
    with pytest.raises(pa.ArrowInvalid):
        bucket.lake.row_count(UTTERANCES, DAY)


def test_a_large_file_of_which_a_part_failed_is_not_visible(bucket: Bucket) -> None:
    """The previous file stays, also when the library has ended the upload."""
    write(bucket.lake, utterances(["kept"]))
    bucket.proxy.answer_to = lambda request: Answer(cut=True) if "partNumber=2" in request.path else None
    with pytest.raises(StorageError, match="connection was lost"):
        write(bucket.lake, large_rows())
    bucket.proxy.answer_to = lambda _: None
    assert texts_of(bucket.lake) == ["kept"]


def test_large_files_are_written_in_parts_and_read_whole(bucket: Bucket) -> None:
    rows = large_rows()
    with bucket.proxy.counted() as requests:
        write(bucket.lake, rows)
    assert len(requests) >= 4
    (batch,) = bucket.lake.batches(UTTERANCES, DAY)
    assert batch.equals(rows)
    assert not bucket.unfinished_uploads()


_WRITER = """
import sys
from copilot_pipeline.load.lake import Lake
from copilot_pipeline_tests.http_servers import ReceivedRequest, Reply, reply, serving
from copilot_pipeline_tests.load.lake.test_files import utterances, write
write(Lake(sys.argv[1]), utterances(["new"] * 1000))
"""


def test_a_writer_that_is_killed_while_it_sends_leaves_nothing(bucket: Bucket) -> None:
    """After kill -9 the previous file is there, no draft and no unfinished upload."""
    write(bucket.lake, utterances(["kept"]))
    arrived, proceed = threading.Event(), threading.Event()

    def answer(request: Request) -> Answer | None:
        if request.method != "PUT":
            return None
        arrived.set()
        proceed.wait(60)
        return Answer(cut=True)

    bucket.proxy.answer_to = answer
    with running_process([sys.executable, "-c", _WRITER, bucket.lake.url]):
        assert arrived.wait(60)
    proceed.set()
    assert texts_of(bucket.lake) == ["kept"]
    assert list(bucket.lake.files()) == ["utterances/call_date=2026-11-03/part.parquet"]
    assert not bucket.unfinished_uploads()


def test_probe_leaves_no_object(bucket: Bucket) -> None:
    """It writes, replaces, reads, lists and removes one."""
    with bucket.proxy.counted() as requests:
        bucket.lake.probe()
    assert {"PUT", "GET", "DELETE"} <= set(methods(requests))
    assert bucket.lake.files() == {}


def test_files_that_are_no_tables_are_replaced_and_read_whole(bucket: Bucket) -> None:
    bucket.lake.replace_file("reports/week.json", json.dumps({"week": 1}).encode())
    bucket.lake.replace_file("reports/week.json", json.dumps({"week": 2}).encode())
    assert json.loads(bucket.lake.read_file("reports/week.json") or b"") == {"week": 2}
    assert bucket.lake.read_file("reports/none") is None


def test_a_snapshot_that_was_removed_is_absent(bucket: Bucket) -> None:
    with bucket.lake.writer(USERS) as writer:
        writer.append(pa.Table.from_pylist([{"user_id": "u-1"}], schema=USERS.arrow_schema))
    assert bucket.lake.row_count(USERS) == 1
    bucket.lake.remove_file("users/part.parquet")
    assert not bucket.lake.exists(USERS)
