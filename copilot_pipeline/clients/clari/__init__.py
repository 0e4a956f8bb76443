"""Clari Copilot: one client, two dialects of its API, one record type.

Code outside this package works on records. The dialect is a setting and is never guessed from a failed request.
"""

from __future__ import annotations

from copilot_pipeline.clients.clari.client import ClariClient
from copilot_pipeline.clients.clari.dialect import (
    Capabilities,
    Dialect,
    ListPage,
    ListPosition,
    ListWindow,
    TooDeep,
    UnreadableItem,
)
from copilot_pipeline.clients.clari.guide import GuideDialect
from copilot_pipeline.clients.clari.rest import RestDialect
from copilot_pipeline.errors import ConfigurationError

__all__ = [
    "Capabilities",
    "ClariClient",
    "Dialect",
    "GuideDialect",
    "ListPage",
    "ListPosition",
    "ListWindow",
    "RestDialect",
    "TooDeep",
    "UnreadableItem",
    "dialect_named",
]


def dialect_named(name: str) -> Dialect:
    """Return the dialect of a setting: `rest` (the vendor's own API) or `guide`."""
    if name == "rest":
        return RestDialect()
    if name == "guide":
        return GuideDialect()
    raise ConfigurationError("clari: the dialect must be rest or guide")
