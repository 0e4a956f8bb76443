"""Read objects whole, so that one that is replaced meanwhile is read in its old or its new state.

Reading a Parquet file in place takes a request for the footer and more for each row group, and these may see different
objects. One request sees one.
"""

from __future__ import annotations

import tempfile
import time
from typing import IO, TypeAlias

import pyarrow as pa
import pyarrow.fs as pa_fs

from copilot_pipeline.errors import TemporaryFailure

_ATTEMPTS = 20
_PAUSE_SECONDS = 0.05
_PARQUET = ".parquet"
_MAGIC = b"PAR1"  # the first and last bytes of a Parquet file
# Larger objects are read piece by piece into an unnamed temporary file.
BYTES_IN_MEMORY = 64 << 20
_PIECE_BYTES = 16 << 20

Content: TypeAlias = pa.Buffer | IO[bytes]


def read_whole(filesystem: pa_fs.FileSystem, path: str) -> Content | None:
    """Return the content of an object, None if there is none. Raises `OSError`.

    A Parquet file that is incomplete in every attempt, although the object is unchanged, is returned as it is. One
    attempt is not enough: an object that is replaced by a longer one and back looks unchanged.
    """
    for attempt in range(_ATTEMPTS):
        try:
            file = filesystem.open_input_file(path)
        except FileNotFoundError:
            return None
        with file:
            try:
                version = _version(file)
                content = _in_memory(file) if file.size() <= BYTES_IN_MEMORY else _copied(file)
            except (FileNotFoundError, ValueError):
                # Google Cloud Storage: this generation was replaced. The library closes the file then.
                time.sleep(_PAUSE_SECONDS)
                continue
        if _is_parquet(content):
            return content
        may_be_incomplete = isinstance(content, pa.Buffer) and path.endswith(_PARQUET) and attempt < _ATTEMPTS - 1
        if not may_be_incomplete and _is_unchanged(filesystem, path, version):
            return content
        time.sleep(_PAUSE_SECONDS)
    raise TemporaryFailure(f"{path} was replaced during each of {_ATTEMPTS} attempts to read it: run the command again")


def _version(file: pa.NativeFile) -> dict[bytes, bytes]:
    return {**(file.metadata() or {}), b"size": str(file.size()).encode()}


def _is_unchanged(filesystem: pa_fs.FileSystem, path: str, version: dict[bytes, bytes]) -> bool:
    try:
        with filesystem.open_input_file(path) as file:
            return bool(_version(file) == version)
    except FileNotFoundError:
        return False


def _in_memory(file: pa.NativeFile) -> pa.Buffer:
    """Read into zeros: if the object became shorter, the library leaves the rest of its own buffer as it was."""
    content = bytearray(file.size())
    file.readinto(content)
    return pa.py_buffer(content)


def _copied(file: pa.NativeFile) -> IO[bytes]:
    copy = tempfile.TemporaryFile()  # noqa: SIM115
    while piece := file.read(_PIECE_BYTES):
        copy.write(piece)
    copy.seek(0)
    return copy


def _is_parquet(content: Content) -> bool:
    """Whether it begins and ends as a Parquet file; a part of one does not."""
    if isinstance(content, pa.Buffer):
        ends = content[: len(_MAGIC)], content[-len(_MAGIC) :]
        return content.size >= 2 * len(_MAGIC) and all(end.to_pybytes() == _MAGIC for end in ends)
    return False  # its pieces may be of different objects


def as_bytes(content: Content) -> bytes:
    """Return the content in memory."""
    return bytes(content.to_pybytes()) if isinstance(content, pa.Buffer) else content.read()
