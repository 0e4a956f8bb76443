"""Rows that are read as columns, on a database."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from copilot_pipeline.postgres import Database
from copilot_pipeline.postgres.columns import CATEGORY, read_columns

_TEXTS = st.none() | st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8)
_TYPES = {"one": pa.string(), "other": CATEGORY, "number": pa.float64()}
_STATEMENT = """SELECT one, other, number
FROM unnest(%(ones)s::text[], %(others)s::text[], %(numbers)s::float8[]) WITH ORDINALITY AS t (one, other, number, n)
ORDER BY n"""


@hypothesis_settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.lists(
        st.tuples(
            _TEXTS | st.sampled_from(["", "\\.", "\\N", '"', "a\r\nb", ","]),
            _TEXTS,
            st.none() | st.floats(allow_nan=False),
        ),
        max_size=12,
    )
)
def test_columns_hold_what_the_rows_hold(database: Database, rows: list[tuple[Any, ...]]) -> None:
    """Line ends, quotation marks, empty texts and NULL included; a number to its last bit."""
    parameters = {
        "ones": [one for one, _, _ in rows],
        "others": [other for _, other, _ in rows],
        "numbers": [number for _, _, number in rows],
    }
    with database.connection() as connection:
        found = read_columns(connection, _STATEMENT, _TYPES, parameters)
    assert [tuple(row.values()) for row in found.to_pylist()] == rows
    assert found.schema.names == list(_TYPES)
