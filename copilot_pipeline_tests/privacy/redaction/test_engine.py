"""The engine: nothing leaves the process or the line, nothing is logged, and lines keep their places."""

from __future__ import annotations

import logging
import resource
import socket
from functools import cache
from pathlib import Path

import pytest
import spacy
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from presidio_analyzer import EntityRecognizer

from copilot_pipeline.config.redaction import COUNTRY_ENTITIES, GENERIC_ENTITIES, RedactionSettings
from copilot_pipeline.errors import PipelineError
from copilot_pipeline.privacy.redaction import engine as engine_module
from copilot_pipeline.privacy.redaction.engine import RedactionEngine, engine_for
from copilot_pipeline.privacy.redaction.names import NamedPerson, ParticipantNames
from copilot_pipeline.privacy.redaction.policy import RedactionPolicy
from copilot_pipeline.privacy.redaction.recognizers import pattern_recognizers

NOBODY = ParticipantNames([])
PEOPLE = ParticipantNames(
    [NamedPerson("Rep 1", frozenset({"Dana Fox"})), NamedPerson("Prospect 1", frozenset({"Lee Park"}))]
)


def policy(**changes: object) -> RedactionPolicy:
    """A policy with some settings."""
    return RedactionPolicy(RedactionSettings.model_validate({"before": "scoring", **changes}), "2.2")


def redacted(*lines: str, names: ParticipantNames = PEOPLE, **changes: object) -> list[str]:
    """The redacted lines."""
    return engine_for(policy(**changes)).redact(lines, names)


def test_tags_replace_values_and_pseudonyms_count_them() -> None:
    """A tag is the same for all values; a pseudonym is the same for each spelling of a value within the call."""
    lines = ("Dana Fox: 415-555-0132 or 4155550132", "Lee's is +44 20 7946 0958", "mail lee@park.example, dana")
    assert redacted(*lines) == ["[PERSON]: [PHONE] or [PHONE]", "[PERSON]'s is [PHONE]", "mail [EMAIL], [PERSON]"]
    assert redacted(*lines, replace="pseudonym") == [
        "Rep 1: [PHONE 1] or [PHONE 1]",
        "Prospect 1's is [PHONE 2]",
        "mail [EMAIL 1], Rep 1",
    ]


def test_addresses_are_found_in_other_letters_and_with_blanks() -> None:
    """Full-width letters and digits stand for ordinary ones. What only looks like an address stays."""
    assert redacted("ｍｅｉ＠ｋｅｓｔｒｅｌ．ｅｘａｍｐｌｅ ok", "call ４１５-５５５-０１３２", "Ｄａｎａ Ｆｏｘ") == [  # noqa: RUF001
        "[EMAIL] ok",
        "call [PHONE]",
        "[PERSON]",
    ]
    assert redacted("to mei @ kestrel.example, please") == ["to [EMAIL], please"]
    assert redacted("5 @ 10.50 each", "we met @ Acme.Then we left", entities=["EMAIL_ADDRESS"]) == [
        "5 @ 10.50 each",
        "we met @ Acme.Then we left",
    ]


def test_the_line_before_is_the_context_of_a_number() -> None:
    """The question names what the answer is: without it, nine digits are no social security number."""
    entities = ["US_SSN"]
    assert redacted("What is your social security number?", "536904399", entities=entities)[1] == "[US_SSN]"
    assert redacted("What is the part number?", "536904399", entities=entities)[1] == "536904399"


def test_entities_that_are_not_listed_stay() -> None:
    """Only what the settings list is replaced, and always the participants."""
    line = "Dana: 415-555-0132, lee@other.example"
    assert redacted(line, entities=["EMAIL_ADDRESS"]) == ["[PERSON]: 415-555-0132, [EMAIL]"]
    assert redacted(line, entities=[]) == ["[PERSON]: 415-555-0132, [PERSON]@other.example"]


def test_no_network_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither building the engine nor an e-mail address opens a connection; Presidio's own check would."""

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a connection was opened")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    engine = RedactionEngine(policy(entities=_installed()))
    assert engine.redact(["write to lee@park.example or see https://park.example"], NOBODY)[0].startswith(
        "write to [EMAIL]"
    )


