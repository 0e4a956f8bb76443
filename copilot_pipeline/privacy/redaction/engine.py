"""Find and replace personal data in the utterances of a call, with Presidio.

Importing this module imports Presidio; `redactor` does it when the first transcript is redacted.
"""

from __future__ import annotations

import logging
import re
import unicodedata
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import accumulate

from presidio_analyzer import AnalyzerEngine, EntityRecognizer, RecognizerRegistry
from presidio_analyzer.nlp_engine import NlpArtifacts, NlpEngine
from presidio_anonymizer import AnonymizerEngine
from presidio_anonymizer.entities import OperatorConfig, RecognizerResult

from copilot_pipeline.config.redaction import PERSON
from copilot_pipeline.errors import ConfigurationError, PipelineError
from copilot_pipeline.privacy.redaction.names import ParticipantNames
from copilot_pipeline.privacy.redaction.policy import RedactionPolicy
from copilot_pipeline.privacy.redaction.recognizers import LANGUAGE, LINE_END, model_recognizers, pattern_recognizers

# Every pattern of Presidio needs a digit, an @, or a dot or colon inside a word; other lines are not searched.
_MAY_MATCH = re.compile(r"\d|@|\w[.:]\w|::")
_TOKEN = re.compile(r"\w+|[^\w\s]")
_CONTEXT_CHARACTERS = 80  # of the line before; Presidio uses five words
_SHORT_TAGS = {
    "PHONE_NUMBER": "PHONE",
    "EMAIL_ADDRESS": "EMAIL",
    "IBAN_CODE": "IBAN",
    "IP_ADDRESS": "IP",
    "MAC_ADDRESS": "MAC",
}


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of the text that is replaced."""

    start: int
    end: int
    entity: str
    score: float
    label: str | None = None  # of the participant who is named


class _Tokenizer(NlpEngine):
    """Splits text into words, for recognizers that use the words before a number; has no language model."""

    def load(self) -> None:
        """Do nothing: there is no model."""

    def is_loaded(self) -> bool:
        """Return True."""
        return True

    def process_text(self, text: str, language: str) -> NlpArtifacts:
        """Return the words in lower case as lemmas."""
        tokens = [(match.start(), match[0]) for match in _TOKEN.finditer(text)]
        # Presidio looks for the token of each match, and quotes the match in an error if it finds none.
        tokens.append((len(text), " "))
        words = [word for _, word in tokens]
        lemmas = [word.lower() for word in words]
        return NlpArtifacts([], words, [start for start, _ in tokens], lemmas, self, language)  # type: ignore[arg-type]

    def process_batch(self, texts: Iterable[str], language: str, **_: object) -> Iterator[tuple[str, NlpArtifacts]]:  # type: ignore[override]
        """Yield each text with its words."""
        for text in texts:
            yield text, self.process_text(text, language)

    def is_stopword(self, word: str, language: str) -> bool:
        """Return False: there is no list of stop words."""
        return False

    def is_punct(self, word: str, language: str) -> bool:
        """Return whether the token is a punctuation mark."""
        return not word.isalnum()

    def get_supported_entities(self) -> list[str]:
        """Return no entities."""
        return []

    def get_supported_languages(self) -> list[str]:
        """Return the pseudo-language of all recognizers."""
        return [LANGUAGE]


class RedactionEngine:
    """Redacts lines of text. Built once per process and policy."""

    def __init__(self, policy: RedactionPolicy) -> None:
        # At level DEBUG Presidio logs words of the text.
        for name in ("presidio-analyzer", "presidio-anonymizer"):
            logging.getLogger(name).setLevel(logging.WARNING)
        settings = policy.settings
        self._min_score = settings.min_score
        self._has_pseudonyms = settings.replace == "pseudonym"
        recognizers = pattern_recognizers(settings)
        self._entities = sorted({entity for one in recognizers for entity in one.supported_entities})
        # Presidio fills an empty registry with recognizers of its choice.
        self._analyzer = _analyzer(recognizers) if recognizers else None
        self._models = model_recognizers(settings)
        supported = {*self._entities, PERSON, *(entity for one in self._models for entity in one.supported_entities)}
        if missing := sorted(set(settings.entities) - supported):
            raise ConfigurationError(
                f"privacy.redact.entities: {', '.join(missing)}: not recognized by the installed presidio-analyzer "
                f"{policy.engine_version}: upgrade it, or remove the entity"
            )
        self._anonymizer = AnonymizerEngine()  # type: ignore[no-untyped-call]

    def redact(self, lines: Sequence[str], names: ParticipantNames) -> list[str]:
        """Return the lines with personal data replaced. Pseudonyms are numbered over all lines.

        Raises `PipelineError` without the text if the engine fails.
        """
        text = LINE_END.join(lines)
        try:
            return self._replaced(text, self.find(lines, names), names).split(LINE_END)
        except (ArithmeticError, LookupError, TypeError, ValueError) as error:
            raise PipelineError(
                f"the transcript could not be redacted ({type(error).__name__} in the engine)"
            ) from None

    def find(self, lines: Sequence[str], names: ParticipantNames) -> list[Span]:
        """Return what is personal, by position in the lines joined with `LINE_END`. No span extends over two lines."""
        text = LINE_END.join(lines)
        found = [*_names(text, names), *self._patterns(lines), *self._named_entities(text)]
        return list(_within_lines(text, found))

    def _patterns(self, lines: Sequence[str]) -> Iterator[Span]:
        """Search the lines that may match. The end of the line before gives the context of a number."""
        lines = [_plain(line) for line in lines]
        numbers = [number for number, line in enumerate(lines) if _MAY_MATCH.search(line)]
        if not numbers or self._analyzer is None:
            return
        pieces = [
            piece for number in numbers for piece in (_end_of(lines[number - 1]) if number else "", lines[number])
        ]
        starts, piece_starts = _starts(lines), _starts(pieces)
        text = LINE_END.join(pieces)
        for one in self._analyzer.analyze(text, LANGUAGE, entities=self._entities, score_threshold=self._min_score):
            piece = bisect_right(piece_starts, one.start) - 1
            if piece % 2:  # the others are context
                shift = starts[numbers[piece // 2]] - piece_starts[piece]
                end = min(one.end, piece_starts[piece] + len(pieces[piece]))
                yield Span(one.start + shift, end + shift, one.entity_type, one.score)

    def _named_entities(self, text: str) -> Iterator[Span]:
        for model in self._models:
            for one in model.analyze(text, model.supported_entities):
                yield Span(one.start, one.end, one.entity_type, one.score)

    def _replaced(self, text: str, spans: Iterable[Span], names: ParticipantNames) -> str:
        """Return the text with each span replaced. The replacement is the type of entity, so that equal ones merge."""
        pseudonyms = Pseudonyms(names) if self._has_pseudonyms else None
        results = []
        covered = 0
        for one in sorted(spans, key=lambda span: (span.start, -span.end, -span.score)):
            if one.end > covered:  # otherwise it is part of a longer one
                covered = one.end
                label = pseudonyms.of(one, text[one.start : one.end]) if pseudonyms else f"[{tag_of(one.entity)}]"
                results.append(RecognizerResult(label, one.start, one.end, one.score))
        operators = {one.entity_type: OperatorConfig("replace", {"new_value": one.entity_type}) for one in results}
        return self._anonymizer.anonymize(text, results, operators).text or ""


def _analyzer(recognizers: list[EntityRecognizer]) -> AnalyzerEngine:
    registry = RecognizerRegistry(recognizers=recognizers, supported_languages=[LANGUAGE])
    return AnalyzerEngine(registry=registry, nlp_engine=_Tokenizer(), supported_languages=[LANGUAGE])


class Pseudonyms:
    """Numbers the values of a call by entity: `[PHONE 1]`. Participants have the labels of their speech."""

    def __init__(self, names: ParticipantNames) -> None:
        self._names = names
        self._numbers: defaultdict[str, dict[str, int]] = defaultdict(dict)

    def of(self, span: Span, text: str) -> str:
        """Return the pseudonym of a value, the same for other spellings of a number."""
        if span.entity == PERSON and (label := span.label or self._names.label_of(text)) is not None:
            return label
        numbers = self._numbers[span.entity]
        value = "".join(filter(str.isalnum, text.casefold()))
        return f"[{tag_of(span.entity)} {numbers.setdefault(value, len(numbers) + 1)}]"


@lru_cache(maxsize=2)
def engine_for(policy: RedactionPolicy) -> RedactionEngine:
    """Return the engine of a policy. Building it takes about two seconds, and longer with models."""
    return RedactionEngine(policy)


def tag_of(entity: str) -> str:
    """Return the tag of an entity: `PHONE` for `PHONE_NUMBER`."""
    return _SHORT_TAGS.get(entity, entity)


def _names(text: str, names: ParticipantNames) -> Iterator[Span]:
    return (Span(match.start, match.end, PERSON, 1.0, match.label) for match in names.find(text))


def _plain(line: str) -> str:
    """Return a line of the same length with ordinary letters and digits in place of full-width and styled ones."""
    if line.isascii():
        return line
    forms = {char: unicodedata.normalize("NFKC", char) for char in set(line)}
    return line.translate({ord(char): form for char, form in forms.items() if len(form) == 1})


def _end_of(line: str) -> str:
    """Return the last words of a line."""
    return line[-_CONTEXT_CHARACTERS:].partition(" ")[2] if len(line) > _CONTEXT_CHARACTERS else line


def _starts(lines: Sequence[str]) -> list[int]:
    """Return where each line starts in the joined text."""
    return [0, *accumulate(len(line) + len(LINE_END) for line in lines)][: len(lines)]


def _within_lines(text: str, spans: Iterable[Span]) -> Iterator[Span]:
    """Split spans at the ends of lines, so that each line keeps its place."""
    for span in spans:
        start = span.start
        for part in text[span.start : span.end].split(LINE_END):
            if part:
                yield replace(span, start=start, end=start + len(part))
            start += len(part) + len(LINE_END)
