"""Evidence: the quotes of a day's scores, looked for in the utterances of their calls."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc

from copilot_pipeline.load.lake import Lake
from copilot_pipeline.load.tables import UTTERANCES
from copilot_pipeline.transform.transcripts import QuoteFinder, SpokenUtterance

_COLUMNS = ["call_id", "seq", "speaker", "side", "start_s", "text"]
Row = tuple[object, ...]
QuoteKey = tuple[str, str, int]  # kit, brick, position


class EvidenceFinder:
    """Goes once through the utterances of a day, in the order of its calls: both files have the same order."""

    def __init__(self, lake: Lake, day: date) -> None:
        self._day = day
        self._batches = lake.batches(UTTERANCES, day, columns=_COLUMNS)
        self._read: pa.Table | None = None

    def rows(self, call_ids: Sequence[str], quotes: Mapping[str, Sequence[tuple[QuoteKey, str]]]) -> Iterator[Row]:
        """A row of `evidence` for each quote of these calls: the next calls of the day."""
        spoken = self._utterances_of([call_id for call_id in call_ids if quotes.get(call_id)])
        for call_id in call_ids:
            if not quotes.get(call_id):
                continue
            finder = QuoteFinder(spoken.get(call_id, []))
            for (kit, brick, position), quote in quotes[call_id]:
                found = finder.find(quote)
                yield (
                    call_id,
                    kit,
                    brick,
                    position,
                    self._day,
                    quote,
                    found.match.value,
                    found.score,
                    found.seq,
                    found.last_seq,
                    found.start_s,
                    found.speaker,
                    found.side,
                    found.said,
                )

    def _utterances_of(self, call_ids: list[str]) -> dict[str, list[SpokenUtterance]]:
        """The utterances of some calls. Reads on until all of them were seen; a call is never in two row groups."""
        found: dict[str, list[SpokenUtterance]] = {}
        missing = set(call_ids)
        while missing:
            if self._read is None:
                self._read = next(self._batches, None)
                if self._read is None:
                    break
            wanted = self._read.filter(pc.is_in(self._read["call_id"], pa.array(sorted(missing), pa.string())))
            for call_id, *rest in zip(*(wanted[name].to_pylist() for name in _COLUMNS), strict=True):
                found.setdefault(call_id, []).append(SpokenUtterance(*rest))
            missing -= found.keys()
            if missing:
                self._read = None
        return found
