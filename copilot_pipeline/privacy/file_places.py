"""Files as places: what commands and Dagster wrote in the home, beside it and in the lake beside the tables.

Reports and exports are made from the tables, so one that has the person is deleted and can be made again. A log is
written again without the person. The configuration is only named, because people write it.
"""

from __future__ import annotations

import gzip
import io
import json
import zipfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pyarrow as pa
import pyarrow.fs as pa_fs
import pyarrow.parquet as pq

from copilot_pipeline.load.lake import Lake
from copilot_pipeline.load.lake.atomic_files import DRAFTS, is_abandoned
from copilot_pipeline.load.lake.identity import ID_FILE
from copilot_pipeline.privacy.matching import Matcher
from copilot_pipeline.privacy.stored_tombstones import FILE as TOMBSTONES_FILE

LOGS = frozenset({".log", ".out", ".err"})
CONFIGURATION = frozenset({".yaml", ".yml", ".toml", ".env", ".cfg", ".ini"})
_OWN_FILES = frozenset({ID_FILE, TOMBSTONES_FILE})
_TABLE_FILE = "part.parquet"


@dataclass(frozen=True, slots=True)
class FileHit:
    """A file that has the person or a call. `is_kept`: it is configuration, which is not changed."""

    path: str
    kinds: Counter[str]
    is_kept: bool = False


class FilePlace(Protocol):
    """Files in one place."""

    @property
    def name(self) -> str:
        """Its name in lists."""

    @property
    def note(self) -> str | None:
        """What could not be searched, after a search."""

    def search(self, matcher: Matcher) -> Iterator[FileHit]:
        """Yield the files that have the person or a call."""

    def erase(self, matcher: Matcher) -> int:
        """Delete them, or write logs again; return how many."""


@dataclass(frozen=True, slots=True)
class LocalFiles:
    """Files of folders of this machine, without some folders in them."""

    name: str
    folders: Sequence[Path]
    without: Sequence[Path] = ()
    note: None = None

    def search(self, matcher: Matcher) -> Iterator[FileHit]:
        """Yield the files that have the person or a call."""
        for path in self.files():
            with suppress(FileNotFoundError):
                kinds = Counter(
                    kind for text in texts_of_file(path.name, path.read_bytes()) for kind in matcher.kinds_in(text)
                )
                if kinds:
                    yield FileHit(str(path), kinds, is_kept=_is_configuration(path))

    def erase(self, matcher: Matcher) -> int:
        """Delete them, or write logs again; return how many."""
        changed = 0
        for hit in list(self.search(matcher)):
            path = Path(hit.path)
            if hit.is_kept:
                continue
            changed += 1
            if path.suffix in LOGS and not matcher.kinds_in(path.name):  # one that is named after the person is deleted
                lines = path.read_text(encoding="utf-8", errors="surrogateescape").splitlines(keepends=True)
                content = "".join(_masked_line(line, matcher) for line in lines)
                path.write_text(content, encoding="utf-8", errors="surrogateescape")
            else:
                path.unlink(missing_ok=True)
        return changed

    def files(self) -> Iterator[Path]:
        """Yield all files, each once."""
        seen: set[Path] = set()
        for folder in self.folders:
            for path in sorted(folder.rglob("*")) if folder.is_dir() else [folder]:
                if path.is_file() and path not in seen and not any(path.is_relative_to(one) for one in self.without):
                    seen.add(path)
                    yield path


@dataclass(frozen=True, slots=True)
class LakeFiles:
    """Files of the lake that are not of a table: reports, what could not be parsed, drafts of crashed writers."""

    lake: Lake
    tables: frozenset[str]
    name: str = "lake/other files"
    note: None = None

    def search(self, matcher: Matcher) -> Iterator[FileHit]:
        """Yield the files that have the person or a call, and drafts, whose content cannot be read."""
        for name in self.files():
            if name.startswith(f"{DRAFTS}/") or name.rpartition("/")[2].startswith("."):
                if not self._is_written(name):
                    yield FileHit(name, Counter(draft=1))
                continue
            content = self.lake.read_file(name) or b""
            kinds = Counter(kind for text in texts_of_file(name, content) for kind in matcher.kinds_in(text))
            if kinds:
                yield FileHit(name, kinds)

    def erase(self, matcher: Matcher) -> int:
        """Delete them; return how many."""
        self.lake.remove_drafts()
        changed = 0
        for hit in list(self.search(matcher)):
            self.lake.remove_file(hit.path)
            changed += 1
        return changed

    def files(self) -> list[str]:
        """Return the files that are not of a table, by their path below the root."""
        root = self.lake.path_of("")
        selector = pa_fs.FileSelector(root.rstrip("/"), recursive=True, allow_not_found=True)
        names = [info.path.removeprefix(root) for info in self.lake.filesystem.get_file_info(selector) if info.is_file]
        return sorted(name for name in names if not self._is_of_table(name) and name not in _OWN_FILES)

    def _is_of_table(self, name: str) -> bool:
        folder, _, file = name.rpartition("/")
        return file == _TABLE_FILE and folder.partition("/")[0] in self.tables

    def _is_written(self, name: str) -> bool:
        """Whether a living process writes the draft. It holds the lock of its day, which erasing waits for."""
        return not is_abandoned(self.lake.filesystem.get_file_info(self.lake.path_of(name)))


def texts_of_file(name: str, content: bytes) -> Iterator[str]:
    """Yield the texts of a file: unpacked, and a Parquet file row by row."""
    if content[:2] == b"\x1f\x8b":
        with suppress(OSError, EOFError):
            content = gzip.decompress(content)
    if content[:4] == b"PAR1":
        try:
            for row in pq.read_table(pa.BufferReader(content)).to_pylist():
                yield json.dumps(row, ensure_ascii=False, default=_as_text)
            return
        except (pa.ArrowException, OSError):
            pass
    if content[:4] == b"PK\x03\x04":
        with suppress(zipfile.BadZipFile), zipfile.ZipFile(io.BytesIO(content)) as archive:
            for member in archive.namelist():
                yield from texts_of_file(member, archive.read(member))
    yield name
    yield content.decode("utf-8", "surrogateescape")


def _as_text(value: object) -> str:
    return value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else str(value)


def _masked_line(line: str, matcher: Matcher) -> str:
    return "[erased]\n" if matcher.calls_in(line) or matcher.has_sentence(line) else matcher.mask(line)


def _is_configuration(path: Path) -> bool:
    return path.suffix in CONFIGURATION or path.name.startswith(".env")
