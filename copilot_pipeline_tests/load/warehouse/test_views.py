"""The wide views of the kits."""

from __future__ import annotations

from typing import Any

import pytest
from psycopg import sql

from copilot_pipeline.errors import PipelineError
from copilot_pipeline.load.warehouse import outdated_kit_views, refresh_kit_views
from copilot_pipeline.postgres import Database
from copilot_pipeline_tests.load.warehouse.rows import column, load_scores, score


def view(database: Database, kit: str = "deal") -> list[dict[str, Any]]:
    """The rows of the view, without the day and the version."""
    refresh_kit_views(database, [kit])
    with database.connection() as connection:
        cursor = connection.execute(f"SELECT * FROM copilot.scores_{kit} ORDER BY call_id".encode())
        names = [one.name for one in cursor.description or ()]
        return [
            {k: v for k, v in zip(names, row, strict=True) if k not in ("call_date", "kit_version_id")}
            for row in cursor
        ]


def types(database: Database, kit: str = "deal") -> dict[str, str]:
    """The columns of the view and their types."""
    with database.connection() as connection:
        return dict(
            connection.execute(
                "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute"
                " WHERE attrelid = %s::regclass AND attnum > 3",
                (f"copilot.scores_{kit}",),
            ).fetchall()
        )


def test_has_a_row_per_call_and_a_column_per_brick(database: Database) -> None:
    """The column has the type of the values; a missing value is null, not false."""
    load_scores(
        database,
        score("risk", True),
        score("risk", False, call_id="c-2"),
        score("depth", 0),
        score("depth", None, call_id="c-2"),
        score("topic", "price"),
        score("names", b'["Globex"]'),
        score("risk", True, kit="another"),
    )
    assert view(database) == [
        {"call_id": "c-1", "depth": 0.0, "names": ["Globex"], "risk": True, "topic": "price"},
        {"call_id": "c-2", "depth": None, "names": None, "risk": False, "topic": None},
    ]
    assert types(database) == {"depth": "double precision", "names": "jsonb", "risk": "boolean", "topic": "text"}


def test_shows_bricks_with_several_value_kinds_as_json(database: Database) -> None:
    """No value is cast or lost, and null stays null."""
    values = [True, 0, "yes", b"[1]", None]
    load_scores(database, *(score("mixed", value, call_id=f"c-{index}") for index, value in enumerate(values)))
    assert [row["mixed"] for row in view(database)] == [True, 0, "yes", [1], None]
    assert types(database) == {"mixed": "jsonb"}


def test_shows_bricks_without_a_value(database: Database) -> None:
    """A brick with null values only has a column."""
    load_scores(database, score("shy", None))
    assert view(database) == [{"call_id": "c-1", "shy": None}]


@pytest.mark.parametrize(
    "brick",
    [
        'quo"te',
        "apo'strophe",
        "per%cent %s",
        "{brace} {view}",
        "back\\slash",
        "semi;colon -- DROP",
        "with blank",
        "UPPER",
        "naïve 😀",
        "$1",
        "line\nend",
        "select",
    ],
)
def test_accepts_any_brick_name(database: Database, brick: str) -> None:
    """The name of the brick is the name of the column; it is never executed as SQL."""
    load_scores(database, score(brick, 1), score(brick + " ", True))
    assert view(database) == [{"call_id": "c-1", brick: 1.0, brick + " ": True}]


@pytest.mark.parametrize("letter", ["a", "é", "😀"])
def test_distinguishes_long_names_with_the_same_beginning(database: Database, letter: str) -> None:
    """PostgreSQL truncates names to 63 bytes.

    Bricks that differ after that have two columns.
    """
    load_scores(database, score(letter * 70 + "x", 1), score(letter * 70 + "y", 2), score(letter * 15, 3))
    (row,) = view(database)
    assert sorted(value for name, value in row.items() if name != "call_id") == [1, 2, 3]
    assert row[letter * 15] == 3
    assert all(len(name.encode()) <= 63 for name in row)


def test_renames_bricks_named_like_fixed_columns(database: Database) -> None:
    """A brick called call_id does not hide the id of the call."""
    load_scores(database, score("call_id", 1), score("call_date", 2), score("kit", 3))
    (row,) = view(database)
    assert row["call_id"] == "c-1"
    assert sorted(value for name, value in row.items() if name != "call_id") == [1, 2, 3]


def test_follows_changes_of_bricks(database: Database) -> None:
    """Bricks are added and removed and change their kind.

    A refresh without a change does not recreate the view.
    """
    load_scores(database, score("b", True))
    assert view(database) == [{"call_id": "c-1", "b": True}]
    before = column(database, "SELECT 'copilot.scores_deal'::regclass::oid")
    view(database)
    assert column(database, "SELECT 'copilot.scores_deal'::regclass::oid") == before
    load_scores(database, score("a", 1), score("b", "now text"))
    assert view(database) == [{"call_id": "c-1", "a": 1.0, "b": "now text"}]


