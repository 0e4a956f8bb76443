"""Rows of a query, for people and for programs."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

# What a terminal takes for a command stands in the data as text: transcripts and titles come from outside.
_COMMANDS_TO_THE_TERMINAL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_NULL = Text("null", style="dim")

Row = Sequence[Any]


def print_table(console: Console, names: Sequence[str], rows: Iterable[Row]) -> None:
    """A table: as wide as the terminal, or, where the output goes elsewhere, as wide as its content. Null is dim."""
    table = Table()
    for name in names:
        table.add_column(Text(_harmless(name)))
    for row in rows:
        table.add_row(*(_NULL if value is None else Text(_harmless(_plain(value))) for value in row))
    if console.is_terminal:
        console.print(table)
        return
    unlimited = console.options.update(width=1_000_000)
    Console(file=console.file, width=Measurement.get(console, unlimited, table).maximum).print(table)


def csv_lines(names: Sequence[str], rows: Iterable[Row]) -> Iterator[str]:
    """CSV with a header. Texts are always quoted, null is empty: the two stay apart, as in PostgreSQL's own CSV."""
    yield ",".join(_quoted(name) for name in names)
    for row in rows:
        yield ",".join(_csv(value) for value in row)


def as_json(names: Sequence[str], rows: Iterable[Row]) -> str:
    """A JSON array, an object a row. A column name that comes again gets a number: `count`, `count_2`."""
    keys: list[str] = []
    for name in names:
        again = sum(1 for other in names[: len(keys)] if other == name)
        keys.append(f"{name}_{again + 1}" if again else name)
    return json.dumps([dict(zip(keys, map(_json, row), strict=True)) for row in rows], ensure_ascii=False)


def _harmless(text: str) -> str:
    return _COMMANDS_TO_THE_TERMINAL.sub("\ufffd", text)


def _plain(value: object) -> str:
    if isinstance(value, bytes):
        return f"\\x{value.hex()}"
    if isinstance(value, list | dict):
        return json.dumps(_json(value), ensure_ascii=False)
    if isinstance(value, bool):
        return "true" if value else "false"
    return value.isoformat(" ") if isinstance(value, datetime) else str(value)


def _csv(value: object) -> str:
    if value is None:
        return ""
    text = _plain(value)
    return text if isinstance(value, int | float | Decimal | date | time | UUID) else _quoted(text)


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def _json(value: Any) -> Any:
    """The value as JSON has it; what JSON lacks (instants, bytes, NaN) as text."""
    if isinstance(value, dict):
        return {str(key): _json(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_json(inner) for inner in value]
    if isinstance(value, Decimal) and value.is_finite():
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, date | datetime | time):
        return value.isoformat()
    return value.total_seconds() if isinstance(value, timedelta) else _plain(value)
