"""The console that messages are printed on, and the encoding of what is printed."""

from __future__ import annotations

import os
import sys
from io import TextIOWrapper

import click
from rich.console import Console

_UTF8_MODE = "PYTHONUTF8"


def text_console(*, stderr: bool = False) -> Console:
    """Return a console that wraps text at words on a terminal, and not at all in files and pipes."""
    console = Console(stderr=stderr, highlight=False)
    console.soft_wrap = not console.is_terminal
    return console


def print_document(text: str, *, with_bom: bool = False) -> None:
    """Print JSON or CSV on standard output, always in UTF-8, because that is what reads it expects."""
    click.echo(text.encode("utf-8-sig" if with_bom else "utf-8", "surrogateescape"), nl=False)


def can_print(text: str) -> bool:
    """Return whether standard output can represent the text."""
    try:
        text.encode(sys.stdout.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def prepare_encodings() -> None:
    """Make printing never fail for a character, and restart in UTF-8 mode if the locale allows ASCII only.

    With an ASCII locale (`LC_ALL=POSIX` and UTF-8 mode switched off) neither arguments nor file names could have
    letters such as ü. Other encodings are kept, and what they lack is printed as a question mark.
    """
    if sys.getfilesystemencoding() == "ascii" and os.environ.get(_UTF8_MODE) != "1":
        sys.stdout.flush()
        os.environ[_UTF8_MODE] = "1"
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")