def test_a_kit_without_scores_has_an_empty_view(database: Database) -> None:
    """A query of a kit without scores returns no rows instead of an error."""
    assert view(database, "fresh") == []


def test_columns_have_comments(database: Database) -> None:
    """The view and the columns of the bricks have a comment."""
    load_scores(database, score("b", True), score("c", None))
    view(database)
    comments = column(
        database,
        "SELECT col_description('copilot.scores_deal'::regclass, attnum) FROM pg_attribute"
        " WHERE attrelid = 'copilot.scores_deal'::regclass AND attnum > 3 ORDER BY attnum",
    )
    assert comments == ["Brick b: bool.", "Brick c: no value yet, only null."]
    assert column(database, "SELECT obj_description('copilot.scores_deal'::regclass, 'pg_class')") == [
        "Scores of kit deal: one row per call, one column per brick."
    ]


def test_keeps_grants_when_it_is_recreated(database: Database) -> None:
    """A new brick recreates the view."""
    load_scores(database, score("a", True))
    view(database)
    with database.connection() as connection:
        connection.execute("GRANT SELECT ON copilot.scores_deal TO PUBLIC, pg_monitor")
    load_scores(database, score("a", True), score("b", True))
    view(database)
    assert column(database, "SELECT has_table_privilege('pg_monitor', 'copilot.scores_deal', 'SELECT')") == [True]
    assert column(
        database, "SELECT count(*) FROM pg_class, aclexplode(relacl) AS acl"
        " WHERE oid = 'copilot.scores_deal'::regclass AND acl.grantee = 0"
    ) == [1]  # fmt: skip


def test_does_not_drop_a_view_that_others_depend_on(database: Database) -> None:
    """Both views are unchanged, and the error explains what to do."""
    load_scores(database, score("a", True))
    view(database)
    with database.connection() as connection:
        connection.execute("CREATE VIEW copilot.mine AS SELECT a FROM copilot.scores_deal")
    load_scores(database, score("a", True), score("b", True))
    with pytest.raises(PipelineError, match=r"DROP VIEW copilot\.scores_deal CASCADE"):
        refresh_kit_views(database, ["deal"])
    assert column(database, "SELECT a FROM copilot.mine") == [True]


def test_updates_the_comments_of_an_earlier_version_without_recreating_the_view(database: Database) -> None:
    """A new wording of a comment does not drop a view that others depend on."""
    load_scores(database, score("a", True))
    view(database)
    (comment,) = column(database, "SELECT obj_description('copilot.scores_deal'::regclass, 'pg_class')")
    statement = """CREATE VIEW "copilot"."scores_deal" AS SELECT s.call_id, s.call_date, max(s.kit_version_id) AS
        kit_version_id, bool_or(s.value_bool) FILTER (WHERE s.brick = 'a') AS "a" FROM copilot.semarize_scores s
        WHERE s.kit = 'deal' GROUP BY s.call_id, s.call_date"""
    former = f"Scores of kit deal: a row a call, a column a brick. {statement}"
    with database.connection() as connection:
        connection.execute("DELETE FROM copilot_ops.key_values WHERE name LIKE 'view %'")
        connection.execute(sql.SQL("COMMENT ON VIEW copilot.scores_deal IS {text}").format(text=sql.Literal(former)))
        connection.execute("CREATE VIEW copilot.mine AS SELECT a FROM copilot.scores_deal")
    view(database)
    assert column(database, "SELECT a FROM copilot.mine") == [True]
    assert column(database, "SELECT obj_description('copilot.scores_deal'::regclass, 'pg_class')") == [comment]


def test_a_view_with_too_many_bricks_keeps_its_columns(database: Database) -> None:
    """A view has at most 1,600 columns: the previous view stays, other kits are refreshed, and it is reported."""
    load_scores(database, score("first", 1), score("first", 1, kit="another"))
    refresh_kit_views(database, ["deal", "another"])
    many = [score(f"brick{number}", number) for number in range(1_700)]
    load_scores(database, score("first", 1), *many, score("first", 1, kit="another"), score("second", 2, kit="another"))
    with pytest.raises(PipelineError, match=r"copilot\.scores_deal cannot be made and stays as it was"):
        refresh_kit_views(database, ["deal"])
    assert list(types(database)) == ["first"]
    assert outdated_kit_views(database, ["deal", "another"]) == ["deal", "another"]
    refresh_kit_views(database, ["another"])
    assert outdated_kit_views(database, ["deal", "another"]) == ["deal"]


def test_bricks_with_one_column_name_are_reported(database: Database) -> None:
    """A brick may be named like the shortened name of another one."""
    long = "b" * 100
    load_scores(database, score(long, 1))
    (short,) = view(database)[0].keys() - {"call_id"}
    load_scores(database, score(long, 1), score(short, 2))
    with pytest.raises(PipelineError, match=r"two have one name"):
        refresh_kit_views(database, ["deal"])
    assert list(types(database)) == [short]


def test_a_kit_without_scores_has_no_outdated_view(database: Database) -> None:
    assert outdated_kit_views(database, ["deal"]) == []
