"""Settings of redaction: what the engine does not recognize is refused, and so are packages of unknown origin."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from pathlib import Path

import pytest
from presidio_analyzer import EntityRecognizer, predefined_recognizers

from copilot_pipeline.config.loading import read_pipeline_file
from copilot_pipeline.config.redaction import COUNTRY_ENTITIES, GENERIC_ENTITIES, RedactionSettings
from copilot_pipeline.errors import ConfigurationError


def recognized(package: str) -> set[str]:
    """The entities of the recognizers below a package of Presidio."""
    folder = importlib.import_module(f"{predefined_recognizers.__name__}.{package}")
    modules = [
        importlib.import_module(one.name) for one in pkgutil.walk_packages(folder.__path__, f"{folder.__name__}.")
    ]
    classes = {
        kind
        for module in modules
        for _, kind in inspect.getmembers(module, inspect.isclass)
        if issubclass(kind, EntityRecognizer)
        and kind.__module__ == module.__name__
        and hasattr(predefined_recognizers, kind.__name__)  # the others are bases
    }
    return {entity for kind in classes for entity in kind().supported_entities}  # type: ignore[call-arg]


def test_entities_of_the_installed_engine_are_accepted() -> None:
    """The settings accept all that Presidio recognizes by patterns. Newer releases recognize more than older ones."""
    generic, of_countries = recognized("generic"), recognized("country_specific")
    assert generic <= set(GENERIC_ENTITIES)
    assert of_countries <= set(COUNTRY_ENTITIES)
    assert {"EMAIL_ADDRESS", "PHONE_NUMBER", "CREDIT_CARD", "IBAN_CODE"} <= generic
    assert {"US_SSN", "UK_NHS", "ES_NIF", "IT_FISCAL_CODE", "PL_PESEL"} <= of_countries


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ("{entities: [PERSON]}", "line 2: privacy.redact.before: Field required"),
        ("{before: reading}", "privacy.redact.before: Input should be 'scoring' or 'storing'"),
        ("{before: scoring, entities: [EMAIL]}", "'EMAIL' is not recognized by Presidio"),
        ("{before: scoring, entities: [PHONE_NUMER]}", "did you mean PHONE_NUMBER?"),
        ("{before: scoring, entities: [LOCATION]}", "LOCATION: only a model recognizes it; name an installed one"),
        ("{before: scoring, models: [en_core_web_trf]}", "is not from the authors of spaCy"),
        ("{before: scoring, models: [en-core-web-trf]}", "is not the name of an installed package"),
        ("{before: scoring, models: [/etc/passwd]}", "is not the name of an installed package"),
        ("{before: scoring, phone_regions: [germany]}", "use two capital letters"),
        ("{before: scoring, phone_regions: []}", "at least 1 item"),
        ("{before: scoring, min_score: 0}", "greater than 0"),
    ],
)
def test_mistakes_are_named_with_their_line(section: str, message: str, tmp_path: Path) -> None:
    """Each mistake in the section is an error that says where it is and what is meant."""
    path = tmp_path / "pipeline.yaml"
    path.write_text(f"privacy:\n  redact: {section}\n", encoding="utf-8")
    with pytest.raises(ConfigurationError) as caught:
        read_pipeline_file(str(path))
    assert message in str(caught.value)
    assert "line 2" in str(caught.value)


def test_a_model_makes_its_entities_available() -> None:
    """With a model, entities that only a model recognizes are accepted."""
    settings = RedactionSettings(before="scoring", entities=("LOCATION",), models=("en_core_web_sm",))
    assert settings.entities == ("LOCATION",)
