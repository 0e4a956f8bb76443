"""Find the quotes of a day's scores in the utterances of their calls."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc

from copilot_pipeline.load.lake import Lake
from copilot_pipeline.load.tables import UTTERANCES
from copilot_pipeline.score.redacted_quotes import RedactedQuoteFinder, quote_finder
from copilot_pipeline.score.rows import EvidenceRow, SemarizeScoreRow
from copilot_pipeline.transform.transcripts import QuoteFinder, SpokenUtterance

_COLUMNS = ["call_id", "seq", "speaker", "side", "start_s", "text", "person_id"]


class EvidenceFinder:
    """Reads the utterances of a day once, in the order of its calls."""

    def __init__(self, lake: Lake, day: date) -> None:
        self._batches = lake.batches(UTTERANCES, day, columns=_COLUMNS)
        self._current: pa.Table | None = None

    def rows(
        self, call_ids: Sequence[str], scores: Iterable[SemarizeScoreRow], redacted: Mapping[str, str] | None = None
    ) -> Iterator[EvidenceRow]:
        """Yield a row of `evidence` for each quote of the next calls of the day.

        `redacted` has the scored text of calls of which the words are stored as they were said.
        """
        quoted: defaultdict[str, list[SemarizeScoreRow]] = defaultdict(list)
        for score in scores:
            if score.evidence:
                quoted[score.call_id].append(score)
        utterances = self._utterances_of([call_id for call_id in call_ids if call_id in quoted])
        for call_id in call_ids:
            if call_id not in quoted:
                continue
            finder = quote_finder(utterances.get(call_id, []), (redacted or {}).get(call_id))
            for score in quoted[call_id]:
                yield from _evidence_rows(score, finder)

    def _utterances_of(self, call_ids: list[str]) -> dict[str, list[SpokenUtterance]]:
        """Return the utterances by call.

        Reads until all calls were seen; a call is never in two row groups.
        """
        by_call: dict[str, list[SpokenUtterance]] = {}
        missing = set(call_ids)
        while missing:
            if self._current is None:
                self._current = next(self._batches, None)
                if self._current is None:
                    break
            missing_rows = self._current.filter(
                pc.is_in(self._current["call_id"], pa.array(sorted(missing), pa.string()))
            )
            for row in missing_rows.to_pylist():
                by_call.setdefault(row.pop("call_id"), []).append(SpokenUtterance(**row))
            missing -= by_call.keys()
            if missing:
                self._current = None
        return by_call


def _evidence_rows(score: SemarizeScoreRow, finder: QuoteFinder | RedactedQuoteFinder) -> Iterator[EvidenceRow]:
    for position, quote in enumerate(score.evidence):
        passage = finder.find(quote)
        yield EvidenceRow(
            call_id=score.call_id,
            kit=score.kit,
            brick=score.brick,
            position=position,
            call_date=score.call_date,
            quote=quote,
            match=passage.match.value,
            match_score=passage.score,
            seq=passage.seq,
            last_seq=passage.last_seq,
            start_s=passage.start_s,
            speaker=passage.speaker,
            side=passage.side,
            said=passage.said,
            person_id=passage.person_id,
        )
