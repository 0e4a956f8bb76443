"""What no column can hold: NUL and lone surrogates. Both APIs send them, so both rooms clean with this."""

from __future__ import annotations

import re

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def clean_text(text: str) -> str:
    """The text with U+FFFD in place of NUL and lone surrogates, which are neither UTF-8 nor storable in PostgreSQL."""
    return _UNSTORABLE.sub("\ufffd", text) if _UNSTORABLE.search(text) else text
