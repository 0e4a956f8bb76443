"""Read what was said: speech of own people, words of reps, and places of quotes."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from datetime import date, timedelta
from typing import Any

from psycopg.rows import class_row, dict_row, namedtuple_row

from copilot_pipeline.marts.model import Quote
from copilot_pipeline.marts.reference_reader import ReferenceReader
from copilot_pipeline.marts.rep_calls import Speech
from copilot_pipeline.postgres.connections import Connection
from copilot_pipeline.postgres.queries import load_queries
from copilot_pipeline.transform.transcripts import QuoteFinder, SpokenUtterance

_SQL = load_queries("copilot_pipeline.marts.sql", "transcripts.sql")


class TranscriptReader(ReferenceReader):
    """Reads participants and utterances."""

    def speech(self) -> Iterator[Speech]:
        """Yield what each own person said on the calls that were held, by day and call."""
        people = self.people()
        for first, last in self.months():
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

    def rep_words(self, since: date, searched: Collection[str]) -> Iterator[tuple[str, str]]:
        """Yield (call id, everything its reps said), a day at a time, for the calls since a day.

        The text is empty if it certainly contains none of the searched words, as `words_of` returns them: a year of
        calls would be gigabytes.
        """
        patterns = [f"%{word}%" for word in searched]
        for first, last in self.months(since):
            for day in (first + timedelta(days=offset) for offset in range((last - first).days + 1)):
                with self._database.connection() as connection:
                    rows = _fetch(connection, "rep_words", dict_row, day=day, patterns=patterns)
                yield from ((row["call_id"], row["words"]) for row in rows)


def _fetch(connection: Connection, query: str, row_factory: Any, **parameters: Any) -> list[Any]:
    return connection.cursor(binary=True, row_factory=row_factory).execute(_SQL[query], parameters).fetchall()
