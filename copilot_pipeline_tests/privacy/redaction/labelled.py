"""A labelled set of utterances, and how well an engine finds what is labelled."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import defaultdict
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path

from copilot_pipeline.privacy.redaction.engine import RedactionEngine
from copilot_pipeline.privacy.redaction.names import NamedPerson, ParticipantNames
from copilot_pipeline.privacy.redaction.recognizers import LINE_END

PEOPLE = (
    NamedPerson("Rep 1", frozenset({"Dana Fox", "dana.fox@acme.com"})),
    NamedPerson("Prospect 1", frozenset({"José Núñez-O'Brien"})),
    NamedPerson("Prospect 2", frozenset({"Will Page"})),
    NamedPerson("Prospect 3", frozenset({"Dr. Mei-Ling Ng"})),
)
_LABEL = re.compile(r"\{([A-Z_]+):([^}]*)\}")


@dataclass(frozen=True, slots=True)
class Labelled:
    """One utterance: its text, and where what is to be replaced begins and ends, by entity."""

    text: str
    spans: tuple[tuple[str, int, int], ...]
    is_known_miss: bool


@dataclass(slots=True)
class Accuracy:
    """Counts of one entity."""

    found: int = 0
    missed: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    @property
    def recall(self) -> float:
        """Share of the labelled values that are replaced."""
        return self.found / (self.found + len(self.missed))

    @property
    def precision(self) -> float:
        """Share of the replaced values that are labelled."""
        return self.found / (self.found + len(self.wrong))


def labelled() -> list[Labelled]:
    """Return the set."""
    lines = Path(__file__).with_name("labelled.txt").read_text(encoding="utf-8").splitlines()
    return [_parsed(line) for line in lines if line and not line.startswith("#")]


def measure(engine: RedactionEngine, entities: set[str]) -> dict[str, Accuracy]:
    """Redact all utterances of the set as one call, and compare what was replaced by entity."""
    examples = labelled()
    lines = [one.text for one in examples]
    starts = [0, *accumulate(len(line) + len(LINE_END) for line in lines)]
    found: defaultdict[int, list[tuple[str, int, int]]] = defaultdict(list)
    for span in engine.find(lines, ParticipantNames(PEOPLE)):
        line = bisect_right(starts, span.start) - 1
        found[line].append((span.entity, span.start - starts[line], span.end - starts[line]))
    accuracy = {entity: Accuracy() for entity in sorted(entities)}
    for line, example in enumerate(examples):
        expected = [span for span in example.spans if span[0] in entities]
        for entity, start, end in expected:
            is_found = _is_covered(example.text, start, end, [(first, last) for _, first, last in found[line]])
            if is_found:
                accuracy[entity].found += 1
            else:
                accuracy[entity].missed.append(example.text[start:end])
        for entity, start, end in found[line]:
            if entity in entities and not any(first < end and start < last for _, first, last in example.spans):
                accuracy[entity].wrong.append(example.text[start:end])
    return accuracy


def _is_covered(text: str, start: int, end: int, spans: list[tuple[int, int]]) -> bool:
    """Return whether every letter and digit is in a span."""
    return all(
        any(first <= position < last for first, last in spans)
        for position in range(start, end)
        if text[position].isalnum()
    )


def _parsed(line: str) -> Labelled:
    is_known_miss = line.startswith("[missed] ")
    text, spans, position = "", [], 0
    source = line.removeprefix("[missed] ")
    for match in _LABEL.finditer(source):
        text += source[position : match.start()]
        spans.append((match[1], len(text), len(text) + len(match[2])))
        text += match[2]
        position = match.end()
    return Labelled(text + source[position:], tuple(spans), is_known_miss)
