"""Tables as places: search and erase in every column of text of a table of PostgreSQL.

The columns are those of the database, so that a new column is searched without being listed. Rows are addressed by
`ctid`, in the transaction that has locked them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from copilot_pipeline.postgres.connections import Connection
from copilot_pipeline.postgres.queries import load_queries
from copilot_pipeline.postgres.rows import fetch_all, fetch_value
from copilot_pipeline.privacy.cells import Form, masked, texts_of
from copilot_pipeline.privacy.matching import Matcher

_SQL = load_queries(__package__, "table_places.sql")
_FORMS = {"text": Form.TEXT, "varchar": Form.TEXT, "_text": Form.TEXTS, "jsonb": Form.JSON}
_AS_TEXT = {Form.TEXT: "{}", Form.JSON: "{}::text", Form.TEXTS: "array_to_string({}, E'\\n')"}
_ROW = "erasure_row"
_BATCH = 500
_CLEARS_STATISTICS = 180_000  # the version of PostgreSQL from which statistics of an empty table can be removed


@dataclass(frozen=True, slots=True)
class _Column:
    name: str
    type: str


@dataclass(frozen=True, slots=True)
class TableHit:
    """A row that has the person or a call: the columns that do, and what they have."""

    row: str
    values: Mapping[str, Any]
    kinds: Counter[str]
    is_of_call: bool  # by a column of ids


@dataclass(frozen=True, slots=True)
class TablePlace:
    """A table. `calls` are the columns with ids of calls or of Semarize's runs: a row of an erased call is deleted.

    With `names_calls` a row whose text names an erased call is deleted as well; in the others the text is replaced.
    `forms` are those of columns of bytes.
    """

    schema: str
    table: str
    calls: tuple[str, ...] = ()
    forms: Mapping[str, Form] = field(default_factory=dict)
    names_calls: bool = False

    @property
    def name(self) -> str:
        """Its name in lists."""
        return f"{self.schema}.{self.table}"

    @property
    def identifier(self) -> sql.Identifier:
        """Its quoted name."""
        return sql.Identifier(self.schema, self.table)

    def forms_in(self, connection: Connection) -> dict[str, Form]:
        """Return the columns that may hold text, with their forms. Empty if there is no such table."""
        columns = fetch_all(connection, _Column, _SQL["columns"], {"schema": self.schema, "table": self.table})
        found = {column.name: self.forms.get(column.name) or _FORMS.get(column.type) for column in columns}
        return {name: form for name, form in found.items() if form is not None}

    def search(self, connection: Connection, matcher: Matcher, *, lock: bool = False) -> Iterator[TableHit]:
        """Yield the rows that have the person or a call; with `lock`, none changes before the transaction ends."""
        forms = self.forms_in(connection)
        if not forms:
            return
        with connection.transaction(), connection.cursor("erasure", row_factory=dict_row) as cursor:
            cursor.itersize = _BATCH
            statement = self._select(forms, matcher) + sql.SQL(" FOR UPDATE" if lock else "")
            cursor.execute(statement, self._parameters(matcher))
            for row in cursor:
                if hit := self._hit(forms, row, matcher):
                    yield hit

    def erase(self, connection: Connection, matcher: Matcher, *, deep: Matcher | None = None) -> int:
        """Delete the rows of erased calls and mask the person in the others; return the number of rows changed.

        `connection` is in a transaction. `deep` also has what was said, for rows whose text names an erased call.
        """
        forms = self.forms_in(connection)
        if not forms:
            return 0
        changed = 0
        for hit in list(self.search(connection, matcher, lock=True)):
            if hit.is_of_call or (self.names_calls and hit.kinds["call"]):
                self._delete(connection, hit)
            else:
                self._mask(connection, forms, hit, deep if deep is not None and hit.kinds["call"] else matcher)
            changed += 1
        return changed

    def _select(self, forms: Mapping[str, Form], matcher: Matcher) -> sql.Composed:
        columns = sql.SQL(", ").join(
            sql.SQL("{0}::text AS {0}").format(sql.Identifier(name))
            if form in (Form.TEXT, Form.JSON)
            else sql.Identifier(name)
            for name, form in forms.items()
        )
        statement = sql.SQL("SELECT ctid::text AS {row}, {columns} FROM {table}").format(
            row=sql.Identifier(_ROW), columns=columns, table=self.identifier
        )
        conditions = self._conditions(forms, matcher)
        if conditions is None:
            return statement
        return statement + sql.SQL(" WHERE ") + sql.SQL(" OR ").join(conditions)

    def _conditions(self, forms: Mapping[str, Form], matcher: Matcher) -> list[sql.Composed] | None:
        """Return what PostgreSQL compares, so that not every row is read; None if every row must be."""
        if matcher.has_unbounded_ids:
            return None
        conditions = [
            sql.SQL("{} IS NOT NULL").format(sql.Identifier(name))
            for name, form in forms.items()
            if form in (Form.BYTES, Form.PACKED, Form.ZLIB)
        ]
        for name in self.calls if matcher.ids else ():
            template = "{} && %(ids)s::text[]" if forms.get(name) is Form.TEXTS else "{} = ANY(%(ids)s)"
            conditions.append(sql.SQL(template).format(sql.Identifier(name)))
        texts = [
            sql.SQL(_AS_TEXT[form]).format(sql.Identifier(name))
            for name, form in forms.items()
            if form in _AS_TEXT and name not in self.calls
        ]
        if texts and matcher.coarse_pattern() is not None:  # one comparison per row, not one per column
            template = "concat_ws(E'\\n', {}) ~* %(pattern)s"
            conditions.append(sql.SQL(template).format(sql.SQL(", ").join(texts)))
        return conditions or [sql.SQL("false").format()]

    @staticmethod
    def _parameters(matcher: Matcher) -> dict[str, Any]:
        return {"ids": sorted(matcher.ids), "pattern": matcher.coarse_pattern()}

    def _hit(self, forms: Mapping[str, Form], row: dict[str, Any], matcher: Matcher) -> TableHit | None:
        kinds: Counter[str] = Counter()
        for name, form in forms.items():
            if name not in self.calls:
                kinds.update(kind for text in texts_of(form, row[name]) for kind in matcher.kinds_in(text))
        is_of_call = any(matcher.has_call(text) for name in self.calls for text in texts_of(forms[name], row[name]))
        if not kinds and not is_of_call:
            return None
        place = row.pop(_ROW)
        return TableHit(place, row, kinds, is_of_call)

    def _delete(self, connection: Connection, hit: TableHit) -> None:
        connection.execute(
            sql.SQL("DELETE FROM {} WHERE ctid = %(row)s::tid").format(self.identifier), {"row": hit.row}
        )

    def _mask(self, connection: Connection, forms: Mapping[str, Form], hit: TableHit, matcher: Matcher) -> None:
        changes = {name: masked(form, hit.values[name], matcher) for name, form in forms.items()}
        changes = {name: value for name, value in changes.items() if value is not hit.values[name]}
        if not changes:
            return
        assignments = sql.SQL(", ").join(
            sql.SQL("{} = {}" + ("::jsonb" if self._is_jsonb(forms, name) else "")).format(
                sql.Identifier(name), sql.Placeholder(name)
            )
            for name in changes
        )
        statement = sql.SQL("UPDATE {table} SET {changes} WHERE ctid = {row}::tid").format(
            table=self.identifier, changes=assignments, row=sql.Placeholder(_ROW)
        )
        try:
            with connection.transaction():
                connection.execute(statement, {**changes, _ROW: hit.row})
        except psycopg.errors.UniqueViolation:  # two addresses of the person have become one
            self._delete(connection, hit)

    @staticmethod
    def _is_jsonb(forms: Mapping[str, Form], name: str) -> bool:
        return forms[name] is Form.JSON


def vacuum(connection: Connection, places: Sequence[TablePlace], *, full: bool) -> None:
    """Let PostgreSQL reuse the space of deleted rows; with `full`, write the tables again without it.

    The planner's statistics, which quote frequent values, are computed again.
    """
    _maintain(connection, places, "VACUUM (FULL, ANALYZE)" if full else "VACUUM (ANALYZE)")


def renew_statistics(connection: Connection, places: Sequence[TablePlace]) -> None:
    """Compute the planner's statistics again, which quote values of rows that may be deleted."""
    _maintain(connection, places, "ANALYZE")


def _maintain(connection: Connection, places: Sequence[TablePlace], command: str) -> None:
    clears = connection.info.server_version >= _CLEARS_STATISTICS
    for place in places:
        if place.forms_in(connection):
            connection.execute(sql.SQL(command + " {}").format(place.identifier))
            is_empty = sql.SQL("SELECT NOT EXISTS (SELECT FROM {})").format(place.identifier)
            if clears and fetch_value(connection, is_empty.as_string(connection)):
                connection.execute(_SQL["clear_statistics"], {"schema": place.schema, "table": place.table})
