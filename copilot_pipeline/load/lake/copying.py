"""Copy a lake to another place."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass

import pyarrow.fs as pa_fs
import pyarrow.parquet as pq

from copilot_pipeline.errors import ConfigurationError, PipelineError
from copilot_pipeline.load.lake.files import Lake
from copilot_pipeline.load.lake.identity import ID_FILE, accept_lake, read_id, write_id
from copilot_pipeline.load.lake.pending_files import replacing
from copilot_pipeline.load.lake.storage_errors import explained
from copilot_pipeline.postgres import Database
from copilot_pipeline.state import Installation

_CHUNK_BYTES = 16 << 20
_MAX_PASSES = 5  # files that are written meanwhile are copied again


@dataclass(slots=True)
class LakeCopy:
    """The result of a copy: files of the lake, files that were copied now, bytes of all files, rows of all tables."""

    files: int = 0
    copied: int = 0
    bytes: int = 0
    rows: int = 0


def copy_lake(
    source: Lake, target: Lake, database: Database, on_file: Callable[[int, int], None] = lambda done, total: None
) -> LakeCopy:
    """Copy the lake of this database to an empty or partly copied target, verify it, and use it from then on.

    Files that are in the target with the same size are not copied again. The target gets an id of its own, which
    replaces that of the source in the state store, so that nothing writes to the source by mistake. Raises
    `ConfigurationError` if `source` is not the lake of the database or `target` is another lake, `PipelineError` if a
    file changes again and again.
    """
    installation = Installation(database)
    _check_target(source, target, accept_lake(source, database), installation)
    result = LakeCopy()
    copied: dict[str, pa_fs.FileInfo] = {}  # as they were in the source just before they were copied
    for _ in range(_MAX_PASSES):
        files = {name: info for name, info in source.files().items() if name != ID_FILE}
        outdated = _outdated(files, {**target.files(), **copied})
        if not outdated:
            break
        for done, name in enumerate(outdated, start=1):
            copied[name] = files[name]
            _copy_file(source, target, name)
            on_file(done, len(outdated))
        result.copied += len(outdated)
    else:
        raise PipelineError("the lake is being written: stop runs and backfills, then run the same command again")
    result.files, result.bytes = len(files), sum(info.size for info in files.values())
    result.rows = _verify(source, target, files)
    with installation.locked():
        new_id = str(uuid.uuid4())
        installation.save(new_lake_id=new_id)
        write_id(target, new_id)
        installation.save(lake_id=new_id, lake_url=target.display_url, new_lake_id=None)
    return result


def _check_target(source: Lake, target: Lake, lake_id: str, installation: Installation) -> None:
    """Raise `ConfigurationError` if the target is the source or has another id."""
    other = read_id(target)
    if other is not None and other == installation.load().new_lake_id:
        other = None  # a copy that was killed just before its end
    if other is not None or source.display_url.rstrip("/") == target.display_url.rstrip("/"):
        raise ConfigurationError(
            f"the lake {target.display_url} has an id of its own ({other}): copy to an empty folder"
            if other != lake_id
            else "--from and --to are the same lake"
        )


def _outdated(files: dict[str, pa_fs.FileInfo], copied: dict[str, pa_fs.FileInfo]) -> list[str]:
    """Return the files that were not copied, were copied in another size, or were copied before the last write."""
    return sorted(
        name
        for name, info in files.items()
        if name not in copied or copied[name].size != info.size or copied[name].mtime < info.mtime
    )


def _copy_file(source: Lake, target: Lake, name: str) -> None:
    with (
        explained(source.url),
        source.filesystem.open_input_file(source.path_of(name)) as content,
        explained(target.url),
        replacing(target.store, target.path_of(name)) as stream,
    ):
        while chunk := content.read(_CHUNK_BYTES):
            stream.write(chunk)


def _verify(source: Lake, target: Lake, files: dict[str, pa_fs.FileInfo]) -> int:
    """Compare sizes and row counts of all files; return the rows. Raises `PipelineError` if they differ."""
    target_files, rows = target.files(), 0
    for name, info in files.items():
        if name not in target_files or target_files[name].size != info.size:
            raise PipelineError(f"{name} is not complete in {target.display_url}: run the same command again")
        if name.endswith(".parquet") and not name.startswith("_"):
            counts = [_row_count(lake, name) for lake in (source, target)]
            if counts[0] != counts[1]:
                raise PipelineError(f"{name} has {counts[1]} rows in the copy and {counts[0]} in the lake")
            rows += counts[0]
    return rows


def _row_count(lake: Lake, name: str) -> int:
    with pq.ParquetFile(lake.path_of(name), filesystem=lake.filesystem) as file:
        return int(file.metadata.num_rows)
