"""The recognizers of Presidio that a policy needs. Importing this module imports Presidio and spaCy."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import warnings
from collections.abc import Iterable, Iterator, Sequence
from types import ModuleType

import spacy
from presidio_analyzer import EntityRecognizer, Pattern, RecognizerResult, predefined_recognizers
from presidio_analyzer.nlp_engine import NerModelConfiguration, NlpArtifacts
from presidio_analyzer.predefined_recognizers import EmailRecognizer, IpRecognizer, PhoneRecognizer

from copilot_pipeline.config.redaction import RedactionSettings
from copilot_pipeline.errors import ConfigurationError

LANGUAGE = "xx"  # one pass for all languages: patterns are chosen by the entity, not by the language of the call
LINE_END = "\n\0\n"  # between utterances; no storable text contains it
_MODEL_SCORE = 0.85  # spaCy gives no confidence; this is Presidio's value
# Steps of a model that its named-entity recognition does not use.
_UNUSED_STEPS = ("tagger", "parser", "attribute_ruler", "lemmatizer", "morphologizer", "senter")
_MODEL_LABELS = {**(NerModelConfiguration().model_to_presidio_entity_mapping or {}), "MISC": "NRP"}


_WITH_BLANKS = Pattern("e-mail", r"[\w.+-]+[ \t]{0,2}@[ \t]{0,2}[\w-]+(?:\.[\w-]+)*\.[a-z]{2,}\b", 0.5)


class AnyDomainEmailRecognizer(EmailRecognizer):
    """E-mail addresses of any domain, also with blanks around the @, as in `mei @ kestrel.example`.

    Presidio's own check of the domain downloads a list of public suffixes, and misses addresses of internal domains.
    """

    def __init__(self) -> None:
        super().__init__(patterns=[*EmailRecognizer.PATTERNS, _WITH_BLANKS], supported_language=LANGUAGE)

    def validate_result(self, pattern_text: str) -> bool | None:
        """Accept every match of the pattern; after a blank only a domain in lower case: not `@ Acme.Then`."""
        domain = pattern_text.rpartition("@")[2]
        return False if domain[:1].isspace() and domain != domain.lower() else None


class WholeIpRecognizer(IpRecognizer):
    """Addresses of machines. Presidio's pattern ends at the `::` of a shortened IPv6 address."""

    def analyze(
        self, text: str, entities: list[str], nlp_artifacts: NlpArtifacts | None = None, regex_flags: int | None = None
    ) -> list[RecognizerResult]:
        """Return the addresses up to their last digit."""
        found = super().analyze(text, entities, nlp_artifacts, regex_flags)
        for one in found:
            if ":" in text[one.start : one.end]:
                while one.end < len(text) and text[one.end] in "0123456789abcdefABCDEF:":
                    one.end += 1
        return found


class ModelRecognizer(EntityRecognizer):
    """Named entities of an installed spaCy model, one utterance at a time."""

    def __init__(self, package: str, entities: Sequence[str]) -> None:
        self._package = package
        super().__init__(supported_entities=list(entities), name=package, supported_language=LANGUAGE)

    def load(self) -> None:
        """Load the model. Raises `ConfigurationError` if it has no named-entity recognition."""
        self._model = spacy.load(self._package, exclude=_UNUSED_STEPS)
        if not {"ner", "entity_ruler"} & set(self._model.pipe_names):
            raise ConfigurationError(
                f"privacy.redact.models: {self._package} has no named-entity recognition; use a model such as "
                "en_core_web_sm"
            )

    def analyze(
        self, text: str, entities: list[str], nlp_artifacts: NlpArtifacts | None = None
    ) -> list[RecognizerResult]:
        """Return the entities of each line."""
        found = []
        offset = 0
        for document in self._model.pipe(text.split(LINE_END), batch_size=256):
            for one in document.ents:
                entity = _MODEL_LABELS.get(one.label_, one.label_)
                if entity in self.supported_entities:
                    start, end = offset + one.start_char, offset + one.end_char
                    found.append(RecognizerResult(entity, start, end, _MODEL_SCORE))
            offset += len(document.text) + len(LINE_END)
        return found


def pattern_recognizers(settings: RedactionSettings) -> list[EntityRecognizer]:
    """Return the recognizers of patterns and checksums for the entities of the settings."""
    wanted = set(settings.entities)
    chosen: list[EntityRecognizer] = []
    if "EMAIL_ADDRESS" in wanted:
        chosen.append(AnyDomainEmailRecognizer())
    if "PHONE_NUMBER" in wanted:
        chosen.append(PhoneRecognizer(supported_language=LANGUAGE, supported_regions=settings.phone_regions))
    if "IP_ADDRESS" in wanted:
        chosen.append(WholeIpRecognizer(supported_language=LANGUAGE))
    for kind in _pattern_classes():
        if kind not in (EmailRecognizer, IpRecognizer, PhoneRecognizer):
            recognizer = kind(supported_language=LANGUAGE)  # type: ignore[call-arg]  # not a parameter of the base
            if wanted & set(recognizer.supported_entities):
                chosen.append(recognizer)
    return chosen


def model_recognizers(settings: RedactionSettings) -> list[ModelRecognizer]:
    """Return a recognizer for each model of the settings."""
    names = [entity for entity in settings.entities if entity in set(_MODEL_LABELS.values())]
    return [ModelRecognizer(package, names) for package in settings.models] if names else []


def _pattern_classes() -> Iterator[type[EntityRecognizer]]:
    """Yield Presidio's recognizers of patterns, by module and name."""
    for package in ("generic", "country_specific"):
        folder = importlib.import_module(f"{predefined_recognizers.__name__}.{package}")
        for module in sorted(_modules(folder), key=lambda one: one.__name__):
            for name, kind in inspect.getmembers(module, inspect.isclass):
                is_own = issubclass(kind, EntityRecognizer) and kind.__module__ == module.__name__
                if is_own and hasattr(predefined_recognizers, name):
                    yield kind  # type: ignore[misc]  # a class of recognizers, see above


def _modules(folder: ModuleType) -> Iterable[ModuleType]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for one in pkgutil.walk_packages(folder.__path__, f"{folder.__name__}."):
            yield importlib.import_module(one.name)
