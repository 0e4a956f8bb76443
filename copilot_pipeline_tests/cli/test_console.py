"""Text of others changes neither the terminal nor the style of what is printed."""

from __future__ import annotations

import io
import json
import logging
import re
import sys
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from rich.table import Table
from rich.text import Text

from copilot_pipeline.cli import console as console_module
from copilot_pipeline.cli.console import PrintableConsole, echo, print_csv, print_json
from copilot_pipeline.cli.exit_codes import print_error
from copilot_pipeline.cli.progress_bars import ProgressBars
from copilot_pipeline.cli.query_output import print_table
from copilot_pipeline.errors import CredentialsRefused, PipelineError
from copilot_pipeline.printable import printable, printable_json
from copilot_pipeline_tests.cli.conftest import Command

ATTACKS = (
    "\x1b[2J\x1b[H",  # clears the screen
    "\x1b]0;title\x07",  # sets the window's title
    "\x1b]52;c;ZXZpbA==\x07",  # writes the clipboard
    "\x1b]8;;https://example.org\x1b\\link\x1b]8;;\x1b\\",
    "\x9b31mred\x9b0m",  # CSI as one character
    "\x9d0;title\x9c",  # OSC as one character
    "\x1bP+q544e\x1b\\",  # asks the terminal for its type, which types the answer
    "\x1bc",  # resets the terminal
    "paid\rfree",  # overwrites the line
    "abc\b\b\bxyz",
    "\u202egnp.exe",  # reverses the order
    "\u2066\u2069\u061c\u200e",
    "\U000e0041\U000e0042",  # invisible letters
    "[red]red[/red]",
    "[link=https://example.org]click[/link]",
    "[/]",  # would be an error in markup
    ":boom:",
)
CODE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
TEXTS = st.one_of(
    st.text(alphabet=st.characters(exclude_characters="\n")),
    st.lists(st.sampled_from(ATTACKS)).map("".join),
    st.text(alphabet="\x1b\x9b\x9d]0;[31mKHJ\x07\\\u202e\rP/red=", max_size=30),
)


class Terminal(io.StringIO):
    """What a terminal receives."""

    def isatty(self) -> bool:
        """Return true, so that styles are printed."""
        return True


def printed(show: Callable[[Console], None]) -> str:
    """Return what a terminal receives, with wide lines."""
    terminal = Terminal()
    show(PrintableConsole(file=terminal, width=100_000))
    return terminal.getvalue()


def _in_table(text: str) -> Callable[[Console], None]:
    def show(console: Console) -> None:
        table = Table(text, title=text)
        table.add_row(text)
        table.add_row(Text(text, "red"))
        console.print(table)

    return show


SHOWN: dict[str, Callable[[str], Callable[[Console], None]]] = {
    "message": lambda text: lambda console: console.print(text),
    "styled": lambda text: lambda console: console.print(Text.assemble((text, "bold red"), text)),
    "table": _in_table,
    "query": lambda text: lambda console: print_table(console, [text], [[text], [[text]]]),
    "note": lambda text: lambda console: ProgressBars(console).note(text),
}


@pytest.mark.parametrize("kind", SHOWN)
@given(text=TEXTS)
def test_a_terminal_gets_the_same_codes_for_any_text(kind: str, text: str) -> None:
    """Only those of our own styles; markup is printed as it is."""
    output = printed(SHOWN[kind](f"a{text}z"))
    assert set(CODE.findall(output)) == set(CODE.findall(printed(SHOWN[kind]("x"))))
    plain = CODE.sub("", output)
    assert printable(plain) == plain


@pytest.mark.parametrize("text", ["[red]red[/red]", "[link=https://example.org]click[/link]", ":boom:", "[/]"])
@pytest.mark.parametrize("kind", SHOWN)
def test_markup_is_printed_as_it_is(kind: str, text: str) -> None:
    """In titles too."""
    assert text in CODE.sub("", printed(SHOWN[kind](text)))


@given(st.text())
def test_printable_keeps_offsets_and_other_text(text: str) -> None:
    """One character for each, so that columns and spans stay."""
    shown = printable(text)
    assert len(shown) == len(text)
    assert all(new in (old, "\ufffd") for new, old in zip(shown, text, strict=True))


@pytest.mark.parametrize("text", ["Müller\t会議\n", "👩\u200d💻", "\u0645\u06cc\u200c\u062e"])
def test_printable_keeps_letters_of_every_script(text: str) -> None:
    """And emoji that are joined, and tabs and line ends."""
    assert printable(text) == text


@given(st.lists(TEXTS), st.booleans())
def test_json_means_the_same(values: list[str], ensure_ascii: bool) -> None:
    """Escapes instead of characters."""
    document = printable_json(json.dumps(values, ensure_ascii=ensure_ascii, indent=2))
    assert json.loads(document) == values
    assert printable(document) == document


@pytest.mark.parametrize("attack", ATTACKS)
def test_errors_warnings_and_logs_have_no_codes(attack: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The texts of servers are part of them."""
    print_error(CredentialsRefused(f"Semarize: GET /{attack}: 401"))
    echo(f"warning: {attack}", err=True)
    console_module.prepare_terminal()
    try:
        sys.excepthook(ValueError, ValueError(attack), None)
    finally:
        sys.excepthook = sys.__excepthook__
    logging.Logger("other").warning(attack)  # without a handler: the last resort
    captured = capsys.readouterr()
    assert printable(captured.err) == captured.err
    assert captured.err.count("\n") >= 4
    assert printable(str(PipelineError(attack))) == str(PipelineError(attack))


@pytest.mark.parametrize(
    "arguments", [["\x9b31mrun"], ["run", "--\x1b]0;x\x07"], ["run", "--from", "\x9b2J", "--to", "1"]]
)
def test_wrong_usage_has_no_codes(command: Command, arguments: list[str]) -> None:
    """An argument may come from a file name or a web page."""
    result = command(*arguments)
    assert result.code == 2
    assert "Error: " in result.err
    assert printable(result.err) == result.err


def test_csv_is_printable_on_a_terminal_only(
    monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    """A file gets the values as they are."""
    print_csv("\x1b[31m,ü\r\n")
    assert capfdbinary.readouterr().out == "\x1b[31m,ü\r\n".encode()
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    print_csv("\x1b[31m,ü\r\n")
    assert capfdbinary.readouterr().out == "\ufffd[31m,ü\n".encode()
    print_json('["\x7f"]')
    assert capfdbinary.readouterr().out == b'["\\u007f"]\n'
