"""Everything that the commands print: the encoding, and no control codes and no markup of others.

Titles, names, ids and error texts come from outside. The functions of this module are the only ways to print; each
removes what would change the reader's terminal, and none reads `[red]` or `[link=…]` as markup.
"""

from __future__ import annotations

import logging
import os
import sys
import traceback
from collections.abc import Iterable
from io import TextIOWrapper
from types import TracebackType
from typing import IO, TYPE_CHECKING

import click
from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

from copilot_pipeline.logs import TextFormatter, stderr_handler
from copilot_pipeline.printable import printable, printable_json

if TYPE_CHECKING:
    from copilot_pipeline.config.environment import Environment

_UTF8_MODE = "PYTHONUTF8"


class PrintableConsole(Console):
    """A console for text of others: control codes are replaced, and markup and emoji codes are printed as they are."""

    def __init__(self, *, stderr: bool = False, file: IO[str] | None = None, width: int | None = None) -> None:
        super().__init__(stderr=stderr, file=file, width=width, markup=False, emoji=False, highlight=False)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Render, with control codes only where they are the console's own: styles, bars, the cursor."""
        if isinstance(renderable, str):
            renderable = printable(renderable)
        elif isinstance(renderable, Text) and printable(renderable.plain) != renderable.plain:
            renderable = renderable.copy()
            renderable.plain = printable(renderable.plain)
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(printable(segment.text), segment.style)


def text_console(*, stderr: bool = False) -> Console:
    """Return a console that wraps text at words on a terminal, and not at all in files and pipes."""
    console = PrintableConsole(stderr=stderr)
    console.soft_wrap = not console.is_terminal
    return console


def echo(text: str, *, err: bool = False, nl: bool = True) -> None:
    """Print a text without wrapping it."""
    click.echo(printable(text), err=err, nl=nl)


def confirm(question: str) -> None:
    """Ask a question on standard error, and abort unless the answer is yes."""
    click.confirm(printable(question), abort=True, err=True)


def print_json(document: str) -> None:
    """Print a JSON document on standard output, always in UTF-8, because that is what reads it expects."""
    click.echo(printable_json(document).encode("utf-8", "surrogateescape"))


def print_csv(text: str, *, with_bom: bool = False) -> None:
    """Print CSV on standard output, in UTF-8. A file or a pipe gets the values unchanged, a terminal printable ones."""
    if sys.stdout.isatty():
        text, with_bom = printable(text.replace("\r\n", "\n")), False
    click.echo(text.encode("utf-8-sig" if with_bom else "utf-8", "surrogateescape"), nl=False)


def log_to_standard_error(environment: Environment) -> None:
    """Write the log on standard error: warnings of the libraries, and of the pipeline from the configured level."""
    handler = stderr_handler(environment.copilot_pipeline_log_format)
    logging.basicConfig(handlers=[handler], level=logging.WARNING)
    logging.getLogger("copilot_pipeline").setLevel(environment.copilot_pipeline_log_level.upper())


def _print_traceback(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    echo("".join(traceback.format_exception(kind, error, trace)), err=True, nl=False)


def prepare_terminal() -> None:
    """Replace control codes in what Python itself prints: tracebacks, and warnings where no log is configured."""
    sys.excepthook = _print_traceback
    if logging.lastResort is not None:
        logging.lastResort.setFormatter(TextFormatter("%(message)s"))


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
