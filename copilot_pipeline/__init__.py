"""Clari Copilot conversations, scored by Semarize, in a lake and a warehouse."""

__version__ = "0.1.0"
