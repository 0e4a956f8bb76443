"""Read what is around the scored calls: bricks, users, teams and deals."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from typing import Any, NamedTuple

from psycopg.rows import class_row, dict_row, kwargs_row, namedtuple_row

from copilot_pipeline.config.marts import OutcomeSettings
from copilot_pipeline.marts.history.teams import Teams, UserVersion
from copilot_pipeline.marts.model import BrickKey, Deal, Rep
from copilot_pipeline.marts.people import People
from copilot_pipeline.postgres import Database
from copilot_pipeline.postgres.connections import Connection
from copilot_pipeline.postgres.queries import load_queries
from copilot_pipeline.transform.deal_outcomes import last_close, outcome_of, stage_changes

DAYS_PER_READ = 31

_SQL = load_queries("copilot_pipeline.marts.sql", "reference.sql")


class AnsweredBrick(NamedTuple):
    """A brick with scores, and the kinds of its values."""

    kit: str
    brick: str
    kinds: frozenset[str]  # bool, num, text, json; empty if every value is null

    @property
    def key(self) -> BrickKey:
        """Kit and key of the brick."""
        return self.kit, self.brick


class ReferenceReader:
    """Reads the tables that analysts read. Every call reads the present state."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def months(self, since: date | None = None) -> Iterator[tuple[date, date]]:
        """Yield the first and last days of periods of about a month, from the first day with calls to the last."""
        with self._database.connection() as connection:
            (dates,) = _fetch(connection, "call_dates", dict_row, since=since)
        first, newest = dates["first"], dates["last"]
        while first is not None and first <= newest:
            last = min(newest, first + timedelta(days=DAYS_PER_READ - 1))
            yield first, last
            first = last + timedelta(days=1)

    def answered_bricks(self, first: date | None = None, last: date | None = None) -> list[AnsweredBrick]:
        """Return every brick with a score, between two days if they are given, by kit and key."""
        with self._database.connection() as connection:
            rows = _fetch(connection, "answered_bricks", dict_row, first=first, last=last)
        return [AnsweredBrick(row["kit"], row["brick"], frozenset(row["kinds"])) for row in rows]

    def highest(self, bricks: Mapping[str, BrickKey]) -> dict[str, float]:
        """Return the highest score of each brick, by the names given to them; none for bricks without scores."""
        keys = list(bricks.values())
        chosen = {"kits": [kit for kit, _ in keys], "bricks": [brick for _, brick in keys]}
        with self._database.connection() as connection:
            rows = _fetch(connection, "highest_scores", dict_row, **chosen)
        by_key = {(row["kit"], row["brick"]): row["highest"] for row in rows}
        return {name: by_key[key] for name, key in bricks.items() if key in by_key}

    def reps(self) -> dict[str, Rep]:
        """Return the workspace's users as reps, by user id."""
        with self._database.connection() as connection:
            return {rep.rep_id: rep for rep in _fetch(connection, "reps", class_row(Rep))}

    def teams(self) -> Teams:
        """Return the managers of the workspace's users over time."""
        with self._database.connection() as connection:
            return Teams(_fetch(connection, "user_versions", kwargs_row(UserVersion)))

    def people(self) -> People:
        """Return the workspace's users over time and the other own people on calls."""
        with self._database.connection() as connection:
            rows = _fetch(connection, "ids_with_addresses", namedtuple_row)
        return People(self.reps(), [(row.user_id, row.email) for row in rows], self.teams())

    def deals(self, outcomes: OutcomeSettings) -> list[Deal]:
        """Return every deal with its outcome, by id."""
        with self._database.connection() as connection:
            rows = _fetch(connection, "deals", dict_row)
        deals = []
        for row in rows:
            stages = tuple(sorted(stage_changes(row.pop("stage_history")), key=lambda change: change[0]))
            deals.append(
                Deal(
                    outcome=outcome_of(row["stage"], outcomes),
                    closed_at=last_close(stages, outcomes),
                    stages=stages,
                    account_fields=_custom_fields(row.pop("account_fields")),
                    **row,
                )
            )
        return deals

    def covered_shares(self) -> dict[str, float]:
        """Return the share of MEDDICC elements that each deal covers on any call, by deal id."""
        with self._database.connection() as connection:
            return {row["deal_id"]: row["share"] for row in _fetch(connection, "covered_shares", dict_row)}


def _custom_fields(fields: object) -> dict[str, str]:
    """Return the custom fields with a text or a number by name; other values are left out."""
    return {
        field["key"]: str(field["value"])
        for field in (fields if isinstance(fields, list) else ())
        if isinstance(field, dict)
        and isinstance(field.get("key"), str)
        and isinstance(field.get("value"), str | int | float)
    }


def _fetch(connection: Connection, query: str, row_factory: Any, **parameters: Any) -> list[Any]:
    return connection.cursor(row_factory=row_factory).execute(_SQL[query], parameters).fetchall()
