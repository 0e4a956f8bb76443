"""Compression of the bodies in the state store: a week of calls is some hundred megabytes instead of gigabytes."""

from __future__ import annotations

import pyarrow as pa

_CODEC = pa.Codec("zstd", compression_level=1)
_LENGTH_BYTES = 8


def pack(body: bytes) -> bytes:
    """Compress a body. The raw length, which the codec needs to decompress, comes first (8 bytes, big-endian)."""
    return len(body).to_bytes(_LENGTH_BYTES, "big") + bytes(_CODEC.compress(body, asbytes=True))


def unpack(packed: bytes) -> bytes:
    """Return the bytes that were packed."""
    length = int.from_bytes(packed[:_LENGTH_BYTES], "big")
    return bytes(_CODEC.decompress(packed[_LENGTH_BYTES:], decompressed_size=length, asbytes=True))
