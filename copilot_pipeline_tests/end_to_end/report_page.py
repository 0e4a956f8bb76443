"""A page of the report as a test reads it, the rows that its figures are computed from, and how it writes numbers."""

from __future__ import annotations

import base64
import html
import re
from collections.abc import Iterator
from datetime import date, timedelta
from html.parser import HTMLParser
from typing import Any

import pandas as pd
import psycopg
from psycopg.rows import dict_row
from statsmodels.stats.proportion import proportion_confint

from copilot_pipeline.postgres.queries import load_queries

WEEKS = 12
_SQL = load_queries(__package__, "report_figures.sql")
_BLANKS = re.compile(r"\s+")
_TEXT, _TAG = re.compile(r"<text[^>]*>(.*?)</text>", re.DOTALL), re.compile(r"<[^>]+>")
_SVG = "data:image/svg+xml;base64,"
Rows = list[dict[str, Any]]
Compared = Iterator[tuple[str, object, object]]


class Page(HTMLParser):
    """The text of a page, and its tables and the labels of its charts by the text that describes them."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tables: dict[str, list[list[str]]] = {}
        self.tiles: dict[str, list[str]] = {}
        self.charts: dict[str, list[str]] = {}
        self._drawings: dict[str, str] = {}
        self.words: list[str] = []
        self._rows: list[list[str]] = []
        self._cell: list[str] | None = None
        self._part = ""
        self.feed(page)
        self.text = _BLANKS.sub(" ", "".join(self.words))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Begin a table, a row or a cell; words of different elements are apart."""
        values = dict(attrs)
        self._part = values.get("class") or ""
        if label := values.get("aria-label"):
            self._rows = self.tables.setdefault(label, [])
        if tag == "img" and (source := values.get("src") or "").startswith(_SVG):
            drawing = base64.b64decode(source.removeprefix(_SVG)).decode()
            self._drawings[values.get("alt") or ""] = drawing
            self.charts[values.get("alt") or ""] = _labels(drawing)
        if tag == "tr":
            self._rows.append([])
        elif tag in ("td", "th"):
            self._cell = []
        elif tag in ("br", "li", "p", "div", "h3", "blockquote"):
            self.handle_data(" ")

    def handle_endtag(self, tag: str) -> None:
        """End a cell."""
        if tag in ("td", "th") and self._cell is not None:
            self._rows[-1].append(_BLANKS.sub(" ", "".join(self._cell)).strip())
            self._cell = None
        self._part = ""

    def handle_data(self, data: str) -> None:
        """Keep the text."""
        self.words.append(data)
        if self._cell is not None:
            self._cell.append(data)
        elif self._part == "label":
            self._tile = self.tiles.setdefault(data, [])
        elif self._part in ("number", "detail"):
            self._tile.append(_BLANKS.sub(" ", data))

    def drawing(self, chart: str) -> str:
        """The SVG of the chart whose text begins so; empty without it."""
        return next((drawing for name, drawing in self._drawings.items() if name.startswith(chart)), "")

    def rows(self, table: str) -> list[list[str]]:
        """The rows of a table without its heading."""
        return self.tables.get(table, [[]])[1:]


def _labels(svg: str) -> list[str]:
    """The texts of a chart."""
    return [_BLANKS.sub(" ", html.unescape(_TAG.sub("", text))).strip() for text in _TEXT.findall(svg)]


class Figures:
    """What the tables say about the weeks up to one."""

    def __init__(self, database_url: str, week: date) -> None:
        self.week = week
        self._values = {"week": week, "first": week - timedelta(days=7 * (WEEKS - 1))}
        self._connection = psycopg.connect(database_url)
        self._connection.execute(_SQL["views"].replace("%%", "%"))

    def rows(self, query: str) -> Rows:
        """The rows of a query by column."""
        return self._connection.cursor(row_factory=dict_row).execute(_SQL[query], self._values).fetchall()

    def frame(self, query: str) -> pd.DataFrame:
        """The same as a frame."""
        return pd.DataFrame(self.rows(query))

    def drivers(self) -> Rows:
        """The confirmed conditions, of two that are complements the one without "not"."""
        rows = self.rows("drivers")
        affirmed = {one["condition"] for one in rows}
        return [one for one in rows if one["condition"].removeprefix("not ") not in affirmed - {one["condition"]}]

    def close(self) -> None:
        """End the session."""
        self._connection.close()


def row_of(rows: list[list[str]], name: str) -> list[str]:
    return next((row for row in rows if row[0] == name), [])


def count_of(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def percent(count: float, n: float) -> str:
    return f"{count / n * 100:.0f} %"


def counted(count: int, n: int) -> str:
    return f"{count} of {n} ({percent(count, n)})"


def with_share(count: int, n: int) -> str:
    return f"{count} ({percent(count, n)})" if n else f"{count}"


def interval_text(count: int, n: int) -> str:
    low, high = proportion_confint(count, n, method="wilson")
    return f"{100 * low:.0f} % to {100 * high:.0f} %"


def share_and_interval(count: int, n: int) -> str:
    low, high = proportion_confint(count, n, method="wilson")
    return f"{counted(count, n)}, {100 * low:.0f} to {100 * high:.0f} %"


def covered_text(count: int, n: int) -> str:
    low, high = proportion_confint(count, n, method="wilson")
    return f"{with_share(count, n)}, {100 * low:.0f} to {100 * high:.0f} %"


def other_n(n: int, of: int) -> str:
    return f" (n {n})" if n != of else ""


def clock_text(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02}"


def day_text(day: date) -> str:
    return f"{day.day} {day:%b %Y}"
