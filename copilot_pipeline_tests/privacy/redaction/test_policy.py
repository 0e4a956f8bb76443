"""The policy: its fingerprint, and what is said if the engine or a model is missing."""

from __future__ import annotations

import importlib.metadata
import importlib.util
from pathlib import Path

import pytest

from copilot_pipeline.config.environment import Environment
from copilot_pipeline.config.loading import Settings
from copilot_pipeline.config.pipeline_file import PipelineFile
from copilot_pipeline.config.redaction import RedactionSettings
from copilot_pipeline.errors import ConfigurationError
from copilot_pipeline.privacy.redaction.engine import RedactionEngine
from copilot_pipeline.privacy.redaction.policy import RedactionPolicy, redaction_input, redaction_policy


def settings(**redact: object) -> Settings:
    """Settings with a section `privacy.redact`, none without arguments."""
    content = {"privacy": {"redact": {"before": "scoring", **redact}}} if redact else {}
    return Settings(environment=Environment(), pipeline=PipelineFile.model_validate(content))


def fingerprint(engine: str = "2.2", models: tuple[tuple[str, str], ...] = (), **redact: object) -> str:
    """The fingerprint of a policy."""
    validated = RedactionSettings.model_validate({"before": "scoring", **redact})
    return RedactionPolicy(validated, engine, models).fingerprint


def test_the_fingerprint_is_that_of_the_redacted_text() -> None:
    """It changes with entities, replacements, engine and models, not with the step or the order of names."""
    base = fingerprint()
    assert base == fingerprint(before="storing")
    assert fingerprint(entities=["URL", "PERSON"]) == fingerprint(entities=["PERSON", "URL"])
    others = [
        fingerprint("2.3"),
        fingerprint(models=(("en_core_web_sm", "3.8.0"),)),
        fingerprint(replace="pseudonym"),
        fingerprint(entities=["PERSON"]),
        fingerprint(min_score=0.5),
        fingerprint(phone_regions=["US"]),
    ]
    assert len({base, *others}) == 7


def test_rows_depend_on_the_policy_and_its_step() -> None:
    """What stored rows depend on is empty without redaction, and differs between the two steps."""
    assert redaction_policy(settings()) is None
    inputs = [redaction_input(one) for one in (settings(), settings(before="scoring"), settings(before="storing"))]
    assert inputs[0] == ""
    assert len(set(inputs)) == 3


def test_a_missing_engine_is_named_with_the_command_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error says where the setting is and what to run."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr("copilot_pipeline.privacy.redaction.policy.find_spec", lambda name: None)
    with pytest.raises(ConfigurationError, match=r"pipeline\.yaml: .*pip install \"copilot-pipeline\[privacy\]\""):
        redaction_policy(settings(before="scoring"))


def test_a_missing_model_is_not_downloaded() -> None:
    """The error names the model, and says that nothing is downloaded."""
    with pytest.raises(ConfigurationError, match=r"xx_no_such_model of .* is not installed, and none is downloaded"):
        redaction_policy(settings(models=["xx_no_such_model"]))


def test_a_placeholder_of_a_model_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The package index has packages of version 999.9.9 under names of models."""
    info = tmp_path / "de_core_news_md-999.9.9.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: de-core-news-md\nVersion: 999.9.9\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert importlib.metadata.version("de_core_news_md") == "999.9.9"
    with pytest.raises(ConfigurationError, match="is a placeholder of that name, not a model"):
        redaction_policy(settings(models=["de_core_news_md"]))


def test_an_entity_of_a_newer_release_is_refused_by_an_older_one() -> None:
    """The engine names what it does not recognize; it does not leave it out silently."""
    policy = RedactionPolicy(RedactionSettings(before="scoring", entities=("PERSON", "URL")), "2.2")
    assert RedactionEngine(policy)
    unknown = policy.settings.model_copy(update={"entities": ("PERSON", "NEW_NUMBER")})
    with pytest.raises(ConfigurationError, match="NEW_NUMBER: not recognized by the installed"):
        RedactionEngine(RedactionPolicy(unknown, "2.2"))
