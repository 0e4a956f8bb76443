"""Progress of a step: a bar in the terminal, a line in the log, or nothing."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Receives progress. Must be cheap, because it is called for each call."""

    def expect(self, step: str, items: int) -> None:
        """Add items to the total of a step."""

    def advance(self, step: str, items: int = 1) -> None:
        """Count items of a step as done."""

    def note(self, text: str) -> None:
        """Show a message. It never contains a secret or text from a call."""

    def log(self, line: str) -> None:
        """Write a line about a day to the log, if there is no terminal that shows the progress."""


class NoProgress:
    """Discards all progress."""

    def expect(self, step: str, items: int) -> None:
        """Do nothing."""

    def advance(self, step: str, items: int = 1) -> None:
        """Do nothing."""

    def note(self, text: str) -> None:
        """Do nothing."""

    def log(self, line: str) -> None:
        """Do nothing."""
