"""Apply the limits of columns to rows, and describe each value that was changed. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc

from copilot_pipeline.clients.text import clean_text
from copilot_pipeline.load.tables.model import Column, Kind, Table

_HASH_DIGITS = 32
_ELLIPSIS = "…"


@dataclass(frozen=True, slots=True)
class TruncatedValue:
    """A value that was too long for its column: where it was, its length and its hash, never the value."""

    table: str
    column: str
    row_key: str  # JSON: the key of the row as stored
    original_chars: int
    sha256: str


def fit_rows(table: Table, rows: pa.Table) -> tuple[pa.Table, list[TruncatedValue]]:
    """Return rows that fit the columns of the table, and what was truncated.

    Values that fit are not copied. Also replaces NUL, which PostgreSQL refuses.
    """
    changed: dict[str, list[tuple[int, str]]] = {}
    for index, column in enumerate(table.columns):
        values = rows.column(column.name)
        if column.kind not in (Kind.TEXT, Kind.TEXTS) or _fits(column, values):
            continue
        fitted, originals = _fit(column, values)
        changed[column.name] = originals
        rows = rows.set_column(index, table.arrow_schema.field(column.name), fitted)
    return rows, _describe(table, rows, changed)


def shorten_id(value: str, max_bytes: int) -> str:
    """Return an id of at most `max_bytes` UTF-8 bytes: the id itself, or its beginning and a hash.

    The result is the same wherever the id occurs, and shortening it again changes nothing.
    """
    encoded = value.encode("utf-8", "replace")
    if len(encoded) <= max_bytes:
        return value
    digest = hashlib.sha256(encoded).hexdigest()[:_HASH_DIGITS]
    prefix = encoded[: max_bytes - len(digest) - 1].decode("utf-8", errors="ignore")
    return f"{prefix}~{digest}"


def _fits(column: Column, values: pa.ChunkedArray) -> bool:
    for chunk in values.chunks:
        texts = chunk.flatten() if column.kind is Kind.TEXTS else chunk
        if _may_have_nul(texts):
            return False
        # A text with at most `max_chars` bytes has at most as many characters; the others are counted one by one.
        limit = column.max_bytes or column.max_chars
        longest = pc.max(pc.binary_length(texts)).as_py() if limit is not None else None
        if limit is not None and longest is not None and longest > limit:
            return False
    return True


def _may_have_nul(texts: pa.Array) -> bool:
    data = texts.buffers()[2]
    return data is not None and b"\0" in data.to_pybytes()


def _fit(column: Column, values: pa.ChunkedArray) -> tuple[pa.Array, list[tuple[int, str]]]:
    """Return the values that fit, and the truncated ones with their row numbers."""
    fitted_values: list[str | list[str | None] | None] = []
    originals: list[tuple[int, str]] = []
    for row, value in enumerate(values.to_pylist()):
        items = value if isinstance(value, list) else [value]
        fitted = [None if item is None else _fit_text(column, item) for item in items]
        originals += [
            (row, item)
            for item, short in zip(items, fitted, strict=True)
            if item is not None and short != clean_text(item)
        ]
        fitted_values.append(fitted if isinstance(value, list) else fitted[0])
    return pa.array(fitted_values, column.kind.arrow), originals


def _fit_text(column: Column, value: str) -> str:
    value = clean_text(value)
    if column.max_bytes is not None:
        return shorten_id(value, column.max_bytes)
    if column.max_chars is not None and len(value) > column.max_chars:
        return value[: column.max_chars - 1] + _ELLIPSIS
    return value


def _describe(table: Table, rows: pa.Table, changed: dict[str, list[tuple[int, str]]]) -> list[TruncatedValue]:
    truncated = []
    for name, originals in changed.items():
        for row, value in originals:
            digest = hashlib.sha256(value.encode("utf-8", "replace")).hexdigest()
            truncated.append(TruncatedValue(table.name, name, row_key(table, rows, row), len(value), digest))
    return truncated


def row_key(table: Table, rows: pa.Table, row: int) -> str:
    """Return the key of a row as JSON."""
    return json.dumps({name: _as_json(rows.column(name)[row].as_py()) for name in table.key}, ensure_ascii=False)


def _as_json(value: object) -> object:
    return value.isoformat() if isinstance(value, date) else value


def keys_of(table: Table, rows: pa.Table) -> Sequence[str]:
    """Return the key of each row as JSON."""
    return [row_key(table, rows, row) for row in range(rows.num_rows)]
