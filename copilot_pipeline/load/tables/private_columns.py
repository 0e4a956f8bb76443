"""Columns that are stored as keyed hashes, or not at all (`privacy.hash_columns`, `privacy.drop_columns`). Pure.

A hash is the HMAC-SHA256 of the value, trimmed and case-folded, with the prefix `hmac:`. It is the same in every table,
so that joins still work. A hash is not hashed again, because rows are built from stored rows too.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Iterable, Sequence

import pyarrow as pa

from copilot_pipeline.load.tables import WAREHOUSE_TABLES
from copilot_pipeline.load.tables.model import Column, Kind, Table

_HASHED = re.compile(r"hmac:[0-9a-f]{64}")
# What is compared with other tables or with constants: which text is scored, whether it is paid for, and who speaks.
_WORKING_COLUMNS = frozenset(
    {
        *("transcript_hash", "speech_hash", "redaction", "redacted_text", "run_id", "kit_version_id", "kit_reference"),
        *("status", "side", "match", "value_kind", "outcome"),
    }
)
# Versions of a snapshot are copied from it.
_COPIES = {"users": "user_history", "deals": "deal_history"}


class PrivateColumns:
    """Which columns of which tables are hashed or dropped, and the key."""

    def __init__(self, hashed: Iterable[str] = (), dropped: Iterable[str] = (), key: str = "") -> None:
        """Columns are named `table.column`."""
        self._hashed = _by_table(hashed)
        self._dropped = _by_table(dropped)
        self._key = key.encode()

    @property
    def fingerprint(self) -> str:
        """A hash of the columns and the key; empty without columns. Rows made with another one are outdated."""
        if not (self._hashed or self._dropped):
            return ""
        columns = [{table: sorted(names) for table, names in each.items()} for each in (self._hashed, self._dropped)]
        return hmac.new(self._key, json.dumps(columns, sort_keys=True).encode(), hashlib.sha256).hexdigest()

    def affects(self, table: Table) -> bool:
        """Whether a column of a table is hashed or dropped."""
        return table.name in self._hashed or table.name in self._dropped

    def is_hashed(self, table: Table, column: str) -> bool:
        """Whether a column is hashed."""
        return column in self._hashed.get(table.name, ())

    def is_hidden(self, table: Table, column: str) -> bool:
        """Whether a column is hashed or dropped."""
        return self.is_hashed(table, column) or column in self._dropped.get(table.name, ())

    def hide(self, value: str) -> str:
        """Return the hash of a value; blank and hashed values stay."""
        text = value.strip().casefold()
        if not text or _HASHED.fullmatch(text):
            return text
        return f"hmac:{hmac.new(self._key, text.encode('utf-8', 'replace'), hashlib.sha256).hexdigest()}"

    def apply(self, table: Table, rows: pa.Table) -> pa.Table:
        """Return rows with hashed columns, and nulls in dropped ones."""
        for index, name in enumerate(rows.column_names if self.affects(table) else ()):
            field = table.arrow_schema.field(name)
            if name in self._dropped.get(table.name, ()):
                rows = rows.set_column(index, field, pa.nulls(rows.num_rows, field.type))
            elif self.is_hashed(table, name):
                values = [self._hidden(value) for value in rows.column(name).to_pylist()]
                rows = rows.set_column(index, field, pa.array(values, field.type))
        return rows

    def _hidden(self, value: str | list[str | None] | None) -> str | list[str | None] | None:
        if isinstance(value, list):
            return [None if item is None else self.hide(item) for item in value]
        return None if value is None else self.hide(value)


def mistake_of(name: str, *, is_hashed: bool) -> str | None:
    """Return why a column, named `table.column`, cannot be hashed or dropped; None if it can."""
    table_name, _, column_name = name.partition(".")
    tables = {table.name: table for table in WAREHOUSE_TABLES}
    if table_name not in tables:
        return f"there is no table {table_name!r} (see docs/data-dictionary.md)"
    if table_name in _COPIES.values():
        original = next(table for table, copy in _COPIES.items() if copy == table_name)
        return f"{table_name} is a copy of {original}: name {original}.{column_name}"
    table = tables[table_name]
    column = next((column for column in table.columns if column.name == column_name), None)
    if column is None:
        return f"the table {table_name} has no column {column_name!r} (see docs/data-dictionary.md)"
    if column_name in table.key or column_name in ("call_id", "call_date"):
        return f"{column_name} identifies the rows of {table_name}"
    if column_name in _WORKING_COLUMNS:
        return f"{name} is compared when calls are scored and counted: it can be neither hashed nor dropped"
    if is_hashed and not _can_be_hashed(column):
        return f"{name} is not a short text: only names, ids and addresses can be hashed; use drop_columns"
    if not is_hashed and column.required:
        return f"{name} is never null, so that it cannot be dropped"
    return None


def _can_be_hashed(column: Column) -> bool:
    return column.kind in (Kind.TEXT, Kind.TEXTS) and (column.max_bytes is not None or column.max_chars is not None)


def _by_table(names: Iterable[str]) -> dict[str, Sequence[str]]:
    by_table: dict[str, list[str]] = {}
    for name in names:
        table, _, column = name.partition(".")
        for each in filter(None, (table, _COPIES.get(table))):
            by_table.setdefault(each, []).append(column)
    return {table: sorted(set(columns)) for table, columns in by_table.items()}


NOTHING_PRIVATE = PrivateColumns()
