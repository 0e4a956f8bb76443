"""Read scored calls, deals and reps for marts and deliveries, a month or 500 calls in memory at a time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import date, timedelta
from typing import Any, NamedTuple, TypeVar

from psycopg.rows import class_row, dict_row, kwargs_row, namedtuple_row

from copilot_pipeline.config.marts import OutcomeSettings
from copilot_pipeline.marts.history.teams import Teams, UserVersion
from copilot_pipeline.marts.model import BrickAnswer, BrickKey, Deal, KitRun, Quote, Rep, ScoredCall
from copilot_pipeline.marts.people import People
from copilot_pipeline.marts.rep_calls import Speech
from copilot_pipeline.postgres import Database
from copilot_pipeline.postgres.connections import Connection
from copilot_pipeline.postgres.queries import load_queries
from copilot_pipeline.transform.deal_outcomes import closed_at, outcome_of, stage_changes
from copilot_pipeline.transform.transcripts import QuoteFinder, SpokenUtterance

DAYS_PER_READ = 31
CALLS_PER_READ = 500
DEALS_PER_READ = 300  # open deals with all of their answers and quotes

_SQL = load_queries("copilot_pipeline.marts.sql", "scored_calls.sql")
# The column that holds the value of each kind.
_VALUE_COLUMNS = {"bool": "value_bool", "num": "value_num", "text": "value_text", "json": "value_json"}
_Row = TypeVar("_Row")


class AnsweredBrick(NamedTuple):
    """A brick with scores, and the kinds of its values."""

    kit: str
    brick: str
    kinds: frozenset[str]  # bool, num, text, json; empty if every value is null

    @property
    def key(self) -> BrickKey:
        """Kit and key of the brick."""
        return self.kit, self.brick


class _Answers(NamedTuple):
    """Runs and answers of some calls, by call id."""

    runs: Mapping[str, Mapping[str, KitRun]]
    bricks: Mapping[str, Mapping[BrickKey, BrickAnswer]]


class ScoredCallReader:
    """Reads the tables that analysts read. Every iteration reads the present state."""

    def __init__(self, database: Database) -> None:
        self._database = database

    # --- calls -------------------------------------------------------------------------------------------------------

    def read(
        self,
        bricks: Collection[BrickKey] | None = None,
        *,
        with_quotes: bool = False,
        with_participants: bool = True,
        since: date | None = None,
    ) -> Iterator[ScoredCall]:
        """Yield the calls that were held, oldest first, with the answers of these bricks (None: of all).

        Calls without scores are included. `fields` is empty. Each rep has the manager of the time of the call.
        Without participants, `prospects` and `team` are empty.
        """
        people = self.people()
        for first, last in self._months(since):
            with self._database.connection() as connection:
                rows = _fetch(connection, "calls_between", dict_row, first=first, last=last)
            for chunk in _chunks(rows):
                yield from self._with_people(
                    chunk, people, bricks, with_quotes=with_quotes, with_participants=with_participants
                )

    def read_of_deals(self, deal_ids: Sequence[str]) -> Iterator[tuple[Sequence[str], list[ScoredCall]]]:
        """Yield the deals, some at a time, with their calls that were held, oldest first, with answers and quotes."""
        people = self.people()
        for start in range(0, len(deal_ids), DEALS_PER_READ):
            batch = deal_ids[start : start + DEALS_PER_READ]
            with self._database.connection() as connection:
                rows = _fetch(connection, "calls_of_deals", dict_row, deal_ids=list(batch))
            calls = [
                call for chunk in _chunks(rows) for call in self._with_people(chunk, people, None, with_quotes=True)
            ]
            yield batch, calls

    def read_for_rules(self, days: Sequence[date], call_ids: Sequence[str] = ()) -> Iterator[ScoredCall]:
        """Yield the calls of some days, and some calls by id, that have runs, by call id, with `fields`."""
        with self._database.connection() as connection:
            rows = _fetch(connection, "calls_with_runs", dict_row, days=list(days), call_ids=list(call_ids))
        for chunk in _chunks(rows):
            with self._database.connection() as connection:
                answers = _answers(connection, _ids(chunk), None, with_evidence=True)
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

    def _months(self, since: date | None) -> Iterator[tuple[date, date]]:
        with self._database.connection() as connection:
            (dates,) = _fetch(connection, "call_dates", dict_row, since=since)
        first, newest = dates["first"], dates["last"]
        while first is not None and first <= newest:
            last = min(newest, first + timedelta(days=DAYS_PER_READ - 1))
            yield first, last
            first = last + timedelta(days=1)

    def _with_people(
        self,
        rows: Sequence[Mapping[str, Any]],
        people: People,
        bricks: Collection[BrickKey] | None,
        *,
        with_quotes: bool,
        with_participants: bool = True,
    ) -> Iterator[ScoredCall]:
        call_ids = _ids(rows)
        with self._database.connection() as connection:
            answers = _answers(connection, call_ids, bricks, with_quotes=with_quotes)
            prospects = {
                row["call_id"]: tuple(row["names"])
                for row in (_fetch(connection, "prospects", dict_row, call_ids=call_ids) if with_participants else ())
            }
            teams: defaultdict[str, dict[str, Rep | None]] = defaultdict(dict)
            times = {row["call_id"]: row["started_at"] for row in rows}
            for row in _fetch(connection, "team", dict_row, call_ids=call_ids) if with_participants else ():
                teams[row["call_id"]][row["person_id"]] = people.find(
                    row["user_id"], row["email"], row["name"], times[row["call_id"]]
                )
        for row in rows:
            call_id = row["call_id"]
            yield ScoredCall(
                call_id=call_id,
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

    def speech(self) -> Iterator[Speech]:
        """Yield what each own person said on the calls that were held, by day and call."""
        people = self.people()
        for first, last in self._months(None):
            with self._database.connection() as connection:
                rows = _fetch(connection, "speech", namedtuple_row, first=first, last=last)
            for row in rows:
                yield Speech(
                    call_id=row.call_id,
                    call_date=row.call_date,
                    started_at=row.started_at,
                    deal_id=row.deal_id,
                    review_url=row.review_url,
                    rep=people.find(row.user_id, row.email, row.name, row.started_at),
                    call_rep=people.find(row.rep_user_id, row.rep_email, row.rep_name, row.started_at),
                    talk_seconds=row.talk_seconds,
                    talk_share=row.talk_share,
                    utterances=row.utterances,
                    words=row.words,
                )

    # --- what is around them -----------------------------------------------------------------------------------------

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
            history = row.pop("stage_history")
            deals.append(
                Deal(
                    outcome=outcome_of(row["stage"], outcomes),
                    closed_at=closed_at(history, outcomes),
                    stages=tuple(sorted(stage_changes(history), key=lambda change: change[0])),
                    account_fields=_custom_fields(row.pop("account_fields")),
                    **row,
                )
            )
        return deals

    def covered_shares(self) -> dict[str, float]:
        """Return the share of MEDDICC elements that each deal covers on any call, by deal id."""
        with self._database.connection() as connection:
            return {row["deal_id"]: row["share"] for row in _fetch(connection, "covered_shares", dict_row)}

    def locator(self) -> Callable[[str, str], Quote]:
        """Return a function that finds words in the transcript of a call; it caches the last transcript."""
        cached: tuple[str, QuoteFinder] | None = None

        def locate(call_id: str, words: str) -> Quote:
            nonlocal cached
            if cached is None or cached[0] != call_id:
                with self._database.connection() as connection:
                    spoken = _fetch(connection, "utterances", class_row(SpokenUtterance), call_id=call_id)
                cached = call_id, QuoteFinder(spoken)
            passage = cached[1].find(words)
            return Quote(
                text=words,
                match=passage.match.value,
                score=passage.score,
                seq=passage.seq,
                start_s=passage.start_s,
                speaker=passage.speaker,
                side=passage.side,
                said=passage.said,
                person_id=passage.person_id,
            )

        return locate

    def rep_words(self, since: date) -> Iterator[tuple[str, str]]:
        """Yield (call id, everything its reps said), a day at a time, for the calls since a day."""
        for first, last in self._months(since):
            for day in (first + timedelta(days=offset) for offset in range((last - first).days + 1)):
                with self._database.connection() as connection:
                    rows = _fetch(connection, "rep_words", dict_row, day=day)
                yield from ((row["call_id"], row["words"]) for row in rows)


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


def _chunks(rows: Sequence[_Row]) -> Iterator[Sequence[_Row]]:
    return (rows[start : start + CALLS_PER_READ] for start in range(0, len(rows), CALLS_PER_READ))


def _ids(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    return [row["call_id"] for row in rows]


def _answers(
    connection: Connection,
    call_ids: Sequence[str],
    bricks: Collection[BrickKey] | None,
    *,
    with_quotes: bool = False,
    with_evidence: bool = False,
) -> _Answers:
    chosen = {
        "call_ids": call_ids,
        "kits": None if bricks is None else [kit for kit, _ in bricks],
        "bricks": None if bricks is None else [brick for _, brick in bricks],
    }
    runs: defaultdict[str, dict[str, KitRun]] = defaultdict(dict)
    for run in _fetch(connection, "runs", namedtuple_row, call_ids=call_ids):
        runs[run.call_id][run.kit] = KitRun(
            status=run.status,
            version=run.version,
            finished_at=run.finished_at,
            kit_version_id=run.kit_version_id,
        )
    quotes: defaultdict[tuple[str, str, str], tuple[Quote, ...]] = defaultdict(tuple)
    for row in _fetch(connection, "quotes", namedtuple_row, **chosen) if with_quotes else ():
        quotes[row.call_id, row.kit, row.brick] += (
            Quote(
                text=row.quote,
                match=row.match,
                score=row.match_score,
                seq=row.seq,
                start_s=row.start_s,
                speaker=row.speaker,
                side=row.side,
                said=row.said,
                person_id=row.person_id,
            ),
        )
    answers: defaultdict[str, dict[BrickKey, BrickAnswer]] = defaultdict(dict)
    for score in _fetch(connection, "scores", namedtuple_row, **chosen, with_evidence=with_evidence):
        answers[score.call_id][score.kit, score.brick] = BrickAnswer(
            value=getattr(score, _VALUE_COLUMNS[score.value_kind]) if score.value_kind != "null" else None,
            confidence=score.confidence,
            reason=score.reason,
            evidence=tuple(score.evidence or ()),
            quotes=quotes.get((score.call_id, score.kit, score.brick), ()),
        )
    return _Answers(runs, answers)
