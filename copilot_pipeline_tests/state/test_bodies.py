"""Compression of bodies."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from copilot_pipeline.state.bodies import pack, unpack


@given(st.binary(max_size=5000))
def test_unpacks_the_bytes_that_were_packed(body: bytes) -> None:
    """No byte is lost or changed."""
    assert unpack(pack(body)) == body
