"""Daily partitions, and how an asset reports each of them.

A run may cover many partitions. Each is reported as soon as it is finished, so that a run that fails later keeps the
finished ones; the failed ones are named in one failure at the end.
"""

import time
import uuid
import warnings
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from types import TracebackType
from typing import Any

import dagster as dg

# Private, because Dagster's `log_event` writes each event in two transactions of its own, and several together only
# for the outputs of a step: https://github.com/dagster-io/dagster/issues/19829
from dagster._core.events import DagsterEventBatchMetadata

from copilot_pipeline.config.partition_settings import read_partition_settings
from copilot_pipeline.defs.problems import grouped
from copilot_pipeline.load.tables import Table
from copilot_pipeline.printable import printable

# `backfill_policy` and `owners` are marked as beta in every asset; the versions in requirements.lock are tested.
warnings.filterwarnings("ignore", message="Parameter `backfill_policy`")
warnings.filterwarnings("ignore", message="Parameter `owners`")

PARTITION_SETTINGS = read_partition_settings()

DAYS = dg.DailyPartitionsDefinition(
    start_date=PARTITION_SETTINGS.first_day.isoformat(),
    timezone=PARTITION_SETTINGS.timezone,
    end_offset=1,  # includes today, because today's calls are loaded today; the daily run completes the closed day
)

EVENT_INTERVAL_SECONDS = 2.0
MAX_EVENT_SHARE = 0.1  # of the time of a run that is spent on events before its end
MAX_PROBLEMS_SHOWN = 20
PROBLEMS = "problems"  # metadata: a JSON list of what is not done, one line each
Metadata = Mapping[str, Any]


def days_of(context: dg.AssetExecutionContext) -> list[date]:
    """The days of this run, ascending."""
    return sorted(date.fromisoformat(key) for key in context.partition_keys)


def is_partition(day: date) -> bool:
    """Whether the day has a partition: not before the first day and not in the future."""
    return DAYS.has_partition_key(day.isoformat())


class PartitionReporter:
    """Report partitions as they are finished, so that a run that crashes keeps them.

    An event costs some milliseconds, and at the end of a successful run Dagster writes one for each of its partitions.
    So events are written every two seconds, less often if that takes more than a tenth of the time, and when the run
    fails.
    """

    def __init__(self, context: dg.AssetExecutionContext, selected: Sequence[date]) -> None:
        self._context = context
        self._selected = frozenset(selected)
        self._unwritten: list[dg.AssetMaterialization] = []
        self._left_to_others: list[dg.AssetMaterialization] = []
        self._write_at = time.monotonic() + EVENT_INTERVAL_SECONDS

    def __enter__(self) -> "PartitionReporter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self._unwritten += self._left_to_others
            self._write()

    def add(
        self,
        day: date,
        tables: Sequence[tuple[Table, Metadata]],
        *,
        left_to_others: Sequence[tuple[Table, Metadata]] = (),
    ) -> None:
        """Report that a partition of some tables is loaded.

        Tables `left_to_others` are loaded too, and a later step of the run reports them, unless this one fails.
        """
        events = _events(day, tables)
        if day not in self._selected:  # a call moved from that day to a selected one: no other event reports it
            for event in (*events, *_events(day, left_to_others)):
                self._context.log_event(event)
            return
        for table, facts in tables:
            # The event that Dagster writes at the end of the run would otherwise replace these numbers.
            self._context.add_asset_metadata(dict(facts), asset_key=table.name, partition_key=day.isoformat())
        self._left_to_others += _events(day, left_to_others)
        if len(self._selected) > 1:
            self._unwritten += events
        if time.monotonic() > self._write_at:
            self._write()

    def _write(self) -> None:
        started = time.monotonic()
        for events in _by_table(self._unwritten):
            _write_together(self._context, events)
        self._unwritten.clear()
        finished = time.monotonic()
        self._write_at = finished + max(EVENT_INTERVAL_SECONDS, (finished - started) / MAX_EVENT_SHARE)


def _events(day: date, tables: Sequence[tuple[Table, Metadata]]) -> list[dg.AssetMaterialization]:
    return [
        dg.AssetMaterialization(table.name, partition=day.isoformat(), metadata=dict(facts)) for table, facts in tables
    ]


def _by_table(events: Sequence[dg.AssetMaterialization]) -> Iterator[list[dg.AssetMaterialization]]:
    by_table: dict[dg.AssetKey, list[dg.AssetMaterialization]] = {}
    for event in events:
        by_table.setdefault(event.asset_key, []).append(event)
    yield from by_table.values()


def _write_together(context: dg.AssetExecutionContext, events: Sequence[dg.AssetMaterialization]) -> None:
    """Write events of one asset in as few transactions as Dagster's batch size allows, ten times faster."""
    step, batch = context.get_step_execution_context(), str(uuid.uuid4())
    for event in events:
        dg.DagsterEvent.asset_materialization(step, event, DagsterEventBatchMetadata(batch, event is events[-1]))


def fail_if(problems: Mapping[date, Sequence[str]], what: str, *, also: Sequence[str] = ()) -> None:
    """Fail the step with the failed days and the reasons; the other days stay materialized.

    `also` are problems that alone would not fail the step.
    """
    if not problems:
        return
    lines = [f"{day.isoformat()}: {problem}" for day, reasons in sorted(problems.items()) for problem in reasons]
    days = ", ".join(day.isoformat() for day in sorted(problems))
    raise dg.Failure(
        description=f"{what}: {len(problems)} day(s) failed ({days}); the other days are complete. "
        "Run the same days again: nothing that was fetched is fetched twice.\n" + "\n".join(shown(grouped(lines))),
        metadata={"failed_days": days, PROBLEMS: dg.MetadataValue.json([*lines, *also])},
        allow_retries=False,
    )


def shown(lines: Sequence[str]) -> list[str]:
    """The first lines, without the control codes that call ids may bring into a log, and how many more there are."""
    more = len(lines) - MAX_PROBLEMS_SHOWN
    return [*map(printable, lines[:MAX_PROBLEMS_SHOWN]), *([f"… and {more} more"] if more > 0 else [])]
