"""Reading and replacing Parquet files, on a folder or an object store.

One path is a pure function of (table, day), so a second write replaces and never adds. A file is written under a
hidden name and moved into place whole. On object stores too: an upload that breaks off there is closed, and with that
published, by the library itself, so it must not bear the name that readers know.
The partition column is in the folder's name and not in the file: pandas and Arrow refuse a folder whose files hold it
too. Our own reader puts it back.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from types import TracebackType

import pyarrow as pa
import pyarrow.fs as pa_fs
import pyarrow.parquet as pq

from copilot_pipeline.config.urls import without_secrets
from copilot_pipeline.errors import ConfigurationError
from copilot_pipeline.load.lake.drafts import discard, draft_of, make_folder, publish
from copilot_pipeline.load.tables import CALL_DATE, Table

# Arrow's own allocator keeps what it freed: 50 MB more at the peak of a run, for nothing that could be measured.
pa.set_memory_pool(pa.system_memory_pool())

FILE_NAME = "part.parquet"
PARTITION = CALL_DATE.name
COMPRESSION = "zstd"


class TableWriter:
    """Writes one file; nothing is visible before `close`, and nothing ever if the block raises."""

    def __init__(self, lake: Lake, table: Table, path: str) -> None:
        self._lake = lake
        self._table = table
        self._path = path
        self._draft = draft_of(path)
        self._schema = _file_schema(table)
        self._writer: pq.ParquetWriter | None = None
        self.rows = 0

    def __enter__(self) -> TableWriter:
        make_folder(self._lake.filesystem, self._path)
        self._writer = pq.ParquetWriter(
            self._draft, self._schema, filesystem=self._lake.filesystem, compression=COMPRESSION
        )
        return self

    def append(self, rows: pa.Table) -> None:
        """Adds rows as one row group."""
        if self._writer is None:
            raise RuntimeError("append outside of the with block")
        if rows.num_rows:
            self._writer.write_table(rows.select(self._schema.names), row_group_size=max(rows.num_rows, 1))
            self.rows += rows.num_rows

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._writer is None:
            return
        try:
            self._writer.close()
            if kind is None:
                publish(self._lake.filesystem, self._draft, self._path)
        finally:  # closing may fail as well: a full disk, an upload that breaks off
            discard(self._lake.filesystem, self._draft)


class Lake:
    """The lake at one address."""

    def __init__(self, url: str) -> None:
        self.url = url
        try:
            if "://" in url:
                self.filesystem, self._root = pa_fs.FileSystem.from_uri(url)
            else:
                self.filesystem, self._root = pa_fs.LocalFileSystem(), str(Path(url).absolute())
        except (pa.ArrowInvalid, OSError) as error:
            # The library's text quotes the address, which may hold a key.
            raise ConfigurationError(
                f"COPILOT_PIPELINE_LAKE_URL cannot be used: {without_secrets(url)} is neither a folder nor an object "
                f"store that is known here ({type(error).__name__}); write a path, or s3://bucket/path"
            ) from None

    def path(self, table: Table, day: date | None = None) -> str:
        """Where a table (and day) lies."""
        folder = f"{self._root}/{table.name}"
        return f"{folder}/{FILE_NAME}" if day is None else f"{folder}/call_date={day.isoformat()}/{FILE_NAME}"

    def writer(self, table: Table, day: date | None = None) -> TableWriter:
        """Replaces the file of a table and day when the block ends well."""
        return TableWriter(self, table, self.path(table, day))

    def batches(self, table: Table, day: date | None = None, *, columns: list[str] | None = None) -> Iterator[pa.Table]:
        """The rows, a row group at a time; nothing where there is no file."""
        path = self.path(table, day)
        if not self.exists(table, day):
            return
        with pq.ParquetFile(path, filesystem=self.filesystem, pre_buffer=False) as file:
            names = list(table.column_names) if columns is None else columns
            in_file = [name for name in names if name != PARTITION or not table.partitioned]
            for group in range(file.num_row_groups):
                rows = file.read_row_group(group, columns=in_file, use_threads=False)
                if len(in_file) < len(names):
                    dates = pa.repeat(pa.scalar(day, pa.date32()), rows.num_rows)
                    rows = rows.append_column(table.arrow_schema.field(PARTITION), dates)
                yield rows.select(names)

    def replace_file(self, name: str, content: bytes) -> str:
        """Writes a file that is no table, as a whole or not at all. Returns where it lies, without secrets."""
        path = f"{self._root}/{name}"
        draft = draft_of(path)
        make_folder(self.filesystem, draft)
        try:
            with self.filesystem.open_output_stream(draft) as stream:
                stream.write(content)
            publish(self.filesystem, draft, path)
        finally:
            discard(self.filesystem, draft)
        return f"{self.display_url.rstrip('/')}/{name}"

    def exists(self, table: Table, day: date | None = None) -> bool:
        """Whether there is a file."""
        return bool(self.filesystem.get_file_info(self.path(table, day)).type == pa_fs.FileType.File)

    def row_count(self, table: Table, day: date | None = None) -> int:
        """Rows in the file, from its footer; 0 where there is none."""
        if not self.exists(table, day):
            return 0
        with pq.ParquetFile(self.path(table, day), filesystem=self.filesystem) as file:
            return int(file.metadata.num_rows)

    def probe(self) -> None:
        """Writes a hidden file and removes it. Raises `ConfigurationError` where that cannot be done."""
        draft = draft_of(f"{self._root}/probe")
        try:
            make_folder(self.filesystem, draft)
            with self.filesystem.open_output_stream(draft) as stream:
                stream.write(b"can be written")
            self.filesystem.delete_file(draft)
        except OSError as error:
            reason = error.strerror or type(error).__name__
            raise ConfigurationError(
                f"the lake {self.display_url} cannot be written ({reason}): check COPILOT_PIPELINE_LAKE_URL, the "
                "rights on it, and the credentials of an object store"
            ) from None

    @property
    def display_url(self) -> str:
        """The address without what must not be shown."""
        return without_secrets(self.url)


def _file_schema(table: Table) -> pa.Schema:
    """The columns that stand in the file."""
    if not table.partitioned:
        return table.arrow_schema
    return pa.schema([column for column in table.arrow_schema if column.name != PARTITION])
