"""One wide view per kit: a row a call, a typed column a brick."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import psycopg
from psycopg import sql

from copilot_pipeline.errors import PipelineError
from copilot_pipeline.load.tables.model import CALL_DATE, CALL_ID
from copilot_pipeline.load.warehouse.statements import SCHEMA
from copilot_pipeline.postgres import Database
from copilot_pipeline.postgres.connections import Connection

_LOCK = 7_203_114_003
_LONGEST_NAME = 63  # bytes, PostgreSQL's limit
_TAKEN = ("call_id", "call_date", "kit_version_id")
# A brick whose answers are of several kinds is shown as JSON: nothing is cast, nothing is lost.
_MIXED = "coalesce(to_jsonb(s.value_bool), to_jsonb(s.value_num), to_jsonb(s.value_text), s.value_json)"


def refresh_kit_views(database: Database, kits: Sequence[str]) -> None:
    """Makes `copilot.scores_<kit>` show every brick seen so far. Does nothing where it already does."""
    for kit in kits:
        with database.transaction() as connection:
            connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
            _refresh(connection, kit)


def _refresh(connection: Connection, kit: str) -> None:
    bricks = connection.execute(
        f"""SELECT brick, array_agg(DISTINCT value_kind ORDER BY value_kind) FILTER (WHERE value_kind <> 'null')
            FROM {SCHEMA}.semarize_scores WHERE kit = %s GROUP BY brick ORDER BY brick""",
        (kit,),
    ).fetchall()
    view = sql.Identifier(SCHEMA, f"scores_{kit}")
    columns = [_brick_column(brick, kinds or []) for brick, kinds in bricks]
    statement = sql.SQL(
        """CREATE VIEW {view} AS SELECT s.call_id, s.call_date, max(s.kit_version_id) AS kit_version_id{bricks}
        FROM copilot.semarize_scores s WHERE s.kit = {kit} GROUP BY s.call_id, s.call_date"""
    ).format(view=view, bricks=sql.SQL("").join(columns), kit=sql.Literal(kit))
    comment = f"Scores of kit {kit}: a row a call, a column a brick. {statement.as_string(connection)}"
    row = connection.execute(
        "SELECT obj_description(to_regclass(%s), 'pg_class')", (f'{SCHEMA}."scores_{kit}"',)
    ).fetchone()
    if row is not None and row[0] == comment:
        return
    grants = _grants(connection, kit)
    try:
        connection.execute(sql.SQL("DROP VIEW IF EXISTS {view}").format(view=view))
    except psycopg.errors.DependentObjectsStillExist:
        raise PipelineError(
            f"the view {SCHEMA}.scores_{kit} cannot show its new bricks because something was built on it: "
            f"DROP VIEW {SCHEMA}.scores_{kit} CASCADE, run again, and build it anew"
        ) from None
    connection.execute(statement)
    connection.execute(sql.SQL("COMMENT ON VIEW {view} IS {text}").format(view=view, text=sql.Literal(comment)))
    said = {
        CALL_ID.name: CALL_ID.description,
        CALL_DATE.name: CALL_DATE.description,
        "kit_version_id": "The kit version that answered: compare like with like.",
    }
    for brick, kinds in bricks:
        answers = " or ".join(kinds) if kinds else "no answer yet, only null"
        said[_column_name(brick)] = f"Brick {brick}: {answers}."
    for column, words in said.items():
        connection.execute(
            sql.SQL("COMMENT ON COLUMN {view}.{column} IS {text}").format(
                view=view, column=sql.Identifier(column), text=sql.Literal(words)
            )
        )
    for role in grants:
        connection.execute(
            sql.SQL("GRANT SELECT ON {view} TO {role}").format(
                view=view, role=sql.Identifier(role) if role else sql.SQL("PUBLIC")
            )
        )


def _grants(connection: Connection, kit: str) -> list[str | None]:
    """Who may read the view as it stands (None: everybody): a view that is made anew forgets it."""
    rows = connection.execute(
        """SELECT DISTINCT CASE WHEN acl.grantee <> 0 THEN pg_get_userbyid(acl.grantee) END
        FROM pg_class, aclexplode(relacl) AS acl
        WHERE oid = to_regclass(%s) AND acl.privilege_type = 'SELECT' AND acl.grantee <> relowner""",
        (f'{SCHEMA}."scores_{kit}"',),
    ).fetchall()
    return [row[0] for row in rows]


def _brick_column(brick: str, kinds: list[str]) -> sql.Composed:
    if kinds == ["bool"]:
        value = "bool_or(s.value_bool)"
    elif kinds == ["num"]:
        value = "max(s.value_num)"
    elif kinds == ["text"]:
        value = "max(s.value_text)"
    elif not kinds:
        return sql.SQL(", NULL::text AS {name}").format(name=sql.Identifier(_column_name(brick)))
    else:
        return sql.SQL(", (array_agg(" + _MIXED + ") FILTER (WHERE s.brick = {brick}))[1] AS {name}").format(
            brick=sql.Literal(brick), name=sql.Identifier(_column_name(brick))
        )
    return sql.SQL(", " + value + " FILTER (WHERE s.brick = {brick}) AS {name}").format(
        brick=sql.Literal(brick), name=sql.Identifier(_column_name(brick))
    )


def _column_name(brick: str) -> str:
    """The brick's own name where it can be a column's; else as much of it as there is room for, and a hash.

    Two long names that begin alike stay two columns, and a name never depends on which other bricks there are.
    """
    if brick and len(brick.encode("utf-8")) <= _LONGEST_NAME and brick not in _TAKEN:
        return brick
    digest = hashlib.sha256(brick.encode("utf-8")).hexdigest()[:8]
    room = _LONGEST_NAME - len(digest) - 1
    return f"{brick.encode('utf-8')[:room].decode('utf-8', errors='ignore')}_{digest}"
