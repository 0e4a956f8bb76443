"""Reading what the analyses look at: conversations with their answers, deals, reps; a month in memory at a time."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator
from datetime import date, timedelta
from typing import Any, NamedTuple

from copilot_pipeline.config.marts import OutcomeSettings
from copilot_pipeline.marts.model import Answer, BrickKey, Conversation, Deal, Quote, Rep, Value
from copilot_pipeline.marts.outcomes import closed_at, outcome_of
from copilot_pipeline.postgres import Database
from copilot_pipeline.transform.transcripts import QuoteFinder, SpokenUtterance

DAYS_AT_ONCE = 31

# Calls that are gone from the vendor's list are no longer spoken of; calls to come have not been had.
_CALLS = """
SELECT call_id, call_date, started_at, rep_user_id, rep_email, rep_name, deal_id, review_url FROM copilot.calls
WHERE call_date BETWEEN %s AND %s AND removed_at IS NULL AND status IN ('ready', 'pending') AND started_at <= now()
ORDER BY started_at, call_id
"""
_RUNS = """
SELECT call_id, kit, kit_version_id FROM copilot.semarize_runs
WHERE call_date BETWEEN %s AND %s AND status = 'succeeded'
"""
_SCORES = """
SELECT call_id, kit, brick, value_kind, value_bool, value_num, value_text, value_json::text, confidence, reason
FROM copilot.semarize_scores WHERE call_date BETWEEN %s AND %s
  AND (%s::text[] IS NULL OR (kit, brick) IN (SELECT * FROM unnest(%s::text[], %s::text[])))
"""
_QUOTES = """
SELECT call_id, kit, brick, quote, match, match_score, seq, start_s, speaker, side, said FROM copilot.evidence
WHERE call_date BETWEEN %s AND %s
  AND (%s::text[] IS NULL OR (kit, brick) IN (SELECT * FROM unnest(%s::text[], %s::text[])))
ORDER BY call_id, kit, brick, position
"""
_PROSPECTS = """
SELECT call_id, array_agg(DISTINCT coalesce(name, email) ORDER BY coalesce(name, email)) FROM copilot.participants
WHERE call_date BETWEEN %s AND %s AND side = 'prospect' AND coalesce(name, email) IS NOT NULL
  AND joined IS NOT FALSE GROUP BY call_id
