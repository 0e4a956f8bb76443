"""Read scored calls for marts and deliveries, some thousands in memory at a time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import date
from typing import Any

from psycopg.rows import dict_row, namedtuple_row

from copilot_pipeline.load.read_ahead import read_ahead
from copilot_pipeline.marts.answer_reader import AnswerKey, Answers, Quotes, add_details, read_answers
from copilot_pipeline.marts.model import BrickKey, Rep, ScoredCall, Value
from copilot_pipeline.marts.people import People
from copilot_pipeline.marts.reference_reader import AnsweredBrick, ReferenceReader
from copilot_pipeline.postgres.connections import Connection
from copilot_pipeline.postgres.queries import load_queries

__all__ = ["AnsweredBrick", "Quotes", "ScoredCallReader"]

CALLS_PER_READ = 2_000
DEALS_PER_READ = 300

_SQL = load_queries("copilot_pipeline.marts.sql", "scored_calls.sql")
ReasonsOf = Callable[[BrickKey, Value], bool]
_Row = Mapping[str, Any]


class ScoredCallReader(ReferenceReader):
    """Reads scored calls and what is around them. Every iteration reads the present state."""

    def read(
        self,
        bricks: Collection[BrickKey] | None = None,
        *,
        quotes: Quotes = Quotes.NONE,
        with_participants: bool = True,
        with_reasons: bool = True,
        reasons_of: ReasonsOf | None = None,
        since: date | None = None,
    ) -> Iterator[ScoredCall]:
        """Yield the calls that were held, oldest first, with the answers of these bricks (None: of all).

        Calls without scores are included. `fields` is empty. Each rep has the manager of the time of the call. The runs
        are those of the kits of the bricks. Without participants, `prospects` and `team` are empty. With `reasons_of`
        only the answers for which it is true have reasons.
        """
        people = self.people()

        def chunks() -> Iterator[list[ScoredCall]]:
            for chunk in (chunk for rows in self.calls_held(since) for chunk in _chunks(rows)):
                with self._database.connection() as connection:
                    answers = read_answers(
                        connection, _ids(chunk), bricks, quotes=quotes, with_reasons=with_reasons and not reasons_of
                    )
                    if reasons_of is not None:
                        add_details(connection, answers, _answers_for(answers, reasons_of))
                    yield _scored_calls(connection, chunk, people, answers, with_participants=with_participants)

        for calls in read_ahead(chunks()):
            yield from calls

    def calls_held(self, since: date | None = None) -> Iterator[Sequence[_Row]]:
        """Yield the calls that were held, oldest first, those of about a month at a time."""
        for first, last in self.months(since):
            with self._database.connection() as connection:
                rows = _fetch(connection, "calls_between", first=first, last=last)
            yield rows

    def read_of_deals(
        self, deal_ids: Sequence[str], *, with_team: bool = True, with_details: bool = False
    ) -> Iterator[tuple[Sequence[str], list[ScoredCall]]]:
        """Yield the deals, some at a time, with their calls that were held, oldest first, with all answers.

        Without team, `team` is empty. With details, the newest answer of each brick of a deal has its reason and its
        first quote; others have none.
        """
        people = self.people()

        def batches() -> Iterator[tuple[Sequence[str], list[ScoredCall]]]:
            for start in range(0, len(deal_ids), DEALS_PER_READ):
                batch = deal_ids[start : start + DEALS_PER_READ]
                with self._database.connection() as connection:
                    rows = _fetch(connection, "calls_of_deals", deal_ids=list(batch))
                    answers = read_answers(connection, _ids(rows), None, with_reasons=False)
                    if with_details:
                        add_details(connection, answers, _newest(rows, answers))
                    calls = _scored_calls(connection, rows, people, answers, with_team=with_team)
                yield batch, calls

        return read_ahead(batches())

    def read_for_rules(self, days: Sequence[date], call_ids: Sequence[str] = ()) -> Iterator[ScoredCall]:
        """Yield the calls of some days, and some calls by id, that have runs, by call id, with `fields`."""
        with self._database.connection() as connection:
            rows = _fetch(connection, "calls_with_runs", days=list(days), call_ids=list(call_ids))
        for chunk in _chunks(rows):
            with self._database.connection() as connection:
                answers = read_answers(connection, _ids(chunk), None, quotes=Quotes.ALL, with_evidence=True)
            for row in chunk:
                call_id = row["call_id"]
                yield ScoredCall(
                    call_id=call_id,
                    call_date=row["call_date"],
                    started_at=row["started_at"],
                    deal_id=row["deal_id"],
                    review_url=row["review_url"],
                    bricks=answers.bricks.get(call_id, {}),
                    runs=answers.runs.get(call_id, {}),
                    fields=row,
                )


def _answers_for(answers: Answers, is_chosen: ReasonsOf) -> Iterator[AnswerKey]:
    for call_id, of_call in answers.bricks.items():
        yield from ((call_id, key) for key, answer in of_call.items() if is_chosen(key, answer.value))


def _newest(rows: Sequence[_Row], answers: Answers) -> Iterator[AnswerKey]:
    """Return the newest answer with a value of each brick of each deal. The rows are calls, oldest first."""
    newest: dict[tuple[str, BrickKey], str] = {}
    for row in rows:
        for key, answer in answers.bricks.get(row["call_id"], {}).items():
            if answer.value is not None:
                newest[row["deal_id"], key] = row["call_id"]
    return ((call_id, key) for (_, key), call_id in newest.items())


def _scored_calls(
    connection: Connection,
    rows: Sequence[_Row],
    people: People,
    answers: Answers,
    *,
    with_participants: bool = True,
    with_team: bool = True,
) -> list[ScoredCall]:
    prospects: Mapping[str, tuple[str, ...]] = {}
    teams: Mapping[str, Mapping[str, Rep | None]] = {}
    if with_participants:
        prospects = {
            row["call_id"]: tuple(row["names"]) for row in _fetch(connection, "prospects", call_ids=_ids(rows))
        }
        teams = _teams(connection, rows, people) if with_team else {}
    return [
        ScoredCall(
            call_id=(call_id := row["call_id"]),
            call_date=row["call_date"],
            started_at=row["started_at"],
            deal_id=row["deal_id"],
            review_url=row["review_url"],
            duration_s=row["duration_s"],
            bricks=answers.bricks.get(call_id, {}),
            runs=answers.runs.get(call_id, {}),
            rep=people.find(row["rep_user_id"], row["rep_email"], row["rep_name"], row["started_at"]),
            prospects=prospects.get(call_id, ()),
            team=teams.get(call_id, {}),
        )
        for row in rows
    ]


def _teams(connection: Connection, rows: Sequence[_Row], people: People) -> Mapping[str, Mapping[str, Rep | None]]:
    """Return the own people who spoke on each call, by their person ids."""
    times = {row["call_id"]: row["started_at"] for row in rows}
    found: defaultdict[str, dict[str, Rep | None]] = defaultdict(dict)
    for one in _fetch(connection, "team", namedtuple_row, call_ids=_ids(rows)):
        found[one.call_id][one.person_id] = people.find(one.user_id, one.email, one.name, times[one.call_id])
    return found


def _fetch(connection: Connection, query: str, row_factory: Any = dict_row, **parameters: Any) -> list[Any]:
    return connection.cursor(binary=True, row_factory=row_factory).execute(_SQL[query], parameters).fetchall()


def _chunks(rows: Sequence[_Row]) -> Iterator[Sequence[_Row]]:
    return (rows[start : start + CALLS_PER_READ] for start in range(0, len(rows), CALLS_PER_READ))


def _ids(rows: Sequence[_Row]) -> list[str]:
    return [row["call_id"] for row in rows]
