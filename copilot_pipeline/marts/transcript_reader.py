"""Read what was said: speech of own people, words of reps, and places of quotes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import date
from typing import Any

from psycopg.rows import class_row, namedtuple_row

from copilot_pipeline.marts.model import Quote
from copilot_pipeline.marts.phrases import Phrase
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

    def rep_words(self, since: date, searched: Sequence[Phrase]) -> Iterator[tuple[str, str]]:
        """Yield (call id, words of its reps) for the calls since a day, by day and call.

        The words are the searched phrases that were said, or everything that was said if a phrase may be spread over
        several utterances or a text has other letters than ASCII: a year of calls would be gigabytes.
        """
        phrases = {
            "texts": [phrase.text for phrase in searched],
            "words": [f"%{phrase.word}%" for phrase in searched],
            "plainly": [f"% {phrase.text} %" for phrase in searched],
            "within": [phrase.within for phrase in searched],
            "at_edge": [phrase.at_edge for phrase in searched],
        }
        for first, last in self.months(since):
            with self._database.connection() as connection:
                rows = _fetch(connection, "rep_words", namedtuple_row, first=first, last=last, **phrases)
            yield from ((row.call_id, row.words) for row in rows)


def _fetch(connection: Connection, query: str, row_factory: Any, **parameters: Any) -> list[Any]:
    return connection.cursor(binary=True, row_factory=row_factory).execute(_SQL[query], parameters).fetchall()
