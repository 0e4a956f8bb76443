"""Recall and precision of redaction on a labelled set. docs/privacy.md has the same figures."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from copilot_pipeline.config.redaction import DEFAULT_ENTITIES, RedactionSettings
from copilot_pipeline.privacy.redaction.engine import engine_for
from copilot_pipeline.privacy.redaction.policy import RedactionPolicy
from copilot_pipeline_tests.privacy.redaction.labelled import Accuracy, labelled, measure

PAGE = Path(__file__).parents[3] / "docs" / "privacy.md"
ENTITIES = (*DEFAULT_ENTITIES, "ES_NIF", "IT_FISCAL_CODE", "UK_NHS", "US_SSN")
POLICY = RedactionPolicy(RedactionSettings(before="scoring", entities=ENTITIES), "2.2")


@pytest.fixture(scope="module")
def accuracy() -> dict[str, Accuracy]:
    """The counts by entity, without a model."""
    return measure(engine_for(POLICY), set(ENTITIES))


def figures() -> dict[str, tuple[int, float, float]]:
    """Labelled values, recall and precision of the page, by entity."""
    rows = re.findall(r"^\| `(\w+)` \| (\d+) \| (\d+) % \| (\d+) % \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    return {entity: (int(n), int(recall) / 100, int(precision) / 100) for entity, n, recall, precision in rows}


@pytest.mark.parametrize("entity", sorted(ENTITIES))
def test_figures_of_the_page_are_true(entity: str, accuracy: dict[str, Accuracy]) -> None:
    """Each figure is the measured one to a percent."""
    number, recall, precision = figures()[entity]
    measured = accuracy[entity]
    assert measured.found + len(measured.missed) == number
    assert measured.recall == pytest.approx(recall, abs=0.006)
    assert measured.precision == pytest.approx(precision, abs=0.006)


def test_only_known_misses_are_missed(accuracy: dict[str, Accuracy]) -> None:
    """Whatever is not replaced is in an utterance that is marked as a known miss, and each of these holds a miss."""
    marked = [one for one in labelled() if one.is_known_miss]
    missed = {value for one in accuracy.values() for value in one.missed}
    known = {one.text[start:end] for one in marked for _, start, end in one.spans}
    assert missed <= known
    assert all(missed & {one.text[start:end] for _, start, end in one.spans} for one in marked)


def test_every_name_of_a_participant_is_found(accuracy: dict[str, Accuracy]) -> None:
    """Without a model, the names that are missed are those of people who are not on the call."""
    on_the_call = {"dana", "fox", "jose", "josé", "will", "page", "ng", "mei"}
    assert not [name for name in accuracy["PERSON"].missed if on_the_call & set(name.casefold().split())]
    assert accuracy["PERSON"].wrong == []
