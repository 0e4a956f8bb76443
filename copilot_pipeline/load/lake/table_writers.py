"""Write Parquet files of tables, one or several together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from types import TracebackType

import pyarrow as pa
import pyarrow.parquet as pq

from copilot_pipeline.load.lake.pending_files import PendingFile
from copilot_pipeline.load.lake.storage_errors import explained
from copilot_pipeline.load.lake.stores import Store
from copilot_pipeline.load.tables import CALL_DATE, Table

COMPRESSION = "zstd"


class TableWriter:
    """Writes one file.

    It becomes visible when the block ends, and not at all if the block raises.
    """

    def __init__(self, store: Store, table: Table, path: str, url: str) -> None:
        self._store = store
        self._path = path
        self._url = url
        self._schema = _file_schema(table)
        self._file: PendingFile | None = None
        self._writer: pq.ParquetWriter | None = None
        self.rows = 0
        self.is_unchanged = False  # the present file has the same rows and is kept

    def __enter__(self) -> TableWriter:
        return self

    def append(self, rows: pa.Table) -> None:
        """Add rows as one row group."""
        if rows.num_rows:
            self._opened().write_table(rows.select(self._schema.names), row_group_size=max(rows.num_rows, 1))
            self.rows += rows.num_rows

    def _opened(self) -> pq.ParquetWriter:
        """Return what writes the draft. A file that is kept needs none."""
        if self._writer is None:
            with explained(self._url):
                self._file = PendingFile(self._store, self._path)
                self._writer = pq.ParquetWriter(self._file.stream, self._schema, compression=COMPRESSION)
        return self._writer

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self.finish()
                self.publish()
        finally:
            self.discard()

    def finish(self) -> None:
        """End the content of the file."""
        writer = self._opened()
        if self._file is not None:
            with explained(self._url):
                writer.close()
                self._file.finish()

    def publish(self) -> None:
        """Make the file visible in place of the previous one."""
        if self._file is not None:
            with explained(self._url):
                self._file.publish()

    def discard(self) -> None:
        """Remove what is not visible."""
        with ExitStack() as stack:
            if self._file is not None:
                stack.callback(self._file.discard)
            if self._writer is not None:
                stack.callback(self._writer.close)


@contextmanager
def writing_together(store: Store, writers: Mapping[str, TableWriter]) -> Iterator[dict[str, TableWriter]]:
    """Open some writers; make the changed files visible when the block ends, and none if it raises."""
    with ExitStack() as stack:
        for writer in writers.values():
            writer.__enter__()
            stack.callback(writer.discard)
        yield dict(writers)
        changed = [writer for writer in writers.values() if not writer.is_unchanged]
        for writer in changed:
            writer.finish()
        store.map(TableWriter.publish, changed)


def _file_schema(table: Table) -> pa.Schema:
    """Return the schema of the file: all columns but the partition column."""
    if not table.partitioned:
        return table.arrow_schema
    return pa.schema([column for column in table.arrow_schema if column.name != CALL_DATE.name])
