"""How a step tells whoever waits how far it is. A bar in the terminal, a line in the log, or nothing."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Hears of progress. Must be cheap: it is called for each call."""

    def expect(self, step: str, items: int) -> None:
        """`items` more items of a step are to be done."""

    def advance(self, step: str, items: int = 1) -> None:
        """`items` of a step are done."""

    def note(self, text: str) -> None:
        """Something a person should read. Never a secret or a spoken word."""


class NoProgress:
    """Nobody waits."""

    def expect(self, step: str, items: int) -> None:
        """Ignored."""

    def advance(self, step: str, items: int = 1) -> None:
        """Ignored."""

    def note(self, text: str) -> None:
        """Ignored."""
