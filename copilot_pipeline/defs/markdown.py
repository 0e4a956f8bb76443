"""Markdown in metadata. The Dagster UI renders it, with links and images, on pages that may start runs.

Names of deals, accounts, calls, kits and people come from outside. They reach Markdown through `escape` only; nothing
else in the project makes Markdown metadata.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import dagster as dg

# The UI also makes links of addresses in plain text, after escapes have been resolved. A zero-width space ends them.
_ZERO_WIDTH_SPACE = "\u200b"
_LINKED = re.compile(r"(?<=:)(?=//)|(?<=www)(?=\.)|(?=@)", re.IGNORECASE)
_PUNCTUATION = re.compile(r"([!-/:-@\[-`{-~])")  # all that CommonMark allows to be escaped
_UNPRINTED = re.compile(r"[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\u202a-\u202e\u2066-\u2069\ufeff]")


def escape(text: str) -> str:
    """Return Markdown that shows a text as it is, on one line.

    Control characters and those that reverse the direction of text become U+FFFD.
    """
    line = " ".join(_UNPRINTED.sub("\ufffd", text).split())
    return _PUNCTUATION.sub(r"\\\1", _LINKED.sub(_ZERO_WIDTH_SPACE, line))


def bullet_list(lines: Iterable[str], *, if_empty: str = "none") -> dg.MarkdownMetadataValue:
    """Show plain texts as a list."""
    return dg.MetadataValue.md("\n".join(f"* {escape(line)}" for line in lines) or if_empty)


def image(markdown: str) -> dg.MarkdownMetadataValue:
    """Show a chart that the pipeline has drawn, with its bytes in the Markdown."""
    if not re.fullmatch(r"!\[[a-z_]+\]\(data:image/png;base64,[A-Za-z0-9+/=]+\)", markdown):
        raise ValueError("not an embedded image")
    return dg.MetadataValue.md(markdown)
