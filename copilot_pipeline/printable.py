"""Text of others on a terminal: characters that change the terminal, or the order of the text around them."""

from __future__ import annotations

import re
from typing import Final

# C0 but tab and line feed, DEL and C1 (escape sequences start with ESC or CSI); marks that reverse, hide or break text:
# bidirectional controls and overrides, zero-width space, line separators, byte-order marks, annotations, tags.
_ACTIVE: Final = (
    "\x00-\x08\x0b-\x1f\x7f-\x9f"
    "\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\U000e0000-\U000e007f"
)
_ACTIVE_CHARACTER: Final = re.compile(f"[{_ACTIVE}]")


def printable(text: str) -> str:
    """Replace each active character by U+FFFD, so that offsets stay. Line feeds and tabs are kept."""
    return _ACTIVE_CHARACTER.sub("\ufffd", text)


def printable_json(document: str) -> str:
    r"""Write each active character of a JSON document as `\uXXXX`, which means the same."""
    return _ACTIVE_CHARACTER.sub(_escaped, document)


def clock(seconds: float) -> str:
    """Return a place in a recording: `2:05`, or `1:02:05` after the first hour."""
    minutes, second = divmod(int(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"


def _escaped(match: re.Match[str]) -> str:
    code = ord(match[0])
    if match[0] == "\r":  # white space of the document: in a string it is already escaped
        return " "
    if code < 0x10000:
        return f"\\u{code:04x}"
    high, low = divmod(code - 0x10000, 0x400)
    return f"\\u{0xD800 + high:04x}\\u{0xDC00 + low:04x}"
