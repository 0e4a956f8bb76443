"""Print the rows of a query as a table, CSV or JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from copilot_pipeline.cli.console import PrintableConsole
from copilot_pipeline.printable import printable
from copilot_pipeline.spreadsheets import without_formula

_NULL = Text("null", style="dim")

Row = Sequence[Any]


def print_table(console: Console, names: Sequence[str], rows: Iterable[Row]) -> None:
    """Print a table as wide as the terminal, or as wide as its content if the output is not a terminal."""
    table = Table()
    for name in names:
        table.add_column(Text(printable(name)), overflow="fold")
    for row in rows:
        table.add_row(*(_NULL if value is None else Text(printable(_plain(value))) for value in row))
    if console.is_terminal:
        console.print(table)
        return
    unlimited = console.options.update(width=1_000_000)
    PrintableConsole(file=console.file, width=Measurement.get(console, unlimited, table).maximum).print(table)


def csv_lines(names: Sequence[str], rows: Iterable[Row], *, raw: bool = False) -> Iterator[str]:
    """Yield CSV lines with a header. Text is always quoted and null is empty, as in PostgreSQL's COPY.

    Unless `raw`, a text that a spreadsheet would evaluate as a formula begins with an apostrophe. Numbers stay numbers.
    """
    yield ",".join(_quoted(name if raw else without_formula(name)) for name in names)
    for row in rows:
        yield ",".join(_csv(value, raw) for value in row)


def as_json(names: Sequence[str], rows: Iterable[Row]) -> str:
    """Return a JSON array of objects. Repeated column names are numbered: `count`, `count_2`."""
    keys: list[str] = []
    for name in names:
        earlier = sum(1 for other in names[: len(keys)] if other == name)
        keys.append(f"{name}_{earlier + 1}" if earlier else name)
    return json.dumps([dict(zip(keys, map(_json, row), strict=True)) for row in rows], ensure_ascii=False)


def spreadsheet_value(value: object) -> object:
    """Return a value that `delivery.export.cell` accepts: numbers, times and booleans unchanged, others as text."""
    native_types = bool | int | float | Decimal | date
    return value if value is None or isinstance(value, native_types) else _plain(value)


def _plain(value: object) -> str:
    if isinstance(value, bytes):
        return f"\\x{value.hex()}"
    if isinstance(value, list | dict):
        return json.dumps(_json(value), ensure_ascii=False)
    if isinstance(value, bool):
        return "true" if value else "false"
    return value.isoformat(" ") if isinstance(value, datetime) else str(value)


def _csv(value: object, raw: bool) -> str:
    if value is None:
        return ""
    text = _plain(value)
    if isinstance(value, int | float | Decimal | date | time | UUID):
        return text
    return _quoted(text if raw else without_formula(text))


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def _json(value: Any) -> Any:
    """Convert a value for JSON. Values that JSON lacks (timestamps, bytes, NaN) become text."""
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
