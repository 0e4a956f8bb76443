"""Raw partitions on a real database and lake: whatever moves and changes, a call is in its own day only."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from copilot_pipeline.extract.raw_partitions import RawPartitionWriter
from copilot_pipeline.load.lake import Lake
from copilot_pipeline.load.tables import RAW_CALL_DETAILS
from copilot_pipeline.postgres import Database
from copilot_pipeline.state import CallStore, PartitionStore, ReceivedDetails
from copilot_pipeline.state.bodies import pack
from copilot_pipeline_tests.state.examples import DAY, NOON, listed_call, record

DAYS = [DAY + timedelta(days=offset) for offset in range(2)]
CALLS = ["a", "b"]


class Killed(BaseException):
    """The process is killed."""


class _KilledStore(PartitionStore):
    """A store whose process is killed once before it marks a day as stored."""

    is_killed = False

    def mark_stored(self, *arguments: object) -> None:
        if self.is_killed:
            self.is_killed = False
            raise Killed
        super().mark_stored(*arguments)  # type: ignore[arg-type]


@dataclass
class World:
    """Two days, and the expected state of each call."""

    calls: CallStore
    partitions: _KilledStore
    lake: Lake
    writer: RawPartitionWriter = field(init=False)
    days: dict[str, int] = field(default_factory=dict)
    versions: dict[str, int] = field(default_factory=dict)
    fetched: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.writer = RawPartitionWriter(self.lake, self.calls, "rest")

    def list_call(self, call_id: str, day: int, version: int) -> None:
        """List a call on a day, in a version."""
        self.days[call_id], self.versions[call_id] = day, version
        at = NOON + timedelta(days=day)
        record(
            self.calls,
            listed_call(call_id, version=f"v{version}", content=f"{call_id} {day} {version}", started_at=at),
        )

    def fetch(self, call_id: str) -> None:
        """Fetch its details if they are to be fetched."""
        for call in self.calls.to_fetch(DAYS, among=[call_id]):
            self.fetched[call_id] = self.versions[call_id]
            body = f"details of {call_id} in {call.version}".encode()
            self.calls.store_details([ReceivedDetails(call, pack(body))])

    def store(self, day: int, *, kill: bool = False) -> None:
        """Store a day; with `kill`, the process is killed before it marks the day as stored."""
        self.partitions.is_killed = kill
        with suppress(Killed):
            self.writer.store(DAYS[day])
        self.partitions.is_killed = False

    def apply(self, step: tuple[object, ...]) -> None:
        """Do what a step of `_STEP_OR_LOSS` names."""
        match step:
            case ("list", str(call_id), int(day), int(version)):
                self.list_call(call_id, day, version)
            case ("fetch", str(call_id)):
                self.fetch(call_id)
            case ("store", int(day), bool(kill)):
                self.store(day, kill=kill)
            case (str(damage), int(day)):
                path = Path(self.lake.path(RAW_CALL_DETAILS, DAYS[day]))
                if path.exists():
                    path.write_bytes(path.read_bytes()[:100]) if damage == "truncate" else path.unlink()

    def files(self) -> dict[str, list[tuple[int, bytes | None, bytes | None]]]:
        """The rows of all raw files by call: day, list item, details."""
        result: dict[str, list[tuple[int, bytes | None, bytes | None]]] = {}
        for place, day in enumerate(DAYS):
            for batch in self.lake.batches(RAW_CALL_DETAILS, day, columns=["call_id", "listed", "details"]):
                for row in batch.to_pylist():
                    result.setdefault(row["call_id"], []).append((place, row["listed"], row["details"]))
        return result

    def expected(self) -> dict[str, list[tuple[int, bytes | None, bytes | None]]]:
        """The expected files: each call once, in its day, with the newest bodies received."""
        return {
            call_id: [
                (
                    day,
                    f"{call_id} {day} {self.versions[call_id]}".encode(),
                    f"details of {call_id} in v{self.fetched[call_id]}".encode() if call_id in self.fetched else None,
                )
            ]
            for call_id, day in self.days.items()
        }


def world_of(database: Database, folder: str) -> World:
    """An empty database and lake."""
    with database.connection() as connection:
        connection.execute(
            "TRUNCATE copilot_ops.calls, copilot_ops.bodies, copilot_ops.partitions, copilot_ops.list_cursors"
        )
    calls = CallStore(database, ZoneInfo("UTC"))
    calls.partitions = partitions = _KilledStore(database)
    return World(calls, partitions, Lake(folder))


_STEP = st.one_of(
    st.tuples(st.just("list"), st.sampled_from(CALLS), st.integers(0, 1), st.integers(1, 3)),
    st.tuples(st.just("fetch"), st.sampled_from(CALLS)),
    st.tuples(st.just("store"), st.integers(0, 1), st.booleans()),
)


@settings(max_examples=60)
@given(steps=st.lists(_STEP, min_size=8, max_size=30))
def test_each_call_is_in_its_own_day_with_its_newest_bodies(
    database: Database, steps: Sequence[tuple[object, ...]]
) -> None:
    """After any sequence of listing, moving, changing, fetching, storing and crashes, every call is in the file of its
    day and in no other, with the newest body of each kind that was received."""
    with TemporaryDirectory() as folder:
        world = world_of(database, folder)
        for step in steps:
            world.apply(step)
        for day in (1, 0):
            world.store(day)
        assert world.files() == world.expected()
        assert not any(world.calls.partitions.needs_storing(day) for day in DAYS)


def test_calls_that_swap_days_keep_their_newest_details(database: Database, home: Path) -> None:
    """One call moves to the day before and is edited, another moves the other way: neither falls back to what the file
    of its old day held."""
    world = world_of(database, str(home))
    for call_id, day in (("early", 0), ("late", 1)):
        world.list_call(call_id, day, 1)
        world.fetch(call_id)
    world.store(1)
    world.store(0)
    world.list_call("early", 1, 1)
    world.list_call("late", 0, 2)
    world.fetch("late")
    world.store(1)
    world.store(0)
    assert world.files() == world.expected()


_STEP_OR_LOSS = st.one_of(_STEP, st.tuples(st.sampled_from(["delete", "truncate"]), st.integers(0, 1)))


@settings(max_examples=30)
@given(steps=st.lists(_STEP_OR_LOSS, min_size=8, max_size=30))
def test_calls_of_lost_files_are_fetched_again_with_their_newest_bodies(
    database: Database, steps: Sequence[tuple[object, ...]]
) -> None:
    """Raw files are deleted or cut off at any time, also while calls move: after one more run, which lists and fetches,
    every call is complete in the file of its day, and no call that a file still holds is fetched."""
    with TemporaryDirectory() as folder:
        world = world_of(database, folder)
        for step in steps:
            world.apply(step)
        lost = world.writer.mark_lost(DAYS)
        for call_id, day in world.days.items():
            world.list_call(call_id, day, world.versions[call_id])
            world.fetch(call_id)
        for day in (1, 0):
            world.store(day)
        assert world.files() == world.expected()
        assert not any(world.calls.partitions.needs_storing(day) for day in DAYS)
        assert world.calls.partitions.lost_calls(DAYS) == []
        assert world.writer.mark_lost(DAYS) == {}
        assert sum(lost.values()) <= len(world.days)
