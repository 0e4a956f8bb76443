"""Reading and replacing Parquet files, on a folder or an object store.

One path is a pure function of (table, day), so a second write replaces and never adds. A file is written under a
hidden name and moved into place whole; an object store makes an object visible only when its upload ends.
The partition column is in the folder's name and in the file, as all Hive-style readers accept.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from types import TracebackType

import pyarrow as pa
import pyarrow.fs as pa_fs
import pyarrow.parquet as pq

from copilot_pipeline.errors import ConfigurationError
from copilot_pipeline.settings_sources import without_secrets
from copilot_pipeline.tables import Table

# Arrow's own allocator keeps what it freed: 50 MB more at the peak of a run, for nothing that could be measured.
pa.set_memory_pool(pa.system_memory_pool())

FILE_NAME = "part.parquet"
COMPRESSION = "zstd"


class TableWriter:
    """Writes one file; nothing is visible before `close`, and nothing ever if the block raises."""

    def __init__(self, lake: Lake, table: Table, path: str) -> None:
        self._lake = lake
        self._table = table
        self._path = path
        self._draft = lake.draft_of(path)
        self._writer: pq.ParquetWriter | None = None
        self.rows = 0

    def __enter__(self) -> TableWriter:
        self._lake.make_folder(self._path)
        self._writer = pq.ParquetWriter(
            self._draft, self._table.arrow_schema, filesystem=self._lake.filesystem, compression=COMPRESSION
        )
        return self

    def append(self, rows: pa.Table) -> None:
        """Adds rows as one row group."""
        if self._writer is None:
            raise RuntimeError("append outside of the with block")
        if rows.num_rows:
            self._writer.write_table(rows, row_group_size=max(rows.num_rows, 1))
            self.rows += rows.num_rows

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._writer is None:
            return
        if kind is not None and not self._lake.has_atomic_move:
            # Closing would publish: an object store has no draft, the upload itself is the draft.
            self._writer = None
            return
        self._writer.close()
        if kind is None:
            self._lake.publish(self._draft, self._path)
        else:
            self._lake.filesystem.delete_file(self._draft)


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
        self.has_atomic_move = isinstance(self.filesystem, pa_fs.LocalFileSystem)

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
            for group in range(file.num_row_groups):
                yield file.read_row_group(group, columns=columns, use_threads=False)

    def exists(self, table: Table, day: date | None = None) -> bool:
        """Whether there is a file."""
        return bool(self.filesystem.get_file_info(self.path(table, day)).type == pa_fs.FileType.File)

    def row_count(self, table: Table, day: date | None = None) -> int:
        """Rows in the file, from its footer; 0 where there is none."""
        if not self.exists(table, day):
            return 0
        with pq.ParquetFile(self.path(table, day), filesystem=self.filesystem) as file:
            return int(file.metadata.num_rows)

    def delete(self, table: Table, day: date | None = None) -> None:
        """Removes the file of a table and day, and the day's folder."""
        path = self.path(table, day)
        self.filesystem.delete_file(path)
        if day is not None:
            self.filesystem.delete_dir(path.rpartition("/")[0])

    def draft_of(self, path: str) -> str:
        """A hidden name beside the file: readers skip names that begin with a dot or an underscore."""
        if not self.has_atomic_move:
            return path
        folder, _, name = path.rpartition("/")
        return f"{folder}/.{name}.{os.getpid()}.{uuid.uuid4().hex[:8]}"

    def make_folder(self, path: str) -> None:
        """Makes the folder of a path, and clears drafts of processes that died in it."""
        if not self.has_atomic_move:
            return
        folder = Path(path).parent
        folder.mkdir(parents=True, exist_ok=True)
        for draft in folder.glob(f".{FILE_NAME}.*"):
            if not _is_alive(draft.name):
                draft.unlink(missing_ok=True)

    def publish(self, draft: str, path: str) -> None:
        """Makes a draft the file, at once."""
        if draft != path:
            Path(draft).replace(path)


def _is_alive(draft_name: str) -> bool:
    """Whether the process that began a draft, whose id is in the draft's name, still runs on this machine."""
    try:
        os.kill(int(draft_name.split(".")[3]), 0)
    except (ValueError, IndexError, ProcessLookupError):
        return False
    except PermissionError:
        return True
    return True
