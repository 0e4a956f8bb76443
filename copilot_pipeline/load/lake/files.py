"""Read and replace Parquet files in a folder or an object store.

The path depends on table and day only, so a second write replaces the first. A file is written in the folder of drafts
and moved into place as a whole. This is necessary on object stores too: if an upload fails, the library closes and
thereby publishes what was uploaded, so the upload must not use the name that readers use.
The partition column is in the folder name only, because pandas and Arrow refuse a folder whose files contain it too.
`Lake.batches` adds it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import copy
from datetime import UTC, date, datetime
from pathlib import Path
from types import TracebackType

import pyarrow as pa
import pyarrow.fs as pa_fs
import pyarrow.parquet as pq

from copilot_pipeline.config.urls import without_secrets
from copilot_pipeline.errors import ConfigurationError
from copilot_pipeline.load.lake.atomic_files import (
    DRAFTS,
    discard,
    prepare_folders,
    publish,
    remove_abandoned,
    temporary_path,
)
from copilot_pipeline.load.tables import CALL_DATE, Table
from copilot_pipeline.load.tables.private_columns import NOTHING_PRIVATE, PrivateColumns

# Arrow's default allocator does not return freed memory: 50 MB more at the peak of a run, without a gain in speed.
pa.set_memory_pool(pa.system_memory_pool())

FILE_NAME = "part.parquet"
PARTITION = CALL_DATE.name
COMPRESSION = "zstd"
# Columns that were renamed: files of earlier versions are readable, and get the new name when they are rewritten.
FORMER_NAMES = {"removed_at": "gone_at"}


class TableWriter:
    """Writes one file.

    It becomes visible when the block ends, and not at all if the block raises.
    """

    def __init__(self, lake: Lake, table: Table, path: str) -> None:
        self._lake = lake
        self._table = table
        self._path = path
        self._temporary = lake.draft_of(path)
        self._schema = _file_schema(table)
        self._writer: pq.ParquetWriter | None = None
        self.rows = 0

    def __enter__(self) -> TableWriter:
        prepare_folders(self._lake.filesystem, self._temporary, self._path)
        self._writer = pq.ParquetWriter(
            self._temporary, self._schema, filesystem=self._lake.filesystem, compression=COMPRESSION
        )
        return self

    def append(self, rows: pa.Table) -> None:
        """Add rows as one row group."""
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
                publish(self._lake.filesystem, self._temporary, self._path)
        finally:  # `close` fails as well if the disk is full or an upload is interrupted
            discard(self._lake.filesystem, self._temporary)


class Lake:
    """The lake at one address: a folder, or a URL of an object store."""

    def __init__(self, url: str, private_columns: PrivateColumns = NOTHING_PRIVATE) -> None:
        """`private_columns` are hidden in the rows that are written to the lake and the warehouse."""
        self.url = url
        self.private_columns = private_columns
        try:
            if "://" in url:
                self.filesystem, self._root = pa_fs.FileSystem.from_uri(url)
            else:
                self.filesystem, self._root = pa_fs.LocalFileSystem(), str(Path(url).absolute())
        except (pa.ArrowInvalid, OSError) as error:
            # The library's message quotes the address, which may contain a key.
            raise ConfigurationError(
                f"COPILOT_PIPELINE_LAKE_URL is invalid: {without_secrets(url)} is neither a folder nor a supported "
                f"object store ({type(error).__name__}); use a path, or s3://bucket/path"
            ) from None

    def hiding(self, private_columns: PrivateColumns) -> Lake:
        """Return the same lake with other private columns."""
        lake = copy(self)
        lake.private_columns = private_columns
        return lake

    def path(self, table: Table, day: date | None = None) -> str:
        """Return the path of the file of a table (and day)."""
        folder = f"{self._root}/{table.name}"
        return f"{folder}/{FILE_NAME}" if day is None else f"{folder}/call_date={day.isoformat()}/{FILE_NAME}"

    def writer(self, table: Table, day: date | None = None) -> TableWriter:
        """Return a writer that replaces the file of a table (and day)."""
        return TableWriter(self, table, self.path(table, day))

    def batches(self, table: Table, day: date | None = None, *, columns: list[str] | None = None) -> Iterator[pa.Table]:
        """Yield the rows, one row group at a time; nothing if there is no file."""
        if not self.exists(table, day):
            return
        names = list(table.column_names) if columns is None else columns
        in_file = [name for name in names if name != PARTITION or not table.partitioned]
        with pq.ParquetFile(self.path(table, day), filesystem=self.filesystem, pre_buffer=False) as file:
            stored = _stored_names(in_file, file.schema_arrow.names)
            for group in range(file.num_row_groups):
                rows = file.read_row_group(group, columns=list(stored.values()), use_threads=False)
                rows = rows.select(list(stored.values())).rename_columns(list(stored))
                for name in in_file:
                    if name not in stored:  # a file of a version without the column
                        rows = rows.append_column(name, pa.nulls(rows.num_rows, table.arrow_schema.field(name).type))
                if len(in_file) < len(names):
                    dates = pa.repeat(pa.scalar(day, pa.date32()), rows.num_rows)
                    rows = rows.append_column(table.arrow_schema.field(PARTITION), dates)
                yield rows.select(names)

    def replace_file(self, name: str, content: bytes) -> str:
        """Write a file that is not a table, atomically.

        Return its address without secrets.
        """
        path = f"{self._root}/{name}"
        temporary = self.draft_of(path)
        prepare_folders(self.filesystem, temporary, path)
        try:
            with self.filesystem.open_output_stream(temporary) as stream:
                stream.write(content)
            publish(self.filesystem, temporary, path)
        finally:
            discard(self.filesystem, temporary)
        return f"{self.display_url.rstrip('/')}/{name}"

    def read_file(self, name: str) -> bytes | None:
        """Return the content of a file that is not a table, None if there is none."""
        path = f"{self._root}/{name}"
        if self.filesystem.get_file_info(path).type != pa_fs.FileType.File:
            return None
        with self.filesystem.open_input_stream(path) as stream:
            return bytes(stream.read())

    def path_of(self, name: str) -> str:
        """Return the path of a file by its name below the root."""
        return f"{self._root}/{name}"

    def draft_of(self, path: str) -> str:
        """Return the name under which a file is written before it is moved into place."""
        return temporary_path(self._root, path)

    def files(self, folder: str = "") -> dict[str, pa_fs.FileInfo]:
        """Return every file of the lake, or of a folder in it, but drafts, by its path below the root."""
        selector = pa_fs.FileSelector(f"{self._root}/{folder}".rstrip("/"), recursive=True, allow_not_found=True)
        infos = {info.path.removeprefix(f"{self._root}/"): info for info in self.filesystem.get_file_info(selector)}
        return {
            name: info
            for name, info in infos.items()
            if info.is_file and not name.startswith(f"{DRAFTS}/") and not info.base_name.startswith(".")
        }

    def days_of(self, table: Table) -> set[date]:
        """Return the days of which a table has a file."""
        selector = pa_fs.FileSelector(f"{self._root}/{table.name}", recursive=True, allow_not_found=True)
        infos = self.filesystem.get_file_info(selector)
        folders = (info.path.split("/")[-2] for info in infos if info.is_file and info.base_name == FILE_NAME)
        return {date.fromisoformat(folder.removeprefix("call_date=")) for folder in folders}

    def remove(self, table: Table, day: date) -> None:
        """Remove the file of a day. Does nothing if there is none."""
        discard(self.filesystem, self.path(table, day))

    def remove_file(self, name: str) -> None:
        """Remove a file by its name below the root. Does nothing if there is none."""
        discard(self.filesystem, self.path_of(name))

    def remove_drafts(self) -> int:
        """Remove the drafts of crashed writers in the whole lake, also those of earlier versions beside the files."""
        return remove_abandoned(self.filesystem, pa_fs.FileSelector(self._root, recursive=True, allow_not_found=True))

    def remove_drafts_of(self, day: date) -> None:
        """Remove the drafts of all tables of a day, whose lock must be held: no process is writing one."""
        selector = pa_fs.FileSelector(f"{self._root}/{DRAFTS}", allow_not_found=True)
        for info in self.filesystem.get_file_info(selector):
            if info.is_file and f"+{PARTITION}={day.isoformat()}+" in info.base_name:
                discard(self.filesystem, info.path)

    def set_aside(self, table: Table, day: date) -> str:
        """Move the file of a day, which cannot be parsed, out of the folder of its table; return its new name."""
        path = self.path(table, day)
        name = f"_unreadable/{path.removeprefix(f'{self._root}/').replace('/', '+')}"
        prepare_folders(self.filesystem, self.draft_of(name), f"{self._root}/{name}")
        self.filesystem.move(path, f"{self._root}/{name}")
        return name

    def exists(self, table: Table, day: date | None = None) -> bool:
        """Return whether there is a file."""
        return bool(self.filesystem.get_file_info(self.path(table, day)).type == pa_fs.FileType.File)

    def modified_at(self, table: Table, day: date | None = None) -> datetime | None:
        """Return when the file was written; None if there is none."""
        nanoseconds = self.filesystem.get_file_info(self.path(table, day)).mtime_ns
        return None if nanoseconds is None else datetime.fromtimestamp(nanoseconds / 1e9, UTC)

    def row_count(self, table: Table, day: date | None = None) -> int:
        """Return the number of rows in the file, from its footer; 0 if there is none."""
        if not self.exists(table, day):
            return 0
        with pq.ParquetFile(self.path(table, day), filesystem=self.filesystem) as file:
            return int(file.metadata.num_rows)

    def probe(self) -> None:
        """Write a hidden file and remove it. Raises `ConfigurationError` if that fails."""
        temporary = self.draft_of(f"{self._root}/probe")
        try:
            prepare_folders(self.filesystem, temporary, f"{self._root}/probe")
            with self.filesystem.open_output_stream(temporary) as stream:
                stream.write(b"can be written")
            self.filesystem.delete_file(temporary)
        except OSError as error:
            reason = error.strerror or type(error).__name__
            raise ConfigurationError(
                f"the lake {self.display_url} cannot be written ({reason}): check COPILOT_PIPELINE_LAKE_URL, the "
                "permissions of the folder, and the credentials of an object store"
            ) from None

    @property
    def display_url(self) -> str:
        """The address without secrets."""
        return without_secrets(self.url)


def _file_schema(table: Table) -> pa.Schema:
    """Return the schema of the file: all columns but the partition column."""
    if not table.partitioned:
        return table.arrow_schema
    return pa.schema([column for column in table.arrow_schema if column.name != PARTITION])


def _stored_names(names: Sequence[str], in_file: Sequence[str]) -> dict[str, str]:
    """Map columns to their names in a file, which may be former names; without those that it does not have."""
    stored = {name: name if name in in_file else FORMER_NAMES.get(name, name) for name in names}
    return {name: own for name, own in stored.items() if own in in_file}
