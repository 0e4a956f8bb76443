"""The reference page, .env.example and pipeline.example.yaml agree with the settings."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml
from pydantic import BaseModel

from copilot_pipeline.config.conditions import ConditionSettings
from copilot_pipeline.config.environment import Environment
from copilot_pipeline.config.pipeline_file import PipelineFile
from copilot_pipeline.config.reference import configuration_page

ROOT = Path(__file__).parents[2]


def models_in(kind: Any) -> Iterator[type[BaseModel]]:
    """Every model that a type refers to, itself included."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        yield kind
        for field in kind.model_fields.values() if kind is not ConditionSettings else ():
            yield from models_in(field.annotation)
    for argument in get_args(kind):
        yield from models_in(argument)


def test_page_is_up_to_date() -> None:
    """docs/configuration.md is what the generator writes."""
    page = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    assert page == configuration_page(), "run: python -m copilot_pipeline.config.reference > docs/configuration.md"


@pytest.mark.parametrize(
    "model", [Environment, *dict.fromkeys(models_in(PipelineFile))], ids=lambda model: str(model.__name__)
)
def test_every_setting_has_a_description(model: type[BaseModel]) -> None:
    """A description is one or two sentences, the last of which may name the default."""
    for name, field in model.model_fields.items():
        assert field.description, name
        assert field.description.endswith("."), name


def test_page_has_every_setting() -> None:
    """Each field of each model is the last part of a key on the page."""
    keys = {key.split(".")[-1] for key in re.findall(r"^\| `([^`]+)` \|", configuration_page(), flags=re.MULTILINE)}
    for model in models_in(PipelineFile):
        if model.__name__ != "ConstantSettings":
            missing = {name.rstrip("_") for name in model.model_fields} - keys
            assert all(
                f"### {name}\n" in configuration_page() or f".{name}." in configuration_page() for name in missing
            )


def test_env_example_has_every_variable_with_its_default() -> None:
    """Each variable is listed, and a value that is shown for one with a default is that default."""
    lines = (ROOT / ".env.example").read_text(encoding="utf-8").splitlines()
    shown = dict(re.findall(r"^#?([A-Z][A-Z_]+)=(.*)$", "\n".join(lines), flags=re.MULTILINE))
    assert set(shown) == {name.upper() for name in Environment.model_fields}
    environment = Environment(_env_file=None)  # type: ignore[call-arg]
    for name, field in Environment.model_fields.items():
        if field.default is not None and field.default != Path(".copilot_pipeline"):
            given = Environment(_env_file=None, **{name: shown[name.upper()]})  # type: ignore[call-arg]
            assert getattr(given, name) == getattr(environment, name) == field.default


def test_the_example_shows_defaults() -> None:
    """Apart from the sandbox's kits and documents, the values in pipeline.example.yaml are the defaults."""
    content = yaml.safe_load((ROOT / "pipeline.example.yaml").read_text(encoding="utf-8"))
    defaults = PipelineFile()
    assert content["timezone"] == defaults.timezone
    for section in ("clari", "semarize"):
        assert content[section] == getattr(defaults, section).model_dump()
