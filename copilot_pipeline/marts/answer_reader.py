"""Read the runs, answers and quotes of some calls."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from enum import Enum
from functools import lru_cache
from typing import Any, NamedTuple

from psycopg.rows import args_row

from copilot_pipeline.marts.model import BrickAnswer, BrickKey, KitRun, Quote, Value
from copilot_pipeline.postgres.connections import Connection
from copilot_pipeline.postgres.queries import load_queries

_SQL = load_queries("copilot_pipeline.marts.sql", "scored_calls.sql")
AnswerKey = tuple[str, BrickKey]  # call id and brick
_QuotesOfAnswers = Mapping[tuple[str, str, str], tuple[Quote, ...]]  # by call id, kit and brick
_CACHED = 1 << 16  # values; most are yes, no, or one of a hundred scores


class Quotes(Enum):
    """Which quotes of an answer are read."""

    NONE = "none"
    ALL = "all"


class Answers(NamedTuple):
    """Runs and answers of some calls, by call id."""

    runs: Mapping[str, Mapping[str, KitRun]]
    bricks: Mapping[str, dict[BrickKey, BrickAnswer]]


class _Run(NamedTuple):
    """A row of the statement `runs`."""

    call_id: str
    kit: str
    status: str
    version: str
    finished_at: Any
    kit_version_id: str | None


class _Score(NamedTuple):
    """A row of the statement `scores`."""

    call_id: str
    kit: str
    brick: str
    value_kind: str
    value: str | None
    confidence: float | None
    reason: str | None
    evidence: list[str] | None


class _QuoteOf(NamedTuple):
    """The first columns of a row with a quote; the others are fields of `Quote`."""

    key: tuple[str, str, str]
    quote: Quote


def read_answers(
    connection: Connection,
    call_ids: Sequence[str],
    bricks: Collection[BrickKey] | None,
    *,
    quotes: Quotes = Quotes.NONE,
    with_reasons: bool = True,
    with_evidence: bool = False,
) -> Answers:
    """Return the answers of these bricks (None: of all), and the runs of their kits.

    Without reasons, evidence and quotes, equal answers are one object.
    """
    chosen = {
        "call_ids": call_ids,
        "kits": None if bricks is None else [kit for kit, _ in bricks],
        "bricks": None if bricks is None else [brick for _, brick in bricks],
    }
    runs: defaultdict[str, dict[str, KitRun]] = defaultdict(dict)
    for run in _fetch(connection, _Run, "runs", chosen):
        runs[run.call_id][run.kit] = KitRun(run.status, run.version, run.finished_at, run.kit_version_id)
    found = _quotes(connection, quotes, chosen)
    answers: defaultdict[str, dict[BrickKey, BrickAnswer]] = defaultdict(dict)
    if with_reasons or with_evidence:
        for score in _fetch(connection, _Score, "scores", {**chosen, "with_evidence": with_evidence}):
            answers[score.call_id][_key(score.kit, score.brick)] = BrickAnswer(
                value=value_of_text(score.value_kind, score.value),
                confidence=score.confidence,
                reason=score.reason,
                evidence=tuple(score.evidence or ()),
                quotes=found.get((score.call_id, score.kit, score.brick), ()),
            )
        return Answers(runs, answers)
    _add_values(answers, _rows(connection, "values", chosen), found)
    return Answers(runs, answers)


def _add_values(
    answers: defaultdict[str, dict[BrickKey, BrickAnswer]], rows: Iterable[tuple[Any, ...]], found: _QuotesOfAnswers
) -> None:
    for call_id, kit, brick, value_kind, value, confidence in rows:
        of_brick = found.get((call_id, kit, brick), ()) if found else ()
        answers[call_id][_key(kit, brick)] = (
            BrickAnswer(value_of_text(value_kind, value), confidence, quotes=of_brick)
            if of_brick
            else _plain_answer(value_kind, value, confidence)
        )


def add_details(connection: Connection, answers: Answers, chosen: Iterable[AnswerKey]) -> None:
    """Add the reasons of some answers and, if they were read without quotes, their first quote (text and match only).

    The reasons of all answers of a mart would be most of what it reads.
    """
    keys = list(chosen)
    parameters = {
        "call_ids": [call_id for call_id, _ in keys],
        "kits": [kit for _, (kit, _) in keys],
        "bricks": [brick for _, (_, brick) in keys],
    }
    for call_id, kit, brick, reason, quote, match in _rows(connection, "details", parameters) if keys else ():
        of_call, key = answers.bricks[call_id], _key(kit, brick)
        first = (Quote(quote, match),) if quote is not None else ()
        of_call[key] = replace(of_call[key], reason=reason, quotes=of_call[key].quotes or first)


def _quotes(connection: Connection, quotes: Quotes, chosen: Mapping[str, Any]) -> _QuotesOfAnswers:
    found: defaultdict[tuple[str, str, str], tuple[Quote, ...]] = defaultdict(tuple)
    for one in _fetch(connection, _quote, "quotes", chosen) if quotes is Quotes.ALL else ():
        found[one.key] += (one.quote,)
    return found


def _quote(call_id: str, kit: str, brick: str, *fields: Any) -> _QuoteOf:
    return _QuoteOf((call_id, kit, brick), Quote(*fields))


def _fetch(connection: Connection, make: Any, query: str, parameters: Mapping[str, Any]) -> list[Any]:
    """Return the rows of a statement, whose columns are the arguments of `make`, in this order."""
    return connection.cursor(binary=True, row_factory=args_row(make)).execute(_SQL[query], parameters).fetchall()


def _rows(connection: Connection, query: str, parameters: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    """Return the rows of a statement; a class would double the time for millions of them."""
    return connection.cursor(binary=True).execute(_SQL[query], parameters).fetchall()


@lru_cache(maxsize=4096)
def _key(kit: str, brick: str) -> BrickKey:
    return kit, brick


@lru_cache(maxsize=_CACHED)
def _plain_answer(value_kind: str, value: str | None, confidence: float | None) -> BrickAnswer:
    return BrickAnswer(value_of_text(value_kind, value), confidence)


@lru_cache(maxsize=_CACHED)
def value_of_text(value_kind: str, value: str | None) -> Value:
    """Return a value that was written as text."""
    if value is None or value_kind == "null":
        return None
    if value_kind == "bool":
        return value == "true"
    if value_kind == "num":
        return float(value)
    return value if value_kind == "text" else json.loads(value)
