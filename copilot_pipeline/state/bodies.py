"""Compression of the bodies in the state store: a week of calls is some hundred megabytes instead of gigabytes."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

_LENGTH_BYTES = 8


def pack(body: bytes) -> bytes:
    """Compress a body. The raw length, which the codec needs to decompress, comes first (8 bytes, big-endian)."""
    return len(body).to_bytes(_LENGTH_BYTES, "big") + bytes(_codec().compress(body, asbytes=True))


def unpack(packed: bytes) -> bytes:
    """Return the bytes that were packed."""
    length = int.from_bytes(packed[:_LENGTH_BYTES], "big")
    return bytes(_codec().decompress(packed[_LENGTH_BYTES:], decompressed_size=length, asbytes=True))


@cache
def _codec() -> pa.Codec:
    # Imported here: most commands read the state store without its bodies, and start without Arrow.
    import pyarrow as pa

    return pa.Codec("zstd", compression_level=1)
