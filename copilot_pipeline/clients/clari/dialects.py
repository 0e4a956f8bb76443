"""The dialects by the name that the setting has."""

from __future__ import annotations

from copilot_pipeline.clients.clari.dialect import Dialect
from copilot_pipeline.clients.clari.guide import GuideDialect
from copilot_pipeline.clients.clari.rest import RestDialect
from copilot_pipeline.errors import ConfigurationError


def dialect_named(name: str) -> Dialect:
    """Return the dialect of a setting: `rest` (the vendor's own API) or `guide`."""
    if name == "rest":
        return RestDialect()
    if name == "guide":
        return GuideDialect()
    raise ConfigurationError("clari: the dialect must be rest or guide")
