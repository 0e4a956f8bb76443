"""Asset specs, made from the column lists of the tables."""

from collections.abc import Iterable, Sequence
from typing import Any

import dagster as dg

from copilot_pipeline.defs.partitions import DAYS
from copilot_pipeline.load.tables import Table

OWNERS = ["team:revenue-operations"]


def spec(
    table: Table,
    *,
    group: str,
    kinds: Iterable[str],
    deps: Sequence[str] = (),
    partitioned: bool = True,
    condition: dg.AutomationCondition[Any] | None = None,
    skippable: bool = False,
    code_version: str | None = None,
    cost: str = "",
) -> dg.AssetSpec:
    """The spec of a table: description, columns, group, and what it depends on. `cost` says what building it costs."""
    return dg.AssetSpec(
        key=table.name,
        description=f"{table.description} {cost}".strip(),
        deps=list(deps),
        group_name=group,
        owners=OWNERS,
        kinds=set(kinds),
        partitions_def=DAYS if partitioned else None,
        automation_condition=condition,
        skippable=skippable,
        code_version=code_version,
        metadata={
            "dagster/column_schema": column_schema(table),
            **({"dagster/table_name": f"copilot.{table.name}"} if table.in_warehouse else {}),
        },
    )


def column_schema(table: Table) -> dg.TableSchema:
    """The columns as the UI shows them."""
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
