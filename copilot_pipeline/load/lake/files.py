"""Read and replace Parquet files in a folder or an object store.

The path depends on table and day only, so a second write replaces the first. A file becomes visible as a whole, and is
read as a whole from an object store.
The partition column is in the folder name only, because pandas and Arrow refuse a folder whose files contain it too.
`Lake.batches` adds it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from copy import copy
from datetime import UTC, date, datetime

import pyarrow as pa
import pyarrow.fs as pa_fs
import pyarrow.parquet as pq

from copilot_pipeline.config.urls import without_secrets
from copilot_pipeline.load.lake.atomic_files import (
    DRAFTS,
    discard,
    prepare_folders,
    remove_abandoned,
    temporary_path,
)
from copilot_pipeline.load.lake.pending_files import replacing
from copilot_pipeline.load.lake.storage_errors import explained, unusable
from copilot_pipeline.load.lake.stores import open_store
from copilot_pipeline.load.lake.table_writers import TableWriter, writing_together
from copilot_pipeline.load.lake.whole_files import Content, as_bytes, read_whole
from copilot_pipeline.load.tables import CALL_DATE, Table
from copilot_pipeline.load.tables.private_columns import NOTHING_PRIVATE, PrivateColumns

# Arrow's default allocator does not return freed memory: 50 MB more at the peak of a run, without a gain in speed.
pa.set_memory_pool(pa.system_memory_pool())

FILE_NAME = "part.parquet"
PARTITION = CALL_DATE.name
# Columns that were renamed: files of earlier versions are readable, and get the new name when they are rewritten.
FORMER_NAMES = {"removed_at": "gone_at"}


class Lake:
    """The lake at one address: a folder, or a URL of an object store."""

    def __init__(self, url: str, private_columns: PrivateColumns = NOTHING_PRIVATE) -> None:
        """`private_columns` are hidden in the rows that are written to the lake and the warehouse."""
        self.url = url
        self.private_columns = private_columns
        self.store = open_store(url)
        self.filesystem, self._root = self.store.filesystem, self.store.root
        self._kept: dict[str, pa.Buffer] = {}  # files that are read several times in a block

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
        return TableWriter(self.store, table, self.path(table, day), self.url)

    def writers(
        self, tables: Iterable[Table], day: date | None = None
    ) -> AbstractContextManager[dict[str, TableWriter]]:
        """Return writers that replace the files of some tables (and a day) when the block ends, by table."""
        return writing_together(self.store, {table.name: self.writer(table, day) for table in tables})

    def batches(self, table: Table, day: date | None = None, *, columns: list[str] | None = None) -> Iterator[pa.Table]:
        """Yield the rows, one row group at a time; nothing if there is no file."""
        names = list(table.column_names) if columns is None else columns
        in_file = [name for name in names if name != PARTITION or not table.partitioned]
        with self._parquet(self.path(table, day)) as file:
            if file is None:
                return
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

    @contextmanager
    def reading_once(self, table: Table, day: date) -> Iterator[None]:
        """Let the block read one state of a file, however often, with one request to an object store."""
        path = self.path(table, day)
        if self.store.is_remote and isinstance(content := self._content(path), pa.Buffer):
            self._kept[path] = content
        try:
            yield
        finally:
            self._kept.pop(path, None)

    def replace_file(self, name: str, content: bytes) -> str:
        """Write a file that is not a table, atomically.

        Return its address without secrets.
        """
        with explained(self.url), replacing(self.store, self.path_of(name)) as stream:
            stream.write(content)
        return f"{self.display_url.rstrip('/')}/{name}"

    def read_file(self, name: str) -> bytes | None:
        """Return the content of a file that is not a table, None if there is none."""
        path = self.path_of(name)
        if not self.store.is_remote:
            if self.filesystem.get_file_info(path).type != pa_fs.FileType.File:
                return None
            with self.filesystem.open_input_stream(path) as stream:
                return bytes(stream.read())
        content = self._content(path)
        return None if content is None else as_bytes(content)

    @contextmanager
    def _parquet(self, path: str) -> Iterator[pq.ParquetFile | None]:
        """Open a Parquet file, None if there is none."""
        if not self.store.is_remote:
            if self.filesystem.get_file_info(path).type != pa_fs.FileType.File:
                yield None
                return
            with pq.ParquetFile(path, filesystem=self.filesystem, pre_buffer=False) as file:
                yield file
            return
        content = self._content(path)
        if content is None:
            yield None
            return
        with pq.ParquetFile(content, pre_buffer=False) as file:
            yield file

    def _content(self, path: str) -> Content | None:
        if (kept := self._kept.get(path)) is not None:
            return kept
        with explained(self.url):
            return read_whole(self.filesystem, path)

    def path_of(self, name: str) -> str:
        """Return the path of a file by its name below the root."""
        return f"{self._root}/{name}"

    def files(self, folder: str = "") -> dict[str, pa_fs.FileInfo]:
        """Return every file of the lake, or of a folder in it, but drafts, by its path below the root."""
        infos = {info.path.removeprefix(f"{self._root}/"): info for info in self._below(folder)}
        return {
            name: info
            for name, info in infos.items()
            if info.is_file and not name.startswith(f"{DRAFTS}/") and not info.base_name.startswith(".")
        }

    def days_of(self, table: Table) -> set[date]:
        """Return the days of which a table has a file."""
        return {_day_of(info) for info in self._below(table.name) if info.is_file and info.base_name == FILE_NAME}

    def _below(self, folder: str) -> list[pa_fs.FileInfo]:
        selector = pa_fs.FileSelector(f"{self._root}/{folder}".rstrip("/"), recursive=True, allow_not_found=True)
        with explained(self.url):
            return list(self.filesystem.get_file_info(selector))

    def _info(self, path: str) -> pa_fs.FileInfo:
        with explained(self.url):
            return self.filesystem.get_file_info(path)

    def remove(self, table: Table, day: date) -> None:
        """Remove the file of a day. Does nothing if there is none."""
        with explained(self.url):
            self._discard(self.path(table, day))

    def remove_file(self, name: str) -> None:
        """Remove a file by its name below the root. Does nothing if there is none."""
        with explained(self.url):
            self._discard(self.path_of(name))

    def _discard(self, path: str) -> None:
        """Remove a file. Arrow would leave the mark of an empty folder, an object without the encryption of others."""
        if (s3 := self.store.s3_with_headers) is not None:
            s3.remove(path)
        else:
            discard(self.filesystem, path)

    def remove_drafts(self) -> int:
        """Remove the drafts of crashed writers in the whole lake, also those of earlier versions beside the files."""
        with explained(self.url):
            return remove_abandoned(
                self.filesystem, pa_fs.FileSelector(self._root, recursive=True, allow_not_found=True)
            )

    def remove_drafts_of(self, day: date) -> None:
        """Remove the drafts of all tables of a day, whose lock must be held: no process is writing one."""
        selector = pa_fs.FileSelector(f"{self._root}/{DRAFTS}", allow_not_found=True)
        for info in self.filesystem.get_file_info(selector):
            if info.is_file and f"+{PARTITION}={day.isoformat()}+" in info.base_name:
                self._discard(info.path)

    def set_aside(self, table: Table, day: date) -> str:
        """Move the file of a day, which cannot be parsed, out of the folder of its table; return its new name."""
        path = self.path(table, day)
        name = f"_unreadable/{path.removeprefix(f'{self._root}/').replace('/', '+')}"
        with explained(self.url):
            if self.store.encrypts:  # a copy on the server would have the key of the bucket
                self.replace_file(name, self.read_file(path.removeprefix(f"{self._root}/")) or b"")
                self._discard(path)
                return name
            prepare_folders(self.filesystem, temporary_path(self._root, name), self.path_of(name))
            self.filesystem.move(path, self.path_of(name))
        return name

    def exists(self, table: Table, day: date | None = None) -> bool:
        """Return whether there is a file."""
        return bool(self._info(self.path(table, day)).type == pa_fs.FileType.File)

    def modified_at(self, table: Table, day: date | None = None) -> datetime | None:
        """Return when the file was written; None if there is none."""
        nanoseconds = self._info(self.path(table, day)).mtime_ns
        return None if nanoseconds is None else datetime.fromtimestamp(nanoseconds / 1e9, UTC)

    def stamp(self, table: Table, day: date | None = None) -> str | None:
        """Return what identifies the content of a file: its size and the time when it was written; None without it."""
        info = self._info(self.path(table, day))
        return _stamp(info) if info.is_file else None

    def listed_stamps(self, table: Table) -> dict[date, str]:
        """Return the stamps of all files of a partitioned table, with one request for a thousand files."""
        # S3 lists milliseconds of a time and returns whole seconds for one object.
        digits = 9 if self.store.scheme == "s3" else 0
        return {
            _day_of(info): _stamp(info, digits)
            for info in self._below(table.name)
            if info.is_file and info.base_name == FILE_NAME
        }

    def touch(self, table: Table) -> None:
        """Let the file of an unpartitioned table be as recent as if it had been written again."""
        if isinstance(self.filesystem, pa_fs.LocalFileSystem):
            os.utime(self.path(table))
        elif (content := self.read_file(f"{table.name}/{FILE_NAME}")) is not None:
            self.replace_file(f"{table.name}/{FILE_NAME}", content)

    def row_count(self, table: Table, day: date | None = None) -> int:
        """Return the number of rows in the file, from its footer; 0 if there is none."""
        with self._parquet(self.path(table, day)) as file:
            return 0 if file is None else int(file.metadata.num_rows)

    def probe(self) -> None:
        """Write, replace, read, list and remove a hidden file. Raises `ConfigurationError` if one of them fails."""
        path = temporary_path(self._root, self.path_of("probe"))
        name = path.removeprefix(f"{self._root}/")
        try:
            for content in (b"can be written", b"can be replaced"):
                self.replace_file(name, content)
            if self.store.is_remote and self.read_file(name) != content:
                raise OSError("a file that was replaced has its previous content")
            self._below(DRAFTS)
            self.remove_file(name)
        except OSError as error:
            raise unusable(self.display_url, "written", error) from None

    @property
    def display_url(self) -> str:
        """The address without secrets."""
        return without_secrets(self.url)


def _day_of(info: pa_fs.FileInfo) -> date:
    return date.fromisoformat(info.path.split("/")[-2].removeprefix("call_date="))


def _stamp(info: pa_fs.FileInfo, zeroed_digits: int = 0) -> str:
    unit = 10**zeroed_digits
    return f"{info.size} {info.mtime_ns // unit * unit}"


def _stored_names(names: Sequence[str], in_file: Sequence[str]) -> dict[str, str]:
    """Map columns to their names in a file, which may be former names; without those that it does not have."""
    stored = {name: name if name in in_file else FORMER_NAMES.get(name, name) for name in names}
    return {name: own for name, own in stored.items() if own in in_file}
