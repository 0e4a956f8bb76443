"""Identify the rows of each call by hashes, so that a load writes only rows that differ from the stored ones."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from copilot_pipeline.load.tables import Table

Hashes = Mapping[str, str]  # of the rows of each call; the keys are hashes of the call ids

_CALL_ID = "call_id"
_DIGITS = 16


class _Call(NamedTuple):
    call_id: str
    key: str
    hash: str


class RowsByCall:
    """The rows of some calls in one table. Those of a call are beside each other."""

    def __init__(self, table: Table, rows: pa.Table) -> None:
        self.table = table
        self.rows = rows

    @cached_property
    def _calls(self) -> Sequence[_Call]:
        # A column with another name or type makes other rows of equal values.
        schema = repr([(field.name, str(field.type)) for field in self.rows.schema]).encode()
        return [
            _Call(call_id, _digest(call_id.encode("utf-8", "replace")), _digest(schema, rows.serialize()))
            for call_id, rows in self._by_call()
        ]

    @property
    def hashes(self) -> dict[str, str]:
        """A hash of the rows of each call."""
        return {call.key: call.hash for call in self._calls}

    @property
    def call_ids(self) -> list[str]:
        """The ids of the calls that have rows."""
        return [call.call_id for call in self._calls]

    def changed(self, stored: Hashes) -> list[str]:
        """Return the ids of the calls whose rows differ from the stored ones."""
        return [call.call_id for call in self._calls if stored.get(call.key) != call.hash]

    def only(self, call_ids: Sequence[str]) -> pa.Table:
        """Return the rows of some of the calls."""
        return self.rows.filter(pc.is_in(self.rows.column(_CALL_ID), pa.array(call_ids, pa.string())))

    def _by_call(self) -> Iterator[tuple[str, pa.RecordBatch]]:
        for batch in self.rows.combine_chunks().to_batches():
            encoded: Any = pc.run_end_encode(batch.column(_CALL_ID))
            start = 0
            for call_id, end in zip(encoded.values.to_pylist(), encoded.run_ends.to_pylist(), strict=True):
                yield call_id, batch.slice(start, end - start)
                start = end


class DayContents:
    """The hashes of all rows of a day, by table."""

    def __init__(self, tables: Sequence[Table]) -> None:
        self._hashes: dict[str, dict[str, str]] = {table.name: {} for table in tables}
        self._is_known = True

    def add(self, rows: RowsByCall) -> None:
        """Add the rows of some calls."""
        hashes, added = self._hashes[rows.table.name], rows.hashes
        # The rows of a call in two places would have two hashes, and one of them would be taken for the whole.
        self._is_known &= len(added) == len(rows.call_ids) and hashes.keys().isdisjoint(added)
        hashes.update(added)

    @property
    def by_table(self) -> dict[str, dict[str, str]] | None:
        """The hashes; None if they do not identify the rows."""
        return self._hashes if self._is_known else None


def _digest(*parts: bytes | pa.Buffer) -> str:
    content = hashlib.sha256()
    for part in parts:
        content.update(part)
    return content.hexdigest()[:_DIGITS]
