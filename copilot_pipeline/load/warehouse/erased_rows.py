"""Keep what was erased out of the tables, whatever the rows are made from: a restored file, a response, an old read."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from copilot_pipeline.load.tables import Kind, Table
from copilot_pipeline.privacy.matching import erased_email, erased_name
from copilot_pipeline.privacy.tombstones import Tombstones

_CALL_ID, _EMAIL, _NAME = "call_id", "email", "name"


def without_erased(table: Table, batch: pa.Table, tombstones: Tombstones) -> pa.Table:
    """Return a batch without rows of erased calls, and with erased people masked."""
    if tombstones.has_calls and _CALL_ID in batch.column_names:
        erased = {one for one in pc.unique(batch[_CALL_ID]).to_pylist() if tombstones.is_erased(one)}
        if erased:
            batch = batch.filter(pc.invert(pc.is_in(batch[_CALL_ID], pa.array(sorted(erased), pa.string()))))
    return _masked(table, batch, tombstones) if tombstones.has_people else batch


def _masked(table: Table, batch: pa.Table, tombstones: Tombstones) -> pa.Table:
    """Mask each text of a batch; of a row with the address of an erased person, the name as well."""
    names = [column.name for column in table.columns if column.kind in (Kind.TEXT, Kind.TEXTS, Kind.JSON)]
    rows = batch.to_pylist()
    is_changed = False
    for row in rows:
        found = tombstones.of_value("email", row.get(_EMAIL))
        changes = {name: _masked_value(row[name], tombstones) for name in names if row.get(name) is not None}
        if found is not None:
            changes |= {_EMAIL: erased_email(found.label), _NAME: erased_name(found.label)}
        is_changed = is_changed or any(row[name] != value for name, value in changes.items())
        row.update(changes)
    return pa.Table.from_pylist(rows, schema=batch.schema) if is_changed else batch


def _masked_value(value: Any, tombstones: Tombstones) -> Any:
    if isinstance(value, str):
        return tombstones.mask_text(value)
    return [None if item is None else tombstones.mask_text(item) for item in value]
