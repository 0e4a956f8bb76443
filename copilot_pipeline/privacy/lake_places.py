"""Tables of the lake as places: search and erase in every column of text of a Parquet file, and in drafts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from copilot_pipeline.load.lake import Lake
from copilot_pipeline.load.tables import Kind, Table
from copilot_pipeline.privacy.cells import Form, masked, texts_of
from copilot_pipeline.privacy.matching import Matcher

_FORMS = {Kind.TEXT: Form.TEXT, Kind.TEXTS: Form.TEXTS, Kind.JSON: Form.JSON, Kind.BYTES: Form.BYTES}


@dataclass(frozen=True, slots=True)
class LakeHit:
    """A row of a file that has the person or a call."""

    day: date | None
    values: Mapping[str, Any]
    kinds: Counter[str]
    is_of_call: bool


@dataclass(frozen=True, slots=True)
class LakePlace:
    """The files of a table. `calls` are the columns with ids of calls: a row of an erased call is removed."""

    table: Table
    calls: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Its name in lists."""
        return f"lake/{self.table.name}"

    @property
    def forms(self) -> dict[str, Form]:
        """The columns that may hold text, with their forms."""
        return {column.name: _FORMS[column.kind] for column in self.table.columns if column.kind in _FORMS}

    def days(self, lake: Lake) -> list[date | None]:
        """Return the days of the table; `None` is the file of a table without days."""
        if self.table.partitioned:
            return list(sorted(lake.days_of(self.table)))
        return [None] if lake.exists(self.table) else []

    def search(self, lake: Lake, day: date | None, matcher: Matcher) -> Iterator[LakeHit]:
        """Yield the rows of a file that have the person or a call."""
        for batch in lake.batches(self.table, day):
            yield from self.hits(batch, day, matcher)

    def erase(self, lake: Lake, day: date | None, matcher: Matcher) -> int:
        """Write a file again without the rows of erased calls and with the person masked; return the rows changed.

        A file that has neither is not written. The lock of the day must be held.
        """
        if not any(True for _ in self.search(lake, day, matcher)):
            return 0
        changed = 0
        with lake.writer(self.table, day) as writer:
            for batch in lake.batches(self.table, day):
                rows, changed_rows = self._erased(batch, matcher)
                changed += changed_rows
                writer.append(rows)
        return changed

    def _erased(self, batch: pa.Table, matcher: Matcher) -> tuple[pa.Table, int]:
        suspects = self._suspects(batch, matcher)
        if not any(suspects):
            return batch, 0
        rows, changed = [], 0
        for row, is_suspect in zip(batch.to_pylist(), suspects, strict=True):
            if not is_suspect:
                rows.append(row)
                continue
            if self._is_of_call(row, matcher):
                changed += 1
                continue
            new = row | {name: masked(form, row[name], matcher) for name, form in self.forms.items()}
            changed += any(new[name] is not row[name] for name in self.forms)
            rows.append(new)
        return pa.Table.from_pylist(rows, schema=batch.schema), changed

    def hits(self, batch: pa.Table, day: date | None, matcher: Matcher) -> Iterator[LakeHit]:
        """Yield the rows of some rows that have the person or a call."""
        suspects = self._suspects(batch, matcher)
        if not any(suspects):
            return
        for row in batch.filter(pa.array(suspects)).to_pylist():
            kinds = Counter(
                kind
                for name, form in self.forms.items()
                if name not in self.calls
                for text in texts_of(form, row[name])
                for kind in matcher.kinds_in(text)
            )
            is_of_call = self._is_of_call(row, matcher)
            if kinds or is_of_call:
                yield LakeHit(day, row, kinds, is_of_call)

    def _is_of_call(self, row: Mapping[str, Any], matcher: Matcher) -> bool:
        return any(matcher.has_call(text) for name in self.calls for text in texts_of(self.forms[name], row[name]))

    def _suspects(self, batch: pa.Table, matcher: Matcher) -> list[bool]:
        """Return which rows may have the person or a call: Arrow compares columns faster than Python compares cells."""
        found = pa.array([False] * batch.num_rows, pa.bool_())
        pattern, ids = matcher.re2_pattern(), pa.array(sorted(matcher.ids), pa.string())
        for name, form in self.forms.items():
            column = batch[name].combine_chunks() if isinstance(batch[name], pa.ChunkedArray) else batch[name]
            if name in self.calls and form is Form.TEXT:
                found = pc.or_(found, pc.is_in(column, ids))
            elif pattern is not None or name in self.calls:
                found = pc.or_(found, _matching(column, form, pattern or "(?i)^"))
        return [bool(one) for one in found.to_pylist()]


def _matching(column: Any, form: Form, pattern: str) -> pa.Array:
    """Return which cells match a pattern; a list does if one of its items does."""
    if form is Form.TEXTS:
        items = pc.match_substring_regex(pc.list_flatten(column), pattern)
        parents = pc.list_parent_indices(column).filter(pc.fill_null(items, False))
        rows = set(parents.to_pylist())
        return pa.array([row in rows for row in range(len(column))], pa.bool_())
    return pc.fill_null(pc.match_substring_regex(column, pattern), False)
