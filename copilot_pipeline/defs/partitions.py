"""The days, and how an asset reports them.

A run may cover many days. Each day is reported as it lands, so that what is done stays done whatever happens to the
rest of the run; the days that could not be finished are named in one failure at the end.
"""

import time
import warnings
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from types import TracebackType
from typing import Any

import dagster as dg

from copilot_pipeline.config.loading import load_settings
from copilot_pipeline.load.tables import Table
from copilot_pipeline.runtime import Runtime

# `backfill_policy` is marked as beta in every asset; it is what this pipeline was measured with.
warnings.filterwarnings("ignore", message="Parameter `backfill_policy`")
warnings.filterwarnings("ignore", message="Parameter `owners`")

_settings = load_settings()

DAYS = dg.DailyPartitionsDefinition(
    start_date=_settings.environment.copilot_pipeline_first_day.isoformat(),
    timezone=_settings.pipeline.timezone,
    end_offset=1,  # today's calls are wanted today; the nightly run makes the closed day final
)

SECONDS_UNWRITTEN = 2.0
OWNERS = ["team:revenue-operations"]
Metadata = Mapping[str, Any]


def days_of(context: dg.AssetExecutionContext) -> list[date]:
    """The days of this run, ascending."""
    return sorted(date.fromisoformat(key) for key in context.partition_keys)


class PartitionReporter:
    """Reports days as they land, so that a run which dies has not lost the days it finished.

    An event costs some milliseconds, and at a run's good end Dagster writes one for each of its days by itself. So days
    wait here for a moment: they are written when that has passed, or when the run goes wrong.
    """

    def __init__(self, context: dg.AssetExecutionContext, asked: Sequence[date]) -> None:
        self._context = context
        self._asked = frozenset(asked)
        self._waiting: list[dg.AssetMaterialization] = []
        self._written_at = time.monotonic()

    def __enter__(self) -> "PartitionReporter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self._write()

    def add(self, day: date, tables: Sequence[tuple[Table, Metadata]]) -> None:
        """A day of some tables is there, now."""
        key = day.isoformat()
        events = [dg.AssetMaterialization(table.name, partition=key, metadata=dict(facts)) for table, facts in tables]
        if day not in self._asked:  # a day that lost a call to this run's days: nobody else reports it
            for event in events:
                self._context.log_event(event)
            return
        for table, facts in tables:
            # The run's own event at its end says the same.
            self._context.add_asset_metadata(dict(facts), asset_key=table.name, partition_key=key)
        if len(self._asked) > 1:
            self._waiting += events
        if time.monotonic() - self._written_at > SECONDS_UNWRITTEN:
            self._write()

    def _write(self) -> None:
        while self._waiting:
            self._context.log_event(self._waiting.pop(0))
        self._written_at = time.monotonic()


def fail_if(problems: Mapping[date, Sequence[str]], runtime: Runtime, what: str) -> None:
    """Ends the step with one failure that names the days that are not done and why."""
    if not problems:
        return
    lines = [f"{day.isoformat()}: {problem}" for day, found in sorted(problems.items()) for problem in found]
    runtime.problems.extend(lines)
    days = ", ".join(day.isoformat() for day in sorted(problems))
    shown = lines[:20] + ([f"… and {len(lines) - 20} more"] if len(lines) > 20 else [])
    raise dg.Failure(
        description=f"{what}: {len(problems)} day(s) not done ({days}); the other days are. "
        "Run the same days again: nothing that was fetched is fetched twice.\n" + "\n".join(shown),
        metadata={"days_not_done": days, "problems": len(lines)},
        allow_retries=False,
    )


def spec(
    table: Table, *, group: str, kinds: Iterable[str], deps: Sequence[str] = (), partitioned: bool = True
) -> dg.AssetSpec:
    """What the UI shows of a table, from the one column list."""
    return dg.AssetSpec(
        key=table.name,
        description=table.description,
        deps=list(deps),
        group_name=group,
        owners=OWNERS,
        kinds=set(kinds),
        partitions_def=DAYS if partitioned else None,
        metadata={
            "dagster/column_schema": column_schema(table),
            **({"dagster/table_name": f"copilot.{table.name}"} if table.in_warehouse else {}),
        },
    )


def column_schema(table: Table) -> dg.TableSchema:
    """The columns as Dagster shows them."""
    return dg.TableSchema(
        columns=[
            dg.TableColumn(
                name=column.name,
                type=column.kind.postgres,
                description=column.description,
                constraints=dg.TableColumnConstraints(nullable=not column.required, unique=table.key == (column.name,)),
            )
            for column in table.columns
        ]
    )
