"""Clari Copilot: one client, two dialects of its API, one record out of both.

Everything past this package works on records; the dialect is a setting, never a guess from a failing answer.
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
    """The dialect a setting names: `rest` (the vendor's own API) or `guide`."""
    if name == "rest":
        return RestDialect()
    if name == "guide":
        return GuideDialect()
    raise ConfigurationError("clari: the dialect must be rest or guide")
