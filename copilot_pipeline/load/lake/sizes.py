"""The number and the size of the files of each table."""

from __future__ import annotations

from dataclasses import dataclass

from copilot_pipeline.load.lake.files import Lake


@dataclass(slots=True)
class TableSize:
    """Files of a table and their size in bytes."""

    files: int = 0
    bytes: int = 0


def table_sizes(lake: Lake) -> dict[str, TableSize]:
    """Return the size of each folder of the lake, from one list of all files. Raises `OSError`."""
    sizes: dict[str, TableSize] = {}
    for name, info in lake.files().items():
        folder, separator, _ = name.partition("/")
        if separator and not folder.startswith("_"):
            size = sizes.setdefault(folder, TableSize())
            size.files += 1
            size.bytes += info.size or 0
    return sizes
