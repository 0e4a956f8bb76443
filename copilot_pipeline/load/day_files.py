"""Write the file of a day if its rows differ from those that it has; keep it otherwise."""

from __future__ import annotations

from datetime import date

import pyarrow as pa
import pyarrow.compute as pc

from copilot_pipeline.load.contents import Hashes, RowsByCall
from copilot_pipeline.load.lake import Lake
from copilot_pipeline.load.lake.table_writers import TableWriter
from copilot_pipeline.load.tables import Table


class DayFile:
    """The file of a table and a day.

    Nothing is written while all rows are those of the present file. When the first one differs, the rows before it are
    copied from that file.
    """

    def __init__(self, lake: Lake, table: Table, day: date, writer: TableWriter, present: Hashes | None) -> None:
        """`present` are the hashes of the rows of the present file; None if they are unknown."""
        self._lake = lake
        self._table = table
        self._day = day
        self._writer = writer
        self._present = present
        self._same: dict[str, str] = {}  # calls that have not been copied, by key
        self.rows = 0

    def append(self, part: RowsByCall) -> None:
        """Add the rows of some calls."""
        self.rows += part.rows.num_rows
        if self._present is not None:
            if not part.changed(self._present):
                self._same.update(zip(part.hashes, part.call_ids, strict=True))
                return
            self._copy_same()
        self._writer.append(part.rows)

    def finish(self) -> None:
        """Keep the present file if it has no other rows."""
        if self._present is None:
            return
        if self._same.keys() == self._present.keys():
            self._writer.is_unchanged = True
        else:
            self._copy_same()

    def _copy_same(self) -> None:
        call_ids = pa.array(list(self._same.values()), pa.string())
        for rows in self._lake.batches(self._table, self._day) if self._same else ():
            self._writer.append(rows.filter(pc.is_in(rows["call_id"], call_ids)))
        self._present = None
