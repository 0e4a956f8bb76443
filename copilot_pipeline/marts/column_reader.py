"""Read scored calls as columns, some thousands in memory at a time."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from copilot_pipeline.load.read_ahead import read_ahead
from copilot_pipeline.marts.answer_reader import value_of_text
from copilot_pipeline.marts.call_columns import (
    CALL_SCHEMA,
    BrickColumn,
    CallColumns,
    KitColumn,
    Numbers,
    columns_of_reps,
    taken,
)
from copilot_pipeline.marts.model import BrickKey, Rep, Value, monday
from copilot_pipeline.marts.reader import CALLS_PER_READ, ScoredCallReader
from copilot_pipeline.postgres.columns import CATEGORY, read_columns
from copilot_pipeline.postgres.connections import Connection
from copilot_pipeline.postgres.queries import load_queries

_SQL = load_queries("copilot_pipeline.marts.sql", "scored_calls.sql")
_RUNS = {"call_id": pa.string(), "kit": CATEGORY, "status": CATEGORY, "kit_version_id": CATEGORY}
_VALUES = {
    "call_id": pa.string(), "kit": CATEGORY, "brick": CATEGORY, "value_kind": CATEGORY, "value": CATEGORY,
    "confidence": pa.float64(),
}  # fmt: skip
_QUOTES = {"call_id": pa.string(), "kit": CATEGORY, "brick": CATEGORY, "quote": CATEGORY}
_NO_QUOTES = pa.schema(list(_QUOTES.items())).empty_table()


class CallColumnReader(ScoredCallReader):
    """Reads the same calls as `ScoredCallReader.read`, in the same order, as columns."""

    def columns(self, bricks: Collection[BrickKey], *, with_quotes: bool = False) -> Iterator[CallColumns]:
        """Yield the calls that were held, oldest first, with the answers of these bricks and the runs of their kits."""
        return read_ahead(self._columns(bricks, with_quotes=with_quotes))

    def _columns(self, bricks: Collection[BrickKey], *, with_quotes: bool) -> Iterator[CallColumns]:
        people = self.people()
        for rows in self.calls_held():
            reps = [
                people.find(row["rep_user_id"], row["rep_email"], row["rep_name"], row["started_at"]) for row in rows
            ]
            for start in range(0, len(rows), CALLS_PER_READ):
                of_chunk = slice(start, start + CALLS_PER_READ)
                with self._database.connection() as connection:
                    yield _read(connection, rows[of_chunk], reps[of_chunk], sorted(bricks), with_quotes=with_quotes)


def _read(
    connection: Connection,
    rows: Sequence[Mapping[str, Any]],
    reps: Sequence[Rep | None],
    bricks: Sequence[BrickKey],
    *,
    with_quotes: bool,
) -> CallColumns:
    calls = _calls(rows, reps)
    chosen = {
        "call_ids": calls["call_id"].to_pylist(),
        "kits": [kit for kit, _ in bricks],
        "bricks": [brick for _, brick in bricks],
    }
    runs = read_columns(connection, _SQL["runs"], _RUNS, chosen)
    values = read_columns(connection, _SQL["values"], _VALUES, chosen)
    quotes = read_columns(connection, _SQL["first_quotes"], _QUOTES, chosen) if with_quotes else _NO_QUOTES
    kits = _kits(runs, calls["call_id"])
    return CallColumns(calls, reps, kits, _bricks(values, quotes, calls["call_id"], bricks))


def _calls(rows: Sequence[Mapping[str, Any]], reps: Sequence[Rep | None]) -> pa.Table:
    read = {name: [row[name] for row in rows] for name in CALL_SCHEMA.names if name in rows[0]}
    return pa.table({**read, **columns_of_reps(reps), "week": list(map(monday, read["call_date"]))}, schema=CALL_SCHEMA)


def _kits(runs: pa.Table, call_ids: pa.ChunkedArray) -> dict[str, KitColumn]:
    found = {}
    for (kit, status), rows in _groups(runs, "kit", "status").items():
        if status == "succeeded":
            positions = _by_call(runs["call_id"].take(rows), call_ids, rows)
            found[kit] = KitColumn(positions >= 0, taken(runs["kit_version_id"], positions).cast(pa.string()))
    return found


def _bricks(
    values: pa.Table, quotes: pa.Table, call_ids: pa.ChunkedArray, bricks: Sequence[BrickKey]
) -> dict[BrickKey, BrickColumn]:
    rows_of, quotes_of = _groups(values, "kit", "brick"), _groups(quotes, "kit", "brick")
    pairs, codes = _distinct(values, "value_kind", "value")
    distinct = [value_of_text(str(kind), value) for kind, value in pairs]
    found = {}
    for key in bricks:
        rows = rows_of.get(key, _NONE)
        positions = _by_call(values["call_id"].take(rows), call_ids, rows)
        quoted = quotes_of.get(key, _NONE)
        of_quotes = _by_call(quotes["call_id"].take(quoted), call_ids, quoted)
        has_score = positions >= 0
        own, at = np.unique(codes[positions[has_score]], return_inverse=True)
        of_calls = np.full(len(positions), -1)
        of_calls[has_score] = at
        found[key] = BrickColumn(
            of_calls,
            [distinct[code] for code in own.tolist()],
            taken(values["confidence"], positions),
            taken(quotes["quote"], np.where(has_score, of_quotes, -1)).cast(pa.string()),
        )
    return found


_NONE: Numbers = np.array([], dtype=np.int64)


def _by_call(of_rows: pa.ChunkedArray, call_ids: pa.ChunkedArray, rows: Numbers) -> Numbers:
    """Return, for each call, the row that has its id; -1 if none has."""
    found = np.full(len(call_ids), -1)
    found[pc.index_in(of_rows, value_set=call_ids).to_numpy()] = rows
    return found


def _groups(table: pa.Table, *names: str) -> dict[tuple[str, ...], Numbers]:
    """Return the rows of each combination of values."""
    combinations, codes = _distinct(table, *names)
    order = np.argsort(codes, kind="stable")
    ends = np.searchsorted(codes[order], np.arange(len(combinations) + 1))
    return {tuple(map(str, one)): order[ends[at] : ends[at + 1]] for at, one in enumerate(combinations)}


def _distinct(table: pa.Table, *names: str) -> tuple[list[tuple[str | None, ...]], Numbers]:
    """Return the distinct combinations of columns of categories, and the index of its combination for each row."""
    if not table.num_rows:
        return [], _NONE
    dictionaries, codes = [], []
    for name in names:
        column = table[name].combine_chunks()
        dictionaries.append([*column.dictionary.to_pylist(), None])
        codes.append(column.indices.fill_null(len(column.dictionary)).to_numpy().astype(np.int64))
    shape = [len(dictionary) for dictionary in dictionaries]
    found, inverse = np.unique(np.ravel_multi_index(codes, shape), return_inverse=True)
    of_found = [code.tolist() for code in np.unravel_index(found, shape)]
    values: list[list[Value]] = [[of[code] for code in codes] for of, codes in zip(dictionaries, of_found, strict=True)]
    return list(zip(*values, strict=True)), inverse
