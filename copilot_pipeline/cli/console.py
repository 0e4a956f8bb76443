"""The console that messages are printed on."""

from __future__ import annotations

from rich.console import Console


def text_console(*, stderr: bool = False) -> Console:
    """Return a console that wraps text at words on a terminal, and not at all in files and pipes."""
    console = Console(stderr=stderr, highlight=False)
    console.soft_wrap = not console.is_terminal
    return console
