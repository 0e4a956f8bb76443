"""The four call tables, made in one pass over the raw day."""

from collections.abc import Iterator
from datetime import date

import dagster as dg

from copilot_pipeline.defs.partitions import PartitionReporter, days_of, fail_if, spec
from copilot_pipeline.load.tables import CALL_TABLES, RAW_CALL_DETAILS, USERS
from copilot_pipeline.runtime import Runtime


@dg.multi_asset(
    specs=[
        spec(table, group="calls", kinds=["parquet", "postgres"], deps=[RAW_CALL_DETAILS.name, USERS.name])
        for table in CALL_TABLES
    ],
    can_subset=True,  # any one of them may be chosen in the UI; all four are written, as one transaction
    backfill_policy=dg.BackfillPolicy.single_run(),
)
def call_tables(
    context: dg.AssetExecutionContext, runtime: dg.ResourceParam[Runtime]
) -> Iterator[dg.MaterializeResult[None]]:
    """Calls, participants, transcripts and utterances: rebuilt from stored bodies, with no request."""
    days = days_of(context)
    chosen = {key.to_user_string() for key in context.selected_asset_keys}
    tabulating = runtime.tabulating()
    wanted = tabulating.days_to_build(days)
    runtime.progress.expect("days tabulated", len(wanted))
    problems: dict[date, list[str]] = {}
    with PartitionReporter(context, days) as landed:
        for done in tabulating.build(wanted):
            runtime.progress.advance("days tabulated")
            if done.problem is not None:
                problems[done.day] = [done.problem]
                continue
            facts = [
                (table, {"dagster/partition_row_count": done.rows[table.name], "quarantined": done.quarantined})
                for table in CALL_TABLES
                if table.name in chosen
            ]
            landed.add(done.day, facts)
        fail_if(problems, runtime, "call tables")
    for table in CALL_TABLES:
        if table.name in chosen:
            yield dg.MaterializeResult(asset_key=table.name)