"""
_TEAM = """
SELECT call_id, name, user_id, email FROM copilot.participants
WHERE call_date BETWEEN %s AND %s AND side = 'rep' AND name IS NOT NULL AND utterances > 0
"""


class KnownBrick(NamedTuple):
    """A brick that was answered, and the kinds of its answers."""

    kit: str
    brick: str
    kinds: frozenset[str]  # bool, num, text, json; empty where it only ever said null

    @property
    def key(self) -> BrickKey:
        """Its kit and key."""
        return self.kit, self.brick


class ConversationReader:
    """All conversations, read anew at each iteration."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def known_bricks(self) -> list[KnownBrick]:
        """Every brick that was ever answered, by kit and key."""
        with self._database.connection() as connection:
            rows = connection.execute(
                """SELECT kit, brick, coalesce(array_agg(DISTINCT value_kind)
                    FILTER (WHERE value_kind <> 'null'), '{}')
                FROM copilot.semarize_scores GROUP BY kit, brick ORDER BY kit COLLATE "C", brick COLLATE "C" """
            ).fetchall()
        return [KnownBrick(kit, brick, frozenset(kinds)) for kit, brick, kinds in rows]

    def read(
        self, bricks: Collection[BrickKey] | None = None, *, with_quotes: bool = False, since: date | None = None
    ) -> Iterator[Conversation]:
        """The conversations, oldest first, with the answers of these bricks (None: of all)."""
        reps = self.reps()
        for first, last in self._months(since):
            yield from self._read(first, last, bricks, with_quotes, reps)

    def _months(self, since: date | None) -> Iterator[tuple[date, date]]:
        with self._database.connection() as connection:
            row = connection.execute(
                "SELECT min(call_date), max(call_date) FROM copilot.calls WHERE %s::date IS NULL OR call_date >= %s",
                (since, since),
            ).fetchone()
        if row is None or row[0] is None:
            return
        first, newest = row
        while first <= newest:
            last = min(newest, first + timedelta(days=DAYS_AT_ONCE - 1))
            yield first, last
            first = last + timedelta(days=1)

    def _read(
        self,
        first: date,
        last: date,
        bricks: Collection[BrickKey] | None,
        with_quotes: bool,
        reps: dict[str, Rep],
    ) -> Iterator[Conversation]:
        kits = None if bricks is None else [kit for kit, _ in bricks]
        keys = None if bricks is None else [brick for _, brick in bricks]
        with self._database.connection() as connection:
            calls = connection.execute(_CALLS, (first, last)).fetchall()
            runs = connection.execute(_RUNS, (first, last)).fetchall()
            scores = connection.execute(_SCORES, (first, last, kits, kits, keys)).fetchall()
            quotes = connection.execute(_QUOTES, (first, last, kits, kits, keys)).fetchall() if with_quotes else []
            prospects = dict(connection.execute(_PROSPECTS, (first, last)).fetchall())
            spoke = connection.execute(_TEAM, (first, last)).fetchall()
        versions: defaultdict[str, dict[str, str | None]] = defaultdict(dict)
        for call_id, kit, version in runs:
            versions[call_id][kit] = version
        teams: defaultdict[str, dict[str, Rep]] = defaultdict(dict)
        for call_id, name, user_id, email in spoke:
            if (rep := _rep(reps, user_id, email, name)) is not None:
                teams[call_id][name] = rep
        quoted: defaultdict[tuple[str, str, str], list[Quote]] = defaultdict(list)
        for call_id, kit, brick, *rest in quotes:
            quoted[call_id, kit, brick].append(Quote(*rest))
        answers: defaultdict[str, dict[BrickKey, Answer]] = defaultdict(dict)
        for row in scores:
            call_id, kit, brick = row[:3]
            found = tuple(quoted.get((call_id, kit, brick), ()))
            answers[call_id][kit, brick] = Answer(_value(row), row[8], row[9], found)
        for call_id, call_date, started_at, user_id, email, name, deal_id, review_url in calls:
            yield Conversation(
                call_id,
                call_date,
                started_at,
                _rep(reps, user_id, email, name),
                deal_id,
                review_url,
                tuple(prospects.get(call_id, ())),
                teams.get(call_id, {}),
                answers.get(call_id, {}),
                versions.get(call_id, {}),
            )

    def reps(self) -> dict[str, Rep]:
        """The workspace's users as reps, by user id."""
        with self._database.connection() as connection:
            rows = connection.execute(
                """SELECT users.user_id, users.name, users.manager_id, managers.name, managers.email, users.email
                FROM copilot.users LEFT JOIN copilot.users AS managers ON managers.user_id = users.manager_id"""
            ).fetchall()
        return {row[0]: Rep(*row) for row in rows}

    def deals(self, outcomes: OutcomeSettings) -> list[Deal]:
        """Every deal, with how it ended."""
        with self._database.connection() as connection:
            rows = connection.execute(
                """SELECT deal_id, name, account_name, amount, stage, forecast_category, close_date, stage_history::text
                FROM copilot.deals ORDER BY deal_id COLLATE "C" """
            ).fetchall()
        return [
            Deal(
                deal_id,
                outcome_of(stage, outcomes),
                name,
                account,
                amount,
                stage,
                category,
                close_date,
                closed_at(history, outcomes),
            )
            for deal_id, name, account, amount, stage, category, close_date, history in rows
        ]

    def locator(self) -> Callable[[str, str], Quote]:
        """Finds words in the transcript of a call, by call id; remembers the call it looked at last."""
        finder: tuple[str, QuoteFinder] | None = None

        def locate(call_id: str, words: str) -> Quote:
            nonlocal finder
            if finder is None or finder[0] != call_id:
                with self._database.connection() as connection:
                    rows = connection.execute(
                        "SELECT seq, speaker, side, start_s, text FROM copilot.utterances WHERE call_id = %s"
                        " ORDER BY seq",
                        (call_id,),
                    ).fetchall()
                finder = call_id, QuoteFinder([SpokenUtterance(*row) for row in rows])
            found = finder[1].find(words)
            return Quote(
                words, found.match.value, found.score, found.seq, found.start_s, found.speaker, found.side, found.said
            )

        return locate

    def said_by_reps(self, since: date) -> Iterator[tuple[str, str]]:
        """(call id, everything its reps said), of calls since a day."""
        for first, last in self._months(since):
            for day in (first + timedelta(days=offset) for offset in range((last - first).days + 1)):
                with self._database.connection() as connection:
                    yield from connection.execute(
                        """SELECT call_id, string_agg(text, E'\\n' ORDER BY seq) FROM copilot.utterances
                        WHERE call_date = %s AND side = 'rep' GROUP BY call_id""",
                        (day,),
                    ).fetchall()


def _rep(reps: dict[str, Rep], user_id: str | None, email: str | None, name: str | None) -> Rep | None:
    if user_id is not None and user_id in reps:
        return reps[user_id]
    rep_id = user_id or email or name
    return Rep(rep_id, name, email=email) if rep_id else None


def _value(row: tuple[Any, ...]) -> Value:
    kind = row[3]
    if kind == "json":
        value = json.loads(row[7])
        return value if isinstance(value, list) else [value]
    values: dict[str, Value] = {"bool": row[4], "num": row[5], "text": row[6]}
    return values.get(kind)
