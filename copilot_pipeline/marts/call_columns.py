"""Scored calls as columns: the input of marts with several rows for each call. Plain values, no I/O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from copilot_pipeline.marts.model import BrickKey, Rep, Value

Mask = NDArray[np.bool_]
Numbers = NDArray[np.int64]

CALL_SCHEMA = pa.schema(
    {
        "call_id": pa.string(),
        "call_date": pa.date32(),
        "week": pa.date32(),
        "started_at": pa.timestamp("us", tz="UTC"),
        "deal_id": pa.string(),
        "review_url": pa.string(),
        "rep_id": pa.string(),
        "rep_name": pa.string(),
        "manager_id": pa.string(),
    }
)


@dataclass(frozen=True, slots=True, eq=False)
class KitColumn:
    """Which calls a kit has scored, and with which version of the kit (null: unknown)."""

    scored: Mask
    version_ids: pa.Array


@dataclass(frozen=True, slots=True, eq=False)
class BrickColumn:
    """The answer of a brick on each call.

    `codes` are positions in `values`, which are distinct; -1 is a call without a score. `confidences` and `quotes` (the
    text of the first quote) are null where there is none.
    """

    codes: Numbers
    values: Sequence[Value]
    confidences: pa.Array
    quotes: pa.Array


@dataclass(frozen=True, slots=True, eq=False)
class CallColumns:
    """Some calls with their answers; every column has one element for each call.

    `calls` has the columns of `CALL_SCHEMA`.
    """

    calls: pa.Table
    reps: Sequence[Rep | None] = ()
    kits: Mapping[str, KitColumn] = field(default_factory=dict)
    bricks: Mapping[BrickKey, BrickColumn] = field(default_factory=dict)


def columns_of_reps(reps: Sequence[Rep | None]) -> dict[str, list[str | None]]:
    """Return the columns of `CALL_SCHEMA` that describe the reps of the calls."""
    return {
        "rep_id": [rep.rep_id if rep else None for rep in reps],
        "rep_name": [rep.name if rep else None for rep in reps],
        "manager_id": [rep.manager_id if rep else None for rep in reps],
    }


def taken(column: pa.Array | pa.ChunkedArray, positions: Numbers) -> pa.Array:
    """Return the elements at some positions; null for -1."""
    found = column.take(pa.array(positions, mask=positions < 0))
    return found.combine_chunks() if isinstance(found, pa.ChunkedArray) else found


def encoded(column: pa.ChunkedArray) -> tuple[list[str], Numbers]:
    """Return the distinct values as text, and the position of each row's value; -1 for null."""
    encoded = column.combine_chunks()
    return list(map(str, encoded.dictionary.to_pylist())), encoded.indices.fill_null(-1).to_numpy().astype(np.int64)
