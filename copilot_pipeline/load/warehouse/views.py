"""One wide view per kit: one row per call, one typed column per brick."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import psycopg
from psycopg import sql
from psycopg.rows import class_row, scalar_row

from copilot_pipeline.errors import PipelineError
from copilot_pipeline.load.tables.model import CALL_DATE, CALL_ID
from copilot_pipeline.load.warehouse.statements import SCHEMA
from copilot_pipeline.postgres import Database
from copilot_pipeline.postgres.connections import Connection
from copilot_pipeline.postgres.queries import load_queries

_SQL = load_queries(__package__, "views.sql")
_LOCK = 7_203_114_003
_MAX_NAME_BYTES = 63  # the limit of PostgreSQL
_RESERVED_NAMES = ("call_id", "call_date", "kit_version_id")
# By value kind. A brick with values of several kinds is shown as JSON, so that no value is cast or lost.
_VALUES = {
    "bool": sql.SQL("bool_or(s.value_bool) FILTER (WHERE s.brick = {brick})"),
    "num": sql.SQL("max(s.value_num) FILTER (WHERE s.brick = {brick})"),
    "text": sql.SQL("max(s.value_text) FILTER (WHERE s.brick = {brick})"),
}
_JSON_VALUE = sql.SQL(
    "(array_agg(coalesce(to_jsonb(s.value_bool), to_jsonb(s.value_num), to_jsonb(s.value_text), s.value_json))"
    " FILTER (WHERE s.brick = {brick}))[1]"
)
_CREATE = sql.SQL(
    """CREATE VIEW {view} AS SELECT s.call_id, s.call_date, max(s.kit_version_id) AS kit_version_id{bricks}
    FROM copilot.semarize_scores s WHERE s.kit = {kit} GROUP BY s.call_id, s.call_date"""
)


# Too many columns, or two of the same name; no loss of a connection, although some are subclasses of OperationalError.
_IMPOSSIBLE = (
    psycopg.ProgrammingError,
    psycopg.errors.ProgramLimitExceeded,
    psycopg.errors.StatementTooComplex,
    psycopg.errors.TooManyColumns,
)


@dataclass(frozen=True, slots=True)
class _Brick:
    brick: str
    value_kinds: list[str]

    @property
    def column(self) -> sql.Composed:
        """The column of the view: `, <value> AS <name>`."""
        if not self.value_kinds:
            value: sql.Composable = sql.SQL("NULL::text")
        else:
            template = _VALUES.get(self.value_kinds[0], _JSON_VALUE) if len(self.value_kinds) == 1 else _JSON_VALUE
            value = template.format(brick=sql.Literal(self.brick))
        return sql.SQL(", {value} AS {name}").format(value=value, name=sql.Identifier(_column_name(self.brick)))

    @property
    def description(self) -> str:
        """The comment of the column."""
        return f"Brick {self.brick}: {' or '.join(self.value_kinds) or 'no value yet, only null'}."


def refresh_kit_views(database: Database, kits: Sequence[str]) -> None:
    """Make each view `copilot.scores_<kit>` show all bricks seen so far.

    Does nothing if it shows them already. Raises `PipelineError` if a view cannot be made; the previous one stays.
    """
    for kit in kits:
        try:
            with database.transaction() as connection:
                connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
                _refresh(connection, kit)
        except _IMPOSSIBLE as error:
            raise PipelineError(
                f"the view {SCHEMA}.scores_{kit} cannot be made and stays as it was ({type(error).__name__}): it has "
                "more bricks than a view can have columns, or two have one name. All scores are in "
                f"{SCHEMA}.semarize_scores"
            ) from None


def outdated_kit_views(database: Database, kits: Sequence[str]) -> list[str]:
    """Return the kits whose view does not show all bricks seen so far."""
    with database.connection() as connection:
        return [kit for kit in kits if not _is_current(connection, kit)]


def _is_current(connection: Connection, kit: str) -> bool:
    bricks = _bricks(connection, kit)
    view, statement = _view(kit, bricks)
    name = view.as_string(connection)
    with connection.cursor(row_factory=scalar_row) as cursor:
        has_view = cursor.execute(_SQL["comment_of_view"], {"view": name}).fetchone() is not None
        stored = cursor.execute(_SQL["fingerprint_of_view"], {"view": name}).fetchone()
    return stored == _fingerprint(connection, statement) if has_view else not bricks


def _bricks(connection: Connection, kit: str) -> list[_Brick]:
    with connection.cursor(row_factory=class_row(_Brick)) as cursor:
        return cursor.execute(_SQL["bricks_of_kit"], {"kit": kit}).fetchall()


def _view(kit: str, bricks: Sequence[_Brick]) -> tuple[sql.Identifier, sql.Composed]:
    """Return the name of a view and the statement that creates it."""
    view = sql.Identifier(SCHEMA, f"scores_{kit}")
    columns = sql.SQL("").join(brick.column for brick in bricks)
    return view, _CREATE.format(view=view, bricks=columns, kit=sql.Literal(kit))


def _refresh(connection: Connection, kit: str) -> None:
    bricks = _bricks(connection, kit)
    view, statement = _view(kit, bricks)
    fingerprint, name = _fingerprint(connection, statement), view.as_string(connection)
    comment = f"Scores of kit {kit}: one row per call, one column per brick."
    with connection.cursor(row_factory=scalar_row) as cursor:
        comment_row = cursor.execute(_SQL["comment_of_view"], {"view": name}).fetchone()
        stored = cursor.execute(_SQL["fingerprint_of_view"], {"view": name}).fetchone()
        if comment_row == comment and stored == fingerprint:
            return
        is_current = comment_row is not None and (
            stored == fingerprint  # earlier releases had the statement in the comment
            or _one_line(comment_row).endswith(_one_line(statement.as_string(connection)))
        )
        readers = [] if is_current else cursor.execute(_SQL["readers_of_view"], {"view": name}).fetchall()
    if not is_current:
        _drop(connection, view, kit)
        connection.execute(statement)
    _comment(connection, view, comment, bricks)
    connection.execute(_SQL["store_fingerprint"], {"view": name, "fingerprint": fingerprint})
    for role in readers:  # dropping the view has removed its grants
        grantee = sql.Identifier(role) if role else sql.SQL("PUBLIC")
        connection.execute(sql.SQL("GRANT SELECT ON {view} TO {role}").format(view=view, role=grantee))


def _fingerprint(connection: Connection, statement: sql.Composed) -> str:
    """Return what tells whether a view shows the present bricks: a hash of its statement."""
    return hashlib.sha256(statement.as_string(connection).encode()).hexdigest()


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _comment(connection: Connection, view: sql.Identifier, comment: str, bricks: Sequence[_Brick]) -> None:
    connection.execute(sql.SQL("COMMENT ON VIEW {view} IS {text}").format(view=view, text=sql.Literal(comment)))
    descriptions = {
        CALL_ID.name: CALL_ID.description,
        CALL_DATE.name: CALL_DATE.description,
        "kit_version_id": "Kit version that was used; scores of different versions may not be comparable.",
        **{_column_name(brick.brick): brick.description for brick in bricks},
    }
    for column, description in descriptions.items():
        connection.execute(
            sql.SQL("COMMENT ON COLUMN {view}.{column} IS {text}").format(
                view=view, column=sql.Identifier(column), text=sql.Literal(description)
            )
        )


def _drop(connection: Connection, view: sql.Identifier, kit: str) -> None:
    try:
        connection.execute(sql.SQL("DROP VIEW IF EXISTS {view}").format(view=view))
    except psycopg.errors.DependentObjectsStillExist:
        raise PipelineError(
            f"the view {SCHEMA}.scores_{kit} cannot show its new bricks because another view depends on it: "
            f"run DROP VIEW {SCHEMA}.scores_{kit} CASCADE, run the pipeline again, and create your view again"
        ) from None


def _column_name(brick: str) -> str:
    """Return the brick's name if it is a valid column name, else shorten it.

    A hash keeps long names with the same beginning different, and a name does not depend on the other bricks.
    """
    if brick and len(brick.encode("utf-8")) <= _MAX_NAME_BYTES and brick not in _RESERVED_NAMES:
        return brick
    digest = hashlib.sha256(brick.encode("utf-8")).hexdigest()[:8]
    prefix_bytes = _MAX_NAME_BYTES - len(digest) - 1
    return f"{brick.encode('utf-8')[:prefix_bytes].decode('utf-8', errors='ignore')}_{digest}"