def test_words_are_neither_logged_nor_in_errors(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At level DEBUG Presidio would log words, and one of its errors quotes the text."""
    with caplog.at_level(logging.DEBUG):
        engine = RedactionEngine(policy())
        engine.redact(["call Lee at 415-555-0132"], PEOPLE)

        def fail(*_: object, **__: object) -> None:
            raise ValueError("Did not find word '415-555-0132' in the list of tokens")

        monkeypatch.setattr(engine._analyzer, "analyze", fail)
        with pytest.raises(PipelineError) as caught:
            engine.redact(["call Lee at 415-555-0132"], PEOPLE)
    assert "415" not in f"{caught.value!r} {caught.value.__cause__!r}"
    assert caught.value.__suppress_context__
    assert "415" not in caplog.text
    assert "Lee" not in caplog.text


_LINES = st.lists(
    st.one_of(
        st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=30),
        st.sampled_from(
            ["Dana Fox 415-555-0132", "4111 1111 1111 1111", "lee@park.example\n", "\n", "::1", "Lee\u2019s"]
        ),
    ),
    max_size=6,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(lines=_LINES)
def test_each_line_keeps_its_place(lines: list[str]) -> None:
    """Any text: as many lines as before, blank ones stay blank, and the values are gone."""
    after = redacted(*lines)
    assert len(after) == max(len(lines), 1)
    for before, now in zip(lines, after, strict=False):
        assert bool(before.strip()) == bool(now.strip())
        assert "Dana Fox" not in now
        assert "4111 1111 1111 1111" not in now


@settings(max_examples=40, deadline=None)
@given(line=st.text("abefhxABDEN -,;'\"!?()/\u2019", max_size=60))
def test_lines_that_are_not_searched_match_no_pattern(line: str) -> None:
    """Text without digits and signs, hexadecimal letters included, matches none of Presidio's patterns."""
    for recognizer in _recognizers():
        found = recognizer.analyze(line, recognizer.supported_entities, None)  # type: ignore[arg-type]
        assert not found, recognizer.supported_entities


def test_lines_that_may_match_are_searched() -> None:
    """Addresses without a digit are let through as well."""
    examples = ["lee@park.example", "10.0.0.1", "fe80::a", "www.park.example", "aa:bb:cc:dd:ee:ff", "\u0664"]
    assert all(engine_module._MAY_MATCH.search(one) for one in examples)


@cache
def _recognizers() -> tuple[EntityRecognizer, ...]:
    """All pattern recognizers of the installed release of Presidio."""
    return tuple(pattern_recognizers(policy(entities=[*GENERIC_ENTITIES, *COUNTRY_ENTITIES]).settings))


def _installed() -> list[str]:
    return [entity for one in _recognizers() for entity in one.supported_entities]


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A spaCy model in a package, which recognizes one name and one place by rules."""
    language = spacy.blank("en")
    ruler = language.add_pipe("entity_ruler")
    ruler.add_patterns([{"label": "PERSON", "pattern": "Priya Raman"}, {"label": "GPE", "pattern": "Lisbon"}])  # type: ignore[attr-defined]
    package = tmp_path / "tiny_model"
    package.mkdir()
    language.to_disk(package / "tiny_model-1.0")
    (package / "__init__.py").write_text(
        "from pathlib import Path\nfrom spacy.util import load_model_from_path\n"
        "def load(**options):\n    return load_model_from_path(Path(__file__).parent / 'tiny_model-1.0', **options)\n"
    )
    info = tmp_path / "tiny_model-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: tiny_model\nVersion: 1.0\n")
    monkeypatch.syspath_prepend(tmp_path)
    return "tiny_model"


def test_an_installed_model_recognizes_other_people(model: str) -> None:
    """Names and places of the model are replaced, each in its own line; entities that are not listed stay."""
    lines = ["Ask Priya Raman", "or fly to Lisbon, Dana"]
    engine = RedactionEngine(policy(models=[model], entities=["PERSON", "LOCATION"]))
    assert engine.redact(lines, PEOPLE) == ["Ask [PERSON]", "or fly to [LOCATION], [PERSON]"]
    engine = RedactionEngine(policy(models=[model], entities=["PERSON"], replace="pseudonym"))
    assert engine.redact(lines, PEOPLE) == ["Ask [PERSON 1]", "or fly to Lisbon, Rep 1"]


def test_a_transcript_takes_milliseconds() -> None:
    """200 utterances with every tenth line full of numbers: at most a few times what docs/privacy.md says."""
    engine = engine_for(policy())
    lines = [
        f"So the renewal would be in March, and your team needs about forty seats, {n}." for n in "abcdefghij" * 20
    ]
    lines[::10] = ["Call me at 415-555-0132 or write to lee@park.example, card 4111 1111 1111 1111."] * 20
    engine.redact(lines, PEOPLE)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_utime
    for _ in range(5):
        engine.redact(lines, PEOPLE)
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_utime - before) / 5 < 0.2
